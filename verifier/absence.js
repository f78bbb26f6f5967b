/**
 * Proof that something was not on chain as of a block, out of an evidence file: a history is complete or the file does not
 * hold, so what it has not was not there.
 *
 * Source: DESIGN 1 and 4.
 */
import { administrationOf, blindOf, consignmentId } from "./cargo/records.js";
import { partyText, timeText, tradeReference } from "./names.js";
import { conclude } from "./report.js";

const LODGED = ["issuer", "inclusion", "lodged"];
const HISTORY = ["binding", "custody", "signatures", "authority"];
const BLOCK = ["seals", "freshness"];

/** What may be asked for. */
export const WHATS = Object.freeze(["release", "hold", "closure"]);

/**
 * Judge whether a file shows that something was not on chain.
 *
 * @param {{report: object, run: ?object}} verified What `verify` gave.
 * @param {"release"|"hold"|"closure"} what `release`: the administration never released or cleared the consignment. `hold`:
 *   none of its parties has a hold open on it, or on anything that it is in. `closure`: the manifest shown was lodged, and
 *   neither amended nor withdrawn.
 * @param {string} administration Whose release or hold, 8 bytes.
 * @returns A report over the checks that the proof rests on.
 */
export function absent({ report, run }, what, administration) {
  if (run === null) return report;
  const replaced = new Map(run.isUnopened && what !== "closure" ? unopened(run) : []);
  const checks = report.checks
    .filter((check) => restsOn(what, run).includes(check.name) || isFalseDocument(what, check))
    .map((check) => replaced.get(check.name) ?? check);
  const found = FINDERS[what](run, administration);
  if (found) checks.push({ name: "absence", status: "INVALID", message: found });
  const verdict = conclude(checks, run.trust.consensus !== "development");
  return { ...report, verdict, checks, state: state(verdict, found, report.asOf, sentence(what, run, administration)) };
}

function restsOn(what, run) {
  if (what === "closure") return [...LODGED, "succession", ...BLOCK];
  // without a history nobody but the manifest's author says which consignment it is
  return run.isUnopened ? [...LODGED, ...HISTORY, ...BLOCK] : [...HISTORY, ...BLOCK];
}

const isFalseDocument = (what, { name, status }) => what === "closure" && name === "document" && status === "INVALID";

/** What stands for two checks of a consignment without a history: there is none, and whose it would be. */
function unopened({ evidence, record }) {
  const custody = "The chain has no history of this consignment: it was never opened.";
  const replaced = [["custody", { name: "custody", status: "VALID", message: custody }]];
  const { reference, key, consignment } = evidence;
  if (tradeReference(reference) !== null && consignmentId(record.party, blindOf(key, reference)) === consignment) {
    const message = `${reference} would be the consignment that ${partyText(record.party)} opens.`;
    replaced.push(["binding", { name: "binding", status: "VALID", message }]);
  }
  return replaced;
}

function state(verdict, found, asOf, sentence) {
  if (asOf === null || verdict === "INDETERMINATE") return "This file does not settle it.";
  if (verdict === "INVALID") return found || "Nothing is shown: the file does not hold.";
  return `${sentence} as of block ${asOf.block}, ${timeText(asOf.time)}.`;
}

function sentence(what, { evidence }, administration) {
  if (what === "closure") return `Manifest ${evidence.manifestId.slice(0, 10)}… was neither amended nor withdrawn`;
  const who = partyText(administration);
  return what === "release"
    ? `${who} had never released ${evidence.reference}`
    : `${who} had no hold open on ${evidence.reference}, nor on anything it is in,`;
}

const FINDERS = {
  release({ evidence, custody }, administration) {
    const decided = custody.of(evidence.consignment)?.decided ?? [];
    const released = decided.find(({ party }) => administrationOf(party) === administration);
    return released ? `${partyText(released.party)} released it on ${timeText(released.at)}.` : "";
  },

  hold({ evidence, custody }, administration) {
    if (!custody.of(evidence.consignment)) return "";
    for (const at of custody.upwards(evidence.consignment)) {
      const hold = custody.holds(at).find(({ party }) => administrationOf(party) === administration);
      if (!hold) continue;
      const which = at === evidence.consignment ? "It" : `It is inside ${at.slice(0, 10)}…, which`;
      return `${which} is on hold by ${partyText(hold.party)} since ${timeText(hold.at)}.`;
    }
    return "";
  },

  closure: ({ manifestWords }) => (manifestWords === "Current." ? "" : manifestWords),
};
