'use strict';
/**
 * The async recorder: follows HTTP requests through callbacks and awaits, and writes for a share of them what they ran
 * and what they waited for.
 *
 * Its unit is the *turn*: one callback from the event loop with the ticks and promise jobs that follow it. A followed
 * request is a row of *slices*, one for each turn in which its code ran:
 *
 * ```text
 * turn       | accept, handler |        | data from :6379 |   | timer of another |   | data from :443 |
 * request    [== slice 1 ==]············[=== slice 2 ===]··························[== slice 3 ==] end
 *                         ^ made here: the promise that slice 2 began with, which the data resolved
 * ```
 *
 * A slice says with which resource it began, since when and where in the code that was awaited, what the turn began
 * with, and how long the turn had to wait for others. Which request a resource belongs to is inherited from the code that made it, as
 * `AsyncLocalStorage` does. There is no `destroy` hook: with one, V8 would have to watch every promise until it is
 * collected. Ids only grow, so what is known of a resource lies in arrays at its id modulo their length.
 *
 * Hooks are on in windows only (`async-windows.cjs`): a followed request begins and ends within one. What is still under way when
 * a window closes is *cut* there.
 *
 * Nothing here may throw: Node ends the process when a hook does.
 */

const { createHook, executionAsyncResource } = require('async_hooks');
const { performance } = require('perf_hooks');
const { Sites, UNKNOWN, STACK_DEPTH, PROMISE_DEPTH } = require('./async-sites.cjs');
const { Sources, PROMISE, TICK, IMMEDIATE, QUEUED_REQUEST } = require('./async-sources.cjs');
const { Sampling } = require('./async-sampling.cjs');
const { Windows } = require('./async-windows.cjs');
const { Followed, RequestRecords, REQUEST, SLICE, END, RUN, CUT } = require('./async-followed.cjs');
const { Iterations } = require('./async-iterations.cjs');
const { JobTurns } = require('./async-jobs.cjs');
const { UndiciSockets } = require('./async-undici.cjs');
const { Http2Requests } = require('./async-http2.cjs');
const { CpuTime } = require('./cpu-time.cjs');

/** @typedef {InstanceType<typeof import('./async-ring.cjs').AsyncRing>} AsyncRing */
/** @typedef {InstanceType<typeof import('./async-followed.cjs').Followed>} FollowedRequest */
/** @typedef {{ stack?: unknown }} Trace */
/** @typedef {{ request: FollowedRequest, madeAt: number, trace: Trace | null, site: number, maker: Made | null, depth: number, turn: number, wasCalled: boolean }} Made a resource of a followed request */

/** @typedef {{ id: number, startedAt: number }} Coming a request that came while the recorder was on; 0: in a pause */

const now = performance.now.bind(performance);

/** Resources that are known at once; a wait during which more are made loses its request, unless that is followed. */
const PLACES = 1 << 19;
const MASK = PLACES - 1;
const MAX_DEPTH = 256;
/** Followed requests at once; one more ends the oldest. */
const MAX_FOLLOWED = 1024;
/** Requests that are known to go on; for locks it matters who holds them. */
const MAX_LIVE = 1 << 14;
/** Resources of one followed request that are remembered; more of them would be a stream, or a loop. */
const MAX_MADE = 4000;
/** Makers that are kept behind a resource, for those that Node itself makes. */
const MAX_MAKERS = 4;
/** Runs shorter than this are not written one by one. */
const LONG_RUN_MS = 0.1;
/** Callbacks of one resource within this time are one turn. */
const SAME_TURN_MS = 1;
const MAX_PATH = 300;

