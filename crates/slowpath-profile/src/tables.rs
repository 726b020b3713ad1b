//! The profile model: columnar tables of functions, stacks (a prefix tree) and samples, on one clock.

use crate::Nanos;
use crate::allocated::Allocated;
use crate::classify::Category;
use crate::counted::{CallerSite, FunctionCalls};
use crate::deopts::Deopts;
use crate::excerpts::Excerpt;
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
pub(crate) const ANONYMOUS: &str = "(anonymous)";

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
    pub(crate) fn name_by_role(&mut self, role_of: impl Fn(&Function) -> Option<String>) {
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
