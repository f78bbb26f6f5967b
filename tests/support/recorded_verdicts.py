"""A pytest plugin: writes down every verdict that tests ask for, so that another verifier can be asked the same.

CARGO_RECORD=FILE PYTHONPATH=tests/support python -m pytest -p recorded_verdicts tests/unit/core/test_verify.py
"""

import functools
import json
import os

import second_verifier

from ledger.core import verify as verifying

_found = {}


def _record(data, trust, now, clock_floor, report):
    encoded = trust.encode()
    asked = second_verifier.case(data, encoded, now, clock_floor)
    _found[data, encoded, now, clock_floor] = {"case": asked, "report": report.to_json()}


def _recorded(verify):
    @functools.wraps(verify)
    def recording(evidence, trust, now, *, clock_floor=0):
        report = verify(evidence, trust, now, clock_floor=clock_floor)
        if isinstance(evidence, bytes):
            _record(evidence, trust, now, clock_floor, report)
        return report

    return recording


def _reported(report):
    @functools.wraps(report)
    def recording(self):
        found = report(self)
        _record(self.evidence.encode(), self.trust, self.now, self.clock_floor, found)
        return found

    return recording


# before any test imports the names
verifying.verify = _recorded(verifying.verify)
verifying.Verification.report = _reported(verifying.Verification.report)


def pytest_sessionfinish():
    with open(os.environ["CARGO_RECORD"], "w") as out:
        json.dump(list(_found.values()), out)
