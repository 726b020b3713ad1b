'use strict';
/**
 * Replaces functions of Node with wrappers that look and act the same, and puts the originals back.
 *
 * A wrapper is a proxy of the original: name, length, prototype, own properties and what `toString()` gives are the
 * original's. When somebody else has replaced the wrapper meanwhile, it stays under theirs and only passes on. What
 * the original throws goes through, without our frames in its stack; what an observer throws is swallowed.
 */

const { apply, defineProperty, get, getOwnPropertyDescriptor } = Reflect;
const { toString } = Function.prototype;
/** Taken before the target can fake it. */
const { hrtime } = process;

/** @typedef {(result: any, args: any[], self: any, ms: number) => void} Observer sees a call after it was made */
/** @typedef {{ depth: number }} Group calls that a call of the same group makes are not observed */

class Patches {
  constructor() {
    this.on = true;
    /** @type {(() => void)[]} */
    this.undo = [];
  }

  /**
   * Lets `observe` see each call of `object[key]` that returns. Does nothing where that cannot be replaced.
   *
   * @param {any} object @param {string} key @param {Observer} observe @param {Group} [group]
   */
  observe(object, key, observe, group = { depth: 0 }) {
    const before = object && getOwnPropertyDescriptor(object, key);
    const original = before && object[key];
    if (typeof original !== 'function' || !before.configurable) return;
    const patches = this;
    const wrapper = new Proxy(original, {
      apply(target, self, args) {
        if (!patches.on || group.depth > 0) return apply(target, self, args);
        group.depth += 1;
        const start = now();
        let result;
        try {
          result = apply(target, self, args);
        } catch (error) {
          hideOwnFrames(error);
          throw error;
        } finally {
          group.depth -= 1;
        }
        try {
          observe(result, args, self, now() - start);
        } catch {
          // A call that cannot be counted is still the target's call.
        }
        return result;
      },
      get(target, property, receiver) {
        const value = get(target, property, receiver);
        return property === 'toString' && value === toString ? () => apply(toString, target, []) : value;
      },
    });
    const { enumerable, writable = true } = before;
    if (!defineProperty(object, key, { value: wrapper, enumerable, writable, configurable: true })) return;
    this.undo.push(() => {
      if (getOwnPropertyDescriptor(object, key)?.value === wrapper) defineProperty(object, key, before);
    });
  }

  /** Puts every original back that is still ours to put back. The rest passes on from now. */
  removeAll() {
    this.on = false;
    for (const undo of this.undo.splice(0).reverse()) {
      try {
        undo();
      } catch {
        // Frozen meanwhile: the wrapper stays, and passes on.
      }
    }
  }
}

/** Returns CLOCK_MONOTONIC in ms. */
function now() {
  const [seconds, nanoseconds] = hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

/**
 * Returns a module of Node, or `undefined` where the target has not loaded it: then it makes no calls either, and loading
 * it would cost time and memory.
 *
 * @param {string} name
 * @returns {any}
 */
function loadedBuiltin(name) {
  const { moduleLoadList } = /** @type {{ moduleLoadList?: string[] }} */ (/** @type {unknown} */ (process));
  return moduleLoadList?.includes(`NativeModule ${name}`) === false ? undefined : require(name);
}

/** Takes the agent's frames out of the text of a stack. @param {any} error */
function hideOwnFrames(error) {
  try {
    const { stack } = error;
    if (typeof stack !== 'string' || !stack.includes(__dirname)) return;
    error.stack = stack.split('\n').filter((line) => !line.includes(__dirname)).join('\n');
  } catch {
    // Not an error, or one that cannot be changed.
  }
}

module.exports = { Patches, loadedBuiltin, now };
