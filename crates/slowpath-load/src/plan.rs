//! What to send and how hard: the options of a load, and their validation. Sends nothing.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::LoadError;
use crate::head::is_token;
use crate::redact::Redactor;
use crate::schedule;
use crate::url::Url;

/// A load: what is sent, over how many connections, at whose pace.
#[derive(Debug, Clone)]
pub struct LoadPlan {
    /// Where requests go; at least one. Connection `i` keeps to `urls[i % n]`. All have the same scheme.
    pub urls: Vec<Url>,
    /// What is sent; at least one. Several that weigh the same are sent in turn, in their order; otherwise each
    /// request draws one by weight.
    pub requests: Vec<RequestPlan>,
    /// How bytes travel.
    pub transport: Transport,
    /// Who decides when a request starts.
    pub pacing: Pacing,
    /// Connections kept open over all threads; 10 by default.
    pub connections: u32,
    /// Requests under way at once on one connection; 1 by default. HTTP/1.1 pipelining, or streams of HTTP/2.
    pub pipelining: u32,
    /// Generator threads; 1 by default, at most one per connection is used.
    pub threads: u32,
    /// End after this many requests have ended, over all threads; `None` runs until stopped.
    pub amount: Option<u64>,
    /// How long a connection may go without a single byte in either direction before its request fails; 10 s by
    /// default. It is checked every 25 ms.
    pub timeout: Duration,
    /// How long a request may take altogether; `None` (the default) lets long streams live.
    pub total_timeout: Option<Duration>,
    /// What an answer must look like to count as successful.
    pub checks: Checks,
    /// Limits that a request must meet to count as good, for goodput; none by default.
    pub objectives: Objectives,
    /// How often a finished [`crate::Interval`] is delivered; 1 s by default.
    pub interval: Duration,
    /// Where templates, weights and random pacing start; the same seed gives the same requests at the same times.
    pub seed: u64,
    /// Which part of the load this process drives; the whole by default.
    pub shard: Shard,
    /// Number of the first request; 0 by default. A load that goes on where another ended sends other requests.
    pub first_number: u64,
}

/// One kind of request.
///
/// With `is_template`, path (also the URL's own), header values and body may hold `{{…}}` expressions, filled in for
/// each request. `docs/load-scenarios.md` lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestPlan {
    /// Request method, sent as it is; `GET` by default.
    pub method: String,
    /// Path and query, in place of the URL's own; `None` keeps that.
    pub path: Option<String>,
    /// Request headers, sent in this order. They replace the generated `host`, `user-agent` and `accept`.
    pub headers: Vec<(String, String)>,
    /// Request body; its length is sent as `content-length`.
    pub body: Vec<u8>,
    /// How often it is sent, relative to the others; 1 by default.
    pub weight: u32,
    /// Whether `{{…}}` expressions are filled in. Without, braces are sent as they are.
    pub is_template: bool,
    /// How large a body that is a template gets.
    pub body_size: BodySize,
}

/// How large a body that is a template gets, where expressions in it give a size.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum BodySize {
    /// As the template says.
    #[default]
    AsGiven,
    /// `repeat` and long `randomString`s an eighth as long, and of a file the shortest third of its lines.
    Small,
    /// Of a file the longest third of its lines; all else as the template says.
    Large,
}

impl Default for RequestPlan {
    fn default() -> Self {
        Self {
            method: "GET".to_owned(),
            path: None,
            headers: Vec::new(),
            body: Vec::new(),
            weight: 1,
            is_template: false,
            body_size: BodySize::AsGiven,
        }
    }
}

/// How bytes travel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transport {
    /// Speak HTTP/2 (with prior knowledge on `http:`, negotiated by ALPN on `https:`) instead of HTTP/1.1.
    pub http2: bool,
    /// Connect to this Unix socket instead of the URL's host and port.
    pub unix_socket: Option<PathBuf>,
    /// For `https:` URLs.
    pub tls: Tls,
}

/// Options of TLS. Files are PEM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Accept any certificate.
    pub insecure: bool,
    /// The client's certificate chain.
    pub cert: Option<PathBuf>,
    /// The client's private key.
    pub key: Option<PathBuf>,
    /// Certificates to trust in place of the system's.
    pub ca: Option<PathBuf>,
    /// Name for SNI and for the check of the certificate, in place of the URL's host.
    pub server_name: Option<String>,
}

/// Who decides when a request starts.
#[derive(Debug, Clone, PartialEq)]
pub enum Pacing {
    /// Each connection sends its next request when the last one is answered.
    Closed,
    /// Requests start on a schedule, whatever the server does. Latency counts from the scheduled time.
    Open {
        /// The rate over time; at least one stage. After the last one the schedule ends, unless its length is `None`.
        stages: Vec<Stage>,
        /// How the gaps between requests are drawn.
        arrival: Arrival,
    },
}

