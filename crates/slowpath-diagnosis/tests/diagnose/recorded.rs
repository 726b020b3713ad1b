//! Turns a drawing into the recording that it stands for.

use crate::drawing::{Drawing, Hold, LEVEL_SECONDS, LEVELS_START, PHASES, PID, Thread, at};
use crate::stacks::{PER_SECOND, second, segment};
use hdrhistogram::Histogram;
use slowpath_profile::recording::{
    CallCounts, CallSite, CounterRecord, DeoptCause, DeoptCounts, Ended, Event, FORMAT_VERSION, GcPause,
    HeapUse, Layout, Level, LoadInterval, LoadPlanInfo, LoopSecond, Machine, MachineCpu, Manifest,
    OptimisedFunction, PhasePlan, PlaceShare, ProcessHello, ProcessRecord, ProcessSample, RecorderState,
    ScalePlan, ScriptCalls, SiteFrame, StallWindow, SystemSample, TaskSample, ThreadCpu, TimedEvent, Total,
    Varied,
};
use slowpath_profile::{Nanos, Recording, SECOND};
use std::collections::BTreeMap;

impl Drawing {
    fn end(&self) -> f64 {
        self.died.unwrap_or(LEVELS_START + LEVEL_SECONDS * self.levels.len() as f64)
    }

    fn hold_at(&self, time: f64) -> Option<&Hold> {
        self.holds.iter().find(|hold| hold.start <= time && time < hold.end)
    }

    /// Returns the recording.
    pub(crate) fn recording(&self) -> Recording {
        let processes = self.pids().into_iter().filter(|_| self.has_records);
        Recording {
            events: self.events(),
            load: self.load_intervals(),
            system: self.system(),
            processes: processes.map(|pid| (pid, self.process_records())).collect(),
            counters: self.counters(),
            heap: BTreeMap::from([(PID, self.heap.clone())]),
            cpu: self.threads.iter().map(|t| ((t.pid, t.id), self.cpu(t))).collect(),
            asynchronous: self.followed.iter().map(|log| (PID, log.clone())).collect(),
            ..Recording::empty(Layout::new("drawn"), self.manifest())
        }
    }

