//! What a native function works on: garbage collection, compiling, inline caches, JSON, the kernel's network and so on.
//!
//! Judged by name alone, from tables of prefixes; the names are those of V8 10 to 13, Node 18 to 24, OpenSSL, zlib and
//! Linux 5 and 6. A name that no row knows has no work, and then its callers are asked ([`WorkOfRun`]).

use super::work_tables::{BUILT_IN_PARTS, BUILT_IN_PREFIXES, KERNEL_PARTS, PARTS, PREFIXES};
use crate::symbol::{BUILT_INS, KERNEL};

/// What a thread was doing in native code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkClass {
    /// Running the target's JavaScript or WebAssembly itself.
    JavaScript,
    /// Collecting garbage.
    Gc,
    /// Parsing, compiling and optimising code.
    Compile,
    /// Property accesses that inline caches could not answer.
    InlineCache,
    /// Regular expressions.
    RegExp,
    /// `JSON.parse` and `JSON.stringify`.
    Json,
    /// Flattening, concatenating and looking up strings.
    Text,
    /// Falling back from optimised code.
    Deoptimisation,
    /// `structuredClone`, `postMessage`, `v8.serialize`.
    StructuredClone,
    /// Allocating objects where the fast path failed.
    Allocation,
    /// Another built-in function of V8.
    Builtin,
    /// V8's runtime, nothing of the above.
    V8,
    /// Node's own C++ and the libraries in it.
    Node,
    /// The kernel.
    Kernel,
    /// Native code of something else.
    Other,
}

impl WorkClass {
    /// All of them, in the order that reports use.
    pub const ALL: [Self; 15] = [
        Self::JavaScript,
        Self::Gc,
        Self::Compile,
        Self::InlineCache,
        Self::RegExp,
        Self::Json,
        Self::Text,
        Self::Deoptimisation,
        Self::StructuredClone,
        Self::Allocation,
        Self::Builtin,
        Self::V8,
        Self::Node,
        Self::Kernel,
        Self::Other,
    ];

    /// Returns the key that reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::JavaScript => "javascript",
            Self::Gc => "gc",
            Self::Compile => "compile",
            Self::InlineCache => "inline-cache",
            Self::RegExp => "regexp",
            Self::Json => "json",
            Self::Text => "string",
            Self::Deoptimisation => "deoptimisation",
            Self::StructuredClone => "structured-clone",
            Self::Allocation => "allocation",
            Self::Builtin => "builtin",
            Self::V8 => "v8",
            Self::Node => "node",
            Self::Kernel => "kernel",
            Self::Other => "other",
        }
    }
}

/// One kind of work: its class and the part of it, such as `scavenge` of `gc`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Work {
    /// Class.
    pub class: WorkClass,
    /// Part of the class; [`OTHER`] where the name does not tell.
    pub part: &'static str,
}

/// The part that says nothing more than the class.
pub const OTHER: &str = "other";

/// Parts of [`WorkClass::Node`] that are a work of their own, whatever the kernel does below them; the rest only says
/// who called.
const OWN_NODE_PARTS: &[&str] = &["crypto", "zlib", "Intl", "HTTP parser", "URL", "SQLite", "text encoding"];

impl Work {
    /// Whether the kernel below it, and the memory that it allocates, belong to it.
    fn is_decisive(self) -> bool {
        match self.class {
            WorkClass::Gc
            | WorkClass::Compile
            | WorkClass::InlineCache
            | WorkClass::RegExp
            | WorkClass::Json
            | WorkClass::Text
            | WorkClass::Deoptimisation
            | WorkClass::StructuredClone => true,
            WorkClass::Node => OWN_NODE_PARTS.contains(&self.part),
            _ => false,
        }
    }

