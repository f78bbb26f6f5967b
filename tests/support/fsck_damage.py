"""Corruptions of a ledger's database, each with the names by which `audit fsck` must find it.

A damage is SQL, or a function of the connection and the life that was lived. What is expected is a kind, a table, and
what must stand in the id or in the sentence; a damage may show at several places, and must at these, and in no table else.
"""

import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ledger.vault import Place, Vault, WrappingKeys

Life = dict[str, Any]
Damage = str | tuple[str, ...] | Callable[[sqlite3.Connection, Life], object]
Expected = tuple[str, str, str]  # kind, table, part of the id or the sentence


@dataclass(frozen=True)
class Planted:
    damage: Damage
    expected: tuple[Expected, ...]
    besides: tuple[str, ...] = ()  # other tables in which it may show
    is_alone: bool = False  # with it, not all that is behind it can be checked

    @property
    def tables(self) -> set[str]:
        """Where it was planted, and where it may show."""
        statements = (self.damage,) if isinstance(self.damage, str) else self.damage
        planted = (
            {statements.__dict__.get("table", "sealed_objects")}
            if callable(statements)
            else {re.sub("^(UPDATE|DELETE FROM) ", "", each).split()[0] for each in statements}
        )
        return planted | {where for _, where, _ in self.expected} | {*self.besides}

    def plant(self, database: Any, life: Life) -> None:
        with sqlite3.connect(database) as connection:
            if callable(self.damage):
                self.damage(connection, life)
            else:
                for statement in (self.damage,) if isinstance(self.damage, str) else self.damage:
                    done = connection.execute(statement)
                    assert done.rowcount, f"nothing was damaged: {statement}"
        connection.close()


def planted(
    damage: Damage, *expected: Expected, besides: tuple[str, ...] = (), is_alone: bool = False
) -> Planted:
    return Planted(damage, expected, besides, is_alone)


def flip(table: str, column: str, where: str, at: int = 0) -> Damage:
    """Turn one bit of a value over."""

    def damage(connection: sqlite3.Connection, _life: Life) -> None:
        query = f"SELECT rowid, {column} FROM {table} WHERE {where} LIMIT 1"
        row, value = connection.execute(query).fetchone()
        changed = bytearray(value)
        changed[at] ^= 1
        connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (bytes(changed), row))

    damage.__dict__["table"] = table
    return damage


def exchange(table: str, columns: tuple[str, ...], first: str, second: str, spare: str = "-1") -> Damage:
    """Exchange some columns of two rows."""

    def damage(connection: sqlite3.Connection, _life: Life) -> None:
        names = ", ".join(columns)
        one, two = (
            connection.execute(f"SELECT rowid, {names} FROM {table} WHERE {where}").fetchone()
            for where in (first, second)
        )
        to = ", ".join(f"{name} = ?" for name in columns)
        spared = ", ".join(f"{name} = {spare}" for name in columns[:1])
        connection.execute(f"UPDATE {table} SET {spared} WHERE rowid = ?", (one[0],))
        connection.execute(f"UPDATE {table} SET {to} WHERE rowid = ?", (*one[1:], two[0]))
        connection.execute(f"UPDATE {table} SET {to} WHERE rowid = ?", (*two[1:], one[0]))

    damage.__dict__["table"] = table
    return damage


def sealed_anew(connection: sqlite3.Connection, life: Life) -> None:
    """What somebody with the wrapping keys can do: another document, sealed as it should be, at the place of the true one."""
    position, object_id, root = connection.execute(
        "SELECT position, object_id, root FROM sealed_objects WHERE kind = 'document' ORDER BY position LIMIT 1"
    ).fetchone()
    vault = Vault("SG", WrappingKeys(life["wrapping_keys"]))
    place = Place("document", object_id, root)
    row = connection.execute(
        "SELECT wrapping_key, data_key, body FROM sealed_objects WHERE position = ?", (position,)
    ).fetchone()
    content = vault.open(place, _sealed(row)).replace(b"1250.5", b"1250.6")
    sealed = vault.seal(place, content)
    connection.execute(
        "UPDATE sealed_objects SET wrapping_key = ?, data_key = ?, body = ? WHERE position = ?",
        (sealed.wrapping_key, sealed.data_key, sealed.body, position),
    )


