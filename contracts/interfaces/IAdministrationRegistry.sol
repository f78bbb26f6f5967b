// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title Who may write: administrations, their governors, the accounts they enrol
/// @notice Customs administrations share the network and none stands above another: admitting, suspending,
/// reinstating one and replacing its lost governor are decided by most of the others. Each governor enrols and revokes
/// the accounts of its own administration. On chain stand codes, account addresses, roles and times, never names.
///
/// Times are Unix seconds. A party is 16 bytes, administration ‖ organisation (see the library `Parties`). Roles are
/// bits: TRADER 1, OFFICER 2, AUDITOR 4, SEQUENCER 8 (see the library `Roles`).
interface IAdministrationRegistry {
    // ------------------------------------------------------------------------------------------------------ structs

    /// @notice Where an administration stands. Suspended, nobody of it writes anything but revocations.
    enum AdministrationState {
        UNKNOWN,
        ACTIVE,
        SUSPENDED
    }

    /// @notice What administrations decide on together.
    enum MotionKind {
        NONE,
        ADMISSION,
        SUSPENSION,
        REINSTATEMENT,
        REPLACEMENT
    }

    /// @notice An administration that founds the network.
    struct Founder {
        /// Its code: two to eight of `[A-Z0-9]`, zero padded.
        bytes8 administration;
        /// The account in its governor's seat.
        address governor;
    }

    /// @notice An administration as it stands.
    struct Administration {
        /// The account in the governor's seat; zero if the administration is unknown.
        address governor;
        AdministrationState state;
        /// Its place in the order of admission, from 0 to 255; its bit in `Proposal.approvals`.
        uint8 index;
        /// The account the governor has offered the seat to, zero if none.
        address offeredTo;
    }

    /// @notice An enrolled account. In storage it fills one slot, from the low bits up in this order.
    struct Account {
        /// The party it acts for, for ever; zero if the account is unknown.
        bytes16 party;
        /// Its roles, for ever.
        uint8 roles;
        /// The first second at which it no longer writes.
        uint40 validUntil;
        /// From this second on its acts are disputed; of meaning only if `revokedAt` is not zero.
        uint40 revokedFrom;
        /// Block time of the first revocation, zero if there was none. Once set, the account never writes again.
        uint40 revokedAt;
    }

    /// @notice A proposal, open, carried or ended.
    struct Proposal {
        MotionKind kind;
        /// The administration concerned.
        bytes8 administration;
        /// The new governor, in an admission or a replacement; else zero.
        address governor;
        /// Block time at which it was made; it can be approved while it is not 30 days old.
        uint40 proposedAt;
        /// How many motions had carried when it was made; it is open only while that is still so.
        uint64 round;
        /// One bit an administration that approved, by `Administration.index`.
        uint256 approvals;
    }

    // ------------------------------------------------------------------------------------------------------- errors

