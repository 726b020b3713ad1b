//! Native functions: their readable names, and what they work on.
//!
//! Nothing here reads another process; `slowpath-capture` records, this names and classifies.

mod demangle;
mod work;
mod work_tables;

pub use demangle::demangle;
pub use work::{OTHER, Work, WorkClass, WorkOfRun, work_of};
