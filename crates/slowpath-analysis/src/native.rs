//! Native stacks: CPU time by thread, by function, and by what the native code worked on, with the JavaScript that
//! caused it.
//!
//! ```text
//! handle   JS.stringify  v8::internal::JsonStringifier::…   exc_page_fault      leaf
//! ^ caller               ^------------- a run of native frames -----------^     → JSON / stringify, caused by handle
//! ```

use crate::functions::{FunctionTime, times_of_functions};
use crate::phases::{Phase, Phases};
use slowpath_profile::classify::Category;
use slowpath_profile::native::{JIT_MODULE, OTHER, Work, WorkClass, WorkOfRun, work_of};
use slowpath_profile::tables::{FunctionId, Profile, StackId, ThreadSamples};
use slowpath_profile::{Nanos, Recording};
use std::collections::BTreeMap;

/// Callers and functions kept of each work.
const MAX_ROWS: usize = 5;

/// What the native recorder saw.
#[derive(Debug, Clone, PartialEq)]
pub struct NativeMeasure {
    /// What was sampled, such as `cpu-clock`.
    pub event: String,
    /// Asked-for samples a second of CPU time.
    pub frequency_hz: u32,
    /// Whether kernel frames were recorded.
    pub kernel: bool,
    /// Samples in the measured phases.
    pub n_samples: u64,
    /// Samples that the kernel could not hand over.
    pub n_lost: u64,
    /// Samples whose stack was deeper than the kernel walks.
    pub n_truncated: u64,
    /// Wall time recorded.
    pub wall: Nanos,
    /// CPU time of all threads.
    pub cpu: Nanos,
    /// Threads, busiest first.
    pub threads: Vec<NativeThreadTime>,
    /// Functions by self time, largest first.
    pub functions: Vec<FunctionTime>,
    /// What the time went to, largest first; adds up to `cpu`.
    pub work: Vec<WorkTime>,
    /// What could not be named and why.
    pub notes: Vec<String>,
}

/// CPU time of one thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeThreadTime {
    /// Process id.
    pub pid: u32,
    /// Kernel thread id.
    pub tid: u32,
    /// Name.
    pub name: String,
    /// CPU time.
    pub cpu: Nanos,
    /// Samples.
    pub n_samples: u64,
}

/// CPU time of one kind of work.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkTime {
    /// Class.
    pub class: WorkClass,
    /// Part of the class.
    pub part: &'static str,
    /// CPU time.
    pub cpu: Nanos,
    /// Share of all CPU time.
    pub share: f64,
    /// Samples.
    pub n_samples: u64,
    /// JavaScript that caused it, with its share of this work, largest first: the nearest application function on the stack, or
    /// the nearest of any JavaScript where there is none. `None` is time without JavaScript on the stack.
    pub callers: Vec<(Option<FunctionId>, f64)>,
    /// Innermost functions, with their share of this work, largest first.
    pub functions: Vec<(FunctionId, f64)>,
}

/// Sums under way for one kind of work.
#[derive(Default)]
struct Sums {
    cpu: u64,
    n_samples: u64,
    callers: BTreeMap<Option<FunctionId>, u64>,
    functions: BTreeMap<FunctionId, u64>,
}

/// Says where the names of JavaScript are from, if V8 did not write them down.
fn note_on_joining(profile: &Profile) -> Option<String> {
    let (n_nameless, n_joined) = profile.native_joined;
    (n_nameless > 0).then(|| {
        format!(
            "the service ran before, without V8's names for its code: of {n_nameless} stacks with JavaScript, {n_joined} have that which V8's own sampler saw at their moment"
        )
    })
}

