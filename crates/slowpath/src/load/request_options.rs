//! Options on what is sent, how bytes travel, and what answers must be: shared by `slowpath load` and `slowpath run`.

use super::counts::parse_rate;
use crate::durations::parse_duration;
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// Options on what is sent.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Requests")]
pub(crate) struct RequestOptions {
    /// HTTP method [default: GET, with --form POST]
    #[arg(short, long)]
    pub(crate) method: Option<String>,
    /// Header as `Name: value` or `Name=value`; may be repeated
    #[arg(short = 'H', long = "header", alias = "headers", value_name = "HEADER")]
    pub(crate) headers: Vec<String>,
    /// Request body
    #[arg(short, long, allow_hyphen_values = true, conflicts_with_all = ["input", "form", "bodies", "har"])]
    pub(crate) body: Option<String>,
    /// File that holds the request body
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["form", "bodies", "har"])]
    pub(crate) input: Option<PathBuf>,
    /// Send a form (multipart/form-data): JSON such as `{"field":{"type":"text","value":"x"},"upload":{"type":"file","path":"a.png"}}`, or a file that holds it
    #[arg(short = 'F', long, value_name = "JSON", conflicts_with_all = ["bodies", "har"])]
    pub(crate) form: Option<String>,
    /// Fill in `{{id}}`, `{{uuid}}`, `{{random 1 1000}}`, `{{line prompts.txt}}` in path, headers and body of each request
    #[arg(long)]
    pub(crate) template: bool,
    /// Replace `[<id>]` in the body by an id of its own for each request
    #[arg(short = 'I', long, alias = "idReplacement")]
    pub(crate) id_replacement: bool,
    /// File of JSON lines, each a request body or a request with its weight
    #[arg(long, value_name = "FILE.jsonl", conflicts_with = "har")]
    pub(crate) bodies: Option<PathBuf>,
    /// Send the requests of a HAR file that go to the URL's host
    #[arg(long, value_name = "FILE.har")]
    pub(crate) har: Option<PathBuf>,
    /// Take the requests that the HAR file has to this origin instead, as `https://app.example.com`
    #[arg(long, value_name = "ORIGIN", requires = "har")]
    pub(crate) har_origin: Vec<String>,
    /// Send the cookies that the HAR file has
    #[arg(long, requires = "har")]
    pub(crate) har_cookies: bool,
}

/// Options on how bytes travel.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct TransportOptions {
    /// A request fails when no byte comes for this long
    #[arg(short, long, default_value = "10", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) timeout: Duration,
    /// A request fails when it takes longer than this altogether [default: streams may go on]
    #[arg(long, value_parser = parse_duration, value_name = "TIME")]
    pub(crate) timeout_total: Option<Duration>,
    /// Speak HTTP/2
    #[arg(long)]
    pub(crate) http2: bool,
    /// Accept any certificate
    #[arg(long)]
    pub(crate) insecure: bool,
    /// PEM file with the client's certificate chain
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// PEM file with the client's private key
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// PEM file with the certificates to trust in place of the system's
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// Server name for SNI and the check of the certificate, in place of the URL's host
    #[arg(long, alias = "servername", short_alias = 's', value_name = "NAME")]
    pub(crate) sni: Option<String>,
}

/// Options on what an answer must be.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Checks")]
pub(crate) struct CheckOptions {
    /// Statuses that are successes, as `200,201`; may be repeated [default: 2xx and 3xx]
    #[arg(long, value_name = "STATUS", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(100..=999))]
    pub(crate) expect_status: Vec<u16>,
    /// The body must be exactly this
    #[arg(short = 'E', long, alias = "expectBody", value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) expect_body: Option<String>,
    /// The body must be JSON with this value at this path, as `choices.0.finish_reason=stop`; may be repeated
    #[arg(long, value_name = "PATH=VALUE")]
    pub(crate) expect_json: Vec<String>,
    /// Whether error objects of LLM APIs under a good status, and their streams without a proper end, are failures: on, off, or auto (where the path or the stream is that of an LLM API)
    #[arg(long, value_enum, default_value_t, value_name = "WHEN", hide_possible_values = true)]
    pub(crate) api_checks: When,
    /// Limits for goodput in ms: of time to first token, per output token and end to end, as 'ttft:200 tpot:50 e2el:9000'
    #[arg(long, value_name = "LIMITS")]
    pub(crate) goodput: Option<String>,
}

/// When something is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// If the answer is an event stream, or the path is one of a known LLM API
    #[default]
    Auto,
    /// Always
    On,
    /// Never
    Off,
}

/// Options on when requests start.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Pace")]
pub(crate) struct PacingOptions {
    /// Requests per second over all connections, on a schedule that does not wait for answers [default: each connection sends when its last request is answered]
    #[arg(short = 'R', long, alias = "overallRate", value_parser = parse_rate, value_name = "RATE", conflicts_with = "stages")]
    pub(crate) rate: Option<f64>,
    /// Rate over time: `0:50,30s:500,1m:500` begins at 50 requests per second, rises to 500 until 30 s and stays there until 1 min
    #[arg(long, value_name = "STAGES")]
    pub(crate) stages: Option<String>,
    /// How the gaps between scheduled requests are drawn: constant, or poisson as independent users make them [default: constant]
    #[arg(long, value_enum, value_name = "HOW", hide_possible_values = true)]
    pub(crate) arrival: Option<ArrivalOption>,
    /// Gamma-distributed gaps with this shape: 1 is Poisson, below is burstier
    #[arg(long, value_parser = parse_rate, value_name = "SHAPE", conflicts_with = "arrival")]
    pub(crate) burstiness: Option<f64>,
    /// Where templates, weights and random gaps start; the same seed gives the same requests
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,
}

/// How gaps are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ArrivalOption {
    /// Equal gaps
    Constant,
    /// Exponential gaps, as independent users make them
    Poisson,
}
