//! The tables: what a person reads at the end. 80 columns, units on every number, readable without colour.

use super::ink::{Ink, NAME_WIDTH, heads, row, wrapped};
use super::measured::{Ended, PerSecond, n_failed, n_failed_by};
use super::options::{DisplayOptions, ResultOptions};
use super::report::LoadReport;
use super::settings::{ArrivalKind, Pace, Settings};
use super::{autocannon, sweep_table, units};
use hdrhistogram::Histogram;
use slowpath_load::{ErrorClass, StreamStats};

/// Percentiles that are shown where nothing else is asked for.
const PERCENTILES: [f64; 4] = [50.0, 90.0, 99.0, 99.9];

/// Percentiles side by side; more go into further tables.
const PERCENTILES_ABREAST: usize = 4;

/// Width that texts are broken at.
const TEXT_WIDTH: usize = 78;

/// Returns what stands above a load: what is sent where, and how hard. `n_rates` is that of a sweep.
pub(crate) fn opening(settings: &Settings, n_rates: Option<u32>, ink: Ink) -> String {
    let amount = match (settings.amount, settings.duration_s) {
        (Some(amount), _) => format!("{} requests", units::count(amount)),
        (None, Some(seconds)) => units::seconds(seconds),
        (None, None) => "until stopped".to_owned(),
    };
    // One connection and saturation come before the rates.
    let amount = n_rates.map_or(amount.clone(), |n| format!("sweep, up to {} steps of {amount}", n + 2));
    let title = settings.title.as_ref().map_or(String::new(), |title| format!("{title}: "));
    let socket = settings.unix_socket.as_ref().map_or(String::new(), |path| format!(" ({path})"));
    let mut lines = vec![ink.bold(&format!("{title}{amount} @ {}{socket}", settings.urls.join(", ")))];
    let mut parts = vec![settings.method.clone()];
    if settings.n_request_kinds > 1 {
        parts = vec![format!("{} kinds of requests", settings.n_request_kinds)];
    }
    parts.push(plural(u64::from(settings.connections), "connection"));
    if settings.pipelining > 1 {
        parts.push(format!("{} requests at once on each", settings.pipelining));
    }
    if settings.threads > 1 {
        parts.push(format!("{} threads", settings.threads));
    }
    if n_rates.is_none() {
        parts.push(pace_in_words(&settings.pace));
    }
    lines.push(parts.join(", "));
    lines.join("\n") + "\n"
}

/// Returns who decides when a request starts, as `500 requests/s (Poisson)`.
pub(crate) fn pace_in_words(pace: &Pace) -> String {
    let Pace::Open { stages, arrival } = pace else { return "as fast as answers come".to_owned() };
    let gaps = match arrival {
        ArrivalKind::Constant => String::new(),
        ArrivalKind::Poisson => " (Poisson)".to_owned(),
        ArrivalKind::Gamma { shape } => format!(" (gamma, shape {shape})"),
    };
    let rate = match (pace.steady_rate(), stages.first(), stages.last()) {
        (Some(rate), ..) => units::rate(rate),
        (None, Some(first), Some(last)) => format!("{} to {}", units::rate(first.from), units::rate(last.to)),
        _ => "no".to_owned(),
    };
    format!("{rate} requests/s{gaps}")
}

/// Returns the tables of a load.
pub(crate) fn closing(report: &LoadReport, display: &DisplayOptions, ink: Ink) -> String {
    let mut blocks = Vec::new();
    let percentiles =
        if display.latency_percentiles.is_empty() { &PERCENTILES[..] } else { &display.latency_percentiles };
    if let Some(sweep) = &report.sweep {
        blocks.push(sweep_table::table(sweep, ink));
    } else {
        blocks.extend(times(report, percentiles, ink));
        blocks.push(rates(report, ink));
    }
    if let Some(stream) = &report.measured.whole.stream {
        blocks.push(streams(report, stream, ink));
    }
    if report.settings.objectives.is_some() {
        blocks.push(goodput(report, ink));
    }
    blocks.extend(statuses(report, ink));
    blocks.extend(errors(report, ink));
    if display.latency {
        blocks.push(all_percentiles(&report.measured.whole.latency, ink));
    }
    if !report.verdicts.is_empty() {
        blocks.push(verdicts(report, ink));
    }
    blocks.push(sum(report));
    blocks.extend(warnings(report, ink));
    blocks.join("\n")
}

