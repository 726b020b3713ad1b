//! Exporters: from the tables to the profile formats of other tools. One file a format; what a format cannot hold stands in
//! its first lines.
//!
//! Weights and stacks are written exactly: what is written and imported again has the same weight on the same stacks.

mod collapsed;
mod cpuprofile;
mod firefox;
mod pprof;
mod protobuf;
mod speedscope;
mod svg;
mod tree;
mod view;

pub use view::{Selection, ThreadKey, View};

use std::io::{self, Write};

/// A format that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// V8's CPU profile, of one thread.
    CpuProfile,
    /// One line a stack.
    Collapsed,
    /// Google's protocol buffer, packed.
    Pprof,
    /// speedscope's JSON.
    Speedscope,
    /// Firefox Profiler's processed JSON.
    Firefox,
    /// A flame graph as a picture.
    Svg,
}

/// Why a profile cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The disk or a pipe refused.
    #[error("cannot write the profile")]
    Io(#[from] io::Error),
    /// V8's format knows nothing but time.
    #[error("a .cpuprofile holds time, and this profile counts {0}")]
    NotTime(&'static str),
    /// V8's format has no threads.
    #[error("a .cpuprofile holds one thread, and {0} are chosen")]
    SeveralThreads(usize),
}

/// Writes what `view` shows. `title` says what was recorded, for the formats that have a place for it.
pub fn export(
    view: &View<'_>,
    format: ExportFormat,
    title: &str,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    match format {
        ExportFormat::CpuProfile => cpuprofile::write(view, out)?,
        ExportFormat::Collapsed => collapsed::write(view, out)?,
        ExportFormat::Pprof => pprof::write(view, out)?,
        ExportFormat::Speedscope => speedscope::write(view, title, out)?,
        ExportFormat::Firefox => firefox::write(view, title, out)?,
        ExportFormat::Svg => svg::write(view, title, out)?,
    }
    out.flush()?;
    Ok(())
}
