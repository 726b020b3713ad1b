//! The profile model: columnar tables of functions, stacks (a prefix tree) and samples, on one clock.

use crate::Nanos;
use crate::allocated::Allocated;
use crate::classify::{AppScope, Category, classify, native_kind};
use crate::code::Code;
use crate::counted::{CallerSite, FunctionCalls};
use crate::deopts::Deopts;
use crate::excerpts::{Excerpt, FileUrls, excerpts};
use crate::import::cpuprofile::CallFrame;
use crate::inlined::Inlining;
use crate::native::{add_native, join_javascript};
use crate::recording::{AsyncFrame, CpuSegment, Event, Recording};
use crate::waiting::{AtomicsWaits, mark_waiting};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, HashMap};

/// Index into [`Functions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionId(pub u32);

/// Index into [`Stacks`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackId(pub u32);

/// A function, wherever it was called from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Function {
    /// Name as V8 gives it; of one without a name what it is for, `(handler of POST /v1/chat)`, or `(anonymous)`.
    pub name: String,
    /// Path or URL, relative to the target's working directory where it lies below; empty for native code.
    pub file: String,
    /// Line of its definition from 1, 0 where unknown.
    pub line: u32,
    /// Column from 1, 0 where unknown.
    pub column: u32,
    /// Whose code it is.
    pub category: Category,
    /// npm package, for dependencies.
    pub package: Option<String>,
    /// What a native leaf works on, such as `file`.
    pub kind: Option<&'static str>,
}

/// Name of a function that has none, where nothing tells what it is for.
const ANONYMOUS: &str = "(anonymous)";

impl Function {
    /// Whether it has no name of its own.
    pub fn is_nameless(&self) -> bool {
        let is_code =
            !matches!(self.category, Category::Native | Category::Gc | Category::Program | Category::Idle);
        is_code && self.name.starts_with('(')
    }

    /// Returns its own name, `(anonymous)` where it has none: what logs that know no role call it.
    pub fn own_name(&self) -> &str {
        if self.is_nameless() { ANONYMOUS } else { &self.name }
    }
}

/// The functions seen; ids are dense.
#[derive(Debug, Default)]
pub struct Functions {
    rows: Vec<Function>,
    id_of: HashMap<Function, FunctionId>,
}

impl Functions {
    /// Returns the id of `function`, adding it when new.
    pub fn intern(&mut self, function: Function) -> FunctionId {
        if let Some(id) = self.id_of.get(&function) {
            return *id;
        }
        let id = FunctionId(self.rows.len() as u32);
        self.rows.push(function.clone());
        self.id_of.insert(function, id);
        id
    }

    /// Returns the function of an id that this table gave.
    pub fn get(&self, id: FunctionId) -> &Function {
        &self.rows[id.0 as usize]
    }

    /// Says of functions without a name what they are for. They are still found by their places.
    fn name_by_role(&mut self, role_of: impl Fn(&Function) -> Option<String>) {
        for function in self.rows.iter_mut().filter(|function| function.name == ANONYMOUS) {
            if let Some(role) = role_of(function) {
                function.name = format!("({role})");
            }
        }
    }

    /// Iterates over all with their ids.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (FunctionId, &Function)> {
        self.rows.iter().enumerate().map(|(index, function)| (FunctionId(index as u32), function))
    }

    /// Number of functions.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// How V8 runs a function; a property of one activation, not of the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Bytecode, run by Ignition.
    Interpreter,
    /// Machine code without optimisation.
    Sparkplug,
    /// Machine code, optimised quickly.
    Maglev,
    /// Machine code, optimised fully.
    TurboFan,
}

impl Tier {
    /// All of them, slowest code first.
    pub const ALL: [Self; 4] = [Self::Interpreter, Self::Sparkplug, Self::Maglev, Self::TurboFan];

