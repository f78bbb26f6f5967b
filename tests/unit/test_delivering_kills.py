"""The sender is killed again and again while a receiver refuses 30 of 100: nothing is lost, nothing out of order (G1)."""

import ipaddress
import json
import random
import secrets
import subprocess
import sys
import time
from pathlib import Path

import pytest
from proof import IS_PROOF, form
from receivers_at_work import receiving
from told_events import OFFICER, row, tell, webhooks_of
from vaults import unlocked_store

from ledger.messages import WebhookRequest

SENDER = Path(__file__).parents[1] / "support" / "webhook_sender.py"
CONSIGNMENTS = 40


@pytest.mark.row("G1")
def test_killed_at_any_moment_the_sender_loses_nothing_and_keeps_the_order(database_url, tmp_path):
    short = (
        120 if database_url.startswith("sqlite") else 40
    )  # the order and the rows are tried on both elsewhere
    events, seconds_between = form(short, 10_000), (1.0, 3.0) if IS_PROOF else (0.3, 0.9)
    seed = secrets.randbelow(2**32)
    chance = random.Random(seed)
    lines = [secrets.token_bytes(32) for _ in range(CONSIGNMENTS)]
    accepted = []  # events in the order in which the receiver took them

    def answer(received):
        if chance.random() < 0.3:
            return 500, {}
        accepted.append((json.loads(received.body)["data"], received.id))
        return 204, {}

    with unlocked_store(database_url, tmp_path) as store, receiving(answer) as receiver:
        webhooks = webhooks_of(store, (ipaddress.ip_network("127.0.0.0/8"),))
        made = webhooks.register(WebhookRequest(url=receiver.url), OFFICER)
        webhook = bytes.fromhex(made.id[2:])
        kills = 0
        process, slowness = start(database_url, tmp_path)
        try:
            told = 0
            deadline = time.monotonic() + form(300, 7_200)
            while webhooks.one(webhook, OFFICER).delivered < events:
                assert time.monotonic() < deadline, (seed, webhooks.one(webhook, OFFICER))
                for _ in range(min(events - told, events // form(4, 100))):
                    tell(
                        store,
                        row(consignment=chance.choice(lines), second=chance.choice([None] * 9 + lines[:1])),
                    )
                    told += 1
                time.sleep(slowness * chance.uniform(*seconds_between))
                end(process)
                kills += 1
                process, slowness = start(database_url, tmp_path)
        finally:
            end(process)
        assert kills >= 3, seed
        ids, first = {}, {}
        for place, (data, name) in enumerate(accepted):
            ids.setdefault(data["id"], set()).add(name)
            first.setdefault(data["id"], (place, data))
        assert sorted(ids) == list(range(1, events + 1)), f"lost: seed {seed}"
        assert all(len(names) == 1 for names in ids.values()), seed
        for line in lines:
            text = "0x" + line.hex()
            order = [
                event
                for event, (_, data) in sorted(first.items(), key=lambda item: item[1][0])
                if text in (data["consignment"], data["second"])
            ]
            assert order == sorted(order), f"out of order: seed {seed}"
        view = webhooks.one(webhook, OFFICER)
        assert (view.waiting, view.dead, view.state) == (0, 0, "active")


def start(database_url, folder):
    """A sender that is ready, and how much slower than an idle machine this one is just now: it gets as much more time."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, str(SENDER), database_url, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process, max(1.0, time.monotonic() - began)


def end(process):
    process.kill()
    process.wait()
    process.stdout.close()
