/**
 * A document as its leaves, and the root that commits to them.
 *
 * Source: DESIGN 5; RFC 6901 for pointers, RFC 8785 for the text of values.
 */
import { integer, join, ofText, part } from "../bytes.js";
import { sha256, shake256 } from "../crypto.js";
import { invalid } from "../refusal.js";
import { treeRoot } from "../chain/log.js";
import { OtherNumber, comesBefore } from "./json.js";

export const MOST_LEAVES = 10_000;
export const MOST_DEPTH = 32;
export const MOST_POINTER_BYTES = 1_024;
export const SALT_BYTES = 16;
const MOST_BYTES = 1 << 20;
const INDEX = /^(?:0|[1-9][0-9]*)$/;
const SALTS = ofText("cargo-ledger/salts/1");
const DOCUMENT = ofText("cargo-ledger/document/1");

/** Whether a pointer's part reads as a position in an array; no member of an object is named so. */
export const isIndex = (name) => INDEX.test(name);

/** How many bytes of UTF-8. */
export const utf8Length = (text) => new TextEncoder().encode(text).length;

/** Whether a value is an empty object or array. */
export const isEmpty = (value) => typeof value === "object" && value !== null && Object.keys(value).length === 0;

/**
 * The leaves of a whole document: every scalar and every empty container, by pointer, in the order of pointers.
 *
 * @returns {{pointer: string, value: any}[]}
 */
export function leavesOf(document) {
  const leaves = [];
  collect(document, "", 1, leaves);
  if (utf8Length(JSON.stringify(document)) > MOST_BYTES) throw unfit("", `it has more than ${MOST_BYTES} bytes`);
  return leaves.sort((a, b) => (comesBefore(a.pointer, b.pointer) ? -1 : 1));
}

const unfit = (pointer, rule) =>
  invalid(`The document cannot be committed to: at ${pointer === "" ? "its root" : pointer.slice(0, 200)}, ${rule}.`);

function collect(value, pointer, depth, leaves) {
  if (value instanceof OtherNumber) {
    if (value.isInteger) throw unfit(pointer, "an integer is outside -(2^53-1) to 2^53-1; write it as a string");
    throw unfit(pointer, 'a number has a fraction or exponent; write quantities as strings, like "1250.5"');
  }
  const isContainer = typeof value === "object" && value !== null;
  if (isContainer && depth > MOST_DEPTH) throw unfit(pointer, `objects and arrays are nested deeper than ${MOST_DEPTH}`);
  if (isContainer && !isEmpty(value)) {
    for (const [name, member] of Object.entries(value)) {
      const below = `${pointer}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
      if (!Array.isArray(value) && isIndex(name)) throw unfit(below, "a name reads as a position in an array");
      collect(member, below, depth + 1, leaves);
    }
    return;
  }
  if (pointer.length > MOST_POINTER_BYTES || utf8Length(pointer) > MOST_POINTER_BYTES)
    throw unfit(pointer, `the pointer is longer than ${MOST_POINTER_BYTES} bytes`);
  leaves.push({ pointer, value });
  if (leaves.length > MOST_LEAVES) throw unfit(pointer, `there are more than ${MOST_LEAVES} values`);
}

/** The root of a whole document under a secret of 32 bytes. */
export function rootOfWhole(leaves, secret) {
  const content = leaves.map(({ pointer, value }) => {
    const text = ofText(JSON.stringify(value));
    return join([head(pointer), integer((text.length - 2) / 2, 4), text]);
  });
  const digest = sha256("0x05", ...content);
  const salts = shake256(SALT_BYTES * leaves.length, SALTS, secret, digest);
  const hashes = leaves.map(({ pointer, value }, at) =>
    fieldHash(part(salts, SALT_BYTES * at, SALT_BYTES * (at + 1)), pointer, value),
  );
  return documentRoot(leaves.length, treeRoot(hashes));
}

/** The hash of a leaf with its salt. */
export const fieldHash = (salt, pointer, value) => sha256("0x00", salt, head(pointer), ofText(JSON.stringify(value)));

/** Binds the tree's root to the number of its leaves. */
export const documentRoot = (leaves, root) => sha256("0x02", DOCUMENT, integer(leaves, 4), root);

function head(pointer) {
  const text = ofText(pointer);
  return join([integer((text.length - 2) / 2, 2), text]);
}
