//! Decides when a thread may start its next request, and which number it has. Reads no clock: times are given.
//!
//! ```text
//! requests of the whole load   0 1 2 3 4 5 6 7 8 9 …        numbers are shared out once and for all, so that
//! shard 1 of 2                   1   3   5   7   9 …        shards and threads need not talk to each other
//! its thread 0 of 2              1       5       9 …
//! ```

use crate::clock::NS_PER_S;
use crate::plan::{LoadPlan, Pacing};
use crate::schedule::Schedule;

/// A request that may start: its number in the whole load, and when it was meant to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket {
    pub(crate) number: u64,
    /// `CLOCK_MONOTONIC` nanoseconds. In a closed load, the moment of asking.
    pub(crate) intended_ns: u64,
}

/// Which requests of the whole load a thread starts: `first`, `first + step`, … below `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    first: u64,
    step: u64,
    end: u64,
}

impl Share {
    /// Returns the share of thread `thread` of `n_threads` of this process. The plan is valid.
    pub(crate) fn new(plan: &LoadPlan, thread: u32, n_threads: u32) -> Self {
        let n_shards = u64::from(plan.shard.count);
        Self {
            first: plan.first_number + u64::from(plan.shard.index) + n_shards * u64::from(thread),
            step: n_shards * u64::from(n_threads),
            end: plan.amount.map_or(u64::MAX, |amount| plan.first_number.saturating_add(amount)),
        }
    }
}

/// Gives out the requests of one thread, one after the other.
#[derive(Debug)]
pub(crate) enum Pacer {
    /// Whoever asks gets one.
    Closed {
        /// What is left to give out.
        share: Share,
    },
    /// Requests have their times. What is due and not asked for waits in the schedule itself, which costs no memory.
    Open(Box<Due>),
}

/// A thread's part of a schedule.
#[derive(Debug)]
pub(crate) struct Due {
    schedule: Schedule,
    share: Share,
    /// Where the schedule begins.
    start_ns: u64,
    next: Option<Ticket>,
    /// From the start of the last request given out to that of the next one.
    gap_ns: u64,
}

