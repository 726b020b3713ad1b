//! What the page says in sentences: the answer, the load's name, what was asked for. Nothing secret: URLs come without the
//! secrets in their query, headers by name only, bodies by length.

use super::super::measured::{Ended, n_failed};
use super::super::report::LoadReport;
use super::super::settings::{Pace, Settings};
use super::super::sweep::{Step, Sweep, SweepPoint};
use super::super::{tables, units};
use super::data::Sentences;
use slowpath_load::Interval;

/// Waiting for its turn is told of where it makes p99 this many times as long as it looks from the moment of sending.
const TOLD_WAIT: f64 = 1.5;

/// Returns what the load is called.
pub(super) fn title(settings: &Settings) -> String {
    settings.title.clone().unwrap_or_else(|| target(settings))
}

fn target(settings: &Settings) -> String {
    format!("{} {}", settings.method, settings.urls.join(", "))
}

/// Returns how hard the load was, a few words each.
pub(super) fn how_hard(report: &LoadReport) -> Vec<String> {
    let settings = &report.settings;
    let mut facts = vec![tables::plural(u64::from(settings.connections), "connection")];
    match &report.sweep {
        Some(sweep) => facts.push(format!("sweep of {}", tables::plural(sweep.points.len() as u64, "step"))),
        None => facts.push(tables::pace_in_words(&settings.pace)),
    }
    facts.push(units::seconds(report.measured.wall_s()));
    facts
}

/// Returns the answer: how fast, how slow, how many failed, and what stands in the way of believing it.
pub(super) fn verdict(report: &LoadReport) -> Sentences {
    let measured = &report.measured;
    let whole = &measured.whole;
    let mut details = Vec::new();
    let sentence = if measured.n_ended() == 0 {
        "No request was answered".to_owned()
    } else if measured.nothing_succeeded() {
        details.extend(whole.error_samples.first().cloned());
        format!("{} failed", all(n_failed(whole)))
    } else if let Some(sweep) = &report.sweep {
        details.extend(highest_kept(sweep));
        knee(sweep)
    } else {
        details.extend(waiting(whole));
        let speed = format!(
            "{} requests/s, p99 {}, {}",
            units::rate(measured.requests_per_second()),
            units::time(whole.latency.value_at_quantile(0.99) as f64),
            failures(whole, measured.n_ended())
        );
        if report.check.was_bottleneck() {
            format!("The load generator was the bottleneck: {speed}")
        } else {
            speed
        }
    };
    if whole.n_dropped > 0 {
        details.push(format!(
            "{} of the requests that were due could not be sent: the server did not keep up with the schedule",
            units::share(whole.n_dropped as f64, measured.n_due() as f64)
        ));
    }
    details.extend(ending(measured.ended).map(str::to_owned));
    Sentences { sentence, details }
}

fn all(n: u64) -> String {
    if n == 1 { "The one request".to_owned() } else { format!("All {} requests", units::count(n)) }
}

/// Returns `no errors`, `3.1 % failed (timeout)` or `3.1 % failed (most: timeout)`.
fn failures(whole: &Interval, n_ended: u64) -> String {
    let greatest = whole.errors.iter().max_by(|(a, n), (b, m)| n.cmp(m).then(b.cmp(a)));
    let Some((class, _)) = greatest else { return "no errors".to_owned() };
    let most = if whole.errors.len() > 1 { "most: " } else { "" };
    format!("{} failed ({most}{class})", units::share(n_failed(whole) as f64, n_ended as f64))
}

fn knee(sweep: &Sweep) -> String {
    match sweep.knee_point() {
        Some(knee) => format!(
            "The curve bends at {} requests/s with p99 {}",
            units::rate(knee.achieved),
            units::time(knee.p99_us as f64)
        ),
        None => "No knee: the server kept up with none of the rates".to_owned(),
    }
}

fn highest_kept(sweep: &Sweep) -> Option<String> {
    let highest = sweep.highest_kept()?;
    Some(format!(
        "The knee is the rate with the most throughput for its latency. The server kept up with {} requests/s at most, \
         with p99 {}.",
        units::rate(highest.achieved),
        units::time(highest.p99_us as f64)
    ))
}

/// Tells how much of the latency is waiting that only a schedule shows.
fn waiting(whole: &Interval) -> Option<String> {
    let corrected = whole.latency.value_at_quantile(0.99) as f64;
    let uncorrected = whole.uncorrected.as_ref()?.value_at_quantile(0.99) as f64;
    (corrected > TOLD_WAIT * uncorrected).then(|| {
        format!(
            "Timed from the moment of sending, p99 would look like {}: the rest is waiting for a connection, which users \
             of the server feel as well",
            units::time(uncorrected)
        )
    })
}

fn ending(ended: Ended) -> Option<&'static str> {
    match ended {
        Ended::Complete => None,
        Ended::Interrupted => Some("The load was stopped by hand before its time"),
        Ended::ServerDied => Some("The server ended during the load"),
        Ended::Bailout => Some("The load was stopped by --bailout: too many requests had failed"),
    }
}

