//! Tells samples in which a thread slept inside a call from those in which it ran.
//!
//! V8 samples the wall clock: a thread in `Atomics.wait`, or in a `write` to a pipe that is full, is seen with the code that
//! waits, as if that ran. The kernel knows how long each thread had a CPU and how long it was ready without one. What samples
//! show beyond both between two readings of `/proc`, the thread slept:
//!
//! ```text
//! readings    |                        500 ms                         |
//! samples     [== runs 120 ms ==][====== in writeSync 330 ms ======]     50 ms idle
//! the kernel  140 ms on a CPU, 20 ms ready            → slept 450 − 160 = 290 ms, all of it in writeSync
//! ```
//!
//! That time is given to the samples that can have slept, the likeliest first, and these get one more frame that says so. In a
//! worker thread that frame counts as idle: it holds up no loop but its own. On a main thread it is a synchronous call.
//!
//! A collection waits for V8's helper threads, and a hypervisor takes time away: neither is counted as sleeping in a call.

use crate::Nanos;
use crate::classify::Category;
use crate::code::{Code, RangeId};
use crate::import::cpuprofile::CallFrame;
use crate::recording::Recording;
use crate::tables::{Function, FunctionId, Profile, ThreadSamples};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Kind of the frame that a sample gets whose thread slept.
pub const WAITING: &str = "waiting";

/// What V8 shows no frame for, though threads wait in it.
const ATOMICS_WAIT: &str = "Atomics.wait";

/// How that looks in a program's text.
const CALL: &str = "Atomics.wait(";

/// A line longer than this is a bundler's, bytes.
const LONG_LINE: usize = 1000;

/// Share of a thread's sampled time that it must have slept. What less is said to be slept, samples that come late and
/// readings that come early add up to.
const MIN_SLEPT: f64 = 0.1;

/// Share of an interval that a thread had a CPU for, or was ready for, below which all that it was seen in waited.
const HARDLY_RAN: f64 = 0.1;

/// Parts of native code that can sleep, by their kinds. The others compute.
const SLEEPING_KINDS: &[&str] =
    &["file", "console", "socket", "dns", "child process", "connect/close", "TLS"];

/// Node's modules whose `…Sync` functions wait for the kernel or a child.
const SLEEPING_MODULES: &[&str] =
    &["node:fs", "node:internal/fs/", "node:child_process", "node:internal/child_process"];

/// How likely a sample slept, the likeliest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Likeliness {
    /// In a function that calls `Atomics.wait`.
    Atomics,
    /// In a call that waits by its nature.
    SyncCall,
    /// In native code that may wait.
    Native,
    /// Anywhere else.
    Unlikely,
}

/// The functions that call `Atomics.wait`: those with samples on a line that does, and, as a bundler's lines hold many functions,
/// those whose own text does. A thread that sleeps cannot be asked where its functions begin and end: their lines tell then.
#[derive(Debug, Default)]
pub(crate) struct AtomicsWaits<'a> {
    by_script: HashMap<&'a str, HashSet<RangeId>>,
    judged: HashSet<FunctionId>,
    callers: HashSet<FunctionId>,
}

impl<'a> AtomicsWaits<'a> {
    /// Takes note of a function, whose place in the script that ran `frame` tells.
    pub(crate) fn note(&mut self, code: &Code<'a>, frame: &CallFrame<'_>, function: FunctionId) {
        if frame.url.is_empty() || !self.judged.insert(function) {
            return;
        }
        let Some((url, script)) = code.script_with_url(&frame.url) else { return };
        let waiting = self.by_script.entry(url).or_insert_with(|| script.functions_with(CALL));
        let (line, column) = (u32::try_from(frame.line_number), u32::try_from(frame.column_number));
        if let (false, Ok(line), Ok(column)) = (waiting.is_empty(), line, column)
            && script.function_at(line, column).is_some_and(|range| waiting.contains(&range))
        {
            self.callers.insert(function);
        }
    }

    /// Takes note of a line (from 1) of the script `url` that samples of a function fell on.
    pub(crate) fn note_line(&mut self, code: &Code<'a>, url: &str, line: u32, function: FunctionId) {
        let text = code.script(url).and_then(|script| script.line(line));
        if text.is_some_and(|text| text.len() <= LONG_LINE && text.contains(CALL)) {
            self.callers.insert(function);
        }
    }
}

