//! What following requests cost the target: CPU time per request in the windows in which the hooks were on, against that
//! in the pauses between.

use crate::phases::Phase;
use slowpath_profile::Recording;
use slowpath_profile::recording::{AsyncHooks, HooksSide};

/// Fewer requests than this on one side give no ratio worth showing.
const MIN_REQUESTS: f64 = 20.0;

/// What the hooks of the async recorder cost in its phase, by the agent's own readings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HooksCost {
    /// Time that the hooks were on, ms; of several threads that serve requests, in sum.
    pub on_ms: f64,
    /// Share of the phase that the hooks were on.
    pub on_share: f64,
    /// CPU time per request while they were on, as a ratio to that in pauses; `None` where there were too few requests.
    pub ratio_on: Option<f64>,
    /// The same over the whole phase, pauses included.
    pub ratio: Option<f64>,
    /// Cores that the target used while they were on.
    pub cores_on: f64,
    /// Requests in windows and in pauses.
    pub n_requests: (u64, u64),
}

impl HooksCost {
    /// Sums the readings of all processes; `None` where there are none.
    pub(super) fn of(recording: &Recording, phase: Option<&Phase>) -> Option<Self> {
        let (mut on, mut off) = (HooksSide::default(), HooksSide::default());
        let in_phase = |hooks: &&AsyncHooks| phase.is_none_or(|phase| phase.contains(hooks.t));
        for hooks in recording.asynchronous.values().flat_map(|log| &log.hooks).filter(in_phase) {
            // Threads that answer nothing have no hooks' cost per request.
            if hooks.on.n_requests + hooks.off.n_requests > 0.0 {
                add(&mut on, hooks.on);
                add(&mut off, hooks.off);
            }
        }
        Self::of_sides(on, off)
    }

    fn of_sides(on: HooksSide, off: HooksSide) -> Option<Self> {
        let all_ms = on.ms + off.ms;
        let per_request = |side: HooksSide| {
            (side.n_requests >= MIN_REQUESTS && side.cpu_ms > 0.0).then(|| side.cpu_ms / side.n_requests)
        };
        let without = per_request(off);
        let all = HooksSide {
            ms: all_ms,
            cpu_ms: on.cpu_ms + off.cpu_ms,
            n_requests: on.n_requests + off.n_requests,
        };
        let ratio = |side| per_request(side).zip(without).map(|(with, without)| with / without);
        (all_ms > 0.0).then(|| Self {
            on_ms: on.ms,
            on_share: on.ms / all_ms,
            ratio_on: ratio(on),
            ratio: ratio(all),
            cores_on: if on.ms > 0.0 { on.cpu_ms / on.ms } else { 0.0 },
            n_requests: (on.n_requests.round() as u64, off.n_requests.round() as u64),
        })
    }

    /// Returns it in a sentence.
    pub fn sentence(&self) -> String {
        let on = format!("hooks were on for {:.0} % of the phase", self.on_share * 100.0);
        match (self.ratio_on, self.ratio) {
            (Some(ratio_on), Some(ratio)) => format!(
                "{on}: a request took {ratio_on:.2} times the CPU time while they were, {ratio:.2} times over the whole phase \
                 ({} requests with, {} without)",
                self.n_requests.0, self.n_requests.1
            ),
            _ => format!(
                "{on}, with {:.2} cores in use meanwhile; too few requests came without them ({}) to tell what they cost",
                self.cores_on, self.n_requests.1
            ),
        }
    }
}

fn add(sum: &mut HooksSide, part: HooksSide) {
    sum.ms += part.ms;
    sum.cpu_ms += part.cpu_ms;
    sum.n_requests += part.n_requests;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(ms: f64, cpu_ms: f64, n_requests: f64) -> HooksSide {
        HooksSide { ms, cpu_ms, n_requests }
    }

    fn check(on: HooksSide, off: HooksSide, expected: &str) {
        assert_eq!(HooksCost::of_sides(on, off).map_or(String::new(), |cost| cost.sentence()), expected);
    }

    #[test]
    fn what_hooks_cost_is_told_from_windows_and_pauses() {
        check(
            side(1000.0, 300.0, 100.0),
            side(3000.0, 600.0, 300.0),
            "hooks were on for 25 % of the phase: a request took 1.50 times the CPU time while they were, 1.12 times over the \
             whole phase (100 requests with, 300 without)",
        );
    }

    #[test]
    fn too_few_requests_give_no_ratio() {
        check(
            side(3000.0, 300.0, 60.0),
            side(100.0, 5.0, 2.0),
            "hooks were on for 97 % of the phase, with 0.10 cores in use meanwhile; too few requests came without them (2) to \
             tell what they cost",
        );
        check(side(0.0, 0.0, 0.0), side(0.0, 0.0, 0.0), "");
    }
}
