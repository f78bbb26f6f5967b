/** Parties, times, ages and trade references, as people write them. */
import { padRight, part, size, toArray } from "./bytes.js";

const LAST_PRINTABLE_SECOND = 253_402_300_799n; // 9999-12-31T23:59:59Z
const PARTY = /^([A-Z0-9]{2,8})\0*$/;
const ORGANISATION = /^([A-Z0-9]{0,8})\0*$/;
const SCHEME = /^[a-z0-9-]{1,16}$/;
const VALUE = /^[!"$-`{-~]{1,128}$/; // printable ASCII without small letters and #
const PART = /^[!"$-`{-~]{1,32}$/;
const SPACES = /[\s\u001c-\u001f\u0085]+/gu;

/** A party of 16 bytes, or an administration of 8, as SG or SG:ACME01; as hex where the bytes are no party. */
export function partyText(party) {
  const text = String.fromCharCode(...toArray(padRight(party, 16)));
  const administration = PARTY.exec(text.slice(0, 8));
  const organisation = ORGANISATION.exec(text.slice(8));
  if (!administration || !organisation) return party;
  return organisation[1] ? `${administration[1]}:${organisation[1]}` : administration[1];
}

/** An administration's code, as "NL", as 8 bytes; null if it is none. */
export function administrationBytes(text) {
  if (!/^[A-Z0-9]{2,8}$/.test(text)) return null;
  return padRight("0x" + [...text].map((letter) => letter.charCodeAt(0).toString(16)).join(""), 8);
}

/** The customs administration itself, 16 bytes, that a party belongs to. */
export const customsOf = (party) => padRight(part(party, 0, 8), 16);

/** Whether a party is a customs administration itself. */
export const isCustoms = (party) => size(party) === 16 && customsOf(party) === party;

/** Unix seconds as RFC 3339 UTC; as the number where no calendar reaches it. */
export function timeText(seconds) {
  const time = BigInt(seconds);
  if (time < 0n || time > LAST_PRINTABLE_SECOND) return String(time);
  return new Date(Number(time) * 1000).toISOString().replace(".000Z", "Z");
}

/** Seconds in the largest unit of which there are two. */
export function durationText(seconds) {
  for (const [unit, length] of [["days", 86_400n], ["hours", 3_600n], ["minutes", 60n]])
    if (seconds >= 2n * length) return `${seconds / length} ${unit}`;
  return `${seconds} seconds`;
}

/** A trade reference `scheme:value` or `scheme:value#part` taken apart; null if it is none. */
export function tradeReference(text) {
  const found = /^([^:]*):([^#]*)(?:#(.*))?$/su.exec(text);
  if (!found || !SCHEME.test(found[1]) || !VALUE.test(found[2])) return null;
  if (found[3] !== undefined && !PART.test(found[3])) return null;
  return { scheme: found[1], value: found[2] };
}

/** The trade reference that a document states; null if it is none. */
export function statedReference(scheme, value) {
  const [kind, number] = [scheme.replace(SPACES, ""), value.replace(SPACES, "")];
  if (!/^[\0-\x7f]*$/.test(kind + number)) return null; // other letters' capitals look alike: ı gives I
  return tradeReference(`${kind.toLowerCase()}:${number.toUpperCase()}`);
}

/** A text out of a document: on one line, printable, without the marks that quote it. */
export function oneLine(text) {
  const line = text.split(SPACES).filter((word) => word).join(" ");
  return [...line].filter((character) => character === " " || !/[\p{C}\p{Z}“”]/u.test(character)).join("");
}

const UNSEEN =
  /(?<=^|[\0-\x7f])[\u200c\u200d]|(?![\u200c\u200d\n])[\p{Cc}\p{Cf}\p{Cs}]|[\u2028\u2029\u034f\u115f\u1160\u3164\uffa0]/gu;
const WORD = /[\p{L}\p{N}_]+(?![\p{L}\p{N}_]| \[has letters that are not Latin\])/gu;
const LOOK_ALIKE =
  /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}\p{Script=Coptic}\p{Script=Lisu}]/u;

/**
 * A text of others as it is shown: control and direction characters and those that cannot be seen become escapes, lines stay;
 * behind a word that reads as a number, and has letters that only look like Latin ones, it says so.
 */
export const printable = (text) =>
  text
    .replace(UNSEEN, (character) => `\\u${character.codePointAt(0).toString(16).padStart(4, "0")}`)
    .replace(WORD, (word) => (isPosing(word) ? `${word} [has letters that are not Latin]` : word));

/** Whether a word of five characters or more reads as a number in Latin capitals and has letters or digits that are none. */
function isPosing(word) {
  const all = [...word];
  if (all.length < 5 || /[a-z]/.test(word) || !/[A-Z]|[0-9].*[0-9].*[0-9]/.test(word)) return false;
  return all.some(
    (each) =>
      /[^\0-\x7f]/.test(each) &&
      !/\p{No}/u.test(each) &&
      (/^[\0-\x7f]*$/.test(each.normalize("NFKC")) || LOOK_ALIKE.test(each)),
  );
}