/// Marks the samples of all threads in which they slept.
pub(crate) fn mark_waiting(profile: &mut Profile, recording: &Recording, atomics: &AtomicsWaits<'_>) {
    let mut marks: HashMap<(bool, bool), FunctionId> = HashMap::new();
    let mut lists = [
        std::mem::take(&mut profile.threads),
        std::mem::take(&mut profile.async_threads),
        std::mem::take(&mut profile.level_threads),
    ];
    for samples in lists.iter_mut().flatten() {
        let Some(readings) = Readings::of(recording, samples.pid, samples.thread) else { continue };
        let likely = likeliness(profile, &atomics.callers);
        for index in sleeping(profile, samples, &readings, &likely) {
            let stack = samples.stack[index];
            let is_atomics = likely[stack.0 as usize] == Likeliness::Atomics;
            let is_main = samples.thread == 0;
            let mark = *marks
                .entry((is_atomics, is_main))
                .or_insert_with(|| profile.functions.intern(mark(is_atomics, is_main)));
            samples.stack[index] = profile.stacks.intern(Some(stack), mark);
        }
    }
    [profile.threads, profile.async_threads, profile.level_threads] = lists;
}

/// The frame that a sample gets whose thread slept.
fn mark(is_atomics: bool, is_main: bool) -> Function {
    Function {
        name: if is_atomics { ATOMICS_WAIT.to_owned() } else { "(waiting)".to_owned() },
        file: String::new(),
        line: 0,
        column: 0,
        category: if is_main { Category::Native } else { Category::Idle },
        package: None,
        kind: Some(WAITING),
    }
}

/// Judges every stack by what it ends in.
fn likeliness(profile: &Profile, waiting: &HashSet<FunctionId>) -> Vec<Likeliness> {
    let stacks = &profile.stacks;
    // Whether a stack ends in Node's own and native code below a call that waits by its nature.
    let mut is_sync: Vec<bool> = Vec::with_capacity(stacks.len());
    let mut likely = Vec::with_capacity(stacks.len());
    for (parent, id) in stacks.parent.iter().zip(&stacks.function) {
        let function = profile.functions.get(*id);
        let is_inner = matches!(function.category, Category::Node | Category::Native);
        let sync = is_inner
            && (parent.is_some_and(|parent| is_sync[parent.0 as usize]) || is_sleeping_call(function));
        is_sync.push(sync);
        let may_sleep = function.kind.is_none_or(|kind| SLEEPING_KINDS.contains(&kind));
        likely.push(match function.category {
            _ if waiting.contains(id) => Likeliness::Atomics,
            _ if sync => Likeliness::SyncCall,
            Category::Native if may_sleep => Likeliness::Native,
            _ => Likeliness::Unlikely,
        });
    }
    likely
}

fn is_sleeping_call(function: &Function) -> bool {
    SLEEPING_MODULES.iter().any(|module| function.file.starts_with(module)) && function.name.ends_with("Sync")
}

/// What the kernel says of one thread: moment, time on a CPU, time ready without one, and what hypervisors took from the
/// whole machine; all but the moment add up from the start.
struct Readings {
    rows: Vec<(Nanos, u64, u64, u64)>,
}

impl Readings {
    fn of(recording: &Recording, pid: u32, thread: u32) -> Option<Self> {
        let tid = recording.kernel_thread(pid, thread)?;
        let rows = recording.system.iter().filter_map(|sample| {
            let process = sample.processes.iter().find(|process| process.pid == pid)?;
            let task = process.tasks.iter().find(|task| task.tid == tid)?;
            Some((sample.t, task.run.0, task.wait.0, sample.machine.steal.0))
        });
        Some(Self { rows: rows.collect() }).filter(|readings| readings.rows.len() > 1)
    }
}

/// The samples between two readings.
#[derive(Debug, Default)]
struct Interval {
    /// Busy samples.
    samples: Vec<usize>,
    /// How long they last.
    seen: u64,
    /// How long collections last among them.
    collecting: u64,
    /// How long the thread was on a CPU, ready for one, or may have been robbed of one.
    ran: u64,
}

impl Interval {
    fn slept(&self) -> u64 {
        self.seen.saturating_sub(self.ran)
    }
}

