"""What a comparison found is told in flat memory, and what was not compared is not said to agree."""

import json
import os
import sys
import tracemalloc
from contextlib import closing

from ledger.audit.compare import Difference
from ledger.cli.audit_compare import Differences, show
from ledger.cli.output import Output, Page

CHECKS = [{"name": "custody", "status": "INVALID", "message": "Record 2 breaks a rule."}]


def found(count):
    return (
        Difference(
            "missing", "database", f"The record {each} is not there", each, f"audit replay --to {each}"
        )
        for each in range(count)
    )


def test_programs_get_every_difference_as_one_json_object(capsys):
    with closing(Differences()) as differences:
        differences.add(found(3))
        Output(True).answer_with_rows({"verdict": "VALID"}, "differences", differences.rows(), show)
    said = json.loads(capsys.readouterr().out)
    assert [each["block"] for each in said["differences"]] == [0, 1, 2] and said["verdict"] == "VALID"


def test_memory_stays_flat_however_many_there_are(monkeypatch):
    with open(os.devnull, "w") as nothing, closing(Differences()) as differences:
        monkeypatch.setattr(sys, "stdout", nothing)
        tracemalloc.start()
        differences.add(found(30_000))
        Output(True).answer_with_rows({"verdict": "VALID"}, "differences", differences.rows(), show)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert differences.count == 30_000
    assert peak < 1 << 20  # a list of them takes many times as much


def test_people_see_all_of_them_and_what_was_not_compared_is_not_said_to_agree(capsys, monkeypatch):
    data = {"verdict": "VALID", "block": 9, "compared": ["blocks"], "checks": []}
    with closing(Differences()) as differences:
        show(Page(), differences, data)
        assert "All agree, up to block 9: blocks." in capsys.readouterr().out
        show(Page(), differences, data | {"verdict": "INVALID", "compared": [], "checks": CHECKS})
        said = capsys.readouterr().out
        assert "Nothing was compared" in said and "agree" not in said
        assert "custody INVALID: Record 2 breaks a rule." in said
        differences.add(found(1_001))
        show(Page(), differences, data)
        said = capsys.readouterr().out
    assert all(f"The record {each} is not there" in said for each in (0, 500, 1_000))
    assert "The replay is VALID; 1001 differences." in said
