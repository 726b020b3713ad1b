'use strict';
/**
 * Finds the sampling interval that a CPU budget allows on this machine.
 *
 * V8 samples a thread from a thread of its own, which wakes up for every sample, interrupts the sampled thread and files
 * what it found. What that costs is the machine's doing (timers, wake-ups and signals are dear in virtual machines): 5 to
 * 35 µs of the sampler's thread a sample, whether the target is busy or not; its CPU time tells.
 */

const { readdirSync, readFileSync } = require('fs');

/** V8's name for its sampling threads (Node 18 to 24). */
const SAMPLER_NAME = 'v8:ProfEvntProc';
/** The sampler first files all code that is there already: that is not what a sample costs. */
const SETTLE_MS = 100;
const WINDOW_MS = 100;
const N_WINDOWS = 2;
/**
 * What a sample costs altogether, in units of what it costs the sampler's thread: the sampled thread is interrupted, walks
 * its stack and finds its caches colder, and V8 keeps book. Measured under load with intervals of 1, 2, 2.5 and 4 ms.
 */
const WHOLE_COST = 5;
const STEP_US = 250;
const LONGEST_US = 5_000;

/** Returns the ids of this process's threads that sample. @returns {string[]} */
function samplerThreads() {
  try {
    return readdirSync('/proc/self/task').filter((tid) => nameOf(tid) === SAMPLER_NAME);
  } catch {
    return [];
  }
}

/**
 * Returns the shortest interval, in µs and at least `intervalUs`, at which sampling one thread costs at most `maxShare` of
 * a core. `intervalUs` itself if the cost cannot be told.
 *
 * @param {number} intervalUs at which a sampler, just started, is at work now
 * @param {number} maxShare
 * @param {string[]} others samplers that were there before it
 */
async function affordableInterval(intervalUs, maxShare, others) {
  const tid = samplerThreads().find((candidate) => !others.includes(candidate));
  if (!tid) return intervalUs;
  await elapsed(SETTLE_MS);
  let costUs = Infinity;
  for (let i = 0; i < N_WINDOWS; i += 1) {
    const [cpuNs, wallNs] = [cpuTimeNs(tid), process.hrtime.bigint()];
    await elapsed(WINDOW_MS);
    const nSamples = Number(process.hrtime.bigint() - wallNs) / 1e3 / intervalUs;
    costUs = Math.min(costUs, (cpuTimeNs(tid) - cpuNs) / 1e3 / nSamples);
  }
  return widened(intervalUs, costUs, maxShare);
}

/** @param {number} intervalUs @param {number} costUs of one sample to the sampler's thread @param {number} maxShare */
function widened(intervalUs, costUs, maxShare) {
  if (!(costUs > 0)) return intervalUs;
  const affordable = Math.ceil((costUs * WHOLE_COST) / maxShare / STEP_US) * STEP_US;
  return Math.max(intervalUs, Math.min(affordable, LONGEST_US));
}

/** @param {string} tid */
function nameOf(tid) {
  try {
    return readFileSync(`/proc/self/task/${tid}/comm`, 'utf8').trim();
  } catch {
    return ''; // It has ended.
  }
}

/** Returns the CPU time of a thread in ns, `NaN` if the kernel does not tell. @param {string} tid */
function cpuTimeNs(tid) {
  try {
    return Number(readFileSync(`/proc/self/task/${tid}/schedstat`, 'utf8').split(' ')[0]);
  } catch {
    return NaN;
  }
}

/** @param {number} ms @returns {Promise<void>} */
function elapsed(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

module.exports = { affordableInterval, samplerThreads, widened };
