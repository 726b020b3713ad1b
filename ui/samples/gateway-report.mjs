/** The report around `gateway-profile.mjs`: load, phases, findings, timeline, as a run of 60 s would give. */
import { gatewayAsync } from "./gateway-async.mjs";
import { CWD, gatewayProfile } from "./gateway-profile.mjs";
import { randomFrom } from "./random.mjs";

const PHASES = [
  ["warm-up", 0, 5, 1.03],
  ["baseline", 5, 15, 1],
  ["cpu", 15, 30, 0.985],
  ["async", 30, 37, 0.74],
  ["counters", 37, 41, 0.93],
  ["heap", 41, 49, 0.94],
  ["baseline again", 49, 60, 0.995],
];
const PID = 41877;

const latency = (scale) => ({
  p50: 431 * scale,
  p90: 602 * scale,
  p99: 1071 * scale,
  p99_9: 1312 * scale,
  max: 1498 * scale,
  mean: 442 * scale,
});

function series(random) {
  const t_s = Array.from({ length: 240 }, (_, i) => i / 4 + 0.125);
  const speed = t_s.map((t) => (PHASES.find(([, from, to]) => t >= from && t < to) ?? PHASES[1])[3]);
  const noise = (size) => 1 + (random() - 0.5) * size;
  const make = (id, label, unit, value) => ({ id, label, unit, t_s, v: t_s.map(value) });
  return [
    make("rps", "requests/s", "1/s", (t, i) => (t < 0.5 ? 0 : 113 * speed[i] * noise(0.16))),
    make("p99", "p99", "ms", (t, i) => (t < 1 ? null : (1071 / speed[i]) * noise(0.3))),
    make("loop_delay", "loop delay", "ms", (_t, i) => (14 / speed[i]) * noise(0.9) + (random() < 0.03 ? 140 : 0)),
    make("cpu", "CPU", "cores", (_t, i) => 1.02 * noise(0.06) + (speed[i] < 0.8 ? 0.3 : 0)),
    make("heap", "heap used", "bytes", (t) => 62e6 + ((t * 7.3e6) % 48e6)),
    make("rss", "RSS", "bytes", (t) => 148e6 + t * 0.25e6),
    make("gc", "GC", "share", () => 0.12 * noise(0.8)),
  ];
}

function stallsOf(index, random) {
  return Array.from({ length: 19 }, (_, i) => {
    const start_s = 2.4 + i * 3.02 + random();
    const sampled = start_s > 15 && start_s < 37;
    const reads = i % 5 === 2;
    return {
      start_s,
      duration_ms: 52 + random() * 140,
      pid: PID,
      thread: 0,
      culprit: sampled ? (reads ? "readFileSync" : "renderRules") : null,
      function_index: sampled ? (reads ? index.readFileSync : index.renderRules) : null,
    };
  });
}

function stallGroupsOf(stalls) {
  const places = { readFileSync: "node:fs", renderRules: "src/prompt/rules.js:88" };
  const culprits = [...new Set(stalls.map((stall) => stall.culprit))];
  return culprits.map((culprit) => {
    const held = stalls.filter((stall) => stall.culprit === culprit);
    const lengths = held.map((stall) => stall.duration_ms);
    const total_ms = lengths.reduce((a, b) => a + b);
    return {
      culprit,
      place: places[culprit] ?? null,
      function_index: held[0].function_index,
      n_stalls: held.length,
      total_ms,
      longest_ms: Math.max(...lengths),
      own_ms: total_ms * 0.97,
      requests_caught: 48.6,
    };
  });
}

const evidence = (text, value, unit, n_samples, recorder) => ({
  text: `${text} ${value} ${unit}`,
  value,
  unit,
  n_samples,
  recorder,
});

