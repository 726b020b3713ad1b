//! What `--scale` varies of a load, and in which order: the same load with few and many connections, with small and large bodies.
//!
//! Each level is visited twice, the second time in the reverse order (few, many, many, few), so that what drifts over a run (V8
//! optimises, a heap grows) falls on all of them alike.

use crate::exit_code::usage;
use crate::request_plan::load_error;
use slowpath_load::{LoadPlan, Pacing, SizedPlans, body_sizes};
use slowpath_profile::recording::{Level, PhasePlan, ScalePlan, Varied};
use std::time::Duration;

/// The small number of connections is this part of the given one. Eight times as many tell work that grows with what is in flight
/// (eight times) from what a garbage collector and caches do (some ten percent), and on few connections a server is still busy.
const FEW: u32 = 8;

/// Fewer connections than this cannot be made few.
const MIN_CONNECTIONS: u32 = 4;

/// Part of the duration that these phases get.
const SHARE: f64 = 0.5;

/// Shortest of these phases: when it has settled, it needs at least two windows.
const MIN_SECONDS: f64 = 2.0;

/// The least that the other phases get.
const SHORTEST_REST: Duration = Duration::from_secs(2);

/// How often the load's results are cut in these phases: the windows from which intervals are estimated.
const WINDOW: Duration = Duration::from_millis(500);

/// The loads of a run with `--scale`.
#[derive(Debug, Clone)]
pub(crate) struct ScaleLoads {
    /// Why something is not varied.
    pub(crate) fixed: ScalePlan,
    /// The loads, each at its level.
    loads: Vec<(LoadPlan, Level)>,
    /// The phases in their order: name and load.
    phases: Vec<(String, usize)>,
}

impl ScaleLoads {
    /// Plans to vary `load`.
    ///
    /// # Errors
    /// Where there is no load, or nothing of it can be varied.
    pub(crate) fn of(load: Option<&LoadPlan>) -> anyhow::Result<Self> {
        let Some(load) = load else {
            return Err(usage(
                "`--scale` varies the load, and there is none",
                "pass `--url http://127.0.0.1:PORT/path`",
            ));
        };
        if load.pacing != Pacing::Closed {
            return Err(usage(
                "`--scale` varies the number of connections, and requests on a schedule do not follow it",
                "leave the rate out: then each connection sends its next request when the last one is answered",
            ));
        }
        let (bytes, sized) = body_sizes(load).map_err(|error| load_error(&error))?;
        let (sized, bodies_fixed) = match sized {
            Ok(sized) => (Some(sized), None),
            Err(why) => (None, Some(why)),
        };
        let few = (load.connections >= MIN_CONNECTIONS).then(|| (load.connections / FEW).max(1));
        let connections_fixed = few
            .is_none()
            .then(|| format!("{} connections cannot be made few; pass `-c 8` or more", load.connections));
        if let (Some(connections), Some(bodies)) = (&connections_fixed, &bodies_fixed) {
            return Err(usage(
                format!("`--scale` has nothing to vary: {connections}"),
                format!("or, of the bodies: {bodies}"),
            ));
        }
        let mut plan = Self {
            fixed: ScalePlan { connections_fixed, bodies_fixed },
            loads: Vec::new(),
            phases: Vec::new(),
        };
        plan.add_levels(load, bytes, few, sized);
        Ok(plan)
    }

    fn add_levels(&mut self, load: &LoadPlan, bytes: f64, few: Option<u32>, sized: Option<SizedPlans>) {
        let mut names: Vec<&str> = Vec::new();
        let mut add = |name, varied, load: LoadPlan, body_bytes| {
            let level = Level { connections: load.connections, body_bytes, varied };
            self.loads.push((LoadPlan { interval: WINDOW, ..load }, level));
            names.push(name);
        };
        let large_is_given = sized.as_ref().is_some_and(|sized| sized.large_is_given);
        // The given load is the upper end of both, where the large bodies are its own.
        let given_bytes = sized.as_ref().filter(|sized| sized.large_is_given).map_or(bytes, |s| s.large.1);
        if let Some(connections) = few {
            add(
                "few connections",
                Varied::Connections,
                LoadPlan { connections, ..load.clone() },
                given_bytes,
            );
            let varied = if large_is_given { Varied::Both } else { Varied::Connections };
            add("many connections", varied, load.clone(), given_bytes);
        }
        if let Some(SizedPlans { small, large, .. }) = sized {
            if !(large_is_given && few.is_some()) {
                add("large bodies", Varied::Bodies, large.0, large.1);
            }
            add("small bodies", Varied::Bodies, small.0, small.1);
        }
        let there = names.iter().enumerate().map(|(load, name)| ((*name).to_owned(), load));
        let back = names.iter().enumerate().rev().map(|(load, name)| (format!("{name} again"), load));
        self.phases = there.chain(back).collect();
    }