    /// @notice Too few administrations found the network.
    /// @param founders How many the deployment names.
    /// @param required How many there must be: 3, or 1 on a development chain (chain id 31337).
    error RegistryTooFewFounders(uint256 founders, uint256 required);
    /// @notice The network holds as many administrations as it can number.
    /// @param administrations How many there are, 256.
    error RegistryFull(uint256 administrations);
    /// @notice The bytes are no administration's code: two to eight of `[A-Z0-9]`, zero padded.
    /// @param administration The eight bytes.
    error RegistryNotACode(bytes8 administration);
    /// @notice The administration is a member already.
    /// @param administration Its code.
    error RegistryAdministrationKnown(bytes8 administration);
    /// @notice The administration is not active: unknown or suspended.
    /// @param administration Its code.
    error RegistryAdministrationNotActive(bytes8 administration);
    /// @notice The administration is not suspended, so it cannot be reinstated.
    /// @param administration Its code.
    error RegistryAdministrationNotSuspended(bytes8 administration);
    /// @notice There is no such administration.
    /// @param administration Its code.
    error RegistryAdministrationUnknown(bytes8 administration);
    /// @notice The last active administration can't be suspended: nobody could reinstate it.
    /// @param administration Its code.
    error RegistryLastActive(bytes8 administration);
    /// @notice The governor's seat cannot go to the zero address.
    /// @param administration Whose seat it is.
    error RegistryNoGovernor(bytes8 administration);
    /// @notice The address has a seat already; one address holds one seat.
    /// @param governor The address.
    /// @param administration The administration whose seat it holds.
    error RegistrySeatTaken(address governor, bytes8 administration);
    /// @notice The sender holds no governor's seat.
    /// @param sender The sender.
    error RegistryNotAGovernor(address sender);
    /// @notice The sender holds another administration's seat, or none.
    /// @param sender The sender.
    /// @param administration The administration whose governor is needed.
    error RegistryNotItsGovernor(address sender, bytes8 administration);
    /// @notice The seat was not offered to the sender.
    /// @param sender The sender.
    /// @param administration The administration whose seat it asked for.
    error RegistrySeatNotOffered(address sender, bytes8 administration);
    /// @notice The same motion is open already: approve it instead.
    /// @param proposal Its id.
    error RegistryProposalOpen(bytes32 proposal);
    /// @notice There is no such proposal.
    /// @param proposal The id.
    error RegistryProposalUnknown(bytes32 proposal);
    /// @notice A motion carried since the proposal was made, this one or another, and ended it.
    /// @param proposal Its id.
    /// @param round How many motions had carried when it was made.
    /// @param currentRound How many have carried now.
    error RegistryProposalEnded(bytes32 proposal, uint64 round, uint64 currentRound);
    /// @notice The proposal is 30 days old.
    /// @param proposal Its id.
    /// @param diedAt The first second at which it could no longer be approved.
    error RegistryProposalDead(bytes32 proposal, uint256 diedAt);
    /// @notice The administration approved this proposal before.
    /// @param proposal Its id.
    /// @param administration The administration that approves.
    error RegistryAlreadyApproved(bytes32 proposal, bytes8 administration);
    /// @notice The last eight bytes of the party are no organisation's code: none to eight of `[A-Z0-9]`, zero padded.
    /// @param party The party.
    error RegistryNotAParty(bytes16 party);
    /// @notice The party may not have an account with these roles.
    /// @param party The party.
    /// @param roles The bits offered.
    error RegistryRolesNotAllowed(bytes16 party, uint8 roles);
    /// @notice The account's validity would end now or in the past.
    /// @param validUntil The time offered.
    /// @param time Block time.
    error RegistryValidityPast(uint40 validUntil, uint256 time);
    /// @notice The address is or was an account; each is enrolled once ever.
    /// @param account The address.
    error RegistryAccountEnrolled(address account);
    /// @notice The address was never enrolled.
    /// @param account The address.
    error RegistryAccountNotEnrolled(address account);
    /// @notice The signature over the enrolment is not the account's own.
    /// @param account The account that should have signed.
    /// @param signer The address the signature recovers to, zero if it is no signature.
    error RegistryEnrolmentNotSigned(address account, address signer);
    /// @notice The account is past its validity, which can't be raised any more: enrol another.
    /// @param account The address.
    /// @param validUntil When it ended.
    error RegistryAccountExpired(address account, uint40 validUntil);
    /// @notice The account is revoked, so its validity can't be raised any more: enrol another.
    /// @param account The address.
    /// @param revokedAt When it was first revoked.
    error RegistryAccountRevoked(address account, uint40 revokedAt);
    /// @notice Validity can only be raised.
    /// @param validUntil Where it stands.
    /// @param offered The time offered.
    error RegistryValidityNotRaised(uint40 validUntil, uint40 offered);
    /// @notice A revocation reaches back, never forward.
    /// @param revokedFrom The time offered.
    /// @param time Block time.
    error RegistryRevocationAhead(uint40 revokedFrom, uint256 time);
    /// @notice A revocation can only be moved to an earlier time.
    /// @param revokedFrom Where it stands.
    /// @param offered The time offered.
    error RegistryRevocationNotEarlier(uint40 revokedFrom, uint40 offered);

