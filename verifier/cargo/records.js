/**
 * The signed statements as they are hashed, and what the contracts keep of them. Records are as the file has them.
 *
 * Source: DESIGN 4 and 5; EIP-712.
 */
import { ZERO32, integer, join, ofText, padLeft, padRight, part } from "../bytes.js";
import { hmacSha256, keccak, sha256 } from "../crypto.js";

export const TRADER = 1;
export const OFFICER = 2;
export const SEQUENCER = 8;
export const AMEND = 2;
export const WITHDRAW = 3;

/** Kinds of custody records. */
export const Kind = Object.freeze({
  OPEN: 1,
  ARRIVAL: 2,
  DEPARTURE: 3,
  INSPECTION: 4,
  SEAL: 5,
  OFFER: 6,
  ACCEPT: 7,
  DECLINE: 8,
  HOLD: 9,
  LIFT: 10,
  RELEASE: 11,
  CLOSE: 12,
  CLEARANCE: 13,
  TAKE: 14,
  CONSOLIDATE: 15,
  DECONSOLIDATE: 16,
  REMARK: 17,
});

const typeHash = (text) => keccak(ofText(text));
const word = (value) => integer(value, 32);
const text = (bytes) => padRight(bytes, 32);

const DOMAIN = typeHash("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
const NAME = typeHash("Cargo Ledger");
const VERSION = typeHash("1");
const MANIFEST = typeHash(
  "ManifestRecord(bytes16 party,uint8 kind,uint8 reason,bytes32 consignment,bytes32 manifestRoot,bytes32 supersedes," +
    "uint64 issuedAt)",
);
const CUSTODY = typeHash(
  "CustodyRecord(bytes32 consignment,uint8 kind,bytes16 party,bytes32 previous,bytes32 subject,bytes32 details," +
    "bytes16 counterpart,uint64 observedAt,uint64 expiresAt)",
);
const PROMISE = typeHash(
  "Promise(bytes8 administration,uint32 epoch,uint64 index,bytes32 leafHash,bool seen,uint64 anchorBy)",
);
const BLIND = ofText("cargo-ledger/consignment/1");

/** The EIP-712 domain of a contract. */
export const domainOf = (chainId, contract) => keccak(DOMAIN, NAME, VERSION, word(chainId), padLeft(contract, 32));

const digest = (domain, ...fields) => keccak("0x1901", domain, keccak(...fields));

/** What a manifest record's signature signs. */
export const manifestDigest = (record, domain) =>
  digest(
    domain, MANIFEST, text(record.party), word(record.kind), word(record.reason), record.consignment,
    record.manifest_root, record.supersedes, word(record.issued_at),
  );

/** What a custody record's signature signs, and the name it is known by. */
export const custodyDigest = (record, domain) =>
  digest(
    domain, CUSTODY, record.consignment, word(record.kind), text(record.party), record.previous, record.subject,
    record.details, text(record.counterpart), word(record.observed_at), word(record.expires_at),
  );

/** What a sequencer's promise for a leaf signs. */
export const promiseDigest = (promise, administration, leaf, domain) =>
  digest(
    domain, PROMISE, text(administration), word(promise.epoch), word(promise.index), leaf,
    word(Number(promise.seen)), word(promise.anchor_by),
  );

/** The hash of a manifest record's leaf in its log. */
export const leafHash = (record, signature) =>
  sha256(
    "0x00", "0x01", record.party, integer(record.kind, 1), integer(record.reason, 1), record.consignment,
    record.manifest_root, record.supersedes, integer(record.issued_at, 8), signature,
  );

/** The id of a manifest. */
export const manifestId = (party, consignment, root) => sha256("0x03", party, consignment, root);

/** What OPEN shows instead of a trade reference. */
export const blindOf = (key, reference) => hmacSha256(key, join([BLIND, ofText(reference)]));

/** The id of a consignment. */
export const consignmentId = (opener, blind) => sha256("0x04", opener, blind);

/** The trail after one more record. */
export const extendedTrail = (trail, record, signer, time) => keccak(trail, record, signer, integer(time, 8));

/** What ManifestLog keeps of a tree head. */
export const headCommitment = (root, anchoredAt) => keccak(root, integer(anchoredAt, 8));

/** What ManifestLog keeps of a closed manifest. */
export const closureCommitment = ({ kind, reason, time, signer, successor }) =>
  keccak(integer(kind, 1), integer(reason, 1), integer(time, 8), signer, successor);

/** The second consignment that a record names as its subject; null if it names none. */
export function secondConsignment(record) {
  const isKind = [Kind.OPEN, Kind.CONSOLIDATE, Kind.DECONSOLIDATE].includes(record.kind);
  return isKind && record.subject !== ZERO32 ? record.subject : null;
}

/** The administration of a party, 8 bytes. */
export const administrationOf = (party) => part(party, 0, 8);
