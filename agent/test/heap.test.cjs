'use strict';
const { describe, it } = require('node:test');
const assert = require('node:assert');
const { Collector } = require('./collector.cjs');
const { CollectionWatch, summed } = require('../collections.cjs');
const { flattened } = require('../heap.cjs');

const MAJOR = Number(process.versions.node.split('.')[0]);
const NO_INLINING = MAJOR >= 22 ? ['--no-opt', '--no-maglev'] : ['--no-opt'];

/** Allocates all the time: most of it is garbage at once, some is kept for ever. */
const LEAKING = `
  const kept = [];
  process.stdin.on('data', () => process.exit()).on('end', () => process.exit());
  function makeGarbage() { return Array.from({ length: 2000 }, (_, i) => ({ i })).length; }
  function keepForEver() { kept.push(Array.from({ length: 500 }, (_, i) => ({ i, text: 'x' + i }))); }
  setInterval(() => { for (let i = 0; i < 20; i++) makeGarbage(); keepForEver(); }, 2);
`;

/** @param {{ frames: any[], nodes: any[] }} window bytes by function that allocates for itself or is nearest above what does */
function bytesBy({ frames, nodes }) {
  /** @type {Record<string, number>} */
  const sums = {};
  for (const [, , bytes, ,] of nodes) assert.ok(bytes >= 0);
  nodes.forEach(([parent, frame, bytes], index) => {
    assert.ok(parent < index, 'callers come before callees');
    let at = index;
    while (at >= 0 && !['makeGarbage', 'keepForEver'].includes(frames[nodes[at][1]][0])) at = nodes[at][0];
    const name = at < 0 ? 'others' : frames[nodes[at][1]][0];
    sums[name] = (sums[name] ?? 0) + bytes;
    assert.ok(frame < frames.length);
  });
  return sums;
}

describe('the heap recorder', () => {
  it('tells who allocates, what collections do, and who allocated what stays', async (t) => {
    const collector = await Collector.listen(t);
    // Of functions that were inlined V8's heap profiler knows only who they were inlined into.
    collector.start([...NO_INLINING, collector.file('leaking.js', LEAKING)]);
    const target = await collector.connection();
    assert.deepStrictEqual(await target.command('start', 'heap'), { id: 1, ok: true });
    const of = (/** @type {string} */ window) => target.all('heap').find((/** @type {any} */ one) => one.window === window);
    await target.until(() => of('allocations'));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    assert.deepStrictEqual(await target.command('stop', 'heap'), { id: 2, ok: true });

    if (MAJOR >= 20) {
      const all = bytesBy(of('allocations'));
      assert.ok(all.makeGarbage > (all.keepForEver ?? 0), JSON.stringify(all));
    }
    const survivors = of('survivors');
    const kept = bytesBy(survivors);
    assert.ok(kept.keepForEver > (kept.makeGarbage ?? 0), JSON.stringify(kept));
    const grown = survivors.used_after - survivors.used_before;
    assert.ok(grown > 0 && kept.keepForEver > grown / 2 && kept.keepForEver < grown * 2, `${grown} ${JSON.stringify(kept)}`);
    if (CollectionWatch.isPossible) {
      const { allocated, kinds, from_ms: from, t_ms: until } = of('collections');
      assert.ok(until > from && allocated > 1e6, `${allocated}`);
      const scavenges = kinds.find((/** @type {any} */ { kind }) => kind === 'Scavenge');
      assert.ok(scavenges.n > 0 && scavenges.freed > 0 && scavenges.survived >= scavenges.promoted);
    }
  });

  it('leaves the target as it was when the collector dies meanwhile', async (t) => {
    const collector = await Collector.listen(t);
    const { child, end } = collector.start([collector.file('leaking.js', LEAKING)]);
    const target = await collector.connection();
    await target.command('start', 'heap');
    collector.die();
    child.stdin?.end();
    assert.strictEqual((await end).code, 0);
  });

  it('flattens a tree as deep as any stack', () => {
    /** @type {any} */
    let node = { callFrame: { functionName: 'leaf', url: '', lineNumber: 0, columnNumber: 0 }, selfSize: 8, id: 0, children: [] };
    for (let id = 1; id < 20_000; id++) {
      const callFrame = { functionName: 'f', url: 'file:///a.js', lineNumber: 1, columnNumber: 2 };
      node = { callFrame, selfSize: 0, id, children: [node] };
    }
    const { frames, nodes } = flattened({ head: node, samples: [{ nodeId: 0 }, { nodeId: 0 }] });
    assert.strictEqual(frames.length, 2);
    assert.deepStrictEqual(nodes.at(-1), [19_998, 1, 8, 2]);
  });

  it('sums what collections found and left', () => {
    const heap = (/** @type {number} */ young, /** @type {number} */ old) => ({
      heapStatistics: { usedHeapSize: young + old },
      heapSpaceStatistics: [
        { spaceName: 'new_space', spaceUsedSize: young },
        { spaceName: 'old_space', spaceUsedSize: old },
      ],
    });
    const scavenge = { gcType: 'Scavenge', cost: 1500, beforeGC: heap(800, 1000), afterGC: heap(100, 1050) };
    const full = { gcType: 'MarkSweepCompact', cost: 9000, beforeGC: heap(300, 1050), afterGC: heap(300, 400) };
    const { allocated, kinds } = summed([scavenge, full], 1200, 750);
    assert.strictEqual(allocated, 600 + 200 + 50);
    assert.deepStrictEqual(kinds, [
      { kind: 'Scavenge', n: 1, ms: 1.5, longest_ms: 1.5, freed: 650, promoted: 50, survived: 150 },
      { kind: 'MarkSweepCompact', n: 1, ms: 9, longest_ms: 9, freed: 650, promoted: 0, survived: 0 },
    ]);
  });
});
