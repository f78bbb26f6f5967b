"""Where cited events stand: their transactions and signatures, from the node or the file that was replayed.

A signature is recovered again before it is shown, so what is cited is what the replay judged. An export holds the hashes of
those transactions alone that it holds whole; of the others it shows block and place.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import NamedTuple, Protocol

from ledger.audit import blocks
from ledger.audit.checking import LOG_BYTES, Checker, forms, plain
from ledger.audit.export_file import ExportSource
from ledger.audit.questions.form import Cited
from ledger.chain import Chain
from ledger.config import CONTRACTS
from ledger.core.records import keccak
from ledger.core.signatures import recover_address
from ledger.errors import ChainUnavailable, InvalidExport, InvalidSignature

_SIGNATURE_AT = 161 + 384  # in the bytes of a log RecordAppended
_Found = tuple[bytes | None, bytes | None]  # transaction, signature


class InBlock(NamedTuple):
    """What a block shows of a log of our contracts besides what it says.

    Attributes:
        at: Place of its transaction in the block, from 0.
        raw: The signed transaction, where the block is shown with it.
        signature: The signature in the log, 65 bytes; None if it has none.
    """

    at: int
    raw: bytes | None
    signature: bytes | None


class Citing(Protocol):
    """Who tells transactions and signatures."""

    @property
    def lacks(self) -> str | None:
        """What it can't tell, in words."""

    def proven(self, cited: Collection[Cited]) -> Mapping[Cited, Cited]:
        """Events with what is told of them."""


class NodeCiting:
    """From a node."""

    lacks: str | None = None

    def __init__(self, chain: Chain) -> None:
        """Ask a node; the chain stays the caller's to close."""
        self._chain = chain

    def proven(self, cited: Collection[Cited]) -> dict[Cited, Cited]:
        """Ask for the events of the blocks concerned.

        Raises:
            ChainUnavailable: The node gives no usable answer, or another than when it was replayed.
        """
        found: dict[tuple[int, int], _Found] = {}
        for number in sorted({each.block for each in cited}):
            block = self._chain.block(number)
            for event in () if block is None else self._chain.events(block):
                signature = event.values.get("signature")
                found[number, event.log_index] = (
                    event.transaction_hash,
                    None if signature is None else bytes(signature),
                )
        return {each: _checked(each, found, self._changed) for each in cited}

    def _changed(self, cited: Cited) -> ChainUnavailable:
        return ChainUnavailable(
            self._chain.shown,
            f"event {cited.sequence} of {cited.contract} in block {cited.block} is not there as it was when it was replayed",
        )


class ExportCiting:
    """From an export, which is read again as far as it is needed."""

    lacks: str | None = (
        "An export does not hold the hashes of transactions that carry custody records: block and place in it are shown."
    )

    def __init__(self, path: Path) -> None:
        """Read a file."""
        self._path = path

    def proven(self, cited: Collection[Cited]) -> dict[Cited, Cited]:
        """Look the events up in the file's blocks.

        Raises:
            InvalidExport: The file was changed since it was replayed.
        """
        wanted = {each.block for each in cited}
        found: dict[tuple[int, int], _Found] = {}
        with closing(ExportSource(self._path)) as source:
            checker = Checker(source.network, recovers=False)
            contracts = {source.network.addresses[name]: name for name in CONTRACTS}
            for chunk in source.chunks(min(wanted, default=source.last + 1)):
                if not wanted & set(range(chunk.first, chunk.last + 1)):
                    continue
                for number, shown in enumerate(blocks.decode(plain(chunk)), chunk.first):
                    if number in wanted:
                        for place, each in logs_of(checker, contracts, shown):
                            transaction = None if each.raw is None else keccak(each.raw)
                            found[number, place] = transaction, each.signature
                if chunk.last >= max(wanted):
                    break
        return {each: _checked(each, found, self._changed) for each in cited}

    def _changed(self, cited: Cited) -> InvalidExport:
        rule = f"event {cited.sequence} of {cited.contract} in block {cited.block} is not there as it was when it was replayed"
        return InvalidExport(str(self._path), 0, rule)


def logs_of(
    checker: Checker, contracts: Mapping[bytes, str], shown: blocks.ShownBlock
) -> Iterator[tuple[int, InBlock]]:
    """The logs of our contracts in a block, each by its place.

    Args:
        checker: Of the network; that the block holds is **not** checked here.
        contracts: The contracts' names by address.
        shown: The block.
    """
    place = 0
    for at, receipt in enumerate(shown.receipts):
        raw = shown.transactions.get(at)
        for log in checker.logs(receipt):
            if isinstance(log, memoryview):
                for begin in range(_SIGNATURE_AT, len(log), LOG_BYTES):
                    yield place, InBlock(at, raw, bytes(log[begin : begin + 65]))
                    place += 1
                continue
            if log.address in contracts and log.topics:
                form = forms(contracts[log.address]).get(log.topics[0])
                signature = (
                    form.decode(log)["signature"]
                    if form is not None and form.name == "ManifestClosed"
                    else None
                )
                yield place, InBlock(at, raw, signature)
            place += 1


def _checked(cited: Cited, found: Mapping[tuple[int, int], _Found], changed: object) -> Cited:
    transaction, signature = found.get((cited.block, cited.log), (None, None))
    is_there = (cited.block, cited.log) in found
    if is_there and cited.digest is not None:
        try:
            is_there = signature is not None and recover_address(cited.digest, signature) == cited.signer
        except InvalidSignature:
            is_there = False
    if not is_there:
        raise changed(cited)  # type: ignore[operator]
    return cited.proven(transaction, signature)
