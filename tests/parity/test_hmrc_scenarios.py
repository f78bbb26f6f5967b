"""HMRC's scenarios, brought to the contract and to the model: both take a record, or both refuse it for one reason."""

from collections import Counter
from pathlib import Path

import pytest
from custody_desk import Desk
from scenario_replay import Replay, line_of, scenario_folders

from ledger.core.custody import Custody, Standing
from ledger.core.records import Role
from ledger.errors import Refusal
from ledger.importing.hmrc_cds import import_files


@pytest.fixture
def desk(network, chain) -> Desk:
    return Desk(network, chain.provider.uri)


@pytest.fixture
def roles(people) -> dict[str, object]:
    return {"trader": people.exporter, "customs": people.origin_officer, "agency": people.agency_officer}


def _standing(registry, actor) -> Standing:
    account = registry.account(actor.address)
    return Standing(
        bytes(account.party),
        account.roles,
        account.validUntil,
        account.revokedFrom,
        account.revokedAt,
        registry.isActive(actor.administration),
    )


def test_every_scenario_is_taken_by_contract_and_model_alike_or_refused_by_both(
    desk: Desk, registry, roles, conformance: Path, tmp_path: Path
) -> None:
    standings = {name: _standing(registry, actor) for name, actor in roles.items()}
    assert {name: each.is_officer for name, each in standings.items()} == {
        "trader": False,
        "customs": True,
        "agency": True,
    }
    assert standings["trader"].roles == Role.TRADER
    outcomes: Counter[tuple[str, Refusal]] = Counter()
    custody, consignments = Custody(), set()
    for folder in scenario_folders(conformance):
        report = import_files([folder], tmp_path / folder.name)
        # A scenario is a consignment of its own, although samples share an MRN between folders.
        batch = Replay(tmp_path / folder.name, report, roles.__getitem__, scenario=folder.name)
        for line in batch.lines():
            if line["record"] == "manifest":
                batch.note_manifest(line)
                continue
            role = line["party"]["role"]
            actor, time = roles[role], desk.now
            record = batch.record(line, line_of(custody), time)
            digest = desk.digest(record)
            batch.note_record(line, digest)
            signature = actor.sign(digest)
            assert desk.check(record, signature) == custody.judge(
                record, digest, actor.address_bytes, standings[role], time
            )
            (outcome,) = desk.append([(record, signature)])
            refusal = custody.append(record, digest, actor.address_bytes, standings[role], time)
            assert outcome.refusal == refusal, f"{folder.name} {line}"
            outcomes[line["kind"], refusal] += 1
            consignments.add(record.consignment)
            for release in custody.releases(record.consignment) if record.consignment in custody else ():
                assert custody.open_holds(record.consignment, release.party[:8]) == 0
    for consignment in consignments:
        trail = desk.ask("trail", ["bytes32"], [consignment])
        assert trail == (custody.trail(consignment) if consignment in custody else bytes(32))
    print(f"\n{sum(outcomes.values())} records: {dict(outcomes)}")
    assert {refusal for _, refusal in outcomes} == {Refusal.NONE, Refusal.NOT_OPENED}
    assert {kind for kind, refusal in outcomes if refusal is Refusal.NONE} >= {
        "OPEN",
        "ARRIVAL",
        "DEPARTURE",
        "HOLD",
        "LIFT",
        "CLEARANCE",
        "REMARK",
    }
