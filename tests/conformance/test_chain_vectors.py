"""Recorded chains: the QBFT header, QBFT extra data, Clique's votes and chain, eth_getProof against its headers."""

import json

import pytest
from sealed_headers import clique as sealed
from sealed_headers import raw

from ledger.core import headers, rlp, state_proof
from ledger.core.clique import CliqueSigners
from ledger.core.records import keccak
from ledger.core.signatures import account_of
from ledger.errors import SealError

pytestmark = pytest.mark.conformance


def _headers_in(data):
    """The headers of a file of blocks, one RLP item after the other."""
    found = []
    while data:
        item, end = rlp._decode(data, 0, len(data), 0)
        found.append(headers.decode(rlp.encode(item[0])))
        data = data[end:]
    return found


def test_the_copy_of_the_qbft_header_is_the_shared_one(conformance, request):
    shared = (conformance / "7-chain/qbft-header/qbft_header.json").read_bytes()
    assert (request.config.rootpath / "tests/vectors/qbft_header.json").read_bytes() == shared


def test_qbft_extra_data_decodes_to_what_is_recorded_and_back(conformance):
    cases = json.loads(
        (conformance / "7-chain/qbft-tests/BftExtraDataRLPTests/bft_extra_data.json").read_text()
    )
    assert len(cases) >= 4
    for case in cases.values():
        data, expected = bytes.fromhex(case["rlp"][2:]), case["qbft_extra_data"]
        extra = headers.qbft_extra(_header_with(data))
        assert "0x" + extra.vanity.hex() == expected["vanityData"]
        assert ["0x" + each.hex() for each in extra.validators] == expected["validators"]
        assert ["0x" + each.hex() for each in extra.seals] == expected["seals"]
        assert extra.round == expected["round"]
        vote = expected.get("vote")
        assert bool(extra.vote) == bool(vote)
        if vote:
            assert "0x" + extra.vote[0].hex() == vote["recipient"]
        assert extra.encode(round=extra.round, seals=extra.seals) == data


def _header_with(extra):
    from sealed_headers import plain_header

    return plain_header(extra=extra)


def test_the_clique_chain_links_and_is_sealed_by_its_signer(conformance):
    folder = conformance / "7-chain/besu/acceptance-tests/tests/src/acceptanceTest/resources/clique"
    genesis, *chain = _headers_in((folder / "clique.blocks").read_bytes())
    recorded = json.loads((folder / "clique_to_pos.json").read_text())
    assert "0x" + genesis.extra_data.hex() == recorded["extraData"]
    signers = CliqueSigners(headers.clique_signers(genesis), 0, recorded["config"]["clique"]["epochlength"])
    for before, header in zip([genesis, *chain], chain, strict=False):
        assert header.parent_hash == headers.block_hash(before)
        signers.take(header)
    assert signers.number == len(chain)


def test_clique_votes_as_eip_225_says(conformance):
    cases = json.loads((conformance / "7-chain/clique-eip225/clique_voting.json").read_text())
    assert len(cases) == 23
    for case in cases:
        names = sorted({*case["signers"], *_names(case["blocks"])})
        keys = {name: keccak(name.encode()) for name in names}
        address = {name: account_of(key) for name, key in keys.items()}
        signers = CliqueSigners([address[name] for name in case["signers"]], 0, case["epoch"])
        refused = False
        for number, block in enumerate(case["blocks"], 1):
            listed = sorted((address[name] for name in block.get("checkpoint", ())), key=raw)
            voted = block.get("voted")
            header = sealed(
                keys[block["signer"]],
                number,
                listed=listed,
                beneficiary=raw(address[voted]) if voted else bytes(20),
                nonce=b"\xff" * 8 if block.get("auth") else bytes(8),
            )
            try:
                signers.take(header)
            except SealError:
                refused = True
                assert number == len(case["blocks"]), case["description"]
        assert refused == ("failure" in case), case["description"]
        if not refused:
            assert signers.signers == {address[name] for name in case["results"]}, case["description"]


def _names(blocks):
    for block in blocks:
        yield block["signer"]
        yield from block.get("checkpoint", ())
        if block.get("voted"):
            yield block["voted"]


def test_every_recorded_account_proof_holds_against_the_header_chain(conformance):
    folder = conformance / "7-chain/execution-apis/tests"
    chain = _headers_in((folder / "chain.rlp").read_bytes())
    roots = {header.state_root for header in chain}
    files = sorted((folder / "eth_getProof").glob("*.io"))
    assert len(files) == 4
    for file in files:
        asked, answered = (
            json.loads(line[3:]) for line in file.read_text().splitlines() if line[:2] in (">>", "<<")
        )
        result = answered["result"]
        nodes = [bytes.fromhex(node[2:]) for node in result["accountProof"]]
        root = keccak(nodes[0])
        assert root in roots
        account = state_proof.verify_account(root, bytes.fromhex(asked["params"][0][2:]), nodes)
        assert account is not None
        assert (account.nonce, account.balance_wei) == (int(result["nonce"], 16), int(result["balance"], 16))
        assert "0x" + account.storage_root.hex() == result["storageHash"]
        for slot in result["storageProof"]:
            proof = [bytes.fromhex(node[2:]) for node in slot["proof"]]
            assert state_proof.verify_storage(account.storage_root, int(slot["key"], 16), proof) == int(
                slot["value"], 16
            )