class AsyncRecorder {
  /**
   * @param {AsyncRing} ring
   * @param {number} offsetMs what to add to this thread's `performance.now()` to get the main thread's
   * @param {number} phaseMs how long it will be on, 0 where nobody knows
   */
  constructor(ring, offsetMs, phaseMs) {
    this.ring = ring;
    this.offsetMs = offsetMs;
    // First: what it writes tells that all numbers begin anew.
    this.sampling = new Sampling(ring, now());
    this.sites = new Sites(ring);
    this.sources = new Sources(ring);
    this.cpuTime = new CpuTime();
    this.records = new RequestRecords(ring, offsetMs, this.sampling);
    this.windows = new Windows(ring, offsetMs, this.cpuTime.read, phaseMs);
    this.isOn = false;

    this.ids = new Int32Array(PLACES);
    this.typeOf = new Uint8Array(PLACES);
    this.requestOf = new Uint32Array(PLACES);
    /** Source of the turn in which a resource was made. */
    this.viaOf = new Uint16Array(PLACES);
    /** Of a promise: the one that it continues, and the request whose code resolved it. */
    this.continues = new Int32Array(PLACES);
    this.resolver = new Uint32Array(PLACES);
    /** @type {Map<number, Made>} resources of followed requests, by id */
    this.made = new Map();

    /** @type {(FollowedRequest | undefined)[]} by place */
    this.followed = new Array(MAX_FOLLOWED).fill(undefined);
    this.live = new Uint32Array(MAX_LIVE);
    /** @type {WeakMap<object, Coming>} */
    this.comingOfResponse = new WeakMap();
    this.nRequests = 0;

    // What runs now: the stack of callbacks, and on its top:
    this.depth = 0;
    this.idStack = new Float64Array(MAX_DEPTH);
    this.requestStack = new Uint32Array(MAX_DEPTH);
    this.current = 0;
    this.currentType = TICK;
    this.request = 0;
    /** @type {FollowedRequest | null} whose code runs */
    this.running = null;
    this.runningSince = 0;

    // The turn, and the loop's iteration that it belongs to.
    this.turn = 0;
    this.turnId = 0;
    this.via = 0;
    this.turnStart = 0;
    /** The socket's handle that the turn began with. @type {any} */
    this.turnHandle = null;
    this.iterations = new Iterations();

    /** Left out of stacks, with all that it calls. */
    this.onInit = (/** @type {number} */ id, /** @type {string} */ type, /** @type {number} */ trigger) => {
      this.init(id, type, trigger);
    };
    this.hook = createHook({
      init: this.onInit,
      before: (id) => this.before(id),
      after: (id) => this.after(id),
      promiseResolve: (id) => this.promiseResolve(id),
    });
    this.onRequestStart = (/** @type {any} */ { request, response }) => this.requestStarted(request, response, this.current);
    this.onResponseFinish = (/** @type {any} */ { response }) => this.responseFinished(response, response.statusCode);
    this.http2 = new Http2Requests(
      (stream, head) => this.requestStarted(head, stream, asyncIdOf(stream)),
      (stream, status) => this.responseFinished(stream, status),
      () => this.streamHandled(),
    );
    this.undici = new UndiciSockets();
    this.jobs = new JobTurns(ring, offsetMs);
  }

  start() {
    const channels = require('diagnostics_channel');
    channels.subscribe('http.server.request.start', this.onRequestStart);
    channels.subscribe('http.server.response.finish', this.onResponseFinish);
    this.http2.start();
    this.undici.start();
    this.sources.looks.start();
    this.isOn = true;
  }

  stop() {
    if (!this.isOn) return;
    this.isOn = false;
    const channels = require('diagnostics_channel');
    channels.unsubscribe('http.server.request.start', this.onRequestStart);
    channels.unsubscribe('http.server.response.finish', this.onResponseFinish);
    this.http2.stop();
    this.undici.stop();
    this.sources.looks.stop();
    const t = now();
    if (this.windows.isOpen) this.closeWindow(t);
    this.sampling.write(t, this.offsetMs);
    this.windows.write(t);
    this.cpuTime.close();
  }

  /** Called every 10 ms or so. */
  onTick() {
    const t = now();
    const { windows, sampling } = this;
    if (windows.shallClose(t, sampling.nFollowed)) this.closeWindow(t);
    else if (windows.shallOpen(t)) this.openWindow(t);
    sampling.onTick(t, this.offsetMs);
    windows.onTick(t);
  }