    /// Returns V8's own name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Interpreter => "interpreter",
            Self::Sparkplug => "Sparkplug",
            Self::Maglev => "Maglev",
            Self::TurboFan => "TurboFan",
        }
    }
}

/// Stacks as a prefix tree: a stack is a function called from its parent stack. Parents come before children.
#[derive(Debug, Default)]
pub struct Stacks {
    /// Caller's stack.
    pub parent: Vec<Option<StackId>>,
    /// Innermost function.
    pub function: Vec<FunctionId>,
    /// How that ran, where it is known. Stacks that differ in it alone are two rows.
    pub tier: Vec<Option<Tier>>,
    id_of: FxHashMap<u64, StackId>,
}

impl Stacks {
    /// Returns the stack of `function` called from `parent`, adding it when new.
    pub fn intern(&mut self, parent: Option<StackId>, function: FunctionId) -> StackId {
        self.intern_at(parent, function, None)
    }

    /// As [`Self::intern`], for an activation whose tier is known.
    pub fn intern_at(
        &mut self,
        parent: Option<StackId>,
        function: FunctionId,
        tier: Option<Tier>,
    ) -> StackId {
        debug_assert!(parent.is_none_or(|parent| (parent.0 as usize) < self.parent.len()));
        debug_assert!(function.0 < 1 << 29, "half a billion functions do not fit into memory");
        let next = StackId(self.parent.len() as u32);
        let at = u64::from(function.0) << 3 | tier.map_or(0, |tier| tier as u64 + 1);
        let key = parent.map_or(0, |parent| u64::from(parent.0) + 1) << 32 | at;
        let id = *self.id_of.entry(key).or_insert(next);
        if id == next {
            self.parent.push(parent);
            self.function.push(function);
            self.tier.push(tier);
        }
        id
    }

    /// Iterates over the functions of a stack, innermost first.
    pub fn frames(&self, stack: StackId) -> impl Iterator<Item = FunctionId> + '_ {
        std::iter::successors(Some(stack), |at| self.parent[at.0 as usize])
            .map(|at| self.function[at.0 as usize])
    }

    /// Number of stacks.
    pub fn len(&self) -> usize {
        self.parent.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.parent.is_empty()
    }
}

/// What the weights of a profile count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum WeightUnit {
    /// Time.
    #[default]
    Nanoseconds,
    /// Memory.
    Bytes,
    /// Samples, where nothing says how much time each stands for.
    Samples,
}

/// Whether samples have their moments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Timing {
    /// Each was taken at its `start`.
    #[default]
    Recorded,
    /// They were added up before they were written: every `start` is zero, and their order means nothing.
    Summed,
}

/// Samples of one thread in time order; the columns have the same length.
#[derive(Debug, Default)]
pub struct ThreadSamples {
    /// Process id.
    pub pid: u32,
    /// Node's `threadId`, 0 for the main thread; the kernel's id where that is all that is known.
    pub thread: u32,
    /// Name of an imported thread; empty in recordings.
    pub name: String,
    /// What `start` holds.
    pub timing: Timing,
    /// When each sample was taken.
    pub start: Vec<Nanos>,
    /// The sample's weight: time until the next sample or the end of the segment. In profiles that do not count time
    /// (see [`Profile::unit`]) the bare number of bytes or samples.
    pub duration: Vec<Nanos>,
    /// How many samples each row stands for; empty where every row is one.
    pub count: Vec<u32>,
    /// What ran.
    pub stack: Vec<StackId>,
    /// Stretches in which samples were taken.
    pub segments: Vec<(Nanos, Nanos)>,
}

impl ThreadSamples {
    /// Returns the name for people.
    pub fn display_name(&self) -> String {
        match (self.name.as_str(), self.thread) {
            ("", 0) => "main".into(),
            ("", worker) => format!("worker {worker}"),
            (name, _) => name.into(),
        }
    }

    /// Returns how many samples the rows stand for.
    pub fn n_samples(&self) -> u64 {
        if self.count.is_empty() {
            self.stack.len() as u64
        } else {
            self.count.iter().copied().map(u64::from).sum()
        }
    }

