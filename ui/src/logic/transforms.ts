/**
 * What a reader does to the call tree, one step after the other: keep only, leave out, melt together. And its form in
 * the URL: "focus-12,merge-5,package-lodash". `call-tree.ts` carries the steps out.
 *
 * Nodes are named by one stack that passes through them and packages by their name, so a step means the same whatever
 * else is switched on or off.
 */

export type FunctionTransform = "focus" | "merge" | "drop" | "recursion" | "direct";

export type Transform =
  /**
   * focus: only stacks with the function, from it on down. merge: its frames melt into their callers. drop: samples with
   * it anywhere on the stack are left out. recursion: from its first to its last frame of a stack, one frame remains.
   * direct: only frames that call themselves directly become one.
   */
  | { kind: FunctionTransform; fn: number }
  /** Only what was called below one node of the top-down tree. */
  | { kind: "subtree"; stack: number }
  /** Only samples that end in these functions, leaf first: a node of the inverted tree. */
  | { kind: "leaf"; path: readonly number[] }
  /** Neighbouring frames of one package, or of one category (":node"), become one frame. */
  | { kind: "package"; group: string };

const FUNCTION_KINDS: readonly string[] = [
  "focus",
  "merge",
  "drop",
  "recursion",
  "direct",
] satisfies FunctionTransform[];

/** More steps than these are cut: a URL is no place for a program. */
const MAX_TRANSFORMS = 50;
const MAX_PATH = 200;

const whole = (text: string): number | undefined => (/^\d{1,9}$/.test(text) ? Number(text) : undefined);

function write(transform: Transform): string {
  switch (transform.kind) {
    case "subtree":
      return `subtree-${transform.stack}`;
    case "leaf":
      return `leaf-${transform.path.slice(0, MAX_PATH).join(".")}`;
    case "package":
      return `package-${encodeURIComponent(transform.group)}`;
    default:
      return `${transform.kind}-${transform.fn}`;
  }
}

function read(text: string): Transform | undefined {
  const at = text.indexOf("-");
  const [kind, rest] = [text.slice(0, at), text.slice(at + 1)];
  if (kind === "package") return rest === "" ? undefined : { kind, group: decodeURIComponent(rest) };
  if (kind === "leaf") {
    const path = rest.split(".").map(whole);
    return path.every((fn) => fn !== undefined) ? { kind, path: path as number[] } : undefined;
  }
  const n = whole(rest);
  if (n === undefined) return undefined;
  if (kind === "subtree") return { kind, stack: n };
  return FUNCTION_KINDS.includes(kind) ? { kind: kind as FunctionTransform, fn: n } : undefined;
}

export const writeTransforms = (list: readonly Transform[]): string => list.slice(0, MAX_TRANSFORMS).map(write).join();

/** What makes no sense is left out. */
export const readTransforms = (text: string): Transform[] =>
  text
    .split(",")
    .slice(0, MAX_TRANSFORMS)
    .map(read)
    .filter((transform) => transform !== undefined);

const same = (a: readonly Transform[], b: readonly Transform[]): boolean => writeTransforms(a) === writeTransforms(b);

/** Undo and redo of the list of steps, whoever changed it. */
export class TransformHistory {
  private past: (readonly Transform[])[] = [];
  private future: (readonly Transform[])[] = [];

  /** Tells of a change that was no undo or redo. */
  changed(before: readonly Transform[]): void {
    this.past.push(before);
    this.future = [];
  }

  /** The list to go back to; `undefined` when there is none. A link that opens with steps can still be undone. */
  undo(now: readonly Transform[]): readonly Transform[] | undefined {
    const before = this.past.pop() ?? (now.length > 0 ? now.slice(0, -1) : undefined);
    if (before) this.future.push(now);
    return before;
  }

  redo(now: readonly Transform[]): readonly Transform[] | undefined {
    const after = this.future.pop();
    if (after) this.past.push(now);
    return after;
  }

  canUndo(now: readonly Transform[]): boolean {
    return this.past.length > 0 || now.length > 0;
  }
  get canRedo(): boolean {
    return this.future.length > 0;
  }
}

/** The list with a step at its end; a step that is already the last one is not added again. */
export function withTransform(list: readonly Transform[], next: Transform): readonly Transform[] {
  const last = list.slice(-1);
  return same(last, [next]) ? list : [...list, next];
}

/** The list with a step at its end, or without it where it is the last one: a key that switches. */
export function toggleTransform(list: readonly Transform[], next: Transform): readonly Transform[] {
  return same(list.slice(-1), [next]) ? list.slice(0, -1) : [...list, next];
}
