"""Records against the example that an independent implementation worked through."""

import json
from pathlib import Path

import pytest
from eth_account.messages import encode_typed_data

from ledger.core import records
from ledger.core.identifiers import Party
from ledger.core.records import (
    CustodyKind,
    CustodyRecord,
    Domain,
    Enrolment,
    Erasure,
    ManifestKind,
    ManifestRecord,
    Promise,
)
from ledger.errors import InvalidIdentifier, InvalidRecord

EXAMPLE = json.loads((Path(__file__).parents[2] / "vectors" / "formats-example.json").read_text())


def _hex(name: str) -> bytes:
    return bytes.fromhex(EXAMPLE[name].removeprefix("0x"))


def _unhex(fields: dict[str, object]) -> list[object]:
    return [bytes.fromhex(v[2:]) if isinstance(v, str) else v for v in fields.values()]


LOG = Domain(EXAMPLE["chain_id"], _hex("ManifestLog"))
CONSIGNMENTS = Domain(EXAMPLE["chain_id"], _hex("ConsignmentLedger"))
REGISTRY = Domain(EXAMPLE["chain_id"], _hex("AdministrationRegistry"))
MANIFEST = ManifestRecord(*_unhex(EXAMPLE["manifest record"]))
OPEN = CustodyRecord(*_unhex(EXAMPLE["custody record OPEN"]))
RELEASE = CustodyRecord(*_unhex(EXAMPLE["custody record RELEASE"]))


def test_parties_have_the_bytes_of_the_example():
    assert Party.parse("SG:ACME01").to_bytes() == _hex("party SG:ACME01")
    assert Party.parse("NL").to_bytes() == _hex("party NL")


@pytest.mark.parametrize("text", ["SG", "SG:ACME01", "ABCDEFGH:12345678", "A1"])
def test_a_party_survives_bytes_and_text(text):
    party = Party.parse(text)
    assert Party.from_bytes(party.to_bytes()) == party
    assert str(party) == text


@pytest.mark.parametrize(
    "text", ["", "S", "sg", "SG:", "SG:acme", "ABCDEFGHI", "SG:123456789", "S G", "SG:A:B", "ÄÖ"]
)
def test_what_is_no_party_is_refused(text):
    with pytest.raises(InvalidIdentifier):
        Party.parse(text)


@pytest.mark.parametrize(
    "data", [b"", bytes(16), b"SG\0\0\0\0\0", b"S\0G".ljust(16, b"\0"), b"\xff" * 16, bytes(17)]
)
def test_what_is_no_partys_bytes_is_refused(data):
    with pytest.raises(InvalidIdentifier):
        Party.from_bytes(data)


def test_only_organisation_zero_is_customs():
    assert Party("SG").is_customs
    assert not Party("SG", "ACME01").is_customs


def test_ids_have_the_bytes_of_the_example():
    blind = records.blind(_hex("consignment key"), EXAMPLE["trade reference"])
    assert blind == _hex("blind")
    assert records.consignment_id(_hex("party SG:ACME01"), blind) == _hex("consignment")
    assert MANIFEST.manifest_id == _hex("manifest id")


def test_digests_have_the_bytes_of_the_example():
    assert MANIFEST.digest(LOG) == _hex("manifest record digest")
    assert OPEN.digest(CONSIGNMENTS) == _hex("its digest")
    assert RELEASE.digest(CONSIGNMENTS) == _hex("digest of RELEASE")
    assert Enrolment(*_unhex(EXAMPLE["enrolment"])).digest(REGISTRY) == _hex("enrolment digest")
    assert Promise(*_unhex(EXAMPLE["promise"])).digest(LOG) == _hex("promise digest")


def test_a_request_to_erase_is_signed_as_any_wallet_signs_typed_data():
    request = Erasure(_hex("manifest id"), 1790000000)
    domain = {
        "name": "Cargo Ledger",
        "version": "1",
        "chainId": EXAMPLE["chain_id"],
        "verifyingContract": EXAMPLE["ManifestLog"],
    }
    types = {"Erasure": [{"name": "manifest", "type": "bytes32"}, {"name": "issuedAt", "type": "uint64"}]}
    message = {"manifest": _hex("manifest id"), "issuedAt": 1790000000}
    signable = encode_typed_data(domain, types, message)
    assert request.digest(LOG) == records.keccak(b"\x19\x01" + signable.header + signable.body)
    for manifest, issued_at in ((bytes(31), 0), (bytes(32), -1), (bytes(32), 1 << 64)):
        with pytest.raises(InvalidRecord):
            Erasure(manifest, issued_at)


