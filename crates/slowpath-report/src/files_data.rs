//! Puts profile files of other tools into the shape of `report.json`: what only a recording has stays empty.

use crate::data::{FileData, REPORT_FORMAT_VERSION, ReportData, RunInfo, TimelineData, VerdictData};
use crate::{profile_data, report_data};
use slowpath_analysis::ProfileMeasure;
use slowpath_profile::SECOND;
use slowpath_profile::import::Imported;
use slowpath_profile::tables::{FunctionId, Profile, WeightUnit};

/// Functions named after the hottest.
const N_NEXT: usize = 3;

/// A function below this share is not worth a word.
const WORTH_A_WORD: f64 = 0.01;

pub(crate) fn build(imported: &Imported, m: &ProfileMeasure) -> ReportData {
    let profile = &imported.profile;
    let files = imported.files.iter().map(|file| FileData {
        name: file.path.display().to_string(),
        format: file.format.as_str(),
        bytes: file.n_bytes,
        n_samples: file.n_samples,
        notes: file.notes.clone(),
    });
    let files: Vec<FileData> = files.collect();
    let duration_s = m.span.map_or(0.0, |(start, end)| end.since(start).as_secs_f64());
    let busy = m.busy.max(1) as f64;
    ReportData {
        format_version: REPORT_FORMAT_VERSION,
        slowpath_version: env!("CARGO_PKG_VERSION").into(),
        weight_unit: profile_data::unit_name(profile.unit),
        categories: m
            .categories
            .iter()
            .map(|(category, weight)| (category.as_str(), *weight as f64 / busy))
            .collect(),
        run: RunInfo {
            title: title(imported),
            cwd: common_directory(profile),
            duration_s,
            ended: "complete",
            ..RunInfo::default()
        },
        verdict: verdict(profile, m, duration_s),
        functions: report_data::functions(profile, &m.functions, &m.charges),
        timeline: TimelineData {
            duration_s,
            series: report_data::series(&m.series),
            ..TimelineData::default()
        },
        files,
        ..ReportData::default()
    }
}

fn title(imported: &Imported) -> String {
    let first = imported.files.first().and_then(|file| file.path.file_name());
    let first = first.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    match imported.files.len() {
        0 | 1 => first,
        n => format!("{first} and {} more", n - 1),
    }
}

fn verdict(profile: &Profile, m: &ProfileMeasure, duration_s: f64) -> VerdictData {
    let (of, n) = (of_what(profile.unit), m.n_busy_samples);
    let ranked = ranked(m);
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    let sentence = match ranked.first {
        None => "nothing but idle time was sampled".into(),
        Some((function, share)) if ranked.is_charged => {
            format!("{} of {of} is charged to {}", percent(share), label(profile, function))
        }
        Some((function, share)) => format!("{} of {of} is in {}", percent(share), label(profile, function)),
    };
    let next: Vec<_> = ranked
        .next
        .iter()
        .map(|(function, share)| format!("{} {}", label(profile, *function), percent(*share)))
        .collect();
    let mut detail = match profile.unit {
        WeightUnit::Nanoseconds => {
            format!("{}, {:.2} s of busy time", counted(n, "busy sample"), m.busy as f64 / SECOND as f64)
        }
        WeightUnit::Bytes => format!("{}, {:.1} MB", counted(n, "sampled allocation"), m.busy as f64 / 1e6),
        WeightUnit::Samples => counted(n, "busy sample"),
    };
    if m.threads.len() > 1 {
        detail.push_str(&format!(" on {} threads", m.threads.len()));
    }
    if duration_s > 0.0 {
        detail.push_str(&format!(" within {duration_s:.1} s"));
    }
    if !next.is_empty() {
        detail.push_str(&format!("; next: {}", next.join(", ")));
    }
    VerdictData { class: "profile", sentence, detail }
}

fn counted(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

fn of_what(unit: WeightUnit) -> &'static str {
    match unit {
        WeightUnit::Nanoseconds => "the busy time",
        WeightUnit::Bytes => "the bytes",
        WeightUnit::Samples => "the samples",
    }
}

/// The hottest functions with their shares.
struct Ranked {
    /// Whether shares are charges to application functions rather than self time.
    is_charged: bool,
    first: Option<(FunctionId, f64)>,
    next: Vec<(FunctionId, f64)>,
}

/// Ranks application functions by what is charged to them; where the profile has none to speak of, all functions by self
/// time.
fn ranked(m: &ProfileMeasure) -> Ranked {
    let busy = m.busy.max(1) as f64;
    let charged: Vec<_> = m.charges.functions.iter().map(|row| (row.function, row.share)).collect();
    let is_charged = charged.first().is_some_and(|(_, share)| *share >= WORTH_A_WORD);
    let by_self = || m.functions.iter().map(|row| (row.function, row.self_time.0 as f64 / busy)).collect();
    let mut rows = if is_charged { charged } else { by_self() };
    rows.truncate(1 + N_NEXT);
    let mut rows = rows.into_iter();
    let first = rows.next();
    Ranked { is_charged, first, next: rows.filter(|(_, share)| *share >= WORTH_A_WORD).collect() }
}

/// Names a function, with its place where its name alone says nothing.
fn label(profile: &Profile, id: FunctionId) -> String {
    let function = profile.functions.get(id);
    let file = function.file.rsplit('/').next().unwrap_or_default();
    let is_plain = function.name.chars().all(|c| c.is_alphanumeric() || "_$.#".contains(c));
    let name = if is_plain { format!("{}()", function.name) } else { function.name.clone() };
    match (file, function.line) {
        ("", _) => name,
        (file, 0) => format!("{name} in {file}"),
        (file, line) => format!("{name} in {file}:{line}"),
    }
}

/// Returns the directory that all of the program's own files lie in, empty where they have none in common.
fn common_directory(profile: &Profile) -> String {
    use slowpath_profile::classify::Category;
    let own = profile.functions.iter().filter(|(_, function)| function.category == Category::App);
    let files = own.map(|(_, function)| function.file.as_str()).filter(|file| file.starts_with('/'));
    let directories = files.filter_map(|file| file.rsplit_once('/')).map(|(directory, _)| directory);
    let common = directories.reduce(|a, b| {
        let ends = a.split('/').zip(b.split('/')).take_while(|(a, b)| a == b);
        let length: usize = ends.map(|(part, _)| part.len() + 1).sum();
        &a[..length.saturating_sub(1).min(a.len())]
    });
    common.unwrap_or_default().to_owned()
}
