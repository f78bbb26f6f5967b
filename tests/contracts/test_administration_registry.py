"""AdministrationRegistry: one test a rule, its refusal beside it."""

import json
from pathlib import Path

import ape
import pytest
from web3.exceptions import ContractCustomError

from ledger.core.records import Enrolment, Role, keccak

ZERO = "0x" + "0" * 40
DAY = 86400
ACTIVE, SUSPENDED = 1, 2
ADMISSION, SUSPENSION, REINSTATEMENT, REPLACEMENT = 1, 2, 3, 4
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
EXAMPLE = json.loads((Path(__file__).parents[1] / "vectors" / "formats-example.json").read_text())


def code(text: str) -> bytes:
    return text.encode().ljust(8, b"\0")


def past(chain, seconds: int) -> None:
    """Mine a block that many seconds later."""
    chain.mine(timestamp=chain.blocks.head.timestamp + seconds)


@pytest.fixture
def council(deploy_registry, new_actor):
    """Found a network of n administrations, codes A0, A1 …; gives the registry and the governors in order."""

    def council(size: int):
        governors = [new_actor(f"A{number}", sends=True) for number in range(size)]
        registry = deploy_registry(
            governors[0].account, [(governor.administration, governor.address) for governor in governors]
        )
        return registry, governors

    return council


@pytest.fixture
def motion(registry):
    """Propose a motion and give its id."""

    def motion(proposer, kind, administration, governor=ZERO, registry=registry):
        calls = {
            ADMISSION: lambda: registry.proposeAdmission(administration, governor, sender=proposer.account),
            SUSPENSION: lambda: registry.proposeSuspension(administration, sender=proposer.account),
            REINSTATEMENT: lambda: registry.proposeReinstatement(administration, sender=proposer.account),
            REPLACEMENT: lambda: registry.proposeReplacement(
                administration, governor, sender=proposer.account
            ),
        }
        proposal = registry.proposalId(kind, administration, governor)
        calls[kind]()
        return proposal

    return motion


# ------------------------------------------------------------------------------------------------------- founding


def test_founders_are_active_members_in_the_order_given(council):
    registry, governors = council(4)
    assert registry.administrations() == registry.activeAdministrations() == 4
    for index, governor in enumerate(governors):
        stands = registry.administration(governor.administration)
        assert (stands.governor, stands.state, stands.index, stands.offeredTo) == (
            governor.address,
            ACTIVE,
            index,
            ZERO,
        )
        assert registry.seatOf(governor.address) == governor.administration
    assert registry.sequence() == 4


def deployment_call(project, chain, founders):
    """Deploy in a call, without a transaction: what a chain of another id would answer."""
    container = project.AdministrationRegistry
    data = container.constructor.encode_input(b"\1" * 32, "0x" + "2" * 40, "0x" + "3" * 40, founders)
    bytecode = container.contract_type.deployment_bytecode.bytecode
    return chain.provider.web3.eth.call({"data": bytecode + data.hex()})


@pytest.fixture
def other_chain_id(chain):
    """Make the node say another chain id, and take that back."""

    def set_chain_id(number: int) -> None:
        chain.provider.make_request("anvil_setChainId", [number])

    yield set_chain_id
    set_chain_id(31337)


def test_three_founders_found_a_network_outside_development(project, chain, network, other_chain_id):
    governors = [network.origin_governor, network.transit_governor, network.destination_governor]
    founders = [(governor.administration, governor.address) for governor in governors]
    other_chain_id(7777)
    assert len(deployment_call(project, chain, founders)) > 1000


def test_two_founders_found_no_network_outside_development(project, chain, network, other_chain_id):
    governors = [network.origin_governor, network.transit_governor]
    founders = [(governor.administration, governor.address) for governor in governors]
    other_chain_id(7777)
    with pytest.raises(ContractCustomError) as refused:
        deployment_call(project, chain, founders)
    selector = keccak(b"RegistryTooFewFounders(uint256,uint256)")[:4]
    assert refused.value.data == "0x" + (selector + (2).to_bytes(32, "big") + (3).to_bytes(32, "big")).hex()


def test_one_founder_is_enough_for_development(council):
    registry, _ = council(1)
    assert registry.administrations() == 1


def test_nobody_founds_no_network(registry, deploy_registry, network):
    with ape.reverts(registry.RegistryTooFewFounders, founders=0, required=1):
        deploy_registry(network.deployer, [])


@pytest.mark.parametrize("text", ["SG", "A1", "12", "SINGAPOR", "ZZ9"])
def test_a_code_of_two_to_eight_capitals_and_digits_is_taken(deploy_registry, origin_governor, text):
    registry = deploy_registry(origin_governor.account, [(code(text), origin_governor.address)])
    assert registry.isActive(code(text))


@pytest.mark.parametrize(
    "raw",
    [b"", b"S", b"sg", b"S\0G", b"\0SG", b"S G", b"S-G", b"SG\0A", b"S\xc7", b"SG/", b"SG:", b"SG@", b"SG["],
)
def test_any_other_code_is_refused(registry, deploy_registry, origin_governor, raw):
    with ape.reverts(registry.RegistryNotACode, administration=raw.ljust(8, b"\0")):
        deploy_registry(origin_governor.account, [(raw.ljust(8, b"\0"), origin_governor.address)])


def test_a_founder_is_named_once(registry, deploy_registry, origin_governor, transit_governor):
    founders = [(code("SG"), origin_governor.address), (code("SG"), transit_governor.address)]
    with ape.reverts(registry.RegistryAdministrationKnown, administration=code("SG")):
        deploy_registry(origin_governor.account, founders)


def test_a_founding_governor_holds_one_seat(registry, deploy_registry, origin_governor):
    founders = [(code("SG"), origin_governor.address), (code("AE"), origin_governor.address)]
    with ape.reverts(registry.RegistrySeatTaken, governor=origin_governor.address, administration=code("SG")):
        deploy_registry(origin_governor.account, founders)