def test_the_log_leaf_has_the_bytes_of_the_example_and_decodes_to_the_same_record():
    leaf = MANIFEST.leaf_data(_hex("signature"))
    assert len(leaf) == EXAMPLE["log leaf data length"] == records.LEAF_BYTES
    assert leaf == _hex("log leaf data")
    assert records.leaf_hash(leaf) == _hex("log leaf hash")
    assert records.decode_leaf(leaf) == (MANIFEST, _hex("signature"))


@pytest.mark.parametrize("leaf", [b"", bytes(188), b"\x02" + bytes(187), b"\x01" + bytes(188)])
def test_what_is_no_log_leaf_is_refused(leaf):
    with pytest.raises(InvalidRecord, match="leaf"):
        records.decode_leaf(leaf)


def test_trails_and_heads_have_the_bytes_of_the_example():
    trail = records.extend_trail(bytes(32), _hex("its digest"), _hex("signer"), 1790000105)
    assert trail == _hex("trail after OPEN accepted at 1790000105")
    trail = records.extend_trail(trail, _hex("digest of RELEASE"), _hex("officer"), 1790000205)
    assert trail == _hex("trail after RELEASE accepted at 1790000205")
    head = records.head_commitment(_hex("log leaf hash"), 1790000050)
    assert head == _hex("head commitment of (log leaf hash as root, anchored at 1790000050)")


def test_a_closure_commits_to_each_of_its_fields():
    base = (2, 1, 1790000000, bytes(20), bytes(32))
    changed = [
        (3, *base[1:]),
        (2, 2, *base[2:]),
        (2, 1, 5, *base[3:]),
        (*base[:3], b"\1" * 20, base[4]),
        (*base[:4], b"\1" * 32),
    ]
    commitments = {records.closure_commitment(*c) for c in [base, *changed]}
    assert len(commitments) == 6


def test_a_digest_depends_on_chain_and_contract():
    assert len({MANIFEST.digest(d) for d in (LOG, CONSIGNMENTS, Domain(1, LOG.contract))}) == 3


@pytest.mark.parametrize(
    "name",
    [
        "consignment",
        "kind",
        "party",
        "previous",
        "subject",
        "details",
        "counterpart",
        "observed_at",
        "expires_at",
    ],
)
def test_a_custody_record_commits_to_each_of_its_fields_and_refuses_a_wrong_form(name):
    import dataclasses

    value = getattr(RELEASE, name)
    other = value ^ 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]
    assert dataclasses.replace(RELEASE, **{name: other}).digest(CONSIGNMENTS) != RELEASE.digest(CONSIGNMENTS)
    for wrong in (None, "0x00", -1, 1 << 64, True, b"", value + b"\0" if isinstance(value, bytes) else 1.5):
        with pytest.raises(InvalidRecord, match=name):
            dataclasses.replace(RELEASE, **{name: wrong})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"kind": 0}, "kind"),
        ({"kind": 4}, "kind"),
        ({"reason": 6}, "reason"),
        ({"consignment": bytes(32)}, "consignment"),
        ({"manifest_root": bytes(32)}, "manifest_root"),
        ({"supersedes": b"\1" * 32}, "supersedes"),
        ({"kind": ManifestKind.AMEND}, "supersedes"),
        ({"kind": ManifestKind.WITHDRAW, "supersedes": b"\1" * 32}, "manifest_root"),
    ],
)
def test_a_manifest_record_that_no_log_takes_is_refused(change, field):
    import dataclasses

    MANIFEST.require_form()
    with pytest.raises(InvalidRecord, match=field):
        dataclasses.replace(MANIFEST, **change).require_form()


def test_a_withdrawal_has_no_manifest_id():
    import dataclasses

    withdrawal = dataclasses.replace(
        MANIFEST, kind=3, manifest_root=bytes(32), supersedes=_hex("manifest id")
    )
    withdrawal.require_form()
    assert withdrawal.manifest_id is None


def test_a_promise_that_is_neither_seen_nor_unseen_is_refused():
    with pytest.raises(InvalidRecord, match="seen"):
        Promise(bytes(8), 1, 0, bytes(32), 1, 0)  # type: ignore[arg-type]


def test_there_are_seventeen_kinds():
    assert [kind.value for kind in CustodyKind] == list(range(1, 18))
