"""What the scenes of the demonstration are told with: cargo, the people who act on it, and waiting for the chain.

Every act goes through `LedgerClient` to the service of the actor's own administration, as a trader's or an officer's
program would do it. Nothing here answers by itself.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo_network import PEOPLE, ROOT, Network
from demo_stage import Stage, StoryBroken, expect

from ledger import checking
from ledger.calling.arguments import Id
from ledger.calling.manifests import LodgedManifest
from ledger.client import LedgerClient
from ledger.core.identifiers import TradeReference
from ledger.core.records import ZERO32, CustodyKind
from ledger.errors import InvalidIdentifier
from ledger.messages import ConsignmentView, from_hex

DATA = ROOT / "scripts" / "demo_data"
WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.15
_SCHEMES = ("ucr", "ducr", "mrn", "bl")  # DESIGN 5: the best a manifest has
_DETAILS = {
    CustodyKind.ARRIVAL: "passage",
    CustodyKind.DEPARTURE: "passage",
    CustodyKind.INSPECTION: "inspection",
    CustodyKind.SEAL: "seal",
    CustodyKind.OFFER: "offer",
    CustodyKind.ACCEPT: "handover",
    CustodyKind.DECLINE: "handover",
    CustodyKind.HOLD: "hold",
    CustodyKind.LIFT: "lift",
    CustodyKind.RELEASE: "release",
    CustodyKind.CLOSE: "close",
    CustodyKind.CLEARANCE: "clearance",
    CustodyKind.TAKE: "take",
    CustodyKind.CONSOLIDATE: "consolidation",
    CustodyKind.DECONSOLIDATE: "consolidation",
    CustodyKind.REMARK: "remark",
}


@dataclass(slots=True)
class Cargo:
    """One consignment of the story, with what its owner keeps.

    Attributes:
        label: What it is, in a few words.
        trader: Key name of who lodges and opens it.
        document: Its manifest.
        lodged: The service's answer, and the secrets.
    """

    label: str
    trader: str
    document: dict[str, Any]
    lodged: LodgedManifest | None = None

    @property
    def reference(self) -> str:
        """The best trade reference that the manifest states."""
        return best_reference(self.document)

    @property
    def manifest(self) -> LodgedManifest:
        """The manifest as it was lodged last."""
        if self.lodged is None:
            raise StoryBroken(f"The manifest of {self.label} is used before it is lodged.")
        return self.lodged

    @property
    def id(self) -> bytes:
        """The consignment's id."""
        return self.manifest.consignment


def best_reference(document: dict[str, Any]) -> str:
    """The best trade reference that a manifest states: ucr, ducr, mrn or bl, in this order."""
    stated = {each["scheme"]: each["value"] for each in reversed(document["references"])}
    for scheme in _SCHEMES:
        try:
            return str(TradeReference.of(scheme, stated[scheme]))
        except (KeyError, InvalidIdentifier):
            continue
    raise StoryBroken(f"A manifest has no trade reference of its own: {sorted(stated)}")


def load(name: str) -> dict[str, Any]:
    """A manifest of the demonstration's own examples."""
    document: dict[str, Any] = json.loads((DATA / f"{name}.json").read_bytes())
    return document


def warnings(document: dict[str, Any]) -> list[str]:
    """What `manifest check` finds odd about a manifest; an error would end the demonstration."""
    findings = checking.check(document)
    errors = [each.message for each in findings if each.severity == "error"]
    expect(not errors, f"A manifest of the demonstration cannot be lodged: {errors}")
    return [each.message for each in findings]


