"""Bugs that are planted to see the backend's tests go red: a scenario counts only if its bug is noticed.

    .venv/bin/python tests/mutants/backend.py [NAME…]

Works on a copy of what is committed, one bug at a time, and ends with 1 if a bug was not noticed or its place in the code
is gone. It takes about ten minutes, so `make test` does not call it.
"""

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
SECONDS = 240  # for the tests of one bug


@dataclass(frozen=True)
class Mutant:
    """A bug: in this file this text becomes that one, and these tests must notice."""

    name: str
    file: str
    old: str
    new: str
    tests: str
    select: str


MUTANTS = [
    Mutant(
        "chain-id-of-answer",
        "ledger/chain.py",
        '            or parsed.get("id") != sent_id\n',
        "",
        "tests/unit/test_chain.py",
        "whatever_a_node",
    ),
    Mutant(
        "chain-size-cap",
        "ledger/chain.py",
        "if len(received) > ANSWER_LIMIT_BYTES:",
        "if False:",
        "tests/unit/test_chain.py",
        "huge",
    ),
    Mutant(
        "chain-deadline",
        "ledger/chain.py",
        "if time.monotonic() > deadline:\n                        raise",
        "if False:\n                        raise",
        "tests/unit/test_chain.py",
        "drips",
    ),
    Mutant(
        "chain-ccip",
        "ledger/chain.py",
        "global_ccip_read_enabled = False",
        "global_ccip_read_enabled = True",
        "tests/unit/test_chain.py",
        "names_addresses",
    ),
    Mutant(
        "chain-url-secrets",
        "ledger/chain.py",
        "        return f\"{parts.scheme}://{parts.hostname or ''}{port}\"",
        "        return url",
        "tests/unit/test_chain.py",
        "keeps_secret",
    ),
    Mutant(
        "chain-decoding",
        "ledger/chain.py",
        "    AttributeError,\n    DecodingError,\n",
        "    AttributeError,\n",
        "tests/unit/test_chain.py",
        "no_contracts or any_form",
    ),
    Mutant(
        "chain-block-number",
        "ledger/chain.py",
        "if block.number != number:",
        "if False:",
        "tests/unit/test_chain.py",
        "another_block",
    ),
    Mutant(
        "chain-receipt-hash",
        "ledger/chain.py",
        'if _bytes32(raw["transactionHash"]) != transaction_hash:',
        "if False:",
        "tests/unit/test_chain.py",
        "another_transactions",
    ),
    Mutant(
        "chain-log-block",
        "ledger/chain.py",
        'if bytes(HexBytes(log["blockHash"])) != block.hash:',
        "if False:",
        "tests/e2e/test_indexing.py",
        "logs_of_another",
    ),
    Mutant(
        "chain-code-hash",
        "ledger/chain.py",
        "if code_hash != self.profile.code_hashes[name]:",
        "if False:",
        "tests/e2e/test_indexing.py",
        "another_chain",
    ),
    Mutant(
        "index-gap",
        "ledger/indexing.py",
        "if event.sequence != expected:",
        "if False:",
        "tests/e2e/test_indexing.py",
        "left_out",
    ),
    Mutant(
        "index-count",
        "ledger/indexing.py",
        "if sequences[name] != last:",
        "if False:",
        "tests/e2e/test_indexing.py",
        "noticed_in_its_block",
    ),
    Mutant(
        "index-parent",
        "ledger/indexing.py",
        "if block is None or block.parent_hash != parent:",
        "if block is None:",
        "tests/e2e/test_indexing.py",
        "does_not_follow",
    ),
    Mutant(
        "index-lag",
        "ledger/indexing.py",
        "if head.number < cursor.number and kept",
        "if False and kept",
        "tests/e2e/test_indexing.py",
        "lags",
    ),
    Mutant(
        "index-derived",
        "ledger/tables.py",
        "DERIVED = (chain_events, chain_custody, chain_refusals, chain_heads, chain_closures)",
        "DERIVED = (chain_events, chain_custody, chain_heads, chain_closures)",
        "tests/e2e/test_indexing.py",
        "tree_of_forks",
    ),
    Mutant(
        "index-two",
        "ledger/indexing.py",
        "if now is None or now.hash != cursor.hash:",
        "if False:",
        "tests/e2e/test_indexing.py",
        "two_indexers",
    ),
    Mutant(
        "index-atomic",
        "ledger/indexing.py",
        "            session.add_block(block.number, block.hash, block.timestamp)\n        for name",
        "            session._connection.get_transaction().commit(); session._connection.begin()\n            session.add_block(block.number, block.hash, block.timestamp)\n        for name",
        "tests/e2e/test_indexing.py",
        "killed_at_any",
    ),
    Mutant(
        "index-look-back",
        "ledger/indexing.py",
        "if self._gaps % _TRIES != 0 or",
        "if True or",
        "tests/e2e/test_indexing.py",
        "old_blocks",
    ),
    Mutant(
        "index-rewind-count",
        "ledger/store.py",
        'self.set_identity({"rewinds": str(rewinds)})',
        "pass",
        "tests/e2e/test_indexing.py",
        "registry_said",
    ),
    Mutant(
        "send-again",
        "ledger/anchoring.py",
        "complaint = self._chain.send(row.raw)",
        "complaint = None",
        "tests/e2e/test_anchoring.py",
        "forgot or between_writing",
    ),
    Mutant(
        "put-back",
        "ledger/anchoring.py",
        '                session.set_custody(record.digest, "waiting", None)\n',
        "                pass\n",
        "tests/e2e/test_anchoring.py",
        "back_to_waiting",
    ),
    Mutant(
        "halve",
        "ledger/anchoring.py",
        "limit = max(1, RECORDS_A_BATCH >> reverted)",
        "limit = RECORDS_A_BATCH",
        "tests/e2e/test_anchoring.py",
        "makes_its_batch",
    ),
    Mutant(
        "replaced",
        "ledger/anchoring.py",
        "        if self._is_replaced(row):",
        "        if False:",
        "tests/e2e/test_anchoring.py",
        "somebody_else_used",
    ),
    Mutant(
        "closing-done",
        "ledger/anchoring.py",
        "if closure is not None and closure.digest == digest:",
        "if False:",
        "tests/e2e/test_anchoring.py",
        "sent_first",
    ),
    Mutant(
        "closing-early",
        "ledger/anchoring.py",
        "elif closure is None and isinstance(error, LogManifestAlreadyClosed):",
        "elif False:",
        "tests/e2e/test_anchoring.py",
        "waited_for",
    ),
    Mutant(
        "foreign-heads",
        "ledger/sequencing.py",
        "    while head is not None and not is_ours(head):",
        "    while False:",
        "tests/e2e/test_anchoring.py",
        "stolen or own_size",
    ),
    Mutant(
        "restart-final",
        "ledger/anchoring.py",
        "cursor.number - confirmations)\n            if epoch",
        "cursor.number)\n            if epoch",
        "tests/e2e/test_anchoring.py",
        "restart_that_is_not",
    ),
    Mutant(
        "restart-agreed",
        "ledger/anchoring.py",
        "session.set_foreign_from(compare_heads(session, self._administration))\n            anchored = extent(session, self._administration, confirmations).anchored",
        "anchored = session.newest_head(self._administration, log.epoch).size",
        "tests/e2e/test_anchoring.py",
        "stolen",
    ),
    Mutant(
        "anchor-waits",
        "ledger/anchoring.py",
        'and (row.state == "sent" or _is_beyond(json.loads(row.subject), log.epoch, first))',
        "",
        "tests/e2e/test_anchoring.py",
        "does_not_wait",
    ),
    Mutant(
        "two-workers",
        "ledger/ledger.py",
        "        if not self.take_worker_lock():\n            return False\n",
        "        self.take_worker_lock()\n",
        "tests/e2e/test_anchoring.py",
        "two_workers",
    ),
    Mutant(
        "lost-final",
        "ledger/anchoring.py",
        "            moved |= self._reopen(address)",
        "            pass",
        "tests/e2e/test_anchoring.py",
        "counted_as_final",
    ),
    Mutant(
        "complain-once",
        "ledger/anchoring.py",
        "if complaint and self._complaints.get(about) != complaint:",
        "if complaint:",
        "tests/e2e/test_anchoring.py",
        "says_so_once",
    ),
    Mutant(
        "old-backup",
        "ledger/ledger.py",
        "if self._extent(session).is_foreign:",
        "if False:",
        "tests/e2e/test_anchoring.py",
        "old_backup or stolen",
    ),
    Mutant(
        "refusal-told",
        "ledger/anchoring.py",
        "            if refused is not None:",
        "            if False:",
        "tests/e2e/test_anchoring.py",
        "refused_record_is",
    ),
    Mutant(
        "final-confirmations",
        "ledger/sequencing.py",
        "cursor.number - confirmations\n",
        "cursor.number\n",
        "tests/e2e/test_anchoring.py",
        "before_it_is_final",
    ),
    Mutant(
        "perm-party",
        "ledger/ledger.py",
        "if account.party != party:",
        "if False:",
        "tests/e2e/test_ledger.py",
        "may_not_lodge",
    ),
    Mutant(
        "perm-admin",
        "ledger/ledger.py",
        "if party[:8] != self._code:",
        "if False:",
        "tests/e2e/test_ledger.py",
        "may_not_lodge",
    ),
    Mutant(
        "perm-revoked",
        "ledger/ledger.py",
        "if account.revoked_at:",
        "if False:",
        "tests/e2e/test_ledger.py",
        "may_not_lodge",
    ),
    Mutant(
        "perm-expired",
        "ledger/ledger.py",
        "if not account.may_act_at(_now()):",
        "if False:",
        "tests/e2e/test_ledger.py",
        "may_not_lodge",
    ),
    Mutant(
        "perm-suspended",
        "ledger/ledger.py",
        "if not membership.is_active(self._code):",
        "if False:",
        "tests/e2e/test_ledger.py",
        "may_not_lodge",
    ),
    Mutant(
        "perm-roles",
        "ledger/ledger.py",
        "if not account.has(*roles):",
        "if False:",
        "tests/e2e/test_ledger.py",
        "may_not_lodge",
    ),
    Mutant(
        "half-write",
        "ledger/ledger.py",
        "        self._require_closable(session, account, record)\n        is_new_here = self._require_consignment(session, one)\n",
        '        is_new_here = self._require_consignment(session, one)\n        session.add_consignment(record.consignment, one.reference or "", one.key or bytes(32), record.party)\n        self._require_closable(session, account, record)\n',
        "tests/e2e/test_ledger.py",
        "leaves_nothing_behind",
    ),
    Mutant(
        "root-check",
        "ledger/ledger.py",
        "    if root != expected:\n        raise DigestMismatch(what, expected, root)",
        "    if False:\n        raise DigestMismatch(what, expected, root)",
        "tests/e2e/test_ledger.py",
        "leads_elsewhere",
    ),
    Mutant(
        "one-consignment",
        "ledger/ledger.py",
        "            if other not in read.ahead or not read.ahead.is_closed(other):",
        "            if False:",
        "tests/e2e/test_ledger.py",
        "second_open",
    ),
    Mutant(
        "swallowed-amendment",
        "ledger/ledger.py",
        "        if (there.supersedes or bytes(32)) != one.record.supersedes:",
        "        if False:",
        "tests/e2e/test_ledger.py",
        "swallowed",
    ),
    Mutant(
        "second-signature",
        "ledger/ledger.py",
        "        there = session.manifest_of_id(manifest_id)\n        if there is None or",
        "        there = None\n        if there is None or",
        "tests/e2e/test_ledger.py",
        "second_signature",
    ),
    Mutant(
        "file-leaf",
        "ledger/ledger.py",
        "if from_hex(proof.leaf_hash) != leaf_hash:",
        "if False:",
        "tests/e2e/test_ledger.py",
        "any_one_field",
    ),
    Mutant(
        "file-id",
        "ledger/ledger.py",
        "if proof.id is None or from_hex(proof.id) != manifest_id:",
        "if False:",
        "tests/e2e/test_ledger.py",
        "any_one_field",
    ),
    Mutant(
        "file-place",
        "ledger/ledger.py",
        "if (proof.block, from_hex(proof.transaction)) != (head.block_number, head.transaction_hash):",
        "if False:",
        "tests/e2e/test_ledger.py",
        "any_one_field",
    ),
    Mutant(
        "file-time",
        "ledger/ledger.py",
        "if proof.anchored_at != time_of(head.anchored_at):",
        "if False:",
        "tests/e2e/test_ledger.py",
        "any_one_field",
    ),
    Mutant(
        "file-root",
        "ledger/ledger.py",
        "        if head.root != from_hex(proof.root):",
        "        if False:",
        "tests/e2e/test_ledger.py",
        "tree_of_its_own",
    ),
    Mutant(
        "in-force",
        "ledger/ledger.py",
        "if not row.supersedes or (closure is not None and closure.successor == row.manifest_id):",
        "if True:",
        "tests/e2e/test_ledger.py",
        "refused_travels",
    ),
    Mutant(
        "batch-judge",
        "ledger/ledger.py",
        "            if ids <= read.consignments:\n",
        "            if True:\n",
        "tests/e2e/test_ledger.py",
        "several_consignments",
    ),
    Mutant(
        "counterpart",
        "ledger/messages.py",
        "    counterpart: ShownParty\n",
        "    counterpart: PartyText\n",
        "tests/e2e/test_ledger.py",
        "no_party_hides",
    ),
    Mutant(
        "foreign-proof",
        "ledger/ledger.py",
        "if row.epoch == extent.epoch and row.log_index >= extent.anchored:",
        "if False:",
        "tests/e2e/test_anchoring.py",
        "stolen or own_size",
    ),
    Mutant(
        "begin-immediate",
        "ledger/database.py",
        '"BEGIN IMMEDIATE" if writes else "BEGIN"',
        '"BEGIN"',
        "tests/unit/test_store.py",
        "forty or many_processes",
    ),
    Mutant(
        "sync-off",
        "ledger/database.py",
        '"synchronous=FULL"',
        '"synchronous=OFF"',
        "tests/unit/test_store.py",
        "durable",
    ),
    Mutant(
        "lock-shared",
        "ledger/database.py",
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
        "tests/unit/test_store.py",
        "one_worker",
    ),
    Mutant(
        "pg-no-turn",
        "ledger/database.py",
        '            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITERS})")\n',
        "",
        "tests/unit/test_store.py",
        "forty or reads_what",
    ),
    Mutant(
        "pg-stale-writer",
        "ledger/database.py",
        'isolation_level="READ COMMITTED"',
        'isolation_level="REPEATABLE READ"',
        "tests/unit/test_store.py",
        "reads_what",
    ),
    Mutant(
        "pg-no-snapshot",
        "ledger/database.py",
        'isolation_level="REPEATABLE READ", postgresql_readonly=True',
        "postgresql_readonly=True",
        "tests/unit/test_store.py",
        "one_moment",
    ),
    Mutant(
        "pg-commit-async",
        "ledger/database.py",
        '"synchronous_commit": "on"',
        '"synchronous_commit": "off"',
        "tests/unit/test_store.py",
        "durable",
    ),
    Mutant(
        "pg-fsync-believed",
        "ledger/database.py",
        'elif (fsync, whole_pages) != ("on", "on"):',
        "elif False:",
        "tests/unit/test_database.py",
        "loses_what",
    ),
    Mutant(
        "pg-worker-lock",
        "ledger/database.py",
        "        if row is None or not row[0]:\n",
        "        if row is None:\n",
        "tests/unit/test_store.py",
        "one_worker",
    ),
    Mutant(
        "pg-lock-lost",
        "ledger/database.py",
        "        except psycopg.Error:\n            return False\n",
        "        except psycopg.Error:\n            return True\n",
        "tests/unit/test_database.py",
        "lock_that_is_lost",
    ),
    Mutant(
        "pg-no-ping",
        "ledger/database.py",
        "pool_pre_ping=True",
        "pool_pre_ping=False",
        "tests/unit/test_database.py",
        "made_anew",
    ),
    Mutant(
        "pg-rows-in-errors",
        "ledger/database.py",
        'found.diag.message_primary or " ".join(str(found).split())',
        "str(found)",
        "tests/unit/test_store.py",
        "same_manifest_twice",
    ),
    Mutant(
        "version-unread",
        "ledger/store.py",
        "        if found != migrations.VERSION:\n",
        "        if False:\n",
        "tests/unit/test_migrations.py",
        "newer_version",
    ),
    Mutant(
        "upgrade-under-a-worker",
        "ledger/store.py",
        "            if lock is None:\n                raise",
        "            if False:\n                raise",
        "tests/unit/test_migrations.py",
        "under_a_worker",
    ),
    Mutant(
        "migration-behind",
        "ledger/tables.py",
        'Column("problem", Text),',
        'Column("problem", Text, index=True),',
        "tests/unit/test_migrations.py",
        "steps_make",
    ),
    Mutant(
        "api-process-left-dead",
        "api/kept_process.py",
        "            if self._stopping.is_set():\n                return\n",
        "            return\n",
        "tests/e2e/test_many_processes.py",
        "acknowledged",
    ),
    Mutant(
        "missing-leaf",
        "ledger/sequencing.py",
        "if [row.log_index for row in rows] != list(expected):",
        "if False:",
        "tests/unit/test_store.py",
        "missing_stops",
    ),
    Mutant(
        "may-go-unknown",
        "ledger/views.py",
        "        and release.manifest in known_ids\n",
        "",
        "tests/unit/test_views.py",
        "nobody_here or amended",
    ),
    Mutant(
        "printable",
        "ledger/views.py",
        "if character.isprintable()",
        "",
        "tests/unit/test_views.py",
        "reason_holds",
    ),
    Mutant(
        "start-twice",
        "ledger/devchain.py",
        "        fcntl.flock(lock, fcntl.LOCK_EX)",
        "        pass",
        "tests/unit/test_devchain.py",
        "starts_once",
    ),
    Mutant(
        "connected",
        "ledger/history.py",
        "        new = found - known\n",
        "        new = set()\n",
        "tests/unit/test_history.py",
        "as_in_the_whole",
    ),
    Mutant(
        "as-ahead",
        "ledger/history.py",
        "        for custody in (history.custody, history.ahead):",
        "        for custody in (history.custody,):",
        "tests/unit/test_history.py",
        "as_in_the_whole or waits",
    ),
    Mutant(
        "kill-send-first",
        "ledger/anchoring.py",
        '                for row in rows:\n                    session.set_custody(row.digest, "sent", transaction_hash)\n            self._chain.send(raw)',
        '                for row in rows:\n                    session.set_custody(row.digest, "sent", transaction_hash)\n                self._chain.send(raw); __import__("time").sleep(0.1)',
        "tests/e2e/test_kills.py",
        "again_and_again",
    ),
    Mutant(
        "kill-lost-final",
        "ledger/anchoring.py",
        "            moved |= self._reopen(address)",
        "            pass",
        "tests/e2e/test_kills.py",
        "chain_and_a_worker",
    ),
    Mutant(
        "kill-two-commits",
        "ledger/anchoring.py",
        '                transaction_hash, raw = self._add(session, "append", call, mined, {"records": len(rows)})\n',
        '                transaction_hash, raw = self._add(session, "append", call, mined, {"records": len(rows)})\n                session._connection.get_transaction().commit(); __import__("time").sleep(0.05); session._connection.begin()\n',
        "tests/e2e/test_kills.py",
        "again_and_again",
    ),
    Mutant(
        "kill-answer-first",
        "ledger/ledger.py",
        "            if next_index != log.next_index:\n                session.set_next_index(next_index)\n        return answers",
        "            if next_index != log.next_index:\n                session.set_next_index(next_index)\n            if len(prepared) == 1: session._connection.rollback(); threading.Timer(0.05, lambda: self.lodge_many([*submissions, *submissions])).start()\n        return answers",
        "tests/e2e/test_kills.py",
        "answered",
    ),
    Mutant(
        "feed-reversal",
        "ledger/store.py",
        "        self._take_back(t.feed.c.block_number > number)\n",
        "",
        "tests/e2e/test_events.py",
        "taken_back or taken_away",
    ),
    Mutant(
        "feed-final-again",
        "ledger/indexing.py",
        "            session.set_told_final(final)\n",
        "",
        "tests/e2e/test_events.py",
        "told_once",
    ),
    Mutant(
        "feed-refusal-stays",
        "ledger/store.py",
        '                self.take_back("record.refused", row.digest)\n',
        "                pass\n",
        "tests/e2e/test_events.py",
        "refusal",
    ),
    Mutant(
        "feed-slow-reader",
        "api/streams.py",
        "async with asyncio.timeout(SLOW_SECONDS):",
        "async with asyncio.timeout(None):",
        "tests/api/test_events.py",
        "does_not_read",
    ),
    Mutant(
        "vault-same-numbers-twice",
        "ledger/vault.py",
        'return hmac.digest(secrets.token_bytes(KEY_BYTES), framed, "sha256")',
        "return secrets.token_bytes(KEY_BYTES)",
        "tests/unit/test_vault.py",
        "copies_of_a_machine",
    ),
    Mutant(
        "vault-root-not-bound",
        "ledger/vault.py",
        "            self.root,\n",
        "",
        "tests/unit/test_vault.py",
        "own_place",
    ),
    Mutant(
        "vault-version-not-bound",
        "ledger/vault.py",
        '            self.version.to_bytes(8, "big"),\n',
        "",
        "tests/unit/test_vault.py",
        "own_place",
    ),
    Mutant(
        "vault-document-by-root",
        "ledger/ledger.py",
        "session.add_content(digest, content.root,",
        "session.add_content(content.root, content.root,",
        "tests/e2e/test_ledger.py",
        "documents_are",
    ),
    Mutant(
        "erase-not-overwritten",
        "ledger/database.py",
        '"secure_delete=ON"',
        '"secure_delete=OFF"',
        "tests/unit/test_erased_bytes.py",
        "erased_object",
    ),
    Mutant(
        "erase-write-ahead-log-kept",
        "ledger/ledger.py",
        "        self._forget()\n        return views.erasure",
        "        return views.erasure",
        "tests/e2e/test_erasing.py",
        "what_is_kept",
    ),
    Mutant(
        "erase-while-held",
        "ledger/ledger.py",
        "        if not is_customs:\n            read =",
        "        if False:\n            read =",
        "tests/e2e/test_erasing.py",
        "customs_holds",
    ),
    Mutant(
        "erase-anothers",
        "ledger/ledger.py",
        "not (is_customs or row.party == account.party)",
        "False",
        "tests/e2e/test_erasing.py",
        "who_may",
    ),
    Mutant(
        "erase-key-too-early",
        "ledger/ledger.py",
        "if not session.manifests_not_erased(row.consignment) and",
        "if",
        "tests/e2e/test_erasing.py",
        "last_manifest",
    ),
    Mutant(
        "rewrap-one-round",
        "ledger/upkeep.py",
        "        if moved == moved_before:\n",
        "        if True:\n",
        "tests/unit/test_upkeep.py",
        "others_write",
    ),
    Mutant(
        "scrub-any-version",
        "ledger/upkeep.py",
        "content = session.open_sealed(row, version)",
        "content = session.open_sealed(row, row.version)",
        "tests/unit/test_upkeep.py",
        "older_accompanying",
    ),
    Mutant(
        "scrub-missing",
        "ledger/upkeep.py",
        "    for kind, object_id in missing:",
        "    for kind, object_id in ():",
        "tests/unit/test_upkeep.py",
        "what_is_missing",
    ),
]


