/**
 * Writes large profiles of made-up programs: `node generate.mjs KIND BYTES FILE`, KIND one of perf, cpuprofile, pprof.
 *
 * The same every time. Stacks are walks over a call graph of 4,000 functions, about 30 deep, with names as long as V8, C++
 * and the kernel have them; every address in perf's text differs, as in real ones.
 */
import { closeSync, openSync, writeSync } from "node:fs";

const [kind, bytes, file] = process.argv.slice(2);
const wanted = Number(bytes);
const out = openSync(file, "w");
let written = 0;
let parts = [];
let pending = 0;
function put(text) {
  parts.push(text);
  pending += text.length;
  if (pending > 1 << 22) flush();
}
function flush() {
  const data = typeof parts[0] === "string" ? Buffer.from(parts.join("")) : Buffer.concat(parts);
  writeSync(out, data);
  written += data.length;
  parts = [];
  pending = 0;
}
const size = () => written + pending;

let seed = 42;
/** An integer below `n` (xorshift). */
function random(n) {
  seed ^= seed << 13;
  seed ^= seed >>> 17;
  seed ^= seed << 5;
  return (seed >>> 0) % n;
}

const N_FUNCTIONS = 4000;
const WORDS = ["parse", "render", "handle", "convert", "message", "token", "Stream", "Buffer", "Request", "resolve", "Schema", "update"];
const word = () => WORDS[random(WORDS.length)];
const functions = Array.from({ length: N_FUNCTIONS }, (_, i) => {
  const name = `${word()}${word()}${i}`;
  const js = i % 2 === 0;
  return {
    name,
    file: i % 4 === 0 ? `file:///srv/app/src/${word()}/${word()}${i % 97}.js` : `/srv/app/node_modules/${word()}/lib/${word()}${i % 211}.js`,
    line: 1 + random(900),
    column: 1 + random(60),
    symbol: js
      ? `JS:${"~^*"[i % 3]}${name} /srv/app/src/${word()}/${word()}${i % 97}.js:${1 + random(900)}:${1 + random(60)}`
      : i % 8 === 1
        ? `${name}_syscall_64`
        : `v8::internal::${word()}::${name}(v8::internal::Isolate*, v8::internal::Handle<v8::internal::${word()}>)`,
    dso: js ? "/tmp/perf-4242.map" : i % 8 === 1 ? "[kernel.kallsyms]" : "/usr/bin/node",
  };
});
/** Callees of a function: few, so that stacks repeat as those of programs do. */
const callees = (fn) => (fn * 7 + random(5) * 131 + 1) % N_FUNCTIONS;

/** A stack, outermost first, that shares most of its start with the one before. */
let walk = [0];
function nextStack() {
  walk.length = Math.max(1, walk.length - random(Math.min(walk.length, 24)));
  const depth = 12 + random(40);
  while (walk.length < depth) walk.push(callees(walk[walk.length - 1]));
  return walk;
}

function perf() {
  for (let at = 0; size() < wanted; at++) {
    const stack = nextStack();
    const lines = [`node  4242/${4242 + (at % 4)} [00${at % 8}] ${1000 + Math.floor(at / 1000)}.${String((at % 1000) * 1000).padStart(6, "0")}:    1000000 cpu-clock:u: \n`];
    for (let i = stack.length - 1; i >= 0; i--) {
      const f = functions[stack[i]];
      const offset = random(0x400);
      lines.push(`\t${(0x7f0000000000 + stack[i] * 0x1000 + offset).toString(16).padStart(16)} ${f.symbol}+0x${offset.toString(16)} (${f.dso})\n`);
    }
    lines.push("\n");
    put(lines.join(""));
  }
}

function cpuprofile() {
  const N_SAMPLES = 1_000_000;
  // Samples and deltas take about 12 bytes each.
  const forNodes = wanted - N_SAMPLES * 12;
  const children = new Map();
  const nodes = [{ fn: -1, parent: 0, children: [] }];
  const child = (parent, fn) => {
    const key = parent * N_FUNCTIONS + fn;
    let id = children.get(key);
    if (id === undefined) {
      id = nodes.push({ fn, parent, children: [] });
      nodes[parent - 1].children.push(id);
      children.set(key, id);
    }
    return id;
  };
  const leaves = [];
  let estimate = 0;
  while (estimate < forNodes) {
    let at = 1;
    const before = nodes.length;
    for (const fn of nextStack()) at = child(at, fn);
    leaves.push(at);
    estimate += (nodes.length - before) * 245;
  }
  put(`{"nodes":[`);
  nodes.forEach((node, i) => {
    const f = node.fn < 0 ? { name: "(root)", file: "", line: 0, column: 0 } : functions[node.fn];
    const callFrame = { functionName: f.name, scriptId: String(f.line), url: f.file, lineNumber: f.line - 1, columnNumber: f.column - 1 };
    const text = JSON.stringify({ id: i + 1, callFrame, hitCount: 1, children: node.children, positionTicks: [{ line: f.line + 1, ticks: 1 }] });
    put(i === 0 ? text : `,${text}`);
  });
  put(`],"startTime":1000000,"endTime":1001000000,"samples":[`);
  for (let i = 0; i < N_SAMPLES; i++) put(i === 0 ? `${leaves[0]}` : `,${leaves[random(leaves.length)]}`);
  put(`],"timeDeltas":[`);
  for (let i = 0; i < N_SAMPLES; i++) put(i === 0 ? "1000" : `,${900 + random(200)}`);
  put("]}");
}

function pprof() {
  const varint = (number) => {
    const digits = [];
    for (let n = BigInt(number); ; n >>= 7n) {
      if (n < 128n) return [...digits, Number(n)];
      digits.push(Number(n & 127n) | 128);
    }
  };
  const field = (number, value) => (typeof value === "number" ? [...varint(number << 3), ...varint(value)] : [...varint((number << 3) | 2), ...varint(value.length), ...value]);
  const message = (number, body) => put(Uint8Array.from(field(number, body)));
  const strings = ["", "samples", "count", "cpu", "nanoseconds", ...functions.flatMap((f) => [f.name, f.file])];
  message(1, [...field(1, 1), ...field(2, 2)]);
  message(1, [...field(1, 3), ...field(2, 4)]);
  functions.forEach((f, i) => {
    message(5, [...field(1, i + 1), ...field(2, 5 + 2 * i), ...field(4, 6 + 2 * i), ...field(5, f.line)]);
    // Four places in each function.
    for (let k = 0; k < 4; k++) message(4, [...field(1, 4 * i + k + 1), ...field(4, [...field(1, i + 1), ...field(2, f.line + k)])]);
  });
  for (const text of strings) message(6, [...Buffer.from(text)]);
  while (size() < wanted) {
    const locations = nextStack().map((fn) => 4 * fn + 1 + (fn % 4)).reverse();
    message(2, [...field(1, locations.flatMap(varint)), ...field(2, [...varint(1), ...varint(10_000_000)])]);
  }
}

({ perf, cpuprofile, pprof })[kind]();
flush();
closeSync(out);
