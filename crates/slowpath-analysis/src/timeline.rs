//! Series over time, for one picture: load, event loop, CPU, memory, GC.

use crate::phases::Phases;
use slowpath_profile::recording::{ProcessRecord, SystemSample};
use slowpath_profile::{Nanos, Recording, SECOND};

/// One series; `t` ascends.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Stable id.
    pub id: &'static str,
    /// Name for people.
    pub label: &'static str,
    /// Unit of `v`.
    pub unit: &'static str,
    /// Seconds since the start of the recording.
    pub t: Vec<f64>,
    /// Values; `None` is "not measured then".
    pub v: Vec<Option<f64>>,
}

/// All series of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timeline {
    /// Length of the recording in seconds.
    pub seconds: f64,
    /// Series that have data.
    pub series: Vec<Series>,
}

impl Timeline {
    pub(crate) fn of(recording: &Recording, main_pid: Option<u32>, phases: &Phases) -> Self {
        let at = |t: Nanos| phases.since_start(t);
        let load =
            |id, label, unit, value: &dyn Fn(&slowpath_profile::recording::LoadInterval) -> Option<f64>| {
                // Short intervals at phase boundaries would draw spikes.
                let whole = recording.load.iter().filter(|i| i.end.since(i.start).0 > SECOND / 4);
                let (t, v) = whole.map(|i| (at(Nanos(u64::midpoint(i.start.0, i.end.0))), value(i))).unzip();
                Series { id, label, unit, t, v }
            };
        let records: Vec<&ProcessRecord> = main_pid
            .and_then(|pid| recording.processes.get(&pid))
            .map(|records| records.iter().filter(|record| record.thread == 0).collect())
            .unwrap_or_default();
        let process = |id, label, unit, value: &dyn Fn(&ProcessRecord) -> Option<f64>| {
            let known = records.iter().filter_map(|record| Some((at(record.t), Some(value(record)?))));
            let (t, v) = known.unzip();
            Series { id, label, unit, t, v }
        };
        let series = vec![
            load("rps", "requests", "1/s", &|i| {
                Some(i.n_requests as f64 / i.end.since(i.start).as_secs_f64())
            }),
            load("p99", "p99 latency", "ms", &|i| {
                (!i.latency.is_empty()).then(|| i.latency.value_at_quantile(0.99) as f64 / 1e3)
            }),
            process("loop_delay", "loop delay p99", "ms", &|record| {
                record.event_loop.as_ref().map(|second| second.delay.value_at_quantile(0.99) as f64 / 1e3)
            }),
            cpu_series(&recording.system, &at),
            process("heap", "heap used", "bytes", &|record| record.heap.map(|heap| heap.used as f64)),
            rss_series(&recording.system, &at),
            gc_series(&records, &at),
        ];
        let seconds = at(phases.end);
        Self { seconds, series: series.into_iter().filter(|series| !series.t.is_empty()).collect() }
    }
}

fn cpu_series(system: &[SystemSample], at: &dyn Fn(Nanos) -> f64) -> Series {
    let run = |sample: &SystemSample| -> u64 {
        sample.processes.iter().flat_map(|process| &process.tasks).map(|task| task.run.0).sum()
    };
    let pairs = system.windows(2).filter(|pair| pair[1].t.since(pair[0].t).0 > SECOND / 10);
    let (t, v) = pairs
        .map(|pair| {
            let elapsed = pair[1].t.since(pair[0].t).0 as f64;
            // A thread that ended takes its time with it: never draw a negative use.
            (at(pair[1].t), Some(run(&pair[1]).saturating_sub(run(&pair[0])) as f64 / elapsed))
        })
        .unzip();
    Series { id: "cpu", label: "CPU", unit: "cores", t, v }
}

fn rss_series(system: &[SystemSample], at: &dyn Fn(Nanos) -> f64) -> Series {
    let rss = |sample: &SystemSample| sample.processes.iter().map(|process| process.rss).sum::<u64>() as f64;
    let (t, v) = system.iter().map(|sample| (at(sample.t), Some(rss(sample)))).unzip();
    Series { id: "rss", label: "resident memory", unit: "bytes", t, v }
}

fn gc_series(records: &[&ProcessRecord], at: &dyn Fn(Nanos) -> f64) -> Series {
    let mut series = Series { id: "gc", label: "GC", unit: "share", t: Vec::new(), v: Vec::new() };
    for pair in records.windows(2) {
        let elapsed = pair[1].t.since(pair[0].t).0;
        if elapsed > SECOND / 4 && pair[1].event_loop.is_some() {
            let paused: u64 = pair[1].gc.iter().map(|gc| gc.pause.0).sum();
            series.t.push(at(pair[1].t));
            series.v.push(Some((paused as f64 / elapsed as f64).min(1.0)));
        }
    }
    series
}
