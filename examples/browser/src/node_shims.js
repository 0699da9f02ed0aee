// Stands for Node's modules `fs` and `buffer`, which @sctg/sentencepiece-js
// imports: index.html maps both names to this file. Of them the page needs
// nothing but `readFileSync`, and hands over a file's bytes for its name.

export function readFileSync(bytes) {
  return bytes;
}

export const Buffer = undefined;
