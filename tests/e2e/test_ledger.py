"""What a ledger accepts and what it refuses: each refusal beside the thing that is accepted."""

import dataclasses
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from pydantic import ValidationError

import ledger.readiness
import ledger.serving.working
import ledger.store
from ledger import history
from ledger.chain import custody_tuple
from ledger.core import documents, merkle, records, signatures
from ledger.core.records import ZERO32, CustodyKind, Promise, Role
from ledger.deployment import consent
from ledger.errors import (
    ChainUnread,
    Conflict,
    ConsignmentAlreadyOpened,
    ConsignmentHeld,
    ConsignmentNotOpened,
    DigestMismatch,
    InclusionError,
    InvalidDisclosure,
    InvalidDocument,
    InvalidInput,
    InvalidRecord,
    InvalidSignature,
    LedgerError,
    NotFound,
    NotPermitted,
    RecordExpired,
    RecordNotNext,
    SignerMismatch,
    StepNotAllowed,
    StoreError,
)
from ledger.ledger import Ledger
from ledger.messages import (
    AccompanyingFile,
    CustodyRecordMessage,
    CustodySubmission,
    ManifestRecordMessage,
    from_hex,
    to_hex,
)

DAY = 86_400


# --- lodging


def test_a_manifest_is_accepted_with_a_promise_that_its_sequencer_signed(singapore):
    manifest = singapore.manifest()
    answer, is_new = singapore.ledger.lodge(manifest.submission)
    assert is_new and answer.state == "accepted" and from_hex(answer.id) == manifest.id and answer.index == 0
    said = answer.promise
    promise = Promise(
        b"SG".ljust(8, b"\0"), said.epoch, said.index, from_hex(said.leaf_hash), said.seen, said.anchor_by
    )
    signer = signatures.recover(promise.digest(singapore.profile.log_domain), from_hex(said.signature))
    assert signer == said.signer == singapore.network.address("sequencer")
    assert said.seen and 0 < said.anchor_by - time.time() <= 60
    leaf = manifest.record.leaf_data(from_hex(manifest.submission.signature))
    assert from_hex(said.leaf_hash) == records.leaf_hash(leaf)


def test_the_same_manifest_again_is_the_same_answer_for_ever(singapore, open_ledger):
    manifest = singapore.manifest()
    first, _ = singapore.ledger.lodge(manifest.submission)
    again, is_new = singapore.ledger.lodge(manifest.submission)
    assert not is_new and again == first
    singapore.reopen()
    again, is_new = singapore.ledger.lodge(manifest.submission)
    assert not is_new and again == first
    singapore.settle()
    again, is_new = singapore.ledger.lodge(manifest.submission)
    assert not is_new and again.promise == first.promise and again.state == "final"


def test_a_second_signature_over_the_same_manifest_makes_no_second_one(singapore):
    manifest = singapore.lodged()
    later = dataclasses.replace(manifest.record, issued_at=manifest.record.issued_at - 5)
    answer, is_new = singapore.ledger.lodge(singapore.signed(later, "exporter"))
    assert not is_new and from_hex(answer.id) == manifest.id and answer.index == 0
    assert len(singapore.ledger.find_manifests()) == 1


def test_fifty_at_once_with_the_same_manifest_get_one_index(singapore):
    manifest = singapore.manifest()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: singapore.ledger.lodge(manifest.submission), range(50)))
    assert sum(is_new for _, is_new in answers) == 1
    assert len({answer.promise.signature for answer, _ in answers}) == 1


def test_a_batch_is_judged_one_by_one_and_indexes_have_no_gap(singapore):
    good = [singapore.manifest() for _ in range(3)]
    stranger = singapore.manifest("stranger", party="SG:ACME01")
    answers = singapore.lodge_together(good[0], stranger, *good)
    assert isinstance(answers[1], NotPermitted)
    assert [(each[0].index, each[1]) for each in answers if not isinstance(each, LedgerError)] == [
        (0, True),
        (0, False),
        (1, True),
        (2, True),
    ]


def test_what_came_before_in_a_batch_counts_for_what_comes_after(singapore):
    first = singapore.manifest()
    amended = singapore.amendment(first)
    same_reference = singapore.manifest(reference=first.reference)
    another = singapore.manifest(reference=first.reference, key=first.key)
    batch = [first, amended, same_reference, another]
    answers = singapore.lodge_together(*batch)
    assert [isinstance(each, LedgerError) for each in answers] == [False, False, True, False], answers
    assert isinstance(answers[2], Conflict) and "is in use for the open consignment" in str(answers[2])
    assert [answers[at][0].index for at in (0, 1, 3)] == [0, 1, 2]
    assert singapore.lodge_together(*batch)[:2] == [
        (answers[0][0], False),
        (answers[1][0], False),
    ]


def test_a_refused_manifest_of_a_batch_leaves_nothing_behind(singapore):
    """Its reference and key must not open the way for anybody, and block nobody."""
    refused = singapore.manifest(kind=2, supersedes=secrets.token_bytes(32))
    with pytest.raises(NotFound):
        singapore.ledger.lodge(refused.submission)
    with singapore.ledger._store.read() as session:
        assert session.known_consignment(refused.consignment) is None
        assert session.content(refused.record.digest(singapore.profile.log_domain)) is None
        assert session.consignments_with_term("container", "CSQU3054383") == []
    singapore.lodged(reference=refused.reference)


