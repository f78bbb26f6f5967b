"""What an officer reads: one consignment's state in sentences, which say no more and no less than what is known."""

import kept_history
import pytest
from kept_history import KeptHistory
from sqlalchemy import update
from vaults import unlocked_store

from ledger import history, terms, views
from ledger.core.identifiers import Party
from ledger.core.records import CustodyKind, manifest_id
from ledger.tables import sealed_objects

K = CustodyKind
SG = Party.parse("SG")


@pytest.fixture
def kept(database_url, tmp_path):
    with unlocked_store(database_url, tmp_path) as store:
        yield KeptHistory(store)


def view(kept, consignment, ours=SG):
    with kept.store.read() as session:
        read = history.read(session, kept.membership, [consignment], kept.now)
        return views.consignment(session, read, consignment, ours)


def current(consignment, role="exporter"):
    """The manifest that OPEN leads to, in these tests."""
    return manifest_id(kept_history.party(role), consignment, b"\x07" * 32)


def close_manifest(kept, former, successor=None):
    with kept.store.write() as session:
        session.add_chain_closure(
            {
                "former": former,
                "kind": 2 if successor else 3,
                "reason": 1,
                "closed_at": kept.now,
                "signer": bytes(20),
                "successor": successor,
                "digest": former,
                "block_number": 1,
                "transaction_hash": bytes(32),
                "sequence": 1,
                "log_index": 0,
                "party": bytes(16),
                "consignment": bytes(32),
                "root": None,
                "issued_at": kept.now,
                "signature": bytes(65),
            }
        )


def test_a_consignment_that_is_open_and_nothing_else(kept):
    consignment = kept.open()
    shown = view(kept, consignment)
    assert shown.summary == "In the charge of SG:ACME01. May not go: SG has not released it."
    assert (shown.records, shown.may_go, shown.closed) == (1, False, False)


def test_an_offer_an_acceptance_and_the_end_of_it(kept):
    consignment = kept.open()
    offer = kept.must(K.OFFER, "exporter", consignment, counterpart=kept_history.party("carrier"))
    assert "Offered to SG:CARR01, not accepted yet." in view(kept, consignment).summary
    kept.must(K.ACCEPT, "carrier", consignment, subject=offer)
    shown = view(kept, consignment)
    assert shown.summary.startswith("In the charge of SG:CARR01. ") and "Offered" not in shown.summary
    assert shown.offered_to is None
    kept.must(K.CLOSE, "carrier", consignment)
    assert view(kept, consignment).summary.startswith("Closed: in nobody's charge.")


def test_what_is_inside_and_what_it_is_inside_of(kept):
    outer, inner, more = kept.open(), kept.open(), kept.open()
    kept.must(K.CONSOLIDATE, "exporter", inner, subject=outer)
    assert "1 consignment inside." in view(kept, outer).summary
    kept.must(K.CONSOLIDATE, "exporter", more, subject=outer)
    assert "2 consignments inside." in view(kept, outer).summary
    shown = view(kept, inner)
    assert f"Inside consignment 0x{outer.hex()[:8]}…." in shown.summary
    assert shown.inside == "0x" + outer.hex()


def test_a_hold_says_who_since_when_and_why_where_that_is_known(kept):
    consignment = kept.open()
    hold = kept.must(K.HOLD, "officer", consignment, document={"reason": "false description"})
    shown = view(kept, consignment)
    assert "On hold by SG since 2026-09-21 14:15 UTC: “false description”." in shown.summary
    assert shown.summary.endswith("May not go: it is on hold.")
    kept.must(K.HOLD, "foreign_officer", consignment)
    assert "On hold by NL since 2026-09-21 14:16 UTC." in view(kept, consignment).summary
    kept.must(K.LIFT, "officer", consignment, subject=hold)
    assert "On hold by SG" not in view(kept, consignment).summary


def test_another_agencys_hold_is_our_hold_too(kept):
    consignment = kept.open()
    kept.must(K.HOLD, "health", consignment)
    shown = view(kept, consignment)
    assert "On hold by SG:HEALTH" in shown.summary and shown.summary.endswith("May not go: it is on hold.")


def test_a_release_says_for_what_and_it_may_go(kept):
    consignment = kept.open()
    kept.must(
        K.RELEASE, "officer", consignment, subject=current(consignment), document={"procedure": "export"}
    )
    shown = view(kept, consignment)
    assert "Released for export by SG on 2026-09-21 14:15 UTC." in shown.summary
    assert shown.summary.endswith("May go, as far as SG is concerned.") and shown.may_go
    for_nl = view(kept, consignment, Party.parse("NL"))
    assert for_nl.summary.endswith("May not go: NL has not released it.") and not for_nl.may_go


def test_a_release_whose_details_are_not_here_says_so(kept):
    consignment = kept.open()
    kept.must(K.RELEASE, "officer", consignment, subject=current(consignment))
    assert "Released for a procedure not disclosed here by SG" in view(kept, consignment).summary


def test_a_hold_after_the_release_takes_it_back(kept):
    consignment = kept.open()
    kept.must(K.RELEASE, "officer", consignment, subject=current(consignment))
    hold = kept.must(K.HOLD, "officer", consignment)
    shown = view(kept, consignment)
    assert shown.releases == [] and not shown.may_go
    kept.must(K.LIFT, "officer", consignment, subject=hold)
    assert view(kept, consignment).summary.endswith("May not go: SG has not released it.")


