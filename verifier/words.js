/** What an officer wants to know of a consignment: in whose charge, released, held, may it go. These decide nothing. */
import { ZERO16 } from "./bytes.js";
import { administrationOf } from "./cargo/records.js";
import { oneLine, partyText, timeText } from "./names.js";

const LONGEST_TEXT = 120; // characters of a text out of a document
const WORD = /^[A-Za-z0-9-]+$/;

/**
 * Say where a consignment stands.
 *
 * @param custody The model with its whole history.
 * @param {Map<string, {pointer: string, value: any}[]>} details What is shown of records' details, by the records' names.
 * @returns {{where: string, mayGo: boolean, decided: string[]}}
 */
export function custodyWords(custody, consignment, manifest, ours, details) {
  const here = custody.of(consignment);
  const decided = here.releases.map(
    (release) =>
      `released for ${shownText(details, release.record, "procedure") || "a procedure not shown here"} by ` +
      `${partyText(release.party)} on ${timeText(release.at)}` +
      (release.manifest === manifest ? "" : " (for another manifest)"),
  );
  for (const hold of here.holds.values()) {
    const reason = shownText(details, hold.record, "reason");
    decided.push(`on hold by ${partyText(hold.party)} since ${timeText(hold.at)}${reason && ` (${reason})`}`);
  }
  const mayGo = custody.mayGo(consignment, ours, manifest);
  if (!mayGo) decided.push(`may not go: ${whyNot(custody, consignment, manifest, ours)}`);
  return { where: whereWords(custody, consignment), mayGo, decided };
}

function whereWords(custody, consignment) {
  const { offeredTo, parent, contents } = custody.of(consignment);
  const custodian = custody.custodian(consignment);
  const said = [custodian === ZERO16 ? "Closed: in nobody's charge." : `In the charge of ${partyText(custodian)}.`];
  if (offeredTo !== ZERO16) said.push(`Offered to ${partyText(offeredTo)}, not accepted.`);
  if (parent !== null) said.push(`Inside consignment ${parent.slice(0, 10)}….`);
  const held = [...contents].filter((inside) => custody.holds(inside).length).length;
  if (contents.size) said.push(`${contents.size} inside; ${held} on hold.`);
  return said.join(" ");
}

function whyNot(custody, consignment, manifest, ours) {
  if (custody.isHeldBy(consignment, ours)) return "it is on hold";
  const releases = custody.of(consignment).releases.filter(({ party }) => administrationOf(party) === ours);
  if (releases.some((release) => release.manifest === manifest)) return "something it is in, or that is in it, is on hold";
  return releases.length ? "the release is for another manifest" : `${partyText(ours)} has not released it`;
}

/** The texts under a name of a record's details, on one line, quoted where they are more than a word; "" if none is shown. */
function shownText(details, record, name) {
  const texts = (details.get(record) ?? [])
    .filter(({ pointer, value }) => typeof value === "string" && `${pointer}/`.startsWith(`/${name}/`))
    .map(({ value }) => value);
  const said = oneLine(texts.join(", "));
  return said === "" || (WORD.test(said) && said.length <= LONGEST_TEXT) ? said : `“${[...said].slice(0, LONGEST_TEXT).join("")}”`;
}
