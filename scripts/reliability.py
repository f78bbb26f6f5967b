"""Write `docs/reliability.md`: each row with the tests that prove it and the planted bugs that turn them red.

    .venv/bin/python scripts/reliability.py [--check]

The tests say which row they prove (`@pytest.mark.row("B11")`), a planted bug says which tests must notice it. With `--check`
nothing is written; it ends with 1 where the file is old, a row has no test or no planted bug, or a test names no row.
"""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
PAGE = PROJECT / "docs" / "reliability.md"
#: What may happen, by row; the letters are those of the design's list.
ROWS = {
    "B1": "the worker is killed again and again under load",
    "B2": "worker and chain are killed together, and the chain forgets its newest blocks",
    "B3": "a kill between accepting, noting, sending and hearing of it",
    "B4": "the node takes a transaction and its answer is lost",
    "B5": "the node takes a transaction and forgets it",
    "B6": "a nonce that nothing holds, with others behind it",
    "B7": "a row of noted transactions that never went out",
    "B8": "somebody else uses the key",
    "B9": "two workers by mistake",
    "B10": "two prepare the same at the same moment",
    "B11": "two versions of one nonce, either of which is mined",
    "B12": "a record is refused; a transaction is stuck at the head of its key's line",
    "B13": "a reorganisation takes a mined transaction away",
    "B14": "the chain stands still and comes back",
    "B15": "the node answers garbage, or serves another chain",
    "B16": "the disk is full while something is accepted",
    "B17": "a key cannot be used, is the wrong one, or is exchanged in the middle of the queue",
    "B18": "the base fee rises, gas is free, blocks become too small",
    "B19": "one record makes its batch revert",
    "several-keys": "several keys send side by side",
    "C1": "any tree of forks, with restarts",
    "C2": "the chain turns away and back between a block and its logs",
    "C3": "the node leaves logs out of a valid answer",
    "C4": "a node that lags, behind the same address as one that does not",
    "C5": "the indexer is killed, or there are two",
    "C6": "the past meets the present while blocks go on coming",
    "C7": "a reorganisation of what counted as final",
    "C8": "another chain, another contract",
    "C9": "the indexer stands still and nothing says so",
    "C10": "an event of a later version",
    "C11": "a slow node is taken for a reorganisation",
    "D5": "what is erased stands in the database's files, or is back",
    "D6": "the power is cut: what was not synced is lost, or half of it",
    "D7": "the disk is full, turns read-only or has no inodes, the database server's too, or while a file is written",
    "D9": "an id is a path; a document is deep, huge or of two readings",
    "E1": "the same record comes fifty times at once, from two, or under another signature",
    "E2": "a kill between the commit and its answer, and the same comes again",
    "E3": "every route, asked by everybody about what is theirs, another's, and absent",
    "E4": "a token that is stolen, guessed, expired, ended, or of an account revoked on chain",
    "E5": "a sign-in text of another site, chain, account or time, used twice, or altered",
    "E6": "a well-signed record of another chain, contract, party, role or service",
    "E7": "any request that the OpenAPI document allows, and many that it does not",
    "E8": "connections that say nothing, bodies of 100 MB, floods of headers",
    "E9": "one client asks too much; the clock jumps an hour",
    "E10": "a token, a key or a manifest's text comes out in a log, an error, a metric or the database's files",
    "E11": "requests and documents that can be read in two ways",
    "readiness": "chain, index, worker or database is in trouble: `/readyz` says so within 10 seconds, and when it is over",
    "database-gone": "the database's file is moved away and put back",
    "graceful-stop": "the service is asked to end while it has something under way",
    "G1": "the sender of webhooks is killed again and again while a receiver refuses three of ten",
    "G2": "a webhook's address leads into a network, by its form, its name, a second look-up or a redirect",
    "G3": "a receiver hangs, drips, answers without end, or is not who its certificate says",
    "G4": "a webhook's secret rotates",
    "G5": "a message is replayed late, or altered",
    "G6": "a receiver is gone, asks for time, or is away for three days",
    "G7": "what a webhook was sent is taken back by a reorganisation",
    "H1": "one of four validators is away",
    "H2": "two of four validators are away for half an hour, and the chain stands",
    "H3": "the clock of one of the service's hosts is ten minutes wrong",
    "H4": "an older database is restored",
}
HEAD = """# What it survives

Written by `scripts/reliability.py` and kept fresh by `make check`. Every row has tests on the real chain and database, and
planted bugs that must turn them red (`.venv/bin/python tests/mutants/backend.py [NAME…]`). `make test` runs the short forms,
`make proof` the long ones.

| row | what happens | tests | planted bugs |
| --- | --- | --- | --- |
"""


def marked(path: Path) -> list[tuple[str, str]]:
    """Rows and the tests of a file that prove them."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.FunctionDef):
            continue
        for mark in node.decorator_list:
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.row":
                argument = mark.args[0]
                assert isinstance(argument, ast.Constant)  # noqa: S101  it is written so
                found.append((str(argument.value), node.name))
    return found


def planted() -> list[tuple[str, str, list[str]]]:
    """Planted bugs: their name, the file of their tests, and the parts of names that choose among them."""
    found = []
    for node in ast.walk(ast.parse((PROJECT / "tests/mutants/backend.py").read_text())):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Mutant":
            values = [each.value for each in node.args if isinstance(each, ast.Constant)]
            found.append((str(values[0]), str(values[4]), str(values[5]).split(" or ")))
    return found


def main(arguments: list[str]) -> int:
    """Write the page, or check it."""
    tests: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for file in sorted((PROJECT / "tests").rglob("test_*.py")):
        for row, test in marked(file):
            tests[row].append((str(file.relative_to(PROJECT)), test))
    bugs: dict[str, list[str]] = defaultdict(list)
    for name, tested, parts in planted():
        for row, proofs in tests.items():
            if any(tested == path and any(part in test for part in parts) for path, test in proofs):
                bugs[row].append(name)
    lines = []
    wrong = [f"{row} is no row" for row in tests if row not in ROWS]
    for row, what in ROWS.items():
        wrong += [f"{row} has no test"] if not tests[row] else []
        wrong += [f"{row} has no planted bug"] if not bugs[row] else []
        by_file: dict[str, list[str]] = defaultdict(list)
        for path, test in tests[row]:
            by_file[path].append(test.removeprefix("test_").replace("_", " "))
        proofs_text = "<br>".join(f"`{path}`: {'; '.join(names)}" for path, names in by_file.items())
        lines.append(f"| {row} | {what} | {proofs_text} | {', '.join(sorted(set(bugs[row])))} |\n")
    page = HEAD + "".join(lines)
    for each in wrong:
        print(each)
    if "--check" not in arguments:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text(page)
    elif not PAGE.exists() or PAGE.read_text() != page:
        wrong.append("")
        print("docs/reliability.md is old: run scripts/reliability.py")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
