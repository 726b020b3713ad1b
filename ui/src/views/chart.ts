/**
 * The flame chart: stacks in the order of time, a lane per thread, on the seconds of the timeline.
 *
 * What it shows is the selected interval: zooming and panning here is brushing there, and the other way round.
 */
import type { Context } from "../context.ts";
import {
  frameBetween,
  laneOfRow,
  layoutLanes,
  longestLeaf,
  type PlacedLane,
  placeLanes,
  stallMarks,
} from "../logic/chart-lanes.ts";
import type { CpuSelection } from "../logic/derive.ts";
import { type ChartFrame, frameAround, frameTime, neighbourChartFrame, sampleAt } from "../logic/flame-chart.ts";
import { movedSpan, type Span } from "../logic/flame-layout.ts";
import { count, microseconds, seconds } from "../logic/format.ts";
import { functionLabel } from "../logic/place.ts";
import { S } from "../strings.ts";
import { ChartAxis } from "./chart-axis.ts";
import { h } from "./dom.ts";
import { FlameCanvas } from "./flame-canvas.ts";
import type { FlameShared, FrameView } from "./flame-shared.ts";
import type { FrameTarget } from "./frame-actions.ts";
import { listenToGestures } from "./gestures.ts";

/** The finest zoom: a sample lasts about this long at V8's highest rate. */
const FINEST_S = 20e-6;
/** Bars narrower than this show which stack held a pixel longest, not when a frame began and ended. */
const ROUGH = 3;
/** Gestures that follow each other this closely are one step back. */
const ONE_GESTURE_MS = 2000;
/** Air beside a frame that is zoomed to, as a share of it. */
const AIR = 0.05;

interface Walked {
  lane: PlacedLane;
  frame: ChartFrame;
}

export class Chart implements FrameView {
  readonly canvas: FlameCanvas;
  readonly element: HTMLElement;
  private readonly axis = new ChartAxis();
  private placed: PlacedLane[] = [];
  private nRows = 0;
  private lanesOf: unknown = null;
  /** What is shown, in seconds; ahead of the state while a gesture goes on. */
  private span: Span = [0, 1];
  private walked: Walked | null = null;
  /** The interval that the last gesture left. */
  private settled: { range: Span | null; at: number } = { range: null, at: Number.NEGATIVE_INFINITY };

  constructor(
    private readonly context: Context,
    private readonly cpu: CpuSelection,
    private readonly shared: FlameShared,
  ) {
    this.canvas = new FlameCanvas(S.chartKeys);
    this.element = h("div", { class: "chart" }, this.axis.element, this.canvas.frame);
    this.listen();
    context.store.onMoment(() => this.mark());
    new ResizeObserver(() => this.axis.show(this.span, this.canvas.width)).observe(this.canvas.frame);
  }

  private get state() {
    return this.context.store.state;
  }
  /** All that there is to see: where samples are, and the interval that was asked for. */
  private get whole(): Span {
    const covers = this.cpu.coverage(this.state) ?? [0, 1];
    const { range } = this.state;
    return range ? [Math.min(covers[0], range[0]), Math.max(covers[1], range[1])] : covers;
  }

  show(): void {
    const { shape } = this.cpu.topDown(this.state);
    const lanes = this.cpu.lanes(this.state);
    const { placed, nRows } = placeLanes(lanes);
    if (this.lanesOf !== shape) this.walked = null;
    this.lanesOf = shape;
    this.placed = placed;
    this.nRows = nRows;
    this.span = this.context.store.preview ?? this.state.range ?? this.whole;
    this.draw();
  }

  private draw(): void {
    const { shape } = this.cpu.topDown(this.state);
    const { stalls } = this.context.report.timeline;
    const several = this.placed.length > 1;
    this.canvas.show({
      ...this.shared.appearance(),
      nRows: this.nRows,
      flipped: false,
      layout: (width, first, last) => layoutLanes(this.placed, this.span_us, width, first, last),
      fn: (node) => shape.fn[node],
      label: (node) => this.shared.label(shape.fn[node], shape.tier[node], 0),
      captions: this.placed.map(({ lane, captionRow }) => ({
        row: captionRow,
        text: several || lane.thread.thread !== 0 ? S.laneName(lane.thread.name, lane.thread.pid) : lane.thread.name,
      })),
      marks: (width) => stallMarks(this.placed, stalls, this.span_us, width),
    });
    this.axis.show(this.span, this.canvas.width);
    this.mark();
  }

  private get span_us(): Span {
    return [this.span[0] * 1e6, this.span[1] * 1e6];
  }
  private time_us(x: number): number {
    return (this.span[0] + (x / this.canvas.width) * (this.span[1] - this.span[0])) * 1e6;
  }
  private x(time_s: number): number {
    return ((time_s - this.span[0]) / (this.span[1] - this.span[0])) * this.canvas.width;
  }

