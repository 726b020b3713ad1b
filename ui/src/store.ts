/**
 * The page's one changing thing: the shareable state, mirrored in the URL, and what the pointer is over.
 *
 * Discrete steps (zoom, brush, focus) become history entries; typing and switches replace the current one.
 */
import { INITIAL, readHash, type ViewState, writeHash } from "./logic/url-state.ts";

/** What changed, for views that redraw only then. */
export type Change = (before: ViewState, after: ViewState) => void;

export class Store {
  state: ViewState = INITIAL;
  /** Function under the pointer, anywhere on the page; -1 = none. Not part of the URL. */
  hovered = -1;
  /** Moment under the pointer on any time axis, in seconds. Not part of the URL. */
  pointed_s: number | null = null;
  /** Interval that a gesture is just choosing, before it becomes the state's. */
  preview: readonly [number, number] | null = null;
  private readonly listeners: Change[] = [];
  private readonly hoverListeners: (() => void)[] = [];
  private readonly momentListeners: (() => void)[] = [];

  constructor() {
    this.state = readHash(location.hash);
    const follow = () => {
      // A gesture that was just going on does not come after the step back.
      this.previewRange(null);
      this.replaceState(readHash(location.hash));
    };
    addEventListener("popstate", follow);
    addEventListener("hashchange", follow);
  }

  onChange(listener: Change): void {
    this.listeners.push(listener);
  }

  onHover(listener: () => void): void {
    this.hoverListeners.push(listener);
  }

  hover(fn: number): void {
    if (fn === this.hovered) return;
    this.hovered = fn;
    for (const listener of this.hoverListeners) listener();
  }

  /** Told of a moment under the pointer, and of an interval that a gesture is choosing. */
  onMoment(listener: () => void): void {
    this.momentListeners.push(listener);
  }

  point(t_s: number | null): void {
    if (t_s === this.pointed_s) return;
    this.pointed_s = t_s;
    for (const listener of this.momentListeners) listener();
  }

  previewRange(range: readonly [number, number] | null): void {
    this.preview = range;
    for (const listener of this.momentListeners) listener();
  }

  /** A step that the back button undoes. */
  step(patch: Partial<ViewState>): void {
    this.apply(patch, true);
  }

  /** A change that is not worth a history entry. */
  adjust(patch: Partial<ViewState>): void {
    this.apply(patch, false);
  }

  private apply(patch: Partial<ViewState>, push: boolean): void {
    const after = { ...this.state, ...patch };
    const hash = writeHash(after);
    if (hash !== writeHash(this.state)) {
      const url = hash === "" ? location.pathname + location.search : `#${hash}`;
      if (push) history.pushState(null, "", url);
      else history.replaceState(null, "", url);
    }
    this.replaceState(after);
  }

  private replaceState(after: ViewState): void {
    if (writeHash(after) === writeHash(this.state)) return;
    const before = this.state;
    this.state = after;
    for (const listener of this.listeners) listener(before, after);
  }
}
