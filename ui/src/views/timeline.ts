/**
 * The time axis: one lane per measurement, phases shaded, stalls as red ticks, one cross-hair through all lanes.
 *
 * A drag, a phase, or Shift with arrow keys selects an interval; everything below shows that interval only.
 */
import type { Context } from "../context.ts";
import { quantity, seconds } from "../logic/format.ts";
import { brushed, type Lane, lanesOf, missingSeries, phaseAt, summarise, valueAt } from "../logic/timeline.ts";
import { S, SERIES_NAME } from "../strings.ts";
import { absent, fill, h, note, svg } from "./dom.ts";
import { AXIS, drawAxis, drawLane, drawPhases, drawStalls, PHASES, Scale } from "./timeline-drawing.ts";

/** A drag below this many pixels is a click. */
const MIN_DRAG = 4;

export function timeline(context: Context): HTMLElement {
  const { report, store } = context;
  const data = report.timeline;
  const lanes = lanesOf(data);
  if (!(data.duration_s > 0) || (lanes.length === 0 && data.stalls.length === 0)) {
    return h("section", { class: "timeline", id: "timeline" }, h("h2", {}, S.timeline), absent(S.noTimeline));
  }
  // Of opened profiles nothing else could have been recorded.
  const missing = report.files.length > 0 ? [] : missingSeries(data).map((id) => SERIES_NAME[id] ?? id);
  const drawing = svg("svg", { role: "img", "aria-label": S.timeline });
  const spoken = h("p", { class: "unseen", "aria-live": "polite" });
  const stage = h("div", { class: "stage", tabindex: 0, role: "group", "aria-label": S.timelineKeys }, drawing);
  const chart = new Chart(context, lanes, drawing, spoken);
  chart.listen(stage);
  new ResizeObserver(() => chart.draw(stage.clientWidth)).observe(stage);
  store.onChange((before, after) => before.range !== after.range && chart.showBrush());
  store.onMoment(() => chart.showMoment());
  return h(
    "section",
    { class: "timeline", id: "timeline" },
    h("h2", { class: "inline" }, S.timeline),
    note(S.timelineHint, missing.length > 0 ? ` · ${S.notRecorded(missing.join(", "))}` : null),
    stage,
    spoken,
  );
}

class Chart {
  private scale: Scale;
  private cursor_s: number | null = null;
  private anchor_s: number | null = null;
  private readonly brush = svg("rect", { class: "brush", y: 0 });
  private readonly hair = svg("line", { class: "hair", y1: PHASES });
  private readonly time = svg("text", { class: "hair-time", "text-anchor": "middle" });
  private readouts: SVGTextElement[] = [];

  constructor(
    private readonly context: Context,
    private readonly lanes: readonly Lane[],
    private readonly drawing: SVGSVGElement,
    private readonly spoken: HTMLElement,
  ) {
    this.scale = new Scale(0, this.data.duration_s, lanes.length);
  }

  private get data() {
    return this.context.report.timeline;
  }

  draw(width: number): void {
    if (width === this.scale.width || width === 0) return;
    this.scale = new Scale(width, this.data.duration_s, this.lanes.length);
    const { scale, data } = this;
    const height = scale.bodyHeight + AXIS;
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.drawing.setAttribute("height", String(height));
    this.hair.setAttribute("y2", String(scale.bodyHeight));
    this.brush.setAttribute("height", String(scale.bodyHeight));
    this.time.setAttribute("y", String(scale.bodyHeight + 16));
    this.readouts = this.lanes.map((_, i) =>
      svg("text", { class: "readout", x: scale.readoutX, y: scale.laneTop(i) + 24 }),
    );
    fill(
      this.drawing,
      drawPhases(data, scale, (range) => this.select(range)),
      drawStalls(data, scale),
      ...this.lanes.map((lane, i) => drawLane(lane, i, scale)),
      drawAxis(scale),
      this.brush,
      this.hair,
      this.time,
      ...this.readouts,
    );
    this.showBrush();
    this.showCursor(null);
  }

  showBrush(): void {
    const { range } = this.context.store.state;
    this.brush.setAttribute("visibility", range ? "visible" : "hidden");
    if (range) this.placeBrush(range);
    this.showCursor(this.cursor_s);
  }