    /// Returns which load is driven in a phase; `None` for the run's own.
    pub(crate) fn index_of(&self, phase: &str) -> Option<usize> {
        self.phases.iter().find(|(name, _)| name == phase).map(|(_, load)| *load)
    }

    /// Returns a load by its index.
    pub(crate) fn load(&self, index: usize) -> &LoadPlan {
        &self.loads[index].0
    }

    /// Returns how much of the duration of a run the other phases have: at least what the shortest run has, which is then longer
    /// than it was asked to be.
    pub(crate) fn left_of(duration: Duration) -> Duration {
        duration.mul_f64(1.0 - SHARE).max(SHORTEST_REST)
    }

    /// Puts the phases among those of a run: after the cpu phase, whose recorders they go on with.
    pub(crate) fn insert_into(&self, planned: &mut Vec<PhasePlan>, duration: Duration) {
        let seconds = (duration.as_secs_f64() * SHARE / self.phases.len() as f64).max(MIN_SECONDS);
        let at = planned.iter().position(|phase| phase.name == "cpu").map_or(1, |at| at + 1);
        let phases = self.phases.iter().map(|(name, load)| PhasePlan {
            level: Some(self.loads[*load].1),
            ..PhasePlan::new(name.as_str(), seconds)
        });
        planned.splice(at..at, phases);
    }

