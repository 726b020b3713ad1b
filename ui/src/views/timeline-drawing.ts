/** Draws what stands still on the timeline: phases, stalls, one lane per measurement, the axis; and the scale they share. */
import type { Timeline } from "../contract.ts";
import { axisTime, interval, milliseconds, scaleEnd } from "../logic/format.ts";
import { axisTicks, type Lane, linePath } from "../logic/timeline.ts";
import { S, SERIES_NAME } from "../strings.ts";
import { svg } from "./dom.ts";

const LANE = 36;
const LINE = 26;
export const PHASES = 24;
const STALLS = 12;
export const AXIS = 24;
const LEFT = 144;
const RIGHT = 264;
/** Below this width the read-out has room for one number only. */
const NARROW = 1000;
const RIGHT_NARROW = 136;

/** Where a time or a lane is on the drawing, in pixels. */
export class Scale {
  constructor(
    readonly width: number,
    readonly duration_s: number,
    readonly nLanes: number,
  ) {}

  get narrow(): boolean {
    return this.width < NARROW;
  }
  /** Left edge of the read-outs. */
  get readoutX(): number {
    return LEFT + this.plot + 12;
  }
  get plot(): number {
    return Math.max(1, this.width - LEFT - (this.narrow ? RIGHT_NARROW : RIGHT));
  }
  get bodyHeight(): number {
    return PHASES + STALLS + this.nLanes * LANE;
  }
  x(t_s: number): number {
    return LEFT + (t_s / this.duration_s) * this.plot;
  }
  t(x: number): number {
    return Math.min(Math.max(((x - LEFT) / this.plot) * this.duration_s, 0), this.duration_s);
  }
  laneTop(i: number): number {
    return PHASES + STALLS + i * LANE;
  }
}

/** A press on a phase's name is neither a drag nor a double click on the lanes. */
const stay = (event: Event): void => event.stopPropagation();

/** Shaded bands; a press on a name selects the phase. */
export function drawPhases(data: Timeline, scale: Scale, onSelect: (range: [number, number]) => void): SVGGElement {
  return svg(
    "g",
    { class: "phases" },
    ...data.phases.flatMap((phase, i) => {
      const x = scale.x(phase.start_s);
      const width = Math.max(0, scale.x(phase.end_s) - x);
      const nChars = Math.floor((width - 8) / 7);
      const name = phase.name.length <= nChars ? phase.name : nChars >= 4 ? `${phase.name.slice(0, nChars - 1)}…` : "";
      const select = () => onSelect([phase.start_s, phase.end_s]);
      return [
        svg("rect", { class: i % 2 ? "shade odd" : "shade", x, width, y: 0, height: scale.bodyHeight }),
        svg(
          "g",
          { class: "phase-name", onclick: select, onpointerdown: stay, ondblclick: stay },
          svg("title", {}, `${phase.name}: ${interval([phase.start_s, phase.end_s])}`),
          svg("rect", { x, width, y: 0, height: PHASES - 4 }),
          svg("text", { x: x + 4, y: 15 }, name),
        ),
      ];
    }),
  );
}

export function drawStalls(data: Timeline, scale: Scale): SVGGElement {
  const y = PHASES + 1;
  const ticks = data.stalls.map((stall) =>
    svg(
      "rect",
      {
        class: "stall",
        x: scale.x(stall.start_s),
        y,
        width: Math.max(1.5, ((stall.duration_ms / 1000) * scale.plot) / scale.duration_s),
        height: STALLS - 3,
      },
      svg("title", {}, `${milliseconds(stall.duration_ms)} ${stall.culprit ?? S.unknownCulprit}`),
    ),
  );
  return svg("g", {}, svg("text", { class: "lane-name", x: 0, y: PHASES + 10 }, S.stalls), ...ticks);
}

export function drawLane(lane: Lane, i: number, scale: Scale): SVGGElement {
  const top = scale.laneTop(i);
  const names = lane.series.map((s) => SERIES_NAME[s.id] ?? s.label).join(", ");
  const lines = lane.series.map((series, at) =>
    svg("path", {
      class: at === 0 ? `line ${series.id}` : `line second ${series.id}`,
      d: linePath(series, scale.duration_s, scale.plot, LINE, lane.top),
      transform: `translate(${LEFT} ${top + 8})`,
    }),
  );
  return svg(
    "g",
    {},
    svg("line", { class: "rule", x1: LEFT, x2: LEFT + scale.plot, y1: top + 34.5, y2: top + 34.5 }),
    svg("text", { class: "lane-name", x: 0, y: top + 24 }, names),
    svg("text", { class: "scale", x: LEFT - 6, y: top + 14, "text-anchor": "end" }, scaleEnd(lane.top, lane.unit)),
    ...lines,
  );
}

export function drawAxis(scale: Scale): SVGGElement {
  const ticks = axisTicks(scale.duration_s, scale.plot, 72);
  return svg(
    "g",
    { class: "axis" },
    ...ticks.flatMap((t) => [
      svg("line", { x1: scale.x(t), x2: scale.x(t), y1: scale.bodyHeight, y2: scale.bodyHeight + 4 }),
      svg("text", { x: scale.x(t), y: scale.bodyHeight + 16, "text-anchor": "middle" }, axisTime(t, scale.duration_s)),
    ]),
  );
}
