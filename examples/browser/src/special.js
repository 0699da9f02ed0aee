// Special tokens, and how pieces are named.

export const END = 2; // token id
export const UNKNOWN = 3; // token id
export const FIRST_PIECE = 3; // ids below are padding, start and end
export const WORD_MARK = "▁"; // begins a word
export const END_NAME = "</s>";
export const UNKNOWN_NAME = "<unk>";

// What Python's `str.split()` splits on.
export const WHITE_SPACE =
  /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/u;
// Scripts whose words have no spaces between them.
const SPACELESS = /^[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Hang}]/u;

/** Tells whether a text is nothing but white space. */
export function isBlank(text) {
  return text.split(WHITE_SPACE).every((word) => !word);
}

/**
 * Names pieces as people read them: `·` goes on with a word, `⏎` is the end.
 * Characters, words and phones, whose beginnings nothing marks, get no dot.
 *
 * @param {string[]} pieces
 * @returns {string[]}
 */
export function readable(pieces) {
  const marked = pieces.some((piece) => piece.startsWith(WORD_MARK));
  return pieces.map((piece, index) => {
    if (piece === END_NAME) {
      return "⏎";
    }
    if (piece === UNKNOWN_NAME) {
      return piece;
    }
    const word = piece.replaceAll(WORD_MARK, "");
    // Punctuation needs no dot, nor do scripts without spaces.
    const letters = /[\p{L}\p{N}]/u.test(word) && !SPACELESS.test(word);
    const goesOn = index > 0 && marked && !piece.startsWith(WORD_MARK);
    return (goesOn && letters ? "·" : "") + (word || "␣");
  });
}
