"""The second verifier, `verifier/cargo-evidence.html`, in a real browser without a network; and whether it agrees.

The browser is Debian's Chromium (scripts/chromium). Where it is missing, tests that need it fail under CI and
are skipped with a line elsewhere.
"""

import atexit
import base64
import dataclasses
import functools
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from ledger.core.absence import absent
from ledger.core.consolidated import count
from ledger.core.evidence import Evidence
from ledger.core.findings import party_text
from ledger.core.identifiers import Party
from ledger.core.shown import shown
from ledger.core.trust import Trust
from ledger.core.verify import verify as first_verify
from ledger.errors import InvalidEvidence, InvalidTrust

PAGE = Path(__file__).parents[2] / "verifier" / "cargo-evidence.html"
CHROMIUM = Path("/usr/bin/chromium")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@functools.cache
def browser():
    """A browser with a fresh profile, offline; ended with the tests."""
    if not CHROMIUM.exists():
        sentence = f"{CHROMIUM} is missing: scripts/chromium installs it"
        if os.environ.get("CI"):
            pytest.fail(sentence)
        pytest.skip(sentence)
    from playwright.sync_api import sync_playwright

    profile = tempfile.mkdtemp(prefix="cargo-verifier-")
    running = sync_playwright().start()
    context = running.chromium.launch_persistent_context(
        profile, executable_path=CHROMIUM, headless=True, args=list(_FLAGS), offline=True
    )

    def end():
        context.close()
        running.stop()
        shutil.rmtree(profile, ignore_errors=True)

    atexit.register(end)
    return context


def open_page():
    """The verifier, opened from its file; `asked` are the addresses that it has asked for, its own left out."""
    page = browser().new_page()
    page.asked = []
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(PAGE.as_uri())
    page.asked.remove(PAGE.as_uri())
    return page


@functools.cache
def _judging_page():
    return open_page()


def case(data, trust, now, clock_floor=0, contents=(), asked=None):
    """What the page takes of one file to judge; `contents` are files of what is inside, `asked` what is not there, by whom."""
    return {
        "evidence": base64.b64encode(data).decode(),
        "trust": base64.b64encode(trust).decode(),
        "now": now,
        "clock_floor": clock_floor,
        "contents": [base64.b64encode(each).decode() for each in contents],
        "absent": None if asked is None else {"what": asked[0], "by": party_text(asked[1])},
    }


def first(data, trust, now, clock_floor=0, contents=(), asked=None):
    """What the first verifier says of a case, as the second is to say it."""
    try:
        pinned = Trust.decode(trust)
    except InvalidTrust as error:
        return {"refused": str(error)}
    if asked is not None:
        report = absent(data, pinned, now, *asked, clock_floor=clock_floor)
        return due(data, pinned, report, is_absence=True)
    report = first_verify(data, pinned, now, clock_floor=clock_floor)
    said = due(data, pinned, report)
    if contents and report.as_of is not None:
        counted = count(Evidence.decode(data), contents, pinned, now, clock_floor=clock_floor)
        if counted is not None:
            said |= {"contents": dataclasses.asdict(counted), "contents_words": counted.sentence}
    return said


def due(data, trust, report, *, is_absence=False):
    """A report as JSON with the fields that the file shows."""
    try:
        read = None if is_absence else Evidence.decode(data)
    except InvalidEvidence:
        read = None
    return report.to_json() | {"shown": {} if read is None else shown(read, trust, report)}


def administration(text):
    """An administration's code as 8 bytes."""
    return Party.parse(text).administration_bytes


def judge(cases):
    """The reports of the second verifier, as `Report.to_json` gives them; `{"refused": …}` for what is no trust file."""
    reports = []
    for start in range(0, len(cases), 100):  # a message to the browser has a largest size
        reports += _judging_page().evaluate(
            "cases => window.judgeEvidence(cases)", cases[start : start + 100]
        )
    return with_numbers(reports)


def with_numbers(reports):
    """The reports with the block's numbers as numbers: beyond 2^53 they come as text; without what only the page needs."""
    for report in reports:
        report.pop("sealed_at", None)
        block = report.get("as_of")
        if block is not None:
            report["as_of"] = block | {name: int(block[name]) for name in ("block", "age_seconds")}
    return reports


def are_alike(said, due):
    """Whether two reports say the same, word by word.

    Which of several faults of a file's form is met first is each reader's own; that there is one is not.
    """
    return _without_place(said) == _without_place(due)


def _without_place(report):
    if "refused" in report:
        return {"refused": report["refused"].partition(": at ")[0]}
    first, *others = report["checks"]
    if first["message"].startswith("This is no evidence file: at "):
        first = first | {"message": "This is no evidence file"}
    return report | {"checks": [first, *others]}


def verify(data, trust, now, *, clock_floor=0):
    """`ledger.core.verify.verify`, and the second verifier says the same; without a browser the first alone."""
    report = first_verify(data, trust, now, clock_floor=clock_floor)
    if CHROMIUM.exists() or os.environ.get("CI"):
        (second,) = judge([case(data, trust.encode(), now, clock_floor)])
        assert are_alike(second, due(data, trust, report)), second
    return report
