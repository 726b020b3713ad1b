//! Native functions: their names in binaries, in the kernel and in what a program compiles as it runs, and what they
//! work on.
//!
//! All of it is given bytes and addresses; `slowpath-capture` finds the files and the processes. [`stacks`] joins the
//! names and the recorded addresses into the profile tables.

mod demangle;
mod elf;
mod join;
mod kallsyms;
mod perf_map;
mod stacks;
mod work;
mod work_tables;

/// Module of the kernel's functions.
pub const KERNEL_MODULE: &str = "[kernel]";

/// Module of code that a program compiled as it ran.
pub const JIT_MODULE: &str = "[JIT]";

pub use demangle::demangle;
pub use elf::{ElfCode, ElfError, ElfFunction, ElfNames};
pub(crate) use join::join_javascript;
pub use kallsyms::{name_in_kallsyms, shows_addresses};
pub use perf_map::{Growth, MappedCode, name_in_perf_map};
pub(crate) use stacks::add_native;
pub use work::{OTHER, Work, WorkClass, WorkOfRun, work_of};
