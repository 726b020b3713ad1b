//! How costs grow with the load: the phases of `--scale` against each other, at few and many connections, at small and large bodies.
//!
//! Each interval of the load log is a window: what was spent in it over the requests that ended in it. Requests that a window's ends
//! cut count where they ended, their cost where it arose; that evens out over windows and is part of their variation.

use crate::app_tree::AppTree;
use crate::charge::{Charged, charged_samples_of};
use crate::growth::{AtInput, Growth};
use crate::phases::{Phase, Phases, tree_cpu_between};
use crate::stack_class::StackClasses;
use crate::threads::{SERVING_SHARE, is_idle};
use slowpath_profile::recording::{Level, LoadInterval, Varied};
use slowpath_profile::tables::{FunctionId, Profile, ThreadSamples};
use slowpath_profile::{Nanos, Recording};
use std::collections::BTreeMap;

/// Functions with a smaller share of the busy time at every input are left out.
const MIN_SHARE: f64 = 0.01;

/// Fewer samples of a function over all inputs say nothing of how it grows.
const MIN_SAMPLES: u64 = 30;

/// Functions measured, those with the largest share of the busy time at the largest input.
const MAX_FUNCTIONS: usize = 20;

/// What of the load was varied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Input {
    /// Concurrent connections.
    Connections,
    /// Mean size of request bodies, bytes.
    BodyBytes,
}

/// What is spent per request, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// CPU time of the whole process tree.
    Cpu,
    /// Busy time of the threads that serve.
    Busy,
    /// Pauses for collections, of all threads.
    Gc,
    /// Time that a request waited while the threads that serve had nothing to do: for something outside of them.
    Waiting,
    /// Mean latency.
    Latency,
    /// Busy time charged to an application function and what is folded into it.
    Function(FunctionId),
}

/// How one cost grows.
#[derive(Debug, Clone, PartialEq)]
pub struct CostGrowth {
    /// What is spent.
    pub cost: Cost,
    /// Per request at each level, ms.
    pub per_request: Vec<f64>,
    /// `None` where too little was measured.
    pub growth: Option<Growth>,
    /// Of a function: its share of the busy time at the largest input.
    pub share: Option<f64>,
    /// Samples over all levels, of what is sampled.
    pub n_samples: Option<u64>,
}

/// The load at one input.
#[derive(Debug, Clone, PartialEq)]
pub struct LevelMeasure {
    /// The input: connections or bytes.
    pub value: f64,
    /// Phases that had it.
    pub phases: Vec<String>,
    /// Length of its windows, seconds.
    pub seconds: f64,
    /// Successful responses.
    pub n_requests: u64,
    /// Failed requests.
    pub n_errors: u64,
    /// Windows.
    pub n_windows: usize,
    /// Share of the time that the threads that serve were busy; 0 without samples.
    pub utilisation: f64,
}

/// What varying one input showed.
#[derive(Debug, Clone, PartialEq)]
pub struct InputMeasure {
    /// What was varied.
    pub input: Input,
    /// Why it was not; `None` where it was.
    pub fixed: Option<String>,
    /// Smallest input first; empty where it was not varied.
    pub levels: Vec<LevelMeasure>,
    /// The whole first, then functions by share.
    pub costs: Vec<CostGrowth>,
}

/// What `--scale` showed.
#[derive(Debug, Clone, PartialEq)]
pub struct ScaleMeasure {
    /// Connections, then bodies.
    pub inputs: Vec<InputMeasure>,
}

impl ScaleMeasure {
    /// Measures the phases with a level; `None` for a run without `--scale`.
    pub(crate) fn of(recording: &Recording, profile: &Profile, phases: &Phases) -> Option<Self> {
        let plan = recording.manifest.scale.as_ref()?;
        let seen = Seen::of(recording, profile);
        let of_levels: Vec<(&Phase, Level)> =
            phases.phases.iter().filter_map(|phase| Some((phase, phase.level?))).collect();
        let input = |input, fixed: &Option<String>| {
            let groups = groups(&of_levels, input);
            let why = match fixed {
                _ if groups.len() > 1 => None,
                Some(why) => Some(why.clone()),
                None => Some("the run ended before its phases".to_owned()),
            };
            if why.is_some() {
                return InputMeasure { input, fixed: why, levels: Vec::new(), costs: Vec::new() };
            }
            let windows: Vec<Group<'_>> =
                groups.iter().map(|(value, phases)| Group::of(recording, *value, phases)).collect();
            let levels = windows.iter().map(|group| seen.level(group)).collect();
            InputMeasure { input, fixed: None, levels, costs: seen.costs(&windows) }
        };
        let inputs = vec![
            input(Input::Connections, &plan.connections_fixed),
            input(Input::BodyBytes, &plan.bodies_fixed),
        ];
        Some(Self { inputs })
    }

