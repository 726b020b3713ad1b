//! Which recorders are on when: parses `--phases` and `--only`, and divides the duration.
//!
//! CPU sampling comes first. V8 knows which calls were inlined only for code that it optimised while its profiler was
//! on: switched on before the load begins, it sees everything become hot, and nothing has to be optimised twice.

use crate::exit_code::usage;
use slowpath_capture::RecorderKind;
use slowpath_profile::recording::PhasePlan;
use std::collections::BTreeMap;
use std::time::Duration;

/// Share of the duration that the warm-up takes, and its bounds in seconds: V8 has optimised a server's hot code
/// after a second or two of load, and large bundles after four or five.
const WARM_UP_NAME: &str = "warm-up";
const WARM_UP: (f64, f64, f64) = (0.15, 1.0, 6.0);

/// The phases of a full run, with their weight in what the warm-up leaves.
///
/// The heap phase collects the whole heap twice, which no phase whose latency is quoted should have. Counting calls of functions
/// comes last: V8 optimises less while it is on, and takes a second or two to catch up.
const FULL: &[(&str, f64)] = &[
    ("cpu", 0.36),
    ("async", 0.14),
    ("baseline", 0.2),
    ("counters", 0.08),
    ("baseline again", 0.16),
    ("heap", 0.08),
    ("calls", 0.06),
];

/// What a run of a few seconds keeps: a second of counting would leave too few samples.
const SHORT: &[&str] = &["cpu", "baseline", "baseline again"];

/// Time after the warm-up from which on a run is long enough for every phase: the cpu phase then has its two seconds.
const FULL_FROM_SECONDS: f64 = 8.0;

/// The phase of native stacks, which must be asked for: it comes after the cpu phase.
pub(crate) const NATIVE: &str = "native";

/// The phase in which V8 tells what it optimises, which must be asked for: it changes V8's flags, and a V8 that cannot open its
/// trace ends the process. It comes before what disturbs V8, the heap and calls phases.
const DEOPTS: &str = "deopts";

/// The phases that must be asked for, with their weight among those of a full run.
const ON_REQUEST: &[(&str, f64)] = &[(NATIVE, 0.25), (DEOPTS, 0.06)];

/// Shortest phase: one piece of the CPU profile.
const MIN_SECONDS: f64 = 1.0;

/// The recorders of phases that sample CPU.
pub(crate) const RECORDERS_WITH_CPU: &[RecorderKind] =
    &[RecorderKind::Loop, RecorderKind::Gc, RecorderKind::HeapUsage, RecorderKind::Cpu];

/// Returns the recorders that are on in phase number `index` of a plan.
///
/// The warm-up has those of the phase after it, if that samples CPU; otherwise none. Phases under another load sample CPU.
pub(crate) fn recorders_in(plan: &[PhasePlan], index: usize) -> &'static [RecorderKind] {
    let name = |index: usize| match plan.get(index) {
        Some(phase) if phase.level.is_some() => "cpu",
        phase => phase.map_or("", |phase| phase.name.as_str()),
    };
    match name(index) {
        WARM_UP_NAME if matches!(name(index + 1), "cpu" | "async") => recorders_of("cpu"),
        other => recorders_of(other),
    }
}

fn recorders_of(phase: &str) -> &'static [RecorderKind] {
    match phase {
        "baseline" | "baseline again" | NATIVE => {
            &[RecorderKind::Loop, RecorderKind::Gc, RecorderKind::HeapUsage]
        }
        // Nothing else: what these do to the loop and the heap is not the service's own.
        "counters" => &[RecorderKind::Counters],
        "calls" => &[RecorderKind::Calls],
        "heap" => &[RecorderKind::Heap],
        // What it prints for is optimising, which no other recorder may cause.
        DEOPTS => &[RecorderKind::Deopts],
        "cpu" => RECORDERS_WITH_CPU,
        "async" => &[
            RecorderKind::Loop,
            RecorderKind::Gc,
            RecorderKind::HeapUsage,
            RecorderKind::Cpu,
            RecorderKind::Async,
        ],
        _ => &[],
    }
}

/// Phases that were asked for besides those of the plan.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Besides {
    /// Native stacks.
    pub(crate) native: bool,
    /// What V8 optimises and throws away.
    pub(crate) deopts: bool,
}