def test_nothing_is_called_unknown_by_a_service_that_has_not_read_the_chain_to_its_end(open_ledger):
    at_work = open_ledger()
    manifest = at_work.manifest()
    with pytest.raises(ChainUnread, match="up to block 0, not to its end"):
        at_work.ledger.lodge(manifest.submission)
    with pytest.raises(ChainUnread):
        opening = {"previous": manifest.blind, "details": manifest.record.manifest_root}
        at_work.ledger.record([at_work.step(CustodyKind.OPEN, "exporter", manifest.consignment, **opening)])
    for ask in (
        lambda: at_work.ledger.account(at_work.network.address("exporter")),
        lambda: at_work.ledger.party("SG:ACME01"),
        lambda: at_work.ledger.consignment(manifest.consignment),
        lambda: at_work.ledger.consignment_records(manifest.consignment),
    ):
        with pytest.raises(ChainUnread):
            ask()
    assert at_work.ledger.administrations() == []
    at_work.settle()
    assert {view.administration for view in at_work.ledger.administrations()} == {"SG", "NL", "AE"}
    assert at_work.ledger.account(at_work.network.address("exporter")).party == "SG:ACME01"
    with pytest.raises(NotFound):
        at_work.ledger.consignment(manifest.consignment)
    at_work.ledger.lodge(manifest.submission)
    at_work.anvil.mine(ledger.readiness.LAG_BLOCKS + 1)
    at_work.ledger._worker_seen = 0.0
    at_work.ledger._beat()
    stranger = at_work.manifest("stranger", party="SG:ACME01").submission
    with pytest.raises(ChainUnread, match=r"up to block \d+, not to block \d+"):
        at_work.ledger.lodge(stranger)
    assert at_work.ledger.lodge(at_work.manifest().submission)[1], "who is known is not kept waiting"
    at_work.settle()
    with pytest.raises(NotPermitted):
        at_work.ledger.lodge(stranger)


# Who may not: the role that signs, the party it signs for, and the reason it is told.


def _unknown(at_work):
    return "stranger", "SG:ACME01", "not enrolled"


def _of_another_party(at_work):
    return "carrier", "SG:ACME01", "acts for SG:CARR01, not for SG:ACME01"


def _of_another_administration(at_work):
    return "importer", "NL:IMPO01", "not SG's: lodge with your own administration"


def _an_auditor(at_work):
    return "auditor", "SG", "none of the roles TRADER, OFFICER"


def _a_sequencer(at_work):
    return "sequencer", "SG", "none of the roles"


def _revoked(at_work):
    with closing(at_work.network.governance()) as governance:
        governance.revoke(at_work.network.address("exporter"), 1)
    at_work.turn()
    return "exporter", "SG:ACME01", "it was revoked at"


def _expired(at_work):
    key = at_work.network.keys["for_a_moment"] = secrets.token_bytes(32)
    until = int(time.time()) + 2
    agreed = consent(at_work.profile, key, "SG:ACME01", 1, until)
    with closing(at_work.network.governance()) as governance:
        governance.enrol(signatures.account_of(key), "SG:ACME01", 1, until, agreed)
    at_work.turn()
    time.sleep(2.1)
    return "for_a_moment", "SG:ACME01", "its enrolment ended at"


def _suspended(at_work):
    with closing(at_work.network.governance("foreign_governor")) as governance:
        proposal = governance.propose_suspension("SG")
    with closing(at_work.network.governance("transit_governor")) as governance:
        governance.approve(proposal)
    at_work.turn()
    return "exporter", "SG:ACME01", "SG is suspended"


@pytest.mark.parametrize(
    "who",
    [
        _unknown,
        _of_another_party,
        _of_another_administration,
        _an_auditor,
        _a_sequencer,
        _revoked,
        _expired,
        _suspended,
    ],
    ids=lambda who: who.__name__.strip("_"),
)
def test_who_may_not_lodge_may_not_sign_custody_either_and_is_told_why(singapore, who):
    opened = singapore.opened()
    singapore.settle()
    role, party, reason = who(singapore)
    with pytest.raises(NotPermitted, match=reason):
        singapore.ledger.lodge(singapore.manifest(role, party=party).submission)
    remark = singapore.step(CustodyKind.REMARK, role, opened.consignment, party=party, previous=ZERO32)
    answer = singapore.ledger.record([remark])[0]
    assert isinstance(answer, NotPermitted)
    assert reason in str(answer)


def _submission(record, signature, **beside):
    return CustodySubmission(record=CustodyRecordMessage.of(record), signature=to_hex(signature), **beside)


def test_whoever_may_lodge_lodges(singapore):
    for role in ("exporter", "carrier", "officer"):
        singapore.lodged(role)


def test_a_reinstated_administration_lodges_again(singapore):
    _suspended(singapore)
    with pytest.raises(NotPermitted):
        singapore.ledger.lodge(singapore.manifest().submission)
    with closing(singapore.network.governance("foreign_governor")) as governance:
        proposal = governance.propose_reinstatement("SG")
    with closing(singapore.network.governance("transit_governor")) as governance:
        governance.approve(proposal)
    singapore.turn()
    singapore.lodged()


def test_a_signature_for_another_chain_recovers_somebody_unknown(singapore):
    manifest = singapore.manifest()
    elsewhere = dataclasses.replace(singapore.profile.log_domain, chain_id=1)
    signature = signatures.sign(manifest.record.digest(elsewhere), singapore.network.keys["exporter"])
    with pytest.raises(NotPermitted, match="signed for this chain"):
        singapore.ledger.lodge(manifest.submission.model_copy(update={"signature": to_hex(signature)}))


def test_a_signature_that_is_none_is_refused(singapore):
    manifest = singapore.manifest()
    for spoiled in ("0x" + "00" * 65, manifest.submission.signature[:-2] + "01"):
        with pytest.raises(InvalidSignature):
            singapore.ledger.lodge(manifest.submission.model_copy(update={"signature": spoiled}))


def test_a_document_that_leads_elsewhere_is_refused_and_the_true_one_is_kept(singapore):
    manifest = singapore.manifest()
    changed = manifest.document | {"goods": []}
    with pytest.raises(DigestMismatch, match="The manifest root"):
        singapore.ledger.lodge(manifest.submission.model_copy(update={"document": changed}))
    with pytest.raises(DigestMismatch):
        singapore.ledger.lodge(manifest.submission.model_copy(update={"secret": "0x" + "11" * 32}))
    for half in ({"document": None}, {"secret": None}):
        with pytest.raises(InvalidRecord, match="come together"):
            singapore.ledger.lodge(manifest.submission.model_copy(update=half))
    singapore.ledger.lodge(manifest.submission)
    assert singapore.ledger.manifest(manifest.id).document == manifest.document
    assert singapore.ledger.manifest(manifest.id).content == "seen"


@pytest.mark.parametrize(
    "value",
    [1.5, float("nan"), 10**30, "\ud800", {"a": {"b": 1e300}}, 2**53],
    ids=lambda value: repr(value)[:12],
)
def test_a_document_that_cannot_be_committed_to_is_refused_as_one(singapore, value):
    manifest = singapore.manifest()
    spoiled = manifest.submission.model_copy(update={"document": {"x": value}})
    with pytest.raises((InvalidDocument, DigestMismatch)):
        singapore.ledger.lodge(spoiled)
    deep: dict = {}
    for _ in range(2_000):
        deep = {"a": deep}
    with pytest.raises(InvalidDocument):
        singapore.ledger.lodge(manifest.submission.model_copy(update={"document": deep}))