/// Returns the samples in which the thread slept.
fn sleeping(
    profile: &Profile,
    samples: &ThreadSamples,
    readings: &Readings,
    likely: &[Likeliness],
) -> Vec<usize> {
    let intervals = intervals(profile, samples, readings);
    let sum = |of: fn(&Interval) -> u64| intervals.iter().map(of).sum::<u64>();
    let (seen, ran) = (sum(|i| i.seen), sum(|i| i.ran));
    if (seen.saturating_sub(ran) as f64) < MIN_SLEPT * seen.max(1) as f64 {
        return Vec::new();
    }
    let mut found = Vec::new();
    for interval in &intervals {
        let (mut slept, mut collecting) = (interval.slept(), interval.collecting);
        let hardly_ran = interval.ran as f64 <= HARDLY_RAN * interval.seen as f64;
        let mut by_likeliness: BTreeMap<Likeliness, Vec<usize>> = BTreeMap::new();
        for &index in &interval.samples {
            by_likeliness.entry(likely[samples.stack[index].0 as usize]).or_default().push(index);
        }
        for (likeliness, candidates) in by_likeliness {
            if likeliness > Likeliness::Atomics {
                slept = slept.saturating_sub(std::mem::take(&mut collecting));
            }
            let is_much = slept as f64 >= MIN_SLEPT * interval.seen as f64;
            match likeliness {
                Likeliness::Native if !is_much => break,
                Likeliness::Unlikely if !hardly_ran => break,
                _ => {}
            }
            slept -= take(samples, &candidates, slept, &mut found);
        }
    }
    found.sort_unstable();
    found
}

/// Takes of `candidates`, evenly, as many as last `slept` altogether, and returns how much of that they explain.
fn take(samples: &ThreadSamples, candidates: &[usize], slept: u64, found: &mut Vec<usize>) -> u64 {
    let all: u64 = candidates.iter().map(|index| samples.duration[*index].0).sum();
    let share = (slept as f64 / all.max(1) as f64).min(1.0);
    let (mut due, mut taken) = (0.0, 0);
    for &index in candidates {
        let duration = samples.duration[index].0;
        due += share * duration as f64;
        if taken as f64 + duration as f64 / 2.0 <= due {
            found.push(index);
            taken += duration;
        }
    }
    slept.min(taken)
}

