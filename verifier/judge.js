/** Files in, a plain report out: what the page shows, and what tests call by the hundred. */
import { timeText } from "./names.js";
import { Refusal } from "./refusal.js";
import { Trust } from "./format/trust.js";
import { verify } from "./verify.js";

/**
 * Judge an evidence file by a trust file.
 *
 * @param {Uint8Array} evidence
 * @param {Uint8Array} trust
 * @param {number} now Unix seconds.
 * @param {number} clockFloor Unix seconds.
 * @param {(done: number, of: number) => void} [progress] Told how far it is.
 * @returns The report as `cargo-ledger evidence verify --json` gives it, numbers of the block as text; or `{refused}`, a
 *   sentence, if the trust file is none: then there is nothing to judge by.
 */
export function judge(evidence, trust, now, clockFloor = 0, progress) {
  let pinned;
  try {
    pinned = new Trust(trust);
  } catch (problem) {
    if (problem instanceof Refusal) return { refused: problem.message };
    throw problem;
  }
  const { verdict, asOf, state, checks, trust: sha256 } = verify(evidence, pinned, now, clockFloor, progress);
  return {
    verdict,
    as_of: asOf && { block: String(asOf.block), time: timeText(asOf.time), age_seconds: String(asOf.ageSeconds) },
    state,
    checks,
    trust: sha256,
  };
}