def test_a_manifest_without_its_document_is_promised_as_unseen(singapore):
    manifest = singapore.manifest(document={"a": 1})
    bare = manifest.submission.model_copy(update={"document": None, "secret": None})
    answer, _ = singapore.ledger.lodge(bare)
    assert answer.promise.seen is False
    assert singapore.ledger.manifest(manifest.id).content == "unseen"


def test_a_record_issued_in_the_future_is_refused_and_one_a_little_ahead_is_not(singapore):
    now = int(time.time())
    with pytest.raises(InvalidRecord, match="300 seconds ahead"):
        singapore.ledger.lodge(singapore.manifest(issued_at=now + 400).submission)
    singapore.lodged(issued_at=now + 100)
    singapore.lodged(issued_at=0)  # a claim, and for a LODGE of no consequence


def test_an_amendment_that_no_contract_would_take_any_more_is_refused_at_once(singapore):
    manifest = singapore.lodged()
    now = int(time.time())
    with pytest.raises(InvalidRecord, match="30 days old"):
        singapore.ledger.lodge(singapore.amendment(manifest, issued_at=now - 31 * DAY).submission)
    singapore.ledger.lodge(singapore.amendment(manifest, issued_at=now - 29 * DAY).submission)
    singapore.settle()
    assert singapore.ledger.manifest(manifest.id).closure is not None


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": 0}, "kind"),
        ({"kind": 4}, "kind"),
        ({"reason": 6}, "reason"),
        ({"consignment": ZERO32}, "consignment"),
        ({"manifest_root": ZERO32}, "manifest_root"),
        ({"supersedes": b"\1" * 32}, "supersedes"),
        ({"kind": 2}, "supersedes"),
    ],
)
def test_a_record_of_the_wrong_form_is_refused_by_its_field(singapore, changes, field):
    with pytest.raises(InvalidRecord) as caught:
        singapore.ledger.lodge(singapore.manifest(**changes).submission)
    assert caught.value.field == field


def test_a_service_without_a_sequencers_key_only_reads(singapore):
    manifest = singapore.lodged()
    singapore.settle()
    singapore.ledger.close()
    config = dataclasses.replace(singapore.config, sequencer_key=None, relayer_keys=())
    with closing(Ledger.open(config)) as reader:
        assert reader.manifest(manifest.id).state == "final"
        with pytest.raises(StoreError, match="no sequencer key"):
            reader.lodge(singapore.manifest().submission)
        assert reader.lodge(manifest.submission)[1] is False  # what it has, it may still say
        with pytest.raises(StoreError, match="needs a sequencer key and a relayer key"):
            reader.work_once()


# --- references and keys


def test_a_reference_and_key_that_open_another_consignment_are_refused(singapore):
    manifest = singapore.manifest()
    for changes in ({"consignment_key": "0x" + "22" * 32}, {"reference": "ucr:6SGOTHER"}):
        with pytest.raises(DigestMismatch, match="The consignment id"):
            singapore.ledger.lodge(manifest.submission.model_copy(update=changes))
    for half in ({"consignment_key": None}, {"reference": None}):
        with pytest.raises(InvalidRecord, match="come together"):
            singapore.ledger.lodge(manifest.submission.model_copy(update=half))
    with pytest.raises(InvalidInput):
        singapore.ledger.lodge(manifest.submission.model_copy(update={"reference": "no reference"}))
    singapore.ledger.lodge(manifest.submission)


def test_a_second_open_consignment_under_one_reference_is_refused_until_the_first_is_closed(singapore):
    first = singapore.opened()
    singapore.settle()
    second = singapore.manifest(reference=first.reference)
    assert second.consignment != first.consignment
    with pytest.raises(Conflict, match="in use for the open consignment"):
        singapore.ledger.lodge(second.submission)
    singapore.lodged(
        reference=first.reference, key=first.key, document={"another": "manifest"}
    )  # of the same one
    singapore.recorded(CustodyKind.CLOSE, "exporter", first.consignment)
    singapore.ledger.lodge(second.submission)


# --- amending and withdrawing


def test_who_may_amend(singapore):
    manifest = singapore.lodged()
    with pytest.raises(NotPermitted, match="the manifest is SG:ACME01's"):
        singapore.ledger.lodge(singapore.amendment(manifest, "carrier", party="SG:CARR01").submission)
    amendment = singapore.amendment(manifest)
    singapore.ledger.lodge(amendment.submission)
    with pytest.raises(Conflict, match="being amended or withdrawn already"):
        singapore.ledger.lodge(singapore.amendment(manifest).submission)
    singapore.settle()
    with pytest.raises(Conflict, match="its successor is 0x" + amendment.id.hex()):
        singapore.ledger.lodge(singapore.amendment(manifest).submission)
    singapore.ledger.lodge(singapore.amendment(amendment, kind=3).submission)
    singapore.settle()
    with pytest.raises(Conflict, match="was withdrawn"):
        singapore.ledger.lodge(singapore.amendment(amendment).submission)


def test_customs_withdraws_a_traders_manifest(singapore):
    manifest = singapore.opened()
    singapore.settle()
    withdrawal = singapore.amendment(manifest, "officer", kind=3, reason=5)
    singapore.ledger.lodge(withdrawal.submission)
    singapore.settle()
    assert singapore.ledger.manifest(manifest.id).closure.reason == 5


def test_what_is_not_here_cannot_be_amended(singapore):
    manifest = singapore.manifest()
    with pytest.raises(NotFound, match="manifest"):
        singapore.ledger.lodge(singapore.amendment(manifest).submission)


def test_an_amendment_stays_with_its_consignment(singapore):
    manifest = singapore.lodged()
    with pytest.raises(InvalidRecord, match="that of the manifest it amends"):
        singapore.ledger.lodge(
            singapore.amendment(manifest, consignment=secrets.token_bytes(32)).submission.model_copy(
                update={"reference": None, "consignment_key": None}
            )
        )


