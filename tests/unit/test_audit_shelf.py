"""What a replay keeps beyond memory: the same map as a dict, bounded, and the replay's digest does not depend on it."""

import contextlib
import random
import runpy
from pathlib import Path

import pytest
from random_custody import NETWORK

from ledger.audit import shelf
from ledger.audit.folding import Fold, _decoded, _encoded, _Kept
from ledger.audit.journal import Journal
from ledger.audit.replay import Settings, replay
from ledger.audit.shelf import Shelf
from ledger.core.custody import Hold, Release
from ledger.core.records import ZERO32

BENCH = runpy.run_path(str(Path(__file__).parents[2] / "bench" / "generated_chain.py"))


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """A map of lists, three of them in a generation."""
    monkeypatch.setattr(shelf, "NEAR", 3)
    path = tmp_path / "kept.sqlite"
    with contextlib.closing(Shelf(path, bytes, list)) as kept:
        yield kept


def test_a_shelf_is_a_map_whose_objects_are_changed_in_place(kept):
    rng, model = random.Random(1), {}
    keys = [bytes([0, 0, number // 2]) + bytes([number]) * 29 for number in range(40)]  # each two begin alike
    for _ in range(3_000):
        key = rng.choice(keys)
        assert (key in kept) == (key in model)
        if key in model:
            kept[key].append(rng.randrange(256))
            model[key].append(kept[key][-1])
        elif rng.random() < 0.1:
            kept[key], model[key] = [1], [1]
        kept.settle()
        assert len(kept.near) <= 3
    assert len(model) > 30 and len(kept) == len(model)
    assert list(kept.in_order()) == sorted(model.items())
    assert list(kept) == sorted(model)
    assert kept.get(b"none") is None
    with pytest.raises(KeyError):
        kept[b"none"]


def test_a_shelf_begins_empty_and_leaves_nothing(kept, tmp_path):
    for number in range(20):
        kept[bytes([number])] = [number]
        kept.settle()
    path = tmp_path / "kept.sqlite"
    assert path.exists()
    anew = Shelf(path, bytes, list)  # as after a kill
    assert not path.exists() and len(anew) == 0 and bytes([1]) not in anew
    kept.close()
    anew.close()
    assert list(tmp_path.iterdir()) == []


def test_a_shelf_that_can_not_be_written_says_where(kept, tmp_path):
    for number in range(20):
        kept[bytes([number])] = [number] * 2_000
        kept.settle()
    kept._file.execute("PRAGMA max_page_count = 1")  # as a disk that is full
    with pytest.raises(OSError, match="can't be written") as refused:
        for number in range(20, 200):
            kept[bytes([number])] = [number % 256] * 2_000
            kept.settle()
    assert refused.value.filename == str(tmp_path / "kept.sqlite")


def test_a_consignment_is_what_it_was_after_it_was_on_the_shelf():
    here = _Kept(b"p" * 16)
    here.trail, here.custody_line, here.offered_to = b"t" * 32, b"c" * 32, b"o" * 16
    here.last_row = 2**40
    whole = _Kept(bytes(16))
    whole.parent, whole.passage = b"u" * 32, (3, 2**64 - 1)
    whole.contents = {bytes([number]) * 32: None for number in (9, 1, 5)}
    whole.holds = {bytes([n]) * 32: Hold(b"h" * 16, bytes([n]) * 32, n) for n in (8, 2)}
    whole.releases = [Release(b"r" * 16, b"m" * 32, bytes([n]) * 32, n) for n in (7, 3, 7)]
    whole.account_lines = {bytes([n]) * 20: bytes([n]) * 32 for n in (6, 4)}
    for each in (here, whole):
        again = _decoded(_encoded(each))
        for name in (
            "trail",
            "custody_line",
            "custodian",
            "offered_to",
            "parent",
            "passage",
            "last_row",
            "releases",
        ):
            assert getattr(again, name) == getattr(each, name), name
        for name in ("contents", "holds", "account_lines"):  # in their order
            assert list(getattr(again, name).items()) == list(getattr(each, name).items()), name
    assert _decoded(_encoded(here)).parent is None and here.trail != ZERO32


def of_replay(folder):
    source = BENCH["Generated"](2_400, alive=100)
    with replay(source, Settings(BENCH["trust"](), folder)) as replayed:
        held = len(replayed.fold.custody.shelf.near) + len(replayed.fold.custody.shelf._older)
        is_moved = (folder / "consignments.sqlite").exists()
        told = (replayed.digest, replayed.counts, list(replayed.consignments()), replayed.open_holds())
        histories = [replayed.history(each) for each in told[2][::37]]
    assert not list(folder.glob("*.sqlite"))
    return (*told, histories), held, is_moved


def test_a_replay_comes_to_the_same_whatever_stays_in_memory(tmp_path, monkeypatch):
    whole, held, is_moved = of_replay(tmp_path / "memory")
    assert (held, is_moved) == (200, False)
    monkeypatch.setattr(shelf, "NEAR", 16)
    flat, held, is_moved = of_replay(tmp_path / "file")
    assert is_moved and held < 200
    assert flat == whole


def test_the_fold_of_a_killed_replay_takes_nothing_over(tmp_path):
    (tmp_path / "consignments.sqlite").write_bytes(b"of a process that was killed")
    with (
        contextlib.closing(Journal(tmp_path, "")) as journal,
        contextlib.closing(Fold(NETWORK, journal)) as fold,
    ):
        assert len(fold.custody) == 0 and list(fold.consignments()) == []