    /// Says what is varied and how long all of it takes.
    pub(crate) fn announcement(&self, planned: &[PhasePlan]) -> String {
        let levels: Vec<Level> = self.loads.iter().map(|(_, level)| *level).collect();
        let both = |of: &dyn Fn(&Level) -> f64| {
            levels.iter().map(of).fold((f64::MAX, 0.0_f64), |(a, b), value| (a.min(value), b.max(value)))
        };
        let (few, many) = both(&|level| f64::from(level.connections));
        let (small, large) = both(&|level| level.body_bytes);
        let mut varied = Vec::new();
        if self.fixed.connections_fixed.is_none() {
            varied.push(format!("at {few:.0} and {many:.0} connections"));
        }
        if self.fixed.bodies_fixed.is_none() {
            varied.push(format!("with bodies of {small:.0} and {large:.0} bytes"));
        }
        let seconds: f64 = planned.iter().map(|phase| phase.seconds).sum();
        let each = planned.iter().find(|phase| phase.level.is_some()).map_or(0.0, |phase| phase.seconds);
        let n = self.phases.len();
        let mut text = format!(
            "slowpath: {n} of the phases, of {each:.1} s each, compare the load {}; the load takes {seconds:.0} s in all",
            varied.join(" and ")
        );
        for why in [&self.fixed.connections_fixed, &self.fixed.bodies_fixed].into_iter().flatten() {
            text.push_str(&format!("\nslowpath: not compared: {why}"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phase_plan::{Besides, plan};
    use slowpath_load::{RequestPlan, Url};

    fn load(connections: u32, bodies: &[&str], is_template: bool) -> LoadPlan {
        let request = |body: &&str| RequestPlan {
            body: body.as_bytes().to_vec(),
            is_template,
            ..RequestPlan::default()
        };
        let requests = bodies.iter().map(request).collect();
        LoadPlan { connections, requests, ..LoadPlan::new(Url::parse("http://h/").unwrap()) }
    }

    fn phases(load: &LoadPlan) -> Vec<(String, u32, f64)> {
        let scale = ScaleLoads::of(Some(load)).unwrap();
        let of = |(name, at): &(String, usize)| {
            let (load, level) = &scale.loads[*at];
            assert_eq!((load.connections, load.interval), (level.connections, WINDOW));
            (name.clone(), level.connections, level.body_bytes)
        };
        scale.phases.iter().map(of).collect()
    }

    fn named(rows: &[(&str, u32, f64)]) -> Vec<(String, u32, f64)> {
        rows.iter().map(|(name, connections, bytes)| ((*name).to_owned(), *connections, *bytes)).collect()
    }

    #[test]
    fn a_fixed_body_leaves_the_connections_there_and_back() {
        let expected = [
            ("few connections", 6, 3.0),
            ("many connections", 50, 3.0),
            ("many connections again", 50, 3.0),
            ("few connections again", 6, 3.0),
        ];
        assert_eq!(phases(&load(50, &["abc"], false)), named(&expected));
        let scale = ScaleLoads::of(Some(&load(50, &["abc"], false))).unwrap();
        assert_eq!(scale.fixed.connections_fixed, None);
        assert!(scale.fixed.bodies_fixed.unwrap().contains("one size"));
    }

    #[test]
    fn a_template_shares_its_upper_end_with_the_connections() {
        let expected = [
            ("few connections", 2, 160.0),
            ("many connections", 16, 160.0),
            ("small bodies", 16, 20.0),
            ("small bodies again", 16, 20.0),
            ("many connections again", 16, 160.0),
            ("few connections again", 2, 160.0),
        ];
        assert_eq!(phases(&load(16, &["{{repeat 80 ab}}"], true)), named(&expected));
    }

    #[test]
    fn several_bodies_have_ends_of_their_own() {
        let long = "x".repeat(100);
        let found = phases(&load(8, &["x", &long], false));
        let expected = [
            ("few connections", 1, 50.5),
            ("many connections", 8, 50.5),
            ("large bodies", 8, 100.0),
            ("small bodies", 8, 1.0),
        ];
        assert_eq!(found[..4], named(&expected));
        assert_eq!(found.len(), 8);
    }

    #[test]
    fn one_connection_still_compares_bodies() {
        let given = load(1, &["{{repeat 80 ab}}"], true);
        let names: Vec<_> = phases(&given).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["large bodies", "small bodies", "small bodies again", "large bodies again"]);
        assert!(ScaleLoads::of(Some(&given)).unwrap().fixed.connections_fixed.unwrap().contains("-c 8"));
    }

    #[test]
    fn what_cannot_be_varied_is_refused() {
        let message = |load: Option<&LoadPlan>| ScaleLoads::of(load).unwrap_err().to_string();
        assert!(message(None).contains("there is none"));
        assert!(message(Some(&load(1, &["abc"], false))).contains("nothing to vary"));
        let mut on_schedule = load(50, &["abc"], false);
        on_schedule.pacing = Pacing::Open { stages: Vec::new(), arrival: slowpath_load::Arrival::Constant };
        assert!(message(Some(&on_schedule)).contains("schedule"));
    }

    #[test]
    fn half_of_the_time_is_for_the_levels_and_none_is_too_short() {
        let scale = ScaleLoads::of(Some(&load(50, &["abc"], false))).unwrap();
        let planned = |seconds| {
            let duration = Duration::from_secs(seconds);
            let mut planned = plan(ScaleLoads::left_of(duration), None, None, Besides::default()).unwrap();
            scale.insert_into(&mut planned, duration);
            planned
        };
        let of_minute = planned(60);
        let names: Vec<_> = of_minute.iter().map(|phase| phase.name.as_str()).collect();
        let expected = [
            "warm-up",
            "cpu",
            "few connections",
            "many connections",
            "many connections again",
            "few connections again",
            "async",
        ];
        assert_eq!(names[..7], expected);
        assert!((of_minute[2].seconds - 7.5).abs() < 1e-9);
        let sum: f64 = of_minute.iter().map(|phase| phase.seconds).sum();
        assert!((sum - 60.0).abs() < 1e-6, "{sum}");
        assert!((planned(10)[2].seconds - 2.0).abs() < 1e-9);
        let text = scale.announcement(&of_minute);
        assert!(text.contains("4 of the phases, of 7.5 s each") && text.contains("60 s in all"), "{text}");
        assert!(text.contains("6 and 50 connections") && text.contains("not compared: the body"), "{text}");
    }
}
