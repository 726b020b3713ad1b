//! Fetches what builds and tests need. Each step looks first whether it is done already.

use crate::shell;
use anyhow::{Context as _, Result, bail};
use std::time::SystemTime;

/// Folders with npm packages.
const NPM_FOLDERS: &[&str] = &["ui", "agent", "fixtures/e2e", "fixtures/programs/packages"];

/// Tools from crates.io: program, package.
const CARGO_TOOLS: &[(&str, &str)] = &[("cargo-nextest", "cargo-nextest"), ("cargo-deny", "cargo-deny")];

/// Fetches everything and builds the page.
pub(crate) fn everything() -> Result<()> {
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".into());
    if !shell::exists(&chromium, "--version") {
        bail!(
            "`{chromium}` does not run: install Chromium, or name it in CHROMIUM; the tests of the page need it"
        );
    }
    for folder in NPM_FOLDERS {
        npm_packages(folder)?;
    }
    build_page()?;
    for (program, package) in CARGO_TOOLS {
        if !shell::exists(program, "--version") {
            shell::cargo(&["install", "--locked", package])?;
        }
    }
    Ok(())
}

/// Builds the report page.
pub(crate) fn page() -> Result<()> {
    npm_packages("ui")?;
    build_page()
}

fn build_page() -> Result<()> {
    shell::npm("ui", &["run", "--silent", "build"])
}

/// Installs a folder's packages when its lock file is newer than what is installed.
pub(crate) fn npm_packages(folder: &str) -> Result<()> {
    let folder_path = shell::root().join(folder);
    let changed = |name: &str| -> Result<SystemTime> {
        let path = folder_path.join(name);
        path.metadata()
            .and_then(|metadata| metadata.modified())
            .with_context(|| format!("{}", path.display()))
    };
    let locked = changed("package-lock.json")?;
    if changed("node_modules/.package-lock.json").is_ok_and(|installed| installed >= locked) {
        return Ok(());
    }
    shell::npm(folder, &["ci", "--no-audit", "--no-fund", "--loglevel=error"])
}
