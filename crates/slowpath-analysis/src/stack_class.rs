//! Judges a stack: what the thread was doing, and whose application function paid for it.

use slowpath_profile::classify::Category;
use slowpath_profile::tables::{Function, FunctionId, Profile, StackId};
use slowpath_profile::waiting::WAITING;

/// What a thread was doing while a stack was sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Doing {
    Idle,
    Gc,
    /// In the process but not in JavaScript.
    Program,
    /// In a synchronous call that blocks by its nature: `fs.*Sync`, `child_process.*Sync`, sync crypto and zlib; or in any
    /// that the thread slept in.
    SyncCall(FunctionId),
    /// Loading, parsing or compiling modules.
    Compile,
    /// In a native function called from JavaScript.
    Native,
    /// Running JavaScript, regular expressions included.
    JavaScript,
}

/// Judgements of all stacks of a profile, computed once.
#[derive(Debug)]
pub(crate) struct StackClasses {
    pub(crate) doing: Vec<Doing>,
    /// Nearest application function at or below the leaf.
    pub(crate) owner: Vec<Option<FunctionId>>,
}

impl StackClasses {
    pub(crate) fn of(profile: &Profile) -> Self {
        let n = profile.stacks.len();
        let (mut doing, mut owner) = (Vec::with_capacity(n), Vec::with_capacity(n));
        let mut runs: Vec<Run> = Vec::with_capacity(n);
        for index in 0..n {
            let leaf = profile.stacks.function[index];
            let function = profile.functions.get(leaf);
            let parent = profile.stacks.parent[index].map(|parent: StackId| parent.0 as usize);
            let run = parent.map_or(Run::default(), |parent| runs[parent]).with(leaf, function);
            doing.push(doing_of(function, run));
            owner.push(match function.category {
                Category::App => Some(leaf),
                _ => parent.and_then(|parent| owner[parent]),
            });
            runs.push(run);
        }
        Self { doing, owner }
    }
}

/// What the run of core and native frames that a stack ends in says of the call; nothing where it ends in other code.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    loads_modules: bool,
    /// The outermost blocking call.
    sync_call: Option<FunctionId>,
    /// The outermost call.
    call: Option<FunctionId>,
}

impl Run {
    /// Returns the run of the stack of `function`, called from a stack that ends in `self`.
    fn with(self, id: FunctionId, function: &Function) -> Self {
        if !matches!(function.category, Category::Node | Category::Native | Category::Kernel) {
            return Self::default();
        }
        Self {
            loads_modules: self.loads_modules || is_module_loading(function),
            sync_call: self.sync_call.or(is_blocking_call(function).then_some(id)),
            call: self.call.or(Some(id)),
        }
    }
}

fn doing_of(leaf: &Function, run: Run) -> Doing {
    match leaf.category {
        Category::Idle => return Doing::Idle,
        Category::Gc => return Doing::Gc,
        Category::Program => return Doing::Program,
        Category::App | Category::Dependency | Category::Wasm => return Doing::JavaScript,
        Category::Node | Category::Native | Category::Kernel => {}
    }
    if run.loads_modules {
        return Doing::Compile;
    }
    let slept_in = run.call.filter(|_| leaf.kind == Some(WAITING));
    if let Some(call) = run.sync_call.or(slept_in) {
        return Doing::SyncCall(call);
    }
    match (leaf.category, leaf.kind) {
        (_, Some("compile" | "module load")) => Doing::Compile,
        (_, Some("RegExp")) | (Category::Node, _) => Doing::JavaScript,
        _ => Doing::Native,
    }
}

/// The public synchronous functions of these modules block the thread until the kernel, a child or a computation is
/// done.
const BLOCKING_MODULES: &[&str] = &[
    "node:fs",
    "node:child_process",
    "node:zlib",
    "node:internal/crypto/",
    "node:internal/zlib",
    "node:internal/fs/sync",
];

fn is_blocking_call(function: &Function) -> bool {
    let in_module = BLOCKING_MODULES.iter().any(|module| function.file.starts_with(module));
    in_module && (function.name.ends_with("Sync") || function.name.ends_with("SyncBuffer"))
}

fn is_module_loading(function: &Function) -> bool {
    function.file.starts_with("node:internal/modules/")
}
