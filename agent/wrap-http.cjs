'use strict';
/**
 * Counts HTTP: requests that the target answers and sends, what it writes of its answers, how its agents use connections.
 * Hosts are kept, and what is asked for again and again (`lookups.cjs`); headers and bodies are not.
 */

const diagnostics = require('diagnostics_channel');
const { loadedBuiltin, now } = require('./patch.cjs');
const { N_FRAMES } = require('./lookups.cjs');

/** @typedef {InstanceType<typeof import('./tally.cjs').Tally>} Tally */
/** @typedef {InstanceType<typeof import('./patch.cjs').Patches>} Patches */
/** @typedef {InstanceType<typeof import('./lookups.cjs').Lookups>} Lookups */
/** @typedef {NonNullable<ReturnType<Lookups['http']>>} Lookup */

/** A write shorter than this costs far more around it than for itself: a chunk's frame and a system call are some 10 µs. */
const TINY_BYTES = 64;
/** Calls of `fetch` for different things that wait to be sent. */
const MAX_WAITING = 1024;

/** Held for ever: Node 18 forgets channels that nobody holds, with their subscribers. */
const CHANNELS = {
  serverRequest: diagnostics.channel('http.server.request.start'),
  clientRequest: diagnostics.channel('http.client.request.start'),
  clientResponse: diagnostics.channel('http.client.response.finish'),
  undiciRequest: diagnostics.channel('undici:request:create'),
  undiciAnswer: diagnostics.channel('undici:request:headers'),
};

/** @param {Patches} patches @param {keyof typeof CHANNELS} name @param {(message: any) => void} observe */
function listen(patches, name, observe) {
  const channel = CHANNELS[name];
  const listener = (/** @type {any} */ message) => {
    try {
      observe(message);
    } catch {
      // A request that cannot be counted is still the target's request.
    }
  };
  channel.subscribe(listener);
  patches.undo.push(() => channel.unsubscribe(listener));
}

/** Returns a counter of requests that are sent, whose places go far out. @param {Tally} tally @param {string} kind @param {string} key */
function sending(tally, kind, key) {
  const counter = tally.counter(kind, key);
  counter.nFrames = N_FRAMES;
  return counter;
}

/** Counts requests that arrive: what everything else is divided by. @param {Tally} tally @param {Patches} patches */
function countRequests(tally, patches) {
  const requests = tally.counter('request');
  listen(patches, 'serverRequest', () => tally.add(requests));
}

/** @param {Tally} tally @param {Patches} patches @param {Lookups} lookups */
function wrapHttp(tally, patches, lookups) {
  countRequests(tally, patches);
  const asked = new Asked(lookups);
  listen(patches, 'serverRequest', ({ request }) => lookups.request(String(request.url)));
  const http = loadedBuiltin('http');
  if (http) {
    wrapAnswers(http, tally, patches);
    wrapAgents(http, tally, patches, asked);
  }
  listen(patches, 'clientRequest', ({ request }) => tally.call(tally.counter('http.request', hostOf(request))));
  /** @type {WeakSet<object>} */
  const used = new WeakSet();
  listen(patches, 'clientResponse', ({ request, response }) => {
    const host = hostOf(request);
    const { etag = '', 'content-length': length = '' } = response.headers;
    asked.answer(request, response.statusCode, etag, length);
    // Not all reuse is told by `reusedSocket`: a request that waited for this socket is not.
    const reused = request.reusedSocket || used.has(request.socket);
    used.add(request.socket);
    if (reused) tally.add(tally.counter('http.reused', host));
    const { statusCode } = response;
    if (statusCode === 429 || statusCode >= 500) tally.add(tally.counter('http.error', host));
    if (!request.shouldKeepAlive) tally.add(tally.counter('http.closed_by_us', host));
    else if (/^close$/i.test(response.headers.connection ?? '')) tally.add(tally.counter('http.closed_by_server', host));
  });
  const fetches = new Fetches(asked);
  patches.observe(globalThis, 'fetch', (_, [input, init]) => {
    const { url, method = 'GET' } = typeof input === 'object' && 'url' in input ? input : { url: String(input), method: undefined };
    const { host, pathname, search, protocol } = new URL(url);
    if (!/^https?:$/.test(protocol)) return;
    tally.call(sending(tally, 'http.request', host));
    const verb = String(init?.method ?? method).toUpperCase();
    fetches.called(`${verb} ${host}${pathname}${search}`, lookups.http(verb, host, pathname + search));
  }, fetches.group);
  listen(patches, 'undiciRequest', ({ request }) => {
    const { method, origin, path } = request;
    const { host } = new URL(origin);
    if (fetches.sent(request, `${method} ${host}${path}`)) return;
    tally.call(sending(tally, 'http.request', host));
    asked.ask(request, method, host, path);
  });
  listen(patches, 'undiciAnswer', ({ request, response }) => {
    asked.answer(request, response.statusCode, headerOf(response.headers, 'etag'), headerOf(response.headers, 'content-length'));
  });
}

/**
 * Joins calls of `fetch`, whose place is known, with what they send: before they return, with so much of undici on the stack that
 * their caller is out of sight, or later, when it is gone.
 */
class Fetches {
  /** @param {Asked} asked */
  constructor(asked) {
    this.asked = asked;
    /** Calls under way. */
    this.group = { depth: 0 };
    /** What calls under way have sent. @type {Map<string, object>} */
    this.sentAtOnce = new Map();
    /** Called and not sent yet. @type {Map<string, { n: number, lookup: Lookup | undefined }>} */
    this.waiting = new Map();
  }

