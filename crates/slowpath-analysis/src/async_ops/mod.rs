//! What requests ran and waited for, from the async phase: where fast and slow ones spend their time, by place in the
//! code, and over time.

mod composition;
mod critical_path;
mod hooks_cost;
mod in_flight;
mod job_turns;
mod owners;
mod sites;
mod wait_place;

pub use composition::{Composition, Group, Row, RowKind};
pub use hooks_cost::HooksCost;
pub use in_flight::InFlight;
pub use job_turns::JobTurns;
pub use owners::Owners;
pub use sites::{AsyncSite, PoolUse};
pub use wait_place::{WaitKind, WaitPlace};

use crate::load::PhaseLoad;
use crate::phases::Phases;
use critical_path::{Part, parts};
use slowpath_profile::recording::{AsyncLog, AsyncSecond, FollowedRequest};
use slowpath_profile::tables::{Function, Profile};
use slowpath_profile::{Nanos, Recording};
use std::collections::BTreeMap;

/// Share of the phase from which on hooks count as on all the time.
const ALWAYS_ON: f64 = 0.9;

/// Requests that were cut count when they had taken longer than this quantile of whole ones.
const CUT_FROM: f64 = 0.9;

/// What followed requests say.
#[derive(Debug, Clone)]
pub struct AsyncMeasure {
    /// Requests followed from head to last byte, or to where following ended.
    pub n_followed: u64,
    /// Those of them that were still under way then.
    pub n_cut: u64,
    /// Requests that came meanwhile.
    pub n_requests: u64,
    /// Share of the main thread's time that taking stacks took, while hooks were on.
    pub spent: f64,
    /// What the hooks cost; `None` in recordings that do not say.
    pub hooks: Option<HooksCost>,
    /// Where the time goes, all routes together.
    pub all: Composition,
    /// The same by route, those with most time first.
    pub routes: Vec<Composition>,
    /// What was waited for, by place, most time first.
    pub sites: Vec<AsyncSite>,
    /// Operations under way over time.
    pub in_flight: Vec<InFlight>,
    /// When `in_flight` begins, and its step.
    pub in_flight_start: Nanos,
    /// See `in_flight_start`.
    pub in_flight_step: Nanos,
    /// Turns of the loop that many promise jobs or ticks made long, those with most time first.
    pub job_turns: Vec<JobTurns>,
    /// libuv's thread pool.
    pub pool: PoolUse,
    /// Mean of what the load generator saw in this phase beyond the server's side, ms: accepting, buffers, the network.
    pub outside_ms: Option<f64>,
}

/// One followed request with its parts, waits as indices into the table of places.
struct Traced<'a> {
    request: &'a FollowedRequest,
    parts: Vec<(Part, Nanos)>,
    /// Place of each slice.
    places: Vec<usize>,
}

impl Traced<'_> {
    fn duration(&self) -> Nanos {
        self.request.end.since(self.request.start)
    }
}

/// Every place that something was waited for.
#[derive(Default)]
struct Places {
    places: Vec<WaitPlace>,
    index_of: BTreeMap<WaitPlace, usize>,
}

impl Places {
    fn intern(&mut self, place: WaitPlace) -> usize {
        let next = self.places.len();
        *self.index_of.entry(place).or_insert_with_key(|place| {
            self.places.push(place.clone());
            next
        })
    }
}

