// Translates with a LiteRT file of fixed sizes, format `litert_buckets`.
// The counterparts in Python are export/runtime.py and bucket_runner.py.

import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";

import { ModelError, unpack } from "./model_file.js";
import { END, END_NAME } from "./special.js";
import { loadTokenizer } from "./tokenizer.js";

const RUNTIME = new URL(
  "../node_modules/@litertjs/core/wasm/",
  import.meta.url,
).href;
const SIGNATURE = /^(greedy|beam)_(\d+)$/;

let runtime = null;

export class Translator {
  #compiled;
  #source;
  #target;
  #buckets; // by search, the smallest first

  /**
   * @param {Uint8Array} bytes An exported file.
   * @returns {Promise<Translator>}
   */
  static async load(bytes) {
    const { model, source, target, settings } = unpack(bytes);
    // Loaded once, whatever models follow.
    runtime ??= loadLiteRt(RUNTIME).catch((error) => {
      runtime = null;
      throw new ModelError(`The runtime did not load: ${error.message}`);
    });
    await runtime;
    const translator = new Translator();
    translator.settings = settings;
    [translator.#source, translator.#target] = await Promise.all([
      loadTokenizer(source),
      loadTokenizer(target),
    ]);
    try {
      translator.#compiled = await loadAndCompile(model, {
        accelerator: "wasm",
      });
    } catch (error) {
      throw new ModelError(
        "LiteRT.js cannot run this model. Export it with --format " +
          `litert_buckets. (${error.message ?? error})`,
      );
    }
    translator.#buckets = bucketsOf(translator.#compiled.signatures);
    if (!translator.#buckets.greedy.length) {
      translator.delete();
      throw new ModelError(
        "This file has no lengths that are fixed, which a browser needs. " +
          "Export it with --format litert_buckets.",
      );
    }
    return translator;
  }

  /** The searches that the file has. */
  get searches() {
    return Object.keys(this.#buckets).filter(
      (search) => this.#buckets[search].length,
    );
  }

  /**
   * Translates one text.
   *
   * @param {string} text
   * @param {"greedy" | "beam"} search
   * @returns {Promise<object>} `text`; `score`, in nats; `tokens`, the ids;
   *     `sourcePieces` and `targetPieces`; `alignments`, one Float32Array
   *     for each target piece, or null for a model without attention;
   *     `truncated`, whether the text was too long and was cut.
   */
  async translate(text, search = "greedy") {
    const encoded = this.#source.encode(text);
    const room = this.settings.max_source_len - 1; // and the end token
    const ids = encoded.ids.slice(0, room);
    if (!ids.length) {
      return {
        text: "",
        score: 0,
        tokens: [],
        sourcePieces: [],
        targetPieces: [],
        alignments: null,
        truncated: false,
      };
    }
    ids.push(END);
    const bucket = this.#buckets[search].find((one) => one >= ids.length);
    const outputs = await this.#run(`${search}_${bucket}`, bucket, ids);
    const answer = best(outputs, bucket, ids.length);
    return {
      ...answer,
      text: this.#target.decode(answer.tokens),
      sourcePieces: [...encoded.pieces.slice(0, room), END_NAME],
      targetPieces: this.#target.pieces(answer.tokens),
      truncated: encoded.ids.length > room,
    };
  }

  /** Frees what the model holds: LiteRT.js leaves that to its callers. */
  delete() {
    this.#compiled.delete();
  }

  /** Runs a signature; returns the typed arrays of its outputs. */
  async #run(name, bucket, ids) {
    const padded = new Int32Array(bucket);
    padded.set(ids);
    const source = new Tensor(padded, [1, bucket]);
    try {
      const outputs = await this.#compiled.run(name, { source });
      const arrays = {};
      for (const [key, tensor] of Object.entries(outputs)) {
        arrays[key] = tensor.toTypedArray().slice();
        tensor.delete();
      }
      return arrays;
    } finally {
      source.delete();
    }
  }
}

/** Cuts the padding off the first answer, which is the best. */
function best(outputs, bucket, sourceLength) {
  const [length] = outputs.lengths;
  // Of a beam search, the arrays hold one answer after the other.
  const alignments =
    outputs.alignments &&
    Array.from({ length }, (_, row) =>
      outputs.alignments.subarray(row * bucket, row * bucket + sourceLength),
    );
  return {
    score: outputs.scores[0],
    tokens: Array.from(outputs.tokens.subarray(0, length)),
    alignments: alignments ?? null,
  };
}

/** Reads the buckets of each search from the names of signatures. */
function bucketsOf(signatures) {
  const buckets = { greedy: [], beam: [] };
  for (const name of Object.keys(signatures)) {
    const found = SIGNATURE.exec(name);
    if (found) {
      buckets[found[1]].push(Number(found[2]));
    }
  }
  for (const sizes of Object.values(buckets)) {
    sizes.sort((a, b) => a - b);
  }
  return buckets;
}
