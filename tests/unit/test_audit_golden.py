"""A seeded chain's replay comes to the same bytes in every version: state digest, rows, findings, what the checks say.

Two auditors compare digests, perhaps with another version each. Whoever makes the replay quicker must not touch these.
"""

import contextlib
import hashlib
import random
import runpy
from pathlib import Path

import pytest
from kept_history import ADDRESS, DOMAIN, START
from random_custody import NETWORK, OPENERS, K, attempt_of, record_of, registry_events, row_of

from ledger.audit.folding import Fold
from ledger.audit.journal import Journal
from ledger.audit.replay import Settings, replay
from ledger.core.custody import Custody

BENCH = runpy.run_path(str(Path(__file__).parents[2] / "bench" / "generated_chain.py"))


def sha(data):
    return hashlib.sha256(data).hexdigest()[:32]


@pytest.mark.parametrize("recovers", [True, False])
def test_a_generated_chain_is_replayed_to_the_same_bytes_as_ever(tmp_path, recovers):
    source = BENCH["Generated"](4_900)
    with replay(source, Settings(BENCH["trust"](), tmp_path, 0, recovers)) as replayed:
        assert replayed.digest.hex() == "3e39306261810f2f7822d9d214f599ce84146fe454c2dc47b66a45098a15b121"
        assert sha((tmp_path / "acts.rows").read_bytes()) == "6f670afd065ca0c0b884a09ead1e06c6"
        assert sha((tmp_path / "events.jsonl").read_bytes()) == "45dc7eecb8122f3cb027bcd70d402e5f"
        assert (replayed.counts.records, replayed.counts.events) == (4_908, 4_912)


def test_random_histories_come_to_the_same_state_and_findings_as_ever(tmp_path):
    digests, rows, findings = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
    for seed in range(8):
        rng = random.Random(seed)
        folder = tmp_path / str(seed)
        with contextlib.closing(Journal(folder, "")) as journal:
            fold, model = Fold(NETWORK, journal), Custody()
            registry_events(fold)
            taken, time = bytearray(), START
            for number in range(400):
                attempt = (number, K.OPEN, OPENERS[number], 0, 0, 0) if number < 3 else attempt_of(rng, model)
                time += 30
                record = record_of(model, attempt, time)
                digest, signer = record.digest(DOMAIN), ADDRESS[attempt[2]]
                standing = fold.registry.standing(signer)
                if not model.judge(record, digest, signer, standing, time):
                    step = model.apply(record, digest, signer, standing, time)
                    sequence = len(taken) // 320 + 1
                    taken += row_of(record, sequence, digest, signer, step.other, time)
            fold.take_rows(taken, 0, len(taken) // 320)
            digests.update(fold.digest(2, bytes(32)))
            journal.flush()
            rows.update((folder / "acts.rows").read_bytes())
            findings.update((folder / "findings.jsonl").read_bytes())
            fold.close()
    found = [each.hexdigest()[:32] for each in (digests, rows, findings)]
    assert found == [
        "801f654c3444e2a121f91e7e5b2b1e80",
        "c11e5b7b33d487e19c28e0340297d0d9",
        "968a04cf7efc23c780ce56d0b9840c1f",
    ]
