//! Any bytes as text of `perf script`, past the recognition by content.

#![no_main]

#[path = "../checks.rs"]
mod checks;

use libfuzzer_sys::fuzz_target;
use slowpath_profile::import::Format;

fuzz_target!(|bytes: &[u8]| checks::read_as(Format::PerfScript, bytes));
