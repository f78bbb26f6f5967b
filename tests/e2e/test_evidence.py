"""Evidence from a real chain: exported from the node's state, judged with nothing but the file and a trust file."""

import time
from contextlib import closing
from dataclasses import replace

import orjson
import pytest
import sealed_headers
from ledger_at_work import manifest_document
from second_verifier import verify

from ledger import chain as chain_module
from ledger import exporting
from ledger.chain import Chain, artifact
from ledger.core import headers, rlp, slots
from ledger.core.evidence import Evidence
from ledger.core.identifiers import Party
from ledger.core.records import ZERO32, CustodyKind, Role, keccak
from ledger.core.signatures import account_of
from ledger.core.state_proof import verify_account, verify_storage
from ledger.errors import ChainMismatch, ChainUnavailable, ChainViolation, InvalidDisclosure, NotFound

K = CustodyKind


def party(at_work, role):
    return Party.parse(at_work.network.party(role)).to_bytes()


def finish(at_work):
    """Everything on its way is taken, and final."""
    at_work.settle()
    at_work.anvil.mine(at_work.profile.confirmations + 2)
    at_work.work()


def trust(at_work, administration="SG", **changes):
    made = exporting.trust_of(
        at_work.ledger._chain, administration, old_seconds=86_400, expires_at=int(time.time()) + 10**6
    )
    return replace(made, **changes)


def history(at_work, **changes):
    """Lodged, opened, arrived, handed to the carrier, released for export; not final yet."""
    manifest = at_work.opened(**changes)
    at_work.settle()
    consignment = manifest.consignment
    at_work.recorded(K.ARRIVAL, "exporter", consignment, document={"place": "SGSIN"})
    offer = at_work.recorded(K.OFFER, "exporter", consignment, counterpart=party(at_work, "carrier"))
    at_work.recorded(K.ACCEPT, "carrier", consignment, subject=offer)
    at_work.recorded(
        K.RELEASE,
        "officer",
        consignment,
        subject=manifest.id,
        document={"schema": "cargo-release/1", "procedure": "export"},
    )
    return manifest


def test_an_exported_file_is_valid_and_tells_the_state_of_the_chain(singapore):
    manifest = history(singapore)
    finish(singapore)
    data = singapore.ledger.manifest_evidence(manifest.id)
    assert Evidence.decode(data).encode() == data
    report = verify(data, trust(singapore), int(time.time()))
    report.require()
    assert "Current. In the charge of SG:CARR01. Released for export by SG on" in report.state
    assert report.state.endswith("may go, as far as SG is concerned.")
    assert report.check("seals").status == "SKIPPED"
    assert singapore.ledger.consignment_evidence(manifest.consignment) == data
    seen_from_nl = verify(data, trust(singapore, "NL"), int(time.time()))
    assert seen_from_nl.state.endswith("may not go: NL has not released it.")


def test_it_is_as_of_a_final_block_whatever_happened_since(singapore):
    manifest = history(singapore)
    finish(singapore)
    singapore.recorded(K.HOLD, "officer", manifest.consignment)
    singapore.settle(blocks=1)
    before = singapore.ledger.manifest_evidence(manifest.id)
    report = verify(before, trust(singapore), int(time.time()))
    head = singapore.anvil.head()
    assert report.verdict == "VALID" and report.as_of.block <= head - singapore.profile.confirmations
    finish(singapore)
    after = verify(singapore.ledger.manifest_evidence(manifest.id), trust(singapore), int(time.time()))
    assert after.verdict == "VALID"
    assert after.state.endswith("may not go: it is on hold.")


def test_fields_are_disclosed_as_chosen_and_the_trade_reference_always(singapore):
    manifest = history(singapore)
    finish(singapore)

    def shown(*pointers):
        return Evidence.decode(
            singapore.ledger.manifest_evidence(manifest.id, pointers)
        ).manifest.shown.fields

    assert set(shown("/goods/0/sequence")) == {
        "/goods/0/sequence",
        "/references/0/scheme",
        "/references/0/value",
    }
    assert "/goods/0/description" in shown("")
    with pytest.raises(InvalidDisclosure, match="selects nothing"):
        shown("/weapons")
    unnamed = singapore.opened(document=manifest_document("ucr:6SGOTHER"))
    finish(singapore)
    with pytest.raises(InvalidDisclosure, match="does not name"):
        singapore.ledger.manifest_evidence(unnamed.id)


