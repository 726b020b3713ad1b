/**
 * The data that a report page carries, written by `crates/slowpath-report` and read here; the two files change together.
 *
 * `#slowpath-report` holds `ReportData` as JSON. `#slowpath-profile` holds `ProfileData` as base64 of gzip of JSON.
 * Times are seconds since the recording's start unless the name says otherwise; shares are 0..1; `null` is "not measured".
 */

export type VerdictClass =
  | "cpu"
  | "gc"
  | "blocked"
  | "loop-delay"
  | "waiting"
  | "memory"
  | "starved"
  | "healthy"
  | "not-enough-data"
  /** Of profiles of other tools: says what is hottest, judges nothing. */
  | "profile";

/** Also what `report.json` holds, whole. */
export interface ReportData {
  format_version: 1;
  slowpath_version: string;
  /** Profiles of other tools that this report is of. Empty for a recording; else all that only a recording has is empty or null. */
  files: OpenedFile[];
  /** What `…_s` fields of functions and the profile's weights count; of bytes and samples the bare number. */
  weight_unit: WeightUnit;
  /** Share of busy weight by category of the innermost function; only of opened files. */
  categories: Partial<Record<Category, number>>;
  run: RunInfo;
  verdict: { class: VerdictClass; sentence: string; detail: string };
  findings: Finding[];
  gain_of_all: number | null; // factor on requests/s with all causes gone; null where fewer than two functions are named
  /** Suspicions that the measurement refutes, each one sentence with its number. */
  refuted: string[];
  /** The checkpoint pack that was applied. */
  pack: PackInfo | null;
  /** Answers of its checkpoints; empty without a pack. */
  checkpoints: Checkpoint[];
  checklist: ChecklistPoint[];
  load: LoadTotals | null;
  load_phases: LoadPhase[];
  /** Share of the busiest main thread's wall time by class; adds up to 1. Keys in the order of `SPLIT_CLASSES`. */
  split: Partial<Record<SplitClass, number>>;
  split_source: SplitSource | null;
  overhead: PhaseOverhead[];
  processes: ProcessInfo[];
  recorders: RecorderInfo[];
  /** What else spoils numbers: a busy machine, a generator at its limit, a target that died. Beside the numbers. */
  warnings: Warning[];
  functions: FunctionRow[];
  /** What native stacks say; null where they were not recorded. */
  native: NativeData | null;
  counters: Counters | null;
  memory: Memory | null; // neither collections nor the heap were recorded
  /** How costs grow with the load. Null without `--scale`. */
  scale: Scale | null;
  timeline: Timeline;
  /** What followed requests ran and waited for. Null without an async phase. */
  requests: RequestsData | null;
  /** Who owns busy time, also of stacks without an application function. Null where no async phase tells. */
  cpu_owners: CpuOwners | null;
}

/** The load at several inputs: connections first, then the size of bodies. */
export interface Scale {
  inputs: ScaleInput[];
}

export interface ScaleInput {
  input: "connections" | "body-bytes";
  /** Why it was not varied and what to give; null where it was. */
  not_measured: string | null;
  /** Smallest first; empty where it was not varied. */
  levels: ScaleLevel[];
  /** The whole first, then application functions by share at the largest input. */
  rows: ScaleRow[];
}

export interface ScaleLevel {
  /** Connections, or mean bytes of a body. */
  value: number;
  phases: string[];
  seconds: number;
  requests: number;
  errors: number;
  /** Intervals that the estimates rest on. */
  windows: number;
  /** Busy share of the threads that serve. */
  utilisation: number;
}

export interface ScaleRow {
  cost: "cpu" | "busy" | "gc" | "waiting" | "latency" | "function";
  /** Of `function` rows. */
  function: string | null;
  file: string | null;
  line: number | null;
  function_index: number | null;
  /** At each level. */
  ms_per_request: number[];
  /** Of a function: share of the busy time at the largest input. */
  share: number | null;
  n_samples: number | null;
  /** Slope of the logarithms of cost and input, with the ends of its 95 % interval; null where too little was measured. */
  exponent: number | null;
  low: number | null;
  high: number | null;
  /** The exponent of a cost in step with its input. */
  expected: number;
  pace: "in-step" | "faster" | "unclear";
}

