'use strict';
/**
 * The relay: a worker thread of the target that carries records from the rings to the collector and carries out the
 * collector's commands. PROTOCOL.md describes what it says and hears.
 *
 * It runs beside the target's code, never in it: all it shares with the other threads is memory, and (while the cpu
 * recorder is on) an inspector session. When the collector goes away it switches everything off and ends.
 */

const { existsSync, readlinkSync } = require('fs');
const { connect } = require('net');
const { basename, isAbsolute } = require('path');
const { pathToFileURL } = require('url');
const { BroadcastChannel, parentPort, workerData, threadId: relayThreadId } = require('worker_threads');
const { AsyncRing } = require('./async-ring.cjs');
const { CallCounts } = require('./calls.cjs');
const { CpuRecorder } = require('./cpu.cjs');
const { DeoptRecorder } = require('./deopts.cjs');
const { HeapSampler } = require('./heap.cjs');
const { readSources } = require('./sources.cjs');
const ring = require('./ring.cjs');

const { SharedMemory, LOOP, GC, HEAP_USAGE, CPU, QUIT, ASYNC, COUNTERS, REQUESTS, COLLECTIONS, DEOPTS, LIVE, ENDED } = ring;

const PROTOCOL = {
  hello: 1,
  records: 2,
  cpuPiece: 3,
  note: 4,
  thread: 5,
  reply: 6,
  source: 7,
  async: 8,
  counts: 10,
  calls: 11,
  heap: 12,
  deopts: 14,
  command: 16,
};
/** Record kind that says how many records a full ring has lost. */
const DROPPED = 5;
const FLAG_OF_RECORDER = new Map([
  ['loop', LOOP],
  ['gc', GC],
  ['heap_usage', HEAP_USAGE],
  ['async', ASYNC],
]);

const HEADER_BYTES = 8;
const DRAIN_MS = 100;
/** How often to look whether a silent worker thread was terminated, which no event tells. */
const LIVENESS_MS = 1000;
/** How long to wait for the last counts of a thread: it takes its orders every 100 ms, when it is not busy. */
const LAST_COUNTS_MS = 2000;
/** More than a minute of cpu pieces of a busy process; a collector that far behind will not catch up. */
const MAX_QUEUED_BYTES = 64 * 1024 * 1024;

/**
 * @typedef {{ title: string, url?: string, tid?: number }} Thread what is known so far
 * @typedef {{ id: number, command: string, recorder: string, interval_us?: number, max_share?: number, ms?: number, urls?: string[] }} Command
 * @typedef {InstanceType<typeof import('./ring.cjs').Slot>} Slot
 */

class Relay {
  /** @param {{ memory: SharedArrayBuffer, socketPath: string, hello: object, profilerTaken: string | null, tracerTaken: string | null }} given */
  constructor({ memory, socketPath, hello, profilerTaken, tracerTaken }) {
    this.memory = new SharedMemory(memory);
    this.slots = this.memory.slots();
    /** @type {Map<number, Thread>} worker threads as the collector knows them, by thread id */
    this.threads = new Map();
    /** @type {Map<number, InstanceType<typeof AsyncRing>>} by thread id */
    this.asyncRings = new Map();
    this.livenessDue = 0;
    /** No command is begun any more. */
    this.ending = false;
    this.nDroppedPieces = 0;
    this.received = Buffer.alloc(0);
    /** @type {Promise<void>} */
    this.lastCommand = Promise.resolve();

    this.cpu = new CpuRecorder({ relayThreadId, profilerTaken }, {
      piece: (threadId, piece) => this.sendPiece(threadId, piece),
      note: (state, why) => this.send(PROTOCOL.note, 0, { recorder: 'cpu', state, why }),
      threadStarted: (threadId, title, url) => this.announce(threadId, { title, ...(url && { url }) }),
      threadEnded: (threadId) => {
        // A thread with a slot is buried once its ring is drained.
        if (!this.hasSlot(threadId)) this.bury(threadId);
      },
      isThreadUp: (threadId) => this.hasSlot(threadId),
    });

    this.calls = new CallCounts(profilerTaken);
    this.heap = new HeapSampler(() => this.memory.nowMs(), {
      window: (window) => this.send(PROTOCOL.heap, 0, window),
      watchCollections: (on) => this.watchCollections(on),
      note: (why) => this.send(PROTOCOL.note, 0, { recorder: 'heap', state: 'partial', why }),
    });
    /** @type {((value: void) => void) | undefined} to call when the main thread has told of its collections */
    this.collectionsTold = undefined;
    this.deopts = new DeoptRecorder(tracerTaken);
    /** @type {Set<number>} threads that have handed over their last counts */
    this.counted = new Set();

    this.socket = connect(socketPath);
    this.socket.on('error', () => {});
    this.socket.on('close', () => this.quit());
    this.socket.on('data', (bytes) => this.receive(bytes));
    this.send(PROTOCOL.hello, 0, { ...hello, relay_tid: osThreadId() });
    parentPort?.on('message', (message) => {
      if (message === 'wind up') this.windUp();
      else this.takeMessage(message);
    });
    parentPort?.unref();
    this.channel = new BroadcastChannel(ring.RELAY_CHANNEL);
    this.channel.onmessage = (event) => this.takeMessage(/** @type {any} */ (event).data);
    /** @type {any} */ (this.channel).unref();
    this.timer = setInterval(() => this.onTimer(), DRAIN_MS);
  }

