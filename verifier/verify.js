/**
 * The verdict on an evidence file, from the file, the trust file and the time alone.
 *
 * Each check gives a sentence or throws a `Refusal`. Whatever else is thrown is a fault of this program: the check is an
 * ERROR then, and nothing passes.
 *
 * Source: DESIGN 6.
 */
import { ZERO32, integer } from "./bytes.js";
import { Custody } from "./cargo/custody.js";
import {
  OFFICER, SEQUENCER, TRADER, administrationOf, blindOf, closureCommitment, consignmentId, custodyDigest,
  headCommitment, leafHash, manifestDigest, promiseDigest, secondConsignment,
} from "./cargo/records.js";
import { Header } from "./chain/header.js";
import { requireInclusion } from "./chain/log.js";
import { UNSEALED, judgeSeals, stateHeader } from "./chain/seals.js";
import { accountOf, accountSlot, closureSlot, headSlot, trailSlot } from "./chain/slots.js";
import { Nodes, decodeAccount, decodeSlot } from "./chain/trie.js";
import { checksummed, keccak, signerOf } from "./crypto.js";
import { Evidence } from "./format/evidence.js";
import { customsOf, durationText, partyText, statedReference, timeText, tradeReference } from "./names.js";
import { Refusal, error, invalid, skipped } from "./refusal.js";
import { NAMES, conclude, unread } from "./report.js";
import { custodyWords } from "./words.js";

const CLOCK_TOLERANCE_SECONDS = 300n; // a block may be ahead of a right clock by this
const REGISTRY = "AdministrationRegistry";
const LOG = "ManifestLog";
const CONSIGNMENTS = "ConsignmentLedger";

/**
 * Read and judge an evidence file.
 *
 * @param {Uint8Array} data The file.
 * @param {import("./format/trust.js").Trust} trust What is taken for granted.
 * @param {number} now The device's clock, Unix seconds.
 * @param {number} clockFloor The newest time that is known to have passed; a clock behind it is wrong.
 * @param {(done: number, of: number) => void} progress Told of the signatures, which are what takes time.
 * @returns {{report: {verdict: string, asOf: ?{block: bigint, time: bigint, ageSeconds: bigint}, state: string,
 *   checks: {name: string, status: string, message: string}[], trust: string}, run: ?Verification}} The report, and the
 *   run with what it has established; none of bytes that could not be read.
 */
export function verify(data, trust, now, clockFloor = 0, progress = () => {}) {
  try {
    const run = new Verification(new Evidence(data), trust, BigInt(now), BigInt(clockFloor), progress);
    return { report: run.report(), run };
  } catch (problem) {
    const { status, message } = refusalOf(problem);
    return { report: unread(status, message, trust.sha256), run: null };
  }
}

/** What was thrown, as a refusal; what is none is a fault of ours. */
function refusalOf(problem) {
  if (problem instanceof Refusal) return problem;
  return error(`This could not be judged: ${problem instanceof Error ? problem.message : "an unknown fault"}.`);
}

/** A value that is found once; a failure is thrown each time it is asked for. */
function once(find) {
  let found = null;
  return () => {
    if (found === null) {
      try {
        found = { value: find() };
      } catch (problem) {
        found = { problem };
      }
    }
    if ("problem" in found) throw found.problem;
    return found.value;
  };
}

class Verification {
  constructor(evidence, trust, now, clockFloor, progress) {
    Object.assign(this, { evidence, trust, now, clockFloor });
    this.manifest = evidence.manifest;
    this.record = evidence.manifest.record;
    this.custody = new Custody();
    this.manifestWords = "";
    this.isCustodyProven = false;
    this.isUnopened = false;

    this.leaf = leafHash(this.record, this.manifest.signature);
    this.digests = evidence.custody.map(({ record }) => custodyDigest(record, trust.consignmentsDomain));
    this.issuer = signer(manifestDigest(this.record, trust.logDomain), this.manifest.signature);
    this.promiser = this.manifest.promise && this.promiseSigner();
    this.custodians = evidence.custody.map(({ signature }, at) => {
      progress(at, evidence.custody.length);
      return signer(this.digests[at], signature);
    });
    this.signers = [this.issuer, ...(this.promiser ? [this.promiser] : []), ...this.custodians];

    this.headers = once(() => this.readHeaders());
    this.header = once(() => stateHeader(this.headers(), trust));
    this.words = once(() => this.readWords());
    this.sealed = once(() => this.judgeSeals());
  }

