/**
 * Why a check does not pass. What throws anything else is a fault of this program, and no pass either.
 */
export class Refusal extends Error {
  /**
   * @param {"INVALID"|"SKIPPED"|"ERROR"} status What the check comes to.
   * @param {string} message A sentence for an officer.
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** What is shown does not hold. */
export const invalid = (message) => new Refusal("INVALID", message);
/** The file leaves it open. */
export const skipped = (message) => new Refusal("SKIPPED", message);
/** It can't be told here. */
export const error = (message) => new Refusal("ERROR", message);
