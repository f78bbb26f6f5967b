/**
 * A disclosure: some leaves of a document, and the hashes that stand for the others.
 *
 * It shows what was committed to; that no second value hides under a pointer it does **not** show.
 *
 * Source: DESIGN 5.
 */
import { size } from "../bytes.js";
import { invalid } from "../refusal.js";
import { nodeHash, split } from "../chain/log.js";
import { hasExactly, isObject } from "./form.js";
import { comesBefore } from "./json.js";
import {
  MOST_DEPTH, MOST_LEAVES, MOST_POINTER_BYTES, SALT_BYTES, documentRoot, fieldHash, isEmpty, isIndex, utf8Length,
} from "./leaves.js";

const POINTER_PART = /^(?:[^~]|~[01])*$/su;
const HEX = /^0x[0-9a-f]*$/;

/**
 * Hold the object of a file to the form of a disclosure.
 *
 * @param {(rule: string) => Error} refuse Makes the error to throw.
 * @returns {{leaves: number, fields: {index: number, pointer: string, value: any, salt: string}[], siblings: string[]}}
 */
export function readDisclosure(value, refuse) {
  const { leaves, fields, siblings } = members(value, "the disclosure", ["leaves", "fields", "siblings"], refuse);
  if (!Number.isInteger(leaves) || leaves < 1 || leaves > MOST_LEAVES) throw refuse(`leaves must be from 1 to ${MOST_LEAVES}`);
  for (const [name, given] of [["fields", fields], ["siblings", siblings]]) {
    if (!Array.isArray(given)) throw refuse(`${name} must be an array`);
    if (given.length > leaves) throw refuse(`there are more ${name} than leaves`);
  }
  if (!siblings.every((each) => isHex(each, 32))) throw refuse("each sibling must be 32 bytes");
  if (fields.length === 0) throw refuse("at least one field must be shown");
  const shown = fields.map((field, position) => readField(field, position, refuse));
  requireOrder(shown, leaves, refuse);
  requireOneDocument(shown, leaves, refuse);
  return { leaves, fields: shown, siblings };
}

/** The root of the document that a disclosure is of. */
export function rootOfDisclosure({ leaves, fields, siblings }) {
  const rest = [...siblings].reverse();
  const hashes = fields.map((field) => ({ index: field.index, hash: fieldHash(field.salt, field.pointer, field.value) }));
  const root = fold(0, leaves, hashes, rest);
  if (rest.length) throw unusable("it has more siblings than its fields leave open");
  return documentRoot(leaves, root);
}

const unusable = (rule) => invalid(`The disclosure is not usable: ${rule}.`);

/** The root over leaves `begin` to `end`, of which some are shown; a subtree without any is the next sibling. */
function fold(begin, end, shown, siblings) {
  if (shown.length === 0) {
    if (siblings.length === 0) throw unusable("it has fewer siblings than its fields leave open");
    return siblings.pop();
  }
  if (end - begin === 1) return shown[0].hash;
  const middle = begin + split(end - begin);
  const left = fold(begin, middle, shown.filter(({ index }) => index < middle), siblings);
  return nodeHash(left, fold(middle, end, shown.filter(({ index }) => index >= middle), siblings));
}

function members(value, what, names, refuse) {
  if (isObject(value) && hasExactly(value, names)) return value;
  throw refuse(`${what} must be an object with exactly the members ${names.join(", ")}`);
}

const isHex = (value, bytes) => typeof value === "string" && HEX.test(value) && size(value) === bytes;

function readField(source, position, refuse) {
  const { index, pointer, value, salt } = members(source, "a field", ["index", "pointer", "value", "salt"], refuse);
  const where = `field ${position}`;
  if (!Number.isInteger(index)) throw refuse(`the index of ${where} must be an integer`);
  if (!isPointer(pointer))
    throw refuse(`the pointer of ${where} must be an RFC 6901 pointer of at most ${MOST_POINTER_BYTES} bytes`);
  const isScalar = value === null || ["string", "boolean", "number"].includes(typeof value);
  if (!isScalar && !((isObject(value) || Array.isArray(value)) && isEmpty(value)))
    throw refuse(
      `the value of ${where} must be a string, an integer within 2^53-1 of zero, true, false, null, an empty object or ` +
        "an empty array",
    );
  if (!isHex(salt, SALT_BYTES)) throw refuse(`the salt of ${where} must be ${SALT_BYTES} bytes`);
  return { index, pointer, value, salt };
}

function isPointer(pointer) {
  if (typeof pointer !== "string" || pointer.length > MOST_POINTER_BYTES || utf8Length(pointer) > MOST_POINTER_BYTES)
    return false;
  return pointer === "" || (pointer[0] === "/" && POINTER_PART.test(pointer));
}

function requireOrder(fields, leaves, refuse) {
  fields.forEach(({ index, pointer }, position) => {
    const former = fields[position - 1];
    if (index <= (former?.index ?? -1) || index >= leaves)
      throw refuse(`the index of field ${position} must be above the one before and below leaves`);
    if (former && !comesBefore(former.pointer, pointer))
      throw refuse(`the pointer of field ${position} must sort after the one before, byte by byte`);
  });
}

/** A container is an object or an array, never both, and never a leaf that has a value of its own. */
function requireOneDocument(fields, leaves, refuse) {
  const arrays = new Map([["", false]]); // each container above a field: whether it is an array
  for (const [position, { pointer, value }] of fields.entries()) {
    const parts = pointer.split("/").slice(1);
    const isContainer = typeof value === "object" && value !== null;
    if (parts.length + Number(isContainer) > MOST_DEPTH) throw refuse(`field ${position} is nested deeper than ${MOST_DEPTH}`);
    if (pointer === "") {
      if (!isObject(value) || leaves !== 1)
        throw refuse("the pointer of the whole document has a value only when that is empty");
      return;
    }
    let above = "";
    for (const name of parts) {
      if (!arrays.has(above)) arrays.set(above, isIndex(name));
      if (arrays.get(above) !== isIndex(name)) throw refuse(`${above || "the document"} would be both an array and an object`);
      above += `/${name}`;
    }
  }
  for (const { pointer } of fields)
    if (arrays.has(pointer)) throw refuse(`${pointer} is above another field, so it can't have a value of its own`);
}
