//! The command line. Only shapes and help texts; what they mean is in the command's own file.

use crate::clinic_commands::{BUBBLE_EXAMPLES, ClinicOptions, DOCTOR_EXAMPLES, FLAME_EXAMPLES};
use crate::durations::parse_duration;
use crate::load::{
    CheckOptions, LoadCommandOptions, MergeOptions, PacingOptions, RequestOptions, TransportOptions,
};
use crate::mock_command::{MockOptions, MockUpstreamOptions};
use crate::phase_plan::Besides;
use clap::{Args, Parser, Subcommand, ValueEnum};
use slowpath_capture::CpuSampling;
use std::path::PathBuf;
use std::time::Duration;

/// Finds why a Node.js service is slow, and says so.
#[derive(Debug, Parser)]
#[command(name = "slowpath", version, about, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  slowpath demo
      See what a report looks like: starts a small gateway with a planted bottleneck and finds it.
  slowpath run --url http://127.0.0.1:3000/health -c 50 -d 30 -- node server.js
      Start a service, drive 50 connections at it for 30 seconds, say why it is slow.
  slowpath attach 4242 -d 60
      Say why a running service is slow, with the traffic it has.
  slowpath perf -p 4242 --duration 60
      Say where a running process spends its CPU time, down to C++ and the kernel.
  slowpath flame -- node server.js
      Record where the CPU time goes until Ctrl-C.
  slowpath report .slowpath/20261123-140200-server
      Rebuild the report of a recording.
  slowpath mock --port 9000
      Be the LLM provider behind a gateway.

Exit codes: 0 done, 1 slowpath failed, 2 usage, 3 the target failed, 99 a --fail-if threshold was crossed, 130 aborted.";

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
pub(crate) enum Command {
    /// Start a service, drive load at it, record it, and write the report
    Run(RunOptions),
    /// Record a service that runs already, with the traffic it has or with load, and leave it running
    Attach(AttachOptions),
    /// Record where a program spends its CPU time, until Ctrl-C or its end
    #[command(after_help = FLAME_EXAMPLES)]
    Flame(ClinicOptions),
    /// Judge a program by its event loop, garbage collection and CPU use, until Ctrl-C or its end
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(ClinicOptions),
    /// Record what a program's requests wait for, until Ctrl-C or its end
    #[command(after_help = BUBBLE_EXAMPLES)]
    Bubble(ClinicOptions),
    /// Drive HTTP load at a server that runs already, as autocannon does
    Load(LoadCommandOptions),
    /// Merge the results of several `slowpath load` into one
    Merge(MergeOptions),
    /// Record where a running process spends its CPU time, down to C++ and the kernel
    Perf(PerfOptions),
    /// Rebuild the report of a recording
    Report(ReportOptions),
    /// Show profiles that other tools recorded
    Open(OpenOptions),
    /// Write a recording or a profile in another tool's format
    Export(ExportOptions),
    /// Run the whole on a small built-in gateway with a planted bottleneck
    Demo(DemoOptions),
    /// Write a slowpath.toml for the project at hand, so that `slowpath run` needs no options
    Init(InitOptions),
    /// Say what a rule finds, how it recognises it, and what to do
    Explain(ExplainOptions),
    /// Serve a mock of OpenAI's, Claude's and Gemini's APIs, so that a gateway can be measured offline
    Mock(MockOptions),
    /// Serve the mock with the options that it had at first
    #[command(hide = true)]
    MockUpstream(MockUpstreamOptions),
}

