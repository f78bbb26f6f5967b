// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @title What was lodged, when, and whether it still stands
/// @notice Each administration keeps an append-only log of signed manifest records. Here stand its tree heads, so that
/// nobody can shorten or rewrite a log unseen, and the closures of manifests that were amended or withdrawn. On chain
/// stand roots, sizes, digests, codes, account addresses and times, never what a manifest says.
///
/// A log is an RFC 9162 SHA-256 tree for each administration and epoch. Times are Unix seconds. Manifest id =
/// SHA-256(0x03 ‖ party ‖ consignment ‖ manifest root).
interface IManifestLog {
    // ------------------------------------------------------------------------------------------------------ structs

    /// @notice A signed statement about a manifest, EIP-712.
    struct ManifestRecord {
        /// The party that states it, 16 bytes: administration ‖ organisation.
        bytes16 party;
        /// 1 LODGE, 2 AMEND, 3 WITHDRAW.
        uint8 kind;
        /// 0 none, 1 correction, 2 quantity changed, 3 lodged in error, 4 fraud, 5 order of an authority.
        uint8 reason;
        /// Consignment id, 32 bytes.
        bytes32 consignment;
        /// Root of the manifest document; zero in a WITHDRAW.
        bytes32 manifestRoot;
        /// Id of the manifest that it amends or withdraws; zero in a LODGE.
        bytes32 supersedes;
        /// When the signer says it was signed; a claim.
        uint64 issuedAt;
    }

    /// @notice The tree head of an administration's current epoch.
    struct Head {
        /// The epoch, from 1; one more after each restart.
        uint32 epoch;
        /// Leaves that the head covers; 0 if none is anchored in this epoch.
        uint64 size;
        /// Block time at which it was anchored; 0 if none is.
        uint64 anchoredAt;
        /// Root of the tree, 32 bytes; zero if none is anchored.
        bytes32 root;
    }

    // ------------------------------------------------------------------------------------------------------- errors

    /// @notice The sender is no SEQUENCER of the administration whose log it is.
    /// @param sender The sender.
    /// @param administration The administration.
    error LogNotItsSequencer(address sender, bytes8 administration);
    /// @notice The sender does not hold the administration's governor's seat.
    /// @param sender The sender.
    /// @param administration The administration.
    error LogNotItsGovernor(address sender, bytes8 administration);
    /// @notice The administration is suspended or unknown; its accounts write nothing.
    /// @param administration The administration.
    error LogAdministrationNotActive(bytes8 administration);
    /// @notice The account is revoked.
    /// @param account The sender or signer.
    /// @param revokedAt When it was.
    error LogAccountRevoked(address account, uint40 revokedAt);
    /// @notice The account is past its validity.
    /// @param account The sender or signer.
    /// @param validUntil When that ended.
    error LogAccountExpired(address account, uint40 validUntil);
    /// @notice The head is for another epoch than the current one: it was in flight when the log restarted, perhaps.
    /// @param currentEpoch The epoch that is open.
    /// @param offeredEpoch The epoch of the head.
    error LogNotTheEpoch(uint32 currentEpoch, uint32 offeredEpoch);
    /// @notice The head covers no more leaves than the last one.
    /// @param anchoredSize Leaves that the last head covers.
    /// @param offeredSize Leaves that this one covers.
    error LogHeadNotGrowing(uint64 anchoredSize, uint64 offeredSize);
    /// @notice The proof does not show that the head extends the last one; a first head takes no proof.
    /// @param anchoredSize Leaves that the last head covers.
    /// @param anchoredRoot Its root.
    /// @param offeredSize Leaves that this one covers.
    /// @param offeredRoot Its root.
    error LogHeadNotConsistent(uint64 anchoredSize, bytes32 anchoredRoot, uint64 offeredSize, bytes32 offeredRoot);
    /// @notice The reason is none of those known for what was asked.
    /// @param reason The code.
    error LogReasonUnknown(uint8 reason);
    /// @notice The record closes nothing: it is no AMEND and no WITHDRAW.
    /// @param kind Its kind.
    error LogNotAClosure(uint8 kind);
    /// @notice An AMEND has a manifest root, a WITHDRAW has none.
    /// @param kind The record's kind.
    /// @param manifestRoot Its root.
    error LogRootNotFitting(uint8 kind, bytes32 manifestRoot);
    /// @notice Former party and root do not give the manifest id that the record supersedes.
    /// @param supersedes The id in the record.
    /// @param former The id that former party, consignment and root give.
    error LogNotTheFormer(bytes32 supersedes, bytes32 former);
    /// @notice The record's party may not close the former manifest: it is neither the one that issued it nor the
    /// customs (organisation zero) of the same administration.
    /// @param party The record's party.
    /// @param formerParty The party of the former manifest.
    error LogPartyMayNotClose(bytes16 party, bytes16 formerParty);
    /// @notice The record was issued 30 days ago or longer.
    /// @param issuedAt When it says it was.
    /// @param time Block time.
    error LogRecordTooOld(uint64 issuedAt, uint256 time);
    /// @notice The record is dated more than 300 seconds ahead of the block.
    /// @param issuedAt When it says it was issued.
    /// @param time Block time.
    error LogRecordAhead(uint64 issuedAt, uint256 time);
    /// @notice The signature is none: not 65 bytes, a high s, v neither 27 nor 28, or no point on the curve.
    /// @param record EIP-712 digest of the record.
    error LogRecordNotSigned(bytes32 record);
    /// @notice The signature is not by an enrolled account of the record's party.
    /// @param signer The address it recovers to.
    /// @param party The record's party.
    error LogSignerNotOfParty(address signer, bytes16 party);
    /// @notice The signer is neither TRADER nor OFFICER.
    /// @param signer The address.
    /// @param roles Its roles.
    error LogSignerWithoutRole(address signer, uint8 roles);
    /// @notice The manifest is closed already; the first closure stands.
    /// @param manifestId Its id.
    /// @param closure The closure that stands, see `closure`.
    error LogManifestAlreadyClosed(bytes32 manifestId, bytes32 closure);
    /// @notice A manifest can't succeed itself.
    /// @param manifestId Its id.
    error LogSuccessorIsFormer(bytes32 manifestId);
    /// @notice A closed manifest can't succeed another.
    /// @param manifestId Id of the successor.
    /// @param closure Its closure, see `closure`.
    error LogSuccessorClosed(bytes32 manifestId, bytes32 closure);