function findingsOf(index, stalls) {
  return [
    {
      rule: "expensive-construction",
      title: "renderRules() builds 214 regular expressions for every request",
      severity: "high",
      confidence: "high",
      confidence_why: "7,741 samples; the share is the same in both halves of the phase",
      share: 0.54,
      share_of: "busy main-thread time",
      predicted_gain: { throughput: 2.12, low: 1.93, high: 2.31 },
      where: {
        function: "renderRules",
        file: `${CWD}/src/prompt/rules.js`,
        line: 88,
        column: 21,
        package: null,
        process: PID,
      },
      evidence: [
        evidence("renderRules and what it calls hold the main thread for", 12.6, "s", 7741, "cpu"),
        evidence("RegExp is constructed per request", 214, "times", 1690, "counters"),
        evidence("the arguments repeat: distinct patterns seen", 214, "patterns", 361660, "counters"),
      ],
      advice:
        "The rules do not change between requests: compile them once when the module loads (rules.js:52) and keep the array; renderRules then only fills in values.",
      function_index: index.renderRules,
      intervals: stalls
        .filter((s) => s.culprit === "renderRules")
        .map((s) => [s.start_s, s.start_s + s.duration_ms / 1000]),
    },
    {
      rule: "sync-io-on-request-path",
      title: "loadQuota() reads quota.json synchronously on every request",
      severity: "high",
      confidence: "high",
      confidence_why: "every request made exactly one call",
      share: 0.12,
      share_of: "busy main-thread time",
      predicted_gain: { throughput: 1.29, low: 1.18, high: 1.36 },
      where: {
        function: "loadQuota",
        file: `${CWD}/src/quota/store.js`,
        line: 31,
        column: 19,
        package: null,
        process: PID,
      },
      evidence: [
        evidence("synchronous file calls per request", 3, "calls", 1690, "counters"),
        evidence("blocked in them", 1.84, "s", 1604, "cpu"),
      ],
      advice: "Read the file once and watch it for changes, or keep the quota in memory and write it back on a timer.",
      function_index: index.loadQuota,
      intervals: stalls
        .filter((s) => s.culprit === "readFileSync")
        .map((s) => [s.start_s, s.start_s + s.duration_ms / 1000]),
    },
    {
      rule: "busy-timer",
      title: "checkUpstreams() runs every 5 ms",
      severity: "low",
      confidence: "medium",
      confidence_why: "part of its time may be work that is needed anyway",
      share: 0.058,
      share_of: "busy main-thread time",
      predicted_gain: { throughput: 1.06, low: 1.02, high: 1.09 },
      where: {
        function: "checkUpstreams",
        file: `${CWD}/src/health/probe.js`,
        line: 12,
        column: 25,
        package: null,
        process: PID,
      },
      evidence: [evidence("timer callbacks per second", 198, "1/s", 2970, "counters")],
      advice: "Every 5 s is enough for a health probe.",
      function_index: index.checkUpstreams ?? index.probe,
      intervals: [],
    },
  ];
}

