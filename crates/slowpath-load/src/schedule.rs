//! When each request of an open load is meant to start: a time-varying rate and an arrival process, turned into the
//! start times of the whole request sequence. Pure arithmetic: reads no clock and waits for nothing.
//!
//! ```text
//!  rate       /‾‾‾‾‾‾     The area under the rate up to a moment is the number of requests due by then. Request k
//!            /      .     starts when the area reaches position k (constant), or the sum of its k + 1 random gaps of
//!  _________/       .     mean 1 (Poisson, gamma): a process of rate 1 whose time is stretched where the rate is low.
//!  . . . . ........ .
//! ```

use std::time::Duration;

use crate::error::LoadError;
use crate::gap::Gaps;
use crate::plan::{Arrival, Stage};
use crate::random::Random;

const NS_PER_S: f64 = 1e9;

/// The stream of a seed that gaps are drawn from; requests use the streams of their numbers.
const GAP_STREAM: u64 = u64::MAX;

/// Yields the intended start of request 0, 1, 2 … in nanoseconds since the load's start, never decreasing.
///
/// Each shard goes through all of them and keeps its own. The same stages, arrival and seed give the same times on
/// every machine. Ends at the end of the last stage (a request due exactly then is not part of it), or at once in an
/// endless stage of rate 0.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    spans: std::vec::IntoIter<Span>,
    span: Option<Span>,
    gaps: Gaps,
    /// Area under the rate at the next request.
    position: f64,
    last_ns: u64,
}

/// A stage and where it lies.
#[derive(Debug, Clone, Copy)]
struct Span {
    start_ns: u64,
    /// `u64::MAX` in an endless stage.
    end_ns: u64,
    /// Area under the rate where the stage begins and ends.
    start: f64,
    end: f64,
    /// Requests per second at the beginning.
    rate: f64,
    /// Requests per second, per second.
    slope: f64,
}

impl Schedule {
    /// Stages and arrival are valid, as [`validate`] has it.
    pub(crate) fn new(stages: &[Stage], arrival: Arrival, seed: u64) -> Self {
        let mut spans = lay_out(stages).into_iter();
        let span = spans.next();
        let mut gaps = Gaps::new(arrival, Random::new(seed, GAP_STREAM));
        // Equal gaps begin with a request; random ones are the waits of users of whom none has just come.
        let position = if arrival == Arrival::Constant { 0.0 } else { gaps.draw() };
        Self { spans, span, gaps, position, last_ns: 0 }
    }
}

impl Iterator for Schedule {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let span = loop {
            let span = self.span.as_ref()?;
            if self.position < span.end {
                break span;
            }
            self.span = self.spans.next();
        };
        // Neighbouring times that differ by less than they can be resolved may come out reversed.
        self.last_ns = span.time_ns(self.position).max(self.last_ns);
        self.position += self.gaps.draw();
        Some(self.last_ns)
    }
}

fn lay_out(stages: &[Stage]) -> Vec<Span> {
    let mut spans = Vec::with_capacity(stages.len());
    let (mut start_ns, mut start) = (0, 0.0);
    for stage in stages {
        let span = match stage.length {
            Some(length) => Span {
                start_ns,
                end_ns: start_ns.saturating_add(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)),
                start,
                end: start + expected(stage, length),
                rate: stage.from,
                slope: (stage.to - stage.from) / length.as_secs_f64(),
            },
            None => Span {
                start_ns,
                end_ns: u64::MAX,
                start,
                end: if stage.to > 0.0 { f64::INFINITY } else { start },
                rate: stage.to,
                slope: 0.0,
            },
        };
        (start_ns, start) = (span.end_ns, span.end);
        spans.push(span);
    }
    spans
}

/// Returns how many requests a stage of this length brings: the mean of both rates over the length.
fn expected(stage: &Stage, length: Duration) -> f64 {
    f64::midpoint(stage.from, stage.to) * length.as_secs_f64()
}

impl Span {
    /// Returns the first moment at which the area under the rate is `position`, which lies in this span.
    fn time_ns(&self, position: f64) -> u64 {
        let area = position - self.start;
        // The area after t seconds is rate t + slope t² / 2. This form of the root cancels nothing at a slope near 0.
        let root = (self.rate * self.rate + 2.0 * self.slope * area).max(0.0).sqrt();
        let offset_ns = if area > 0.0 { 2.0 * (area * NS_PER_S) / (self.rate + root) } else { 0.0 };
        self.start_ns.saturating_add((offset_ns + 0.5) as u64).min(self.end_ns - 1)
    }
}

/// Checks what [`Schedule::new`] relies on.
///
/// # Errors
/// [`LoadError::BadPlan`] if a rate or shape is out of range, an endless stage is not the last one, or no request
/// would ever be sent.
pub(crate) fn validate(stages: &[Stage], arrival: Arrival) -> Result<(), LoadError> {
    let bad = |field, value: String, problem| Err(LoadError::BadPlan { field, value, problem });
    for rate in stages.iter().flat_map(|stage| [stage.from, stage.to]) {
        if !(0.0..=MAX_RATE).contains(&rate) {
            return bad("rate", rate.to_string(), "a rate lies between 0 and 1e9 requests per second");
        }
    }
    if let Arrival::Gamma(shape) = arrival
        && !(shape > 0.0 && shape.is_finite())
    {
        return bad("burstiness", shape.to_string(), "the shape of a gamma distribution is above 0");
    }
    let n_before_last = stages.len().saturating_sub(1);
    if stages.iter().take(n_before_last).any(|stage| stage.length.is_none()) {
        return bad("stages", stages.len().to_string(), "only the last stage can be endless");
    }
    if lay_out(stages).last().is_none_or(|span| span.end <= 0.0) {
        return bad("stages", stages.len().to_string(), "no request would ever be sent");
    }
    Ok(())
}

/// Starts are whole nanoseconds.
const MAX_RATE: f64 = 1e9;

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