/// A part of a schedule: the total rate goes linearly from `from` to `to`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// Requests per second, over all connections, threads and shards, at the beginning.
    pub from: f64,
    /// Requests per second at the end.
    pub to: f64,
    /// Length; `None` for a last stage that goes on at `to` until the load is stopped.
    pub length: Option<Duration>,
}

/// How the gaps between scheduled requests are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arrival {
    /// Equal gaps.
    Constant,
    /// Exponential gaps: independent users.
    Poisson,
    /// Gamma-distributed gaps with this shape; 1 is Poisson, smaller is burstier, as vLLM's `--burstiness`.
    Gamma(f64),
}

/// What an answer must look like to count as successful, besides being complete.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checks {
    /// Statuses that are successes; empty means 2xx and 3xx.
    pub statuses: Vec<u16>,
    /// The body must be exactly this.
    pub body: Option<Vec<u8>>,
    /// The body must be JSON with these values at these paths (`choices.0.finish_reason`).
    pub json: Vec<(String, serde_json::Value)>,
    /// Whether an error object or error event of an LLM API under a good status makes a failure, and streams of LLM
    /// APIs must end properly.
    pub api: ApiChecks,
}

/// Whether answers are read as those of an LLM API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ApiChecks {
    /// If the answer is an event stream, or the path is one of a known LLM API.
    #[default]
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Limits that a request must meet to count as good.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Objectives {
    /// Longest time to first token, ms.
    pub ttft_ms: Option<f64>,
    /// Longest time per output token, ms.
    pub tpot_ms: Option<f64>,
    /// Longest end-to-end latency, ms.
    pub e2el_ms: Option<f64>,
}

/// Part `index` of `count`: of request `k` of the whole schedule, `k % count == index` belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 0.
    pub index: u32,
    /// At least 1.
    pub count: u32,
}

impl Default for Shard {
    fn default() -> Self {
        Self { index: 0, count: 1 }
    }
}

impl LoadPlan {
    /// Returns a closed plan of `GET` requests on 10 connections from one thread.
    pub fn new(url: Url) -> Self {
        Self {
            urls: vec![url],
            requests: vec![RequestPlan::default()],
            transport: Transport::default(),
            pacing: Pacing::Closed,
            connections: 10,
            pipelining: 1,
            threads: 1,
            amount: None,
            timeout: Duration::from_secs(10),
            total_timeout: None,
            checks: Checks::default(),
            objectives: Objectives::default(),
            interval: Duration::from_secs(1),
            seed: 0,
            shard: Shard::default(),
            first_number: 0,
        }
    }

    /// Checks every field; [`crate::start`] does so too.
    pub fn validate(&self) -> Result<(), LoadError> {
        let bad = |field, value: String, problem| Err(LoadError::BadPlan { field, value, problem });
        let at_least_one = "at least one is needed";
        for (field, n) in [
            ("urls", self.urls.len()),
            ("requests", self.requests.len()),
            ("connections", self.connections as usize),
            ("pipelining", self.pipelining as usize),
            ("threads", self.threads as usize),
            ("shards", self.shard.count as usize),
        ] {
            if n == 0 {
                return bad(field, "0".to_owned(), at_least_one);
            }
        }
        if self.shard.index >= self.shard.count {
            return bad("shard", self.shard.index.to_string(), "shards are numbered from 0 to N - 1");
        }
        if let Some(other) = self.urls.iter().find(|url| url.scheme != self.urls[0].scheme) {
            let value = Redactor::default().redact(&other.to_string());
            return bad("url", value, "the URLs of a load are all http or all https");
        }
        let tls = &self.transport.tls;
        if tls.cert.is_some() != tls.key.is_some() {
            let given = tls.cert.as_ref().or(tls.key.as_ref());
            let value = given.map_or_else(String::new, |path| path.display().to_string());
            return bad("client certificate", value, "a certificate and its key go together");
        }
        if self.total_timeout.is_some_and(|timeout| timeout.is_zero()) {
            return bad("total timeout", "0".to_owned(), "no server answers in no time");
        }
        if self.timeout.is_zero() {
            return bad("timeout", "0".to_owned(), "no server answers in no time");
        }
        if self.interval < Duration::from_millis(1) {
            return bad("interval", format!("{:?}", self.interval), "the shortest interval is 1 ms");
        }
        if let Pacing::Open { stages, arrival } = &self.pacing {
            schedule::validate(stages, *arrival)?;
        }
        self.requests.iter().try_for_each(RequestPlan::validate)
    }
}

