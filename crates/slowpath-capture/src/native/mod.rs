//! The native recorder: stacks of every thread of a process tree, kernel and user, as `perf record -g` takes them.
//!
//! [`NativeRecorder`] opens the kernel's sampling events and appends what they give to the native log;
//! [`Recorded::symbolise`] names the addresses when all is over. What is not permitted is a [`Lack`] with the command that
//! permits it.

mod attach;
mod bookkeeping;
mod event;
mod images;
mod jit_maps;
mod privileges;
mod recorder;
mod records;
mod ring;
mod symbolise;

pub use jit_maps::{JIT_NODE_OPTIONS, remove_jit_files};
pub use privileges::{Lack, Privileges};
pub use recorder::{NativeError, NativeRecorder, Recorded};