def test_an_amendment_to_the_same_manifest_is_no_amendment(singapore):
    """It used to be answered as if it were there already, and the former stayed as it was."""
    manifest = singapore.lodged()
    same = dataclasses.replace(manifest.record, kind=2, reason=1, supersedes=manifest.id)
    with pytest.raises(Conflict, match="same as the one it amends"):
        singapore.ledger.lodge(singapore.signed(same, "exporter"))


def test_an_amendment_to_what_was_lodged_by_itself_is_refused_and_not_swallowed(singapore):
    former = singapore.lodged()
    other = singapore.lodged(reference=former.reference, key=former.key, document={"b": "c"})
    to_other = dataclasses.replace(other.record, kind=2, reason=1, supersedes=former.id)
    with pytest.raises(Conflict, match="in this log already"):
        singapore.ledger.lodge(singapore.signed(to_other, "exporter"))


def test_an_amendment_signed_again_is_the_same_answer(singapore):
    manifest = singapore.lodged()
    amendment = singapore.amendment(manifest)
    first, _ = singapore.ledger.lodge(amendment.submission)
    again = dataclasses.replace(amendment.record, issued_at=amendment.record.issued_at - 3)
    answer, is_new = singapore.ledger.lodge(singapore.signed(again, "exporter"))
    assert not is_new and answer.index == first.index


# --- custody records


def test_a_custody_record_again_is_the_same_record(singapore):
    manifest = singapore.opened()
    seal = singapore.step(CustodyKind.SEAL, "exporter", manifest.consignment)
    (first, is_new), (second, again) = singapore.ledger.record([seal, seal])
    assert (is_new, again) == (True, False) and first == second
    singapore.settle()
    answer, is_new = singapore.ledger.record([seal])[0]
    assert (answer.state, is_new) == ("final", False)
    assert len(singapore.ledger.consignment_records(manifest.consignment)) == 2


def test_a_record_that_is_on_chain_by_another_way_is_the_same_record(singapore):
    manifest = singapore.opened()
    singapore.settle()
    record, signature = singapore.custody(CustodyKind.SEAL, "exporter", manifest.consignment)
    singapore.send("ConsignmentLedger", "append", [custody_tuple(record)], [signature])
    singapore.settle()
    singapore.turn()
    answer, is_new = singapore.ledger.record([_submission(record, signature)])[0]
    assert (answer.state, is_new) == ("recorded", False)
    singapore.anvil.mine(3)
    singapore.turn()
    answer, is_new = singapore.ledger.record([_submission(record, signature)])[0]
    assert (answer.state, is_new) == ("final", False)


def test_records_of_one_batch_follow_each_other(singapore):
    """Each names the one before it; none is on chain yet."""
    manifest = singapore.lodged()
    batch, previous = [], {"exporter": ZERO32, "officer": ZERO32}
    batch.append(
        singapore.step(
            CustodyKind.OPEN,
            "exporter",
            manifest.consignment,
            previous=manifest.blind,
            details=manifest.record.manifest_root,
        )
    )
    for role, kind in [("officer", 2), ("exporter", 5), ("officer", 4), ("exporter", 17), ("officer", 9)]:
        step = singapore.step(CustodyKind(kind), role, manifest.consignment, previous=previous[role])
        previous[role] = step.record.to_record().digest(singapore.profile.consignments_domain)
        batch.append(step)
    answers = singapore.ledger.record(batch)
    assert [answer[0].state for answer in answers] == ["accepted"] * 6
    release = singapore.step(
        CustodyKind.RELEASE,
        "officer",
        manifest.consignment,
        previous=previous["officer"],
        subject=manifest.id,
    )
    assert isinstance(singapore.ledger.record([release])[0], ConsignmentHeld)
    singapore.settle()
    assert {view.state for view in singapore.ledger.consignment_records(manifest.consignment)} == {"final"}
    singapore.check_everything()


def test_a_batch_of_two_consignments_that_meet_is_judged_as_one(singapore):
    """A history that was read for one record must not be forgotten, nor counted twice, by a later one."""
    outer, inner = singapore.lodged(), singapore.lodged()
    opens = [
        singapore.step(
            CustodyKind.OPEN,
            "exporter",
            each.consignment,
            previous=each.blind,
            details=each.record.manifest_root,
        )
        for each in (outer, inner)
    ]
    into = singapore.step(
        CustodyKind.CONSOLIDATE, "exporter", inner.consignment, subject=outer.consignment, previous=ZERO32
    )
    digest = into.record.to_record().digest(singapore.profile.consignments_domain)
    out = singapore.step(
        CustodyKind.DECONSOLIDATE, "exporter", inner.consignment, subject=outer.consignment, previous=digest
    )
    close_too_early = singapore.step(CustodyKind.CLOSE, "exporter", outer.consignment, previous=ZERO32)
    answers = singapore.ledger.record([*opens, into, close_too_early, out, close_too_early])
    names = [type(each).__name__ if isinstance(each, LedgerError) else each[0].state for each in answers]
    assert names == ["accepted"] * 3 + ["ConsignmentNotEmpty", "accepted", "accepted"]
    singapore.settle()
    view = singapore.ledger.consignment(outer.consignment)
    assert view.closed and view.contents == []
    singapore.check_everything()


def test_a_batch_about_several_consignments_reads_each(singapore):
    one, other, outer = (singapore.opened() for _ in range(3))
    singapore.settle()
    steps = [singapore.step(CustodyKind.SEAL, "exporter", each.consignment) for each in (one, other, outer)]
    steps += [
        singapore.step(CustodyKind.CONSOLIDATE, "exporter", each.consignment, subject=outer.consignment)
        for each in (one, other)
    ]
    answers = singapore.ledger.record(steps)
    assert [each[0].state for each in answers] == ["accepted"] * 5
    singapore.settle()
    assert len(singapore.ledger.consignment(outer.consignment).contents) == 2


