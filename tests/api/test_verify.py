"""`POST /v1/verify` gives the verdict that the verifier gives offline."""

import pytest
from evidence_maker import NOW, World, history

from ledger.core.verify import verify
from ledger.errors import ServiceError


@pytest.fixture(scope="module")
def sealed():
    world, manifest = history(World(others=5))
    return world.evidence(manifest).encode(), world.trust()


def test_the_verdict_is_the_one_that_the_verifier_gives_offline(clients, sealed):
    evidence, trust = sealed
    for data, now in ((evidence, NOW + 60), (evidence, NOW + 400 * 86_400), (evidence[:-1], NOW)):
        said = clients(None).verify(data, trust.encode(), now=now)
        assert said.model_dump(mode="json") == verify(data, trust, now).to_json()
    assert said.verdict == "INVALID"
    assert clients(None).verify(evidence, trust.encode(), now=NOW + 60).verdict == "VALID"


def test_without_a_time_it_is_judged_by_the_services_clock(clients, sealed, now):
    evidence, trust = sealed
    said = clients(None).verify(evidence, trust.encode())
    by_clock = verify(evidence, trust, now)
    assert by_clock.verdict != "VALID", "the file is of a day to come"
    assert (said.verdict, said.state) == (by_clock.verdict, by_clock.state)


def test_a_trust_file_that_is_none_is_refused_and_judges_nothing(clients, sealed):
    with pytest.raises(ServiceError, match="no trust file") as caught:
        clients(None).verify(sealed[0], b"{}")
    assert caught.value.status == 400
    with pytest.raises(ServiceError) as caught:
        clients(None).verify(bytes(3 << 20), sealed[1].encode())
    assert caught.value.status == 413
