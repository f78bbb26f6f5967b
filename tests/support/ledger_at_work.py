"""One administration's ledger on a real chain, with people by their roles who sign what a test asks them to.

Blocks are made by transactions and by `mine`, so a test decides when something is mined and when it is final. What a
node does wrong is done by `faulty_node`, never by replacing our own code.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import sqlalchemy
from local_network import Network

from ledger import tables
from ledger.config import ChainProfile, LedgerConfig
from ledger.core import documents, merkle, records, signatures
from ledger.core.identifiers import Party
from ledger.core.records import ZERO16, ZERO32, CustodyKind, CustodyRecord, ManifestRecord
from ledger.errors import LedgerError
from ledger.ledger import Ledger
from ledger.messages import (
    CustodyRecordMessage,
    CustodySubmission,
    ManifestAccepted,
    ManifestRecordMessage,
    ManifestSubmission,
    from_hex,
    to_hex,
)

DAY = 86_400


@dataclass
class Anvil:
    """The development chain's own controls."""

    url: str

    def __post_init__(self) -> None:
        self._http = httpx.Client(trust_env=False, timeout=30)

    def close(self) -> None:
        self._http.close()

    def ask(self, method: str, *params: Any) -> Any:
        answer = self._http.post(
            self.url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
        ).json()
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def mine(self, blocks: int = 1) -> None:
        self.ask("anvil_mine", hex(blocks))

    def keep_time(self) -> None:
        """Going back to a snapshot sets the chain's clock back too; records of now would be refused as ahead of it."""
        self.mine()
        behind = int(time.time()) - int(self.ask("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
        if behind > 0:
            self.ask("evm_increaseTime", hex(behind))

    def head(self) -> int:
        return int(self.ask("eth_blockNumber"), 16)

    def automine(self, is_on: bool) -> None:
        self.ask("evm_setAutomine", is_on)

    def roll_back(self, blocks: int) -> None:
        """Take the newest blocks away, with their transactions."""
        self.ask("anvil_rollback", blocks)

    def reorganise(self, blocks: int) -> None:
        """Replace the newest blocks by as many others, which hold none of their transactions."""
        self.ask("anvil_reorg", blocks, [])

    def pending(self) -> list[str]:
        """Hashes of the transactions that wait to be mined."""
        pool = self.ask("txpool_content")["pending"]
        return [each["hash"] for of_one in pool.values() for each in of_one.values()]

    def drop(self, transaction: str) -> None:
        self.ask("anvil_dropTransaction", transaction)


class Sealed(Anvil):
    """The same of a chain that others seal: there is waiting, and nothing to control."""

    def ask(self, method: str, *params: Any) -> Any:
        return True if method == "anvil_getAutomine" else super().ask(method, *params)

    def mine(self, blocks: int = 1) -> None:
        wanted = self.head() + blocks
        until(lambda: self.head() >= wanted, seconds=30 + 5 * blocks)


def controls(network: Network) -> Anvil:
    """The controls of a network's chain; the caller closes them."""
    return (Anvil if network.profile.kind == "development" else Sealed)(network.chain.url)


@dataclass(frozen=True)
class Manifest:
    """What an exporter keeps of a manifest."""

    submission: ManifestSubmission
    record: ManifestRecord
    reference: str
    key: bytes
    secret: bytes
    document: dict[str, Any]

    @property
    def id(self) -> bytes:
        manifest_id = self.record.manifest_id
        assert manifest_id is not None
        return manifest_id

    @property
    def consignment(self) -> bytes:
        return self.record.consignment

    @property
    def blind(self) -> bytes:
        return records.blind(self.key, self.reference)


@dataclass
class AtWork:
    """A ledger with its worker in the test's hands."""

    network: Network
    config: LedgerConfig
    ledger: Ledger
    anvil: Anvil
    lines: dict[tuple[bytes, str], bytes] = field(default_factory=dict)

    @property
    def profile(self) -> ChainProfile:
        return self.network.profile

    # --- the worker

    def turn(self) -> bool:
        """One turn of the worker; what it sent is mined after it, unless the test holds the miner back."""
        moved = self.ledger.work_once()
        if self.anvil.ask("anvil_getAutomine"):
            until(lambda: not self.anvil.pending())  # anvil answers before it has mined
        return moved

    def work(self) -> None:
        """Turns until one moves nothing."""
        for _ in range(200):
            if not self.turn():
                return
        raise AssertionError("the worker does not come to rest")

    def settle(self, blocks: int = 3) -> None:
        """Let the worker and the chain go on until nothing is on its way any more."""
        for _ in range(20):
            self.work()
            figures = self.ledger.metrics()
            if not figures["transactions_in_flight"]:
                return
            self.anvil.mine(blocks)
        raise AssertionError(f"something stays on its way: {figures}")

    def reopen(self) -> None:
        """As after the process was killed: nothing of its memory is left."""
        self.ledger.close()
        self.ledger = Ledger.open(self.config)

    # --- manifests

    def manifest(self, role: str = "exporter", reference: str | None = None, **changes: Any) -> Manifest:
        """A signed LODGE with everything; `changes` are the record's or the submission's fields."""
        reference = reference or f"ucr:6SG{secrets.token_hex(6).upper()}"
        key, secret = changes.pop("key", secrets.token_bytes(32)), secrets.token_bytes(32)
        party = Party.parse(changes.pop("party", None) or self.network.party(role)).to_bytes()
        document = changes.pop("document", None) or manifest_document(reference)
        root = documents.commit(documents.parse(orjson.dumps(document)), secret).root
        consignment = records.consignment_id(party, records.blind(key, reference))
        extra = {name: changes.pop(name) for name in list(changes) if name not in _RECORD_FIELDS}
        given = {
            "party": party,
            "kind": 1,
            "reason": 0,
            "consignment": consignment,
            "manifest_root": root,
            "supersedes": ZERO32,
            "issued_at": int(time.time()),
        } | changes
        record = ManifestRecord(**given)
        beside = {
            "document": document,
            "secret": to_hex(secret),
            "reference": reference,
            "consignment_key": to_hex(key),
        } | extra
        if record.kind == 3:
            beside["document"] = beside["secret"] = None
        return Manifest(self.signed(record, role, **beside), record, reference, key, secret, document)

    def signed(self, record: ManifestRecord, role: str, **beside: Any) -> ManifestSubmission:
        signature = signatures.sign(record.digest(self.profile.log_domain), self.network.keys[role])
        return ManifestSubmission(
            record=ManifestRecordMessage.of(record), signature=to_hex(signature), **beside
        )

    def amendment(self, former: Manifest, role: str = "exporter", kind: int = 2, **changes: Any) -> Manifest:
        """An AMEND or WITHDRAW of a manifest."""
        given = {
            "kind": kind,
            "reason": 1,
            "supersedes": former.id,
            "consignment": former.consignment,
            "key": former.key,
            "document": former.document | {"description": secrets.token_hex(8)},
        } | changes
        if kind == 3:
            given["manifest_root"] = ZERO32
        return self.manifest(role, former.reference, **given)

    def lodge_together(self, *manifests: Manifest) -> list[tuple[ManifestAccepted, bool] | LedgerError]:
        """Lodge in one transaction, as a batch is; what is prepared must be well formed."""
        return self.ledger.lodge_prepared([self.ledger.prepare(each.submission) for each in manifests])

    def lodged(self, role: str = "exporter", **changes: Any) -> Manifest:
        manifest = self.manifest(role, **changes)
        _, is_new = self.ledger.lodge(manifest.submission)
        assert is_new
        return manifest

    # --- custody

    def custody(
        self, kind: CustodyKind, role: str, consignment: bytes, **changes: Any
    ) -> tuple[CustodyRecord, bytes]:
        """A signed custody record with the next `previous` of its line, and its signature."""
        key = changes.pop("signing_key", self.network.keys[role])
        now = int(time.time())
        given = {
            "consignment": consignment,
            "kind": int(kind),
            "party": Party.parse(changes.pop("party", None) or self.network.party(role)).to_bytes(),
            "subject": ZERO32,
            "details": ZERO32,
            "counterpart": ZERO16,
            "observed_at": now,
            "expires_at": now + 3600,
        } | changes
        if "previous" not in given:
            given["previous"] = self._line(kind, consignment, signatures.account_of(key))
        record = CustodyRecord(**given)
        return record, signatures.sign(record.digest(self.profile.consignments_domain), key)

    def step(
        self,
        kind: CustodyKind,
        role: str,
        consignment: bytes,
        document: dict[str, Any] | None = None,
        **changes: Any,
    ) -> CustodySubmission:
        """A submission of such a record, with its details document if there is one."""
        beside: dict[str, Any] = {}
        if document is not None:
            secret = secrets.token_bytes(32)
            changes["details"] = documents.commit(documents.parse(orjson.dumps(document)), secret).root
            beside = {"document": document, "secret": to_hex(secret)}
        record, signature = self.custody(kind, role, consignment, **changes)
        return CustodySubmission(
            record=CustodyRecordMessage.of(record), signature=to_hex(signature), **beside
        )

    def recorded(self, kind: CustodyKind, role: str, consignment: bytes, **changes: Any) -> bytes:
        """A record that the ledger accepts as new; its digest."""
        answer = self.ledger.record([self.step(kind, role, consignment, **changes)])[0]
        if isinstance(answer, LedgerError):
            raise answer
        accepted, is_new = answer
        assert is_new and accepted.state == "accepted"
        return from_hex(accepted.digest)

    def opened(self, role: str = "exporter", **changes: Any) -> Manifest:
        """A consignment that was lodged and opened; both may still be on their way."""
        manifest = self.lodged(role, **changes)
        self.recorded(
            CustodyKind.OPEN,
            role,
            manifest.consignment,
            previous=manifest.blind,
            details=manifest.record.manifest_root,
        )
        return manifest

    def opened_and_settled(self) -> Manifest:
        """The same, taken by the chain and final."""
        self.work()
        manifest = self.opened()
        self.settle()
        return manifest

    def _line(self, kind: CustodyKind, consignment: bytes, address: str) -> bytes:
        lines = self.ledger.consignment(consignment).lines
        if kind in (6, 7, 8, 12, 15, 16):
            return from_hex(lines.custody)
        return from_hex(lines.accounts.get(address, to_hex(ZERO32)))

    # --- by another way than our ledger

    def send(
        self, contract: str, function: str, *arguments: Any, role: str = "stranger", gas: int = 2_000_000
    ) -> None:
        """A transaction of somebody who does not use this ledger; it is mined, or the test fails."""
        chain = self.ledger._chain
        address = self.network.address(role)
        self.anvil.ask("anvil_setBalance", address, hex(10**21))
        call = chain.call_of(contract, function, *arguments, gas=gas)
        chain.simulate(call, address)
        nonce = int(self.anvil.ask("eth_getTransactionCount", address, "pending"), 16)
        transaction_hash, raw = chain.sign(call, self.network.keys[role], nonce)
        chain.submit(raw, transaction_hash)
        if self.anvil.ask("anvil_getAutomine"):
            assert chain.wait(transaction_hash).succeeded

    def check_everything(self) -> None:
        """Store against chain: every trail, every head, every proof."""
        chain = self.ledger._chain
        with self.ledger._store.read() as session:
            rows = session._all(sqlalchemy.select(tables.chain_custody))
            manifests = session._all(sqlalchemy.select(tables.manifests))
        for consignment in {row.consignment for row in rows}:
            view = self.ledger.consignment(consignment)
            assert from_hex(view.trail) == chain.view("ConsignmentLedger", "trail", consignment)
        for row in manifests:
            view = self.ledger.manifest(row.digest)
            if view.anchor is None:
                continue
            proof = self.ledger.manifest_proof(row.digest)
            merkle.verify_inclusion(
                records.leaf_hash(row.leaf),
                proof.index,
                proof.size,
                [from_hex(node) for node in proof.path],
                from_hex(proof.root),
            )
            commitment = chain.view(
                "ManifestLog",
                "headCommitment",
                Party.parse(self.config.administration).administration_bytes,
                proof.epoch,
                proof.size,
            )
            assert commitment == records.head_commitment(
                from_hex(proof.root), int(proof.anchored_at.timestamp())
            )


_RECORD_FIELDS = {"party", "kind", "reason", "consignment", "manifest_root", "supersedes", "issued_at"}


def manifest_document(reference: str, **changes: Any) -> dict[str, Any]:
    scheme, _, value = reference.partition(":")
    return {
        "schema": "cargo-manifest/1",
        "basis": {"type": "declaration"},
        "references": [{"scheme": scheme, "value": value}],
        "goods": [{"sequence": 1, "description": "Static converters", "gross_mass_kg": "1250.5"}],
        "containers": [{"number": "CSQU3054383", "seals": [{"number": "SEAL-1"}]}],
    } | changes


def anchor_foreign(at_work: AtWork, size: int) -> None:
    """Whoever has the sequencer's key anchors a tree of his own that extends the log; ours knows nothing of it."""
    head = at_work.ledger._chain.view("ManifestLog", "head", b"SG".ljust(8, b"\0"))
    epoch, first = head[0], head[1]
    with at_work.ledger._store.read() as session:
        hashes = [records.leaf_hash(row.leaf) for row in session.leaves(epoch, 0, first)]
    hashes += [secrets.token_bytes(32) for _ in range(size - first)]
    nodes = merkle.complete_nodes(hashes)
    path = [] if first == 0 else merkle.prove_consistency(first, size, nodes)
    at_work.send(
        "ManifestLog",
        "anchor",
        b"SG".ljust(8, b"\0"),
        epoch,
        size,
        merkle.root(hashes),
        path,
        role="sequencer",
    )


def open_ledger(network: Network, anvil: Anvil, database: Path, **changes: Any) -> AtWork:
    """A new ledger of SG, or of another administration; it is not at work before its worker takes a turn."""
    administration = changes.pop("administration", "SG")
    config = replace(network.config(database, administration), **changes)
    return AtWork(network, config, Ledger.open(config, create=True), anvil)


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