/// The tables of times: latency, and what streams have besides.
fn times(report: &LoadReport, percentiles: &[f64], ink: Ink) -> Vec<String> {
    let series = series(report);
    let table = |percentiles: &[f64], is_first: bool| {
        let mut names: Vec<String> = percentiles.iter().map(|percent| units::percentile(*percent)).collect();
        if is_first {
            names.extend(["max".to_owned(), "avg".to_owned()]);
        }
        let mut text = heads(ink, "", &names) + "\n";
        for (name, times) in &series {
            let quantile = |percent: &f64| times.value_at_quantile(percent / 100.0) as f64;
            let mut numbers: Vec<f64> = percentiles.iter().map(quantile).collect();
            if is_first {
                numbers.extend([times.max() as f64, times.mean()]);
            }
            // Of nothing there is no latency, not one of 0.
            let shown = |us: f64| if times.is_empty() { "-".to_owned() } else { units::time(us) };
            let cells: Vec<String> = numbers.into_iter().map(shown).collect();
            text += &(row(ink, name, &cells) + "\n");
        }
        text
    };
    let chunks = percentiles.chunks(PERCENTILES_ABREAST).enumerate();
    chunks.map(|(n, percentiles)| table(percentiles, n == 0)).collect()
}

/// The times that a load has, with their names.
pub(crate) fn series(report: &LoadReport) -> Vec<(&'static str, &Histogram<u64>)> {
    let whole = &report.measured.whole;
    let mut series = vec![("latency", &whole.latency)];
    if let Some(uncorrected) = &whole.uncorrected {
        series.push(("  uncorrected", uncorrected));
    }
    if let Some(stream) = &whole.stream {
        series.extend([
            ("ttfb", &stream.ttfb),
            ("ttft", &stream.ttft),
            ("ttfo", &stream.ttfo),
            ("tpot", &stream.tpot),
            ("itl", &stream.itl),
            ("e2el", &stream.e2el),
        ]);
    }
    series
}

/// The table of rates, and what became of an open load's schedule.
fn rates(report: &LoadReport, ink: Ink) -> String {
    let measured = &report.measured;
    let names = ["avg", "stdev", "min", "max"].map(str::to_owned);
    let mut text = heads(ink, "", &names) + "\n";
    let requests = measured.per_second(|second| second.n_requests);
    let bytes = measured.per_second(|second| second.bytes_in);
    text += &(row(ink, "requests/s", &spread(&requests, units::rate)) + "\n");
    text += &(row(ink, "bytes/s", &spread(&bytes, units::bytes)) + "\n");
    if report.settings.is_open() {
        let whole = &measured.whole;
        let ended = measured.n_ended() as f64;
        let part = |n: u64, of: f64| [units::count(n), units::share(n as f64, of)];
        text += &(row(ink, "late", &part(whole.n_late, ended)) + "\n");
        let due = measured.n_due() as f64;
        text += &(row(ink, "dropped", &part(whole.n_dropped, due)) + "\n");
        text += &(row(ink, "unfinished", &part(whole.n_unfinished, due)) + "\n");
    }
    let share = units::share(report.check.cpu_share, 1.0);
    text + &text_row(ink, "generator", &format!("{share} of a CPU, its busiest thread in its busiest second"))
}

fn spread(rates: &PerSecond, shown: fn(f64) -> String) -> [String; 4] {
    [rates.average, rates.stdev(), rates.min(), rates.max()].map(shown)
}

/// How many streams there were, and their tokens.
fn streams(report: &LoadReport, stream: &StreamStats, ink: Ink) -> String {
    let dialects: Vec<String> =
        stream.dialects.iter().map(|(dialect, n)| format!("{dialect} {}", units::count(*n))).collect();
    let whole = &report.measured.whole;
    let n_broken = n_failed_by(whole, &[ErrorClass::Truncated, ErrorClass::Api]);
    let tokens = stream.n_output_tokens;
    let streams = format!(
        "{} whole ({}), {} broken",
        units::count(stream.n_streams),
        dialects.join(", "),
        units::count(n_broken)
    );
    let tokens_text = format!(
        "{} output tokens, {} a second, in {} content events",
        units::count(tokens),
        units::rate(tokens as f64 / report.measured.wall_s()),
        units::count(stream.n_content_events)
    );
    text_row(ink, "streams", &streams) + &text_row(ink, "tokens", &tokens_text)
}

/// How many requests met the objectives.
fn goodput(report: &LoadReport, ink: Ink) -> String {
    let Some(limits) = report.settings.objectives else { return String::new() };
    let n_good = report.measured.whole.n_good as f64;
    let text = format!(
        "{} requests/s, {} of all requests met {}",
        units::rate(n_good / report.measured.wall_s()),
        units::share(n_good, report.measured.n_ended() as f64),
        limits.in_words()
    );
    text_row(ink, "goodput", &text)
}

