/**
 * The page: takes the two files, has them judged beside it, and shows what came of it.
 *
 * The same script runs as the page and, from a copy of its own text, as the worker that judges: so a hostile file keeps
 * nobody waiting at a page that does not answer. What takes too long is no pass.
 */
import { fromArray } from "../bytes.js";
import { sha256 } from "../crypto.js";
import { judge } from "../judge.js";
import { newestSeen, noteSeen } from "./clock.js";
import { readTrust, showProblem, showReport, showTrust } from "./show.js";

const MOST_BYTES = (4 << 20) + 1; // of a file that is read: one more than evidence may have, so that it is told
const LONGEST_MILLISECONDS = 30_000;
const SILENT_MILLISECONDS = 200;
const NO_WORKER = "this browser does not let the page compute";
const AGAIN_MILLISECONDS = 60_000; // a verdict grows old while it is looked at

const KINDS = ["trust", "evidence", "contents"];

if (typeof document === "undefined") {
  self.onmessage = ({ data: asked }) => {
    let told = performance.now();
    const progress = (done, of) => {
      if (performance.now() - told < SILENT_MILLISECONDS) return;
      told = performance.now();
      self.postMessage({ progress: { done, of } });
    };
    self.postMessage({ report: judge(asked, progress) });
  };
} else {
  servePage(URL.createObjectURL(new Blob([document.currentScript.textContent], { type: "text/javascript" })));
}

function servePage(workerUrl) {
  const files = { trust: [], evidence: [], contents: [] }; // {name, data, sha256} each
  const turns = { trust: 0, evidence: 0, contents: 0 }; // files that are still being read when others are chosen are not taken
  let worker = null;
  let timer = null;

  /** Judge what is there; what was shown of other files is gone at once. */
  function judgeAgain(isSame = false) {
    stop();
    if (!isSame) showProblem("");
    const [trust] = files.trust;
    const [evidence] = files.evidence;
    if (!trust || !evidence) return;
    const now = Math.floor(Date.now() / 1000);
    const clock = newestSeen(trust.sha256);
    const given = { evidence, trust, contents: files.contents, absent: absenceAsked(), now, clock };
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
      if (report.sealed_at) noteSeen(trust.sha256, Number(report.sealed_at));
      showReport(report, given);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      fail(event.message || NO_WORKER);
    };
    worker.postMessage({
      evidence: evidence.data,
      trust: trust.data,
      contents: given.contents.map(({ data }) => data),
      absent: given.absent,
      now,
      clockFloor: clock.seconds,
    });
  }

  /** What is asked not to be there; null when the whole file is judged. */
  function absenceAsked() {
    const what = document.getElementById("asked").value;
    const by = document.getElementById("by");
    by.disabled = what === "" || what === "closure";
    return what === "" ? null : { what, by: by.disabled ? "" : by.value.trim().toUpperCase() };
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

  async function take(kind, chosen) {
    const turn = ++turns[kind];
    files[kind] = [];
    judgeAgain();
    document.getElementById(`${kind}-said`).replaceChildren();
    const read = [];
    for (const file of chosen) {
      const data = await bytesOf(file);
      if (turn !== turns[kind]) return;
      if (data === null) {
        showProblem(`${file.name} could not be read. Choose it again.`);
        return;
      }
      read.push({ name: file.name, data, sha256: sha256(fromArray(data)) });
    }
    if (read.length === 0 || (kind === "trust" && !showTrust(read[0].data))) return;
    files[kind] = read;
    judgeAgain();
  }

  /** What is dropped beside the choosers is told apart by what it is. */
  async function takeDropped(dropped) {
    const kinds = await Promise.all(
      [...dropped].map(async (file) => {
        const data = await bytesOf(file);
        return { file, kind: data && readTrust(data).trust ? "trust" : "evidence" };
      }),
    );
    for (const kind of ["trust", "evidence"]) {
      if (kinds.filter((each) => each.kind === kind).length > 1) {
        showProblem(`Drop one ${kind} file at a time.`);
        return;
      }
    }
    for (const { file, kind } of kinds) await takeFor(kind, [file]);
  }

  /** As if they had been chosen: the chooser shows their names. */
  function takeFor(kind, given) {
    const chosen = new DataTransfer();
    for (const file of given) chosen.items.add(file);
    const chooser = document.getElementById(`${kind}-file`);
    chooser.files = chosen.files;
    chooser.closest("details")?.setAttribute("open", "");
    return take(kind, given);
  }

  for (const kind of KINDS)
    document.getElementById(`${kind}-file`).addEventListener("change", ({ target }) => take(kind, [...target.files]));
  for (const id of ["asked", "by"]) document.getElementById(id).addEventListener("change", () => judgeAgain());
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    const kind = event.target.closest?.(".chooser")?.dataset.kind;
    const dropped = [...event.dataTransfer.files];
    if (kind === "contents" || (kind && dropped.length === 1)) takeFor(kind, dropped);
    else takeDropped(dropped).catch(() => showProblem("What was dropped could not be read. Choose the files instead."));
  });
  document.getElementById("files").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("print").addEventListener("click", () => window.print());
  setInterval(() => document.visibilityState === "visible" && judgeAgain(true), AGAIN_MILLISECONDS);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && judgeAgain(true));
  for (const kind of KINDS) take(kind, [...document.getElementById(`${kind}-file`).files]); // kept by a reload

  // for tests and other programs in this page: [{evidence, trust, now, clock_floor, contents, absent}], files as base64 ->
  // reports
  window.judgeEvidence = (cases) =>
    cases.map((each) =>
      judge({
        evidence: ofBase64(each.evidence),
        trust: ofBase64(each.trust),
        now: each.now,
        clockFloor: each.clock_floor ?? 0,
        contents: (each.contents ?? []).map(ofBase64),
        absent: each.absent ?? null,
      }),
    );
}

/** A file's bytes, as many as are looked at; null if it can't be read. */
async function bytesOf(file) {
  try {
    return new Uint8Array(await file.slice(0, MOST_BYTES).arrayBuffer());
  } catch {
    return null;
  }
}

const ofBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