export function gatewayReport() {
  const random = randomFrom(7);
  const { profile, index, functions } = gatewayProfile({ pid: PID, from_s: 15, to_s: 36.8 });
  const stalls = stallsOf(index, random);
  const report = {
    format_version: 1,
    slowpath_version: "0.1.0",
    files: [],
    weight_unit: "us",
    categories: {},
    run: {
      title: "llm-gateway",
      command: ["npm", "run", "start", "--", "--config", "prod like.json"],
      cwd: CWD,
      node: "v20.20.2",
      started_at: "2026-11-23T14:02:11Z",
      duration_s: 60.2,
      ended: "complete",
      ended_detail: "",
      url: "http://127.0.0.1:3000/v1/chat/completions",
      method: "POST",
      connections: 50,
      machine: { cpus: 2, cpu_model: "Intel Xeon Platinum 8488C", kernel: "Linux 6.1.0", memory_bytes: 8.2e9 },
    },
    verdict: {
      class: "cpu",
      sentence: "CPU-bound: one core is full, and 54 % of it is renderRules(), rebuilt for every request",
      detail:
        "The main thread is busy 90 % of the time; the other core is half idle, so more connections only make the queue longer.",
    },
    findings: findingsOf(index, stalls),
    gain_of_all: 3.1,
    refuted: [
      "JSON conversion (2.1 % of busy time)",
      "Redis round trips (0.2 per request)",
      "thread-pool queue (p99 wait 0.3 ms)",
    ],
    pack: {
      name: "aiclient-2-api",
      title: "AIClient-2-API",
      version: "1",
      why: "package.json names `aiclient-2-api`",
      fits: true,
    },
    checkpoints: checkpointsOf(),
    checklist: checklistOf(),
    load: {
      requests: 2373,
      requests_per_second: 113.0,
      duration_s: 21,
      latency_ms: latency(1),
      errors: {},
      status: { 200: 2373 },
      bytes_per_second: 412_000,
      cpu_ms_per_request: 8.7,
      generator_cpu_share: 0.013,
      stream: null,
      phases: ["baseline", "baseline again"],
      error_samples: [],
    },
    load_phases: PHASES.map(([phase, start_s, end_s, speed]) => ({
      phase,
      start_s,
      end_s,
      requests: Math.round((end_s - start_s) * 113 * speed),
      requests_per_second: 113 * speed,
      latency_ms: latency(1 / speed),
      errors: {},
      cpu_ms_per_request: 8.7 / speed,
    })),
    split: { js: 0.612, gc: 0.118, native: 0.093, sync_io: 0.061, compile: 0.004, run_queue: 0.018, idle: 0.094 },
    split_source: {
      pid: PID,
      thread: 0,
      thread_name: "main thread",
      wall_s: 21.8,
      n_samples: profile.threads[0].samples.stack.length,
      effective_interval_us: 1050,
      recorders: ["cpu", "proc"],
    },
    overhead: PHASES.slice(2, 6).map(([phase, , , speed]) => ({
      phase,
      throughput: speed,
      cpu_per_request: 1 / speed,
      p99: 1 / speed + 0.01,
      note: speed < 0.8 ? "disturbs: its own times are not quoted" : "",
    })),
    processes: [
      {
        pid: PID - 21,
        ppid: 1,
        role: "package manager",
        command: "npm run start",
        node: "v20.20.2",
        threads: [],
        exit: "exit code 0",
        rss_peak_bytes: 61e6,
        fds_peak: 24,
      },
      {
        pid: PID,
        ppid: PID - 21,
        role: "main",
        command: "node src/server.js --config 'prod like.json'",
        node: "v20.20.2",
        threads: [
          {
            tid: PID,
            thread: 0,
            name: "main thread",
            cpu_share: 0.89,
            run_queue_share: 0.018,
            n_samples: profile.threads[0].samples.stack.length,
          },
          {
            tid: PID + 11,
            thread: 3,
            name: "embed worker",
            cpu_share: 0.2,
            run_queue_share: 0.004,
            n_samples: profile.threads[1].samples.stack.length,
          },
          {
            tid: PID + 2,
            thread: null,
            name: "V8 platform workers (4)",
            cpu_share: 0.06,
            run_queue_share: 0.001,
            n_samples: 0,
          },
        ],
        exit: "stopped by slowpath (SIGINT)",
        rss_peak_bytes: 171e6,
        fds_peak: 143,
      },
    ],
    recorders: [
      { name: "proc", state: "ok", why: "", bytes: 84_000, n_records: 602 },
      { name: "loop", state: "ok", why: "", bytes: 31_000, n_records: 1204 },
      { name: "cpu", state: "ok", why: "", bytes: 702_000, n_records: 24_950 },
      {
        name: "counters",
        state: "partial",
        why: "412 of 9,204 records dropped: the ring was full for 0.2 s",
        bytes: 96_000,
        n_records: 8792,
      },
      {
        name: "native",
        state: "missing",
        why: "/proc/sys/kernel/perf_event_paranoid is 3; run `sudo sysctl kernel.perf_event_paranoid=2`",
        bytes: 0,
        n_records: 0,
      },
    ],
    warnings: [{ text: "another process used 0.4 of a core during the baseline: read p99 with ± 10 %", about: "load" }],
    functions,
    native: null,
    counters: sampleCounters(),
    memory: sampleMemory(functions),
    scale: sampleScale(functions),
    requests: gatewayAsync(),
    cpu_owners: {
      on_stack_share: 0.62,
      owned_share: 0.94,
      begun: [{ ...placeOf(functions.find((row) => row.name === "renderRules")), share: 0.21 }],
    },
    timeline: {
      duration_s: 60,
      phases: PHASES.map(([name, start_s, end_s]) => ({ name, start_s, end_s })),
      series: series(random),
      stalls,
      stall_groups: stallGroupsOf(stalls),
    },
  };
  return { report, profile };
}

