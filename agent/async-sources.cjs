'use strict';
/**
 * What the event loop can call back for: numbers the kinds of asynchronous resource, and for sockets who is at the other
 * end. A number stands for a text such as `{"source": 7, "type": "TCPWRAP", "remote": "db.internal:5432"}`.
 */

const { executionAsyncResource } = require('async_hooks');
const { Looks, remoteOf } = require('./async-looks.cjs');

/** @typedef {InstanceType<typeof import('./async-ring.cjs').AsyncRing>} AsyncRing */

/** Numbers of the types that the recorder itself tells apart; all others are numbered as they come. */
const PROMISE = 0;
/** Runs at the end of whatever turn it was made in. */
const TICK = 1;
const IMMEDIATE = 2;
const TIMEOUT = 3;
/** A request that waited for a free socket of an `http.Agent`. */
const QUEUED_REQUEST = 4;
const OTHER = 5;
const FIXED = ['PROMISE', 'TickObject', 'Immediate', 'Timeout', 'QueuedRequest', 'other'];
const SAME_AS = new Map([['Microtask', TICK]]);

const MAX_SOURCES = 4096;
const MAX_TYPES = 250;

/** Types that belong to many requests, or to nobody: what they call back for is no request's doing. */
const HANDLES = new Set([
  'TCPWRAP', 'PIPEWRAP', 'TLSWRAP', 'UDPWRAP', 'TTYWRAP', 'PROCESSWRAP', 'SIGNALWRAP', 'FSEVENTWRAP', 'STATWATCHER',
  'MESSAGEPORT', 'WORKER', 'TCPSERVERWRAP', 'PIPESERVERWRAP', 'HTTPINCOMINGMESSAGE', 'HTTPCLIENTREQUEST', 'HTTP2SESSION',
  'HTTP2STREAM', 'ZLIB', 'Timeout', 'STREAM', 'JSSTREAM', 'JSSTREAMWRAP', 'HTTP2SESSIONWRAP', 'WRITEWRAP', 'SHUTDOWNWRAP',
]);
/** Types that are one task of libuv's thread pool each. */
const POOL_TASKS = new Set([
  'FSREQCALLBACK', 'FSREQPROMISE', 'GETADDRINFOREQWRAP', 'GETNAMEINFOREQWRAP', 'PBKDF2REQUEST', 'SCRYPTREQUEST',
  'RANDOMBYTESREQUEST', 'RANDOMPRIMEREQUEST', 'KEYPAIRGENREQUEST', 'KEYGENREQUEST', 'SIGNREQUEST', 'HASHREQUEST',
  'CIPHERREQUEST', 'DERIVEBITSREQUEST', 'CHECKPRIMEREQUEST', 'KEYEXPORTREQUEST',
]);
/** Types of which a turn tells nothing about why a request is answered in it: its own connection, or what goes on anywhere. */
const TELL_NOTHING = new Set([
  'PROMISE', 'TickObject', 'Immediate', 'other', 'HTTPINCOMINGMESSAGE', 'TCPSERVERWRAP', 'PIPESERVERWRAP', 'WRITEWRAP', 'SHUTDOWNWRAP',
  'HTTP2SESSION', 'HTTP2STREAM', 'HTTP2SESSIONWRAP',
]);
const SOCKETS = new Set(['TCPWRAP', 'PIPEWRAP', 'TLSWRAP']);
/** Names of classes, for resources that were made before the recorder was on. */
const TYPE_OF_CLASS = new Map([
  ['TCP', 'TCPWRAP'], ['Pipe', 'PIPEWRAP'], ['TLSWrap', 'TLSWRAP'], ['Timeout', 'Timeout'], ['Immediate', 'Immediate'],
  ['Process', 'PROCESSWRAP'], ['MessagePort', 'MESSAGEPORT'], ['FSReqCallback', 'FSREQCALLBACK'], ['UDP', 'UDPWRAP'],
  ['FSReqPromise', 'FSREQPROMISE'], ['HTTPServerAsyncResource', 'HTTPINCOMINGMESSAGE'],
  ['HTTPClientAsyncResource', 'HTTPCLIENTREQUEST'], ['GetAddrInfoReqWrap', 'GETADDRINFOREQWRAP'], ['Worker', 'WORKER'],
  ['TCPConnectWrap', 'TCPCONNECTWRAP'], ['HTTPParser', 'HTTPINCOMINGMESSAGE'], ['Zlib', 'ZLIB'], ['Http2Session', 'HTTP2SESSION'],
]);