  onTimer() {
    if (this.socket.writableLength > MAX_QUEUED_BYTES) return; // The rings fill up, and count what they drop.
    this.slots.forEach((slot) => this.drain(slot));
    this.drainAsyncRings();
    this.watchWorkerThreads();
    this.reportDroppedPieces();
  }

  /** Whether the agent runs in this worker thread. @param {number} threadId */
  hasSlot(threadId) {
    return this.slots.slice(1).some((slot) => slot.state >= LIVE && slot.threadId === threadId);
  }

  /** Sends what is in the ring of `slot`. @param {Slot} slot */
  drain(slot) {
    if (slot.state !== LIVE && slot.state !== ENDED) return;
    const records = slot.drain();
    if (records.length > 0) this.sendFrame(PROTOCOL.records, slot.threadId, records);
    const nDropped = slot.takeDropped();
    if (nDropped === 0) return;
    const record = Buffer.from(new Float64Array([DROPPED, this.memory.nowMs(), nDropped, 0]).buffer);
    this.sendFrame(PROTOCOL.records, slot.threadId, record);
  }

  /** Takes what a thread of the target sends. @param {any} message */
  takeMessage(message) {
    if (message.counts) this.sendCounts(message);
    else if (message.asyncRing) this.addAsyncRing(message);
    else if (message.collections) this.sendCollections(message);
  }

  /** @param {{ thread: number, asyncRing: SharedArrayBuffer, records: number }} message a thread follows requests from now on */
  addAsyncRing({ thread, asyncRing, records }) {
    this.drainAsyncRings();
    this.asyncRings.set(thread, new AsyncRing(asyncRing, 0, records));
  }

  drainAsyncRings() {
    for (const [threadId, ring] of this.asyncRings) {
      const records = ring.drain();
      if (records.length > 0) this.sendFrame(PROTOCOL.async, threadId, records);
      const nDropped = ring.takeDropped();
      if (nDropped === 0) continue;
      const why = `${nDropped} records of requests were dropped: the ring was full`;
      this.send(PROTOCOL.note, 0, { recorder: 'async', state: 'partial', why });
    }
  }

  /** Announces worker threads that came, or became better known, or went. */
  watchWorkerThreads() {
    const lookForTerminated = Date.now() >= this.livenessDue;
    if (lookForTerminated) this.livenessDue = Date.now() + LIVENESS_MS;

    for (const slot of this.slots.slice(1)) {
      const state = slot.state;
      if (state !== LIVE && state !== ENDED) continue;
      const { threadId, osThreadId: tid, label } = slot;
      this.announce(threadId, { ...(isAbsolute(label) && { url: pathToFileURL(label).href }), ...(tid && { tid }) });
      if (state === ENDED || (lookForTerminated && tid !== 0 && !existsSync(`/proc/self/task/${tid}`))) {
        this.drain(slot);
        slot.free();
        this.bury(threadId);
      }
    }

    const n = this.memory.takeThreadsWithoutSlot();
    if (n === 0) return;
    const why = `${n} worker threads have no loop, gc and heap records: too many worker threads at once`;
    for (const recorder of FLAG_OF_RECORDER.keys()) {
      this.send(PROTOCOL.note, 0, { recorder, state: 'partial', why });
    }
  }

  /** Takes commands out of what the collector has sent so far. @param {Buffer} bytes */
  receive(bytes) {
    this.received = Buffer.concat([this.received, bytes]);
    while (this.received.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + this.received.readUInt32LE(0);
      if (this.received.length < end) return;
      const kind = this.received[4];
      const payload = this.received.toString('utf8', HEADER_BYTES, end);
      this.received = this.received.subarray(end);
      if (kind === PROTOCOL.command) this.enqueue(JSON.parse(payload));
    }
  }

