//! What a load measured between two cuts: the unit that is delivered, stored as one JSON line, and merged.

use std::collections::BTreeMap;
use std::fmt;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The longest latency that a histogram tells apart: one hour in µs. Longer ones count as one hour.
const MAX_LATENCY_US: u64 = 3_600_000_000;

/// Significant decimal digits of latencies: 0.1 % of the value, 1 µs below 2 ms.
const SIGNIFICANT_DIGITS: u8 = 3;

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ErrorClass {
    /// No connection could be made.
    Connect,
    /// The connection was lost before any byte of the answer, or reset during it.
    Reset,
    /// No byte came or went for the plan's timeout.
    Timeout,
    /// The answer was complete but its status is not 2xx or 3xx.
    Status,
    /// The answer is not HTTP/1, or bytes follow its end.
    Malformed,
    /// The connection was closed in the middle of the answer, or a stream ended without its end mark.
    Truncated,
    /// TLS could not be set up.
    Tls,
    /// The answer is not what `--expect-body` or `--expect-json` ask for.
    Check,
    /// An LLM API's error object or error event under a good status.
    Api,
}

impl ErrorClass {
    /// Every class, in the order of their discriminants.
    pub const ALL: [Self; 9] = [
        Self::Connect,
        Self::Reset,
        Self::Timeout,
        Self::Status,
        Self::Malformed,
        Self::Truncated,
        Self::Tls,
        Self::Check,
        Self::Api,
    ];

    /// Returns the name used in reports and JSON: `connect`, `reset`, `timeout`, `status`, `malformed`, `truncated`,
    /// `tls`, `check`, `api`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Reset => "reset",
            Self::Timeout => "timeout",
            Self::Status => "status",
            Self::Malformed => "malformed",
            Self::Truncated => "truncated",
            Self::Tls => "tls",
            Self::Check => "check",
            Self::Api => "api",
        }
    }
}

impl fmt::Display for ErrorClass {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What all connections of a load did between two cuts.
///
/// A request is counted in the interval in which it ended. `n_requests` plus the sum of `errors` is the number of
/// requests that ended. Serialises to one JSON line and back without loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Beginning, `CLOCK_MONOTONIC` nanoseconds; the end of the interval before.
    pub start_ns: u64,
    /// End, `CLOCK_MONOTONIC` nanoseconds.
    pub end_ns: u64,
    /// The label of the last labelled cut before this interval; empty before the first one.
    pub label: String,
    /// Latencies of successful requests in µs: from the start of sending to the last byte of the answer. The time to
    /// connect is part of it where a request needed a new connection. An answer ends when epoll reported its last
    /// bytes, so the generator's own queue is not part of it. At most one hour, 3 significant digits.
    #[serde(with = "crate::histogram_text")]
    pub latency: Histogram<u64>,
    /// As `latency`, but to the first byte of the body. Answers without a body are not in it.
    #[serde(with = "crate::histogram_text")]
    pub first_body_byte: Histogram<u64>,
    /// Successful requests: a complete answer with status 2xx or 3xx.
    pub n_requests: u64,
    /// Complete answers by status, whether successful or not.
    pub status: BTreeMap<u16, u64>,
    /// Failed requests by class.
    pub errors: BTreeMap<ErrorClass, u64>,
    /// The first error of each class as `class: what happened`, sorted by class, at most 300 bytes each, secrets
    /// redacted.
    pub error_samples: Vec<String>,
    /// Bytes received, heads included.
    pub bytes_in: u64,
    /// Bytes sent, heads included.
    pub bytes_out: u64,
    /// Requests that were under way when the load was stopped; they are neither successful nor errors.
    pub n_unfinished: u64,
    /// Connections that the server had promised to keep open and closed all the same; the request, if one was under
    /// way, was sent once more on a new connection.
    pub n_reconnects: u64,
    /// CPU time of the generator's busiest thread over wall time, 0 to 1 in steps of 0.0001. Near 1 the generator is
    /// the bottleneck.
    pub busiest_thread_cpu_share: f64,
    /// Connections that were open at the end.
    pub open_connections: u64,
    /// Open loads only: as `latency`, but from the moment at which the request was really sent. `None` in a closed
    /// load, where both are the same.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::histogram_text::optional")]
    pub uncorrected: Option<Histogram<u64>>,
    /// Open loads only: requests that were sent more than 1 ms after their time.
    #[serde(default)]
    pub n_late: u64,
    /// Open loads only: requests that were due and could not be sent before the load was stopped.
    #[serde(default)]
    pub n_dropped: u64,
    /// Time that requests were under way, summed over requests, in ns: their mean number is this over wall time, which
    /// by Little's law is rate times mean latency.
    #[serde(default)]
    pub in_flight_ns: u64,
    /// New connections made, TLS handshakes included.
    #[serde(default)]
    pub n_connects: u64,
    /// Successful requests that met all objectives; all of them where there are none.
    #[serde(default)]
    pub n_good: u64,
    /// What event streams did; `None` if no answer was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamStats>,
}

