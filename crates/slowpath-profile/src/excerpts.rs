//! Cuts the code around hot lines, and where V8 gave up on code, out of the recorded sources, so that a report can show it
//! without carrying it all.

use crate::code::Code;
use crate::tables::{Function, FunctionId, Profile};
use std::collections::{BTreeMap, HashMap};

/// Functions whose code is shown: those with most line samples.
const MAX_FUNCTIONS: usize = 60;

/// Functions besides whose code is shown because V8 threw theirs away: those most often.
const MAX_DEOPTIMISED: usize = 20;

/// Lines before and after each hot line.
const CONTEXT: u32 = 6;

/// Lines between two shown ones that are shown as well, rather than cut out.
const MAX_GAP: u32 = 8;

/// Code in all excerpts together, in bytes: with it a usual report stays well below 1 MB.
const MAX_BYTES: usize = 200_000;

/// Longer lines are cut: a bundler's.
const MAX_LINE_CHARS: usize = 400;

/// Consecutive lines of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// As functions name it.
    pub file: String,
    /// Number of the first line, from 1.
    pub first_line: u32,
    /// The lines, without line breaks.
    pub lines: Vec<String>,
}

/// Which source each file of the function table is.
#[derive(Debug, Default)]
pub(crate) struct FileUrls {
    url_of: HashMap<String, String>,
}

impl FileUrls {
    /// Takes note that functions of `url` are shown as those of `file`.
    pub(crate) fn note(&mut self, file: &str, url: &str) {
        if !self.url_of.contains_key(file) {
            self.url_of.insert(file.to_owned(), url.to_owned());
        }
    }

    /// Says what a function without a name is for, or the one that a place is in.
    pub(crate) fn role_of(&self, code: &Code<'_>, function: &Function) -> Option<String> {
        let (line, column) = (function.line.checked_sub(1)?, function.column.checked_sub(1)?);
        code.script(self.url_of.get(&function.file)?)?.role_at(line, column)
    }
}

/// Returns the code around the hottest lines and the beginnings of their functions, sorted by file and line.
pub(crate) fn excerpts(profile: &Profile, code: &Code<'_>, files: &FileUrls) -> Vec<Excerpt> {
    let mut ticks_of = BTreeMap::new();
    for ((function, _), ticks) in &profile.line_ticks {
        *ticks_of.entry(*function).or_insert(0) += ticks;
    }
    let mut hottest: Vec<_> = ticks_of.into_iter().collect();
    hottest.sort_by_key(|(function, ticks)| (std::cmp::Reverse(*ticks), *function));
    hottest.truncate(MAX_FUNCTIONS);
    let mut shown: Vec<FunctionId> = hottest.into_iter().map(|(id, _)| id).collect();
    for id in profile.deopts.iter().map(|row| row.function).take(MAX_DEOPTIMISED) {
        if !shown.contains(&id) {
            shown.push(id);
        }
    }
    let mut n_bytes = 0;
    let mut wanted: BTreeMap<&str, Vec<(u32, u32)>> = BTreeMap::new();
    for id in shown {
        let function = profile.functions.get(id);
        let Some(script) = files.url_of.get(&function.file).and_then(|url| code.script(url)) else {
            continue;
        };
        let lines = profile.line_ticks.keys().filter(|(of, _)| *of == id).map(|(_, line)| *line);
        let deoptimised = places(profile).filter(|(of, _)| *of == id).map(|(_, line)| line);
        let ranges = joined(
            lines.chain(deoptimised).chain([function.line]).filter(|line| *line > 0).map(around).collect(),
        );
        let lines = ranges.iter().flat_map(|(from, to)| *from..=*to);
        n_bytes += lines
            .filter_map(|line| script.line(line))
            .map(|line| line.len().min(MAX_LINE_CHARS))
            .sum::<usize>();
        if n_bytes > MAX_BYTES {
            break;
        }
        wanted.entry(&function.file).or_default().extend(ranges);
    }
    let mut excerpts = Vec::new();
    for (file, ranges) in wanted {
        let Some(script) = files.url_of.get(file).and_then(|url| code.script(url)) else { continue };
        for (from, to) in joined(ranges) {
            let lines: Vec<String> = (from..=to).map_while(|line| script.line(line)).map(shortened).collect();
            if !lines.is_empty() {
                excerpts.push(Excerpt { file: file.to_owned(), first_line: from, lines });
            }
        }
    }
    excerpts
}

/// Where assumptions of optimised code failed, the most frequent first.
fn places(profile: &Profile) -> impl Iterator<Item = (FunctionId, u32)> {
    profile.deopts.iter().flat_map(|row| &row.causes).filter_map(|cause| cause.place)
}

fn around(line: u32) -> (u32, u32) {
    (line.saturating_sub(CONTEXT).max(1), line + CONTEXT)
}

/// Joins ranges that overlap or nearly touch.
fn joined(mut ranges: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    ranges.sort_unstable();
    let mut joined: Vec<(u32, u32)> = Vec::new();
    for (from, to) in ranges {
        match joined.last_mut() {
            Some(last) if from <= last.1 + MAX_GAP => last.1 = last.1.max(to),
            _ => joined.push((from, to)),
        }
    }
    joined
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(MAX_LINE_CHARS) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}