fn statuses(report: &LoadReport, ink: Ink) -> Option<String> {
    let statuses = &report.measured.whole.status;
    let n_answers: u64 = statuses.values().sum();
    if statuses.is_empty() {
        return None;
    }
    let mut text = heads(ink, "status", &["count", "share"].map(str::to_owned)) + "\n";
    for (status, n) in statuses {
        let cells = [units::count(*n), units::share(*n as f64, n_answers as f64)];
        text += &(row(ink, &format!("  {status}"), &cells) + "\n");
    }
    Some(text)
}

fn errors(report: &LoadReport, ink: Ink) -> Option<String> {
    let whole = &report.measured.whole;
    if whole.errors.is_empty() {
        return None;
    }
    let ended = report.measured.n_ended() as f64;
    let mut text = heads(ink, "errors", &["count", "share"].map(str::to_owned)) + "\n";
    for (class, n) in &whole.errors {
        let cells = [units::count(*n), units::share(*n as f64, ended)];
        text += &(ink.red(&row(Ink::plain(), &format!("  {class}"), &cells)) + "\n");
        let prefix = format!("{class}: ");
        let sample = whole.error_samples.iter().find_map(|sample| sample.strip_prefix(&prefix));
        for line in wrapped(sample.unwrap_or_default(), TEXT_WIDTH - 4) {
            text += &format!("    {}\n", ink.dim(&line));
        }
    }
    Some(text)
}

/// The table of `-l`.
fn all_percentiles(latency: &Histogram<u64>, ink: Ink) -> String {
    let mut text = heads(ink, "percentile", &["latency".to_owned()]) + "\n";
    for percent in autocannon::PERCENTILES {
        let time = units::time(latency.value_at_quantile(percent / 100.0) as f64);
        text += &(row(ink, &format!("  {percent} %"), &[time]) + "\n");
    }
    text
}

fn verdicts(report: &LoadReport, ink: Ink) -> String {
    let mut text = heads(ink, "fail if", &[]) + "\n";
    for verdict in &report.verdicts {
        let outcome = if verdict.is_crossed { ink.red("crossed") } else { ink.green("ok") };
        let condition = &verdict.threshold.text;
        text += &format!("  {condition:<28} {:>14}   {outcome}\n", verdict.shown_value());
    }
    text
}

/// The last line: how much was done in which time.
fn sum(report: &LoadReport) -> String {
    let whole = &report.measured.whole;
    let mut text = format!(
        "{} in {}, {} read",
        plural(whole.n_requests, "request"),
        units::seconds(report.measured.wall_s()),
        units::bytes(whole.bytes_in as f64)
    );
    let n_failed = n_failed(whole);
    if n_failed > 0 {
        text += &format!(", {} failed", units::count(n_failed));
    }
    // An open load has them in a table.
    if whole.n_unfinished > 0 && !report.settings.is_open() {
        text += &format!(", {} cut off at the end", units::count(whole.n_unfinished));
    }
    match report.measured.ended {
        Ended::Complete => {}
        Ended::Interrupted => text += "; stopped by hand",
        Ended::ServerDied => text += "; the server died",
        Ended::Bailout => text += "; stopped by --bailout",
    }
    text + "\n"
}

fn warnings(report: &LoadReport, ink: Ink) -> Option<String> {
    let warnings = report.warnings();
    if warnings.is_empty() {
        return None;
    }
    let mut text = String::new();
    for warning in warnings {
        let lines = wrapped(&format!("warning: {warning}"), TEXT_WIDTH);
        let coloured = lines.iter().map(|line| ink.yellow(line) + "\n");
        text.extend(coloured);
    }
    Some(text)
}

/// Says where the page is.
pub(crate) fn say_page(results: &ResultOptions) {
    if let Some(path) = &results.html {
        eprintln!("\npage: {}", path.display());
    }
}

/// A name and a sentence beside it.
fn text_row(ink: Ink, name: &str, text: &str) -> String {
    let lines = wrapped(text, TEXT_WIDTH - NAME_WIDTH - 2);
    let mut shown = String::new();
    for (n, line) in lines.iter().enumerate() {
        let name = if n == 0 { name } else { "" };
        shown += &format!("{}  {line}\n", ink.bold(&format!("{name:<NAME_WIDTH$}")));
    }
    shown
}

/// Returns a number of things, as `1 connection`.
pub(crate) fn plural(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", units::count(n), if n == 1 { "" } else { "s" })
}

#[cfg(test)]
#[path = "tables_tests.rs"]
mod tests;