def test_what_the_chain_would_refuse_is_refused_here_with_the_same_reason(singapore):
    manifest = singapore.opened()
    singapore.settle()
    now = int(time.time())
    hold = singapore.recorded(CustodyKind.HOLD, "officer", manifest.consignment)
    for submission, refusal in (
        (singapore.step(CustodyKind.OFFER, "carrier", manifest.consignment), StepNotAllowed),
        (
            singapore.step(CustodyKind.SEAL, "exporter", manifest.consignment, previous=b"\1" * 32),
            RecordNotNext,
        ),
        (
            singapore.step(
                CustodyKind.SEAL,
                "exporter",
                manifest.consignment,
                observed_at=now - 7200,
                expires_at=now - 3600,
            ),
            RecordExpired,
        ),
        (
            singapore.step(
                CustodyKind.OPEN,
                "exporter",
                manifest.consignment,
                previous=manifest.blind,
                details=manifest.record.manifest_root,
                observed_at=now - 1,
            ),
            ConsignmentAlreadyOpened,
        ),
        (
            singapore.step(CustodyKind.SEAL, "exporter", secrets.token_bytes(32), previous=ZERO32),
            ConsignmentNotOpened,
        ),
        (
            singapore.step(CustodyKind.RELEASE, "officer", manifest.consignment, subject=manifest.id),
            ConsignmentHeld,
        ),
    ):
        answer = singapore.ledger.record([submission])[0]
        assert type(answer) is refusal
        record = submission.record.to_record()
        singapore.settle()
        said = singapore.ledger._chain.check(record, from_hex(submission.signature))
        assert said is refusal.refusal
    lift = singapore.recorded(CustodyKind.LIFT, "officer", manifest.consignment, subject=hold)
    assert lift
    singapore.recorded(CustodyKind.RELEASE, "officer", manifest.consignment, subject=manifest.id)


def test_a_details_document_must_lead_to_the_details(singapore):
    manifest = singapore.opened()
    good = singapore.step(
        CustodyKind.SEAL, "exporter", manifest.consignment, document={"seal": {"number": "ab-7"}}
    )
    spoiled = good.model_copy(update={"document": {"seal": {"number": "ab-8"}}})
    assert isinstance(singapore.ledger.record([spoiled])[0], DigestMismatch)
    half = good.model_copy(update={"secret": None})
    assert isinstance(singapore.ledger.record([half])[0], InvalidRecord)
    broken = good.model_copy(update={"document": {"x": 10**40}})
    assert isinstance(singapore.ledger.record([broken])[0], InvalidDocument)
    assert singapore.ledger.find_consignments(seal="AB-7") == []
    singapore.ledger.record([good])
    [found] = singapore.ledger.find_consignments(seal="ab-7")
    assert found.id == to_hex(manifest.consignment)
    assert singapore.ledger.consignment_records(manifest.consignment)[-1].document == {
        "seal": {"number": "ab-7"}
    }


def test_an_offer_to_bytes_that_are_no_party_hides_no_consignment(singapore):
    """The chain takes any counterpart; a custodian could make every service fail on his consignment."""
    manifest = singapore.opened()
    singapore.settle()
    record, signature = singapore.custody(
        CustodyKind.OFFER,
        "exporter",
        manifest.consignment,
        counterpart=b"\xff\x00garbage\x01\x02\x03\x04\x05\x06\x07",
    )
    singapore.send("ConsignmentLedger", "append", [custody_tuple(record)], [signature])
    singapore.settle()
    singapore.turn()
    view = singapore.ledger.consignment(manifest.consignment)
    assert view.offered_to == "0x" + record.counterpart.hex()
    assert "Offered to 0x" in view.summary
    records_ = singapore.ledger.consignment_records(manifest.consignment)
    assert from_hex(records_[-1].record.counterpart) == record.counterpart
    through_us = singapore.step(
        CustodyKind.OFFER,
        "exporter",
        manifest.consignment,
        counterpart=b"\xff\x01garbage\x01\x02\x03\x04\x05\x06\x07",
    )
    assert isinstance(singapore.ledger.record([through_us])[0], InvalidRecord)


def test_twenty_officers_at_once_make_one_line_each_and_no_two_custody_steps(singapore):
    manifest = singapore.opened()
    singapore.settle()
    steps = [
        singapore.step(
            CustodyKind.OFFER, "exporter", manifest.consignment, counterpart=bytes([65 + i]) * 2 + bytes(14)
        )
        for i in range(20)
    ]
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda step: singapore.ledger.record([step])[0], steps))
    taken = [answer for answer in answers if not isinstance(answer, LedgerError)]
    assert len(taken) == 1
    assert all(isinstance(answer, RecordNotNext) for answer in answers if isinstance(answer, LedgerError))


# --- reading


def test_states_are_found_as_they_are_shown(singapore):
    final = singapore.lodged()
    singapore.settle()
    anchored = singapore.lodged()
    singapore.turn()
    singapore.turn()
    singapore.anvil.automine(False)
    sequenced = singapore.lodged()
    singapore.turn()
    accepted = singapore.lodged()
    expected = {"final": final, "anchored": anchored, "sequenced": sequenced, "accepted": accepted}
    for state, manifest in expected.items():
        assert singapore.ledger.manifest(manifest.id).state == state
        assert [view.id for view in singapore.ledger.find_manifests(state=state)] == [to_hex(manifest.id)]
    assert singapore.ledger.find_manifests(state="refused") == []
    assert len(singapore.ledger.find_manifests()) == 4


def test_manifests_are_found_by_what_they_are_about(singapore):
    one, other = (
        singapore.lodged(),
        singapore.lodged("carrier", document={"containers": [{"number": "msku1234565"}]}),
    )
    find = singapore.ledger.find_manifests
    assert [view.id for view in find(reference=one.reference)] == [to_hex(one.id)]
    assert [view.id for view in find(container="MSKU1234565")] == [to_hex(other.id)]
    assert [view.id for view in find(party="SG:CARR01")] == [to_hex(other.id)]
    assert find(reference=one.reference, container="MSKU1234565") == []
    assert [view.id for view in find(limit=1)] == [to_hex(one.id)]
    assert [view.id for view in find(after=from_hex(find(limit=1)[0].digest))] == [to_hex(other.id)]
    with pytest.raises(NotFound):
        find(after=secrets.token_bytes(32))
    with pytest.raises(InvalidRecord):
        find(party="no party")


