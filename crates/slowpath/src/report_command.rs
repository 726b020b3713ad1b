//! `slowpath report DIR`: rebuilds the report of a recording.

use crate::cli::ReportOptions;
use crate::exit_code::{ExitCode, Explained};
use crate::{terminal, viewer};
use slowpath_capture::{holder_of, redact_output_log};
use slowpath_profile::recording::Layout;
use slowpath_profile::{Recording, RecordingError};
use slowpath_report::{Report, write_report};
use std::path::Path;

pub(crate) fn run(options: &ReportOptions) -> anyhow::Result<ExitCode> {
    let recording = Recording::open(&options.dir).map_err(explain)?;
    redact_output(&options.dir);
    let report = Report::of(&recording);
    let files = write_report(&report, &options.dir)?;
    if options.json {
        print!("{}", report.to_json()?);
    } else if options.quiet {
        println!("{}", files.html.display());
    } else {
        terminal::print_conclusion(&report.data, &[], &files.html);
    }
    if options.open && !viewer::open(&files.html) {
        eprintln!("no browser was found to open it");
    }
    Ok(ExitCode::Done)
}

/// Takes secrets out of the target's output where a slowpath that was killed could not.
fn redact_output(dir: &Path) {
    for path in Layout::new(dir).output_logs() {
        match holder_of(&path) {
            None => redact_output_log(&path),
            Some(pid) => eprintln!(
                "warning: process {pid} has `{}` open: what it printed stays as it is, secrets included, until it has ended and \
                 `slowpath report` runs again",
                path.display()
            ),
        }
    }
}

pub(crate) fn explain(error: RecordingError) -> anyhow::Error {
    let (code, hint) = match &error {
        RecordingError::NotARecording { .. } => (
            ExitCode::Usage,
            "pass the directory that `slowpath run` printed, such as `.slowpath/20261123-140200-server`",
        ),
        RecordingError::Newer { .. } => {
            (ExitCode::Failed, "update slowpath, or use the version that recorded it")
        }
        RecordingError::Manifest { .. } => (ExitCode::Failed, "the manifest cannot be rebuilt; record again"),
        RecordingError::Io { .. } => (ExitCode::Failed, "check that the files can be read"),
    };
    let context = Explained { message: "cannot read the recording".into(), code, hint: Some(hint.into()) };
    anyhow::Error::new(error).context(context)
}
