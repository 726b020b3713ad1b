/** What the charts of a load's page show: panels of lines, bars and marks over one axis. Numbers come as they are. */
import type { CurvePoint, LoadPage, Series } from "../load-contract.ts";
import { L, SERIES } from "../load-strings.ts";
import { type Axis, axisOf, ticks } from "./axis.ts";
import { axisTime, count, milliseconds, percent, quantity, significant } from "./format.ts";
import { axisTicks } from "./timeline.ts";

/** How a line looks: strong, plain, dashed, dotted; what was asked for; what failed. */
export type Tone = "strong" | "plain" | "dashed" | "dotted" | "asked" | "failed";

export interface Line {
  name: string;
  tone: Tone;
  x: readonly number[];
  y: readonly (number | null)[];
  /** What stands beside the name without a cross-hair. */
  rest: string;
}

/** `height` from 0 to 1. */
export interface BarShape {
  from: number;
  to: number;
  height: number;
}

export interface Mark {
  x: number;
  y: number;
  shape: "full" | "hollow" | "knee";
  /** "" = none. */
  label: string;
}

export interface Panel {
  name: string;
  unit: string;
  y: Axis;
  yTicks: number[];
  height: number;
  lines: Line[];
  bars: BarShape[];
  marks: Mark[];
}

export interface Plot {
  label: string;
  x: Axis;
  xTicks: { at: number; text: string }[];
  /** Where the cross-hair can stand, and what it is on. */
  stops: readonly number[];
  stopNames: readonly string[];
  panels: Panel[];
  /** Upright lines, such as percentiles of a histogram. */
  uprights: { at: number; text: string }[];
}

type Scale = Axis["scale"];

const some = (values: readonly (number | null)[]): boolean => values.some((value) => value !== null && value > 0);

/** Requests per second and latency over time; `null` when nothing has a time. */
export function overTime(page: LoadPage, scale: Scale): Plot | null {
  const { seconds, rates, totals, times, sweep } = page;
  if (seconds.t_s.length === 0) return null;
  const x = seconds.t_s;
  const whole = sweep ? null : times[0];
  const rate: Line[] = [
    line(L.answered, "strong", x, seconds.requests_per_second, sweep ? "" : `${significant(rates[0].average)}/s`),
  ];
  if (seconds.offered_per_second.length > 0) rate.push(line(L.asked, "asked", x, seconds.offered_per_second, ""));
  if (some(seconds.failed_per_second))
    rate.push(line(L.failed, "failed", x, seconds.failed_per_second, sweep ? "" : L.inAll(count(totals.failed))));
  const latency = [
    line("p99", "strong", x, seconds.p99, rest(whole?.p99)),
    line("p90", "plain", x, seconds.p90, rest(whole?.p90)),
    line("p50", "dotted", x, seconds.p50, rest(whole?.p50)),
  ].filter(({ y }) => some(y));
  const panels = [panel(L.requestsPerSecond, "1/s", "linear", 88, 4, rate)];
  if (latency.length > 0) panels.push(panel(L.latency, "ms", scale, 176, 6, latency));
  const end = Math.max(page.run.duration_s, x[x.length - 1]);
  return {
    label: L.overTime,
    x: { scale: "linear", from: 0, to: end },
    xTicks: axisTicks(end, 1000, 96).map((at) => ({ at, text: axisTime(at, end) })),
    stops: x,
    stopNames: x.map((t) => axisTime(t, end)),
    panels,
    uprights: [],
  };
}

const rest = (ms: number | null | undefined): string => (ms === null || ms === undefined ? "" : milliseconds(ms));

const line = (
  name: string,
  tone: Tone,
  x: readonly number[],
  y: readonly (number | null)[],
  restText: string,
): Line => ({ name, tone, x, y, rest: restText });

function panel(name: string, unit: string, scale: Scale, height: number, nTicks: number, lines: Line[]): Panel {
  const y = axisOf(
    lines.flatMap((l) => l.y),
    scale,
  );
  return { name, unit, y, yTicks: ticks(y, nTicks), height, lines, bars: [], marks: [] };
}

const CHART_HEIGHT = 240;

/** How latencies are spread; `null` without any. */
export function histogram({ histogram: bars, times }: LoadPage): Plot | null {
  if (bars.length === 0) return null;
  const x: Axis = { scale: "log", from: bars[0].from_ms, to: bars[bars.length - 1].to_ms };
  const uprights = [
    { at: times[0].p50, text: "p50" },
    { at: times[0].p99, text: "p99" },
  ].filter((upright): upright is { at: number; text: string } => upright.at !== null);
  return {
    label: L.histogram,
    x,
    xTicks: ticks(x, 8).map((at) => ({ at, text: roundMs(at) })),
    stops: bars.map((bar) => Math.sqrt(bar.from_ms * bar.to_ms)),
    stopNames: bars.map((bar) =>
      L.bar(milliseconds(bar.from_ms), milliseconds(bar.to_ms), count(bar.count), percent(bar.share)),
    ),
    panels: [
      {
        name: L.requests,
        unit: "",
        y: { scale: "linear", from: 0, to: 1 },
        yTicks: [],
        height: CHART_HEIGHT,
        lines: [],
        bars: bars.map((bar) => ({ from: bar.from_ms, to: bar.to_ms, height: bar.height })),
        marks: [],
      },
    ],
    uprights,
  };
}