  report() {
    const runs = {
      document: () => this.checkDocument(),
      issuer: () => this.checkIssuer(),
      inclusion: () => this.checkInclusion(),
      lodged: () => this.checkLodged(),
      binding: () => this.checkBinding(),
      succession: () => this.checkSuccession(),
      custody: () => this.checkCustody(),
      signatures: () => this.checkSignatures(),
      authority: () => this.checkAuthority(),
      seals: () => this.sealed(),
      freshness: () => this.checkFreshness(),
    };
    const checks = NAMES.map((name) => {
      try {
        return { name, status: "VALID", message: runs[name]() };
      } catch (problem) {
        const { status, message } = refusalOf(problem);
        return { name, status, message };
      }
    });
    const verdict = conclude(checks, this.trust.consensus !== "development");
    return { verdict, asOf: this.asOf(), state: this.state(verdict), checks, trust: this.trust.sha256 };
  }

  // --- what the chain holds

  readHeaders() {
    const headers = this.evidence.chain.headers.map((header) => new Header(header));
    if (headers.length === 0) throw skipped("The file shows no block.");
    return headers;
  }

  /** The slots that the file's claims stand on, [contract, slot], in the order in which its nodes must come. */
  slots() {
    const { evidence, manifest } = this;
    const successors = evidence.closures.map(({ successor }) => successor).filter((each) => each !== ZERO32);
    const signers = this.signers.map(({ address }) => address).filter((each) => each !== null);
    return [
      [LOG, headSlot(administrationOf(this.record.party), manifest.epoch, manifest.size)],
      ...[evidence.firstManifest, ...successors].map((each) => [LOG, closureSlot(each)]),
      ...[evidence.consignment, ...evidence.opened].map((each) => [CONSIGNMENTS, trailSlot(each)]),
      ...signers.map((each) => [REGISTRY, accountSlot(each)]),
    ];
  }

  /** All these slots' 32 bytes, by contract and slot, shown from the header's state root. */
  readWords() {
    const { stateRoot } = this.header();
    const nodes = new Nodes(this.evidence.chain.nodes);
    const roots = new Map();
    const words = new Map();
    for (const [contract, slot] of this.slots()) {
      const name = contract + slot;
      if (words.has(name)) continue;
      if (!roots.has(contract)) roots.set(contract, this.storageRoot(contract, stateRoot, nodes));
      words.set(name, integer(this.slotValue(nodes.value(roots.get(contract), keccak(slot))), 32));
    }
    if (!nodes.areInOrder)
      throw invalid("The file holds trie nodes that nothing needs, or holds them in another order.");
    return words;
  }

  slotValue(value) {
    // anvil keeps slots in its trie that were read and hold nothing; no chain with seals does
    const isAnvils = value === "0x80" && this.trust.consensus === "development";
    return value === null || isAnvils ? 0n : decodeSlot(value);
  }

  storageRoot(contract, stateRoot, nodes) {
    const address = this.trust.addresses[contract];
    const value = nodes.value(stateRoot, keccak(address));
    if (value === null) throw invalid(`There is no ${contract} at ${checksummed(address)} on this chain.`);
    const { storageRoot, codeHash } = decodeAccount(value);
    if (codeHash !== this.trust.codeHashes[contract])
      throw invalid(`The contract at ${checksummed(address)} is not the ${contract} that the trust file pins.`);
    return storageRoot;
  }

  word(contract, slot) {
    const word = this.words().get(contract + slot);
    if (word === undefined) throw new Error("a slot is asked for that was not read");
    return word;
  }

  account({ address, problem }) {
    if (address === null) throw invalid(problem);
    const word = this.word(REGISTRY, accountSlot(address));
    if (word === ZERO32) throw invalid(`${checksummed(address)} signed and was never enrolled.`);
    return accountOf(word);
  }

  promiseSigner() {
    const { promise } = this.manifest;
    const digest = promiseDigest(promise, administrationOf(this.record.party), this.leaf, this.trust.logDomain);
    return signer(digest, promise.signature);
  }

  // --- the manifest

