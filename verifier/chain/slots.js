/**
 * Where the contracts keep what a file claims: storage slots, and what an account's 32 bytes mean.
 *
 * Source: Solidity documentation, "Layout of State Variables in Storage"; DESIGN 4.
 */
import { integer, number, padLeft, padRight, part } from "../bytes.js";
import { keccak } from "../crypto.js";

const ACCOUNTS = 0; // AdministrationRegistry
const HEADS = 0; // ManifestLog
const CLOSURES = 1;
const TRAILS = 1; // ConsignmentLedger

const word = (value) => integer(value, 32);
const inMapping = (key, slot) => keccak(key, slot);

/** ManifestLog's head commitment of an administration (8 bytes), epoch and size. */
export function headSlot(administration, epoch, size) {
  const epochs = inMapping(padRight(administration, 32), word(HEADS));
  return inMapping(word(size), inMapping(word(epoch), epochs));
}

/** ManifestLog's closure of a manifest. */
export const closureSlot = (manifest) => inMapping(manifest, word(CLOSURES));

/** ConsignmentLedger's trail of a consignment. */
export const trailSlot = (consignment) => inMapping(consignment, word(TRAILS));

/** AdministrationRegistry's account of an address. */
export const accountSlot = (address) => inMapping(padLeft(address, 32), word(ACCOUNTS));

/** What the registry keeps of an account; times in Unix seconds. */
export function accountOf(slot) {
  return {
    party: part(slot, 16, 32),
    roles: Number(number(part(slot, 15, 16))),
    validUntil: Number(number(part(slot, 10, 15))),
    revokedFrom: Number(number(part(slot, 5, 10))),
    revokedAt: Number(number(part(slot, 0, 5))),
  };
}
