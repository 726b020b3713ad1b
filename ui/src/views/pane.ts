/** One tree on a canvas: pointer, wheel, keys and the way in and out of it. The flame graph is one, the sandwich two. */
import type { Context } from "../context.ts";
import type { CpuSelection, TreeName } from "../logic/derive.ts";
import { type Bars, layoutBars, movedSpan, type Span, spanOf, widestAround } from "../logic/flame-layout.ts";
import type { FlameTree } from "../logic/flame-tree.ts";
import { neighbourFrame } from "../logic/frame-walk.ts";
import { S } from "../strings.ts";
import { FlameCanvas } from "./flame-canvas.ts";
import type { FlameShared, FrameView } from "./flame-shared.ts";
import { frameOf } from "./frame-actions.ts";
import { listenToGestures } from "./gestures.ts";

/** A frame that is walked to gets at least this many pixels, by zooming to a caller of it. */
const MIN_VISIBLE = 40;
/** How long a zoom takes, for those who want to see where it goes. */
const ZOOM_MS = 140;
/** The finest zoom by hand: this share of the whole fills the picture. */
const FINEST = 1e-7;

export class Pane implements FrameView {
  readonly canvas: FlameCanvas;
  /** Frame that the arrows walk from; belongs to the tree shown. */
  private walked = -1;
  private shown: { tree: FlameTree; zoom: number } | null = null;
  private span: Span = [0, 1];
  private moving = 0;

  constructor(
    private readonly context: Context,
    private readonly cpu: CpuSelection,
    readonly name: TreeName,
    private readonly shared: FlameShared,
    label: string,
    rows: { max: number; min: number },
  ) {
    this.canvas = new FlameCanvas(label, rows.max, rows.min);
    this.listen();
  }

  private get state() {
    return this.context.store.state;
  }
  get tree(): FlameTree {
    return this.cpu.tree(this.state, this.name);
  }
  get zoomed(): number {
    return this.cpu.zoomNode(this.state, this.name);
  }
  private get top(): number {
    return this.cpu.top(this.state, this.name);
  }
  /** The function in the middle of the sandwich belongs to the lower half. */
  private get firstRow(): number {
    return this.tree.depth(this.top) + (this.name === "callers" ? 1 : 0);
  }

  show(): void {
    const { tree, zoomed } = this;
    const before = this.shown;
    this.shown = { tree, zoom: zoomed };
    const target = spanOf(tree, zoomed);
    if (before?.tree !== tree) {
      this.walked = -1;
      this.stop();
      this.span = target;
    } else if (before.zoom !== zoomed) this.moveTo(target);
    this.draw();
    if (before?.tree !== tree || before.zoom !== zoomed) this.canvas.reveal(tree.depth(zoomed) - this.firstRow);
  }

  private draw(): void {
    const { tree, top, firstRow } = this;
    const deepest = this.isMovedByHand() ? top : this.zoomed;
    this.canvas.show({
      ...this.shared.appearance(),
      nRows: tree.depth(deepest) + tree.levelsBelow(deepest) + 1 - firstRow,
      flipped: this.name === "callers",
      layout: (width, first, last) => this.layout(tree, top, width, first, last),
      fn: (node) => tree.fn(node),
      label: (node) => this.shared.label(tree.fn(node), tree.tier(node), tree.total),
      captions: [],
      marks: () => [],
    });
  }

  private layout(tree: FlameTree, top: number, width: number, first: number, last: number): Bars {
    const hidden = this.name === "callers" ? 1 : 0;
    const bars = layoutBars(tree, {
      top,
      span: this.span,
      width,
      firstRow: first + hidden,
      lastRow: last + hidden,
      minWidth: 0.6,
    });
    if (hidden > 0) for (let i = 0; i < bars.n; i++) bars.row[i] -= hidden;
    return bars;
  }

  /** Whether the picture shows something beside the zoomed frame. */
  private isMovedByHand(): boolean {
    const [from, to] = spanOf(this.tree, this.zoomed);
    const slack = (to - from) * 1e-6;
    return this.span[0] < from - slack || this.span[1] > to + slack;
  }

  reset(): boolean {
    const target = spanOf(this.tree, this.zoomed);
    if (this.moving !== 0 || (this.span[0] === target[0] && this.span[1] === target[1])) return false;
    this.moveTo(target);
    this.draw();
    return true;
  }

  /** Moves the picture to a span, visibly unless the reader prefers not. */
  private moveTo(target: Span): void {
    this.stop();
    if (matchMedia("(prefers-reduced-motion: reduce)").matches || this.canvas.width === 0) {
      this.span = target;
      return;
    }
    const from = this.span;
    const began = performance.now();
    const step = (now: number) => {
      const part = Math.min(1, Math.max(0, (now - began) / ZOOM_MS));
      const eased = 1 - (1 - part) ** 3;
      this.span = [from[0] + (target[0] - from[0]) * eased, from[1] + (target[1] - from[1]) * eased];
      this.canvas.draw();
      this.moving = part < 1 ? requestAnimationFrame(step) : 0;
    };
    this.moving = requestAnimationFrame(step);
  }

  light(): void {
    const { hovered } = this.context.store;
    const isWalked = (bar: number) => this.canvas.shownBars?.node[bar] === this.walked;
    this.canvas.highlight(hovered >= 0 ? hovered : this.state.selected, this.walked >= 0 ? isWalked : null);
  }

