/**
 * The evidence file, `cargo-evidence/1`: its form, and what follows from it alone. What holds is `verify.js`' to say.
 *
 * Names, numbers and bytes stay as the file has them, once they were held to their form.
 */
import { ZERO32 } from "../bytes.js";
import { AMEND, Kind, WITHDRAW, manifestId } from "../cargo/records.js";
import { customsOf } from "../names.js";
import { Refusal, invalid } from "../refusal.js";
import { readDisclosure, rootOfDisclosure } from "./disclosure.js";
import { Form, isObject } from "./form.js";
import { OtherNumber, read } from "./json.js";
import { leavesOf, rootOfWhole } from "./leaves.js";

const SCHEMA = "cargo-evidence/1";
const MOST = { bytes: 4 << 20, values: 200_000 };
const MOST_RECORDS = 4_096;
const MOST_CLOSURES = 256;
const MOST_HEADERS = 4_096;
const MOST_NODES = 16_384;
const MOST_PATH = 64;
const MOST_EPOCH = 2 ** 32 - 1;

const refuse = (place, rule) => invalid(`This is no evidence file: at ${place || "its root"}, ${rule}.`);
const form = new Form(refuse);

/** Something shown of a document: the whole of it with its secret, or some leaves. */
class Shown {
  /** @param source `{document, secret}` or a disclosure. */
  constructor(source) {
    this.isWhole = "document" in source;
    this.source = source;
  }

  /** The root that it was committed to under. */
  get root() {
    return this.isWhole ? rootOfWhole(this.leaves, this.source.secret) : rootOfDisclosure(this.source);
  }

  /** The leaves shown, {pointer, value}, in the order of pointers. */
  get leaves() {
    if (!this.isWhole) return this.source.fields;
    this.read ??= leavesOf(this.source.document);
    return this.read;
  }
}

export class Evidence {
  /** @param {Uint8Array} data The whole file. */
  constructor(data) {
    const value = read(data, MOST, refuse);
    if (isObject(value) && "schema" in value && value.schema !== SCHEMA) throw unknownVersion(value.schema);
    const top = form.members(value, "", [
      "schema", "reference", "consignment_key", "manifest", "closures", "custody", "chain",
    ]);
    this.reference = form.text(top.reference, "/reference");
    this.key = form.data(top.consignment_key, "/consignment_key", 32);
    this.manifest = readManifest(top.manifest);
    this.closures = each(top.closures, "/closures", MOST_CLOSURES, readClosure);
    this.custody = each(top.custody, "/custody", MOST_RECORDS, readTaken);
    this.chain = readChain(top.chain);

    const { record } = this.manifest;
    this.consignment = record.consignment;
    this.manifestId = manifestId(record.party, record.consignment, record.manifest_root);
    const openings = this.custody.map((taken) => taken.record).filter(({ kind }) => kind === Kind.OPEN);
    this.opened = [...new Set(openings.map(({ consignment }) => consignment))];
    this.opening = openings.find(({ consignment }) => consignment === this.consignment) ?? null;
  }

  /** Whether the manifest is another party's own statement, not in the line that the consignment was opened with. */
  get isOwnStatement() {
    const { record } = this.manifest;
    if (this.opening === null || record.party === this.opening.party) return false;
    return !(record.party === customsOf(this.opening.party) && record.kind === AMEND);
  }

  /** The manifest that the closures begin with. */
  get firstManifest() {
    const { record } = this.manifest;
    if (this.opening !== null && !this.isOwnStatement)
      return manifestId(this.opening.party, this.consignment, this.opening.details);
    return record.kind === AMEND ? record.supersedes : this.manifestId;
  }
}

/** A newer verifier may know it: not invalid, not known. */
function unknownVersion(schema) {
  const text = schema instanceof OtherNumber ? schema.text : typeof schema === "string" ? schema : JSON.stringify(schema);
  const said = [...text].slice(0, 80).join("");
  return new Refusal("ERROR", refuse("/schema", `the format '${said}' is not known here; use a newer verifier`).message);
}

const each = (value, place, most, reader) =>
  form.items(value, place, most).map((item, at) => reader(item, `${place}/${at}`));

function readManifest(value) {
  const at = "/manifest";
  const given = form.members(value, at, [
    "record", "signature", "epoch", "index", "size", "root", "anchored_at", "path", "shown", "promise",
  ]);
  return {
    record: readManifestRecord(given.record, `${at}/record`),
    signature: form.data(given.signature, `${at}/signature`, 65),
    epoch: form.integer(given.epoch, `${at}/epoch`, 1, MOST_EPOCH),
    index: form.integer(given.index, `${at}/index`),
    size: form.integer(given.size, `${at}/size`, 1),
    root: form.data(given.root, `${at}/root`, 32),
    anchoredAt: form.integer(given.anchored_at, `${at}/anchored_at`),
    path: each(given.path, `${at}/path`, MOST_PATH, (hash, place) => form.data(hash, place, 32)),
    shown: readShown(given.shown, `${at}/shown`),
    promise: given.promise === null ? null : readPromise(given.promise, `${at}/promise`),
  };
}

