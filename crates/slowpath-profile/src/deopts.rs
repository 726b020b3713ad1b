//! Joins what V8 optimised and threw away with the functions of the profile.
//!
//! V8 tells the name of a function and, in its newer versions and where code was thrown away while it ran, a place in it. A name
//! alone goes to the only sampled or counted function of that name, and is counted as unplaced where there is none or more
//! than one.

use crate::classify::{AppScope, Category};
use crate::code::Code;
use crate::from_recording::function_of;
use crate::recording::{DeoptPosition, OptimisedFunction, Recording, SiteFrame};
use crate::tables::{FunctionId, Profile};

/// How often V8 optimised one function in one thread, and threw its code away.
#[derive(Debug, Clone, PartialEq)]
pub struct Deopts {
    /// Process id.
    pub pid: u32,
    /// The function.
    pub function: FunctionId,
    /// How often it was optimised, to run from its next call on.
    pub n_optimised: u64,
    /// How often that was given up, because what the code would have relied on had changed.
    pub n_aborted: u64,
    /// What optimising took of the thread's own time, ms.
    pub held_ms: f64,
    /// First time that anything of this happened, ms since the start of the window.
    pub first_ms: f64,
    /// Last time.
    pub last_ms: f64,
    /// Why its code was thrown away while it ran, most frequent first.
    pub causes: Vec<DeoptCause>,
}

/// One reason why code was thrown away while it ran.
#[derive(Debug, Clone, PartialEq)]
pub struct DeoptCause {
    /// Function and line where an assumption failed: in the function, or in one inlined into it.
    pub place: Option<(FunctionId, u32)>,
    /// V8's words for the assumption.
    pub reason: String,
    /// Times.
    pub n: u64,
}

/// V8's word where the reason lies outside of the code that was thrown away, and ours.
const OUTSIDE: (&str, &str) = ("(unknown)", "what it relied on was changed meanwhile");

impl Deopts {
    /// Returns how often its code was thrown away while it ran.
    pub fn n_thrown_away(&self) -> u64 {
        self.causes.iter().map(|cause| cause.n).sum()
    }
}

impl Profile {
    /// Adds what the counter logs of a recording say of optimised functions.
    pub(crate) fn add_deopts(&mut self, recording: &Recording, code: &Code<'_>) {
        for (pid, records) in &recording.counters {
            let scope = AppScope::of(recording, *pid);
            let windows = records.iter().filter_map(|record| record.deopts.as_ref());
            for row in windows.flat_map(|deopts| &deopts.functions) {
                match self.optimised_function(&scope, code, row) {
                    Some(function) => self.add_optimised(&scope, code, (*pid, function), row),
                    None => self.n_unplaced_deopts += row.optimised + row.aborted,
                }
            }
        }
        let times = |row: &Deopts| row.n_optimised + row.n_aborted + row.n_thrown_away();
        self.deopts.sort_by_key(|row| (std::cmp::Reverse(times(row)), row.function, row.pid));
    }

    fn optimised_function(
        &mut self,
        scope: &AppScope,
        code: &Code<'_>,
        row: &OptimisedFunction,
    ) -> Option<FunctionId> {
        if let Some(DeoptPosition(url, line, column)) = &row.at {
            let frame = SiteFrame(row.name.clone(), url.clone(), *line, *column);
            return Some(self.function_around(scope, code, &frame).0);
        }
        let is_code = |category| matches!(category, Category::App | Category::Dependency);
        let is_it = |name: &str| name == row.name && !name.is_empty();
        let mut named =
            self.functions.iter().filter(|(_, known)| is_it(&known.name) && is_code(known.category));
        match (named.next(), named.next()) {
            (Some((id, _)), None) => Some(id),
            _ => None,
        }
    }

    fn add_optimised(
        &mut self,
        scope: &AppScope,
        code: &Code<'_>,
        (pid, function): (u32, FunctionId),
        row: &OptimisedFunction,
    ) {
        let mut causes: Vec<DeoptCause> = Vec::new();
        for cause in &row.causes {
            let place = cause.2.as_ref().and_then(|at| self.function_at(scope, code, at));
            let reason = if cause.1 == OUTSIDE.0 { OUTSIDE.1.to_owned() } else { cause.1.clone() };
            match causes.iter_mut().find(|known| known.place == place && known.reason == reason) {
                Some(known) => known.n += cause.3,
                None => causes.push(DeoptCause { place, reason, n: cause.3 }),
            }
        }
        causes.sort_by_key(|cause| std::cmp::Reverse(cause.n));
        self.deopts.push(Deopts {
            pid,
            function,
            n_optimised: row.optimised,
            n_aborted: row.aborted,
            held_ms: row.held_ms,
            first_ms: row.first_ms,
            last_ms: row.last_ms,
            causes,
        });
    }

    /// Returns the function that a position lies in, and its line in the original file; `None` without the text.
    fn function_at(
        &mut self,
        scope: &AppScope,
        code: &Code<'_>,
        at: &DeoptPosition,
    ) -> Option<(FunctionId, u32)> {
        let DeoptPosition(url, line, column) = at;
        let (line, column) = (line.checked_sub(1)?, column.saturating_sub(1));
        let script = code.script(url)?;
        let declared = script.frame_of(script.function_at(line, column)?, url);
        let declared = code.original_frame(&declared).unwrap_or(declared);
        let original = code.original(url, line, column).map_or(line, |original| original.line);
        Some((self.known_or_new(function_of(scope, &declared, None)), original + 1))
    }
}