  /** A call has returned. @param {string} target @param {Lookup | undefined} lookup */
  called(target, lookup) {
    const request = this.sentAtOnce.get(target);
    this.sentAtOnce.clear();
    if (request) return this.asked.add(request, lookup);
    const known = this.waiting.get(target);
    if (known) known.n += 1;
    else if (this.waiting.size < MAX_WAITING) this.waiting.set(target, { n: 1, lookup });
    // Some were never sent: those that failed before.
    else this.waiting.clear();
  }

  /** Whether `fetch` sends this. @param {object} request @param {string} target */
  sent(request, target) {
    if (this.group.depth > 0) return this.sentAtOnce.set(target, request);
    const known = this.waiting.get(target);
    if (!known) return false;
    known.n -= 1;
    if (known.n === 0) this.waiting.delete(target);
    this.asked.add(request, known.lookup);
    return true;
  }
}

/** Joins what is asked for with its answer. */
class Asked {
  /** @param {Lookups} lookups */
  constructor(lookups) {
    this.lookups = lookups;
    /** @type {WeakMap<object, { lookup: Lookup, at: number }>} */
    this.open = new WeakMap();
  }

  /** @param {object} request @param {string} method @param {string} host @param {string} path */
  ask(request, method, host, path) {
    this.add(request, this.lookups.http(method, host, path));
  }

  /** @param {object} request @param {Lookup | undefined} lookup */
  add(request, lookup) {
    if (lookup) this.open.set(request, { lookup, at: now() });
  }

  /** @param {object} request @param {number} status @param {string} tag @param {string} length */
  answer(request, status, tag, length) {
    const asked = this.open.get(request);
    if (!asked) return;
    this.open.delete(request);
    this.lookups.answered(asked.lookup, status, tag, length, now() - asked.at);
  }
}

/** Returns a header of undici's list of names and values in turn. @param {any[]} headers @param {string} name */
function headerOf(headers, name) {
  for (let at = 0; at + 1 < headers.length; at += 2) {
    if (String(headers[at]).toLowerCase() === name) return String(headers[at + 1]);
  }
  return '';
}

/** @param {typeof import('http')} http @param {Tally} tally @param {Patches} patches */
function wrapAnswers(http, tally, patches) {
  const write = tally.counter('response.write');
  const tiny = tally.counter('response.write.tiny');
  const streamed = tally.counter('response.streamed');
  const end = tally.counter('response.end');
  /** @type {WeakSet<object>} */
  const seen = new WeakSet();
  const { OutgoingMessage, ServerResponse } = http;
  patches.observe(OutgoingMessage.prototype, 'write', (_, [chunk], self, ms) => {
    if (!(self instanceof ServerResponse)) return;
    const bytes = chunk?.length ?? 0;
    tally.call(write, bytes, ms);
    if (bytes < TINY_BYTES) tally.call(tiny, bytes, ms);
    if (seen.has(self)) return;
    seen.add(self);
    tally.add(streamed);
  });
  patches.observe(OutgoingMessage.prototype, 'end', (_, [chunk], self, ms) => {
    if (self instanceof ServerResponse) tally.call(end, typeof chunk === 'function' ? 0 : (chunk?.length ?? 0), ms);
  });
}

/** @param {typeof import('http')} http @param {Tally} tally @param {Patches} patches @param {Asked} asked */
function wrapAgents(http, tally, patches, asked) {
  /** @type {WeakMap<object, number>} when requests began to wait for a socket */
  const waiting = new WeakMap();
  let nWaiting = 0;
  const { Agent, ClientRequest } = http;
  patches.observe(Agent.prototype, 'addRequest', (_, [request, options], self) => {
    const { keepAlive, maxSockets, maxFreeSockets } = self;
    const host = options?.host ?? options?.socketPath ?? 'localhost';
    const port = options?.port ? `:${options.port}` : '';
    tally.call(sending(tally, 'http.agent', `${host}${port} ${keepAlive} ${maxSockets} ${maxFreeSockets}`));
    asked.ask(request, request.method, hostOf(request), request.path);
    for (const queue of Object.values(self.requests)) {
      if (queue[queue.length - 1] !== request) continue;
      waiting.set(request, now());
      nWaiting += 1;
    }
  });
  patches.observe(ClientRequest.prototype, 'onSocket', (_, __, self) => {
    const since = nWaiting > 0 ? waiting.get(self) : undefined;
    if (since === undefined) return;
    nWaiting -= 1;
    waiting.delete(self);
    tally.add(tally.counter('http.queued', hostOf(self)), 0, now() - since);
  });
  patches.observe(Agent.prototype, 'removeSocket', (_, [socket, options], self) => {
    const free = self.freeSockets[self.getName(options)]?.length ?? 0;
    const closedByPeer = socket.readableEnded || socket.errored;
    if (self.keepAlive && free >= self.maxFreeSockets && !closedByPeer) {
      tally.add(tally.counter('http.no_free_slot', options.host ?? 'localhost'));
    }
  });
}

/** @param {import('http').ClientRequest} request */
function hostOf(request) {
  return String(request.getHeader('host') ?? request.host ?? 'localhost');
}

module.exports = { wrapHttp, countRequests };
