/** Reports that a usual run does not give: nothing recorded, healthy, small, long names, hostile names, huge. */
import { manyPlaces } from "./gateway-async.mjs";
import { gatewayReport } from "./gateway-report.mjs";
import { functionRows, ProfileBuilder } from "./profile-builder.mjs";
import { randomFrom } from "./random.mjs";

export const HOSTILE = '</script><img src=x onerror="window.pwned=1"><script>window.pwned=1</script>';
const LONG =
  "async Object.<anonymous>.createTheVeryLongNamedRequestHandlerFactoryForTenantScopedStreamingCompletionsWithRetriesAndFallbacksAndAuditLoggingAndQuotaEnforcementAndPromptRewritingAndResponseNormalisation";

const empty = () => new ProfileBuilder().data();

export function nothing() {
  const { report } = gatewayReport();
  return {
    report: {
      ...report,
      run: { ...report.run, ended: "target-died", url: null, method: null, connections: null, duration_s: 1.3 },
      verdict: {
        class: "not-enough-data",
        sentence: "Not enough data: the target ended after 1.3 s, before any phase was measured",
        detail: "It left with exit code 1; its last line of output was: Error: listen EADDRINUSE 0.0.0.0:3000",
      },
      findings: [],
      gain_of_all: null,
      refuted: [],
      load: null,
      load_phases: [],
      split: {},
      split_source: null,
      overhead: [],
      processes: [{ ...report.processes[0], threads: [], exit: "exit code 1", rss_peak_bytes: null, fds_peak: null }],
      recorders: report.recorders.map((r) => ({
        ...r,
        state: "missing",
        why: "the target ended before this phase",
        bytes: 0,
        n_records: 0,
      })),
      warnings: [{ text: "the target ended by itself", about: "target" }],
      functions: [],
      counters: null,
      memory: null,
      scale: null,
      timeline: { duration_s: 0, phases: [], series: [], stalls: [], stall_groups: [] },
    },
    profile: empty(),
  };
}

export function healthy() {
  const { report, profile } = gatewayReport();
  return {
    report: {
      ...report,
      verdict: {
        class: "healthy",
        sentence: "Healthy: the main thread is idle 71 % of the time, and p99 is 1.4 × p50",
        detail:
          "At 50 connections nothing on this side limits it: 96 % of a request's time is spent waiting for the upstream.",
      },
      findings: [],
      gain_of_all: null,
      refuted: ["synchronous I/O (none seen)", "GC (0.8 % of wall time)", "connection pool (0 waits)"],
      split: { js: 0.21, gc: 0.008, native: 0.06, run_queue: 0.012, idle: 0.71 },
      load: {
        ...report.load,
        requests_per_second: 2113.4,
        requests: 44_381,
        latency_ms: { p50: 22.1, p90: 25.4, p99: 31.2, p99_9: 40.3, max: 52.9, mean: 22.4 },
        cpu_ms_per_request: 0.13,
      },
      warnings: [],
      timeline: { ...report.timeline, stalls: [], stall_groups: [] },
    },
    profile,
  };
}

export function small() {
  const { report, profile } = gatewayReport();
  const thread = profile.threads[0];
  const cut = (list) => list.slice(0, 40);
  const samples = {
    start_delta_us: cut(thread.samples.start_delta_us),
    duration_us: cut(thread.samples.duration_us),
    stack: cut(thread.samples.stack),
  };
  const smaller = { ...profile, threads: [{ ...thread, samples }] };
  return {
    report: {
      ...report,
      findings: [{ ...report.findings[0], confidence: "low", confidence_why: "40 samples only", predicted_gain: null }],
      gain_of_all: null,
      refuted: [],
      warnings: [{ text: "40 CPU samples are few: shares are good to ± 15 points", about: "cpu" }],
      functions: functionRows(smaller),
    },
    profile: smaller,
  };
}

