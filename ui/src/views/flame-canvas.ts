/**
 * Draws the flame graph's bars on a canvas: only the visible rows, in device pixels, with a second canvas on top for
 * what lights up under the pointer, so that hovering never redraws the bars.
 */
import { type Chrome, N_SHADES } from "../logic/colour.ts";
import { type Bars, barAt, layoutBars } from "../logic/flame-layout.ts";
import type { FlameTree } from "../logic/flame-tree.ts";
import { h } from "./dom.ts";

export const ROW = 18;
/** Taller graphs scroll inside their frame. */
const MAX_HEIGHT = 30 * ROW;
const MIN_HEIGHT = 8 * ROW;
const CHAR = 6.7;
/** Narrower bars have no label. */
const LABEL_MIN = 26;
const FONT = '11px ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';

/** How one function looks: shades of its colour, whether its label is light, whether it is hatched. */
export interface Paint {
  shades: readonly string[];
  lightText: boolean;
  hatched: boolean;
}

export interface Picture {
  tree: FlameTree;
  zoom: number;
  label(fn: number): string;
  shade(fn: number): number;
  paint(fn: number): Paint;
  matches: Uint8Array | null;
  chrome: Chrome;
}

export class FlameCanvas {
  readonly frame: HTMLElement;
  private readonly base = h("canvas", { "aria-hidden": "true" });
  private readonly light = h("canvas", { "aria-hidden": "true" });
  private readonly spacer = h("div", { class: "flame-rows" });
  private picture: Picture | null = null;
  private bars: Bars | null = null;
  private lit: { fn: number; node: number } = { fn: -1, node: -1 };

  constructor(label: string) {
    this.spacer.append(h("div", { class: "flame-stage" }, this.base, this.light));
    this.frame = h("div", { class: "flame", tabindex: 0, role: "application", "aria-label": label }, this.spacer);
    this.frame.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.draw()).observe(this.frame);
  }

  show(picture: Picture): void {
    this.picture = picture;
    const { tree, zoom } = picture;
    const rows = tree.depth(zoom) + tree.levelsBelow(zoom) + 1;
    this.spacer.style.height = `${rows * ROW}px`;
    this.frame.style.height = `${Math.min(MAX_HEIGHT, Math.max(MIN_HEIGHT, rows * ROW)) + 2}px`;
    this.draw();
  }

  /** Scrolls so that a row is in view, with some of its callers. */
  reveal(row: number): void {
    const top = row * ROW;
    const { scrollTop, clientHeight } = this.frame;
    if (top < scrollTop || top + 2 * ROW > scrollTop + clientHeight) {
      this.frame.scrollTop = Math.max(0, top - 4 * ROW);
    }
  }

  /** Node under a point of the window; -1 = none, -2 = frames too narrow to tell apart. */
  nodeAt(clientX: number, clientY: number): number {
    if (!this.bars) return -1;
    const box = this.base.getBoundingClientRect();
    const row = Math.floor((clientY - box.top + this.frame.scrollTop) / ROW);
    const bar = barAt(this.bars, row, clientX - box.left);
    if (bar < 0) return -1;
    return this.bars.node[bar] < 0 ? -2 : this.bars.node[bar];
  }

  /** Lights every bar of a function, and outlines one node. */
  highlight(fn: number, node: number): void {
    this.lit = { fn, node };
    this.drawLight();
  }

  draw(): void {
    const { picture } = this;
    const width = this.frame.clientWidth;
    const height = this.frame.clientHeight;
    if (!picture || width === 0) return;
    const started = performance.now();
    const firstRow = Math.floor(this.frame.scrollTop / ROW);
    this.bars = layoutBars(picture.tree, picture.zoom, {
      width,
      firstRow,
      lastRow: firstRow + Math.ceil(height / ROW),
      minWidth: 0.6,
    });
    const context = this.prepare(this.base, width, height);
    if (!context) return;
    this.paintBars(context, picture, this.bars);
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

  private paintBars(context: CanvasRenderingContext2D, picture: Picture, bars: Bars): void {
    const { root: rootFill, rootText, narrow, darkText, lightText: light } = picture.chrome;
    const offset = this.frame.scrollTop;
    context.font = FONT;
    context.textBaseline = "middle";
    const labels: [string, number, number, number, string][] = [];
    for (let i = 0; i < bars.n; i++) {
      const node = bars.node[i];
      const y = bars.row[i] * ROW - offset;
      const width = bars.width[i];
      const gap = width > 3 ? 0.7 : 0;
      const drawn = Math.max(0.6, width - gap);
      if (node < 0) {
        context.fillStyle = narrow;
        context.fillRect(bars.x[i], y, drawn, ROW - 1);
        continue;
      }
      const fn = picture.tree.fn(node);
      const paint = fn < 0 ? null : picture.paint(fn);
      const faded = picture.matches !== null && fn >= 0 && picture.matches[fn] === 0;
      context.globalAlpha = faded ? 0.28 : 1;
      context.fillStyle = paint ? paint.shades[picture.shade(fn) % N_SHADES] : rootFill;
      context.fillRect(bars.x[i], y, drawn, ROW - 1);
      if (paint?.hatched && width > 6) hatch(context, bars.x[i], y, drawn, light);
      if (width > LABEL_MIN) {
        const text = fn < 0 ? picture.label(-1) : picture.label(fn);
        const fits = Math.floor((width - 7) / CHAR);
        const cut = text.length <= fits ? text : `${text.slice(0, Math.max(1, fits - 1))}…`;
        labels.push([
          cut,
          bars.x[i] + 4,
          y + ROW / 2,
          width - 6,
          !paint ? rootText : faded ? rootText : paint.lightText ? light : darkText,
        ]);
      }
    }
    context.globalAlpha = 1;
    for (const [text, x, y, width, fill] of labels) {
      context.fillStyle = fill;
      context.fillText(text, x, y, width);
    }
  }

  private drawLight(): void {
    const { picture, bars } = this;
    const context = this.prepare(this.light, this.frame.clientWidth, this.frame.clientHeight);
    if (!picture || !bars || !context) return;
    const offset = this.frame.scrollTop;
    context.fillStyle = picture.chrome.glow;
    context.strokeStyle = picture.chrome.outline;
    for (let i = 0; i < bars.n; i++) {
      const node = bars.node[i];
      if (node < 0) continue;
      const y = bars.row[i] * ROW - offset;
      if (this.lit.fn >= 0 && picture.tree.fn(node) === this.lit.fn) {
        // A labelled bar is outlined only: a wash over it would pale its label.
        if (bars.width[i] <= LABEL_MIN) context.fillRect(bars.x[i], y, Math.max(1, bars.width[i] - 0.7), ROW - 1);
        context.lineWidth = bars.width[i] > LABEL_MIN ? 2 : 1;
        if (bars.width[i] > 3) context.strokeRect(bars.x[i] + 1, y + 1, bars.width[i] - 2.7, ROW - 3);
      }
      if (node === this.lit.node) {
        context.lineWidth = 2;
        context.strokeRect(bars.x[i] + 1, y + 1, Math.max(1, bars.width[i] - 2.7), ROW - 3);
      }
    }
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
