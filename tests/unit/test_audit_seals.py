"""A replay of a sealed chain: every header from the export, the validators followed, and who does not stand behind it."""

import functools
import runpy
from contextlib import closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import fsck_life
import pytest
import sealed_headers
from sealed_headers import ADDRESSES, KEYS

from ledger import tables as t
from ledger.audit import export_file
from ledger.audit.blocks import Chunk, ShownBlock, Tail, encode
from ledger.audit.blocks import decode as blocks_of
from ledger.audit.fsck.offline import AnewOffline
from ledger.audit.fsck.run import Wanted, fsck
from ledger.audit.replay import Settings, replay
from ledger.core import headers
from ledger.core.signatures import checksummed
from ledger.store import Store

BENCH = runpy.run_path(str(Path(__file__).parents[2] / "bench" / "generated_chain.py"))
FOUR = ADDRESSES[:4]
RECORDS = 4_000  # seven blocks


@functools.cache
def plain(records):
    """The generated chain without seals."""
    return tuple(BENCH["Generated"](records).chunks(1))


@dataclass
class Sealed(BENCH["Generated"]):
    """The generated chain under seals: `seal` makes the header of a block out of its number and plain fields."""

    consensus: str = "qbft"
    seal: object = None
    above: int = 0  # headers on top of the last block
    deployed: int = 1

    def __post_init__(self):
        super().__post_init__()
        self.network = replace(self.network, consensus=self.consensus, first_block=self.deployed)

    def _sealed(self, number, parent, plain=None):
        kept = {} if plain is None else {f"f{n}": plain.fields[n] for n in (3, 4, 5, 6, 11)}
        return self.seal(number, parent=parent, **kept)

    def chunks(self, first):
        parent = bytes(32)
        hashed = "qbft" if self.consensus == "qbft" else None
        for chunk in plain(self.records):
            if chunk.first < first:
                continue
            (block,) = blocks_of(chunk.data)
            header = self._sealed(chunk.first, parent, headers.decode(block.header))
            parent = headers.block_hash(header, hashed)
            yield Chunk(
                chunk.first, chunk.last, encode(ShownBlock(header.encode(), block.receipts, {})), 0, self.name
            )
        self.top = parent

    def tail(self):
        found, parent = [], self.top
        for number in range(self.last + 1, self.last + 1 + self.above):
            found.append(self._sealed(number, parent))
            parent = headers.block_hash(found[-1])
        return Tail(tuple(each.encode() for each in found), ())


def trust_of(consensus, validators=FOUR, from_block=0):
    return replace(
        BENCH["trust"](),
        consensus=consensus,
        validators=tuple(sorted(validators, key=str.lower)),
        from_block=from_block,
        epoch=30_000 if consensus == "clique" else 0,
    )


def seals(tmp_path, source, trust):
    """The replay's verdict and its check `seals`, from an export of the source."""
    path = tmp_path / "chain.audit"
    export_file.write(source, path)
    opened = export_file.ExportSource(path)
    try:
        with replay(opened, Settings(trust, recovers=False)) as result:
            return result.verdict, result.check("seals")
    finally:
        opened.close()


def qbft(listed=FOUR, keys=KEYS[:4], *, by_number=None):
    """Seals each block; `by_number` says otherwise from a height on: (listed, keys)."""

    def seal(number, **fields):
        validators, sealers = listed, keys
        for begin, other in sorted((by_number or {}).items()):
            if number >= begin:
                validators, sealers = other
        return sealed_headers.qbft(validators, sealers, number=number, **fields)

    return seal


def of_qbft(seal):
    return Sealed(RECORDS, seal=seal)


# --- QBFT


def test_a_qbft_chain_is_final_when_a_quorum_of_the_trusted_sealed_its_last_block(tmp_path):
    verdict, check = seals(tmp_path, of_qbft(qbft(keys=KEYS[:3])), trust_of("qbft"))
    assert (verdict, check.status) == ("INDETERMINATE", "VALID")  # no state is shown, no signature recovered
    assert "is final: 3 of 4 trusted validators sealed it" in check.message