/** JavaScript with its tiers, C++ and the kernel in one stack, as `--native` records them; two processes. */
export function mixed() {
  const { report } = gatewayReport();
  const builder = new ProfileBuilder();
  const random = randomFrom(5);
  const native = (name, kind = null) => builder.function(name, "", "native", { kind });
  const kernel = (name) => builder.function(name, "", "kernel");
  const app = (name, where) => builder.function(name, `/srv/llm-gateway/src/${where}`, "app");
  const below = (parent, ...frames) =>
    frames.reduce((at, frame) => builder.push(at, ...(Array.isArray(frame) ? frame : [frame])), parent);
  const [interpreter, sparkplug, , turbofan] = [0, 1, 2, 3];
  const run = [native("uv_run"), native("uv__stream_io"), native("node::InternalCallbackScope::Close")];
  const chat = app("handleChat", "routes/chat.js:24:27");
  const render = app("renderRules", "prompt/rules.js:88:21");
  const compile = native("v8::internal::Compiler::Compile", "compile");
  const stacks = [
    [9, below(-1, ...run, [chat, interpreter], [render, interpreter])],
    [16, below(-1, ...run, [chat, sparkplug], [render, sparkplug])],
    [58, below(-1, ...run, [chat, turbofan], [render, turbofan])],
    [
      24,
      below(
        -1,
        ...run,
        [chat, turbofan],
        [render, turbofan],
        native("v8::internal::RegExpImpl::IrregexpExec", "RegExp"),
      ),
    ],
    [
      14,
      below(
        -1,
        ...run,
        [chat, interpreter],
        [render, interpreter],
        compile,
        native("v8::internal::Parser::ParseProgram", "compile"),
      ),
    ],
    [
      11,
      below(
        -1,
        ...run,
        [chat, turbofan],
        native("node::StreamBase::Writev", "socket"),
        kernel("__libc_writev"),
        kernel("tcp_sendmsg"),
      ),
    ],
    [
      8,
      below(
        -1,
        native("v8::internal::ScavengerCollector::CollectGarbage", "GC"),
        kernel("asm_exc_page_fault"),
        kernel("handle_mm_fault"),
      ),
    ],
  ];
  const sum = stacks.reduce((total, [weight]) => total + weight, 0);
  const samplesOf = (n) =>
    Array.from({ length: n }, (_, i) => {
      let at = random() * sum;
      const [, stack] = stacks.find(([weight]) => {
        at -= weight;
        return at < 0;
      });
      return [5e6 + i * 10_101, 10_101, stack];
    });
  builder.thread(41877, 0, "main thread", samplesOf(990));
  builder.thread(41890, 0, "main thread", samplesOf(400));
  const profile = builder.data();
  return { report: { ...report, findings: [], functions: functionRows(profile) }, profile };
}

/** Names of 200 characters, 300 functions, a recursion 5,000 deep, ten packages. */
export function longNames() {
  const { report } = gatewayReport();
  const builder = new ProfileBuilder();
  const random = randomFrom(3);
  const file = (i) =>
    `/srv/a/deeply/nested/monorepo/packages/gateway-with-a-long-name/src/features/completions/handlers/module-${i}.js`;
  const functions = Array.from({ length: 300 }, (_, i) =>
    i % 3 === 0
      ? builder.function(`${LONG.slice(0, 190)}${i}`, `${file(i)}:${i + 1}:1`, "app")
      : builder.function(
          `step${i}`,
          `/srv/a/node_modules/@scope-${i % 10}/package-with-a-long-name/lib/index.js:${i}:3`,
          "dependency",
          { pkg: `@scope-${i % 10}/package-with-a-long-name` },
        ),
  );
  const recursive = builder.function("visitNode", `${file(0)}:900:3`, "app");
  let deep = builder.stack([functions[0]]);
  const onTheWay = [];
  for (let depth = 0; depth < 5000; depth++) {
    deep = builder.push(deep, recursive);
    if (depth % 10 === 0) onTheWay.push(deep);
  }
  const samples = [];
  for (let i = 0; i < 20_000; i++) {
    const path = Array.from(
      { length: 4 + Math.floor(random() * 30) },
      (_, d) => functions[Math.floor(random() * (d < 3 ? 6 : 300))],
    );
    const stack = random() < 0.3 ? onTheWay[Math.floor(random() * onTheWay.length)] : builder.stack(path);
    samples.push([15e6 + i * 1000, 1000, stack]);
  }
  builder.thread(1, 0, "main thread with a name that is rather long for a thread of any kind", samples);
  const profile = builder.data();
  const findings = Array.from({ length: 9 }, (_, i) => ({
    ...report.findings[i % 3],
    title: `${LONG.slice(0, 60 + i * 16)}() takes ${54 - 5 * i} % of busy time`,
    where: { ...report.findings[0].where, function: LONG, file: file(i) },
    function_index: functions[0],
  }));
  return {
    report: {
      ...report,
      run: { ...report.run, title: "gateway-with-a-long-name-in-a-monorepo-of-many-packages" },
      verdict: {
        class: "cpu",
        sentence: `CPU-bound: 54 % of the main thread is ${LONG}()`,
        detail: report.verdict.detail.repeat(3),
      },
      findings,
      functions: functionRows(profile),
    },
    profile,
  };
}