  /** @param {number} t */
  openWindow(t) {
    this.windows.open(t);
    this.sampling.begin(t, this.windows.requestsPerMs(), this.windows.hasFew());
    // What ran when the last window closed is over.
    this.depth = 0;
    this.current = 0;
    this.request = 0;
    this.running = null;
    this.via = 0;
    this.turnId = 0;
    this.iterations.forget();
    this.jobs.begin(t);
    this.sources.looks.begin();
    this.hook.enable();
  }

  /** @param {number} t */
  closeWindow(t) {
    this.hook.disable();
    this.jobs.end();
    if (this.running !== null) this.pauseRun(t);
    for (let place = 0; place < MAX_FOLLOWED && this.sampling.nFollowed > 0; place++) {
      const request = this.followed[place];
      if (request !== undefined) this.cut(request, place, t);
    }
    this.made.clear();
    this.live.fill(0);
    this.sampling.end(t);
    this.windows.close(now());
  }

  /** @param {number} id @param {string} type @param {number} trigger */
  init(id, type, trigger) {
    try {
      const at = id & MASK;
      const number = type === 'PROMISE' ? PROMISE : this.sources.types.get(type) ?? this.sources.addType(type);
      this.ids[at] = id;
      this.typeOf[at] = number;
      this.requestOf[at] = this.request;
      this.viaOf[at] = this.via;
      this.sampling.nHooks += 1;
      if (number === PROMISE) {
        this.resolver[at] = 0;
        this.continues[at] = trigger;
        // Only a promise that continues another one is ever called back.
        if (trigger === this.current) return;
      } else if (this.sources.isPoolTask[number]) {
        this.sampling.poolTaskBegins(now());
      }
      if (this.jobs.wantsSite) this.noteJobs(number === PROMISE);
      if (this.running !== null) this.remember(this.running, id, number === PROMISE);
    } catch {
      this.sampling.nFaults += 1;
    }
  }

  /** Notes who makes so many promises or ticks. @param {boolean} isPromise */
  noteJobs(isPromise) {
    this.jobs.wantsSite = false;
    const trace = this.sites.take(this.onInit, isPromise ? PROMISE_DEPTH : STACK_DEPTH);
    this.jobs.site = this.sites.idOf(trace);
  }

  /** Keeps when and where `request` made resource `id`. @param {FollowedRequest} request @param {number} id @param {boolean} isPromise */
  remember(request, id, isPromise) {
    if (request.made.length >= MAX_MADE) return;
    const madeAt = now();
    const { turn } = this;
    const maker = this.made.get(this.current) ?? null;
    let depth = 0;
    if (maker !== null && maker.request === request) {
      depth = maker.depth + 1;
      if (depth % MAX_MAKERS === 0) this.siteOf(maker);
    }
    const trace = this.sites.take(this.onInit, isPromise ? PROMISE_DEPTH : STACK_DEPTH);
    this.made.set(id, { request, madeAt, trace, site: UNKNOWN, maker: depth > 0 ? maker : null, depth, turn, wasCalled: false });
    request.made.push(id);
    this.sampling.spentMs += now() - madeAt;
  }

  /** Returns where a resource was made: what Node made by itself, where that was begun. @param {Made} made */
  siteOf(made) {
    if (made.trace !== null) {
      const t = now();
      made.site = this.sites.idOf(made.trace);
      made.trace = null;
      this.sampling.spentMs += now() - t;
      if (made.site === UNKNOWN && made.maker !== null) made.site = this.siteOf(made.maker);
      made.maker = null;
    }
    return made.site;
  }

  /** @param {number} id */
  before(id) {
    try {
      const depth = this.depth++;
      if (depth < MAX_DEPTH) {
        this.idStack[depth] = this.current;
        this.requestStack[depth] = this.request;
      }
      const at = id & MASK;
      const isSeen = this.ids[at] === (id | 0);
      if (!isSeen) this.adopt(id, at);
      const type = this.typeOf[at];
      if (depth === 0) {
        if (type > TICK) this.beginTurn(id, at, type);
        else this.jobs.job(type === TICK);
      }
      this.current = id;
      this.currentType = type;
      this.request = this.requestOf[at];
      if (isSeen && this.sources.isPoolTask[type]) this.sampling.poolTaskEnds(now());
      if (this.request & 1 || this.running !== null) this.beginRun(id, at, type);
    } catch {
      this.sampling.nFaults += 1;
    }
  }