  private mark(): void {
    const { pointed_s } = this.context.store;
    const x = pointed_s === null ? -1 : this.x(pointed_s);
    const inside = x >= 0 && x <= this.canvas.width;
    this.canvas.mark(inside ? x : -1);
    const digits = this.span[1] - this.span[0] < 1 ? 4 : 2;
    this.axis.mark(inside ? x : -1, pointed_s === null ? "" : `${pointed_s.toFixed(digits)}\u00a0s`, this.canvas.width);
  }

  light(): void {
    const { hovered } = this.context.store;
    const { walked } = this;
    const isWalked = walked && ((bar: number) => this.shows(bar, walked));
    this.canvas.highlight(hovered >= 0 ? hovered : this.state.selected, isWalked);
  }

  /** Whether a bar is a part of a frame. */
  private shows(bar: number, { lane, frame }: Walked): boolean {
    const bars = this.canvas.shownBars;
    if (bars?.node[bar] !== frame.node || laneOfRow(this.placed, bars.row[bar]) !== lane) return false;
    const [from, to] = frameTime(lane.lane, frame);
    return bars.x[bar] <= this.x(to / 1e6) && bars.x[bar] + bars.width[bar] >= this.x(from / 1e6);
  }

  /** The frame under a bar, and whether the bar shows it whole. */
  private frameUnder(bar: number): (Walked & { rough: boolean }) | null {
    const bars = this.canvas.shownBars;
    if (!bars || bar < 0) return null;
    const lane = laneOfRow(this.placed, bars.row[bar]);
    const from = this.time_us(bars.x[bar]);
    const to = this.time_us(bars.x[bar] + bars.width[bar]);
    const frame = lane ? frameBetween(lane, bars.node[bar], from, to) : null;
    return lane && frame ? { lane, frame, rough: bars.width[bar] < ROUGH } : null;
  }

  current(): FrameTarget | null {
    return this.walked && this.target(this.walked);
  }

  private target({ lane, frame }: Walked): FrameTarget {
    const { shape } = lane.lane;
    const stack: number[] = [];
    for (let at = frame.node; at > 0; at = shape.parent[at]) stack.push(shape.fn[at]);
    return {
      fn: shape.fn[frame.node],
      stack,
      subtree: { kind: "subtree", stack: shape.stackOfNode[frame.node] },
      zoom: () => this.zoomTo({ lane, frame }),
    };
  }

  private zoomTo({ lane, frame }: Walked): void {
    const [from_us, to_us] = frameTime(lane.lane, frame);
    const air = Math.max((to_us - from_us) * AIR, FINEST_S * 1e6);
    const range = this.inside([(from_us - air) / 1e6, (to_us + air) / 1e6]);
    this.context.store.step({ range, selected: lane.lane.shape.fn[frame.node] });
  }

  private inside([from, to]: Span): Span {
    return [Math.max(from, this.whole[0], 0), Math.min(to, this.whole[1])];
  }

  goTo(fn: number): boolean {
    const found = longestLeaf(this.placed, fn, this.span_us);
    if (!found) return false;
    this.walkTo(found);
    return true;
  }

  private walkTo(walked: Walked): void {
    const { lane, frame } = walked;
    const { shape } = lane.lane;
    const [from_us, to_us] = frameTime(lane.lane, frame);
    this.walked = walked;
    this.canvas.reveal(lane.firstRow + shape.depth[frame.node] - 1);
    this.shared.spoken.textContent = `${functionLabel(this.cpu.profile.name[shape.fn[frame.node]])}, ${this.about(from_us, to_us, frame)}`;
    const size = this.span[1] - this.span[0];
    const isOut = from_us / 1e6 >= this.span[1] || to_us / 1e6 <= this.span[0];
    const from = Math.min(Math.max(from_us / 1e6 - size / 2, this.whole[0]), this.whole[1] - size);
    this.context.store.adjust({
      selected: shape.fn[frame.node],
      ...(isOut ? { range: [from, from + size] as const } : {}),
    });
    this.light();
  }

  private about(from_us: number, to_us: number, frame: ChartFrame): string {
    return S.chartFrame(seconds(from_us / 1e6), microseconds(to_us - from_us), count(frame.last - frame.first + 1));
  }