  current() {
    return this.walked > 0 ? this.target(this.walked) : null;
  }

  private target(node: number) {
    return { ...frameOf(this.cpu, this.state, this.name, node), zoom: () => this.zoom(node) };
  }

  zoom(node: number): void {
    this.context.store.step(this.cpu.zoomTo(this.state, this.name, node));
  }

  /** Selects the heaviest frame of a function and makes it wide enough to see; `false` when it is not in this tree. */
  goTo(fn: number): boolean {
    const { tree } = this;
    const node =
      this.name === "topDown"
        ? this.cpu.topDown(this.state).heaviest(fn, "self")
        : (tree.children(0).find((child) => tree.fn(child) === fn) ?? -1);
    if (node < 0) return false;
    const target = widestAround(tree, node, this.canvas.width, MIN_VISIBLE);
    this.context.store.adjust({ ...this.cpu.zoomTo(this.state, this.name, target), selected: fn });
    this.reset();
    this.walkTo(node);
    return true;
  }

  private walkTo(node: number): void {
    const { tree } = this;
    this.walked = node;
    this.canvas.reveal(tree.depth(node) - this.firstRow);
    const [from, to] = spanOf(tree, node);
    if (from >= this.span[1] || to <= this.span[0]) this.reset();
    this.shared.speak(tree.fn(node), tree.self_us(node), tree.total_us(node), tree.total);
    this.context.store.adjust({ selected: tree.fn(node) });
    this.light();
  }

  private nodeUnder(event: MouseEvent): number {
    const bar = this.canvas.barAt(event.clientX, event.clientY);
    return bar < 0 ? -1 : (this.canvas.shownBars?.node[bar] ?? -1) < 0 ? -2 : (this.canvas.shownBars?.node[bar] ?? -1);
  }

  private listen(): void {
    const { frame } = this.canvas;
    const { store } = this.context;
    const { tooltip } = this.shared;
    const wasDrag = listenToGestures(frame, {
      move: (factor, x, shift) => this.moveByHand(factor, x, shift),
      settle: () => this.draw(),
    });
    frame.addEventListener("mousemove", (event) => {
      const node = this.nodeUnder(event);
      const fn = node >= 0 ? this.tree.fn(node) : -1;
      store.hover(fn);
      frame.classList.toggle("pointing", node >= 0);
      if (fn >= 0) tooltip.show(this.tree, node, event.clientX, event.clientY);
      else if (node === -2) tooltip.showText(S.narrow, event.clientX, event.clientY);
      else tooltip.hide();
    });
    frame.addEventListener("mouseleave", () => {
      store.hover(-1);
      tooltip.hide();
    });
    frame.addEventListener("click", (event) => {
      // The second click of a double click falls on another frame, since the first one has zoomed.
      if (event.detail > 1 || wasDrag()) return;
      const node = this.nodeUnder(event);
      if (node < 0) return;
      tooltip.hide();
      const fn = this.tree.fn(node);
      store.step({ ...this.cpu.zoomTo(this.state, this.name, node), selected: fn });
      this.walked = node;
      this.light();
    });
    frame.addEventListener("contextmenu", (event) => {
      const node = this.nodeUnder(event);
      if (event.shiftKey || node < 0 || this.tree.fn(node) < 0) return;
      event.preventDefault();
      tooltip.hide();
      this.walkTo(node);
      this.shared.openMenu(this.target(node), event.clientX, event.clientY);
    });
    frame.addEventListener("keydown", (event) => this.key(event));
  }

  private stop(): void {
    cancelAnimationFrame(this.moving);
    this.moving = 0;
  }

  private moveByHand(factor: number, x: number, shift: number): void {
    this.stop();
    const [from, to] = this.span;
    const { width } = this.canvas;
    const perPixel = (to - from) / width;
    const whole = spanOf(this.tree, this.top);
    const least = (whole[1] - whole[0]) * FINEST;
    this.span = movedSpan(this.span, whole, factor, from + x * perPixel, shift * perPixel, least);
    this.shared.tooltip.hide();
    this.canvas.draw();
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { tree } = this;
    const panned = { ArrowLeft: -0.1, ArrowRight: 0.1 }[event.key];
    const zoomed = { "+": 0.7, "=": 0.7, "-": 1 / 0.7 }[event.key];
    if (event.shiftKey && panned !== undefined) this.moveByHand(1, 0, panned * this.canvas.width);
    else if (zoomed !== undefined) this.moveByHand(zoomed, this.canvas.width / 2, 0);
    else if (event.key.startsWith("Arrow")) {
      const flipped = this.name === "callers";
      const key = flipped ? (FLIPPED[event.key] ?? event.key) : event.key;
      const next = neighbourFrame(tree, this.walked, key, this.zoomed, this.top);
      const shown = tree.fn(next) >= 0 && tree.depth(next) >= this.firstRow;
      if (next >= 0 && shown) this.walkTo(next);
    } else if (event.key === " " && this.walked >= 0) this.zoom(this.walked);
    else return;
    event.preventDefault();
  }

  /** Where the menu opens for the keyboard. */
  anchor(): { x: number; y: number } {
    const nodes = this.canvas.shownBars?.node;
    return this.canvas.middleOf(nodes ? nodes.indexOf(this.walked) : -1);
  }
}

/** Callers that stand above are reached by going up. */
const FLIPPED: Record<string, string> = { ArrowUp: "ArrowDown", ArrowDown: "ArrowUp" };
