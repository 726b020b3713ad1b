/** Draws what stands still in a chart: rules, lines, bars, marks, the axes; and says where a value is in pixels. */
import { type Axis, place } from "../logic/axis.ts";
import { scaleEnd } from "../logic/format.ts";
import type { Line, Panel, Plot } from "../logic/load-plots.ts";
import { linePath } from "../logic/timeline.ts";
import { svg } from "./dom.ts";

const LEFT = 72;
/** Room for a name and a value beside the lines. */
const RIGHT = 152;
/** Without lines there is nothing to name. */
const RIGHT_BARE = 16;
const PANEL_HEAD = 32;
const PANEL_GAP = 8;
const AXIS = 24;
/** A shorter bar could not be seen. */
const MIN_BAR = 1;

/** Where things are, in pixels. */
export class Frame {
  readonly right: number;
  constructor(
    readonly width: number,
    readonly plot: Plot,
  ) {
    this.right = plot.panels.some((panel) => panel.lines.length > 0) ? RIGHT : RIGHT_BARE;
  }

  get plotWidth(): number {
    return Math.max(1, this.width - LEFT - this.right);
  }
  get bottom(): number {
    return this.plot.panels.reduce((y, panel) => y + PANEL_HEAD + panel.height + PANEL_GAP, 0) - PANEL_GAP;
  }
  get height(): number {
    return this.bottom + AXIS;
  }
  get labelX(): number {
    return LEFT + this.plotWidth + 8;
  }
  x(value: number): number {
    return LEFT + place(this.plot.x, value) * this.plotWidth;
  }
  /** Share of the axis at a pixel. */
  share(x: number): number {
    return (x - LEFT) / this.plotWidth;
  }
  /** Upper edge of a panel's drawing. */
  top(i: number): number {
    return this.plot.panels.slice(0, i).reduce((y, panel) => y + PANEL_HEAD + panel.height + PANEL_GAP, PANEL_HEAD);
  }
  y(i: number, value: number): number {
    const panel = this.plot.panels[i];
    return this.top(i) + (1 - place(panel.y, value)) * panel.height;
  }
}

export function drawPanel(panel: Panel, i: number, frame: Frame): SVGGElement {
  const top = frame.top(i);
  const right = LEFT + frame.plotWidth;
  const rule = (y: number, name: string) => svg("line", { class: name, x1: LEFT, x2: right, y1: y, y2: y });
  return svg(
    "g",
    {},
    svg("text", { class: "lane-name", x: 0, y: top - 16 }, panel.name),
    ...panel.yTicks.flatMap((tick) => {
      const y = frame.y(i, tick);
      return [
        rule(y, "rule"),
        svg("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, scaleEnd(tick, panel.unit)),
      ];
    }),
    rule(top + panel.height, "rule"),
    ...panel.bars.map((bar) => {
      const x = frame.x(bar.from);
      const height = bar.height > 0 ? Math.max(MIN_BAR, bar.height * panel.height) : 0;
      const width = Math.max(1, frame.x(bar.to) - x - 1);
      return svg("rect", { class: "bar", x, y: top + panel.height - height, width, height });
    }),
    ...panel.lines.map((line) =>
      svg("path", {
        class: `line ${line.tone}`,
        d: path(line, frame.plot.x, panel, frame.plotWidth),
        transform: `translate(${LEFT} ${top})`,
      }),
    ),
    ...dots(panel, i, frame),
    ...panel.marks.flatMap((mark) => {
      const x = frame.x(mark.x);
      const y = frame.y(i, mark.y);
      const isRight = x > LEFT + frame.plotWidth - 96;
      return [
        mark.shape === "knee" ? svg("circle", { class: "halo", cx: x, cy: y, r: 9 }) : null,
        svg("circle", { class: `mark ${mark.shape}`, cx: x, cy: y, r: 4 }),
        mark.label === ""
          ? null
          : svg(
              "text",
              {
                class: mark.shape === "knee" ? "mark-name knee" : "mark-name",
                x: isRight ? x - 14 : x + 14,
                y: Math.max(y - 8, top + 8),
                "text-anchor": isRight ? "end" : "start",
              },
              mark.label,
            ),
      ].filter((element) => element !== null);
    }),
  );
}

/** A line of a few points shows them: between them nothing was measured. */
const FEW = 24;

function dots(panel: Panel, i: number, frame: Frame): SVGElement[] {
  return panel.lines
    .filter((line) => line.x.length <= FEW && line.tone !== "asked")
    .flatMap((line) =>
      line.x.flatMap((x, at) => {
        const y = line.y[at];
        return y === null
          ? []
          : [svg("circle", { class: `dot ${line.tone}`, cx: frame.x(x), cy: frame.y(i, y), r: 2 })];
      }),
    );
}

function path(line: Line, x: Axis, panel: Panel, width: number): string {
  const series = {
    t_s: line.x.map((value) => place(x, value)),
    v: line.y.map((value) => (value === null ? null : place(panel.y, value))),
  };
  return linePath(series, 1, width, panel.height, 1);
}

export function drawAxis(frame: Frame): SVGGElement {
  const { bottom } = frame;
  let last = Number.NEGATIVE_INFINITY;
  const shown = frame.plot.xTicks.filter(({ at, text }) => {
    const x = frame.x(at);
    const fits = x - last >= text.length * 7 + 12;
    if (fits) last = x;
    return fits;
  });
  return svg(
    "g",
    { class: "axis" },
    ...shown.flatMap(({ at, text }) => {
      const x = frame.x(at);
      return [
        svg("line", { x1: x, x2: x, y1: bottom, y2: bottom + 4 }),
        svg("text", { x, y: bottom + 17, "text-anchor": "middle" }, text),
      ];
    }),
  );
}

/** Upright lines with their names at the top; the last one's name stands to its right, the others' to their left. */
export function drawUprights(frame: Frame): SVGGElement {
  const { uprights } = frame.plot;
  return svg(
    "g",
    { class: "uprights" },
    ...uprights.flatMap(({ at, text }, i) => {
      const x = frame.x(at);
      const isLeft = i < uprights.length - 1 || x > frame.width - frame.right - 40;
      return [
        svg("line", { x1: x, x2: x, y1: PANEL_HEAD - 4, y2: frame.bottom }),
        svg("text", { x: isLeft ? x - 4 : x + 4, y: PANEL_HEAD - 8, "text-anchor": isLeft ? "end" : "start" }, text),
      ];
    }),
  );
}
