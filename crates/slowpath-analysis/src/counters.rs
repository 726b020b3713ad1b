//! Sums what the counters recorder counted: by kind, key and place in the code, per request.
//!
//! Numbers of a kind and key are exact. Those of a place are estimated from a sample of the calls, and scaled so that the
//! places of a kind and key add up to its exact number.

use crate::load::LoadMeasure;
use crate::split::Split;
use slowpath_profile::Recording;
use slowpath_profile::counted::CallerSite;
use slowpath_profile::recording::{CounterRecord, UNKNOWN_SITE};
use slowpath_profile::tables::{FunctionId, Profile};
use std::collections::{BTreeMap, BTreeSet};

/// Name of the phase in which calls of built-ins are counted.
const PHASE: &str = "counters";

/// Kind that counts requests.
const REQUEST: &str = "request";

/// Everything that was counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CounterMeasure {
    /// Wall time counted, over all threads that served, ms.
    pub wall_ms: f64,
    /// Busy part of it.
    pub busy_ms: f64,
    /// Requests that arrived meanwhile.
    pub n_requests: u64,
    /// By kind and key.
    pub rows: Vec<CounterRow>,
    /// Share of the wall time that counting itself took, estimated.
    pub cost_share: f64,
    /// One in so many calls had its place read, at the least dense.
    pub stride: u32,
}

/// All calls of one kind and key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CounterRow {
    /// Kind, such as `json.parse`.
    pub kind: String,
    /// What of that kind.
    pub key: String,
    /// Calls, bytes and time.
    pub sum: CounterSum,
    /// Bytes of the largest.
    pub max_bytes: f64,
    /// By place, most time first, then most calls.
    pub places: Vec<PlaceRow>,
}

/// Calls, bytes and time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CounterSum {
    /// Calls.
    pub n: f64,
    /// Bytes, or characters of strings.
    pub bytes: f64,
    /// Time in the calls, ms.
    pub ms: f64,
}

/// The calls from one place.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaceRow {
    /// Where; `None` where it is not known.
    pub site: Option<CallerSite>,
    /// Estimated from the sampled calls.
    pub sum: CounterSum,
    /// Calls sampled.
    pub n_sampled: u64,
}

impl CounterSum {
    fn add(&mut self, n: f64, bytes: f64, ms: f64) {
        self.n += n;
        self.bytes += bytes;
        self.ms += ms;
    }
}

impl CounterMeasure {
    pub(crate) fn of(
        recording: &Recording,
        profile: &Profile,
        split: Option<&Split>,
        load: Option<&LoadMeasure>,
    ) -> Option<Self> {
        let counted: Vec<(u32, &CounterRecord)> = recording
            .counters
            .iter()
            .flat_map(|(pid, records)| records.iter().map(move |record| (*pid, record)))
            .filter(|(_, record)| {
                record.calls.is_none() && record.deopts.is_none() && !only_counts_requests(recording, record)
            })
            .collect();
        if counted.is_empty() {
            return None;
        }
        let mut rows = Rows::default();
        let mut wall: BTreeMap<(u32, u32), (f64, u64)> = BTreeMap::new();
        let (mut cost_ms, mut stride) = (0.0, 1);
        for (pid, record) in &counted {
            let span = wall.entry((*pid, record.thread)).or_default();
            span.0 += record.t.since(record.from).as_millis_f64();
            span.1 +=
                record.totals.iter().filter(|total| total.0 == REQUEST).map(|total| total.2).sum::<u64>();
            cost_ms += record.cost_ms;
            stride = stride.max(record.stride);
            rows.add(profile, *pid, record);
        }
        let n_seen: u64 = wall.values().map(|(_, n)| n).sum();
        let serves = |n: u64| n_seen == 0 || n > 0;
        let wall_ms: f64 = wall.values().filter(|(_, n)| serves(*n)).map(|(ms, _)| ms).sum();
        let of_load = || {
            let phases = load.iter().flat_map(|load| &load.phases);
            phases.filter(|phase| phase.phase == PHASE).map(|phase| phase.n_requests).sum()
        };
        Some(Self {
            wall_ms,
            busy_ms: wall_ms * split.map_or(1.0, Split::sampled_utilisation),
            n_requests: if n_seen > 0 { n_seen } else { of_load() },
            rows: rows.into_rows(),
            cost_share: cost_ms / wall_ms.max(1.0),
            stride,
        })
    }

