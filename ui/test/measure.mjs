/**
 * Prints what the page takes on a large profile: milliseconds to the first screen and to the flame graph, milliseconds
 * of a step until the picture is drawn, frames per second while zooming and panning. `node test/measure.mjs [FILE]`
 *
 * The default is the huge sample: 100,000 functions, 300,000 stacks, 1,000,000 samples. Medians of `RUNS` loads. Frames
 * are counted by requestAnimationFrame, beside those of a still page in the same run: on a busy machine read the ratio.
 */
import { fileURLToPath } from "node:url";
import { launch, openReport } from "./browser.mjs";

const RUNS = 5;
const file = process.argv[2] ?? fileURLToPath(new URL("../dist/samples/huge.html", import.meta.url));

/** Runs in the page: each step changes the state as a reader would; the picture is drawn when the call returns. */
async function steps() {
  const at = (name) => performance.getEntriesByName(name)[0]?.startTime ?? Number.NaN;
  const frame = () => document.querySelector(".flame");
  const mouse = (type, x, y, more = {}) => {
    const box = frame().getBoundingClientRect();
    const init = { clientX: box.left + x, clientY: box.top + y, detail: 1, bubbles: true, cancelable: true, ...more };
    frame().dispatchEvent(type === "wheel" ? new WheelEvent(type, init) : new MouseEvent(type, init));
  };
  const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  const search = (text) => {
    const input = document.querySelector(".search input");
    input.value = text;
    input.dispatchEvent(new Event("input"));
  };
  const brush = (hash) =>
    new Promise((done) => {
      addEventListener("hashchange", done, { once: true });
      location.hash = hash;
    });
  const rest = () => new Promise((done) => setTimeout(done, 700));
  const result = [
    ...performance.getEntriesByType("paint").map((entry) => [`${entry.name}, ms`, entry.startTime]),
    ["flame graph painted, ms", at("slowpath-drawn")],
    ["of which unpack and parse, ms", at("slowpath-index") - at("slowpath-decode")],
  ];
  const step = async (name, act) => {
    const started = performance.now();
    await act();
    result.push([`${name}, ms`, performance.now() - started]);
    await rest();
  };
  /** Median and 95th percentile of the time between frames while `act` runs before each. */
  const frames = async (name, act) => {
    const times = [];
    await new Promise((done) => {
      let before = 0;
      const tick = (now) => {
        if (before > 0) times.push(now - before);
        before = now;
        act(times.length);
        if (times.length < 90) requestAnimationFrame(tick);
        else done();
      };
      requestAnimationFrame(tick);
    });
    times.sort((a, b) => a - b);
    result.push([`${name}: median frame, ms`, times[45]], [`${name}: 95th percentile, ms`, times[85]]);
    await rest();
  };
  const zoom = (i) => mouse("wheel", 500, 100, { deltaY: i % 40 < 20 ? -60 : 60, ctrlKey: true });
  const pan = (i) => mouse("wheel", 500, 100, { deltaX: i % 40 < 20 ? 25 : -25 });

  await rest();
  await frames("still page", () => {});
  await frames("flame graph, zoom by wheel", zoom);
  for (let i = 0; i < 8; i++) mouse("wheel", 500, 100, { deltaY: -60, ctrlKey: true });
  await rest();
  await frames("flame graph, pan", pan);
  await step("zoom by click", () => mouse("click", 300, 45));
  await step("zoom out", () => press("Escape"));
  await step("brush", () => brush("#t=20.000-40.000"));
  await step("hide a category", () => document.querySelector('.legend [data-id="node"]').click());
  await step("show it again", () => document.querySelector('.legend [data-id="node"]').click());
  await step("hover", () => mouse("mousemove", 300, 47));
  await step("search, first letter", () => search("n"));
  await step("search, next letter", () => search("no"));
  await step("search, none", () => search(""));
  await step("next hottest", () => press("n"));
  await step("merge a function", () => press("m"));
  await step("undo", () => press("u"));
  await step("sandwich", () => press("4"));
  await step("inverted", () => press("2"));
  await frames("inverted, zoom by wheel", zoom);
  await step("flame chart", () => press("3"));
  await frames("flame chart, zoom by wheel", zoom);
  await frames("flame chart, pan", pan);
  return result;
}

const browser = await launch();
const values = new Map();
for (let run = 0; run < RUNS; run++) {
  const { page, context } = await openReport(browser, file);
  for (const [name, value] of await page.evaluate(steps)) values.set(name, [...(values.get(name) ?? []), value]);
  await context.close();
}
await browser.close();
for (const [name, list] of values) {
  list.sort((a, b) => a - b);
  const [low, median, high] = [list[0], list[list.length >> 1], list[list.length - 1]];
  console.log(`${median.toFixed(1).padStart(8)}  (${low.toFixed(1)}–${high.toFixed(1)})  ${name}`);
}