impl NativeMeasure {
    pub(crate) fn of(recording: &Recording, profile: &Profile, phases: &Phases) -> Option<Self> {
        let stacks = recording.native.as_ref()?;
        let samples = || profile.native.iter().flat_map(|thread| thread.stack.iter().zip(&thread.duration));
        let cpu: u64 = samples().map(|(_, duration)| duration.0).sum();
        let by_stack = samples().fold(
            BTreeMap::new(),
            |mut by_stack: BTreeMap<StackId, (u64, u64)>, (stack, duration)| {
                let sum = by_stack.entry(*stack).or_default();
                *sum = (sum.0 + duration.0, sum.1 + 1);
                by_stack
            },
        );
        // A program that is recorded until it ends has one phase for all.
        let is_own = |phase: &&Phase| phase.name == "native";
        let has_own = phases.phases.iter().any(|phase| is_own(&phase));
        let recorded = phases.phases.iter().filter(|phase| !has_own || is_own(phase));
        let wall = recorded.map(|phase| phase.end.since(phase.start).0).sum();
        let header = &stacks.log.header;
        Some(Self {
            event: header.event.clone(),
            frequency_hz: header.frequency_hz,
            kernel: header.kernel,
            n_samples: by_stack.values().map(|(_, n)| n).sum(),
            n_lost: stacks.log.n_lost,
            n_truncated: stacks.log.n_truncated,
            wall: Nanos(wall),
            cpu: Nanos(cpu),
            threads: threads(&profile.native),
            functions: times_of_functions(profile, profile.native.iter()),
            work: work(profile, &by_stack, cpu),
            notes: stacks.symbols.notes.iter().cloned().chain(note_on_joining(profile)).collect(),
        })
    }

    /// Returns the share of wall time that the busiest thread was on a CPU.
    pub fn busiest_utilisation(&self) -> f64 {
        let busiest = self.threads.first().map_or(0, |thread| thread.cpu.0);
        if self.wall == Nanos(0) { 0.0 } else { busiest as f64 / self.wall.0 as f64 }
    }
}

fn threads(threads: &[ThreadSamples]) -> Vec<NativeThreadTime> {
    let mut rows: Vec<_> = threads
        .iter()
        .map(|thread| NativeThreadTime {
            pid: thread.pid,
            tid: thread.thread,
            name: thread.name.clone(),
            cpu: Nanos(thread.duration.iter().map(|duration| duration.0).sum()),
            n_samples: thread.stack.len() as u64,
        })
        .collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.cpu), row.pid, row.tid));
    rows
}

fn work(profile: &Profile, by_stack: &BTreeMap<StackId, (u64, u64)>, cpu: u64) -> Vec<WorkTime> {
    let works: Vec<Option<Work>> = profile
        .functions
        .iter()
        .map(|(_, function)| work_of(&function.name, function.package.as_deref()))
        .collect();
    let mut sums: BTreeMap<Work, Sums> = BTreeMap::new();
    for (stack, (time, n_samples)) in by_stack {
        let (work, caller) = judge(profile, &works, *stack);
        let leaf = profile.stacks.function[stack.0 as usize];
        let sum = sums.entry(work).or_default();
        sum.cpu += time;
        sum.n_samples += n_samples;
        *sum.callers.entry(caller).or_default() += time;
        *sum.functions.entry(leaf).or_default() += time;
    }
    let mut rows: Vec<_> = sums
        .into_iter()
        .map(|(work, sums)| WorkTime {
            class: work.class,
            part: work.part,
            cpu: Nanos(sums.cpu),
            share: sums.cpu as f64 / cpu.max(1) as f64,
            n_samples: sums.n_samples,
            callers: largest(sums.callers, sums.cpu),
            functions: largest(sums.functions, sums.cpu),
        })
        .collect();
    rows.sort_by_key(|row| (std::cmp::Reverse(row.cpu), row.class, row.part));
    rows
}