def test_a_founder_has_a_governor(registry, deploy_registry, origin_governor):
    with ape.reverts(registry.RegistryNoGovernor, administration=code("SG")):
        deploy_registry(origin_governor.account, [(code("SG"), ZERO)])


def test_the_256th_administration_is_the_last(project, chain, origin_governor):
    founders = [(code(f"A{number}"), "0x" + f"{number + 1:040x}") for number in range(256)]
    assert len(deployment_call(project, chain, founders)) > 1000
    with pytest.raises(ContractCustomError) as refused:
        deployment_call(project, chain, [*founders, (code("ONEMORE"), origin_governor.address)])
    assert (
        refused.value.data == "0x" + (keccak(b"RegistryFull(uint256)")[:4] + (256).to_bytes(32, "big")).hex()
    )


# -------------------------------------------------------------------------------------------------------- quorums

# Active administrations -> approvals that carry a motion about one that is not active (admission, reinstatement), and
# about one that is (suspension, replacement), given by others than the one concerned.
QUORUMS = [
    (3, 2, 2),
    (4, 3, 3),
    (5, 4, 3),
    (6, 4, 4),
    (7, 5, 4),
    (8, 6, 5),
    (9, 6, 6),
    (10, 7, 6),
]


@pytest.mark.parametrize(("active", "needed", "_concerning_one"), QUORUMS)
def test_an_admission_carries_with_two_thirds_of_all(
    council, motion, new_actor, active, needed, _concerning_one
):
    registry, governors = council(active)
    candidate = new_actor("NEW")
    proposal = motion(governors[0], ADMISSION, code("NEW"), candidate.address, registry=registry)
    for governor in governors[1 : needed - 1]:
        registry.approve(proposal, sender=governor.account)
    assert not registry.isActive(code("NEW"))
    registry.approve(proposal, sender=governors[needed - 1].account)
    assert registry.isActive(code("NEW"))
    assert registry.administration(code("NEW")).index == active


@pytest.mark.parametrize(("active", "_admission", "needed"), QUORUMS)
def test_a_suspension_carries_with_two_thirds_of_the_others_and_half_of_all(
    council, motion, active, _admission, needed
):
    registry, governors = council(active)
    *others, concerned = governors
    proposal = motion(others[0], SUSPENSION, concerned.administration, registry=registry)
    for governor in others[1 : needed - 1]:
        registry.approve(proposal, sender=governor.account)
    assert registry.isActive(concerned.administration)
    registry.approve(proposal, sender=others[needed - 1].account)
    assert not registry.isActive(concerned.administration)
    assert registry.activeAdministrations() == active - 1


def test_the_one_concerned_counts_towards_half_of_all(council, motion):
    """Of four, two others are two thirds of three but not more than half: with the one concerned they are."""
    registry, (proposer, second, _third, concerned) = council(4)
    proposal = motion(proposer, SUSPENSION, concerned.administration, registry=registry)
    registry.approve(proposal, sender=second.account)
    assert registry.isActive(concerned.administration)
    registry.approve(proposal, sender=concerned.account)
    assert not registry.isActive(concerned.administration)


def test_the_one_concerned_does_not_count_towards_two_thirds_of_the_others(council, motion):
    """Of five, one concerned and two others are more than half, but two of four are not two thirds."""
    registry, (proposer, second, third, _fourth, concerned) = council(5)
    proposal = motion(concerned, SUSPENSION, concerned.administration, registry=registry)
    registry.approve(proposal, sender=proposer.account)
    registry.approve(proposal, sender=second.account)
    assert registry.isActive(concerned.administration)
    registry.approve(proposal, sender=third.account)
    assert not registry.isActive(concerned.administration)


def test_of_two_neither_suspends_the_other(council, motion):
    registry, (first, second) = council(2)
    proposal = motion(first, SUSPENSION, second.administration, registry=registry)
    assert registry.isActive(second.administration)
    registry.approve(proposal, sender=second.account)
    assert not registry.isActive(second.administration)


def test_a_single_founder_admits_by_itself(council, motion, new_actor):
    registry, (founder,) = council(1)
    motion(founder, ADMISSION, code("NEW"), new_actor("NEW").address, registry=registry)
    assert registry.isActive(code("NEW"))


def test_a_suspended_administration_is_not_counted(registry, motion, suspend, network, new_actor):
    """Three found, one is suspended: the two that are active admit; before, it took two of three."""
    suspend(network.destination_governor)
    proposal = motion(network.origin_governor, ADMISSION, code("KE"), new_actor("KE").address)
    assert not registry.isActive(code("KE"))
    registry.approve(proposal, sender=network.transit_governor.account)
    assert registry.isActive(code("KE"))


def test_the_last_active_administration_is_not_suspended(council, motion):
    registry, (first, second) = council(2)
    proposal = motion(first, SUSPENSION, second.administration, registry=registry)
    registry.approve(proposal, sender=second.account)
    with ape.reverts(registry.RegistryLastActive, administration=first.administration):
        registry.proposeSuspension(first.administration, sender=first.account)


# -------------------------------------------------------------------------------------------------------- motions


def test_what_a_motion_does_is_told_in_order(registry, motion, origin_governor, transit_governor, new_actor):
    candidate = new_actor("KE")
    before = registry.sequence()
    proposal = motion(origin_governor, ADMISSION, code("KE"), candidate.address)
    receipt = registry.approve(proposal, sender=transit_governor.account)
    assert receipt.events == [
        registry.MotionApproved(sequence=before + 3, proposal=proposal, administration=code("AE")),
        registry.MotionCarried(sequence=before + 4, proposal=proposal, round=1),
        registry.AdministrationAdmitted(
            sequence=before + 5, administration=code("KE"), governor=candidate.address
        ),
    ]


