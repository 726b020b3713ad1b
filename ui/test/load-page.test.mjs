/** The page of a load in a real browser, on the samples: what a reader does must work, and nothing hostile may happen. */
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launch, openReport } from "./browser.mjs";

const sample = (name) => fileURLToPath(new URL(`../dist/samples/load-${name}.html`, import.meta.url));
let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** Opens a sample, runs the check, and asserts that nothing went wrong meanwhile. */
async function reading(name, check, options) {
  const { page, context, troubles, requests } = await openReport(browser, sample(name), options);
  await check(page);
  assert.deepEqual(troubles, []);
  assert.deepEqual(requests, []);
  await context.close();
}

test("the first screen answers at 1440 × 900 without scrolling", () =>
  reading("open", async (page) => {
    assert.equal(await page.locator("#verdict").textContent(), "400 requests/s, p99 40.0 ms, no errors");
    assert.deepEqual(await page.locator(".thresholds b").allTextContents(), ["✗ crossed", "✓ ok"]);
    const bottom = await page.evaluate(() => document.querySelector(".answer").getBoundingClientRect().bottom);
    assert.ok(bottom <= 900, `the answer ends at ${bottom} px`);
  }));

test("a minute of load makes a small file", () => assert.ok(statSync(sample("open")).size < 300_000));

test("corrected and uncorrected latency stand one above the other", () =>
  reading("open", async (page) => {
    const rows = await page.locator("#latency tbody tr").allTextContents();
    assert.match(rows[0], /^latency1\u00a0ms2\u00a0ms40\u00a0ms/);
    assert.match(rows[1], /^uncorrected0\.5\u00a0ms/);
    assert.equal(rows.length, 8);
  }));

test("one cross-hair reads rate and latency of a second", () =>
  reading("open", async (page) => {
    const stage = page.locator("#over-time .stage");
    const box = await stage.boundingBox();
    const before = await stage.locator(".line-name").allTextContents();
    await page.mouse.move(box.x + 80, box.y + 60);
    assert.equal(await stage.locator(".hair-time").textContent(), "0.5\u00a0s");
    assert.deepEqual(await stage.locator(".line-name").allTextContents(), [
      "answered390/s",
      "asked for400/s",
      "p99120\u00a0ms",
      "p9012\u00a0ms",
      "p504\u00a0ms",
    ]);
    await page.mouse.move(box.x + 80, box.y - 60);
    assert.deepEqual(await stage.locator(".line-name").allTextContents(), before);
  }));

test("charts are read by keyboard, and said aloud", () =>
  reading("open", async (page) => {
    const stage = page.locator("#latency .stage").nth(1);
    await stage.focus();
    for (let i = 0; i < 41; i++) await page.keyboard.press("ArrowRight");
    assert.equal(await stage.locator(".hair-time").textContent(), "p99");
    const spoken = () => page.locator("#latency [aria-live]").nth(1).textContent();
    assert.equal(await spoken(), "p99, latency 33\u00a0ms, uncorrected 25\u00a0ms, ttft 17\u00a0ms, itl 9\u00a0ms");
    await page.keyboard.press("Home");
    assert.match(await spoken(), /^p0, /);
    await page.keyboard.press("Escape");
    assert.equal(await stage.locator(".hair").getAttribute("visibility"), "hidden");
    await page.keyboard.press("?");
    assert.match(await page.locator("dialog").textContent(), /logarithmic or a linear scale/);
  }));

test("the scale is switched everywhere at once, and shared by the address", () =>
  reading("open", async (page) => {
    const path = () => page.locator("#over-time .line.strong").nth(1).getAttribute("d");
    const logarithmic = await path();
    await page.keyboard.press("l");
    assert.notEqual(await path(), logarithmic);
    assert.equal(await page.locator('.choice[aria-pressed="true"]', { hasText: "linear" }).count(), 2);
    assert.match(await page.evaluate(() => location.hash), /scale=linear/);
    const linear = await path();
    await page.reload();
    await page.waitForSelector("html[data-ready]", { state: "attached" });
    assert.equal(await path(), linear);
  }));

test("a sweep names its knee in words, in the chart and in the table", () =>
  reading("sweep", async (page) => {
    assert.match(await page.locator("#verdict").textContent(), /bends at 750 requests\/s/);
    assert.equal(await page.locator("#curve .mark-name.knee").textContent(), "knee");
    assert.match(await page.locator("tr.knee").textContent(), /^750\/s asked forknee/);
    assert.equal(await page.locator("#rates").count(), 0);
  }));

test("a load that failed says so, and hostile texts stay texts", () =>
  reading("failed", async (page) => {
    await page.getByText("Nothing succeeded").waitFor();
    assert.match(await page.locator(".detail").first().textContent(), /<img src=x/);
    assert.match(await page.locator("#answers td.sample").textContent(), /<!--/);
    assert.equal(await page.locator("img").count(), 0);
    assert.equal(await page.evaluate(() => window.pwned), undefined);
    assert.equal(await page.locator("script").count(), 2);
  }));

for (const name of ["open", "sweep", "failed"]) {
  test(`nothing of ${name} is wider than a narrow window`, () =>
    reading(
      name,
      async (page) => {
        assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 800);
      },
      { width: 800, height: 1100 },
    ));
}
