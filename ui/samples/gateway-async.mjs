/** What requests of the gateway waited for (`RequestsData` of `src/contract.ts`), and the same with very many places. */
import { randomFrom } from "./random.mjs";

const POINTS = 120;

function site(kind, call, where, times, more = {}) {
  const [fn, file, line] = where;
  const [n, held, longest] = times;
  const remote = more.remote ?? null;
  const what = remote === null ? call : `${call} to ${remote}`;
  const name = file === "" ? `wait for ${what || kind}` : `await ${what} in ${fn} (${file.split("/").pop()}:${line})`;
  return {
    kind,
    name,
    remote,
    call,
    function: fn,
    file: file === "" ? "" : `/srv/llm-gateway/${file}`,
    line,
    column: 20,
    party: file === "" ? "unknown" : file.startsWith("src/") ? "app" : "dependency",
    package: null,
    n_requests: Math.min(n, 412),
    n,
    max_in_series: Math.max(1, Math.round(n / 412)),
    held_up_ms: held,
    waited_ms: held * 1.2,
    longest_ms: longest,
    ran_ms: held * 0.02,
    blocked_ms: 0,
    n_wakers: 0,
    begun_by: [],
    ...more,
  };
}

const UPSTREAM = { remote: "127.0.0.1:9000", package: "undici" };
const REDIS = { remote: "127.0.0.1:6379", package: "ioredis" };
const SITES = [
  site("http", "fetch", ["callUpstream", "src/upstream/client.js", 44], [412, 98_400, 1210], {
    ...UPSTREAM,
    begun_by: [
      [2, 380],
      [3, 32],
    ],
  }),
  site("lock", "acquire", ["withQuota", "src/quota/lock.js", 19], [412, 21_700, 640], {
    n_wakers: 398,
    begun_by: [[2, 412]],
  }),
  site("redis", "get", ["loadSession", "src/session/store.js", 27], [1236, 9300, 41], {
    ...REDIS,
    begun_by: [[6, 412]],
  }),
  site("socket-pool", "fetch", ["callUpstream", "src/upstream/client.js", 44], [96, 8100, 512], {
    ...UPSTREAM,
    begun_by: [[2, 96]],
  }),
  site("fs", "readFile", ["loadTemplate", "src/prompt/templates.js", 61], [412, 4200, 88], {
    blocked_ms: 1840,
    ran_ms: 2100,
    begun_by: [[2, 412]],
  }),
  site("redis", "set", ["saveSession", "src/session/store.js", 41], [412, 2900, 37], {
    ...REDIS,
    begun_by: [[0, 412]],
  }),
  site("client", "", ["readBody", "src/routes/chat.js", 31], [412, 1700, 22]),
  site("connect", "connect", ["", "node_modules/undici/lib/core/connect.js", 98], [61, 1300, 61], {
    ...UPSTREAM,
    begun_by: [[3, 61]],
  }),
  site("timer", "setTimeout", ["retryLater", "src/upstream/retry.js", 12], [9, 900, 100], { begun_by: [[0, 9]] }),
  site("dns", "lookup", ["", "node_modules/undici/lib/core/connect.js", 98], [61, 400, 14], { begun_by: [[7, 61]] }),
  site("zlib", "gzip", ["compressLog", "src/log/archive.js", 33], [40, 260, 19], { blocked_ms: 120 }),
  site("immediate", "", ["", "", 0], [820, 120, 2]),
];

/** Rows that add up in each group. */
function path(route, n, waits, [typical, slow]) {
  const rows = waits.map(([kind, at, typical_ms, slow_ms]) => {
    const what = kind !== "waiting" ? { kind, name: kind } : { kind: SITES[at].kind, name: SITES[at].name };
    return { ...what, site: at, mean_ms: (typical_ms + slow_ms) / 2, typical_ms, slow_ms };
  });
  const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
  rows.sort((a, b) => b.mean_ms - a.mean_ms);
  return {
    route,
    n,
    mean_ms: sum("mean_ms"),
    typical: { n: typical, mean_ms: sum("typical_ms") },
    slow: { n: slow, mean_ms: sum("slow_ms") },
    rows,
    difference: null,
  };
}

