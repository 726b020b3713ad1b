'use strict';
/** Followed requests of the async recorder, and the records that are written of them. */

const { UNKNOWN } = require('./async-sites.cjs');

/** @typedef {InstanceType<typeof import('./async-ring.cjs').AsyncRing>} AsyncRing */
/** @typedef {InstanceType<typeof import('./async-sampling.cjs').Sampling>} Sampling */

/** Record kinds, as in PROTOCOL.md. */
const REQUEST = 2;
const SLICE = 3;
const END = 4;
const RUN = 5;
/** A slice that begins with what has been called back before. */
const SLICE_AGAIN = 7;
/** In the record of an end: the request was still under way. */
const CUT = 1;

/** One followed request. */
class Followed {
  /** @param {number} id @param {number} startedAt */
  constructor(id, startedAt) {
    this.id = id;
    this.turn = 0;
    /** Ids of what it made, so that it can be forgotten. @type {number[]} */
    this.made = [];
    this.nSlices = 0;
    this.isWhole = true;
    // The slice under way, which is written when the next one begins.
    this.sliceStart = startedAt;
    this.sliceEnd = startedAt;
    this.ranMs = 0;
    this.since = 0;
    this.isAgain = false;
    this.queuedMs = 0;
    this.site = UNKNOWN;
    this.source = 0;
    this.waker = 0;
  }
}

/** Writes records of followed requests into the ring. */
class RequestRecords {
  /**
   * @param {AsyncRing} ring
   * @param {number} offsetMs what to add to this thread's `performance.now()` to get the main thread's
   * @param {Sampling} sampling
   */
  constructor(ring, offsetMs, sampling) {
    this.ring = ring;
    this.offsetMs = offsetMs;
    this.sampling = sampling;
  }

  /** @param {Followed} request */
  writeSlice(request) {
    request.nSlices += 1;
    const { source, sliceStart, sliceEnd, ranMs, since, queuedMs, site, waker } = request;
    const kind = (request.isAgain ? SLICE_AGAIN : SLICE) + 16 * source;
    this.push(kind, request, sliceStart, sliceEnd, ranMs, since, queuedMs, site + 65536 * waker);
  }

  /**
   * @param {number} kind @param {Followed} request @param {number} start @param {number} end
   * @param {number} ranMs @param {number} since @param {number} queuedMs @param {number} site
   */
  push(kind, request, start, end, ranMs, since, queuedMs, site) {
    const { offsetMs } = this;
    const from = since === 0 ? 0 : since + offsetMs;
    this.sampling.nRecords += 1;
    if (!this.ring.push(kind, request.id, start + offsetMs, end + offsetMs, ranMs, from, queuedMs, site)) {
      request.isWhole = false;
    }
  }
}

module.exports = { Followed, RequestRecords, REQUEST, SLICE, END, RUN, CUT };