  /** Carries out commands one after the other, and answers each. @param {Command} command */
  enqueue(command) {
    const { id } = command;
    this.lastCommand = this.lastCommand
      .then(() => this.execute(command))
      .then(
        () => this.send(PROTOCOL.reply, 0, { id, ok: true }),
        (error) => this.send(PROTOCOL.reply, 0, { id, ok: false, why: String(error?.message ?? error) }),
      );
  }

  /** @param {Command} command */
  async execute({ command, recorder, interval_us: intervalUs = 1000, max_share: maxShare, ms = 0, urls = [] }) {
    const flag = FLAG_OF_RECORDER.get(recorder);
    if (this.ending) throw new Error('the agent is ending');
    if (command === 'sources') {
      await readSources(urls, relayThreadId, ({ url, text, sourceMapUrl, functions }) => {
        this.send(PROTOCOL.source, 0, { url, text, source_map_url: sourceMapUrl, functions });
      });
      return;
    }
    if (command !== 'start' && command !== 'stop') throw new Error(`unknown command \`${command}\``);
    if (recorder === 'counters') {
      await (command === 'start' ? this.startCounting(COUNTERS) : this.stopCounting(COUNTERS));
    } else if (recorder === 'calls') {
      await (command === 'start' ? this.startCalls() : this.stopCalls());
    } else if (recorder === 'heap') {
      await (command === 'start' ? this.heap.start() : this.heap.stop());
    } else if (recorder === 'deopts') {
      await (command === 'start' ? this.startDeopts() : this.stopDeopts());
    } else if (recorder === 'cpu') {
      await (command === 'start' ? this.startCpu(intervalUs, maxShare) : this.stopCpu());
    } else if (flag === undefined) {
      throw new Error(`unknown recorder \`${recorder}\``);
    } else if (command === 'start') {
      if (flag === ASYNC) this.memory.asyncMs = ms;
      this.memory.flags |= flag;
    } else {
      this.memory.flags &= ~flag;
      this.slots.forEach((slot) => this.drain(slot));
      this.drainAsyncRings();
    }
  }

  /** @param {number} flag */
  startCounting(flag) {
    this.counted.clear();
    this.memory.flags |= flag;
  }

