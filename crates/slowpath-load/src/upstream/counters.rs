//! What the mock has seen and done since it started or was last reset. Written by the one thread that serves.

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::api::Endpoint;
use crate::clock::{self, NS_PER_S};

/// Lateness above a minute counts as a minute.
const MAX_LATENESS_US: u64 = 60_000_000;

/// Sums and levels; see `docs/mock.md` for the meaning of each.
pub(super) struct Counters {
    since_ns: u64,
    cpu_since_ns: u64,
    /// Goes up with each reset.
    pub(super) era: u32,
    /// Requests to the API, by [`Endpoint`].
    by_endpoint: [u64; Endpoint::ALL.len()],
    /// Requests received, without those to the mock itself. The number of the last one.
    pub(super) n_requests: u64,
    /// Requests that were answered with an error of their own: unknown path, wrong method, body or HTTP.
    pub(super) n_refused: u64,
    /// Answers under way that the client did not wait for.
    pub(super) n_aborted: u64,
    n_under_way: u64,
    peak_under_way: u64,
    pub(super) n_connections: u64,
    n_open: u64,
    peak_open: u64,
    pub(super) n_tls_handshakes: u64,
    pub(super) n_tls_failures: u64,
    /// Bytes received from and written to TCP, all included.
    pub(super) n_bytes_in: u64,
    pub(super) n_bytes_out: u64,
    pub(super) n_events: u64,
    /// Tokens of streams and whole answers.
    pub(super) n_tokens: u64,
    pub(super) n_errors_made: u64,
    pub(super) n_stream_errors_made: u64,
    pub(super) n_truncations_made: u64,
    /// How much later than planned answers and tokens were given to TCP, in µs.
    lateness: Histogram<u64>,
}

impl Counters {
    /// Returns counters that begin now. Must be called on the thread that serves, whose CPU time counts.
    pub(super) fn new() -> Self {
        let lateness = Histogram::new_with_bounds(1, MAX_LATENESS_US, 3);
        Self {
            since_ns: clock::now_ns(),
            cpu_since_ns: clock::thread_cpu_ns(),
            era: 0,
            by_endpoint: [0; Endpoint::ALL.len()],
            n_requests: 0,
            n_refused: 0,
            n_aborted: 0,
            n_under_way: 0,
            peak_under_way: 0,
            n_connections: 0,
            n_open: 0,
            peak_open: 0,
            n_tls_handshakes: 0,
            n_tls_failures: 0,
            n_bytes_in: 0,
            n_bytes_out: 0,
            n_events: 0,
            n_tokens: 0,
            n_errors_made: 0,
            n_stream_errors_made: 0,
            n_truncations_made: 0,
            lateness: lateness.expect("the bounds are 1 and more, and there are at most 5 digits"),
        }
    }

    /// Starts again from zero. What is open or under way stays counted as that.
    pub(super) fn reset(&mut self) {
        let (n_under_way, n_open) = (self.n_under_way, self.n_open);
        let era = self.era.wrapping_add(1);
        *self =
            Self { era, n_under_way, peak_under_way: n_under_way, n_open, peak_open: n_open, ..Self::new() };
    }

    pub(super) fn count_endpoint(&mut self, endpoint: Endpoint) {
        self.by_endpoint[endpoint as usize] += 1;
    }

    pub(super) fn begin_answer(&mut self) {
        self.n_under_way += 1;
        self.peak_under_way = self.peak_under_way.max(self.n_under_way);
    }

    pub(super) fn end_answer(&mut self) {
        self.n_under_way -= 1;
    }

    pub(super) fn open_connection(&mut self) {
        self.n_connections += 1;
        self.n_open += 1;
        self.peak_open = self.peak_open.max(self.n_open);
    }

    pub(super) fn close_connection(&mut self) {
        self.n_open -= 1;
    }

    /// Takes back a connection of the era `opened_in` that turned out to be one to the mock itself.
    pub(super) fn discount_connection(&mut self, opened_in: u32) {
        self.n_open -= 1;
        if opened_in == self.era {
            self.n_connections -= 1;
        }
    }

    pub(super) fn note_lateness(&mut self, late_ns: u64) {
        self.lateness.saturating_record(late_ns / 1000);
    }

    pub(super) fn to_json(&self) -> Value {
        let by_endpoint: Map<String, Value> = Endpoint::ALL
            .iter()
            .filter(|&&endpoint| self.by_endpoint[endpoint as usize] > 0)
            .map(|&endpoint| (endpoint.name().to_owned(), self.by_endpoint[endpoint as usize].into()))
            .collect();
        let seconds = |ns: u64| (ns / 1000) as f64 / (NS_PER_S / 1000) as f64;
        json!({
            "seconds": seconds(clock::now_ns() - self.since_ns),
            "cpu_seconds": seconds(clock::thread_cpu_ns() - self.cpu_since_ns),
            "requests": self.n_requests,
            "requests_by_endpoint": by_endpoint,
            "requests_refused": self.n_refused,
            "requests_aborted": self.n_aborted,
            "requests_under_way": self.n_under_way,
            "peak_requests_under_way": self.peak_under_way,
            "tcp_connections": self.n_connections,
            "open_connections": self.n_open,
            "peak_open_connections": self.peak_open,
            "tls_handshakes": self.n_tls_handshakes,
            "tls_failures": self.n_tls_failures,
            "bytes_in": self.n_bytes_in,
            "bytes_out": self.n_bytes_out,
            "events_sent": self.n_events,
            "tokens_sent": self.n_tokens,
            "errors_made": self.n_errors_made,
            "stream_errors_made": self.n_stream_errors_made,
            "truncations_made": self.n_truncations_made,
            "lateness_us": {
                "n": self.lateness.len(),
                "p50": self.lateness.value_at_quantile(0.5),
                "p99": self.lateness.value_at_quantile(0.99),
                "max": self.lateness.max(),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_keeps_what_is_open_and_under_way() {
        let mut counters = Counters::new();
        counters.open_connection();
        counters.open_connection();
        counters.begin_answer();
        counters.count_endpoint(Endpoint::GeminiModels);
        assert_eq!(counters.to_json()["requests_by_endpoint"], json!({"gemini_models": 1}));
        counters.discount_connection(0);
        assert_eq!(counters.to_json()["tcp_connections"], 1);
        assert_eq!(counters.to_json()["peak_open_connections"], 2);

        counters.reset();
        let json = counters.to_json();
        assert_eq!((&json["tcp_connections"], &json["open_connections"]), (&json!(0), &json!(1)));
        assert_eq!(json["peak_requests_under_way"], 1);
        assert_eq!(json["requests_by_endpoint"], json!({}));
        // It was opened before the reset.
        counters.discount_connection(0);
        assert_eq!(counters.to_json()["tcp_connections"], 0);
        assert_eq!(counters.to_json()["open_connections"], 0);
    }
}