def _sealed(row: tuple[str, bytes, bytes]) -> Any:
    from ledger.vault import Sealed

    return Sealed(*row)


def put_back(connection: sqlite3.Connection, life: Life) -> None:
    """An erased document's row as an older database had it."""
    digest = connection.execute("SELECT digest FROM erasures").fetchone()[0]
    connection.execute(
        "UPDATE sealed_objects SET kind = 'document', object_id = ?, root = (SELECT substr(leaf, 52, 32) FROM manifests "
        "WHERE digest = ?), wrapping_key = 'old', data_key = zeroblob(60), body = zeroblob(400) "
        "WHERE position = (SELECT min(position) FROM sealed_objects WHERE kind = 'erased')",
        (digest, digest),
    )


def copy_row(table: str, where: str, **changes: str) -> Damage:
    """One more row, like another but for these columns."""

    def damage(connection: sqlite3.Connection, _life: Life) -> None:
        names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        values = ", ".join(changes.get(name, name) for name in names)
        connection.execute(f"INSERT INTO {table} SELECT {values} FROM {table} WHERE {where} LIMIT 1")

    damage.__dict__["table"] = table
    return damage


ENROLLED = "contract = 'AdministrationRegistry' AND name = 'AccountEnrolled' AND json_extract(arguments, '$.roles') = 2"
HEAD = "size = (SELECT size FROM chain_heads ORDER BY size LIMIT 1 OFFSET 1)"
FIRST = "log_index = 0"
AMEND = "supersedes IS NOT NULL AND manifest_id IS NOT NULL"
DONE = "state = 'done' AND position = 5"
DOCUMENT = (
    "kind = 'document' AND position = (SELECT min(position) FROM sealed_objects WHERE kind = 'document')"
)
CUSTODY_TOLD = "kind = 'custody.hold'"