    /// Returns the median weight of samples: where it is time, the effective sampling interval.
    pub fn effective_interval(&self) -> Option<Nanos> {
        let mut durations = self.duration.clone();
        durations.sort_unstable();
        durations.get(durations.len() / 2).copied()
    }
}

/// The whole profile of a run, or of opened files.
#[derive(Debug, Default)]
pub struct Profile {
    /// What the weights of its samples count.
    pub unit: WeightUnit,
    /// Functions of all threads.
    pub functions: Functions,
    /// Stacks of all threads.
    pub stacks: Stacks,
    /// One entry a sampled thread, by pid and thread.
    pub threads: Vec<ThreadSamples>,
    /// Samples of the async phase, apart: what that phase costs would show in them.
    pub async_threads: Vec<ThreadSamples>,
    /// Samples of phases under a load that is not the run's own, apart: they tell how work grows, and not how much of it there is.
    pub level_threads: Vec<ThreadSamples>,
    /// The frames of each process's async log, by its pid, as the original files name them; the line is that of the call.
    pub async_frames: BTreeMap<u32, Vec<Function>>,
    /// Sample counts by `(function, line)`, from V8's position ticks.
    pub line_ticks: HashMap<(FunctionId, u32), u64>,
    /// The code around the hottest lines, where the recording has it.
    pub excerpts: Vec<Excerpt>,
    /// Samples of the native recorder, one entry a kernel thread, by pid and thread. They tell of the same time as
    /// `threads` where both are, in another way, and are never added up with them.
    pub native: Vec<ThreadSamples>,
    /// Native samples with JavaScript whose names V8 never wrote down, and of them those that it was joined to by time.
    pub native_joined: (u64, u64),
    /// CPU time in nanoseconds by `(function, line)` of native leaves, where debug information tells it.
    pub native_lines: HashMap<(FunctionId, u32), u64>,
    /// Where counted calls were made, by process, thread and number of the site.
    pub caller_sites: HashMap<(u32, u32, u32), CallerSite>,
    /// How often functions were called in the calls phase.
    pub function_calls: Vec<FunctionCalls>,
    /// Who allocated in the heap phase, in the order of the recording.
    pub allocated: Vec<Allocated>,
    /// What V8 optimised and threw away in the deopts phase, by function, most frequent first.
    pub deopts: Vec<Deopts>,
    /// How often functions were optimised that cannot be told from others.
    pub n_unplaced_deopts: u64,
}