    /// Returns what varying an input showed.
    pub fn input(&self, input: Input) -> Option<&InputMeasure> {
        self.inputs.iter().find(|measure| measure.input == input)
    }
}

impl InputMeasure {
    /// Returns by how many times the largest input is the smallest.
    pub fn spread(&self) -> f64 {
        match (self.levels.first(), self.levels.last()) {
            (Some(first), Some(last)) => last.value / first.value,
            _ => 1.0,
        }
    }

    /// Returns how a cost grows.
    pub fn cost(&self, cost: Cost) -> Option<&CostGrowth> {
        self.costs.iter().find(|row| row.cost == cost)
    }
}

/// Returns the phases that differ in `input` alone, by it; the largest such group where there are several.
fn groups<'a>(phases: &[(&'a Phase, Level)], input: Input) -> Vec<(f64, Vec<&'a Phase>)> {
    // Bits of positive numbers are in the order of the numbers.
    let key = |level: &Level| (f64::from(level.connections).to_bits(), level.body_bytes.max(0.0).to_bits());
    let mut by_other: BTreeMap<u64, BTreeMap<u64, Vec<&Phase>>> = BTreeMap::new();
    for (phase, level) in phases.iter().filter(|(_, level)| is_compared_by(level.varied, input)) {
        let (connections, bytes) = key(level);
        let (other, own) = match input {
            Input::Connections => (bytes, connections),
            Input::BodyBytes => (connections, bytes),
        };
        by_other.entry(other).or_default().entry(own).or_default().push(phase);
    }
    let largest = by_other.into_values().max_by_key(BTreeMap::len).unwrap_or_default();
    let groups = largest.into_iter().map(|(value, phases)| (f64::from_bits(value), phases));
    groups.filter(|(value, _)| *value > 0.0).collect()
}

fn is_compared_by(varied: Varied, input: Input) -> bool {
    match varied {
        Varied::Both => true,
        Varied::Connections => input == Input::Connections,
        Varied::Bodies => input == Input::BodyBytes,
    }
}

/// One input with the windows of each phase that had it.
struct Group<'a> {
    value: f64,
    visits: Vec<(&'a str, Vec<&'a LoadInterval>)>,
}

impl<'a> Group<'a> {
    fn of(recording: &'a Recording, value: f64, phases: &[&'a Phase]) -> Self {
        let windows = |phase: &&'a Phase| {
            let own = recording.load.iter().filter(|window| window.label == phase.name);
            (phase.name.as_str(), own.filter(|window| window.end > window.start).collect())
        };
        Self { value, visits: phases.iter().map(windows).collect() }
    }

    fn windows(&self) -> impl Iterator<Item = &LoadInterval> {
        self.visits.iter().flat_map(|(_, windows)| windows.iter().copied())
    }

    /// Returns the windows with their cost, as `cost` tells it in milliseconds.
    fn at(&self, cost: impl Fn(&LoadInterval) -> f64) -> AtInput {
        let visit = |(_, windows): &(&str, Vec<&LoadInterval>)| {
            windows.iter().map(|window| (cost(window), window.n_requests as f64)).collect()
        };
        AtInput { input: self.value, visits: self.visits.iter().map(visit).collect(), samples: None }
    }
}

/// What was recorded in the phases with a level.
struct Seen<'a> {
    recording: &'a Recording,
    threads: Vec<&'a ThreadSamples>,
    samples: Vec<Charged>,
    /// What each application function is folded into.
    into: BTreeMap<FunctionId, FunctionId>,
    /// CPU time of the tree since the first reading of `/proc`, at each reading.
    tree_cpu: Vec<(Nanos, u64)>,
    /// Collections of all threads.
    pauses: Vec<(Nanos, Nanos)>,
}