/// What the event streams of an interval did. Times are µs from the intended start of the request, as `latency`;
/// streams that failed are in none of the histograms.
///
/// Terms follow vLLM's `bench serve`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StreamStats {
    /// Streams that ended properly.
    pub n_streams: u64,
    /// Streams by dialect: `openai-chat`, `openai-responses`, `claude`, `gemini`, `ollama`, `sse` (any other).
    pub dialects: BTreeMap<String, u64>,
    /// Events with content: output text, reasoning or tool calls.
    pub n_content_events: u64,
    /// Output tokens as the streams' usage says; content events where a stream has no usage.
    pub n_output_tokens: u64,
    /// To the first event of the stream, whatever it holds.
    #[serde(with = "crate::histogram_text")]
    pub ttfb: Histogram<u64>,
    /// To the first content event.
    #[serde(with = "crate::histogram_text")]
    pub ttft: Histogram<u64>,
    /// To the first event with output text, reasoning left out.
    #[serde(with = "crate::histogram_text")]
    pub ttfo: Histogram<u64>,
    /// `(e2el - ttft) / (output tokens - 1)`, per stream.
    #[serde(with = "crate::histogram_text")]
    pub tpot: Histogram<u64>,
    /// Gaps between consecutive content events, pooled.
    #[serde(with = "crate::histogram_text")]
    pub itl: Histogram<u64>,
    /// To the last byte.
    #[serde(with = "crate::histogram_text")]
    pub e2el: Histogram<u64>,
}

impl StreamStats {
    /// Returns the statistics of no stream.
    pub fn empty() -> Self {
        Self {
            n_streams: 0,
            dialects: BTreeMap::new(),
            n_content_events: 0,
            n_output_tokens: 0,
            ttfb: latency_histogram(),
            ttft: latency_histogram(),
            ttfo: latency_histogram(),
            tpot: latency_histogram(),
            itl: latency_histogram(),
            e2el: latency_histogram(),
        }
    }

    /// Adds other streams; exact.
    pub fn merge(&mut self, other: &Self) {
        self.n_streams += other.n_streams;
        for (dialect, count) in &other.dialects {
            *self.dialects.entry(dialect.clone()).or_default() += count;
        }
        self.n_content_events += other.n_content_events;
        self.n_output_tokens += other.n_output_tokens;
        add_histogram(&mut self.ttfb, &other.ttfb);
        add_histogram(&mut self.ttft, &other.ttft);
        add_histogram(&mut self.ttfo, &other.ttfo);
        add_histogram(&mut self.tpot, &other.tpot);
        add_histogram(&mut self.itl, &other.itl);
        add_histogram(&mut self.e2el, &other.e2el);
    }
}

impl Interval {
    /// Returns an interval in which nothing happened.
    pub fn empty(start_ns: u64, end_ns: u64) -> Self {
        Self {
            start_ns,
            end_ns,
            label: String::new(),
            latency: latency_histogram(),
            first_body_byte: latency_histogram(),
            n_requests: 0,
            status: BTreeMap::new(),
            errors: BTreeMap::new(),
            error_samples: Vec::new(),
            bytes_in: 0,
            bytes_out: 0,
            n_unfinished: 0,
            n_reconnects: 0,
            busiest_thread_cpu_share: 0.0,
            open_connections: 0,
            uncorrected: None,
            n_late: 0,
            n_dropped: 0,
            in_flight_ns: 0,
            n_connects: 0,
            n_good: 0,
            stream: None,
        }
    }

    /// Adds another interval of the same load: exact, in any grouping of intervals taken in order of time.
    ///
    /// The result spans both. It keeps its own label and, per class, its own error sample; the CPU share is that of
    /// the busier interval; the open connections are those of the interval that ends last.
    pub fn merge(&mut self, other: &Self) {
        if other.end_ns >= self.end_ns {
            self.open_connections = other.open_connections;
        }
        self.add_counts(other);
    }

    /// Adds what another thread or process did in the same time: as [`Interval::merge`], but open connections add up.
    pub fn join(&mut self, other: &Self) {
        self.open_connections += other.open_connections;
        self.add_counts(other);
    }

    fn add_counts(&mut self, other: &Self) {
        self.start_ns = self.start_ns.min(other.start_ns);
        self.end_ns = self.end_ns.max(other.end_ns);
        add_histogram(&mut self.latency, &other.latency);
        add_histogram(&mut self.first_body_byte, &other.first_body_byte);
        self.n_requests += other.n_requests;
        for (status, count) in &other.status {
            *self.status.entry(*status).or_default() += count;
        }
        for (class, count) in &other.errors {
            *self.errors.entry(*class).or_default() += count;
        }
        for sample in &other.error_samples {
            self.add_error_sample(sample);
        }
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.n_unfinished += other.n_unfinished;
        self.n_reconnects += other.n_reconnects;
        self.busiest_thread_cpu_share = self.busiest_thread_cpu_share.max(other.busiest_thread_cpu_share);
        if let Some(other) = &other.uncorrected {
            add_histogram(self.uncorrected.get_or_insert_with(latency_histogram), other);
        }
        self.n_late += other.n_late;
        self.n_dropped += other.n_dropped;
        self.in_flight_ns += other.in_flight_ns;
        self.n_connects += other.n_connects;
        self.n_good += other.n_good;
        if let Some(other) = &other.stream {
            self.stream.get_or_insert_with(StreamStats::empty).merge(other);
        }
    }

