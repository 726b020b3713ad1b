/** A chart with one cross-hair through its panels, by pointer and by keyboard; what it stands on is said aloud. */

import { L } from "../load-strings.ts";
import { nearest, spread } from "../logic/axis.ts";
import { quantity } from "../logic/format.ts";
import { type Line, type Plot, valueAtStop } from "../logic/load-plots.ts";
import type { Store } from "../store.ts";
import { fill, h, svg } from "./dom.ts";
import { drawAxis, drawPanel, drawUprights, Frame } from "./plot-drawing.ts";

/** Pixels from one label to the next. */
const LABEL_GAP = 16;
/** Width of a character of the cross-hair's name, and room beside it. */
const CHAR = 7.25;
const MARGIN = 8;
/** Stops of a press of Page up or Page down. */
const PAGE = 10;

/** The chart that `make` returns, made again when the scale of latencies changes. */
export function plotView(store: Store, make: () => Plot): HTMLElement {
  const drawing = svg("svg", { role: "img", "aria-label": make().label });
  const spoken = h("p", { class: "unseen", "aria-live": "polite" });
  const stage = h(
    "div",
    { class: "stage plot", tabindex: 0, role: "group", "aria-label": L.chartKeys(make().label) },
    drawing,
  );
  const chart = new Chart(drawing, spoken, make());
  chart.listen(stage);
  new ResizeObserver(() => chart.draw(stage.clientWidth)).observe(stage);
  store.onChange((before, after) => before.latencyScale !== after.latencyScale && chart.change(make()));
  return h("div", {}, stage, spoken);
}

class Chart {
  private frame: Frame;
  /** Index of the stop under the cross-hair; -1 = none. */
  private at = -1;
  private readonly hair = svg("line", { class: "hair", y1: 16 });
  /** Hides the axis' labels behind the name. */
  private readonly back = svg("rect", { class: "hair-back", height: 18 });
  private readonly name = svg("text", { class: "hair-time" });
  private labels: { line: Line; element: SVGTextElement }[] = [];

  constructor(
    private readonly drawing: SVGSVGElement,
    private readonly spoken: HTMLElement,
    plot: Plot,
  ) {
    this.frame = new Frame(0, plot);
  }

  change(plot: Plot): void {
    const { width } = this.frame;
    this.frame = new Frame(0, plot);
    this.draw(width);
  }

  draw(width: number): void {
    if (width === this.frame.width || width === 0) return;
    this.frame = new Frame(width, this.frame.plot);
    const { frame } = this;
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${frame.height}`);
    this.drawing.setAttribute("height", String(frame.height));
    this.hair.setAttribute("y2", String(frame.bottom));
    this.back.setAttribute("y", String(frame.bottom + 4));
    this.name.setAttribute("y", String(frame.bottom + 17));
    this.labels = frame.plot.panels.flatMap((panel, i) => this.labelsOf(panel.lines, i));
    fill(
      this.drawing,
      ...frame.plot.panels.map((panel, i) => drawPanel(panel, i, frame)),
      drawUprights(frame),
      drawAxis(frame),
      this.hair,
      this.back,
      this.name,
      ...this.labels.map(({ element }) => element),
    );
    this.show(-1);
  }

  /** Names stand beside the ends of their lines. */
  private labelsOf(lines: readonly Line[], i: number): { line: Line; element: SVGTextElement }[] {
    const { frame } = this;
    const ends = lines.map((line) => frame.y(i, [...line.y].reverse().find((y) => y !== null) ?? 0) + 4);
    const top = frame.top(i);
    const places = spread(ends, LABEL_GAP, top + 4, top + frame.plot.panels[i].height);
    return lines.map((line, at) => ({
      line,
      element: svg("text", { class: `line-name ${line.tone}`, x: frame.labelX, y: places[at] }),
    }));
  }

  private show(at: number): void {
    const { frame } = this;
    const { plot } = frame;
    this.at = at;
    const visible = at < 0 ? "hidden" : "visible";
    this.hair.setAttribute("visibility", visible);
    this.back.setAttribute("visibility", visible);
    this.name.setAttribute("visibility", visible);
    for (const { line, element } of this.labels) fill(element, ...this.label(line));
    if (at < 0) return;
    const x = frame.x(plot.stops[at]);
    this.hair.setAttribute("x1", String(x));
    this.hair.setAttribute("x2", String(x));
    this.name.textContent = plot.stopNames[at];
    // A long name stays inside the drawing.
    const width = plot.stopNames[at].length * CHAR + 2 * MARGIN;
    const left = Math.min(Math.max(x - width / 2, 0), frame.width - width);
    this.back.setAttribute("x", String(left));
    this.back.setAttribute("width", String(width));
    this.name.setAttribute("x", String(left + MARGIN));
  }

  private label(line: Line): SVGTSpanElement[] {
    const value = this.at < 0 ? line.rest : this.value(line);
    const parts = [svg("tspan", {}, line.name)];
    if (value !== "") parts.push(svg("tspan", { class: "readout", dx: 8 }, value));
    return parts;
  }

  private value(line: Line): string {
    const panel = this.frame.plot.panels.find((panel) => panel.lines.includes(line));
    return quantity(valueAtStop(line, this.frame.plot.stops[this.at]), panel?.unit ?? "");
  }

  listen(stage: HTMLElement): void {
    const at = (event: PointerEvent) => event.clientX - this.drawing.getBoundingClientRect().left;
    stage.addEventListener("pointermove", (event) => {
      const { plot } = this.frame;
      this.show(nearest(plot.x, plot.stops, this.frame.share(at(event))));
    });
    stage.addEventListener("pointerleave", () => this.show(-1));
    stage.addEventListener("blur", () => this.show(-1));
    stage.addEventListener("keydown", (event) => this.key(event));
  }

  private key(event: KeyboardEvent): void {
    const { plot } = this.frame;
    const order = plot.stops.map((_, i) => i).sort((a, b) => plot.stops[a] - plot.stops[b]);
    const rank = order.indexOf(this.at);
    const last = order.length - 1;
    const next = {
      ArrowLeft: rank - 1,
      ArrowRight: rank + 1,
      PageUp: rank - PAGE,
      PageDown: rank + PAGE,
      Home: 0,
      End: last,
    }[event.key];
    if (next !== undefined && last >= 0) {
      this.show(order[Math.min(Math.max(next, 0), last)]);
      const values = this.labels.map(({ line }) => `${line.name} ${this.value(line)}`);
      this.spoken.textContent = [plot.stopNames[this.at], ...values].join(", ");
    } else if (event.key === "Escape" && this.at >= 0) this.show(-1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
