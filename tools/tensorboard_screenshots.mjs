// Takes pictures of TensorBoard's pages in Chromium; called by the .py beside.
//
//   node tensorboard_screenshots.mjs CHROMIUM PACKAGE ADDRESS PICTURES.json
//
// PACKAGE is the package.json of a folder where playwright-core is installed.
// A picture has `path`, `query` and `page`, of its address, and `width` and
// `height`, pixels; it is taken when `number` elements `selector` are there.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [executablePath, packagePath, address, picturesPath] =
  process.argv.slice(2);
const { chromium } = createRequire(packagePath)("playwright-core");
const WAIT_MS = 60_000;
const DRAWN_MS = 3_000; // charts and pictures fade in

const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-background-networking", "--no-first-run"],
});
for (const picture of JSON.parse(readFileSync(picturesPath, "utf8"))) {
  const { width, height } = picture;
  const page = await browser.newPage({ viewport: { width, height } });
  await page.goto(`${address}/?darkMode=false&${picture.query}#${picture.page}`);
  await page.waitForFunction(
    ([selector, number]) =>
      document.querySelectorAll(selector).length >= number,
    [picture.selector, picture.number],
    { timeout: WAIT_MS },
  );
  // The curves whole, and without tables and settings around them.
  for (const name of [/^Enable step selection/, /^Ignore outliers/]) {
    await page.getByRole("checkbox", { name }).uncheck({ force: true });
  }
  await page.locator("button", { hasText: "Settings" }).click();
  await page.waitForTimeout(DRAWN_MS);
  await page.screenshot({ path: picture.path });
  await page.close();
}
await browser.close();
