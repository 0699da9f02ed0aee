// Between text and token ids: SentencePiece itself, compiled to WebAssembly.

import { SentencePieceProcessor } from "@sctg/sentencepiece-js";

import {
  END,
  END_NAME,
  FIRST_PIECE,
  isBlank,
  UNKNOWN,
  UNKNOWN_NAME,
  WORD_MARK,
} from "./special.js";
import { isVocabulary, Vocabulary } from "./vocabulary.js";

/**
 * Makes a tokenizer.
 *
 * @param {Uint8Array} model A SentencePiece model, or a vocabulary.
 * @returns {Promise<SentencePiece | Vocabulary>} Both have the same methods.
 */
export async function loadTokenizer(model) {
  if (isVocabulary(model)) {
    return new Vocabulary(model);
  }
  const processor = new SentencePieceProcessor();
  await processor.load(model); // bytes, not a name: see node_shims.js
  return new SentencePiece(processor);
}

class SentencePiece {
  #processor;

  constructor(processor) {
    this.#processor = processor;
  }

  /**
   * @param {string} text
   * @returns {{ids: number[], pieces: string[]}} As many of both, without
   *     special tokens; none for a blank text.
   */
  encode(text) {
    if (isBlank(text)) {
      return { ids: [], pieces: [] };
    }
    // Half a surrogate pair is no character; read it as U+FFFD.
    const whole = text.toWellFormed?.() ?? text;
    const ids = this.#processor.encodeIds(whole);
    const pieces = this.#processor.encodePieces(whole);
    return {
      ids,
      pieces: pieces.map((piece, index) =>
        ids[index] === UNKNOWN ? UNKNOWN_NAME : piece,
      ),
    };
  }

  /**
   * @param {number[]} ids Special tokens are passed over.
   * @returns {string}
   */
  decode(ids) {
    return this.#processor.decodeIds(ids.filter((id) => id >= FIRST_PIECE));
  }

  /**
   * Names token ids, as `encode` names its pieces.
   *
   * The library names none, so each is what the text grows by.
   *
   * @param {number[]} ids
   * @returns {string[]}
   */
  pieces(ids) {
    let before = "";
    return ids.map((id, index) => {
      if (id === END) {
        return END_NAME;
      }
      const text = this.decode(ids.slice(0, index + 1));
      const grown = text.slice(before.length);
      // The first word's mark is no space in the text.
      const begins = index === 0 || grown.startsWith(" ");
      before = text;
      if (id === UNKNOWN) {
        return UNKNOWN_NAME;
      }
      return (begins ? WORD_MARK : "") + grown.replace(/^ /, "");
    });
  }
}
