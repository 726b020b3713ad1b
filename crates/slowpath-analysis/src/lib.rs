//! Turns a recording into measurements. Pure: no I/O, no clock, spawns nothing; the same recording gives the same
//! numbers. It does not judge: that is `slowpath-diagnosis`.

mod app_tree;
mod async_ops;
mod calls;
mod charge;
mod client_packages;
mod collections;
mod counters;
mod deopts;
mod event_loop;
mod functions;
mod growth;
mod heap;
mod load;
mod machine;
mod microtasks;
mod native;
mod overhead;
mod package_callers;
mod phases;
mod processes;
mod profile_measure;
mod recorders;
mod scale;
mod scope;
mod sending;
mod shares;
mod split;
mod stack_class;
mod stall_groups;
mod threads;
mod timeline;
mod tree_walk;
mod unowned;
mod waiting;

pub use async_ops::{
    AsyncMeasure, AsyncSite, Composition, Group, HooksCost, InFlight, JobTurns, Owners, PoolUse, Row,
    RowKind, WaitKind, WaitPlace,
};
pub use calls::CallMeasure;
pub use charge::{AppFunction, Charges, Folded, LOADING, SyncCall};
pub use counters::{CounterMeasure, CounterRow, CounterSum, FunctionSum, PlaceRow};
pub use deopts::DeoptMeasure;
pub use event_loop::{GcMeasure, LoopMeasure, Stall};
pub use functions::{FunctionTime, function_times};
pub use growth::{AtInput, Growth};
pub use heap::{Allocator, HeapGrowth, HeapMeasure};
pub use load::{Latency, LoadMeasure, PhaseLoad};
pub use machine::MachineMeasure;
pub use native::{NativeMeasure, NativeThreadTime, WorkTime};
pub use overhead::PhaseOverhead;
pub use phases::{Outcome, Phase, Phases};
pub use processes::{ProcessMeasure, ThreadMeasure};
pub use profile_measure::ProfileMeasure;
pub use recorders::RecorderMeasure;
pub use scale::{Cost, CostGrowth, Input, InputMeasure, LevelMeasure, ScaleMeasure};
pub use scope::{ScopeTime, time_in_scope};
pub use sending::{Senders, SendingTime, time_sending};
pub use split::{Split, SplitClass};
pub use stall_groups::StallGroup;
pub use threads::{ServingThread, process_running, serving_threads};
pub use timeline::{Series, Timeline};
pub use unowned::Unowned;
pub use waiting::ThreadWait;

use package_callers::PackageCallers;
use slowpath_profile::Recording;
use slowpath_profile::recording::Import;
use slowpath_profile::tables::Profile;
use stack_class::StackClasses;

/// Everything that is measured from one recording.
#[derive(Debug)]
pub struct Measurements {
    /// Phases, ending, length.
    pub phases: Phases,
    /// What the load generator saw, if there was load.
    pub load: Option<LoadMeasure>,
    /// Threads that did the work, busiest first.
    pub serving: Vec<ServingThread>,
    /// Wall time of the busiest main thread by class.
    pub split: Option<Split>,
    /// Self and total time by function, over the serving threads.
    pub functions: Vec<FunctionTime>,
    /// Samples charged to application functions.
    pub charges: Charges,
    /// Event-loop delay, utilisation and stalls of the busiest main thread.
    pub event_loop: Option<LoopMeasure>,
    /// Its stalls by who held the loop, the longest total first.
    pub stall_groups: Vec<StallGroup>,
    /// Garbage collection of the busiest main thread.
    pub gc: Option<GcMeasure>,
    /// What its heap phase says of allocations, collections and growth.
    pub heap: Option<HeapMeasure>,
    /// What native stacks say, where they were recorded.
    pub native: Option<NativeMeasure>,
    /// What the counters recorder counted, if its phase ran.
    pub counters: Option<CounterMeasure>,
    /// Calls of functions per request, if the calls phase ran.
    pub calls: Option<CallMeasure>,
    /// What V8 optimised and threw away, if the deopts phase ran.
    pub deopts: Option<DeoptMeasure>,
    /// What requests ran and waited for, where an async phase ran.
    pub async_ops: Option<AsyncMeasure>,
    /// How costs grow with the load, where it was varied.
    pub scale: Option<ScaleMeasure>,
    /// Where the project's scripts load packages.
    pub imports: Vec<Import>,
    /// The process tree.
    pub processes: Vec<ProcessMeasure>,
    /// What each phase cost.
    pub overhead: Vec<PhaseOverhead>,
    /// The machine around the target.
    pub machine: MachineMeasure,
    /// What was recorded.
    pub recorders: Vec<RecorderMeasure>,
    /// Series over time.
    pub timeline: Timeline,
}

impl Measurements {
    /// Returns the functions of the serving threads; of a recording of native stacks alone, of all its threads.
    pub fn function_times(&self) -> &[FunctionTime] {
        let native = self.native.as_ref().filter(|_| self.serving.is_empty());
        native.map_or(&self.functions, |native| &native.functions)
    }

    /// Measures everything.
    pub fn of(recording: &Recording, profile: &Profile) -> Self {
        let phases = Phases::of(recording);
        let load = LoadMeasure::of(recording, &phases);
        let serving = serving_threads(profile);
        let main_pid = threads::main_pid(recording, &serving, &phases);
        let split = Split::of(recording, profile, serving.first(), main_pid, &phases);
        let functions = function_times(profile, &serving);
        let classes = StackClasses::of(profile);
        let owners = Owners::of(recording, profile, &classes);
        let charges = Charges::of(profile, &serving, &owners);
        let load_of_async =
            load.as_ref().and_then(|load| load.phases.iter().find(|phase| phase.phase == "async"));
        let mut async_ops = AsyncMeasure::of(recording, profile, &phases, load_of_async);
        let mut event_loop = main_pid.and_then(|pid| LoopMeasure::of(recording, pid, &phases));
        if let Some(event_loop) = &mut event_loop {
            event_loop.name_culprits(profile, &phases);
        }
        let stall_groups = StallGroup::of(event_loop.as_ref(), recording);
        let gc = main_pid.and_then(|pid| GcMeasure::of(recording, pid, &phases));
        let heap = main_pid.and_then(|pid| HeapMeasure::of(recording, profile, pid, &phases));
        let native = NativeMeasure::of(recording, profile, &phases);
        let mut counters = CounterMeasure::of(recording, profile, split.as_ref(), load.as_ref());
        let callers = PackageCallers::of(profile, &charges);
        if let Some(measure) = &mut async_ops {
            callers.name_waits(measure);
        }
        if let Some(measure) = &mut counters {
            callers.name_counted(measure);
        }
        let calls = CallMeasure::of(recording, profile);
        let deopts = DeoptMeasure::of(recording, profile);
        let scale = ScaleMeasure::of(recording, profile, &phases);
        let processes = processes::measure(recording, profile, &phases);
        let machine = MachineMeasure::of(recording, &phases, load.as_ref());
        let overhead = overhead::measure(&phases, load.as_ref());
        let recorders = recorders::measure(recording, profile);
        let timeline = Timeline::of(recording, main_pid, &phases);
        Self {
            phases,
            load,
            serving,
            split,
            functions,
            charges,
            event_loop,
            stall_groups,
            gc,
            heap,
            native,
            counters,
            calls,
            deopts,
            async_ops,
            scale,
            imports: recording.project.as_ref().map_or(Vec::new(), |project| project.imports.clone()),
            processes,
            overhead,
            machine,
            recorders,
            timeline,
        }
    }
}
