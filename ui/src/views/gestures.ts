/**
 * Zooming and panning by hand: Ctrl or ⌘ with the wheel (also a pinch on a trackpad) zooms, Shift with the wheel or a
 * sideways wheel pans, a drag pans. A plain wheel scrolls the page, as anywhere else.
 */

/** A drag below this many pixels is a click. */
const MIN_DRAG = 4;
const ZOOM_PER_PIXEL = 0.004;
/** A wheel that counts lines instead of pixels. */
const LINE = 24;

export interface Gestures {
  /** The picture is to grow by `1 / factor` about a point, and to move by some pixels; both relative to its frame. */
  move(factor: number, x: number, shift: number): void;
  /** No more moves come for now. */
  settle(): void;
}

/** Moves wait for the next picture of the screen and come as one. Returns whether a press was a drag, for its click. */
export function listenToGestures(frame: HTMLElement, gestures: Gestures): () => boolean {
  let factor = 1;
  let shift = 0;
  let x = 0;
  let asked = 0;
  let settling: ReturnType<typeof setTimeout> | undefined;
  const move = () => {
    asked = 0;
    gestures.move(factor, x, shift);
    factor = 1;
    shift = 0;
  };
  const ask = () => {
    if (asked === 0) asked = requestAnimationFrame(move);
    clearTimeout(settling);
    settling = setTimeout(() => gestures.settle(), 200);
  };
  frame.addEventListener(
    "wheel",
    (event) => {
      const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? LINE : 1;
      const sideways = event.deltaX !== 0 ? event.deltaX : event.shiftKey ? event.deltaY : 0;
      if (event.ctrlKey || event.metaKey) factor *= Math.exp(event.deltaY * unit * ZOOM_PER_PIXEL);
      else if (Math.abs(sideways) >= Math.abs(event.deltaY) && sideways !== 0) shift += sideways * unit;
      else return;
      event.preventDefault();
      x = event.clientX - frame.getBoundingClientRect().left;
      ask();
    },
    { passive: false },
  );
  let from: number | null = null;
  let dragged = false;
  frame.addEventListener("pointerdown", (event) => {
    dragged = false;
    const onBars = event.clientX - frame.getBoundingClientRect().left <= frame.clientWidth;
    if (event.button === 0 && event.pointerType === "mouse" && onBars) from = event.clientX;
  });
  frame.addEventListener("pointermove", (event) => {
    if (from === null) return;
    if (!dragged && Math.abs(event.clientX - from) < MIN_DRAG) return;
    if (!dragged) frame.setPointerCapture(event.pointerId);
    dragged = true;
    shift += from - event.clientX;
    from = event.clientX;
    ask();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    frame.addEventListener(end, () => {
      from = null;
    });
  }
  return () => dragged;
}
