"""The tables of the first version."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "accompanying",
        sa.Column("manifest_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("consignment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("manifest_id", name=op.f("pk_accompanying")),
    )
    op.create_index(op.f("ix_accompanying_consignment"), "accompanying", ["consignment"], unique=False)
    op.create_table(
        "blocks",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_blocks")),
    )
    op.create_table(
        "chain_closures",
        sa.Column("former", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("reason", sa.Integer(), nullable=False),
        sa.Column("closed_at", sa.BigInteger(), nullable=False),
        sa.Column("signer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("successor", sa.LargeBinary(length=32), nullable=True),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("transaction_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("party", sa.LargeBinary(length=16), nullable=False),
        sa.Column("consignment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=True),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=65), nullable=False),
        sa.PrimaryKeyConstraint("former", name=op.f("pk_chain_closures")),
    )
    op.create_index(op.f("ix_chain_closures_block_number"), "chain_closures", ["block_number"], unique=False)
    op.create_index(op.f("ix_chain_closures_consignment"), "chain_closures", ["consignment"], unique=False)
    op.create_index(op.f("ix_chain_closures_sequence"), "chain_closures", ["sequence"], unique=False)
    op.create_table(
        "chain_custody",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("consignment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("other", sa.LargeBinary(length=32), nullable=True),
        sa.Column("kind", sa.Integer(), nullable=False),
        sa.Column("signer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("body", sa.LargeBinary(length=177), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=65), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("transaction_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_chain_custody")),
    )
    op.create_index("chain_custody_kind", "chain_custody", ["kind", "sequence"], unique=False)
    op.create_index("chain_custody_signer", "chain_custody", ["signer", "sequence"], unique=False)
    op.create_index(op.f("ix_chain_custody_block_number"), "chain_custody", ["block_number"], unique=False)
    op.create_index(op.f("ix_chain_custody_consignment"), "chain_custody", ["consignment"], unique=False)
    op.create_index(op.f("ix_chain_custody_digest"), "chain_custody", ["digest"], unique=False)
    op.create_index(op.f("ix_chain_custody_other"), "chain_custody", ["other"], unique=False)
    op.create_table(
        "chain_events",
        sa.Column("contract", sa.String(length=32), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("arguments", sa.Text(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("block_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("transaction_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("contract", "sequence", name=op.f("pk_chain_events")),
    )
    op.create_index("chain_events_name", "chain_events", ["name"], unique=False)
    op.create_index(op.f("ix_chain_events_block_number"), "chain_events", ["block_number"], unique=False)
    op.create_table(
        "chain_heads",
        sa.Column("administration", sa.LargeBinary(length=8), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("anchored_at", sa.BigInteger(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("transaction_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("administration", "epoch", "size", name=op.f("pk_chain_heads")),
    )
    op.create_index(op.f("ix_chain_heads_block_number"), "chain_heads", ["block_number"], unique=False)
    op.create_table(
        "chain_refusals",
        sa.Column("sequence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("refusal", sa.Integer(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=False),
        sa.Column("transaction_hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name=op.f("pk_chain_refusals")),
    )
    op.create_index(op.f("ix_chain_refusals_block_number"), "chain_refusals", ["block_number"], unique=False)
    op.create_index(op.f("ix_chain_refusals_digest"), "chain_refusals", ["digest"], unique=False)
    op.create_table(
        "consignments",
        sa.Column("consignment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("reference", sa.LargeBinary(length=32), nullable=False),
        sa.Column("opener", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("consignment", name=op.f("pk_consignments")),
    )
    op.create_index(op.f("ix_consignments_reference"), "consignments", ["reference"], unique=False)
    op.create_table(
        "custody",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("consignment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("second", sa.LargeBinary(length=32), nullable=True),
        sa.Column("body", sa.LargeBinary(length=177), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=65), nullable=False),
        sa.Column("signer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("transaction_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("reverts", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_custody")),
        sa.UniqueConstraint("digest", name=op.f("uq_custody_digest")),
    )
    op.create_index("custody_state", "custody", ["state", "position"], unique=False)
    op.create_index(op.f("ix_custody_consignment"), "custody", ["consignment"], unique=False)
    op.create_index(op.f("ix_custody_second"), "custody", ["second"], unique=False)
    op.create_index(op.f("ix_custody_transaction_hash"), "custody", ["transaction_hash"], unique=False)
    op.create_table(
        "erasures",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("manifest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=65), nullable=False),
        sa.Column("signer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_erasures")),
    )
    op.create_table(
        "feed",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=48), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("administration", sa.LargeBinary(length=8), nullable=True),
        sa.Column("party", sa.LargeBinary(length=16), nullable=True),
        sa.Column("consignment", sa.LargeBinary(length=32), nullable=True),
        sa.Column("second", sa.LargeBinary(length=32), nullable=True),
        sa.Column("subject", sa.LargeBinary(length=32), nullable=False),
        sa.Column("facts", sa.Text(), nullable=False),
        sa.Column("block_number", sa.BigInteger(), nullable=True),
        sa.Column("reverts", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed")),
    )
    op.create_index("feed_block", "feed", ["block_number"], unique=False)
    op.create_index("feed_consignment", "feed", ["consignment", "id"], unique=False)
    op.create_index("feed_subject", "feed", ["subject"], unique=False)
    op.create_table(
        "feed_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("last_id", sa.BigInteger(), nullable=False),
        sa.Column("final_block", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_state")),
    )
    op.create_table(
        "identity",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_identity")),
    )
    op.create_table(
        "loaders",
        sa.Column("consignment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("party", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("consignment", "party", name=op.f("pk_loaders")),
    )
    op.create_table(
        "log",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("next_index", sa.BigInteger(), nullable=False),
        sa.Column("sequenced", sa.BigInteger(), nullable=False),
        sa.Column("foreign_from", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log")),
    )
    op.create_table(
        "manifests",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("manifest_id", sa.LargeBinary(length=32), nullable=True),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("log_index", sa.BigInteger(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(length=188), nullable=False),
        sa.Column("signer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("party", sa.LargeBinary(length=16), nullable=False),
        sa.Column("consignment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("supersedes", sa.LargeBinary(length=32), nullable=True),
        sa.Column("seen", sa.Boolean(), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.Column("promise_epoch", sa.BigInteger(), nullable=False),
        sa.Column("promise_index", sa.BigInteger(), nullable=False),
        sa.Column("anchor_by", sa.BigInteger(), nullable=False),
        sa.Column("promise_signer", sa.LargeBinary(length=20), nullable=False),
        sa.Column("promise_signature", sa.LargeBinary(length=65), nullable=False),
        sa.Column("closing", sa.String(length=8), nullable=True),
        sa.Column("closing_transaction", sa.LargeBinary(length=32), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_manifests")),
        sa.UniqueConstraint("epoch", "log_index", name=op.f("uq_manifests_epoch_log_index")),
        sa.UniqueConstraint("manifest_id", name=op.f("uq_manifests_manifest_id")),
    )
    op.create_index(
        op.f("ix_manifests_closing_transaction"), "manifests", ["closing_transaction"], unique=False
    )
    op.create_index(op.f("ix_manifests_consignment"), "manifests", ["consignment"], unique=False)
    op.create_index(op.f("ix_manifests_party"), "manifests", ["party"], unique=False)
    op.create_index(op.f("ix_manifests_supersedes"), "manifests", ["supersedes"], unique=False)
    op.create_index("manifests_closing", "manifests", ["closing"], unique=False)
    op.create_table(
        "nodes",
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("epoch", "level", "position", name=op.f("pk_nodes")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "sealed_objects",
        sa.Column(
            "position",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("object_id", sa.LargeBinary(length=32), nullable=True),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("wrapping_key", sa.String(length=64), nullable=False),
        sa.Column("data_key", sa.LargeBinary(length=60), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_sealed_objects")),
        sa.UniqueConstraint("kind", "object_id", name=op.f("uq_sealed_objects_kind_object_id")),
    )
    op.create_table(
        "search_terms",
        sa.Column("term", sa.LargeBinary(length=32), nullable=False),
        sa.Column("consignment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("source", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("term", "consignment", "source", name=op.f("pk_search_terms")),
    )
    op.create_index(op.f("ix_search_terms_source"), "search_terms", ["source"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("token", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account", sa.LargeBinary(length=20), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_account", "sessions", ["account", "expires_at"], unique=False)
    op.create_index(op.f("ix_sessions_expires_at"), "sessions", ["expires_at"], unique=False)
    op.create_table(
        "spent_challenges",
        sa.Column("nonce", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("nonce", name=op.f("pk_spent_challenges")),
    )
    op.create_index(op.f("ix_spent_challenges_expires_at"), "spent_challenges", ["expires_at"], unique=False)
    op.create_table(
        "transactions",
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account", sa.LargeBinary(length=20), nullable=False),
        sa.Column("nonce", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("purpose", sa.String(length=8), nullable=False),
        sa.Column("made_at_block", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("mined_in", sa.BigInteger(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_transactions")),
        sa.UniqueConstraint(
            "account", "nonce", "version", name=op.f("uq_transactions_account_nonce_version")
        ),
    )
    op.create_index("transactions_state", "transactions", ["state"], unique=False)
    op.create_table(
        "webhook_messages",
        sa.Column("webhook", sa.LargeBinary(length=32), nullable=False),
        sa.Column("event", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_ms", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("first_ms", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.String(length=100), nullable=True),
        sa.PrimaryKeyConstraint("webhook", "event", name=op.f("pk_webhook_messages")),
    )
    op.create_index("webhook_messages_ended", "webhook_messages", ["state", "ended_at"], unique=False)
    op.create_index("webhook_messages_state", "webhook_messages", ["webhook", "state", "event"], unique=False)
    op.create_table(
        "webhook_secrets",
        sa.Column("secret", sa.LargeBinary(length=32), nullable=False),
        sa.Column("webhook", sa.LargeBinary(length=32), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("secret", name=op.f("pk_webhook_secrets")),
    )
    op.create_index(op.f("ix_webhook_secrets_webhook"), "webhook_secrets", ["webhook"], unique=False)
    op.create_table(
        "webhooks",
        sa.Column("webhook", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account", sa.LargeBinary(length=20), nullable=False),
        sa.Column("url", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kinds", sa.Text(), nullable=False),
        sa.Column("consignment", sa.LargeBinary(length=32), nullable=True),
        sa.Column("administration", sa.LargeBinary(length=8), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("followed", sa.BigInteger(), nullable=False),
        sa.Column("paused_ms", sa.BigInteger(), nullable=False),
        sa.Column("failing_ms", sa.BigInteger(), nullable=True),
        sa.Column("delivered", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("webhook", name=op.f("pk_webhooks")),
        sa.UniqueConstraint("account", "url", name=op.f("uq_webhooks_account_url")),
    )
