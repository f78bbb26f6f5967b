"""Bugs that are planted in the second verifier to see that the comparison with the first goes red.

    PYTHONPATH=tests/support:tests/browser .venv/bin/python tests/mutants/verifier_page.py [NAME…]

Takes the cases of `tests/browser/test_second_verifier.py` to Node instead of a browser, one bug at a time in a copy of the
sources, and ends with 1 if a bug was not noticed or its place in the code is gone. Three minutes; `make test` does not call
it.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import second_verifier
import test_second_verifier as comparison

PROJECT = Path(__file__).resolve().parents[2]
JUDGE = """
import { readFileSync } from "node:fs";
import { judge } from "./judge.js";
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const cases = JSON.parse(readFileSync(process.argv[2]));
const said = cases.map((each) => {
  try {
    return judge({
      evidence: bytes(each.evidence), trust: bytes(each.trust), now: each.now, clockFloor: each.clock_floor,
      contents: each.contents.map(bytes), absent: each.absent,
    });
  }
  catch (fault) { return { refused: `a fault: ${fault}` }; }
});
process.stdout.write(JSON.stringify(said));
"""

# name: file, this text, becomes that one
MUTANTS = {
    "json-order-of-names": ("format/json.js", "!comesBefore(former, name)", "former === name"),
    "json-utf16-order": ("format/json.js", "return rank(a) < rank(b)", "return a < b"),
    "json-escapes": ("format/json.js", "JSON.stringify(content) !== written", "false"),
    "json-text-after": ("format/json.js", "reader.at !== reader.text.length", "false"),
    "json-depth": ("format/json.js", "MOST_DEPTH = 254", "MOST_DEPTH = 2_540"),
    "json-surrogates": ("format/json.js", "if (/\\p{Surrogate}/u.test(content)) throw this.noJson();", ""),
    "json-minus-zero": ("format/json.js", ' || text === "-0"', ""),
    "json-shortest": ("format/json.js", "shortest(value) !== text", "false"),
    "json-bom": ("format/json.js", "ignoreBOM: true", "ignoreBOM: false"),
    "form-other-members": ("format/form.js", "own.length === names.length && ", ""),
    "form-upper-hex": ("format/form.js", "/^0x[0-9a-f]*$/", "/^0x[0-9a-fA-F]*$/"),
    "disclosure-order": ("format/disclosure.js", "former && !comesBefore(former.pointer, pointer)", "false"),
    "disclosure-siblings-over": ("format/disclosure.js", "if (rest.length) throw", "if (false) throw"),
    "supersedes": ("format/evidence.js", "(record.supersedes === ZERO32) !== (record.kind !== AMEND)", "false"),
    "unknown-version": ("format/evidence.js", 'new Refusal("ERROR"', 'new Refusal("INVALID"'),
    "validators-ascend": ("format/trust.js", "this.validators[at - 1] >= address", "false"),
    "signature-high-s": ("crypto.js", "> HALF_ORDER", "> 2n * HALF_ORDER"),
    "inclusion-root": ("chain/log.js", "if (node !== root)", "if (false)"),
    "nodes-in-order": ("verify.js", "if (!nodes.areInOrder)", "if (false)"),
    "code-hash": ("verify.js", "codeHash !== this.trust.codeHashes[contract]", "false"),
    "head": ("verify.js", "!== headCommitment(root, anchoredAt)", "=== null"),
    "promise-of-sequencer": ("verify.js", " || !(account.roles & SEQUENCER)", ""),
    "promise-revoked": ("verify.js", "if (account.revokedAt)\n      throw skipped(", "if (false)\n      throw skipped("),
    "second-value": ("verify.js", "promise === null || !promise.seen", "promise === null"),
    "issuer-role": ("verify.js", "if (!(account.roles & (TRADER | OFFICER)))\n", "if (false)\n"),
    "binding-key": ("verify.js", "opening.previous !== blind || ", ""),
    "binding-reference": ("verify.js", "if (!this.showsReference())", "if (false)"),
    "closure": ("verify.js", "!== closureCommitment(closure)", "=== null"),
    "closure-null": ("verify.js", "at !== ZERO32 && this.word(LOG, closureSlot(at)) !== ZERO32", "false"),
    "trail": ("verify.js", "!== this.custody.trail(each)", "=== null"),
    "custody-order": ("verify.js", "if (acceptedAt < last)", "if (false)"),
    "connected": ("verify.js", "if (reached.size !== opened.size)", "if (false)"),
    "missing-history": ("verify.js", "if (missing.size)", "if (false)"),
    "disputed": ("verify.js", "if (disputed.size)", "if (false)"),
    "revoked-after": ("verify.js", "if (act.time > account.revokedAt)", "if (false)"),
    "ran-out": ("verify.js", "if (act.time >= account.validUntil)", "if (act.time > account.validUntil)"),
    "chain-id": ("verify.js", "id !== trust.chainId || ", ""),
    "genesis": ("verify.js", " || genesisHash !== trust.genesisHash", ""),
    "clock-behind": ("verify.js", "this.now + CLOCK_TOLERANCE_SECONDS < floor", "false"),
    "trust-expired": ("verify.js", "this.now >= BigInt(trust.expiresAt)", "this.now > BigInt(trust.expiresAt)"),
    "old": ("verify.js", "asOf.ageSeconds > BigInt(trust.oldSeconds)", "false"),
    "own-statement": ("format/evidence.js", "&& record.kind === AMEND)", ")"),
    "quorum-rounded-down": ("chain/seals.js", "Math.ceil((2 * count) / 3)", "Math.floor((2 * count) / 3)"),
    "seal-twice": ("chain/seals.js", "distinct.size !== signers.length || ", ""),
    "seal-of-nobody-listed": ("chain/seals.js", " || [...distinct].some((each) => !listed.has(each))", ""),
    "next-validators": ("chain/seals.js", "    requireQuorum(header, trusted);\n    requireQuorum(header, listed);", "    requireQuorum(header, listed);"),
    "contract-mode": ("chain/seals.js", "if (header.qbft.validators.length === 0)", "if (false)"),
    "reach": ("chain/seals.js", "if (first < BigInt(trust.fromBlock))", "if (false)"),
    "clique-links": ("chain/clique.js", "header.parentHash !== chain[at - 1].hash || ", ""),
    "clique-successors": ("chain/seals.js", "successors !== wanted || ", ""),
    "clique-votes": ("chain/clique.js", "count <= Math.floor(this.signers.size / 2)", "count <= this.signers.size"),
    "clique-rest": ("chain/clique.js", "rest > 0 && sealed.slice(-rest).includes(signer)", "false"),
    "anvils-zeros": ("verify.js", 'value === "0x80" && this.trust.consensus === "development"', 'value === "0x80"'),
    "rule-held": ("cargo/custody.js", "if (held.some((each)", "if (false && held.some((each)"),
    "rule-not-next": ("cargo/custody.js", "if (last !== record.previous)", "if (false)"),
    "rule-take-ends-release": ("cargo/custody.js", "this.voidReleases(consignment, new Set(holders", "(() => {})(consignment, new Set(holders"),
    "words-reason": ("words.js", '`${pointer}/`.startsWith(`/${name}/`)', "pointer.startsWith(`/${name}`)"),
    "words-may-go": ("cargo/custody.js", "&& each.manifest === manifest);\n    const around", ");\n    const around"),
    "absence-rests-on-lodged": ("absence.js", "return [...LODGED, \"succession\", ...BLOCK]", "return [\"succession\", ...BLOCK]"),
    "absence-of-what-is-bound": ("absence.js", "const HISTORY = [\"binding\", ", "const HISTORY = ["),
    "absence-of-nobodys-consignment": ("absence.js", " && consignmentId(record.party, blindOf(key, reference)) === consignment", ""),
    "absence-false-document": ("absence.js", "|| isFalseDocument(what, check)", ""),
    "absence-held-above": ("absence.js", "custody.upwards(evidence.consignment)", "[evidence.consignment]"),
    "absence-release-voided": ("absence.js", "custody.of(evidence.consignment)?.decided", "custody.of(evidence.consignment)?.releases"),
    "absence-closed": ("absence.js", 'manifestWords === "Current." ? "" : manifestWords', '""'),
    "contents-twice": ("consolidated.js", "files: shown.size", "files: files.length"),
    "contents-not-valid": ("consolidated.js", 'if (report.verdict !== "VALID") notValid++', "if (run === null) notValid++"),
    "contents-newer-hold": ("consolidated.js", "held.add(run.evidence.consignment)", "held.size"),
    "contents-unproven": ("consolidated.js", "if (!outer?.isCustodyProven) return null;", "if (!outer) return null;"),
    "words-quoted": ("words.js", "WORD.test(said) && ", ""),
    "words-quotes-inside": ("names.js", "\\p{Z}“”]", "\\p{Z}]"),
    "reference-folds": ("names.js", "if (!/^[\\0-\\x7f]*$/.test(kind + number)) return null;", ""),
    "shown-unsealed": ("judge.js", "[...SHOWN_RESTS_ON, \"seals\"]", "SHOWN_RESTS_ON"),
    "shown-not-lodged": ("judge.js", '"inclusion", "lodged"]', '"inclusion"]'),
}  # fmt: skip


def cases():
    """What is asked of each mutant, and what the first verifier says."""
    with tempfile.TemporaryDirectory() as folder:
        recorded = Path(folder) / "verdicts.json"
        files = [f"tests/unit/core/test_{name}.py" for name in comparison.RECORDED]
        subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:ape_test", "-p", "recorded_verdicts", "-q", *files],
            cwd=PROJECT,
            env=os.environ | {"CARGO_RECORD": str(recorded)},
            check=True,
            capture_output=True,
        )
        found = [(each["case"], each["report"]) for each in json.loads(recorded.read_text())]
    trust = comparison.World().trust().encode()
    malformed = [(data, trust, comparison.NOW + 60, 0) for data in comparison.malformed()]
    broken = [asked for _, asked in comparison.against_the_rules()]
    mutated = [*comparison.spelled(), *malformed, *broken, *comparison._mutated(200, 7)]
    return found + [(second_verifier.case(*each), second_verifier.first(*each)) for each in mutated]


def differing(tree, asked):
    """How many of the cases a verifier in a folder judges unlike the first."""
    (tree / "judge-cases.js").write_text(JUDGE)
    (tree / "cases.json").write_text(json.dumps([each for each, _ in asked]))
    ran = subprocess.run(
        ["node", "judge-cases.js", "cases.json"], cwd=tree, capture_output=True, text=True, timeout=600
    )
    if ran.returncode:
        return len(asked)
    said = second_verifier.with_numbers(json.loads(ran.stdout))
    return sum(not second_verifier.are_alike(one, due) for one, (_, due) in zip(said, asked, strict=True))


def main(names):
    asked = cases()
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "verifier"
        shutil.copytree(PROJECT / "verifier", tree)
        (Path(folder) / "node_modules").symlink_to(PROJECT / "node_modules")
        assert differing(tree, asked) == 0
        for name, (file, old, new) in MUTANTS.items():
            if names and name not in names:
                continue
            source = (tree / file).read_text()
            if source.count(old) != 1:
                outcome, count = "its place is gone", 0
            else:
                (tree / file).write_text(source.replace(old, new))
                count = differing(tree, asked)
                outcome = f"red: {count} differ" if count else "NOT NOTICED"
                (tree / file).write_text(source)
            missed += not count
            print(f"{name:26} {outcome}", flush=True)
    print(f"{missed} not noticed")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
