"""A pytest plugin: writes down every verdict that tests ask for, so that another verifier can be asked the same.

CARGO_RECORD=FILE PYTHONPATH=tests/support python -m pytest -p recorded_verdicts tests/unit/core/test_verify.py
"""

import functools
import json
import os

import second_verifier

from ledger.core import absence, consolidated
from ledger.core import verify as verifying

_found = {}


def _record(data, trust, now, clock_floor, contents=(), asked=None):
    key = (data, trust.encode(), now, clock_floor, tuple(contents), asked)
    if key not in _found:
        _found[key] = None  # judging it again is not to be recorded
        _found[key] = {"case": second_verifier.case(*key), "report": second_verifier.first(*key)}


def _bytes(evidence):
    return evidence if isinstance(evidence, bytes) else evidence.encode()


def _recorded(verify):
    @functools.wraps(verify)
    def recording(evidence, trust, now, *, clock_floor=0):
        _record(_bytes(evidence), trust, now, clock_floor)
        return verify(evidence, trust, now, clock_floor=clock_floor)

    return recording


def _recorded_absence(absent):
    @functools.wraps(absent)
    def recording(evidence, trust, now, what, administration, *, clock_floor=0):
        _record(_bytes(evidence), trust, now, clock_floor, asked=(what, administration))
        return absent(evidence, trust, now, what, administration, clock_floor=clock_floor)

    return recording


def _recorded_count(count):
    @functools.wraps(count)
    def recording(container, files, trust, now, *, clock_floor=0):
        _record(container.encode(), trust, now, clock_floor, files)
        return count(container, files, trust, now, clock_floor=clock_floor)

    return recording


# before any test imports the names
verifying.verify = _recorded(verifying.verify)
absence.absent = _recorded_absence(absence.absent)
consolidated.count = _recorded_count(consolidated.count)


def pytest_sessionfinish():
    with open(os.environ["CARGO_RECORD"], "w") as out:
        json.dump(list(_found.values()), out)
