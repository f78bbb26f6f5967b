/** Reads the values of a file, each refused with its place when it is not of its form. */
import { size } from "../bytes.js";

const HEX = /^0x[0-9a-f]*$/;

export class Form {
  /** @param {(place: string, rule: string) => Error} refuse Makes the error to throw. */
  constructor(refuse) {
    this.refuse = refuse;
  }

  /** An object with exactly these members. */
  members(value, place, names) {
    if (!isObject(value) || !hasExactly(value, names))
      throw this.refuse(place, `an object with exactly ${[...names].sort().join(", ")} is expected`);
    return value;
  }

  /** An array of at most so many. */
  items(value, place, most) {
    if (!Array.isArray(value) || value.length > most)
      throw this.refuse(place, `an array of at most ${most} is expected`);
    return value;
  }

  /** Bytes, of a length if one is given. */
  data(value, place, length = null) {
    const isBytes = typeof value === "string" && HEX.test(value) && value.length % 2 === 0;
    if (isBytes && (length === null || size(value) === length)) return value;
    throw this.refuse(place, `${length === null ? "bytes" : `${length} bytes`} of lower-case hex after 0x are expected`);
  }

  /** An integer of a range. */
  integer(value, place, least = 0, most = Number.MAX_SAFE_INTEGER) {
    if (typeof value === "number" && value >= least && value <= most) return value;
    throw this.refuse(place, `an integer from ${least} to ${most} is expected`);
  }

  /** A text of 1 to so many characters. */
  text(value, place, longest = 256) {
    if (typeof value === "string" && value !== "" && value.length <= 2 * longest && [...value].length <= longest)
      return value;
    throw this.refuse(place, `a text of 1 to ${longest} characters is expected`);
  }
}

/** Whether a value that `json.read` gave is an object. */
export const isObject = (value) =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === null;

/** Whether an object has these members and no other. */
export function hasExactly(object, names) {
  const own = Object.keys(object);
  return own.length === names.length && names.every((name) => own.includes(name));
}