/// Returns the busy samples by the readings that they lie between; those at whose side a reading is missing are left out.
fn intervals(profile: &Profile, samples: &ThreadSamples, readings: &Readings) -> Vec<Interval> {
    let mut intervals = Vec::new();
    let mut next = 0;
    for pair in readings.rows.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let covered: u64 =
            samples.segments.iter().map(|(start, end)| (*end).min(to.0).since((*start).max(from.0)).0).sum();
        while next < samples.start.len() && samples.start[next] < from.0 {
            next += 1;
        }
        // Readings are taken where phases begin and end: an interval is sampled all along, or hardly.
        if covered * 2 < to.0.since(from.0).0 {
            continue;
        }
        let scale = covered as f64 / to.0.since(from.0).0.max(1) as f64;
        let of_kernel = (to.1 - from.1.min(to.1)) + (to.2 - from.2.min(to.2)) + (to.3 - from.3.min(to.3));
        let mut interval = Interval { ran: (of_kernel as f64 * scale) as u64, ..Interval::default() };
        while next < samples.start.len() && samples.start[next] < to.0 {
            let leaf = profile.functions.get(profile.stacks.function[samples.stack[next].0 as usize]);
            if leaf.category != Category::Idle {
                interval.samples.push(next);
                interval.seen += samples.duration[next].0;
            }
            if leaf.category == Category::Gc {
                interval.collecting += samples.duration[next].0;
            }
            next += 1;
        }
        intervals.push(interval);
    }
    intervals
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000_000;

    fn function(text: &str) -> Function {
        let (prefix, name) = text.split_once(':').unwrap_or(("app", text));
        let (category, file, kind) = match prefix {
            "fs" => (Category::Node, "node:fs", None),
            "file" => (Category::Native, "", Some("file")),
            "zlib" => (Category::Native, "", Some("zlib")),
            "native" => (Category::Native, "", None),
            "gc" => (Category::Gc, "", Some("GC")),
            "idle" => (Category::Idle, "", None),
            _ => (Category::App, "app.js", None),
        };
        Function { name: name.into(), file: file.into(), line: 1, column: 1, category, package: None, kind }
    }

    /// Samples a thread as drawn, one stack a line with its milliseconds, between readings 100 ms apart that say how many of
    /// them it was on a CPU. Returns how long it slept, by stack.
    fn slept(drawn: &str, ran_ms: &[u64]) -> Vec<(String, u64)> {
        let mut profile = Profile::default();
        let mut samples = ThreadSamples::default();
        let mut name_of = HashMap::new();
        for line in drawn.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (stack, n) = line.rsplit_once(' ').expect("a stack and its time");
            let mut at = None;
            for name in stack.split(';') {
                let id = profile.functions.intern(function(name));
                at = Some(profile.stacks.intern(at, id));
            }
            name_of.insert(at, stack.to_owned());
            for _ in 0..n.parse::<u64>().expect("milliseconds") {
                samples.start.push(Nanos(samples.start.len() as u64 * MS));
                samples.duration.push(Nanos(MS));
                samples.stack.push(at.expect("a frame"));
            }
        }
        let end = samples.start.len() as u64 * MS;
        samples.segments.push((Nanos(0), Nanos(end)));
        let mut rows = vec![(Nanos(0), 0, 0, 0)];
        for ran in ran_ms {
            let (t, before, ..) = *rows.last().expect("the first one");
            rows.push((Nanos(t.0 + 100 * MS), before + ran * MS, 0, 0));
        }
        let waiting =
            profile.functions.iter().filter(|(_, f)| f.name == "waitForJob").map(|(id, _)| id).collect();
        let likely = likeliness(&profile, &waiting);
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        for index in sleeping(&profile, &samples, &Readings { rows }, &likely) {
            *sums.entry(name_of[&Some(samples.stack[index])].clone()).or_default() +=
                samples.duration[index].0 / MS;
        }
        sums.into_iter().collect()
    }

    fn check(drawn: &str, ran_ms: &[u64], expected: &[(&str, u64)]) {
        let expected: Vec<_> = expected.iter().map(|(stack, ms)| ((*stack).to_owned(), *ms)).collect();
        assert_eq!(slept(drawn, ran_ms), expected);
    }

    #[test]
    fn an_idle_worker_of_a_pool_sleeps_though_v8_sees_javascript() {
        check("loop;waitForJob 200", &[0, 0], &[("loop;waitForJob", 200)]);
    }

    #[test]
    fn a_worker_that_is_busy_half_of_the_time_sleeps_where_it_waits() {
        check("loop;job 50\nloop;waitForJob 50", &[50], &[("loop;waitForJob", 50)]);
    }

    #[test]
    fn a_busy_thread_does_not_sleep() {
        check("loop;waitForJob 20\nloop;job 80", &[97], &[]);
        check("serve;fs:readSync;file:read 60\nserve 40", &[95], &[]);
    }

    #[test]
    fn a_write_to_a_full_pipe_sleeps_in_the_call_and_not_in_the_code_around_it() {
        check(
            "serve 30\nserve;log;fs:writeSync;file:write 60\nidle:(idle) 10",
            &[35],
            &[("serve;log;fs:writeSync;file:write", 55)],
        );
    }

    #[test]
    fn native_code_that_computes_is_never_taken_for_waiting() {
        check("serve;zlib:write 50\nserve;native:commit 50", &[60], &[("serve;native:commit", 40)]);
    }

    #[test]
    fn a_collection_that_waits_for_its_helpers_is_no_sleep_in_a_call() {
        check("serve 40\ngc:(garbage collector) 40\nserve;native:parse 20", &[65], &[]);
    }

    #[test]
    fn a_thread_that_hardly_ran_waited_wherever_it_was_seen() {
        check("serve;attach 100", &[0], &[("serve;attach", 100)]);
        check("serve;attach 100", &[50], &[]);
    }

    #[test]
    fn what_no_readings_enclose_is_left_alone() {
        check("loop;waitForJob 100", &[], &[]);
    }

    proptest! {
        #[test]
        fn no_more_is_said_to_be_slept_than_the_kernel_leaves(
            parts in proptest::collection::vec((0_usize..6, 1_u64..60), 1..12),
            ran in proptest::collection::vec(0_u64..=100, 8),
        ) {
            const STACKS: [&str; 6] =
                ["a", "a;waitForJob", "a;fs:readSync;file:read", "a;native:x", "gc:(gc)", "idle:(idle)"];
            let drawn: Vec<_> = parts.iter().map(|(stack, ms)| format!("{} {ms}", STACKS[*stack])).collect();
            let busy: u64 = parts.iter().filter(|(stack, _)| *stack != 5).map(|(_, ms)| ms).sum();
            let n_intervals = parts.iter().map(|(_, ms)| ms).sum::<u64>() as usize / 100;
            let ran = &ran[..n_intervals.min(ran.len())];
            let slept: u64 = slept(&drawn.join("\n"), ran).iter().map(|(_, ms)| ms).sum();
            // Each class of stacks in each interval is cut to whole samples.
            prop_assert!(slept <= busy);
            prop_assert!(slept <= ran.iter().map(|ran| 100 - ran + 3).sum::<u64>());
        }
    }
}
