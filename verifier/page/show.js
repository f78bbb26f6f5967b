/** Shows: a report, a trust file in words, a problem. Texts are set as text, never as markup. */
import { Trust } from "../format/trust.js";
import { durationText, printable, timeText } from "../names.js";
import { Refusal } from "../refusal.js";

const MEANINGS = {
  VALID: ["✓", "The file holds. What may be done with the cargo is said below."],
  INVALID: ["✕", "The file does not hold. Do not rely on it."],
  INDETERMINATE: ["?", "It can’t be told by this file. That is no pass."],
};

const MEANINGS_OF_ABSENCE = {
  VALID: "It was not there, as of the block below.",
  INVALID: "It was there, or the file does not hold: see below.",
  INDETERMINATE: MEANINGS.INDETERMINATE[1],
};

const at = (id) => document.getElementById(id);

/** An element with a text; what others wrote can't turn a line around. */
function element(name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = printable(text);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** A trust file read: `{trust}`, or `{problem}`, a sentence. */
export function readTrust(data) {
  try {
    return { trust: new Trust(data) };
  } catch (problem) {
    return { problem: problem instanceof Refusal ? problem.message : "The trust file could not be read." };
  }
}

/** Say what one trusts; false if it is no trust file. */
export function showTrust(data) {
  const { trust, problem } = readTrust(data);
  if (problem) {
    at("trust-said").replaceChildren(element("p", problem, { class: "problem" }));
    announce(problem);
    return false;
  }
  const seals =
    trust.consensus === "development"
      ? "a development chain that nobody seals"
      : `${trust.validators.length} validators (${trust.consensus === "qbft" ? "QBFT" : "Clique"})`;
  const words = element("p");
  words.append(
    element("b", `${trust.administration}, chain ${trust.chainId}`),
    ...withTimes(`, ${seals}, until ${timeText(trust.expiresAt)}`),
  );
  at("trust-said").replaceChildren(words, element("p", `SHA-256 ${trust.sha256}`, { class: "digest" }));
  return true;
}

/** Say what is wrong, instead of any report; "" for nothing. */
export function showProblem(sentence) {
  at("problem").textContent = printable(sentence);
  at("problem").hidden = !sentence;
  at("result").replaceChildren();
  at("result").hidden = at("actions").hidden = true;
  announce(sentence);
}

/** Show a report: verdict, age, state, checks, and by what it was judged. */
export function showReport(report, given) {
  if (report.refused) {
    showProblem(report.refused);
    return;
  }
  const said = [];
  if (given.absent) said.push(element("p", askedWords(given.absent), { class: "asked" }));
  said.push(asOf(report), state(report));
  if (given.contents.length && !given.absent) said.push(inside(report, given.contents));
  const fields = Object.entries(report.shown);
  if (fields.length) said.push(element("h3", "The manifest says"), facts(fields.map(([name, value]) => [name, valueText(value)])));
  at("result").replaceChildren(
    verdict(report, given.absent),
    ...said,
    element("h3", "Checks"),
    checks(report),
    element("h3", "Judged by"),
    judgedBy(report, given),
  );
  at("result").hidden = at("actions").hidden = false;
  announce([`${report.verdict}. ${report.state}`, report.contents_words].filter((words) => words).join(" "));
}

/** Screen readers hear a new verdict once, and the same one not again. */
function announce(sentence) {
  if (at("announcement").textContent !== sentence) at("announcement").textContent = sentence;
}

/** A text in pieces, its times kept on one line. */
function withTimes(text) {
  return text.split(/(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)/).map((piece, at) => (at % 2 ? element("time", piece) : printable(piece)));
}

function verdict({ verdict: word }, asked) {
  const [sign, ofFile] = MEANINGS[word];
  const meaning = asked ? MEANINGS_OF_ABSENCE[word] : ofFile;
  const words = element("div");
  words.append(element("h2", word, { id: "verdict" }), element("p", meaning));
  const band = element("div", "", { class: "verdict", "data-verdict": word });
  band.append(element("span", sign, { class: "sign", "aria-hidden": "true" }), words);
  return band;
}

function asOf({ as_of: block }) {
  const line = element("p", "", { class: "as-of" });
  if (block === null) line.append("As of no block: the file shows none.");
  else
    line.append(
      "As of ",
      element("b", `${durationText(BigInt(block.age_seconds))} ago`),
      ...withTimes(`: block ${block.block}, ${block.time}`),
    );
  return line;
}

/** The state, with what matters most set apart; not what stands in quotes, which others wrote. */
function state({ state: sentence }) {
  const line = element("p", "", { class: "state" });
  for (const [at, piece] of sentence.split(/(“[^”]*”|may not go|may go)/i).entries())
    line.append(
      ...(at % 2 && !piece.startsWith("“") ? [element("strong", piece, { "data-go": /not/i.test(piece) ? "no" : "yes" })] : withTimes(piece)),
    );
  return line;
}

function checks({ checks: made }) {
  const list = element("ol");
  for (const { name, status, message } of made) {
    const row = element("li");
    const sentence = element("span", "", { class: "message" });
    sentence.append(...withTimes(message));
    row.append(element("span", status, { class: "status", "data-status": status }), element("span", name, { class: "name" }), sentence);
    list.append(row);
  }
  return list;
}

function judgedBy(report, { evidence, trust, contents, absent, now, clock }) {
  return facts([
    ["Evidence file", evidence.name],
    ["its SHA-256", evidence.sha256, "digest"],
    ...(absent ? [] : contents.map(({ name, sha256 }, n) => [`Inside, file ${n + 1}`, `${name}, ${sha256}`])),
    ["Trust file", trust.name],
    ["its SHA-256", report.trust, "digest"],
    ["Device clock", timeText(now)],
    ["Newest block seen", clockWords(clock)],
  ]);
}

/** What keeps this device's clock from being set back unnoticed. */
function clockWords({ seconds, isKept }) {
  if (!isKept) return "this browser keeps none: a clock that was set back is told by this file’s own headers alone";
  return seconds ? `${timeText(seconds)}, kept on this device` : "none before this file, on this device";
}

/** Names with their values. */
function facts(rows) {
  const list = element("dl");
  for (const [name, value, kind = ""] of rows)
    list.append(element("dt", name), element("dd", value, { class: kind }));
  return list;
}

const valueText = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function askedWords({ what, by }) {
  const whose = by || "our administration";
  if (what === "closure") return "Asked: that the manifest was neither amended nor withdrawn.";
  return what === "release" ? `Asked: that ${whose} never released it.` : `Asked: that ${whose} has no hold on it.`;
}

/** What is inside by number; what lacks or does not pass stands out. */
function inside({ contents, contents_words: words }, files) {
  if (!contents) return element("p", `What is inside can’t be told; ${files.length} of its files were given.`, { class: "inside", "data-lacking": "" });
  const isWhole = contents.missing + contents.on_hold + contents.not_valid + contents.not_inside === 0;
  return element("p", words, isWhole ? { class: "inside" } : { class: "inside", "data-lacking": "" });
}
