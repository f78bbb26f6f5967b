// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.20;

/// @notice One signed step in a consignment's history, EIP-712 typed data in this contract's domain.
/// @param consignment Consignment id, 32 bytes: SHA-256(0x04 ‖ opener's party ‖ blind).
/// @param kind 1 OPEN, 2 ARRIVAL, 3 DEPARTURE, 4 INSPECTION, 5 SEAL, 6 OFFER, 7 ACCEPT, 8 DECLINE, 9 HOLD, 10 LIFT,
/// 11 RELEASE, 12 CLOSE, 13 CLEARANCE, 14 TAKE, 15 CONSOLIDATE, 16 DECONSOLIDATE, 17 REMARK. A plain number: an enum
/// out of range would revert the whole batch.
/// @param party Who states it, 16 bytes: administration ‖ organisation, 8 bytes each; zero organisation is customs.
/// @param previous The digest this one follows on its line, 32 bytes; zero starts a line; for OPEN the blind.
/// @param subject What the record is about, 32 bytes, or zero: the consignment split from (1), the offer (7, 8), the
/// hold (10), the manifest id (11, 13), the parent (15, 16), the record corrected (17).
/// @param details Root of the details document, 32 bytes, or zero; for OPEN the manifest root, never zero.
/// @param counterpart The party an OFFER is made to, 16 bytes; zero withdraws the offer, and in all other kinds.
/// @param observedAt Unix seconds: the signer's claim of when it happened.
/// @param expiresAt Unix seconds: the last second in which this contract takes the record.
struct CustodyRecord {
    bytes32 consignment;
    uint8 kind;
    bytes16 party;
    bytes32 previous;
    bytes32 subject;
    bytes32 details;
    bytes16 counterpart;
    uint64 observedAt;
    uint64 expiresAt;
}

/// @notice Why a record is not appended: the first that applies, in this order.
enum Refusal {
    /// It is appended.
    NONE,
    /// The signature is none: not 65 bytes, a high s, v other than 27 or 28, or it recovers nobody.
    NOT_SIGNED,
    /// The signer is no TRADER or OFFICER account of `party`, or it is expired or revoked, or its administration is
    /// not active.
    NOT_ENROLLED,
    /// `kind` is not 1 to 17.
    NO_KIND,
    /// A field must be zero in this kind and is not, or must not be zero and is.
    FIELDS,
    /// The block is later than `expiresAt`.
    EXPIRED,
    /// `expiresAt` is over 30 days after `observedAt`; over one day for RELEASE and CLEARANCE.
    TOO_LONG,
    /// `observedAt` is over 300 seconds later than the block.
    AHEAD,
    /// OPEN of a consignment that was opened before, closed or not.
    ALREADY_OPENED,
    /// OPEN whose party and blind do not give this id.
    NOT_ITS_ID,
    /// Anything but OPEN before OPEN.
    NOT_OPENED,
    /// The record is the last of its line already, or the same HOLD is open. One that others have followed since gets
    /// NOT_NEXT: a line is a hash chain, so it can't come again either.
    ALREADY_APPENDED,
    /// `previous` is not the last of the record's line.
    NOT_NEXT,
    /// The consignment is closed, and this is not an officer's record of kind 2 to 5, 9 to 11, 13, 14 or 17.
    CLOSED,
    /// This kind is not for this party or this account's role.
    NOT_ALLOWED,
    /// ACCEPT or DECLINE by another party than the one it is offered to, or of another offer than the one that stands.
    NOT_OFFERED,
    /// LIFT of what is no open hold of its party on this consignment.
    NOT_A_HOLD,
    /// RELEASE or CLEARANCE while a party of its administration holds the consignment or anything it is in; CLOSE while
    /// a party of its administration holds it.
    HELD,
    /// OFFER, CLOSE or CONSOLIDATE of what is inside another consignment.
    INSIDE_ANOTHER,
    /// DECONSOLIDATE from what the consignment is not directly inside.
    NOT_INSIDE_IT,
    /// CLOSE while something is inside.
    NOT_EMPTY,
    /// CONSOLIDATE into, or OPEN out of, what is not an open consignment.
    NO_PARENT,
    /// CONSOLIDATE into itself or into what is inside it.
    LOOP,
    /// CONSOLIDATE that would put something under more than eight others.
    TOO_DEEP
}

