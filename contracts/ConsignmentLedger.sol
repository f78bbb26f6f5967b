// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAdministrationRegistry} from "./interfaces/IAdministrationRegistry.sol";
import {CustodyRecord, IConsignmentLedger, Refusal} from "./interfaces/IConsignmentLedger.sol";
import {Contents} from "./libraries/Contents.sol";
import {CustodyKinds} from "./libraries/CustodyKinds.sol";
import {Parties} from "./libraries/Parties.sol";
import {Roles} from "./libraries/Roles.sol";
import {Signatures} from "./libraries/Signatures.sol";
import {TypedData} from "./libraries/TypedData.sol";

/// @title Custody of consignments between parties, and what customs decided about them
/// @custom:authority None of its own: AdministrationRegistry alone says whose signatures count, and custody says the rest.
/// @custom:kill None: no owner, no pause, no upgrade; a fix is a new deployment.
contract ConsignmentLedger is IConsignmentLedger {
    using Contents for uint256;
    using CustodyKinds for uint8;
    using Parties for bytes16;

    /// @dev Who is in charge and who may accept, one slot.
    struct Charge {
        bytes16 custodian;
        bytes16 offered;
    }

    /// @dev What one administration holds of a consignment, one slot, null if nothing: how many holds are open, and one
    /// of them, so that the usual first hold needs no second slot. Which organisation placed it, and the first 20 bytes
    /// of its digest; both zero once it is lifted. A prefix suffices: to use another's, an officer of the same party
    /// would have to find a second digest with the same 160 bits.
    struct Holds {
        uint32 open;
        bytes8 organisation;
        bytes20 digest;
    }

    /// @dev What the registry says of a signer, kept in memory from one record to the next: nothing can change it within a
    /// transaction that only appends, and most batches are one device's.
    struct Standing {
        address signer;
        bytes16 party;
        bool enrolled;
        bool officer;
    }

    bytes32 private constant RECORD_TYPEHASH = keccak256(
        "CustodyRecord(bytes32 consignment,uint8 kind,bytes16 party,bytes32 previous,bytes32 subject,bytes32 details,bytes16 counterpart,uint64 observedAt,uint64 expiresAt)"
    );
    uint256 private constant BATCH_LIMIT = 100;
    uint256 private constant LONGEST = 30 days;
    uint256 private constant LONGEST_DECISION = 1 days;
    uint256 private constant MOST_AHEAD = 300;
    uint256 private constant MOST_ABOVE = 8;

    bytes32 private immutable _genesisHash;
    IAdministrationRegistry private immutable _registry;
    address private immutable _manifestLog;

    // An offline verifier reads these slots; their order and packing are part of the format (ledger/abi has the layout).
    // Slot 0, low end: the last sequence.
    uint64 private _sequence;
    // Slot 1: zero if never opened, never zero after.
    mapping(bytes32 consignment => bytes32 hash) private _trail;
    // Slot 2.
    mapping(bytes32 consignment => bytes32 digest) private _custodyLine;
    // Slot 3.
    mapping(bytes32 consignment => mapping(address account => bytes32 digest)) private _accountLine;
    // Slot 4: custodian in the low 16 bytes, offered party in the high ones. Null: never opened, closed, or inside
    // another, whose outermost's counts.
    mapping(bytes32 consignment => Charge charge) private _charge;
    // Slot 5: null if inside nothing.
    mapping(bytes32 consignment => bytes32 parent) private _parent;
    // Slot 6: `Contents`, null if nothing is inside.
    mapping(bytes32 consignment => uint256 contents) private _contents;
    // Slot 7: from the low end uint32 open, 8 bytes organisation, 20 bytes digest. Null: that administration holds nothing.
    mapping(bytes32 consignment => mapping(bytes8 administration => Holds holds)) private _holds;
    // Slot 8: open holds that slot 7 has no room for, by whole digest: the party that placed it.
    mapping(bytes32 consignment => mapping(bytes32 digest => bytes16 party)) private _furtherHolds;

    /// @param genesisHash_ The genesis block's hash of this chain, 32 bytes: the code binds the network with it.
    /// @param registry_ AdministrationRegistry of the same deployment.
    /// @param manifestLog_ ManifestLog of the same deployment.
    constructor(bytes32 genesisHash_, address registry_, address manifestLog_) {
        _genesisHash = genesisHash_;
        _registry = IAdministrationRegistry(registry_);
        _manifestLog = manifestLog_;
    }

    // ---------------------------------------------------------------------------------------------------- appending

    /// @inheritdoc IConsignmentLedger
    function append(CustodyRecord[] calldata records, bytes[] calldata signatures) external {
        if (records.length != signatures.length) {
            revert ConsignmentBatchMismatched(records.length, signatures.length);
        }
        if (records.length > BATCH_LIMIT) revert ConsignmentBatchTooLong(records.length, BATCH_LIMIT);
        bytes32 separator = TypedData.domainSeparator();
        uint64 last = _sequence;
        Standing memory standing;
        for (uint256 i = 0; i < records.length; ++i) {
            _append(++last, separator, standing, records[i], signatures[i]);
        }
        _sequence = last;
    }

    /// @dev The record is copied to memory once: each field read from calldata would be checked anew.
    function _append(
        uint64 number,
        bytes32 separator,
        Standing memory standing,
        CustodyRecord memory record,
        bytes calldata signature
    ) private {
        bytes32 digest = _digest(separator, record);
        address signer = Signatures.recover(digest, signature);
        Refusal refusal = _judge(record, digest, signer, standing);
        if (refusal != Refusal.NONE) {
            emit RecordRefused(number, digest, signer, refusal);
            return;
        }
        bytes32 other = _apply(record, digest, signer);
        _extend(record.consignment, digest, signer);
        if (other != 0) _extend(other, digest, signer);
        emit RecordAppended(number, record.consignment, other, signer, record, signature);
    }

    function _extend(bytes32 consignment, bytes32 digest, address signer) private {
        _trail[consignment] =
            keccak256(abi.encodePacked(_trail[consignment], digest, signer, uint64(block.timestamp)));
    }

    // ------------------------------------------------------------------------------------------------------ judging

    /// @inheritdoc IConsignmentLedger
    function check(CustodyRecord calldata record, bytes calldata signature) external view returns (Refusal) {
        bytes32 digest = _digest(TypedData.domainSeparator(), record);
        Standing memory standing;
        return _judge(record, digest, Signatures.recover(digest, signature), standing);
    }

    /// @dev The refusals in their order, stage by stage.
    function _judge(CustodyRecord memory record, bytes32 digest, address signer, Standing memory standing)
        private
        view
        returns (Refusal)
    {
        if (signer == address(0)) return Refusal.NOT_SIGNED;
        if (standing.signer != signer || standing.party != record.party) _ask(standing, signer, record.party);
        if (!standing.enrolled) return Refusal.NOT_ENROLLED;
        Refusal refusal = _judgeForm(record);
        if (refusal != Refusal.NONE) return refusal;
        if (record.kind == CustodyKinds.OPEN) return _judgeOpening(record, standing.officer);
        refusal = _judgeLine(record, digest, signer);
        if (refusal != Refusal.NONE) return refusal;
        refusal = _judgePermission(record, standing.officer);
        if (refusal != Refusal.NONE) return refusal;
        return _judgeStep(record);
    }

    function _ask(Standing memory standing, address signer, bytes16 party) private view {
        IAdministrationRegistry.Account memory account = _registry.account(signer);
        standing.signer = signer;
        standing.party = party;
        standing.officer = account.roles & Roles.OFFICER != 0;
        standing.enrolled = account.party == party && account.roles & (Roles.TRADER | Roles.OFFICER) != 0
            && block.timestamp < account.validUntil && account.revokedAt == 0
            && _registry.isActive(party.administrationOf());
    }

    /// @dev NO_KIND, FIELDS, EXPIRED, TOO_LONG, AHEAD: what the record alone and the clock decide. Sums are 256 bits
    /// wide, since a checked 64-bit one would revert the batch.
    function _judgeForm(CustodyRecord memory record) private view returns (Refusal) {
        uint8 kind = record.kind;
        if (kind == 0 || kind > CustodyKinds.REMARK) return Refusal.NO_KIND;
        if (record.counterpart != 0 && kind != CustodyKinds.OFFER) return Refusal.FIELDS;
        if (!kind.isIn(record.subject == 0 ? ~CustodyKinds.NEED_SUBJECT : CustodyKinds.MAY_HAVE_SUBJECT)) {
            return Refusal.FIELDS;
        }
        if (kind == CustodyKinds.OPEN && record.details == 0) return Refusal.FIELDS;
        if (block.timestamp > record.expiresAt) return Refusal.EXPIRED;
        uint256 longest = kind.isIn(CustodyKinds.DECISIONS) ? LONGEST_DECISION : LONGEST;
        if (record.expiresAt > record.observedAt + longest) return Refusal.TOO_LONG;
        if (record.observedAt > block.timestamp + MOST_AHEAD) return Refusal.AHEAD;
        return Refusal.NONE;
    }

    /// @dev ALREADY_OPENED, NOT_ITS_ID, NOT_ALLOWED, NO_PARENT: all that concerns OPEN.
    function _judgeOpening(CustodyRecord memory record, bool officer) private view returns (Refusal) {
        if (_trail[record.consignment] != 0) return Refusal.ALREADY_OPENED;
        if (sha256(abi.encodePacked(bytes1(0x04), record.party, record.previous)) != record.consignment) {
            return Refusal.NOT_ITS_ID;
        }
        if (record.subject == 0) return Refusal.NONE;
        bytes16 inCharge = custodian(record.subject);
        if (inCharge == 0) return Refusal.NO_PARENT;
        return officer || inCharge == record.party ? Refusal.NONE : Refusal.NOT_ALLOWED;
    }

    /// @dev NOT_OPENED, ALREADY_APPENDED, NOT_NEXT.
    function _judgeLine(CustodyRecord memory record, bytes32 digest, address signer) private view returns (Refusal) {
        if (_trail[record.consignment] == 0) return Refusal.NOT_OPENED;
        bytes32 last = record.kind.isIn(CustodyKinds.ON_CUSTODY_LINE)
            ? _custodyLine[record.consignment]
            : _accountLine[record.consignment][signer];
        if (last == digest) return Refusal.ALREADY_APPENDED;
        // Two officers of a party can sign the same words: one hold, not two.
        if (record.kind == CustodyKinds.HOLD && isOpenHold(record.consignment, record.party, digest)) {
            return Refusal.ALREADY_APPENDED;
        }
        return last == record.previous ? Refusal.NONE : Refusal.NOT_NEXT;
    }

    /// @dev CLOSED, NOT_ALLOWED, NOT_OFFERED, NOT_A_HOLD. An officer's record that goes on when closed needs no custodian.
    function _judgePermission(CustodyRecord memory record, bool officer) private view returns (Refusal) {
        uint8 kind = record.kind;
        if (!(officer && kind.isIn(CustodyKinds.WHEN_CLOSED))) {
            bytes16 inCharge = custodian(record.consignment);
            if (inCharge == 0) return Refusal.CLOSED;
            if (!_isAllowed(record, inCharge)) return Refusal.NOT_ALLOWED;
        } else if (kind.isIn(CustodyKinds.BY_CUSTOMS) && !record.party.isCustoms()) {
            return Refusal.NOT_ALLOWED;
        }
        if (kind == CustodyKinds.ACCEPT || kind == CustodyKinds.DECLINE) {
            // The line's last is `previous` here; while an offer stands it is the offer.
            bool offered = _charge[record.consignment].offered == record.party && record.subject == record.previous;
            return offered ? Refusal.NONE : Refusal.NOT_OFFERED;
        }
        if (kind == CustodyKinds.LIFT && !isOpenHold(record.consignment, record.party, record.subject)) {
            return Refusal.NOT_A_HOLD;
        }
        return Refusal.NONE;
    }

    /// @dev Whether the party may, where being an officer does not decide it already; `inCharge` is the custodian.
    function _isAllowed(CustodyRecord memory record, bytes16 inCharge) private pure returns (bool) {
        if (record.kind.isIn(CustodyKinds.BY_OFFICER | CustodyKinds.BY_CUSTOMS)) return false;
        if (record.kind == CustodyKinds.ACCEPT || record.kind == CustodyKinds.DECLINE) return true; // NOT_OFFERED says who
        return inCharge == record.party;
    }

    /// @dev HELD, INSIDE_ANOTHER, NOT_INSIDE_IT, NOT_EMPTY, and all that concerns CONSOLIDATE.
    function _judgeStep(CustodyRecord memory record) private view returns (Refusal) {
        uint8 kind = record.kind;
        bytes32 consignment = record.consignment;
        if (kind.isIn(CustodyKinds.FACTS)) return Refusal.NONE;
        if (kind == CustodyKinds.CONSOLIDATE) return _judgeNesting(record);
        if (kind.isIn(CustodyKinds.DECISIONS)) {
            return _isHeldBy(consignment, record.party.administrationOf()) ? Refusal.HELD : Refusal.NONE;
        }
        if (kind == CustodyKinds.CLOSE && _holds[consignment][record.party.administrationOf()].open != 0) {
            return Refusal.HELD;
        }
        bool outside = kind == CustodyKinds.OFFER || kind == CustodyKinds.CLOSE;
        if (outside && _parent[consignment] != 0) return Refusal.INSIDE_ANOTHER;
        if (kind == CustodyKinds.DECONSOLIDATE && _parent[consignment] != record.subject) return Refusal.NOT_INSIDE_IT;
        if (kind == CustodyKinds.CLOSE && _contents[consignment] != 0) return Refusal.NOT_EMPTY;
        return Refusal.NONE;
    }

    /// @dev NOT_ALLOWED, INSIDE_ANOTHER, NO_PARENT, LOOP, TOO_DEEP. Where the parent is not open there is nobody to ask
    /// for leave, and NO_PARENT says so.
    function _judgeNesting(CustodyRecord memory record) private view returns (Refusal) {
        (bytes32 outermost, uint256 above) = _outermost(record.subject);
        bytes16 inCharge = _charge[outermost].custodian;
        if (inCharge != 0 && inCharge != record.party) return Refusal.NOT_ALLOWED;
        if (_parent[record.consignment] != 0) return Refusal.INSIDE_ANOTHER;
        if (inCharge == 0) return Refusal.NO_PARENT;
        if (outermost == record.consignment) return Refusal.LOOP;
        return above + 1 + _contents[record.consignment].height() > MOST_ABOVE ? Refusal.TOO_DEEP : Refusal.NONE;
    }

    /// @dev Whether the administration holds the consignment or anything it is in.
    function _isHeldBy(bytes32 consignment, bytes8 administration) private view returns (bool) {
        for (; consignment != 0; consignment = _parent[consignment]) {
            if (_holds[consignment][administration].open != 0) return true;
        }
        return false;
    }

    /// @dev The consignment that this one is ultimately in, itself if none, and how many levels up it is, at most 8.
    function _outermost(bytes32 consignment) private view returns (bytes32 outermost, uint256 levels) {
        outermost = consignment;
        for (bytes32 next = _parent[outermost]; next != 0; next = _parent[next]) {
            outermost = next;
            unchecked {
                ++levels;
            }
        }
    }

    // ----------------------------------------------------------------------------------------------------- applying

    /// @dev Changes the state as a judged record says; trails are the caller's.
    /// @return other The second consignment whose trail it extends, or zero.
    function _apply(CustodyRecord memory record, bytes32 digest, address signer) private returns (bytes32 other) {
        uint8 kind = record.kind;
        bytes32 consignment = record.consignment;
        if (kind == CustodyKinds.OPEN) {
            _charge[consignment] = Charge({custodian: record.party, offered: 0});
            other = record.subject;
            if (other != 0) _tellAbove(other, 0, 0);
            return other;
        }
        if (kind.isIn(CustodyKinds.ON_CUSTODY_LINE)) {
            _custodyLine[consignment] = digest;
            return _applyCustody(record);
        }
        _accountLine[consignment][signer] = digest;
        if (kind == CustodyKinds.HOLD) {
            _place(consignment, record.party, digest);
        } else if (kind == CustodyKinds.LIFT) {
            _lift(consignment, record.party, record.subject);
        } else if (kind == CustodyKinds.TAKE) {
            _custodyLine[consignment] = digest;
            other = _parent[consignment];
            if (other != 0) _takeOut(consignment, other);
            _charge[consignment] = Charge({custodian: record.party, offered: 0});
        }
    }

    function _applyCustody(CustodyRecord memory record) private returns (bytes32 other) {
        uint8 kind = record.kind;
        bytes32 consignment = record.consignment;
        if (kind == CustodyKinds.OFFER) {
            _charge[consignment].offered = record.counterpart;
        } else if (kind == CustodyKinds.ACCEPT) {
            _charge[consignment] = Charge({custodian: record.party, offered: 0});
        } else if (kind == CustodyKinds.DECLINE) {
            _charge[consignment].offered = 0;
        } else if (kind == CustodyKinds.CLOSE) {
            delete _charge[consignment];
        } else {
            other = record.subject;
            if (kind == CustodyKinds.CONSOLIDATE) {
                delete _charge[consignment];
                _putIn(consignment, other);
            } else {
                _takeOut(consignment, other);
                _charge[consignment] = Charge({custodian: record.party, offered: 0});
            }
        }
    }

    function _place(bytes32 consignment, bytes16 party, bytes32 digest) private {
        Holds memory holds = _holds[consignment][party.administrationOf()];
        if (holds.digest == 0) {
            holds.organisation = party.organisationOf();
            holds.digest = bytes20(digest);
        } else {
            _furtherHolds[consignment][digest] = party;
        }
        ++holds.open;
        _holds[consignment][party.administrationOf()] = holds;
    }

    function _lift(bytes32 consignment, bytes16 party, bytes32 digest) private {
        Holds memory holds = _holds[consignment][party.administrationOf()];
        if (_isFirst(holds, party, digest)) {
            holds.organisation = 0;
            holds.digest = 0;
        } else {
            delete _furtherHolds[consignment][digest];
        }
        --holds.open;
        _holds[consignment][party.administrationOf()] = holds;
    }

    function _isFirst(Holds memory holds, bytes16 party, bytes32 digest) private pure returns (bool) {
        return holds.digest == bytes20(digest) && holds.organisation == party.organisationOf() && holds.digest != 0;
    }

    function _putIn(bytes32 consignment, bytes32 into) private {
        _parent[consignment] = into;
        uint256 former = _contents[into];
        uint256 packed = former.added(_contents[consignment].height());
        _contents[into] = packed;
        _tellAbove(into, former.height(), packed.height());
    }

    function _takeOut(bytes32 consignment, bytes32 from) private {
        delete _parent[consignment];
        uint256 former = _contents[from];
        uint256 packed = former.removed(_contents[consignment].height());
        _contents[from] = packed;
        _tellAbove(from, former.height(), packed.height());
    }

    /// @dev Goes up to the outermost: tells each level of the height that changed below it, as long as heights change by
    /// it, and ends the offer of the outermost, since what would be accepted has changed.
    function _tellAbove(bytes32 consignment, uint256 former, uint256 current) private {
        for (bytes32 above = _parent[consignment]; above != 0; above = _parent[above]) {
            consignment = above;
            if (former != current) {
                uint256 packed = _contents[above];
                uint256 changed = packed.removed(former).added(current);
                _contents[above] = changed;
                former = packed.height();
                current = changed.height();
            }
        }
        if (_charge[consignment].offered != 0) _charge[consignment].offered = 0;
    }

    // ------------------------------------------------------------------------------------------------------ reading

    /// @inheritdoc IConsignmentLedger
    function digestOf(CustodyRecord calldata record) external view returns (bytes32) {
        return _digest(TypedData.domainSeparator(), record);
    }

    function _digest(bytes32 separator, CustodyRecord memory record) private pure returns (bytes32) {
        bytes32 typeHash = RECORD_TYPEHASH;
        bytes32 structHash;
        // Nine words that lie in memory as EIP-712 encodes them: the word before is lent to the type hash.
        assembly ("memory-safe") {
            let start := sub(record, 32)
            let lent := mload(start)
            mstore(start, typeHash)
            structHash := keccak256(start, 320)
            mstore(start, lent)
        }
        return TypedData.digest(separator, structHash);
    }

    /// @inheritdoc IConsignmentLedger
    function domainSeparator() external view returns (bytes32) {
        return TypedData.domainSeparator();
    }

    /// @inheritdoc IConsignmentLedger
    function trail(bytes32 consignment) external view returns (bytes32) {
        return _trail[consignment];
    }

    /// @inheritdoc IConsignmentLedger
    function custodyLine(bytes32 consignment) external view returns (bytes32) {
        return _custodyLine[consignment];
    }

    /// @inheritdoc IConsignmentLedger
    function accountLine(bytes32 consignment, address account) external view returns (bytes32) {
        return _accountLine[consignment][account];
    }

    /// @inheritdoc IConsignmentLedger
    function custodian(bytes32 consignment) public view returns (bytes16 party) {
        party = _charge[consignment].custodian;
        if (party == 0) {
            (bytes32 outermost,) = _outermost(consignment);
            party = _charge[outermost].custodian;
        }
    }

    /// @inheritdoc IConsignmentLedger
    function offeredTo(bytes32 consignment) external view returns (bytes16) {
        return _charge[consignment].offered;
    }

    /// @inheritdoc IConsignmentLedger
    function parent(bytes32 consignment) external view returns (bytes32) {
        return _parent[consignment];
    }

    /// @inheritdoc IConsignmentLedger
    function contents(bytes32 consignment) external view returns (uint256) {
        return _contents[consignment].count();
    }

    /// @inheritdoc IConsignmentLedger
    function height(bytes32 consignment) external view returns (uint256) {
        return _contents[consignment].height();
    }

    /// @inheritdoc IConsignmentLedger
    function openHolds(bytes32 consignment, bytes8 administration) external view returns (uint256) {
        return _holds[consignment][administration].open;
    }

    /// @inheritdoc IConsignmentLedger
    function isOpenHold(bytes32 consignment, bytes16 party, bytes32 digest) public view returns (bool) {
        return _isFirst(_holds[consignment][party.administrationOf()], party, digest)
            || _furtherHolds[consignment][digest] == party && party != 0;
    }

    /// @inheritdoc IConsignmentLedger
    function sequence() external view returns (uint64) {
        return _sequence;
    }

    /// @inheritdoc IConsignmentLedger
    function batchLimit() external pure returns (uint256) {
        return BATCH_LIMIT;
    }

    /// @inheritdoc IConsignmentLedger
    function genesisHash() external view returns (bytes32) {
        return _genesisHash;
    }

    /// @inheritdoc IConsignmentLedger
    function registry() external view returns (address) {
        return address(_registry);
    }

    /// @inheritdoc IConsignmentLedger
    function manifestLog() external view returns (address) {
        return _manifestLog;
    }
}
