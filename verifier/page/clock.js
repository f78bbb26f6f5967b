/**
 * The newest time that a sealed block has shown this device, kept by the browser: a clock set back behind it is told.
 *
 * It is kept for each trust file apart, so that what one's validators sealed moves nobody else's clock; and only for blocks
 * that they stand behind, so that no forged file can. Whoever uses the browser can clear it: it is a floor, no proof.
 */
const nameOf = (trust) => `cargo-evidence/newest-block/${trust}`;

/**
 * The floor by a trust file.
 *
 * @param {string} trust Its SHA-256.
 * @returns {{seconds: number, isKept: boolean}} Unix seconds, 0 for none; and whether this browser can keep it at all.
 */
export function newestSeen(trust) {
  try {
    const seconds = Number(localStorage.getItem(nameOf(trust)) ?? 0);
    return { seconds: Number.isSafeInteger(seconds) && seconds > 0 ? seconds : 0, isKept: true };
  } catch {
    return { seconds: 0, isKept: false };
  }
}

/** A sealed block of this time was seen, Unix seconds; the floor never goes down. */
export function noteSeen(trust, seconds) {
  if (!Number.isSafeInteger(seconds) || seconds <= newestSeen(trust).seconds) return;
  try {
    localStorage.setItem(nameOf(trust), String(seconds));
  } catch {
    // full or forbidden: the next verdict says that nothing is kept, if so
  }
}
