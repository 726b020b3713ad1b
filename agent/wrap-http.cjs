'use strict';
/**
 * Counts HTTP: requests that the target answers and sends, what it writes of its answers, how its agents use connections.
 * Hosts are kept; paths, headers and bodies are not looked at.
 */

const diagnostics = require('diagnostics_channel');
const { loadedBuiltin, now } = require('./patch.cjs');

/** @typedef {InstanceType<typeof import('./tally.cjs').Tally>} Tally */
/** @typedef {InstanceType<typeof import('./patch.cjs').Patches>} Patches */

/** A write shorter than this costs far more around it than for itself: a chunk's frame and a system call are some 10 µs. */
const TINY_BYTES = 64;

/** Held for ever: Node 18 forgets channels that nobody holds, with their subscribers. */
const CHANNELS = {
  serverRequest: diagnostics.channel('http.server.request.start'),
  clientRequest: diagnostics.channel('http.client.request.start'),
  clientResponse: diagnostics.channel('http.client.response.finish'),
  undiciRequest: diagnostics.channel('undici:request:create'),
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

/** Counts requests that arrive: what everything else is divided by. @param {Tally} tally @param {Patches} patches */
function countRequests(tally, patches) {
  const requests = tally.counter('request');
  listen(patches, 'serverRequest', () => tally.add(requests));
}

/** @param {Tally} tally @param {Patches} patches */
function wrapHttp(tally, patches) {
  countRequests(tally, patches);
  const http = loadedBuiltin('http');
  if (http) {
    wrapAnswers(http, tally, patches);
    wrapAgents(http, tally, patches);
  }
  listen(patches, 'clientRequest', ({ request }) => tally.call(tally.counter('http.request', hostOf(request))));
  /** @type {WeakSet<object>} */
  const used = new WeakSet();
  listen(patches, 'clientResponse', ({ request, response }) => {
    const host = hostOf(request);
    // Not all reuse is told by `reusedSocket`: a request that waited for this socket is not.
    const reused = request.reusedSocket || used.has(request.socket);
    used.add(request.socket);
    if (reused) tally.add(tally.counter('http.reused', host));
    const { statusCode } = response;
    if (statusCode === 429 || statusCode >= 500) tally.add(tally.counter('http.error', host));
    if (!request.shouldKeepAlive) tally.add(tally.counter('http.closed_by_us', host));
    else if (/^close$/i.test(response.headers.connection ?? '')) tally.add(tally.counter('http.closed_by_server', host));
  });
  listen(patches, 'undiciRequest', ({ request }) => {
    tally.call(tally.counter('http.request', new URL(request.origin).host));
  });
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

/** @param {typeof import('http')} http @param {Tally} tally @param {Patches} patches */
function wrapAgents(http, tally, patches) {
  /** @type {WeakMap<object, number>} when requests began to wait for a socket */
  const waiting = new WeakMap();
  let nWaiting = 0;
  const { Agent, ClientRequest } = http;
  patches.observe(Agent.prototype, 'addRequest', (_, [request, options], self) => {
    const { keepAlive, maxSockets, maxFreeSockets } = self;
    const host = options?.host ?? options?.socketPath ?? 'localhost';
    const port = options?.port ? `:${options.port}` : '';
    tally.call(tally.counter('http.agent', `${host}${port} ${keepAlive} ${maxSockets} ${maxFreeSockets}`));
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
