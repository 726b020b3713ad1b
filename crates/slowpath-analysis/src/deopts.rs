//! What V8 optimised again and again, because the code did not last.

use crate::calls::requests_during;
use slowpath_profile::Recording;
use slowpath_profile::deopts::Deopts;
use slowpath_profile::tables::{FunctionId, Profile};

/// What was optimised in the deopts phase, and thrown away.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeoptMeasure {
    /// Length of the window, ms; of the longest where there are several processes.
    pub window_ms: f64,
    /// Requests that arrived in the window, over all processes.
    pub n_requests: f64,
    /// By process and function, most frequent first.
    pub functions: Vec<Deopts>,
    /// Optimisations of functions that cannot be told from others, or for which there was no room.
    pub n_unplaced: u64,
}

impl DeoptMeasure {
    pub(crate) fn of(recording: &Recording, profile: &Profile) -> Option<Self> {
        let mut measure = Self { n_unplaced: profile.n_unplaced_deopts, ..Self::default() };
        let mut has_window = false;
        for records in recording.counters.values() {
            for record in records {
                let Some(deopts) = &record.deopts else { continue };
                has_window = true;
                measure.window_ms = measure.window_ms.max(deopts.ms);
                measure.n_unplaced += deopts.n_other;
                measure.n_requests += requests_during(records, record, deopts.ms);
            }
        }
        measure.functions.clone_from(&profile.deopts);
        has_window.then_some(measure)
    }

    /// Returns the row of a function that was optimised most often, if it was.
    pub fn of_function(&self, function: FunctionId) -> Option<&Deopts> {
        self.functions.iter().find(|row| row.function == function)
    }

    /// Returns a number of times per second of the window.
    pub fn per_second(&self, n: u64) -> f64 {
        if self.window_ms > 0.0 { n as f64 / self.window_ms * 1e3 } else { 0.0 }
    }
}