def test_a_proposal_is_its_proposers_approval(registry, origin_governor, new_actor):
    candidate = new_actor("KE")
    before = registry.sequence()
    proposal = registry.proposalId(ADMISSION, code("KE"), candidate.address)
    receipt = registry.proposeAdmission(code("KE"), candidate.address, sender=origin_governor.account)
    assert receipt.events == [
        registry.MotionProposed(
            sequence=before + 1,
            proposal=proposal,
            kind=ADMISSION,
            administration=code("KE"),
            governor=candidate.address,
            proposer=code("SG"),
        ),
        registry.MotionApproved(sequence=before + 2, proposal=proposal, administration=code("SG")),
    ]
    stands = registry.proposal(proposal)
    assert (stands.kind, stands.administration, stands.governor) == (ADMISSION, code("KE"), candidate.address)
    assert (stands.proposedAt, stands.round, stands.approvals) == (receipt.timestamp, 0, 1)


def test_a_stranger_proposes_nothing(registry, stranger):
    for propose in (
        lambda: registry.proposeAdmission(code("KE"), stranger.address, sender=stranger.account),
        lambda: registry.proposeSuspension(code("SG"), sender=stranger.account),
        lambda: registry.proposeReinstatement(code("SG"), sender=stranger.account),
        lambda: registry.proposeReplacement(code("SG"), stranger.address, sender=stranger.account),
    ):
        with ape.reverts(registry.RegistryNotAGovernor, sender=stranger.address):
            propose()


def test_a_stranger_approves_nothing(registry, motion, origin_governor, new_actor, stranger):
    proposal = motion(origin_governor, ADMISSION, code("KE"), new_actor("KE").address)
    with ape.reverts(registry.RegistryNotAGovernor, sender=stranger.address):
        registry.approve(proposal, sender=stranger.account)


def test_the_governor_of_a_suspended_administration_proposes_nothing(registry, suspend, destination_governor):
    suspend(destination_governor)
    with ape.reverts(registry.RegistryAdministrationNotActive, administration=code("NL")):
        registry.proposeReinstatement(code("NL"), sender=destination_governor.account)


def test_the_governor_of_a_suspended_administration_approves_nothing(
    registry, motion, suspend, network, new_actor
):
    suspend(network.destination_governor)
    proposal = motion(network.origin_governor, ADMISSION, code("KE"), new_actor("KE").address)
    with ape.reverts(registry.RegistryAdministrationNotActive, administration=code("NL")):
        registry.approve(proposal, sender=network.destination_governor.account)


def test_an_administration_approves_once(registry, motion, origin_governor, new_actor):
    proposal = motion(origin_governor, ADMISSION, code("KE"), new_actor("KE").address)
    with ape.reverts(registry.RegistryAlreadyApproved, proposal=proposal, administration=code("SG")):
        registry.approve(proposal, sender=origin_governor.account)


def test_a_new_governor_does_not_approve_for_its_administration_again(
    registry, motion, origin_governor, new_actor
):
    proposal = motion(origin_governor, ADMISSION, code("KE"), new_actor("KE").address)
    successor = new_actor("SG", sends=True)
    registry.offerSeat(successor.address, sender=origin_governor.account)
    registry.acceptSeat(code("SG"), sender=successor.account)
    with ape.reverts(registry.RegistryAlreadyApproved, proposal=proposal, administration=code("SG")):
        registry.approve(proposal, sender=successor.account)


def test_an_unknown_proposal_is_not_approved(registry, origin_governor):
    with ape.reverts(registry.RegistryProposalUnknown, proposal=b"\7" * 32):
        registry.approve(b"\7" * 32, sender=origin_governor.account)


def test_the_same_motion_is_open_once(registry, motion, origin_governor, transit_governor, new_actor):
    candidate = new_actor("KE")
    proposal = motion(origin_governor, ADMISSION, code("KE"), candidate.address)
    with ape.reverts(registry.RegistryProposalOpen, proposal=proposal):
        registry.proposeAdmission(code("KE"), candidate.address, sender=transit_governor.account)
    # With another governor it is another motion.
    assert motion(transit_governor, ADMISSION, code("KE"), new_actor("KE").address) != proposal


def test_a_proposal_can_be_approved_up_to_its_last_second(
    chain, registry, motion, origin_governor, transit_governor, new_actor
):
    proposal = motion(origin_governor, ADMISSION, code("KE"), new_actor("KE").address)
    chain.pending_timestamp = registry.proposal(proposal).proposedAt + 30 * DAY - 1
    registry.approve(proposal, sender=transit_governor.account)
    assert registry.isActive(code("KE"))


def test_a_proposal_dies_after_30_days(chain, registry, motion, origin_governor, transit_governor, new_actor):
    proposal = motion(origin_governor, ADMISSION, code("KE"), new_actor("KE").address)
    died_at = registry.proposal(proposal).proposedAt + 30 * DAY
    chain.pending_timestamp = died_at
    with ape.reverts(registry.RegistryProposalDead, proposal=proposal, diedAt=died_at):
        registry.approve(proposal, sender=transit_governor.account)


def test_a_dead_proposal_made_anew_has_none_of_its_approvals(
    chain, registry, motion, origin_governor, transit_governor, destination_governor, new_actor
):
    candidate = new_actor("KE")
    proposal = motion(origin_governor, ADMISSION, code("KE"), candidate.address)
    past(chain, 30 * DAY)
    assert motion(transit_governor, ADMISSION, code("KE"), candidate.address) == proposal
    assert not registry.isActive(code("KE"))
    registry.approve(proposal, sender=destination_governor.account)
    assert registry.isActive(code("KE"))


