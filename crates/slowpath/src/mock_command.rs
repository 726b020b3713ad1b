//! `slowpath mock`: serves the mock LLM upstream until it is told to end. And `mock-upstream`, its older, hidden name.

use crate::durations::parse_duration;
use crate::exit_code::{ExitCode, Explained, usage};
use crate::signals::StopRequests;
use anyhow::Context as _;
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use slowpath_load::upstream::{
    CountDistribution, Settings, Share, TimeDistribution, TlsIdentity, UpstreamHandle, UpstreamOptions,
    parse_error_status, serve,
};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  slowpath mock --port 9000
      Then point a gateway or a client at it:
      OPENAI_BASE_URL=http://127.0.0.1:9000/v1  ANTHROPIC_BASE_URL=http://127.0.0.1:9000
      GOOGLE_GEMINI_BASE_URL=http://127.0.0.1:9000  (any key will do)
  slowpath mock --port 9000 --ttft lognormal:300ms,0.5 --itl exp:15ms --tokens normal:200,50
      Answers that vary as those of a real model.
  slowpath mock --port 9000 --error-rate 2% --truncate-rate 1% --seed 7
      Every run fails the same requests.
  slowpath mock --port 9443 --tls --tls-cert-out mock.pem
      Then NODE_EXTRA_CA_CERTS=mock.pem node gateway.js
  curl -X PATCH http://127.0.0.1:9000/_mock -d '{\"ttft\":\"2s\",\"error_rate\":0.1}'
      Change it while it serves; GET shows settings and counters, POST /_mock/reset counts from zero.

Times and counts are constant (`200ms`, `20`) or drawn:
  uniform:100ms,300ms    from the first to the second
  normal:200ms,50ms      mean, standard deviation
  exp:200ms              mean
  lognormal:200ms,0.5    median, standard deviation of the logarithm
  gamma:200ms,2          mean, shape

It answers, below any path prefix: OpenAI /v1/chat/completions, /v1/responses, /v1/completions, /v1/embeddings, \
/v1/models; Claude /v1/messages, /v1/messages/count_tokens, /v1/models; Gemini \
/v1beta/models/MODEL:generateContent, :streamGenerateContent, :countTokens, /v1beta/models.";

/// Options of `slowpath mock`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct MockOptions {
    /// Port; 0 picks a free one, which is printed
    #[arg(short, long, default_value_t = 0)]
    port: u16,
    /// Address to listen on; whoever reaches it can change the settings
    #[arg(long, default_value = "127.0.0.1", value_parser = parse_host, value_name = "ADDRESS")]
    host: IpAddr,
    /// Time from a request to the first token
    #[arg(long, default_value = "20ms", value_name = "TIME", help_heading = "Answers")]
    ttft: TimeDistribution,
    /// Time from one token to the next
    #[arg(long, default_value = "10ms", value_name = "TIME", help_heading = "Answers")]
    itl: TimeDistribution,
    /// Tokens of an answer; a smaller limit in the request wins
    #[arg(long, default_value = "20", value_name = "COUNT", help_heading = "Answers")]
    tokens: CountDistribution,
    /// Time from a request to an answer that is no stream [default: ttft + tokens × itl]
    #[arg(long, value_name = "TIME", help_heading = "Answers")]
    unary_latency: Option<TimeDistribution>,
    /// Decides all that is drawn; request 1, 2, 3 … get the same each time
    #[arg(long, default_value_t = 0, value_name = "N", help_heading = "Answers")]
    seed: u64,
    /// Share of answers that are an error instead (1%, 0.01)
    #[arg(long, default_value = "0%", value_name = "SHARE", help_heading = "Failures")]
    error_rate: Share,
    /// Statuses of these errors, drawn evenly
    #[arg(
        long,
        default_value = "500,429",
        value_delimiter = ',',
        value_parser = parse_error_status,
        value_name = "LIST",
        help_heading = "Failures"
    )]
    error_statuses: Vec<u16>,
    /// Share of streams that end with an error event
    #[arg(long, default_value = "0%", value_name = "SHARE", help_heading = "Failures")]
    error_in_stream_rate: Share,
    /// Share of answers in whose middle the connection closes
    #[arg(long, default_value = "0%", value_name = "SHARE", help_heading = "Failures")]
    truncate_rate: Share,
    /// Answer every request with this error status
    #[arg(long, value_parser = parse_error_status, value_name = "STATUS", help_heading = "Failures")]
    status: Option<u16>,
    /// Serve HTTPS, with a certificate made on the spot unless --cert gives one
    #[arg(long, help_heading = "TLS")]
    tls: bool,
    /// Write the certificate to this file, for clients that are to trust it
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    tls_cert_out: Option<PathBuf>,
    /// Certificate chain to serve HTTPS with, PEM
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "TLS")]
    cert: Option<PathBuf>,
    /// Its private key, PEM
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "TLS")]
    key: Option<PathBuf>,
}

