//! Draws a recording: 33 seconds of a service under load, well unless a method says otherwise.

use slowpath_profile::recording::{
    AsyncLog, CollectionSum, HeapFrame, HeapNode, HeapRecord, HeapSeen, SampledHeap,
};
use slowpath_profile::{Nanos, SECOND};

/// Name, first and last second of each phase.
/// In the last one the loop, GC and heap recorders are off.
pub(crate) const PHASES: [(&str, f64, f64); 5] = [
    ("warm-up", 0.0, 2.0),
    ("baseline", 2.0, 12.0),
    ("cpu", 12.0, 22.0),
    ("baseline again", 22.0, RECORDS_END),
    ("calls", RECORDS_END, 33.0),
];
const RECORDS_END: f64 = 30.0;

/// Process id of the target.
pub(crate) const PID: u32 = 101;

/// A moment, in seconds since the recording began. The clock does not start at zero.
pub(crate) fn at(seconds: f64) -> Nanos {
    Nanos(5_000 * SECOND + (seconds * SECOND as f64).round() as u64)
}

/// One sampled thread.
#[derive(Debug)]
pub(crate) struct Thread {
    pub(crate) pid: u32,
    /// Node's `threadId`.
    pub(crate) id: u32,
    /// Drawn seconds, used in turn.
    pub(crate) seconds: Vec<String>,
}

/// An interval in which the loop of the main thread did not turn.
#[derive(Debug)]
pub(crate) struct Hold {
    pub(crate) start: f64,
    pub(crate) end: f64,
    /// What ran; `None`: nothing did, the thread had no CPU.
    pub(crate) stack: Option<String>,
}