    fn pids(&self) -> Vec<u32> {
        let mut pids: Vec<u32> = self.threads.iter().map(|thread| thread.pid).chain([PID]).collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    fn events(&self) -> Vec<TimedEvent> {
        let mut events = vec![(0.0, Event::Launched { pid: PID })];
        for pid in self.pids().into_iter().filter(|_| self.has_records) {
            let cluster_worker = (pid != PID).then_some(pid - PID);
            let argv = vec!["node".into(), "app.js".into()];
            let (cwd, main) = ("/srv".into(), "/srv/app.js".into());
            let hello = ProcessHello { pid, argv, cwd, main, cluster_worker, ..ProcessHello::default() };
            events.push((0.0, Event::Process(hello)));
        }
        if !self.has_loop {
            let (state, why) = (RecorderState::Missing, "not supported".to_owned());
            events.push((0.0, Event::Recorder { recorder: "loop".into(), pid: Some(PID), state, why }));
        }
        for (phase, start, end) in PHASES.iter().filter(|(_, start, _)| *start < self.end()) {
            events.push((*start, Event::PhaseStarted { phase: (*phase).into() }));
            events.push((end.min(self.end()), Event::PhaseEnded { phase: (*phase).into() }));
        }
        for (index, start) in self.level_starts() {
            let phase = format!("level {index}");
            events.push((start, Event::PhaseStarted { phase: phase.clone() }));
            events.push((start + LEVEL_SECONDS, Event::PhaseEnded { phase }));
        }
        let (ended, detail) = match self.died {
            Some(_) => (Ended::TargetDied, "the target ended by itself: exit code 7".into()),
            None => (Ended::Complete, String::new()),
        };
        events.push((self.end(), Event::Stopping { ended, detail }));
        events.push((self.end(), Event::Finished));
        events.into_iter().map(|(t, event)| TimedEvent { t: at(t), event }).collect()
    }

    fn cpu(&self, thread: &Thread) -> ThreadCpu {
        let (_, start, end) = PHASES[2];
        let end = end.min(self.end());
        let mut samples = Vec::new();
        for index in 0..((end - start).max(0.0) * PER_SECOND as f64) as usize {
            let time = start + index as f64 / PER_SECOND as f64;
            let drawn =
                second(&thread.seconds[index / PER_SECOND % thread.seconds.len()])[index % PER_SECOND];
            match self.hold_at(time).filter(|_| thread.id == 0) {
                Some(Hold { stack: None, .. }) => {}
                Some(Hold { stack: Some(stack), .. }) => samples.push((time, stack.as_str())),
                None => samples.push((time, drawn)),
            }
        }
        let mut segments = if samples.is_empty() { vec![] } else { vec![segment(start, end, &samples)] };
        for (index, start) in self.level_starts().filter(|_| thread.id == 0) {
            let drawn = second(&self.levels[index].stacks);
            let samples: Vec<_> = (0..(LEVEL_SECONDS * PER_SECOND as f64) as usize)
                // In an order that spreads each stack over the second.
                .map(|at| (start + at as f64 / PER_SECOND as f64, drawn[at * 37 % PER_SECOND]))
                .collect();
            segments.push(segment(start, start + LEVEL_SECONDS, &samples));
        }
        ThreadCpu { segments }
    }

    /// Index and first second of each phase under another load.
    fn level_starts(&self) -> impl Iterator<Item = (usize, f64)> {
        (0..self.levels.len()).map(|index| (index, LEVELS_START + LEVEL_SECONDS * index as f64))
    }

    fn manifest(&self) -> Manifest {
        let phases = self.levels.iter().enumerate().map(|(index, level)| PhasePlan {
            level: Some(Level {
                connections: level.connections,
                body_bytes: level.body_bytes,
                varied: Varied::Both,
            }),
            ..PhasePlan::new(format!("level {index}"), LEVEL_SECONDS)
        });
        let why = Some("the body has one size".to_owned());
        let scale = ScalePlan { bodies_fixed: why, ..ScalePlan::default() };
        Manifest {
            phases: phases.collect(),
            scale: (!self.levels.is_empty()).then_some(scale),
            ..manifest(self.load.is_some())
        }
    }

    /// Half seconds of the phases under other loads.
    fn level_intervals(&self) -> impl Iterator<Item = LoadInterval> + '_ {
        self.level_starts().flat_map(|(index, start)| {
            let level = &self.levels[index];
            (0..(LEVEL_SECONDS * 2.0) as u32).map(move |half| {
                let from = start + f64::from(half) / 2.0;
                let n_requests = level.rate / 2;
                // Little's law: all connections are waiting all the time.
                let latency_ms = f64::from(level.connections) / level.rate as f64 * 1e3;
                LoadInterval {
                    start: at(from),
                    end: at(from + 0.5),
                    label: format!("level {index}"),
                    latency: histogram(&[(latency_ms, n_requests)]),
                    n_requests,
                    status: BTreeMap::from([(200, n_requests)]),
                    errors: BTreeMap::new(),
                    error_samples: Vec::new(),
                    in_flight: Nanos((f64::from(level.connections) * 0.5e9) as u64),
                    bytes_in: n_requests,
                    busiest_thread_cpu_share: 0.1,
                }
            })
        })
    }

    fn load_intervals(&self) -> Vec<LoadInterval> {
        let Some((n_requests, latency_ms)) = self.load else { return Vec::new() };
        let interval = |from: f64| {
            let hangs = !self.answers_go_on && self.hang.is_some_and(|start| start <= from);
            let n_requests = if hangs { 0 } else { n_requests };
            let n_slow = (n_requests as f64 * self.slow.0).round() as u64;
            let errors = if hangs { Some(("timeout", 10)) } else { self.errors };
            LoadInterval {
                start: at(from),
                end: at(from + 1.0),
                label: phase_at(from).into(),
                latency: histogram(&[(latency_ms, n_requests - n_slow), (self.slow.1, n_slow)]),
                n_requests,
                status: BTreeMap::from([(200, n_requests)]),
                errors: errors.iter().map(|(class, n)| ((*class).to_owned(), *n)).collect(),
                error_samples: errors.iter().map(|(class, _)| format!("GET /: {class}")).collect(),
                bytes_in: n_requests * 1000,
                in_flight: Nanos((latency_ms * 1e6) as u64 * n_requests),
                busiest_thread_cpu_share: 0.1,
            }
        };
        let own = self.each_second().filter(|from| *from < LEVELS_START);
        own.map(interval).chain(self.level_intervals()).collect()
    }