    /// Returns the word for what a native leaf works on, as the profile's `kind` has it.
    pub fn kind(self) -> Option<&'static str> {
        match self.class {
            WorkClass::Gc => Some("GC"),
            WorkClass::Compile => Some("compile"),
            WorkClass::InlineCache => Some("inline cache"),
            WorkClass::RegExp => Some("RegExp"),
            WorkClass::Json => Some("JSON"),
            WorkClass::Text => Some("string"),
            WorkClass::Deoptimisation => Some("deoptimisation"),
            WorkClass::StructuredClone => Some("structured clone"),
            WorkClass::Node | WorkClass::Kernel if self.part != OTHER => Some(self.part),
            _ => None,
        }
    }
}

/// Returns the work of a function by its readable name and the package it counts as (see [`crate::symbol`]).
pub fn work_of(name: &str, package: Option<&str>) -> Option<Work> {
    match package {
        Some(KERNEL) => kernel_work(name),
        Some(BUILT_INS) => built_in_work(name),
        _ => by_part(PARTS, name).or_else(|| by_prefix(PREFIXES, name)),
    }
}

fn kernel_work(name: &str) -> Option<Work> {
    // The wrappers of system calls are named after the call.
    let plain = ["__x64_sys_", "__arm64_sys_", "__ia32_sys_", "__se_sys_", "__do_sys_"]
        .iter()
        .find_map(|wrapper| name.strip_prefix(wrapper))
        .map(|call| format!("sys_{call}"));
    let name = plain.as_deref().unwrap_or(name).trim_start_matches('_');
    let row = KERNEL_PARTS.iter().find(|(prefix, _)| name.starts_with(prefix));
    row.map(|(_, part)| Work { class: WorkClass::Kernel, part })
}

fn built_in_work(name: &str) -> Option<Work> {
    if name.ends_with("Handler") {
        return Some(Work { class: WorkClass::JavaScript, part: "interpreter" });
    }
    let known = by_part(BUILT_IN_PARTS, name).or_else(|| by_prefix(BUILT_IN_PREFIXES, name));
    known.or(Some(Work { class: WorkClass::Builtin, part: OTHER }))
}