/** From the async phase: a share of the requests was followed from the parsed head to the last byte handed to the system. */
export interface RequestsData {
  n_followed: number;
  /** Of the followed ones, those still under way when following ended. */
  n_cut: number;
  /** Requests that came meanwhile. */
  n_requests: number;
  /** Share of the thread's time that taking stacks took, while hooks were on. */
  spent_share: number;
  /** What following cost, in CPU time per request, as ratios to that without hooks; null in recordings that do not say. */
  hooks: {
    on_share: number;
    ratio_on: number | null;
    ratio: number | null;
    n_requests_on: number;
    n_requests_off: number;
    text: string;
  } | null;
  /** Of the client's mean latency in this phase, what is beyond the server's side: accepting, buffers, network. */
  outside_ms: number | null;
  all: RequestComposition;
  /** Those with most time first. */
  routes: RequestComposition[];
  /** What was waited for, by place; those that held requests up longest first. Sums over the followed requests. */
  sites: AsyncSite[];
  /** Places with less time that `sites` does not list, and their share of the time that requests were held up. */
  n_more_sites: number;
  more_sites_share: number;
  /** Their sums by kind. */
  more_sites: MoreSites[];
  /** Operations under way, scaled to all requests: one value a step. */
  in_flight: { start_s: number; step_s: number; series: { kind: WaitKind; mean: number[] }[] };
  /** libuv's thread pool: tasks queued ones included, share of time with more tasks than threads. */
  thread_pool: {
    size: number;
    n_tasks: number;
    mean_tasks: number;
    full_share: number;
    mean_ms: number;
    queued_ms: number;
  };
}

/** Where the time of some requests goes; in each group the rows add up to its mean. */
export interface RequestComposition {
  /** Method and path, or `all`. */
  route: string;
  n: number;
  mean_ms: number;
  /** Requests around the median: the fifth between the 40th and the 60th percentile. */
  typical: { n: number; mean_ms: number };
  /** The slowest per cent, five at least. */
  slow: { n: number; mean_ms: number };
  rows: {
    kind: "running" | "queued" | "sending" | "rest" | WaitKind;
    name: string;
    /** Index into `sites`. */
    site: number | null;
    mean_ms: number;
    typical_ms: number;
    slow_ms: number;
  }[];
  /** What slow requests have that typical ones lack. */
  difference: string | null;
}

export type WaitKind =
  | "client"
  | "http"
  | "redis"
  | "postgres"
  | "mysql"
  | "mongo"
  | "net"
  | "connect"
  | "dns"
  | "socket-pool"
  | "fs"
  | "crypto"
  | "zlib"
  | "timer"
  | "immediate"
  | "backpressure"
  | "worker"
  | "lock"
  | "other";

/** One thing that is waited for at one place in the code: a bubble. */
/** Places of one kind that are not listed one by one. */
export interface MoreSites {
  kind: WaitKind;
  n: number;
  held_up_ms: number;
  blocked_ms: number;
}

export interface AsyncSite {
  kind: WaitKind;
  /** `await readFile in loadTemplate (templates.js:61)`. */
  name: string;
  /** What is called there: a function of Node, or a package. */
  call: string;
  /** Host and port. */
  remote: string | null;
  function: string;
  file: string;
  line: number;
  column: number;
  party: "app" | "dependency" | "unknown";
  package: string | null;
  /** Followed requests that came by; waits. */
  n_requests: number;
  n: number;
  /** Waits one after the other in one request, at most. */
  max_in_series: number;
  /** On the critical path: requests were held up by it. A bubble's area. */
  held_up_ms: number;
  /** Also where something slower was waited for besides. */
  waited_ms: number;
  longest_ms: number;
  /** Code that ran when it came; of that, in runs of 20 ms and more (red). */
  ran_ms: number;
  blocked_ms: number;
  /** Other requests that let it go on, for locks. */
  n_wakers: number;
  /** `[site, times]`: the place after which it was begun. */
  begun_by: [number, number][];
}

/** Shares of the busy time of the serving threads. */
export interface CpuOwners {
  /** With an application function on the stack. */
  on_stack_share: number;
  /** The same, with what application functions began and awaited. */
  owned_share: number;
  begun: { function_index: number; function: string; file: string; line: number | null; share: number }[];
}

/** CPU time of all sampled threads, by thread and by what it went to. */
export interface NativeData {
  event: string; // "cpu-clock"
  frequency_hz: number;
  kernel_frames: boolean;
  wall_s: number;
  cpu_s: number;
  n_samples: number;
  /** Samples that the kernel could not hand over. */
  n_lost: number;
  /** Samples whose stack was deeper than the kernel walks. */
  n_truncated: number;
  threads: NativeThread[];
  /** Largest first; adds up to `cpu_s`. */
  work: NativeWork[];
  /** What could not be named and why. */
  notes: string[];
}

