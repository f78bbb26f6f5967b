/**
 * Recursive Length Prefix, strictly: one encoding for each value. An item is bytes, or an array of items.
 *
 * Source: Ethereum Yellow Paper, appendix B.
 */
import { EMPTY, join, number, part, size } from "../bytes.js";
import { invalid } from "../refusal.js";

const MOST_DEPTH = 8; // lists within lists; a header with QBFT's extra data has 3

/** Why bytes are not the one encoding of something. */
export const notCanonical = (what, at, rule) => invalid(`The bytes are no canonical ${what}: at byte ${at}, ${rule}.`);

/** The one item that these bytes are. */
export function decode(bytes) {
  const [item, end] = decodeAt(bytes, 0, size(bytes), 0);
  if (end !== size(bytes)) throw notCanonical("RLP", end, "bytes follow the item");
  return item;
}

/** The one list that these bytes are. */
export function decodeList(bytes) {
  const item = decode(bytes);
  if (!Array.isArray(item)) throw notCanonical("RLP", 0, "a list is expected");
  return item;
}

/** The bytes of an item. */
export function encode(item) {
  if (Array.isArray(item)) {
    const payload = join(item.map(encode));
    return join([prefix(0xc0, size(payload)), payload]);
  }
  if (size(item) === 1 && number(item) < 0x80n) return item;
  return join([prefix(0x80, size(item)), item]);
}

/** The item as bytes, of a length if one is given. */
export function asBytes(item, what, length = null) {
  if (Array.isArray(item) || (length !== null && size(item) !== length))
    throw notCanonical("RLP", 0, `${what} must be ${length === null ? "bytes" : `${length} bytes`}`);
  return item;
}

/** The item as an integer of at most so many bytes. */
export function asInteger(item, what, most = 32) {
  const bytes = asBytes(item, what);
  if (size(bytes) > most || bytes.startsWith("0x00"))
    throw notCanonical("RLP", 0, `${what} must be an integer of at most ${most} bytes without leading zeros`);
  return number(bytes);
}

/** The item as a list. */
export function asList(item, what) {
  if (!Array.isArray(item)) throw notCanonical("RLP", 0, `${what} must be a list`);
  return item;
}

function prefix(offset, length) {
  if (length < 56) return "0x" + (offset + length).toString(16);
  let digits = length.toString(16);
  if (digits.length % 2) digits = "0" + digits;
  return "0x" + (offset + 55 + digits.length / 2).toString(16) + digits;
}

function decodeAt(bytes, at, end, depth) {
  if (at >= end) throw notCanonical("RLP", at, "the bytes end before the item");
  const first = byteAt(bytes, at);
  if (first < 0x80) return [part(bytes, at, at + 1), at + 1];
  const isList = first >= 0xc0;
  const [begin, stop] = bounds(bytes, at, end, first - (isList ? 0xc0 : 0x80));
  if (stop > end) throw notCanonical("RLP", at, "the item is longer than what is there");
  if (!isList) {
    if (stop - begin === 1 && byteAt(bytes, begin) < 0x80)
      throw notCanonical("RLP", at, "a byte below 0x80 stands for itself");
    return [part(bytes, begin, stop), stop];
  }
  if (depth === MOST_DEPTH) throw notCanonical("RLP", at, `lists are nested deeper than ${MOST_DEPTH}`);
  const items = [];
  for (let next = begin; next < stop; ) {
    const [item, after] = decodeAt(bytes, next, stop, depth + 1);
    items.push(item);
    next = after;
  }
  return [items, stop];
}

/** Where the payload begins and ends: its length is in the first byte up to 55, else in the bytes that this counts. */
function bounds(bytes, at, end, short) {
  if (short <= 55) return [at + 1, at + 1 + short];
  const begin = at + 1 + (short - 55);
  const digits = begin <= end ? part(bytes, at + 1, begin) : EMPTY;
  const length = Number(number(digits)); // what a double can't hold exactly is longer than any file
  if (digits === EMPTY || digits.startsWith("0x00") || length < 56)
    throw notCanonical("RLP", at, "the length is not spelled the shortest way");
  return [begin, begin + length];
}

const byteAt = (bytes, at) => parseInt(bytes.slice(2 + 2 * at, 4 + 2 * at), 16);
