/**
 * The rules of custody: what ConsignmentLedger takes, and what stands after it. Records that its rules would have refused
 * are no history of a chain.
 *
 * Source: DESIGN 4.
 */
import { ZERO16, ZERO32 } from "../bytes.js";
import { isCustoms, partyText } from "../names.js";
import { Kind, OFFICER, TRADER, administrationOf, consignmentId, extendedTrail } from "./records.js";
import { RuleBroken } from "./rule_broken.js";

const LONGEST_SECONDS = 30 * 86_400;
const LONGEST_DECISION_SECONDS = 86_400;
const MOST_AHEAD_SECONDS = 300;
const MOST_ABOVE = 8;

const kinds = (...names) => new Set(names.map((name) => Kind[name]));
const NEED_SUBJECT = kinds("ACCEPT", "DECLINE", "LIFT", "RELEASE", "CLEARANCE", "CONSOLIDATE", "DECONSOLIDATE");
const MAY_HAVE_SUBJECT = kinds("OPEN", "REMARK");
const ON_CUSTODY_LINE = kinds("OFFER", "ACCEPT", "DECLINE", "CLOSE", "CONSOLIDATE", "DECONSOLIDATE");
const BY_OFFICER_OR_CUSTODIAN = kinds("ARRIVAL", "DEPARTURE", "SEAL", "REMARK");
const BY_OFFICER = kinds("INSPECTION", "HOLD", "LIFT");
const BY_CUSTOMS = kinds("RELEASE", "CLEARANCE", "TAKE");
const BY_CUSTODIAN = kinds("OFFER", "CLOSE", "CONSOLIDATE", "DECONSOLIDATE");
const DECISIONS = kinds("RELEASE", "CLEARANCE");
const ANSWERS = kinds("ACCEPT", "DECLINE");
const NOT_FROM_INSIDE = kinds("OFFER", "CLOSE", "CONSOLIDATE");

/** A kind's name, as the design writes it. */
export const kindName = (kind) => Object.keys(Kind).find((name) => Kind[name] === kind);

/** What stands of one consignment. */
class Consignment {
  constructor(opener) {
    this.trail = ZERO32;
    this.records = 0; // how many extended the trail
    this.line = ZERO32; // the custody line's last
    this.lines = new Map(); // address -> the last of its own line
    this.custodian = opener; // zero when closed; of what is inside another, who was in charge when it went in
    this.offeredTo = ZERO16;
    this.parent = null;
    this.contents = new Set();
    this.holds = new Map(); // digest -> {party, record, at}
    this.releases = []; // {party, manifest, record, at}, those that stand
    this.decided = []; // {party, at} of every RELEASE and CLEARANCE
  }
}

export class Custody {
  constructor() {
    this.consignments = new Map();
  }

  /**
   * Take a record as the chain took it.
   *
   * @param record As the file has it.
   * @param {string} digest Its name, 32 bytes.
   * @param {string} signer Its signer's address, 20 bytes.
   * @param account What the registry says of the signer: `accountOf`.
   * @param {number} time Of the block that took it.
   * @throws {RuleBroken} The rules would have refused it.
   */
  take(record, digest, signer, account, time) {
    this.requireEnrolled(record, signer, account, time);
    requireForm(record, time);
    const isOfficer = Boolean(account.roles & OFFICER);
    if (record.kind === Kind.OPEN) this.requireOpening(record, isOfficer);
    else this.requireStep(record, digest, signer, isOfficer);
    this.change(record, digest, signer, time);
  }

  // --- what the rules ask

  requireEnrolled(record, signer, account, time) {
    const isRevoked = account.revokedAt !== 0 && account.revokedAt < time; // at that very second what was taken stands
    const may = account.party === record.party && account.roles & (TRADER | OFFICER) && time < account.validUntil;
    if (!may || isRevoked)
      throw new RuleBroken(
        "NOT_ENROLLED",
        `account ${signer} may not sign for ${partyText(record.party)} now: it is no trader or officer of that party, its ` +
          "enrolment has expired or was revoked, or the administration is suspended. Ask the governor.",
      );
  }

