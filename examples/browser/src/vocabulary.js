// Characters or words to ids and back: a tokenizer without SentencePiece.
// The counterpart in Python is export/vocabulary.py.

import { strFromU8 } from "fflate";

import { FIRST_PIECE, UNKNOWN, WHITE_SPACE, WORD_MARK } from "./special.js";

const SPECIAL = ["<pad>", "<s>", "</s>", "<unk>"];
const UNKNOWN_TEXT = "\u2047";

/** Tells whether a tokenizer's bytes are a vocabulary: JSON. */
export function isVocabulary(model) {
  return strFromU8(model.subarray(0, 16)).trimStart().startsWith("{");
}

/** Has the methods of `SentencePiece` in tokenizer.js; see there. */
export class Vocabulary {
  #words; // or characters
  #tokens;
  #ids;

  constructor(model) {
    const { kind, tokens } = JSON.parse(strFromU8(model));
    this.#words = kind === "whitespace";
    this.#tokens = [...SPECIAL, ...tokens];
    this.#ids = new Map(
      tokens.map((token, index) => [token, SPECIAL.length + index]),
    );
  }

  encode(text) {
    const words = text.split(WHITE_SPACE).filter(Boolean);
    // Characters, not halves of surrogate pairs.
    const parts = this.#words ? words : Array.from(words.join(" "));
    const ids = parts.map((part) => this.#ids.get(part) ?? UNKNOWN);
    return { ids, pieces: this.pieces(ids) };
  }

  decode(ids) {
    return ids
      .filter((id) => id >= FIRST_PIECE)
      .map((id) => (id === UNKNOWN ? UNKNOWN_TEXT : this.#tokens[id]))
      .join(this.#words ? " " : "");
  }

  pieces(ids) {
    return ids.map((id) => this.#tokens[id].replaceAll(" ", WORD_MARK));
  }
}
