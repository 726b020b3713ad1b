/**
 * Opens what `slowpath export` writes with the parsers of the tools that it is written for, and compares their totals:
 * `node bench/formats/open-elsewhere.mjs [FILE]`, after `npm ci --ignore-scripts` here and in `ui`. Exit code 0, or 1 with a
 * line per trouble.
 *
 * - cpuprofile: the model of Chrome DevTools, bundled from its sources (`chrome-devtools-frontend`).
 * - pprof: `pprof-format`, the decoder of Datadog's and Pyroscope's agents.
 * - speedscope, cpuprofile, collapsed, pprof: speedscope's page itself, in Chromium (`CHROMIUM` names it). What it shows in
 *   its sandwich view must be the hottest function.
 * - svg: Chromium draws it, zooms into a frame and comes back.
 *
 * `SLOWPATH` names the binary. Firefox's own parser is not to be had as a package.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";

const here = dirname(fileURLToPath(import.meta.url));
const ui = createRequire(join(here, "../../ui/package.json"));
const { chromium } = ui("playwright-core");
const esbuild = ui("esbuild");
const own = createRequire(import.meta.url);
const target = process.env.CARGO_TARGET_DIR ?? join(here, "../../target");
const slowpath = process.env.SLOWPATH ?? join(target, "release/slowpath");
const file = process.argv[2] ?? join(here, "../../fixtures/profiles/node20.cpuprofile");
const work = mkdtempSync(join(tmpdir(), "slowpath-elsewhere-"));
const trouble = [];

function check(name, isSo, found) {
  console.log(`${isSo ? "ok     " : "TROUBLE"} ${name}: ${found}`);
  if (!isSo) trouble.push(name);
}

function exported(format) {
  const path = join(work, `out.${format}`);
  execFileSync(slowpath, ["export", file, "--format", format, "-o", path], { stdio: ["ignore", "ignore", "inherit"] });
  return path;
}

const close = (a, b, tolerance = 1e-6) => Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b));

/** Collapsed stacks are the plainest of what is written: total weight and own weight by function, in nanoseconds. */
const own_ns = new Map();
let total_ns = 0;
for (const line of readFileSync(exported("collapsed"), "utf8").trimEnd().split("\n")) {
  const [, stack, weight] = /^(.*) (\d+)$/.exec(line);
  const leaf = stack.split(";").at(-1).replace(/ \(.*:\d+(:\d+)?\)$/, "");
  own_ns.set(leaf, (own_ns.get(leaf) ?? 0) + Number(weight));
  total_ns += Number(weight);
}
const [hottest] = [...own_ns].sort((a, b) => b[1] - a[1])[0];

async function devtools() {
  const bundle = join(work, "devtools.mjs");
  const model = join(dirname(own.resolve("chrome-devtools-frontend/package.json")), "front_end/models/cpu_profile/CPUProfileDataModel.ts");
  await esbuild.build({ entryPoints: [model], bundle: true, format: "esm", platform: "node", outfile: bundle, logLevel: "error" });
  const { CPUProfileDataModel } = await import(pathToFileURL(bundle));
  const raw = JSON.parse(readFileSync(exported("cpuprofile"), "utf8"));
  const profile = new CPUProfileDataModel(raw);
  // It gives the last sample a time of its own making.
  check("DevTools reads every sample of the .cpuprofile", profile.samples.length === raw.samples.length, `${profile.samples.length} samples`);
  const spent_ms = profile.profileEndTime - profile.profileStartTime;
  check("DevTools finds the same duration", close(spent_ms, (raw.endTime - raw.startTime) / 1e3, 0.01), `${spent_ms.toFixed(3)} ms`);
}

async function pprof() {
  const { Profile } = await import("pprof-format");
  const profile = Profile.decode(gunzipSync(readFileSync(exported("pprof"))));
  const sum = profile.sample.reduce((sum, sample) => sum + Number(sample.value.at(-1)), 0);
  check("pprof-format finds the same total", sum === total_ns, `${sum} ns`);
  const ids = new Set(profile.location.map((location) => Number(location.id)));
  const known = profile.sample.every((sample) => sample.locationId.every((id) => ids.has(Number(id))));
  check("pprof-format finds every location", known, `${ids.size} locations`);
}

async function speedscope(browser, format) {
  const script = join(work, `${format}.js`);
  writeFileSync(script, `speedscope.loadFileFromBase64("out.${format}", "${readFileSync(exported(format)).toString("base64")}")`);
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
  const said = [];
  page.on("dialog", (dialog) => {
    said.push(dialog.message());
    return dialog.dismiss();
  });
  page.on("pageerror", (error) => said.push(error.message));
  const index = join(dirname(own.resolve("speedscope/package.json")), "dist/release/index.html");
  await page.goto(`${pathToFileURL(index)}#localProfilePath=${script}`);
  await page.getByText("Sandwich").click();
  const text = await page.waitForFunction(() => /Symbol Name\s+(.*%\)\s+.*%\)\s+[^\n]*)/s.exec(document.body.innerText)?.[1]);
  const rows = String(await text.jsonValue()).split("\n").map((row) => row.trim());
  const first = rows.filter((row) => row !== "" && !/%\)$/.test(row))[0];
  check(`speedscope's own page reads ${format}`, said.length === 0 && first.startsWith(hottest), said.join("; ") || `hottest is ${first}`);
  await page.close();
}

async function svg(browser) {
  const page = await browser.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(String(pathToFileURL(exported("svg"))));
  const shown = () => page.locator("#frames g:visible").count();
  const before = await shown();
  await page.locator("#frames g").nth(2).click();
  const zoomed = await shown();
  await page.keyboard.press("Escape");
  const isSo = errors.length === 0 && before > 2 && zoomed <= before && (await shown()) === before;
  check("Chromium draws the svg and zooms", isSo, errors.join("; ") || `${before} frames, ${zoomed} after a click`);
  await page.close();
}

await devtools();
await pprof();
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox", "--enable-unsafe-swiftshader"] });
for (const format of ["speedscope", "cpuprofile", "collapsed", "pprof"]) await speedscope(browser, format);
await svg(browser);
await browser.close();
rmSync(work, { recursive: true });
process.exit(trouble.length === 0 ? 0 : 1);
