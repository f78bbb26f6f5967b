"""The database's tables: what this administration accepted, what it built of it, and what the chain said.

Times are Unix seconds. Bytes are bytes. Numbers that may pass 2^63 (the signed times of a record) stand inside the
record's own bytes, never in a column. Rows that derive from the chain carry their block's number, so that a
reorganisation removes exactly them. Text holds no NUL: PostgreSQL takes none.

What changes here is a step in `ledger/migrations` too.
"""

from sqlalchemy import (
    DDL,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    event,
)


class Bytes(LargeBinary):
    """Bytes as both drivers take and give them: the framework's type wraps and copies each, a tenth of what a record costs."""

    def bind_processor(self, dialect: object) -> None:
        """Nothing is done to them."""

    def result_processor(self, dialect: object, coltype: object) -> None:
        """Nothing is done to them."""


UNSIGNED_SHIFT = 1 << 63


class Unsigned64(TypeDecorator[int]):
    """A number of 64 bits without a sign, in its order: a contract lets strangers write what no signed column takes."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: object) -> int | None:
        """Shift it into the signed range."""
        return None if value is None else value - UNSIGNED_SHIFT

    def process_result_value(self, value: int | None, dialect: object) -> int | None:
        """Shift it back."""
        return None if value is None else value + UNSIGNED_SHIFT


METADATA = MetaData(
    naming_convention={  # a constraint without a name could not be changed later
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)
#: A number that the database gives out in order. SQLite does so for INTEGER alone, which has 64 bits there.
_COUNTED = BigInteger().with_variant(Integer, "sqlite")

identity = Table(
    "identity",
    METADATA,
    Column(
        "name", String(64), primary_key=True
    ),  # chain_id, genesis_hash, administration, the contracts' addresses …
    Column("value", Text, nullable=False),
)

# --- accepted: durable before anybody is told so

log = Table(
    "log",
    METADATA,
    Column("id", Integer, primary_key=True),  # one row, locked by whoever gives out indexes
    Column("epoch", BigInteger, nullable=False),
    Column("next_index", BigInteger, nullable=False),
    Column("sequenced", BigInteger, nullable=False),  # leaves of this epoch that are in the tree
    Column("foreign_from", Unsigned64),  # heads of this epoch from this size on are not of this tree
)

manifests = Table(
    "manifests",
    METADATA,
    Column("digest", Bytes(32), primary_key=True),
    Column("manifest_id", Bytes(32), unique=True),  # null for WITHDRAW
    Column("epoch", BigInteger, nullable=False),
    Column("log_index", BigInteger, nullable=False),
    Column("leaf", Bytes(188), nullable=False),  # the record and its signature
    Column("signer", Bytes(20), nullable=False),
    Column("party", Bytes(16), nullable=False, index=True),
    Column("consignment", Bytes(32), nullable=False, index=True),
    Column("supersedes", Bytes(32), index=True),
    Column("seen", Boolean, nullable=False),
    Column("accepted_at", BigInteger, nullable=False),
    Column(
        "promise_epoch", BigInteger, nullable=False
    ),  # the promise as it was signed: a restart moves the leaf
    Column("promise_index", BigInteger, nullable=False),
    Column("anchor_by", BigInteger, nullable=False),
    Column("promise_signer", Bytes(20), nullable=False),
    Column("promise_signature", Bytes(65), nullable=False),
    Column("closing", String(8)),  # of AMEND and WITHDRAW: waiting, sent, done, refused
    Column("closing_transaction", Bytes(32), index=True),
    Column("problem", Text),  # JSON: why the chain refused it
    UniqueConstraint("epoch", "log_index"),
    Index("manifests_closing", "closing"),
)

# Rows come at the end and are never taken out, so that SQLite does not move them, and what is erased by overwriting it
# stands nowhere else (`Session._erase_sealed`).
sealed_objects = Table(
    "sealed_objects",
    METADATA,
    Column(
        "position", _COUNTED, primary_key=True, autoincrement=True
    ),  # the order in which all are gone through
    Column("kind", String(24), nullable=False),  # document, consignment, accompanying file, index key, erased
    Column("object_id", Bytes(32)),  # record digest, consignment id, manifest id, empty; null when erased
    Column("root", Bytes(32), nullable=False),  # that a document leads to; empty for the others
    Column("version", BigInteger, nullable=False),
    Column("wrapping_key", String(64), nullable=False),  # name of the key that wraps the data key
    Column("data_key", Bytes(60), nullable=False),
    Column("body", Bytes, nullable=False),
    UniqueConstraint("kind", "object_id"),
)

consignments = Table(
    "consignments",
    METADATA,
    Column("consignment", Bytes(32), primary_key=True),
    Column("reference", Bytes(32), nullable=False, index=True),  # as a term: HMAC under the index key
    Column("opener", Bytes(16), nullable=False),
)

accompanying = Table(
    "accompanying",
    METADATA,
    Column("manifest_id", Bytes(32), primary_key=True),
    Column("consignment", Bytes(32), nullable=False, index=True),
    Column("version", BigInteger, nullable=False),  # of the sealed object: how often it was loaded
)

search_terms = Table(
    "search_terms",
    METADATA,
    Column("term", Bytes(32), nullable=False),  # a container or seal number: HMAC under the index key
    Column("consignment", Bytes(32), nullable=False),
    Column("source", Bytes(32), nullable=False, index=True),  # the record or manifest that names it
    PrimaryKeyConstraint("term", "consignment", "source"),
)

erasures = Table(
    "erasures",
    METADATA,
    Column("digest", Bytes(32), primary_key=True),  # of the manifest's record
    Column("manifest", Bytes(32), nullable=False),  # as it was signed: manifest id or record digest
    Column("issued_at", BigInteger, nullable=False),
    Column("signature", Bytes(65), nullable=False),
    Column("signer", Bytes(20), nullable=False),
    Column("erased_at", BigInteger, nullable=False),
)

custody = Table(
    "custody",
    METADATA,
    Column("position", _COUNTED, primary_key=True, autoincrement=True),  # the order in which they are sent
    Column("digest", Bytes(32), nullable=False, unique=True),
    Column("consignment", Bytes(32), nullable=False, index=True),
    Column("second", Bytes(32), index=True),  # the subject, where it is another consignment
    Column("body", Bytes(177), nullable=False),
    Column("signature", Bytes(65), nullable=False),
    Column("signer", Bytes(20), nullable=False),
    Column("accepted_at", BigInteger, nullable=False),
    Column("state", String(8), nullable=False),  # waiting, sent, done, refused
    Column("transaction_hash", Bytes(32), index=True),
    Column("reverts", Integer, nullable=False, default=0),  # transactions with it that reverted
    Column("problem", Text),
    Index("custody_state", "state", "position"),
)

# --- who reads

spent_challenges = Table(
    "spent_challenges",
    METADATA,
    Column("nonce", String(64), primary_key=True),
    Column("expires_at", BigInteger, nullable=False, index=True),  # from then on it is refused for its age
)

sessions = Table(
    "sessions",
    METADATA,
    Column("token", Bytes(32), primary_key=True),  # SHA-256: who reads the database can't use it
    Column("account", Bytes(20), nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Index("ix_sessions_account", "account", "expires_at"),
)

loaders = Table(
    "loaders",
    METADATA,
    Column("consignment", Bytes(32), nullable=False),
    Column("party", Bytes(16), nullable=False),  # loaded its accompanying file, so may look it up
    PrimaryKeyConstraint("consignment", "party"),
)

# --- built of it

tiles = Table(
    "tiles",
    METADATA,
    Column("epoch", BigInteger, nullable=False),
    Column("level", Integer, nullable=False),  # the lowest of its six
    Column("position", BigInteger, nullable=False),  # among the tiles of that level
    Column("hashes", Bytes(4032), nullable=False),  # 32 bytes a node, see `ledger.rows.tiles`
    PrimaryKeyConstraint("epoch", "level", "position"),
)
# PostgreSQL would try to make hashes smaller, and put them into a table beside.
event.listen(
    tiles,
    "after_create",
    DDL("ALTER TABLE tiles ALTER COLUMN hashes SET STORAGE PLAIN").execute_if(  # type: ignore[no-untyped-call]
        dialect="postgresql"
    ),
)

transactions = Table(
    "transactions",
    METADATA,
    Column("hash", Bytes(32), primary_key=True),
    Column("account", Bytes(20), nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),  # from 0; a later one offers more, or carries less
    Column("raw", Bytes, nullable=False),
    Column("purpose", String(8), nullable=False),  # anchor, close, append; fill carries nothing
    Column("made_at_block", BigInteger, nullable=False),
    Column(
        "state", String(8), nullable=False
    ),  # sent, mined, final, failed (it reverted), outrun (another version was mined), replaced (not one of ours)
    Column("mined_in", BigInteger),
    Column("subject", Text, nullable=False),  # JSON: the head {epoch, size}, the number of records, or empty
    UniqueConstraint("account", "nonce", "version"),
    Index("transactions_state", "state"),
)

# --- what the chain said

blocks = Table(
    "blocks",
    METADATA,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", Bytes(32), nullable=False),
    Column("timestamp", BigInteger, nullable=False),
)

chain_events = Table(
    "chain_events",
    METADATA,
    Column("contract", String(32), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("name", String(64), nullable=False),
    Column("arguments", Text, nullable=False),  # JSON; a custody record is in chain_custody instead
    Column("block_number", BigInteger, nullable=False, index=True),
    Column("block_hash", Bytes(32), nullable=False),
    Column("transaction_hash", Bytes(32), nullable=False),
    Column("log_index", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),  # time of the block
    PrimaryKeyConstraint("contract", "sequence"),
    Index("chain_events_name", "name"),
)

chain_custody = Table(
    "chain_custody",
    METADATA,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", Bytes(32), nullable=False, index=True),
    Column("consignment", Bytes(32), nullable=False, index=True),
    Column("other", Bytes(32), index=True),
    Column("kind", Integer, nullable=False),
    Column("signer", Bytes(20), nullable=False),
    Column("body", Bytes(177), nullable=False),
    Column("signature", Bytes(65), nullable=False),
    Column("accepted_at", BigInteger, nullable=False),
    Column("block_number", BigInteger, nullable=False, index=True),
    Column("transaction_hash", Bytes(32), nullable=False),
    Column("log_index", BigInteger, nullable=False),
    Index("chain_custody_kind", "kind", "sequence"),
    Index("chain_custody_signer", "signer", "sequence"),
)

chain_refusals = Table(
    "chain_refusals",
    METADATA,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", Bytes(32), nullable=False, index=True),
    Column("refusal", Integer, nullable=False),
    Column("block_number", BigInteger, nullable=False, index=True),
    Column("transaction_hash", Bytes(32), nullable=False),
)

chain_heads = Table(
    "chain_heads",
    METADATA,
    Column("administration", Bytes(8), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("size", Unsigned64, nullable=False),
    Column("root", Bytes(32), nullable=False),
    Column("anchored_at", BigInteger, nullable=False),
    Column("block_number", BigInteger, nullable=False, index=True),
    Column("transaction_hash", Bytes(32), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("log_index", BigInteger, nullable=False),
    PrimaryKeyConstraint("administration", "epoch", "size"),
)

chain_closures = Table(
    "chain_closures",
    METADATA,
    Column("former", Bytes(32), primary_key=True),
    Column("kind", Integer, nullable=False),
    Column("reason", Integer, nullable=False),
    Column("closed_at", BigInteger, nullable=False),
    Column("signer", Bytes(20), nullable=False),
    Column("successor", Bytes(32)),
    Column("digest", Bytes(32), nullable=False),
    Column("block_number", BigInteger, nullable=False, index=True),
    Column("transaction_hash", Bytes(32), nullable=False),
    Column("sequence", BigInteger, nullable=False, index=True),
    Column("log_index", BigInteger, nullable=False),
    Column("party", Bytes(16), nullable=False),
    Column("consignment", Bytes(32), nullable=False, index=True),
    Column("root", Bytes(32)),  # of the successor
    Column("issued_at", Unsigned64, nullable=False),
    Column("signature", Bytes(65), nullable=False),
)

# --- what is told to others

feed = Table(
    "feed",
    METADATA,
    Column("id", BigInteger, primary_key=True, autoincrement=False),  # in the order of commits, without a gap
    Column("kind", String(48), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("administration", Bytes(8)),
    Column("party", Bytes(16)),
    Column("consignment", Bytes(32)),
    Column("second", Bytes(32)),  # the other consignment whose history it extends
    Column("subject", Bytes(32), nullable=False),  # record digest, account, successor of a head …
    Column("facts", Text, nullable=False),  # JSON
    Column("block_number", BigInteger),  # null where no block carries it, or none does any more
    Column("reverts", BigInteger),  # the event that this one takes back
    Index("feed_consignment", "consignment", "id"),
    Index("feed_block", "block_number"),
    Index("feed_subject", "subject"),
)

feed_state = Table(
    "feed_state",
    METADATA,
    Column("id", Integer, primary_key=True),  # one row, locked by whoever tells
    Column("last_id", BigInteger, nullable=False),
    Column("final_block", BigInteger, nullable=False),  # up to which it was told what is final
)

webhooks = Table(
    "webhooks",
    METADATA,
    Column("webhook", LargeBinary(32), primary_key=True),  # its URL is sealed under this id
    Column("account", LargeBinary(20), nullable=False),  # whose it is: it is told what that may read
    Column("url", LargeBinary(32), nullable=False),  # as a term: HMAC under the index key
    Column("kinds", Text, nullable=False),  # JSON: a list, empty for all
    Column("consignment", LargeBinary(32)),
    Column("administration", LargeBinary(8)),
    Column("created_at", BigInteger, nullable=False),
    Column("state", String(8), nullable=False),  # active; gone (it answered 410), failing (for three days)
    Column("revision", BigInteger, nullable=False),  # goes up when its owner changes something
    Column("followed", BigInteger, nullable=False),  # up to this id of the feed its messages are made
    Column("paused_ms", BigInteger, nullable=False),  # Unix milliseconds until which it asked for nothing
    Column("failing_ms", BigInteger),  # since when it has taken nothing; null where the last was taken
    Column("delivered", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),  # attempts
    UniqueConstraint("account", "url"),
)

webhook_secrets = Table(
    "webhook_secrets",
    METADATA,
    Column("secret", LargeBinary(32), primary_key=True),  # a random id: the secret is sealed under it
    Column("webhook", LargeBinary(32), nullable=False, index=True),
    Column("ends_at", BigInteger),  # null for the one that was given out last
)

webhook_messages = Table(
    "webhook_messages",
    METADATA,
    Column("webhook", LargeBinary(32), nullable=False),
    Column("event", BigInteger, nullable=False),
    Column("state", String(8), nullable=False),  # waiting, taken, dead
    Column("attempts", Integer, nullable=False),  # that failed
    Column("due_ms", BigInteger, nullable=False),  # of waiting: Unix milliseconds before which it is not sent
    Column("made_at", BigInteger, nullable=False),
    Column("first_ms", BigInteger),  # of the first attempt that failed
    Column("ended_at", BigInteger),  # when it was taken or given up
    Column("problem", String(100)),  # why the last attempt failed
    PrimaryKeyConstraint("webhook", "event"),
    Index("webhook_messages_state", "webhook", "state", "event"),
    Index("webhook_messages_ended", "state", "ended_at"),
)

#: Tables whose rows derive from blocks, and go when their block goes.
DERIVED = (chain_events, chain_custody, chain_refusals, chain_heads, chain_closures)
