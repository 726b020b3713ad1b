/**
 * Draws bars in rows on a canvas: only the visible rows, in device pixels, with a second canvas on top for what lights
 * up under the pointer, so that hovering never redraws the bars. What the bars are, the picture says.
 */
import type { Chrome } from "../logic/colour.ts";
import { type Bars, barAt } from "../logic/flame-layout.ts";
import { BarPainter, GAP_MIN, type Look, ROW } from "./bar-painter.ts";
import { h } from "./dom.ts";

/** Taller pictures scroll inside their frame. */
const MAX_ROWS = 30;
const MIN_ROWS = 8;
const CHAR = 6.7;
/** Narrower bars have no label. */
const LABEL_MIN = 26;
/** Narrower bars are not hatched. */
const HATCH_MIN = 6;
const FONT = '11px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';

/** A name above a group of rows. */
export interface Caption {
  row: number;
  text: string;
}

/** A stretch that blocked the loop, in pixels. */
export interface Mark {
  row: number;
  x: number;
  width: number;
}

export interface Picture {
  nRows: number;
  /** Row 0 is at the bottom: callers stand above. */
  flipped: boolean;
  layout(width: number, firstRow: number, lastRow: number): Bars;
  /** Function of a node; -1 = the root. */
  fn(node: number): number;
  label(node: number): string;
  look: Look;
  matches: Uint8Array | null;
  captions: readonly Caption[];
  marks(width: number): readonly Mark[];
  chrome: Chrome;
}

export class FlameCanvas {
  readonly frame: HTMLElement;
  private readonly base = h("canvas", { "aria-hidden": "true" });
  private readonly light = h("canvas", { "aria-hidden": "true" });
  private readonly spacer = h("div", { class: "flame-rows" });
  private readonly painter = new BarPainter();
  private picture: Picture | null = null;
  private bars: Bars | null = null;
  private lit: { fn: number; isNode: ((bar: number) => boolean) | null } = { fn: -1, isNode: null };
  /** Lower edge of row 0 where it is at the bottom; asking the frame for every bar would cost more than the bars. */
  private bottom = 0;
  /** x of the line that marks a moment; -1 = none. */
  private hair = -1;
  /** Whether nothing was lit when the light was last drawn. */
  private wasDark = false;

