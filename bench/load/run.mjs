// What a request, and a chunk of a stream, cost the load generator: ours, wrk, oha and autocannon in turn, against the
// same server on the other core.
//
// usage: node bench/load/run.mjs [ROUNDS] [SECONDS] [CASE…]     cases: get-50 get-1000 post-50 post-1000 sse-100
//
// Needs a release build of slowpath, nginx, wrk (apt), autocannon (`npm ci` here) and oha (cargo; `OHA=path`); a tool that
// is missing is left out. What was done is counted by the server (nginx's stub_status, the mock's counters), the same way for
// every tool.

import { execFile, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "../..");
const slowpath = join(process.env.CARGO_TARGET_DIR ?? join(root, "target"), "release/slowpath");
const autocannon = join(import.meta.dirname, "node_modules/autocannon/autocannon.js");
const oha = process.env.OHA ?? onPath("oha");
const [rounds = "5", seconds = "4", ...chosen] = process.argv.slice(2);
const work = mkdtempSync(join(tmpdir(), "slowpath-bench-"));
const NGINX_PORT = 18080;
const MOCK_PORT = 18081;
const body = "x".repeat(60);
const chat = '{"model":"gpt-4","stream":true,"messages":[{"role":"user","content":"hello"}]}';

function onPath(name) {
  try {
    return execFileSync("which", [name], { encoding: "utf8" }).trim();
  } catch {
    return null;
  }
}

function luaFor(method, text) {
  const file = join(work, `${method}-${text.length}.lua`);
  writeFileSync(file, `wrk.method = "${method}"\nwrk.body = '${text}'\nwrk.headers["content-type"] = "application/json"\n`);
  return file;
}

/** Each tool's command line for one load; `null` where the tool is not there. */
const tools = {
  slowpath: ({ url, method, text, connections }) => {
    const post = text ? ["-b", text, "-H", "content-type=application/json"] : [];
    return [slowpath, "load", "-n", "-c", connections, "-d", seconds, "-m", method, ...post, url];
  },
  wrk: ({ url, method, text, connections }) => {
    const script = text ? ["-s", luaFor(method, text)] : [];
    return onPath("wrk") && ["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, ...script, url];
  },
  oha: ({ url, method, text, connections }) => {
    const post = text ? ["-d", text, "-T", "application/json"] : [];
    return oha && [oha, "--no-tui", "-c", connections, "-z", `${seconds}s`, "-m", method, ...post, url];
  },
  autocannon: ({ url, method, text, connections }) => {
    const post = text ? ["-b", text, "-H", "content-type=application/json"] : [];
    const argv = ["node", autocannon, "-n", "-c", connections, "-d", seconds, "-m", method, ...post, url];
    return existsSync(autocannon) && argv;
  },
};

const nginx = { url: `http://127.0.0.1:${NGINX_PORT}/`, unit: "request", count: nginxRequests };
const mock = { url: `http://127.0.0.1:${MOCK_PORT}/v1/chat/completions`, unit: "chunk", count: mockEvents };
const cases = {
  "get-50": { ...nginx, method: "GET", connections: "50" },
  "get-1000": { ...nginx, method: "GET", connections: "1000" },
  "post-50": { ...nginx, method: "POST", text: body, connections: "50" },
  "post-1000": { ...nginx, method: "POST", text: body, connections: "1000" },
  // 100 streams of 200 events, one every 5 ms: 20,000 events a second, each in a chunk of its own.
  "sse-100": { ...mock, method: "POST", text: chat, connections: "100" },
};

async function nginxRequests() {
  const text = await (await fetch(`http://127.0.0.1:${NGINX_PORT}/status`)).text();
  return Number(text.split("\n")[2].trim().split(/\s+/)[2]);
}

async function mockEvents() {
  const state = await (await fetch(`http://127.0.0.1:${MOCK_PORT}/_mock`)).json();
  return state.counters.events_sent;
}

function start(...argv) {
  const child = spawn("taskset", ["-c", "0", ...argv], { stdio: "ignore" });
  child.on("error", (error) => console.error(`${argv[0]}: ${error.message}`));
  return child;
}

async function until(ready) {
  for (let tries = 0; tries < 100; tries += 1) {
    try {
      return await ready();
    } catch {
      await sleep(100);
    }
  }
  throw new Error("a server did not start");
}

writeFileSync(
  join(work, "nginx.conf"),
  `daemon off; pid ${work}/nginx.pid; error_log ${work}/error.log; worker_processes 1; worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http {
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path ${work}; proxy_temp_path ${work}; fastcgi_temp_path ${work}; uwsgi_temp_path ${work}; scgi_temp_path ${work};
  server { listen 127.0.0.1:${NGINX_PORT} backlog=4096;
    location / { default_type application/json; return 200 '{"ok":true,"text":"hello"}'; }
    location /status { stub_status; } }
}`,
);
const servers = [
  start(onPath("nginx") ?? "/usr/sbin/nginx", "-p", work, "-c", join(work, "nginx.conf")),
  start(slowpath, "mock", "--port", String(MOCK_PORT), "--ttft", "5ms", "--itl", "5ms", "--tokens", "200"),
];
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const results = new Map();
try {
  await until(nginxRequests);
  await until(mockEvents);
  for (let round = 0; round < Number(rounds); round += 1) {
    for (const name of chosen.length ? chosen : Object.keys(cases)) {
      const load = cases[name];
      for (const [tool, command] of Object.entries(tools)) {
        const argv = command(load);
        if (!argv) continue;
        const before = await load.count();
        const { stdout } = await run("taskset", ["-c", "1", "python3", join(import.meta.dirname, "cost.py"), ...argv]);
        const n = (await load.count()) - before;
        const [user, system, peakKb] = stdout.trim().split(" ").map(Number);
        const rows = results.get(`${name} ${tool}`) ?? [];
        rows.push({ user: (user * 1e6) / n, total: ((user + system) * 1e6) / n, rate: n / Number(seconds), rss: peakKb / 1024 });
        results.set(`${name} ${tool}`, rows);
        process.stderr.write(`round ${round + 1} ${name} ${tool}: ${rows.at(-1).total.toFixed(2)} µs/${load.unit}\n`);
      }
    }
  }
} finally {
  for (const server of servers) server.kill("SIGTERM");
  rmSync(work, { recursive: true, force: true });
}
console.log(`${new Date().toISOString().slice(0, 10)}, ${rounds} rounds of ${seconds} s, medians (lowest to highest)\n`);
console.log("| case | tool | CPU µs | to wrk's | user µs | a second | RSS MB |\n|---|---|---|---|---|---|---|");
for (const [key, rows] of results) {
  const [name, tool] = key.split(" ");
  const of = (field) => rows.map((row) => row[field]);
  const [low, high] = [Math.min(...of("total")), Math.max(...of("total"))].map((n) => n.toFixed(1));
  const cells = [median(of("total")).toFixed(2), `(${low}–${high})`].join(" ");
  // Within a round: the machine drifts from one to the next.
  const wrk = results.get(`${name} wrk`);
  const ratio = wrk ? median(rows.map((row, round) => row.total / wrk[round].total)).toFixed(2) : "–";
  const rate = Math.round(median(of("rate"))).toLocaleString("en");
  const last = [median(of("user")).toFixed(2), rate, median(of("rss")).toFixed(1)].join(" | ");
  console.log(`| ${name} | ${tool} | ${cells} | ${ratio} | ${last} |`);
}