function readManifestRecord(value, at) {
  const record = form.members(value, at, [
    "party", "kind", "reason", "consignment", "manifest_root", "supersedes", "issued_at",
  ]);
  form.data(record.party, `${at}/party`, 16);
  form.integer(record.kind, `${at}/kind`, 1, AMEND);
  form.integer(record.reason, `${at}/reason`, 0, 5);
  for (const name of ["consignment", "manifest_root", "supersedes"]) form.data(record[name], `${at}/${name}`, 32);
  form.integer(record.issued_at, `${at}/issued_at`);
  if ((record.supersedes === ZERO32) !== (record.kind !== AMEND))
    throw refuse(`${at}/supersedes`, "it must be zero for LODGE and only there");
  return record;
}

function readPromise(value, at) {
  const promise = form.members(value, at, ["epoch", "index", "seen", "anchor_by", "signature"]);
  if (typeof promise.seen !== "boolean") throw refuse(`${at}/seen`, "true or false is expected");
  form.integer(promise.epoch, `${at}/epoch`, 1, MOST_EPOCH);
  form.integer(promise.index, `${at}/index`);
  form.integer(promise.anchor_by, `${at}/anchor_by`);
  form.data(promise.signature, `${at}/signature`, 65);
  return promise;
}

function readClosure(value, at) {
  const closure = form.members(value, at, ["kind", "reason", "time", "signer", "successor"]);
  form.integer(closure.kind, `${at}/kind`, AMEND, WITHDRAW);
  form.integer(closure.reason, `${at}/reason`, 0, 5);
  form.integer(closure.time, `${at}/time`);
  form.data(closure.signer, `${at}/signer`, 20);
  form.data(closure.successor, `${at}/successor`, 32);
  if ((closure.successor === ZERO32) !== (closure.kind === WITHDRAW))
    throw refuse(`${at}/successor`, "it must be zero for WITHDRAW and only there");
  return closure;
}

function readTaken(value, at) {
  const taken = form.members(value, at, ["record", "signature", "accepted_at", "details"]);
  const record = form.members(taken.record, `${at}/record`, [
    "consignment", "kind", "party", "previous", "subject", "details", "counterpart", "observed_at", "expires_at",
  ]);
  form.integer(record.kind, `${at}/record/kind`, Kind.OPEN, Kind.REMARK);
  for (const name of ["party", "counterpart"]) form.data(record[name], `${at}/record/${name}`, 16);
  for (const name of ["consignment", "previous", "subject", "details"]) form.data(record[name], `${at}/record/${name}`, 32);
  for (const name of ["observed_at", "expires_at"]) form.integer(record[name], `${at}/record/${name}`);
  const details = taken.details === null ? null : readShown(taken.details, `${at}/details`);
  if (details !== null && record.kind === Kind.OPEN)
    throw refuse(`${at}/details`, "an OPEN's details are the manifest, which stands elsewhere");
  return {
    record,
    signature: form.data(taken.signature, `${at}/signature`, 65),
    acceptedAt: form.integer(taken.accepted_at, `${at}/accepted_at`),
    details,
  };
}

function readShown(value, at) {
  if (isObject(value) && Object.keys(value).join() === "disclosure") {
    const place = `${at}/disclosure`;
    return new Shown(readDisclosure(value.disclosure, (rule) => refuse(place, `The disclosure is not usable: ${rule}.`)));
  }
  const whole = form.members(value, at, ["document", "secret"]);
  if (!isObject(whole.document)) throw refuse(`${at}/document`, "an object is expected");
  form.data(whole.secret, `${at}/secret`, 32);
  return new Shown(whole);
}

function readChain(value) {
  const at = "/chain";
  const chain = form.members(value, at, ["id", "genesis_hash", "headers", "nodes"]);
  form.integer(chain.id, `${at}/id`, 1);
  form.data(chain.genesis_hash, `${at}/genesis_hash`, 32);
  each(chain.headers, `${at}/headers`, MOST_HEADERS, (header, place) => form.data(header, place));
  each(chain.nodes, `${at}/nodes`, MOST_NODES, (node, place) => form.data(node, place));
  return { id: chain.id, genesisHash: chain.genesis_hash, headers: chain.headers, nodes: chain.nodes };
}