@pytest.mark.parametrize(
    ("keys", "says"), [(KEYS[:2], "2 of 4"), (KEYS[3:7], "1 of 4"), ([KEYS[0]] * 4, "1 of 4"), ([], "0 of 4")]
)
def test_a_qbft_chain_that_no_quorum_sealed_is_invalid(tmp_path, keys, says):
    verdict, check = seals(tmp_path, of_qbft(qbft(keys=keys)), trust_of("qbft"))
    assert (verdict, check.status) == ("INVALID", "INVALID")
    assert says in check.message


def test_qbft_validators_are_followed_through_a_change_that_both_sets_sealed(tmp_path):
    moved = {4: (ADDRESSES[1:5], KEYS[1:5]), 6: (ADDRESSES[2:6], KEYS[2:6])}
    verdict, check = seals(tmp_path, of_qbft(qbft(by_number=moved)), trust_of("qbft"))
    assert (verdict, check.status) == ("INDETERMINATE", "VALID")
    assert "4 of 4" in check.message
    since = seals(tmp_path, of_qbft(qbft(by_number=moved)), trust_of("qbft", ADDRESSES[1:5], 4))
    assert since[1].status == "VALID"


def test_qbft_validators_who_let_themselves_in_are_named_with_the_block(tmp_path):
    taken = {4: (ADDRESSES[3:7], KEYS[3:7])}
    verdict, check = seals(tmp_path, of_qbft(qbft(by_number=taken)), trust_of("qbft"))
    assert (verdict, check.status) == ("INVALID", "INVALID")
    assert "block 4 is sealed by 1 of 4" in check.message


def test_a_qbft_header_that_lists_nobody_or_a_trust_file_that_begins_later_is_undecided(tmp_path):
    verdict, check = seals(tmp_path, of_qbft(qbft(by_number={4: ([], KEYS[:4])})), trust_of("qbft"))
    assert (verdict, check.status) == ("INDETERMINATE", "ERROR")
    assert "contract mode" in check.message
    verdict, check = seals(tmp_path, of_qbft(qbft()), trust_of("qbft", from_block=500))
    assert (verdict, check.status) == ("INDETERMINATE", "ERROR")
    assert "use one that reaches back" in check.message


@pytest.fixture
def kept(tmp_path):
    """The database of a service that read a sealed chain and keeps nothing else, and an export of that chain."""
    source, path = Sealed(24, seal=qbft(keys=KEYS[:3])), tmp_path / "sg.sqlite3"
    export_file.write(source, tmp_path / "chain.audit")
    of = source.network
    with closing(Store(f"sqlite:///{tmp_path / 'to its end.sqlite3'}", create=True)) as end:
        with end.write() as session:
            session.add_block(source.last, bytes(32), 0)
        with AnewOffline(of, end) as anew:
            for chunk in source.chunks(1):
                anew.take(chunk)
            assert (anew.fault, anew.last) == (None, source.last)
            fsck_life.set_back(anew.store.path, path)
    identity = {
        "administration": "SG",
        "chain_id": str(of.chain_id),
        "genesis_hash": "0x" + of.genesis_hash.hex(),
    }
    for name, contract in (
        ("registry", "AdministrationRegistry"),
        ("manifest_log", "ManifestLog"),
        ("consignment_ledger", "ConsignmentLedger"),
    ):
        identity[name] = checksummed(of.addresses[contract])
    with closing(Store(f"sqlite:///{path}")) as store:
        with store.write() as session:
            session.set_identity(identity)
            session.begin_epoch(1)
        yield store, tmp_path / "chain.audit"


