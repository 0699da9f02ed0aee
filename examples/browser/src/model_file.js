// Reads an exported file: a LiteRT model with a small zip archive behind it.
// The counterpart in Python is export/package.py.

import { strFromU8, unzipSync } from "fflate";

const FORMAT = "keras_attention.litert";
const VERSION = 1;
const AGAIN = "Copy the file again, or export it again.";

/** What went wrong, in words for the person in front of the page. */
export class ModelError extends Error {}

/**
 * Downloads a file.
 *
 * @param {string} url Its address.
 * @param {(share: number | null) => void} onProgress Is told the share that
 *     has arrived, 0 to 1; null where the server does not say the size.
 * @returns {Promise<Uint8Array>} The bytes.
 */
export async function download(url, onProgress) {
  let response;
  try {
    response = await fetch(url);
  } catch (error) {
    throw new ModelError(`Cannot reach ${url}: ${error.message}.`);
  }
  if (response.status === 404) {
    throw new ModelError(`There is no model at ${url}.`);
  }
  if (!response.ok) {
    throw new ModelError(
      `The server does not give out ${url}: status ${response.status}.`,
    );
  }
  // A compressed answer is longer than it says; then nothing is known.
  const compressed = response.headers.get("Content-Encoding");
  const size = Number(response.headers.get("Content-Length") ?? 0);
  const known = size > 0 && !compressed;
  const parts = [];
  let length = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) {
      break;
    }
    parts.push(value);
    length += value.length;
    onProgress(known ? length / size : null);
  }
  const bytes = new Uint8Array(length);
  let place = 0;
  for (const part of parts) {
    bytes.set(part, place);
    place += part.length;
  }
  return bytes;
}

/**
 * Takes an exported file apart.
 *
 * @param {Uint8Array} bytes The whole file.
 * @returns {{model: Uint8Array, source: Uint8Array, target: Uint8Array,
 *     settings: object}} The LiteRT model, the two SentencePiece models, and
 *     the settings it was exported with.
 */
export function unpack(bytes) {
  if (strFromU8(bytes.subarray(4, 8), true) !== "TFL3") {
    throw new ModelError("This is no LiteRT file. Choose a .tflite file.");
  }
  let files;
  let description;
  try {
    files = unzipSync(bytes);
    description = JSON.parse(strFromU8(files["settings.json"]));
  } catch {
    throw new ModelError(
      "This file has no tokenizers and settings behind its model: it is " +
        `incomplete, or another program wrote it. ${AGAIN}`,
    );
  }
  if (description?.format !== FORMAT) {
    throw new ModelError(`Another program wrote this file. ${AGAIN}`);
  }
  if (description.version !== VERSION) {
    throw new ModelError(
      `This file is of version ${description.version}; this page reads ` +
        `version ${VERSION}. Export it again.`,
    );
  }
  const { "source.model": source, "target.model": target } = files;
  if (!source || !target) {
    throw new ModelError(`This file has no tokenizers. ${AGAIN}`);
  }
  const model = bytes.subarray(0, description.model_bytes);
  return { model, source, target, settings: description.settings };
}