  constructor(
    label: string,
    private readonly maxRows = MAX_ROWS,
    private readonly minRows = MIN_ROWS,
  ) {
    this.spacer.append(h("div", { class: "flame-stage" }, this.base, this.light));
    this.frame = h("div", { class: "flame", tabindex: 0, role: "application", "aria-label": label }, this.spacer);
    this.frame.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.frame);
  }

  get width(): number {
    return this.frame.clientWidth;
  }
  get shownBars(): Bars | null {
    return this.bars;
  }

  show(picture: Picture): void {
    this.picture = picture;
    const rows = Math.min(this.maxRows, Math.max(this.minRows, picture.nRows));
    this.spacer.style.height = `${Math.max(picture.nRows, picture.flipped ? rows : 0) * ROW}px`;
    this.frame.style.height = `${rows * ROW + 2}px`;
    this.bottom = Math.max(picture.nRows * ROW, this.frame.clientHeight);
    this.draw();
  }

  /** Scrolls so that a row is in view, with some of its callers. */
  reveal(row: number): void {
    const top = this.top(row);
    const { scrollTop, clientHeight } = this.frame;
    if (top < scrollTop || top + 2 * ROW > scrollTop + clientHeight) {
      this.frame.scrollTop = Math.max(0, this.picture?.flipped ? top + 5 * ROW - clientHeight : top - 4 * ROW);
    }
  }

  /** Upper edge of a row, from the top of all rows. */
  private top(row: number): number {
    return this.picture?.flipped ? this.bottom - (row + 1) * ROW : row * ROW;
  }

  private rowAt(y: number): number {
    return this.picture?.flipped ? Math.floor((this.bottom - y) / ROW) : Math.floor(y / ROW);
  }

  /** Bar under a point of the window, as an index into the bars shown; -1 = none. */
  barAt(clientX: number, clientY: number): number {
    if (!this.bars) return -1;
    const box = this.base.getBoundingClientRect();
    return barAt(this.bars, this.rowAt(clientY - box.top + this.frame.scrollTop), clientX - box.left);
  }

  /** Middle of a bar, in the window, as far as it is in view. */
  middleOf(bar: number): { x: number; y: number } {
    const box = this.base.getBoundingClientRect();
    if (!this.bars || bar < 0) return { x: box.left + 16, y: box.top + 16 };
    const y = this.top(this.bars.row[bar]) - this.frame.scrollTop + ROW;
    return { x: box.left + this.bars.x[bar] + Math.min(120, this.bars.width[bar] / 2), y: box.top + y };
  }

  /** Lights every bar of a function, and outlines the bars that are the frame walked to. */
  highlight(fn: number, isNode: ((bar: number) => boolean) | null): void {
    this.lit = { fn, isNode };
    this.drawLight();
  }

  /** Marks a moment; -1 = none. */
  mark(x: number): void {
    if (x === this.hair) return;
    this.hair = x;
    this.drawLight();
  }

  draw(): void {
    const { picture } = this;
    const width = this.frame.clientWidth;
    const height = this.frame.clientHeight;
    if (!picture || width === 0 || height === 0) return;
    const started = performance.now();
    this.bottom = Math.max(picture.nRows * ROW, height);
    const atTop = this.rowAt(this.frame.scrollTop);
    const atBottom = this.rowAt(this.frame.scrollTop + height);
    this.bars = picture.layout(width, Math.max(0, Math.min(atTop, atBottom)), Math.max(atTop, atBottom));
    const context = this.prepare(this.base, width, height);
    if (!context) return;
    this.paint(context, picture, this.bars);
    // Read by `test/measure.mjs`.
    this.frame.dataset.drawMs = (performance.now() - started).toFixed(1);
    this.drawLight();
  }

  private prepare(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D | null {
    const ratio = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.width = `${width}px`;
      canvas.style.height = `${height}px`;
    }
    const context = canvas.getContext("2d");
    context?.setTransform(ratio, 0, 0, ratio, 0, 0);
    context?.clearRect(0, 0, width, height);
    return context;
  }

  private paint(context: CanvasRenderingContext2D, picture: Picture, bars: Bars): void {
    const { look, matches, chrome } = picture;
    const scroll = this.frame.scrollTop;
    const y = (bar: number) => this.top(bars.row[bar]) - scroll;
    const plain = (fn: number) => fn < 0 || matches?.[fn] === 0;
    this.painter.paint(context, bars, y, picture);
    context.font = FONT;
    context.textBaseline = "middle";
    for (let bar = 0; bar < bars.n; bar++) {
      const width = bars.width[bar];
      if (width <= HATCH_MIN || bars.node[bar] < 0) continue;
      const fn = picture.fn(bars.node[bar]);
      const style = fn < 0 ? 0 : look.styleOf[fn];
      if (!plain(fn) && look.hatched[style]) hatch(context, bars.x[bar], y(bar), width - 0.7, chrome.lightText);
      if (width <= LABEL_MIN) continue;
      context.fillStyle = plain(fn) ? chrome.rootText : look.lightText[style] ? chrome.lightText : chrome.darkText;
      const text = picture.label(bars.node[bar]);
      const fits = Math.floor((width - 7) / CHAR);
      const cut = text.length <= fits ? text : `${text.slice(0, Math.max(1, fits - 1))}…`;
      context.fillText(cut, bars.x[bar] + 4, y(bar) + ROW / 2, width - 6);
    }
    context.fillStyle = chrome.rootText;
    for (const { row, text } of picture.captions) context.fillText(text, 4, this.top(row) - scroll + ROW / 2);
    context.fillStyle = chrome.blocked;
    for (const { row, x, width } of picture.marks(this.width)) context.fillRect(x, this.top(row) - scroll, width, 3);
  }

  private drawLight(): void {
    const { picture, bars } = this;
    // An empty layer that stays empty need not be painted with every picture of a gesture.
    const isDark = this.lit.fn < 0 && !this.lit.isNode && this.hair < 0;
    const fits = this.light.width === this.base.width && this.light.height === this.base.height;
    if (isDark && this.wasDark && fits) return;
    this.wasDark = isDark;
    const context = this.prepare(this.light, this.frame.clientWidth, this.frame.clientHeight);
    if (!picture || !bars || !context) return;
    const scroll = this.frame.scrollTop;
    context.fillStyle = picture.chrome.glow;
    context.strokeStyle = picture.chrome.outline;
    for (let i = 0; i < bars.n; i++) {
      if (bars.node[i] < 0) continue;
      const y = this.top(bars.row[i]) - scroll;
      if (this.lit.fn >= 0 && picture.fn(bars.node[i]) === this.lit.fn) {
        // A labelled bar is outlined only: a wash over it would pale its label.
        if (bars.width[i] <= LABEL_MIN) context.fillRect(bars.x[i], y, Math.max(1, bars.width[i] - 0.7), ROW - 1);
        context.lineWidth = bars.width[i] > LABEL_MIN ? 2 : 1;
        if (bars.width[i] > GAP_MIN) context.strokeRect(bars.x[i] + 1, y + 1, bars.width[i] - 2.7, ROW - 3);
      }
      if (this.lit.isNode?.(i)) {
        context.lineWidth = 2;
        context.strokeRect(bars.x[i] + 1, y + 1, Math.max(1, bars.width[i] - 2.7), ROW - 3);
      }
    }
    if (this.hair >= 0) context.fillRect(this.hair, 0, 1, this.frame.clientHeight);
  }
}

/** Diagonal lines: garbage collection is told by more than its colour. */
function hatch(context: CanvasRenderingContext2D, x: number, y: number, width: number, colour: string): void {
  context.save();
  context.beginPath();
  context.rect(x, y, width, ROW - 1);
  context.clip();
  context.beginPath();
  for (let at = x - ROW; at < x + width; at += 7) {
    context.moveTo(at, y + ROW - 1);
    context.lineTo(at + ROW - 1, y);
  }
  context.globalAlpha *= 0.22;
  context.strokeStyle = colour;
  context.lineWidth = 1.5;
  context.stroke();
  context.restore();
}