impl Profile {
    /// Builds the tables from the CPU logs of a recording.
    ///
    /// Only samples of phases count: those between them show recorders being switched. A thread without samples in a phase (the run ended early) keeps all that it has.
    pub fn from_recording(recording: &Recording) -> Self {
        let mut profile = Self::default();
        let phases = phase_intervals(recording);
        let code = Code::of(&recording.sources);
        let mut naming = Naming {
            code: &code,
            inlining: Inlining::of(recording, &code),
            files: FileUrls::default(),
            atomics: AtomicsWaits::default(),
        };
        let mut beside_native = Vec::new();
        for (&(pid, thread), cpu) in &recording.cpu {
            let scope = AppScope::of(recording, pid);
            let empty = || ThreadSamples { pid, thread, ..ThreadSamples::default() };
            let mut samples =
                BySort { own: empty(), with_async: empty(), of_levels: empty(), beside_native: empty() };
            let is_in_phase =
                |(t, _): &(Nanos, u32)| phases.iter().any(|phase| phase.start <= *t && *t < phase.end);
            let any_in_phase = cpu.segments.iter().flat_map(|segment| &segment.samples).any(is_in_phase);
            let whole = [Window { start: Nanos(0), end: Nanos(u64::MAX), sort: Sort::Own }];
            let windows = if any_in_phase { &phases[..] } else { &whole };
            for segment in &cpu.segments {
                profile.add_segment(&scope, segment, windows, &mut naming, &mut samples);
            }
            // Where there is no other phase with samples, those of the async phase are what there is.
            if samples.own.stack.is_empty() {
                std::mem::swap(&mut samples.own, &mut samples.with_async);
            }
            let BySort { own, with_async, of_levels, beside_native: beside } = samples;
            for (samples, threads) in [
                (own, &mut profile.threads),
                (with_async, &mut profile.async_threads),
                (of_levels, &mut profile.level_threads),
                (beside, &mut beside_native),
            ] {
                threads.extend(Some(samples).filter(|samples| !samples.stack.is_empty()));
            }
        }
        mark_waiting(&mut profile, recording, &naming.atomics);
        for (&pid, log) in &recording.asynchronous {
            let scope = AppScope::of(recording, pid);
            let frames = log.frames.iter().map(|frame| place_of(&scope, &code, frame));
            profile.async_frames.insert(pid, frames.collect());
        }
        profile.add_counted(recording, &code);
        profile.add_allocated(recording, &code);
        profile.add_deopts(recording, &code);
        profile.excerpts = excerpts(&profile, &code, &naming.files);
        let undisturbed = phases.iter().filter(|phase| matches!(phase.sort, Sort::Own | Sort::BesideNative));
        let undisturbed: Vec<_> = undisturbed.map(|phase| (phase.start, phase.end)).collect();
        let addresses = add_native(&mut profile, recording, &code, &undisturbed);
        join_javascript(&mut profile, recording, &addresses, &beside_native);
        profile.functions.name_by_role(|function| naming.files.role_of(&code, function));
        for frame in profile.async_frames.values_mut().flatten().filter(|frame| frame.name == ANONYMOUS) {
            if let Some(role) = naming.files.role_of(&code, frame) {
                frame.name = format!("({role})");
            }
        }
        profile
    }

    /// Adds the samples of a segment that lie in one of `windows`, which are in order and do not overlap.
    fn add_segment(
        &mut self,
        scope: &AppScope,
        segment: &CpuSegment,
        windows: &[Window],
        naming: &mut Naming<'_>,
        into: &mut BySort,
    ) {
        // The root node carries nothing: stacks start at its children.
        let mut stack_of: Vec<Option<StackId>> = Vec::with_capacity(segment.nodes.len());
        for (parent, frame) in &segment.nodes {
            let parent = parent.and_then(|parent| stack_of[parent as usize]);
            if frame.function_name == "(root)" && parent.is_none() {
                stack_of.push(None);
                continue;
            }
            stack_of.push(Some(self.add_frame(scope, naming, frame, parent)));
        }
        let mut leaves = self.add_inlined(scope, segment, &stack_of, naming);
        for (index, (start, node)) in segment.samples.iter().enumerate() {
            let Some(window) = windows.iter().find(|window| window.start <= *start && *start < window.end)
            else {
                continue;
            };
            let next = segment.samples.get(index + 1).map_or(segment.end, |(next, _)| *next).min(window.end);
            let leaf = leaves.get_mut(node).map(Leaf::next).or(stack_of[*node as usize]);
            let into = into.of(window);
            if let Some(stack) = leaf {
                into.start.push(*start);
                into.duration.push(next.since(*start));
                into.stack.push(stack);
            }
        }
        for window in windows {
            let (start, end) = (segment.start.max(window.start), segment.end.min(window.end));
            if start < end {
                into.of(window).segments.push((start, end));
            }
        }
    }

    /// Adds the function of a frame, as the original files name it, called from `parent`.
    fn add_frame(
        &mut self,
        scope: &AppScope,
        naming: &mut Naming<'_>,
        frame: &CallFrame<'_>,
        parent: Option<StackId>,
    ) -> StackId {
        let caller = parent.map(|parent| self.functions.get(self.stacks.function[parent.0 as usize]));
        let original = naming.code.original_frame(frame);
        let named = original.as_ref().unwrap_or(frame);
        let function = function_of(scope, named, caller);
        naming.files.note(&function.file, &named.url);
        let function = self.functions.intern(function);
        naming.atomics.note(naming.code, frame, function);
        self.stacks.intern(parent, function)
    }