  requireOpening(record, isOfficer) {
    if (this.consignments.has(record.consignment)) throw new RuleBroken("ALREADY_OPENED");
    if (consignmentId(record.party, record.previous) !== record.consignment) throw new RuleBroken("NOT_ITS_ID");
    if (record.subject === ZERO32) return;
    if (!this.isOpen(record.subject)) throw noParent(record.subject);
    if (!isOfficer && this.custodian(record.subject) !== record.party) throw this.notAllowed(record);
  }

  requireStep(record, digest, signer, isOfficer) {
    const here = this.consignments.get(record.consignment);
    if (!here) throw new RuleBroken("NOT_OPENED");
    requireNext(here, record, digest, signer);
    this.requirePermission(here, record, isOfficer);
    this.requirePlace(here, record);
  }

  requirePermission(here, record, isOfficer) {
    const { kind, party } = record;
    const goesOn = isOfficer && [BY_OFFICER_OR_CUSTODIAN, BY_OFFICER, BY_CUSTOMS].some((set) => set.has(kind));
    if (here.custodian === ZERO16 && !goesOn) throw new RuleBroken("CLOSED");
    if (!this.isAllowed(record, isOfficer)) throw this.notAllowed(record);
    if (ANSWERS.has(kind) && (here.offeredTo !== party || record.subject !== here.line)) throw notOffered(here);
    if (kind === Kind.LIFT && here.holds.get(record.subject)?.party !== party)
      throw new RuleBroken(
        "NOT_A_HOLD",
        `${record.subject} is no open hold of this party on the consignment; a hold is lifted once, by the party that ` +
          "placed it.",
      );
  }

  isAllowed({ kind, party, consignment, subject }, isOfficer) {
    if (BY_OFFICER.has(kind)) return isOfficer;
    if (BY_CUSTOMS.has(kind)) return isOfficer && isCustoms(party);
    const isInCharge = this.custodian(consignment) === party;
    if (BY_OFFICER_OR_CUSTODIAN.has(kind)) return isOfficer || isInCharge;
    if (!BY_CUSTODIAN.has(kind)) return true; // an answer: the offer says whose
    if (kind !== Kind.CONSOLIDATE || !this.isOpen(subject)) return isInCharge;
    return isInCharge && this.custodian(subject) === party;
  }

  requirePlace(here, record) {
    const { kind, consignment, party, subject } = record;
    const administration = administrationOf(party);
    const held = kind === Kind.CLOSE ? [consignment] : DECISIONS.has(kind) ? this.upwards(consignment) : [];
    if (held.some((each) => this.isHeldBy(each, administration))) throw this.held(record, administration);
    if (NOT_FROM_INSIDE.has(kind) && here.parent !== null)
      throw new RuleBroken("INSIDE_ANOTHER", `the consignment is inside ${here.parent}; deconsolidate it first.`);
    if (kind === Kind.DECONSOLIDATE && here.parent !== subject)
      throw new RuleBroken(
        "NOT_INSIDE_IT",
        "the consignment is not directly inside the one named" + (here.parent ? `; it is inside ${here.parent}.` : "."),
      );
    if (kind === Kind.CLOSE && here.contents.size)
      throw new RuleBroken(
        "NOT_EMPTY",
        `${here.contents.size} other is still inside the consignment; deconsolidate what is inside before closing.`,
      );
    if (kind !== Kind.CONSOLIDATE) return;
    if (!this.isOpen(subject)) throw noParent(subject);
    const line = this.upwards(subject);
    if (line.at(-1) === consignment) throw new RuleBroken("LOOP");
    if (line.length + this.height(consignment) > MOST_ABOVE) throw new RuleBroken("TOO_DEEP");
  }

  // --- what changes

