// Drives the page in Chromium, as a person would: types, waits, reads.
//
//   node test/drive.mjs CHROMIUM ADDRESS REQUEST.json RESULT.json
//
// The request has `model`, an address; `sentences`; `tokenizers`, addresses by
// name, and `lines` for them; `broken`, addresses of models that must not load;
// and `screenshot`, a path and a text, or null.

import { readFileSync, writeFileSync } from "node:fs";

import { chromium } from "playwright-core";

const [executablePath, address, requestPath, resultPath] =
  process.argv.slice(2);
const request = JSON.parse(readFileSync(requestPath, "utf8"));
const LOAD_MS = 60_000;
const PHONE = { width: 390, height: 844 };

const browser = await chromium.launch({
  executablePath,
  args: [
    "--no-sandbox", // inside containers
    "--disable-gpu",
    // Nothing is asked of any other server.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    // As for a phone, which has a name or a number for this computer: to the
    // browser no secure context, where it withholds some of its functions.
    `--host-resolver-rules=MAP ${new URL(address).hostname} 127.0.0.1`,
  ],
});

async function open(model, text = "") {
  const context = await browser.newContext({
    viewport: PHONE,
    deviceScaleFactor: 2,
    isMobile: true,
    hasTouch: true,
  });
  const page = await context.newPage();
  const errors = [];
  const elsewhere = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  page.on("request", (sent) => {
    const url = new URL(sent.url());
    if (url.protocol.startsWith("http") && url.origin !== origin) {
      elsewhere.push(sent.url());
    }
  });
  const query = new URLSearchParams({ model, text });
  await page.goto(`${address}?${query}`);
  await page.waitForFunction(
    () =>
      !document.querySelector("#error").hidden ||
      document.querySelector("#target").dataset.turn,
    null,
    { timeout: LOAD_MS },
  );
  return { page, errors, elsewhere };
}

async function error(page) {
  const place = page.locator("#error");
  return (await place.isVisible()) ? place.textContent() : "";
}

/** Does something, waits for the translation it leads to, and reads it. */
async function translation(page, act) {
  const turn = () => document.querySelector("#target").dataset.turn ?? "";
  const before = await page.evaluate(turn);
  await act();
  await page.waitForFunction(
    (old) =>
      !document.querySelector("#error").hidden ||
      document.querySelector("#target").dataset.turn !== old,
    before,
  );
  return page.evaluate(() => {
    const target = document.querySelector("#target");
    const rows = [...document.querySelectorAll("#alignments tbody tr")];
    const shown = !document.querySelector("#attention").hidden;
    return {
      text: target.textContent,
      tokens: target.dataset.tokens.split(" ").filter(Boolean).map(Number),
      score: Number(target.dataset.score),
      notice: document.querySelector("#notice").textContent,
      rows: shown ? rows.map((row) => row.querySelector("th").textContent) : [],
      columns: shown
        ? [...document.querySelectorAll("#alignments thead th")].map(
            (cell) => cell.textContent,
          )
        : [],
      percents: shown
        ? rows.map((row) =>
            [...row.querySelectorAll("td")].map((cell) =>
              parseInt(cell.ariaLabel, 10),
            ),
          )
        : [],
    };
  });
}

const origin = new URL(address).origin;
const result = { greedy: [], beam: [], broken: [] };
try {
  const { page, errors, elsewhere } = await open(request.model);
  result.error = await error(page);
  if (!result.error) {
    const typed = (text) => () => page.locator("#source").fill(text);
    for (const sentence of request.sentences) {
      result.greedy.push(await translation(page, typed(sentence)));
    }
    await translation(page, () => page.locator("#search").selectOption("beam"));
    for (const sentence of request.sentences) {
      result.beam.push(await translation(page, typed(sentence)));
    }
    result.tokenizers = await page.evaluate(
      async ({ tokenizers, lines }) => {
        const { download } = await import("./src/model_file.js");
        const { loadTokenizer } = await import("./src/tokenizer.js");
        const results = {};
        for (const [name, url] of Object.entries(tokenizers)) {
          const bytes = await download(url, () => {});
          const tokenizer = await loadTokenizer(bytes);
          results[name] = lines.map((line) => {
            const { ids, pieces } = tokenizer.encode(line);
            return [ids, pieces, tokenizer.pieces(ids), tokenizer.decode(ids)];
          });
        }
        return results;
      },
      request,
    );
    // Nothing but the heat map may be wider than the phone.
    result.width = await page.evaluate(() => document.body.scrollWidth);
    result.screen = PHONE.width;
    result.secure = await page.evaluate(() => window.isSecureContext);
  }
  result.pageErrors = errors;
  result.elsewhere = elsewhere;
  for (const model of request.broken) {
    const opened = await open(model);
    result.broken.push(await error(opened.page));
  }
  if (request.screenshot) {
    const shown = await open(request.model, request.screenshot.text);
    // The first translation takes longer: not that one.
    await translation(shown.page, () =>
      shown.page.locator("#translate").click(),
    );
    await shown.page.screenshot({
      path: request.screenshot.path,
      fullPage: true,
    });
  }
} finally {
  await browser.close();
}
writeFileSync(resultPath, JSON.stringify(result));
