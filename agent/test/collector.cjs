'use strict';
/** A collector for the tests: listens on a Unix socket, runs targets with the agent, and waits for what they send. */

const { spawn } = require('child_process');
const { once, EventEmitter } = require('events');
const { mkdtempSync, rmSync, writeFileSync, readFileSync, existsSync } = require('fs');
const net = require('net');
const { tmpdir } = require('os');
const path = require('path');

const AGENT = path.join(__dirname, '..', 'slowpath-agent.cjs');
const NODE = process.env.SLOWPATH_TEST_NODE ?? process.execPath;
const KINDS = ['', 'hello', 'records', 'cpuPiece', 'note', 'thread', 'reply', 'source', 'async', '', 'counts', 'calls', 'heap', '', 'deopts'];
const RECORDS = ['', 'tick', 'gc', 'heap', 'external', 'dropped'];

/**
 * @typedef {{ kind: string, thread: number, tMs: number, a: number, b: number }} TargetRecord
 * @typedef {{ kind: string, thread: number, json: any, records: TargetRecord[], bytes: Buffer }} Frame
 * @typedef {{ code: number | null, signal: string | null, stdout: string, stderr: string }} Ended
 */

/** One Node process of the target, as its connection shows it. */
class Connection extends EventEmitter {
  /** @param {net.Socket} socket */
  constructor(socket) {
    super();
    this.setMaxListeners(0);
    this.socket = socket;
    /** @type {Frame[]} */
    this.frames = [];
    this.closed = false;
    this.lastId = 0;
    let bytes = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.emit('frame');
    });
    socket.on('data', (more) => {
      bytes = Buffer.concat([bytes, more]);
      while (bytes.length >= 8 && bytes.length >= 8 + bytes.readUInt32LE(0)) {
        const end = 8 + bytes.readUInt32LE(0);
        this.take(KINDS[bytes[4]], bytes.readUInt16LE(6), bytes.subarray(8, end));
        bytes = bytes.subarray(end);
      }
    });
  }

  /** @param {string} kind @param {number} thread @param {Buffer} payload */
  take(kind, thread, payload) {
    /** @type {TargetRecord[]} */
    const records = [];
    if (kind === 'records') {
      for (let at = 0; at < payload.length; at += 32) {
        const [k, tMs, a, b] = [0, 8, 16, 24].map((offset) => payload.readDoubleLE(at + offset));
        records.push({ kind: RECORDS[k], thread, tMs, a, b });
      }
    }
    const json = kind === 'records' || kind === 'async' ? undefined : JSON.parse(payload.toString());
    this.frames.push({ kind, thread, json, records, bytes: payload });
    this.emit('frame');
  }

  get hello() {
    return this.frames[0].json;
  }

  /** @param {string} kind @param {number} [thread] */
  records(kind, thread = 0) {
    return this.frames.flatMap((frame) => frame.records.filter((r) => r.kind === kind && r.thread === thread));
  }

  /** The cpu pieces of one thread so far. @param {number} [thread] */
  pieces(thread = 0) {
    return this.frames.filter((frame) => frame.kind === 'cpuPiece' && frame.thread === thread).map((f) => f.json);
  }

  /** @param {string} kind */
  all(kind) {
    return this.frames.filter((frame) => frame.kind === kind).map((frame) => frame.json);
  }

  /**
   * Waits until `ready` gives something truthy, looking again at every frame; fails when the connection ends first.
   *
   * @template T
   * @param {(connection: Connection) => T} ready
   */
  async until(ready) {
    for (;;) {
      const found = ready(this);
      if (found) return found;
      if (this.closed) throw new Error(`the connection ended before ${ready}`);
      await once(this, 'frame');
    }
  }

  /** @param {object} payload */
  write(payload) {
    const body = Buffer.from(JSON.stringify(payload));
    const head = Buffer.alloc(8);
    head.writeUInt32LE(body.length, 0);
    head[4] = 16;
    this.socket.write(Buffer.concat([head, body]));
  }

  /** Sends a command and returns its reply. @param {string} command @param {string} recorder @param {object} [more] */
  async command(command, recorder, more = {}) {
    const id = ++this.lastId;
    this.write({ id, command, recorder, ...more });
    return this.until(() => this.all('reply').find((reply) => reply.id === id));
  }
}

/** Listens, starts targets, and cleans up after the test. */
class Collector extends EventEmitter {
  /** @param {import('node:test').TestContext} t */
  static async listen(t) {
    const collector = new Collector();
    await new Promise((resolve) => collector.server.listen(collector.socketPath, () => resolve(undefined)));
    t.after(() => collector.close());
    return collector;
  }

  constructor() {
    super();
    this.setMaxListeners(0);
    this.dir = mkdtempSync(path.join(tmpdir(), 'slowpath-agent-'));
    this.socketPath = path.join(this.dir, 'socket');
    /** @type {Connection[]} */
    this.connections = [];
    /** @type {import('child_process').ChildProcess[]} */
    this.children = [];
    this.server = net.createServer((socket) => {
      const connection = new Connection(socket);
      this.connections.push(connection);
      connection.on('frame', () => this.emit('frame'));
    });
  }

  /** Writes a program into the collector's directory. @param {string} name @param {string} source */
  file(name, source) {
    const file = path.join(this.dir, name);
    writeFileSync(file, source);
    return file;
  }

  /** Starts Node with the agent. @param {string[]} args @param {NodeJS.ProcessEnv} [env] */
  start(args, env = {}) {
    return this.run(args, { SLOWPATH_SOCKET: this.socketPath, NODE_OPTIONS: `--require ${AGENT}`, ...env });
  }

  /** Starts Node without the agent. @param {string[]} args */
  startBare(args) {
    return this.run(args, { NODE_OPTIONS: '' });
  }

  /** @param {string[]} args @param {NodeJS.ProcessEnv} env */
  run(args, env) {
    /** @type {NodeJS.ProcessEnv} */
    const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
    const child = spawn(NODE, args, { env: { ...inherited, ...env }, stdio: ['pipe', 'pipe', 'pipe'], cwd: this.dir });
    this.children.push(child);
    /** @type {Ended} */
    const ended = { code: null, signal: null, stdout: '', stderr: '' };
    child.stdout.on('data', (bytes) => (ended.stdout += bytes));
    child.stderr.on('data', (bytes) => (ended.stderr += bytes));
    const end = once(child, 'close').then(([code, signal]) => ({ ...ended, code, signal }));
    return { child, end, said: ended };
  }

  /** Returns the connection whose hello satisfies `is`, once there is one. @param {(hello: any) => boolean} [is] */
  async connection(is = () => true) {
    for (;;) {
      const found = this.connections.find((c) => c.frames.length > 0 && is(c.hello));
      if (found) return found;
      await once(this, 'frame');
    }
  }

  /** Returns the exit note of process `pid`, or `undefined`. @param {number | undefined} pid */
  exitNote(pid) {
    const file = path.join(this.dir, `exit-${pid}.json`);
    return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
  }

  /** Disappears as a killed collector would. */
  die() {
    this.connections.forEach(({ socket }) => socket.destroy());
    this.server.close();
  }

  async close() {
    this.die();
    for (const child of this.children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Names of the functions in a cpu piece; each has samples, or called one that has. @param {any} piece */
function functionsIn(piece) {
  return piece.nodes.map((/** @type {any} */ node) => node.callFrame.functionName);
}

module.exports = { Collector, AGENT, NODE, functionsIn };