/// Returns the work of a stack, and the JavaScript function that caused it.
fn judge(profile: &Profile, works: &[Option<Work>], stack: StackId) -> (Work, Option<FunctionId>) {
    let mut run = WorkOfRun::default();
    let mut is_compiled = false;
    let mut javascript: Option<StackId> = None;
    let mut at = Some(stack);
    while let Some(frame) = at {
        let function = profile.stacks.function[frame.0 as usize];
        let described = profile.functions.get(function);
        if is_javascript(described.category) {
            javascript = Some(frame);
            break;
        }
        // Compiled code without a name ends the run as JavaScript does.
        if described.name == JIT_MODULE {
            is_compiled = true;
            break;
        }
        if let Some(work) = works[function.0 as usize] {
            run.add(work);
        }
        at = profile.stacks.parent[frame.0 as usize];
    }
    let work = match (run.conclude(), javascript) {
        (Some(work), _) => work,
        (None, Some(frame)) if frame == stack => Work {
            class: WorkClass::JavaScript,
            part: profile.stacks.tier[frame.0 as usize].map_or(OTHER, slowpath_profile::tables::Tier::as_str),
        },
        (None, None) if is_compiled => Work { class: WorkClass::JavaScript, part: OTHER },
        _ => Work { class: WorkClass::Other, part: OTHER },
    };
    let nearest = javascript.map(|frame| profile.stacks.function[frame.0 as usize]);
    let application = javascript.and_then(|frame| {
        let mut below = profile.stacks.frames(frame);
        below.find(|function| profile.functions.get(*function).category == Category::App)
    });
    (work, application.or(nearest))
}

fn is_javascript(category: Category) -> bool {
    matches!(category, Category::App | Category::Dependency | Category::Node | Category::Wasm)
}

fn largest<K: Ord>(times: BTreeMap<K, u64>, whole: u64) -> Vec<(K, f64)> {
    let mut rows: Vec<_> = times.into_iter().collect();
    rows.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
    rows.truncate(MAX_ROWS);
    rows.into_iter().map(|(key, time)| (key, time as f64 / whole.max(1) as f64)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use slowpath_profile::classify::AppScope;
    use slowpath_profile::symbol::function_of_symbol;

    /// Checks a stack drawn from the outermost frame on, as `work caller`. Frames as a native profiler names them; those
    /// in brackets are the kernel's.
    fn check(stack: &str, class: WorkClass, part: &str, caller: Option<&str>) {
        let mut profile = Profile::default();
        let mut at = None;
        for frame in stack.split(';') {
            let kernel = frame.strip_prefix("k:");
            let module = if kernel.is_some() { "[kernel]" } else { "/usr/bin/node" };
            let (function, tier) =
                function_of_symbol(&AppScope::new("/srv", ""), kernel.unwrap_or(frame), module);
            let function = profile.functions.intern(function);
            at = Some(profile.stacks.intern_at(at, function, tier));
        }
        let by_stack = BTreeMap::from([(at.unwrap(), (10, 1))]);
        let found = work(&profile, &by_stack, 10);
        let name = |id: &FunctionId| profile.functions.get(*id).name.clone();
        assert_eq!((found[0].class, found[0].part), (class, part), "{stack}");
        assert_eq!(found[0].callers[0].0.as_ref().map(name).as_deref(), caller, "{stack}");
        assert!((found[0].share - 1.0).abs() < 1e-9);
    }

    #[test]
    fn native_work_is_charged_to_the_nearest_application_function() {
        check(
            "main;JS:*handle /srv/a.js:1:1;JS:*deflateSync node:zlib:2:2;node::ZlibStream::Write;deflate_slow",
            WorkClass::Node,
            "zlib",
            Some("handle"),
        );
        check(
            "main;JS:~emit node:events:1:1;node::fs::Read;k:vfs_read;k:ext4_file_read_iter",
            WorkClass::Kernel,
            "file",
            Some("emit"),
        );
        check("main;uv_run;uv__io_poll;k:do_epoll_wait;k:schedule", WorkClass::Kernel, "scheduling", None);
    }

    #[test]
    fn javascript_itself_is_told_by_tier() {
        check("main;JS:*hot /srv/a.js:1:1", WorkClass::JavaScript, "TurboFan", Some("hot"));
        check(
            "main;JS:~cold /srv/a.js:1:1;Builtins_LdaZeroHandler",
            WorkClass::JavaScript,
            "interpreter",
            Some("cold"),
        );
        check("main;[JIT]", WorkClass::JavaScript, OTHER, None);
    }

    #[test]
    fn work_does_not_reach_through_javascript() {
        let parse = "v8::internal::JsonParser<unsigned char>::Parse";
        check(
            &format!("JS:*a /srv/a.js:1:1;{parse};JS:*reviver /srv/a.js:5:5;memcpy"),
            WorkClass::Other,
            OTHER,
            Some("reviver"),
        );
    }
}
