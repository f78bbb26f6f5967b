/**
 * What is inside a consolidated consignment, told by number from the files of its contents. The container's own file proves
 * what is inside and what of it is on hold; how many of the contents' files are there and missing is counted.
 */
/**
 * Count what is inside a container.
 *
 * @param outer The container's run, as `verify` gave it; null if its file could not be read.
 * @param {Uint8Array[]} files Evidence files of its contents, in any order; what else is given is counted apart.
 * @param {(data: Uint8Array) => {report: object, run: ?object}} judge Judges each as the container's was.
 * @returns {?{inside: number, files: number, missing: number, on_hold: number, not_valid: number, not_inside: number}} Null if
 *   the container's file does not prove its history.
 */
export function count(outer, files, judge) {
  if (!outer?.isCustodyProven) return null;
  const inside = outer.custody.of(outer.evidence.consignment).contents;
  const held = new Set([...inside].filter((each) => outer.custody.holds(each).length));
  const shown = new Set();
  let notValid = 0;
  let notInside = 0;
  for (const data of files) {
    const { report, run } = judge(data);
    if (report.verdict !== "VALID") notValid++;
    else if (!inside.has(run.evidence.consignment)) notInside++;
    else {
      shown.add(run.evidence.consignment);
      if (run.custody.holds(run.evidence.consignment).length) held.add(run.evidence.consignment);
    }
  }
  return {
    inside: inside.size,
    files: shown.size,
    missing: inside.size - shown.size,
    on_hold: held.size,
    not_valid: notValid,
    not_inside: notInside,
  };
}

/** The numbers as an officer says them. */
export function countWords({ inside, files, missing, on_hold: onHold, not_valid: notValid, not_inside: notInside }) {
  const lacking = missing === 0 ? "none" : missing === 1 ? "one" : String(missing);
  const said = [`${inside} inside, files for ${files}: ${lacking} missing`, `${onHold} on hold`];
  if (notValid) said.push(`${notValid} of the files given ${notValid === 1 ? "does" : "do"} not pass`);
  if (notInside) said.push(`${notInside} of them ${notInside === 1 ? "is" : "are"} of something else`);
  return `${said.join("; ")}.`;
}
