/**
 * Bytes, everywhere in this verifier, are text as the file has them: 0x and lower-case hex digits. So they compare with
 * ===, are keys of a Map as they stand, and a hash's digits are a trie key's nibbles. Only `crypto.js` sees arrays.
 */
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";

export const EMPTY = "0x";
export const ZERO16 = "0x" + "00".repeat(16);
export const ZERO32 = "0x" + "00".repeat(32);

/** How many bytes. */
export const size = (bytes) => (bytes.length - 2) / 2;

/** One after the other. */
export const join = (parts) => "0x" + parts.map((part) => part.slice(2)).join("");

/** From byte `begin` to before byte `end`. */
export const part = (bytes, begin, end = size(bytes)) => "0x" + bytes.slice(2 + 2 * begin, 2 + 2 * end);

/** A number of either kind as big-endian bytes of a width. */
export const integer = (value, width) => "0x" + value.toString(16).padStart(2 * width, "0");

/** Bytes as a big-endian number. */
export const number = (bytes) => (bytes === EMPTY ? 0n : BigInt(bytes));

/** Zeros put before, to a width. */
export const padLeft = (bytes, width) => "0x" + bytes.slice(2).padStart(2 * width, "0");

/** Zeros put behind, to a width. */
export const padRight = (bytes, width) => bytes.padEnd(2 + 2 * width, "0");

/** The bytes of an array. */
export const fromArray = (array) => "0x" + bytesToHex(array);

/** An array of the bytes. */
export const toArray = (bytes) => hexToBytes(bytes.slice(2));

/** The UTF-8 bytes of a text. */
export const ofText = (text) => fromArray(new TextEncoder().encode(text));