impl<'a> Seen<'a> {
    fn of(recording: &'a Recording, profile: &'a Profile) -> Self {
        let busy = |thread: &ThreadSamples| -> u64 {
            let rows = thread.stack.iter().zip(&thread.duration);
            rows.filter(|(stack, _)| !is_idle(profile, stack.0)).map(|(_, duration)| duration.0).sum()
        };
        let busiest = profile.level_threads.iter().map(busy).max().unwrap_or(0);
        let serves = |thread: &&ThreadSamples| busy(thread) as f64 >= busiest as f64 * SERVING_SHARE;
        let threads: Vec<_> = profile.level_threads.iter().filter(serves).collect();
        let (mut samples, blocks) = charged_samples_of(profile, &threads, &StackClasses::of(profile));
        samples.sort_by_key(|sample| sample.start);
        let charged = samples.iter().filter_map(|sample| Some((sample.stack?, sample.duration)));
        let into = AppTree::of(profile, charged).folds(profile, blocks.iter().sum());
        let mut spent = 0;
        let mut tree_cpu: Vec<_> = recording.system.first().map(|first| (first.t, 0)).into_iter().collect();
        for pair in recording.system.windows(2) {
            spent += tree_cpu_between(&pair[0], &pair[1]).0;
            tree_cpu.push((pair[1].t, spent));
        }
        let records = recording.processes.values().flatten().flat_map(|record| &record.gc);
        let mut pauses: Vec<_> = records.map(|pause| (pause.start, pause.pause)).collect();
        pauses.sort_unstable();
        Self { recording, threads, samples, into, tree_cpu, pauses }
    }

    /// Returns the CPU time of the tree until `t`, between readings by interpolation.
    fn tree_cpu_until(&self, t: Nanos) -> f64 {
        let after = self.tree_cpu.partition_point(|(at, _)| *at < t);
        match (after.checked_sub(1).map(|before| self.tree_cpu[before]), self.tree_cpu.get(after)) {
            (Some((from, spent)), Some((to, more))) => {
                let part = t.since(from).0 as f64 / to.since(from).0.max(1) as f64;
                spent as f64 + part * (more - spent) as f64
            }
            (Some((_, spent)), None) => spent as f64,
            (None, _) => 0.0,
        }
    }

    fn samples_in(&self, window: &LoadInterval) -> &[Charged] {
        let at = |t: Nanos| self.samples.partition_point(|sample| sample.start < t);
        &self.samples[at(window.start)..at(window.end)]
    }

    fn busy_ns(&self, window: &LoadInterval) -> u64 {
        self.samples_in(window).iter().map(|sample| sample.duration).sum()
    }

    /// Returns the share of a window in which the threads that serve had nothing to do.
    fn idle_share(&self, window: &LoadInterval) -> f64 {
        let wall = window.end.since(window.start).0 as f64 * self.threads.len().max(1) as f64;
        (1.0 - self.busy_ns(window) as f64 / wall).clamp(0.0, 1.0)
    }

    fn level(&self, group: &Group<'_>) -> LevelMeasure {
        let wall: u64 = group.windows().map(|window| window.end.since(window.start).0).sum();
        let busy: u64 = group.windows().map(|window| self.busy_ns(window)).sum();
        let threads = self.threads.len().max(1) as f64;
        LevelMeasure {
            value: group.value,
            phases: group.visits.iter().map(|(phase, _)| (*phase).to_owned()).collect(),
            seconds: Nanos(wall).as_secs_f64(),
            n_requests: group.windows().map(|window| window.n_requests).sum(),
            n_errors: group.windows().flat_map(|window| window.errors.values()).sum(),
            n_windows: group.windows().count(),
            utilisation: (busy as f64 / (wall.max(1) as f64 * threads)).min(1.0),
        }
    }