export interface NativeThread {
  pid: number;
  tid: number;
  name: string;
  cpu_s: number;
  n_samples: number;
}

/** `class` and `part` as `docs/native.md` lists them: "gc" and "scavenge", "kernel" and "network". */
export interface NativeWork {
  class: string;
  part: string;
  cpu_s: number;
  share: number; // of all CPU time
  n_samples: number;
  /** JavaScript that caused it, largest first; shares are of this work. */
  callers: NativeWorkFunction[];
  /** Innermost functions, largest first; shares are of this work. */
  functions: NativeWorkFunction[];
}

export interface NativeWorkFunction {
  function: string | null; // null = no JavaScript on the stack
  file: string;
  line: number | null;
  package: string | null;
  share: number;
  function_index: number | null;
}

export type SplitClass = "js" | "gc" | "native" | "sync_io" | "compile" | "run_queue" | "idle";

export interface SplitSource {
  pid: number;
  thread: number;
  thread_name: string;
  wall_s: number;
  n_samples: number;
  effective_interval_us: number;
  /** Which recorders the split comes from, for the small print. */
  recorders: string[];
}

export interface RunInfo {
  /** Short name of the target, such as `api-server`. */
  title: string;
  command: string[];
  cwd: string;
  node: string | null;
  started_at: string | null; // RFC 3339, UTC
  duration_s: number;
  ended: "complete" | "interrupted" | "target-died" | "recording-cut";
  /** One sentence on the ending, such as how the target died; empty when there is nothing to say. */
  ended_detail: string;
  url: string | null;
  method: string | null;
  connections: number | null;
  machine: { cpus: number; cpu_model: string; kernel: string; memory_bytes: number } | null;
}

export interface OpenedFile {
  name: string; // path as it was given
  format: string; // "V8 CPU profile"
  bytes: number;
  n_samples: number;
  /** What to know of it, one sentence each. */
  notes: string[];
}

export type Severity = "high" | "medium" | "low" | "info";
export type Confidence = "high" | "medium" | "low";

export interface Finding {
  rule: string; // "cpu-hot-function"
  title: string; // "renderRules() takes 54 % of busy time"
  severity: Severity;
  confidence: Confidence;
  confidence_why: string;
  share: number | null; // of the thread's busy time, see `share_of`
  share_of: string; // "busy main-thread time"
  predicted_gain: { throughput: number; low: number; high: number } | null; // factors; 1.0 = none
  where: {
    function: string;
    file: string;
    line: number | null;
    column: number | null;
    package: string | null;
    process: number | null;
  } | null;
  evidence: Evidence[];
  advice: string;
  /** Index into `ProfileData.functions`, for the link into the flame graph. */
  function_index: number | null;
  /** Ids of timeline intervals this finding speaks of, in seconds. */
  intervals: [number, number][];
}

/** `text` is the whole sentence with its number; `value` and `unit` are that number for scripts. */
export interface Evidence {
  text: string;
  value: number | null;
  unit: string;
  n_samples: number | null;
  recorder: string;
}

export interface PackInfo {
  name: string; // "aiclient-2-api"
  title: string;
  version: string;
  /** Why it was chosen: "package.json names `aiclient-2-api`". */
  why: string;
  fits: boolean;
}

export type CheckpointAnswer = "cause" | "harmless" | "not-seen" | "refuted";

export interface Checkpoint {
  id: string;
  title: string;
  suspicion: string;
  answer: CheckpointAnswer;
  /** Of the busy time, where its functions were seen. */
  share: number | null;
  evidence: Evidence[];
  advice: string;
}

export type PointAnswer = "pass" | "fail" | "not-measured";

export interface ChecklistPoint {
  id: string;
  title: string;
  answer: PointAnswer;
  evidence: Evidence[];
  how: string;
}

export interface Latency {
  p50: number;
  p90: number;
  p99: number;
  p99_9: number;
  max: number;
  mean: number;
} // ms

export interface LoadTotals {
  requests: number;
  requests_per_second: number;
  duration_s: number;
  latency_ms: Latency;
  /** Over the whole run, warm-up included: class -> count; empty when none. */
  errors: Record<string, number>;
  /** Over the whole run: "200" -> count. */
  status: Record<string, number>;
  bytes_per_second: number;
  cpu_ms_per_request: number | null; // of the target's process tree
  generator_cpu_share: number; // of one core, of its busiest thread
  stream: null | Record<string, number>;
  /** Which phases these numbers are from ("baseline", "baseline again"): the service's own. */
  phases: string[];
  error_samples: string[];
}