    /// Counts the line samples of a segment, and returns for every node in which V8 hides inlined functions the stacks
    /// that its samples belong to.
    fn add_inlined(
        &mut self,
        scope: &AppScope,
        segment: &CpuSegment,
        stack_of: &[Option<StackId>],
        naming: &mut Naming<'_>,
    ) -> HashMap<u32, Leaf> {
        let mut leaves: HashMap<u32, Leaf> = HashMap::new();
        let mut ticks_of_node: HashMap<u32, u64> = HashMap::new();
        let mut ticks_of_line: HashMap<(u32, u32), u64> = HashMap::new();
        for (node, line, ticks) in &segment.lines {
            *ticks_of_node.entry(*node).or_default() += u64::from(*ticks);
            *ticks_of_line.entry((*node, *line)).or_default() += u64::from(*ticks);
        }
        for (node, line, ticks) in &segment.lines {
            let Some(mut stack) = stack_of[*node as usize] else { continue };
            let mut frame = &segment.nodes[*node as usize].1;
            let is_most = 2 * ticks_of_line[&(*node, *line)] > ticks_of_node[node];
            let inlining = &mut naming.inlining;
            let chain = inlining.chain(frame, *line).or_else(|| {
                let callee = inlining.only_callee(frame, *line).filter(|_| is_most)?;
                Some(vec![callee])
            });
            let chain = chain.unwrap_or_default();
            for inlined in &chain {
                stack = self.add_frame(scope, naming, inlined, Some(stack));
                frame = inlined;
            }
            leaves.entry(*node).or_default().add(stack, u64::from(*ticks));
            naming.atomics.note_line(naming.code, &frame.url, *line, self.stacks.function[stack.0 as usize]);
            if !chain.is_empty() && !naming.inlining.has_line(frame, *line) {
                // The line is that of the call, not one of the function that ran.
                continue;
            }
            let function = self.stacks.function[stack.0 as usize];
            let has_map = naming.code.original_frame(frame).is_some();
            let original = naming.code.original_line(&frame.url, *line).map(|(_, line)| line);
            if let Some(line) = if has_map { original } else { Some(*line) } {
                *self.line_ticks.entry((function, line)).or_default() += u64::from(*ticks);
            }
        }
        leaves
    }
}

/// What turns V8's frames into functions of the original files.
struct Naming<'a> {
    code: &'a Code<'a>,
    inlining: Inlining<'a>,
    files: FileUrls,
    atomics: AtomicsWaits<'a>,
}

/// The stacks among which the samples of one node of V8's tree are shared out, by their line samples.
///
/// V8 counts lines per node and not per sample, so which sample had which line is not known; each stack gets its share,
/// evenly over time.
#[derive(Debug, Default)]
struct Leaf {
    /// Stack, weight, and samples given to it so far.
    shares: Vec<(StackId, u64, u64)>,
    n_given: u64,
}

impl Leaf {
    fn add(&mut self, stack: StackId, weight: u64) {
        match self.shares.iter_mut().find(|(known, ..)| *known == stack) {
            Some((_, sum, _)) => *sum += weight,
            None => self.shares.push((stack, weight, 0)),
        }
    }

    /// Returns the stack of the next sample: the one that is furthest behind its share.
    fn next(&mut self) -> StackId {
        let total: u64 = self.shares.iter().map(|(_, weight, _)| weight).sum();
        self.n_given += 1;
        let n_given = self.n_given;
        let behind = |(_, weight, given): &&mut (StackId, u64, u64)| {
            i128::from(*weight) * i128::from(n_given) - i128::from(*given) * i128::from(total)
        };
        let chosen = self.shares.iter_mut().max_by_key(behind).expect("a leaf is made by adding a share");
        chosen.2 += 1;
        chosen.0
    }
}

