/**
 * Hashes and signatures. The arithmetic is @noble's; this file holds signatures to their one form and names accounts.
 *
 * Source: EIP-2 for low s; EIP-55 for the spelling of addresses.
 */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 as sha256Of } from "@noble/hashes/sha2.js";
import { keccak_256, shake256 as shake256Of } from "@noble/hashes/sha3.js";

import { fromArray, join, number, ofText, part, size, toArray } from "./bytes.js";
import { invalid } from "./refusal.js";

const HALF_ORDER = secp256k1.Point.CURVE().n >> 1n;
const REMEMBERED = 8_192;
const recovered = new Map(); // files of one consignment share most signatures, and each costs milliseconds

/** SHA-256 of the parts, one after the other. */
export const sha256 = (...parts) => fromArray(sha256Of(toArray(join(parts))));

/** Keccak-256, as Ethereum has it, of the parts. */
export const keccak = (...parts) => fromArray(keccak_256(toArray(join(parts))));

/** HMAC-SHA-256. */
export const hmacSha256 = (key, message) => fromArray(hmac(sha256Of, toArray(key), toArray(message)));

/** SHAKE-256 of the parts, so many bytes of it. */
export const shake256 = (bytes, ...parts) => fromArray(shake256Of(toArray(join(parts)), { dkLen: bytes }));

/**
 * The address, 20 bytes, of the account that signed a digest.
 *
 * @param {string} digest 32 bytes.
 * @param {string} signature r, s and v (27 or 28), 65 bytes, s in the lower half of the group's order.
 */
export function signerOf(digest, signature) {
  const unusable = (rule) => invalid(`The signature is not usable: ${rule}.`);
  if (size(signature) !== 65) throw unusable("it must be 65 bytes, r, s and v");
  const v = Number(number(part(signature, 64)));
  if (v !== 27 && v !== 28) throw unusable(`v must be 27 or 28, not ${v}`);
  if (number(part(signature, 32, 64)) > HALF_ORDER)
    throw unusable("s must be in the lower half of the group's order");
  const asked = digest + signature;
  if (!recovered.has(asked)) {
    if (recovered.size >= REMEMBERED) recovered.clear();
    recovered.set(asked, recover(digest, part(signature, 0, 64), v - 27));
  }
  const address = recovered.get(asked);
  if (address === null) throw unusable("no account can have made it");
  return address;
}

function recover(digest, compact, bit) {
  let point;
  try {
    const signature = secp256k1.Signature.fromBytes(toArray(compact), "compact").addRecoveryBit(bit);
    point = signature.recoverPublicKey(toArray(digest));
  } catch {
    return null; // r or s is zero or too large, r is no point's, or the key would be none
  }
  return part(keccak(part(fromArray(point.toBytes(false)), 1)), 12);
}

/** An address as people see it: capitals where its hash says so. */
export function checksummed(address) {
  const hash = keccak(ofText(address.slice(2)));
  return "0x" + [...address.slice(2)].map((digit, at) => (hash[at + 2] >= "8" ? digit.toUpperCase() : digit)).join("");
}
