/**
 * JSON in one encoding: names ascending by their UTF-8 bytes, no spaces, the shortest escapes; anything else is refused.
 *
 * Evidence and trust files are judged by their bytes, and JSON.parse takes many spellings of one value, drops doubled
 * names and rounds numbers. So this reads each value in the only spelling it may have. Length and the number of values
 * are bounded before anything is read, depth while reading.
 *
 * Source: RFC 8785, whose order of names differs outside ASCII.
 */
const MOST_DEPTH = 254;
const MOST_NUMBER = 32; // characters: no number has a longer shortest spelling
const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const HIGHEST_SIGNED = 2n ** 63n;
const HIGHEST_UNSIGNED = 2n ** 64n;

/** A number that a document may not hold: with a fraction, an exponent, or outside 2^53-1. No form takes one. */
export class OtherNumber {
  constructor(text, isInteger) {
    this.text = text;
    this.isInteger = isInteger;
  }
}

/**
 * Read a whole file.
 *
 * @param {Uint8Array} data
 * @param {{bytes: number, values: number}} most How long it may be, and how many values and containers it may hold
 *   (strings count by their commas and brackets).
 * @param {(place: string, rule: string) => Error} refuse Makes the error to throw.
 * @returns Objects without prototype, arrays, strings, safe integers, `OtherNumber`, booleans, null.
 */
export function read(data, most, refuse) {
  if (data.length > most.bytes) throw refuse("", `it has ${data.length} bytes, ${most.bytes} are allowed`);
  let values = 0;
  for (const byte of data) if (byte === 0x2c || byte === 0x5b || byte === 0x7b) values++;
  if (values > most.values) throw refuse("", `it holds more than ${most.values} values`);
  const reader = new Reader(decodedText(data, refuse), refuse);
  const value = reader.value(0);
  if (reader.at !== reader.text.length) throw reader.noJson();
  return value;
}

/** Whether a name or pointer stands before another: by code points, which is the order of their UTF-8 bytes. */
export function comesBefore(first, second) {
  const length = Math.min(first.length, second.length);
  for (let at = 0; at < length; at++) {
    const [a, b] = [first.charCodeAt(at), second.charCodeAt(at)];
    if (a !== b) return rank(a) < rank(b);
  }
  return first.length < second.length;
}

/** UTF-16 has its surrogates, which stand for the highest code points, below U+E000. */
function rank(unit) {
  if (unit >= 0xe000) return unit - 0x800;
  return unit >= 0xd800 ? unit + 0x2000 : unit;
}

function decodedText(data, refuse) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw refuse("", "it is no JSON, or nested too deep");
  }
}

class Reader {
  constructor(text, refuse) {
    this.text = text;
    this.refuse = refuse;
    this.at = 0;
  }

  noJson() {
    return this.refuse("", "it is no JSON, or nested too deep");
  }

  otherSpelling() {
    return this.refuse("", "it is not in its one encoding: no spaces, names in order and once, no longer escapes");
  }

  takes(word) {
    if (!this.text.startsWith(word, this.at)) return false;
    this.at += word.length;
    return true;
  }

  value(depth) {
    if (this.takes("{")) return this.object(depth + 1);
    if (this.takes("[")) return this.array(depth + 1);
    if (this.text[this.at] === '"') return this.string();
    if (this.takes("true")) return true;
    if (this.takes("false")) return false;
    if (this.takes("null")) return null;
    return this.number();
  }

  object(depth) {
    if (depth > MOST_DEPTH) throw this.noJson();
    const members = Object.create(null);
    if (this.takes("}")) return members;
    let former = null;
    do {
      const name = this.string();
      if (former !== null && !comesBefore(former, name)) throw this.otherSpelling();
      former = name;
      if (!this.takes(":")) throw this.noJson();
      members[name] = this.value(depth);
    } while (this.takes(","));
    if (!this.takes("}")) throw this.noJson();
    return members;
  }

  array(depth) {
    if (depth > MOST_DEPTH) throw this.noJson();
    const items = [];
    if (this.takes("]")) return items;
    do items.push(this.value(depth));
    while (this.takes(","));
    if (!this.takes("]")) throw this.noJson();
    return items;
  }

  string() {
    if (this.text[this.at] !== '"') throw this.noJson();
    let end = this.text.indexOf('"', this.at + 1);
    let content = this.text.slice(this.at + 1, end);
    if (end < 0 || content.includes("\\")) {
      end = this.escapedEnd();
      const written = this.text.slice(this.at, end + 1);
      content = this.unescaped(written);
      if (JSON.stringify(content) !== written) throw this.otherSpelling();
    } else if (/[\u0000-\u001f]/.test(content)) throw this.noJson();
    this.at = end + 1;
    return content;
  }

  /** Where the string ends whose quotes may be escaped. */
  escapedEnd() {
    for (let at = this.at + 1; at < this.text.length; at++) {
      if (this.text[at] === '"') return at;
      if (this.text[at] === "\\") at++;
    }
    throw this.noJson();
  }

  unescaped(written) {
    let content;
    try {
      content = JSON.parse(written);
    } catch {
      throw this.noJson();
    }
    if (/\p{Surrogate}/u.test(content)) throw this.noJson(); // half of a pair is no character
    return content;
  }

  number() {
    NUMBER.lastIndex = this.at;
    const text = NUMBER.exec(this.text)?.[0];
    if (text === undefined) throw this.noJson();
    if (text.length > MOST_NUMBER || text === "-0") throw this.otherSpelling();
    this.at += text.length;
    if (/[.eE]/.test(text)) return this.fraction(text);
    const exact = BigInt(text);
    if (exact < -HIGHEST_SIGNED || exact >= HIGHEST_UNSIGNED) throw this.otherSpelling(); // others read a fraction
    const value = Number(text);
    return Number.isSafeInteger(value) ? value : new OtherNumber(text, true);
  }

  /** Documents may not hold it, but a file that does is one that was spelled right: the document's check says so. */
  fraction(text) {
    const value = Number(text);
    if (!Number.isFinite(value)) throw this.noJson();
    if (shortest(value) !== text) throw this.otherSpelling();
    return new OtherNumber(text, false);
  }
}

/** A number with a fraction in its shortest spelling, at least one digit behind the point. */
function shortest(value) {
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const [mantissa, power] = value.toExponential().split("e");
  const exponent = Number(power);
  if (exponent < -5 || exponent > 15) return `${mantissa}e${exponent > 0 ? "+" : ""}${exponent}`;
  const sign = value < 0 ? "-" : "";
  const digits = mantissa.replace(/[-.]/g, "");
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  return `${sign}${whole}.${digits.slice(exponent + 1) || "0"}`;
}
