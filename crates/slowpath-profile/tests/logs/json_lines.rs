//! Events, `/proc` samples and process records of any content, as lines of JSON.

use hdrhistogram::Histogram;
use proptest::prelude::*;
use slowpath_profile::Nanos;
use slowpath_profile::recording::{
    CgroupSample, Ended, Event, GcPause, HeapUse, JsonLines, LoopSecond, MachineCpu, ProcessHello,
    ProcessRecord, ProcessSample, ReadLines, RecorderState, StallWindow, SystemSample, TaskSample,
    TimedEvent, read_json_lines,
};

fn nanos() -> impl Strategy<Value = Nanos> {
    any::<u64>().prop_map(Nanos)
}

prop_compose! {
    fn hello()(pid: u32, ppid: u32, argv: Vec<String>, cwd: String, cluster_worker: Option<u32>, limit: u64)
        -> ProcessHello {
        let heap_size_limit = limit;
        ProcessHello { pid, ppid, argv, cwd, cluster_worker, heap_size_limit, ..ProcessHello::default() }
    }
}

fn event() -> impl Strategy<Value = Event> {
    let text = any::<String>;
    let state =
        prop_oneof![Just(RecorderState::Ok), Just(RecorderState::Partial), Just(RecorderState::Missing)];
    let ended = prop_oneof![Just(Ended::Complete), Just(Ended::Interrupted), Just(Ended::TargetDied)];
    prop_oneof![
        any::<u32>().prop_map(|pid| Event::Launched { pid }),
        any::<u32>().prop_map(|pid| Event::Attached { pid }),
        any::<u32>().prop_map(|pid| Event::Ready { pid }),
        text().prop_map(|phase| Event::PhaseStarted { phase }),
        text().prop_map(|phase| Event::PhaseEnded { phase }),
        hello().prop_map(Event::Process),
        (any::<u32>(), any::<Option<u32>>(), text()).prop_map(|(pid, tid, title)| Event::ThreadStarted {
            pid,
            thread: 1,
            title,
            tid
        }),
        (text(), any::<Option<u32>>(), state, text())
            .prop_map(|(recorder, pid, state, why)| Event::Recorder { recorder, pid, state, why }),
        (any::<u32>(), any::<Option<i32>>(), any::<Option<i32>>(), any::<bool>())
            .prop_map(|(pid, code, signal, stopping)| Event::ProcessEnded { pid, code, signal, stopping }),
        (ended, text()).prop_map(|(ended, detail)| Event::Stopping { ended, detail }),
        text().prop_map(|signal| Event::Signalled { signal }),
        text().prop_map(|text| Event::Warning { text }),
        Just(Event::Finished),
    ]
}

prop_compose! {
    fn timed_event()(t in nanos(), event in event()) -> TimedEvent {
        TimedEvent { t, event }
    }
}

prop_compose! {
    fn task()(tid: u32, name: String, run in nanos(), wait in nanos(), user in nanos(), n: (u64, u64)) -> TaskSample {
        TaskSample { tid, name, run, wait, user, system: Nanos(1), n_voluntary: n.0, n_involuntary: n.1 }
    }
}

prop_compose! {
    fn system_sample()(
        t in nanos(),
        busy in nanos(),
        throttled in prop::option::of(nanos()),
        name: String,
        rss: u64,
        tasks in prop::collection::vec(task(), 0..4),
    ) -> SystemSample {
        let process = ProcessSample { pid: 7, name, rss, tasks, ..ProcessSample::default() };
        let cgroup = throttled.map(|throttled| CgroupSample { n_throttled: 1, throttled });
        let machine = MachineCpu { busy, ..MachineCpu::default() };
        SystemSample { t, machine, cgroup, own_cpu: t, processes: vec![process] }
    }
}

prop_compose! {
    fn loop_second()(
        from in nanos(),
        idle in nanos(),
        delays in prop::collection::vec(0_u64..100_000_000, 0..50),
        stalls in prop::collection::vec((nanos(), nanos()), 0..3),
    ) -> LoopSecond {
        let mut delay = Histogram::new(3).unwrap();
        for us in delays {
            delay.record(us).unwrap();
        }
        let stalls = stalls.into_iter().map(|(start, end)| StallWindow { start, end }).collect();
        LoopSecond { from, to: from, delay, idle, stalls }
    }
}

prop_compose! {
    fn process_record()(
        t in nanos(),
        thread: u32,
        event_loop in prop::option::of(loop_second()),
        gc in prop::collection::vec((nanos(), nanos(), any::<u32>()), 0..4),
        heap: Option<(u64, u64, u64)>,
        n_dropped: u64,
    ) -> ProcessRecord {
        let gc = gc.into_iter().map(|(start, pause, kind)| GcPause { start, pause, kind }).collect();
        let heap = heap.map(|(used, total, external)| HeapUse { used, total, external });
        ProcessRecord { t, thread, event_loop, gc, heap, n_dropped }
    }
}

/// Writes `values`, keeps `kept` bytes of every thousand, and reads them back.
fn through_a_file<T>(values: &[T], kept: usize) -> ReadLines<T>
where
    T: serde::Serialize + serde::de::DeserializeOwned,
{
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.jsonl");
    let mut lines = JsonLines::append_to(&path).unwrap();
    for value in values {
        lines.push(value).unwrap();
    }
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() * kept / 1000]).unwrap();
    read_json_lines(&path).unwrap()
}

/// Histograms are compared by what they hold.
fn parts(record: &ProcessRecord) -> impl PartialEq + std::fmt::Debug {
    let second = record.event_loop.clone().map(|s| (s.from, s.to, s.delay, s.idle, s.stalls));
    (record.t, record.thread, second, record.gc.clone(), record.heap, record.n_dropped)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn events_come_back_as_they_were(events in prop::collection::vec(timed_event(), 0..8)) {
        let found = through_a_file(&events, 1000);
        prop_assert_eq!(found.n_unreadable, 0);
        prop_assert_eq!(found.values, events);
    }

    #[test]
    fn system_samples_come_back_as_they_were(samples in prop::collection::vec(system_sample(), 0..4)) {
        prop_assert_eq!(through_a_file(&samples, 1000).values, samples);
    }

    #[test]
    fn process_records_come_back_as_they_were(records in prop::collection::vec(process_record(), 0..4)) {
        let found = through_a_file(&records, 1000).values;
        let (found, expected): (Vec<_>, Vec<_>) = (found.iter().map(parts).collect(), records.iter().map(parts).collect());
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn a_log_cut_anywhere_loses_only_its_last_line(
        events in prop::collection::vec(timed_event(), 1..8),
        kept in 0_usize..1000,
    ) {
        let found = through_a_file(&events, kept);
        prop_assert!(events.starts_with(&found.values));
        prop_assert!(found.n_unreadable <= 1);
    }
}
