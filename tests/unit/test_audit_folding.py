"""The replay's quick path is held to the custody model: same states, same findings, and no refused record is taken."""

import dataclasses
import random
from collections import Counter

import pytest
from kept_history import ADDRESS, DOMAIN, START
from random_custody import IDS, NETWORK, OPENERS, K, attempt_of, record_of, registry_events, row_of

from ledger.audit import shelf
from ledger.audit.checking import FIELDS
from ledger.audit.folding import Fold, _Signer
from ledger.audit.journal import Journal
from ledger.core.custody import Custody
from ledger.errors import RuleBroken


def compared(custody, consignment):
    """A state without what a replay keeps elsewhere."""
    return dataclasses.replace(custody.state(consignment), records=0, findings=())


@pytest.mark.parametrize("seed", range(25))
def test_the_quick_path_is_the_model(tmp_path, monkeypatch, seed):
    monkeypatch.setattr(shelf, "NEAR", (1, 2, 1_000)[seed % 3])  # most states, some, or none go to the file
    rng = random.Random(seed)
    journal = Journal(tmp_path, "")
    fold, model = Fold(NETWORK, journal), Custody()
    registry_events(fold)
    first = [(which, K.OPEN, OPENERS[which], 0, 0, 0) for which in range(3)]
    sequence, time = 0, START
    for number in range(400):
        attempt = first[number] if number < len(first) else attempt_of(rng, model)
        time += 30
        record = record_of(model, attempt, time)
        digest, signer = record.digest(DOMAIN), ADDRESS[attempt[2]]
        standing = fold.registry.standing(signer)
        refusal = model.judge(record, digest, signer, standing, time)
        if refusal:
            row = row_of(record, sequence + 1, digest, signer, None, time)
            before = {each: compared(fold.custody, each) for each in IDS if each in fold.custody}
            assert fold.custody.take_quickly(FIELDS.unpack(row), _Signer(standing), time) is None, (
                refusal.name
            )
            assert before == {each: compared(fold.custody, each) for each in IDS if each in fold.custody}
            continue
        sequence += 1
        step = model.apply(record, digest, signer, standing, time)
        fold.take_rows(bytearray(row_of(record, sequence, digest, signer, step.other, time)), 0, 1)
        for each in (record.consignment, step.other):
            if each is not None:
                assert compared(fold.custody, each) == compared(model, each)
    journal.flush()
    found = Counter(map(repr, journal.read_findings()))
    assert found == Counter(repr(each) for of in IDS for each in model.findings(of))
    journal.close()


def test_most_of_a_life_is_taken_quickly_and_what_is_refused_is_named(tmp_path):
    journal = Journal(tmp_path, "")
    fold, model = Fold(NETWORK, journal), Custody()
    registry_events(fold)
    quick = 0
    lives = [(K.OPEN, "exporter"), (K.DEPARTURE, "exporter"), (K.ARRIVAL, "officer"), (K.HOLD, "officer")]
    lives += [(K.LIFT, "officer"), (K.RELEASE, "officer"), (K.OFFER, "exporter")]
    for sequence, (kind, role) in enumerate(lives, 1):
        record = record_of(model, (0, kind, role, 0, 0, 0), START + sequence)
        digest, signer = record.digest(DOMAIN), ADDRESS[role]
        standing = fold.registry.standing(signer)
        model.apply(record, digest, signer, standing, START + sequence)
        row = row_of(record, sequence, digest, signer, None, START + sequence)
        quick += (
            fold.custody.take_quickly(FIELDS.unpack(row), _Signer(standing), START + sequence) is not None
        )
    assert quick == len(lives)
    refused = record_of(model, (0, K.CLOSE, "importer", 0, 0, 0), START + 9)
    row = row_of(refused, 1, refused.digest(DOMAIN), ADDRESS["importer"], None, START + 9)
    with pytest.raises(RuleBroken, match="should have been refused as NOT_ALLOWED"):
        fold.take_rows(bytearray(row), 0, 1)
    journal.close()