  /** @param {number} id */
  after(id) {
    try {
      if (this.depth === 0) return; // It was running when the recorder began.
      const depth = --this.depth;
      if (this.running !== null) this.endRun(id);
      if (depth >= MAX_DEPTH) return;
      this.current = this.idStack[depth];
      this.request = depth === 0 ? 0 : this.requestStack[depth];
      if (depth > 0 && this.request & 1) this.resumeRun();
    } catch {
      this.sampling.nFaults += 1;
    }
  }

  /** @param {number} id */
  promiseResolve(id) {
    const at = id & MASK;
    // What a socket brings is not the doing of the request that happened to open it.
    if (this.ids[at] === (id | 0) && this.request !== 0 && !this.sources.isHandle[this.currentType]) {
      this.resolver[at] = this.isLive(this.request) ? this.request : 0;
    }
  }

  /** Takes in a resource that was made before the recorder was on, or too long ago. @param {number} id @param {number} at */
  adopt(id, at) {
    const made = this.made.get(id);
    this.ids[at] = id;
    this.typeOf[at] = this.sources.typeOfCurrent();
    this.requestOf[at] = made ? made.request.id : 0;
    this.viaOf[at] = 0;
    this.continues[at] = 0;
    this.resolver[at] = 0;
  }

  /** @param {number} id @param {number} at @param {number} type */
  beginTurn(id, at, type) {
    const t = now();
    // Node's HTTP parser calls back several times for what the loop brought at once.
    if (id === this.turnId && t - this.turnStart < SAME_TURN_MS) return;
    this.jobs.end();
    this.jobs.begin(t);
    this.turn += 1;
    this.turnId = id;
    this.turnStart = t;
    this.turnHandle = this.sources.isSocket[type] && this.sampling.nFollowed > 0 ? executionAsyncResource() : null;
    // An immediate passes on what brought about the turn in which it was made.
    if (type === IMMEDIATE) this.via = this.viaOf[at];
    else this.via = this.sources.isSocket[type] ? this.sources.peerOf(id, type) : this.sources.ofType[type];
    this.iterations.turnBegins(t, type, this.sampling.nFollowed > 0);
  }

  /** @param {number} id @param {number} at @param {number} type */
  beginRun(id, at, type) {
    const t = now();
    if (this.running !== null) this.pauseRun(t);
    if ((this.request & 1) === 0) return;
    const request = this.followedNow();
    if (request === null) return;
    if (request.turn !== this.turn) this.beginSlice(request, t, id, at, type);
    this.running = request;
    this.runningSince = t;
  }

  /** @param {number} id */
  endRun(id) {
    const t = now();
    const made = this.made.get(id);
    const request = /** @type {FollowedRequest} */ (this.running);
    const ranMs = t - this.runningSince;
    if (ranMs >= LONG_RUN_MS) this.writeRun(request, t, made);
    this.pauseRun(t);
    if (made === undefined) return;
    if (this.currentType === PROMISE) this.made.delete(id);
    else {
      // It may be called back again: from now on that is waited for.
      made.madeAt = t;
      made.wasCalled = true;
    }
  }

  /** @param {FollowedRequest} request @param {number} t @param {Made | undefined} made */
  writeRun(request, t, made) {
    const site = made === undefined ? UNKNOWN : this.siteOf(made);
    this.records.push(RUN, request, this.runningSince, t, 0, 0, 0, site);
  }

  resumeRun() {
    this.running = this.followedNow();
    if (this.running !== null) this.runningSince = now();
  }

  /** @param {number} t */
  pauseRun(t) {
    const request = /** @type {FollowedRequest} */ (this.running);
    request.ranMs += t - this.runningSince;
    request.sliceEnd = t;
    this.running = null;
  }

