//! Runs programs: prints what it runs, fails with what failed.

use anyhow::{Context as _, Result, bail, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns the workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(PathBuf::new, Path::to_owned)
}

/// Returns the folder that cargo builds into.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Runs a command and fails when it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}").replace('"', "");
    eprintln!("\x1b[2m$ {shown}\x1b[0m");
    let status = command.status().with_context(|| format!("cannot run `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// Runs cargo in the workspace.
pub(crate) fn cargo(arguments: &[&str]) -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    run(Command::new(cargo).args(arguments).current_dir(root()))
}

/// Runs npm in a folder of the workspace.
pub(crate) fn npm(folder: &str, arguments: &[&str]) -> Result<()> {
    ensure!(
        exists("npm", "--version"),
        "npm is not there; it comes with Node.js: install Node.js 20 or later"
    );
    run(Command::new("npm").args(arguments).current_dir(root().join(folder)))
}

/// Whether a program can be started.
pub(crate) fn exists(program: &str, version_flag: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(version_flag).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