DAMAGES: dict[str, Planted] = {
    # --- what the chain said
    "a record taken out": planted(
        "DELETE FROM chain_custody WHERE sequence = 5", ("missing", "chain_custody", "5")
    ),
    "a record's time changed": planted(
        "UPDATE chain_custody SET accepted_at = accepted_at - 3600 WHERE sequence = 4",
        ("changed", "chain_custody", "accepted_at is "),
    ),
    "a record moved to another block": planted(
        "UPDATE chain_custody SET block_number = 1 WHERE sequence = 4",
        ("changed", "chain_custody", "block_number is 1, and should be "),
    ),
    "two records exchanged": planted(
        exchange("chain_custody", ("sequence",), "sequence = 4", "sequence = 5"),
        ("out of order", "chain_custody", "4"),
        ("out of order", "chain_custody", "5"),
    ),
    "a record too many": planted(
        copy_row("chain_custody", "sequence = 3", sequence="50"), ("extra", "chain_custody", "50")
    ),
    "a record of a block that was not read": planted(
        copy_row("chain_custody", "sequence = 3", sequence="51", block_number="900000"),
        ("extra", "chain_custody", "51"),
    ),
    "a bit of a record": planted(
        flip("chain_custody", "body", "sequence = 2", 40), ("changed", "chain_custody", "body is ")
    ),
    "a bit of a record's signature": planted(
        flip("chain_custody", "signature", "sequence = 2", 9), ("changed", "chain_custody", "signature is ")
    ),
    "another signer": planted(
        flip("chain_custody", "signer", "sequence = 2"), ("changed", "chain_custody", "signer is ")
    ),
    "another transaction": planted(
        flip("chain_custody", "transaction_hash", "sequence = 2"),
        ("changed", "chain_custody", "transaction_hash is "),
    ),
    "what it was put into taken out": planted(
        "UPDATE chain_custody SET other = NULL WHERE other IS NOT NULL",
        ("changed", "chain_custody", "other is nothing, and should be 0x"),
    ),
    "a record of another consignment": planted(
        flip("chain_custody", "consignment", "sequence = 7"), ("changed", "chain_custody", "consignment is ")
    ),
    "a record's digest": planted(
        flip("chain_custody", "digest", "sequence = 7"), ("changed", "chain_custody", "digest is ")
    ),
    "a refusal taken out": planted("DELETE FROM chain_refusals", ("missing", "chain_refusals", "digest 0x")),
    "another refusal": planted(
        "UPDATE chain_refusals SET refusal = 2", ("changed", "chain_refusals", "refusal is 2, and should be ")
    ),
    "a head's root": planted(flip("chain_heads", "root", HEAD), ("changed", "chain_heads", "/1/")),
    "a head taken out": planted(f"DELETE FROM chain_heads WHERE {HEAD}", ("missing", "chain_heads", "/1/")),
    "a head too many": planted(
        copy_row("chain_heads", HEAD, size="size + 100"),
        ("extra", "chain_heads", "/1/10"),
    ),
    "a head anchored earlier": planted(
        f"UPDATE chain_heads SET anchored_at = anchored_at - 86400 WHERE {HEAD}",
        ("changed", "chain_heads", "anchored_at is "),
    ),
    "a closure taken out": planted(
        "DELETE FROM chain_closures WHERE kind = 3", ("missing", "chain_closures", "digest 0x")
    ),
    "a closure's reason": planted(
        "UPDATE chain_closures SET reason = 4 WHERE kind = 2",
        ("changed", "chain_closures", "reason is 4, and should be 1"),
    ),
    "a closure's successor": planted(
        flip("chain_closures", "successor", "kind = 2"), ("changed", "chain_closures", "successor is ")
    ),
    "more rights for an account": planted(
        f"UPDATE chain_events SET arguments = json_set(arguments, '$.roles', 6) WHERE {ENROLLED}",
        ("changed", "chain_events", "'roles': 6"),
    ),
    "an enrolment taken out": planted(
        f"DELETE FROM chain_events WHERE {ENROLLED} AND json_extract(arguments, '$.party') LIKE '0x5347%'",
        ("missing", "chain_events", "AdministrationRegistry/"),
    ),
    "an event of another block": planted(
        flip("chain_events", "block_hash", "contract = 'ManifestLog' AND sequence = 1"),
        ("changed", "chain_events", "block_hash is "),
    ),
    "an event by another name": planted(
        "UPDATE chain_events SET name = 'LogRestarted' WHERE contract = 'ManifestLog' AND sequence = 1",
        ("changed", "chain_events", "name is LogRestarted, and should be HeadAnchored"),
    ),
    "an event at another place": planted(
        "UPDATE chain_events SET log_index = 7 WHERE contract = 'ManifestLog' AND sequence = 2",
        ("changed", "chain_events", "log_index is 7"),
    ),
    "an event that is no JSON": planted(
        "UPDATE chain_events SET arguments = '{\"roles\"' WHERE contract = 'ManifestLog' AND sequence = 2",
        ("changed", "chain_events", "no JSON"),
    ),
    "an event of a contract that is none": planted(
        copy_row("chain_events", ENROLLED, contract="'Registry'"), ("extra", "chain_events", "Registry/")
    ),
    "a block's hash": planted(flip("blocks", "hash", "number = 20"), ("changed", "blocks", "hash is ")),
    "a block taken out": planted("DELETE FROM blocks WHERE number = 21", ("missing", "blocks", "21")),
    "a block's time": planted(
        "UPDATE blocks SET timestamp = timestamp + 1 WHERE number = 22",
        ("changed", "blocks", "timestamp is "),
    ),
    "a block of the future": planted(
        copy_row("blocks", "number = 22", number="900000"), ("extra", "blocks", "900000")
    ),
    # --- the tree
    "a bit of a node": planted(
        flip("tiles", "hashes", "level = 0", 32 * 5), ("changed", "tiles", "Node 1 of level 1 is 0x")
    ),
    "a tile taken out": planted("DELETE FROM tiles WHERE level = 0", ("missing", "tiles", "1/0/0")),
    "a node cut off": planted(
        "UPDATE tiles SET hashes = substr(hashes, 1, length(hashes) - 32)",
        ("missing", "tiles", "It ends before node 6 of level 0"),
    ),
    "half a node cut off": planted(
        "UPDATE tiles SET hashes = substr(hashes, 1, length(hashes) - 16)",
        ("missing", "tiles", "It ends before node 6 of level 0"),
    ),
    "a node too many": planted(
        "UPDATE tiles SET hashes = CAST(hashes || zeroblob(32) AS BLOB)",
        ("extra", "tiles", "32 bytes of nodes that 7 leaves do not have"),
    ),
    "a tile too many": planted(copy_row("tiles", "level = 0", level="6"), ("extra", "tiles", "1/6/0")),
    "two nodes exchanged": planted(
        "UPDATE tiles SET hashes = CAST(substr(hashes, 33, 32) || substr(hashes, 1, 32) || substr(hashes, 65) AS BLOB)",
        ("changed", "tiles", "Node 0 of level 0 is 0x"),
        ("changed", "tiles", "Node 1 of level 0 is 0x"),
    ),
    "an index given out twice": planted(
        "UPDATE log SET next_index = next_index - 1", ("changed", "log", "Its next index is 7, and 8 leaves")
    ),
    "fewer leaves in the tree": planted(
        "UPDATE log SET sequenced = sequenced - 1",
        ("extra", "tiles", "nodes that 6 leaves do not have"),
        ("missing", "manifests", "A head of 7 leaves is on chain, and 6 are in the tree"),
        besides=("feed",),
    ),
    "more leaves in the tree than there are": planted(
        "UPDATE log SET sequenced = 40",
        ("changed", "log", "40 leaves are said to be in the tree"),
        besides=("tiles",),
    ),
    "an epoch that nobody began": planted(
        "UPDATE log SET epoch = 2",
        ("changed", "log", "It is in epoch 2; the chain says 1"),
        besides=("tiles",),
    ),
    "a foreign head that is none": planted(
        "UPDATE log SET foreign_from = 0",
        ("changed", "log", "the chain has none of that size"),
        besides=("feed",),
    ),
    "no count of the log": planted(
        "DELETE FROM log",
        ("missing", "log", "here are 0"),
        besides=("transactions", "feed", "tiles"),
        is_alone=True,
    ),
    # --- accepted manifests and their promises
    "a bit of a leaf": planted(
        flip("manifests", "leaf", FIRST, 60),
        ("changed", "manifests", "by the record that was signed"),
        ("changed", "tiles", "Node 0 of level 0 is 0x"),
        ("changed", "manifests", "lead to 0x"),
        besides=("sealed_objects", "erasures"),
    ),
    "a bit of a leaf's signature": planted(
        flip("manifests", "leaf", FIRST, 140),
        ("changed", "manifests", "signed"),
        besides=("tiles",),
    ),
    "a leaf cut off": planted(
        f"UPDATE manifests SET leaf = substr(leaf, 1, 100) WHERE {FIRST}",
        ("changed", "manifests", "Its leaf is no signed record"),
        besides=("tiles", "sealed_objects", "transactions", "feed"),
        is_alone=True,
    ),
    "a manifest taken out": planted(
        "DELETE FROM manifests WHERE log_index = 3",
        ("missing", "manifests", "Index 3 of epoch 1 was given out"),
        ("missing", "manifests", "It was told to be accepted"),
        besides=("tiles", "sealed_objects", "feed", "search_terms", "accompanying"),
    ),
    "two places of the log exchanged": planted(
        exchange("manifests", ("log_index",), "log_index = 0", "log_index = 1"),
        ("changed", "manifests", "It was promised index 0 of epoch 1 and has index 1"),
        ("changed", "tiles", "Node 0 of level 0 is 0x"),
        besides=("feed",),
    ),
    "a manifest of another party": planted(
        "UPDATE manifests SET party = CAST('SG      ACME02  ' AS BLOB) WHERE log_index = 0",
        ("changed", "manifests", "Its party is 0x"),
        besides=("feed",),
    ),
    "a manifest of another consignment": planted(
        flip("manifests", "consignment", FIRST),
        ("changed", "manifests", "Its consignment is 0x"),
        besides=("feed", "search_terms"),
    ),
    "a manifest of another signer": planted(
        flip("manifests", "signer", FIRST), ("changed", "manifests", "Its signer is 0x")
    ),
    "another manifest id": planted(
        flip("manifests", "manifest_id", FIRST),
        ("changed", "manifests", "Its manifest_id is 0x"),
        besides=("feed",),
    ),
    "an amendment that is a first": planted(
        f"UPDATE manifests SET supersedes = NULL WHERE {AMEND}",
        ("changed", "manifests", "Its supersedes is nothing, and 0x"),
        besides=("feed",),
    ),
    "a document that was not seen": planted(
        f"UPDATE manifests SET seen = 0 WHERE {FIRST}",
        ("changed", "manifests", "seen False"),
        ("changed", "sealed_objects", "accepted without a document"),
    ),
    "a promise for later": planted(
        f"UPDATE manifests SET anchor_by = anchor_by + 86400 WHERE {FIRST}",
        ("changed", "manifests", "The promise given for it"),
    ),
    "a bit of a promise": planted(
        flip("manifests", "promise_signature", FIRST, 3), ("changed", "manifests", "promise given for it")
    ),
    "a promise of another index": planted(
        "UPDATE manifests SET promise_index = 77 WHERE log_index = 1",
        ("changed", "manifests", "It was promised index 77"),
        besides=("feed",),
    ),
    "a promise by another": planted(
        f"UPDATE manifests SET promise_signer = signer WHERE {FIRST}",
        ("changed", "manifests", "is not signed by 0x"),
    ),
    "another time of acceptance": planted(
        f"UPDATE manifests SET accepted_at = accepted_at - 7 WHERE {FIRST}",
        ("changed", "feed", "Against the record's row: at is "),
    ),
    "a closing that waits again": planted(
        f"UPDATE manifests SET closing = 'waiting' WHERE {AMEND}",
        ("changed", "manifests", "said to wait, and a transaction carries it"),
    ),
    "a closing that is forgotten": planted(
        f"UPDATE manifests SET closing = NULL WHERE {AMEND}",
        ("changed", "manifests", "'None', which is none"),
    ),
    "a closing that was refused": planted(
        f"UPDATE manifests SET closing = 'refused', problem = '{{}}' WHERE {AMEND}",
        ("changed", "manifests", "said to be refused, and the chain has taken it"),
        besides=("feed",),
    ),
    "a closing by another transaction": planted(
        f"UPDATE manifests SET closing_transaction = (SELECT hash FROM transactions WHERE purpose = 'append' AND nonce = 0) WHERE {AMEND}",
        ("changed", "manifests", "which does not carry it"),
    ),
    # --- what is sealed
    "a bit of a document": planted(
        flip("sealed_objects", "body", DOCUMENT, 100), ("changed", "sealed_objects", "document/0x")
    ),
    "a bit of a data key": planted(
        flip("sealed_objects", "data_key", DOCUMENT, 20), ("changed", "sealed_objects", "document/0x")
    ),
    "two documents exchanged": planted(
        exchange(
            "sealed_objects",
            ("object_id", "root"),
            DOCUMENT,
            "position = (SELECT max(position) FROM sealed_objects WHERE kind = 'document')",
            "zeroblob(32)",
        ),
        ("changed", "sealed_objects", "document/0x"),
    ),
    "a document's root": planted(
        flip("sealed_objects", "root", DOCUMENT),
        ("changed", "sealed_objects", "its record was signed for 0x"),
    ),
    "a document that is another's": planted(sealed_anew, ("changed", "sealed_objects", "It leads to 0x")),
    "a document taken out": planted(
        f"DELETE FROM sealed_objects WHERE {DOCUMENT}", ("missing", "sealed_objects", "document/0x")
    ),
    "a document of no record": planted(
        copy_row("sealed_objects", DOCUMENT, position="900", object_id="zeroblob(32)"),
        ("extra", "sealed_objects", "No record was accepted that it is the document of"),
    ),
    "a consignment's key taken out": planted(
        "DELETE FROM sealed_objects WHERE position = (SELECT min(position) FROM sealed_objects WHERE kind = 'consignment')",
        ("missing", "sealed_objects", "consignment/0x"),
    ),
    "a bit of a consignment's key": planted(
        flip("sealed_objects", "body", "kind = 'consignment'", 30),
        ("changed", "sealed_objects", "consignment/0x"),
    ),
    "a bit of the index key": planted(
        flip("sealed_objects", "body", "kind = 'index key'", 15), ("changed", "sealed_objects", "index key")
    ),
    "no index key": planted(
        "DELETE FROM sealed_objects WHERE kind = 'index key'", ("missing", "sealed_objects", "index key")
    ),
    "a wrapping key that is none": planted(
        f"UPDATE sealed_objects SET wrapping_key = 'lost-2020' WHERE {DOCUMENT}",
        ("changed", "sealed_objects", "lost-2020"),
    ),
    "an older version of a file": planted(
        "UPDATE sealed_objects SET version = 0 WHERE kind = 'accompanying file'",
        ("changed", "sealed_objects", "It is of version 0, and 1 is the newest"),
    ),
    "a sealed object of another kind": planted(
        f"UPDATE sealed_objects SET kind = 'note' WHERE {DOCUMENT}",
        ("changed", "sealed_objects", "Nothing of the kind 'note' is sealed"),
    ),
    "a data key cut off": planted(
        f"UPDATE sealed_objects SET data_key = substr(data_key, 1, 30) WHERE {DOCUMENT}",
        ("changed", "sealed_objects", "cut off"),
    ),
    "what was erased put back": planted(put_back, ("extra", "sealed_objects", "It was erased and is there")),
    "something of what was erased": planted(
        "UPDATE sealed_objects SET data_key = zeroblob(60) WHERE kind = 'erased'",
        ("changed", "sealed_objects", "It was erased, and something of it is there"),
    ),
    "a search term taken out": planted(
        "DELETE FROM search_terms WHERE rowid = (SELECT min(rowid) FROM search_terms)",
        ("changed", "search_terms", "It is not found by"),
        besides=("sealed_objects",),
    ),
    "a search term too many": planted(
        copy_row("search_terms", "1", source="zeroblob(32)"),
        ("extra", "search_terms", "Nothing is here that would name it"),
    ),
    "a search term of another consignment": planted(
        "UPDATE search_terms SET consignment = zeroblob(32) WHERE rowid = (SELECT max(rowid) FROM search_terms)",
        ("changed", "search_terms", "What names it is of another consignment"),
    ),
    "another reference of a consignment": planted(
        flip("consignments", "reference", "1"),
        ("changed", "sealed_objects", "It is not found by its trade reference"),
    ),
    "another opener of a consignment": planted(
        "UPDATE consignments SET opener = X'53470000000000000000000000000000' WHERE rowid = 1",
        ("changed", "sealed_objects", "Its key, trade reference and opener make consignment 0x"),
    ),
    "a consignment taken out": planted(
        "DELETE FROM consignments WHERE rowid = 1", ("missing", "consignments", "Its key is kept")
    ),
    "an accompanying file forgotten": planted(
        "DELETE FROM accompanying",
        ("missing", "accompanying", "The file is kept"),
        besides=("search_terms",),
    ),
    "an accompanying file of another consignment": planted(
        flip("accompanying", "consignment", "1"),
        ("changed", "accompanying", "is not known here"),
        besides=("search_terms",),
    ),
    "a request to erase that nobody signed": planted(
        flip("erasures", "signature", "1", 5),
        ("changed", "erasures", "The request to erase it is not signed by 0x"),
    ),
    "a request to erase another": planted(
        flip("erasures", "manifest", "1"), ("extra", "erasures", "is not the record's")
    ),
    "an erasure taken out": planted("DELETE FROM erasures", ("missing", "sealed_objects", "document/0x")),
    # --- what was accepted for the chain, and what carries it
    "a bit of an accepted record": planted(
        flip("custody", "body", DONE, 60),
        ("changed", "custody", "by the record that was signed"),
        besides=("feed", "sealed_objects"),
    ),
    "a bit of an accepted record's signature": planted(
        flip("custody", "signature", DONE, 3), ("changed", "custody", "0x")
    ),
    "an accepted record taken out": planted(
        f"DELETE FROM custody WHERE {DONE}",
        ("missing", "custody", "It was told to be accepted"),
    ),
    "an accepted record to be sent again": planted(
        f"UPDATE custody SET state = 'waiting', transaction_hash = NULL WHERE {DONE}",
        ("changed", "custody", "It is said to wait, and our transaction 0x"),
    ),
    "a refused record that is done": planted(
        "UPDATE custody SET state = 'done', problem = NULL WHERE state = 'refused'",
        ("changed", "custody", "said to be done, and the chain does not have it"),
    ),
    "a record that is done refused": planted(
        "UPDATE custody SET state = 'refused', problem = '{\"refusal\": \"HELD\"}' WHERE position = 5",
        ("changed", "custody", "the chain took it in that very transaction"),
        besides=("feed",),
    ),
    "another reason of a refusal": planted(
        "UPDATE custody SET problem = json_set(problem, '$.refusal', 'HELD') WHERE state = 'refused'",
        ("changed", "custody", "It is said to be refused as HELD; the chain said NOT_NEXT"),
    ),
    "a record carried by another transaction": planted(
        "UPDATE custody SET transaction_hash = (SELECT transaction_hash FROM custody WHERE position = 1) WHERE position = 5",
        ("changed", "custody", "which does not carry it"),
    ),
    "a record that is on its way": planted(
        f"UPDATE custody SET state = 'sent' WHERE {DONE}",
        ("changed", "custody", "on its way, and the chain has it for good"),
    ),
    "a record in no state": planted(
        f"UPDATE custody SET state = 'lost' WHERE {DONE}", ("changed", "custody", "'lost', which is none")
    ),
    "two records to be sent exchanged": planted(
        exchange("custody", ("position",), "position = 4", "position = 5"),
        ("out of order", "custody", "tells of another where it should be"),
    ),
    "another second consignment": planted(
        "UPDATE custody SET second = NULL WHERE second IS NOT NULL",
        ("changed", "custody", "Its second is None, and 0x"),
        besides=("feed",),
    ),
    "a bit of a signed transaction": planted(
        flip("transactions", "raw", "purpose = 'anchor' AND nonce = 1", 70),
        ("changed", "transactions", "Its signed bytes hash to 0x"),
    ),
    "a transaction taken out": planted(
        "DELETE FROM transactions WHERE purpose = 'append' AND nonce = 2",
        ("changed", "custody", "which is not here"),
    ),
    "a head's transaction taken out": planted(
        "DELETE FROM transactions WHERE purpose = 'anchor' AND nonce = 1",
        ("missing", "transactions", "it anchored the head of "),
    ),
    "a transaction that failed": planted(
        "UPDATE transactions SET state = 'failed' WHERE purpose = 'append' AND nonce = 2",
        ("changed", "transactions", "said to be failed"),
    ),
    "a transaction that was outrun": planted(
        "UPDATE transactions SET state = 'outrun', mined_in = NULL WHERE purpose = 'append' AND nonce = 2",
        ("changed", "transactions", "said to be outrun, and was mined in block"),
    ),
    "a transaction in another block": planted(
        "UPDATE transactions SET mined_in = 1 WHERE purpose = 'append' AND nonce = 2",
        ("changed", "transactions", "said to be final in block 1"),
    ),
    "a transaction without its block": planted(
        "UPDATE transactions SET mined_in = NULL WHERE purpose = 'append' AND nonce = 2",
        ("changed", "transactions", "its block is None"),
    ),
    "a transaction of another nonce": planted(
        "UPDATE transactions SET nonce = 90 WHERE purpose = 'append' AND nonce = 2",
        ("changed", "transactions", "Its nonce is 90, and 2 by its signed bytes"),
    ),
    "a transaction of another key": planted(
        flip("transactions", "account", "purpose = 'append' AND nonce = 2"),
        ("changed", "transactions", "Its account is 0x"),
    ),
    "a transaction for another purpose": planted(
        "UPDATE transactions SET purpose = 'fill' WHERE purpose = 'append' AND nonce = 2",
        ("changed", "transactions", "Its purpose is fill, and append"),
    ),
    "a transaction about something else": planted(
        "UPDATE transactions SET subject = json_set(subject, '$.size', 9) WHERE purpose = 'anchor' AND nonce = 1",
        ("changed", "transactions", "Its subject is "),
    ),
    "a version that is missing": planted(
        "UPDATE transactions SET version = 1 WHERE purpose = 'append' AND nonce = 2",
        ("missing", "transactions", "version 0 should be the next"),
    ),
    # --- what was told
    "what an event tells": planted(
        f"UPDATE feed SET facts = json_set(facts, '$.record_kind', 'LIFT') WHERE {CUSTODY_TOLD}",
        ("changed", "feed", "facts is "),
    ),
    "an event that was told taken out": planted(
        f"DELETE FROM feed WHERE id = (SELECT min(id) FROM feed WHERE {CUSTODY_TOLD})",
        ("missing", "feed", "The chain tells custody.hold of 0x"),
        ("missing", "feed", "is not there"),
    ),
    "an acceptance that nobody was told": planted(
        "DELETE FROM feed WHERE id = (SELECT min(id) FROM feed WHERE kind = 'record.accepted')",
        ("missing", "feed", "accepted, and nobody was told"),
    ),
    "a refusal that nobody was told": planted(
        "DELETE FROM feed WHERE kind = 'record.refused'",
        ("missing", "feed", "is refused, and nobody was told"),
    ),
    "two events exchanged": planted(
        exchange(
            "feed",
            ("id",),
            f"id = (SELECT min(id) FROM feed WHERE {CUSTODY_TOLD})",
            "kind = 'account.enrolled' AND id = 4",
        ),
        ("out of order", "feed", "It tells of block "),
    ),
    "an event of another time": planted(
        f"UPDATE feed SET at = at - 60 WHERE {CUSTODY_TOLD}", ("changed", "feed", "at is ")
    ),
    "an event for another party's eyes": planted(
        f"UPDATE feed SET party = zeroblob(16) WHERE {CUSTODY_TOLD}", ("changed", "feed", "party is ")
    ),
    "an event of no block": planted(
        f"UPDATE feed SET block_number = NULL WHERE {CUSTODY_TOLD}",
        ("changed", "feed", "No block carries it, and it was not taken back"),
    ),
    "an event too many": planted(
        copy_row("feed", CUSTODY_TOLD, id="(SELECT last_id + 1 FROM feed_state)"),
        ("extra", "feed", "Nothing in that block tells it"),
        besides=("feed_state",),
    ),
    "an event that was never taken back": planted(
        f"UPDATE feed SET kind = kind || '.reverted', reverts = 1 WHERE {CUSTODY_TOLD}",
        ("changed", "feed", "It takes back event 1, which is not so"),
    ),
    "an event of no kind": planted(
        f"UPDATE feed SET kind = 'custody.sold' WHERE {CUSTODY_TOLD}",
        ("changed", "feed", "Nothing is told as 'custody.sold'"),
    ),
    "what is final told of another record": planted(
        flip("feed", "subject", "kind = 'record.final'"), ("missing", "feed", "record.final")
    ),
    "the newest event's number": planted(
        "UPDATE feed_state SET last_id = last_id + 5",
        ("changed", "feed_state", "The newest event is said to be"),
    ),
    "final further than what was read": planted(
        "UPDATE feed_state SET final_block = 90000",
        ("changed", "feed_state", "which was not read"),
        besides=("feed",),
    ),
}


def batches() -> list[list[str]]:
    """The damages, together where no table has two of them: a look costs more than a damage."""
    found: list[list[str]] = []
    for name, one in DAMAGES.items():
        for batch in found if not one.is_alone else ():
            if all(
                not DAMAGES[other].is_alone and one.tables.isdisjoint(DAMAGES[other].tables)
                for other in batch
            ):
                batch.append(name)
                break
        else:
            found.append([name])
    return found