def test_what_is_not_here_is_not_found(singapore):
    nothing = secrets.token_bytes(32)
    for ask in (
        lambda: singapore.ledger.manifest(nothing),
        lambda: singapore.ledger.manifest_proof(nothing),
        lambda: singapore.ledger.consignment(nothing),
        lambda: singapore.ledger.consignment_records(nothing),
        lambda: singapore.ledger.accompanying_file(nothing),
        lambda: singapore.ledger.head("SG"),
        lambda: singapore.ledger.head("ZZ"),
        lambda: singapore.ledger.consistency("SG", 1),
        lambda: singapore.ledger.consistency("NL", 1),
        lambda: singapore.ledger.leaves("NL", 0, 1),
        lambda: singapore.ledger.party("SG:NOBODY"),
        lambda: singapore.ledger.account(singapore.network.address("stranger")),
    ):
        with pytest.raises(NotFound):
            ask()
    assert singapore.ledger.leaves("SG", 0, 5) == []
    assert singapore.ledger.find_consignments(reference="ucr:6SGNOTHING") == []


def test_every_proof_of_the_log_holds_and_leads_to_what_is_anchored(singapore):
    hashes, sizes = [], []
    for count in (1, 1, 2, 3, 1, 8, 5):
        batch = [singapore.manifest() for _ in range(count)]
        answers = singapore.lodge_together(*batch)
        assert all(not isinstance(each, LedgerError) for each in answers)
        hashes += [
            records.leaf_hash(each.record.leaf_data(from_hex(each.submission.signature))) for each in batch
        ]
        singapore.settle()
        sizes.append(len(hashes))
    head = singapore.ledger.head("SG")
    assert (head.size, from_hex(head.root)) == (len(hashes), merkle.root(hashes))
    for first in sizes:
        proof = singapore.ledger.consistency("SG", first)
        assert (proof.first_size, proof.second_size) == (first, len(hashes))
        merkle.verify_consistency(
            first,
            merkle.root(hashes[:first]),
            proof.second_size,
            from_hex(proof.second_root),
            [from_hex(node) for node in proof.path],
        )
    for size in (0, 2**70, len(hashes) + 1, 3):
        with pytest.raises(NotFound):
            singapore.ledger.consistency("SG", size)
    for index, view in enumerate(singapore.ledger.find_manifests(limit=200)):
        proof = singapore.ledger.manifest_proof(from_hex(view.id))
        assert proof.index == index and proof.size == min(size for size in sizes if size > index)
        merkle.verify_inclusion(
            hashes[index], index, proof.size, [from_hex(node) for node in proof.path], from_hex(proof.root)
        )
    leaves = singapore.ledger.leaves("SG", 0, 1_000)
    assert [records.leaf_hash(from_hex(leaf.data)) for leaf in leaves] == hashes
    assert [leaf.index for leaf in singapore.ledger.leaves("SG", 5, 3)] == [5, 6, 7]
    assert singapore.ledger.leaves("SG", 2**70, 5) == [] == singapore.ledger.leaves("SG", -1, 5)
    singapore.check_everything()


def test_registry_views(singapore):
    account = singapore.ledger.account(singapore.network.address("officer"))
    assert (account.party, account.roles, account.revoked_at) == ("SG", ["OFFICER"], None)
    party = singapore.ledger.party("SG:ACME01")
    assert party.active and [each.address for each in party.accounts] == [
        singapore.network.address("exporter")
    ]
    [sg] = [each for each in singapore.ledger.administrations() if each.administration == "SG"]
    assert (sg.governor, sg.active, sg.epoch, sg.log_size) == (
        singapore.network.address("governor"),
        True,
        1,
        0,
    )


# --- readiness


@pytest.mark.row("C9")
def test_readiness_tells_the_truth(singapore, open_ledger):
    ready = singapore.ledger.readiness()
    assert ready.ready and ready.reasons == [] and ready.indexed_block == ready.head_block
    singapore.anvil.mine(5)
    assert singapore.ledger.readiness().reasons == ["5 blocks behind the chain"]
    singapore.work()
    assert singapore.ledger.readiness().ready
    fresh = open_ledger()
    said = fresh.ledger.readiness()
    assert not said.ready and not said.worker and "no worker was active in the last 8 seconds" in said.reasons
    profile = dataclasses.replace(singapore.profile, rpc_url="http://127.0.0.1:1")
    cut_off = open_ledger(profile=profile)
    said = cut_off.ledger.readiness()
    assert not said.chain and not said.ready and any("127.0.0.1:1" in reason for reason in said.reasons)
    assert cut_off.ledger.chain().chain_id == 31337


@pytest.mark.row("C9")
def test_a_chain_that_stands_still_is_said(singapore, open_ledger, monkeypatch):
    monkeypatch.setattr(ledger.serving.working, "BEAT_SECONDS", 0.0)
    profile = dataclasses.replace(singapore.profile, block_seconds=1)
    at_work = open_ledger(profile=profile)
    at_work.work()
    assert at_work.ledger.readiness().ready
    monkeypatch.setattr(ledger.readiness, "silent_seconds", lambda pace: 0.3)
    time.sleep(0.4)
    at_work.ledger.work_once()
    assert any("made no block for" in reason for reason in at_work.ledger.readiness().reasons)
    singapore.anvil.mine(1)
    at_work.ledger.work_once()
    assert at_work.ledger.readiness().ready
    assert singapore.ledger.readiness().chain  # one whose blocks are made by transactions alone never stands


def test_accepting_goes_on_while_the_chain_is_away(singapore):
    singapore.ledger.close()
    away = dataclasses.replace(singapore.profile, rpc_url="http://127.0.0.1:1")
    with closing(Ledger.open(dataclasses.replace(singapore.config, profile=away))) as cut_off:
        manifest = singapore.manifest()
        assert cut_off.lodge(manifest.submission)[1]
    singapore.reopen()
    singapore.settle()
    assert singapore.ledger.manifest(manifest.id).state == "final"


# --- another's database


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"administration": "NL"}, "administration"),
        ({"chain_id": 5}, "chain_id"),
        ({"genesis_hash": bytes(32)}, "genesis_hash"),
        ({"manifest_log": "0x5FbDB2315678afecb367f032d93F642f64180aa3"}, "manifest_log"),
        ({"registry": "0x5FbDB2315678afecb367f032d93F642f64180aa3"}, "registry"),
    ],
)
def test_the_database_of_another_ledger_is_refused(singapore, changes, what):
    singapore.ledger.close()
    in_config = {name: value for name, value in changes.items() if name == "administration"}
    in_profile = {name: value for name, value in changes.items() if name != "administration"}
    profile = dataclasses.replace(singapore.profile, **in_profile)
    config = dataclasses.replace(singapore.config, profile=profile, **in_config)
    with pytest.raises(StoreError, match=f"its {what} is"):
        Ledger.open(config)
    singapore.reopen()


