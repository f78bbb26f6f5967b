// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAdministrationRegistry} from "./interfaces/IAdministrationRegistry.sol";
import {IManifestLog} from "./interfaces/IManifestLog.sol";
import {MerkleLog} from "./libraries/MerkleLog.sol";
import {Parties} from "./libraries/Parties.sol";
import {Roles} from "./libraries/Roles.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {TypedData} from "./libraries/TypedData.sol";

/// @title What was lodged, when, and whether it still stands
/// @custom:authority Each administration over its own log: its sequencers over the heads, its governor over a restart;
/// the signers of manifests over their closures; the deployer over nothing.
/// @custom:kill None. The contract can't be stopped, paused, upgraded or destroyed, and no head or closure can be taken
/// back; the log of a suspended administration stays as it is.
contract ManifestLog is IManifestLog {
    using Parties for bytes8;
    using Parties for bytes16;

    uint8 private constant AMEND = 2;
    uint8 private constant WITHDRAW = 3;
    uint8 private constant LAST_CLOSURE_REASON = 5;
    uint8 private constant LAST_RESTART_REASON = 3;
    uint256 private constant RECORD_LIFE = 30 days;
    uint256 private constant CLOCK_TOLERANCE = 300 seconds;
    bytes32 private constant RECORD_TYPEHASH = keccak256(
        "ManifestRecord(bytes16 party,uint8 kind,uint8 reason,bytes32 consignment,bytes32 manifestRoot,bytes32 supersedes,uint64 issuedAt)"
    );

    bytes32 private immutable _genesisHash;
    IAdministrationRegistry private immutable _registry;
    address private immutable _consignmentLedger;

    // Offline verifiers read the first two mappings. `_heads`: keccak256(root ‖ uint64 anchoredAt), at slot
    // keccak256(size ‖ keccak256(epoch ‖ keccak256(administration ‖ 0))), each key padded to 32 bytes, the numbers on the
    // left and the administration on the right. `_closures`: keccak256(kind ‖ reason ‖ uint64 time ‖ signer ‖ successor),
    // at slot keccak256(manifest id ‖ 1). A null slot says that there is no such head, and that a manifest still stands.
    mapping(
        bytes8 administration => mapping(uint32 epoch => mapping(uint64 size => bytes32 commitment))
    ) private _heads;
    mapping(bytes32 manifestId => bytes32 closure) private _closures;
    // Two slots each: epoch (32), size (64), anchoredAt (64); root (256). The root is kept because a consistency path
    // does not always hold it. Epoch 0 in storage is an unused log, which counts as epoch 1.
    mapping(bytes8 administration => Head head) private _lastHeads;
    uint64 private _sequence;

    /// @param genesisHash_ Hash of the network's genesis block. Not checked: the chain doesn't tell it to a contract.
    /// @param registry_ Where the AdministrationRegistry of this deployment is or will be.
    /// @param consignmentLedger_ Where the ConsignmentLedger of this deployment is or will be.
    constructor(bytes32 genesisHash_, address registry_, address consignmentLedger_) {
        _genesisHash = genesisHash_;
        _registry = IAdministrationRegistry(registry_);
        _consignmentLedger = consignmentLedger_;
    }

    // -------------------------------------------------------------------------------------------------------- heads

    /// @inheritdoc IManifestLog
    function anchor(
        bytes8 administration,
        uint32 epoch,
        uint64 size,
        bytes32 root,
        bytes32[] calldata consistencyProof
    ) external {
        _requireSequencer(administration);
        Head memory last = head(administration);
        if (epoch != last.epoch) revert LogNotTheEpoch(last.epoch, epoch);
        if (size <= last.size) revert LogHeadNotGrowing(last.size, size);
        bool consistent = last.size == 0
            ? consistencyProof.length == 0
            : MerkleLog.verifyConsistency(last.size, last.root, size, root, consistencyProof);
        if (!consistent) revert LogHeadNotConsistent(last.size, last.root, size, root);
        uint64 anchoredAt = uint64(block.timestamp);
        Head storage newest = _lastHeads[administration];
        (newest.epoch, newest.size, newest.anchoredAt, newest.root) = (epoch, size, anchoredAt, root);
        _heads[administration][epoch][size] = keccak256(abi.encodePacked(root, anchoredAt));
        emit HeadAnchored(++_sequence, administration, epoch, size, root, anchoredAt);
    }

    /// @inheritdoc IManifestLog
    function restart(bytes8 administration, uint8 reason) external {
        if (administration == 0 || _registry.seatOf(msg.sender) != administration) {
            revert LogNotItsGovernor(msg.sender, administration);
        }
        _requireActive(administration);
        if (reason > LAST_RESTART_REASON) revert LogReasonUnknown(reason);
        Head memory last = head(administration);
        _lastHeads[administration] = Head({epoch: last.epoch + 1, size: 0, anchoredAt: 0, root: 0});
        emit LogRestarted(
            ++_sequence, administration, last.epoch + 1, last.size, reason, uint64(block.timestamp)
        );
    }

    /// @inheritdoc IManifestLog
    function headCommitment(bytes8 administration, uint32 epoch, uint64 size) external view returns (bytes32) {
        return _heads[administration][epoch][size];
    }

    /// @inheritdoc IManifestLog
    function head(bytes8 administration) public view returns (Head memory last) {
        last = _lastHeads[administration];
        if (last.epoch == 0) last.epoch = 1;
    }

    function _requireSequencer(bytes8 administration) private view {
        IAdministrationRegistry.Account memory sender = _registry.account(msg.sender);
        // Sequencers are of organisation zero, says the registry. The zero administration has no accounts, and an
        // address that is no account has no role.
        if (sender.party.administrationOf() != administration || sender.roles & Roles.SEQUENCER == 0) {
            revert LogNotItsSequencer(msg.sender, administration);
        }
        _requireStanding(msg.sender, sender);
    }

    // ----------------------------------------------------------------------------------------------------- closures

    /// @inheritdoc IManifestLog
    function closeManifest(
        ManifestRecord calldata record,
        bytes calldata signature,
        bytes16 formerParty,
        bytes32 formerRoot
    ) external {
        _requireWellFormed(record);
        bytes32 former = _manifestId(formerParty, record.consignment, formerRoot);
        if (former != record.supersedes) revert LogNotTheFormer(record.supersedes, former);
        if (record.party != formerParty && record.party != formerParty.administrationOf().customsOf()) {
            revert LogPartyMayNotClose(record.party, formerParty);
        }
        _close(record, signature);
    }

    /// @inheritdoc IManifestLog
    function closure(bytes32 manifestId) external view returns (bytes32) {
        return _closures[manifestId];
    }

    /// @inheritdoc IManifestLog
    function manifestRecordDigest(ManifestRecord calldata record) public view returns (bytes32) {
        return TypedData.digest(
            TypedData.domainSeparator(), keccak256(abi.encode(RECORD_TYPEHASH, record))
        );
    }

    /// @dev `supersedes` is the former id by now. (A function of its own for the compiler's limit on stack depth.)
    function _close(ManifestRecord calldata record, bytes calldata signature) private {
        bytes32 digest = manifestRecordDigest(record);
        address signer = _requireSigner(record.party, digest, signature);
        bytes32 successor = _requireSuccession(record);
        uint64 closedAt = uint64(block.timestamp);
        _closures[record.supersedes] =
            keccak256(abi.encodePacked(record.kind, record.reason, closedAt, signer, successor));
        emit ManifestClosed(
            ++_sequence, record.supersedes, successor, signer, digest, closedAt, record, signature
        );
    }

    function _requireWellFormed(ManifestRecord calldata record) private view {
        if (record.kind != AMEND && record.kind != WITHDRAW) revert LogNotAClosure(record.kind);
        if (record.reason > LAST_CLOSURE_REASON) revert LogReasonUnknown(record.reason);
        if ((record.kind == WITHDRAW) != (record.manifestRoot == 0)) {
            revert LogRootNotFitting(record.kind, record.manifestRoot);
        }
        if (block.timestamp >= record.issuedAt + RECORD_LIFE) {
            revert LogRecordTooOld(record.issuedAt, block.timestamp);
        }
        // Else a record dated ahead could be kept for as long as one likes, which the 30 days are there to prevent.
        if (record.issuedAt > block.timestamp + CLOCK_TOLERANCE) {
            revert LogRecordAhead(record.issuedAt, block.timestamp);
        }
    }

    function _requireSigner(bytes16 party, bytes32 digest, bytes calldata signature)
        private
        view
        returns (address signer)
    {
        signer = Signatures.recover(digest, signature);
        if (signer == address(0)) revert LogRecordNotSigned(digest);
        IAdministrationRegistry.Account memory account = _registry.account(signer);
        if (account.party == 0 || account.party != party) revert LogSignerNotOfParty(signer, party);
        // Customs has no traders, says the registry: where it closes another's manifest, the signer is an officer.
        if (account.roles & (Roles.TRADER | Roles.OFFICER) == 0) revert LogSignerWithoutRole(signer, account.roles);
        _requireStanding(signer, account);
    }

    /// @dev First closure wins, and a successor is open, so closures can't run in a circle.
    function _requireSuccession(ManifestRecord calldata record) private view returns (bytes32 successor) {
        bytes32 former = record.supersedes;
        if (_closures[former] != 0) revert LogManifestAlreadyClosed(former, _closures[former]);
        if (record.kind == WITHDRAW) return 0;
        successor = _manifestId(record.party, record.consignment, record.manifestRoot);
        if (successor == former) revert LogSuccessorIsFormer(former);
        if (_closures[successor] != 0) revert LogSuccessorClosed(successor, _closures[successor]);
    }

    function _manifestId(bytes16 party, bytes32 consignment, bytes32 root) private pure returns (bytes32) {
        return sha256(abi.encodePacked(bytes1(0x03), party, consignment, root));
    }

    // ----------------------------------------------------------------------------------------------------- authority

    /// @dev The account is enrolled. It writes while it is not revoked, valid, and its administration active.
    function _requireStanding(address who, IAdministrationRegistry.Account memory account) private view {
        if (account.revokedAt != 0) revert LogAccountRevoked(who, account.revokedAt);
        if (block.timestamp >= account.validUntil) revert LogAccountExpired(who, account.validUntil);
        _requireActive(account.party.administrationOf());
    }

    function _requireActive(bytes8 administration) private view {
        if (!_registry.isActive(administration)) revert LogAdministrationNotActive(administration);
    }

    // --------------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IManifestLog
    function sequence() external view returns (uint64) {
        return _sequence;
    }

    /// @inheritdoc IManifestLog
    function domainSeparator() external view returns (bytes32) {
        return TypedData.domainSeparator();
    }

    /// @inheritdoc IManifestLog
    function genesisHash() external view returns (bytes32) {
        return _genesisHash;
    }

    /// @inheritdoc IManifestLog
    function registry() external view returns (address) {
        return address(_registry);
    }

    /// @inheritdoc IManifestLog
    function consignmentLedger() external view returns (address) {
        return _consignmentLedger;
    }
}
