/**
 * Opens a real report, or the page of a load, in Chromium and asserts that it is whole: `node ui/test/open-report.mjs FILE.html [--shots DIR]`.
 *
 * The verdict is there, the flame graph or the charts are drawn if there are samples, every section has its heading; no
 * console error, no exception, no request. Exit code 0, or 1 with a line per trouble. `CHROMIUM` names the browser.
 */
import { mkdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { launch, openReport } from "./browser.mjs";

const { values, positionals } = parseArgs({ options: { shots: { type: "string" } }, allowPositionals: true });
if (positionals.length !== 1) {
  console.error("usage: node ui/test/open-report.mjs FILE.html [--shots DIR]");
  process.exit(2);
}
const file = resolve(positionals[0]);

/** What a reader would miss, as sentences. Runs in the page. */
function missing() {
  const found = [];
  const report = JSON.parse(document.getElementById("slowpath-report").textContent);
  const heading = document.getElementById("verdict");
  const verdict = heading?.textContent ? heading.title : "";
  if (verdict !== report.verdict.sentence || verdict === "") found.push("the verdict is not shown");
  const isLoad = "generator" in report;
  const rows = document.querySelectorAll("tr.finding").length;
  if (!isLoad && rows !== report.findings.length) found.push(`${rows} of ${report.findings.length} findings are shown`);
  const ofRecording = report.files?.length === 0 ? ["event-loop", "load", "processes"] : [];
  const sections = isLoad
    ? ["over-time", "latency", report.sweep ? "steps" : "rates", "answers"]
    : ["cpu", ...ofRecording];
  for (const id of [...sections, "measured"]) {
    if (!document.querySelector(`#${id} h2`)) found.push(`section ${id} is missing`);
  }
  if (isLoad) {
    const wanted = [report.seconds.t_s, report.histogram, report.spectra[0].inverse.slice(1)].filter(
      (a) => a.length > 0,
    );
    const drawn = [...document.querySelectorAll(".plot svg")].filter((svg) => svg.querySelector(".line, .bar"));
    const n = wanted.length + (report.sweep ? 1 : 0);
    if (drawn.length !== n) found.push(`${drawn.length} of ${n} charts are drawn`);
  } else if (report.functions.length > 0) {
    const canvas = document.querySelector(".flame canvas");
    const pixels = canvas?.getContext("2d").getImageData(0, 0, canvas.width, Math.min(canvas.height, 60)).data ?? [];
    const colours = new Set();
    for (let i = 0; i < pixels.length; i += 4)
      if (pixels[i + 3] > 0) colours.add(`${pixels[i]},${pixels[i + 1]},${pixels[i + 2]}`);
    if (colours.size < 3) found.push("there are samples, but the flame graph is empty");
    if (document.querySelectorAll("#functions tbody tr").length === 0) found.push("the function table is empty");
  }
  const texts = document.createTreeWalker(document.getElementById("page"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.data.trim();
    if (/^(NaN|undefined|null|-?Infinity)(\s\S{1,4})?$/.test(text))
      found.push(`a missing value is printed as "${text}"`);
  }
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  if (wide > 0) found.push(`the page is ${wide} px wider than its window`);
  return found;
}

const browser = await launch();
const all = [];
for (const [width, height] of [
  [1440, 900],
  [800, 1100],
]) {
  for (const colorScheme of ["light", "dark"]) {
    const { page, context, troubles, requests } = await openReport(browser, file, { width, height, colorScheme });
    const found = [
      ...(await page.evaluate(missing)),
      ...troubles,
      ...requests.map((url) => `asked the network for ${url}`),
    ];
    all.push(...found.map((text) => `${width}×${height} ${colorScheme}: ${text}`));
    if (values.shots) {
      mkdirSync(values.shots, { recursive: true });
      const name = join(values.shots, `${basename(file, ".html")}-${width}-${colorScheme}`);
      await page.screenshot({ path: `${name}.png` });
      await page.screenshot({ path: `${name}-whole.png`, fullPage: true });
    }
    await context.close();
  }
}
await browser.close();
for (const text of all) console.error(text);
if (all.length > 0) process.exitCode = 1;
else console.log(`${file}: whole, in both themes, at 1440 and 800 px; no error, no request`);
