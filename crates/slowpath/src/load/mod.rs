//! `slowpath load` and `slowpath merge`: the load generator on its own, with autocannon's habits.
//!
//! ```text
//! options ──plan──> LoadPlan ──drive──> Measured ──> LoadReport ──> tables, -j JSON, --fail-if, exit code
//!                                 └──> results file ──merge──> Measured ──┘
//! ```
//!
//! What a load is and how it is driven is in `slowpath-load`; here is what a person types and reads.

mod autocannon;
mod counts;
mod drive;
mod ink;
mod json;
mod k8s;
mod live;
mod measured;
mod merge;
mod merge_command;
mod options;
mod page;
mod plan;
mod report;
mod request_options;
mod results;
mod run;
#[cfg(test)]
mod samples;
mod self_check;
mod series;
mod server;
mod settings;
mod start_at;
mod sweep;
mod sweep_run;
mod sweep_table;
mod tables;
mod targets;
mod threshold;
mod units;
mod warm_up;

pub(crate) use merge_command::run as run_merge;
pub(crate) use options::{LoadCommandOptions, MergeOptions};
pub(crate) use plan::{apply_checks, apply_pacing, apply_requests, apply_transport};
pub(crate) use request_options::{CheckOptions, PacingOptions, RequestOptions, TransportOptions};
pub(crate) use run::run;
