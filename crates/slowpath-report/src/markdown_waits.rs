//! What `report.md` says of waiting: where requests' time goes, connections, timers.

use crate::async_data::{AsyncData, CompositionData};
use crate::data::{CounterRowData, ReportData};
use crate::markdown::{cell, code, inline};

/// Routes shown, besides all together.
const MAX_ROUTES: usize = 5;

/// Rows of each of them.
const MAX_ROWS: usize = 8;

/// Places listed.
const MAX_PLACES: usize = 10;

/// Hosts and timers listed.
const MAX_COUNTED: usize = 20;

/// Kinds of counts about connections, in the order in which a request meets them.
const CONNECTIONS: &[&str] = &[
    "http.request",
    "http.queued",
    "http.reused",
    "dns.lookup",
    "net.connect",
    "tls.connect",
    "http.no_free_slot",
    "http.closed_by_us",
    "http.closed_by_server",
    "http.error",
];

/// Kinds of counts about timers.
const TIMERS: &[&str] = &["timer.interval", "timer.lag", "timer.interval.made", "timer.timeout"];

/// Whether counts of this kind have a table of their own.
pub(crate) fn has_own_table(kind: &str) -> bool {
    CONNECTIONS.contains(&kind) || TIMERS.contains(&kind)
}

/// Where requests' time goes: typical ones, slow ones and what these have more of; by route; the places waited at.
pub(crate) fn waits(report: &ReportData) -> String {
    let Some(requests) = &report.requests else { return String::new() };
    let mut text = format!(
        "\n## Where requests' time goes\n\n{} of {} requests followed from head to last byte{}",
        requests.n_followed,
        requests.n_requests,
        if requests.n_cut > 0 {
            format!(", {} of them cut when following ended", requests.n_cut)
        } else {
            String::new()
        }
    );
    if let Some(hooks) = &requests.hooks {
        text.push_str(&format!("; {}", hooks.text));
    }
    text.push_str(".\n");
    // One route is the same as all together.
    let routes = if requests.routes.len() > 1 { &requests.routes[..] } else { &[] };
    for composition in std::iter::once(&requests.all).chain(routes.iter().take(MAX_ROUTES)) {
        text.push_str(&composition_table(composition));
    }
    text.push_str(&places(requests));
    text
}

fn composition_table(composition: &CompositionData) -> String {
    let mut text = format!(
        "\n**{}**, {} requests: {:.1} ms on average, {:.1} ms typical (n = {}), {:.1} ms slow (n = {})\n\n",
        if composition.route == "all" { "All routes".into() } else { inline(&composition.route) },
        composition.n,
        composition.mean_ms,
        composition.typical.mean_ms,
        composition.typical.n,
        composition.slow.mean_ms,
        composition.slow.n
    );
    text.push_str("| ms on average | typical | slow | slow − typical | on |\n|---|---|---|---|---|\n");
    for row in composition.rows.iter().take(MAX_ROWS) {
        text.push_str(&format!(
            "| {:.2} | {:.2} | {:.2} | {:+.2} | {} |\n",
            row.mean_ms,
            row.typical_ms,
            row.slow_ms,
            row.slow_ms - row.typical_ms,
            cell(&inline(&row.name))
        ));
    }
    if let Some(difference) = &composition.difference {
        text.push_str(&format!("\n{}\n", inline(difference)));
    }
    text
}

fn places(requests: &AsyncData) -> String {
    let mut text = "\n| held up, ms per request | waits per request | longest ms | kind | place |\n|---|---|---|---|---|\n".to_owned();
    let per_request = |sum: f64| sum / requests.n_followed.max(1) as f64;
    for site in requests.sites.iter().filter(|site| site.held_up_ms > 0.0).take(MAX_PLACES) {
        text.push_str(&format!(
            "| {:.2} | {:.1} | {:.1} | {} | {} |\n",
            per_request(site.held_up_ms),
            per_request(site.n as f64),
            site.longest_ms,
            site.kind,
            cell(&inline(&site.name))
        ));
    }
    text
}

/// Questions, connections and look-ups by host.
pub(crate) fn connections(report: &ReportData) -> String {
    let rows = counted(report, CONNECTIONS);
    if rows.is_empty() {
        return String::new();
    }
    let mut text =
        "\n## Connections\n\n| per request | n | what | host | mostly from |\n|---|---|---|---|---|\n"
            .to_owned();
    for row in rows {
        text.push_str(&format!(
            "| {} | {:.0} | {} | {} | {} |\n",
            per_request(row),
            row.n,
            row.kind,
            cell(&inline(&row.key)),
            cell(&place(row))
        ));
    }
    text
}

/// Every interval and repeating timer with its period, runs, time and lag.
pub(crate) fn timers(report: &ReportData) -> String {
    let rows = counted(report, TIMERS);
    if rows.is_empty() {
        return String::new();
    }
    let mut text =
        "\n## Timers\n\n| n | what | period or delay | ms each | mostly from |\n|---|---|---|---|---|\n"
            .to_owned();
    for row in rows {
        text.push_str(&format!(
            "| {:.0} | {} | {} | {:.2} | {} |\n",
            row.n,
            row.kind,
            cell(&inline(&row.key)),
            row.ms / row.n.max(1.0),
            cell(&place(row))
        ));
    }
    text
}

fn counted<'a>(report: &'a ReportData, kinds: &[&str]) -> Vec<&'a CounterRowData> {
    let rows = report.counters.iter().flat_map(|counters| &counters.rows);
    let mut rows: Vec<_> = rows.filter(|row| kinds.contains(&row.kind.as_str())).collect();
    rows.sort_by_key(|row| kinds.iter().position(|kind| *kind == row.kind));
    rows.truncate(MAX_COUNTED);
    rows
}

fn per_request(row: &CounterRowData) -> String {
    row.per_request.map_or("–".into(), |n| format!("{n:.2}"))
}

fn place(row: &CounterRowData) -> String {
    row.places.first().map_or(String::new(), |place| {
        format!("{} {}:{}", code(&place.function), inline(&place.file), place.line)
    })
}
