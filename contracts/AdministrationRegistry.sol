// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAdministrationRegistry} from "./interfaces/IAdministrationRegistry.sol";
import {Parties} from "./libraries/Parties.sol";
import {Roles} from "./libraries/Roles.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {TypedData} from "./libraries/TypedData.sol";

/// @title Who may write: administrations, their governors, the accounts they enrol
/// @custom:authority Most of the active administrations together over members and lost governors' seats; each governor
/// over the accounts of its own administration; the deployer over nothing.
/// @custom:kill None. The contract can't be stopped, paused, upgraded or destroyed; a suspended administration can only
/// revoke, and a network in which no administration is left to approve stays as it is.
contract AdministrationRegistry is IAdministrationRegistry {
    using Parties for bytes8;
    using Parties for bytes16;

    uint256 private constant DEVELOPMENT_CHAIN_ID = 31337;
    uint256 private constant LEAST_FOUNDERS = 3;
    uint256 private constant MOST_ADMINISTRATIONS = 256; // one bit each in `_active` and `Proposal.approvals`
    uint256 private constant PROPOSAL_LIFE = 30 days;
    bytes32 private constant ENROLMENT_TYPEHASH =
        keccak256("Enrolment(address account,bytes16 party,uint8 roles,uint40 validUntil)");

    bytes32 private immutable _genesisHash;
    address private immutable _manifestLog;
    address private immutable _consignmentLedger;

    // Offline verifiers read `_accounts`: slot keccak256(account padded to 32 bytes ‖ 32 bytes of 0) holds, from the low
    // bits up, party (128), roles (8), validUntil (40), revokedFrom (40), revokedAt (40). All zero is an unknown account.
    mapping(address account => Account) private _accounts;
    // Two slots each: governor (160), state (8), index (8); offeredTo (160).
    mapping(bytes8 administration => Administration) private _administrations;
    mapping(address governor => bytes8 administration) private _seats;
    // Three slots each: kind (8), administration (64), governor (160); proposedAt (40), round (64); approvals (256).
    mapping(bytes32 proposal => Proposal) private _proposals;
    // One bit an active administration, by its index: who counts is one `and`, however many there are.
    uint256 private _active;
    // One slot: what nearly every act reads and writes together.
    uint64 private _sequence;
    uint64 private _round;
    uint16 private _administrationCount;

    /// @param genesisHash_ Hash of the network's genesis block. Not checked: the chain doesn't tell it to a contract.
    /// @param manifestLog_ Where the ManifestLog of this deployment is or will be.
    /// @param consignmentLedger_ Where the ConsignmentLedger of this deployment is or will be.
    /// @param founders The first members, at least three unless the chain is a development chain.
    constructor(bytes32 genesisHash_, address manifestLog_, address consignmentLedger_, Founder[] memory founders) {
        _genesisHash = genesisHash_;
        _manifestLog = manifestLog_;
        _consignmentLedger = consignmentLedger_;
        uint256 required = block.chainid == DEVELOPMENT_CHAIN_ID ? 1 : LEAST_FOUNDERS;
        if (founders.length < required) revert RegistryTooFewFounders(founders.length, required);
        for (uint256 i = 0; i < founders.length; ++i) {
            _requireCandidate(founders[i].administration);
            _requireFreeSeat(founders[i].administration, founders[i].governor);
            _admit(founders[i].administration, founders[i].governor);
        }
    }

    // ------------------------------------------------------------------------------------------------------ motions

    /// @inheritdoc IAdministrationRegistry
    function proposeAdmission(bytes8 candidate, address candidateGovernor) external returns (bytes32) {
        return _propose(MotionKind.ADMISSION, candidate, candidateGovernor);
    }

    /// @inheritdoc IAdministrationRegistry
    function proposeSuspension(bytes8 concerned) external returns (bytes32) {
        return _propose(MotionKind.SUSPENSION, concerned, address(0));
    }

    /// @inheritdoc IAdministrationRegistry
    function proposeReinstatement(bytes8 concerned) external returns (bytes32) {
        return _propose(MotionKind.REINSTATEMENT, concerned, address(0));
    }

    /// @inheritdoc IAdministrationRegistry
    function proposeReplacement(bytes8 concerned, address newGovernor) external returns (bytes32) {
        return _propose(MotionKind.REPLACEMENT, concerned, newGovernor);
    }

    /// @inheritdoc IAdministrationRegistry
    function approve(bytes32 id) external {
        bytes8 approver = _activeSeatOfSender();
        Proposal storage motion = _proposals[id];
        if (motion.kind == MotionKind.NONE) revert RegistryProposalUnknown(id);
        if (motion.round != _round) revert RegistryProposalEnded(id, motion.round, _round);
        if (_isDead(motion)) revert RegistryProposalDead(id, _diesAt(motion));
        _approve(id, motion, approver);
    }

    /// @inheritdoc IAdministrationRegistry
    function proposalId(MotionKind kind, bytes8 concerned, address newGovernor) public view returns (bytes32) {
        return keccak256(abi.encode(kind, concerned, newGovernor, _round));
    }

    /// @inheritdoc IAdministrationRegistry
    function proposal(bytes32 id) external view returns (Proposal memory) {
        return _proposals[id];
    }

    /// @inheritdoc IAdministrationRegistry
    function round() external view returns (uint64) {
        return _round;
    }

    function _propose(MotionKind kind, bytes8 concerned, address newGovernor) private returns (bytes32 id) {
        bytes8 proposer = _activeSeatOfSender();
        _requirePossible(kind, concerned, newGovernor);
        id = proposalId(kind, concerned, newGovernor);
        Proposal storage motion = _proposals[id];
        // A dead proposal of this round may be made anew: it starts without approvals.
        if (motion.kind != MotionKind.NONE && !_isDead(motion)) revert RegistryProposalOpen(id);
        _proposals[id] = Proposal({
            kind: kind,
            administration: concerned,
            governor: newGovernor,
            proposedAt: uint40(block.timestamp),
            round: _round,
            approvals: 0
        });
        emit MotionProposed(++_sequence, id, kind, concerned, newGovernor, proposer);
        _approve(id, motion, proposer);
    }

    function _approve(bytes32 id, Proposal storage motion, bytes8 approver) private {
        uint256 bit = 1 << _administrations[approver].index;
        if (motion.approvals & bit != 0) revert RegistryAlreadyApproved(id, approver);
        motion.approvals |= bit;
        emit MotionApproved(++_sequence, id, approver);
        if (_hasQuorum(motion)) _carry(id, motion);
    }

    /// @dev Counts anew, among the administrations active now: an approval counts while its administration is active.
    function _hasQuorum(Proposal storage motion) private view returns (bool) {
        Administration storage concerned = _administrations[motion.administration];
        // A candidate has no index yet, and must not be taken for the administration of index 0.
        uint256 others = concerned.state == AdministrationState.UNKNOWN ? _active : _active & ~(1 << concerned.index);
        uint256 approvals = motion.approvals & _active;
        return 3 * _count(approvals & others) >= 2 * _count(others) && 2 * _count(approvals) > _count(_active);
    }

    /// @dev What was possible when proposed may not be now (the seat was taken, say), so it is asked again.
    function _carry(bytes32 id, Proposal storage motion) private {
        (MotionKind kind, bytes8 concerned, address newGovernor) =
            (motion.kind, motion.administration, motion.governor);
        _requirePossible(kind, concerned, newGovernor);
        emit MotionCarried(++_sequence, id, ++_round);
        if (kind == MotionKind.ADMISSION) _admit(concerned, newGovernor);
        else if (kind == MotionKind.SUSPENSION) _suspend(concerned);
        else if (kind == MotionKind.REINSTATEMENT) _reinstate(concerned);
        else _replaceGovernor(concerned, newGovernor);
    }

    function _requirePossible(MotionKind kind, bytes8 concerned, address newGovernor) private view {
        AdministrationState state = _administrations[concerned].state;
        if (kind == MotionKind.ADMISSION) {
            _requireCandidate(concerned);
            _requireFreeSeat(concerned, newGovernor);
        } else if (kind == MotionKind.SUSPENSION) {
            if (state != AdministrationState.ACTIVE) revert RegistryAdministrationNotActive(concerned);
            if (_count(_active) == 1) revert RegistryLastActive(concerned);
        } else if (kind == MotionKind.REINSTATEMENT) {
            if (state != AdministrationState.SUSPENDED) revert RegistryAdministrationNotSuspended(concerned);
        } else {
            if (state == AdministrationState.UNKNOWN) revert RegistryAdministrationUnknown(concerned);
            _requireFreeSeat(concerned, newGovernor);
        }
    }

    function _requireCandidate(bytes8 candidate) private view {
        if (!candidate.isAdministration()) revert RegistryNotACode(candidate);
        if (_administrations[candidate].state != AdministrationState.UNKNOWN) {
            revert RegistryAdministrationKnown(candidate);
        }
        if (_administrationCount == MOST_ADMINISTRATIONS) revert RegistryFull(_administrationCount);
    }

    function _admit(bytes8 candidate, address candidateGovernor) private {
        uint8 index = uint8(_administrationCount++);
        _administrations[candidate] = Administration({
            governor: candidateGovernor,
            state: AdministrationState.ACTIVE,
            index: index,
            offeredTo: address(0)
        });
        _seats[candidateGovernor] = candidate;
        _active |= 1 << index;
        emit AdministrationAdmitted(++_sequence, candidate, candidateGovernor);
    }

    function _suspend(bytes8 concerned) private {
        Administration storage it = _administrations[concerned];
        it.state = AdministrationState.SUSPENDED;
        _active &= ~(1 << it.index);
        emit AdministrationSuspended(++_sequence, concerned);
    }

    function _reinstate(bytes8 concerned) private {
        Administration storage it = _administrations[concerned];
        it.state = AdministrationState.ACTIVE;
        _active |= 1 << it.index;
        emit AdministrationReinstated(++_sequence, concerned);
    }

    function _replaceGovernor(bytes8 concerned, address newGovernor) private {
        address former = _seat(concerned, newGovernor);
        emit GovernorReplaced(++_sequence, concerned, former, newGovernor);
    }

    function _diesAt(Proposal storage motion) private view returns (uint256) {
        return motion.proposedAt + PROPOSAL_LIFE;
    }

    function _isDead(Proposal storage motion) private view returns (bool) {
        return block.timestamp >= _diesAt(motion);
    }

    /// @dev How many bits are set; each round of the loop clears the lowest.
    function _count(uint256 bits) private pure returns (uint256 count) {
        for (; bits != 0; ++count) {
            bits &= bits - 1;
        }
    }

    // -------------------------------------------------------------------------------------------------------- seats

    /// @inheritdoc IAdministrationRegistry
    function offerSeat(address offeredTo) external {
        bytes8 own = _activeSeatOfSender();
        if (offeredTo != address(0)) _requireFreeSeat(own, offeredTo);
        _administrations[own].offeredTo = offeredTo;
        emit GovernorSeatOffered(++_sequence, own, msg.sender, offeredTo);
    }

    /// @inheritdoc IAdministrationRegistry
    function acceptSeat(bytes8 offered) external {
        _requireActive(offered);
        if (_administrations[offered].offeredTo != msg.sender) revert RegistrySeatNotOffered(msg.sender, offered);
        _requireFreeSeat(offered, msg.sender);
        address former = _seat(offered, msg.sender);
        emit GovernorSeatAccepted(++_sequence, offered, former, msg.sender);
    }

    function _seat(bytes8 concerned, address newGovernor) private returns (address former) {
        Administration storage it = _administrations[concerned];
        former = it.governor;
        delete _seats[former];
        _seats[newGovernor] = concerned;
        it.governor = newGovernor;
        it.offeredTo = address(0);
    }

    function _requireFreeSeat(bytes8 concerned, address candidate) private view {
        if (candidate == address(0)) revert RegistryNoGovernor(concerned);
        if (_seats[candidate] != 0) revert RegistrySeatTaken(candidate, _seats[candidate]);
    }

    function _activeSeatOfSender() private view returns (bytes8 own) {
        own = _seats[msg.sender];
        if (own == 0) revert RegistryNotAGovernor(msg.sender);
        _requireActive(own);
    }

    function _requireActive(bytes8 code) private view {
        if (!isActive(code)) revert RegistryAdministrationNotActive(code);
    }

    function _requireGovernorOf(bytes8 code) private view {
        if (code == 0 || _seats[msg.sender] != code) revert RegistryNotItsGovernor(msg.sender, code);
    }

    // ----------------------------------------------------------------------------------------------------- accounts

    /// @inheritdoc IAdministrationRegistry
    function enrol(address newAccount, bytes16 party, uint8 roles, uint40 validUntil, bytes calldata signature)
        external
    {
        bytes8 own = party.administrationOf();
        _requireGovernorOf(own);
        _requireActive(own);
        if (!party.organisationOf().isCode()) revert RegistryNotAParty(party);
        if (!Roles.areAllowed(roles, party.isCustoms())) revert RegistryRolesNotAllowed(party, roles);
        if (validUntil <= block.timestamp) revert RegistryValidityPast(validUntil, block.timestamp);
        address signer = Signatures.recover(enrolmentDigest(newAccount, party, roles, validUntil), signature);
        // The zero address can sign nothing, and is what a bad signature recovers to.
        if (signer == address(0) || signer != newAccount) revert RegistryEnrolmentNotSigned(newAccount, signer);
        if (_accounts[newAccount].party != 0) revert RegistryAccountEnrolled(newAccount);
        _accounts[newAccount] =
            Account({party: party, roles: roles, validUntil: validUntil, revokedFrom: 0, revokedAt: 0});
        emit AccountEnrolled(++_sequence, newAccount, party, roles, validUntil);
    }

    /// @inheritdoc IAdministrationRegistry
    function raiseValidity(address enrolled, uint40 validUntil) external {
        Account storage it = _enrolled(enrolled);
        _requireActive(it.party.administrationOf());
        if (it.revokedAt != 0) revert RegistryAccountRevoked(enrolled, it.revokedAt);
        if (block.timestamp >= it.validUntil) revert RegistryAccountExpired(enrolled, it.validUntil);
        if (validUntil <= it.validUntil) revert RegistryValidityNotRaised(it.validUntil, validUntil);
        it.validUntil = validUntil;
        emit AccountValidityRaised(++_sequence, enrolled, validUntil);
    }

    /// @inheritdoc IAdministrationRegistry
    function revoke(address enrolled, uint40 revokedFrom) external {
        Account storage it = _enrolled(enrolled);
        if (revokedFrom > block.timestamp) revert RegistryRevocationAhead(revokedFrom, block.timestamp);
        if (it.revokedAt == 0) {
            it.revokedAt = uint40(block.timestamp);
        } else if (revokedFrom >= it.revokedFrom) {
            revert RegistryRevocationNotEarlier(it.revokedFrom, revokedFrom);
        }
        it.revokedFrom = revokedFrom;
        emit AccountRevoked(++_sequence, enrolled, revokedFrom, it.revokedAt);
    }

    /// @inheritdoc IAdministrationRegistry
    function enrolmentDigest(address newAccount, bytes16 party, uint8 roles, uint40 validUntil)
        public
        view
        returns (bytes32)
    {
        return TypedData.digest(
            TypedData.domainSeparator(),
            keccak256(abi.encode(ENROLMENT_TYPEHASH, newAccount, party, roles, validUntil))
        );
    }

    /// @dev The account, if the sender is the governor of its administration.
    function _enrolled(address enrolled) private view returns (Account storage it) {
        it = _accounts[enrolled];
        if (it.party == 0) revert RegistryAccountNotEnrolled(enrolled);
        _requireGovernorOf(it.party.administrationOf());
    }

    // -------------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IAdministrationRegistry
    function account(address enrolled) external view returns (Account memory) {
        return _accounts[enrolled];
    }

    /// @inheritdoc IAdministrationRegistry
    function administration(bytes8 code) external view returns (Administration memory) {
        return _administrations[code];
    }

    /// @inheritdoc IAdministrationRegistry
    function isActive(bytes8 code) public view returns (bool) {
        return _administrations[code].state == AdministrationState.ACTIVE;
    }

    /// @inheritdoc IAdministrationRegistry
    function governor(bytes8 code) external view returns (address) {
        return _administrations[code].governor;
    }

    /// @inheritdoc IAdministrationRegistry
    function seatOf(address holder) external view returns (bytes8) {
        return _seats[holder];
    }

    /// @inheritdoc IAdministrationRegistry
    function administrations() external view returns (uint256) {
        return _administrationCount;
    }

    /// @inheritdoc IAdministrationRegistry
    function activeAdministrations() external view returns (uint256) {
        return _count(_active);
    }

    /// @inheritdoc IAdministrationRegistry
    function sequence() external view returns (uint64) {
        return _sequence;
    }

    /// @inheritdoc IAdministrationRegistry
    function domainSeparator() external view returns (bytes32) {
        return TypedData.domainSeparator();
    }

    /// @inheritdoc IAdministrationRegistry
    function genesisHash() external view returns (bytes32) {
        return _genesisHash;
    }

    /// @inheritdoc IAdministrationRegistry
    function manifestLog() external view returns (address) {
        return _manifestLog;
    }

    /// @inheritdoc IAdministrationRegistry
    function consignmentLedger() external view returns (address) {
        return _consignmentLedger;
    }
}