/// Returns the name of a step, as `the knee: 1,200 requests/s asked for`.
pub(super) fn step(point: &SweepPoint, sweep: Option<&Sweep>) -> String {
    let name = match point.step {
        Step::Synchronous => "one connection".to_owned(),
        Step::Saturation => "saturation".to_owned(),
        Step::Rate { offered } => format!("{} requests/s asked for", units::rate(offered)),
    };
    let is_knee = sweep.and_then(Sweep::knee_point).is_some_and(|knee| std::ptr::eq(knee, point));
    if is_knee { format!("the knee: {name}") } else { format!("the last step: {name}") }
}

/// Returns what was asked for, and what it took.
pub(super) fn settings(report: &LoadReport) -> Vec<(&'static str, String)> {
    let settings = &report.settings;
    let whole = &report.measured.whole;
    let mut facts = vec![("target", target(settings))];
    facts.extend(settings.unix_socket.clone().map(|path| ("socket", path)));
    facts.push(("requests", requests(settings)));
    facts.push(("connections", connections(settings)));
    facts.push(("pace", pace(report)));
    if let Some(amount) = settings.amount {
        facts.push(("amount", format!("{} requests", units::count(amount))));
    }
    if let Some(seconds) = settings.duration_s {
        let of_each = if report.sweep.is_some() { " for each step" } else { "" };
        facts.push(("duration", units::seconds(seconds) + of_each));
    }
    if let Some(seconds) = settings.drain_s {
        facts.push(("last answers", format!("awaited for {} at most", units::seconds(seconds))));
    }
    let total = settings.timeout_total_s.map(|total| format!(", {} in all", units::seconds(total)));
    let timeout =
        format!("{} without a byte{}", units::seconds(settings.timeout_s), total.unwrap_or_default());
    facts.push(("timeout", timeout));
    facts.push(("good answers", checks(settings)));
    facts.extend(settings.objectives.map(|objectives| ("objectives", objectives.in_words())));
    facts.push(("seed", settings.seed.to_string()));
    if report.shards.count > 1 {
        let indexes: Vec<String> = report.shards.indexes.iter().map(u32::to_string).collect();
        facts.push(("shards", format!("{} of {}", indexes.join(", "), report.shards.count)));
    }
    facts.push((
        "connected",
        format!(
            "{} times; {} kept connections were closed by the server",
            units::count(whole.n_connects),
            units::count(whole.n_reconnects)
        ),
    ));
    facts.push((
        "bytes",
        format!(
            "{} received, {} sent",
            units::bytes(whole.bytes_in as f64),
            units::bytes(whole.bytes_out as f64)
        ),
    ));
    if whole.n_unfinished > 0 && !settings.is_open() {
        facts.push((
            "cut off",
            format!("{} at the end, in no number here", tables::plural(whole.n_unfinished, "request")),
        ));
    }
    facts
}

fn requests(settings: &Settings) -> String {
    let mut parts = Vec::new();
    if settings.n_request_kinds > 1 {
        parts.push(format!("{} kinds", settings.n_request_kinds));
    }
    if settings.is_template {
        parts.push("filled in for each request".to_owned());
    }
    parts.push(match settings.body_bytes {
        0 => "no body".to_owned(),
        n => format!("body of {}", units::bytes(n as f64)),
    });
    if !settings.header_names.is_empty() {
        parts.push(format!("headers {}", settings.header_names.join(", ")));
    }
    parts.join("; ")
}

fn connections(settings: &Settings) -> String {
    let mut parts = vec![units::count(u64::from(settings.connections))];
    parts.push(if settings.http2 { "HTTP/2" } else { "HTTP/1.1" }.to_owned());
    if settings.pipelining > 1 {
        parts.push(format!("{} requests at once on each", settings.pipelining));
    }
    parts.push(tables::plural(u64::from(settings.threads), "thread"));
    parts.join(", ")
}

fn pace(report: &LoadReport) -> String {
    if report.sweep.is_some() {
        return "one connection, then saturation, then a schedule for each rate".to_owned();
    }
    let pace = &report.settings.pace;
    let Pace::Open { stages, .. } = pace else { return tables::pace_in_words(pace) };
    let changes = stages.iter().filter_map(|stage| {
        let length = stage.length_s.map(units::seconds)?;
        Some(format!("{} to {} in {length}", units::rate(stage.from), units::rate(stage.to)))
    });
    match pace.steady_rate() {
        Some(_) => tables::pace_in_words(pace),
        None => format!("{}: {}", tables::pace_in_words(pace), changes.collect::<Vec<_>>().join(", ")),
    }
}

fn checks(settings: &Settings) -> String {
    let mut parts = Vec::new();
    if settings.expected_statuses.is_empty() {
        parts.push("status 2xx or 3xx".to_owned());
    } else {
        let statuses: Vec<String> = settings.expected_statuses.iter().map(u16::to_string).collect();
        parts.push(format!("status {}", statuses.join(" or ")));
    }
    if settings.expects_body {
        parts.push("a given body".to_owned());
    }
    if !settings.expected_json.is_empty() {
        parts.push(format!("given JSON at {}", settings.expected_json.join(", ")));
    }
    match settings.api_checks.as_str() {
        "off" => {}
        "on" => parts.push("no LLM API error under a good status".to_owned()),
        _ => parts.push("no LLM API error under a good status, where the URL is that of one".to_owned()),
    }
    parts.join("; ")
}
