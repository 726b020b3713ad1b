//! `slowpath open FILE…`: shows profiles of other tools in the page.

use crate::cli::OpenOptions;
use crate::exit_code::{ExitCode, Explained};
use crate::{terminal, viewer};
use anyhow::Context as _;
use slowpath_profile::import::{ImportError, open_files};
use slowpath_report::{Report, write_page};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

pub(crate) fn run(options: &OpenOptions) -> anyhow::Result<ExitCode> {
    let imported = open_files(&options.files).map_err(explain)?;
    let report = Report::of_files(&imported);
    // With --json the page is only written where it was asked for.
    let page = match &options.out {
        Some(path) => Some(path.clone()),
        None if options.json => None,
        None => Some(temporary_page(&report.data.run.title)?),
    };
    if let Some(page) = &page {
        write_page(&report, page)?;
    }
    if options.json {
        print!("{}", report.to_json()?);
    }
    for file in &report.data.files {
        for note in &file.notes {
            terminal::print_note(&format!("{}: {note}", file.name));
        }
    }
    let Some(page) = page else { return Ok(ExitCode::Done) };
    if options.quiet {
        println!("{}", page.display());
    } else if !options.json {
        terminal::print_conclusion(&report.data, &[], &page);
    }
    let is_wanted =
        options.open || (!options.no_open && !options.quiet && !options.json && viewer::has_person());
    if is_wanted && !viewer::open(&page) {
        eprintln!("no browser was found to open it");
    }
    Ok(ExitCode::Done)
}

/// Returns where a page goes that is only to be looked at: a directory of its own that stays, for the browser reads it
/// after this program has ended.
fn temporary_page(title: &str) -> anyhow::Result<PathBuf> {
    // What a page shows of a program is its owner's affair.
    let private = Permissions::from_mode(0o700);
    let dir = tempfile::Builder::new().prefix("slowpath-").permissions(private).tempdir();
    let dir = dir.context("cannot create a directory for the page; name a file with `--out`")?.keep();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let name: String = title.chars().map(|c| if is_plain(c) { c } else { '-' }).take(80).collect();
    Ok(dir.join(format!("{}.html", name.trim_matches(['-', '.']))))
}

pub(crate) fn explain(error: ImportError) -> anyhow::Error {
    let (message, code, hint) = match &error {
        ImportError::Io { path, .. } if path.is_dir() => (
            "cannot open the profile",
            ExitCode::Usage,
            "pass the files in it; `slowpath report DIR` writes the page of a recording",
        ),
        ImportError::Io { .. } => {
            ("cannot open the profile", ExitCode::Usage, "check the path, and that the file may be read")
        }
        ImportError::Unknown { .. } => (
            "cannot open the profile",
            ExitCode::Usage,
            "it reads .cpuprofile, .heapprofile, Chrome traces, perf.data, perf script text, collapsed stacks, pprof, \
             speedscope, Firefox Profiler JSON and V8 logs of --prof",
        ),
        ImportError::Bad { .. } => {
            ("cannot open the profile", ExitCode::Failed, "the file is damaged or was cut; write it again")
        }
        ImportError::Empty { .. } => (
            "there is nothing to show",
            ExitCode::Failed,
            "record for longer, or while the program has something to do",
        ),
        ImportError::Mixed { .. } => {
            ("these profiles cannot be shown together", ExitCode::Usage, "open them one by one")
        }
    };
    let context = Explained { message: message.into(), code, hint: Some(hint.into()) };
    anyhow::Error::new(error).context(context)
}
