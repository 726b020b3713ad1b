//! The machine around the target: other work, stolen time, quota, and the load generator's own limit.

use crate::load::LoadMeasure;
use crate::phases::Phases;
use slowpath_profile::recording::SystemSample;
use slowpath_profile::{Nanos, Recording};

/// What else used the machine in the measured phases; shares are of all its cores.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MachineMeasure {
    /// Logical CPUs.
    pub n_cpus: u32,
    /// Busy share of all cores.
    pub busy: f64,
    /// Share used by the target's tree.
    pub target: f64,
    /// Share used by slowpath itself.
    pub slowpath: f64,
    /// Share used by anything else.
    pub others: f64,
    /// Share that the hypervisor gave to other machines.
    pub steal: f64,
    /// Time that the target's cgroup was throttled, as a share of the measured time.
    pub throttled: Option<f64>,
    /// CPU share of the generator's busiest thread.
    pub generator: Option<f64>,
}

impl MachineMeasure {
    pub(crate) fn of(recording: &Recording, phases: &Phases, load: Option<&LoadMeasure>) -> Self {
        let n_cpus = recording.manifest.machine.cpus;
        let measured: Vec<&SystemSample> =
            recording.system.iter().filter(|sample| phases.is_measured(sample.t)).collect();
        let generator = load.map(|load| load.generator_cpu_share);
        let (Some(first), Some(last)) = (measured.first(), measured.last()) else {
            return Self { n_cpus, generator, ..Self::default() };
        };
        let machine = |f: fn(&SystemSample) -> Nanos| f(last).since(f(first)).0 as f64;
        let busy = machine(|s| s.machine.busy);
        let steal = machine(|s| s.machine.steal);
        let all = busy + steal + machine(|s| s.machine.idle);
        if all <= 0.0 {
            return Self { n_cpus, generator, ..Self::default() };
        }
        let target: u64 = phases.measured().filter_map(|phase| phase.target_cpu).map(|cpu| cpu.0).sum();
        let own = machine(|s| s.own_cpu);
        let wall = last.t.since(first.t).0 as f64;
        let throttled =
            first.cgroup.zip(last.cgroup).map(|(a, b)| b.throttled.since(a.throttled).0 as f64 / wall);
        Self {
            n_cpus,
            busy: busy / all,
            target: target as f64 / all,
            slowpath: own / all,
            others: ((busy - target as f64 - own) / all).max(0.0),
            steal: steal / all,
            throttled,
            generator,
        }
    }
}