function inFlight(random) {
  const wave = (level, swing) =>
    Array.from({ length: POINTS }, (_, i) =>
      Math.max(0, level * (1 + swing * Math.sin(i / 9) + 0.3 * (random() - 0.5))),
    );
  const series = [
    ["http", 24, 0.1],
    ["lock", 6, 0.8],
    ["redis", 2.4, 0.2],
    ["socket-pool", 2, 0.9],
    ["fs", 1.1, 0.3],
    ["client", 0.4, 0.2],
  ];
  return {
    start_s: 30,
    step_s: 7 / POINTS,
    series: series.map(([kind, level, swing]) => ({ kind, mean: wave(level, swing) })),
  };
}

export function gatewayAsync() {
  const chat = [
    ["waiting", 0, 212, 274],
    ["waiting", 1, 8, 391],
    ["waiting", 2, 21, 24],
    ["waiting", 3, 0, 118],
    ["waiting", 4, 9, 12],
    ["waiting", 5, 7, 8],
    ["running", null, 6.4, 7.1],
    ["queued", null, 31, 96],
    ["sending", null, 0.4, 0.6],
    ["rest", null, 3, 4],
  ];
  const models = [
    ["waiting", 2, 7, 9],
    ["running", null, 0.8, 0.9],
    ["queued", null, 12, 61],
    ["sending", null, 0.2, 0.2],
  ];
  return {
    n_followed: 412,
    n_cut: 3,
    n_requests: 585,
    spent_share: 0.012,
    hooks: {
      on_share: 0.42,
      ratio_on: 1.46,
      ratio: 1.19,
      n_requests_on: 585,
      n_requests_off: 870,
      text: "hooks were on for 42 % of the phase: a request took 1.46 times the CPU time while they were, 1.19 times over the whole phase (585 requests with, 870 without)",
    },
    all: path("all", 412, chat, [83, 5]),
    routes: [path("POST /v1/chat/completions", 371, chat, [75, 5]), path("GET /v1/models", 41, models, [9, 5])],
    sites: SITES,
    n_more_sites: 0,
    more_sites_share: 0,
    more_sites: [],
    in_flight: inFlight(randomFrom(11)),
    thread_pool: { size: 4, n_tasks: 1730, mean_tasks: 2.6, full_share: 0.21, mean_ms: 10.4, queued_ms: 3.1 },
    outside_ms: 4.2,
  };
}

/** The gateway with 10,000 places, and 9,000 further ones that are not listed one by one. */
export function manyPlaces() {
  const random = randomFrom(12);
  const kinds = ["http", "redis", "postgres", "fs", "timer", "lock", "net", "crypto"];
  const sites = Array.from({ length: 10_000 }, (_, i) => {
    const kind = kinds[i % kinds.length];
    const remote = ["http", "redis", "postgres", "net"].includes(kind)
      ? `10.0.${i % 5}.${i % 9}:${6000 + (i % 3)}`
      : null;
    const held = 90_000 / (i + 1) ** 0.9;
    const begun_by = i > 0 ? [[Math.floor(random() * i), 10 + (i % 90)]] : [];
    return site(
      kind,
      `call${i % 400}`,
      [`step${i}`, `src/part${i % 300}/file${i % 17}.js`, 1 + (i % 700)],
      [100, held, held / 20],
      { remote, begun_by, blocked_ms: i % 50 === 7 ? held / 3 : 0 },
    );
  });
  const more_sites = [
    { kind: "timer", n: 5200, held_up_ms: 18_400, blocked_ms: 0 },
    { kind: "http", n: 3800, held_up_ms: 9100, blocked_ms: 2300 },
  ];
  return { ...gatewayAsync(), sites, n_more_sites: 9000, more_sites_share: 0.032, more_sites };
}
