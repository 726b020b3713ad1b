/**
 * Measures the page of a profile with 100,000 distinct functions and 1,000,000 samples, as a reader has it:
 * `.cpuprofile` → `slowpath open` → Chromium. `node bench/page/run.mjs [SLOWPATH]`; see README.md.
 *
 * Frames come from Chromium's own trace of the gesture: the time between pictures that were drawn, and what the page's
 * main thread spent on each. A machine that is busy otherwise disturbs both: read them beside its load, which is printed.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { launch, openReport } from "../../ui/test/browser.mjs";
import { writeProfile } from "./profile.mjs";

const SIZE = { nFunctions: 100_000, nNodes: 300_000, nSamples: 1_000_000 };
const RUNS = 5;
/** Frames of each gesture. */
const FRAMES = 120;
/** From this distance on a picture of the screen, of which there are 60 a second, was missed. */
const MISSED_MS = 1.5 * (1000 / 60);
const CATEGORIES = ["devtools.timeline", "disabled-by-default-devtools.timeline.frame", "devtools.timeline.frame"];

const slowpath = resolve(process.argv[2] ?? fileURLToPath(new URL("../../target/release/slowpath", import.meta.url)));
const dir = mkdtempSync(join(tmpdir(), "bench-page-"));
const rows = new Map();
const note = (name, value) => rows.set(name, [...(rows.get(name) ?? []), value]);

/** Turns the wheel before each of `n` frames, in the page: zooms in and out again, or pans to and fro. */
async function turnWheel([zoom, n]) {
  const frame = document.querySelector(".flame");
  const box = frame.getBoundingClientRect();
  await new Promise((done) => {
    let i = 0;
    const tick = () => {
      const there = i % 60 < 30 ? 1 : -1;
      const wheel = zoom ? { deltaY: -60 * there, ctrlKey: true } : { deltaX: 30 * there };
      const at = { clientX: box.left + 500, clientY: box.top + 100, bubbles: true, cancelable: true };
      frame.dispatchEvent(new WheelEvent("wheel", { ...at, ...wheel }));
      if (++i < n) requestAnimationFrame(tick);
      else done();
    };
    requestAnimationFrame(tick);
  });
}

/** Traces a gesture: distances of drawn frames, and the main thread's time by frame, in ms. */
async function gesture(browser, page, name, zoom) {
  await browser.startTracing(page, { categories: CATEGORIES });
  await page.evaluate(turnWheel, [zoom, FRAMES]);
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString());
  const drawn = traceEvents.filter((event) => event.name === "DrawFrame").map((event) => event.ts / 1000);
  drawn.sort((a, b) => a - b);
  const gaps = drawn.slice(1).map((at, i) => at - drawn[i]);
  const work = traceEvents.filter((event) => event.name === "FireAnimationFrame" && event.dur > 0);
  note(`${name}: frames a second`, (gaps.length * 1000) / (drawn[drawn.length - 1] - drawn[0]));
  note(`${name}: frames missed, %`, (gaps.filter((gap) => gap > MISSED_MS).length * 100) / gaps.length);
  const times = work.map((event) => event.dur / 1000).sort((a, b) => a - b);
  note(`${name}: script a frame, median ms`, times[times.length >> 1] ?? 0);
  note(`${name}: script a frame, 95th percentile ms`, times[Math.floor(times.length * 0.95)] ?? 0);
  await page.waitForTimeout(500);
}

async function load(browser, file) {
  const { page, context, troubles } = await openReport(browser, file);
  if (troubles.length > 0) throw new Error(troubles.join("\n"));
  const [paint, drawn] = await page.evaluate(() => [
    performance.getEntriesByName("first-contentful-paint")[0]?.startTime,
    performance.getEntriesByName("slowpath-drawn")[0]?.startTime,
  ]);
  note("first paint with the answer, ms", paint);
  note("flame graph painted, ms", drawn);
  await page.locator(".flame").scrollIntoViewIfNeeded();
  await page.waitForTimeout(500);
  await gesture(browser, page, "flame graph, zoom", true);
  await page.keyboard.press("+");
  await page.keyboard.press("+");
  await gesture(browser, page, "flame graph, pan", false);
  await page.keyboard.press("3");
  await page.waitForTimeout(500);
  await gesture(browser, page, "flame chart, zoom", true);
  await context.close();
}

try {
  const profile = join(dir, "huge.cpuprofile");
  await writeProfile(profile, SIZE);
  note("profile, MB", statSync(profile).size / 1e6);
  const file = join(dir, "huge.html");
  const started = performance.now();
  const opened = spawnSync(slowpath, ["open", profile, "--out", file, "--quiet"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  if (opened.status !== 0) throw new Error(`\`${slowpath} open\` failed`);
  note("slowpath open, s", (performance.now() - started) / 1000);
  note("page, MB", statSync(file).size / 1e6);
  const browser = await launch();
  for (let run = 0; run < RUNS; run++) await load(browser, file);
  await browser.close();
} finally {
  rmSync(dir, { recursive: true });
}
console.log(`${cpus().length} × ${cpus()[0].model}, load ${loadavg()[0].toFixed(1)}, medians of ${RUNS} loads`);
for (const [name, values] of rows) {
  values.sort((a, b) => a - b);
  const range = values.length > 1 ? `(${values[0].toFixed(1)} to ${values[values.length - 1].toFixed(1)})` : "";
  console.log(`| ${name} | ${values[values.length >> 1].toFixed(1)} ${range} |`);
}