export interface LoadPhase {
  phase: string;
  start_s: number;
  end_s: number;
  requests: number;
  requests_per_second: number;
  latency_ms: Latency;
  errors: Record<string, number>;
  cpu_ms_per_request: number | null;
}

export interface PhaseOverhead {
  phase: string;
  throughput: number | null; // ratio to baseline; 0.98 = 2 % less
  cpu_per_request: number | null; // ratio to baseline
  p99: number | null; // ratio to baseline
  note: string; // "" or why this must not be trusted
}

export interface ProcessInfo {
  pid: number;
  ppid: number;
  role: string; // "main", "cluster worker 2", "forked child", "node", "package manager", "other"
  command: string;
  node: string | null;
  threads: ThreadInfo[];
  exit: string | null; // "exit code 0", "killed by SIGKILL", "stopped by slowpath: exit code 0", null = unknown
  rss_peak_bytes: number | null;
  fds_peak: number | null;
}

export interface ThreadInfo {
  tid: number | null; // kernel thread id
  thread: number | null; // Node's threadId, 0 = main
  name: string;
  cpu_share: number | null; // of one core, over the measured phases
  run_queue_share: number | null;
  n_samples: number;
  waiting: ThreadWait | null; // null: it slept in no call
}

/** The call that a thread slept in for longest. */
export interface ThreadWait {
  share: number; // of the sampled time, all calls together
  call: string; // "Atomics.wait"
  caller: string | null; // "waitForJob (pool.js:17)"
}

export interface RecorderInfo {
  name: string;
  state: "ok" | "partial" | "missing";
  why: string;
  bytes: number;
  n_records: number;
}

export interface Warning {
  text: string;
  about: "load" | "cpu" | "machine" | "target" | "recording" | "checkpoints";
}

/** One row per function of the profile, by self time; the table the CPU section shows without any brush. */
export interface FunctionRow {
  function_index: number;
  name: string;
  file: string;
  line: number | null;
  category: Category;
  package: string | null;
  self_s: number;
  total_s: number;
  /** Self time plus native, GC and dependency time called directly from it with no other application frame between. */
  charged_s: number;
  n_samples: number;
}

/** What the counters phase counted, the calls of functions of the calls phase, what V8 optimised in the deopts phase. */
export interface Counters {
  wall_s: number; // over the threads that served
  requests: number;
  cost_share: number; // of wall time, estimated
  stride: number; // one call in so many had its place read, where places were read least
  rows: CounterRow[]; // by kind
  calls_window_s: number; // 0 = no calls phase
  calls_requests: number;
  calls: FunctionCalls[]; // most calls first
  deopts_window_s: number; // 0 = no deopts phase
  deopts_unplaced: number; // optimisations of functions that cannot be told from others
  deopts: FunctionDeopts[]; // most frequent first
}

/** Calls of one kind and key; exact. */
export interface CounterRow {
  kind: string; // "json.parse"
  key: string; // a function, host or command; may be ""
  n: number;
  per_request: number | null;
  bytes: number; // or characters of strings
  max_bytes: number;
  ms: number;
  share_of_busy: number | null;
  places: CounterPlace[];
}

/** A line of the application that calls were made from; estimated from a sample of the calls. */
export interface CounterPlace {
  function_index: number;
  function: string;
  file: string;
  line: number;
  through: string | null; // package that made the call for it
  n: number;
  n_sampled: number;
  ms: number;
}

/** Collections of the busiest main thread; where a heap phase ran, who allocates and what stays. */
export interface Memory {
  gc_share: number; // of the measured time
  pauses: { kind: string; n: number; total_ms: number; longest_ms: number }[]; // over the measured phases
  heap: Heap | null;
}

export interface Heap {
  window_s: number; // of `collections`; 0 = Node is too old for them
  allocated_per_second: number | null;
  collections: Collections[]; // by kind
  allocations_s: number; // window of `allocators`
  allocators: Allocator[]; // most bytes first
  survivors: Allocator[]; // allocated what was alive after a full collection at the end
  growth: { before_bytes: number; after_bytes: number; seconds: number; bytes_per_second: number } | null;
}

/** All collections of a kind, in V8's words; bytes are their sum. */
export interface Collections {
  kind: string;
  n: number;
  total_ms: number;
  longest_ms: number;
  freed_bytes: number;
  promoted_bytes: number; // moved from the young generation to the old
  survived_bytes: number; // of the young generation
}

