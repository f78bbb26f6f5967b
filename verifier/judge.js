/** Files in, a plain report out: what the page shows, and what tests call by the hundred. */
import { WHATS, absent } from "./absence.js";
import { count, countWords } from "./consolidated.js";
import { administrationBytes, timeText } from "./names.js";
import { Refusal } from "./refusal.js";
import { Trust } from "./format/trust.js";
import { verify } from "./verify.js";

const SHOWN_RESTS_ON = ["document", "issuer", "inclusion", "lodged"];

/**
 * Judge an evidence file by a trust file.
 *
 * @param {{evidence: Uint8Array, trust: Uint8Array, now: number, clockFloor?: number, contents?: Uint8Array[],
 *   absent?: {what: "release"|"hold"|"closure", by: string}}} asked The files; the device's clock and the newest time that is
 *   known to have passed, Unix seconds; files of what is inside, to be counted; what is asked not to be there, and whose by
 *   an administration's code ("" for the trust file's).
 * @param {(done: number, of: number) => void} [progress] Told how far it is.
 * @returns The report as `cargo-ledger evidence verify --json` (or `absent`) gives it, numbers of the block as text; or
 *   `{refused}`, a sentence, if the trust file is none: then there is nothing to judge by. `sealed_at` is the time of the
 *   newest header, as text, if validators stand behind the block, else null: nobody can make that up.
 */
export function judge({ evidence, trust, now, clockFloor = 0, contents = [], absent: asked = null }, progress) {
  let pinned;
  let whose;
  try {
    pinned = new Trust(trust);
    whose = asked && (asked.by === "" ? pinned.code : administrationBytes(asked.by));
  } catch (problem) {
    if (problem instanceof Refusal) return { refused: problem.message };
    throw problem;
  }
  if (asked && (whose === null || !WHATS.includes(asked.what)))
    return { refused: "Whose release or hold it is must be an administration's code, as NL." };
  const verified = verify(evidence, pinned, now, clockFloor, progress);
  const { verdict, asOf, state, checks, trust: sha256 } = asked ? absent(verified, asked.what, whose) : verified.report;
  const report = {
    verdict,
    as_of: asOf && { block: String(asOf.block), time: timeText(asOf.time), age_seconds: String(asOf.ageSeconds) },
    state,
    checks,
    trust: sha256,
    shown: asked ? {} : shown(verified, pinned),
    sealed_at: sealedAt(verified),
  };
  if (contents.length === 0 || asked) return report;
  const counted = count(verified.run, contents, (data) => verify(data, pinned, now, clockFloor, progress));
  return counted === null ? report : { ...report, contents: counted, contents_words: countWords(counted) };
}

/** The manifest's fields by pointer, if the file holds that far: see `ledger/core/shown.py`. */
function shown({ report, run }, trust) {
  const needed = trust.consensus === "development" ? SHOWN_RESTS_ON : [...SHOWN_RESTS_ON, "seals"];
  const holds = report.checks.every(({ name, status }) => status === "VALID" || !needed.includes(name));
  if (run === null || !holds) return {};
  return Object.fromEntries(run.manifest.shown.leaves.map(({ pointer, value }) => [pointer, value]));
}

function sealedAt({ report, run }) {
  const isSealed = report.checks.some(({ name, status }) => name === "seals" && status === "VALID");
  return isSealed ? String(run.headerTimes().reduce((a, b) => (a > b ? a : b))) : null;
}
