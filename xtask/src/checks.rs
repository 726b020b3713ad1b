//! Everything that CI checks, cheapest first.

use crate::{setup, shell};
use anyhow::Result;

/// Sets up and runs every check.
pub(crate) fn all() -> Result<()> {
    setup::everything()?;
    shell::cargo(&["fmt", "--all", "--check"])?;
    shell::npm("agent", &["run", "--silent", "check"])?;
    shell::npm("ui", &["run", "--silent", "check"])?;
    shell::cargo(&["deny", "--all-features", "check", "licenses", "bans", "sources"])?;
    shell::cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"])?;
    // Not locked: the lock file of the fuzz targets follows that of the workspace.
    shell::cargo(&["check", "--quiet", "--manifest-path", "fuzz/Cargo.toml"])?;
    shell::npm("ui", &["test", "--silent"])?;
    agent_tests()?;
    shell::npm("ui", &["run", "--silent", "test:page"])?;
    // The end-to-end tests run the release binary: the one that ships.
    shell::cargo(&["build", "--release", "--locked", "--package", "slowpath"])?;
    shell::cargo(&["nextest", "run", "--workspace", "--locked"])?;
    shell::cargo(&["test", "--doc", "--workspace", "--locked", "--quiet"])
}

/// Runs the agent's tests, a second time where they fail: they start hundreds of processes and watch how they end, which a
/// busy machine can disturb. What is really broken fails twice.
fn agent_tests() -> Result<()> {
    let run = || shell::npm("agent", &["test", "--silent"]);
    run().or_else(|_| {
        eprintln!("the agent's tests failed; trying once more");
        run()
    })
}

/// Builds the binary and runs the end-to-end tests alone.
pub(crate) fn end_to_end(filter: &[String]) -> Result<()> {
    setup::everything()?;
    shell::cargo(&["build", "--release", "--locked", "--package", "slowpath"])?;
    let mut arguments = vec!["nextest", "run", "--locked", "--package", "slowpath", "--test", "e2e"];
    arguments.extend(filter.iter().map(String::as_str));
    shell::cargo(&arguments)
}