/** Collections of the gateway, who allocates, and sessions that stay. */
function sampleScale(functions) {
  const level = (value, requests, utilisation) => ({
    value,
    phases: [],
    seconds: 9.6,
    requests,
    errors: 0,
    windows: 20,
    utilisation,
  });
  const whole = (cost, ms_per_request, [exponent, low, high], expected, pace) => ({
    ...{ cost, function: null, file: null, line: null, function_index: null, share: null, n_samples: null },
    ...{ ms_per_request, exponent, low, high, expected, pace },
  });
  const ofFunction = (name, ...numbers) => {
    const row = functions.find((row) => row.name === name);
    const place = { function: row.name, file: row.file, line: row.line, function_index: row.function_index };
    return { ...whole("function", ...numbers), ...place, share: 0.4, n_samples: 812 };
  };
  return {
    inputs: [
      {
        input: "connections",
        not_measured: null,
        levels: [level(6, 1080, 0.97), level(50, 1085, 0.99)],
        rows: [
          whole("cpu", [8.9, 8.7], [-0.01, -0.03, 0.01], 0, "in-step"),
          whole("gc", [0.61, 0.92], [0.19, -0.2, 0.6], 0, "unclear"),
          whole("latency", [53.1, 431], [0.99, 0.97, 1.01], 1, "in-step"),
          ofFunction("renderRules", [4.71, 4.68], [0, -0.02, 0.02], 0, "in-step"),
        ],
      },
      {
        input: "body-bytes",
        not_measured: null,
        levels: [level(1240, 7011, 0.98), level(9810, 1085, 0.99)],
        rows: [
          whole("cpu", [1.31, 8.7], [0.91, 0.89, 0.93], 1, "in-step"),
          ofFunction("renderRules", [0.08, 4.68], [1.97, 1.86, 2.08], 1, "faster"),
        ],
      },
    ],
  };
}

function sampleMemory(functions) {
  const allocator = (name, megabytes, share, n_samples) => {
    const row = functions.find((found) => found.name === name) ?? functions[0];
    const { function_index, file, line } = row;
    return { function_index, function: row.name, file, line, package: null, bytes: megabytes * 1e6, share, n_samples };
  };
  const collected = (kind, n, total_ms, longest_ms, freed, promoted, survived) => ({
    kind,
    n,
    total_ms,
    longest_ms,
    freed_bytes: freed * 1e6,
    promoted_bytes: promoted * 1e6,
    survived_bytes: survived * 1e6,
  });
  return {
    gc_share: 0.061,
    pauses: [
      { kind: "scavenge", n: 2114, total_ms: 2480, longest_ms: 9.4 },
      { kind: "mark-sweep-compact", n: 19, total_ms: 402, longest_ms: 61 },
    ],
    heap: {
      window_s: 0.61,
      allocated_per_second: 214e6,
      collections: [
        collected("Scavenge", 24, 31, 2.8, 121, 3.1, 9.6),
        collected("MarkSweepCompact", 1, 18, 18, 14, 0, 0),
      ],
      allocations_s: 0.6,
      allocators: [allocator("renderRules", 78, 0.6, 596), allocator("handle", 21, 0.16, 160)],
      survivors: [allocator("renderRules", 2.9, 0.83, 44)],
      growth: { before_bytes: 41.2e6, after_bytes: 44.9e6, seconds: 1.8, bytes_per_second: 2.05e6 },
    },
  };
}