  checkDocument() {
    const { shown, promise } = this.manifest;
    if (shown.root !== this.record.manifest_root)
      throw invalid("What is shown of the manifest is not what its record commits to.");
    for (const { record, details } of this.evidence.custody)
      if (details !== null && details.root !== record.details)
        throw invalid("What is shown of a custody record's details is not what the record commits to.");
    if (shown.isWhole) return "The whole manifest is shown, and it is the one that was committed to.";
    const some = `${shown.leaves.length} of the manifest's ${shown.source.leaves} fields are shown`;
    if (promise === null || !promise.seen)
      throw skipped(
        `${some}, as committed to; a second value may exist under the same name, since nobody vouches for the whole.`,
      );
    const account = this.account(this.promiser);
    const customs = customsOf(this.record.party);
    if (account.party !== customs || !(account.roles & SEQUENCER))
      throw invalid(`The promise is not signed by a sequencer of ${partyText(customs)}.`);
    if (account.revokedAt)
      throw skipped(
        `${some}; the sequencer that vouched for the whole was revoked at ${timeText(account.revokedAt)}, from ` +
          `${timeText(account.revokedFrom)} on, and when it vouched can't be told.`,
      );
    return `${some}, as committed to; ${partyText(customs)} saw the whole.`;
  }

  checkIssuer() {
    const account = this.account(this.issuer);
    const party = partyText(this.record.party);
    if (account.party !== this.record.party)
      throw invalid(`The manifest is stated by ${party} and signed for ${partyText(account.party)}.`);
    if (!(account.roles & (TRADER | OFFICER)))
      throw invalid(`The account that signed the manifest for ${party} has no role to do so.`);
    return `The manifest is ${party}'s.`;
  }

  checkInclusion() {
    const { index, size, path, root } = this.manifest;
    requireInclusion(this.leaf, index, size, path, root);
    return `The manifest is leaf ${index} of ${size}.`;
  }

  checkLodged() {
    const { epoch, size, root, anchoredAt } = this.manifest;
    const administration = administrationOf(this.record.party);
    if (this.word(LOG, headSlot(administration, epoch, size)) !== headCommitment(root, anchoredAt))
      throw invalid(`${partyText(administration)}'s log has no such head, or it was anchored at another time.`);
    return `Lodged with ${partyText(administration)}, on chain since ${timeText(anchoredAt)}.`;
  }

  checkBinding() {
    const { opening, reference, key, consignment, isOwnStatement } = this.evidence;
    if (opening === null) throw skipped("The file has no opening of the consignment, so its manifest can't be tied to it.");
    const blind = blindOf(key, reference);
    if (opening.previous !== blind || consignmentId(opening.party, blind) !== consignment)
      throw invalid(`${reference} and its key are of another consignment.`);
    if (!this.showsReference()) throw invalid(`The manifest does not show the trade reference ${reference}.`);
    const opened = `${reference} is the consignment that ${partyText(opening.party)} opened`;
    return isOwnStatement
      ? `${opened}; the manifest is ${partyText(this.record.party)}'s own statement about it, and no more is claimed.`
      : `${opened} with this manifest's line.`;
  }

  showsReference() {
    const wanted = tradeReference(this.evidence.reference);
    if (wanted === null) return false;
    const shown = new Map(this.manifest.shown.leaves.map(({ pointer, value }) => [pointer, value]));
    for (const [pointer, scheme] of shown) {
      if (!pointer.startsWith("/references/") || !pointer.endsWith("/scheme")) continue;
      const value = shown.get(pointer.slice(0, -"scheme".length) + "value");
      if (typeof scheme !== "string" || typeof value !== "string") continue;
      const stated = statedReference(scheme, value);
      if (stated?.scheme === wanted.scheme && stated.value === wanted.value) return true;
    }
    return false;
  }