const RUN_EXAMPLES: &str = "\
Examples:
  slowpath run --url http://127.0.0.1:3000/v1/chat/completions -c 50 -d 30 -m POST \\
    -H 'content-type: application/json' -H 'authorization: Bearer KEY' \\
    -b '{\"model\":\"gpt-4\",\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}' \\
    -- node src/services/api-server.js
  slowpath run --url http://127.0.0.1:8080/ -- npm start
  slowpath run --url http://127.0.0.1:8080/ --only cpu -d 10 --cpu-interval 500 -- node server.js
  slowpath run --url http://127.0.0.1:8080/ --native -- node server.js
      Also what V8, C++ and the kernel do below JavaScript. The target then writes the names of its compiled code.
  slowpath run --scale -c 64 -d 60 --url http://127.0.0.1:3000/chat -m POST --template -i body.json -- node server.js
      Also what grows with connections or bodies: 8 and 64 connections; with body.json holding
      {\"messages\":[{{repeat 200 '{\"role\":\"user\",\"content\":\"message #\"}' ','}}]}
      25 and 200 messages. With --bodies FILE.jsonl the smallest bodies of the file against its largest.
  slowpath run
      Without a command: what slowpath.toml in this folder says (`slowpath init` writes one).
  slowpath run -d 60 -- node worker.js
      Without --url no load is driven: whatever the program does is recorded.

While the load goes on, recorders are switched on and off in turn: warm-up (discarded), cpu (CPU sampling, event loop, GC, /proc), baseline (the same without CPU sampling), baseline again; with --native, native after cpu. Latency and throughput are quoted from the baseline.

The target's output is shown as it comes and kept in the recording. Ctrl-C ends the run early and still writes the report; twice aborts. API keys and tokens are taken out of everything that is kept once the run has ended.";

/// Options of `slowpath run`.
#[derive(Debug, Clone, Args)]
#[command(after_help = RUN_EXAMPLES)]
pub(crate) struct RunOptions {
    #[command(flatten)]
    pub(crate) load: LoadOptions,
    #[command(flatten)]
    pub(crate) session: SessionOptions,
    /// Compare the load with an eighth of the connections and, where the request gives bodies of several sizes, small with large ones, to say what grows faster than its input; takes half of the duration
    #[arg(long, help_heading = "Session")]
    pub(crate) scale: bool,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
    /// Program to start, with its arguments
    #[arg(last = true, value_name = "COMMAND", num_args = 1.., help_heading = "Arguments")]
    pub(crate) command: Vec<String>,
}

const ATTACH_EXAMPLES: &str = "\
Examples:
  slowpath attach 4242 -d 60
      Record the traffic that comes, for a minute.
  slowpath attach $(pgrep -f api-server) --url http://127.0.0.1:3000/health -c 50 -d 30
      Drive load at it as well.
  slowpath attach 4242 --only cpu -d 10
      CPU samples alone, for ten seconds.

The Node.js processes are asked by SIGUSR1 to open their inspector, on 127.0.0.1; slowpath's agent is loaded through it, and it is closed again. Node.js says so on the target's standard error. A program with a SIGUSR1 handler of its own runs that instead and is not recorded: start it with --inspect, or record it with `slowpath run`. What those processes start later is not recorded, and of worker threads that run already only CPU samples are. At the end, or on Ctrl-C, the agent leaves; the target runs on.

What it costs a service meanwhile: when the cpu phase begins, V8 forgets its optimised code (requests 1.3 to 1.5 times as expensive for about two seconds on the demo); the heap phase collects the whole heap twice, which holds each process for longer the larger its heap is; the calls phase takes about a third of the throughput. --only cpu leaves out the last two; --only baseline samples nothing and only counts.

In a container, run slowpath there. A process of another user needs root.";

/// Options of `slowpath attach`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = ATTACH_EXAMPLES,
    mut_arg("grace", |grace| grace.hide(true)),
    mut_arg("url", |url| url.help("URL to send requests to [default: no load, but the traffic that comes]")),
    mut_arg("duration", |duration| duration.help("How long to record, warm-up included (30, 30s, 1m) [default: 30]")),
    mut_arg("ready_timeout", |timeout| timeout.help("How long the agent may take to connect")),
)]
pub(crate) struct AttachOptions {
    /// Process to record, with the Node.js processes that it has started
    #[arg(value_name = "PID", help_heading = "Arguments")]
    pub(crate) pid: u32,
    #[command(flatten)]
    pub(crate) load: LoadOptions,
    #[command(flatten)]
    pub(crate) session: SessionOptions,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// Options on the load.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Load")]
pub(crate) struct LoadOptions {
    /// URL to send requests to; the target counts as ready when it listens on its port
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Concurrent connections [default: 10]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65535))]
    pub(crate) connections: Option<u32>,
    /// How long the load runs, warm-up included (30, 30s, 1m) [default: 30]
    #[arg(short, long, value_parser = parse_duration, value_name = "TIME")]
    pub(crate) duration: Option<Duration>,
    /// Threads of the load generator
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) load_threads: u32,
    #[command(flatten)]
    pub(crate) pacing: PacingOptions,
    #[command(flatten)]
    pub(crate) requests: RequestOptions,
    #[command(flatten)]
    pub(crate) transport: TransportOptions,
    #[command(flatten)]
    pub(crate) checks: CheckOptions,
}

impl SessionOptions {
    /// Returns the phases that were asked for besides those of the plan.
    pub(crate) fn besides(&self) -> Besides {
        Besides { native: self.native, deopts: self.deopts }
    }
}

impl LoadOptions {
    /// Returns how long the load runs.
    pub(crate) fn duration(&self) -> Duration {
        self.duration.unwrap_or(Duration::from_secs(30))
    }
}

