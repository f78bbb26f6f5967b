/**
 * Which block a file speaks of, and whether the validators that the trust file names stand behind it.
 *
 * QBFT: ceil(2N/3) seals make a block final; to move on to other validators, a header needs that of the trusted ones and
 * of those it lists. Clique has no finality: a block is confirmed by distinct signers over 2N linked successors.
 *
 * Source: DESIGN 6.
 */
import { error, invalid, skipped } from "../refusal.js";
import { CliqueSigners, confirmations, unsealed } from "./clique.js";

export const UNSEALED = "This is an unsealed development chain: nobody stands behind its blocks.";
const MOST_SEALS = 1_000; // more than a trust file has validators; each costs milliseconds to recover

/** How many of N must agree: ceil(2N/3). */
export const quorum = (count) => Math.ceil((2 * count) / 3);

/** The header whose state the file shows; its seals are not judged here. */
export function stateHeader(headers, trust) {
  if (trust.consensus === "qbft") return headers.at(-1);
  return headers[trust.consensus === "clique" ? placeInClique(headers, trust) : 0];
}

/** Judge the seals: a sentence, or a refusal. */
export function judgeSeals(headers, trust) {
  if (trust.consensus === "development") {
    if (headers.length !== 1) throw invalid("An unsealed development chain's file shows one header.");
    throw skipped(UNSEALED);
  }
  requireReach(headers, trust);
  return trust.consensus === "qbft" ? judgeQbft(headers, trust) : judgeClique(headers, trust);
}

/** What this trust file can't tell, neither way. */
function requireReach(headers, trust) {
  const first = headers[0].number;
  if (first < BigInt(trust.fromBlock))
    throw error(
      `Block ${first} is older than block ${trust.fromBlock}, from which on the trust file knows the validators: use one ` +
        "that reaches back.",
    );
  if (trust.consensus !== "qbft") return;
  for (const header of headers)
    if (header.qbft.validators.length === 0)
      throw error(`Block ${header.number} lists no validators (contract mode), so whether they changed can't be seen.`);
}

function judgeQbft(headers, trust) {
  let trusted = new Set(trust.validators);
  let before = -1n;
  for (const header of headers.slice(0, -1)) {
    requireOnlySealsThatCount(header);
    const listed = new Set(header.qbft.validators);
    requireQuorum(header, trusted);
    requireQuorum(header, listed);
    const isSame = listed.size === trusted.size && [...listed].every((each) => trusted.has(each));
    if (header.number <= before || isSame)
      throw unsealed(`header ${header.number} changes no validators, or not in order`);
    [before, trusted] = [header.number, listed];
  }
  const last = headers.at(-1);
  if (last.number <= before) throw unsealed(`block ${last.number} is not after the last change of validators`);
  requireOnlySealsThatCount(last);
  const count = requireQuorum(last, trusted);
  return `Block ${last.number} is final: ${count} of ${trusted.size} trusted validators sealed it.`;
}

/** A seal that is none, stands twice or is by nobody the header lists would be bytes that mean nothing. */
function requireOnlySealsThatCount(header) {
  const { seals, validators } = header.qbft;
  const listed = new Set(validators);
  const surplus = unsealed(`block ${header.number} has a seal twice, or of somebody it does not list`);
  if (seals.length > Math.min(listed.size, MOST_SEALS)) throw surplus;
  const signers = header.qbftSigners;
  for (const { problem } of signers) if (problem) throw problem;
  const distinct = new Set(signers.map(({ address }) => address));
  if (distinct.size !== signers.length || [...distinct].some((each) => !listed.has(each))) throw surplus;
}

function requireQuorum(header, trusted) {
  const sealed = header.qbftSigners.filter(({ address }) => trusted.has(address)).map(({ address }) => address);
  const count = new Set(sealed).size;
  const needed = quorum(trusted.size);
  if (count < needed)
    throw unsealed(
      `block ${header.number} is sealed by ${count} of ${trusted.size} trusted validators; ${needed} are needed`,
    );
  return count;
}

function judgeClique(headers, trust) {
  const place = placeInClique(headers, trust);
  let signers = new Set(trust.validators);
  if (place > 0 || headers[0].number === BigInt(trust.fromBlock) + 1n) {
    const followed = new CliqueSigners(trust);
    headers.slice(0, place + 1).forEach((header) => followed.take(header));
    signers = followed.signers;
  }
  const chain = headers.slice(place);
  const count = confirmations(chain, signers);
  const [block, successors, wanted] = [chain[0].number, chain.length - 1, 2 * signers.size];
  const needed = Math.max(Math.floor(signers.size / 2) + 1, quorum(signers.size));
  if (successors !== wanted || count < needed)
    throw unsealed(
      `block ${block} is confirmed by ${count} of ${signers.size} signers over ${successors} blocks; ${needed} signers ` +
        `over exactly ${wanted} blocks are needed`,
    );
  return `Block ${block} is confirmed by ${count} of ${signers.size} signers, not final: Clique has no finality.`;
}

/** Where the block stands: first, or behind every header since the trusted block, with 2N successors. */
function placeInClique(headers, trust) {
  const followsTrusted = headers[0].number === BigInt(trust.fromBlock) + 1n;
  if (headers.length <= 1 + 2 * trust.validators.length || !followsTrusted) return 0;
  const followed = new CliqueSigners(trust);
  for (const [place, header] of headers.entries()) {
    followed.take(header);
    if (headers.length - 1 - place === 2 * followed.signers.size) return place;
  }
  throw unsealed("the headers end before the block has its successors");
}

