//! What requests ran and waited for, in the shape of `report.json`: where fast and slow ones spend their time, the places
//! that they wait at, operations under way over time.
#![allow(missing_docs)]

use serde::Serialize;
use slowpath_analysis::{
    AsyncMeasure, AsyncSite, Charges, Composition, Measurements, Row, RowKind, WaitKind, WaitPlace,
};
use slowpath_profile::Nanos;
use slowpath_profile::classify::RECORDER_PACKAGE;
use slowpath_profile::tables::Profile;
use std::collections::BTreeMap;

/// Rows of a composition; the rest is one row, so that they still add up.
const MAX_ROWS: usize = 12;

/// Places listed one by one: with more, the report would grow past a megabyte. The others are summed by kind.
const MAX_SITES: usize = 1000;

/// Links kept of each place.
const MAX_LINKS: usize = 6;

/// Functions listed that began unowned work.
const MAX_OWNERS: usize = 30;

#[derive(Debug, Clone, Serialize)]
pub struct AsyncData {
    /// Requests followed from head to last byte, out of so many.
    pub n_followed: u64,
    /// Of the followed ones, those still under way when following ended.
    pub n_cut: u64,
    pub n_requests: u64,
    pub spent_share: f64,
    pub hooks: Option<HooksData>,
    /// Of the client's mean latency, what is beyond the server's side.
    pub outside_ms: Option<f64>,
    pub all: CompositionData,
    pub routes: Vec<CompositionData>,
    pub sites: Vec<SiteData>,
    /// Places left out of `sites`.
    pub n_more_sites: usize,
    /// Their share of the time that requests were held up.
    pub more_sites_share: f64,
    /// Their sums by kind.
    pub more_sites: Vec<MoreSitesData>,
    pub in_flight: InFlightData,
    pub thread_pool: ThreadPoolData,
}

/// What following cost, by the agent's own readings.
#[derive(Debug, Clone, Serialize)]
pub struct HooksData {
    pub on_share: f64,
    /// CPU time per request with hooks on, and over the whole phase, as ratios to that without.
    pub ratio_on: Option<f64>,
    pub ratio: Option<f64>,
    pub n_requests_on: u64,
    pub n_requests_off: u64,
    /// The same in a sentence.
    pub text: String,
}