  change(record, digest, signer, time) {
    const { kind, consignment, party, subject } = record;
    if (kind === Kind.OPEN) this.consignments.set(consignment, new Consignment(party));
    const here = this.consignments.get(consignment);
    const second = this.second(record, here);
    if (second !== null) this.consignments.get(this.outermost(second)).offeredTo = ZERO16;
    if (ON_CUSTODY_LINE.has(kind) || kind === Kind.TAKE) {
      here.line = digest;
      here.offeredTo = ZERO16;
    }
    if (!ON_CUSTODY_LINE.has(kind) && kind !== Kind.OPEN) here.lines.set(signer, digest);
    if (kind === Kind.OFFER) here.offeredTo = record.counterpart;
    if (kind === Kind.ACCEPT) here.custodian = party;
    if (kind === Kind.CLOSE) here.custodian = ZERO16;
    if (kind === Kind.LIFT) here.holds.delete(subject);
    if (kind === Kind.HOLD) {
      here.holds.set(digest, { party, record: digest, at: time });
      this.voidReleases(consignment, new Set([administrationOf(party)]));
    }
    if (DECISIONS.has(kind)) release(here, record, digest, time);
    if (kind === Kind.CONSOLIDATE) {
      here.parent = subject;
      this.consignments.get(subject).contents.add(consignment);
    }
    if (kind === Kind.TAKE || kind === Kind.DECONSOLIDATE) {
      this.leave(here, consignment);
      here.custodian = party;
    }
    for (const each of second === null ? [here] : [here, this.consignments.get(second)]) {
      each.trail = extendedTrail(each.trail, digest, signer, time);
      each.records++;
    }
  }

  /** The second consignment whose trail a record extends; null for none. */
  second({ kind, subject }, here) {
    if (kind === Kind.TAKE) return here.parent;
    if (kind === Kind.CONSOLIDATE || kind === Kind.DECONSOLIDATE) return subject;
    return kind === Kind.OPEN && subject !== ZERO32 ? subject : null;
  }

  /** What leaves something that an administration holds loses that administration's releases. */
  leave(here, consignment) {
    if (here.parent === null) return;
    const holders = this.upwards(here.parent).flatMap((above) => this.holds(above));
    this.voidReleases(consignment, new Set(holders.map(({ party }) => administrationOf(party))));
    this.consignments.get(here.parent).contents.delete(consignment);
    here.parent = null;
  }

  voidReleases(consignment, administrations) {
    for (const each of this.downwards(consignment)) {
      const kept = this.consignments.get(each);
      kept.releases = kept.releases.filter(({ party }) => !administrations.has(administrationOf(party)));
    }
  }

  // --- what stands

  /** What is kept of a consignment, or undefined. */
  of(consignment) {
    return this.consignments.get(consignment);
  }

  trail(consignment) {
    return this.of(consignment)?.trail ?? ZERO32;
  }

  holds(consignment) {
    return [...(this.of(consignment)?.holds.values() ?? [])];
  }

  isHeldBy(consignment, administration) {
    return this.holds(consignment).some(({ party }) => administrationOf(party) === administration);
  }

  /** Who is in charge: the outermost's custodian; zero for nobody. */
  custodian(consignment) {
    return this.of(consignment) ? this.of(this.outermost(consignment)).custodian : ZERO16;
  }

  isOpen(consignment) {
    return (this.of(consignment)?.custodian ?? ZERO16) !== ZERO16;
  }

  /** Our release, naming the manifest shown, and no open hold of ours on it, on all it is in and all that is in it. */
  mayGo(consignment, ours, manifest) {
    const { releases } = this.of(consignment);
    const isReleased = releases.some((each) => administrationOf(each.party) === ours && each.manifest === manifest);
    const around = [...this.upwards(consignment), ...this.downwards(consignment)];
    return isReleased && !around.some((each) => this.isHeldBy(each, ours));
  }

  /** The consignment, what it is in, and so on. */
  upwards(consignment) {
    const line = [];
    for (let at = consignment; at !== null; at = this.of(at).parent) line.push(at);
    return line;
  }

  /** The consignment and all that is inside it. */
  downwards(consignment) {
    return [consignment, ...[...this.of(consignment).contents].flatMap((inside) => this.downwards(inside))];
  }

  outermost(consignment) {
    return this.upwards(consignment).at(-1);
  }

  height(consignment) {
    return Math.max(0, ...[...this.of(consignment).contents].map((inside) => 1 + this.height(inside)));
  }

  // --- why not

  notAllowed(record) {
    return new RuleBroken("NOT_ALLOWED", `${kindName(record.kind)} is for ${this.whoMay(record)}.`);
  }

