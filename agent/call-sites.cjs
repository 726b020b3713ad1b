'use strict';
/**
 * Names the place in the target's code that a wrapped function was called from: the frames from the innermost one outside
 * of Node up to the first outside of `node_modules`, or some more of those. Each frame and each site is described once and then has a number.
 *
 * `Error.prepareStackTrace` and `Error.stackTraceLimit` may be the target's own: they are put back as they were, and where
 * they cannot be set (frozen), sites stay unknown.
 */

const { isAbsolute } = require('path');
const { pathToFileURL } = require('url');

const { captureStackTrace } = Error;
const { defineProperty, deleteProperty, getOwnPropertyDescriptor } = Reflect;

/** Stack frames read; a framework's middleware is rarely deeper between built-in and application. */
const MAX_FRAMES = 24;
/** Frames kept of a site, dependencies' below the application's. */
const MAX_KEPT = 8;
/** Bounds the memory of what is described; sites past it are unknown. */
const MAX_SITES = 2000;

/** Number of the site of calls that nobody outside of Node makes, or that is not known. */
const UNKNOWN_SITE = 0;

/** @typedef {[name: string, url: string, line: number, column: number]} Frame lines and columns from 1 */

class CallSites {
  constructor() {
    /** @type {Map<string, Map<number, number>>} frame number by file and offset */
    this.frameIds = new Map();
    /** @type {Frame[]} */
    this.frames = [];
    /** @type {Map<string, number>} */
    this.siteIds = new Map();
    /** @type {[site: number, frames: Frame[], loads: boolean][]} not yet handed out */
    this.news = [];
  }

  /**
   * Returns the number of the site that the running code was called from.
   *
   * @param {number} [nOwn] how many frames outside of `node_modules` tell it apart
   * @param {number} [maxKept] how many frames tell it apart at all
   */
  capture(nOwn = 1, maxKept = MAX_KEPT) {
    const stack = structuredStack();
    let loads = false;
    let key = '';
    const ids = [];
    let left = nOwn;
    for (const callSite of stack) {
      const file = callSite.getFileName();
      if (!file || file.startsWith('node:')) {
        if (ids.length === 0 && file?.startsWith('node:internal/modules/')) loads = true;
        continue;
      }
      if (file.startsWith(__dirname)) continue;
      const id = this.frameId(file, callSite);
      ids.push(id);
      key += `${id},`;
      if (!file.includes('/node_modules/')) left -= 1;
      if (ids.length >= maxKept || left === 0) break;
    }
    if (ids.length === 0) return UNKNOWN_SITE;
    if (loads) key += 'loads';
    const known = this.siteIds.get(key);
    if (known !== undefined) return known;
    if (this.siteIds.size >= MAX_SITES) return UNKNOWN_SITE;
    const site = this.siteIds.size + 1;
    this.siteIds.set(key, site);
    this.news.push([site, ids.map((id) => this.frames[id]), loads]);
    return site;
  }

  /** @param {string} file @param {NodeJS.CallSite} callSite */
  frameId(file, callSite) {
    let inFile = this.frameIds.get(file);
    if (!inFile) this.frameIds.set(file, (inFile = new Map()));
    const offset = /** @type {any} */ (callSite).getPosition();
    const known = inFile.get(offset);
    if (known !== undefined) return known;
    const id = this.frames.length;
    inFile.set(offset, id);
    const url = isAbsolute(file) ? pathToFileURL(file).href : file;
    const name = callSite.getFunctionName() ?? '';
    this.frames.push([name, url, callSite.getLineNumber() ?? 0, callSite.getColumnNumber() ?? 0]);
    return id;
  }

  /** Returns the sites described since the last call; `loads` where Node's module loader made the call. */
  takeNews() {
    return this.news.splice(0);
  }
}

/** Returns the call sites of the running code, innermost first; none where the target forbids to ask. */
function structuredStack() {
  const prepare = getOwnPropertyDescriptor(Error, 'prepareStackTrace');
  const limit = getOwnPropertyDescriptor(Error, 'stackTraceLimit');
  /** @type {NodeJS.CallSite[]} */
  let sites = [];
  const ours = (/** @type {Error} */ _, /** @type {NodeJS.CallSite[]} */ found) => {
    sites = found;
    return '';
  };
  const value = { writable: true, enumerable: true, configurable: true };
  if (!defineProperty(Error, 'prepareStackTrace', { ...value, value: ours })) return sites;
  if (defineProperty(Error, 'stackTraceLimit', { ...value, value: MAX_FRAMES })) {
    const holder = /** @type {{ stack?: string }} */ ({});
    captureStackTrace(holder, structuredStack);
    void holder.stack;
    restore('stackTraceLimit', limit);
  }
  restore('prepareStackTrace', prepare);
  return sites;
}

/** @param {string} key @param {PropertyDescriptor | undefined} before */
function restore(key, before) {
  if (before) defineProperty(Error, key, before);
  else deleteProperty(Error, key);
}

module.exports = { CallSites, UNKNOWN_SITE };