    // ------------------------------------------------------------------------------------------------------- events

    /// @notice An administration is a member: as a founder, or by a motion.
    /// @param sequence Number of the event, from 1 without a gap over all events of this contract.
    /// @param administration Its code.
    /// @param governor The account in its governor's seat.
    event AdministrationAdmitted(uint64 sequence, bytes8 indexed administration, address governor);
    /// @notice An administration is suspended.
    /// @param sequence Number of the event.
    /// @param administration Its code.
    event AdministrationSuspended(uint64 sequence, bytes8 indexed administration);
    /// @notice A suspended administration is active again.
    /// @param sequence Number of the event.
    /// @param administration Its code.
    event AdministrationReinstated(uint64 sequence, bytes8 indexed administration);
    /// @notice A governor was replaced by motion of the others; an offer of the seat ends.
    /// @param sequence Number of the event.
    /// @param administration Its code.
    /// @param former The account that held the seat.
    /// @param governor The account that holds it now.
    event GovernorReplaced(uint64 sequence, bytes8 indexed administration, address former, address governor);
    /// @notice A governor offered its seat; zero takes an offer back.
    /// @param sequence Number of the event.
    /// @param administration Its code.
    /// @param governor The account that holds the seat.
    /// @param offeredTo The account that may take it, or zero.
    event GovernorSeatOffered(uint64 sequence, bytes8 indexed administration, address governor, address offeredTo);
    /// @notice The account that was offered a seat took it.
    /// @param sequence Number of the event.
    /// @param administration Its code.
    /// @param former The account that held the seat.
    /// @param governor The account that holds it now.
    event GovernorSeatAccepted(uint64 sequence, bytes8 indexed administration, address former, address governor);
    /// @notice A motion was proposed. The proposer's approval follows as an event of its own.
    /// @param sequence Number of the event.
    /// @param proposal Its id, see `proposalId`.
    /// @param kind What is proposed.
    /// @param administration The administration concerned.
    /// @param governor The new governor, in an admission or a replacement; else zero.
    /// @param proposer The administration that proposes.
    event MotionProposed(
        uint64 sequence,
        bytes32 indexed proposal,
        MotionKind kind,
        bytes8 indexed administration,
        address governor,
        bytes8 proposer
    );
    /// @notice An administration approved a motion.
    /// @param sequence Number of the event.
    /// @param proposal Its id.
    /// @param administration The administration that approves.
    event MotionApproved(uint64 sequence, bytes32 indexed proposal, bytes8 indexed administration);
    /// @notice A motion carried and every other open proposal ended. What it did follows as an event of its own.
    /// @param sequence Number of the event.
    /// @param proposal Its id.
    /// @param round How many motions have carried now.
    event MotionCarried(uint64 sequence, bytes32 indexed proposal, uint64 round);
    /// @notice An account is enrolled.
    /// @param sequence Number of the event.
    /// @param account The address.
    /// @param party The party it acts for.
    /// @param roles Its roles.
    /// @param validUntil The first second at which it no longer writes.
    event AccountEnrolled(
        uint64 sequence, address indexed account, bytes16 indexed party, uint8 roles, uint40 validUntil
    );
    /// @notice An account is valid for longer.
    /// @param sequence Number of the event.
    /// @param account The address.
    /// @param validUntil The first second at which it no longer writes.
    event AccountValidityRaised(uint64 sequence, address indexed account, uint40 validUntil);
    /// @notice An account is revoked, or its revocation reaches further back.
    /// @param sequence Number of the event.
    /// @param account The address.
    /// @param revokedFrom From this second on its acts are disputed.
    /// @param revokedAt Block time of the first revocation.
    event AccountRevoked(uint64 sequence, address indexed account, uint40 revokedFrom, uint40 revokedAt);