    /// Returns the rows of a kind.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a CounterRow> {
        self.rows.iter().filter(move |row| row.kind == kind)
    }

    /// Returns the sum over all keys of a kind.
    pub fn total(&self, kind: &str) -> CounterSum {
        let mut sum = CounterSum::default();
        for row in self.of_kind(kind) {
            sum.add(row.sum.n, row.sum.bytes, row.sum.ms);
        }
        sum
    }

    /// Returns the calls of some kinds from each application function, those with most time first.
    pub fn by_function(&self, is_wanted: impl Fn(&CounterRow) -> bool) -> Vec<FunctionSum> {
        let mut sums: BTreeMap<FunctionId, FunctionSum> = BTreeMap::new();
        for row in self.rows.iter().filter(|row| is_wanted(row)) {
            for place in &row.places {
                let Some(site) = &place.site else { continue };
                let sum = sums.entry(site.function).or_insert_with(|| FunctionSum {
                    function: site.function,
                    line: site.line,
                    sum: CounterSum::default(),
                    n_sampled: 0,
                    lines: BTreeSet::new(),
                    most: 0.0,
                });
                sum.lines.insert(site.line);
                sum.sum.add(place.sum.n, place.sum.bytes, place.sum.ms);
                sum.n_sampled += place.n_sampled;
                if place.sum.ms > sum.most {
                    (sum.most, sum.line) = (place.sum.ms, site.line);
                }
            }
        }
        let mut sums: Vec<_> = sums.into_values().collect();
        sums.sort_by(|a, b| {
            b.sum.ms.total_cmp(&a.sum.ms).then(b.sum.n.total_cmp(&a.sum.n)).then(a.function.cmp(&b.function))
        });
        sums
    }

    /// Returns a number per request; 0 without requests.
    pub fn per_request(&self, n: f64) -> f64 {
        if self.n_requests == 0 { 0.0 } else { n / self.n_requests as f64 }
    }

    /// Returns the share of the busy time that `ms` are.
    pub fn share_of_busy(&self, ms: f64) -> f64 {
        (ms / self.busy_ms.max(1e-9)).clamp(0.0, 1.0)
    }
}

/// The calls from one function.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionSum {
    /// The function.
    pub function: FunctionId,
    /// The line with most of the time.
    pub line: u32,
    /// Calls, bytes and time.
    pub sum: CounterSum,
    /// Calls whose place was read.
    pub n_sampled: u64,
    /// The lines that the calls are on.
    pub lines: BTreeSet<u32>,
    /// Time of that line, ms.
    most: f64,
}

/// Whether counts are of the calls or the deopts phase: there only requests are counted.
fn only_counts_requests(recording: &Recording, record: &CounterRecord) -> bool {
    let all = recording.counters.values().flatten();
    let windows = all.filter(|other| other.calls.is_some() || other.deopts.is_some());
    windows.into_iter().any(|window| record.from < window.t && window.from < record.t)
}

/// Whether it matters through which packages a call of some kind was made: for others, all ways to a function are one place.
fn tells_ways(kind: &str) -> bool {
    kind.starts_with("http.") || kind.starts_with("lookup.")
}

#[derive(Default)]
struct Rows {
    rows: BTreeMap<(String, String), Row>,
}

#[derive(Default)]
struct Row {
    sum: CounterSum,
    max_bytes: f64,
    places: BTreeMap<Option<CallerSite>, (CounterSum, u64)>,
}

impl Rows {
    fn add(&mut self, profile: &Profile, pid: u32, record: &CounterRecord) {
        for total in &record.totals {
            let row = self.rows.entry((total.0.clone(), total.1.clone())).or_default();
            row.sum.add(total.2 as f64, total.3, total.4);
            row.max_bytes = row.max_bytes.max(total.5);
        }
        for place in &record.places {
            let row = self.rows.entry((place.0.clone(), place.1.clone())).or_default();
            let site =
                (place.2 != UNKNOWN_SITE)
                    .then(|| profile.caller_sites.get(&(pid, record.thread, place.2)).cloned())
                    .flatten()
                    .map(|site| {
                        if tells_ways(&place.0) { site } else { CallerSite { packages: Vec::new(), ..site } }
                    });
            let (sum, n_sampled) = row.places.entry(site).or_default();
            sum.add(place.3 as f64, place.5, place.6);
            *n_sampled += place.4;
        }
    }

    fn into_rows(self) -> Vec<CounterRow> {
        let rows = self.rows.into_iter().filter(|(_, row)| row.sum.n > 0.0);
        rows.map(|((kind, key), row)| {
            let estimated = row.places.values().fold(CounterSum::default(), |mut all, (sum, _)| {
                all.add(sum.n, sum.bytes, sum.ms);
                all
            });
            let scaled = |exact: f64, estimate: f64, part: f64| {
                if estimate > 0.0 { part * exact / estimate } else { 0.0 }
            };
            let mut places: Vec<_> = row
                .places
                .into_iter()
                .map(|(site, (sum, n_sampled))| {
                    let sum = CounterSum {
                        n: scaled(row.sum.n, estimated.n, sum.n),
                        bytes: scaled(row.sum.bytes, estimated.bytes, sum.bytes),
                        ms: scaled(row.sum.ms, estimated.ms, sum.ms),
                    };
                    PlaceRow { site, sum, n_sampled }
                })
                .collect();
            places.sort_by(|a, b| {
                b.sum.ms.total_cmp(&a.sum.ms).then(b.sum.n.total_cmp(&a.sum.n)).then(a.site.cmp(&b.site))
            });
            CounterRow { kind, key, sum: row.sum, max_bytes: row.max_bytes, places }
        })
        .collect()
    }
}
