/**
 * Block headers: decoded strictly, and who sealed them. Whether the seals suffice is `seals.js`' to say.
 *
 * QBFT (Besu): the validators' commit seals sign the hash of the header with the seal list emptied and the round kept.
 * Clique (EIP-225): one seal in the last 65 bytes of the extra data.
 *
 * Sources: Yellow Paper 4.3; EIP-225; EIP-1559.
 */
import { EMPTY, integer, join, number, part, size } from "../bytes.js";
import { keccak, signerOf } from "../crypto.js";
import { invalid } from "../refusal.js";
import { asBytes, asInteger, asList, decodeList, encode, notCanonical } from "./rlp.js";

const MOST_BYTES = 1 << 20;
const EXTRA = 12;
const VANITY = 32;
const SEAL = 65;
const WIDTHS = new Map([
  [0, 32], [1, 32], [2, 20], [3, 32], [4, 32], [5, 32], [6, 256], [13, 32], [14, 8], [16, 32], [19, 32], [20, 32],
]); // fields of one length
const INTEGERS = new Map([[7, 32], [8, 8], [9, 8], [10, 8], [11, 8], [15, 32], [17, 8], [18, 8]]); // most bytes

export class Header {
  /** @param {string} bytes RLP of 15 to 21 fields. */
  constructor(bytes) {
    if (size(bytes) > MOST_BYTES) throw notCanonical("header", 0, `a header has at most ${MOST_BYTES} bytes`);
    const items = decodeList(bytes);
    if (items.length < 15 || items.length > 21)
      throw notCanonical("header", 0, `15 to 21 fields are expected, ${items.length} are there`);
    for (const [place, item] of items.entries()) {
      const what = `field ${place} of the header`;
      if (INTEGERS.has(place)) asInteger(item, what, INTEGERS.get(place));
      asBytes(item, what, WIDTHS.get(place) ?? null);
    }
    this.fields = items;
    this.bytes = bytes;
    this.parentHash = items[0];
    this.beneficiary = items[2];
    this.stateRoot = items[3];
    this.number = number(items[8]);
    this.timestamp = number(items[11]);
    this.extra = items[EXTRA];
    this.nonce = items[14];
  }

  /** Its hash, by which the next block names it (not QBFT's, which leaves seals out). */
  get hash() {
    return keccak(this.bytes);
  }

  /** QBFT's validators, as the header lists them, and its seals. */
  get qbft() {
    this.readQbft ??= qbftExtra(this.extra);
    return this.readQbft;
  }

  /** Who made QBFT's seals, in their order: an address, or the reason why there is none. */
  get qbftSigners() {
    if (this.foundQbftSigners === undefined) {
      const digest = keccak(this.encodedWith(encode([...this.qbft.items.slice(0, 4), []])));
      this.foundQbftSigners = this.qbft.seals.map((seal) => {
        try {
          return { address: signerOfSeal(digest, seal) };
        } catch (problem) {
          return { problem };
        }
      });
    }
    return this.foundQbftSigners;
  }

  /** Who made Clique's one seal. */
  get cliqueSigner() {
    if (this.foundCliqueSigner === undefined) {
      if (size(this.extra) < VANITY + SEAL)
        throw notCanonical("Clique extra data", 0, "32 bytes of vanity and a seal of 65 are expected");
      const unsealed = part(this.extra, 0, size(this.extra) - SEAL);
      this.foundCliqueSigner = signerOfSeal(keccak(this.encodedWith(unsealed)), part(this.extra, size(unsealed)));
    }
    return this.foundCliqueSigner;
  }

  /** The signers that a Clique checkpoint lists, as the bytes stand. */
  get cliqueList() {
    const listed = size(this.extra) - VANITY - SEAL;
    if (listed < 0 || listed % 20)
      throw notCanonical("Clique extra data", 0, "vanity, whole addresses and a seal are expected");
    const signers = [];
    for (let at = VANITY; at < VANITY + listed; at += 20) signers.push(part(this.extra, at, at + 20));
    if (signers.some((signer, at) => at > 0 && signers[at - 1] >= signer))
      throw notCanonical("Clique extra data", 0, "the listed signers must ascend");
    return signers;
  }

  /** The header's RLP with other extra data. */
  encodedWith(extra) {
    return encode(this.fields.map((field, place) => (place === EXTRA ? extra : field)));
  }
}

function qbftExtra(extra) {
  const items = decodeList(extra);
  if (items.length !== 5)
    throw notCanonical("QBFT extra data", 0, "vanity, validators, vote, round and seals are expected");
  const [vanity, listed, vote, round, seals] = items;
  const validators = asList(listed, "the validators");
  asList(seals, "the seals");
  if (vote !== EMPTY && vote.length !== 0 && !isVote(vote))
    throw notCanonical("QBFT extra data", 0, "a vote is a recipient of 20 bytes and 0xff or 0x00");
  // Besu spells the round the shortest way, its test vectors in four bytes
  const width = size(asBytes(round, "the round"));
  if (width > 4 || (width < 4 && round.startsWith("0x00")))
    throw notCanonical("QBFT extra data", 0, "a round is an integer of at most 4 bytes");
  asBytes(vanity, "the vanity data", VANITY);
  validators.forEach((each) => asBytes(each, "a validator", 20));
  seals.forEach((each) => asBytes(each, "a seal", SEAL));
  return { items, validators, seals };
}

function isVote(vote) {
  if (!Array.isArray(vote) || vote.length !== 2) return false;
  const [recipient, kind] = vote;
  return !Array.isArray(recipient) && size(recipient) === 20 && (kind === "0xff" || kind === "0x00");
}

function signerOfSeal(digest, seal) {
  const v = Number(number(part(seal, 64)));
  if (v > 1) throw invalid("The signature is not usable: a seal's v is 0 or 1.");
  return signerOf(digest, join([part(seal, 0, 64), integer(v + 27, 1)]));
}