impl Pacer {
    /// Returns the pacer of one thread, for a load that starts at `start_ns`. The plan is valid.
    pub(crate) fn new(plan: &LoadPlan, share: Share, start_ns: u64) -> Self {
        match &plan.pacing {
            Pacing::Closed => Self::Closed { share },
            Pacing::Open { stages, arrival } => {
                let schedule = Schedule::new(stages, *arrival, plan.seed);
                let mut due = Due { schedule, share, start_ns, next: None, gap_ns: NS_PER_S };
                due.advance(share.first, share.first - plan.first_number);
                Self::Open(Box::new(due))
            }
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// Returns the next request if it may start at `now_ns`.
    pub(crate) fn take(&mut self, now_ns: u64) -> Option<Ticket> {
        match self {
            Self::Closed { share } => {
                let number = share.first;
                if number >= share.end {
                    return None;
                }
                share.first += share.step;
                Some(Ticket { number, intended_ns: now_ns })
            }
            Self::Open(due) => {
                let ticket = due.next.filter(|ticket| ticket.intended_ns <= now_ns)?;
                due.advance(ticket.number + due.share.step, due.share.step - 1);
                due.gap_ns =
                    due.next.map_or(NS_PER_S, |next| next.intended_ns.saturating_sub(ticket.intended_ns));
                Some(ticket)
            }
        }
    }

    /// Tells whether no request is left to give out, now or later.
    pub(crate) fn is_exhausted(&self) -> bool {
        match self {
            Self::Closed { share } => share.first >= share.end,
            Self::Open(due) => due.next.is_none(),
        }
    }

    /// Returns when the next request of an open load starts, and how long after the one before.
    pub(crate) fn next_due(&self) -> Option<(u64, u64)> {
        match self {
            Self::Closed { .. } => None,
            Self::Open(due) => due.next.map(|ticket| (ticket.intended_ns, due.gap_ns)),
        }
    }

    /// Gives out all that is due at `now_ns` to nobody, and returns how many requests that were.
    ///
    /// Costs some ns per request.
    pub(crate) fn drop_due(&mut self, now_ns: u64) -> u64 {
        let mut n_dropped = 0;
        if self.is_open() {
            while self.take(now_ns).is_some() {
                n_dropped += 1;
            }
        }
        n_dropped
    }
}

impl Due {
    /// Goes on to request `number`, which comes after `n_skipped` requests of others.
    fn advance(&mut self, number: u64, n_skipped: u64) {
        let skipped = usize::try_from(n_skipped).unwrap_or(usize::MAX);
        self.next =
            if number < self.share.end { self.schedule.nth(skipped) } else { None }.map(|since_start_ns| {
                Ticket { number, intended_ns: self.start_ns.saturating_add(since_start_ns) }
            });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Arrival, Shard, Stage};
    use crate::url::Url;

    /// 1,000 requests per second for `seconds`, beginning at 5 ns.
    fn open_plan(seconds: u64) -> LoadPlan {
        let mut plan = LoadPlan::new(Url::parse("http://h/").unwrap());
        let length = Some(std::time::Duration::from_secs(seconds));
        plan.pacing = Pacing::Open {
            stages: vec![Stage { from: 1000.0, to: 1000.0, length }],
            arrival: Arrival::Constant,
        };
        plan
    }

    /// All that threads of all shards give out, as (number, ms since start), sorted.
    fn all(plan: &mut LoadPlan, n_shards: u32, n_threads: u32) -> Vec<(u64, u64)> {
        let mut tickets = Vec::new();
        for index in 0..n_shards {
            plan.shard = Shard { index, count: n_shards };
            for thread in 0..n_threads {
                let mut pacer = Pacer::new(plan, Share::new(plan, thread, n_threads), 5);
                while let Some(ticket) = pacer.take(u64::MAX) {
                    tickets.push((ticket.number, (ticket.intended_ns - 5) / 1_000_000));
                }
                assert!(pacer.is_exhausted());
            }
        }
        tickets.sort_unstable();
        tickets
    }

    #[test]
    fn shards_and_threads_together_start_every_request_once_at_its_time() {
        let expected: Vec<(u64, u64)> = (0..1000).map(|k| (k, k)).collect();
        assert_eq!(all(&mut open_plan(1), 1, 1), expected);
        assert_eq!(all(&mut open_plan(1), 1, 3), expected);
        assert_eq!(all(&mut open_plan(1), 7, 3), expected);
        let mut plan = open_plan(1);
        plan.amount = Some(10);
        assert_eq!(all(&mut plan, 3, 2), expected[..10]);
    }

    #[test]
    fn a_load_that_goes_on_from_another_has_other_numbers_at_the_same_times() {
        let mut plan = open_plan(1);
        plan.first_number = 700;
        assert_eq!(all(&mut plan, 2, 2), (0..1000).map(|k| (700 + k, k)).collect::<Vec<_>>());
    }

    #[test]
    fn an_amount_ends_a_closed_load_over_all_shards_and_threads() {
        let mut plan = LoadPlan::new(Url::parse("http://h/").unwrap());
        plan.amount = Some(10);
        let tickets = all_closed(&plan, 2);
        assert_eq!(tickets, (0..10).collect::<Vec<_>>());
        plan.shard = Shard { index: 1, count: 3 };
        assert_eq!(all_closed(&plan, 2), [1, 4, 7]);
    }

    fn all_closed(plan: &LoadPlan, n_threads: u32) -> Vec<u64> {
        let mut numbers: Vec<u64> = (0..n_threads)
            .flat_map(|thread| {
                let mut pacer = Pacer::new(plan, Share::new(plan, thread, n_threads), 0);
                std::iter::from_fn(move || pacer.take(77)).map(|ticket| {
                    assert_eq!(ticket.intended_ns, 77);
                    ticket.number
                })
            })
            .collect();
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn what_is_not_due_is_not_given_out_and_what_is_due_waits() {
        let plan = open_plan(1);
        let mut pacer = Pacer::new(&plan, Share::new(&plan, 0, 1), 0);
        assert_eq!(pacer.take(0), Some(Ticket { number: 0, intended_ns: 0 }));
        assert_eq!(pacer.next_due(), Some((1_000_000, 1_000_000)));
        assert_eq!(pacer.take(999_999), None);
        assert_eq!(pacer.take(3_500_000), Some(Ticket { number: 1, intended_ns: 1_000_000 }));
        assert_eq!(pacer.drop_due(3_500_000), 2);
        assert_eq!(pacer.next_due().map(|(due_ns, _)| due_ns), Some(4_000_000));
        assert!(!pacer.is_exhausted());
    }
}
