"""Erasure: what is kept of a manifest goes, from the files too; what was proved stays proved."""

import time

import pytest
from ledger_at_work import until
from sqlalchemy import select

from ledger import exporting, tables
from ledger.core import merkle, records, signatures
from ledger.core.records import CustodyKind, Erasure
from ledger.core.verify import verify
from ledger.errors import Conflict, InvalidRecord, InvalidSignature, NotFound, NotPermitted
from ledger.messages import from_hex, to_hex

DAY = 86_400


def request(at_work, manifest, role="exporter", issued_at=None, domain=None):
    issued_at = int(time.time()) if issued_at is None else issued_at
    digest = Erasure(manifest, issued_at).digest(domain or at_work.profile.log_domain)
    return manifest, issued_at, signatures.sign(digest, at_work.network.keys[role])


def erase(at_work, manifest, role="exporter", **changes):
    return at_work.ledger.erase(*request(at_work, manifest, role, **changes))


def kept_bytes(at_work):
    """What is in the database of sealed objects and terms: data keys, bodies, terms."""
    with at_work.ledger._store.read() as session:
        rows = session.sealed_after(0, 10_000)
        terms = session._all(select(tables.search_terms.c.term, tables.search_terms.c.source))
        return {row.object_id: (row.data_key, row.body) for row in rows}, {
            (row.source, row.term) for row in terms
        }


def files_of(at_work):
    path = at_work.ledger._store.path
    return {each.name: each.read_bytes() for each in path.parent.glob(path.name + "*")}


def test_what_is_kept_of_a_manifest_goes_and_its_proofs_stay(singapore):
    manifest, other = singapore.opened(), singapore.opened()
    singapore.settle()
    singapore.anvil.mine(singapore.profile.confirmations + 2)
    singapore.work()
    ledger = singapore.ledger
    proof = ledger.manifest_proof(manifest.id)
    evidence = ledger.manifest_evidence(manifest.id)
    digest = from_hex(ledger.manifest(manifest.id).digest)
    objects, terms = kept_bytes(singapore)
    gone = [*objects[digest], *objects[manifest.consignment]]
    gone += [term for source, term in terms if source == digest]
    assert len(gone) == 6
    before = b"".join(files_of(singapore).values())
    assert all(each in before for each in gone)

    answer = erase(singapore, manifest.id)
    assert (answer.content, answer.consignment_key) == ("erased", "erased")
    assert answer.signer == singapore.network.address("exporter")

    for name, data in files_of(singapore).items():
        assert not [each for each in gone if each in data and each not in _shared(singapore)], name
    view = ledger.manifest(manifest.id)
    assert (view.content, view.document, view.reference) == ("erased", None, None)
    assert ledger.find_manifests(reference=manifest.reference) == []
    assert ledger.find_consignments(reference=manifest.reference) == []
    assert ledger.consignment(manifest.consignment).reference is None
    for refused in (
        lambda: ledger.accompanying_file(manifest.consignment),
        lambda: ledger.manifest_evidence(manifest.id),
    ):
        with pytest.raises(NotFound):
            refused()

    again = ledger.manifest_proof(manifest.id)
    assert again == proof
    path = [from_hex(node) for node in again.path]
    merkle.verify_inclusion(from_hex(again.leaf_hash), again.index, again.size, path, from_hex(again.root))
    trust = exporting.trust_of(ledger._chain, "SG", old_seconds=DAY, expires_at=int(time.time()) + DAY)
    verify(evidence, trust, int(time.time())).require()
    singapore.check_everything()
    assert ledger.manifest(other.id).document == other.document
    assert ledger.manifest_evidence(other.id)

    assert erase(singapore, manifest.id) == answer, "the same again"
    accepted, is_new = ledger.lodge(manifest.submission)
    assert not is_new and accepted.digest == answer.digest
    assert ledger.manifest(manifest.id).content == "erased", "sent again, it does not come back"


def _shared(at_work):
    """Terms that other manifests name too, so that they are there rightly."""
    return {term for _, term in kept_bytes(at_work)[1]}


def test_the_consignments_key_goes_with_its_last_manifest(singapore):
    first = singapore.opened()
    singapore.settle()
    second = singapore.amendment(first)
    singapore.ledger.lodge(second.submission)
    singapore.settle()
    ledger = singapore.ledger
    assert erase(singapore, first.id).consignment_key == "kept"
    assert [
        view.id for view in ledger.find_manifests(reference=first.reference, container="CSQU3054383")
    ] == [
        to_hex(first.id),
        to_hex(second.id),
    ]
    assert ledger.manifest(first.id).content == "erased" and ledger.manifest(second.id).document
    assert ledger.accompanying_file(first.consignment).manifest.id == to_hex(second.id)
    assert erase(singapore, second.id).consignment_key == "erased"
    assert ledger.find_manifests(reference=first.reference) == []
    assert ledger.find_consignments(container="CSQU3054383") == []
    with singapore.ledger._store.read() as session:
        assert session.known_consignment(first.consignment) is None


