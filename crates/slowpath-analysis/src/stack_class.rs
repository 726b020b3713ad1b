//! Judges a stack: what the thread was doing, and whose application function paid for it.

use slowpath_profile::classify::Category;
use slowpath_profile::tables::{Function, FunctionId, Profile, StackId};

/// What a thread was doing while a stack was sampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Doing {
    Idle,
    Gc,
    /// In the process but not in JavaScript.
    Program,
    /// In a synchronous call that blocks by its nature: `fs.*Sync`, `child_process.*Sync`, sync crypto and zlib.
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
        for index in 0..n as u32 {
            let stack = StackId(index);
            let leaf = profile.stacks.function[index as usize];
            doing.push(doing_of(profile, stack));
            let parent = profile.stacks.parent[index as usize];
            owner.push(match profile.functions.get(leaf).category {
                Category::App => Some(leaf),
                _ => parent.and_then(|parent: StackId| owner[parent.0 as usize]),
            });
        }
        Self { doing, owner }
    }
}

fn doing_of(profile: &Profile, stack: StackId) -> Doing {
    let leaf = profile.functions.get(profile.stacks.function[stack.0 as usize]);
    match leaf.category {
        Category::Idle => return Doing::Idle,
        Category::Gc => return Doing::Gc,
        Category::Program => return Doing::Program,
        Category::App | Category::Dependency | Category::Wasm => return Doing::JavaScript,
        Category::Node | Category::Native | Category::Kernel => {}
    }
    // The run of core and native frames at the leaf says what the call is.
    let mut sync_call = None;
    for id in profile.stacks.frames(stack) {
        let function = profile.functions.get(id);
        if !matches!(function.category, Category::Node | Category::Native | Category::Kernel) {
            break;
        }
        if is_module_loading(function) {
            return Doing::Compile;
        }
        if is_blocking_call(function) {
            sync_call = Some(id);
        }
    }
    if let Some(call) = sync_call {
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
