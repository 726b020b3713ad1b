//! How often functions are called per request, from V8's precise counts.

use slowpath_profile::Recording;
use slowpath_profile::recording::CounterRecord;
use slowpath_profile::tables::{FunctionId, Profile};
use std::collections::{BTreeMap, BTreeSet};

/// Calls of functions in the calls phase.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallMeasure {
    /// Length of the window, ms; of the longest where there are several processes.
    pub window_ms: f64,
    /// Requests that arrived in the window, over all processes.
    pub n_requests: f64,
    /// Calls by function, over all processes.
    pub calls: BTreeMap<FunctionId, u64>,
    /// Async functions and generators: V8 counts it as a call, too, when they go on. What they have is a bound.
    pub resumed: BTreeSet<FunctionId>,
}

impl CallMeasure {
    pub(crate) fn of(recording: &Recording, profile: &Profile) -> Option<Self> {
        let mut n_requests = 0.0;
        let mut has_window = false;
        for records in recording.counters.values() {
            let Some(window) = records.iter().find(|record| record.calls.is_some()) else { continue };
            has_window = true;
            n_requests +=
                requests_during(records, window, window.calls.as_ref().map_or(0.0, |calls| calls.ms));
        }
        if !has_window {
            return None;
        }
        let mut calls = BTreeMap::new();
        let mut resumed = BTreeSet::new();
        for row in &profile.function_calls {
            if row.resumes {
                resumed.insert(row.function);
            }
            *calls.entry(row.function).or_default() += row.n;
        }
        let window_ms = profile.function_calls.iter().map(|row| row.ms).fold(0.0, f64::max);
        Some(Self { window_ms, n_requests, calls, resumed })
    }

    /// Returns how often a function is called per request; `None` where that was not counted, or only with its awaits.
    pub fn per_request(&self, function: FunctionId) -> Option<f64> {
        self.per_request_at_most(function).filter(|_| !self.resumed.contains(&function))
    }

    /// Returns how often a function is called per request, or more: each `await` of an async function counts.
    pub fn per_request_at_most(&self, function: FunctionId) -> Option<f64> {
        let n = self.calls.get(&function)?;
        (self.n_requests > 0.0).then(|| *n as f64 / self.n_requests)
    }
}

/// Estimates how many requests arrived in a process while `window` of `ms` was recorded. The thread begins to count
/// requests a moment after V8 begins to count: their rate is what is known.
pub(crate) fn requests_during(records: &[CounterRecord], window: &CounterRecord, ms: f64) -> f64 {
    let overlaps = |record: &&CounterRecord| {
        let has_counts = record.calls.is_none() && record.deopts.is_none();
        has_counts && record.from < window.t && window.from < record.t
    };
    let (mut n, mut counted_ms) = (0, 0.0);
    for record in records.iter().filter(overlaps) {
        n += record.totals.iter().filter(|total| total.0 == "request").map(|total| total.2).sum::<u64>();
        if record.thread == 0 {
            counted_ms += record.t.since(record.from).as_millis_f64();
        }
    }
    if counted_ms > 0.0 { n as f64 / counted_ms * ms } else { 0.0 }
}