/// Plans the phases of a run, warm-up first. What was asked for `besides` is among them, if it is not planned anyway.
pub(crate) fn plan(
    duration: Duration,
    phases: Option<&str>,
    only: Option<&str>,
    besides: Besides,
) -> anyhow::Result<Vec<PhasePlan>> {
    let total = duration.as_secs_f64();
    if total < 2.0 * MIN_SECONDS {
        return Err(usage(format!("a run of {total} s is too short"), "pass `-d 2` or more"));
    }
    let warm_up = (total * WARM_UP.0).clamp(WARM_UP.1, WARM_UP.2);
    let mut wanted: Vec<(String, Option<f64>)> = match (phases, only) {
        (Some(text), _) => text.split(',').map(parse_phase).collect::<anyhow::Result<_>>()?,
        (None, Some(name)) => vec![(known(name)?.to_owned(), None)],
        (None, None) if total - warm_up < SHORT.len() as f64 * MIN_SECONDS => {
            // Too short for all: the baseline and the samples matter most.
            vec![("cpu".into(), None), ("baseline".into(), None)]
        }
        (None, None) if total - warm_up < FULL_FROM_SECONDS => {
            SHORT.iter().map(|name| ((*name).to_owned(), None)).collect()
        }
        (None, None) => FULL.iter().map(|(name, _)| ((*name).to_owned(), None)).collect(),
    };
    let place = |wanted: &[(String, Option<f64>)], names: &[&str]| {
        wanted.iter().position(|(name, _)| names.contains(&name.as_str()))
    };
    if besides.native && place(&wanted, &[NATIVE]).is_none() {
        let after_cpu = place(&wanted, &["cpu"]).map_or(0, |at| at + 1);
        wanted.insert(after_cpu, (NATIVE.into(), None));
    }
    if besides.deopts && place(&wanted, &[DEOPTS]).is_none() {
        let before_heap = place(&wanted, &["heap", "calls"]).unwrap_or(wanted.len());
        wanted.insert(before_heap, (DEOPTS.into(), None));
    }
    let given: f64 = wanted.iter().filter_map(|(_, seconds)| *seconds).sum();
    let open: Vec<&str> =
        wanted.iter().filter(|(_, seconds)| seconds.is_none()).map(|(name, _)| name.as_str()).collect();
    let lengths = divided((total - warm_up - given).max(0.0), &open);
    let mut planned = vec![PhasePlan::new(WARM_UP_NAME, warm_up)];
    for (name, seconds) in &wanted {
        let seconds = seconds.or_else(|| lengths.get(name.as_str()).copied()).unwrap_or(MIN_SECONDS);
        // A name may come twice: phases are told apart by it.
        let name = match name.as_str() {
            "baseline" if planned.iter().any(|phase| phase.name == "baseline") => "baseline again".to_owned(),
            _ => name.clone(),
        };
        if planned.iter().any(|phase| phase.name == name) {
            return Err(usage(format!("phase `{name}` is planned twice"), "name each phase once"));
        }
        planned.push(PhasePlan::new(name, seconds.max(MIN_SECONDS)));
    }
    Ok(planned)
}

/// Divides `seconds` by the phases' weights, none shorter than the shortest.
fn divided<'a>(seconds: f64, names: &[&'a str]) -> BTreeMap<&'a str, f64> {
    let weight =
        |name: &str| phases_and_weights().find(|(known, _)| *known == name).map_or(0.0, |(_, weight)| weight);
    let mut short: BTreeMap<&str, f64> = BTreeMap::new();
    loop {
        let long = names.iter().filter(|name| !short.contains_key(*name));
        let left = (seconds - short.len() as f64 * MIN_SECONDS).max(0.0);
        let all: f64 = long.clone().map(|name| weight(name)).sum();
        let lengths: Vec<_> = long.map(|name| (*name, left * weight(name) / all)).collect();
        let too_short: Vec<_> = lengths.iter().filter(|(_, length)| *length < MIN_SECONDS).collect();
        if too_short.is_empty() {
            return short.into_iter().chain(lengths).collect();
        }
        short.extend(too_short.into_iter().map(|(name, _)| (*name, MIN_SECONDS)));
    }
}

fn parse_phase(text: &str) -> anyhow::Result<(String, Option<f64>)> {
    match text.trim().rsplit_once(':') {
        None => Ok((known(text.trim())?.to_owned(), None)),
        Some((name, seconds)) => {
            let seconds = crate::durations::parse_duration(seconds).map_err(|message| {
                usage(message, "write `--phases baseline:5,cpu:20`, lengths in seconds")
            })?;
            Ok((known(name.trim())?.to_owned(), Some(seconds.as_secs_f64())))
        }
    }
}

fn phases_and_weights() -> impl Iterator<Item = (&'static str, f64)> {
    FULL.iter().chain(ON_REQUEST).copied()
}

/// Takes the native phase out, where it is not permitted; `None` where only the warm-up would be left.
pub(crate) fn without_native(mut planned: Vec<PhasePlan>) -> Option<Vec<PhasePlan>> {
    planned.retain(|phase| phase.name != NATIVE);
    let is_left = planned.iter().any(|phase| phase.name != WARM_UP_NAME);
    is_left.then_some(planned)
}