    /// Keeps `sample` (`class: …`) unless one of its class is kept already.
    fn add_error_sample(&mut self, sample: &str) {
        let rank = |text: &str| ErrorClass::ALL.iter().position(|class| class_of(text) == class.as_str());
        match self.error_samples.binary_search_by_key(&rank(sample), |kept| rank(kept)) {
            Ok(_) => {}
            Err(place) => self.error_samples.insert(place, sample.to_owned()),
        }
    }
}

fn class_of(sample: &str) -> &str {
    sample.split(':').next().unwrap_or_default()
}

/// Returns an empty histogram of microseconds; all latency histograms of this crate have the same bounds.
pub(crate) fn latency_histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, MAX_LATENCY_US, SIGNIFICANT_DIGITS)
        .expect("1 to one hour with 3 digits is valid")
}

fn add_histogram(sum: &mut Histogram<u64>, other: &Histogram<u64>) {
    if sum.add(other).is_err() {
        // Only an interval from elsewhere can have other bounds; what exceeds ours counts as one hour.
        for step in other.iter_recorded() {
            sum.saturating_record_n(step.value_iterated_to(), step.count_at_value());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seed: u64, start_ns: u64) -> Interval {
        let mut interval = Interval::empty(start_ns, start_ns + 1_000_000_000);
        interval.label = "baseline".to_owned();
        for i in 0..1000 {
            interval.latency.saturating_record((i * seed * 7919) % 90_000);
            interval.first_body_byte.saturating_record((i * seed * 104_729) % 5_000);
        }
        interval.n_requests = 1000;
        interval.status = BTreeMap::from([(200, 999), (302, 1), (500 + seed as u16, 3)]);
        interval.errors = BTreeMap::from([(ErrorClass::Status, 3), (ErrorClass::Truncated, seed)]);
        interval.error_samples =
            vec![format!("status: 50{seed}"), format!("truncated: after {seed} bytes \"ü\"")];
        interval.bytes_in = u64::MAX / 9;
        interval.bytes_out = 77 * seed;
        interval.n_unfinished = seed;
        interval.n_reconnects = 2 * seed;
        interval.busiest_thread_cpu_share = (1234 + seed) as f64 / 1e4;
        interval.open_connections = 50 + seed;
        interval
    }

    #[test]
    fn a_json_line_gives_the_same_interval_back() {
        for interval in [sample(1, 5), sample(2, u64::MAX / 2), Interval::empty(0, 0)] {
            let line = serde_json::to_string(&interval).unwrap();
            assert!(!line.contains('\n'));
            let back: Interval = serde_json::from_str(&line).unwrap();
            assert_eq!(back, interval);
            assert_eq!(serde_json::to_string(&back).unwrap(), line, "the same interval gives the same bytes");
        }
    }

    #[test]
    fn merging_in_any_grouping_gives_the_same_bytes() {
        let parts = [sample(1, 0), sample(2, 1_000_000_000), sample(3, 2_000_000_000)];
        let mut left = parts[0].clone();
        left.merge(&parts[1]);
        left.merge(&parts[2]);
        let mut tail = parts[1].clone();
        tail.merge(&parts[2]);
        let mut right = parts[0].clone();
        right.merge(&tail);
        assert_eq!(serde_json::to_string(&left).unwrap(), serde_json::to_string(&right).unwrap());

        assert_eq!((left.start_ns, left.end_ns), (0, 3_000_000_000));
        assert_eq!(left.latency.len(), 3000);
        assert_eq!(left.status, BTreeMap::from([(200, 2997), (302, 3), (501, 3), (502, 3), (503, 3)]));
        assert_eq!(left.errors, BTreeMap::from([(ErrorClass::Status, 9), (ErrorClass::Truncated, 6)]));
        assert_eq!(left.error_samples, parts[0].error_samples, "the first sample of a class stays");
        assert_eq!((left.open_connections, left.n_unfinished, left.n_reconnects), (53, 6, 12));
    }

    #[test]
    fn error_samples_are_kept_one_per_class_in_order() {
        let mut interval = Interval::empty(0, 0);
        for text in ["truncated: 1", "connect: 1", "status: 1", "connect: 2"] {
            interval.add_error_sample(text);
        }
        assert_eq!(interval.error_samples, ["connect: 1", "status: 1", "truncated: 1"]);
    }

    #[test]
    fn classes_have_the_same_name_in_json_and_in_text() {
        for class in ErrorClass::ALL {
            assert_eq!(serde_json::to_string(&class).unwrap(), format!("\"{class}\""));
        }
        assert!(ErrorClass::ALL.is_sorted());
    }
}
