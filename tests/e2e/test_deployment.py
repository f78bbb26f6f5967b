"""A network is founded whole or not at all, and what a governor may not do is told by name before it costs anything."""

import dataclasses
import secrets
import time
from contextlib import closing

import faulty_node
import pytest

from ledger.chain import Chain
from ledger.config import ChainProfile
from ledger.core.signatures import account_of
from ledger.deployment import Governance, consent, deploy
from ledger.errors import (
    ChainMismatch,
    ChainUnavailable,
    InvalidIdentifier,
    InvalidProfile,
    InvalidRecord,
    RegistryAccountEnrolled,
    RegistryAccountNotEnrolled,
    RegistryEnrolmentNotSigned,
    RegistryNotItsGovernor,
    RegistryRolesNotAllowed,
    RegistryValidityPast,
)

YEAR = 365 * 86_400


def founders(*codes):
    return {code: account_of(secrets.token_bytes(32)) for code in codes}


@pytest.fixture
def governor(founded, anvil):
    with closing(Governance(founded.profile, founded.keys["governor"])) as governance:
        yield governance


def enrolment(founded, party="SG:NEWCO1", roles=1, until=None, key=None):
    key = key or secrets.token_bytes(32)
    until = until or int(time.time()) + YEAR
    return account_of(key), party, roles, until, consent(founded.profile, key, party, roles, until)


# --- founding


def test_a_founded_network_is_what_its_profile_pins_and_no_other(anvil, tmp_path):
    one, other = deploy(anvil.url, founders("SG", "NL", "AE")), deploy(anvil.url, founders("SG", "NL", "AE"))
    assert len({one.registry, one.manifest_log, one.consignment_ledger, other.registry}) == 4
    with closing(Chain(one)) as chain:
        chain.require_identity()
        assert chain.view("ManifestLog", "registry") == one.registry
        assert chain.view("ConsignmentLedger", "manifestLog") == one.manifest_log
        assert chain.view("AdministrationRegistry", "genesisHash") == one.genesis_hash
    one.save(tmp_path / "profile.json")
    assert ChainProfile.load(tmp_path / "profile.json") == one


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"SG:ACME01": "0x" + "11" * 20}, InvalidIdentifier, "administration"),
        ({"sg": "0x" + "11" * 20}, InvalidIdentifier, "administration"),
        ({"SG": "nobody"}, InvalidProfile, "no checksummed address"),
        ({"SG": "0x" + "11" * 19}, InvalidProfile, "no checksummed address"),
        ({"SG": None}, InvalidProfile, "no checksummed address"),
        ({"SG": "0x" + "11" * 20, "NL": "0x" + "11" * 20}, InvalidProfile, "its deployment reverted"),
    ],
    ids=str,
)
def test_founders_that_cannot_be_are_refused(anvil, given, error, words):
    with pytest.raises(error, match=words):
        deploy(anvil.url, given)


def test_a_node_that_does_not_take_the_deployment_says_why(anvil):
    """Outside development nobody funds the deployer: a chain that wants a price must be told so."""
    with pytest.raises(ChainUnavailable, match=r"(?i)insufficient funds"):
        deploy(anvil.url, founders("SG", "NL", "AE"), kind="clique", validators=["0x" + "11" * 20])


def test_an_address_with_a_path_stays_whole_in_the_profile(founded):
    """What errors leave out of an address is not left out of the profile."""
    with faulty_node.before(founded.chain.url) as node:
        url = node.url + "/v1/TOKEN"
        with closing(Chain(dataclasses.replace(founded.profile, rpc_url=url))) as chain:
            chain.require_identity()
            assert chain.url == url and "TOKEN" not in chain.shown


# --- governing


def test_a_governor_enrols_who_agreed_and_is_told_by_name_what_is_wrong(founded, governor, anvil):
    good = enrolment(founded)
    governor.enrol(*good)
    before = anvil.head()
    for spoiled, error in (
        (good, RegistryAccountEnrolled),
        (enrolment(founded, roles=3), RegistryRolesNotAllowed),
        (enrolment(founded, until=5), RegistryValidityPast),
        ((*enrolment(founded)[:4], good[4]), RegistryEnrolmentNotSigned),
    ):
        with pytest.raises(error):
            governor.enrol(*spoiled)
    with pytest.raises(RegistryAccountNotEnrolled):
        governor.revoke(account_of(secrets.token_bytes(32)), 1)
    with closing(Governance(founded.profile, founded.keys["stranger"])) as stranger:
        with pytest.raises(RegistryNotItsGovernor):
            stranger.enrol(*enrolment(founded))
    assert anvil.head() == before  # nothing was sent


@pytest.mark.parametrize(
    "ask",
    [
        lambda governor: governor.enrol("nobody", "SG", 1, 5, bytes(65)),
        lambda governor: governor.enrol("0x" + "11" * 20, "SG", 256, 5, bytes(65)),
        lambda governor: governor.enrol("0x" + "11" * 20, "SG", 1, -1, bytes(65)),
        lambda governor: governor.enrol("0x" + "11" * 20, "SG", 1, 2**40, bytes(65)),
        lambda governor: governor.enrol("0x" + "11" * 20, "no party", 1, 5, bytes(65)),
        lambda governor: governor.revoke("0x" + "11" * 20, 2**64),
        lambda governor: governor.approve(b"short"),
        lambda governor: governor.offer_seat("nobody"),
        lambda governor: governor.propose_admission("SG:ACME01", "0x" + "11" * 20),
        lambda governor: governor.propose_suspension("nl"),
        lambda governor: governor.restart_log("SG", 999),
        lambda governor: list(governor.enrol_all([("nobody", "SG", 1, 5, bytes(65))])),
    ],
)
def test_an_argument_of_the_wrong_form_is_refused_and_nothing_is_sent(governor, anvil, ask):
    before = anvil.head()
    with pytest.raises((InvalidRecord, InvalidIdentifier)):
        ask(governor)
    assert anvil.head() == before


def test_many_enrolments_share_blocks_and_come_back_in_order(founded, governor):
    many = [enrolment(founded) for _ in range(5)]
    hashes = list(governor.enrol_all(many))
    assert len(set(hashes)) == 5
    for account, *_ in many:
        assert governor.chain.view("AdministrationRegistry", "account", account)[1] == 1


def test_a_governor_of_another_chain_is_refused_before_anything(founded):
    profile = dataclasses.replace(founded.profile, genesis_hash=bytes(32))
    with pytest.raises(ChainMismatch):
        Governance(profile, founded.keys["governor"])


def test_a_transaction_that_reverts_after_it_passed_the_trial_is_told_with_the_reason(
    founded, governor, anvil
):
    with faulty_node.before(founded.chain.url) as node:
        through = Governance(dataclasses.replace(founded.profile, rpc_url=node.url), founded.keys["governor"])
        one = enrolment(founded)
        sent = []

        def faster(request, answer):
            if request["method"] == "eth_getTransactionCount" and not sent:
                sent.append(request)
                governor.enrol(*one)  # between the trial and the sending
                return node.pass_on(request)
            return answer

        node.fault = faster
        with closing(through), pytest.raises(RegistryAccountEnrolled):
            through.enrol(*one)
        assert sent


def test_no_governors_key_is_shown(governor, founded):
    assert founded.keys["governor"].hex() not in repr(vars(governor.chain)) + repr(governor)