/// Options on the session.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Session")]
pub(crate) struct SessionOptions {
    /// Ready when this URL answers with a status below 500 (default: when the port of --url is listened on)
    #[arg(long, value_name = "URL")]
    pub(crate) ready_url: Option<String>,
    /// How long the target may take to get ready
    #[arg(long, default_value = "60", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) ready_timeout: Duration,
    /// How long the target may take to end after SIGINT, before SIGTERM and SIGKILL
    #[arg(long, default_value = "5", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) grace: Duration,
    /// Phases to run: `baseline:5,cpu:20`; lengths in seconds win over --duration, the rest share what is left
    #[arg(long, value_name = "PLAN", conflicts_with = "only")]
    pub(crate) phases: Option<String>,
    /// Run just this phase after the warm-up
    #[arg(long, value_name = "PHASE")]
    pub(crate) only: Option<String>,
    /// Record native stacks as well: V8, C++ and the kernel below JavaScript, in a phase of their own
    #[arg(long)]
    pub(crate) native: bool,
    /// Have V8 tell which functions it optimises again and again, and why, in a phase of its own; changes V8's flags for that
    #[arg(long)]
    pub(crate) deopts: bool,
    /// Distance between CPU samples in microseconds, or `auto`: 1000, wider where that would cost over 3 % of a core
    #[arg(long, default_value = "auto", value_name = "US", value_parser = parse_cpu_interval)]
    pub(crate) cpu_interval: CpuSampling,
    /// Delay of the event loop from which on it counts as a stall, 10ms at least
    #[arg(long, default_value = "20ms", value_parser = parse_stall, value_name = "TIME")]
    pub(crate) stall: Duration,
    /// Keep the target's source code out of the recording (source maps are then not applied)
    #[arg(long)]
    pub(crate) no_sources: bool,
    /// Checkpoints to answer: a built-in pack, a pack's file, or `none` [default: the one that fits the project]
    #[arg(long, value_name = "FILE|NAME|none")]
    pub(crate) pack: Option<String>,
}

/// Options on what is written and shown.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct OutputOptions {
    /// Directory of the recording and its report [default: .slowpath/<UTC time>-<program>]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Print only the path of the report; the target's output goes to the recording alone
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Print report.json instead; the target's output goes to the recording alone
    #[arg(long, conflicts_with = "quiet")]
    pub(crate) json: bool,
    /// Open the report in the browser [default: when run in a terminal with a desktop]
    #[arg(long, overrides_with = "no_open")]
    pub(crate) open: bool,
    /// Do not open the report
    #[arg(long)]
    pub(crate) no_open: bool,
}

const PERF_EXAMPLES: &str = "\
Examples:
  slowpath perf -p 4242
  slowpath perf -p $(pgrep -f api-server) -F 99 --duration 60
  slowpath perf -p 4242 --duration 10 --json | jq '.native.work[] | {class, part, share}'

Samples every thread of the process and of everything that it starts, by CPU time, with kernel and user stacks. The process may be of any kind; it is neither stopped nor changed. Ctrl-C ends early with the report.

Code that a program compiles as it runs has names where the program writes a perf map. For Node.js: start it with NODE_OPTIONS='--perf-basic-prof --interpreted-frames-native-stack', or use `slowpath run --native`.";

/// Options of `slowpath perf`.
#[derive(Debug, Clone, Args)]
#[command(after_help = PERF_EXAMPLES)]
pub(crate) struct PerfOptions {
    /// Process to record, with all that it starts
    #[arg(short, long, value_name = "PID")]
    pub(crate) pid: u32,
    /// Samples a second of CPU time and thread
    #[arg(short = 'F', long, default_value_t = 99, value_name = "HZ", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) frequency: u32,
    /// How long to record (60, 60s, 1m)
    #[arg(long, default_value = "60", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) duration: Duration,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

/// Options of `slowpath report`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  slowpath report .slowpath/20261123-140200-server\n  slowpath report DIR --json | jq .verdict"
)]
pub(crate) struct ReportOptions {
    /// Directory of the recording
    pub(crate) dir: PathBuf,
    /// Print report.json
    #[arg(long)]
    pub(crate) json: bool,
    /// Print only the path of the report
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// Open the report in the browser
    #[arg(long)]
    pub(crate) open: bool,
}

/// Options of `slowpath open`.
#[derive(Debug, Clone, Args)]
#[command(after_help = OPEN_EXAMPLES)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct OpenOptions {
    /// Profiles; several are shown as threads of one page
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Where to write the page [default: a new directory for temporary files]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Print report.json
    #[arg(long)]
    pub(crate) json: bool,
    /// Print only the path of the page
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) quiet: bool,
    /// Open the page in the browser [default: when run in a terminal with a desktop]
    #[arg(long, overrides_with = "no_open")]
    pub(crate) open: bool,
    /// Do not open the page
    #[arg(long)]
    pub(crate) no_open: bool,
}

const OPEN_EXAMPLES: &str = "\
Examples:
  slowpath open CPU.20261123.140200.4242.0.001.cpuprofile
  perf script -i perf.data --max-stack 1024 > out.perf && slowpath open out.perf -o flame.html
  slowpath open worker-*.cpuprofile
  slowpath open profile.pb.gz --json | jq .verdict

Formats, recognised by content and read packed with gzip as well: .cpuprofile, .heapprofile, Chrome traces with CPU profiles, perf.data, perf script text, collapsed stacks, pprof, speedscope, Firefox Profiler JSON, V8 logs of --prof.";

/// Options of `slowpath export`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXPORT_EXAMPLES)]
pub(crate) struct ExportOptions {
    /// Directory of a recording, or profiles of other tools
    #[arg(required = true, value_name = "RECORDING|FILE")]
    pub(crate) sources: Vec<PathBuf>,
    /// Format to write
    #[arg(short, long, value_enum)]
    pub(crate) format: ExportFormat,
    /// Where to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Only this thread, by process and number (4242/0 is the main thread of process 4242) or by name; may be repeated
    #[arg(long = "thread", value_name = "PID/THREAD|NAME")]
    pub(crate) threads: Vec<String>,
    /// Only samples of this phase of a recording, such as cpu; may be repeated
    #[arg(long = "phase", value_name = "NAME")]
    pub(crate) phases: Vec<String>,
    /// The native recorder's stacks (C++ and kernel) instead of V8's
    #[arg(long)]
    pub(crate) native: bool,
}

/// What `slowpath export` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// V8's CPU profile: DevTools, VS Code, speedscope. One thread
    Cpuprofile,
    /// One line a stack: FlameGraph, inferno
    Collapsed,
    /// Packed protocol buffer: `go tool pprof`, Parca, Pyroscope
    Pprof,
    /// JSON of speedscope.app
    Speedscope,
    /// JSON of profiler.firefox.com
    Firefox,
    /// A flame graph to look at, zoom and search in any browser
    Svg,
}

const EXPORT_EXAMPLES: &str = "\
Examples:
  slowpath export .slowpath/20261123-140200-server --format speedscope -o server.speedscope.json
  slowpath export .slowpath/20261123-140200-server --format cpuprofile --thread 4242/0 --phase cpu -o main.cpuprofile
  slowpath export perf.data --format svg -o flame.svg
  slowpath export CPU.1.cpuprofile --format collapsed | sort -k2 -n | tail

What each format loses is in docs/formats.md.";

/// Options of `slowpath demo`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  slowpath demo\n  slowpath demo --fixed     the same service with the bottleneck removed: compare the two"
)]
pub(crate) struct DemoOptions {
    /// How long the load runs, warm-up included
    #[arg(short, long, default_value = "15", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) duration: Duration,
    /// Concurrent connections
    #[arg(short, long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65535))]
    pub(crate) connections: u32,
    /// Run the service with its planted bottleneck removed
    #[arg(long)]
    pub(crate) fixed: bool,
    #[command(flatten)]
    pub(crate) output: OutputOptions,
}

fn parse_cpu_interval(text: &str) -> Result<CpuSampling, String> {
    if text == "auto" {
        return Ok(CpuSampling::AUTO);
    }
    match text.parse() {
        Ok(interval_us @ 50..=1_000_000) => Ok(CpuSampling { interval_us, max_share: None }),
        _ => Err("give microseconds from 50 to 1000000, or `auto`".into()),
    }
}

fn parse_stall(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        stall if stall >= Duration::from_millis(10) => Ok(stall),
        _ => Err("the event loop is looked at each 10 ms, so shorter delays cannot be told".into()),
    }
}

/// Options of `slowpath init`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  slowpath init\n      Find framework, start script, port and checkpoints of the project here; write slowpath.toml.\n  slowpath init ../gateway --force\n      Write another project's anew."
)]
pub(crate) struct InitOptions {
    /// The project's folder
    #[arg(default_value = ".")]
    pub(crate) dir: PathBuf,
    /// Write over a slowpath.toml that is there
    #[arg(long)]
    pub(crate) force: bool,
}

/// Options of `slowpath explain`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  slowpath explain\n      List the rules.\n  slowpath explain gc-pressure\n      What it is, why it hurts, how it is recognised, what to do, in Markdown."
)]
pub(crate) struct ExplainOptions {
    /// Rule, as a finding names it; without it, all rules are listed
    pub(crate) rule: Option<String>,
}
