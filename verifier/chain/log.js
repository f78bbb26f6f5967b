/**
 * The append-only tree: SHA-256, a byte 0 before leaves and 1 before nodes.
 *
 * Source: RFC 9162, sections 2.1.1 and 2.1.3.2.
 */
import { sha256 } from "../crypto.js";
import { invalid } from "../refusal.js";

/** The hash of two nodes. */
export const nodeHash = (left, right) => sha256("0x01", left, right);

/** How many of `size` leaves, at least 2, stand on the left: the largest power of two below it. */
export function split(size) {
  let left = 1;
  while (2 * left < size) left *= 2;
  return left;
}

/** The root over hashes of leaves, at least one. */
export function treeRoot(hashes) {
  if (hashes.length === 1) return hashes[0];
  const middle = split(hashes.length);
  return nodeHash(treeRoot(hashes.slice(0, middle)), treeRoot(hashes.slice(middle)));
}

/** Require that a path leads from a leaf's hash, at an index of a tree of a size, to its root. */
export function requireInclusion(leaf, index, size, path, root) {
  const refuse = (rule) => invalid(`Leaf ${index} is not shown to be in the log of ${size}: ${rule}.`);
  if (index >= size) throw refuse("the index is not below the size");
  const expected = pathLength(BigInt(index), BigInt(size));
  if (path.length !== expected) throw refuse(`its path has ${expected} hashes, ${path.length} were given`);
  let place = BigInt(index);
  let last = BigInt(size) - 1n;
  let node = leaf;
  for (const sibling of path) {
    if (place & 1n || place === last) {
      node = nodeHash(sibling, node);
      while (!(place & 1n) && place !== 0n) [place, last] = [place >> 1n, last >> 1n];
    } else node = nodeHash(node, sibling);
    [place, last] = [place >> 1n, last >> 1n];
  }
  if (node !== root) throw refuse("its path leads to another root than the one shown");
}

/** One hash for each split of the tree on the way down to the leaf. */
function pathLength(index, size) {
  let length = 0;
  let [begin, end] = [0n, size];
  while (end - begin > 1n) {
    let left = 1n;
    while (2n * left < end - begin) left *= 2n;
    if (index < begin + left) end = begin + left;
    else begin += left;
    length++;
  }
  return length;
}
