//! `slowpath load` and `slowpath merge` as a person runs them: the real binary against a server in this process.

mod command_line;
mod harness;
mod hosts;
mod live;
mod outcomes;
mod requests;
mod schema;
mod server;
mod shards;
