//! `--html FILE`: one page of a load, which opens without a network. Computes what the page shows, so that it need not.
//!
//! ```text
//! LoadReport ──build──> LoadPage (data.rs, ui/src/load-contract.ts) ──slowpath-report──> FILE
//! ```

mod build;
mod data;
mod distribution;
#[cfg(test)]
mod tests;
mod words;

use super::report::LoadReport;
use crate::exit_code::{ExitCode, Explained, usage};
use data::LoadPage;
use slowpath_report::write_load_page;
use std::path::Path;

/// Fails early if the page could not be written at the end.
pub(crate) fn check_path(path: &Path) -> anyhow::Result<()> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    if path.is_dir() {
        return Err(usage(
            format!("`--html {}` is a directory", path.display()),
            "pass a file, as in `--html load.html`",
        ));
    }
    if !dir.is_dir() {
        return Err(usage(
            format!("`--html {}`: there is no directory `{}`", path.display(), dir.display()),
            "pass a file in a directory that exists",
        ));
    }
    Ok(())
}

/// Writes the page, whole or not at all.
pub(crate) fn write(report: &LoadReport, path: &Path) -> anyhow::Result<()> {
    write_load_page(&LoadPage::of(report), path).map_err(|error| {
        anyhow::Error::new(error).context(Explained {
            message: format!("cannot write the page to `{}`", path.display()),
            code: ExitCode::Failed,
            hint: Some("pass a file that you may write, on a disk with space, with `--html FILE`".into()),
        })
    })
}
