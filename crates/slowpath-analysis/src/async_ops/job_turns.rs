//! Turns of the loop that many promise jobs or ticks made long, by the code that makes them.

use super::wait_place::{self, WaitPlace};
use super::{HooksCost, WaitKind};
use crate::phases::Phase;
use slowpath_profile::recording::AsyncSource;
use slowpath_profile::tables::{Function, Profile};
use slowpath_profile::{Nanos, Recording};
use std::collections::BTreeMap;

/// Such turns of one place.
#[derive(Debug, Clone, PartialEq)]
pub struct JobTurns {
    /// Where one of the jobs of each turn was made.
    pub place: WaitPlace,
    /// Turns.
    pub n_turns: u64,
    /// Promise jobs and ticks in them.
    pub n_jobs: u64,
    /// Ticks among these.
    pub n_ticks: u64,
    /// Time in them.
    pub total: Nanos,
    /// The longest.
    pub longest: Nanos,
    /// Share of the time in which hooks were on and would have seen them.
    pub share: f64,
    /// When each began and ended.
    pub turns: Vec<(Nanos, Nanos)>,
}

impl JobTurns {
    /// Sums the turns of a phase, those with most time first.
    pub(super) fn of(
        recording: &Recording,
        profile: &Profile,
        phase: Option<&Phase>,
        hooks: Option<&HooksCost>,
    ) -> Vec<Self> {
        let mut by_place: BTreeMap<WaitPlace, Self> = BTreeMap::new();
        let in_phase = |t: Nanos| phase.is_none_or(|phase| phase.contains(t));
        for (pid, log) in &recording.asynchronous {
            let none: Vec<Function> = Vec::new();
            let frames = profile.async_frames.get(pid).unwrap_or(&none);
            for jobs in log.jobs.iter().filter(|jobs| in_phase(jobs.start)) {
                let place =
                    wait_place::of_site(log, frames, jobs.site, WaitKind::Other, &AsyncSource::default());
                let length = jobs.end.since(jobs.start);
                let turns = by_place.entry(place.clone()).or_insert(Self {
                    place,
                    n_turns: 0,
                    n_jobs: 0,
                    n_ticks: 0,
                    total: Nanos(0),
                    longest: Nanos(0),
                    share: 0.0,
                    turns: Vec::new(),
                });
                turns.n_turns += 1;
                turns.n_jobs += jobs.n_jobs;
                turns.n_ticks += jobs.n_ticks;
                turns.total = turns.total + length;
                turns.longest = turns.longest.max(length);
                turns.turns.push((jobs.start, jobs.end));
            }
        }
        let on_ms = hooks.map_or(0.0, |hooks| hooks.on_ms);
        let mut rows: Vec<Self> = by_place.into_values().collect();
        for row in &mut rows {
            row.share = if on_ms > 0.0 { (row.total.as_millis_f64() / on_ms).min(1.0) } else { 0.0 };
        }
        rows.sort_by(|a, b| b.total.cmp(&a.total).then(a.place.cmp(&b.place)));
        rows
    }
}