    // -------------------------------------------------------------------------------------------------- motions

    /// @notice Propose that an administration joins, and approve it.
    /// @dev By the governor of an active administration, as all four. Errors: RegistryNotAGovernor,
    /// RegistryAdministrationNotActive (the proposer's own), RegistryNotACode, RegistryAdministrationKnown,
    /// RegistryFull, RegistryNoGovernor, RegistrySeatTaken, RegistryProposalOpen. A proposal that makes the quorum by
    /// itself carries at once.
    /// @param administration The code it shall have.
    /// @param governor The account that shall hold its governor's seat.
    /// @return proposal The id to approve.
    function proposeAdmission(bytes8 administration, address governor) external returns (bytes32 proposal);

    /// @notice Propose that an administration is suspended, and approve it.
    /// @dev Errors as for an admission, with RegistryAdministrationNotActive, RegistryLastActive.
    /// @param administration The administration concerned.
    /// @return proposal The id to approve.
    function proposeSuspension(bytes8 administration) external returns (bytes32 proposal);

    /// @notice Propose that a suspended administration is active again, and approve it.
    /// @dev Errors as for an admission, with RegistryAdministrationNotSuspended.
    /// @param administration The administration concerned.
    /// @return proposal The id to approve.
    function proposeReinstatement(bytes8 administration) external returns (bytes32 proposal);

    /// @notice Propose that another account takes the seat of a governor who is lost, and approve it.
    /// @dev Errors as for an admission, with RegistryAdministrationUnknown.
    /// @param administration The administration concerned, active or suspended.
    /// @param governor The account that shall hold its governor's seat.
    /// @return proposal The id to approve.
    function proposeReplacement(bytes8 administration, address governor) external returns (bytes32 proposal);

    /// @notice Approve a proposal; the approval that makes the quorum carries it.
    /// @dev The quorum, counted over the administrations active now: ceil(2N/3) of the N other than the one
    /// concerned, and more than half of all, the one concerned included. A motion that carries ends every other open
    /// proposal. Errors: RegistryNotAGovernor, RegistryAdministrationNotActive, RegistryProposalUnknown,
    /// RegistryProposalEnded, RegistryProposalDead, RegistryAlreadyApproved; when it carries, those of its proposal
    /// that have come to apply since.
    /// @param proposal Its id.
    function approve(bytes32 proposal) external;

    /// @notice The id of a motion proposed in the current round.
    /// @dev keccak256 of the ABI encoding (kind, administration, governor, round): it says what is approved, so a
    /// chain that reorganises can't put another motion under the id that a governor has signed for.
    /// @param kind What is proposed.
    /// @param administration The administration concerned.
    /// @param governor The new governor, in an admission or a replacement; else zero.
    function proposalId(MotionKind kind, bytes8 administration, address governor) external view returns (bytes32);

    /// @notice A proposal as it stands; `kind` NONE if there is none.
    /// @param proposal Its id.
    function proposal(bytes32 proposal) external view returns (Proposal memory);

    /// @notice How many motions have carried. A proposal of an earlier round is ended.
    function round() external view returns (uint64);

    // -------------------------------------------------------------------------------------------------- seats

    /// @notice Offer one's own governor's seat to another account; zero takes the offer back.
    /// @dev Errors: RegistryNotAGovernor, RegistryAdministrationNotActive, RegistrySeatTaken.
    /// @param governor The account that may take it.
    function offerSeat(address governor) external;

    /// @notice Take a governor's seat that was offered to the sender.
    /// @dev Errors: RegistryAdministrationNotActive, RegistrySeatNotOffered, RegistrySeatTaken.
    /// @param administration The administration whose seat it is.
    function acceptSeat(bytes8 administration) external;

    // -------------------------------------------------------------------------------------------------- accounts

