/**
 * What an account or a storage slot holds, shown from a block's state root by the trie's nodes on the way to it.
 *
 * A key is a hash, and the digits of a hash are the nibbles that lead the way. Every node is refused unless it is spelled
 * the one way a trie spells it, so no byte of it can change unseen.
 *
 * Source: Ethereum Yellow Paper, appendix D; EIP-1186.
 */
import { EMPTY, size } from "../bytes.js";
import { keccak } from "../crypto.js";
import { invalid } from "../refusal.js";
import { asBytes, asInteger, decode, decodeList, encode, notCanonical } from "./rlp.js";

const EMPTY_TRIE = keccak("0x80");
const KEY_NIBBLES = 64;

/** Trie nodes that several proofs share, each found by its hash. */
export class Nodes {
  /** @param {string[]} nodes RLP. */
  constructor(nodes) {
    this.given = nodes.length;
    this.byHash = new Map(nodes.map((node) => [keccak(node), node]));
    this.used = new Map(); // decoded, in the order of first need
  }

  /** Whether every node was needed, stands once, and the first needed stands first. */
  get areInOrder() {
    const hashes = [...this.byHash.keys()];
    const used = [...this.used.keys()];
    return this.given === hashes.length && used.length === hashes.length && used.every((each, at) => each === hashes[at]);
  }

  /** What the trie of a root holds under a key (32 bytes, hashed); null for nothing. */
  value(root, key) {
    if (root === EMPTY_TRIE) return null;
    const nibbles = key.slice(2);
    let [node, at] = [this.node(root), 0];
    while (true) {
      if (node.length === 17) {
        if (at === KEY_NIBBLES) throw wrong("a branch stands below the end of the key");
        const child = node[parseInt(nibbles[at], 16)];
        at++;
        if (child === EMPTY) return null;
        node = this.next(child);
        continue;
      }
      const { path, isLeaf } = compactPath(node[0]);
      const goesOn = nibbles.startsWith(path, at);
      if (isLeaf) return leafValue(node[1], at + path.length, goesOn);
      if (path === "") throw notCanonical("trie node", 0, "an extension's path must not be empty");
      if (Array.isArray(node[1]) || size(node[1]) !== 32) requireEmbedded(node[1]);
      if (at + path.length >= KEY_NIBBLES) throw wrong("an extension goes to the end of the key or beyond");
      if (!goesOn) return null;
      at += path.length;
      node = this.next(node[1]);
    }
  }

  next(child) {
    return Array.isArray(child) ? requireNode(child) : this.node(child);
  }

  node(hash) {
    if (!this.used.has(hash)) {
      if (!this.byHash.has(hash)) throw wrong("a node on the way to the key is not shown");
      this.used.set(hash, requireNode(decodeList(this.byHash.get(hash))));
    }
    return this.used.get(hash);
  }
}

/** An account's storage root and code hash, 32 bytes each. */
export function decodeAccount(value) {
  const fields = decodeList(value);
  if (fields.length !== 4) throw notCanonical("account", 0, "nonce, balance, storage root and code hash are expected");
  asInteger(fields[0], "the nonce", 8);
  asInteger(fields[1], "the balance");
  return { storageRoot: asBytes(fields[2], "the storage root", 32), codeHash: asBytes(fields[3], "the code hash", 32) };
}

/** The number that a slot holds; never 0. */
export function decodeSlot(value) {
  const held = asInteger(decode(value), "the slot's value");
  if (held === 0n) throw notCanonical("storage", 0, "a slot that holds zero is not in the trie");
  return held;
}

const wrong = (rule) => invalid(`The state proof does not hold: ${rule}.`);

function leafValue(item, end, isOurs) {
  if (end !== KEY_NIBBLES) throw wrong("a leaf ends at another depth than the key");
  const value = asBytes(item, "a leaf's value");
  if (value === EMPTY) throw notCanonical("trie node", 0, "a leaf's value must not be empty");
  return isOurs ? value : null;
}

/** The first digit of a compact path says whether it is a leaf's (2, 3) and odd (1, 3); an even one has a zero after. */
function compactPath(item) {
  const digits = asBytes(item, "a node's path").slice(2);
  const kind = digits === "" ? 4 : parseInt(digits[0], 16);
  const isOdd = kind % 2 === 1;
  if (kind > 3 || (!isOdd && digits[1] !== "0"))
    throw notCanonical("trie node", 0, "a path begins with its kind and parity");
  return { path: digits.slice(isOdd ? 1 : 2), isLeaf: kind >= 2 };
}

function requireNode(node) {
  if (node.length === 17) requireBranch(node);
  else if (node.length !== 2) throw notCanonical("trie node", 0, "2 or 17 members are expected");
  return node;
}

function requireBranch(node) {
  const children = node.slice(0, 16).filter((child) => child !== EMPTY);
  for (const child of children) {
    if (Array.isArray(child)) requireEmbedded(child);
    else if (size(child) !== 32) throw notCanonical("trie node", 0, "a child is named by 32 bytes");
  }
  if (node[16] !== EMPTY) throw notCanonical("trie node", 0, "keys of one length leave no value in a branch");
  if (children.length < 2) throw notCanonical("trie node", 0, "a branch has at least two children");
}

function requireEmbedded(item) {
  if (!Array.isArray(item) || size(encode(item)) >= 32)
    throw notCanonical("trie node", 0, "a node stands within another only if it is shorter than 32 bytes");
}
