//! The moments of one request, and what the terms of LLM benchmarks make of them.

use crate::stream::StreamOutcome;

/// The moments of a request that has ended, `CLOCK_MONOTONIC` nanoseconds.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "the unit belongs to each")]
pub(crate) struct Times {
    /// When it was meant to start.
    pub(crate) intended_ns: u64,
    /// When a connection took it.
    pub(crate) start_ns: u64,
    /// `None` if there was no body.
    pub(crate) first_body_byte_ns: Option<u64>,
    pub(crate) end_ns: u64,
}

impl Times {
    /// Returns how long after the intended start `time_ns` is.
    pub(crate) fn since_intended(&self, time_ns: u64) -> u64 {
        time_ns.saturating_sub(self.intended_ns)
    }
}

/// The times of a stream that is good, in µs since the intended start; `None` where there was no such event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamTimes {
    pub(crate) ttfb_us: Option<f64>,
    pub(crate) ttft_us: Option<f64>,
    pub(crate) ttfo_us: Option<f64>,
    /// `None` for less than two output tokens.
    pub(crate) tpot_us: Option<f64>,
    pub(crate) e2el_us: f64,
    pub(crate) n_output_tokens: u64,
}

impl StreamTimes {
    pub(crate) fn new(outcome: &StreamOutcome, times: Times) -> Self {
        let us = |time_ns: u64| times.since_intended(time_ns) as f64 / 1e3;
        let ttft_us = outcome.first_content_ns.map(us);
        let e2el_us = us(times.end_ns);
        let n_output_tokens = outcome.n_output_tokens.unwrap_or(outcome.n_content_events);
        let n_gaps = n_output_tokens.saturating_sub(1);
        Self {
            ttfb_us: outcome.first_event_ns.map(us),
            ttft_us,
            ttfo_us: outcome.first_output_ns.map(us),
            tpot_us: ttft_us.filter(|_| n_gaps > 0).map(|ttft_us| (e2el_us - ttft_us) / n_gaps as f64),
            e2el_us,
            n_output_tokens,
        }
    }
}

/// Nanoseconds to microseconds, to the nearest.
pub(crate) fn rounded_us(ns: u64) -> u64 {
    (ns + 500) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::{Dialect, StreamEnd};

    #[test]
    fn the_time_per_token_needs_two_tokens() {
        fn check(n_output_tokens: Option<u64>, n_content_events: u64, expected: Option<f64>) {
            let outcome = StreamOutcome {
                dialect: Dialect::OpenAiChat,
                first_event_ns: Some(15_000),
                first_content_ns: Some(20_000),
                first_output_ns: None,
                last_content_ns: Some(60_000),
                n_events: 9,
                n_content_events,
                n_unparsed_events: 0,
                n_output_tokens,
                end: StreamEnd::Complete,
            };
            let times =
                Times { intended_ns: 10_000, start_ns: 12_000, first_body_byte_ns: None, end_ns: 80_000 };
            let stream = StreamTimes::new(&outcome, times);
            assert_eq!((stream.ttfb_us, stream.ttft_us, stream.ttfo_us), (Some(5.0), Some(10.0), None));
            assert_eq!((stream.tpot_us, stream.e2el_us), (expected, 70.0));
        }
        check(Some(4), 9, Some(20.0));
        check(None, 7, Some(10.0));
        check(Some(1), 9, None);
        check(Some(0), 9, None);
        check(None, 0, None);
    }
}
