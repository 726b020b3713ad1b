/**
 * Opens large profiles with slowpath and beside it with what else reads them, interleaved; see README.md.
 *
 *     node bench/formats/run.mjs [--rounds 5] [--perf-mb 500] [--cpuprofile-mb 200] [--pprof-mb 100]
 *
 * `SLOWPATH` and `IMPORT` name the release binary and the example `import` (`cargo build --release -p slowpath` and
 * `-p slowpath-profile --example import`). Used if they are in PATH: `inferno-collapse-perf` (`cargo install inferno`),
 * `stackcollapse-perf.pl` (FlameGraph), `perf`, which records a program for perf.data.
 */
import { execFileSync, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const number = (name, value) => [name, { type: "string", default: String(value) }];
const options = Object.fromEntries([number("rounds", 5), number("perf-mb", 500), number("cpuprofile-mb", 200), number("pprof-mb", 100)]);
const { values } = parseArgs({ options });
const here = dirname(fileURLToPath(import.meta.url));
const release = join(process.env.CARGO_TARGET_DIR ?? join(here, "../../target"), "release");
const slowpath = process.env.SLOWPATH ?? join(release, "slowpath");
const importer = process.env.IMPORT ?? join(release, "examples/import");
const work = mkdtempSync(join(tmpdir(), "slowpath-formats-"));
const at = (name) => join(work, name);

function generate(kind, megabytes) {
  const node = process.execPath;
  execFileSync(node, [join(here, "generate.mjs"), kind, String(Number(megabytes) * 1e6), at(kind)]);
}

/** Whether a program is there to be compared with; what is not is said. */
function has(program) {
  try {
    execFileSync("which", [program], { stdio: "ignore" });
    return true;
  } catch {
    console.log(`${program} is not in PATH and is left out`);
    return false;
  }
}

/** Runs a command with its output thrown away: seconds, CPU seconds and peak resident MB, as bash and the kernel count them. */
function measured(command) {
  const out = openSync(at("out"), "w");
  const script = 'TIMEFORMAT="%R %U %S"; time "$@" 2>/dev/null';
  const bash = spawn("bash", ["-c", script, "bash", ...command], { stdio: ["ignore", out, "pipe"] });
  let [text, peak_kb] = ["", 0];
  bash.stderr.on("data", (data) => (text += data));
  const watch = setInterval(() => {
    try {
      const [child] = readFileSync(`/proc/${bash.pid}/task/${bash.pid}/children`, "utf8").split(" ");
      const peak = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child}/status`, "utf8"));
      peak_kb = Math.max(peak_kb, Number(peak?.[1] ?? 0));
    } catch {
      // It has not begun, or has ended.
    }
  }, 3);
  return new Promise((resolve, reject) => {
    bash.on("close", (code) => {
      clearInterval(watch);
      closeSync(out);
      if (code !== 0) return reject(new Error(`${command.join(" ")} ended with ${code}`));
      const [wall, user, system] = text.trim().split(" ").map(Number);
      // A tool may time itself, where only a part of what it does is meant.
      const own = /^seconds ([0-9.]+) cpu ([0-9.]+)/m.exec(readFileSync(at("out"), "utf8").slice(0, 200));
      resolve({ seconds: own ? Number(own[1]) : wall, cpu: own ? Number(own[2]) : user + system, peak_mb: peak_kb / 1024 });
    });
  });
}

const parse = `const text = require("fs").readFileSync(process.argv[1], "utf8");
  const [start, cpu] = [process.hrtime.bigint(), process.cpuUsage()];
  JSON.parse(text);
  const used = process.cpuUsage(cpu);
  console.log("seconds", Number(process.hrtime.bigint() - start) / 1e9, "cpu", (used.user + used.system) / 1e6);`;

generate("perf", values["perf-mb"]);
generate("cpuprofile", values["cpuprofile-mb"]);
generate("pprof", values["pprof-mb"]);
const runs = [
  ["perf", "slowpath, import", [importer, at("perf")]],
  ...(has("inferno-collapse-perf") ? [["perf", "inferno-collapse-perf", ["inferno-collapse-perf", "--nthreads", "1", at("perf")]]] : []),
  ...(has("stackcollapse-perf.pl") ? [["perf", "stackcollapse-perf.pl", ["stackcollapse-perf.pl", at("perf")]]] : []),
  ["cpuprofile", "slowpath, import", [importer, at("cpuprofile")]],
  ["cpuprofile", "JSON.parse alone", [process.execPath, "-e", parse, at("cpuprofile")]],
  ["pprof", "slowpath, import", [importer, at("pprof")]],
];
if (has("perf")) {
  const busy = join(here, "../../fixtures/profiles/busy.js");
  const record = ["record", "-q", "-F", "20000", "-g", "-o", at("perf.data"), "--", process.execPath, "--perf-basic-prof", busy, "7000"];
  execFileSync("perf", record, { cwd: work, stdio: "ignore" });
  runs.push(["perf.data", "slowpath open, to the page", [slowpath, "open", "--no-open", "-q", at("perf.data"), "-o", at("page.html")]]);
}
console.log(`${cpus().length} × ${cpus()[0].model}, Node ${process.version}, load before ${loadavg()[0].toFixed(1)}`);
const results = runs.map(() => []);
for (let round = 0; round < Number(values.rounds); round++) {
  for (const [index, [, , command]] of runs.entries()) results[index].push(await measured(command));
}
const median = (numbers) => numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
console.log("| file | MB | tool | seconds | CPU seconds | MB per CPU second | peak MB |\n|---|---|---|---|---|---|---|");
for (const [index, [file, tool]] of runs.entries()) {
  const of = (key) => median(results[index].map((run) => run[key]));
  const megabytes = statSync(at(file)).size / 1e6;
  const all = results[index].map((run) => run.seconds);
  const range = `${of("seconds").toFixed(2)} (${Math.min(...all).toFixed(2)}–${Math.max(...all).toFixed(2)})`;
  console.log(`| ${file} | ${megabytes.toFixed(0)} | ${tool} | ${range} | ${of("cpu").toFixed(2)} | ${(megabytes / of("cpu")).toFixed(0)} | ${of("peak_mb").toFixed(0)} |`);
}
console.log(execFileSync(importer, [at(runs.at(-1)[0])], { encoding: "utf8" }).trim());
rmSync(work, { recursive: true });
