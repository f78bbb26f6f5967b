"""The auditor's replay from geth: one of four validators that sealed some ten thousands of records, the others stopped."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import generated_chain
import processor
from figures import Figure
from manifests import PROJECT

from ledger.audit.node import NodeSource
from ledger.audit.replay import Settings, replay
from ledger.chain import Chain
from ledger.core.records import Domain
from ledger.core.signatures import sign
from ledger.exporting import trust_of

sys.path[:0] = [str(PROJECT / "tests" / "support"), str(PROJECT / "scripts")]

import geth_build  # noqa: E402
import local_network  # noqa: E402
import processes  # noqa: E402
from validators import Validators  # noqa: E402

RECORDS = 36_000
TO_REACH = 65_000
BATCH = 100
GAS_A_RECORD = 90_000
AHEAD = 12  # transactions on their way: about a block
TIMES = 3


def measure(records: int = RECORDS) -> list[Figure]:
    """Fill a chain of four validators, and replay it from one of them; nothing where geth can't be had."""
    try:
        geth = geth_build.built()
    except geth_build.NoGeth as error:
        return [Figure("replay from geth", "not measured", f"{TO_REACH:,}", how=str(error))]
    with tempfile.TemporaryDirectory() as folder:
        validators = Validators(Path(folder) / "validators", geth, "parent", ("debug",))
        try:
            validators.start()
            network = local_network.begin(Path(folder), validators=validators)
            with closing(Chain(network.profile)) as chain:
                _fill(chain, network, records)
                trust = trust_of(chain, "SG", old_seconds=3600, expires_at=int(time.time()) + 86_400)
            # nothing is sealed any more, and what is asked is all that the node has to do
            validators.stop(*range(1, len(validators.folders)))
            runs = [_replayed(network.profile, trust, validators) for _ in range(TIMES)]
        finally:
            validators.stop()
    best = max(runs, key=lambda run: run[0])
    speed, own, node, events, load = best
    bound = 1e6 / max((own + node) / 2, own, node)
    return [
        Figure(
            "replay from geth: no gap, receipts, seals, trail, state",
            f"{speed:,.0f} events/s",
            f"{TO_REACH:,}",
            speed >= TO_REACH,
            f"{events:,} events, one process beside a node whose database it reads, the best of {TIMES}; processor time an event "
            f"{own:.1f} µs here and {node:.1f} µs in the node, so that two cores can't do more than {bound:,.0f} a second; at "
            f"load {load:.1f}",
        )
    ]


def _fill(chain: Chain, network: local_network.Network, records: int) -> None:
    """Send lives of the border in batches, as quick as blocks take them, and wait until they count as confirmed."""
    key, sent = network.keys["relayer"], []
    nonce = chain.nonce(network.address("relayer"))
    for batch in _batches(chain, network, records):
        call = chain.call_of("ConsignmentLedger", "append", *batch, gas=GAS_A_RECORD * len(batch[0]))
        transaction, raw = chain.sign(call, key, nonce)
        if len(sent) >= AHEAD:
            chain.wait(sent[-AHEAD])
        chain.send(raw)
        sent.append(transaction)
        nonce += 1
    for transaction in sent:
        if not chain.wait(transaction, 120).succeeded:
            raise RuntimeError("a batch of records was not taken")
    last = chain.head().number
    while chain.head().number < last + 12:
        time.sleep(1)


def _batches(
    chain: Chain, network: local_network.Network, records: int
) -> Iterator[tuple[list[tuple], list[bytes]]]:
    contract = bytes.fromhex(chain.profile.address_of("ConsignmentLedger")[2:])
    typed = b"\x19\x01" + Domain(chain.profile.chain_id, contract).separator
    lives = [generated_chain.Life(number) for number in range(records // len(generated_chain.LIFE))]
    steps = ((kind, role, life) for kind, role in generated_chain.LIFE for life in lives)
    sequence = 0
    while some := list(islice(steps, BATCH)):
        called, signatures = [], []
        for kind, role, life in some:
            sequence += 1
            digest, words = life.step(int(kind), role, sequence, int(time.time()), typed)
            called.append(_tuple(words))
            signatures.append(sign(digest, network.keys[role]))
        yield called, signatures


def _tuple(words: bytes) -> tuple:
    """The nine words of a record as the contract's function takes them."""
    word = [words[at : at + 32] for at in range(0, len(words), 32)]
    number = [int.from_bytes(each, "big") for each in word]
    return word[0], number[1], word[2][:16], word[3], word[4], word[5], word[6][:16], number[7], number[8]


def _replayed(profile, trust, validators) -> tuple[float, float, float, int, float]:
    node = processes.running(validators.folders[0])
    load = os.getloadavg()[0]
    before, before_node, begun = os.times(), processor.seconds_of([node]), time.perf_counter()
    with (
        closing(NodeSource(Chain(profile))) as source,
        replay(source, Settings(trust, None, 0, False)) as result,
    ):
        took, after = time.perf_counter() - begun, os.times()
        if any(check.status == "INVALID" for check in result.checks):
            raise RuntimeError(f"the chain does not hold: {result.checks}")
        events = result.counts.events
    own = after.user + after.system - before.user - before.system
    in_node = processor.seconds_of([node]) - before_node
    return events / took, own / events * 1e6, in_node / events * 1e6, events, load


if __name__ == "__main__":
    for figure in measure(int(sys.argv[1]) if len(sys.argv) > 1 else RECORDS):
        print(
            f"{figure.what}: {figure.figure} ({figure.to_reach}: {figure.met})\n    {figure.how}", flush=True
        )
