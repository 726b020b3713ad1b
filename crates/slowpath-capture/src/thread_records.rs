//! Turns the probe's ring records of one thread into lines of the process log, about one a second.

use crate::frames::RingRecord;
use crate::now;
use hdrhistogram::Histogram;
use slowpath_profile::Nanos;
use slowpath_profile::recording::{GcPause, HeapUse, LoopSecond, ProcessRecord, StallWindow};

/// Largest delay that the histogram tells apart, µs: ten minutes.
const MAX_DELAY_US: u64 = 600_000_000;

/// Collects the records of one thread.
#[derive(Debug)]
pub(crate) struct ThreadRecords {
    thread: u32,
    /// Monotonic time of `performance.now() == 0`, in ns; may lie before the clock's origin only in theory.
    origin_ns: f64,
    /// Delay from which on an interval is kept as a stall; below it, delay is in the histogram only.
    shortest_stall: Nanos,
    pending: Pending,
    last_tick: Option<(Nanos, f64)>,
    last_line: Nanos,
}

#[derive(Debug, Default)]
struct Pending {
    event_loop: Option<LoopSecond>,
    gc: Vec<GcPause>,
    heap: Option<HeapUse>,
    n_dropped: u64,
}

impl ThreadRecords {
    /// Starts with the clock pair of the process's hello.
    pub(crate) fn new(thread: u32, origin_ns: f64, shortest_stall: Nanos) -> Self {
        let pending = Pending::default();
        Self { thread, origin_ns, shortest_stall, pending, last_tick: None, last_line: now() }
    }

    /// Adds one record.
    pub(crate) fn add(&mut self, record: RingRecord) {
        let t = Nanos((self.origin_ns + record.t_ms * 1e6).max(0.0) as u64);
        match record.kind {
            1 => self.tick(t, record.a, record.b),
            2 => {
                let pause = Nanos((record.a.max(0.0) * 1e6) as u64);
                self.pending.gc.push(GcPause { start: t, pause, kind: record.b as u32 });
            }
            3 => {
                let heap = self.pending.heap.get_or_insert(HeapUse { used: 0, total: 0, external: 0 });
                (heap.used, heap.total) = (record.a as u64, record.b as u64);
            }
            4 => {
                let heap = self.pending.heap.get_or_insert(HeapUse { used: 0, total: 0, external: 0 });
                heap.external = record.a as u64;
            }
            5 => self.pending.n_dropped += record.a as u64,
            _ => {}
        }
    }

    fn tick(&mut self, t: Nanos, lag_ms: f64, idle_ms: f64) {
        let lag = Nanos((lag_ms.max(0.0) * 1e6) as u64);
        // A pause of the recorder parts two readings of the idle counter: start over.
        let previous =
            self.last_tick.filter(|(before, _)| t.since(*before).0 < lag.0 + slowpath_profile::SECOND);
        let second = self.pending.event_loop.get_or_insert_with(|| LoopSecond {
            from: previous.map_or(t, |(before, _)| before),
            to: t,
            delay: Histogram::new_with_bounds(1, MAX_DELAY_US, 2).expect("constant bounds are valid"),
            idle: Nanos(0),
            stalls: Vec::new(),
        });
        second.delay.saturating_record((lag.0 / 1000).max(1));
        second.to = t;
        if let Some((_, idle_before)) = previous {
            second.idle = second.idle + Nanos(((idle_ms - idle_before).max(0.0) * 1e6) as u64);
        }
        if lag >= self.shortest_stall {
            second.stalls.push(StallWindow { start: Nanos(t.0.saturating_sub(lag.0)), end: t });
        }
        self.last_tick = Some((t, idle_ms));
    }

    /// Returns the delay histogram that is being filled.
    pub(crate) fn current_delay(&self) -> Option<&Histogram<u64>> {
        self.pending.event_loop.as_ref().map(|second| &second.delay)
    }

    /// Takes a line when a second has passed, or at once with `force`; `None` when there is nothing to say.
    pub(crate) fn take_line(&mut self, force: bool) -> Option<ProcessRecord> {
        let t = now();
        if !force && t.since(self.last_line).0 < slowpath_profile::SECOND {
            return None;
        }
        self.last_line = t;
        let Pending { event_loop, gc, heap, n_dropped } = std::mem::take(&mut self.pending);
        let something = event_loop.is_some() || !gc.is_empty() || heap.is_some() || n_dropped > 0;
        something.then_some(ProcessRecord { t, thread: self.thread, event_loop, gc, heap, n_dropped })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u32, t_ms: f64, a: f64, b: f64) -> RingRecord {
        RingRecord { kind, t_ms, a, b }
    }

    #[test]
    fn a_late_tick_becomes_a_stall_from_when_it_was_due() {
        let mut records = ThreadRecords::new(0, 1e9, Nanos(20_000_000));
        records.add(record(1, 10.0, 0.1, 5.0));
        records.add(record(1, 270.0, 250.0, 9.0));
        let line = records.take_line(true).unwrap();
        let second = line.event_loop.unwrap();
        assert_eq!(second.stalls, [StallWindow { start: Nanos(1_020_000_000), end: Nanos(1_270_000_000) }]);
        assert_eq!(second.idle, Nanos(4_000_000));
        assert_eq!((second.from, second.to), (Nanos(1_010_000_000), Nanos(1_270_000_000)));
        assert!(records.take_line(true).is_none());
    }

    #[test]
    fn keeps_collections_and_the_last_heap_reading() {
        let mut records = ThreadRecords::new(0, 0.0, Nanos(20_000_000));
        records.add(record(2, 1.0, 2.5, 1.0));
        records.add(record(3, 2.0, 10.0, 20.0));
        records.add(record(4, 2.0, 5.0, 1.0));
        let line = records.take_line(true).unwrap();
        assert_eq!(line.gc, [GcPause { start: Nanos(1_000_000), pause: Nanos(2_500_000), kind: 1 }]);
        assert_eq!(line.heap, Some(HeapUse { used: 10, total: 20, external: 5 }));
    }
}
