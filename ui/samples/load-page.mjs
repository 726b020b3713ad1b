/** Made-up loads for the page of a load: an open one with stalls, a sweep, one in which everything failed and is hostile. */

const NO_TIMES = { p50: null, p90: null, p99: null, p99_9: null, max: null, mean: null };
const times = (series, count, p50, factor = 1) => ({
  series,
  count,
  p50: p50 * factor,
  p90: p50 * 2 * factor,
  p99: p50 * 40 * factor,
  p99_9: p50 * 50 * factor,
  max: p50 * 60 * factor,
  mean: p50 * 3 * factor,
});

const INVERSE = Array.from({ length: 71 }, (_, i) => 10 ** (i / 20));

function histogram() {
  const edges = Array.from({ length: 41 }, (_, i) => 0.5 * 1.16 ** i);
  const counts = edges.slice(1).map((_, i) => Math.round(900 * Math.exp(-(((i - 9) / 4) ** 2)) + (i > 30 ? 40 : 0)));
  const [sum, top] = [counts.reduce((a, b) => a + b), Math.max(...counts)];
  return counts.map((count, i) => ({
    from_ms: edges[i],
    to_ms: edges[i + 1],
    count,
    share: count / sum,
    height: count / top,
  }));
}

/** 400 requests/s for a minute; every third second is held up. */
export function open() {
  const t_s = Array.from({ length: 60 }, (_, i) => i + 0.5);
  const p50 = t_s.map((_, i) => (i % 3 === 0 ? 4 : 1));
  const all = t_s.length * 400;
  return {
    format_version: 1,
    slowpath_version: "0.1.0",
    run: {
      title: "POST http://localhost:3000/v1/chat/completions",
      facts: ["50 connections", "400 requests/s (Poisson)", "1 min"],
      started_at: "2026-11-23T14:02:00Z",
      duration_s: 60,
      ended: "complete",
    },
    verdict: { sentence: "400 requests/s, p99 40.0 ms, no errors", details: ["p99 would look like 20.0 ms"] },
    warnings: [],
    thresholds: [
      { condition: "p99>30ms", measured: "40.0 ms", is_crossed: true },
      { condition: "errors>1%", measured: "0 %", is_crossed: false },
    ],
    totals: {
      of: "",
      requests: all,
      requests_per_second: 400,
      failed: 0,
      failed_share: 0,
      bytes_per_second: 3.1e6,
      duration_s: 60,
    },
    times: [
      times("latency", all, 1),
      times("uncorrected", all, 1, 0.5),
      ...["ttfb", "ttft", "ttfo", "tpot", "itl", "e2el"].map((series) => times(series, all, 1, 0.7)),
    ],
    rates: [
      { of: "requests", average: 400, stdev: 12, min: 371, max: 422, n_seconds: 60 },
      { of: "bytes", average: 3.1e6, stdev: 1e5, min: 2.9e6, max: 3.3e6, n_seconds: 60 },
    ],
    streams: {
      whole: all,
      broken: 0,
      dialects: [["openai-chat", all]],
      content_events: 480_000,
      output_tokens: 480_000,
      output_tokens_per_second: 8000,
    },
    goodput: { objectives: "ttft ≤ 200 ms", requests_per_second: 380, share: 0.95 },
    schedule: {
      late: 120,
      late_share: 0.005,
      dropped: 3,
      dropped_share: 0.0001,
      unfinished: 7,
      unfinished_share: 0.0003,
    },
    status: [{ status: 200, count: all, share: 1 }],
    errors: [],
    seconds: {
      t_s,
      requests_per_second: t_s.map((_, i) => 390 + ((i * 7) % 20)),
      failed_per_second: t_s.map(() => 0),
      offered_per_second: t_s.map(() => 400),
      p50,
      p90: p50.map((ms) => ms * 3),
      p99: p50.map((ms) => ms * 30),
    },
    histogram: histogram(),
    spectra: ["latency", "uncorrected", "ttft", "itl"].map((series, k) => ({
      series,
      inverse: INVERSE,
      ms: INVERSE.map((inverse) => 1 + Math.log10(inverse) ** 3 * (4 - k)),
    })),
    sweep: null,
    generator: {
      cpu_share: 0.12,
      was_bottleneck: false,
      little: { under_way: 1.2, rate_times_latency: 1.2, difference: 0.001, is_kept: true },
    },
    settings: [
      ["target", "POST http://localhost:3000/v1/chat/completions"],
      ["seed", "7"],
    ],
  };
}

export function sweep() {
  const page = open();
  const rate = (offered, p50) => ({
    step: "rate",
    offered,
    achieved: Math.min(offered, 1000),
    keeps_up: offered <= 1000,
    failed: 0,
    times: times("latency", offered, p50),
  });
  const points = [
    { step: "synchronous", offered: null, achieved: 90, keeps_up: true, failed: 0, times: times("latency", 90, 1) },
    { step: "saturation", offered: null, achieved: 1010, keeps_up: true, failed: 0, times: times("latency", 1010, 30) },
    ...[
      [250, 1],
      [500, 1.2],
      [750, 2.4],
      [1000, 12],
      [1200, 200],
    ].map(([offered, p50]) => rate(offered, p50)),
  ];
  const sentence = "The curve bends at 750 requests/s with p99 96.0 ms";
  return {
    ...page,
    verdict: { sentence, details: [] },
    totals: { ...page.totals, of: "the knee: 750 requests/s asked for" },
    streams: null,
    goodput: null,
    schedule: null,
    sweep: { points, knee: 4, highest_kept: 5 },
  };
}

const HOSTILE = '</script><img src=x onerror="window.pwned=1"><!--';

/** Everything failed, and every text that can come from outside tries to become markup. */
export function failed() {
  const page = open();
  return {
    ...page,
    run: { ...page.run, title: HOSTILE, facts: [HOSTILE], ended: "server-died" },
    verdict: { sentence: "All 120 requests failed", details: [HOSTILE] },
    warnings: [HOSTILE],
    thresholds: [{ condition: HOSTILE, measured: "not measured", is_crossed: true }],
    totals: { ...page.totals, requests: 0, requests_per_second: 0, failed: 120, failed_share: 1, bytes_per_second: 0 },
    times: [{ series: "latency", count: 0, ...NO_TIMES }],
    streams: { ...page.streams, dialects: [[HOSTILE, 1]] },
    goodput: { ...page.goodput, objectives: HOSTILE },
    status: [],
    errors: [{ class: "connect", count: 120, share: 1, sample: HOSTILE.repeat(6) }],
    seconds: {
      ...page.seconds,
      requests_per_second: page.seconds.t_s.map(() => 0),
      failed_per_second: page.seconds.t_s.map(() => 2),
      p50: page.seconds.t_s.map(() => null),
      p90: page.seconds.t_s.map(() => null),
      p99: page.seconds.t_s.map(() => null),
    },
    histogram: [],
    spectra: [{ series: "latency", inverse: [], ms: [] }],
    generator: { cpu_share: 0.99, was_bottleneck: true, little: null },
    settings: [["target", HOSTILE]],
  };
}
