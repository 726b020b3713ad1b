/** Prints how long the page takes on the huge sample: 100,000 stacks, 500,000 samples. `node ui/test/measure.mjs [FILE]` */
import { fileURLToPath } from "node:url";
import { launch, openReport } from "./browser.mjs";

const file = process.argv[2] ?? fileURLToPath(new URL("../dist/samples/huge.html", import.meta.url));
const browser = await launch();
const { page } = await openReport(browser, file);

/** Runs in the page: each step changes the state as a reader would, and all drawing is synchronous. */
async function steps() {
  const at = (name) => performance.getEntriesByName(name)[0]?.startTime ?? Number.NaN;
  const paint = performance.getEntriesByType("paint").map((entry) => [entry.name, entry.startTime]);
  const flame = document.querySelector(".flame");
  const mouse = (type, x, y) => {
    const box = flame.getBoundingClientRect();
    const init = { clientX: box.left + x, clientY: box.top + y, detail: 1, bubbles: true };
    flame.dispatchEvent(new MouseEvent(type, init));
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
  const time = async (name, act) => {
    const started = performance.now();
    await act();
    return [name, performance.now() - started];
  };
  return [
    ...paint,
    ["unpack and parse the profile", at("slowpath-index") - at("slowpath-decode")],
    ["index", at("slowpath-indexed") - at("slowpath-index")],
    ["aggregate and draw the CPU section", at("slowpath-drawn") - at("slowpath-indexed")],
    ["everything drawn, since navigation", at("slowpath-drawn")],
    await time("brush", () => brush("#t=20.000-40.000")),
    await time("zoom", () => mouse("click", 200, 45)),
    ["of which layout and canvas", Number(flame.dataset.drawMs)],
    await time("zoom out", () => mouse("click", 200, 5)),
    await time("hover", () => mouse("mousemove", 300, 47)),
    await time("search", () => search("node")),
    await time("hide a category", () => document.querySelector('.legend [data-id="node"]')?.click()),
    await time("invert", () => press("i")),
    await time("next hottest", () => press("n")),
  ];
}

for (const [name, ms] of await page.evaluate(steps)) console.log(`${ms.toFixed(0).padStart(6)} ms  ${name}`);
await browser.close();