export function adversarial() {
  const { report, profile } = gatewayReport();
  const evil = structuredClone(report);
  evil.run.title = HOSTILE;
  evil.run.command = ["node", HOSTILE];
  evil.verdict = { class: "cpu", sentence: HOSTILE, detail: HOSTILE };
  evil.refuted = [HOSTILE];
  for (const finding of evil.findings)
    Object.assign(finding, {
      title: HOSTILE,
      advice: HOSTILE,
      where: { ...finding.where, function: HOSTILE, file: HOSTILE },
    });
  evil.load.errors = { [HOSTILE]: 3 };
  evil.load.error_samples = [HOSTILE];
  evil.processes[1].command = HOSTILE;
  evil.recorders[0].why = HOSTILE;
  evil.warnings = ["load", "cpu", "machine", "target", "recording"].map((about) => ({ text: HOSTILE, about }));
  evil.timeline.phases[2].name = HOSTILE;
  for (const stall of evil.timeline.stalls) stall.culprit = HOSTILE;
  const names = profile.functions.name.length;
  const strings = [...profile.strings, HOSTILE, "__proto__", "$& $1 $$"];
  const name = profile.functions.name.map((old, i) =>
    i % 4 === 1 && i < names - 1 ? strings.length - 3 : i % 4 === 3 ? strings.length - 2 : old,
  );
  const packages = profile.functions.package.map((old) => (old < 0 ? old : strings.length - 3));
  return {
    report: evil,
    profile: { ...profile, strings, functions: { ...profile.functions, name, package: packages } },
  };
}

/** 100,000 functions in 300,000 stacks, 1,000,000 samples on two threads. */
export function huge() {
  const { report } = gatewayReport();
  const builder = new ProfileBuilder();
  const random = randomFrom(11);
  const categories = ["app", "app", "dependency", "dependency", "dependency", "node", "native", "gc"];
  const functions = Array.from({ length: 100_000 }, (_, i) => {
    const category = categories[i % categories.length];
    const pkg = category === "dependency" ? `package-${i % 97}` : null;
    const where =
      category === "native" || category === "gc"
        ? ""
        : `/srv/huge/${pkg ? `node_modules/${pkg}/` : "src/"}m${i % 4000}.js:${i}:1`;
    return builder.function(`${category}Function${i}`, where, category, { pkg });
  });
  const stacks = [];
  for (let root = 0; root < 12; root++) stacks.push(builder.push(-1, functions[root]));
  const depth = new Map(stacks.map((s) => [s, 1]));
  let next = 0;
  while (builder.stacks.parent.length < 300_000) {
    const parent = stacks[Math.floor(random() ** 1.6 * stacks.length)];
    if (depth.get(parent) > 120) continue;
    // Every function occurs, few of them often.
    const fn = next < functions.length ? next++ : Math.floor(random() ** 2 * functions.length);
    const child = builder.push(parent, functions[fn]);
    if (depth.has(child)) continue;
    depth.set(child, depth.get(parent) + 1);
    stacks.push(child);
  }
  for (const thread of [0, 1]) {
    const samples = [];
    let stack = stacks[0];
    for (let i = 0; i < 500_000; i++) {
      if (random() < 0.6) stack = stacks[Math.floor(random() ** 1.5 * stacks.length)];
      samples.push([5e6 + i * 100, 100, stack]);
    }
    builder.thread(77, thread, thread === 0 ? "main thread" : "worker", samples);
  }
  const profile = builder.data();
  return {
    report: {
      ...report,
      requests: manyPlaces(),
      findings: report.findings.map((f, i) => ({ ...f, function_index: functions[i * 8] })),
      functions: functionRows(profile).slice(0, 500),
    },
    profile,
  };
}