def test_what_a_service_keeps_of_a_qbft_chain_is_derived_again_from_an_export(kept):
    store, export = kept
    wanted = Wanted(None, trust_of("qbft"), export=export)

    def looked(wanted):
        return fsck(store, wanted, lambda *_: nullcontext(lambda *_: None))

    outcome = looked(wanted)
    assert (outcome.found, outcome.verdict, outcome.block) == ([], "INDETERMINATE", 2)
    assert {"changed"} == {
        each.kind for each in looked(replace(wanted, trust=trust_of("qbft", ADDRESSES[3:7]))).found
    }
    with store.write() as session:
        row = session.first(t.chain_custody, sequence=3)
        session.put_right(t.chain_custody, {"sequence": 3}, {**row._mapping, "signer": bytes(20)})
        block = session.first(t.blocks, number=2)
        session.put_right(t.blocks, {"number": 2}, {**block._mapping, "hash": bytes(32)})
    found = [(each.kind, each.where, each.id) for each in looked(wanted).found]
    assert found == [("changed", "chain_custody", "3"), ("changed", "blocks", "2")]


@pytest.mark.parametrize("consensus", ["qbft", "development"])
def test_a_trust_file_that_ran_out_gives_no_verdict(tmp_path, consensus):
    source = of_qbft(qbft()) if consensus == "qbft" else BENCH["Generated"](24)
    trust = replace(trust_of("qbft") if consensus == "qbft" else BENCH["trust"](), expires_at=1_700_000_000)
    verdict, check = seals(tmp_path, source, trust)
    assert (verdict, check.status) == ("INDETERMINATE", "ERROR")
    assert "ran out at 2023-11-14T22:13:20Z" in check.message


# --- Clique


def clique(keys=KEYS[:4], by_number=None):
    def seal(number, **fields):
        key = (by_number or {}).get(number, keys[number % len(keys)])
        return sealed_headers.clique(key, number, **fields)

    return seal


def of_clique(seal, above=8, deployed=1):
    return Sealed(RECORDS, consensus="clique", seal=seal, above=above, deployed=deployed)


def test_a_clique_chain_is_confirmed_by_its_signers_and_never_final(tmp_path):
    verdict, check = seals(tmp_path, of_clique(clique()), trust_of("clique"))
    assert (verdict, check.status) == ("INDETERMINATE", "VALID")
    assert "is confirmed by 4 of 4 signers, not final" in check.message


def test_a_clique_chain_needs_its_successors_and_enough_signers(tmp_path):
    verdict, check = seals(tmp_path, of_clique(clique(), above=7), trust_of("clique"))
    assert (verdict, check.status) == ("INVALID", "INVALID")
    assert "over 7 blocks" in check.message


@pytest.mark.parametrize(
    ("by_number", "says"),
    [({4: KEYS[5]}, "who is no signer then"), ({4: KEYS[3]}, "who sealed one too short before")],
)
def test_a_clique_block_by_a_stranger_or_out_of_turn_is_named(tmp_path, by_number, says):
    verdict, check = seals(tmp_path, of_clique(clique(by_number=by_number)), trust_of("clique"))
    assert (verdict, check.status) == ("INVALID", "INVALID")
    assert "block 4" in check.message and says in check.message


def test_clique_signers_that_the_trust_file_knows_from_later_on_are_followed_from_there(tmp_path):
    chain = of_clique(clique(by_number={}))
    assert seals(tmp_path, chain, trust_of("clique", from_block=3))[1].status == "VALID"
    others = seals(tmp_path, of_clique(clique()), trust_of("clique", ADDRESSES[1:5], 3))[1]
    assert others.status == "INVALID"


def test_an_export_has_the_headers_from_before_the_deployment_that_clique_needs(tmp_path):
    chain = of_clique(clique(), deployed=3)
    assert seals(tmp_path, chain, trust_of("clique"))[1].status == "VALID"
    before = of_clique(clique(by_number={2: KEYS[5]}), deployed=3)
    assert "block 2 is sealed by" in seals(tmp_path, before, trust_of("clique"))[1].message