  followedNow() {
    const request = this.followed[(this.request >>> 1) % MAX_FOLLOWED];
    return request !== undefined && request.id === this.request ? request : null;
  }

  /** @param {FollowedRequest} request @param {number} t @param {number} id @param {number} at @param {number} type */
  beginSlice(request, t, id, at, type) {
    this.records.writeSlice(request);
    const made = this.made.get(id);
    if (made !== undefined && this.turnHandle !== null) this.writeHeld(request, made);
    request.turn = this.turn;
    request.sliceStart = t;
    request.sliceEnd = t;
    request.ranMs = 0;
    request.since = made ? made.madeAt : 0;
    request.isAgain = made !== undefined && made.wasCalled;
    request.site = made ? this.siteOf(made) : UNKNOWN;
    request.source = type === QUEUED_REQUEST ? this.sources.ofType[type] : this.via;
    request.queuedMs = this.iterations.queuedMs(t);
    request.waker = 0;
    if (type !== PROMISE) return;
    const awaited = this.continues[at];
    const place = awaited & MASK;
    const resolver = this.ids[place] === awaited ? this.resolver[place] : 0;
    if (resolver !== request.id) request.waker = resolver;
  }

  /** Writes that what was awaited was first held back for a connection: as a slice without length. @param {FollowedRequest} request @param {Made} made */
  writeHeld(request, made) {
    const held = this.undici.heldUntil(this.sources.socketOf(this.turnHandle), made.madeAt);
    if (held === undefined) return;
    const type = held.isConnect ? this.sources.addType('TCPCONNECTWRAP') : QUEUED_REQUEST;
    const kind = SLICE + 16 * this.sources.ofType[type];
    request.nSlices += 1;
    this.records.push(kind, request, held.until, held.until, 0, held.from, 0, this.siteOf(made));
  }

  /** @param {any} incoming @param {object} response @param {number} resource what code of the request runs in */
  requestStarted(incoming, response, resource) {
    try {
      const t = now();
      this.windows.requestBegan();
      if (!this.windows.isOpen) {
        this.comingOfResponse.set(response, { id: 0, startedAt: t });
        return;
      }
      this.nRequests = (this.nRequests + 1) & 0x7fffffff;
      const isFollowed = this.windows.isFollowing && this.sampling.follows();
      const id = ((this.nRequests << 1) | Number(isFollowed)) >>> 0;
      this.live[this.nRequests % MAX_LIVE] = id;
      this.comingOfResponse.set(response, { id, startedAt: t });
      if (this.running !== null) this.pauseRun(t);
      this.request = id;
      const at = resource & MASK;
      if (this.ids[at] === (resource | 0)) this.requestOf[at] = id;
      if (isFollowed) this.follow(id, incoming, t);
    } catch {
      this.sampling.nFaults += 1;
    }
  }

  /** @param {number} id @param {any} incoming @param {number} t */
  follow(id, incoming, t) {
    const place = (id >>> 1) % MAX_FOLLOWED;
    const oldest = this.followed[place];
    if (oldest !== undefined) this.forget(oldest, place);
    const request = new Followed(id, t);
    request.turn = this.turn;
    request.source = this.via;
    request.queuedMs = this.iterations.queuedMs(this.turnStart);
    // A count of slices that cannot be right: what is found while V8 gets used to the hooks is not kept.
    if (this.windows.isPriming) request.nSlices = -1;
    this.followed[place] = request;
    this.sampling.nFollowed += 1;
    const path = String(incoming.url).split('?', 1)[0].slice(0, MAX_PATH);
    const port = Number(incoming.socket?.localPort) || 0;
    const text = this.sites.stringify({ request: id, method: String(incoming.method), path, port });
    request.isWhole = this.ring.pushText(text);
    this.records.push(REQUEST, request, t, t, 0, 0, request.queuedMs, 0);
    this.running = request;
    this.runningSince = t;
  }

  /** What a session goes on with is no longer the stream's. */
  streamHandled() {
    if (this.running !== null) this.pauseRun(now());
    this.request = 0;
  }