  checkSuccession() {
    const shown = this.evidence.manifestId;
    const named = (manifest) => `Manifest ${manifest.slice(0, 10)}…`;
    let at = this.evidence.firstManifest;
    const line = new Set([at]);
    for (const closure of this.evidence.closures) {
      if (at === ZERO32) throw invalid("A manifest that was withdrawn has no successor.");
      if (this.word(LOG, closureSlot(at)) !== closureCommitment(closure))
        throw invalid(`${named(at)} was not closed as the file says.`);
      if (at === shown) this.manifestWords = closedWords(closure);
      at = closure.successor;
      if (line.has(at)) throw invalid("A manifest comes twice in the line.");
      line.add(at);
    }
    if (at !== ZERO32 && this.word(LOG, closureSlot(at)) !== ZERO32) {
      this.manifestWords = at === shown ? "No longer current." : "";
      throw invalid(`${named(at)} is closed, and the file does not say how.`);
    }
    if (at !== shown)
      throw invalid(
        this.manifestWords || "The line of manifests does not lead to the one shown: it is not the one in force.",
      );
    this.manifestWords = "Current.";
    return "The manifest shown is the one in force.";
  }

  // --- the custody

  checkCustody() {
    const { custody, consignment, opened } = this.evidence;
    this.requireSomebodyBehindTheBlock();
    if (custody.length === 0) {
      if (this.word(CONSIGNMENTS, trailSlot(consignment)) !== ZERO32)
        throw invalid("The consignment has a history, and the file shows none of it.");
      this.isUnopened = true;
      throw skipped("The consignment was not opened on chain as of this block.");
    }
    this.requireConnected();
    let last = 0;
    for (const [at, { record, acceptedAt }] of custody.entries()) {
      if (acceptedAt < last) throw invalid("The custody records are not in the order in which the chain took them.");
      last = acceptedAt;
      const account = this.account(this.custodians[at]);
      this.custody.take(record, this.digests[at], this.custodians[at].address, account, acceptedAt);
    }
    for (const each of opened)
      if (this.word(CONSIGNMENTS, trailSlot(each)) !== this.custody.trail(each))
        throw invalid(
          `The records are not the whole history of consignment ${each.slice(0, 10)}… as the chain has it.`,
        );
    this.isCustodyProven = true;
    return `${this.custody.of(consignment).records} records are the whole history, in order, with their times.`;
  }

  requireSomebodyBehindTheBlock() {
    if (this.trust.consensus === "development") return;
    try {
      this.sealed();
    } catch {
      throw skipped("The records were not replayed, since nobody stands behind the block.");
    }
  }

  /** Every consignment in the file is connected with the one in question, and none is missing. */
  requireConnected() {
    const opened = new Set(this.evidence.opened);
    if (!opened.has(this.evidence.consignment))
      throw invalid("The records do not begin with the consignment's opening.");
    const links = new Map([...opened].map((each) => [each, []]));
    const missing = new Set();
    for (const { record } of this.evidence.custody) {
      if (!opened.has(record.consignment)) throw invalid("A record is of a consignment whose opening is not shown.");
      const second = secondConsignment(record);
      if (second === null) continue;
      if (!opened.has(second)) missing.add(second);
      else {
        links.get(record.consignment).push(second);
        links.get(second).push(record.consignment);
      }
    }
    if (missing.size)
      throw skipped(
        `The histories of ${missing.size} consignments that this one was connected with are missing, ${opened.size - 1} ` +
          "are shown.",
      );
    const reached = new Set([this.evidence.consignment]);
    for (const each of reached) links.get(each).forEach((linked) => reached.add(linked)); // it grows while it is read
    if (reached.size !== opened.size) throw invalid("A record is of a consignment that was never connected with this one.");
  }

  checkSignatures() {
    for (const { address, problem } of this.signers) if (address === null) throw invalid(problem);
    const accounts = new Set(this.signers.map(({ address }) => address));
    return `${this.signers.length} signatures, by ${accounts.size} accounts.`;
  }

  checkAuthority() {
    const acts = this.evidence.custody.map(({ record, acceptedAt }, at) => ({
      signer: this.custodians[at], party: record.party, time: acceptedAt, what: "a custody record",
    }));
    acts.unshift({
      signer: this.issuer, party: this.record.party, time: this.manifest.anchoredAt, what: "the manifest",
    });
    const disputed = new Set();
    for (const act of acts) {
      const account = this.account(act.signer);
      const who = `he account that signed ${act.what} for ${partyText(act.party)}`;
      if (account.party !== act.party || !(account.roles & (TRADER | OFFICER)))
        throw invalid(`T${who} was not enrolled for that.`);
      if (act.time >= account.validUntil) throw invalid(`T${who} had run out at ${timeText(account.validUntil)}.`);
      if (!account.revokedAt || act.time < account.revokedFrom) continue;
      const dates = `revoked at ${timeText(account.revokedAt)}, from ${timeText(account.revokedFrom)} on`;
      if (act.time > account.revokedAt)
        throw invalid(`T${who} was ${dates}, before the chain took it at ${timeText(act.time)}.`);
      disputed.add(`Disputed, and not decided here: t${who} at ${timeText(act.time)} was ${dates}.`);
    }
    if (disputed.size) throw skipped([...disputed].join(" "));
    return "Every signer was enrolled for its party and valid when the chain took what it signed.";
  }