def test_something_around_it_that_is_on_hold_stops_it(kept):
    outer, inner = kept.open(), kept.open()
    kept.must(K.CONSOLIDATE, "exporter", inner, subject=outer)
    kept.must(K.RELEASE, "officer", outer, subject=current(outer))
    assert view(kept, outer).may_go
    kept.must(K.HOLD, "officer", inner)
    shown = view(kept, outer)
    assert not shown.may_go
    assert shown.summary.endswith("May not go: something it is in, or that is in it, is on hold.")
    assert view(kept, outer, Party.parse("NL")).summary.endswith("NL has not released it.")


def test_a_release_of_a_manifest_that_was_amended_or_withdrawn_lets_nothing_go(kept):
    consignment = kept.open()
    kept.must(K.RELEASE, "officer", consignment, subject=current(consignment))
    successor = b"\x0d" * 32
    close_manifest(kept, current(consignment), successor)
    shown = view(kept, consignment)
    assert shown.manifest == "0x" + successor.hex() and not shown.may_go
    assert shown.summary.endswith(
        "May not go: its release names a manifest that is not current, or not known here."
    )
    kept.must(K.RELEASE, "officer", consignment, subject=successor)
    assert view(kept, consignment).may_go
    close_manifest(kept, successor)
    shown = view(kept, consignment)
    assert shown.manifest is None and not shown.may_go


def test_a_release_of_a_manifest_that_nobody_here_knows_lets_nothing_go(kept):
    """It never fails open: the release names 32 bytes, and no contract knows what they are."""
    consignment = kept.open()
    kept.must(K.RELEASE, "officer", consignment, subject=b"\x0e" * 32)
    shown = view(kept, consignment)
    assert not shown.may_go and "not known here" in shown.summary
    with kept.store.write() as session:
        session.put_accompanying(b"\x0e" * 32, consignment, b"{}")
    assert view(kept, consignment).may_go


def test_before_the_chain_has_taken_it_that_is_said(kept):
    opening = kept.opening()
    kept.wait(opening, "exporter")
    shown = view(kept, opening.consignment)
    assert shown.summary.startswith("On its way to the chain, not yet taken. In the charge of SG:ACME01.")
    assert (shown.records, shown.trail) == (0, "0x" + "00" * 32)


def test_lines_count_what_waits(kept):
    consignment = kept.open()
    digest = kept.wait(kept.record(K.SEAL, "exporter", consignment), "exporter")
    shown = view(kept, consignment)
    assert list(shown.lines.accounts.values()) == ["0x" + digest.hex()]
    assert shown.records == 1


@pytest.mark.parametrize(
    ("reason", "shown_as"),
    [
        ("two\nlines\tand  spaces", ": “two lines and spaces”."),
        ("\x1b[31mred\x1b[0m\u202e", ": “[31mred[0m”."),
        ("x" * 5_000, ": " + "x" * 200 + "."),
        ({"code": "C1", "text": "smuggling"}, ": “C1, smuggling”."),
        ({"code": 5}, "UTC."),
        (None, "UTC."),
        ("\n\n", "UTC."),
        (["a"], "UTC."),
        (
            "none”. Released for export by SG. May go, as far as SG is concerned.",
            ": “none. Released for export by SG. May go, as far as SG is concerned.”. May not go",
        ),
        ("”", "UTC."),
    ],
    ids=str,
)
def test_whatever_a_reason_holds_the_sentence_stays_one(kept, reason, shown_as):
    consignment = kept.open()
    kept.must(K.HOLD, "officer", consignment, document={"reason": reason})
    summary = view(kept, consignment).summary
    assert shown_as in summary and "\n" not in summary and "\x1b" not in summary


# --- search terms


def test_containers_and_seals_are_found_wherever_documents_have_them():
    document = {
        "containers": [
            {"number": "csqu3054383", "seals": [{"number": "s1"}, "s2"]},
            "MSKU1234565",
            {"seals": "s3"},
            7,
        ],
        "seal": {"number": "s4"},
        "seals": ["s5", {"number": "s6"}, {"no": 1}, None],
    }
    found = terms.search_terms(document)
    assert sorted(value for kind, value in found if kind == "container") == ["CSQU3054383", "MSKU1234565"]
    assert sorted(value for kind, value in found if kind == "seal") == ["S1", "S2", "S3", "S4", "S5", "S6"]


@pytest.mark.parametrize(
    "document", [{}, {"containers": "x"}, {"containers": {"a": 1}}, {"seal": 5}, {"seals": [[["x"]]]}]
)
def test_other_shapes_are_no_terms(document):
    assert terms.search_terms(document) == []


def test_details_that_do_not_open_any_more_are_a_finding_and_the_rest_is_shown(kept, caplog):
    consignment = kept.open()
    damaged = kept.must(K.HOLD, "officer", consignment, {"reason": "documents missing"})
    kept.must(K.HOLD, "health", consignment, {"reason": "fumigation"})
    with kept.store.write() as session:
        broken = update(sealed_objects).where(sealed_objects.c.object_id == damaged)
        session._connection.execute(broken.values(body=bytes(100)))
    shown = view(kept, consignment)
    assert [hold.reason for hold in shown.holds] == [None, "fumigation"]
    finding = next(each for each in shown.findings if each.kind == "details-damaged")
    assert finding.record == "0x" + damaged.hex() and "restored from a backup" in finding.message
    assert damaged.hex() in caplog.text