/// @title Custody of consignments between parties, and what customs decided about them
/// @notice Keeps for each consignment a hash over its whole history, who is in charge of it, what it is in, what is in
/// it and who holds it. On chain stand kinds, times, parties and digests; places, seal numbers, reasons, procedures,
/// goods and names never do: they are in documents kept at home, of which a record shows a salted commitment.
///
/// **Trail.** What is appended extends its consignment's trail, keccak256(trail ‖ digest ‖ signer's address ‖ uint64
/// block time), from 32 zero bytes. One slot proves the history, its authors, order, completeness and times; a null
/// slot proves there is none. Some records extend the trail of a second consignment, `other`, with the same bytes: the
/// one an OPEN is split from, the parent of 15 and 16, the parent that a TAKE takes out of.
///
/// **Lines.** `previous` orders each author's own statements. OFFER, ACCEPT, DECLINE, CLOSE, CONSOLIDATE and
/// DECONSOLIDATE follow the consignment's custody line. All others follow the line of (consignment, signer's account),
/// where nobody else can overtake them; a TAKE does too, and becomes the last of both lines. OPEN is on none, so that
/// after it every line starts at zero. CLOSE ends no line: the record after it names it, or its own line, as before.
///
/// **In charge.** A consignment inside another is in the charge of the custodian of the outermost one, and "custodian"
/// in the rules means that party. The custodian and the offered party act through any TRADER or OFFICER account of the
/// same party. When a consignment is closed nobody is in charge.
///
/// **Offers.** At most one offer stands, on a consignment that is inside nothing. It ends with any later record on the
/// custody line, with a TAKE, with the consignment going into another, and with any change of what is inside it at any
/// depth, since that changes what would be accepted: something put in (15), taken out (14, 16), or a part split off
/// from it or from anything inside it (1). The custody line keeps its last digest when what ends the offer stands on
/// another consignment's line.
///
/// **Who may, and what the rule is.** 1 OPEN: anyone enrolled, and the party becomes custodian; out of another open
/// consignment only its custodian or an officer. 2 ARRIVAL, 3 DEPARTURE, 5 SEAL, 17 REMARK: officer or custodian.
/// 4 INSPECTION, 9 HOLD: officer. 6 OFFER, 12 CLOSE, 16 DECONSOLIDATE: custodian. 7 ACCEPT, 8 DECLINE: the offered
/// party. 10 LIFT: officer of the party that placed the hold. 11 RELEASE, 13 CLEARANCE, 14 TAKE: officer of a customs
/// administration (organisation zero). 15 CONSOLIDATE: custodian of both; where the parent is not open there is nobody
/// to ask, and the refusal is NO_PARENT. After DECONSOLIDATE it stays in the charge of the former outermost's
/// custodian, after TAKE in the taker's; what is inside it stays inside it.
///
/// **Facts are never refused, permissions are**: cargo under hold that moves or changes hands is recorded.
interface IConsignmentLedger {
    /// @notice A batch needs one signature a record.
    /// @param records How many records were given.
    /// @param signatures How many signatures were given.
    error ConsignmentBatchMismatched(uint256 records, uint256 signatures);

    /// @notice A batch holds too many records.
    /// @param records How many were given.
    /// @param limit The most that are taken.
    error ConsignmentBatchTooLong(uint256 records, uint256 limit);

    /// @notice A record was appended.
    /// @param sequence Number of this event in this contract, from 1, without gaps.
    /// @param consignment The record's consignment, 32 bytes.
    /// @param other The second consignment whose trail it extended, 32 bytes, or zero.
    /// @param signer The account that signed.
    /// @param record The record itself.
    /// @param signature Its signature, 65 bytes r ‖ s ‖ v.
    event RecordAppended(
        uint64 sequence,
        bytes32 indexed consignment,
        bytes32 indexed other,
        address indexed signer,
        CustodyRecord record,
        bytes signature
    );

