"""Evidence on paper: codes are drawn, photographed, read back in any order, and the verdict is the same."""

import json

import pytest
from evidence_maker import NOW, World, history
from PIL import Image, ImageFilter

from ledger.core.findings import time_text


@pytest.fixture(scope="module")
def sealed():
    world, manifest = history(World(others=5))
    return world.trust().encode(), world.evidence(manifest).encode()


@pytest.fixture
def box(tmp_path, sealed):
    (tmp_path / "box.json").write_bytes(sealed[1])
    (tmp_path / "sg.json").write_bytes(sealed[0])
    return tmp_path


@pytest.fixture
def codes(box, cargo_ledger):
    result = cargo_ledger("evidence", "qr", "box.json", "--out", "codes")
    assert result.exit_code == 0, result.output
    return sorted((box / "codes").glob("*.png"))


def test_it_says_how_many_codes_before_it_writes_them(box, cargo_ledger):
    result = cargo_ledger("evidence", "qr", "box.json", "--out", "codes")
    assert result.exit_code == 0
    drawn = sorted(path.name for path in (box / "codes").iterdir())
    count = len(drawn) - 1
    assert f"{count} QR codes for" in result.stderr
    assert drawn[0] == f"code-1-of-{count}.png" and drawn[-1] == "print.html"
    sheet = (box / "codes" / "print.html").read_text()
    assert sheet.count("<figure") == count and "src=" not in sheet and "<script" not in sheet


def test_photographs_in_any_order_give_the_same_file_and_verdict(box, codes, cargo_ledger):
    photographs = []
    for number, path in enumerate(reversed(codes)):
        turned = Image.open(path).convert("L").rotate(4 + 90 * number, expand=True, fillcolor=255)
        photographs.append(box / f"photo-{number}.jpg")
        turned.filter(ImageFilter.GaussianBlur(1.5)).save(photographs[-1], quality=60)
    result = cargo_ledger("evidence", "qr", "--read", *photographs, "--out", "read.json", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["codes"] == len(codes)
    assert (box / "read.json").read_bytes() == (box / "box.json").read_bytes()
    judged = cargo_ledger(
        "evidence", "verify", "read.json", "--trust", "sg.json", "--now", time_text(NOW + 60)
    )
    assert judged.exit_code == 0, judged.output


def test_one_picture_may_hold_several_codes(box, codes, cargo_ledger):
    pictures = [Image.open(path).convert("L") for path in codes]
    wide = Image.new("L", (sum(each.width for each in pictures), pictures[0].height), 255)
    at = 0
    for each in pictures:
        wide.paste(each, (at, 0))
        at += each.width
    wide.save(box / "scan.png")
    assert cargo_ledger("evidence", "qr", "--read", "scan.png", "--out", "read.json").exit_code == 0
    assert (box / "read.json").read_bytes() == (box / "box.json").read_bytes()


def test_the_missing_ones_are_named_and_nothing_is_written(box, codes, cargo_ledger):
    result = cargo_ledger("evidence", "qr", "--read", codes[0], *codes[2:], "--out", "read.json", "--json")
    assert result.exit_code == 1
    error = json.loads(result.stderr)["error"]
    assert error["kind"] == "PartsMissing" and error["numbers"] == [2] and "number 2" in error["message"]
    assert not (box / "read.json").exists()


def test_what_is_no_picture_or_no_evidence_is_refused_in_a_sentence(box, cargo_ledger):
    for arguments, sentence in (
        (["--read", "box.json", "--out", "x"], "box.json is no picture to read codes from"),
        (["sg.json", "--out", "x"], "This is no evidence file"),
    ):
        result = cargo_ledger("evidence", "qr", *arguments)
        assert (result.exit_code, sentence in result.stderr) == (1, True), result.output
    (box / "bomb.png").write_bytes(_png_of(60_000, 60_000))
    result = cargo_ledger("evidence", "qr", "--read", "bomb.png", "--out", "x")
    assert result.exit_code == 1 and "bomb.png is no picture" in result.stderr
    two = cargo_ledger("evidence", "qr", "box.json", "sg.json", "--out", "x")
    assert two.exit_code == 2 and "give one evidence file" in two.stderr
    there = cargo_ledger("evidence", "qr", "box.json", "--out", "sg.json")
    assert there.exit_code == 2 and "exists already" in there.stderr
    assert not (box / "x").exists()


def _png_of(width, height):
    """A PNG that says it is large, and holds nothing."""
    import struct
    import zlib

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )
