//! Command lines of `slowpath load`, `slowpath load k8s` and `slowpath merge`. Only shapes and help texts.
//!
//! Letters and long names are autocannon's where it has them; its camelCase spellings are accepted too.

use super::counts::{parse_connections, parse_count, parse_rate, parse_small_count, parse_threads};
use super::page;
use super::request_options::{CheckOptions, PacingOptions, RequestOptions, TransportOptions};
use super::start_at::{StartAt, parse_start_at};
use super::threshold::{Threshold, parse_percentile, parse_threshold};
use crate::durations::parse_duration;
use crate::exit_code::usage;
use clap::{Args, Subcommand};
use slowpath_load::Shard;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LOAD_EXAMPLES: &str = "\
Examples:
  slowpath load -c 100 -d 60 http://localhost:3000/v1/chat/completions -m POST \\
    -H 'content-type: application/json' -b '{\"model\":\"gpt-4\",\"messages\":[...]}'
  slowpath load -R 500 --arrival poisson -d 1m localhost:3000
      500 requests per second, whatever the server does
  slowpath load --sweep -d 10 localhost:3000
      Latency at rising rates, and where the curve bends.
  slowpath load --on-port /health -- node server.js
      Start the server, drive load at it, stop it.
  slowpath load -d 30 --fail-if 'p99>100ms' --fail-if 'errors>0.1%' localhost:3000
  slowpath load -d 60 --html load.html localhost:3000
      Write a page with latency over time, histogram and percentiles.
  slowpath load --shard 0/2 --start-at 2026-11-23T08:00:00Z -R 10k --out a.json host:3000
      One of two processes that share a load; `slowpath merge a.json b.json` joins them.

Tables go to standard error; `-j` prints JSON with autocannon's keys to standard output. Ctrl-C ends early with results, twice aborts.

Exit codes: 0 done, 1 slowpath failed, 2 usage, 3 nothing succeeded, 99 a --fail-if threshold was crossed, 130 aborted.";

/// Options of `slowpath load`.
#[derive(Debug, Clone, Args)]
#[command(after_help = LOAD_EXAMPLES, args_conflicts_with_subcommands = true)]
pub(crate) struct LoadCommandOptions {
    #[command(subcommand)]
    pub(crate) subcommand: Option<LoadSubcommand>,
    /// Where requests go, as `http://host:port/path` or `host:port`; several share the connections
    #[arg(value_name = "URL")]
    pub(crate) urls: Vec<String>,
    #[command(flatten)]
    pub(crate) amount: AmountOptions,
    #[command(flatten)]
    pub(crate) pacing: PacingOptions,
    #[command(flatten)]
    pub(crate) requests: RequestOptions,
    #[command(flatten)]
    pub(crate) transport: TransportOptions,
    #[command(flatten)]
    pub(crate) checks: CheckOptions,
    #[command(flatten)]
    pub(crate) results: ResultOptions,
    #[command(flatten)]
    pub(crate) display: DisplayOptions,
    /// Show no live view
    #[arg(short, long, help_heading = "Display")]
    pub(crate) no_progress: bool,
    #[command(flatten)]
    pub(crate) part: PartOptions,
    #[command(flatten)]
    pub(crate) compatibility: CompatibilityOptions,
    /// Start the command after `--`, send requests when it listens on the URL's port, and stop it afterwards; a URL that is only a path takes whatever port it listens on
    #[arg(long, alias = "onPort", requires = "command", help_heading = "Target")]
    pub(crate) on_port: bool,
    /// Program to start, with its arguments
    #[arg(last = true, value_name = "COMMAND", num_args = 1.., requires = "on_port", help_heading = "Target")]
    pub(crate) command: Vec<String>,
}

/// Options on how much load there is.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Amount")]
pub(crate) struct AmountOptions {
    /// Concurrent connections
    #[arg(short, long, default_value = "10", value_name = "N", value_parser = parse_connections)]
    pub(crate) connections: u32,
    /// How long the load runs (30, 30s, 1m) [default: 10 s, or as long as --stages]
    #[arg(short, long, value_parser = parse_duration, value_name = "TIME")]
    pub(crate) duration: Option<Duration>,
    /// End after this many requests instead, however long that takes
    #[arg(short, long, value_name = "N", value_parser = parse_count)]
    pub(crate) amount: Option<u64>,
    /// Requests under way at once on one connection
    #[arg(short, long, default_value = "1", value_name = "N", value_parser = parse_small_count)]
    pub(crate) pipelining: u32,
    /// Threads of the load generator
    #[arg(short, long, default_value = "1", value_name = "N", value_parser = parse_threads)]
    pub(crate) workers: u32,
    /// How long answers to what was due are awaited after the end of a schedule (-R, --stages, --sweep); `0` for not at all [default: 1 s]
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    pub(crate) drain: Option<Duration>,
    /// Run a load before, and leave it out of the results: `-W [ -c 1 -d 2 ]`
    #[arg(short = 'W', long, value_name = "[ -c N -d TIME ]", num_args = 1.., value_terminator = "]", allow_hyphen_values = true)]
    pub(crate) warmup: Option<Vec<String>>,
    /// End early when this many requests have failed
    #[arg(short = 'B', long, value_name = "N", value_parser = parse_count)]
    pub(crate) bailout: Option<u64>,
    /// Find the server's limits: one connection, then as much as it bears, then N rates up to that; -d is for each
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "8", value_parser = clap::value_parser!(u32).range(2..=100),
          require_equals = true, conflicts_with_all = ["rate", "stages", "amount", "shard", "shards", "bailout"])]
    pub(crate) sweep: Option<u32>,
}

/// Options on what becomes of the results.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Results")]
pub(crate) struct ResultOptions {
    /// Exit with code 99 if this holds, as `p99>100ms`, `errors>0.1%`, `ttft.p95>300ms`, `rps<500`, `goodput<95%`, `status.5xx>0`; may be repeated
    #[arg(long, value_name = "CONDITION", value_parser = parse_threshold)]
    pub(crate) fail_if: Vec<Threshold>,
    /// Print JSON to standard output instead of the tables
    #[arg(short, long)]
    pub(crate) json: bool,
    /// File for the whole results, for `slowpath merge`; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// File for a page with tables and charts, which opens in any browser, without a network
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Title in the results
    #[arg(short = 'T', long, value_name = "TITLE")]
    pub(crate) title: Option<String>,
}

impl ResultOptions {
    /// Whether tables may be printed: not where standard output carries results, which logs mix with standard error.
    pub(crate) fn shows_tables(&self) -> bool {
        !self.json && !self.is_out_stdout()
    }

    fn is_out_stdout(&self) -> bool {
        self.out.as_deref().is_some_and(|out| out == Path::new("-"))
    }

    /// Fails if both kinds of results would go to standard output, or the page nowhere.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.json && self.is_out_stdout() {
            return Err(usage("`--json` and `--out -` both want standard output", "pass a file to `--out`"));
        }
        self.html.as_deref().map_or(Ok(()), page::check_path)
    }
}

/// Options on what is shown.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Display")]
pub(crate) struct DisplayOptions {
    /// Print a table of all latencies
    #[arg(short, long, alias = "renderLatencyTable")]
    pub(crate) latency: bool,
    /// Percentiles of the tables, as `50,95,99.99` [default: 50,90,99,99.9]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = percentile)]
    pub(crate) latency_percentiles: Vec<f64>,
    /// Nothing to do: status codes are always shown
    #[arg(long = "renderStatusCodes", alias = "statusCodes", hide = true)]
    pub(crate) render_status_codes: bool,
}

/// Options on a load that several processes share.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Several machines")]
pub(crate) struct PartOptions {
    /// Drive part I of N of the load, I from 0; -c, -R and -a are of the whole load
    #[arg(long, value_name = "I/N", value_parser = parse_shard, conflicts_with = "shards")]
    pub(crate) shard: Option<Shard>,
    /// Drive part $JOB_COMPLETION_INDEX of N, as in a Kubernetes Indexed Job
    #[arg(long, value_name = "N", value_parser = parse_small_count)]
    pub(crate) shards: Option<u32>,
    /// Start at this moment: `2026-11-23T08:00:00Z`, Unix seconds, or `+10s` from now
    #[arg(long, value_name = "TIME", value_parser = parse_start_at)]
    pub(crate) start_at: Option<StartAt>,
}

/// Options that only autocannon's users know.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "As in autocannon")]
pub(crate) struct CompatibilityOptions {
    /// Path of a Unix socket to connect to instead of the URL's host
    #[arg(short = 'S', long = "socketPath", alias = "socket-path", value_name = "PATH")]
    pub(crate) socket_path: Option<PathBuf>,
    /// Rate of each connection; the same as --rate times -c
    #[arg(short = 'r', long = "connectionRate", value_name = "RATE", value_parser = parse_rate, conflicts_with_all = ["rate", "stages", "sweep"])]
    pub(crate) connection_rate: Option<f64>,
    /// End after this many requests, or after -d if that is earlier
    #[arg(short = 'O', long = "maxOverallRequests", value_name = "N", value_parser = parse_count, conflicts_with_all = ["amount", "sweep"])]
    pub(crate) max_overall_requests: Option<u64>,
    /// Nothing to do: failures never count as latencies here
    #[arg(short = 'x', long = "excludeErrorStats", hide = true)]
    pub(crate) exclude_error_stats: bool,
    /// Nothing to do: both latencies are always shown
    #[arg(short = 'C', long = "ignoreCoordinatedOmission", hide = true)]
    pub(crate) ignore_coordinated_omission: bool,
}

/// What else `slowpath load` does.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum LoadSubcommand {
    /// Print a Kubernetes Indexed Job that drives a load from many pods
    K8s(KubernetesOptions),
}

/// Options of `slowpath load k8s`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  slowpath load k8s --image registry.example/slowpath:0.1.0 --shards 8 -c 800 -R 40k -d 60 http://gateway/v1/models | kubectl apply -f -\n\nOptions of this command come before the load's own."
)]
pub(crate) struct KubernetesOptions {
    /// Container image that holds `slowpath`
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: String,
    /// Pods that share the load
    #[arg(long, value_name = "N", value_parser = parse_small_count)]
    pub(crate) shards: u32,
    /// Name of the job
    #[arg(long, default_value = "slowpath-load", value_name = "NAME")]
    pub(crate) name: String,
    /// CPUs of each pod; the generator wants its own
    #[arg(long, default_value = "1", value_name = "QUANTITY")]
    pub(crate) cpu: String,
    /// Memory of each pod
    #[arg(long, default_value = "128Mi", value_name = "QUANTITY")]
    pub(crate) memory: String,
    /// Secret whose keys the load's options may name, as `$(API_KEY)` in `-H 'authorization: Bearer $(API_KEY)'`
    #[arg(long, value_name = "NAME")]
    pub(crate) secret: Option<String>,
    /// Config map whose entries are files in /files, for `-i /files/body.json` and the like
    #[arg(long, value_name = "NAME")]
    pub(crate) files: Option<String>,
    /// Volume claim that results are written to, as NAME-0.json; otherwise they are the pods' logs
    #[arg(long, value_name = "NAME")]
    pub(crate) results_claim: Option<String>,
    /// Options of `slowpath load` and the URL
    #[arg(value_name = "LOAD OPTIONS", trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub(crate) load: Vec<String>,
}

/// Options of `slowpath merge`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  slowpath merge shard-0.json shard-1.json\n  slowpath merge *.json --out whole.json --fail-if 'p99>100ms'\n  slowpath merge results.json --html page.html\n      Shows one load again."
)]
pub(crate) struct MergeOptions {
    /// Results that `slowpath load --out` or `slowpath merge --out` wrote
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) results: ResultOptions,
    #[command(flatten)]
    pub(crate) display: DisplayOptions,
}

fn percentile(text: &str) -> Result<f64, String> {
    parse_percentile(text.trim())
        .ok_or_else(|| "a percentile lies between 0 and 100: write `50,90,99.9`".to_owned())
}

fn parse_shard(text: &str) -> Result<Shard, String> {
    let wrong = || format!("`{text}` is no part of a load: write I/N with I from 0 to N - 1, as `0/3`");
    let (index, count) = text.split_once('/').ok_or_else(wrong)?;
    let shard = Shard {
        index: index.trim().parse().map_err(|_| wrong())?,
        count: count.trim().parse().map_err(|_| wrong())?,
    };
    if shard.index < shard.count { Ok(shard) } else { Err(wrong()) }
}