/** What was counted of the gateway: copies of the request through JSON, tiny writes, an interval. */
function sampleCounters() {
  const place = (name, file, line, n, ms, through = null) => ({
    function_index: 0,
    function: name,
    file,
    line,
    through,
    n,
    n_sampled: Math.min(900, n),
    ms,
  });
  const row = (kind, key, n, bytes, ms, places = []) => ({
    kind,
    key,
    n,
    per_request: n / 412,
    bytes,
    max_bytes: bytes / n,
    ms,
    share_of_busy: ms > 0 ? ms / 2900 : null,
    places,
  });
  return {
    wall_s: 3.1,
    requests: 412,
    cost_share: 0.021,
    stride: 4,
    rows: [
      row("json.copy", "", 824, 6.2e6, 180, [place("convertRequest", "src/convert/openai.js", 41, 824, 180)]),
      row("json.parse", "", 5022, 1.4e7, 320, [
        place("convertRequest", "src/convert/openai.js", 41, 3200, 210),
        place("readBody", "src/server.js", 88, 1822, 110, "raw-body"),
      ]),
      row("redis.command", "GET", 2884, 1.1e5, 0, [
        place("getProvider", "src/pool/manager.js", 120, 2884, 0, "ioredis"),
      ]),
      row("response.write", "", 41200, 2.5e5, 390, [place("streamTokens", "src/stream/sse.js", 30, 41200, 390)]),
      row("timer.interval", "5 ms", 610, 0, 61, [place("startHealthCheck", "src/pool/health.js", 12, 610, 61)]),
    ],
    calls_window_s: 2.2,
    calls_requests: 205.4,
    calls: [
      {
        function_index: 0,
        function: "escapeText",
        file: "src/stream/sse.js",
        line: 12,
        package: null,
        n: 205400,
        per_request: 1000,
      },
      {
        function_index: 0,
        function: "encode",
        file: "node_modules/tiktoken/index.js",
        line: 4,
        package: "tiktoken",
        n: 820,
        per_request: 4,
      },
    ],
    deopts_window_s: 1.5,
    deopts_unplaced: 3,
    deopts: [
      {
        function_index: 0,
        function: "renderRules",
        file: "src/prompt/rules.js",
        line: 88,
        package: null,
        pid: 4242,
        n_optimised: 13,
        n_aborted: 2,
        held_ms: 21.4,
        causes: [{ reason: "wrong map", file: "src/prompt/rules.js", line: 104, n: 14 }],
      },
      {
        function_index: 0,
        function: "encode",
        file: "node_modules/tiktoken/index.js",
        line: 4,
        package: "tiktoken",
        pid: 4242,
        n_optimised: 2,
        n_aborted: 0,
        held_ms: 0.4,
        causes: [],
      },
    ],
  };
}

function checkpointsOf() {
  const row = (id, title, answer, share, suspicion, ...evidence) => ({
    id,
    title,
    suspicion,
    answer,
    share,
    evidence: evidence.map(([text, value, n_samples]) => ({
      text,
      value: value ?? null,
      unit: value === undefined ? "" : "share",
      n_samples: n_samples ?? null,
      recorder: "cpu",
    })),
    advice: "convert once, without copying what is only read",
  });
  return [
    row(
      "protocol-conversion",
      "Protocol conversion",
      "refuted",
      0.021,
      "bodies are parsed and serialised again and again",
      ["2.1 % of the busy time in its functions (1.8 % to 2.4 %, 95 %)", 0.021, 402],
      ["`ConverterFactory.getConverter` does not exist in 214 scripts of the project"],
    ),
    row(
      "provider-pool",
      "Provider pool: selection and health checks",
      "cause",
      0.06,
      "health checks run too often",
      ["timers every 5 ms (`timer-storm`)", 0.06, 1210],
      ["6.0 % of the busy time in its functions (5.1 % to 6.9 %, 95 %)", 0.06, 1210],
    ),
    row("streaming", "Streamed answers", "not-seen", null, "events are formatted letter by letter", [
      "none of 19304 busy samples fell into its functions",
      undefined,
      19304,
    ]),
    row(
      "routing",
      "Routing of requests",
      "harmless",
      0.004,
      "expressions are compiled again for each request",
      ["0.4 % of the busy time in its functions (0.3 % to 0.5 %, 95 %)", 0.004, 77],
      ["not measured in this run, so not excluded: `regex-recompiled`"],
    ),
  ];
}

function checklistOf() {
  const point = (id, title, answer, how, ...evidence) => ({
    id,
    title,
    answer,
    evidence: evidence.map(([text, value, unit, recorder]) => ({ text, value, unit, n_samples: 2373, recorder })),
    how,
  });
  return [
    point("hot-functions", "The hot functions are known, and none stands out", "fail", "`slowpath run --only cpu`", [
      "renderRules() takes 54 % of the busy time (prompt/rules.js:88): `cpu-hot-function`",
      0.54,
      "share",
      "cpu",
    ]),
    point("p99", "p99 is below 100 ms", "fail", "`slowpath run --url URL -c 50 -d 60`", [
      "p99 is 1.07 s at 113 requests/s",
      1070,
      "ms",
      "load",
    ]),
    point("redis-pipelines", "Redis commands go in pipelines", "not-measured", "drive a service that uses Redis"),
    point("garbage-collection", "Garbage collection takes little", "pass", "every phase records collections", [
      "3.1 % of the busy time is garbage collection",
      0.031,
      "share",
      "gc",
    ]),
  ];
}

function placeOf({ function_index, name, file, line }) {
  return { function_index, function: name, file, line };
}