fn known(name: &str) -> anyhow::Result<&str> {
    if phases_and_weights().any(|(known, _)| known == name) {
        return Ok(name);
    }
    let names: Vec<_> = phases_and_weights().map(|(name, _)| format!("`{name}`")).collect();
    Err(usage(format!("there is no phase `{name}`"), format!("the phases are {}", names.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seconds: u64, phases: Option<&str>, only: Option<&str>, expected: &[(&str, f64)]) {
        let planned = plan(Duration::from_secs(seconds), phases, only, Besides::default()).unwrap();
        let found: Vec<_> = planned.iter().map(|phase| (phase.name.as_str(), phase.seconds)).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found.0, expected.0);
            assert!((found.1 - expected.1).abs() < 1e-6, "{found:?} {expected:?}");
        }
    }

    #[test]
    fn a_full_run_divides_what_the_warm_up_leaves() {
        let all = [
            ("warm-up", 4.5),
            ("cpu", 25.5 * 0.36 / 1.08),
            ("async", 25.5 * 0.14 / 1.08),
            ("baseline", 25.5 * 0.2 / 1.08),
            ("counters", 25.5 * 0.08 / 1.08),
            ("baseline again", 25.5 * 0.16 / 1.08),
            ("heap", 25.5 * 0.08 / 1.08),
            ("calls", 25.5 * 0.06 / 1.08),
        ];
        check(30, None, None, &all);
    }

    #[test]
    fn no_phase_is_shorter_than_a_second_and_the_longer_ones_make_room() {
        let left = 12.0 - 1.8 - 3.0;
        let all = [
            ("warm-up", 1.8),
            ("cpu", left * 0.36 / 0.86),
            ("async", left * 0.14 / 0.86),
            ("baseline", left * 0.2 / 0.86),
            ("counters", 1.0),
            ("baseline again", left * 0.16 / 0.86),
            ("heap", 1.0),
            ("calls", 1.0),
        ];
        check(12, None, None, &all);
    }

    #[test]
    fn what_v8_optimises_is_watched_where_it_is_asked_for() {
        let besides = Besides { deopts: true, native: false };
        let names = |phases| {
            let planned = plan(Duration::from_secs(30), phases, None, besides).unwrap();
            planned.into_iter().map(|phase| phase.name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(None), "warm-up cpu async baseline counters baseline again deopts heap calls");
        assert_eq!(names(Some("cpu,deopts:2")), "warm-up cpu deopts");
        assert_eq!(names(Some("cpu")), "warm-up cpu deopts");
    }

    #[test]
    fn plans_can_be_given() {
        check(30, None, Some("cpu"), &[("warm-up", 4.5), ("cpu", 25.5)]);
        check(30, Some("baseline:5,cpu:20"), None, &[("warm-up", 4.5), ("baseline", 5.0), ("cpu", 20.0)]);
        check(30, Some("cpu:20, baseline"), None, &[("warm-up", 4.5), ("cpu", 20.0), ("baseline", 5.5)]);
    }

    #[test]
    fn a_short_run_keeps_what_matters() {
        check(3, None, None, &[("warm-up", 1.0), ("cpu", 1.0), ("baseline", 1.0)]);
        let planned = plan(Duration::from_secs(5), None, None, Besides::default()).unwrap();
        let names: Vec<_> = planned.iter().map(|phase| phase.name.as_str()).collect();
        assert_eq!(names, ["warm-up", "cpu", "baseline", "baseline again"]);
    }

    #[test]
    fn sampling_begins_before_the_load_where_it_comes_first() {
        fn check(phases: Option<&str>, samples_in: &[bool]) {
            let planned = plan(Duration::from_secs(30), phases, None, Besides::default()).unwrap();
            let samples = |index| recorders_in(&planned, index).contains(&RecorderKind::Cpu);
            assert_eq!((0..planned.len()).map(samples).collect::<Vec<_>>(), samples_in, "{phases:?}");
        }
        check(None, &[true, true, true, false, false, false, false, false]);
        check(Some("baseline,cpu"), &[false, false, true]);
        assert!(
            recorders_in(
                &plan(Duration::from_secs(30), Some("baseline"), None, Besides::default()).unwrap(),
                0
            )
            .is_empty()
        );
    }

    #[test]
    fn native_stacks_have_a_phase_where_they_are_asked_for() {
        let names = |phases, only| {
            let planned =
                plan(Duration::from_secs(30), phases, only, Besides { native: true, deopts: false }).unwrap();
            planned.into_iter().map(|phase| phase.name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(None, None), "warm-up cpu native async baseline counters baseline again heap calls");
        assert_eq!(names(Some("baseline,native:5,cpu"), None), "warm-up baseline native cpu");
        assert_eq!(names(None, Some("native")), "warm-up native");
        assert_eq!(names(Some("baseline"), None), "warm-up native baseline");
    }

    #[test]
    fn a_plan_of_native_stacks_alone_has_nothing_left_without_them() {
        let left = |phases| {
            without_native(plan(Duration::from_secs(30), Some(phases), None, Besides::default()).unwrap())
        };
        assert_eq!(left("native"), None);
        assert_eq!(left("native,cpu").map(|planned| planned.len()), Some(2));
    }

    #[test]
    fn mistakes_are_named() {
        assert!(plan(Duration::from_secs(30), Some("cpu,cup"), None, Besides::default()).is_err());
        assert!(plan(Duration::from_secs(30), Some("cpu,cpu"), None, Besides::default()).is_err());
        assert!(plan(Duration::from_secs(30), Some("cpu:x"), None, Besides::default()).is_err());
        assert!(plan(Duration::from_secs(1), None, None, Besides::default()).is_err());
    }
}
