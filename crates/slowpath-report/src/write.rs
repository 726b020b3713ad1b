//! Writes the report beside the recording, and the page of a load; each file whole or not at all.

use crate::{Report, html, render_markdown};
use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};

/// Where the files are.
#[derive(Debug, Clone)]
pub struct ReportFiles {
    /// The page.
    pub html: PathBuf,
    /// For terminals, pull requests and coding agents.
    pub markdown: PathBuf,
    /// For scripts.
    pub json: PathBuf,
}

/// Why a report could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The disk refused.
    #[error("cannot write `{path}`")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A number that JSON cannot hold.
    #[error("cannot serialise the report")]
    Serialise(#[from] serde_json::Error),
}

/// Writes `report.html`, `report.md` and `report.json` into `dir`.
pub fn write_report(report: &Report, dir: &Path) -> Result<ReportFiles, WriteError> {
    let files = ReportFiles {
        html: dir.join("report.html"),
        markdown: dir.join("report.md"),
        json: dir.join("report.json"),
    };
    write_whole(&files.json, &report.to_json()?)?;
    write_whole(&files.markdown, &render_markdown(&report.data))?;
    write_whole(&files.html, &report.to_html()?)?;
    Ok(files)
}

/// Writes the page alone, to `path`.
pub fn write_page(report: &Report, path: &Path) -> Result<(), WriteError> {
    write_whole(path, &report.to_html()?)
}

/// Writes the page of a load with `data`, which is what `ui/src/load-contract.ts` says.
pub fn write_load_page(data: &impl Serialize, path: &Path) -> Result<(), WriteError> {
    write_whole(path, &html::render_load(data)?)
}

/// Writes to a temporary name and renames, so that a full disk leaves no half file.
fn write_whole(path: &Path, text: &str) -> Result<(), WriteError> {
    let temporary = path.with_extension("tmp");
    let result = std::fs::write(&temporary, text).and_then(|()| std::fs::rename(&temporary, path));
    result.map_err(|source| {
        let _ = std::fs::remove_file(&temporary);
        WriteError::Io { path: path.to_owned(), source }
    })
}