    /// @notice Enrol an account for a party of the sender's administration.
    /// @dev Errors: RegistryNotItsGovernor, RegistryAdministrationNotActive, RegistryNotAParty,
    /// RegistryRolesNotAllowed, RegistryValidityPast, RegistryEnrolmentNotSigned, RegistryAccountEnrolled.
    /// @param account The address; each is enrolled once ever.
    /// @param party The party it acts for, 16 bytes.
    /// @param roles Its roles, bits.
    /// @param validUntil The first second at which it no longer writes; after now.
    /// @param signature The account's own over `enrolmentDigest`, 65 bytes.
    function enrol(address account, bytes16 party, uint8 roles, uint40 validUntil, bytes calldata signature)
        external;

    /// @notice Make an account of the sender's administration valid for longer, while it is valid.
    /// @dev Errors: RegistryAccountNotEnrolled, RegistryNotItsGovernor, RegistryAdministrationNotActive,
    /// RegistryAccountRevoked, RegistryAccountExpired, RegistryValidityNotRaised.
    /// @param account The address.
    /// @param validUntil The first second at which it shall no longer write; after the one that stands.
    function raiseValidity(address account, uint40 validUntil) external;

    /// @notice Revoke an account of the sender's administration, or move its revocation to an earlier time.
    /// @dev Also by the governor of a suspended administration, and of an account past its validity. Acts before
    /// `revokedFrom` stand; from then to `revokedAt`, both included, they are disputed. Errors:
    /// RegistryAccountNotEnrolled, RegistryNotItsGovernor, RegistryRevocationAhead, RegistryRevocationNotEarlier.
    /// @param account The address.
    /// @param revokedFrom From when on its acts are disputed; at most now.
    function revoke(address account, uint40 revokedFrom) external;

    /// @notice The EIP-712 digest that an account signs to be enrolled.
    /// @dev `Enrolment(address account,bytes16 party,uint8 roles,uint40 validUntil)` in this contract's domain.
    /// @param account The address.
    /// @param party The party it acts for.
    /// @param roles Its roles.
    /// @param validUntil The first second at which it no longer writes.
    function enrolmentDigest(address account, bytes16 party, uint8 roles, uint40 validUntil)
        external
        view
        returns (bytes32);

    // -------------------------------------------------------------------------------------------------- views

    /// @notice An account as enrolled; an unknown one has party zero.
    /// @dev Whether it may write now is for the caller to judge: `revokedAt` zero, block time before `validUntil`, and
    /// `isActive` of its administration.
    /// @param account The address.
    function account(address account) external view returns (Account memory);

    /// @notice An administration as it stands; an unknown one has state UNKNOWN.
    /// @param administration Its code.
    function administration(bytes8 administration) external view returns (Administration memory);

    /// @notice Whether the administration is a member and not suspended.
    /// @param administration Its code.
    function isActive(bytes8 administration) external view returns (bool);

    /// @notice The account in an administration's governor's seat, zero if it is unknown.
    /// @param administration Its code.
    function governor(bytes8 administration) external view returns (address);

    /// @notice The administration whose governor's seat the address holds, zero if none.
    /// @param governor The address.
    function seatOf(address governor) external view returns (bytes8);

    /// @notice How many administrations are members, suspended ones included.
    function administrations() external view returns (uint256);

    /// @notice How many administrations are active.
    function activeAdministrations() external view returns (uint256);

    /// @notice How many events this contract has emitted: the `sequence` of the last one.
    function sequence() external view returns (uint64);

    /// @notice The separator of this contract's EIP-712 domain on this chain.
    function domainSeparator() external view returns (bytes32);

    /// @notice Hash of the network's genesis block: a pinned code hash so binds this contract to one network.
    function genesisHash() external view returns (bytes32);

    /// @notice The ManifestLog of the same deployment.
    function manifestLog() external view returns (address);

    /// @notice The ConsignmentLedger of the same deployment.
    function consignmentLedger() external view returns (address);
}
