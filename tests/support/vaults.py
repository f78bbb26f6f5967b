"""Databases with a vault of their own, for tests that keep documents without a whole ledger."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.store import Store
from ledger.vault import Vault, WrappingKeys, add_wrapping_key


def vault_at(path: Path, administration: str = "SG") -> Vault:
    """The vault of a file of wrapping keys, which is made if it is not there."""
    if not path.exists():
        add_wrapping_key(path)
    return Vault(administration, WrappingKeys(path))


@contextmanager
def unlocked_store(url: str, folder: Path) -> Iterator[Store]:
    """A database with its keys in a folder."""
    store = Store(url, create=True)
    try:
        store.unlock(vault_at(folder / "wrapping-keys"))
        yield store
    finally:
        store.close()