@dataclass(slots=True)
class Story:
    """The state of the demonstration.

    Attributes:
        network: The network it plays in.
        stage: Where it is shown.
        counts: How often what was done, for the summary.
        pending: Records that the chain has not taken yet: administration, consignment, digest.
    """

    network: Network
    stage: Stage
    counts: dict[str, int] = field(default_factory=dict)
    pending: list[tuple[str, bytes, str]] = field(default_factory=list)

    def count(self, what: str, number: int = 1) -> None:
        """Count something for the summary."""
        self.counts[what] = self.counts.get(what, 0) + number

    def person(self, name: str) -> Actor:
        """Someone enrolled, by the name of the key."""
        party = next(each.party for each in PEOPLE if each.name == name)
        return Actor(self, name, party)

    def view(self, administration: str, consignment: Id) -> ConsignmentView:
        """A consignment as an administration's service sees it."""
        return self.network.client(administration).consignment(consignment)

    # --- waiting for the chain

    def settle(self, label: str) -> None:
        """Wait until the chain has taken every record that was sent, and every service has seen it.

        Raises:
            StoryBroken: A record was refused on chain, or not taken in time.
        """
        waiting, self.pending = self.pending, []
        with self.stage.progress(label, len(waiting)) as advance:
            deadline = time.monotonic() + WAIT_SECONDS
            block = 0
            while waiting:
                still = []
                states = self._states({(code, consignment) for code, consignment, _ in waiting})
                for one in waiting:
                    state, mined, problem = states[one[0], one[2]]
                    expect(state != "refused", f"The chain refused a record: {problem}")
                    if state in ("recorded", "final"):
                        block = max(block, mined)
                        advance(1)
                    else:
                        still.append(one)
                waiting = still
                expect(time.monotonic() < deadline, f"{len(waiting)} records were not taken in a minute.")
                if waiting:
                    time.sleep(_POLL_SECONDS)
            self.wait_for_block(block)

    def _states(self, asked: Iterable[tuple[str, bytes]]) -> dict[tuple[str, str], tuple[str, int, str]]:
        found: dict[tuple[str, str], tuple[str, int, str]] = {}
        for code, consignment in asked:
            for view in self.network.client(code).consignment_records(consignment):
                problem = "" if view.problem is None else view.problem.detail
                found[code, view.digest] = (view.state, view.block or 0, problem)
        return found

    def wait_for_block(self, number: int) -> None:
        """Wait until every service has read the chain up to a block."""
        deadline = time.monotonic() + WAIT_SECONDS
        for code in self.network.services:
            while self.network.client(code).chain().indexed_block < number:
                expect(time.monotonic() < deadline, f"The service of {code} does not reach block {number}.")
                time.sleep(_POLL_SECONDS)

    def anchored(self, label: str, lodged: Sequence[tuple[str, LodgedManifest]]) -> None:
        """Wait until manifests are anchored, each by the administration that took it."""
        block = 0
        with self.stage.progress(label, len(lodged)) as advance:
            for code, manifest in lodged:
                view = self.network.client(code).wait_for_manifest(manifest.id, "anchored", WAIT_SECONDS)
                expect(view.anchor is not None, f"Manifest {view.id} is {view.state}, not anchored.")
                block = max(block, view.anchor.block if view.anchor is not None else 0)
                advance(1)
            self.wait_for_block(block)

    # --- the command line

    def command(self, *arguments: str, administration: str | None = None, shown: str = "") -> str:
        """Run `cargo-ledger` as a person would, show it, and go on only if it is done.

        Args:
            arguments: What follows the program's name.
            administration: Whose service it asks; without one it has no service to ask.
            shown: What is shown instead of the arguments, when those hold a secret.

        Returns:
            What it printed.
        """
        output = self.run(*arguments, administration=administration)
        self.stage.command("cargo-ledger " + (shown or " ".join(arguments)), output)
        return output

    def run(self, *arguments: str, administration: str | None = None, ends_with: int = 0) -> str:
        """Run `cargo-ledger` without showing it; it must end with this exit code. Returns what it printed."""
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("CARGO_LEDGER_")
        }
        environment = inherited | {"COLUMNS": str(self.stage.console.width - 4), "NO_COLOR": "1"}
        if administration is not None:
            environment["CARGO_LEDGER_SERVICE"] = self.network.services[administration].url
        run = subprocess.run(
            [str(ROOT / ".venv/bin/cargo-ledger"), *arguments],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        command = f"`cargo-ledger {arguments[0]} {arguments[1]}`"
        said = " ".join(run.stdout.split())[-300:]
        expect(run.returncode == ends_with, f"{command} ended with {run.returncode}, not {ends_with}: {said}")
        return run.stdout

    def relative(self, path: Path) -> str:
        """A path as it is typed from the project's folder."""
        return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


@dataclass(frozen=True, slots=True)
class Actor:
    """Someone who acts, at the service of the own administration.

    Attributes:
        story: The story.
        name: Name of the key.
        party: For whom the account acts.
    """

    story: Story
    name: str
    party: str

    @property
    def administration(self) -> str:
        """Code of the own administration."""
        return self.party.partition(":")[0]

    @property
    def client(self) -> LedgerClient:
        """A client of the own administration's service, with the own key."""
        return self.story.network.client(self.administration, self.name)

    def lodge(self, cargo: Cargo, **known: Any) -> LodgedManifest:
        """Lodge the manifest of a cargo; what is known is handed to `LedgerClient.lodge`."""
        known = known or {"reference": cargo.reference}
        cargo.lodged = self.client.lodge(cargo.document, self.party, **known)
        self.story.count("manifests lodged")
        return cargo.lodged

    def open(self, cargo: Cargo) -> None:
        """Open the consignment of a cargo; this party is then in charge of it."""
        manifest = cargo.manifest
        answer = self.client.open(
            manifest.consignment, self.party, manifest_root=manifest.root, blind=manifest.blind
        )
        self._sent(cargo.id, CustodyKind.OPEN, answer.digest)

    def do(
        self,
        kind: CustodyKind,
        cargo: Cargo | Id,
        details: dict[str, Any] | None = None,
        *,
        subject: Id = ZERO32,
        counterpart: str | None = None,
    ) -> bytes:
        """Sign a custody record and send it.

        Args:
            kind: What is stated; not OPEN.
            cargo: Of what.
            details: Members of the details document, without its schema.
            subject: What the record is about, as DESIGN 4 has it for the kind.
            counterpart: To whom an OFFER is made.

        Returns:
            The record's digest.
        """
        consignment = cargo.id if isinstance(cargo, Cargo) else cargo
        document = None if details is None else {"schema": f"cargo-{_DETAILS[kind]}/1", **details}
        answer = self.client.step(
            kind, consignment, self.party, subject=subject, details=document, counterpart=counterpart
        )
        self._sent(consignment, kind, answer.digest)
        return from_hex(answer.digest)

    def _sent(self, consignment: Id, kind: CustodyKind, digest: str) -> None:
        known = from_hex(consignment) if isinstance(consignment, str) else consignment
        self.story.pending.append((self.administration, known, digest))
        self.story.count("custody records")
        self.story.count(f"kind {kind.name}")
