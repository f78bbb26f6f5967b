/**
 * The trust file, `cargo-trust/1`: what a verifier takes for granted. Whoever can change it decides what is believed.
 */
import { fromArray } from "../bytes.js";
import { domainOf } from "../cargo/records.js";
import { sha256 } from "../crypto.js";
import { administrationBytes } from "../names.js";
import { invalid } from "../refusal.js";
import { Form } from "./form.js";
import { read } from "./json.js";

const SCHEMA = "cargo-trust/1";
const MOST = { bytes: 1 << 16, values: 4_096 };
const MOST_VALIDATORS = 1_000;
const LAST_SECOND = 253_402_300_799; // 9999-12-31T23:59:59Z
export const CONTRACTS = ["AdministrationRegistry", "ConsignmentLedger", "ManifestLog"];

const refuse = (place, rule) => invalid(`This is no trust file: at ${place || "its root"}, ${rule}.`);
const form = new Form(refuse);

export class Trust {
  /** @param {Uint8Array} data The whole file. */
  constructor(data) {
    const top = form.members(read(data, MOST, refuse), "", [
      "schema", "administration", "chain", "contracts", "consensus", "red_lines", "expires_at",
    ]);
    if (top.schema !== SCHEMA) throw refuse("/schema", `${SCHEMA} is expected; other versions are not known here`);
    this.readChain(form.members(top.chain, "/chain", ["id", "genesis_hash"]));
    this.readContracts(form.members(top.contracts, "/contracts", CONTRACTS));
    this.readConsensus(form.members(top.consensus, "/consensus", ["kind", "validators", "from_block", "epoch"]));
    const redLines = form.members(top.red_lines, "/red_lines", ["old_seconds"]);
    this.oldSeconds = form.integer(redLines.old_seconds, "/red_lines/old_seconds", 1);
    this.expiresAt = form.integer(top.expires_at, "/expires_at", 0, LAST_SECOND);
    this.administration = form.text(top.administration, "/administration", 8);
    this.code = administrationBytes(this.administration);
    if (this.code === null) throw refuse("/administration", "an administration is expected, as NL");
    this.sha256 = sha256(fromArray(data));
    this.logDomain = domainOf(this.chainId, this.addresses.ManifestLog);
    this.consignmentsDomain = domainOf(this.chainId, this.addresses.ConsignmentLedger);
  }

  readChain({ id, genesis_hash: genesisHash }) {
    this.chainId = form.integer(id, "/chain/id", 1);
    this.genesisHash = form.data(genesisHash, "/chain/genesis_hash", 32);
  }

  readContracts(contracts) {
    this.addresses = {};
    this.codeHashes = {};
    for (const name of CONTRACTS) {
      const at = `/contracts/${name}`;
      const pin = form.members(contracts[name], at, ["address", "code_hash"]);
      this.addresses[name] = form.data(pin.address, `${at}/address`, 20);
      this.codeHashes[name] = form.data(pin.code_hash, `${at}/code_hash`, 32);
    }
  }

  readConsensus({ kind, validators, from_block: fromBlock, epoch }) {
    if (!["development", "clique", "qbft"].includes(kind))
      throw refuse("/consensus/kind", "development, clique or qbft is expected");
    this.consensus = kind;
    this.validators = form
      .items(validators, "/consensus/validators", MOST_VALIDATORS)
      .map((address, at) => form.data(address, `/consensus/validators/${at}`, 20));
    if (this.validators.some((address, at) => at > 0 && this.validators[at - 1] >= address))
      throw refuse("/consensus/validators", "the addresses must ascend, each once");
    if (this.validators.length > 0 !== (kind !== "development"))
      throw refuse("/consensus/validators", "validators are expected, but in development");
    this.fromBlock = form.integer(fromBlock, "/consensus/from_block");
    this.epoch = form.integer(epoch, "/consensus/epoch");
    if (this.epoch > 0 !== (kind === "clique"))
      throw refuse("/consensus/epoch", "blocks between checkpoints in Clique, and 0 elsewhere");
  }
}
