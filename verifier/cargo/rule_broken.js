/** A record that the rules of custody would have refused: the chain's name of the refusal, and the sentence. */
import { Refusal } from "../refusal.js";

const SENTENCES = {
  ALREADY_OPENED: "this consignment was opened before; a closed one is opened again by an officer's TAKE only.",
  NOT_ITS_ID: "the opener's party and the blind do not give this consignment's id. Compute it again.",
  NOT_OPENED: "this consignment has not been opened. Open it first.",
  ALREADY_APPENDED: "this record stands on the consignment already; nothing is to be done.",
  CLOSED: "the consignment is closed and nobody is in charge of it; officers' records go on, and a TAKE opens it again.",
  LOOP: "the consignment named is this one or inside it, and can't hold it.",
  TOO_DEEP: "something would come to be inside more than eight others, one in the other.",
};

export class RuleBroken extends Refusal {
  constructor(name, sentence = SENTENCES[name]) {
    super("INVALID", `The rules would not have taken a record (${name}): Refused: ${sentence}`);
  }
}