/** Bytes are estimated from samples. */
export interface Allocator {
  function_index: number;
  function: string;
  file: string;
  line: number | null;
  package: string | null;
  bytes: number;
  share: number; // of all that was sampled in the window
  n_samples: number;
}

/** How often V8 optimised a function in one thread, and threw its code away. */
export interface FunctionDeopts {
  function_index: number;
  function: string;
  file: string;
  line: number | null;
  package: string | null;
  pid: number;
  n_optimised: number;
  n_aborted: number;
  held_ms: number; // of the thread itself
  causes: DeoptCause[]; // why it was thrown away while it ran
}

export interface DeoptCause {
  reason: string;
  file: string | null; // null = V8 does not tell where
  line: number | null;
  n: number;
}

export interface FunctionCalls {
  function_index: number;
  function: string;
  file: string;
  line: number | null;
  package: string | null;
  n: number;
  per_request: number | null;
}

export interface Timeline {
  duration_s: number;
  phases: { name: string; start_s: number; end_s: number }[];
  series: TimelineSeries[];
  stalls: Stall[];
  /** All stalls by who held the loop, the longest total first. */
  stall_groups: StallGroup[];
}

export interface TimelineSeries {
  id: "rps" | "p99" | "loop_delay" | "cpu" | "heap" | "rss" | "gc";
  label: string; // "requests/s"
  unit: string; // "1/s", "ms", "cores", "bytes", "share"
  t_s: number[]; // ascending
  v: (number | null)[];
}

export interface StallGroup {
  culprit: string | null;
  /** File and line. */
  place: string | null;
  function_index: number | null;
  n_stalls: number;
  total_ms: number;
  longest_ms: number;
  /** Part of the total that waiting for a CPU does not explain. */
  own_ms: number;
  /** Requests under way in one of them, on average. */
  requests_caught: number | null;
}

export interface Stall {
  start_s: number;
  duration_ms: number;
  pid: number;
  thread: number;
  /** Function that held the loop, when CPU samples cover the interval. */
  culprit: string | null;
  function_index: number | null;
}

export type WeightUnit = "us" | "bytes" | "samples";

export type Category = "app" | "dependency" | "node" | "native" | "kernel" | "wasm" | "gc" | "program" | "idle";

/** Columns: every array of one table has the same length. -1 = none. */
export interface ProfileData {
  /** What weights count. Fields named `…_us` hold this unit: bytes of allocations, bare samples where no time is known. */
  unit: WeightUnit;
  strings: string[];
  categories: Category[];
  functions: {
    name: number[]; // -> strings
    file: number[]; // -> strings ("" for native)
    line: number[]; // 1-based, 0 = unknown
    column: number[]; // 1-based, 0 = unknown
    category: number[]; // -> categories
    package: number[]; // -> strings, -1 = none
    /** What a native leaf works on: -> strings ("socket", "file", "JSON", …), -1 = none. */
    kind: number[];
  };
  /**
   * Prefix tree of stacks: a stack is a function called by its parent stack; parents come before children.
   * `tier` -> tiers: how V8 ran it, -1 = not known; empty when it is known of none. Siblings may differ in it alone.
   */
  stacks: { parent: number[]; function: number[]; tier: number[] };
  /** "interpreter", "Sparkplug", "Maglev", "TurboFan". */
  tiers: string[];
  threads: ProfileThread[];
  /** Self time by source line. */
  lines: { function: number[]; line: number[]; self_us: number[] };
  /** The code around the hottest lines, by file and line; empty where the recording has no sources (`--no-sources`). */
  sources: SourceExcerpt[];
  /**
   * Optimised code that V8 threw away while it ran, and why (-> strings), by place; where V8 does not tell the line, that of
   * the function. Absent where that was not recorded.
   */
  deopts?: { function: number[]; line: number[]; reason: number[]; count: number[] };
}

/** Consecutive lines of one file. */
export interface SourceExcerpt {
  file: number; // -> strings, as in functions
  first_line: number; // 1-based
  lines: string[];
}

export interface ProfileThread {
  /** "native" are stacks of the kernel's sampler: they tell of CPU time in their own way and are not added to "cpu". */
  recorder: "cpu" | "native";
  pid: number;
  thread: number;
  name: string;
  /** Whether samples have their moments; without, every start is 0 and their order means nothing. */
  has_times: boolean;
  /** In time order. `start_us` since the recording's start. `duration_us` is the sample's weight. */
  samples: {
    start_delta_us: number[];
    duration_us: number[];
    stack: number[];
    /** How many samples a row stands for; empty when every row is one. */
    count: number[];
  };
  effective_interval_us: number;
}