/// Options of `slowpath mock-upstream`.
#[derive(Debug, Clone, Args)]
pub(crate) struct MockUpstreamOptions {
    /// Port on 127.0.0.1; 0 picks a free one, which is printed
    #[arg(short, long, default_value_t = 0)]
    port: u16,
    /// Time until an answer begins
    #[arg(long, default_value = "20ms", value_parser = parse_duration, value_name = "TIME")]
    latency: Duration,
    /// Time between two chunks of a streamed answer
    #[arg(long, default_value = "10ms", value_parser = parse_duration, value_name = "TIME")]
    chunk_interval: Duration,
    /// Content chunks of a streamed answer
    #[arg(long, default_value_t = 20, value_name = "N")]
    chunks: u32,
}

pub(crate) fn run(options: &MockOptions) -> anyhow::Result<ExitCode> {
    let stop = StopRequests::listen()?;
    let tls = identity(options)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let settings = Settings {
        ttft: options.ttft.clone(),
        itl: options.itl.clone(),
        tokens: options.tokens.clone(),
        unary_latency: options.unary_latency.clone(),
        error_rate: options.error_rate,
        error_statuses: options.error_statuses.clone(),
        error_in_stream_rate: options.error_in_stream_rate,
        truncate_rate: options.truncate_rate,
        status: options.status,
        seed: options.seed,
    };
    raise_file_limit();
    let upstream = start(UpstreamOptions { host: options.host, port: options.port, settings, tls })?;
    let mut address = upstream.address();
    if !options.host.is_loopback() {
        eprintln!(
            "warning: {} may be reached from other machines; whoever reaches it can change the settings at /_mock",
            options.host
        );
        if options.host.is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
    }
    let base = format!("{scheme}://{address}");
    println!("{base}");
    eprintln!("OpenAI  OPENAI_BASE_URL={base}/v1");
    eprintln!("Claude  ANTHROPIC_BASE_URL={base}");
    eprintln!("Gemini  GOOGLE_GEMINI_BASE_URL={base}");
    eprintln!("state   curl {}{base}/_mock", if scheme == "https" { "-k " } else { "" });
    wait(&stop, upstream);
    Ok(ExitCode::Done)
}

/// Serves as `slowpath mock-upstream` always did: a whole answer takes the latency, whatever its length.
pub(crate) fn run_by_its_older_name(options: &MockUpstreamOptions) -> anyhow::Result<ExitCode> {
    let stop = StopRequests::listen()?;
    let settings = Settings {
        ttft: TimeDistribution::constant(options.latency),
        itl: TimeDistribution::constant(options.chunk_interval),
        tokens: CountDistribution::constant(options.chunks),
        unary_latency: Some(TimeDistribution::constant(options.latency)),
        ..Settings::default()
    };
    raise_file_limit();
    let upstream = start(UpstreamOptions { port: options.port, settings, ..UpstreamOptions::default() })?;
    println!("http://{}/v1", upstream.address());
    wait(&stop, upstream);
    Ok(ExitCode::Done)
}

fn start(options: UpstreamOptions) -> anyhow::Result<UpstreamHandle> {
    let address = format!("{}:{}", options.host, options.port);
    serve(options).map_err(|source| {
        anyhow::Error::new(source).context(Explained {
            message: format!("cannot serve on {address}"),
            code: ExitCode::Failed,
            hint: Some("pass `--port 0` for a free port; `--host` must be an address of this machine".into()),
        })
    })
}

fn wait(stop: &StopRequests, upstream: UpstreamHandle) {
    while !stop.stop() {
        std::thread::sleep(Duration::from_millis(50));
    }
    eprintln!("{} requests on {} connections", upstream.n_requests(), upstream.n_connections());
    upstream.stop();
}

/// Returns the certificate to serve with, and writes it where asked for.
fn identity(options: &MockOptions) -> anyhow::Result<Option<TlsIdentity>> {
    let identity = match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => TlsIdentity::load(cert, key).context("cannot serve HTTPS")?,
        _ if options.tls => {
            TlsIdentity::self_signed(&[options.host.to_string()]).context("cannot serve HTTPS")?
        }
        _ if options.tls_cert_out.is_some() => {
            return Err(usage("there is no certificate to write without HTTPS", "add `--tls`"));
        }
        _ => return Ok(None),
    };
    if let Some(path) = &options.tls_cert_out {
        std::fs::write(path, identity.certificate_pem())
            .with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    Ok(Some(identity))
}

/// Lets this process have as many connections as the system allows.
fn raise_file_limit() {
    let limit = getrlimit(Resource::Nofile);
    // If it cannot be raised, fewer connections are served; those beyond wait to be accepted.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

fn parse_host(text: &str) -> Result<IpAddr, String> {
    if text == "localhost" {
        return Ok(Ipv4Addr::LOCALHOST.into());
    }
    text.parse().map_err(|_| format!("`{text}` is not an address such as `127.0.0.1`, `0.0.0.0` or `::1`"))
}