def test_a_carried_motion_ends_every_other_proposal(
    registry, motion, origin_governor, transit_governor, destination_governor, new_actor
):
    open_one = motion(origin_governor, SUSPENSION, code("NL"))
    carried = motion(origin_governor, ADMISSION, code("KE"), new_actor("KE").address)
    registry.approve(carried, sender=transit_governor.account)
    assert registry.round() == 1
    for proposal in (open_one, carried):
        with ape.reverts(registry.RegistryProposalEnded, proposal=proposal, round=0, currentRound=1):
            registry.approve(proposal, sender=destination_governor.account)
    # Proposed again it is another proposal, without approvals.
    again = motion(transit_governor, SUSPENSION, code("NL"))
    assert again != open_one
    assert registry.proposal(again).approvals == 0b10


def test_no_admission_of_a_member_active_or_suspended(registry, suspend, network, new_actor):
    candidate = new_actor("XX")
    suspend(network.destination_governor)
    for member in (code("SG"), code("NL")):
        with ape.reverts(registry.RegistryAdministrationKnown, administration=member):
            registry.proposeAdmission(member, candidate.address, sender=network.origin_governor.account)


def test_no_admission_of_what_is_no_code(registry, origin_governor, new_actor):
    with ape.reverts(registry.RegistryNotACode, administration=b"ke\0\0\0\0\0\0"):
        registry.proposeAdmission(b"ke\0\0\0\0\0\0", new_actor("XX").address, sender=origin_governor.account)


def test_no_admission_without_a_governor(registry, origin_governor):
    with ape.reverts(registry.RegistryNoGovernor, administration=code("KE")):
        registry.proposeAdmission(code("KE"), ZERO, sender=origin_governor.account)


def test_no_admission_under_a_governor_with_a_seat(registry, origin_governor, transit_governor):
    with ape.reverts(
        registry.RegistrySeatTaken, governor=transit_governor.address, administration=code("AE")
    ):
        registry.proposeAdmission(code("KE"), transit_governor.address, sender=origin_governor.account)


def test_no_suspension_of_one_that_is_not_active(registry, suspend, network):
    suspend(network.destination_governor)
    for other in (code("NL"), code("KE")):
        with ape.reverts(registry.RegistryAdministrationNotActive, administration=other):
            registry.proposeSuspension(other, sender=network.origin_governor.account)


def test_no_reinstatement_of_one_that_is_not_suspended(registry, origin_governor):
    for other in (code("NL"), code("KE")):
        with ape.reverts(registry.RegistryAdministrationNotSuspended, administration=other):
            registry.proposeReinstatement(other, sender=origin_governor.account)


def test_reinstatement_restores_exactly(
    registry, motion, suspend, network, origin_governor, transit_governor, destination_governor, new_actor
):
    before = registry.administration(code("NL"))
    suspend(destination_governor)
    assert registry.administration(code("NL")).state == SUSPENDED
    proposal = motion(origin_governor, REINSTATEMENT, code("NL"))
    registry.approve(proposal, sender=transit_governor.account)
    assert registry.administration(code("NL")) == before
    network.enrol(destination_governor, new_actor("NL:NEWCO"), Role.TRADER)


def test_a_lost_governor_is_replaced_by_the_others(
    registry, motion, origin_governor, transit_governor, destination_governor, new_actor
):
    successor = new_actor("NL", sends=True)
    registry.offerSeat(new_actor("NL").address, sender=destination_governor.account)
    proposal = motion(origin_governor, REPLACEMENT, code("NL"), successor.address)
    assert registry.governor(code("NL")) == destination_governor.address
    receipt = registry.approve(proposal, sender=transit_governor.account)
    assert receipt.events[-1] == registry.GovernorReplaced(
        sequence=registry.sequence(),
        administration=code("NL"),
        former=destination_governor.address,
        governor=successor.address,
    )
    stands = registry.administration(code("NL"))
    assert (stands.governor, stands.offeredTo) == (successor.address, ZERO)
    assert registry.seatOf(successor.address) == code("NL")
    assert registry.seatOf(destination_governor.address) == bytes(8)
    with ape.reverts(registry.RegistryNotAGovernor, sender=destination_governor.address):
        registry.offerSeat(origin_governor.address, sender=destination_governor.account)


def test_the_governor_of_a_suspended_administration_is_replaced_too(
    registry, motion, suspend, network, new_actor
):
    successor = new_actor("NL")
    suspend(network.destination_governor)
    proposal = motion(network.origin_governor, REPLACEMENT, code("NL"), successor.address)
    registry.approve(proposal, sender=network.transit_governor.account)
    assert registry.governor(code("NL")) == successor.address
    assert not registry.isActive(code("NL"))


def test_no_replacement_in_an_unknown_administration(registry, origin_governor, new_actor):
    with ape.reverts(registry.RegistryAdministrationUnknown, administration=code("KE")):
        registry.proposeReplacement(code("KE"), new_actor("KE").address, sender=origin_governor.account)


def test_no_replacement_by_one_who_has_a_seat(registry, origin_governor, transit_governor):
    with ape.reverts(
        registry.RegistrySeatTaken, governor=transit_governor.address, administration=code("AE")
    ):
        registry.proposeReplacement(code("NL"), transit_governor.address, sender=origin_governor.account)


def test_a_motion_is_not_carried_once_its_governor_has_another_seat(
    registry, motion, origin_governor, transit_governor, new_actor
):
    candidate = new_actor("KE", sends=True)
    proposal = motion(origin_governor, ADMISSION, code("KE"), candidate.address)
    registry.offerSeat(candidate.address, sender=origin_governor.account)
    registry.acceptSeat(code("SG"), sender=candidate.account)
    before = registry.sequence()
    with ape.reverts(registry.RegistrySeatTaken, governor=candidate.address, administration=code("SG")):
        registry.approve(proposal, sender=transit_governor.account)
    assert registry.proposal(proposal).approvals == 0b1
    assert registry.sequence() == before


# ---------------------------------------------------------------------------------------------------------- seats