    // ------------------------------------------------------------------------------------------------------- events

    /// @notice A tree head is anchored.
    /// @param sequence Number of the event, from 1 without a gap over all events of this contract.
    /// @param administration Whose log it is.
    /// @param epoch Its epoch.
    /// @param size Leaves that the head covers.
    /// @param root Root of the tree.
    /// @param anchoredAt Block time.
    event HeadAnchored(
        uint64 sequence,
        bytes8 indexed administration,
        uint32 indexed epoch,
        uint64 size,
        bytes32 root,
        uint64 anchoredAt
    );
    /// @notice A log is frozen as it stands, and the next epoch is open at size 0.
    /// @param sequence Number of the event.
    /// @param administration Whose log it is.
    /// @param epoch The epoch that is open now.
    /// @param frozenSize Leaves that the last head of the epoch before covers.
    /// @param reason See `restart`.
    /// @param restartedAt Block time.
    event LogRestarted(
        uint64 sequence,
        bytes8 indexed administration,
        uint32 indexed epoch,
        uint64 frozenSize,
        uint8 reason,
        uint64 restartedAt
    );
    /// @notice A manifest is amended or withdrawn.
    /// @param sequence Number of the event.
    /// @param former Id of the manifest that is closed.
    /// @param successor Id of the manifest that takes its place; zero if it is withdrawn.
    /// @param signer Who signed the record.
    /// @param digest EIP-712 digest of the record.
    /// @param closedAt Block time.
    /// @param record The record.
    /// @param signature Its signature, 65 bytes.
    event ManifestClosed(
        uint64 sequence,
        bytes32 indexed former,
        bytes32 indexed successor,
        address indexed signer,
        bytes32 digest,
        uint64 closedAt,
        ManifestRecord record,
        bytes signature
    );

    // ---------------------------------------------------------------------------------------------------- functions