fn by_part(rows: &[(&str, &str, WorkClass, &'static str)], name: &str) -> Option<Work> {
    let row = rows.iter().find(|(start, inside, ..)| name.starts_with(start) && name.contains(inside));
    row.map(|(_, _, class, part)| Work { class: *class, part })
}

fn by_prefix(rows: &[(&str, WorkClass, &'static str)], name: &str) -> Option<Work> {
    let row = rows.iter().find(|(prefix, ..)| name.starts_with(prefix));
    row.map(|(_, class, part)| Work { class: *class, part })
}

/// Finds the work of a run of native frames, given from the leaf outwards.
///
/// The innermost decisive frame wins: a page fault inside the scavenger is garbage collection, a collection inside
/// `JSON.parse` is one too. Without any, the kernel's innermost known frame; without that, the innermost known frame.
/// A class that is known without its part takes the part from the next caller of the same class.
#[derive(Debug, Default)]
pub struct WorkOfRun {
    decisive: Option<Work>,
    kernel: Option<Work>,
    first: Option<Work>,
}

impl WorkOfRun {
    /// Adds the next frame outwards.
    pub fn add(&mut self, work: Work) {
        let slot = if work.is_decisive() {
            &mut self.decisive
        } else if work.class == WorkClass::Kernel {
            &mut self.kernel
        } else {
            &mut self.first
        };
        match slot {
            Some(known) if known.part == OTHER && known.class == work.class => known.part = work.part,
            Some(_) => {}
            None => *slot = Some(work),
        }
    }

    /// Returns the work; `None` where no frame was known.
    pub fn conclude(&self) -> Option<Work> {
        self.decisive.or(self.kernel).or(self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks a run drawn as `leaf < caller < its caller`; names in brackets are the kernel's, those with `Builtins_` V8's built-ins.
    fn check(run: &str, class: WorkClass, part: &str) {
        let mut found = WorkOfRun::default();
        for name in run.split(" < ") {
            let kernel = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
            let built_in = name.strip_prefix("Builtins_");
            let package = kernel.map(|_| KERNEL).or(built_in.map(|_| BUILT_INS));
            if let Some(work) = work_of(kernel.or(built_in).unwrap_or(name), package) {
                found.add(work);
            }
        }
        assert_eq!(found.conclude().map(|work| (work.class, work.part)), Some((class, part)), "{run}");
    }

    #[test]
    fn tells_the_phases_of_a_collection() {
        use WorkClass::Gc;
        check(
            "memcpy < v8::internal::Scavenger::ScavengePage < v8::internal::Heap::Scavenge",
            Gc,
            "scavenge",
        );
        check(
            "v8::internal::Heap::IterateRoots < v8::internal::ScavengerCollector::CollectGarbage",
            Gc,
            "scavenge",
        );
        check("v8::internal::ConcurrentMarking::RunMajor", Gc, "mark");
        check("v8::internal::Sweeper::RawSweep < v8::internal::Heap::CollectGarbage", Gc, "sweep");
        check(
            "v8::internal::Evacuator::EvacuatePage < v8::internal::MarkCompactCollector::Evacuate",
            Gc,
            "compact",
        );
        check("Builtins_RecordWriteSaveFP", Gc, "write barrier");
    }

    #[test]
    fn what_is_inside_wins_over_what_is_outside() {
        check(
            "v8::internal::Scavenger::Process < v8::internal::JsonParser<…>::MakeString",
            WorkClass::Gc,
            "scavenge",
        );
        check(
            "[clear_page_erms] < [do_anonymous_page] < v8::internal::Scavenger::Process",
            WorkClass::Gc,
            "scavenge",
        );
        check(
            "_int_malloc < v8::internal::Factory::NewJSObject < v8::internal::JsonParser<…>::Parse",
            WorkClass::Json,
            "parse",
        );
    }

    #[test]
    fn the_kernel_counts_by_itself_unless_its_caller_decides() {
        check(
            "[_raw_spin_unlock_irqrestore] < [tcp_sendmsg] < [vfs_write] < node::LibuvStreamWrap::DoTryWrite",
            WorkClass::Kernel,
            "network",
        );
        check("[filemap_read] < [vfs_read] < [__x64_sys_read] < node::fs::Read", WorkClass::Kernel, "file");
        check(
            "[finish_task_switch] < [schedule] < [do_epoll_wait] < uv__io_poll",
            WorkClass::Kernel,
            "scheduling",
        );
        check("[exc_page_fault] < longest_match < deflate_slow < deflate", WorkClass::Node, "zlib");
    }

    #[test]
    fn tells_what_v8_compiles_with_and_looks_up() {
        use WorkClass::{Compile, Deoptimisation, InlineCache, RegExp, Text};
        check("v8::internal::PreParser::ParseFunctionLiteral", Compile, "parse");
        check("v8::internal::interpreter::BytecodeGenerator::VisitStatements", Compile, "bytecode");
        check("v8::internal::maglev::MaglevGraphBuilder::Build", Compile, "Maglev");
        check("operator new < v8::internal::compiler::GraphReducer::Reduce", Compile, "TurboFan");
        check("v8::internal::Runtime_LoadIC_Miss", InlineCache, "miss");
        check("Builtins_LoadIC_Megamorphic", InlineCache, "megamorphic");
        check("RegExp: a+", RegExp, "match");
        check("v8::internal::String::SlowFlatten<…>", Text, "flatten");
        check("Builtins_StringAdd_CheckNone", Text, "concatenate");
        check("v8::internal::Deoptimizer::DoComputeOutputFrames", Deoptimisation, "other");
    }

    #[test]
    fn tells_bytecode_handlers_from_other_built_ins() {
        check("Builtins_LdaNamedPropertyHandler", WorkClass::JavaScript, "interpreter");
        check("Builtins_ArrayPrototypePush", WorkClass::Builtin, "other");
    }
}
