//! Merges the results of several processes that drove one load: exact, because histograms and counts add up.
//!
//! Seconds are brought together by calendar time. Whatever would make the sum mean something else is an error: the same
//! part twice, parts of different loads, loads that did not run at the same time.

use super::measured::Ended;
use super::results::{ResultsFile, ResultsHead, Shards};
use super::settings::Settings;
use super::sweep::Sweep;
use crate::exit_code::usage;
use jiff::Timestamp;
use slowpath_load::Interval;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};

/// Parts that start further apart than this did not have the load that was asked for; a note says so.
const MAX_SKEW_S: f64 = 0.5;

/// Length of an interval of the sum.
const SECOND_NS: u64 = 1_000_000_000;

/// What merging gives.
#[derive(Debug)]
pub(crate) struct Merged {
    pub(crate) head: ResultsHead,
    pub(crate) intervals: Vec<Interval>,
    pub(crate) totals: Interval,
    pub(crate) ended: Ended,
    /// Of a single file.
    pub(crate) sweep: Option<Sweep>,
    /// What a reader must know.
    pub(crate) notes: Vec<String>,
}

/// Merges results; each comes with the path that it was read from.
pub(crate) fn merge(files: &[(PathBuf, ResultsFile)]) -> anyhow::Result<Merged> {
    let Some(((first_path, first), others)) = files.split_first() else {
        return Err(usage("no results to merge", "pass the files that `slowpath load --out FILE` wrote"));
    };
    for (path, file) in files {
        if file.sweep.is_some() && !others.is_empty() {
            return Err(usage(
                format!("`{}` holds a sweep, which cannot be merged", path.display()),
                "each sweep chooses its own rates; drive one of its rates with `-R` and `--shard`",
            ));
        }
    }
    for (path, file) in others {
        check_same_load((first_path, &first.head), (path, &file.head))?;
    }
    check_disjoint(files)?;
    check_overlap(files)?;

    let start = files.iter().map(|(_, file)| file.head.started_at).min().unwrap_or(first.head.started_at);
    let mut seconds: BTreeMap<u64, Interval> = BTreeMap::new();
    let mut totals: Option<Interval> = None;
    for (path, file) in files {
        let offset_ns = nanoseconds_between(start, file.head.started_at);
        for (index, interval) in (0..).zip(file.intervals()) {
            let interval = interval.map_err(|error| damaged(path, &error))?;
            // Rounded apart, so that the jitter of cuts cannot put two seconds of one process into one of the sum.
            let second = whole_seconds(interval.start_ns) + whole_seconds(offset_ns);
            // What is alone stays as it is: the steps of a sweep do not begin on whole seconds.
            let second = if others.is_empty() { index } else { second };
            join(seconds.entry(second), later(interval, offset_ns));
        }
        let whole = later(file.totals.clone(), offset_ns);
        match &mut totals {
            Some(totals) => totals.join(&whole),
            totals => *totals = Some(whole),
        }
    }
    let head = ResultsHead {
        ids: files.iter().flat_map(|(_, file)| file.head.ids.clone()).collect(),
        shards: joined_shards(files),
        started_at: start,
        settings: joined_settings(files),
        ..first.head.clone()
    };
    let mut notes = Vec::new();
    notes.extend(missing_note(&head.shards));
    notes.extend(skew_note(files, start));
    let ended = files.iter().map(|(_, file)| file.ended).find(|ended| *ended != Ended::Complete);
    Ok(Merged {
        head,
        intervals: seconds.into_values().collect(),
        totals: totals.unwrap_or_else(|| Interval::empty(0, 0)),
        ended: ended.unwrap_or(Ended::Complete),
        sweep: first.sweep.clone(),
        notes,
    })
}

/// Adds what happened in the same second of another process.
fn join(entry: Entry<'_, u64, Interval>, interval: Interval) {
    match entry {
        Entry::Vacant(vacant) => {
            vacant.insert(interval);
        }
        Entry::Occupied(mut sum) => sum.get_mut().join(&interval),
    }
}

fn check_same_load(
    (one_path, one): (&Path, &ResultsHead),
    (other_path, other): (&Path, &ResultsHead),
) -> anyhow::Result<()> {
    let apart = |what: &str, one: String, other: String| {
        usage(
            format!(
                "`{}` and `{}` are not of one load: their {what} differ ({one}, {other})",
                one_path.display(),
                other_path.display()
            ),
            "merge only results of processes that were started with the same options, save `--shard`",
        )
    };
    let (a, b) = (&one.settings, &other.settings);
    if one.shards.count != other.shards.count {
        let count = |head: &ResultsHead| format!("1 of {}", head.shards.count);
        return Err(apart("numbers of shards", count(one), count(other)));
    }
    // Of one load each process sends its own part; whole loads beside each other should not send the same.
    if one.shards.count > 1 && a.seed != b.seed {
        return Err(apart("seeds", a.seed.to_string(), b.seed.to_string()));
    }
    if a.urls != b.urls {
        return Err(apart("URLs", a.urls.join(" "), b.urls.join(" ")));
    }
    if a.method != b.method {
        return Err(apart("methods", a.method.clone(), b.method.clone()));
    }
    if one.shards.count > 1 && (a.connections, a.amount) != (b.connections, b.amount) {
        return Err(apart("connections", a.connections.to_string(), b.connections.to_string()));
    }
    if a.pace != b.pace && (one.shards.count > 1 || a.is_open() != b.is_open()) {
        let pace = |settings: &Settings| match settings.pace.steady_rate() {
            Some(rate) => format!("{rate}/s"),
            None if settings.is_open() => "stages".to_owned(),
            None => "closed".to_owned(),
        };
        return Err(apart("rates", pace(a), pace(b)));
    }
    if a.objectives != b.objectives {
        let limits =
            |settings: &Settings| settings.objectives.map_or("none".to_owned(), |limits| limits.in_words());
        return Err(apart("goodput limits", limits(a), limits(b)));
    }
    Ok(())
}