const roundMs = (ms: number): string => milliseconds(ms).replace(/\.0+(?=\u00a0)/, "");

const SPECTRUM_TICKS: readonly [number, string][] = [
  [2, "p50"],
  [10, "p90"],
  [100, "p99"],
  [1_000, "p99.9"],
  [10_000, "p99.99"],
  [100_000, "p99.999"],
];
const SPECTRUM_TONES: Partial<Record<Series, Tone>> = {
  latency: "strong",
  uncorrected: "dashed",
  ttft: "plain",
  itl: "dotted",
};

/** Latency by percentile, each power of ten of rarity as wide as the one before. */
export function spectrum(page: LoadPage, scale: Scale): Plot | null {
  const spectra = page.spectra.filter((s) => s.inverse.length > 1);
  if (spectra.length === 0) return null;
  const longest = spectra.reduce((a, b) => (b.inverse.length > a.inverse.length ? b : a));
  const x: Axis = { scale: "log", from: 1, to: Math.max(10, longest.inverse[longest.inverse.length - 1]) };
  const lines = spectra.map((s) =>
    line(SERIES[s.series].short, SPECTRUM_TONES[s.series] ?? "plain", s.inverse, s.ms, ""),
  );
  return {
    label: L.spectrum,
    x,
    xTicks: SPECTRUM_TICKS.filter(([at]) => at <= x.to).map(([at, text]) => ({ at, text })),
    stops: longest.inverse,
    stopNames: longest.inverse.map(percentileName),
    panels: [panel(L.latency, "ms", scale, CHART_HEIGHT, 6, lines)],
    uprights: [],
  };
}

/** Digits as the tail needs them: 1 / (1 − q) = 10,000 is "p99.99". */
export function percentileName(inverse: number): string {
  const digits = Math.min(Math.max(Math.ceil(Math.log10(inverse) - 1e-9) - 1, 0), 4);
  return `p${Number((100 - 100 / inverse).toFixed(digits))}`;
}

/** Latency over throughput, the steps in their order; saturation stands apart, because it was not asked for. */
export function sweepCurve({ sweep }: LoadPage, scale: Scale): Plot | null {
  if (!sweep || sweep.points.length === 0) return null;
  const curve = sweep.points.filter((point) => point.step !== "saturation");
  const lines = (["p99", "p50"] as const).map((name) =>
    line(
      name,
      name === "p99" ? "strong" : "dotted",
      curve.map((point) => point.achieved),
      curve.map((point) => point.times[name]),
      "",
    ),
  );
  const { points, knee } = sweep;
  const shapeOf = (point: CurvePoint): Mark["shape"] =>
    knee !== null && point === points[knee] ? "knee" : point.keeps_up && point.step === "rate" ? "full" : "hollow";
  const labelOf = (point: CurvePoint): string =>
    point.step === "rate" ? (shapeOf(point) === "knee" ? L.knee : point.keeps_up ? "" : L.tooHigh) : L.step[point.step];
  const marks = points.flatMap((point) =>
    point.times.p99 === null
      ? []
      : [{ x: point.achieved, y: point.times.p99, shape: shapeOf(point), label: labelOf(point) }],
  );
  const fastest = Math.max(...points.map((point) => point.achieved));
  const x: Axis = { scale: "linear", from: 0, to: fastest > 0 ? fastest * 1.04 : 1 };
  const y = axisOf(
    points.flatMap(({ times }) => [times.p50, times.p99]),
    scale,
  );
  return {
    label: L.sweep,
    x,
    xTicks: ticks(x, 8).map((at) => ({ at, text: quantity(at, "1/s") })),
    stops: points.map((point) => point.achieved),
    stopNames: points.map((point) => L.stop(stepName(point), significant(point.achieved), latencyOf(point))),
    panels: [{ name: L.latency, unit: "ms", y, yTicks: ticks(y, 7), height: 280, lines, bars: [], marks }],
    uprights: knee === null ? [] : [{ at: points[knee].achieved, text: "" }],
  };
}

/** Saturation has no place on the lines, so that it brings its latency itself. */
const latencyOf = ({ step, times }: CurvePoint): string =>
  step === "saturation" ? `, p50 ${milliseconds(times.p50)}, p99 ${milliseconds(times.p99)}` : "";

/** What a step asked for. */
export const stepName = (point: CurvePoint): string =>
  point.offered === null ? L.step[point.step] : L.offered(significant(point.offered));

/** The value of a line at a stop; `null` where it has none there. */
export function valueAtStop(line: Line, stop: number): number | null {
  const at = line.x.indexOf(stop);
  return at < 0 ? null : line.y[at];
}
