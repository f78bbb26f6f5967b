/**
 * Builds the verifier: one HTML file with everything in it, verifier/cargo-evidence.html, which is committed.
 *
 *     node verifier/build.mjs            writes it
 *     node verifier/build.mjs --check    fails if the committed file is not what the sources give
 *
 * The bundle is not minified: who must trust it can read it. Its content security policy names the hashes of its one
 * script and one style and allows nothing else, no network above all.
 */
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const TARGET = here("cargo-evidence.html");

const bundle = await build({
  entryPoints: [here("page/main.js")],
  bundle: true,
  write: false,
  format: "iife",
  target: "es2022",
  charset: "ascii",
  legalComments: "inline",
  logLevel: "warning",
});
const script = bundle.outputFiles[0].text;
const style = readFileSync(here("page/page.css"), "utf8");
if (/<\/script|<!--/i.test(script)) throw new Error("the script holds what would end it in HTML");

const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const policy = [
  "default-src 'none'",
  `script-src ${hash(script)}`,
  `style-src ${hash(style)}`,
  "worker-src blob:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");
const parts = { policy, style, script };
const html = readFileSync(here("page/page.html"), "utf8").replace(/\{\{(\w+)\}\}/g, (_, name) => parts[name]);

if (!process.argv.includes("--check")) writeFileSync(TARGET, html);
else if (readFileSync(TARGET, "utf8") !== html) {
  console.error("verifier/cargo-evidence.html is not what the sources give: run node verifier/build.mjs");
  process.exit(1);
}
