'use strict';
const { describe, it } = require('node:test');
const assert = require('node:assert');
const { mkdirSync, rmSync, writeFileSync, symlinkSync } = require('fs');
const path = require('path');
const { Collector } = require('./collector.cjs');

const RECORDERS = ['loop', 'gc', 'heap_usage', 'cpu', 'counters'];
const WAIT_FOR_STDIN = `process.stdin.on('data', () => process.exit()).on('end', () => process.exit());`;

/**
 * Runs `args` with and without the agent, and checks that nobody can tell the difference.
 *
 * @param {import('node:test').TestContext} t
 * @param {(collector: InstanceType<typeof Collector>) => string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
async function checkSame(t, args, env) {
  const collector = await Collector.listen(t);
  const argv = args(collector);
  const bare = await collector.startBare(argv).end;
  const { child, end } = collector.start(argv, env);
  assert.deepStrictEqual(await end, bare);
  return { collector, pid: child.pid, bare };
}

/** Programs whose output, exit code and end must not change. @type {Record<string, string>} */
const PROGRAMS = {
  'that has nothing to do': ``,
  'that prints and fails': `console.log('out'); console.error('err'); process.exitCode = 3;`,
  'that throws': `null.x;`,
  'that rejects': `Promise.reject(new Error('no'));`,
  'that prints much and exits at once': `process.stdout.write('x'.repeat(60000) + '\\n'); process.exit(2);`,
  'that looks for traces of a preload': `
    console.log(Object.keys(require.cache), module.children, process.execArgv, process.argv.length);
    console.log(process.getMaxListeners(), process.eventNames().filter((name) => name !== 'exit'));
    console.log(process._getActiveHandles().length, process._getActiveRequests().length);
    console.log(process.getActiveResourcesInfo());
    console.log(Object.keys(globalThis));`,
  'with as many exit listeners as Node allows': `
    for (let i = 0; i < 10; i++) process.on('exit', () => {});
    console.log('quiet');`,
  'with exit listeners of its own': `
    process.on('exit', (code) => { console.log('exit', code); process.exitCode = 9; });
    process.once('exit', () => console.log('once'));`,
  'that removes all exit listeners': `process.removeAllListeners('exit'); console.log(process.listenerCount('exit'));`,
  'with worker threads': `
    const { Worker } = require('worker_threads');
    const code = 'console.log(Object.keys(require.cache), process.argv.length)';
    const worker = new Worker(code, { eval: true });
    worker.on('exit', (code) => console.log('worker', code));`,
  'with worker threads that fail': `
    const { Worker } = require('worker_threads');
    const worker = new Worker('process.exitCode = 4; process.on("exit", (c) => console.log(c)); null.x', { eval: true });
    worker.on('error', (error) => console.log(error.message)).on('exit', (code) => process.exit(code));`,
};