#[derive(Debug, Clone, Serialize)]
pub struct CompositionData {
    pub route: String,
    pub n: usize,
    pub mean_ms: f64,
    pub typical: GroupData,
    pub slow: GroupData,
    pub rows: Vec<RowData>,
    /// What slow requests have that typical ones lack, in a sentence.
    pub difference: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct GroupData {
    pub n: usize,
    pub mean_ms: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct RowData {
    /// `running`, `queued`, `sending`, `rest`, or a kind of wait.
    pub kind: &'static str,
    pub name: String,
    /// Index into `sites`.
    pub site: Option<usize>,
    pub mean_ms: f64,
    pub typical_ms: f64,
    pub slow_ms: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct SiteData {
    pub kind: &'static str,
    pub name: String,
    pub call: String,
    pub remote: Option<String>,
    pub function: String,
    pub file: String,
    pub line: u32,
    pub column: u32,
    /// `app`, `dependency` or `unknown`: whose code awaits.
    pub party: &'static str,
    pub package: Option<String>,
    pub n_requests: u64,
    pub n: u64,
    pub max_in_series: u64,
    pub held_up_ms: f64,
    pub waited_ms: f64,
    pub longest_ms: f64,
    pub ran_ms: f64,
    pub blocked_ms: f64,
    pub n_wakers: u64,
    /// Index into `sites` and how often it was begun from there.
    pub begun_by: Vec<(usize, u64)>,
}

/// Places of one kind that are not listed one by one.
#[derive(Debug, Clone, Serialize)]
pub struct MoreSitesData {
    pub kind: &'static str,
    pub n: usize,
    pub held_up_ms: f64,
    pub blocked_ms: f64,
}

#[derive(Debug, Clone, Serialize)]
pub struct InFlightData {
    pub start_s: f64,
    pub step_s: f64,
    pub series: Vec<InFlightSeries>,
}

#[derive(Debug, Clone, Serialize)]
pub struct InFlightSeries {
    pub kind: &'static str,
    pub mean: Vec<f64>,
}

#[derive(Debug, Clone, Serialize)]
pub struct ThreadPoolData {
    pub size: u32,
    pub n_tasks: u64,
    pub mean_tasks: f64,
    pub full_share: f64,
    pub mean_ms: f64,
    pub queued_ms: f64,
}

/// Who owns busy time, slowpath's own left out, those without an application function on the stack included.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CpuOwnersData {
    /// Share of busy time with an application function on the stack.
    pub on_stack_share: f64,
    /// The same with what application functions began and awaited.
    pub owned_share: f64,
    /// Functions that began what has none on the stack.
    pub begun: Vec<BegunData>,
}

#[derive(Debug, Clone, Serialize)]
pub struct BegunData {
    pub function_index: u32,
    pub function: String,
    pub file: String,
    pub line: Option<u32>,
    pub share: f64,
}

/// Returns who owns busy time; `None` where the async phase tells nothing.
pub(crate) fn cpu_owners(profile: &Profile, charges: &Charges) -> Option<CpuOwnersData> {
    let begun: f64 = charges.begun.iter().map(|(_, share)| share).sum();
    let recorder = charges.unowned.iter().find(|unowned| unowned.label == RECORDER_PACKAGE);
    // What slowpath itself runs in the service is nobody's there.
    let own = 1.0 - recorder.map_or(0.0, |recorder| recorder.share);
    (begun > 0.0 && own > 0.0).then(|| CpuOwnersData {
        on_stack_share: (charges.owned_share - begun) / own,
        owned_share: charges.owned_share / own,
        begun: charges
            .begun
            .iter()
            .take(MAX_OWNERS)
            .map(|(id, share)| {
                // It may never have been sampled itself: then no other table of the report has its name.
                let function = profile.functions.get(*id);
                BegunData {
                    function_index: id.0,
                    function: function.name.clone(),
                    file: function.file.clone(),
                    line: (function.line > 0).then_some(function.line),
                    share: *share / own,
                }
            })
            .collect(),
    })
}

pub(crate) fn async_data(m: &Measurements) -> Option<AsyncData> {
    let measure = m.async_ops.as_ref()?;
    let (sites, more) = measure.sites.split_at(measure.sites.len().min(MAX_SITES));
    let held_up = |sites: &[AsyncSite]| sites.iter().map(|site| site.held_up.as_millis_f64()).sum::<f64>();
    let all_held_up = held_up(&measure.sites);
    Some(AsyncData {
        n_followed: measure.n_followed,
        n_cut: measure.n_cut,
        n_requests: measure.n_requests,
        spent_share: measure.spent,
        hooks: measure.hooks.as_ref().map(|hooks| HooksData {
            on_share: hooks.on_share,
            ratio_on: hooks.ratio_on,
            ratio: hooks.ratio,
            n_requests_on: hooks.n_requests.0,
            n_requests_off: hooks.n_requests.1,
            text: hooks.sentence(),
        }),
        outside_ms: measure.outside_ms,
        all: composition(&measure.all, sites),
        routes: measure.routes.iter().map(|route| composition(route, sites)).collect(),
        sites: sites.iter().map(|row| site(row, sites.len())).collect(),
        n_more_sites: more.len(),
        more_sites_share: if all_held_up > 0.0 { held_up(more) / all_held_up } else { 0.0 },
        more_sites: more_sites(more),
        in_flight: in_flight(measure, m),
        thread_pool: ThreadPoolData {
            size: measure.pool.size,
            n_tasks: measure.pool.n_tasks,
            mean_tasks: measure.pool.mean_tasks,
            full_share: measure.pool.full_share,
            mean_ms: measure.pool.mean_ms,
            queued_ms: measure.pool.queued_ms,
        },
    })
}

/// Returns the sums of places by kind, most time first.
fn more_sites(sites: &[AsyncSite]) -> Vec<MoreSitesData> {
    let mut kinds: BTreeMap<WaitKind, MoreSitesData> = BTreeMap::new();
    for site in sites {
        let kind = site.place.kind;
        let none = MoreSitesData { kind: kind.as_str(), n: 0, held_up_ms: 0.0, blocked_ms: 0.0 };
        let sum = kinds.entry(kind).or_insert(none);
        sum.n += 1;
        sum.held_up_ms += site.held_up.as_millis_f64();
        sum.blocked_ms += site.blocked.as_millis_f64();
    }
    let mut kinds: Vec<_> = kinds.into_values().collect();
    kinds.sort_by(|a, b| b.held_up_ms.total_cmp(&a.held_up_ms));
    kinds
}

fn composition(composition: &Composition, sites: &[AsyncSite]) -> CompositionData {
    let mut rows: Vec<RowData> =
        composition.rows.iter().take(MAX_ROWS).map(|row| row_data(row, sites)).collect();
    let rest = composition.rows.get(MAX_ROWS..).unwrap_or_default();
    if !rest.is_empty() {
        let sum = |part: fn(&Row) -> Nanos| rest.iter().map(|row| part(row).as_millis_f64()).sum();
        rows.push(RowData {
            kind: "rest",
            name: format!("{} other waits", rest.len()),
            site: None,
            mean_ms: sum(|row| row.mean),
            typical_ms: sum(|row| row.typical),
            slow_ms: sum(|row| row.slow),
        });
    }
    CompositionData {
        route: composition.route.clone(),
        n: composition.n,
        mean_ms: composition.mean.as_millis_f64(),
        typical: GroupData {
            n: composition.typical.n,
            mean_ms: composition.typical.duration.as_millis_f64(),
        },
        slow: GroupData { n: composition.slow.n, mean_ms: composition.slow.duration.as_millis_f64() },
        difference: composition.difference().map(|(row, more)| {
            let (more, all) =
                (more.as_millis_f64(), composition.slow.duration.since(composition.typical.duration));
            format!(
                "slow requests spend {more:.1} ms more of {:.1} ms on: {}",
                all.as_millis_f64(),
                row_name(row)
            )
        }),
        rows,
    }
}

fn row_data(row: &Row, sites: &[AsyncSite]) -> RowData {
    RowData {
        kind: match (row.kind, &row.place) {
            (RowKind::Running, _) => "running",
            (RowKind::Queued, _) => "queued",
            (RowKind::Sending, _) => "sending",
            (RowKind::Waiting(_), place) => place.as_ref().map_or("other", |place| place.kind.as_str()),
        },
        name: row_name(row),
        site: row.place.as_ref().and_then(|place| sites.iter().position(|site| site.place == *place)),
        mean_ms: row.mean.as_millis_f64(),
        typical_ms: row.typical.as_millis_f64(),
        slow_ms: row.slow.as_millis_f64(),
    }
}

fn row_name(row: &Row) -> String {
    match (row.kind, &row.place) {
        (RowKind::Running, _) => "running its own code".into(),
        (RowKind::Queued, _) => "queued behind others in the event loop".into(),
        (RowKind::Sending, _) => "sending the answer".into(),
        (RowKind::Waiting(_), place) => place.as_ref().map_or(String::new(), WaitPlace::name),
    }
}

fn site(site: &AsyncSite, n_sites: usize) -> SiteData {
    let place = &site.place;
    SiteData {
        kind: place.kind.as_str(),
        name: place.name(),
        call: place.call.clone(),
        remote: place.remote.clone(),
        function: place.function.clone(),
        file: place.file.clone(),
        line: place.line,
        column: place.column,
        party: match (place.is_app, place.file.is_empty()) {
            (true, _) => "app",
            (false, false) => "dependency",
            (false, true) => "unknown",
        },
        package: place.package.clone(),
        n_requests: site.n_requests,
        n: site.n,
        max_in_series: site.max_in_series,
        held_up_ms: site.held_up.as_millis_f64(),
        waited_ms: site.waited.as_millis_f64(),
        longest_ms: site.longest.as_millis_f64(),
        ran_ms: site.ran.as_millis_f64(),
        blocked_ms: site.blocked.as_millis_f64(),
        n_wakers: site.n_wakers,
        begun_by: site.begun_by.iter().filter(|(from, _)| *from < n_sites).take(MAX_LINKS).copied().collect(),
    }
}

fn in_flight(measure: &AsyncMeasure, m: &Measurements) -> InFlightData {
    let rounded = |mean: &f64| (mean * 1000.0).round() / 1000.0;
    InFlightData {
        start_s: m.phases.since_start(measure.in_flight_start),
        step_s: measure.in_flight_step.as_secs_f64(),
        series: measure
            .in_flight
            .iter()
            .map(|series| InFlightSeries {
                kind: series.kind.as_str(),
                mean: series.mean.iter().map(rounded).collect(),
            })
            .collect(),
    }
}
