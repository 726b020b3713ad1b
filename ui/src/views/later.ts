/**
 * Does a view's work after the next picture of the screen, each piece in a task of its own, when the profile is so
 * large that all of it at once would be felt. What is asked for again before its turn is done once.
 */

/** With fewer stacks everything is done within a frame. */
const MANY_STACKS = 50_000;

const waiting = new Set<() => void>();
let asked = false;

function next(): void {
  const [work] = waiting;
  if (!work) {
    asked = false;
    return;
  }
  waiting.delete(work);
  setTimeout(next);
  work();
}

/** Returns a function that does the work at once, or later when there are many stacks. */
export function laterIf(nStacks: number, work: () => void): () => void {
  if (nStacks < MANY_STACKS) return work;
  return () => {
    waiting.add(work);
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => setTimeout(next));
  };
}