def test_an_accompanying_file_of_the_manifest_goes_too(singapore):
    manifest = singapore.opened()
    singapore.settle()
    file = singapore.ledger.accompanying_file(manifest.consignment, ["/containers"])
    singapore.ledger.load_accompanying(file)
    singapore.ledger.load_accompanying(file)
    assert erase(singapore, manifest.id).consignment_key == "erased"
    with singapore.ledger._store.read() as session:
        assert session.accompanying_of(manifest.consignment) == []
        assert session.search_terms_of(manifest.id) == set()
    assert singapore.ledger.find_consignments(container="CSQU3054383") == []


def test_who_may_and_who_may_not(singapore):
    manifest, another = singapore.lodged(), singapore.lodged("carrier")
    ledger = singapore.ledger
    for role, error, words in (
        ("stranger", NotPermitted, "not enrolled"),
        ("auditor", NotPermitted, "none of the roles"),
        ("sequencer", NotPermitted, "none of the roles"),
        ("foreign_officer", NotPermitted, "lodge with your own administration"),
        ("carrier", NotFound, "There is no manifest"),
    ):
        with pytest.raises(error, match=words):
            erase(singapore, manifest.id, role)
    with pytest.raises(NotFound) as absent:
        erase(singapore, bytes(32), "carrier")
    with pytest.raises(NotFound) as hidden:
        erase(singapore, manifest.id, "carrier")
    assert str(absent.value) == str(hidden.value).replace(to_hex(manifest.id), to_hex(bytes(32)))
    assert ledger.manifest(manifest.id).content == "seen"
    assert erase(singapore, manifest.id).content == "erased"
    digest = from_hex(ledger.manifest(another.id).digest)
    assert erase(singapore, digest, "officer").content == "erased", "customs may, by the record's digest too"


def test_a_request_is_of_today_for_this_chain_and_this_manifest(singapore):
    manifest, another = singapore.lodged(), singapore.lodged()
    now = int(time.time())
    for issued_at in (now - DAY - 1, now + 400, 0, 2**64 - 1):
        with pytest.raises(InvalidRecord, match="issued_at"):
            erase(singapore, manifest.id, issued_at=issued_at)
    elsewhere = records.Domain(singapore.profile.chain_id + 1, singapore.profile.log_domain.contract)
    with pytest.raises(NotPermitted, match="not enrolled"):
        erase(singapore, manifest.id, domain=elsewhere)
    _, issued_at, signature = request(singapore, another.id)
    with pytest.raises(NotPermitted, match="not enrolled"):
        singapore.ledger.erase(manifest.id, issued_at, signature)
    with pytest.raises(InvalidSignature):
        singapore.ledger.erase(manifest.id, issued_at, bytes(65))
    assert singapore.ledger.manifest(manifest.id).content == "seen"


def test_what_customs_holds_is_not_erased_at_its_partys_request(singapore):
    manifest = singapore.opened()
    singapore.settle()
    hold = singapore.recorded(
        CustodyKind.HOLD, "officer", manifest.consignment, document={"reason": "false description"}
    )
    with pytest.raises(Conflict, match="SG holds the consignment"):
        erase(singapore, manifest.id)
    assert singapore.ledger.manifest(manifest.id).document == manifest.document
    singapore.recorded(CustodyKind.LIFT, "officer", manifest.consignment, subject=hold)
    assert erase(singapore, manifest.id).content == "erased"
    held = singapore.opened()
    singapore.settle()
    singapore.recorded(CustodyKind.HOLD, "officer", held.consignment)
    assert erase(singapore, held.id, "officer").content == "erased"
    singapore.settle()
    shown = singapore.ledger.consignment(manifest.consignment)
    assert shown.summary.startswith("In the charge of SG:ACME01."), "its custody is told as before"


def test_a_manifest_that_nobody_has_seen_has_its_consignments_key_erased(singapore):
    manifest = singapore.manifest()
    unseen = manifest.submission.model_copy(update={"document": None, "secret": None})
    singapore.ledger.lodge(unseen)
    assert singapore.ledger.find_manifests(reference=manifest.reference)[0].content == "unseen"
    assert erase(singapore, manifest.id).consignment_key == "erased"
    assert singapore.ledger.find_manifests(reference=manifest.reference) == []
    assert singapore.ledger.manifest(manifest.id).content == "erased"


def test_while_somebody_reads_an_older_state_the_worker_forgets_later(singapore, monkeypatch):
    manifest = singapore.lodged()
    digest = from_hex(singapore.ledger.manifest(manifest.id).digest)
    data_key = kept_bytes(singapore)[0][digest][0]
    with singapore.ledger._store.read() as session:
        assert session.content(digest) is not None
        assert erase(singapore, manifest.id).content == "erased"
        assert singapore.ledger.manifest(manifest.id).document is None
    assert any(data_key in data for data in files_of(singapore).values()), (
        "not gone from the log of writes yet"
    )
    monkeypatch.setattr(singapore.ledger, "_worker_seen", 0.0)

    def forgotten():
        singapore.turn()
        return not any(data_key in data for data in files_of(singapore).values())

    until(forgotten)