/// A recording to be.
#[allow(clippy::struct_excessive_bools, reason = "each says what is missing, independently of the others")]
#[derive(Debug)]
pub(crate) struct Drawing {
    pub(crate) threads: Vec<Thread>,
    pub(crate) holds: Vec<Hold>,
    /// Requests a second and latency in ms.
    pub(crate) load: Option<(u64, f64)>,
    /// Share of slow requests and their latency in ms.
    pub(crate) slow: (f64, f64),
    pub(crate) errors: Option<(&'static str, u64)>,
    /// From when on the loop never turns again.
    pub(crate) hang: Option<f64>,
    /// Whether answers go on to arrive nevertheless.
    pub(crate) answers_go_on: bool,
    pub(crate) run_queue: f64,
    /// Threads without JavaScript, each with these shares of wall time on a CPU and waiting for one.
    pub(crate) helpers: (u32, f64, f64),
    /// Cores that other programs take.
    pub(crate) neighbours: f64,
    /// Share of the time on a CPU; that of the busy samples where none is given.
    pub(crate) run: Option<f64>,
    pub(crate) died: Option<f64>,
    pub(crate) has_records: bool,
    pub(crate) has_loop: bool,
    /// From when on the probe's records are lost.
    pub(crate) records_end: f64,
    pub(crate) has_system: bool,
    /// Kind, key, calls per request, bytes and ms of each call, and `function@line of the call`, with `<caller@line` behind, each of a
    /// package where `package:` is before it; empty: not known.
    pub(crate) counts: Vec<(&'static str, &'static str, f64, f64, f64, &'static str)>,
    /// Functions and their calls per request.
    pub(crate) calls: Vec<(&'static str, f64)>,
    /// Functions, how often V8 optimised them, and from when to when, ms.
    pub(crate) optimised: Vec<(&'static str, u64, (f64, f64))>,
    /// What requests ran and waited for.
    pub(crate) followed: Option<AsyncLog>,
    /// Windows of the heap recorder.
    pub(crate) heap: Vec<HeapRecord>,
    /// Bytes a second that the readings of the heap rise by.
    pub(crate) heap_rises: f64,
    /// Phases under other loads, four seconds each, after all others.
    pub(crate) levels: Vec<DrawnLevel>,
}

/// A phase under another load.
#[derive(Debug)]
pub(crate) struct DrawnLevel {
    pub(crate) connections: u32,
    pub(crate) body_bytes: f64,
    /// Requests a second.
    pub(crate) rate: u64,
    /// A drawn second of the main thread.
    pub(crate) stacks: String,
}

/// When the phases under other loads begin, and how long each is, in seconds.
pub(crate) const LEVELS_START: f64 = 33.0;
pub(crate) const LEVEL_SECONDS: f64 = 4.0;

impl Drawing {
    /// Requests were followed.
    pub(crate) fn follows(mut self, log: AsyncLog) -> Self {
        self.followed = Some(log);
        self
    }

    /// A main thread with these stacks in each second, 100 requests a second of 5 ms each.
    pub(crate) fn of(stacks: &str) -> Self {
        Self {
            threads: vec![Thread { pid: PID, id: 0, seconds: vec![stacks.into()] }],
            holds: Vec::new(),
            load: Some((100, 5.0)),
            slow: (0.0, 0.0),
            errors: None,
            hang: None,
            answers_go_on: false,
            run_queue: 0.0,
            helpers: (0, 0.0, 0.0),
            neighbours: 0.0,
            run: None,
            died: None,
            has_records: true,
            has_loop: true,
            records_end: RECORDS_END,
            has_system: true,
            counts: Vec::new(),
            calls: Vec::new(),
            optimised: Vec::new(),
            followed: None,
            heap: Vec::new(),
            heap_rises: 0.0,
            levels: Vec::new(),
        }
    }

    /// The load was also driven over so many connections with bodies of so many bytes: so many requests a second, with these stacks
    /// in each second.
    pub(crate) fn level(
        mut self,
        (connections, body_bytes): (u32, f64),
        rate: u64,
        stacks: impl Into<String>,
    ) -> Self {
        self.levels.push(DrawnLevel { connections, body_bytes, rate, stacks: stacks.into() });
        self
    }

    /// Between two full collections two seconds apart the heap grows by so many bytes, which a callback in `keep` at app.js:12 allocated in
    /// so many samples; over the run its readings rise by `rises` bytes a second.
    pub(crate) fn heap_grows(mut self, bytes: u64, n_samples: u32, rises: f64) -> Self {
        let heap = SampledHeap {
            used_before: 40_000_000,
            used_after: 40_000_000 + bytes,
            ..keeps(bytes, n_samples)
        };
        self.heap.push(HeapRecord {
            from: at(29.0),
            t: at(31.0),
            thread: 0,
            seen: HeapSeen::Survivors(heap),
        });
        self.heap_rises = rises;
        self
    }

    /// `keep` at app.js:12 allocates most of so many bytes in half a second.
    pub(crate) fn allocates(mut self, bytes: u64) -> Self {
        let (from, t) = (at(28.0), at(28.5));
        let seen = HeapSeen::Allocations(keeps(bytes, 200));
        self.heap.push(HeapRecord { from, t, thread: 0, seen });
        let kinds =
            vec![CollectionSum { kind: "Scavenge".into(), n: 9, ms: 12.0, ..CollectionSum::default() }];
        let seen = HeapSeen::Collections { allocated: bytes as f64, kinds };
        self.heap.push(HeapRecord { from, t, thread: 0, seen });
        self
    }

    /// Nothing arrived: no samples, no records, no `/proc`, no load.
    pub(crate) fn empty() -> Self {
        let (threads, has_records, has_system) = (Vec::new(), false, false);
        Self { threads, load: None, has_records, has_system, ..Self::of("") }
    }

    /// Every other second is like this instead.
    pub(crate) fn in_turn_with(mut self, stacks: &str) -> Self {
        self.threads[0].seconds.push(stacks.into());
        self
    }

    /// One more thread; a process id of its own makes it a cluster worker.
    pub(crate) fn thread(mut self, pid: u32, thread: u32, stacks: &str) -> Self {
        self.threads.push(Thread { pid, id: thread, seconds: vec![stacks.into()] });
        self
    }

    /// Only the counters of the kernel and of the event loop, no samples.
    pub(crate) fn without_samples(mut self) -> Self {
        self.threads.clear();
        self
    }

    /// The event-loop recorder delivered nothing.
    pub(crate) fn without_loop_records(mut self) -> Self {
        self.has_loop = false;
        self
    }

    /// The probe's records are lost from a moment on.
    pub(crate) fn records_lost_from(mut self, second: f64) -> Self {
        self.records_end = second;
        self
    }

    pub(crate) fn without_load(mut self) -> Self {
        self.load = None;
        self
    }

    pub(crate) fn load(mut self, requests_per_second: u64, latency_ms: f64) -> Self {
        self.load = Some((requests_per_second, latency_ms));
        self
    }

    /// This share of the requests takes longer.
    pub(crate) fn slow_requests(mut self, share: f64, latency_ms: f64) -> Self {
        self.slow = (share, latency_ms);
        self
    }

    /// So many requests fail in each second.
    pub(crate) fn errors(mut self, class: &'static str, per_second: u64) -> Self {
        self.errors = Some((class, per_second));
        self
    }

    /// Share of wall time that the main thread waits for a CPU.
    pub(crate) fn run_queue(mut self, share: f64) -> Self {
        self.run_queue = share;
        self
    }

    /// So many threads besides the main thread, such as libuv's pool, each with these shares of wall time on a CPU and waiting for one.
    pub(crate) fn helpers(mut self, n: u32, on_cpu: f64, waiting: f64) -> Self {
        self.helpers = (n, on_cpu, waiting);
        self
    }

    /// So many of the machine's four cores are taken by other programs.
    pub(crate) fn neighbours(mut self, cores: f64) -> Self {
        self.neighbours = cores;
        self
    }

    /// Though the loop's timers are never seen again, requests are answered.
    pub(crate) fn but_answers(mut self) -> Self {
        self.answers_go_on = true;
        self
    }

    /// Share of wall time that the main thread is on a CPU.
    pub(crate) fn on_cpu(mut self, share: f64) -> Self {
        self.run = Some(share);
        self
    }

    /// The loop stops at each of these moments for so long, while `stack` runs.
    pub(crate) fn stalls(mut self, starts: &[f64], ms: f64, stack: &str) -> Self {
        let hold = |start: &f64| Hold { start: *start, end: start + ms / 1e3, stack: Some(stack.into()) };
        self.holds.extend(starts.iter().map(hold));
        self
    }

    /// The loop stops at each of these moments for so long, because the thread is given no CPU.
    pub(crate) fn stalls_without_cpu(mut self, starts: &[f64], ms: f64) -> Self {
        self.holds.extend(starts.iter().map(|start| Hold {
            start: *start,
            end: start + ms / 1e3,
            stack: None,
        }));
        self
    }

    /// From a moment on only `stack` runs: the loop never turns again, and every request times out.
    pub(crate) fn hangs_from(mut self, start: f64, stack: &str) -> Self {
        self.hang = Some(start);
        self.holds.push(Hold { start, end: 1e9, stack: Some(stack.into()) });
        self
    }

    /// Each request makes so many calls of `kind` and `key`, of so many bytes and ms each, at `function@line`.
    pub(crate) fn counts(
        mut self,
        (kind, key): (&'static str, &'static str),
        per_request: f64,
        bytes: f64,
        ms: f64,
        place: &'static str,
    ) -> Self {
        self.counts.push((kind, key, per_request, bytes, ms, place));
        self
    }

    /// Each request calls a function so often.
    pub(crate) fn calls(mut self, function: &'static str, per_request: f64) -> Self {
        self.calls.push((function, per_request));
        self
    }

    /// V8 optimises a function so often, the first and the last time at these ms of a second.
    pub(crate) fn optimised(mut self, function: &'static str, n: u64, from_to_ms: (f64, f64)) -> Self {
        self.optimised.push((function, n, from_to_ms));
        self
    }

    /// The target ends by itself.
    pub(crate) fn dies_at(mut self, second: f64) -> Self {
        self.died = Some(second);
        self
    }
}

/// `keep` makes nothing itself: a callback in it does, and what that calls of V8.
fn keeps(bytes: u64, n_samples: u32) -> SampledHeap {
    let frame = |name: &str, line| HeapFrame(name.into(), "file:///srv/app.js".into(), line, 0);
    SampledHeap {
        interval: 65_536,
        frames: vec![
            frame("handle", 2),
            frame("keep", 11),
            HeapFrame("split".into(), String::new(), -1, -1),
            frame("", 13),
        ],
        nodes: vec![
            HeapNode(-1, 0, bytes / 10, n_samples / 10),
            HeapNode(0, 1, 0, 0),
            HeapNode(1, 3, bytes / 2, n_samples / 2),
            HeapNode(2, 2, bytes * 4 / 10, n_samples * 4 / 10),
        ],
        ..SampledHeap::default()
    }
}
