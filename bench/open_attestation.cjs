// Wraps the documents of a file of JSON lines with OpenAttestation v2 and prints {"documents": n, "seconds": s,
// "processor_seconds": s}.
// What is timed is what `commit` does too: parse the text, salt, hash, tree, root. Reading the file and the first 200
// documents, which warm the compiler up, are not timed.
const { readFileSync } = require("fs");
const { wrapDocuments } = require("@govtechsg/open-attestation");

const lines = readFileSync(process.argv[2], "utf8").trimEnd().split("\n");
const batch = Number(process.argv[3]);

function wrap(some) {
  return wrapDocuments(some.map((line) => JSON.parse(line)))[0].signature.merkleRoot;
}

wrap(lines.slice(0, 200));
const used = process.cpuUsage();
const start = process.hrtime.bigint();
let roots = 0;
for (let i = 0; i < lines.length; i += batch) if (wrap(lines.slice(i, i + batch)).length === 64) roots++;
const seconds = Number(process.hrtime.bigint() - start) / 1e9;
const { user, system } = process.cpuUsage(used);
console.log(JSON.stringify({ documents: lines.length, seconds, processor_seconds: (user + system) / 1e6, roots }));