    /// @notice Anchor a tree head that extends the last one.
    /// @dev By a SEQUENCER of the administration. The first head of an epoch takes an empty proof, and nothing shows
    /// what its root stands for. Errors: LogNotItsSequencer, LogAccountRevoked, LogAccountExpired,
    /// LogAdministrationNotActive, LogNotTheEpoch, LogHeadNotGrowing, LogHeadNotConsistent.
    /// @param administration Whose log it is, 8 bytes.
    /// @param epoch The epoch the head belongs to; the current one.
    /// @param size Leaves that the head covers; more than the last one does.
    /// @param root Root of the tree, 32 bytes.
    /// @param consistencyProof RFC 9162 consistency path from the last head to this one.
    function anchor(
        bytes8 administration,
        uint32 epoch,
        uint64 size,
        bytes32 root,
        bytes32[] calldata consistencyProof
    ) external;

    /// @notice Freeze the log as it stands and open the next epoch, empty.
    /// @dev By the administration's governor, the administration active. Every head stays. Errors: LogNotItsGovernor,
    /// LogAdministrationNotActive, LogReasonUnknown.
    /// @param administration Whose log it is, 8 bytes.
    /// @param reason 0 none, 1 a sequencer's key was stolen or misused, 2 the store was lost or restored from an old
    /// backup, 3 a fault in the service.
    function restart(bytes8 administration, uint8 reason) external;

    /// @notice Close a manifest: it is amended, or withdrawn.
    /// @dev By anyone: the signature counts, so that no sequencer can suppress it. The record is signed by a TRADER or
    /// OFFICER of the former manifest's party, or by an OFFICER of the customs of the same administration; the signer's
    /// party is the record's. That either manifest was ever lodged is not checked. Errors: LogNotAClosure,
    /// LogReasonUnknown, LogRootNotFitting, LogNotTheFormer, LogPartyMayNotClose, LogRecordTooOld, LogRecordAhead,
    /// LogRecordNotSigned, LogSignerNotOfParty, LogSignerWithoutRole, LogAccountRevoked, LogAccountExpired,
    /// LogAdministrationNotActive, LogManifestAlreadyClosed, LogSuccessorIsFormer, LogSuccessorClosed.
    /// @param record The AMEND or WITHDRAW; `supersedes` is the id of the former manifest.
    /// @param signature Over `manifestRecordDigest`, 65 bytes.
    /// @param formerParty Party that issued the former manifest.
    /// @param formerRoot Root of the former manifest.
    function closeManifest(
        ManifestRecord calldata record,
        bytes calldata signature,
        bytes16 formerParty,
        bytes32 formerRoot
    ) external;

    // -------------------------------------------------------------------------------------------------------- views

    /// @notice The commitment to a head: keccak256(root ‖ uint64 anchoredAt), zero if none of this size was anchored.
    /// @param administration Whose log it is.
    /// @param epoch Its epoch, from 1.
    /// @param size Leaves that the head covers.
    function headCommitment(bytes8 administration, uint32 epoch, uint64 size) external view returns (bytes32);

    /// @notice The last head of the current epoch.
    /// @param administration Whose log it is; of an unknown one the epoch is 1 and the log empty.
    function head(bytes8 administration) external view returns (Head memory);

    /// @notice The closure of a manifest: keccak256(kind ‖ reason ‖ uint64 time ‖ signer ‖ successor), 62 bytes; zero if
    /// the manifest stands, or never was.
    /// @param manifestId Its id.
    function closure(bytes32 manifestId) external view returns (bytes32);

    /// @notice The EIP-712 digest that is signed, in this contract's domain.
    /// @dev `ManifestRecord(bytes16 party,uint8 kind,uint8 reason,bytes32 consignment,bytes32 manifestRoot,bytes32
    /// supersedes,uint64 issuedAt)`.
    /// @param record The record.
    function manifestRecordDigest(ManifestRecord calldata record) external view returns (bytes32);

    /// @notice How many events this contract has emitted: the `sequence` of the last one.
    function sequence() external view returns (uint64);

    /// @notice The separator of this contract's EIP-712 domain on this chain.
    function domainSeparator() external view returns (bytes32);

    /// @notice Hash of the network's genesis block: a pinned code hash so binds this contract to one network.
    function genesisHash() external view returns (bytes32);

    /// @notice The AdministrationRegistry of the same deployment.
    function registry() external view returns (address);

    /// @notice The ConsignmentLedger of the same deployment.
    function consignmentLedger() external view returns (address);
}