def test_a_seat_is_handed_over_in_two_steps(registry, network, origin_governor, new_actor):
    successor = new_actor("SG", sends=True)
    offered = registry.offerSeat(successor.address, sender=origin_governor.account)
    assert registry.governor(code("SG")) == origin_governor.address
    accepted = registry.acceptSeat(code("SG"), sender=successor.account)
    assert offered.events + accepted.events == [
        registry.GovernorSeatOffered(
            sequence=registry.sequence() - 1,
            administration=code("SG"),
            governor=origin_governor.address,
            offeredTo=successor.address,
        ),
        registry.GovernorSeatAccepted(
            sequence=registry.sequence(),
            administration=code("SG"),
            former=origin_governor.address,
            governor=successor.address,
        ),
    ]
    stands = registry.administration(code("SG"))
    assert (stands.governor, stands.offeredTo) == (successor.address, ZERO)
    network.enrol(successor, new_actor("SG:NEWCO"), Role.TRADER)
    with ape.reverts(
        registry.RegistryNotItsGovernor, sender=origin_governor.address, administration=code("SG")
    ):
        network.enrol(origin_governor, new_actor("SG:OTHER"), Role.TRADER)


def test_only_the_one_it_is_offered_to_takes_a_seat(registry, origin_governor, new_actor, stranger):
    registry.offerSeat(new_actor("SG").address, sender=origin_governor.account)
    with ape.reverts(registry.RegistrySeatNotOffered, sender=stranger.address, administration=code("SG")):
        registry.acceptSeat(code("SG"), sender=stranger.account)


def test_an_offer_of_a_seat_is_taken_back(registry, origin_governor, new_actor):
    successor = new_actor("SG", sends=True)
    registry.offerSeat(successor.address, sender=origin_governor.account)
    registry.offerSeat(ZERO, sender=origin_governor.account)
    with ape.reverts(registry.RegistrySeatNotOffered, sender=successor.address, administration=code("SG")):
        registry.acceptSeat(code("SG"), sender=successor.account)


def test_a_seat_is_offered_by_its_governor(registry, stranger):
    with ape.reverts(registry.RegistryNotAGovernor, sender=stranger.address):
        registry.offerSeat(stranger.address, sender=stranger.account)


def test_a_seat_is_not_offered_to_one_who_has_a_seat(registry, origin_governor, transit_governor):
    with ape.reverts(
        registry.RegistrySeatTaken, governor=transit_governor.address, administration=code("AE")
    ):
        registry.offerSeat(transit_governor.address, sender=origin_governor.account)


def test_one_address_takes_one_of_two_seats_offered(registry, origin_governor, transit_governor, new_actor):
    successor = new_actor("SG", sends=True)
    registry.offerSeat(successor.address, sender=origin_governor.account)
    registry.offerSeat(successor.address, sender=transit_governor.account)
    registry.acceptSeat(code("SG"), sender=successor.account)
    with ape.reverts(registry.RegistrySeatTaken, governor=successor.address, administration=code("SG")):
        registry.acceptSeat(code("AE"), sender=successor.account)


def test_a_former_governor_may_take_another_seat(registry, origin_governor, transit_governor, new_actor):
    successor = new_actor("SG", sends=True)
    registry.offerSeat(successor.address, sender=origin_governor.account)
    registry.acceptSeat(code("SG"), sender=successor.account)
    registry.offerSeat(origin_governor.address, sender=transit_governor.account)
    registry.acceptSeat(code("AE"), sender=origin_governor.account)
    assert registry.seatOf(origin_governor.address) == code("AE")


def test_a_suspended_administrations_seat_stays(registry, suspend, destination_governor, new_actor):
    successor = new_actor("NL", sends=True)
    registry.offerSeat(successor.address, sender=destination_governor.account)
    suspend(destination_governor)
    with ape.reverts(registry.RegistryAdministrationNotActive, administration=code("NL")):
        registry.acceptSeat(code("NL"), sender=successor.account)
    with ape.reverts(registry.RegistryAdministrationNotActive, administration=code("NL")):
        registry.offerSeat(ZERO, sender=destination_governor.account)


# ------------------------------------------------------------------------------------------------------ enrolment


def test_an_account_is_enrolled_with_its_own_signature(registry, network, origin_governor, new_actor):
    trader = new_actor("SG:NEWCO")
    until = 1_900_000_000
    receipt = network.enrol(origin_governor, trader, Role.TRADER, until)
    assert receipt.events == [
        registry.AccountEnrolled(
            sequence=registry.sequence(),
            account=trader.address,
            party=trader.party,
            roles=Role.TRADER,
            validUntil=until,
        )
    ]
    account = registry.account(trader.address)
    assert (account.party, account.roles, account.validUntil) == (trader.party, Role.TRADER, until)
    assert (account.revokedFrom, account.revokedAt) == (0, 0)


def test_the_enrolment_digest_is_the_one_of_the_formats_example(chain, project, network):
    code_of = chain.provider.get_code(network.registry.address)
    chain.provider.set_code(EXAMPLE["AdministrationRegistry"], code_of)
    registry = project.AdministrationRegistry.at(EXAMPLE["AdministrationRegistry"], fetch_from_explorer=False)
    enrolment = EXAMPLE["enrolment"]
    assert chain.chain_id == EXAMPLE["chain_id"]
    assert registry.enrolmentDigest(
        enrolment["account"], enrolment["party"], enrolment["roles"], enrolment["validUntil"]
    ) == bytes.fromhex(EXAMPLE["enrolment digest"][2:])


