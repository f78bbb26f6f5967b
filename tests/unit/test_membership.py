"""The registry's events folded: who may act for whom, as of the last one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.chain import artifact
from ledger.core.records import Role
from ledger.membership import Member, Membership

SG, NL = b"SG".ljust(8, b"\0"), b"NL".ljust(8, b"\0")
GOVERNOR, OTHER = "0x" + "11" * 20, "0x" + "22" * 20
ACCOUNT = "0x" + "33" * 20
PARTY = b"SG".ljust(8, b"\0") + b"ACME01".ljust(8, b"\0")


def hexed(value):
    return "0x" + value.hex()


def events(*of):
    return [(number, name, arguments) for number, (name, arguments) in enumerate(of, 1)]


ADMITTED = ("AdministrationAdmitted", {"administration": hexed(SG), "governor": GOVERNOR})
ENROLLED = ("AccountEnrolled", {"account": ACCOUNT, "party": hexed(PARTY), "roles": 1, "validUntil": 1_000})


def test_an_administration_is_active_until_it_is_suspended_and_again_when_it_is_reinstated():
    admitted = Membership().after(events(ADMITTED))
    assert admitted.is_active(SG) and not admitted.is_active(NL)
    suspended = admitted.after([(2, "AdministrationSuspended", {"administration": hexed(SG)})])
    assert not suspended.is_active(SG)
    assert suspended.after([(3, "AdministrationReinstated", {"administration": hexed(SG)})]).is_active(SG)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("GovernorReplaced", {"former": GOVERNOR, "governor": OTHER}),
        ("GovernorSeatAccepted", {"former": GOVERNOR, "governor": OTHER}),
    ],
)
def test_a_seat_changes_hands_when_it_is_taken_and_not_when_it_is_offered(name, arguments):
    membership = Membership().after(events(ADMITTED))
    offered = membership.after(
        [(2, "GovernorSeatOffered", {"administration": hexed(SG), "governor": GOVERNOR, "offeredTo": OTHER})]
    )
    assert offered.members[SG] == Member(SG, GOVERNOR, True)
    taken = offered.after([(3, name, {"administration": hexed(SG)} | arguments)])
    assert taken.members[SG] == Member(SG, OTHER, True)


def test_a_motion_that_is_only_put_or_approved_changes_nothing():
    membership = Membership().after(events(ADMITTED))
    motion = {
        "proposal": "0x" + "01" * 32,
        "kind": 2,
        "administration": hexed(SG),
        "governor": OTHER,
        "proposer": hexed(NL),
    }
    after = membership.after(
        [
            (2, "MotionProposed", motion),
            (3, "MotionApproved", {"proposal": "0x" + "01" * 32, "administration": hexed(NL)}),
            (4, "MotionCarried", {"proposal": "0x" + "01" * 32, "round": 1}),
        ]
    )
    assert after.members == membership.members and after.sequence == 4


def test_an_account_acts_from_enrolment_to_the_end_of_its_validity():
    account = Membership().after(events(ADMITTED, ENROLLED)).account(bytes.fromhex(ACCOUNT[2:]))
    assert account.party == PARTY
    assert account.may_act_at(999) and not account.may_act_at(1_000)
    assert account.has(Role.TRADER, Role.OFFICER) and not account.has(Role.OFFICER)


def test_validity_can_be_raised():
    later = Membership().after(
        events(ADMITTED, ENROLLED, ("AccountValidityRaised", {"account": ACCOUNT, "validUntil": 2_000}))
    )
    assert later.account(bytes.fromhex(ACCOUNT[2:])).may_act_at(1_999)


def test_a_revoked_account_never_acts_again_and_its_revocation_can_move_back():
    once = Membership().after(
        events(
            ADMITTED, ENROLLED, ("AccountRevoked", {"account": ACCOUNT, "revokedFrom": 90, "revokedAt": 100})
        )
    )
    account = once.account(bytes.fromhex(ACCOUNT[2:]))
    assert not account.may_act_at(50) and (account.revoked_from, account.revoked_at) == (90, 100)
    twice = once.after([(4, "AccountRevoked", {"account": ACCOUNT, "revokedFrom": 40, "revokedAt": 100})])
    assert twice.account(bytes.fromhex(ACCOUNT[2:])).revoked_from == 40
    assert (
        once.account(bytes.fromhex(ACCOUNT[2:])).revoked_from == 90
    )  # others may still be reading the former


def test_the_accounts_of_a_party_are_its_own():
    membership = Membership().after(events(ADMITTED, ENROLLED))
    assert [account.address for account in membership.of_party(PARTY)] == [ACCOUNT]
    assert membership.of_party(SG.ljust(16, b"\0")) == []


def test_an_unknown_address_has_no_account():
    assert Membership().account(bytes(20)) is None


@given(st.integers(0, 4))
def test_folding_in_parts_is_folding_at_once(cut):
    whole = events(
        ADMITTED,
        ENROLLED,
        ("AccountRevoked", {"account": ACCOUNT, "revokedFrom": 90, "revokedAt": 100}),
        ("AdministrationSuspended", {"administration": hexed(SG)}),
    )
    at_once = Membership().after(whole)
    in_parts = Membership().after(whole[:cut]).after(whole[cut:])
    assert in_parts == at_once


def test_the_names_are_the_contracts():
    """A name that the contract does not have would be a change that is never seen."""
    names = {
        item["name"]: [i["name"] for i in item["inputs"]]
        for item in artifact("AdministrationRegistry")["abi"]
        if item["type"] == "event"
    }
    assert {"administration", "governor"} <= set(names["AdministrationAdmitted"])
    assert {"administration", "governor"} <= set(names["GovernorReplaced"])
    assert {"administration", "governor"} <= set(names["GovernorSeatAccepted"])
    assert {"account", "party", "roles", "validUntil"} <= set(names["AccountEnrolled"])
    assert {"account", "validUntil"} <= set(names["AccountValidityRaised"])
    assert {"account", "revokedFrom", "revokedAt"} <= set(names["AccountRevoked"])
    assert {"AdministrationSuspended", "AdministrationReinstated"} <= names.keys()