fn check_disjoint(files: &[(PathBuf, ResultsFile)]) -> anyhow::Result<()> {
    let mut seen_ids: BTreeMap<&str, &Path> = BTreeMap::new();
    let mut seen_shards: BTreeMap<u32, &Path> = BTreeMap::new();
    for (path, file) in files {
        for id in &file.head.ids {
            if let Some(other) = seen_ids.insert(id, path) {
                return Err(usage(
                    format!("`{}` and `{}` hold the same results", other.display(), path.display()),
                    "pass each result once; a merged file holds those that it was made of",
                ));
            }
        }
        let shards = &file.head.shards;
        for index in shards.indexes.iter().filter(|_| shards.count > 1) {
            if let Some(other) = seen_shards.insert(*index, path) {
                return Err(usage(
                    format!(
                        "shard {index} of {} is in both `{}` and `{}`",
                        shards.count,
                        other.display(),
                        path.display()
                    ),
                    "pass each part once; where a part was driven again, take the later file",
                ));
            }
        }
    }
    Ok(())
}

/// One load after the other has no rate in common.
fn check_overlap(files: &[(PathBuf, ResultsFile)]) -> anyhow::Result<()> {
    let end =
        |file: &ResultsFile| nanoseconds_after_epoch(file.head.started_at) + i128::from(file.totals.end_ns);
    let latest_start = files.iter().max_by_key(|(_, file)| file.head.started_at);
    let earliest_end = files.iter().min_by_key(|(_, file)| end(file));
    if let (Some((late, starting)), Some((early, ending))) = (latest_start, earliest_end)
        && nanoseconds_after_epoch(starting.head.started_at) >= end(ending)
    {
        return Err(usage(
            format!(
                "`{}` began after `{}` had ended: there is no load that both are parts of",
                late.display(),
                early.display()
            ),
            "merge results of processes that ran at the same time; `--start-at` starts them together",
        ));
    }
    Ok(())
}

fn joined_shards(files: &[(PathBuf, ResultsFile)]) -> Shards {
    let mut indexes: Vec<u32> = files.iter().flat_map(|(_, file)| file.head.shards.indexes.clone()).collect();
    indexes.sort_unstable();
    indexes.dedup();
    Shards { count: files.first().map_or(1, |(_, file)| file.head.shards.count), indexes }
}

/// Parts of one load say what the whole is; whole loads beside each other add up.
fn joined_settings(files: &[(PathBuf, ResultsFile)]) -> Settings {
    let settings = files.iter().map(|(_, file)| &file.head.settings);
    let mut joined = files[0].1.head.settings.clone();
    if files[0].1.head.shards.count == 1 {
        joined.connections = settings.clone().map(|settings| settings.connections).sum();
        joined.amount = settings.clone().map(|settings| settings.amount).sum();
        for other in settings.skip(1) {
            joined.pace.add(&other.pace);
        }
    }
    joined
}

fn missing_note(shards: &Shards) -> Option<String> {
    let missing = shards.missing();
    let list: Vec<String> = missing.iter().map(u32::to_string).collect();
    (!missing.is_empty()).then(|| {
        format!(
            "{} of {} shards are not there ({}): rates are lower than the load that was asked for",
            missing.len(),
            shards.count,
            list.join(", ")
        )
    })
}

fn skew_note(files: &[(PathBuf, ResultsFile)], start: Timestamp) -> Option<String> {
    let last = files.iter().map(|(_, file)| file.head.started_at).max()?;
    let skew_s = nanoseconds_between(start, last) as f64 / 1e9;
    (skew_s > MAX_SKEW_S).then(|| {
        format!(
            "the parts started {skew_s:.1} s apart, so the load was lower at its beginning and end; `--start-at` starts \
             them together"
        )
    })
}

/// To the nearest second.
fn whole_seconds(ns: u64) -> u64 {
    (ns + SECOND_NS / 2) / SECOND_NS
}

fn later(mut interval: Interval, offset_ns: u64) -> Interval {
    interval.start_ns += offset_ns;
    interval.end_ns += offset_ns;
    interval
}

fn nanoseconds_after_epoch(moment: Timestamp) -> i128 {
    moment.as_nanosecond()
}

fn nanoseconds_between(start: Timestamp, end: Timestamp) -> u64 {
    u64::try_from(nanoseconds_after_epoch(end) - nanoseconds_after_epoch(start)).unwrap_or(0)
}

fn damaged(path: &Path, error: &serde_json::Error) -> anyhow::Error {
    usage(
        format!("cannot read an interval of `{}`: {error}", path.display()),
        "the file is damaged; measure again",
    )
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
