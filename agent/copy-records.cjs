'use strict';
/** Takes records out of a ring, for both kinds of rings. */

/**
 * Returns `n` records of a ring from number `read` on, oldest first, as a copy of their bytes.
 *
 * @param {Uint8Array} bytes the ring @param {number} recordBytes length of a record
 * @param {number} read @param {number} n
 */
function copyRecords(bytes, recordBytes, read, n) {
  const capacity = bytes.length / recordBytes;
  const out = Buffer.alloc(n * recordBytes);
  const first = read & (capacity - 1);
  const untilEnd = Math.min(n, capacity - first);
  out.set(bytes.subarray(first * recordBytes, (first + untilEnd) * recordBytes));
  out.set(bytes.subarray(0, (n - untilEnd) * recordBytes), untilEnd * recordBytes);
  return out;
}

module.exports = { copyRecords };