describe('harmless', { concurrency: 4, timeout: 60_000 }, () => {
  for (const [which, source] of Object.entries(PROGRAMS)) {
    it(`does not change a program ${which}`, async (t) => {
      const { collector, pid, bare } = await checkSame(t, (c) => [c.file('t.js', source)]);
      if (which !== 'that removes all exit listeners' && which !== 'with exit listeners of its own') {
        assert.strictEqual(collector.exitNote(pid)?.code, bare.code);
      }
    });
  }

  it('does not change an ESM program, nor one with loader hooks', async (t) => {
    await checkSame(t, (c) => [c.file('t.mjs', `console.log(import.meta.url.length, process.argv.length); await 0; process.exit(5);`)]);
    await checkSame(t, (c) => {
      c.file('hooks.mjs', `import fs from 'fs';
        export async function load(url, context, next) { fs.writeSync(1, url + '\\n'); return next(url, context); }`);
      const register = c.file('register.mjs', `import { register } from 'module'; register?.('./hooks.mjs', import.meta.url);`);
      return ['--no-warnings', '--import', register, c.file('t.mjs', `console.log('main');`)];
    });
  });

  it('does not change code given with -e or on standard input', async (t) => {
    await checkSame(t, () => ['-e', 'console.log(process.argv.length)', 'x']);
    const { collector } = await checkSame(t, () => ['-p', '1 + 1']);
    const { child, end } = collector.start(['-']);
    child.stdin?.end(`console.log('from stdin')`);
    assert.deepStrictEqual(await end, { code: 0, signal: null, stdout: 'from stdin\n', stderr: '' });
    for (const { hello } of collector.connections.filter((c) => c.frames.length > 0)) assert.strictEqual(hello.main, null);
  });

  it('is quiet under flags that forbid what it needs', async (t) => {
    const flags = ['--frozen-intrinsics', '--disallow-code-generation-from-strings', '--disable-proto=delete', '--jitless'];
    for (const flag of flags) {
      await checkSame(t, (c) => ['--no-warnings', flag, c.file('t.js', `console.log('hi'); process.exitCode = 6`)]);
    }
    const major = Number(process.versions.node.split('.')[0]);
    if (major < 20) return;
    const permission = major < 23 ? '--experimental-permission' : '--permission';
    await checkSame(t, (c) => {
      const file = c.file('t.js', `console.log('hi')`);
      return ['--no-warnings', permission, '--allow-fs-read=*', file];
    });
  });

  it('does nothing where nobody listens', async (t) => {
    const file = (/** @type {InstanceType<typeof Collector>} */ c) => [c.file('t.js', `setTimeout(() => console.log('done'), 200)`)];
    await checkSame(t, file, { SLOWPATH_SOCKET: '/nonexistent/socket' });
    const notSocket = (await Collector.listen(t)).file('socket-of-nobody', '');
    await checkSame(t, file, { SLOWPATH_SOCKET: notSocket });
    await checkSame(t, file, { SLOWPATH_SOCKET: '' });
  });

  it('stays idle in package managers, and covers what they start', async (t) => {
    const collector = await Collector.listen(t);
    const bin = path.join(collector.dir, 'npm', 'bin');
    mkdirSync(bin, { recursive: true });
    const server = collector.file('server.js', WAIT_FOR_STDIN);
    const source = `require('child_process').spawn(process.execPath, [${JSON.stringify(server)}], { stdio: 'inherit' });`;
    writeFileSync(path.join(bin, 'npm-cli.js'), source);
    symlinkSync(path.join(bin, 'npm-cli.js'), path.join(collector.dir, 'start'));
    for (const name of ['pnpm.cjs', 'yarn.js', 'yarn-4.1.0.cjs', 'corepack.js', 'npx-cli.js']) {
      writeFileSync(path.join(bin, name), source);
    }
    for (const name of ['start', 'npm/bin/pnpm.cjs', 'npm/bin/yarn.js', 'npm/bin/yarn-4.1.0.cjs', 'npm/bin/corepack.js', 'npm/bin/npx-cli.js']) {
      const { child, end } = collector.start([path.join(collector.dir, name)]);
      const target = await collector.connection((hello) => hello.ppid === child.pid);
      assert.strictEqual(target.hello.argv[1], server);
      child.stdin?.end();
      assert.deepStrictEqual(await end, { code: 0, signal: null, stdout: '', stderr: '' });
      assert.strictEqual(collector.exitNote(child.pid), undefined);
    }
    assert.strictEqual(collector.connections.length, 6);
  });

  for (const code of [0, 4]) {
    it(`lets the target run on when the collector dies, to its exit with ${code}`, async (t) => {
      const collector = await Collector.listen(t);
      const source = `
        process.stdin.on('data', (bytes) => console.log('got ' + bytes)).on('end', () => { process.exitCode = ${code}; });
        console.log('ready');`;
      const { child, end, said } = collector.start([collector.file('t.js', source)]);
      const target = await collector.connection();
      for (const recorder of RECORDERS) await target.command('start', recorder);
      await target.until(() => target.records('tick').length > 0 && target.pieces().length > 0);
      collector.die();
      child.stdin?.write('1');
      while (!said.stdout.includes('got 1')) await new Promise((resolve) => child.stdout?.once('data', resolve));
      rmSync(collector.dir, { recursive: true });
      child.stdin?.end('2');
      assert.deepStrictEqual(await end, { code, signal: null, stdout: 'ready\ngot 1\ngot 2\n', stderr: '' });
    });
  }

  it('does not keep the target alive while every recorder is on', async (t) => {
    const collector = await Collector.listen(t);
    const { child, end } = collector.start([collector.file('t.js', `process.stdin.on('data', () => process.stdin.destroy())`)]);
    const target = await collector.connection();
    for (const recorder of RECORDERS) await target.command('start', recorder);
    child.stdin?.write('x');
    assert.deepStrictEqual(await end, { code: 0, signal: null, stdout: '', stderr: '' });
    assert.strictEqual(collector.exitNote(child.pid).code, 0);
  });

  it('hands over the last piece and records when the target exits', async (t) => {
    const collector = await Collector.listen(t);
    const source = `process.stdin.on('data', function last() {
      const end = Date.now() + 100; while (Date.now() < end);
      throw 'enough';
    });`;
    const { child, end } = collector.start([collector.file('t.js', source)]);
    const target = await collector.connection();
    for (const recorder of RECORDERS) await target.command('start', recorder);
    child.stdin?.write('x');
    const { code } = await end;
    assert.strictEqual(code, 1);
    const piece = await target.until(() => target.pieces()[0]);
    assert(piece.nodes.some((/** @type {any} */ node) => node.callFrame.functionName === 'last'));
  });

  // The relay once ended while the main thread closed its half of the inspector session: about 1 process in 20 aborted.
  for (const dies of [false, true]) {
    it(`leaves targets alone that end in the middle of a command${dies ? ', when the collector dies too' : ''}`, async (t) => {
      for (const nCommands of [1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 4, 20]) {
        const collector = await Collector.listen(t);
        const { child, end } = collector.start([collector.file('t.js', WAIT_FOR_STDIN)]);
        const target = await collector.connection();
        for (let id = 1; id <= nCommands; id++) {
          target.write({ id, command: id % 2 ? 'start' : 'stop', recorder: 'cpu' });
        }
        if (dies) collector.die();
        child.stdin?.end();
        assert.deepStrictEqual(await end, { code: 0, signal: null, stdout: '', stderr: '' });
      }
    });
  }
});