  // --- the block

  judgeSeals() {
    const { trust } = this;
    const { id, genesisHash } = this.evidence.chain;
    if (id !== trust.chainId || genesisHash !== trust.genesisHash)
      throw invalid(
        `The file is of chain ${id}, genesis ${genesisHash.slice(0, 10)}…; the trust file is of chain ${trust.chainId}, ` +
          `genesis ${trust.genesisHash.slice(0, 10)}….`,
      );
    return judgeSeals(this.headers(), trust);
  }

  checkFreshness() {
    const { trust } = this;
    const asOf = this.asOf();
    if (asOf === null) throw skipped("The file shows no block, so its age is not known.");
    const floor = newest([this.clockFloor, ...this.headerTimes()]);
    if (this.now + CLOCK_TOLERANCE_SECONDS < floor)
      throw error(
        `The device's clock says ${timeText(this.now)}, and ${timeText(floor)} has passed: set it; the age is not known.`,
      );
    if (this.now >= BigInt(trust.expiresAt))
      throw error(`The trust file ran out at ${timeText(trust.expiresAt)}: get a new one.`);
    const age = durationText(asOf.ageSeconds);
    if (asOf.ageSeconds > BigInt(trust.oldSeconds))
      throw skipped(
        `This was so ${age} ago; older than ${durationText(BigInt(trust.oldSeconds))} is too old: get a new file.`,
      );
    return `As of block ${asOf.block}, ${timeText(asOf.time)}, ${age} ago.`;
  }

  headerTimes() {
    return this.headers().map(({ timestamp }) => timestamp);
  }

  /** The block, its time and its age, from the newest time known; null if there is none to see. */
  asOf() {
    try {
      const { number: block, timestamp: time } = this.header();
      return { block, time, ageSeconds: newest([this.now, this.clockFloor, ...this.headerTimes()]) - time };
    } catch {
      return null;
    }
  }

  // --- the state

  state(verdict) {
    const said = this.trust.consensus === "development" ? [UNSEALED] : [];
    if (verdict === "INVALID") {
      said.push(this.manifestWords || "Nothing holds of what this file says.", "May not go.");
      return said.join(" ");
    }
    if (this.manifestWords) said.push(this.manifestWords);
    if (!this.isCustodyProven) {
      said.push("Where the cargo stands is not shown; may not go.");
      return said.join(" ");
    }
    const { consignment, manifestId, custody } = this.evidence;
    const details = new Map(custody.flatMap((taken, at) => (taken.details ? [[this.digests[at], taken.details.leaves]] : [])));
    const { where, mayGo, decided } = custodyWords(this.custody, consignment, manifestId, this.trust.code, details);
    if (mayGo)
      decided.push(
        verdict === "VALID"
          ? `may go, as far as ${this.trust.administration} is concerned`
          : "may not go: this file does not settle it",
      );
    const sentence = decided.join("; ");
    said.push(where, `${sentence[0].toUpperCase()}${sentence.slice(1)}.`);
    return said.join(" ");
  }
}

function signer(digest, signature) {
  try {
    return { address: signerOf(digest, signature), problem: "" };
  } catch (problem) {
    if (!(problem instanceof Refusal)) throw problem;
    return { address: null, problem: `A signature is none: ${problem.message}` };
  }
}

const newest = (times) => times.reduce((a, b) => (a > b ? a : b));

function closedWords({ successor, time }) {
  if (successor === ZERO32) return `Withdrawn since ${timeText(time)}.`;
  return `Superseded by ${successor.slice(0, 10)}… since ${timeText(time)}.`;
}
