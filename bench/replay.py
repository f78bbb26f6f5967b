"""The auditor's replay from an export, beside plain web3.py on the same events."""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import generated_chain
from figures import Figure
from hexbytes import HexBytes
from web3 import Web3

from ledger.audit.blocks import decode
from ledger.audit.export_file import ExportSource
from ledger.audit.replay import Settings, replay
from ledger.chain import artifact
from ledger.core import receipts, rlp

RECORDS = 400_000  # enough that starting, half a second, does not decide
TO_REACH = 100_000
TO_REACH_SIGNED = 15_000
PLAIN_EVENTS = 2_000


def measure() -> list[Figure]:
    """Replay one generated export three ways."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chain.audit"
        generated_chain.write(path, RECORDS)
        # two check, so that one always can while this one judges
        quick_run = _replayed(path, processes=2, recovers=False)
        signed_run = _replayed(path, processes=2, recovers=True)
        if quick_run.digest != signed_run.digest or quick_run.digest is None:
            raise RuntimeError("two replays of one export do not agree on the digest")
    quick, signed, plain = quick_run.speed, signed_run.speed, _plain()
    return [
        Figure(
            "replay from an export: no gap, receipts, trail, state",
            f"{quick:,.0f} events/s",
            f"{TO_REACH:,}",
            quick >= TO_REACH,
            f"{RECORDS:,} generated records, three processes on the two cores, from opening the file to the digest; {quick_run.told}",
        ),
        Figure(
            "the same with every signature",
            f"{signed:,.0f} events/s",
            f"{TO_REACH_SIGNED:,}",
            signed >= TO_REACH_SIGNED,
            f"the same way; {signed_run.told}",
        ),
        Figure(
            "plain web3.py on the same events",
            f"{plain:,.0f} events/s",
            how=f"process_log alone, no check, no fetching; the replay is {quick / plain:.0f} times as fast, "
            f"{signed / plain:.0f} times with signatures",
        ),
    ]


@dataclass(frozen=True)
class Run:
    """How one replay went: events a second by the clock, and what tells whether the machine was busy with other things."""

    speed: float
    digest: bytes | None
    own: float  # microseconds of processor time an event, of the process that judges
    others: float  # of those that check
    load: float  # of the machine, as it began

    @property
    def bound(self) -> float:
        """Events a second that this much processor time allows on two cores, of which judging is on one."""
        return 1e6 / max((self.own + self.others) / 2, self.own)

    @property
    def told(self) -> str:
        """Processor time and load in words."""
        return (
            f"processor time an event {self.own:.1f} µs judging and {self.others:.1f} µs checking beside it, which two cores "
            f"with nothing else to do can't do quicker than {self.bound:,.0f} a second; at load {self.load:.1f}"
        )


def _replayed(path: Path, *, processes: int, recovers: bool) -> Run:
    source = ExportSource(path)
    load = os.getloadavg()[0]
    before, begun = os.times(), time.perf_counter()
    with replay(source, Settings(generated_chain.trust(), None, processes, recovers)) as result:
        took, after = time.perf_counter() - begun, os.times()
        if any(check.status == "INVALID" for check in result.checks):
            raise RuntimeError(f"the generated chain does not hold: {result.checks}")
        events = result.counts.events
    source.close()
    own = after.user + after.system - before.user - before.system
    others = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(events / took, result.digest, own / events * 1e6, others / events * 1e6, load)


def _plain() -> float:
    """Events a second that web3.py's own decoding does."""
    generated = generated_chain.Generated(PLAIN_EVENTS)
    address = Web3.to_checksum_address(generated.network.addresses["ConsignmentLedger"])
    event = (
        Web3().eth.contract(address=address, abi=artifact("ConsignmentLedger")["abi"]).events.RecordAppended()
    )
    logs = []
    for chunk in generated.chunks(1):
        for block in decode(chunk.data):
            for receipt in block.receipts if chunk.first > 1 else ():
                for item in rlp.as_list(rlp.decode_list(receipt[1:])[3], "logs"):
                    logs.append(receipts.decode_log(rlp.encode(item)))
    formatted = [
        {
            "address": address,
            "topics": [HexBytes(topic) for topic in log.topics],
            "data": HexBytes(log.data),
            "blockNumber": 1,
            "blockHash": HexBytes(bytes(32)),
            "transactionHash": HexBytes(bytes(32)),
            "transactionIndex": 0,
            "logIndex": place,
        }
        for place, log in enumerate(logs)
    ]
    begun = time.perf_counter()
    for log in formatted:
        event.process_log(log)
    return len(formatted) / (time.perf_counter() - begun)
