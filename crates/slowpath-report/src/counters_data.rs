//! Puts what was counted into the shape of `report.json`.

use crate::data::{
    CounterPlaceData, CounterRowData, CountersData, DeoptCauseData, FunctionCallsData, FunctionDeoptsData,
};
use slowpath_analysis::{CallMeasure, CounterMeasure, CounterRow, DeoptMeasure, Measurements};
use slowpath_profile::classify::Category;
use slowpath_profile::tables::Profile;

/// Rows listed, of each kind those with most time and then most calls: a target may talk to hundreds of hosts.
const MAX_ROWS_OF_KIND: usize = 25;

/// Places listed a row.
const MAX_PLACES: usize = 5;

/// Functions listed by how often they are called, or optimised.
const MAX_FUNCTIONS: usize = 60;

/// Reasons listed a function.
const MAX_CAUSES: usize = 5;

pub(crate) fn counters(profile: &Profile, m: &Measurements) -> Option<CountersData> {
    if m.counters.is_none() && m.calls.is_none() && m.deopts.is_none() {
        return None;
    }
    let none = CounterMeasure::default();
    let counters = m.counters.as_ref().unwrap_or(&none);
    Some(CountersData {
        wall_s: counters.wall_ms / 1e3,
        requests: counters.n_requests,
        cost_share: counters.cost_share,
        stride: counters.stride,
        rows: rows(profile, counters),
        calls_window_s: m.calls.as_ref().map_or(0.0, |calls| calls.window_ms / 1e3),
        calls_requests: m.calls.as_ref().map_or(0.0, |calls| calls.n_requests),
        calls: m.calls.as_ref().map_or_else(Vec::new, |measure| calls(profile, measure)),
        deopts_window_s: m.deopts.as_ref().map_or(0.0, |deopts| deopts.window_ms / 1e3),
        deopts_unplaced: m.deopts.as_ref().map_or(0, |deopts| deopts.n_unplaced),
        deopts: m.deopts.as_ref().map_or_else(Vec::new, |measure| deopts(profile, measure)),
    })
}

fn rows(profile: &Profile, counters: &CounterMeasure) -> Vec<CounterRowData> {
    let mut rows = Vec::new();
    for of_kind in counters.rows.chunk_by(|a, b| a.kind == b.kind) {
        let mut of_kind: Vec<&CounterRow> = of_kind.iter().collect();
        of_kind.sort_by(|a, b| b.sum.ms.total_cmp(&a.sum.ms).then(b.sum.n.total_cmp(&a.sum.n)));
        rows.extend(of_kind.into_iter().take(MAX_ROWS_OF_KIND).map(|row| row_data(profile, counters, row)));
    }
    rows
}

fn row_data(profile: &Profile, counters: &CounterMeasure, row: &CounterRow) -> CounterRowData {
    let places = row.places.iter().take(MAX_PLACES).filter_map(|place| {
        let site = place.site.as_ref()?;
        let function = profile.functions.get(site.function);
        Some(CounterPlaceData {
            function_index: site.function.0,
            function: function.name.clone(),
            file: function.file.clone(),
            line: site.line,
            through: site.through.clone(),
            n: place.sum.n,
            n_sampled: place.n_sampled,
            ms: place.sum.ms,
        })
    });
    let has_requests = counters.n_requests > 0;
    CounterRowData {
        kind: row.kind.clone(),
        key: row.key.clone(),
        n: row.sum.n,
        per_request: has_requests.then(|| counters.per_request(row.sum.n)),
        bytes: row.sum.bytes,
        max_bytes: row.max_bytes,
        ms: row.sum.ms,
        share_of_busy: (row.sum.ms > 0.0).then(|| counters.share_of_busy(row.sum.ms)),
        places: places.collect(),
    }
}

fn calls(profile: &Profile, measure: &CallMeasure) -> Vec<FunctionCallsData> {
    let mut rows: Vec<_> = measure
        .calls
        .iter()
        .map(|(id, n)| (*id, profile.functions.get(*id), *n))
        .filter(|(_, function, _)| matches!(function.category, Category::App | Category::Dependency))
        .collect();
    rows.sort_by_key(|(id, _, n)| (std::cmp::Reverse(*n), *id));
    rows.truncate(MAX_FUNCTIONS);
    rows.into_iter()
        .map(|(id, function, n)| FunctionCallsData {
            function_index: id.0,
            function: function.name.clone(),
            file: function.file.clone(),
            line: (function.line > 0).then_some(function.line),
            package: function.package.clone(),
            n,
            per_request: measure.per_request(id),
        })
        .collect()
}

fn deopts(profile: &Profile, measure: &DeoptMeasure) -> Vec<FunctionDeoptsData> {
    let of_code = measure.functions.iter().filter(|row| {
        matches!(profile.functions.get(row.function).category, Category::App | Category::Dependency)
    });
    of_code
        .take(MAX_FUNCTIONS)
        .map(|row| {
            let function = profile.functions.get(row.function);
            let causes = row.causes.iter().take(MAX_CAUSES).map(|cause| DeoptCauseData {
                reason: cause.reason.clone(),
                file: cause.place.map(|(id, _)| profile.functions.get(id).file.clone()),
                line: cause.place.map(|(_, line)| line),
                n: cause.n,
            });
            FunctionDeoptsData {
                function_index: row.function.0,
                function: function.name.clone(),
                file: function.file.clone(),
                line: (function.line > 0).then_some(function.line),
                package: function.package.clone(),
                pid: row.pid,
                n_optimised: row.n_optimised,
                n_aborted: row.n_aborted,
                held_ms: row.held_ms,
                causes: causes.collect(),
            }
        })
        .collect()
}
