/**
 * The data that the page of a load carries, written by `crates/slowpath/src/load/page` and read here; they change
 * together. `#slowpath-report` holds `LoadPage` as JSON.
 *
 * Times are ms, moments are seconds since the load's start, shares are 0..1; `null` is "not measured".
 */

export interface LoadPage {
  format_version: 1;
  slowpath_version: string;
  run: LoadRun;
  verdict: { sentence: string; details: string[] };
  warnings: string[];
  thresholds: ThresholdRow[];
  totals: Totals;
  times: TimesRow[];
  rates: RateRow[];
  streams: Streams | null;
  goodput: { objectives: string; requests_per_second: number; share: number } | null;
  /** Of an open load: what was sent late, what could not be sent at all, and what had no answer in the end. */
  schedule: {
    late: number;
    late_share: number;
    dropped: number;
    dropped_share: number;
    unfinished: number;
    unfinished_share: number;
  } | null;
  status: { status: number; count: number; share: number }[];
  /** Most frequent class first. The sample is the first failure of the class, "" if none was kept. */
  errors: { class: ErrorClass; count: number; share: number; sample: string }[];
  seconds: Seconds;
  histogram: Bar[];
  spectra: Spectrum[];
  sweep: Curve | null;
  generator: Generator;
  /** What was asked for, as name and value. */
  settings: [string, string][];
}

export interface LoadRun {
  title: string;
  /** How hard, in a few words each: "50 connections", "500 requests/s". */
  facts: string[];
  started_at: string; // RFC 3339, UTC
  duration_s: number;
  ended: "complete" | "interrupted" | "bailout" | "server-died";
}

export interface ThresholdRow {
  condition: string; // "p99>100ms"
  measured: string; // "431 ms"
  is_crossed: boolean;
}

/** `requests` are the successful ones, `failed_share` is of those that ended. */
export interface Totals {
  /** Which part of the load totals, times, histogram and spectra are of; "" if the whole. */
  of: string;
  requests: number;
  requests_per_second: number;
  failed: number;
  failed_share: number;
  bytes_per_second: number;
  duration_s: number;
}

export type Series = "latency" | "uncorrected" | "first_byte" | "ttfb" | "ttft" | "ttfo" | "tpot" | "itl" | "e2el";

export interface TimesRow {
  series: Series;
  count: number;
  p50: number | null;
  p90: number | null;
  p99: number | null;
  p99_9: number | null;
  max: number | null;
  mean: number | null;
}

/** A count per second, and its spread over so many whole seconds. */
export interface RateRow {
  of: "requests" | "bytes";
  average: number;
  stdev: number;
  min: number;
  max: number;
  n_seconds: number;
}

export interface Streams {
  whole: number;
  broken: number;
  dialects: [string, number][];
  content_events: number;
  output_tokens: number;
  output_tokens_per_second: number;
}

export type ErrorClass =
  | "connect"
  | "reset"
  | "timeout"
  | "status"
  | "malformed"
  | "truncated"
  | "tls"
  | "check"
  | "api";

/** Columns of one length; `offered_per_second` is empty without a schedule. */
export interface Seconds {
  t_s: number[]; // middle of the second, ascending
  requests_per_second: (number | null)[];
  failed_per_second: (number | null)[];
  offered_per_second: number[];
  p50: (number | null)[];
  p90: (number | null)[];
  p99: (number | null)[];
}

/** A bar of the histogram of latency. The axis is logarithmic; `height` is count per width on it, the highest is 1. */
export interface Bar {
  from_ms: number;
  to_ms: number;
  count: number;
  share: number;
  height: number;
}

/** Latency by percentile: `inverse` is 1 / (1 − q), so that 100 is p99. */
export interface Spectrum {
  series: Series;
  inverse: number[]; // ascending
  ms: number[];
}

/** `knee` and `highest_kept` are indexes in `points`. */
export interface Curve {
  points: CurvePoint[];
  knee: number | null;
  highest_kept: number | null;
}

export interface CurvePoint {
  step: "synchronous" | "saturation" | "rate";
  offered: number | null; // 1/s
  achieved: number; // 1/s
  keeps_up: boolean;
  failed: number;
  times: TimesRow;
}

/** Whether the numbers can be trusted. */
export interface Generator {
  cpu_share: number; // of one core, of its busiest thread in its busiest second
  was_bottleneck: boolean;
  /** Both sides of Little's law, in requests; `null` where they cannot be compared. */
  little: { under_way: number; rate_times_latency: number; difference: number; is_kept: boolean } | null;
}
