/**
 * Compares `slowpath perf` with `perf record` on the same process: what they find, what they cost. Needs perf, GNU time and
 * permission to sample.
 *
 *     node bench/native/run.mjs ROUNDS SECONDS [SLOWPATH] [NODE]
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const [rounds, seconds] = [Number(process.argv[2] ?? 3), Number(process.argv[3] ?? 8)];
const slowpath = process.argv[4] ?? join(here, '../../target/release/slowpath');
const node = process.argv[5] ?? process.execPath;
const JIT = ['--perf-basic-prof', '--interpreted-frames-native-stack'];
const dir = mkdtempSync(join(tmpdir(), 'bench-native-'));
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Starts the program on one core; the recorders get the other. */
function start(flags) {
  const child = spawn('taskset', ['-c', '0', node, ...flags, join(here, 'work.js')], { cwd: dir });
  const rates = [];
  child.stdout.on('data', (data) => rates.push(...String(data).trim().split('\n').map(Number)));
  return { child, rates, pid: child.pid };
}

function stop({ child, pid }) {
  child.kill('SIGKILL');
  rmSync(`/tmp/perf-${pid}.map`, { force: true });
}

/** Runs a command on the other core and tells its CPU seconds, its peak memory in MB, and how long it took. */
function timed(command) {
  const from = process.hrtime.bigint();
  const child = spawn('/usr/bin/time', ['-f', '%U %S %M', '-o', join(dir, 'time'), 'taskset', '-c', '1', ...command], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (data) => (said += data));
  return new Promise((done, fail) =>
    child.on('close', (code) => {
      if (code !== 0) return fail(new Error(`${command.join(' ')}: ${said}`));
      const [user, system, kb] = readFileSync(join(dir, 'time'), 'utf8').trim().split('\n').at(-1).split(' ').map(Number);
      done({ cpu: user + system, mb: kb / 1024, wall: Number(process.hrtime.bigint() - from) / 1e9 });
    }),
  );
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
const perfRecord = (pid, hz, out, length) =>
  ['perf', 'record', '-q', '-F', hz, '-g', '-e', 'cpu-clock', '-k', 'CLOCK_MONOTONIC', '-p', pid, '-o', out, '--', 'sleep', length].map(String);
const slowpathPerf = (pid, hz, out, length) =>
  [slowpath, 'perf', '-p', pid, '-F', hz, '--duration', length, '-o', out, '--quiet', '--no-open'].map(String);
const bytes = (path) =>
  statSync(path).isDirectory() ? readdirSync(path).reduce((sum, name) => sum + bytes(join(path, name)), 0) : statSync(path).size;

/** Drops parameters, template arguments and clone suffixes: the two print them differently. */
function plain(name) {
  let text = name.replace(/\.(isra|constprop|part|cold)\b.*$/, '').replace(/\[clone.*$/, '');
  for (let before = ''; before !== text; ) {
    before = text;
    text = text.replace(/<[^<>]*>/g, '').replace(/\((?!anonymous)[^()]*\)( const)?$/, '');
  }
  return text.trim().split(' ').at(-1);
}

function shares(report) {
  const { functions, native } = JSON.parse(readFileSync(report, 'utf8'));
  const all = native ? native.cpu_s : functions.reduce((sum, row) => sum + row.self_s, 0);
  const found = new Map();
  for (const row of functions) found.set(plain(row.name), (found.get(plain(row.name)) ?? 0) + row.self_s / all);
  return found;
}

async function compareFindings() {
  const program = start(JIT);
  await sleep(3000);
  const [length, hz] = [20, 999];
  await Promise.all([
    timed(perfRecord(program.pid, hz, join(dir, 'same.data'), length)),
    sleep(50).then(() => timed(slowpathPerf(program.pid, hz, join(dir, 'same'), length))),
  ]);
  const script = spawnSync('sh', ['-c', `perf script -i ${dir}/same.data > ${dir}/same.txt`]);
  if (script.status !== 0) throw new Error(String(script.stderr));
  const opened = spawnSync(slowpath, ['open', join(dir, 'same.txt'), '--json', '--no-open'], { maxBuffer: 1 << 28 });
  stop(program);
  const all = JSON.parse(opened.stdout);
  const total = all.functions.reduce((sum, row) => sum + row.self_s, 0);
  const theirs = new Map();
  for (const row of all.functions) theirs.set(plain(row.name), (theirs.get(plain(row.name)) ?? 0) + row.self_s / total);
  const ours = shares(join(dir, 'same/report.json'));
  const top = [...theirs].sort((a, b) => b[1] - a[1]).slice(0, 12);
  console.log(`\nsame ${length} s at ${hz} Hz: perf record and slowpath perf at once, self time`);
  for (const [name, share] of top) {
    const own = ours.get(name) ?? 0;
    console.log(`${name.padEnd(60).slice(0, 60)} ${(share * 100).toFixed(1)} % ${(own * 100).toFixed(1)} % ${((own - share) * 100).toFixed(1)} points`);
  }
}

async function compareCosts() {
  const arms = { bare: null, 'perf record': perfRecord, 'slowpath perf': slowpathPerf };
  const rows = Object.fromEntries(Object.keys(arms).map((name) => [name, { rate: [], cpu: [], mb: [], wall: [], after: [], bytes: [] }]));
  const program = start(JIT);
  await sleep(3000);
  for (let round = 0; round < rounds; round++) {
    for (const [name, command] of Object.entries(arms)) {
      const row = rows[name];
      const out = join(dir, `${name.replace(' ', '-')}-${round}`);
      program.rates.length = 0;
      const recording = command && timed(command(program.pid, 99, out, seconds));
      await sleep(seconds * 1000);
      row.rate.push(median(program.rates));
      if (!recording) continue;
      const { cpu, mb, wall } = await recording;
      row.cpu.push(cpu);
      row.mb.push(mb);
      row.after.push(wall - seconds);
      row.bytes.push(bytes(out));
      if (name === 'perf record') {
        const script = await timed(['sh', '-c', `perf script -i ${out} > ${out}.txt`]);
        row.script = [...(row.script ?? []), script.cpu];
        row.scriptMb = Math.max(row.scriptMb ?? 0, script.mb);
      }
    }
  }
  stop(program);
  console.log(`\n${rounds} rounds of ${seconds} s at 99 Hz, medians`);
  for (const [name, row] of Object.entries(rows)) {
    const against = row.rate.map((rate, i) => rate / rows.bare.rate[i]);
    const more = row.cpu.length ? `CPU ${median(row.cpu).toFixed(2)} s (${row.cpu.map((x) => x.toFixed(2))}), ${median(row.mb).toFixed(0)} MB, ${median(row.after).toFixed(2)} s after, ${median(row.bytes)} bytes` : '';
    const script = row.script ? `; perf script: CPU ${median(row.script).toFixed(2)} s (${row.script.map((x) => x.toFixed(2))}), ${row.scriptMb.toFixed(0)} MB` : '';
    console.log(`${name}: ${median(row.rate).toFixed(1)} rounds/s, × ${median(against).toFixed(3)} (${against.map((x) => x.toFixed(3))}) ${more}${script}`);
  }
}

async function compareFlags() {
  const arms = { without: [], 'with the map': ['--perf-basic-prof'], 'with both': JIT };
  const rates = Object.fromEntries(Object.keys(arms).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, flags] of Object.entries(arms)) {
      const program = start(flags);
      await sleep(3000);
      program.rates.length = 0;
      await sleep(seconds * 1000);
      rates[name].push(median(program.rates));
      stop(program);
    }
  }
  console.log('\nwhat V8’s options cost');
  for (const [name, found] of Object.entries(rates)) {
    const against = found.map((rate, i) => rate / rates.without[i]);
    console.log(`${name}: ${median(found).toFixed(1)} rounds/s, × ${median(against).toFixed(3)} (${against.map((x) => x.toFixed(3))})`);
  }
}

try {
  await compareFindings();
  await compareCosts();
  await compareFlags();
} finally {
  rmSync(dir, { recursive: true, force: true });
}