def test_what_is_not_final_or_not_here_has_no_evidence_yet(singapore):
    manifest = singapore.lodged()
    with pytest.raises(NotFound, match="final tree head"):
        singapore.ledger.manifest_evidence(manifest.id)
    with pytest.raises(NotFound):
        singapore.ledger.manifest_evidence(b"\1" * 32)
    with pytest.raises(NotFound):
        singapore.ledger.consignment_evidence(manifest.consignment)
    finish(singapore)
    report = verify(singapore.ledger.manifest_evidence(manifest.id), trust(singapore), int(time.time()))
    assert report.verdict == "INDETERMINATE"
    assert "not opened" in report.check("custody").message
    with pytest.raises(NotFound, match="with its document"):
        singapore.ledger.consignment_evidence(b"\1" * 32)


def test_an_amended_and_a_superseded_manifest(singapore):
    first = history(singapore)
    finish(singapore)
    second = singapore.amendment(first)
    singapore.ledger.lodge(second.submission)
    finish(singapore)
    now = int(time.time())
    current = verify(singapore.ledger.consignment_evidence(first.consignment), trust(singapore), now)
    assert [check for check in current.checks if check.status != "VALID"] == [current.check("seals")]
    assert current.state.endswith("may not go: the release is for another manifest.")
    old = verify(singapore.ledger.manifest_evidence(first.id), trust(singapore), now)
    assert old.verdict == "INVALID"
    assert f"Superseded by 0x{second.id.hex()[:8]}…" in old.state
    withdrawal = singapore.amendment(second, kind=3)
    singapore.ledger.lodge(withdrawal.submission)
    finish(singapore)
    gone = verify(singapore.ledger.manifest_evidence(second.id), trust(singapore), int(time.time()))
    assert (gone.verdict, "Withdrawn since" in gone.state) == ("INVALID", True)


def test_what_is_inside_another_is_exported_with_all_it_was_with(singapore):
    box = history(singapore)
    container = singapore.opened("carrier")
    singapore.settle()
    singapore.recorded(K.CONSOLIDATE, "carrier", box.consignment, subject=container.consignment)
    finish(singapore)
    now = int(time.time())
    of_container = Evidence.decode(singapore.ledger.manifest_evidence(container.id))
    assert len(of_container.custody) == 7
    assert all(
        taken.details is None for taken in of_container.custody
    )  # the box's are not the container's to show
    of_box = Evidence.decode(singapore.ledger.manifest_evidence(box.id))
    assert [taken.details is None for taken in of_box.custody] == [True, False, True, True, False, True, True]
    report = verify(singapore.ledger.manifest_evidence(box.id), trust(singapore), now)
    report.require()
    assert f"Inside consignment 0x{container.consignment.hex()[:8]}…" in report.state
    whole = verify(singapore.ledger.manifest_evidence(container.id), trust(singapore), now)
    assert (whole.verdict, "1 inside; 0 on hold." in whole.state) == ("VALID", True)


@pytest.mark.parametrize(("promised", "verdict"), [(True, "VALID"), (False, "INDETERMINATE")])
def test_a_foreign_officers_file_is_made_from_the_accompanying_file(
    singapore, open_ledger, promised, verdict
):
    """Nobody in NL has seen the whole manifest: only SG's promise vouches for what is not disclosed."""
    manifest = history(singapore)
    finish(singapore)
    netherlands = open_ledger(administration="NL")
    netherlands.settle()
    file = singapore.ledger.accompanying_file(manifest.consignment)
    if not promised:
        file = file.model_copy(update={"manifest": file.manifest.model_copy(update={"promise": None})})
    netherlands.ledger.load_accompanying(file)
    finish(netherlands)
    data = netherlands.ledger.consignment_evidence(manifest.consignment)
    report = verify(data, trust(netherlands, "NL"), int(time.time()))
    assert report.verdict == verdict
    assert [check.name for check in report.checks if check.status != "VALID"] == (
        ["seals"] if promised else ["document", "seals"]
    )
    whole = replace(
        Evidence.decode(data),
        manifest=Evidence.decode(singapore.ledger.manifest_evidence(manifest.id, [""])).manifest,
    )
    judged = verify(whole.encode(), trust(netherlands, "NL"), int(time.time())).verdict
    assert judged == ("VALID" if promised else "INVALID"), (
        "without the promise, its signer's slot is not proved"
    )


def _sealed(data, sealers=4):
    """The file with its block's header sealed by QBFT validators of the tests, around the same state."""
    evidence = Evidence.decode(data)
    real = headers.decode(evidence.chain.headers[0])
    names = sealed_headers.ADDRESSES[:4]
    header = sealed_headers.qbft(
        names,
        sealed_headers.KEYS[:sealers],
        number=real.number,
        f3=real.state_root,
        f11=rlp.of_integer(real.timestamp),
    )
    return replace(evidence, chain=replace(evidence.chain, headers=(header.encode(),))).encode()


