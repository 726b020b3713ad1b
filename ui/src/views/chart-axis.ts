/** The time axis above the flame chart, in the seconds of the timeline. */
import type { Span } from "../logic/flame-layout.ts";
import { ticksBetween } from "../logic/timeline.ts";
import { fill, svg } from "./dom.ts";

const HEIGHT = 20;
/** Pixels between two labels. */
const GAP = 96;

export class ChartAxis {
  readonly element = svg("svg", { class: "chart-axis", height: HEIGHT, "aria-hidden": "true" });
  private readonly ticks = svg("g");
  private readonly time = svg("text", { class: "hair-time", y: 14, "text-anchor": "middle" });

  constructor() {
    this.element.append(this.ticks, this.time);
  }

  show([from_s, to_s]: Span, width: number): void {
    const x = (t_s: number) => ((t_s - from_s) / (to_s - from_s)) * width;
    fill(
      this.ticks,
      ...ticksBetween(from_s, to_s, width, GAP).flatMap(({ t_s, label }) => {
        const at = x(t_s);
        const anchor = at < 24 ? "start" : at > width - 24 ? "end" : "middle";
        return [
          svg("line", { x1: at, x2: at, y1: HEIGHT - 4, y2: HEIGHT }),
          svg("text", { x: at, y: 13, "text-anchor": anchor }, label),
        ];
      }),
    );
  }

  /** Writes the moment under the pointer; -1 = none. */
  mark(x: number, text: string, width: number): void {
    this.time.setAttribute("visibility", x < 0 ? "hidden" : "visible");
    this.time.setAttribute("x", String(Math.min(Math.max(x, 40), width - 40)));
    this.time.textContent = text;
  }
}
