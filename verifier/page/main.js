/**
 * The page: takes the two files, has them judged beside it, and shows what came of it.
 *
 * The same script runs as the page and, from a copy of its own text, as the worker that judges: so a hostile file keeps
 * nobody waiting at a page that does not answer. What takes too long is no pass.
 */
import { fromArray } from "../bytes.js";
import { sha256 } from "../crypto.js";
import { judge } from "../judge.js";
import { readTrust, showProblem, showReport, showTrust } from "./show.js";

const MOST_BYTES = (4 << 20) + 1; // of a file that is read: one more than evidence may have, so that it is told
const LONGEST_MILLISECONDS = 30_000;
const SILENT_MILLISECONDS = 200;
const NO_WORKER = "this browser does not let the page compute";
const AGAIN_MILLISECONDS = 60_000; // a verdict grows old while it is looked at

if (typeof document === "undefined") {
  self.onmessage = ({ data: { evidence, trust, now } }) => {
    let told = performance.now();
    const progress = (done, of) => {
      if (performance.now() - told < SILENT_MILLISECONDS) return;
      told = performance.now();
      self.postMessage({ progress: { done, of } });
    };
    self.postMessage({ report: judge(evidence, trust, now, 0, progress) });
  };
} else {
  servePage(URL.createObjectURL(new Blob([document.currentScript.textContent], { type: "text/javascript" })));
}

function servePage(workerUrl) {
  const files = { trust: null, evidence: null }; // {name, data, sha256} each
  const turns = { trust: 0, evidence: 0 }; // a file that is still being read when another is chosen is not taken
  let worker = null;
  let timer = null;

  /** Judge what is there; what was shown of other files is gone at once. */
  function judgeAgain(isSame = false) {
    stop();
    if (!isSame) showProblem("");
    if (!files.trust || !files.evidence) return;
    const now = Math.floor(Date.now() / 1000);
    const given = { evidence: files.evidence, trust: files.trust, now };
    const busy = document.getElementById("busy");
    busy.textContent = "Judging…";
    busy.hidden = isSame;
    wait();
    try {
      worker = new Worker(workerUrl);
    } catch {
      fail(NO_WORKER);
      return;
    }
    worker.onmessage = ({ data: { report, progress } }) => {
      if (progress) {
        wait();
        busy.textContent = `Judging… ${progress.done} of ${progress.of} signatures`;
        return;
      }
      stop();
      showReport(report, given);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      fail(event.message || NO_WORKER);
    };
    worker.postMessage({ evidence: given.evidence.data, trust: given.trust.data, now });
  }

  /** So long without a sign of life is too long; what a file may hold is bounded, so that it ends. */
  function wait() {
    clearTimeout(timer);
    timer = setTimeout(() => fail("it takes too long on this device"), LONGEST_MILLISECONDS);
  }

  function stop() {
    worker?.terminate();
    worker = null;
    clearTimeout(timer);
    document.getElementById("busy").hidden = true;
  }

  function fail(why) {
    stop();
    showProblem(`INDETERMINATE: the file could not be judged, since ${why}. Take nothing from it; use another device.`);
  }

  async function take(kind, file) {
    const turn = ++turns[kind];
    files[kind] = null;
    judgeAgain();
    document.getElementById(`${kind}-said`).replaceChildren();
    if (!file) return;
    let data;
    try {
      data = new Uint8Array(await file.slice(0, MOST_BYTES).arrayBuffer());
    } catch {
      data = null;
    }
    if (turn !== turns[kind]) return;
    if (data === null) {
      showProblem(`${file.name} could not be read. Choose it again.`);
      return;
    }
    if (kind === "trust" && !showTrust(data)) return;
    files[kind] = { name: file.name, data, sha256: sha256(fromArray(data)) };
    judgeAgain();
  }

  /** What is dropped beside the choosers is told apart by what it is. */
  async function takeDropped(dropped) {
    const kinds = await Promise.all(
      [...dropped].map(async (file) => {
        const start = new Uint8Array(await file.slice(0, MOST_BYTES).arrayBuffer());
        return { file, kind: readTrust(start).trust ? "trust" : "evidence" };
      }),
    );
    for (const kind of ["trust", "evidence"]) {
      const given = kinds.filter((each) => each.kind === kind);
      if (given.length > 1) {
        showProblem(`Drop one ${kind} file at a time.`);
        return;
      }
    }
    for (const { file, kind } of kinds) await takeFor(kind, file);
  }

  /** As if it had been chosen: the chooser shows its name. */
  function takeFor(kind, file) {
    const chosen = new DataTransfer();
    chosen.items.add(file);
    document.getElementById(`${kind}-file`).files = chosen.files;
    return take(kind, file);
  }

  for (const kind of ["trust", "evidence"])
    document.getElementById(`${kind}-file`).addEventListener("change", ({ target }) => take(kind, target.files[0]));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    const kind = event.target.closest?.(".chooser")?.dataset.kind;
    const dropped = event.dataTransfer.files;
    if (kind && dropped.length === 1) takeFor(kind, dropped[0]);
    else takeDropped(dropped).catch(() => showProblem("What was dropped could not be read. Choose the files instead."));
  });
  document.getElementById("files").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("print").addEventListener("click", () => window.print());
  setInterval(() => document.visibilityState === "visible" && judgeAgain(true), AGAIN_MILLISECONDS);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && judgeAgain(true));
  for (const kind of ["trust", "evidence"]) take(kind, document.getElementById(`${kind}-file`).files[0]); // kept by a reload

  // for tests and other programs in this page: [{evidence, trust, now, clock_floor}], files as base64 -> reports
  window.judgeEvidence = (cases) =>
    cases.map((each) => judge(ofBase64(each.evidence), ofBase64(each.trust), each.now, each.clock_floor ?? 0));
}

const ofBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
