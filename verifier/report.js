/**
 * What came of a file: named checks, what they come to, as of when, and the state in words.
 *
 * VALID only if every check that is needed is VALID and nothing is INVALID or ERROR; INVALID if one is INVALID; else
 * INDETERMINATE. Nothing that was left out, not known or too old ever passes.
 */
export const NAMES = Object.freeze([
  "document",
  "issuer",
  "inclusion",
  "lodged",
  "binding",
  "succession",
  "custody",
  "signatures",
  "authority",
  "seals",
  "freshness",
]);

/** What the checks come to; on a chain without seals that check is not asked for, but must not fail. */
export function conclude(checks, asksForSeals) {
  if (checks.some(({ status }) => status === "INVALID")) return "INVALID";
  const passes = ({ name, status }) =>
    status === "VALID" || (name === "seals" && status === "SKIPPED" && !asksForSeals);
  return checks.length > 0 && checks.every(passes) ? "VALID" : "INDETERMINATE";
}

/** The report on bytes that are no evidence file that can be read here. */
export function unread(status, message, trust) {
  const checks = NAMES.map((name, at) =>
    at === 0 ? { name, status, message } : { name, status: "SKIPPED", message: "The file could not be read." },
  );
  return {
    verdict: conclude(checks, true),
    asOf: null,
    state: "Nothing is known from this file; may not go.",
    checks,
    trust,
  };
}