class Sources {
  /** @param {AsyncRing} ring takes the definitions */
  constructor(ring) {
    this.ring = ring;
    /** @type {Map<string, number>} */
    this.types = new Map(SAME_AS);
    this.isHandle = new Uint8Array(MAX_TYPES + 1);
    this.isPoolTask = new Uint8Array(MAX_TYPES + 1);
    this.isSocket = new Uint8Array(MAX_TYPES + 1);
    /** Source of each type, by its number. */
    this.ofType = new Uint16Array(MAX_TYPES + 1);
    /** Whether a source tells why a request is answered in a turn that began with it. */
    this.tells = new Uint8Array(MAX_SOURCES);
    this.nTypes = 0;
    this.nSources = 0;
    /** @type {Map<string, number>} */
    this.sources = new Map();
    /** @type {Map<number, number>} source of a socket, by its async id */
    this.peers = new Map();
    /** @type {symbol | undefined} under which Node keeps a handle's stream */
    this.owner = undefined;
    this.stringify = JSON.stringify;
    this.looks = new Looks((remote, protocol) => ring.pushText(this.stringify({ remote, protocol })));
    for (const type of FIXED) this.addType(type);
  }

  /** @param {string} type */
  addType(type) {
    const known = this.types.get(type);
    if (known !== undefined) return known;
    if (this.nTypes >= MAX_TYPES) return OTHER;
    const number = this.nTypes++;
    this.types.set(type, number);
    this.isHandle[number] = Number(HANDLES.has(type));
    this.isPoolTask[number] = Number(POOL_TASKS.has(type));
    this.isSocket[number] = Number(SOCKETS.has(type));
    this.ofType[number] = this.sourceOf({ type });
    return number;
  }

  /** Returns the type of the resource that is being called back, which nobody saw being made. */
  typeOfCurrent() {
    const resource = /** @type {any} */ (executionAsyncResource());
    if (resource instanceof Promise) return PROMISE;
    const name = resource?.constructor?.name;
    if (name === 'Object' || resource == null) return TICK;
    const type = TYPE_OF_CLASS.get(name) ?? resource.type;
    return typeof type === 'string' ? this.addType(type) : OTHER;
  }

  /** Returns the source that a socket's data come from; the socket is what is being called back. @param {number} asyncId @param {number} type */
  peerOf(asyncId, type) {
    const known = this.peers.get(asyncId);
    if (known !== undefined) return known;
    let source = this.ofType[type];
    let isFinal = true;
    try {
      const resource = /** @type {any} */ (executionAsyncResource());
      const handle = handleOf(resource);
      const socket = this.socketOf(resource);
      const nameOfType = [...this.types].find(([, number]) => number === type)?.[0] ?? 'other';
      if (socket?.server || socket?._server) source = this.sourceOf({ type: nameOfType, inbound: true });
      else {
        /** @type {{ address?: string, port?: number }} */
        const peer = {};
        handle.getpeername?.(peer);
        const remote = remoteOf(socket, peer.address, peer.port);
        // Until the handshake is over, what comes is a part of it.
        if (socket?.secureConnecting) isFinal = false;
        const name = socket?.secureConnecting ? 'TLSHANDSHAKE' : nameOfType;
        if (remote === undefined) isFinal = !socket?.connecting;
        else {
          source = this.sourceOf({ type: name, remote });
          if (isFinal) this.looks.look(socket, remote);
        }
      }
    } catch {
      // A handle of an unknown make: its type says enough.
    }
    if (this.peers.size >= MAX_SOURCES) this.peers.clear();
    if (isFinal) this.peers.set(asyncId, source);
    return source;
  }

  /** Returns the stream that a handle belongs to. @param {any} resource what is being called back */
  socketOf(resource) {
    const handle = handleOf(resource);
    this.owner ??= Object.getOwnPropertySymbols(handle).find((symbol) => symbol.description === 'owner_symbol');
    return this.owner && handle[this.owner];
  }

  /** @param {{ type: string, inbound?: boolean, remote?: string }} what */
  sourceOf(what) {
    const key = `${what.type} ${what.inbound ?? false} ${what.remote ?? ''}`;
    const known = this.sources.get(key);
    if (known !== undefined) return known;
    if (this.nSources >= MAX_SOURCES) return 0;
    if (!this.ring.pushText(this.stringify({ source: this.nSources, ...what }))) return 0;
    this.sources.set(key, this.nSources);
    this.tells[this.nSources] = Number(!what.inbound && !TELL_NOTHING.has(what.type));
    return this.nSources++;
  }
}

/** A kept connection that is used again has a resource around it. @param {any} resource */
function handleOf(resource) {
  return resource.handle ?? resource;
}

module.exports = { Sources, PROMISE, TICK, IMMEDIATE, TIMEOUT, QUEUED_REQUEST };