    /// Two seconds of counting, and one of counting calls; as if they had been of their own.
    fn counters(&self) -> BTreeMap<u32, Vec<CounterRecord>> {
        let mut records = Vec::new();
        let rate = self.load.map_or(0, |(rate, _)| rate) as f64;
        let total = |(kind, key, per_request, bytes, ms, _): &(&str, &str, f64, f64, f64, &str)| {
            let n = per_request * rate * 2.0;
            Total((*kind).into(), (*key).into(), n as u64, bytes * n, ms * n, *bytes)
        };
        if !self.counts.is_empty() {
            let mut totals: Vec<Total> = self.counts.iter().map(total).collect();
            totals.push(Total("request".into(), String::new(), (rate * 2.0) as u64, 0.0, 0.0, 0.0));
            let placed = || self.counts.iter().enumerate().filter(|(_, count)| !count.5.is_empty());
            let sites = placed().map(|(index, count)| {
                let frame = |place: &str| {
                    let (name, line) = place.split_once('@').expect("a place is `function@line`");
                    let (name, url) = match name.split_once(':') {
                        Some((package, name)) => {
                            (name, format!("file:///srv/node_modules/{package}/index.js"))
                        }
                        None => (name, "file:///srv/app.js".into()),
                    };
                    SiteFrame(name.into(), url, line.parse().expect("a line"), 5)
                };
                CallSite(index as u32 + 1, count.5.split('<').map(frame).collect(), false)
            });
            let places = placed().map(|(index, count)| {
                let Total(kind, key, n, bytes, ms, _) = total(count);
                PlaceShare(kind, key, index as u32 + 1, n, n.min(1000), bytes, ms)
            });
            records.push(CounterRecord {
                t: at(24.0),
                from: at(22.0),
                totals,
                places: places.collect(),
                sites: sites.collect(),
                stride: 1,
                ..CounterRecord::default()
            });
        }
        if !self.calls.is_empty() {
            let functions = self
                .calls
                .iter()
                .map(|(name, per_request)| ((*name).to_owned(), 0, 0, (per_request * rate) as u64));
            let script = ScriptCalls { url: "file:///srv/app.js".into(), functions: functions.collect() };
            let calls = Some(CallCounts { ms: 1000.0, scripts: vec![script] });
            records.push(CounterRecord { t: at(26.0), from: at(25.0), calls, ..CounterRecord::default() });
            let totals = vec![Total("request".into(), String::new(), rate as u64, 0.0, 0.0, 0.0)];
            records.push(CounterRecord { t: at(26.0), from: at(25.0), totals, ..CounterRecord::default() });
        }
        if !self.optimised.is_empty() {
            let functions = self.optimised.iter().map(|&(name, optimised, (first_ms, last_ms))| {
                let causes = vec![DeoptCause("eager".into(), "wrong map".into(), None, optimised / 2)];
                let name = name.to_owned();
                OptimisedFunction {
                    name,
                    optimised,
                    first_ms,
                    last_ms,
                    causes,
                    ..OptimisedFunction::default()
                }
            });
            let deopts = Some(DeoptCounts { ms: 1000.0, n_other: 0, functions: functions.collect() });
            records.push(CounterRecord { t: at(25.0), from: at(24.0), deopts, ..CounterRecord::default() });
        }
        if records.is_empty() { BTreeMap::new() } else { BTreeMap::from([(PID, records)]) }
    }

