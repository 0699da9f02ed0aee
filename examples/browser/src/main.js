// The page: loads a model, translates what is typed, shows what it looked at.

import { drawHeatMap } from "./heat_map.js";
import { download, ModelError } from "./model_file.js";
import { readable } from "./special.js";
import { Translator } from "./translator.js";

const DEFAULT_MODEL = "model.tflite";
const PAUSE_MS = 400; // after the last key, before it translates

const $ = (id) => document.getElementById(id);

let translator = null;
let timer = null;
let turn = 0; // of translations: only the last one is shown
let choice = 0; // of models: only the last one is used

/** Loads a model, wherever its bytes come from, and translates with it. */
async function load(name, getBytes) {
  choice += 1;
  const mine = choice;
  enable(false);
  $("error").hidden = true;
  showProgress(`Loading ${name} …`, null);
  try {
    const bytes = await getBytes();
    showProgress("Getting ready …", null);
    const loaded = await Translator.load(bytes);
    if (mine !== choice) {
      loaded.delete();
      return;
    }
    translator?.delete();
    translator = loaded;
  } catch (error) {
    if (mine === choice) {
      $("progress").hidden = true;
      showError(error);
    }
    return;
  }
  $("progress").hidden = true;
  const { name: title, source_language, target_language } =
    translator.settings;
  const languages = [source_language, target_language].filter(Boolean);
  $("status").textContent = `Ready: ${title}. Nothing leaves this page.`;
  $("title").textContent = languages.join(" → ") || "Translate in this page";
  document.title = $("title").textContent;
  $("source-label").textContent = source_language || "Text";
  for (const option of $("search").options) {
    option.disabled = !translator.searches.includes(option.value);
  }
  enable(true);
  $("source").focus();
  await translate();
}

async function translate() {
  clearTimeout(timer);
  turn += 1;
  const mine = turn;
  const start = performance.now();
  let answer;
  try {
    answer = await translator.translate($("source").value, $("search").value);
  } catch (error) {
    showError(error);
    return;
  }
  if (mine === turn) {
    show(answer, performance.now() - start);
  }
}

function show(answer, milliseconds) {
  const { tokens, sourcePieces, targetPieces, alignments } = answer;
  $("error").hidden = true;
  $("target").textContent = answer.text;
  $("target").dataset.tokens = tokens.join(" ");
  $("target").dataset.score = answer.score;
  $("details").textContent = tokens.length
    ? `${milliseconds.toFixed(0)} ms, log-probability ` +
      `${answer.score.toFixed(2)}, ${tokens.length} tokens`
    : "";
  $("notice").textContent = answer.truncated
    ? "The text is too long for this model: only its first " +
      `${sourcePieces.length - 1} tokens were read, up to ` +
      `“… ${lastWords(sourcePieces)}”.`
    : "";
  $("cell").textContent = "";
  $("attention").hidden = !alignments?.length;
  if (alignments?.length) {
    drawHeatMap(
      $("alignments"),
      readable(sourcePieces),
      readable(targetPieces),
      alignments,
      (text) => {
        $("cell").textContent = text;
      },
    );
  }
  // Tells a test that what is shown belongs to what was typed.
  $("target").dataset.turn = turn;
}

function lastWords(pieces) {
  const text = pieces.slice(0, -1).join("").replaceAll("▁", " ");
  return text.trim().split(" ").slice(-3).join(" ");
}

function showProgress(text, share) {
  $("status").textContent = text;
  $("progress").hidden = false;
  if (share === null) {
    $("progress").removeAttribute("value");
  } else {
    $("progress").value = share;
  }
}

function showError(error) {
  if (!(error instanceof ModelError)) {
    console.error(error);
  }
  $("status").textContent = "";
  $("error").textContent = error.message ?? String(error);
  $("error").hidden = false;
  // With the model from before, one can go on.
  enable(translator !== null);
}

function enable(ready) {
  for (const id of ["source", "search", "translate"]) {
    $(id).disabled = !ready;
  }
}

function loadFrom(url) {
  return load(url, () =>
    download(url, (share) => showProgress(`Loading ${url} …`, share)),
  );
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  translate();
});
$("search").addEventListener("change", translate);
$("source").addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(translate, PAUSE_MS);
});
$("file").addEventListener("change", () => {
  const [file] = $("file").files;
  if (file) {
    load(file.name, async () => new Uint8Array(await file.arrayBuffer()));
  }
});

const parameters = new URLSearchParams(location.search);
$("source").value = parameters.get("text") ?? "";
loadFrom(parameters.get("model") ?? DEFAULT_MODEL);