impl RequestPlan {
    pub(crate) fn validate(&self) -> Result<(), LoadError> {
        if !is_token(self.method.as_bytes()) {
            return Err(LoadError::BadPlan {
                field: "method",
                value: self.method.clone(),
                problem: "a method is one word such as `GET`",
            });
        }
        self.headers.iter().try_for_each(|(name, value)| self.check_header(name, value))
    }

    fn check_header(&self, name: &str, value: &str) -> Result<(), LoadError> {
        check_header_text(name, value)?;
        let bad = |problem, hint| Err(LoadError::BadHeader { header: shown(name, value), problem, hint });
        if name.eq_ignore_ascii_case("transfer-encoding") {
            return bad("the body is always sent with its length", "leave this header out");
        }
        if name.eq_ignore_ascii_case("content-length") && value != self.body.len().to_string() {
            return bad(
                "it differs from the length of the body",
                "leave it out, it is computed from the body",
            );
        }
        Ok(())
    }
}

/// Splits a header written as `Name: value` or, as autocannon allows, `Name=value`.
///
/// Whichever of `:` and `=` comes first separates. The parts are trimmed and checked.
///
/// # Errors
/// [`LoadError::BadHeader`] with the offending header, secrets redacted.
pub fn parse_header(text: &str) -> Result<(String, String), LoadError> {
    let Some((name, value)) = text.split_once([':', '=']) else {
        return Err(LoadError::BadHeader {
            header: Redactor::default().redact(text),
            problem: "it has no value",
            hint: "write it as `Name: value` or `Name=value`",
        });
    };
    let (name, value) = (name.trim(), value.trim());
    check_header_text(name, value)?;
    Ok((name.to_owned(), value.to_owned()))
}

fn check_header_text(name: &str, value: &str) -> Result<(), LoadError> {
    let bad = |problem, hint| Err(LoadError::BadHeader { header: shown(name, value), problem, hint });
    if !is_token(name.as_bytes()) {
        return bad(
            "its name holds a character that no header name has",
            "a name is made of letters, digits and `-`; write the header as `Name: value`",
        );
    }
    if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
        return bad("its value holds a line break or another control character", "remove it from the value");
    }
    Ok(())
}

/// Returns the header on one line and without its secrets.
fn shown(name: &str, value: &str) -> String {
    Redactor::default().redact(&format!("{name}: {value}")).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_both_separators() {
        fn check(text: &str, name: &str, value: &str) {
            assert_eq!(parse_header(text).unwrap(), (name.to_owned(), value.to_owned()), "{text}");
        }
        check("Accept: text/html", "Accept", "text/html");
        check("accept=text/html;q=0.8", "accept", "text/html;q=0.8");
        check("X-Time: a=b", "X-Time", "a=b");
        check("x-url=http://h", "x-url", "http://h");
        check("x-empty:", "x-empty", "");
        check("x-umlaut: ü", "x-umlaut", "ü");
    }

    #[test]
    fn names_the_offending_header_and_hides_its_secret() {
        fn check(text: &str, shown: &str, problem: &str) {
            let error = parse_header(text).expect_err(text);
            assert!(error.hint().is_some());
            let message = error.to_string();
            assert!(message.contains(shown) && message.contains(problem), "{text}: {message}");
        }
        check("Authorization", "`Authorization`", "no value");
        check("Bearer sk-12345678", "`Bearer [redacted]`", "no value");
        check("bad name: 1", "`bad name: 1`", "name");
        check(": 1", "`: 1`", "name");
        check("a: b\r\nc: d", r"`a: b\r\nc: d`", "line break");
    }

    #[test]
    fn refuses_plans_that_cannot_run() {
        fn check(change: impl Fn(&mut LoadPlan), expected: &str) {
            let mut plan = LoadPlan::new(Url::parse("http://h/").unwrap());
            change(&mut plan);
            let message = plan.validate().expect_err(expected).to_string();
            assert!(message.contains(expected), "{message}");
        }
        check(|plan| plan.connections = 0, "connections `0`");
        check(|plan| plan.threads = 0, "threads `0`");
        check(|plan| plan.timeout = Duration::ZERO, "timeout `0`");
        check(|plan| plan.interval = Duration::ZERO, "interval");
        check(|plan| plan.requests[0].method = "GET /".to_owned(), "method `GET /`");
        check(
            |plan| plan.requests[0].headers.push(("content-length".into(), "7".into())),
            "differs from the length",
        );
        check(
            |plan| plan.requests[0].headers.push(("Transfer-Encoding".into(), "chunked".into())),
            "always sent with its length",
        );
        check(|plan| plan.requests[0].headers.push(("x\n".into(), "1".into())), "name");
    }
}
