/** Every word that the page of a load says by itself, apart from those that it shares with the report (`strings.ts`). */
import { spoken } from "./language.ts";
import type { LoadRun, Series } from "./load-contract.ts";
import { ENDED_ZH, LOAD_ZH, SERIES_ZH } from "./load-strings-zh.ts";

/** `short` is what vLLM's `bench serve` and this program's tables say; `meaning` says it in words. */
const SERIES_ENGLISH: Record<Series, { short: string; meaning: string }> = {
  latency: { short: "latency", meaning: "from the moment a request was due to the last byte of its answer" },
  uncorrected: {
    short: "uncorrected",
    meaning: "from the moment it was sent: leaves out that it had to wait its turn",
  },
  first_byte: { short: "first byte", meaning: "to the first byte of the body" },
  ttfb: { short: "ttfb", meaning: "to the first event of the stream" },
  ttft: { short: "ttft", meaning: "time to first token: the first event with content" },
  ttfo: { short: "ttfo", meaning: "time to first output, reasoning left out" },
  tpot: { short: "tpot", meaning: "time per output token after the first, by stream" },
  itl: { short: "itl", meaning: "inter-token latency: gaps between events with content" },
  e2el: { short: "e2el", meaning: "end-to-end latency of whole streams" },
};
export const SERIES = spoken(SERIES_ENGLISH, SERIES_ZH);

export const ENDED: Record<LoadRun["ended"], string> = spoken(
  {
    complete: "",
    interrupted: "stopped by hand",
    bailout: "stopped by --bailout",
    "server-died": "the server died",
  },
  ENDED_ZH,
);

const ENGLISH = {
  broken: (why: string) => `This page holds no load: ${why}`,
  load: "Load",
  requestsPerSecond: "requests/s",
  bytesPerSecond: "received/s",
  errors: "failed",
  thresholds: "fail if",
  passed: "ok",
  crossed: "crossed",
  inAll: (n: string) => `${n} in all`,
  source: (requests: string, duration: string) => `${requests} requests in ${duration}`,
  of: (part: string) => `of ${part}`,
  generator: (share: string) => `load generator used ${share} of a core at most`,

  overTime: "Over time",
  noSeconds: "The load was too short to say anything over time.",
  answered: "answered",
  asked: "asked for",
  failed: "failed",
  latency: "latency",
  requests: "requests",

  latencySection: "Latency",
  histogram: "Histogram",
  spectrum: "By percentile",
  noLatency: "Nothing succeeded, so there is no latency to show.",
  bar: (from: string, to: string, n: string, share: string) => `${from} – ${to}: ${n} requests, ${share}`,
  scale: "scale of latency",
  logarithmic: "logarithmic",
  linear: "linear",
  histogramNote: "bars of equal width on a logarithmic axis, height by number of requests",
  spectrumNote: (n: string) => `of ${n} requests; the line ends where fewer than one request is left`,
  closedNote: "closed load: each connection waits for its answer, so a request is sent the moment it is due",
  series: "time",
  meaning: "from when to when",
  count: "count",
  mean: "mean",

  rates: "Rates",
  average: "average",
  stdev: "stdev",
  min: "min",
  max: "max",
  ofSeconds: (n: string) => `spread over ${n} seconds`,
  late: "sent late",
  lateNote: "more than 1 ms after their time",
  dropped: "never sent",
  droppedNote: "due before the end, and no connection was free",
  unfinished: "unfinished",
  unfinishedNote: "sent and not answered when the wait for the last answers was over",
  tokens: "output tokens/s",
  goodput: "goodput",
  goodputNote: (share: string, objectives: string) => `${share} of all requests met ${objectives}`,
  streams: "streams",
  streamsText: (whole: string, dialects: string, broken: string) => `${whole} whole (${dialects}), ${broken} broken`,
  events: "content events",
  share: "share",

  sweep: "Sweep",
  step: { synchronous: "1 connection", saturation: "saturation", rate: "rate" },
  stepColumn: "step",
  offered: (rate: string) => `${rate}/s asked for`,
  achieved: "achieved/s",
  stop: (step: string, achieved: string, latency: string) => `${step}: ${achieved}/s achieved${latency}`,
  knee: "knee",
  tooHigh: "too high",
  highest: "highest kept",
  sweepNote:
    "knee: the rate with the greatest throughput over mean latency; too high: less than 95 % of it was achieved",

  answers: "Answers",
  status: "status",
  noAnswers: "No answer came.",
  failures: "Failures",
  noFailures: "No request failed.",
  errorClass: "class",
  sample: "the first one",

  measured: "How this was measured",
  asks: "What was asked for",
  checks: "Whether to believe it",
  busiest: "generator's CPU",
  busiestText: (share: string) => `${share} of a core: its busiest thread in its busiest second`,
  bottleneck: "the generator was the bottleneck: the server may be faster",
  little: "Little's law",
  littleText: (underWay: string, product: string, difference: string) =>
    `${underWay} requests were under way on average; rate × mean latency is ${product}; apart from requests cut off at the end they differ by ${difference}`,
  littleNone: "not checked: too little succeeded, or the load was a sweep",
  littleBroken: "the generator was held up, or the load was too short",
  version: "slowpath",
  started: "started",

  keys: [
    ["← →", "on a chart: move the cross-hair; Home, End, Page up, Page down for more"],
    ["l", "latency on a logarithmic or a linear scale"],
    ["Esc", "put the cross-hair away"],
    ["?", "this list"],
  ] as readonly (readonly [string, string])[],
  chartKeys: (name: string) => `${name}. Arrow keys move the cross-hair, Escape puts it away.`,
};

export type LoadWords = typeof ENGLISH;
export const L: LoadWords = spoken(ENGLISH, LOAD_ZH);
