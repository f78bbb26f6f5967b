"""Two results of replays at the command line, and files of split views: by exit code, in an auditor's words."""

import json

import pytest
from evidence_maker import World
from sealed_headers import KEYS
from split_maker import broken, forked

RESULT = {
    "verdict": "VALID",
    "digest": "0x" + "11" * 32,
    "as_of": {"block": 90, "hash": "0x" + "22" * 32, "time": "2027-01-15T21:53:20Z"},
    "chain": {"id": 31337, "genesis_hash": "0x" + "33" * 32, "first_block": 1},
    "seconds": 1.25,
}
LATER = RESULT["as_of"] | {"block": 95}
ELSEWHERE = RESULT["as_of"] | {"hash": "0x" + "23" * 32}


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({}, 0, "They agree as of block 90"),
        ({"verdict": "INDETERMINATE"}, 3, "nl.json INDETERMINATE"),
        ({"as_of": LATER}, 3, "`--to 90`"),
        ({"as_of": ELSEWHERE}, 1, "two blocks 90"),
        ({"digest": "0x" + "12" * 32}, 1, "two digests"),
        (
            {"verdict": "INVALID", "digest": None},
            1,
            "nl.json found that the chain does not hold, at block 90",
        ),
        (
            {"verdict": "INVALID", "digest": None, "as_of": RESULT["as_of"] | {"hash": "0x"}},
            1,
            "does not hold",
        ),
        ({"chain": RESULT["chain"] | {"id": 1}}, 1, "two chains"),
        ({"chain": RESULT["chain"] | {"genesis_hash": "0x" + "34" * 32}}, 1, "two chains"),
    ],
)
def test_two_results_agree_or_the_difference_is_named(cargo_ledger, tmp_path, changes, code, says):
    (tmp_path / "sg.json").write_text(json.dumps(RESULT))
    (tmp_path / "nl.json").write_text(json.dumps(RESULT | changes))
    result = cargo_ledger("audit", "joint", "sg.json", "nl.json", "--json")
    assert result.exit_code == code, result.output
    assert says in json.loads(result.stdout)["sentence"]
    assert says in cargo_ledger("audit", "joint", "sg.json", "nl.json").stdout


@pytest.mark.parametrize(
    "wrong",
    [
        b"", b"[]", b"{}", b"\xff",
        *(
            json.dumps(RESULT | changes).encode()
            for changes in (
                {"verdict": "FINE"}, {"digest": 7}, {"digest": "0x11"}, {"chain": {"id": 1}}, {"as_of": None},
                {"as_of": RESULT["as_of"] | {"block": -1}}, {"as_of": RESULT["as_of"] | {"block": True}},
                {"chain": RESULT["chain"] | {"id": "31337"}},
            )
        ),
    ],
)  # fmt: skip
def test_what_is_no_result_is_refused_in_a_sentence(cargo_ledger, tmp_path, wrong):
    (tmp_path / "sg.json").write_text(json.dumps(RESULT))
    (tmp_path / "nl.json").write_bytes(wrong)
    result = cargo_ledger("audit", "joint", "sg.json", "nl.json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nl.json: it is not what `cargo-ledger audit replay --json` printed" in result.stderr


def test_a_file_of_a_split_view_is_judged_by_its_exit_code_and_opens_no_socket(
    cargo_ledger, tmp_path, socket_disabled
):
    world = World(others=3)
    (tmp_path / "trust.json").write_bytes(world.trust().encode())
    files = {
        "blocks": (forked(world).encode(), 0, "validators sealed two blocks 500"),
        "few": (forked(world, other_keys=KEYS[:2]).encode(), 1, "2 of 4 trusted validators"),
        "promise": (broken(World(others=3), "late").encode(), 0, "did not reach it"),
        "restarted": (broken(World(others=3), "late", open_epoch=2).encode(), 3, "was restarted"),
        "none": (b"{}", 1, "This is no file of a split view"),
        "long": (b" " * ((4 << 20) + 1), 1, "are allowed"),
    }
    for name, (data, code, says) in files.items():
        (tmp_path / name).write_bytes(data)
        result = cargo_ledger("audit", "verify-split", name, "--trust", "trust.json", "--json")
        assert result.exit_code == code, (name, result.output)
        assert says in result.stdout, name
        assert says in cargo_ledger("audit", "verify-split", name, "--trust", "trust.json").stdout


@pytest.mark.parametrize("kept", [b"{}", b'{"promise":{}}', b'{"promise":null}', b"[]", b"x"])
def test_a_file_without_a_promise_is_refused_before_the_chain_is_asked(cargo_ledger, tmp_path, kept):
    (tmp_path / "trust.json").write_bytes(World(others=1).trust().encode())
    (tmp_path / "box.json").write_bytes(kept)
    (tmp_path / "profile.json").write_text("{}")
    result = cargo_ledger(
        "audit", "promise", "box.json", "--trust", "trust.json", "--profile", "profile.json"
    )
    assert result.exit_code == 1
    assert "box.json: " in result.stderr and "manifest lodge" in result.stderr