  /** Follows the pointer and the gesture of another time axis. */
  showMoment(): void {
    const { pointed_s, preview } = this.context.store;
    if (preview) this.placeBrush(preview);
    if (pointed_s !== this.cursor_s) this.showCursor(pointed_s);
  }

  private placeBrush(range: readonly [number, number]): void {
    this.brush.setAttribute("visibility", "visible");
    this.brush.setAttribute("x", String(this.scale.x(range[0])));
    this.brush.setAttribute("width", String(Math.max(1, this.scale.x(range[1]) - this.scale.x(range[0]))));
  }

  /** Without a cross-hair each lane says median and largest value of what is selected. */
  private showCursor(t_s: number | null): void {
    this.cursor_s = t_s;
    if (this.readouts.length === 0) return;
    const visible = t_s === null ? "hidden" : "visible";
    this.hair.setAttribute("visibility", visible);
    this.time.setAttribute("visibility", visible);
    if (t_s !== null) {
      const x = String(this.scale.x(t_s));
      this.hair.setAttribute("x1", x);
      this.hair.setAttribute("x2", x);
      this.time.setAttribute("x", x);
      this.time.textContent = `${t_s.toFixed(2)} s`;
    }
    this.drawing.classList.toggle("reading", t_s !== null);
    for (const [i, lane] of this.lanes.entries()) this.readouts[i].textContent = this.readout(lane, t_s);
  }

  private readout(lane: Lane, t_s: number | null): string {
    const { range } = this.context.store.state;
    if (t_s !== null) return lane.series.map((s) => quantity(valueAt(s, t_s), s.unit)).join(", ");
    const facts = summarise(lane.series[0], range);
    if (!facts) return "–";
    if (this.scale.narrow) return S.max(quantity(facts.max, lane.unit));
    return `${S.median(quantity(facts.median, lane.unit))} · ${S.max(quantity(facts.max, lane.unit))}`;
  }

  private select(range: readonly [number, number] | null): void {
    this.context.store.step({ range });
  }

  listen(stage: HTMLElement): void {
    const at = (event: PointerEvent) => this.scale.t(event.clientX - this.drawing.getBoundingClientRect().left);
    let dragFrom: number | null = null;
    stage.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      dragFrom = at(event);
      stage.setPointerCapture(event.pointerId);
    });
    stage.addEventListener("pointermove", (event) => {
      this.showCursor(at(event));
      this.context.store.point(this.cursor_s);
      const range = dragFrom === null ? null : this.dragged(dragFrom, at(event));
      if (range) this.placeBrush(range);
    });
    stage.addEventListener("pointerup", (event) => {
      const range = dragFrom === null ? null : this.dragged(dragFrom, at(event));
      dragFrom = null;
      if (range) this.select(range);
      else this.showBrush();
    });
    stage.addEventListener("pointerleave", () => {
      this.showCursor(null);
      this.context.store.point(null);
    });
    stage.addEventListener("dblclick", () => this.select(null));
    stage.addEventListener("keydown", (event) => this.key(event));
    stage.addEventListener("blur", () => this.showCursor(null));
  }

  private dragged(from_s: number, to_s: number): [number, number] | null {
    return brushed(from_s, to_s, this.data.duration_s, (MIN_DRAG / this.scale.plot) * this.data.duration_s);
  }

  private key(event: KeyboardEvent): void {
    const { duration_s } = this.data;
    const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
    if (event.key in steps) {
      const before = this.cursor_s ?? 0;
      const now = Math.min(Math.max(before + (steps[event.key] * duration_s) / 100, 0), duration_s);
      if (event.shiftKey) {
        this.anchor_s ??= before;
        const range = brushed(this.anchor_s, now, duration_s, duration_s / 1000);
        this.context.store.adjust({ range });
      } else this.anchor_s = null;
      this.showCursor(now);
      this.spoken.textContent = `${seconds(now)}: ${this.lanes.map((lane) => `${SERIES_NAME[lane.series[0].id] ?? lane.id} ${this.readout(lane, now)}`).join(", ")}`;
    } else if (event.key === "Enter" && this.cursor_s !== null) {
      const phase = phaseAt(this.data, this.cursor_s);
      if (phase) this.select([phase.start_s, phase.end_s]);
    } else if (event.key === "Escape" && this.context.store.state.range) {
      this.select(null);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