def notices(tree: Path, mutant: Mutant) -> str:
    """Plant a bug in a tree, run its tests and take it out again; what came of it, `red` if it was noticed."""
    path = tree / mutant.file
    true = path.read_text()
    if mutant.old not in true:
        return "its place is gone"
    path.write_text(true.replace(mutant.old, mutant.new))
    python = PROJECT / ".venv" / "bin" / "python"
    command = [
        python,
        "-m",
        "pytest",
        "-p",
        "no:ape_test",
        "-p",
        "no:cacheprovider",
        "-W",
        "error",
        "-x",
        "-q",
    ]
    try:
        done = subprocess.run(
            [*command, mutant.tests, "-k", mutant.select],
            cwd=tree,
            env=os.environ | {"PYTHONPATH": str(tree)},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"over {SECONDS} s"
    finally:
        path.write_text(true)
    first = re.search(r"^(?:FAILED|ERROR) \S+::(\S+)", done.stdout, re.MULTILINE)
    return f"red: {first[1]}" if done.returncode == 1 and first else f"NOT NOTICED ({done.returncode})"


def main(names: list[str]) -> int:
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=PROJECT, check=True, capture_output=True)
        subprocess.run(["tar", "-x"], cwd=tree, input=archive.stdout, check=True)
        (tree / "node_modules").symlink_to(PROJECT / "node_modules")
        for mutant in MUTANTS:
            if names and mutant.name not in names:
                continue
            outcome = notices(tree, mutant)
            missed += not outcome.startswith("red")
            print(f"{mutant.name:24} {outcome}", flush=True)
    print(f"{missed} not noticed")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