/// A phase whose samples count.
struct Window {
    start: Nanos,
    end: Nanos,
    sort: Sort,
}

/// What the samples of a phase tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Own,
    WithAsync,
    OfLevel,
    /// Only for the JavaScript in native stacks: the phase before tells the same of the service.
    BesideNative,
}

/// Samples of one thread by the sort of phase.
struct BySort {
    own: ThreadSamples,
    with_async: ThreadSamples,
    of_levels: ThreadSamples,
    beside_native: ThreadSamples,
}

impl BySort {
    fn of(&mut self, window: &Window) -> &mut ThreadSamples {
        match window.sort {
            Sort::Own => &mut self.own,
            Sort::WithAsync => &mut self.with_async,
            Sort::OfLevel => &mut self.of_levels,
            Sort::BesideNative => &mut self.beside_native,
        }
    }
}

impl Recording {
    /// Returns each phase with its start and end; a phase without an end goes on for ever.
    pub fn phases(&self) -> Vec<(&str, Nanos, Nanos)> {
        let mut intervals: Vec<(&str, Nanos, Nanos)> = Vec::new();
        for timed in &self.events {
            match &timed.event {
                Event::PhaseStarted { phase } => intervals.push((phase, timed.t, Nanos(u64::MAX))),
                Event::PhaseEnded { phase } => {
                    if let Some(open) = intervals.iter_mut().rfind(|(name, ..)| name == phase) {
                        open.2 = timed.t;
                    }
                }
                _ => {}
            }
        }
        intervals
    }
}

/// Returns when each phase ran, the warm-up left out.
fn phase_intervals(recording: &Recording) -> Vec<Window> {
    let measured = recording.phases().into_iter().filter(|(name, ..)| *name != "warm-up");
    let sort_of = |name: &str| match name {
        "async" => Sort::WithAsync,
        "native" => Sort::BesideNative,
        name if recording.manifest.level_of(name).is_some() => Sort::OfLevel,
        _ => Sort::Own,
    };
    measured.map(|(name, start, end)| Window { start, end, sort: sort_of(name) }).collect()
}

/// Describes the place that a frame of an async log is at.
fn place_of(scope: &AppScope, code: &Code<'_>, frame: &AsyncFrame) -> Function {
    let (line, column) = (frame.line.saturating_sub(1), frame.column.saturating_sub(1));
    let original = code.original(&frame.file, line, column);
    let (file, line, column) =
        original.map_or((frame.file.clone(), line, column), |place| (place.file, place.line, place.column));
    let frame = CallFrame {
        function_name: frame.name.as_str().into(),
        url: file.into(),
        line_number: i64::from(line),
        column_number: i64::from(column),
    };
    function_of(scope, &frame, None)
}

/// Describes a function as V8 names it, called from `caller`.
pub(crate) fn function_of(scope: &AppScope, frame: &CallFrame<'_>, caller: Option<&Function>) -> Function {
    let (category, package) = classify(scope, &frame.function_name, &frame.url);
    let kind = match category {
        Category::Native | Category::Gc => native_kind(&frame.function_name, caller.map_or("", |c| &c.file)),
        _ => None,
    };
    let name = if frame.function_name.is_empty() { ANONYMOUS } else { &frame.function_name };
    let from_one = |number: i64| u32::try_from(number.saturating_add(1)).unwrap_or(0);
    let is_code = !matches!(category, Category::Native | Category::Gc | Category::Program | Category::Idle);
    Function {
        name: name.to_owned(),
        file: scope.display_path(&frame.url),
        line: if is_code { from_one(frame.line_number) } else { 0 },
        column: if is_code { from_one(frame.column_number) } else { 0 },
        category,
        package,
        kind,
    }
}