    fn each_second(&self) -> impl Iterator<Item = f64> + '_ {
        (0..self.end() as u32).map(f64::from)
    }

    /// Loop, GC and heap of each second, as the probe reports them at its end.
    fn process_records(&self) -> Vec<ProcessRecord> {
        let stacks = self.threads.first().map(|thread| second(&thread.seconds[0])).unwrap_or_default();
        let n_idle = stacks.iter().filter(|stack| **stack == "idle").count() as u64;
        let n_gc = stacks.iter().filter(|stack| **stack == "gc").count() as u64;
        let record = |from: f64| {
            let of_second = |hold: &&Hold| from < hold.end && hold.end <= from + 1.0;
            let ended: Vec<&Hold> = self.holds.iter().filter(of_second).collect();
            let late = ended.iter().map(|hold| ((hold.end - hold.start) * 1e3, 1));
            let delay = histogram(&late.chain([(1.0, 90)]).collect::<Vec<_>>());
            let window = |hold: &&Hold| StallWindow { start: at(hold.start), end: at(hold.end) };
            let stalls = ended.iter().map(window).collect();
            let idle = Nanos(n_idle * SECOND / 100);
            let pause = GcPause { start: at(from), pause: Nanos(n_gc * SECOND / 100), kind: 1 };
            let event_loop = LoopSecond { from: at(from), to: at(from + 0.99), delay, idle, stalls };
            ProcessRecord {
                t: at(from + 1.0),
                thread: 0,
                event_loop: self.has_loop.then_some(event_loop),
                gc: if n_gc > 0 { vec![pause] } else { Vec::new() },
                heap: Some(HeapUse {
                    used: (1 << 24) + (self.heap_rises * from) as u64,
                    total: 1 << 25,
                    external: 0,
                }),
                n_dropped: 0,
            }
        };
        let last = self.hang.unwrap_or(self.records_end);
        self.each_second().filter(|from| from + 1.0 <= last).map(record).collect()
    }

    /// `/proc` twice a second: the main threads of all processes run and wait alike.
    fn system(&self) -> Vec<SystemSample> {
        let busy =
            |second: &Vec<&str>| second.iter().filter(|stack| **stack != "idle").count() as f64 / 100.0;
        let busy = self.threads.first().map_or(0.0, |thread| busy(&second(&thread.seconds[0])));
        let run = self.run.unwrap_or((busy - self.run_queue).max(0.0));
        let sample = |half: u32| {
            let t = f64::from(half) / 2.0;
            let spent = |share: f64| Nanos((share * t * SECOND as f64) as u64);
            // What holds the loop has a CPU while it does, unless a share was given.
            let held = self.holds.iter().filter(|hold| self.run.is_none() && hold.stack.is_some());
            let held: f64 = held.map(|hold| (hold.end.min(t) - hold.start).max(0.0)).sum();
            let run_ns = spent(run).0 + ((1.0 - run) * held * SECOND as f64) as u64;
            let task = |tid| TaskSample {
                tid,
                run: Nanos(run_ns),
                wait: spent(self.run_queue),
                ..TaskSample::default()
            };
            let (n_helpers, on_cpu, waiting) = self.helpers;
            let helper = |n| TaskSample {
                tid: 90_000 + n,
                run: spent(on_cpu),
                wait: spent(waiting),
                ..TaskSample::default()
            };
            let processes = self.pids().into_iter().map(|pid| ProcessSample {
                pid,
                tasks: std::iter::once(task(pid)).chain((0..n_helpers).map(helper)).collect(),
                ..ProcessSample::default()
            });
            let busy = run + self.neighbours;
            let machine = MachineCpu { busy: spent(busy), idle: spent(4.0 - busy), steal: Nanos(0) };
            SystemSample { t: at(t), machine, processes: processes.collect(), ..SystemSample::default() }
        };
        let n_samples = if self.has_system { (self.end() * 2.0) as u32 + 1 } else { 0 };
        (0..n_samples).map(sample).collect()
    }
}

fn phase_at(second: f64) -> &'static str {
    PHASES.iter().find(|(_, _, end)| second < *end).map_or("", |(name, ..)| name)
}

/// Returns a histogram of `(ms, how often)`, in microseconds.
fn histogram(values: &[(f64, u64)]) -> Histogram<u64> {
    let mut histogram = Histogram::new(3).expect("three digits are valid");
    for (ms, n) in values.iter().filter(|(_, n)| *n > 0) {
        histogram.record_n((ms * 1e3) as u64, *n).expect("it resizes itself");
    }
    histogram
}

fn manifest(has_load: bool) -> Manifest {
    let load = LoadPlanInfo { url: "http://127.0.0.1:3000/".into(), method: "GET".into(), connections: 10 };
    Manifest {
        format_version: FORMAT_VERSION,
        slowpath_version: "0.0.0".into(),
        start: at(0.0),
        started_at: "2026-01-01T00:00:00Z".into(),
        command: vec!["node".into(), "app.js".into()],
        cwd: "/srv".into(),
        title: "app".into(),
        load: has_load.then_some(load),
        phases: Vec::new(),
        scale: None,
        cpu_interval_us: 10_000,
        machine: Machine { cpus: 4, ..Machine::default() },
    }
}