def test_an_account_fills_one_slot_as_its_comment_says(chain, registry, network, origin_governor, new_actor):
    trader = new_actor("SG:NEWCO")
    network.enrol(origin_governor, trader, Role.TRADER | Role.AUDITOR, 1_900_000_000)
    revoked_from = chain.blocks.head.timestamp - 500
    revoked_at = registry.revoke(trader.address, revoked_from, sender=origin_governor.account).timestamp
    slot = keccak(trader.address_bytes.rjust(32, b"\0") + bytes(32))
    raw = bytes(chain.provider.web3.eth.get_storage_at(registry.address, int.from_bytes(slot, "big")))
    assert raw == (
        revoked_at.to_bytes(5, "big")
        + revoked_from.to_bytes(5, "big")
        + (1_900_000_000).to_bytes(5, "big")
        + bytes([Role.TRADER | Role.AUDITOR])
        + trader.party
    )


def test_a_governor_enrols_for_its_own_administration_only(
    registry, network, origin_governor, transit_governor, new_actor, stranger
):
    trader = new_actor("SG:NEWCO")
    for sender in (transit_governor, stranger):
        with ape.reverts(registry.RegistryNotItsGovernor, sender=sender.address, administration=code("SG")):
            network.enrol(sender, trader, Role.TRADER)
    network.enrol(origin_governor, trader, Role.TRADER)


def test_nobody_enrols_for_the_zero_administration(registry, network, new_actor, stranger):
    with ape.reverts(registry.RegistryNotItsGovernor, sender=stranger.address, administration=bytes(8)):
        network.enrol(stranger, new_actor(":NEWCO"), Role.TRADER)


def test_a_suspended_administration_enrols_nobody(
    registry, network, suspend, destination_governor, new_actor
):
    suspend(destination_governor)
    with ape.reverts(registry.RegistryAdministrationNotActive, administration=code("NL")):
        network.enrol(destination_governor, new_actor("NL:NEWCO"), Role.TRADER)


@pytest.mark.parametrize("organisation", ["A", "12345678", "ACME01"])
def test_an_organisations_code_is_one_to_eight_capitals_and_digits(
    registry, network, origin_governor, new_actor, organisation
):
    trader = new_actor(f"SG:{organisation}")
    network.enrol(origin_governor, trader, Role.TRADER)
    assert registry.account(trader.address).party == trader.party


@pytest.mark.parametrize("organisation", ["acme", "A B", "\0A", "A\0B", "A_B"])
def test_any_other_organisation_is_refused(registry, network, origin_governor, new_actor, organisation):
    trader = new_actor(f"SG:{organisation}")
    with ape.reverts(registry.RegistryNotAParty, party=trader.party):
        network.enrol(origin_governor, trader, Role.TRADER)


T, O, A, S = Role.TRADER, Role.OFFICER, Role.AUDITOR, Role.SEQUENCER  # noqa: E741


@pytest.mark.parametrize("roles", [T, O, A, T | A, O | A])
def test_roles_an_organisation_may_have(registry, network, origin_governor, new_actor, roles):
    actor = new_actor("SG:NEWCO")
    network.enrol(origin_governor, actor, roles)
    assert registry.account(actor.address).roles == roles


@pytest.mark.parametrize("roles", [0, T | O, T | O | A, S, S | T, S | O, S | A, 16, 16 | T, 255])
def test_roles_an_organisation_may_not_have(registry, network, origin_governor, new_actor, roles):
    actor = new_actor("SG:NEWCO")
    with ape.reverts(registry.RegistryRolesNotAllowed, party=actor.party, roles=roles):
        network.enrol(origin_governor, actor, roles)


@pytest.mark.parametrize("roles", [O, A, O | A, S])
def test_roles_customs_itself_may_have(registry, network, origin_governor, new_actor, roles):
    actor = new_actor("SG")
    network.enrol(origin_governor, actor, roles)
    assert registry.account(actor.address).roles == roles


@pytest.mark.parametrize("roles", [0, T, T | A, T | O, S | O, S | A, S | O | A, 16, 32 | O, 255])
def test_roles_customs_itself_may_not_have(registry, network, origin_governor, new_actor, roles):
    actor = new_actor("SG")
    with ape.reverts(registry.RegistryRolesNotAllowed, party=actor.party, roles=roles):
        network.enrol(origin_governor, actor, roles)


def test_an_enrolment_ends_after_it_begins(chain, registry, network, origin_governor, new_actor):
    now = chain.blocks.head.timestamp + 1000
    for until in (now - 1, now):
        chain.pending_timestamp = now
        with ape.reverts(registry.RegistryValidityPast, validUntil=until, time=now):
            network.enrol(origin_governor, new_actor("SG:NEWCO"), Role.TRADER, until)
    trader = new_actor("SG:NEWCO")
    until = chain.pending_timestamp + 100
    network.enrol(origin_governor, trader, Role.TRADER, until)
    assert registry.account(trader.address).validUntil == until


def test_a_signature_by_another_enrols_nobody(registry, network, origin_governor, new_actor, stranger):
    trader = new_actor("SG:NEWCO")
    enrolment = Enrolment(trader.address_bytes, trader.party, Role.TRADER, 1_900_000_000)
    signature = stranger.sign(enrolment.digest(network.domain(registry)))
    with ape.reverts(registry.RegistryEnrolmentNotSigned, account=trader.address, signer=stranger.address):
        registry.enrol(
            trader.address,
            trader.party,
            Role.TRADER,
            1_900_000_000,
            signature,
            sender=origin_governor.account,
        )


@pytest.mark.parametrize("changed", ["account", "party", "roles", "valid_until"])
def test_a_signature_over_other_values_enrols_nobody(registry, network, origin_governor, new_actor, changed):
    trader, other = new_actor("SG:NEWCO"), new_actor("SG:OTHER")
    given = {
        "account": trader.address_bytes,
        "party": trader.party,
        "roles": Role.TRADER,
        "valid_until": 1_900_000_000,
    }
    instead = {
        "account": other.address_bytes,
        "party": other.party,
        "roles": Role.AUDITOR,
        "valid_until": 1_900_000_001,
    }
    signature = trader.sign(Enrolment(**given).digest(network.domain(registry)))
    sent = given | {changed: instead[changed]}
    account = "0x" + sent["account"].hex()
    # The signature recovers to somebody, but to nobody who matters.
    with ape.reverts(registry.RegistryEnrolmentNotSigned):
        registry.enrol(
            account,
            sent["party"],
            sent["roles"],
            sent["valid_until"],
            signature,
            sender=origin_governor.account,
        )
    assert registry.account(account).party == bytes(16)


