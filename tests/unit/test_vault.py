"""The vault: what is sealed comes back, what was touched, moved or is another's never does."""

import dataclasses
import itertools
import logging
import os
import stat
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vaults import vault_at

from ledger import vault
from ledger.errors import InvalidProfile, ObjectDamaged, StoreError, WrappingKeyMissing
from ledger.vault import Place, Sealed, Vault, WrappingKeys, add_wrapping_key

CONTENT = b'{"gross_mass_kg":"1250.5"}'
HERE = Place("document", b"\xaa" * 32, b"\xbb" * 32, 3)
OLD, NEW = f"2026-01 {'01' * 32}\n", f"2026-07 {'02' * 32}\n"


@pytest.fixture
def path(tmp_path):
    return keyfile(tmp_path, NEW + OLD)


@pytest.fixture
def sg(path):
    return vault_at(path)


@pytest.fixture(scope="module")
def any_vault(tmp_path_factory):
    return vault_at(tmp_path_factory.mktemp("keys") / "wrapping")


def keyfile(folder, text, mode=0o600):
    path = folder / "wrapping"
    path.write_text(text)
    path.chmod(mode)
    return path


def rewrite(path, text):
    """As an editor does it: another file takes the name."""
    other = path.with_name("edited")
    other.write_text(text)
    other.chmod(0o600)
    other.replace(path)


@given(st.binary(max_size=400), st.binary(max_size=40), st.binary(max_size=32), st.integers(0, 2**63))
def test_what_is_sealed_comes_back(any_vault, content, object_id, root, version):
    place = Place("document", object_id, root, version)
    sealed = any_vault.seal(place, content)
    assert any_vault.open(place, sealed) == content
    assert len(sealed.data_key) == vault.DATA_KEY_BYTES
    assert len(sealed.body) == len(content) + 28
    if len(content) >= 8:
        assert content not in sealed.body


def test_every_flipped_bit_of_4_kib_is_noticed(sg):
    sealed = sg.seal(HERE, CONTENT * 158)  # 4,108 bytes
    for name in ("data_key", "body"):
        data = getattr(sealed, name)
        for bit in range(8 * len(data)):
            changed = bytearray(data)
            changed[bit // 8] ^= 1 << bit % 8
            with pytest.raises(ObjectDamaged, match="does not open"):
                sg.open(HERE, dataclasses.replace(sealed, **{name: bytes(changed)}))


@pytest.mark.parametrize("size", [0, 5, 12, 27])
def test_what_is_cut_short_is_noticed(sg, size):
    whole = sg.seal(HERE, CONTENT)
    for cut in (
        dataclasses.replace(whole, body=whole.body[:size]),
        dataclasses.replace(whole, data_key=whole.data_key[:size]),
    ):
        with pytest.raises(ObjectDamaged):
            sg.open(HERE, cut)


@pytest.mark.parametrize(
    "elsewhere",
    [
        dataclasses.replace(HERE, kind="consignment"),
        dataclasses.replace(HERE, id=b"\xab" * 32),
        dataclasses.replace(HERE, root=b"\xba" * 32),
        dataclasses.replace(HERE, version=2),
        dataclasses.replace(HERE, kind="documen", id=b"t" + HERE.id),
        dataclasses.replace(HERE, id=HERE.id + HERE.root, root=b""),
    ],
    ids=["kind", "id", "root", "older version", "shifted kind", "shifted root"],
)
def test_an_object_opens_in_its_own_place_alone(sg, elsewhere):
    sealed = sg.seal(HERE, CONTENT)
    assert sg.open(HERE, sealed) == CONTENT
    with pytest.raises(ObjectDamaged):
        sg.open(elsewhere, sealed)
    with pytest.raises(ObjectDamaged):
        sg.rewrap(elsewhere, sealed)


def test_another_administration_cannot_open_it_with_the_same_keys(sg, path):
    with pytest.raises(ObjectDamaged):
        vault_at(path, "NL").open(HERE, sg.seal(HERE, CONTENT))


def test_keys_and_nonces_are_never_drawn_twice(sg):
    sealed = [sg.seal(HERE, CONTENT) for _ in range(2_000)]
    assert len({each.data_key[:12] for each in sealed}) == len(sealed)
    assert len({each.body[:12] for each in sealed}) == len(sealed)
    assert len({each.body[12:] for each in sealed}) == len(sealed)


def test_two_copies_of_a_machine_that_draw_the_same_numbers_share_no_key_and_nonce(sg, monkeypatch):
    """A snapshot that is restored twice goes on with the same random numbers, and other contents."""
    monkeypatch.setattr(vault.secrets, "token_bytes", lambda size: bytes(size))
    contents = [b"one content", b"two content", b"the content"]
    sealed = [sg.seal(HERE, content) for content in contents]
    assert len({each.data_key[:12] for each in sealed}) == 3, "one wrapping key, three nonces"
    streams = [
        bytes(a ^ b for a, b in zip(each.body[12:], content, strict=False))
        for each, content in zip(sealed, contents, strict=True)
    ]
    assert len(set(streams)) == 3, "a key and a nonce were used twice"


# --- wrapping keys


def test_wrapping_keys_rotate_while_everything_stays_readable(path):
    rewrite(path, OLD)
    running = vault_at(path)
    old = running.seal(HERE, CONTENT)
    rewrite(path, NEW + OLD)  # no process is started again
    assert running.open(HERE, old) == CONTENT
    assert running.seal(HERE, CONTENT).wrapping_key == "2026-07"
    moved = running.rewrap(HERE, old)
    assert (moved.wrapping_key, moved.body) == ("2026-07", old.body)
    assert running.open(HERE, moved) == CONTENT
    rewrite(path, NEW)
    assert running.open(HERE, moved) == CONTENT
    with pytest.raises(WrappingKeyMissing, match="'2026-01', which the file"):
        vault_at(path).open(HERE, old)


def test_a_key_that_another_process_already_uses_is_found_in_the_file(path):
    running = vault_at(path)
    add_wrapping_key(path)
    newer = vault_at(path).seal(HERE, CONTENT)
    assert running.open(HERE, newer) == CONTENT


@pytest.mark.parametrize("spoil", ["gone", "garbage", "readable by all"])
def test_a_file_that_is_spoilt_later_leaves_the_keys_in_use_and_is_said_once(path, caplog, spoil):
    running = vault_at(path)
    before = running.seal(HERE, CONTENT)
    if spoil == "gone":
        path.unlink()
    elif spoil == "garbage":
        rewrite(path, "2026-09 not hex\n")
    else:
        path.chmod(0o644)
    with caplog.at_level(logging.ERROR):
        after = running.seal(HERE, CONTENT)
        assert running.open(HERE, before) == running.open(HERE, after) == CONTENT
        running.seal(HERE, CONTENT)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "stay in use" in caplog.text and "0101" not in caplog.text


def test_the_first_key_of_a_file_is_the_newest_and_comments_are_none(tmp_path):
    path = keyfile(tmp_path, f"# rotated twice a year\n\n{NEW.strip()}  # since July\n{OLD}")
    keys = WrappingKeys(path)
    assert keys.newest == "2026-07"
    assert keys.get("2026-01") is not None
    assert keys.get("2026") is None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "holds no wrapping key"),
        ("a\n", "line 1 is not"),
        ("a b c\n", "line 1 is not"),
        ("a xyz\n", "line 1 is not"),
        (f"a {'01' * 31}\n", "line 1 needs"),
        (f"-a {'01' * 32}\n", "line 1 needs"),
        (f"{'a' * 65} {'01' * 32}\n", "line 1 needs"),
        (f"a {'01' * 32}\na {'02' * 32}\n", "line 2 needs a name that no other"),
        ("é", "no file of wrapping keys"),
        (f"a {'01' * 32}\n" + "#" * 70_000, "holds no wrapping key"),
    ],
)
def test_a_malformed_file_of_wrapping_keys_is_refused_without_showing_it(tmp_path, text, sentence):
    with pytest.raises(InvalidProfile, match=sentence) as refused:
        WrappingKeys(keyfile(tmp_path, text))
    assert "0101" not in str(refused.value)


