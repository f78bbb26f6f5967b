"""The node that an audit reads from: one that is behind its chain is named, and read only as of a block that is named."""

from contextlib import closing

import made_node
import pytest
from evidence_maker import World
from typer.testing import CliRunner

from ledger.audit.node import NodeSource
from ledger.chain import Chain
from ledger.cli.main import app
from ledger.errors import ChainUnavailable

LONG_AGO = 1_700_000_000


@pytest.fixture
def profile(tmp_path, monkeypatch):
    """A QBFT chain whose node has had no block since 2023, and the trust file for it."""
    monkeypatch.setattr(made_node, "NOW", LONG_AGO)
    world = World(others=3)
    made = made_node.line("qbft", 12)
    with made_node.serving(world, "qbft", made) as node:
        profile = made_node.profile_of(world, "qbft", made, node.url)
        profile.save(tmp_path / "profile.json")
        trust = world.trust(
            consensus="qbft",
            genesis_hash=profile.genesis_hash,
            from_block=0,
            old_seconds=3_600,
            expires_at=2**33,
        )
        (tmp_path / "trust.json").write_bytes(trust.encode())
        yield profile


def test_a_node_whose_newest_block_is_older_than_the_red_line_is_behind(profile):
    newest = LONG_AGO + 11
    with closing(NodeSource(Chain(profile))) as source:
        source.require_fresh(newest + 3_600, 3_600)
        with pytest.raises(
            ChainUnavailable, match=r"its newest block, 11, is of 2023-11-14T22:13:31Z.* it lags behind"
        ):
            source.require_fresh(newest + 3_601, 3_600)


def test_the_commands_read_it_as_of_a_block_that_is_named_and_never_for_the_present(profile, tmp_path):
    def run(*words, code):
        options = ("--profile", str(tmp_path / "profile.json"), "--trust", str(tmp_path / "trust.json"))
        result = CliRunner().invoke(app, ["audit", *words, *options], prog_name="cargo-ledger")
        assert result.exit_code == code, result.output
        return " ".join((result.stdout + result.stderr).split())

    for words in (
        ("replay",),
        ("ask", "disputed"),
        ("report", "--out", str(tmp_path / "report.html")),
        ("compare",),
    ):
        assert "it lags behind its chain" in run(*words, code=4)
    assert not (tmp_path / "report.html").exists()
    assert "INDETERMINATE as of block 9" in run("replay", "--to", "9", code=3), (
        "nobody shows the contracts' state"
    )
