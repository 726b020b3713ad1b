// What recording costs the target: the demo service bare, under slowpath's phases, under `node --cpu-prof`, 0x and
// clinic bubbleprof, and with empty async hooks.
//
// usage: node bench/overhead/run.mjs [ROUNDS] [SECONDS] [ARM…]      arms: baseline cpu async counters calls heap cpu-prof 0x
// hooks; bubbleprof only if asked for (`npm i --no-save clinic` in this folder first)
//
// Each round runs every arm between two bare runs; a ratio is taken against the mean of those two neighbours. The
// target is pinned to core 0, everything else to core 1. CPU is that of the target's process with all its threads, the
// agent's included, from /proc; requests and latency come from our load generator in every arm.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const root = resolve(import.meta.dirname, "../..");
const slowpath = join(root, "target/release/slowpath");
const generator = join(root, "target/release/examples/load");
const service = join(root, "fixtures/demo");
const body = '{"model":"gpt-4","messages":[{"role":"user","content":"Why is my service slow?"}]}';
const [rounds = "5", seconds = "8", ...chosen] = process.argv.slice(2);
/** As a run of 30 s warms up. */
const WARM_UP_S = 5;
const CONNECTIONS = "50";

const phases = ["baseline", "cpu", "async", "counters", "calls", "heap"];
const arms = {
  ...Object.fromEntries(phases.map((phase) => [phase, (out) => slowpathArm(out, phase)])),
  "cpu-prof": (out) => ["taskset", "-c", "0", "node", "--cpu-prof", `--cpu-prof-dir=${out}`, "src/server.js"],
  "0x": (out) => {
    const zerox = join(import.meta.dirname, "node_modules/.bin/0x");
    return ["taskset", "-c", "0", zerox, "--output-dir", join(out, "0x"), "--", "node", "src/server.js"];
  },
  hooks: () => ["taskset", "-c", "0", "node", "--require", join(import.meta.dirname, "bare-hooks.cjs"), "src/server.js"],
  // What clinic starts the target with; its own command line ends without a word where it has no terminal. `-C`: it writes to the working directory.
  bubbleprof: (out) => {
    const injects = join(import.meta.dirname, "node_modules/@clinic/bubbleprof/injects");
    const preload = "-r no-cluster.js -r logger.js --trace-events-enabled --trace-event-categories node.async_hooks";
    const variables = [`NODE_PATH=${injects}`, `NODE_OPTIONS=${preload}`, `NODE_CLINIC_BUBBLEPROF_DATA_PATH=${out}`];
    return ["taskset", "-c", "0", "env", "-C", out, ...variables, "node", join(service, "src/server.js")];
  },
};
const unlessAsked = ["bubbleprof"];

function slowpathArm(out, phase) {
  const length = WARM_UP_S + Number(seconds) + 20;
  const own = [slowpath, "run", "--quiet", "--only", phase, "-d", String(length), "--out", join(out, "recording")];
  return ["taskset", "-c", "1", ...own, "--", "taskset", "-c", "0", "node", "src/server.js"];
}

function freePort() {
  return new Promise((found) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => found(port));
    });
  });
}