  private listen(): void {
    const { frame } = this.canvas;
    const { store } = this.context;
    const { tooltip } = this.shared;
    const wasDrag = listenToGestures(frame, {
      move: (factor, x, shift) => this.moveByHand(factor, x, shift),
      settle: () => this.settle(),
    });
    frame.addEventListener("mousemove", (event) => {
      store.point(this.time_us(event.clientX - frame.getBoundingClientRect().left) / 1e6);
      const bar = this.canvas.barAt(event.clientX, event.clientY);
      const under = this.frameUnder(bar);
      const fn = under ? under.lane.lane.shape.fn[under.frame.node] : -1;
      store.hover(fn);
      frame.classList.toggle("pointing", fn >= 0);
      if (!under) tooltip.hide();
      else {
        const [from_us, to_us] = frameTime(under.lane.lane, under.frame);
        const text = under.rough ? S.chartRough : this.about(from_us, to_us, under.frame);
        tooltip.showFunction(fn, text, event.clientX, event.clientY);
      }
    });
    frame.addEventListener("mouseleave", () => {
      store.hover(-1);
      store.point(null);
      tooltip.hide();
    });
    frame.addEventListener("click", (event) => {
      if (event.detail > 1 || wasDrag()) return;
      const bar = this.canvas.barAt(event.clientX, event.clientY);
      const under = this.frameUnder(bar);
      const bars = this.canvas.shownBars;
      if (!under || !bars) return;
      tooltip.hide();
      this.walked = under;
      // A rough bar stands for many frames: the way in is towards it.
      if (!under.rough) this.zoomTo(under);
      else this.roughZoom(bars.x[bar] + bars.width[bar] / 2);
      this.light();
    });
    frame.addEventListener("contextmenu", (event) => {
      const under = this.frameUnder(this.canvas.barAt(event.clientX, event.clientY));
      if (event.shiftKey || !under) return;
      event.preventDefault();
      tooltip.hide();
      this.walkTo(under);
      this.shared.openMenu(this.target(under), event.clientX, event.clientY);
    });
    frame.addEventListener("keydown", (event) => this.key(event));
  }

  private roughZoom(x: number): void {
    const about = this.time_us(x) / 1e6;
    const range = movedSpan(this.span, this.whole, 0.1, about, 0, FINEST_S);
    this.context.store.step({ range });
  }

  private moveByHand(factor: number, x: number, shift: number): void {
    const perPixel = (this.span[1] - this.span[0]) / this.canvas.width;
    const about = this.span[0] + x * perPixel;
    this.span = movedSpan(this.span, this.whole, factor, about, shift * perPixel, FINEST_S);
    this.shared.tooltip.hide();
    this.canvas.draw();
    this.axis.show(this.span, this.canvas.width);
    this.context.store.previewRange(this.span);
  }

  /** The gesture is over: everything else on the page follows. */
  private settle(): void {
    const { store } = this.context;
    if (!store.preview) return;
    store.previewRange(null);
    const covers = this.cpu.coverage(this.state);
    const isAll = covers && this.span[0] <= covers[0] && this.span[1] >= covers[1];
    const range = isAll ? null : this.span;
    const goesOn = this.state.range === this.settled.range && performance.now() - this.settled.at < ONE_GESTURE_MS;
    this.settled = { range, at: performance.now() };
    if (goesOn) store.adjust({ range });
    else store.step({ range });
  }

  private key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const panned = { ArrowLeft: -0.1, ArrowRight: 0.1 }[event.key];
    const zoomed = { "+": 0.7, "=": 0.7, "-": 1 / 0.7 }[event.key];
    const { width } = this.canvas;
    if ((event.shiftKey && panned !== undefined) || zoomed !== undefined) {
      this.moveByHand(zoomed ?? 1, width / 2, zoomed ? 0 : (panned ?? 0) * width);
      this.settle();
    } else if (event.key.startsWith("Arrow")) this.walk(event.key);
    else if (event.key === " " && this.walked) this.zoomTo(this.walked);
    else return;
    event.preventDefault();
  }

  private walk(key: string): void {
    if (this.walked) {
      const { lane } = this.walked;
      const next = neighbourChartFrame(lane.lane, this.walked.frame, key);
      if (next) this.walkTo({ lane, frame: next });
      return;
    }
    for (const lane of this.placed) {
      const { start_us } = lane.lane.thread;
      const nodes = lane.lane.levels[0].node;
      let sample = Math.max(0, sampleAt(lane.lane, this.span_us[0]));
      while (sample < nodes.length && (nodes[sample] <= 0 || start_us[sample] < this.span_us[0])) sample++;
      let node = nodes[sample] ?? 0;
      while (node > 0 && lane.lane.shape.depth[node] > 1) node = lane.lane.shape.parent[node];
      const frame = node > 0 ? frameAround(lane.lane, sample, node) : null;
      if (frame) {
        this.walkTo({ lane, frame });
        return;
      }
    }
  }

  /** What is shown is the interval, which has its own way back. */
  reset(): boolean {
    return false;
  }

  anchor(): { x: number; y: number } {
    const bars = this.canvas.shownBars;
    return this.canvas.middleOf(bars && this.walked ? bars.node.indexOf(this.walked.frame.node) : -1);
  }
}
