"""The words that people read: in the field's terms, with ages, and never without a basis."""

from datetime import UTC, datetime, timedelta

import pytest
import typer

from ledger.cli.options import address, bytes32, pointer, time
from ledger.cli.words import age_text, basis_text, details_text, record_text, short, time_text
from ledger.core.records import CustodyKind
from ledger.messages import RecordView

NOW = datetime(2026, 3, 1, 14, 30, tzinfo=UTC)
HERE = "0x" + "aa" * 32
OTHER = "0x" + "bb" * 32
NOTHING = "0x" + "00" * 32


def record(kind, *, consignment=HERE, subject=NOTHING, counterpart="0x" + "00" * 16, document=None):
    return RecordView(
        digest="0x" + "cc" * 32,
        kind=kind,
        record={
            "consignment": consignment,
            "kind": CustodyKind[kind],
            "party": "SG",
            "previous": NOTHING,
            "subject": subject,
            "details": NOTHING,
            "counterpart": counterpart,
            "observed_at": 1,
            "expires_at": 2,
        },
        signature="0x" + "00" * 65,
        signer="0x" + "00" * 20,
        party="SG",
        state="recorded",
        sequence=1,
        accepted_at=NOW,
        observed_at=NOW,
        block=1,
        transaction=NOTHING,
        document=document,
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds ago"),
        (1, "1 second ago"),
        (61, "1 minute 1 second ago"),
        (3600, "1 hour ago"),
        (7322, "2 hours 2 minutes ago"),
        (200_000, "2 days 7 hours ago"),
        (-1, "0 seconds ago"),
        (-90, "1 minute 30 seconds ahead of this machine's clock"),
    ],
)
def test_an_age_is_said_in_its_two_largest_units(seconds, text):
    assert age_text(NOW - timedelta(seconds=seconds), NOW) == text


def test_a_time_is_utc_to_the_second():
    assert time_text(NOW) == "2026-03-01 14:30:00 UTC"
    assert time_text(None) == ""
    assert short(HERE) == "0xaaaaaaaa…"
    assert short(None) == ""


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (None, "not known here"),
        ({}, "not stated in the manifest"),
        ({"basis": "bill of lading"}, "bill of lading"),
        ({"basis": {"kind": "bill of lading"}}, "bill of lading"),
        (
            {"basis": {"kind": "declaration", "type": "IMA", "mrn": "24GB1", "accepted_at": "2024-01-02"}},
            "import declaration (IMA), MRN 24GB1, legally accepted 2024-01-02",
        ),
        ({"basis": {"type": "EXD", "lrn": "L1"}}, "export declaration (EXD), LRN L1"),
        ({"basis": {"kind": "declaration", "type": "J2"}}, "declaration (J2)"),
        ({"basis": {"version": "2"}}, "kind not stated, version 2"),
        ({"basis": ["odd"]}, "not stated in the manifest"),
    ],
)
def test_a_manifest_s_basis_is_always_said(document, text):
    assert basis_text(document).startswith(text)


@pytest.mark.parametrize(
    ("view", "text"),
    [
        (record("OPEN"), "opened"),
        (record("OPEN", subject=OTHER), "opened, split from 0xbbbbbbbb…"),
        (record("OPEN", consignment=OTHER, subject=HERE), "0xbbbbbbbb… split off from this"),
        (record("ARRIVAL"), "arrived"),
        (record("DEPARTURE"), "departed"),
        (record("INSPECTION"), "inspected"),
        (record("SEAL", document={"seal": "K1", "action": "removed"}), "seal removed"),
        (record("SEAL"), "seal changed"),
        (record("OFFER", counterpart="SG:CARR01"), "handover offered to SG:CARR01"),
        (record("OFFER"), "offer withdrawn"),
        (record("ACCEPT", subject=OTHER), "handover accepted"),
        (record("DECLINE", subject=OTHER), "handover declined"),
        (record("HOLD"), "hold placed"),
        (record("LIFT", subject=OTHER), "hold lifted"),
        (record("RELEASE", document={"procedure": "export"}), "released for export"),
        (record("RELEASE"), "released for a procedure not disclosed here"),
        (record("CLEARANCE", document={"procedure": "import"}), "cleared for import"),
        (record("CLOSE"), "closed"),
        (record("TAKE"), "taken into customs' charge"),
        (record("TAKE", consignment=OTHER), "0xbbbbbbbb… seized, and so taken out of this"),
        (record("CONSOLIDATE", subject=OTHER), "put into 0xbbbbbbbb…"),
        (record("CONSOLIDATE", consignment=OTHER, subject=HERE), "0xbbbbbbbb… put into this"),
        (record("DECONSOLIDATE", subject=OTHER), "taken out of 0xbbbbbbbb…"),
        (record("DECONSOLIDATE", consignment=OTHER, subject=HERE), "0xbbbbbbbb… taken out of this"),
        (record("REMARK"), "remark"),
        (record("REMARK", subject=OTHER), "remark on 0xbbbbbbbb…"),
    ],
)
def test_every_kind_of_record_is_said_in_the_field_s_words(view, text):
    assert record_text(view, HERE) == text


@pytest.mark.parametrize("kind", CustodyKind)
def test_no_kind_is_said_by_its_name_in_capitals_only(kind):
    assert record_text(record(kind.name), HERE).split()[0] != kind.name


def test_details_are_one_line_of_names_and_values():
    document = {
        "schema": "cargo-passage/1",
        "place": "SGSIN",
        "office_role": "exit",
        "seals": ["K1", "K2"],
        "transport": {"id": "VESSEL", "mode": "1"},
        "note": None,
    }
    assert details_text(document) == "place SGSIN; office role exit; seals K1, K2; transport id VESSEL mode 1"
    assert details_text(None) == ""


def test_options_read_or_refuse():
    assert bytes32("0x" + "AB" * 32) == b"\xab" * 32
    assert (
        address("0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a") == "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
    )
    assert pointer("") == ""
    assert pointer("/a~1b/~0") == "/a~1b/~0"
    assert time("2026-03-01T22:30:00+08:00") == NOW
    for read, text in ((bytes32, "0x"), (address, "0x12"), (pointer, "a"), (time, "1960-01-01T00:00:00Z")):
        with pytest.raises(typer.BadParameter):
            read(text)