  whoMay({ kind, consignment, subject }) {
    const inCharge = (of) => (this.custodian(of) === ZERO16 ? "nobody" : partyText(this.custodian(of)));
    if (BY_OFFICER.has(kind)) return "officers";
    if (BY_CUSTOMS.has(kind)) return "officers of a customs administration";
    if (kind === Kind.CONSOLIDATE)
      return `whoever is in charge of both: this one ${inCharge(consignment)}, the other ${inCharge(subject)}`;
    if (kind === Kind.OPEN) return `officers and the party in charge, ${inCharge(subject)}`;
    const who = `the party in charge, ${inCharge(consignment)}`;
    return BY_OFFICER_OR_CUSTODIAN.has(kind) ? `officers and ${who}` : who;
  }

  held({ kind, consignment }, administration) {
    const holders = this.upwards(consignment).flatMap((each) => this.holds(each).map(({ party }) => party));
    const ours = holders.filter((party) => administrationOf(party) === administration).map(partyText);
    const step = kind === Kind.CLOSE ? "closing" : `a ${kindName(kind).toLowerCase()}`;
    return new RuleBroken(
      "HELD",
      `the consignment is on hold by ${[...new Set(ours)].sort().join(", ")}; ${step} is possible once the hold is lifted.`,
    );
  }
}

/** A CLEARANCE without a release of that manifest counts as one. */
function release(here, { kind, party, subject }, digest, time) {
  here.decided.push({ party, at: time });
  const stands = here.releases.some((each) => each.party === party && each.manifest === subject);
  if (kind === Kind.RELEASE || !stands) here.releases.push({ party, manifest: subject, record: digest, at: time });
}

function requireForm(record, time) {
  const { kind, subject, counterpart, details } = record;
  const fields = (rule) => new RuleBroken("FIELDS", rule);
  if (counterpart !== ZERO16 && kind !== Kind.OFFER)
    throw fields(`counterpart must be zero in ${kindName(kind)}: only an OFFER is made to somebody.`);
  if (subject === ZERO32 && NEED_SUBJECT.has(kind))
    throw fields(`subject must not be zero in ${kindName(kind)}: it says what the record is about.`);
  if (subject !== ZERO32 && !NEED_SUBJECT.has(kind) && !MAY_HAVE_SUBJECT.has(kind))
    throw fields(`subject must be zero in ${kindName(kind)}.`);
  if (kind === Kind.OPEN && details === ZERO32)
    throw fields("details must be the manifest root in OPEN, and not zero.");
  if (time > record.expires_at)
    throw new RuleBroken(
      "EXPIRED",
      `the record expired ${time - record.expires_at} seconds ago. Sign it again with a later expiry.`,
    );
  const longest = DECISIONS.has(kind) ? LONGEST_DECISION_SECONDS : LONGEST_SECONDS;
  if (record.expires_at > record.observed_at + longest)
    throw new RuleBroken(
      "TOO_LONG",
      `the record would be good for too long: at most ${longest / 86_400} days after it was observed.`,
    );
  if (record.observed_at > time + MOST_AHEAD_SECONDS)
    throw new RuleBroken(
      "AHEAD",
      `the record says it was observed ${record.observed_at - time} seconds ahead of the chain's time; 300 seconds are ` +
        "allowed. Check the device's clock.",
    );
}

function requireNext(here, record, digest, signer) {
  const last = ON_CUSTODY_LINE.has(record.kind) ? here.line : (here.lines.get(signer) ?? ZERO32);
  // two officers of a party can sign the same words: one hold, not two
  if (last === digest || (record.kind === Kind.HOLD && here.holds.has(digest))) throw new RuleBroken("ALREADY_APPENDED");
  if (last !== record.previous)
    throw new RuleBroken(
      "NOT_NEXT",
      `the record does not follow the last one of its line: ${last} is the last. Look at the consignment and sign again.`,
    );
}

const noParent = (parent) =>
  new RuleBroken("NO_PARENT", `the consignment it names, ${parent}, was never opened or is closed.`);

const notOffered = ({ offeredTo }) =>
  new RuleBroken(
    "NOT_OFFERED",
    offeredTo === ZERO16
      ? "no such offer of the consignment to this party stands; it may have been withdrawn, or what is inside changed."
      : `the consignment is offered to ${partyText(offeredTo)}, by another offer than this or to another party.`,
  );