def test_the_same_state_under_sealed_headers_is_valid_for_who_asks_for_seals(singapore):
    manifest = history(singapore)
    finish(singapore)
    data = singapore.ledger.manifest_evidence(manifest.id)
    asks = trust(
        singapore, consensus="qbft", validators=tuple(sorted(sealed_headers.ADDRESSES[:4], key=str.lower))
    )
    now = int(time.time())
    report = verify(_sealed(data), asks, now)
    report.require()
    assert report.check("seals").status == "VALID"
    assert "unsealed" not in report.state
    assert verify(_sealed(data, sealers=2), asks, now).verdict == "INVALID"
    plain = verify(data, asks, now)
    assert (plain.verdict, plain.check("seals").status) == ("INVALID", "INVALID")


def test_a_revoked_signer_is_told_by_the_registry_in_storage(singapore):
    key = b"\x21" * 32
    singapore.network.enrol(key, "SG", Role.OFFICER)
    manifest = history(singapore)
    singapore.settle()
    singapore.recorded(K.HOLD, "officer", manifest.consignment, signing_key=key)
    finish(singapore)
    taken = Evidence.decode(singapore.ledger.manifest_evidence(manifest.id)).custody[-1].accepted_at
    governance = singapore.network.governance()
    governance.revoke(account_of(key), taken)
    governance.close()
    finish(singapore)
    report = verify(singapore.ledger.manifest_evidence(manifest.id), trust(singapore), int(time.time()))
    assert report.verdict == "INDETERMINATE"
    assert report.check("authority").message.startswith("Disputed, and not decided here:")


class SealedNode:
    """Answers as a node of a sealed chain would: anvil's own blocks, with seals of the tests' validators in them."""

    def __init__(self, ask, consensus):
        self.ask, self.consensus, self.hashes = ask, consensus, {}

    def __call__(self, method, *parameters):
        if method == "clique_getSigners":
            return [each.lower() for each in sealed_headers.ADDRESSES[:4]]
        said = self.ask(method, *parameters)
        return self.sealed(said) if method == "eth_getBlockByNumber" and said else said

    def sealed(self, block):
        number = int(block["number"], 16)
        if number == 0:
            self.hashes[0] = block["hash"]
            return block
        if number - 1 not in self.hashes:
            self.sealed(self.ask("eth_getBlockByNumber", hex(number - 1), False))
        block = block | {"parentHash": self.hashes[number - 1]}
        items = [chain_module._header_field(n, block[n]) for n in chain_module._HEADER_FIELDS if block.get(n)]
        if self.consensus == "qbft":
            listed = tuple(sealed_headers.raw(each) for each in sealed_headers.ADDRESSES[:4])
            extra = headers.QbftExtra(bytes(32), listed, [], 0, ())
            items[12] = extra.encode(round=0, seals=())
            digest = keccak(rlp.encode(items))
            seals = [sealed_headers.seal(digest, key) for key in sealed_headers.KEYS[:3]]
            items[12] = extra.encode(round=0, seals=seals)
        else:
            items[12] = bytes(32)
            digest = keccak(rlp.encode(items))
            items[12] += sealed_headers.seal(digest, sealed_headers.KEYS[number % 4])
        header = headers.decode(rlp.encode(items))
        name = headers.block_hash(header, "qbft" if self.consensus == "qbft" else None)
        self.hashes[number] = "0x" + name.hex()
        return block | {"extraData": "0x" + items[12].hex(), "hash": self.hashes[number]}


@pytest.mark.parametrize("consensus", ["qbft", "clique"])
def test_a_sealed_chains_file_is_exported_with_what_its_consensus_needs(singapore, monkeypatch, consensus):
    manifest = history(singapore)
    finish(singapore)
    singapore.anvil.mine(12)
    singapore.work()
    names = tuple(sorted(sealed_headers.ADDRESSES[:4], key=str.lower))
    with (
        closing(Chain(replace(singapore.profile, kind=consensus, validators=names))) as chain,
        monkeypatch.context() as patched,
    ):
        patched.setattr(chain, "_rpc", SealedNode(chain._rpc, consensus))
        patched.setattr(singapore.ledger, "_chain", chain)
        patched.setattr(chain, "require_identity", lambda: None)  # code is asked by another way
        pinned = exporting.trust_of(chain, "SG", old_seconds=86_400, expires_at=int(time.time()) + 10**6)
        assert sorted(pinned.validators) == sorted(sealed_headers.ADDRESSES[:4])
        monkeypatch.setattr(chain, "profile", replace(chain.profile, validators=names[1:]))
        with pytest.raises(ChainMismatch, match="list of validators"):  # the node names one more
            exporting.trust_of(chain, "SG", old_seconds=86_400, expires_at=int(time.time()) + 10**6)
        data = singapore.ledger.manifest_evidence(manifest.id)
    report = verify(data, replace(pinned, from_block=0), int(time.time()))  # trusted since before the history
    report.require()
    assert report.check("seals").status == "VALID"
    assert len(Evidence.decode(data).chain.headers) == (1 if consensus == "qbft" else 9)