    /// @notice A record was refused; nothing but the sequence changed.
    /// @dev Not final, and anyone can cause one for another's digest by a false signature: believe only one's own
    /// transactions and the final state.
    /// @param sequence Number of this event in this contract, from 1, without gaps.
    /// @param digest The record's EIP-712 digest, 32 bytes.
    /// @param signer The account that the signature recovers, or zero.
    /// @param refusal Why.
    event RecordRefused(uint64 sequence, bytes32 indexed digest, address indexed signer, Refusal refusal);

    /// @notice Appends each record that the rules allow, and says of each other why not.
    /// @dev Open to any sender. Records are judged one by one, in order, each on the state the one before left; none
    /// can spoil another. Give 200,000 gas a record and the transaction's own, never an estimate: a custodian could nest
    /// a consignment between estimate and block. Reverts with `ConsignmentBatchMismatched` or `ConsignmentBatchTooLong` alone.
    /// @param records At most `batchLimit` records.
    /// @param signatures One a record, 65 bytes r ‖ s ‖ v, low s, v 27 or 28.
    function append(CustodyRecord[] calldata records, bytes[] calldata signatures) external;

    /// @notice Why `append` would refuse the record in a block of this time, or NONE.
    /// @param record The record.
    /// @param signature Its signature.
    function check(CustodyRecord calldata record, bytes calldata signature) external view returns (Refusal);

    /// @notice The EIP-712 digest of a record, 32 bytes: what is signed, and what records name each other by.
    function digestOf(CustodyRecord calldata record) external view returns (bytes32);

    /// @notice The EIP-712 domain separator on this chain, 32 bytes.
    function domainSeparator() external view returns (bytes32);

    /// @notice The hash over the whole history, 32 bytes; zero if the consignment was never opened.
    function trail(bytes32 consignment) external view returns (bytes32);

    /// @notice The last digest of the custody line, 32 bytes, or zero.
    function custodyLine(bytes32 consignment) external view returns (bytes32);

    /// @notice The last digest of an account's own line on a consignment, 32 bytes, or zero.
    function accountLine(bytes32 consignment, address account) external view returns (bytes32);

    /// @notice The party in charge, 16 bytes: the outermost's custodian; zero if never opened, or closed.
    function custodian(bytes32 consignment) external view returns (bytes16);

    /// @notice The party to whom the consignment is offered, 16 bytes, or zero.
    function offeredTo(bytes32 consignment) external view returns (bytes16);

    /// @notice The consignment it is directly inside, 32 bytes, or zero.
    function parent(bytes32 consignment) external view returns (bytes32);

    /// @notice How many consignments are directly inside.
    function contents(bytes32 consignment) external view returns (uint256);

    /// @notice How many levels are inside, 0 to 8: 0 if nothing is, 1 if nothing is inside what is inside.
    function height(bytes32 consignment) external view returns (uint256);

    /// @notice How many holds the parties of an administration have open on the consignment itself.
    function openHolds(bytes32 consignment, bytes8 administration) external view returns (uint256);

    /// @notice Whether a HOLD of this digest by this party is open on the consignment.
    function isOpenHold(bytes32 consignment, bytes16 party, bytes32 digest) external view returns (bool);

    /// @notice Number of the last event, 0 before the first.
    function sequence() external view returns (uint64);

    /// @notice The most records a batch may hold.
    function batchLimit() external view returns (uint256);

    /// @notice The genesis block's hash of the chain this contract was made for, 32 bytes.
    function genesisHash() external view returns (bytes32);

    /// @notice The registry that says who may sign.
    function registry() external view returns (address);

    /// @notice The log of manifests on the same chain.
    function manifestLog() external view returns (address);
}
