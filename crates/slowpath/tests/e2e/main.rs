//! End-to-end tests: the real binary, real Node.js programs, real HTTP. Nothing is mocked but the LLM upstream, by our
//! own `slowpath mock-upstream`.
//!
//! The programs are in `fixtures/e2e` (its README lists them); `cargo xtask setup` installs what they need. Every test
//! also checks that its run left no process, no port and no temporary directory behind.

mod attach;
mod bad_input;
mod clinic_commands;
mod code;
mod counters;
mod endings;
mod export;
mod fixtures;
mod harness;
mod heap;
mod launchers;
mod native;
mod node_versions;
mod open;
mod packs;
mod patience;
mod processes;
mod projects;
mod recorded;
mod report;
mod scale;
mod users;
mod waits;