  /** Resolves once every thread has handed over its last counts, or is found to be deaf. @param {number} flag */
  async stopCounting(flag) {
    this.memory.flags &= ~flag;
    const deadline = Date.now() + LAST_COUNTS_MS;
    const missing = () => this.slots.filter((slot) => slot.state === LIVE && !this.counted.has(slot.threadId)).length;
    while (missing() > 0 && Date.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_MS / 10));
    }
    if (missing() === 0) return;
    const why = `the last counts of ${missing()} threads are lost: they did not answer within ${LAST_COUNTS_MS / 1000} s`;
    this.send(PROTOCOL.note, 0, { recorder: 'counters', state: 'partial', why });
  }

  /** @param {{ thread: number, counts: { last: boolean } }} message what one thread counted */
  sendCounts({ thread, counts }) {
    this.send(PROTOCOL.counts, thread, counts);
    if (counts.last) this.counted.add(thread);
  }

  /** Resolves, when it ends the watch, once the main thread has told what it saw, or is found to be deaf. @param {boolean} on */
  async watchCollections(on) {
    if (on) {
      this.memory.flags |= COLLECTIONS;
      return;
    }
    if (!(this.memory.flags & COLLECTIONS)) return;
    this.memory.flags &= ~COLLECTIONS;
    await new Promise((resolve) => {
      this.collectionsTold = resolve;
      setTimeout(resolve, LAST_COUNTS_MS).unref();
    });
    this.collectionsTold = undefined;
  }

  /** @param {{ thread: number, collections: object }} message */
  sendCollections({ thread, collections }) {
    this.send(PROTOCOL.heap, thread, { window: 'collections', ...collections });
    if (thread === 0) this.collectionsTold?.();
  }

  async startCalls() {
    await this.calls.start();
    this.startCounting(REQUESTS);
  }

  async stopCalls() {
    const counted = await this.calls.stop();
    this.send(PROTOCOL.calls, 0, { t_ms: this.memory.nowMs(), ...counted });
    await this.stopCounting(REQUESTS);
  }

  startDeopts() {
    this.memory.flags |= DEOPTS;
    try {
      this.deopts.start();
    } catch (error) {
      this.memory.flags &= ~DEOPTS;
      throw error;
    }
    this.startCounting(REQUESTS);
  }

  async stopDeopts() {
    const { ended_early: why, ...deopts } = await this.deopts.stop();
    this.memory.flags &= ~DEOPTS;
    this.send(PROTOCOL.deopts, 0, { t_ms: this.memory.nowMs(), ...deopts });
    if (why) this.send(PROTOCOL.note, 0, { recorder: 'deopts', state: 'partial', why });
    await this.stopCounting(REQUESTS);
  }

  /** @param {number} intervalUs @param {number} [maxShare] */
  async startCpu(intervalUs, maxShare) {
    this.memory.flags |= CPU;
    try {
      await this.cpu.start(intervalUs, maxShare);
    } finally {
      if (!this.cpu.session) this.memory.flags &= ~CPU;
    }
  }

  async stopCpu() {
    await this.cpu.stop().finally(() => {
      this.memory.flags &= ~CPU;
    });
  }

  /** @param {number} threadId @param {object} piece */
  sendPiece(threadId, piece) {
    if (this.socket.writableLength > MAX_QUEUED_BYTES) this.nDroppedPieces += 1;
    else this.send(PROTOCOL.cpuPiece, threadId, piece);
  }

  reportDroppedPieces() {
    if (this.nDroppedPieces === 0) return;
    const why = `${this.nDroppedPieces} cpu pieces dropped: slowpath did not read them fast enough`;
    this.nDroppedPieces = 0;
    this.send(PROTOCOL.note, 0, { recorder: 'cpu', state: 'partial', why });
  }

  /** Tells the collector of a worker thread, again whenever more is known. @param {number} threadId @param {Partial<Thread>} news */
  announce(threadId, news) {
    const known = this.threads.get(threadId);
    const thread = { title: `worker ${threadId}`, ...known, ...news };
    if (known && JSON.stringify(known) === JSON.stringify(thread)) return;
    this.threads.set(threadId, thread);
    this.send(PROTOCOL.thread, threadId, { thread: threadId, state: 'started', ...thread });
  }

  /** Tells the collector that a worker thread has ended. @param {number} threadId */
  bury(threadId) {
    if (!this.threads.delete(threadId)) return;
    this.send(PROTOCOL.thread, threadId, { thread: threadId, state: 'ended' });
  }

  /** @param {number} kind @param {number} threadId @param {object} payload */
  send(kind, threadId, payload) {
    this.sendFrame(kind, threadId, Buffer.from(JSON.stringify(payload)));
  }

  /** @param {number} kind @param {number} threadId @param {Buffer} payload */
  sendFrame(kind, threadId, payload) {
    if (!this.socket.writable && !this.socket.connecting) return;
    const header = Buffer.alloc(HEADER_BYTES);
    header.writeUInt32LE(payload.length, 0);
    header[4] = kind;
    header.writeUInt16LE(threadId & 0xffff, 6);
    this.socket.write(header);
    this.socket.write(payload);
  }

  /**
   * Sends what is left, while the main thread waits in its `exit` event. An open inspector session would make Node
   * print that it waits for a debugger.
   */
  async windUp() {
    this.ending = true;
    await this.lastCommand;
    await this.stopCpu().catch(() => {});
    if (this.calls.session) await this.stopCalls().catch(() => {});
    this.heap.abandon();
    if (this.deopts.isOn) await this.stopDeopts().catch(() => {});
    this.slots.forEach((slot) => this.drain(slot));
    this.drainAsyncRings();
    this.socket.end(() => this.memory.tellWoundUp());
  }

  /**
   * Ends the agent in this process for good. The target runs on.
   *
   * This thread must outlive the inspector session: the main thread closes its half when it next runs JavaScript, and if
   * this thread tears down its own half in the same moment, Node aborts (seen on 22 and 24). So it waits until the main
   * thread's probe has ended, which is after that; when the process is exiting, until it is stopped from outside.
   */
  quit() {
    this.ending = true;
    clearInterval(this.timer);
    this.cpu.abandon();
    this.calls.abandon();
    this.heap.abandon();
    this.deopts.abandon();
    this.channel.close();
    this.memory.flags = QUIT;
    this.memory.tellWoundUp();
    const waiting = setInterval(() => {
      if (this.slots[0].state === ENDED) clearInterval(waiting);
    }, DRAIN_MS);
  }
}

function osThreadId() {
  try {
    return Number(basename(readlinkSync('/proc/thread-self')));
  } catch {
    return 0;
  }
}

new Relay(workerData);