def test_a_signature_for_another_contract_or_chain_enrols_nobody(
    registry, network, origin_governor, new_actor
):
    trader = new_actor("SG:NEWCO")
    enrolment = Enrolment(trader.address_bytes, trader.party, Role.TRADER, 1_900_000_000)
    here = network.domain(registry)
    for domain in (network.domain(network.log), type(here)(here.chain_id + 1, here.contract)):
        with ape.reverts(registry.RegistryEnrolmentNotSigned):
            registry.enrol(
                trader.address,
                trader.party,
                Role.TRADER,
                1_900_000_000,
                trader.sign(enrolment.digest(domain)),
                sender=origin_governor.account,
            )


def test_the_domain_follows_the_chain_id_when_a_chain_forks(
    registry, network, origin_governor, new_actor, other_chain_id
):
    trader = new_actor("SG:NEWCO")
    given = (trader.address, trader.party, Role.TRADER, 1_900_000_000)
    enrolment = Enrolment(trader.address_bytes, *given[1:])
    here = network.domain(registry)
    signature = trader.sign(enrolment.digest(here))
    registry.enrol.call(*given, signature, sender=origin_governor.account)
    other_chain_id(7777)
    there = type(here)(7777, here.contract)
    assert registry.domainSeparator() == there.separator != here.separator
    assert registry.enrolmentDigest(*given) == enrolment.digest(there)
    with ape.reverts(registry.RegistryEnrolmentNotSigned):
        registry.enrol.call(*given, signature, sender=origin_governor.account)
    registry.enrol.call(*given, trader.sign(enrolment.digest(there)), sender=origin_governor.account)


def bad_spellings(signature: bytes) -> dict[str, bytes]:
    """The same signature, in every spelling that is not the one."""
    r, s, v = signature[:32], int.from_bytes(signature[32:64], "big"), signature[64]
    compact = (s | (v - 27) << 255).to_bytes(32, "big")
    return {
        "high s": r + (CURVE_ORDER - s).to_bytes(32, "big") + bytes([55 - v]),
        "v from 0": signature[:64] + bytes([v - 27]),
        "v of a chain": signature[:64] + bytes([v + 8]),
        "compact": r + compact,
        "one byte more": signature + b"\0",
        "one byte less": signature[:64],
        "empty": b"",
        "all zero": bytes(65),
    }


@pytest.mark.parametrize("spelling", bad_spellings(b"\1" * 64 + b"\x1b"))
def test_a_signature_has_one_spelling(registry, network, origin_governor, new_actor, spelling):
    trader = new_actor("SG:NEWCO")
    given = (trader.address, trader.party, Role.TRADER, 1_900_000_000)
    signature = trader.sign(Enrolment(trader.address_bytes, *given[1:]).digest(network.domain(registry)))
    with ape.reverts(registry.RegistryEnrolmentNotSigned, account=trader.address, signer=ZERO):
        registry.enrol(*given, bad_spellings(signature)[spelling], sender=origin_governor.account)
    registry.enrol(*given, signature, sender=origin_governor.account)


def test_the_zero_address_is_not_enrolled(registry, origin_governor):
    with ape.reverts(registry.RegistryEnrolmentNotSigned, account=ZERO, signer=ZERO):
        registry.enrol(
            ZERO,
            code("SG") + code("NEWCO"),
            Role.TRADER,
            1_900_000_000,
            bytes(65),
            sender=origin_governor.account,
        )


def test_an_address_is_enrolled_once(registry, network, origin_governor, exporter):
    with ape.reverts(registry.RegistryAccountEnrolled, account=exporter.address):
        network.enrol(origin_governor, exporter, Role.TRADER)


def test_an_address_is_not_enrolled_again_after_its_revocation_nor_elsewhere(
    chain, registry, network, origin_governor, destination_governor, exporter
):
    registry.revoke(exporter.address, chain.blocks.head.timestamp, sender=origin_governor.account)
    moved = type(exporter)(exporter.account, code("NL") + code("ACME01"))
    for governor, actor in ((origin_governor, exporter), (destination_governor, moved)):
        with ape.reverts(registry.RegistryAccountEnrolled, account=exporter.address):
            network.enrol(governor, actor, Role.TRADER)


# ------------------------------------------------------------------------------------------------------- validity


def test_validity_is_raised_while_the_account_is_valid(chain, registry, origin_governor, exporter):
    until = registry.account(exporter.address).validUntil
    chain.pending_timestamp = until - 1
    receipt = registry.raiseValidity(exporter.address, until + 1, sender=origin_governor.account)
    assert receipt.events == [
        registry.AccountValidityRaised(
            sequence=registry.sequence(), account=exporter.address, validUntil=until + 1
        )
    ]
    assert registry.account(exporter.address).validUntil == until + 1


def test_validity_is_not_raised_once_it_is_over(chain, registry, origin_governor, exporter):
    until = registry.account(exporter.address).validUntil
    chain.pending_timestamp = until
    with ape.reverts(registry.RegistryAccountExpired, account=exporter.address, validUntil=until):
        registry.raiseValidity(exporter.address, until + 1, sender=origin_governor.account)


def test_validity_is_not_lowered_nor_left(registry, origin_governor, exporter):
    until = registry.account(exporter.address).validUntil
    for offered in (until - 1, until):
        with ape.reverts(registry.RegistryValidityNotRaised, validUntil=until, offered=offered):
            registry.raiseValidity(exporter.address, offered, sender=origin_governor.account)