impl AsyncMeasure {
    pub(crate) fn of(
        recording: &Recording,
        profile: &Profile,
        phases: &Phases,
        load: Option<&PhaseLoad>,
    ) -> Option<Self> {
        let port = driven_port(recording);
        let mut places = Places::default();
        let mut traced = Vec::new();
        for (&pid, log) in &recording.asynchronous {
            let none: Vec<Function> = Vec::new();
            let frames = profile.async_frames.get(&pid).unwrap_or(&none);
            // A slice's site, source and waker tell its place: few differ.
            let mut known: BTreeMap<(u32, u32, bool), usize> = BTreeMap::new();
            for request in counted(log, port) {
                let place = |slice: &slowpath_profile::recording::Slice| {
                    *known
                        .entry((slice.site, slice.source, slice.waker != 0))
                        .or_insert_with(|| places.intern(wait_place::place_of(log, frames, slice)))
                };
                let places = request.slices.iter().map(place).collect();
                traced.push(Traced { request, parts: parts(request), places });
            }
        }
        let seconds: Vec<_> = recording.asynchronous.values().flat_map(|log| &log.seconds).copied().collect();
        // What the target asks itself came to other ports, and is in this sum.
        let all: usize = recording.asynchronous.values().map(|log| log.requests.len()).sum();
        let n_requests: u64 = seconds.iter().map(|second| second.n_requests).sum();
        let n_requests = (n_requests as f64 * traced.len() as f64 / all.max(1) as f64).round() as u64;
        if traced.is_empty() {
            return None;
        }
        let mut places = places.places;
        wait_place::recognise_http(&mut places);
        let all = Composition::of("all", &traced.iter().collect::<Vec<_>>(), &places);
        let mean_ms = all.mean.as_millis_f64();
        let phase = phases.phases.iter().find(|phase| phase.name == "async");
        let hooks = HooksCost::of(recording, phase);
        let has_pauses = hooks.is_some_and(|hooks| hooks.on_share < ALWAYS_ON);
        let scale = (n_requests as f64 / traced.len() as f64).max(1.0);
        let (in_flight_start, in_flight_step, in_flight) =
            in_flight::series(&traced, &places, scale, has_pauses);
        Some(Self {
            n_followed: traced.len() as u64,
            n_cut: traced.iter().filter(|traced| traced.request.cut).count() as u64,
            hooks,
            n_requests: n_requests.max(traced.len() as u64),
            spent: spent(&seconds),
            routes: composition::by_route(&traced, &places),
            sites: sites::table(&traced, &places),
            all,
            in_flight,
            in_flight_start,
            in_flight_step,
            job_turns: JobTurns::of(recording, profile, phase, hooks.as_ref()),
            pool: PoolUse::of(recording, phase),
            outside_ms: load.map(|load| (load.latency.mean - mean_ms).max(0.0)),
        })
    }
}

/// Returns which share of the time with hooks taking stacks took.
fn spent(seconds: &[AsyncSecond]) -> f64 {
    let ms: f64 = seconds.iter().map(|second| second.open_ms).sum();
    let spent: f64 = seconds.iter().map(|second| second.spent * second.open_ms).sum();
    if ms > 0.0 { spent / ms } else { 0.0 }
}

/// Returns the requests that count: all whole ones to `port`, and of those that were cut the ones that had taken
/// longer by then than nearly all whole ones of their route. Without these, what is slow would be what is left out.
fn counted(log: &AsyncLog, port: Option<u16>) -> Vec<&FollowedRequest> {
    let to_port = |request: &&FollowedRequest| port.is_none_or(|port| request.port == port);
    let duration = |request: &FollowedRequest| request.end.since(request.start);
    let mut whole: BTreeMap<&str, Vec<Nanos>> = BTreeMap::new();
    for request in log.requests.iter().filter(to_port).filter(|request| !request.cut) {
        whole.entry(&request.route).or_default().push(duration(request));
    }
    for durations in whole.values_mut() {
        durations.sort_unstable();
    }
    let is_slow = |request: &FollowedRequest| {
        let durations = whole.get(&*request.route);
        durations.is_none_or(|of| {
            duration(request) > of[((of.len() as f64 * CUT_FROM) as usize).min(of.len() - 1)]
        })
    };
    log.requests.iter().filter(to_port).filter(|request| !request.cut || is_slow(request)).collect()
}

/// Returns the port that the load was driven at, where followed requests came to it: a target may ask itself besides.
fn driven_port(recording: &Recording) -> Option<u16> {
    let url = &recording.manifest.load.as_ref()?.url;
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let port = match authority.rsplit_once(':') {
        Some((_, port)) => port.parse().ok()?,
        None => {
            if scheme == "https" {
                443
            } else {
                80
            }
        }
    };
    let mut requests = recording.asynchronous.values().flat_map(|log| &log.requests);
    requests.any(|request| request.port == port).then_some(port)
}
