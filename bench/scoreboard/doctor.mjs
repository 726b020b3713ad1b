// What clinic doctor says of a program: starts it under doctor, drives load at it, and prints doctor's category (`none`,
// `event-loop`, `io`, `gc`, `data` where it has too little data, `unknown`) on one line. Called by `cargo xtask scoreboard`.
//
// usage: node doctor.mjs CLINIC SLOWPATH URL CONNECTIONS BODY HEADER… -- node src/server.js
//
// CLINIC is the package `@clinic/doctor`. Its own classes collect and judge; what is left out is the page, which takes seconds.

import { spawn } from "node:child_process";
import { createReadStream, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const SECONDS = "10";
/** A program that has not ended so long after SIGINT will not. */
const PATIENCE_MS = 20_000;

const [clinic, slowpath, url, connections, body, ...rest] = process.argv.slice(2);
const headers = rest.slice(0, rest.indexOf("--"));
const command = rest.slice(headers.length + 1);
const require = createRequire(join(clinic, "index.js"));
const Doctor = require("./index.js");
const Analysis = require("./analysis/index.js");
const { getLoggingPaths } = require("@clinic/clinic-common");

/** Doctor reads its trace from the working directory, and writes what it measures where it is told. */
const dest = mkdtempSync(join(process.cwd(), "doctor-"));

function load() {
  const given = ["content-type: application/json", ...headers].flatMap((header) => ["-H", header]);
  const own = ["load", "-c", connections, "-d", SECONDS, "-m", "POST", ...given, "-b", body, url];
  const child = spawn(slowpath, own, { stdio: "ignore" });
  return new Promise((ended) => child.once("exit", ended));
}

async function collect() {
  const doctor = new Doctor({ dest, detectPort: true });
  return new Promise((resolve, reject) => {
    doctor.once("port", async (_port, target, done) => {
      await load();
      done();
      target.kill("SIGINT");
      await sleep(PATIENCE_MS, undefined, { ref: false });
      target.kill("SIGKILL");
    });
    doctor.collect(command, (error, directory) => (error ? reject(error) : resolve(directory)));
  });
}

function judge(directory) {
  const paths = getLoggingPaths("doctor")({ path: directory });
  const read = (file, Decoder, ...args) => createReadStream(paths[file]).pipe(new Decoder(...args));
  const system = read("/systeminfo", require("./format/system-info-decoder.js"));
  const trace = read("/traceevent", require("./format/trace-event-decoder.js"), system);
  const stats = read("/processstat", require("./format/process-stat-decoder.js"));
  return new Promise((resolve, reject) => {
    const analysis = new Analysis(system, trace, stats);
    analysis.once("data", ({ issueCategory }) => resolve(issueCategory));
    analysis.once("error", reject);
  });
}

try {
  // The program may have left a line unfinished.
  console.log(`\n${await judge(await collect())}`);
} finally {
  rmSync(dest, { recursive: true, force: true });
}
process.exit(0);