def test_a_file_that_others_can_read_or_that_is_missing_is_refused(tmp_path):
    for mode in (0o640, 0o604, 0o660):
        with pytest.raises(InvalidProfile, match="others can read the wrapping keys; run `chmod 600"):
            WrappingKeys(keyfile(tmp_path, NEW, mode))
    with pytest.raises(InvalidProfile, match="No such file"):
        WrappingKeys(tmp_path / "nowhere")


def test_a_new_key_goes_before_the_others_and_the_file_stays_its_owners(tmp_path):
    path = tmp_path / "deep" / "wrapping"
    first = add_wrapping_key(path)
    second = add_wrapping_key(path)
    keys = WrappingKeys(path)
    assert first != second and keys.newest == second and keys.get(first) is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == ["wrapping"]
    rewrite(path, "spoilt\n")
    with pytest.raises(InvalidProfile, match="line 1"):
        add_wrapping_key(path)
    assert path.read_text() == "spoilt\n"


def test_processes_that_make_the_file_at_once_come_to_the_same_key(tmp_path):
    path = tmp_path / "wrapping"
    barrier = threading.Barrier(8)
    made = []

    def make():
        barrier.wait()
        vault._make(path)
        made.append(WrappingKeys(path).newest)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 8 and len(set(made)) == 1
    assert os.listdir(tmp_path) == ["wrapping"]


# --- terms


def test_terms_are_equal_only_under_the_same_key_and_kind(sg):
    with pytest.raises(StoreError, match="index key"):
        sg.term("seal", "X")
    found = set()
    for key, kind, value in itertools.product(
        (b"\1" * 32, b"\2" * 32), ("container", "seal"), ("CSQU3054383", "CSQU3054384")
    ):
        sg.index_key = key
        assert sg.term(kind, value) == sg.term(kind, value)
        found.add(sg.term(kind, value))
    assert len(found) == 8


def test_nothing_that_is_printed_holds_a_key_or_content(sg):
    sealed = sg.seal(HERE, CONTENT)
    assert "0101" not in repr(sg.keys) + repr(sg.keys._held) + repr(sg)
    assert "1250" not in repr(sealed)
    assert isinstance(sealed, Sealed) and isinstance(sg, Vault)
