//! The table of what is waited for, by place, all of them (the recorder bounds how many there can be): how often, how long, what ran afterwards, and what it began from.

use super::critical_path::{Part, on_path};
use super::{Traced, WaitPlace};
use crate::phases::Phase;
use slowpath_profile::{Nanos, Recording};
use std::collections::BTreeMap;

/// A run of this length holds up everybody else: the threshold of stalls.
const BLOCKED: Nanos = Nanos(20_000_000);

/// One place with what was waited for there.
#[derive(Debug, Clone, PartialEq)]
pub struct AsyncSite {
    /// What and where.
    pub place: WaitPlace,
    /// Followed requests that came by.
    pub n_requests: u64,
    /// Waits.
    pub n: u64,
    /// Of them, those that requests went on with.
    pub n_on_path: u64,
    /// Waits in series in one request, at most: each began after the one before had ended. Parts of one answer count once.
    pub max_in_series: u64,
    /// The same on average over the requests that came by.
    pub mean_in_series: f64,
    /// Time that requests were held up by it.
    pub held_up: Nanos,
    /// Time that it was under way, also where something slower was waited for besides.
    pub waited: Nanos,
    /// Longest wait.
    pub longest: Nanos,
    /// Time that code ran when it came.
    pub ran: Nanos,
    /// Time of runs of 20 ms and more.
    pub blocked: Nanos,
    /// Other requests that let it go on, for locks.
    pub n_wakers: u64,
    /// Where it was begun from: index into the table, how often; most often first.
    pub begun_by: Vec<(usize, u64)>,
}

impl AsyncSite {
    fn at(place: WaitPlace) -> Self {
        Self {
            place,
            n_requests: 0,
            n: 0,
            n_on_path: 0,
            max_in_series: 0,
            mean_in_series: 0.0,
            held_up: Nanos(0),
            waited: Nanos(0),
            longest: Nanos(0),
            ran: Nanos(0),
            blocked: Nanos(0),
            n_wakers: 0,
            begun_by: Vec::new(),
        }
    }
}

pub(super) fn table(traced: &[Traced<'_>], places: &[WaitPlace]) -> Vec<AsyncSite> {
    let mut sites: Vec<AsyncSite> = places.iter().cloned().map(AsyncSite::at).collect();
    let mut links: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    let mut wakers: BTreeMap<usize, std::collections::BTreeSet<u32>> = BTreeMap::new();
    for traced in traced {
        // By place: waits in series so far, and when the last one ended.
        let mut seen: BTreeMap<usize, (u64, Nanos)> = BTreeMap::new();
        let slices = &traced.request.slices;
        let on_path = on_path(traced.request);
        for (index, (slice, &place)) in slices.iter().zip(&traced.places).enumerate() {
            let site = &mut sites[place];
            site.ran = site.ran + slice.ran;
            if slice.ran >= BLOCKED {
                site.blocked = site.blocked + slice.ran;
            }
            let Some(since) = slice.since else { continue };
            let waited = slice.start.since(since);
            site.n += 1;
            site.n_on_path += u64::from(on_path[index]);
            site.waited = site.waited + waited;
            site.longest = site.longest.max(waited);
            let (n_in_series, ended) = seen.entry(place).or_insert((0, Nanos(0)));
            if since >= *ended {
                *n_in_series += u64::from(!slice.again);
                *ended = slice.start;
            }
            if slice.waker != 0 {
                wakers.entry(place).or_default().insert(slice.waker);
            }
            let maker = slices[..index].iter().rposition(|slice| slice.start <= since);
            if let Some(maker) = maker.map(|maker| traced.places[maker]).filter(|maker| *maker != place) {
                *links.entry((place, maker)).or_default() += 1;
            }
        }
        for (place, (n_in_series, _)) in seen {
            sites[place].n_requests += 1;
            sites[place].max_in_series = sites[place].max_in_series.max(n_in_series);
            sites[place].mean_in_series += n_in_series as f64;
        }
        for (part, length) in &traced.parts {
            if let Part::Waiting(slice) = part {
                let site = &mut sites[traced.places[*slice]];
                site.held_up = site.held_up + *length;
            }
        }
    }
    for (place, wakers) in wakers {
        sites[place].n_wakers = wakers.len() as u64;
    }
    for site in &mut sites {
        site.mean_in_series /= site.n_requests.max(1) as f64;
    }
    sorted(&sites, links)
}

/// Sorts by time, and lets the links follow.
fn sorted(sites: &[AsyncSite], links: BTreeMap<(usize, usize), u64>) -> Vec<AsyncSite> {
    let mut order: Vec<usize> = (0..sites.len()).collect();
    order.sort_by(|a, b| {
        let key = |at: &usize| (sites[*at].held_up, sites[*at].waited, sites[*at].ran);
        key(b).cmp(&key(a)).then(sites[*a].place.cmp(&sites[*b].place))
    });
    let new_index: BTreeMap<usize, usize> = order.iter().enumerate().map(|(new, old)| (*old, new)).collect();
    let mut table: Vec<AsyncSite> = order.iter().map(|old| sites[*old].clone()).collect();
    for ((to, from), n) in links {
        if let (Some(to), Some(from)) = (new_index.get(&to), new_index.get(&from)) {
            table[*to].begun_by.push((*from, n));
        }
    }
    for site in &mut table {
        site.begun_by.sort_by_key(|(from, n)| (std::cmp::Reverse(*n), *from));
    }
    table
}

/// How libuv's thread pool was used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PoolUse {
    /// Its threads.
    pub size: u32,
    /// Tasks that ended.
    pub n_tasks: u64,
    /// Tasks under way or queued, on average over time.
    pub mean_tasks: f64,
    /// Share of the time with more tasks than threads.
    pub full_share: f64,
    /// Mean time from submitting a task to its callback, ms (Little's law).
    pub mean_ms: f64,
    /// Of that, queued for a thread, ms: what is beyond the threads' own share of the time.
    pub queued_ms: f64,
}

impl PoolUse {
    pub(super) fn of(recording: &Recording, phase: Option<&Phase>) -> Self {
        let in_phase = |t: Nanos| phase.is_none_or(|phase| phase.contains(t));
        // Of several processes, the one whose pool is fullest: an average would hide it.
        let pools = recording.asynchronous.values().map(|log| {
            let seconds: Vec<_> = log.seconds.iter().filter(|second| in_phase(second.t)).collect();
            let n_tasks: u64 = seconds.iter().map(|second| second.n_pool_tasks).sum();
            let task_ms: f64 = seconds.iter().map(|second| second.pool_task_ms).sum();
            let full_ms: f64 = seconds.iter().map(|second| second.pool_full_ms).sum();
            let ms = seconds.iter().map(|second| second.open_ms).sum::<f64>().max(1.0);
            let mean_tasks = task_ms / ms;
            let size = log.pool_size.max(1);
            let per_task = |ms: f64| if n_tasks == 0 { 0.0 } else { ms / n_tasks as f64 };
            let queued_tasks = (mean_tasks - f64::from(size)).max(0.0);
            Self {
                size,
                n_tasks,
                mean_tasks,
                full_share: (full_ms / ms).min(1.0),
                mean_ms: per_task(task_ms),
                queued_ms: per_task(queued_tasks * ms),
            }
        });
        pools.max_by(|a, b| a.mean_tasks.total_cmp(&b.mean_tasks)).unwrap_or(Self {
            size: 4,
            n_tasks: 0,
            mean_tasks: 0.0,
            full_share: 0.0,
            mean_ms: 0.0,
            queued_ms: 0.0,
        })
    }
}