  /** @param {object} response @param {number} status */
  responseFinished(response, status) {
    try {
      const coming = this.comingOfResponse.get(response);
      if (coming === undefined) return;
      const t = now();
      this.windows.requestEnded(t - coming.startedAt);
      const { id } = coming;
      if (id === 0) return;
      const number = id >>> 1;
      if (this.live[number % MAX_LIVE] === id) this.live[number % MAX_LIVE] = 0;
      const request = this.followed[number % MAX_FOLLOWED];
      if ((id & 1) === 0 || request === undefined || request.id !== id) return;
      if (this.running === request) this.pauseRun(t);
      this.records.writeSlice(request);
      if (request.turn !== this.turn && this.sources.tells[this.via]) this.writeAnswer(request, t);
      this.records.push(END, request, t, t, request.nSlices, 0, 0, Number(status) || 0);
      this.forget(request, number % MAX_FOLLOWED);
    } catch {
      this.sampling.nFaults += 1;
    }
  }

  /**
   * Writes that a request was answered in a turn in which none of its own code ran: by a callback that belongs to nobody, such as a
   * listener of a socket that requests share. What that turn began with is what was waited for since its own code ran last.
   *
   * @param {FollowedRequest} request @param {number} t
   */
  writeAnswer(request, t) {
    const { turnStart } = this;
    if (turnStart <= request.sliceEnd) return;
    request.nSlices += 1;
    const queuedMs = this.iterations.queuedMs(turnStart);
    this.records.push(SLICE + 16 * this.via, request, turnStart, t, t - turnStart, request.sliceEnd, queuedMs, UNKNOWN);
  }

  /** Ends a request that is still under way, with what it waits for. @param {FollowedRequest} request @param {number} place @param {number} t */
  cut(request, place, t) {
    this.records.writeSlice(request);
    const awaited = this.awaitedBy(request);
    if (awaited !== undefined) {
      request.sliceStart = request.sliceEnd = t;
      request.ranMs = request.queuedMs = 0;
      request.since = awaited.made.madeAt;
      request.isAgain = awaited.made.wasCalled;
      request.site = this.siteOf(awaited.made);
      request.source = awaited.source;
      request.waker = 0;
      this.records.writeSlice(request);
    }
    this.records.push(END, request, t, t, request.nSlices, 0, CUT, 0);
    this.forget(request, place);
  }

  /**
   * Returns what a request most likely waits for: of what the last turn that made something made, and nobody called yet,
   * the first promise, which is that of the innermost `await`; it is named after the first thing there that is no promise.
   *
   * @param {FollowedRequest} request
   */
  awaitedBy(request) {
    /** @type {{ made: Made, source: number } | undefined} */
    let awaited;
    let [turn, source] = [-1, -1];
    for (let i = request.made.length - 1; i >= 0; i--) {
      const id = request.made[i];
      const made = this.made.get(id);
      if (made === undefined || made.wasCalled) continue;
      if (turn >= 0 && made.turn !== turn) break;
      const at = id & MASK;
      const type = this.ids[at] === (id | 0) ? this.typeOf[at] : TICK;
      if (type === TICK) continue;
      turn = made.turn;
      if (type !== PROMISE) source = this.sources.ofType[type];
      awaited = { made, source: source < 0 ? this.sources.ofType[type] : source };
    }
    return awaited;
  }

  /** @param {FollowedRequest} request @param {number} place */
  forget(request, place) {
    for (const id of request.made) this.made.delete(id);
    request.made.length = 0;
    this.followed[place] = undefined;
    this.sampling.nFollowed -= 1;
    if (this.running === request) this.running = null;
  }

  /** @param {number} request */
  isLive(request) {
    return this.live[(request >>> 1) % MAX_LIVE] === request;
  }
}

/** Returns the async id of an HTTP/2 stream, −1 where it hides it. @param {any} stream */
function asyncIdOf(stream) {
  const symbol = Object.getOwnPropertySymbols(stream).find(({ description }) => description === 'kHandle');
  return symbol === undefined ? -1 : stream[symbol]?.getAsyncId?.() ?? -1;
}

module.exports = { AsyncRecorder };
