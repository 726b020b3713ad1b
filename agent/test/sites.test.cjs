'use strict';
const test = require('node:test');
const assert = require('node:assert');
const vm = require('node:vm');
const { Sites } = require('../async-sites.cjs');
const { AsyncRing } = require('../async-ring.cjs');

/** A ring that its reader keeps empty. */
function emptiedRing() {
  const ring = new AsyncRing(new SharedArrayBuffer(AsyncRing.bytesFor(1 << 14)), 0, 1 << 14);
  ring.reset();
  return ring;
}

/** Functions at lines of their own that call what they are given. @param {number} n @returns {((f: () => void) => void)[]} */
function placesOf(n) {
  const lines = Array.from({ length: n }, (_, at) => `function place${at}(f) { f(); },`);
  return vm.runInThisContext(`[${lines.join('\n')}]`, { filename: '/srv/places.js' });
}

test('tells ten thousand places apart in a few MiB', () => {
  const ring = emptiedRing();
  const sites = new Sites(ring);
  const places = placesOf(10_000);
  const before = process.memoryUsage().heapUsed;
  const seen = new Set();
  for (const place of places) {
    place(function look() { seen.add(sites.idOf(sites.take(look, 32))); });
    if (ring.fill > 0.5) ring.drain();
  }
  assert.strictEqual(seen.size, places.length);
  assert.strictEqual(ring.takeDropped(), 0);
  const mib = (process.memoryUsage().heapUsed - before) / 2 ** 20;
  assert(mib < 24, `${mib} MiB, garbage included`);
});

test('counts what is too many as other, and stays as it is', () => {
  const ring = emptiedRing();
  const sites = new Sites(ring);
  let [last, n] = [0, 0];
  for (const place of placesOf(62_000)) {
    place(function look() { last = sites.idOf(sites.take(look, 32)); });
    if (ring.fill > 0.5) ring.drain();
    if (last === 1) n += 1;
  }
  assert.strictEqual(last, 1);
  assert(n > 0 && sites.nSites <= 60_000);
});
