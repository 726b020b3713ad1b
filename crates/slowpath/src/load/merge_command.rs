//! `slowpath merge`: reads results, merges them, shows and keeps the sum as `slowpath load` would. One file is shown again.

use super::ink::Ink;
use super::measured::{Measured, Second};
use super::merge::merge;
use super::options::MergeOptions;
use super::report::LoadReport;
use super::results::{ResultsFile, ResultsWriter};
use super::{json, page, tables};
use crate::exit_code::ExitCode;

pub(crate) fn run(options: &MergeOptions) -> anyhow::Result<ExitCode> {
    options.results.check()?;
    let mut files = Vec::new();
    for path in &options.files {
        files.push((path.clone(), ResultsFile::read(path)?));
    }
    let mut merged = merge(&files)?;
    if let Some(title) = &options.results.title {
        merged.head.settings.title = Some(title.clone());
    }
    if let Some(path) = &options.results.out {
        let mut writer = ResultsWriter::create(path)?;
        writer.begin(&merged.head);
        merged.intervals.iter().for_each(|interval| writer.push(interval));
        writer.finish(&merged.totals, merged.ended, merged.sweep.as_ref())?;
    }
    if merged.sweep.is_some() {
        // Time under way of different loads proves nothing together.
        merged.totals.in_flight_ns = 0;
    }
    let measured = Measured {
        seconds: merged.intervals.iter().map(Second::of).collect(),
        whole: merged.totals,
        started: merged.head.started_at,
        ended: merged.ended,
    };
    let head = merged.head;
    let mut report = LoadReport::new(head.settings, measured, head.shards, &options.results.fail_if);
    report.notes = merged.notes;
    report.sweep = merged.sweep;
    if let Some(path) = &options.results.html {
        page::write(&report, path)?;
    }
    let ink = Ink::for_stderr();
    if options.results.json {
        println!("{}", json::line(&report)?);
    } else if options.results.shows_tables() {
        eprintln!("{}", tables::opening(&report.settings, None, ink));
        eprint!("{}", tables::closing(&report, &options.display, ink));
        tables::say_page(&options.results);
    }
    report.exit_code()
}
