/**
 * Clique's signers as they vote each other in and out, and what confirms one of its blocks; never finality.
 *
 * Source: EIP-225; the order of its steps as geth 1.13 takes them.
 */
import { number } from "../bytes.js";
import { checksummed } from "../crypto.js";
import { invalid } from "../refusal.js";

const ADD = "0xffffffffffffffff";
const DROP = "0x0000000000000000";

/** Why seals do not hold. */
export const unsealed = (rule) => invalid(`The seals do not hold: ${rule}.`);

/** Who may seal after each header, from the trusted block on; every header in between is needed. */
export class CliqueSigners {
  constructor({ validators, fromBlock, epoch }) {
    this.signers = new Set(validators);
    this.number = BigInt(fromBlock);
    this.epoch = BigInt(epoch);
    this.recent = new Map(); // block -> signer, of those who still rest
    this.votes = []; // {by, whom}: to change the standing that `whom` has now
  }

  /** Take the next header in line. */
  take(header) {
    const block = header.number;
    if (block !== this.number + 1n) throw unsealed(`header ${block} came where ${this.number + 1n} was due`);
    const signer = header.cliqueSigner;
    const isCheckpoint = block % this.epoch === 0n;
    if (isCheckpoint) this.votes = [];
    this.letRested(block);
    if (!this.signers.has(signer)) throw unsealed(`block ${block} is sealed by ${checksummed(signer)}, who is no signer then`);
    if ([...this.recent.values()].includes(signer))
      throw unsealed(`block ${block} is sealed by ${checksummed(signer)}, who sealed one too short before`);
    this.requireList(header, isCheckpoint);
    const isVote = header.nonce === ADD || header.nonce === DROP;
    if (!isVote || (isCheckpoint && (header.nonce !== DROP || number(header.beneficiary) !== 0n)))
      throw unsealed(`the vote of block ${block} is none`);
    this.recent.set(block, signer);
    this.number = block;
    this.vote(signer, header.beneficiary, header.nonce === ADD);
  }

  requireList(header, isCheckpoint) {
    const listed = header.cliqueList;
    const due = [...this.signers].sort();
    if (isCheckpoint && listed.join() !== due.join())
      throw unsealed(`checkpoint ${header.number} lists other signers than those who were voted in`);
    if (!isCheckpoint && listed.length) throw unsealed(`block ${header.number} lists signers and is no checkpoint`);
  }

  letRested(block) {
    this.recent.delete(block - BigInt(Math.floor(this.signers.size / 2) + 1));
  }

  vote(by, whom, isIn) {
    this.votes = this.votes.filter((vote) => vote.by !== by || vote.whom !== whom);
    if (isIn !== this.signers.has(whom)) this.votes.push({ by, whom });
    // votes cast before count even if this one changes nothing: fewer signers may have made them enough since
    const count = this.votes.filter((vote) => vote.whom === whom).length;
    if (count <= Math.floor(this.signers.size / 2)) return;
    if (this.signers.has(whom)) {
      this.signers.delete(whom);
      this.letRested(this.number);
      this.votes = this.votes.filter((vote) => vote.by !== whom);
    } else this.signers.add(whom);
    this.votes = this.votes.filter((vote) => vote.whom !== whom);
  }
}

/** How many distinct signers sealed the first of linked headers or one after it. */
export function confirmations(chain, signers) {
  for (const [at, header] of chain.entries()) {
    if (at > 0 && (header.parentHash !== chain[at - 1].hash || header.number !== chain[at - 1].number + 1n))
      throw unsealed(`header ${header.number} does not follow the one before it`);
  }
  const rest = Math.floor(signers.size / 2); // a signer rests for this many blocks after its own
  const sealed = [];
  for (const header of chain) {
    const signer = header.cliqueSigner;
    if (!signers.has(signer))
      throw unsealed(`block ${header.number} is sealed by ${checksummed(signer)}, who is no trusted signer`);
    if (rest > 0 && sealed.slice(-rest).includes(signer))
      throw unsealed(`block ${header.number} is sealed by ${checksummed(signer)}, who sealed one too short before`);
    sealed.push(signer);
  }
  return new Set(sealed).size;
}
