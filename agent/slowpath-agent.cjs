'use strict';
/**
 * Entry of the agent, loaded with `NODE_OPTIONS=--require …/slowpath-agent.cjs` into every Node process and worker
 * thread of the target. Decides whether there is anything to do here, then starts the probe and, in a main thread,
 * the relay.
 *
 * It never throws into the target, never keeps it alive, prints nothing, and does nothing at all unless
 * `SLOWPATH_SOCKET` names the collector's socket.
 */

/** @typedef {InstanceType<typeof import('./ring.cjs').SharedMemory>} SharedMemory */

/** Under this the worker threads find the shared memory. A string: keys are cloned, and symbols cannot be. */
const ENVIRONMENT_KEY = 'slowpath';

/** argv[1] of programs that only start other programs, by the name of the file that they really are. */
const PACKAGE_MANAGER =
  /^(?:npm-cli|npx-cli|npm|npx|pnpm|pnpx|yarn|yarnpkg|yarn-\d[\w.-]*|corepack)(?:\.[cm]?js)?$/;

/** Options of V8 that print code, or are named like those that do; and those of them that are known not to. */
const TRACES_CODE = /^"?--(?:trace|print|redirect|code[-_]comments|turbo[-_]stats)/;
const TRACES_NO_CODE =
  /^"?--trace[-_](?:warnings|deprecation|uncaught|exit|sync|sigint|tls|event|gc|atomics|promises|require|env)/;

/** How long the process may be held at its exit to hand over what is recorded; a few ms is what it takes. */
const MAX_WIND_UP_MS = 1500;

try {
  main();
} catch {
  // The target runs on without the agent; the collector sees that no hello came.
} finally {
  require('./hide.cjs').hideFromRequireCache();
}

function main() {
  const workerThreads = require('worker_threads');
  if (!workerThreads.isMainThread) return startInWorkerThread(workerThreads);
  const socketPath = process.env.SLOWPATH_SOCKET;
  if (!socketPath || isPackageManager(process.argv[1])) return;
  startInMainThread(workerThreads, socketPath);
}

/** @param {typeof import('worker_threads')} workerThreads @param {string} socketPath */
function startInMainThread({ Worker, setEnvironmentData }, socketPath) {
  const path = require('path');
  const { setFlagsFromString } = require('v8');
  const { SharedMemory, DEOPTS, QUIT } = require('./ring.cjs');
  const { Probe } = require('./probe.cjs');

  const memory = new SharedMemory();
  const hello = describeProcess();
  memory.setOriginMs(Number(hello.clock.hrtime_ns) / 1e6 - hello.clock.performance_now_ms);
  const slot = memory.slot(0);
  slot.claim();
  slot.open(0, process.pid);

  const relay = new Worker(path.join(__dirname, 'relay.cjs'), {
    name: 'slowpath-relay',
    workerData: { memory: memory.buffer, socketPath, hello, profilerTaken: profilerTaken(), tracerTaken: tracerTaken() },
    // Neither our own preload nor the target's shall run in the relay.
    env: {},
    execArgv: [],
    // Taken, and never read: otherwise Node would open the target's own stdout and stderr to pipe them there.
    stdout: true,
    stderr: true,
    trackUnmanagedFds: false,
    // Out of memory here ends the relay, not the process.
    resourceLimits: { maxOldGenerationSizeMb: 512, maxYoungGenerationSizeMb: 16 },
  });
  relay.unref();
  relay.on('error', () => {});
  relay.on('exit', () => {
    // It has ended in a way of its own, such as out of memory: V8 would trace on.
    if (memory.flags & DEOPTS) setFlagsFromString('--no-trace-deopt-verbose --no-log-deopt --no-trace-opt');
    memory.flags = QUIT;
    memory.tellWoundUp();
    // The target may run on for long: nothing is left in it.
    leave.forEach((undo) => undo());
  });

  const probe = new Probe(memory, slot, 0, relay.postMessage.bind(relay));
  setEnvironmentData(ENVIRONMENT_KEY, memory.buffer);
  const leave = [
    () => setEnvironmentData(ENVIRONMENT_KEY, undefined),
    writeNoteAtExit(memory, path.join(path.dirname(socketPath), `exit-${process.pid}.json`)),
    windUpAtExit(memory, relay, probe),
  ];
}

/**
 * A worker thread learns of the agent from its parent thread, not from `SLOWPATH_SOCKET`: its environment is whatever
 * the target chose, and the relay's own thread must stay empty.
 *
 * @param {typeof import('worker_threads')} workerThreads
 */
function startInWorkerThread({ getEnvironmentData, threadId, BroadcastChannel }) {
  const buffer = /** @type {unknown} */ (getEnvironmentData(ENVIRONMENT_KEY));
  if (!(buffer instanceof SharedArrayBuffer)) return;
  const { RELAY_CHANNEL, SharedMemory, QUIT } = require('./ring.cjs');
  const { Probe } = require('./probe.cjs');
  const { performance } = require('perf_hooks');

  const memory = new SharedMemory(buffer);
  if (memory.flags & QUIT) return;
  const slot = memory.claimWorkerSlot();
  if (!slot) return memory.countThreadWithoutSlot();
  slot.open(threadId, osThreadId());
  /** @type {InstanceType<typeof BroadcastChannel> | undefined} opened at the first message */
  let channel;
  const post = (/** @type {object} */ message) => {
    if (!channel) /** @type {any} */ (channel = new BroadcastChannel(RELAY_CHANNEL)).unref();
    /** @type {any} */ (channel).postMessage(message);
  };
  const probe = new Probe(memory, slot, memory.nowMs() - performance.now(), post);
  onExit(() => probe.end());
  // The script's name is not known yet: Node puts it into argv after the preloads.
  const { setImmediate } = globalThis;
  setImmediate(() => {
    slot.label = process.argv[1] ?? '';
  }).unref();
}