# --- accompanying files


@pytest.fixture
def netherlands(open_ledger):
    at_work = open_ledger(administration="NL")
    at_work.settle()
    return at_work


@pytest.fixture
def travelling(singapore):
    """A consignment that is open and anchored, and the file that travels with it."""
    manifest = singapore.opened()
    singapore.settle()
    return manifest, singapore.ledger.accompanying_file(manifest.consignment)


def test_an_accompanying_file_lets_the_next_administration_find_the_cargo(singapore, netherlands, travelling):
    manifest, file = travelling
    netherlands.work()
    assert netherlands.ledger.find_consignments(reference=manifest.reference) == []
    view = netherlands.ledger.load_accompanying(file)
    assert (view.id, view.reference, view.custodian) == (
        to_hex(manifest.consignment),
        manifest.reference,
        "SG:ACME01",
    )
    assert netherlands.ledger.load_accompanying(file).id == view.id  # again is the same
    for found in (
        netherlands.ledger.find_consignments(reference=manifest.reference),
        netherlands.ledger.find_consignments(container="csqu3054383"),
        netherlands.ledger.find_consignments(seal="SEAL-1"),
    ):
        assert [each.id for each in found] == [view.id]
    passed_on = netherlands.ledger.accompanying_file(manifest.consignment)
    assert passed_on == file
    assert "Static converters" not in file.model_dump_json()
    shown = singapore.ledger.accompanying_file(manifest.consignment, ["/goods"])
    assert "Static converters" in shown.model_dump_json()
    with pytest.raises(InvalidDisclosure):
        singapore.ledger.accompanying_file(manifest.consignment, ["/nothing"])


