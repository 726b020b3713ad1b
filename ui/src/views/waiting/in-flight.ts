/** Operations under way over time, stacked by kind. A drag selects an interval as on the timeline. */
import type { Context } from "../../context.ts";
import type { RequestsData } from "../../contract.ts";
import { axisTime, significant } from "../../logic/format.ts";
import { brushed, niceTop } from "../../logic/timeline.ts";
import { familyOf, stackInFlight } from "../../logic/waits.ts";
import { S, WAIT_NAME } from "../../strings.ts";
import { fill, h, note, svg } from "../dom.ts";

const HEIGHT = 120;
const AXIS = 20;
const LEFT = 48;
const N_TICKS = 6;
/** Kinds of one family are lighter one by one; `waiting.css` has so many steps. */
const MAX_SHADE = 3;
/** A drag below this many pixels is a click. */
const MIN_DRAG = 4;

type InFlight = RequestsData["in_flight"];

export function inFlight(context: Context, data: InFlight): HTMLElement {
  if (data.series.length === 0) {
    return h("div", { class: "in-flight" }, h("h3", {}, S.underWay), note(S.underWayNone));
  }
  const readout = h("span", { class: "source" });
  const chart = new AreaChart(context, data, readout);
  const legend = chart.layers.map(({ kind, rank }) =>
    h("li", {}, h("span", { class: `swatch ${familyOf(kind)} shade-${Math.min(rank, MAX_SHADE)}` }), WAIT_NAME[kind]),
  );
  return h(
    "div",
    { class: "in-flight" },
    h("h3", {}, `${S.underWay} `, readout),
    chart.drawing,
    h("ul", { class: "labels" }, ...legend),
    note(S.underWayNote),
  );
}

class AreaChart {
  readonly drawing = svg("svg", { height: HEIGHT + AXIS, role: "img", "aria-label": S.underWay });
  readonly layers;
  private readonly top: number;
  private readonly nSteps: number;
  private readonly from: number;
  private readonly to: number;
  private readonly brush = svg("rect", { class: "brush", y: 0, height: HEIGHT });
  private readonly hair = svg("line", { class: "hair", y1: 0, y2: HEIGHT, visibility: "hidden" });
  private width = 0;

  constructor(
    private readonly context: Context,
    private readonly data: InFlight,
    private readonly readout: HTMLElement,
  ) {
    const { layers, top } = stackInFlight(data);
    this.layers = layers;
    this.top = niceTop(top);
    this.nSteps = layers[0]?.mean.length ?? 0;
    this.from = data.start_s;
    this.to = data.start_s + this.nSteps * data.step_s;
    const { store } = context;
    new ResizeObserver(() => this.draw(this.drawing.clientWidth)).observe(this.drawing);
    store.onChange((before, after) => before.range !== after.range && this.placeBrush(after.range));
    store.onMoment(() => this.point(store.pointed_s));
    this.listen();
  }

  private get plot(): number {
    return Math.max(1, this.width - LEFT);
  }

  private x(t_s: number): number {
    return LEFT + ((t_s - this.from) / (this.to - this.from)) * this.plot;
  }

  private draw(width: number): void {
    if (width === this.width || width === 0) return;
    this.width = width;
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT + AXIS}`);
    const y = (value: number) => HEIGHT - (value / this.top) * HEIGHT;
    const middle = (step: number) => this.x(this.from + (step + 0.5) * this.data.step_s);
    const edge = (values: number[]) => values.map((value, step) => `${middle(step).toFixed(1)} ${y(value).toFixed(1)}`);
    const ticks = Array.from({ length: N_TICKS + 1 }, (_, i) => this.from + ((this.to - this.from) * i) / N_TICKS);
    const anchor = (i: number) => (i === 0 ? "start" : i === N_TICKS ? "end" : "middle");
    fill(
      this.drawing,
      ...this.layers.map(({ kind, rank, lower, upper }) =>
        svg(
          "path",
          {
            class: `layer ${familyOf(kind)} shade-${Math.min(rank, MAX_SHADE)}`,
            d: `M${edge(upper).join("L")}L${edge(lower).reverse().join("L")}Z`,
          },
          svg("title", {}, WAIT_NAME[kind]),
        ),
      ),
      svg("text", { class: "scale", x: LEFT - 6, y: 10, "text-anchor": "end" }, significant(this.top)),
      svg("text", { class: "scale", x: LEFT - 6, y: HEIGHT, "text-anchor": "end" }, "0"),
      ...ticks.map((t_s, i) =>
        svg(
          "text",
          { class: "scale", x: this.x(t_s), y: HEIGHT + 15, "text-anchor": anchor(i) },
          axisTime(t_s, this.to),
        ),
      ),
      this.brush,
      this.hair,
    );
    this.placeBrush(this.context.store.state.range);
  }

  private placeBrush(range: readonly [number, number] | null): void {
    const a = Math.max(range?.[0] ?? 0, this.from);
    const b = Math.min(range?.[1] ?? 0, this.to);
    this.brush.setAttribute("visibility", b > a ? "visible" : "hidden");
    this.brush.setAttribute("x", String(this.x(a)));
    this.brush.setAttribute("width", String(Math.max(1, this.x(b) - this.x(a))));
  }

  /** Follows the pointer here and on other time axes. */
  private point(t_s: number | null): void {
    const inside = t_s !== null && t_s >= this.from && t_s < this.to;
    this.hair.setAttribute("visibility", inside ? "visible" : "hidden");
    fill(this.readout);
    if (!inside) return;
    for (const end of ["x1", "x2"]) this.hair.setAttribute(end, String(this.x(t_s)));
    const step = Math.min(this.nSteps - 1, Math.floor((t_s - this.from) / this.data.step_s));
    const values = this.layers.filter(({ mean }) => mean[step] > 0);
    const words = values.map(({ kind, mean }) => `${WAIT_NAME[kind]} ${significant(mean[step])}`);
    fill(this.readout, `${axisTime(t_s, this.to)}: ${words.join(" · ")}`);
  }

  private listen(): void {
    const { store } = this.context;
    const { drawing } = this;
    let dragFrom: number | null = null;
    const at = (event: PointerEvent) => {
      const x = event.clientX - drawing.getBoundingClientRect().left - LEFT;
      return this.from + (x / this.plot) * (this.to - this.from);
    };
    const dragged = (event: PointerEvent) => {
      if (dragFrom === null) return null;
      return brushed(dragFrom, at(event), this.to, (MIN_DRAG / this.plot) * (this.to - this.from));
    };
    drawing.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      dragFrom = at(event);
      drawing.setPointerCapture(event.pointerId);
    });
    drawing.addEventListener("pointermove", (event) => {
      store.point(at(event));
      const range = dragged(event);
      if (range) this.placeBrush(range);
    });
    drawing.addEventListener("pointerup", (event) => {
      const range = dragged(event);
      dragFrom = null;
      if (range) store.step({ range });
    });
    drawing.addEventListener("pointerleave", () => store.point(null));
    drawing.addEventListener("dblclick", () => store.step({ range: null }));
  }
}