# --- the slots


def test_every_slot_is_where_the_layout_says(singapore):
    places = {
        ("AdministrationRegistry", "_accounts"): slots.ACCOUNTS,
        ("ManifestLog", "_heads"): slots.HEADS,
        ("ManifestLog", "_closures"): slots.CLOSURES,
        ("ManifestLog", "_lastHeads"): slots.LAST_HEADS,
        ("ConsignmentLedger", "_trail"): slots.TRAILS,
    }
    for (contract, label), number in places.items():
        layout = artifact(contract)["storageLayout"]["storage"]
        assert [each["slot"] for each in layout if each["label"] == label] == [str(number)]
    members = artifact("AdministrationRegistry")["storageLayout"]["types"]["t_struct(Account)_storage"][
        "members"
    ]
    packing = [(each["label"], each["offset"]) for each in members]
    assert packing == [
        ("party", 0),
        ("roles", 16),
        ("validUntil", 17),
        ("revokedFrom", 22),
        ("revokedAt", 27),
    ]


def test_every_slot_holds_what_the_contract_answers(singapore):
    manifest = history(singapore)
    second = singapore.amendment(manifest)
    singapore.ledger.lodge(second.submission)
    finish(singapore)
    chain, ledger = singapore.ledger._chain, singapore.ledger
    block = singapore.anvil.head()
    header = headers.decode(chain.raw_header(block))
    assert headers.block_hash(header) == chain.block(block).hash

    def word(contract, slot):
        nodes = singapore.anvil.ask(
            "eth_getProof", chain.profile.address_of(contract), ["0x" + slot.hex()], hex(block)
        )
        shown = [bytes.fromhex(node[2:]) for node in nodes["accountProof"]]
        account = verify_account(
            header.state_root, bytes.fromhex(chain.profile.address_of(contract)[2:]), shown
        )
        assert "0x" + account.code_hash.hex() == chain.profile.code_hashes[contract]
        proof = [bytes.fromhex(node[2:]) for node in nodes["storageProof"][0]["proof"]]
        return verify_storage(account.storage_root, slot, proof).to_bytes(32, "big")

    proof = ledger.manifest_proof(manifest.id)
    code = Party("SG").administration_bytes
    assert word("ManifestLog", slots.head(code, proof.epoch, proof.size)) == chain.view(
        "ManifestLog", "headCommitment", code, proof.epoch, proof.size
    )
    closure = chain.view("ManifestLog", "closure", manifest.id)
    assert word("ManifestLog", slots.closure(manifest.id)) == closure != ZERO32
    trail = chain.view("ConsignmentLedger", "trail", manifest.consignment)
    assert word("ConsignmentLedger", slots.trail(manifest.consignment)) == trail != ZERO32
    address = singapore.network.address("officer")
    account = chain.view("AdministrationRegistry", "account", address)
    found = slots.decode_account(
        int.from_bytes(word("AdministrationRegistry", slots.account(bytes.fromhex(address[2:]))), "big")
    )
    assert (found.party, found.roles, found.valid_until, found.revoked_from, found.revoked_at) == tuple(
        account
    )


# --- a node that is not to be believed


def _answering(monkeypatch, chain, method, change):
    ask = chain._rpc

    def answer(name, *parameters):
        said = ask(name, *parameters)
        return change(orjson.loads(orjson.dumps(said))) if name == method else said

    monkeypatch.setattr(chain, "_rpc", answer)


def test_a_node_whose_answers_do_not_follow_from_its_header_is_not_believed(singapore, monkeypatch):
    manifest = history(singapore)
    finish(singapore)
    chain = singapore.ledger._chain
    with monkeypatch.context() as patched:
        _answering(patched, chain, "eth_getProof", lambda said: said | {"storageProof": []})
        with pytest.raises(ChainViolation, match="no evidence was made"):
            singapore.ledger.manifest_evidence(manifest.id)
    with monkeypatch.context() as patched:
        _answering(patched, chain, "eth_getProof", lambda said: said | {"accountProof": [7]})
        with pytest.raises(ChainUnavailable, match="state proof is malformed"):
            singapore.ledger.manifest_evidence(manifest.id)
    for change in ({"stateRoot": "0x" + "11" * 32}, {"nonce": "0x"}, {"miner": None}):
        with monkeypatch.context() as patched:
            _answering(patched, chain, "eth_getBlockByNumber", lambda said, change=change: said | change)
            with pytest.raises(ChainUnavailable, match="header of block"):
                singapore.ledger.manifest_evidence(manifest.id)
    assert keccak(b"") and singapore.ledger.manifest_evidence(manifest.id)