    fn costs(&self, groups: &[Group<'_>]) -> Vec<CostGrowth> {
        let ms = |ns: f64| ns / 1e6;
        let has_samples = !self.samples.is_empty();
        let tells_in_flight = groups.iter().flat_map(Group::windows).any(|window| window.in_flight.0 > 0);
        let mut rows = Vec::new();
        let mut add = |cost, at: &dyn Fn(&LoadInterval) -> f64| {
            let levels: Vec<AtInput> = groups.iter().map(|group| group.at(at)).collect();
            rows.push(CostGrowth::of(cost, &levels, None, None));
        };
        if self.tree_cpu.len() > 1 {
            add(Cost::Cpu, &|window| ms(self.tree_cpu_until(window.end) - self.tree_cpu_until(window.start)));
        }
        if has_samples {
            add(Cost::Busy, &|window| ms(self.busy_ns(window) as f64));
        }
        if !self.recording.processes.is_empty() {
            add(Cost::Gc, &|window| {
                let at = |t: Nanos| self.pauses.partition_point(|(start, _)| *start < t);
                let pauses = &self.pauses[at(window.start)..at(window.end)];
                ms(pauses.iter().map(|(_, pause)| pause.0).sum::<u64>() as f64)
            });
        }
        if has_samples && tells_in_flight {
            add(Cost::Waiting, &|window| ms(self.idle_share(window) * window.in_flight.0 as f64));
        }
        add(Cost::Latency, &|window| window.latency.mean() / 1e3 * window.n_requests as f64);
        rows.extend(self.functions(groups));
        rows
    }

    /// Returns how the functions grow, those with the largest share at the largest input first.
    fn functions(&self, groups: &[Group<'_>]) -> Vec<CostGrowth> {
        type Sums = BTreeMap<FunctionId, (u64, u64)>;
        let sums_in = |window: &LoadInterval| -> Sums {
            let mut sums = Sums::new();
            for sample in self.samples_in(window) {
                if let Some(function) = sample.owner.and_then(|owner| self.into.get(&owner)) {
                    let (time, n) = sums.entry(*function).or_default();
                    *time += sample.duration;
                    *n += 1;
                }
            }
            sums
        };
        // Group, visit, window.
        let sums: Vec<Vec<Vec<(f64, Sums)>>> = groups
            .iter()
            .map(|group| {
                let visit = |(_, windows): &(&str, Vec<&LoadInterval>)| {
                    windows.iter().map(|window| (window.n_requests as f64, sums_in(window))).collect()
                };
                group.visits.iter().map(visit).collect()
            })
            .collect();
        let busy: Vec<u64> =
            groups.iter().map(|group| group.windows().map(|w| self.busy_ns(w)).sum::<u64>().max(1)).collect();
        // At each level: time and samples of each function.
        let totals: Vec<Sums> = sums
            .iter()
            .map(|visits| {
                let mut total = Sums::new();
                for (function, (time, n)) in visits.iter().flatten().flat_map(|(_, sums)| sums) {
                    let sum = total.entry(*function).or_default();
                    *sum = (sum.0 + time, sum.1 + n);
                }
                total
            })
            .collect();
        let of =
            |level: usize, function: FunctionId| totals[level].get(&function).copied().unwrap_or_default();
        let share = |level: usize, function| of(level, function).0 as f64 / busy[level] as f64;
        let levels = 0..groups.len();
        let mut functions: Vec<FunctionId> = totals.iter().flat_map(|total| total.keys().copied()).collect();
        functions.sort_unstable();
        functions.dedup();
        functions.retain(|function| {
            let n_samples: u64 = levels.clone().map(|level| of(level, *function).1).sum();
            n_samples >= MIN_SAMPLES && levels.clone().any(|level| share(level, *function) >= MIN_SHARE)
        });
        let last = groups.len() - 1;
        functions.sort_by(|a, b| share(last, *b).total_cmp(&share(last, *a)).then(a.cmp(b)));
        functions.truncate(MAX_FUNCTIONS);
        let interval = self.threads.iter().filter_map(|thread| thread.effective_interval()).max();
        let each_ms = interval.map_or(1.0, Nanos::as_millis_f64);
        let grows = |function: FunctionId| {
            let at = |level: usize| {
                let cost = |(n, sums): &(f64, Sums)| {
                    (sums.get(&function).map_or(0.0, |(time, _)| *time as f64 / 1e6), *n)
                };
                let visits = sums[level].iter().map(|windows| windows.iter().map(cost).collect()).collect();
                let samples = Some((of(level, function).1, each_ms));
                AtInput { input: groups[level].value, visits, samples }
            };
            let at: Vec<AtInput> = levels.clone().map(at).collect();
            let n_samples = levels.clone().map(|level| of(level, function).1).sum();
            CostGrowth::of(Cost::Function(function), &at, Some(share(last, function)), Some(n_samples))
        };
        functions.into_iter().map(grows).collect()
    }
}

impl CostGrowth {
    fn of(cost: Cost, levels: &[AtInput], share: Option<f64>, n_samples: Option<u64>) -> Self {
        let per_request = levels.iter().map(AtInput::per_request).collect();
        Self { cost, per_request, growth: Growth::of(levels), share, n_samples }
    }
}