def test_validity_of_a_revoked_account_is_not_raised(chain, registry, origin_governor, exporter):
    until = registry.account(exporter.address).validUntil
    receipt = registry.revoke(exporter.address, 0, sender=origin_governor.account)
    with ape.reverts(registry.RegistryAccountRevoked, account=exporter.address, revokedAt=receipt.timestamp):
        registry.raiseValidity(exporter.address, until + 1, sender=origin_governor.account)


def test_validity_is_raised_by_the_accounts_own_governor(registry, transit_governor, exporter):
    with ape.reverts(
        registry.RegistryNotItsGovernor, sender=transit_governor.address, administration=code("SG")
    ):
        registry.raiseValidity(exporter.address, 2**40 - 1, sender=transit_governor.account)


def test_validity_is_not_raised_by_a_suspended_administration(
    registry, suspend, destination_governor, importer
):
    suspend(destination_governor)
    with ape.reverts(registry.RegistryAdministrationNotActive, administration=code("NL")):
        registry.raiseValidity(importer.address, 2**40 - 1, sender=destination_governor.account)


def test_validity_of_a_stranger_is_not_raised(registry, origin_governor, stranger):
    with ape.reverts(registry.RegistryAccountNotEnrolled, account=stranger.address):
        registry.raiseValidity(stranger.address, 2**40 - 1, sender=origin_governor.account)


# ----------------------------------------------------------------------------------------------------- revocation


def test_a_revocation_reaches_back_to_when_the_key_was_lost(chain, registry, origin_governor, exporter):
    lost_at = chain.blocks.head.timestamp - 3600
    receipt = registry.revoke(exporter.address, lost_at, sender=origin_governor.account)
    assert receipt.events == [
        registry.AccountRevoked(
            sequence=registry.sequence(),
            account=exporter.address,
            revokedFrom=lost_at,
            revokedAt=receipt.timestamp,
        )
    ]
    account = registry.account(exporter.address)
    assert (account.revokedFrom, account.revokedAt) == (lost_at, receipt.timestamp)


def test_a_revocation_may_begin_now(chain, registry, origin_governor, exporter):
    now = chain.blocks.head.timestamp + 100
    chain.pending_timestamp = now
    registry.revoke(exporter.address, now, sender=origin_governor.account)
    account = registry.account(exporter.address)
    assert (account.revokedFrom, account.revokedAt) == (now, now)


def test_a_revocation_never_begins_later(chain, registry, origin_governor, exporter):
    now = chain.blocks.head.timestamp + 100
    chain.pending_timestamp = now
    with ape.reverts(registry.RegistryRevocationAhead, revokedFrom=now + 1, time=now):
        registry.revoke(exporter.address, now + 1, sender=origin_governor.account)


def test_a_revocation_is_moved_earlier_and_keeps_when_it_was_made(chain, registry, origin_governor, exporter):
    lost_at = chain.blocks.head.timestamp - 3600
    made_at = registry.revoke(exporter.address, lost_at, sender=origin_governor.account).timestamp
    past(chain, 500)
    registry.revoke(exporter.address, lost_at - 1, sender=origin_governor.account)
    account = registry.account(exporter.address)
    assert (account.revokedFrom, account.revokedAt) == (lost_at - 1, made_at)


def test_a_revocation_is_not_moved_later_nor_made_twice(chain, registry, origin_governor, exporter):
    lost_at = chain.blocks.head.timestamp - 3600
    registry.revoke(exporter.address, lost_at, sender=origin_governor.account)
    for offered in (lost_at, lost_at + 1):
        with ape.reverts(registry.RegistryRevocationNotEarlier, revokedFrom=lost_at, offered=offered):
            registry.revoke(exporter.address, offered, sender=origin_governor.account)


def test_an_account_past_its_validity_is_revoked_too(chain, registry, origin_governor, exporter):
    until = registry.account(exporter.address).validUntil
    chain.pending_timestamp = until + DAY
    registry.revoke(exporter.address, until - DAY, sender=origin_governor.account)
    assert registry.account(exporter.address).revokedFrom == until - DAY


def test_the_governor_of_a_suspended_administration_revokes(
    registry, suspend, destination_governor, importer
):
    suspend(destination_governor)
    registry.revoke(importer.address, 0, sender=destination_governor.account)
    assert registry.account(importer.address).revokedAt != 0


def test_an_account_is_revoked_by_its_own_governor(registry, transit_governor, exporter, stranger):
    for sender in (transit_governor, stranger):
        with ape.reverts(registry.RegistryNotItsGovernor, sender=sender.address, administration=code("SG")):
            registry.revoke(exporter.address, 0, sender=sender.account)


def test_a_stranger_is_not_revoked(registry, origin_governor, stranger):
    with ape.reverts(registry.RegistryAccountNotEnrolled, account=stranger.address):
        registry.revoke(stranger.address, 0, sender=origin_governor.account)


# ---------------------------------------------------------------------------------------------------------- views


def test_what_nobody_enrolled_or_admitted_is_all_zero(registry, stranger):
    account = registry.account(stranger.address)
    assert (account.party, account.roles, account.validUntil) == (bytes(16), 0, 0)
    administration = registry.administration(code("KE"))
    assert (administration.governor, administration.state) == (ZERO, 0)
    assert registry.governor(code("KE")) == ZERO
    assert registry.seatOf(stranger.address) == bytes(8)
    assert not registry.isActive(code("KE"))
    assert registry.proposal(b"\7" * 32).kind == 0


def test_enrolment_gas(network, origin_governor, new_actor, gas_snapshot):
    receipt = network.enrol(origin_governor, new_actor("SG:NEWCO"), Role.TRADER)
    gas_snapshot.compare("AdministrationRegistry.enrol", receipt.gas_used)
