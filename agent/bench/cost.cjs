'use strict';
/**
 * Measures what the agent costs a process, and prints one line per cost: `node agent/bench/cost.cjs`.
 *
 * CPU times come from the kernel (`/proc/<pid>/task/<tid>/schedstat`), so that a busy machine disturbs them little; wall
 * times are medians of interleaved runs. The target is idle: what its main thread uses is then the agent's doing.
 */

const { spawnSync } = require('child_process');
const { readFileSync } = require('fs');
const { Collector, AGENT, NODE } = require('../test/collector.cjs');

const START_UP_RUNS = 21;
const RUNS = 3;
const IDLE_MS = 5000;
const IDLE = `process.stdin.on('end', () => process.exit()).resume();`;
const EXIT = `
  let asked;
  process.on('exit', () => console.log(Number(process.hrtime.bigint() - asked) / 1e6));
  process.stdin.on('end', () => { asked = process.hrtime.bigint(); process.exit(); }).resume();`;

/** @param {number[]} numbers */
function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1];
}

/** CPU time of one thread in ms. @param {number} pid @param {number} tid */
function cpuMs(pid, tid) {
  return Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}

/** Resident memory in MiB. @param {number} pid */
function rssMiB(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

/** @param {number} ms */
function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** @param {string} what @param {number[]} values @param {string} unit */
function print(what, values, unit) {
  const sorted = [...values].sort((a, b) => a - b);
  const [low, high] = [sorted[0], sorted[sorted.length - 1]];
  console.log(`${what}: median ${median(values).toFixed(2)} ${unit} (${low.toFixed(2)}–${high.toFixed(2)}, n = ${values.length})`);
}

/** @param {InstanceType<typeof Collector>} collector */
function measureStartUp(collector) {
  const env = { ...process.env, NODE_OPTIONS: '' };
  const withAgent = { ...env, NODE_OPTIONS: `--require ${AGENT}`, SLOWPATH_SOCKET: collector.socketPath };
  const run = (/** @type {NodeJS.ProcessEnv} */ env) => {
    const start = process.hrtime.bigint();
    spawnSync(NODE, ['-e', '0'], { env });
    return Number(process.hrtime.bigint() - start) / 1e6;
  };
  const pairs = Array.from({ length: START_UP_RUNS }, () => [run(env), run(withAgent)]);
  print('`node -e 0` without the agent', pairs.map(([bare]) => bare), 'ms');
  print('`node -e 0`, added by the agent', pairs.map(([bare, agent]) => agent - bare), 'ms');

  const source = `const t = performance.now(); require(${JSON.stringify(AGENT)}); console.log(performance.now() - t);`;
  const options = { env: { ...env, SLOWPATH_SOCKET: collector.socketPath } };
  const loads = Array.from({ length: START_UP_RUNS }, () => Number(spawnSync(NODE, ['-e', source], options).stdout));
  print('main thread held while the agent loads', loads, 'ms');
}

/** @param {InstanceType<typeof Collector>} collector @param {string[] | undefined} recorders `undefined`: no agent */
async function measureIdle(collector, recorders) {
  const rows = [];
  for (let i = 0; i < RUNS; i++) {
    const file = collector.file('idle.js', IDLE);
    const { child, end } = recorders ? collector.start([file]) : collector.startBare([file]);
    const pid = /** @type {number} */ (child.pid);
    const target = recorders && (await collector.connection((hello) => hello.pid === pid));
    for (const recorder of recorders ?? []) await target?.command('start', recorder);
    await sleep(1500);
    const relay = target?.hello.relay_tid ?? pid;
    const before = [cpuMs(pid, pid), cpuMs(pid, relay)];
    await sleep(IDLE_MS);
    rows.push([cpuMs(pid, pid) - before[0], cpuMs(pid, relay) - before[1], rssMiB(pid)]);
    child.stdin?.end();
    await end;
  }
  const name = recorders ? `agent, ${recorders.join(' + ') || 'every recorder off'}` : 'no agent';
  print(`${name}: main thread`, rows.map(([main]) => (main / IDLE_MS) * 100), '% of a core');
  if (recorders) print(`${name}: relay`, rows.map(([, relay]) => (relay / IDLE_MS) * 100), '% of a core');
  print(`${name}: resident`, rows.map(([, , rss]) => rss), 'MiB');
}

/** @param {InstanceType<typeof Collector>} collector @param {string[]} recorders */
async function measureExit(collector, recorders) {
  const waits = [];
  for (let i = 0; i < 5; i++) {
    const { child, end } = collector.start([collector.file('exit.js', EXIT)]);
    const target = await collector.connection((hello) => hello.pid === child.pid);
    for (const recorder of recorders) await target.command('start', recorder);
    await sleep(1500);
    child.stdin?.end();
    waits.push(Number((await end).stdout));
  }
  print(`exit held, ${recorders.join(' + ') || 'every recorder off'}`, waits, 'ms');
}

/** What one cut of the pieces, and the start of the recorder, hold the main thread. The program has a few hundred busy functions. */
function measureCut() {
  const source = `
    const { Session, console: inspected } = require('inspector');
    const session = new Session();
    session.connect();
    const functions = Array.from({ length: 300 }, (_, i) => new Function('n', 'return n < 1 ? 0 : JSON.stringify({ a: n }).length + this[n % 300].call(this, n - 1) // ' + i));
    const work = (ms) => { const end = performance.now() + ms; while (performance.now() < end) functions[0].call(functions, 40); };
    work(1000);
    const timed = (run) => { const t = performance.now(); run(); return performance.now() - t; };
    const start = timed(() => { session.post('Profiler.enable'); session.post('Profiler.start'); });
    const forget = timed(() => { session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false }); session.post('Profiler.stopPreciseCoverage'); });
    inspected.profile('0');
    session.post('Profiler.stop');
    const cuts = [];
    for (let n = 1; n <= 10; n++) { work(1000); cuts.push(timed(() => { inspected.profile(String(n)); inspected.profileEnd(String(n - 1)); })); }
    const restarts = [];
    for (let n = 0; n < 3; n++) { inspected.profileEnd('10'); session.post('Profiler.start'); work(1000); restarts.push(timed(() => { session.post('Profiler.stop'); session.post('Profiler.start'); })); }
    console.log(JSON.stringify({ start, forget, cuts, restarts }));`;
  const { start, forget, cuts, restarts } = JSON.parse(String(spawnSync(NODE, ['-e', source], { env: { ...process.env, NODE_OPTIONS: '' } }).stdout));
  print('cpu: start of the profiler', [start], 'ms');
  print('cpu: optimized code forgotten, once per start', [forget], 'ms');
  print('cpu: one cut, overlapping', cuts, 'ms');
  print('cpu: one cut by restart, where pieces cannot overlap', restarts, 'ms');
}

async function main() {
  const collector = new Collector();
  await new Promise((resolve) => collector.server.listen(collector.socketPath, () => resolve(undefined)));
  console.log(process.version);
  measureCut();
  await measureExit(collector, []);
  await measureExit(collector, ['loop', 'gc', 'heap_usage', 'cpu']);
  await measureIdle(collector, undefined);
  await measureIdle(collector, []);
  await measureIdle(collector, ['loop', 'gc', 'heap_usage']);
  await measureIdle(collector, ['loop', 'gc', 'heap_usage', 'cpu']);
  measureStartUp(collector);
  await collector.close();
}

main();