/** Returns the payload of the hello frame. */
function describeProcess() {
  const { performance } = require('perf_hooks');
  return {
    protocol: 1,
    pid: process.pid,
    ppid: process.ppid,
    node: process.versions.node,
    v8: process.versions.v8,
    arch: process.arch,
    argv: [...process.argv],
    exec_argv: [...process.execArgv],
    cwd: orNull(() => process.cwd()),
    main: mainFile(),
    cluster_worker: orNull(clusterWorkerId),
    heap_size_limit: require('v8').getHeapStatistics().heap_size_limit,
    clock: { performance_now_ms: performance.now(), hrtime_ns: String(process.hrtime.bigint()) },
  };
}

/** Returns the file of the program, or `null` for `-e`, `-p`, standard input and the REPL. */
function mainFile() {
  const { _eval: code } = /** @type {{ _eval?: string }} */ (/** @type {unknown} */ (process));
  const file = process.argv[1];
  if (code != null || !file || file === '-') return null;
  return orNull(() => require.resolve(file)) ?? file;
}

/** Returns the id of this cluster worker, or `null`. Leaves the cluster module unloaded where the target has not. */
function clusterWorkerId() {
  const { moduleLoadList } = /** @type {{ moduleLoadList?: string[] }} */ (/** @type {unknown} */ (process));
  if (!moduleLoadList?.includes('NativeModule internal/cluster/child')) return null;
  const cluster = /** @type {{ worker?: { id: number } }} */ (/** @type {unknown} */ (require('cluster')));
  return cluster.worker?.id ?? null;
}

/** Returns the operating system's id of the calling thread, 0 where there is no `/proc`. */
function osThreadId() {
  return orNull(() => Number(require('path').basename(require('fs').readlinkSync('/proc/thread-self')))) ?? 0;
}

/** @param {string | undefined} script */
function isPackageManager(script) {
  if (!script) return false;
  const { basename } = require('path');
  const file = orNull(() => require('fs').realpathSync(script)) ?? script;
  return PACKAGE_MANAGER.test(basename(script)) || PACKAGE_MANAGER.test(basename(file));
}

/** Returns what undoes it. @param {SharedMemory} memory @param {string} file */
function writeNoteAtExit(memory, file) {
  const { writeFileSync } = require('fs');
  const { stringify } = JSON;
  const { pid } = process;
  return onExit((code) => writeFileSync(file, stringify({ pid, code, t_ms: memory.nowMs() }), { mode: 0o600 }));
}

/**
 * Lets the relay send the last records and pieces, and close its inspector session, before the process is gone. Waits
 * only while a recorder is on. Returns what undoes it.
 *
 * @param {SharedMemory} memory
 * @param {import('worker_threads').Worker} relay
 * @param {{ handOver: () => void }} probe
 */
function windUpAtExit(memory, relay, probe) {
  const postMessage = relay.postMessage.bind(relay);
  return onExit(() => {
    if (memory.flags === 0) return;
    probe.handOver();
    postMessage('wind up');
    const deadline = memory.nowMs() + MAX_WIND_UP_MS;
    // Short waits in a loop: between them this thread answers the inspector.
    while (!memory.awaitWoundUp() && memory.nowMs() < deadline);
    // Once more: it has closed its session only just before it said so.
    for (let n = 0; n < 3; n++) memory.awaitWoundUp();
  });
}

/**
 * Returns who else holds V8's profiler, or `null`: Node's own `--cpu-prof` and coverage print an error for every console
 * profile that they did not ask for.
 */
function profilerTaken() {
  const options = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' ');
  if (/(^|\s|")--cpu[-_]prof/.test(options)) return 'the target runs with `--cpu-prof`';
  return process.env.NODE_V8_COVERAGE ? 'the target runs with `NODE_V8_COVERAGE`' : null;
}

/**
 * Returns which option has V8 trace code, or `null`: V8 then has a file of its own open, which is standard output, and redirecting
 * it would close that.
 */
function tracerTaken() {
  const options = [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(/\s+/)];
  const taken = options.find((option) => TRACES_CODE.test(option) && !TRACES_NO_CODE.test(option));
  return taken ? `the target runs with \`${taken}\`` : null;
}

/**
 * Calls `listener` when this thread exits, and swallows what it throws. Returns what takes it away again.
 *
 * @param {(code: number) => void} listener
 */
function onExit(listener) {
  const heard = (/** @type {number} */ code) => {
    try {
      listener(code);
    } catch {
      // The directory is gone, or may not be written to: then there is no note.
    }
  };
  process.on('exit', heard);
  // One listener more must not make Node warn of a leak that the target alone would not have been warned of. Node
  // warns once per list of listeners, so let this one count as warned.
  const { _events: events } = /** @type {{ _events?: Record<string, any> }} */ (/** @type {unknown} */ (process));
  if (typeof events?.exit === 'function') events.exit = [events.exit];
  if (events?.exit) events.exit.warned = true;
  return () => {
    process.off('exit', heard);
  };
}

/**
 * @template T
 * @param {() => T} read
 * @returns {T | null}
 */
function orNull(read) {
  try {
    return read();
  } catch {
    return null;
  }
}