/** The process that listens on `port`, by the inode of its socket. */
function listenerOn(port) {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const rows = readFileSync("/proc/net/tcp", "utf8").split("\n").map((line) => line.trim().split(/\s+/));
  const inode = rows.find((row) => row[1]?.endsWith(hex) && row[3] === "0A")?.[9];
  if (!inode) return null;
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      for (const fd of readdirSync(`/proc/${pid}/fd`)) {
        if (readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`) return Number(pid);
      }
    } catch {
      // Gone, or not ours.
    }
  }
  return null;
}

async function until(what, look, limit_s = 30) {
  for (let waited = 0; waited < limit_s * 1000; waited += 50) {
    const found = look();
    if (found) return found;
    await sleep(50);
  }
  throw new Error(`waited ${limit_s} s in vain for ${what}`);
}

/** CPU time of a process with all its threads, in ms, from schedstat (exact, unlike the ticks of stat). */
function cpuMs(pid) {
  const tasks = readdirSync(`/proc/${pid}/task`);
  return tasks.reduce((sum, tid) => {
    try {
      return sum + Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
    } catch {
      return sum;
    }
  }, 0);
}

function drive(port, length_s) {
  const url = `http://127.0.0.1:${port}/v1/chat/completions`;
  const argv = ["-c", "1", generator, url, CONNECTIONS, String(length_s), "POST", body];
  return new Promise((done, fail) => {
    const load = spawn("taskset", argv, { stdio: ["ignore", "pipe", "ignore"] });
    let text = "";
    load.stdout.on("data", (chunk) => (text += chunk));
    load.on("close", () => {
      const found = text.match(/requests (\d+) .*p99_us (\d+)/);
      found ? done({ requests: Number(found[1]), p99_ms: Number(found[2]) / 1000 }) : fail(new Error(`load: ${text}`));
    });
  });
}

async function measure(name, upstreamPort) {
  const out = mkdtempSync(join(tmpdir(), "slowpath-bench-"));
  const port = await freePort();
  const argv = name === "bare" ? ["taskset", "-c", "0", "node", "src/server.js"] : arms[name](out);
  const env = { ...process.env, PORT: String(port), UPSTREAM_PORT: String(upstreamPort), DEMO_FIXED: process.env.DEMO_FIXED ?? "" };
  const target = spawn(argv[0], argv.slice(1), { cwd: service, env, stdio: "ignore", detached: true });
  const ended = new Promise((done) => target.on("close", done));
  try {
    const pid = await until("the target", () => listenerOn(port));
    const warm = drive(port, WARM_UP_S);
    if (phases.includes(name)) {
      const log = join(out, "recording/session.jsonl");
      await until("the phase", () => readFileSync(log, "utf8").includes(`"phase-started","phase":"${name}"`));
    }
    await warm;
    const before = cpuMs(pid);
    const load = await drive(port, Number(seconds));
    const cpu = cpuMs(pid) - before;
    return { rps: load.requests / Number(seconds), cpu: cpu / load.requests, p99: load.p99_ms };
  } finally {
    // 0x only reports when its whole group is interrupted, as a terminal does.
    const signalled = phases.includes(name) ? target.pid : -target.pid;
    process.kill(signalled, "SIGINT");
    await ended;
    rmSync(out, { recursive: true, force: true });
  }
}

const median = (numbers) => {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted.length % 2 ? sorted[(sorted.length - 1) / 2] : (sorted[sorted.length / 2 - 1] + sorted[sorted.length / 2]) / 2;
};

const upstream = spawn("taskset", ["-c", "1", slowpath, "mock-upstream"], { stdio: ["ignore", "pipe", "inherit"] });
const upstreamPort = await new Promise((found) => {
  upstream.stdout.once("data", (chunk) => found(Number(/:(\d+)\//.exec(String(chunk))[1])));
});
const names = chosen.length ? chosen : Object.keys(arms).filter((name) => !unlessAsked.includes(name));
const ratios = Object.fromEntries(names.map((name) => [name, []]));
const bares = [];
try {
  bares.push(await measure("bare", upstreamPort));
  for (let round = 0; round < Number(rounds); round += 1) {
    for (const name of names) {
      const run = await measure(name, upstreamPort);
      bares.push(await measure("bare", upstreamPort));
      const [a, b] = bares.slice(-2);
      const against = (key) => run[key] / ((a[key] + b[key]) / 2);
      ratios[name].push({ rps: against("rps"), cpu: against("cpu"), p99: against("p99") });
      process.stderr.write(`round ${round + 1} ${name}: CPU/request × ${against("cpu").toFixed(3)}\n`);
    }
  }
} finally {
  upstream.kill("SIGINT");
}
const spread = bares.slice(1).map((run, index) => Math.abs(run.cpu / bares[index].cpu - 1));
const key = (name, field) => ratios[name].map((ratio) => ratio[field]);
const row = (numbers) => `${median(numbers).toFixed(3)} (${Math.min(...numbers).toFixed(2)}–${Math.max(...numbers).toFixed(2)})`;
console.log(`node ${execFileSync("node", ["--version"]).toString().trim()}, ${rounds} rounds of ${seconds} s, ${CONNECTIONS} connections`);
console.log(`bare: ${median(bares.map((r) => r.rps)).toFixed(0)} requests/s, ${median(bares.map((r) => r.cpu)).toFixed(3)} CPU ms/request, p99 ${median(bares.map((r) => r.p99)).toFixed(1)} ms; neighbouring bare runs differ by ${(median(spread) * 100).toFixed(1)} % of CPU/request (median)\n`);
console.log("| arm | requests/s | CPU per request | p99 |\n|---|---|---|---|");
for (const name of names) console.log(`| ${name} | × ${row(key(name, "rps"))} | × ${row(key(name, "cpu"))} | × ${row(key(name, "p99"))} |`);