def _paths(value, at=()):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _paths(inner, (*at, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _paths(inner, (*at, index))
    else:
        yield at


def _changed(value):
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case str() if value.startswith("0x"):
            return value[:-1] + ("0" if value[-1] != "0" else "1")
        case str() if value.endswith("Z") and "T" in value:
            return value.replace("T", "T", 1)[:-3] + ("00Z" if value[-3:-1] != "00" else "01Z")
        case str():
            return value + "X"
        case None:
            return "x"
    raise AssertionError(value)


def test_a_file_with_any_one_field_changed_is_refused_and_leaves_nothing(netherlands, travelling):
    _, file = travelling
    netherlands.work()
    whole = file.model_dump(mode="json")
    paths = [path for path in _paths(whole)]
    assert len(paths) > 40
    for path in paths:
        spoiled = file.model_dump(mode="json")
        inner = spoiled
        for part in path[:-1]:
            inner = inner[part]
        inner[path[-1]] = _changed(inner[path[-1]])
        with pytest.raises((LedgerError, ValidationError)) as caught:
            netherlands.ledger.load_accompanying(AccompanyingFile.model_validate(spoiled))
        assert not isinstance(caught.value, StoreError), path
        with netherlands.ledger._store.read() as session:
            assert session.accompanying_of(from_hex(file.consignment)) == [], path
            assert session.known_consignment(from_hex(file.consignment)) is None, path
    netherlands.ledger.load_accompanying(file)


def test_each_part_of_a_file_is_refused_for_what_is_wrong_with_it(netherlands, travelling):
    _, file = travelling
    netherlands.work()
    inclusion = file.manifest.inclusion

    def with_proof(**changes):
        proof = inclusion.model_copy(update=changes)
        return file.model_copy(update={"manifest": file.manifest.model_copy(update={"inclusion": proof})})

    load = netherlands.ledger.load_accompanying
    for spoiled, error, words in (
        (file.model_copy(update={"consignment_key": "0x" + "00" * 32}), DigestMismatch, "The consignment id"),
        (file.model_copy(update={"opener": "SG:CARR01"}), DigestMismatch, "The consignment id"),
        (with_proof(index=7), InclusionError, "not below the size"),
        (with_proof(epoch=9), NotFound, "tree head"),
        (with_proof(administration="NL"), DigestMismatch, "The log's administration"),
        (with_proof(root="0x" + "00" * 32), InclusionError, "another root"),
        (with_proof(leaf_hash="0x" + "00" * 32), DigestMismatch, "The leaf hash"),
        (with_proof(id=None), DigestMismatch, "manifest id"),
        (with_proof(block=1), DigestMismatch, "transaction that anchored"),
        (
            with_proof(anchored_at=inclusion.anchored_at.replace(year=2020)),
            Conflict,
            "The head was anchored at",
        ),
    ):
        with pytest.raises(error, match=words):
            load(spoiled)
    by_another = signatures.sign(
        inclusion.record.to_record().digest(netherlands.profile.log_domain),
        netherlands.network.keys["carrier"],
    )
    with pytest.raises(SignerMismatch):
        load(with_proof(signature=to_hex(by_another)))

    def with_promise(**changes):
        promise = file.manifest.promise.model_copy(update=changes)
        return file.model_copy(update={"manifest": file.manifest.model_copy(update={"promise": promise})})

    given = file.manifest.promise
    said = Promise(b"SG".ljust(8, b"\0"), given.epoch, given.index, from_hex(given.leaf_hash), True, 1)
    by_officer = signatures.sign(
        said.digest(netherlands.profile.log_domain), netherlands.network.keys["officer"]
    )
    for spoiled, error, words in (
        (with_promise(administration="NL"), DigestMismatch, "The promise's administration"),
        (with_promise(leaf_hash="0x" + "00" * 32), DigestMismatch, "The promise's leaf hash"),
        (with_promise(seen=not given.seen), SignerMismatch, "a sequencer of SG"),
        (
            with_promise(
                signature=to_hex(by_officer), anchor_by=1, signer=netherlands.network.address("officer")
            ),
            SignerMismatch,
            "a sequencer of SG",
        ),
    ):
        with pytest.raises(error, match=words):
            load(spoiled)


def test_a_file_with_a_tree_of_its_own_is_refused(netherlands, travelling):
    """Every proof in it holds; only that root was never anchored."""
    manifest, file = travelling
    netherlands.work()
    inclusion = file.manifest.inclusion
    forged = dataclasses.replace(manifest.record, issued_at=manifest.record.issued_at - 1)
    signature = signatures.sign(
        forged.digest(netherlands.profile.log_domain), netherlands.network.keys["exporter"]
    )
    leaf = to_hex(records.leaf_hash(forged.leaf_data(signature)))
    assert inclusion.size == 1
    proof = inclusion.model_copy(
        update={
            "record": ManifestRecordMessage.of(forged),
            "signature": to_hex(signature),
            "leaf_hash": leaf,
            "root": leaf,
        }
    )
    made_up = file.model_copy(update={"manifest": file.manifest.model_copy(update={"inclusion": proof})})
    with pytest.raises(DigestMismatch, match="The anchored root"):
        netherlands.ledger.load_accompanying(made_up)
    netherlands.ledger.load_accompanying(file)


def test_a_file_whose_head_is_not_indexed_yet_is_not_found_and_loads_later(open_ledger, travelling):
    _, file = travelling
    behind = open_ledger(administration="NL")
    behind.turn()
    with pytest.raises((NotFound, SignerMismatch)):
        behind.ledger.load_accompanying(file)
    behind.settle()
    behind.ledger.load_accompanying(file)


def test_a_file_of_a_consignment_that_was_never_opened_is_refused_and_not_kept(singapore, netherlands):
    manifest = singapore.lodged()
    singapore.settle()
    file = singapore.ledger.accompanying_file(manifest.consignment)
    netherlands.work()
    with pytest.raises(NotFound):
        netherlands.ledger.load_accompanying(file)
    with netherlands.ledger._store.read() as session:
        assert session.known_consignment(manifest.consignment) is None


def test_no_file_before_the_manifest_is_anchored_nor_after_it_is_withdrawn(singapore):
    manifest = singapore.opened()
    with pytest.raises(NotFound):
        singapore.ledger.accompanying_file(manifest.consignment)
    singapore.settle()
    singapore.ledger.accompanying_file(manifest.consignment)
    singapore.ledger.lodge(singapore.amendment(manifest, kind=3).submission)
    singapore.settle()
    with pytest.raises(NotFound):
        singapore.ledger.accompanying_file(manifest.consignment)


def test_an_amendment_that_the_chain_refused_travels_with_nothing(singapore):
    """The manifest that stands is the one that travels."""
    manifest = singapore.opened()
    singapore.settle()
    ours, rival = singapore.amendment(manifest), singapore.amendment(manifest)
    singapore.ledger.lodge(ours.submission)
    record = rival.record
    singapore.send(
        "ManifestLog",
        "closeManifest",
        (
            record.party,
            record.kind,
            record.reason,
            record.consignment,
            record.manifest_root,
            record.supersedes,
            record.issued_at,
        ),
        from_hex(rival.submission.signature),
        manifest.record.party,
        manifest.record.manifest_root,
    )
    singapore.settle()
    assert singapore.ledger.manifest(ours.id).state == "refused"
    with pytest.raises(NotFound):
        singapore.ledger.accompanying_file(manifest.consignment)


def test_the_openers_manifest_travels_not_the_newest_of_somebody_else(singapore):
    manifest = singapore.opened()
    another = singapore.manifest("carrier", consignment=manifest.consignment).submission
    singapore.ledger.lodge(another.model_copy(update={"reference": None, "consignment_key": None}))
    singapore.settle()
    assert singapore.ledger.accompanying_file(manifest.consignment).manifest.id == to_hex(manifest.id)


def test_a_document_without_the_usual_fields_says_what_to_do(singapore):
    manifest = singapore.opened(document={"anything": "else"})
    singapore.settle()
    with pytest.raises(InvalidDisclosure, match="say which fields to show"):
        singapore.ledger.accompanying_file(manifest.consignment)
    assert singapore.ledger.accompanying_file(manifest.consignment, ["/anything"]).manifest.disclosure[
        "fields"
    ]


# --- large connected sets


def test_what_is_connected_is_read_once_and_in_time(singapore, monkeypatch):
    """A container with many consignments: each step out of it must not read all again."""
    outer = singapore.opened()
    inner = [singapore.opened() for _ in range(12)]
    for each in inner:
        singapore.recorded(CustodyKind.CONSOLIDATE, "exporter", each.consignment, subject=outer.consignment)
    singapore.settle()
    assert len(singapore.ledger.consignment(outer.consignment).contents) == 12
    asked = []
    true_query = ledger.store.Session._all
    monkeypatch.setattr(
        ledger.store.Session, "_all", lambda session, query: asked.append(query) or true_query(session, query)
    )
    with singapore.ledger._store.read() as session:
        read = history.read(session, singapore.ledger._members(session), [inner[0].consignment], 0)
    assert len(read.custody) == 13
    assert len(asked) < 15


def test_roles_may_be_several(singapore):
    key = secrets.token_bytes(32)
    singapore.network.keys["both"] = key
    singapore.network.enrol(key, "SG", Role.OFFICER | Role.AUDITOR)
    singapore.turn()
    assert singapore.ledger.account(signatures.account_of(key)).roles == ["OFFICER", "AUDITOR"]


def test_documents_are_what_their_roots_say(singapore):
    manifest = singapore.lodged()
    with singapore.ledger._store.read() as session:
        content = session.content(manifest.record.digest(singapore.profile.log_domain))
    root = documents.commit(documents.parse(content.document), content.secret).root
    assert root == manifest.record.manifest_root


def test_who_lodges_anothers_root_unseen_is_shown_nothing_of_its_document(singapore):
    """The root of an opened consignment stands on chain for all to read: it must not fetch the document."""
    theirs = singapore.opened()
    copied = singapore.manifest("carrier", manifest_root=theirs.record.manifest_root).submission
    unseen = copied.model_copy(update={"document": None, "secret": None})
    answer, is_new = singapore.ledger.lodge(unseen)
    assert is_new
    view = singapore.ledger.manifest(from_hex(answer.id))
    assert (view.content, view.document) == ("unseen", None)
    singapore.settle()
    record = singapore.step(
        CustodyKind.REMARK, "exporter", theirs.consignment, details=theirs.record.manifest_root
    )
    singapore.ledger.record([record])
    assert singapore.ledger.consignment_records(theirs.consignment)[-1].document is None
    assert singapore.ledger.manifest(theirs.id).document == theirs.document
