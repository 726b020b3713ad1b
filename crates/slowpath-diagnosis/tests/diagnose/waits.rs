//! Threads with time to spare whose requests wait for something that can be told.

use crate::check::{check, check_first};
use crate::cpu::flat;
use crate::drawing::{Drawing, at};
use slowpath_profile::Nanos;
use slowpath_profile::recording::{
    AsyncFrame, AsyncHooks, AsyncJobs, AsyncLog, AsyncSecond, AsyncSource, FollowedRequest, HooksSide, Slice,
};

/// One wait of each request: when it begins and ends, ms; type of the source and its host; whether another request ended
/// it.
pub(crate) type Wait = (f64, f64, &'static str, Option<&'static str>, bool);

/// A hundred requests that wait so in `ask` at app.js:12, called from Node's `get`.
pub(crate) fn requests(duration_ms: f64, waits: &[Wait]) -> AsyncLog {
    let frame =
        |name: &str, file: &str, line| AsyncFrame { name: name.into(), file: file.into(), line, column: 3 };
    let sources = waits.iter().map(|wait| AsyncSource {
        r#type: wait.2.into(),
        remote: wait.3.map(Into::into),
        inbound: false,
    });
    let request = |n: u32| {
        let start = at(13.0 + f64::from(n) * 0.05);
        let ms = |ms: f64| Nanos(start.0 + (ms * 1e6) as u64);
        let slice = |begin: f64, since: Option<f64>, source: u32, waker: u32| Slice {
            start: ms(begin),
            end: ms(begin + 0.5),
            ran: Nanos(500_000),
            since: since.map(ms),
            queued: Nanos(0),
            site: u32::from(since.is_some()),
            source,
            again: false,
            waker,
        };
        let mut slices = vec![slice(0.0, None, 0, 0)];
        slices.extend(waits.iter().zip(1_u32..).map(|(wait, index)| {
            let waker = if wait.4 { n } else { 0 };
            slice(wait.1, Some(wait.0), index, waker)
        }));
        FollowedRequest {
            thread: 0,
            route: "GET /".into(),
            port: 3000,
            status: 200,
            start,
            end: ms(duration_ms),
            cut: false,
            queued: Nanos(0),
            slices,
            runs: Vec::new(),
        }
    };
    AsyncLog {
        frames: vec![frame("get", "node:http", 100), frame("ask", "file:///srv/app.js", 12)],
        sites: vec![Vec::new(), vec![0, 1]],
        sources: std::iter::once(AsyncSource::default()).chain(sources).collect(),
        protocols: [].into(),
        requests: (1..=100).map(request).collect(),
        seconds: vec![second(0.0, 0.0, 0)],
        hooks: Vec::new(),
        jobs: Vec::new(),
        pool_size: 4,
    }
}

fn second(pool_task_ms: f64, pool_full_ms: f64, n_pool_tasks: u64) -> AsyncSecond {
    let (t, n_requests, n_followed) = (at(14.0), 500, 100);
    AsyncSecond {
        thread: 0,
        t,
        n_requests,
        n_followed,
        spent: 0.02,
        pool_task_ms,
        pool_full_ms,
        n_pool_tasks,
        open_ms: 1000.0,
    }
}

fn drawing(latency_ms: f64, log: AsyncLog) -> Drawing {
    Drawing::of("handle@3 2").load(100, latency_ms).follows(log)
}

pub(crate) const HOST: Option<&str> = Some("api.example:443");

#[test]
fn a_slow_upstream_is_named_with_who_asks_it() {
    let log = requests(151.0, &[(0.4, 150.0, "TLSWRAP", HOST, false)]);
    let found = check(&drawing(152.0, log), "waiting", &["slow-upstream ask app.js:12"]);
    assert!(
        found.sentence().contains("await get to api.example:443 in ask (app.js:12)"),
        "{}",
        found.sentence()
    );
    assert_eq!(found.first().predicted_gain, None);
}

#[test]
fn a_quick_upstream_is_nobody_s_fault() {
    check(&drawing(9.0, requests(9.0, &[(0.4, 8.0, "TLSWRAP", HOST, false)])), "healthy", &[]);
}

#[test]
fn waits_in_series_are_told_from_waits_side_by_side() {
    let in_series = [
        (0.4, 20.0, "TLSWRAP", HOST, false),
        (20.4, 40.0, "TLSWRAP", HOST, false),
        (40.4, 60.0, "TLSWRAP", HOST, false),
    ];
    let found =
        check(&drawing(61.0, requests(61.0, &in_series)), "waiting", &["sequential-awaits ask app.js:12"]);
    let gain = found.first().predicted_gain.expect("a gain").throughput;
    assert!((2.0..3.0).contains(&gain), "{gain}");
    let together = [
        (0.3, 20.0, "TLSWRAP", HOST, false),
        (0.3, 21.0, "TLSWRAP", HOST, false),
        (0.3, 22.0, "TLSWRAP", HOST, false),
    ];
    check(&drawing(23.0, requests(23.0, &together)), "healthy", &[]);
}

#[test]
fn a_stream_that_takes_its_time_is_not_made_shorter_by_computing_less() {
    // The pieces come every 2 ms, and each is read as a wait of its own; the thread is held up by what follows the requests.
    let pieces: Vec<_> = (1..60)
        .map(|n| (f64::from(n) * 10.0 + 1.0, f64::from(n) * 10.0 + 2.0, "TLSWRAP", HOST, false))
        .collect();
    let mut log = requests(601.0, &pieces);
    for request in &mut log.requests {
        for slice in &mut request.slices {
            slice.queued = Nanos(8_000_000);
        }
    }
    let gain_of = |answers: f64| {
        let drawing =
            Drawing::of(&format!("handle@3;render@12 40\n{}", flat(10))).load(33, 600.0).follows(log.clone());
        let drawing = drawing.counts(("http.request", "api.example:443"), answers, 0.0, 0.0, "ask@12");
        let found = check_first(&drawing, "cpu", "cpu-hot-function render app.js:12");
        assert!(found.sentence().contains("render()"), "{}", found.sentence());
        found.first().predicted_gain.expect("a gain").throughput
    };
    // One answer is asked for: its pieces come when they come. Of sixty, each has to be queued for.
    let (of_one, of_sixty) = (gain_of(1.0), gain_of(60.0));
    assert!(of_one < 1.2 && 1.2 < of_sixty, "{of_one}, {of_sixty}");
}

#[test]
fn waits_for_a_socket_are_told_from_those_for_the_answer() {
    let waits = [(0.4, 30.0, "QueuedRequest", None, false), (30.4, 35.0, "TCPWRAP", HOST, false)];
    let found = check(&drawing(36.0, requests(36.0, &waits)), "waiting", &["socket-pool-wait ask app.js:12"]);
    let gain = found.first().predicted_gain.expect("a gain").throughput;
    assert!((5.0..7.5).contains(&gain), "{gain}");
}

#[test]
fn waits_for_other_requests_are_a_lock() {
    let waits = [(0.4, 30.0, "Timeout", None, true), (30.4, 35.0, "Timeout", None, false)];
    check(&drawing(36.0, requests(36.0, &waits)), "waiting", &["lock-held-across-io ask app.js:12"]);
}

#[test]
fn a_full_thread_pool_is_told_from_slow_files() {
    let waits = [(0.4, 30.0, "FSREQCALLBACK", None, false)];
    let mut full = requests(31.0, &waits);
    full.seconds = vec![second(12_000.0, 950.0, 300)];
    check(&drawing(32.0, full), "waiting", &["thread-pool-saturated ask app.js:12"]);
    let mut slow = requests(31.0, &waits);
    slow.seconds = vec![second(3_000.0, 50.0, 100)];
    check(&drawing(32.0, slow), "healthy", &[]);
}

#[test]
fn streams_that_compress_fill_the_pool_when_its_threads_have_no_time_to_spare() {
    let log = || requests(300.0, &[(0.4, 299.0, "ZLIB", None, false)]);
    // 100 requests a second of 300 ms: 30 under way, for four threads.
    let found = check(
        &drawing(300.0, log()).helpers(4, 0.4, 0.6),
        "waiting",
        &["thread-pool-saturated ask app.js:12"],
    );
    let first = found.first();
    assert!(first.title.ends_with("of the 4 threads of libuv's pool, 87 % of their time"), "{}", first.title);
    assert!(first.predicted_gain.expect("a gain").throughput > 5.0);
    // Threads that are idle half of the time are not what requests wait for.
    check(&drawing(300.0, log()).helpers(4, 0.4, 0.1), "waiting", &[]);
}

#[test]
fn a_full_thread_makes_everything_wait_and_no_wait_is_its_cause() {
    let waits = [(0.4, 30.0, "Timeout", None, true)];
    let log = requests(31.0, &waits);
    let drawing = Drawing::of("handle@3 97").load(100, 300.0).follows(log);
    check(&drawing, "cpu", &["cpu-hot-function handle app.js:3"]);
}

#[test]
fn a_pause_of_the_services_own_is_named_where_it_is_made() {
    let waits =
        [(0.4, 80.4, "Timeout", None, false), (80.8, 95.0, "HTTPCLIENTREQUEST", Some("up:80"), false)];
    check(&drawing(96.0, requests(96.0, &waits)), "waiting", &["delay-by-timer ask app.js:12"]);
    let short = [(0.4, 3.0, "Timeout", None, false)];
    check(&drawing(4.0, requests(4.0, &short)), "healthy", &[]);
}

#[test]
fn a_pause_of_few_requests_before_they_try_again_is_nothing_to_be_done_about() {
    let mut log = requests(300.0, &[(0.4, 299.0, "Timeout", None, false)]);
    for quick in log.requests.iter_mut().skip(20) {
        quick.slices.truncate(1);
        quick.end = Nanos(quick.start.0 + 2_000_000);
    }
    let found = check(&drawing(60.0, log), "healthy", &["delay-by-timer ask app.js:12"]);
    assert_eq!(found.first().severity, slowpath_diagnosis::Severity::Info);
    assert!(
        found.first().title.starts_with("20 % of the requests wait for timers"),
        "{}",
        found.first().title
    );
}

/// Requests that a quick upstream answers, and turns of so many ms with promise jobs that `ask` makes.
fn with_job_turns(lengths_ms: &[f64]) -> AsyncLog {
    let mut log = requests(9.0, &[(0.4, 8.0, "TLSWRAP", HOST, false)]);
    let on = HooksSide { ms: 1000.0, cpu_ms: 300.0, n_requests: 100.0 };
    let off = HooksSide { ms: 2000.0, cpu_ms: 500.0, n_requests: 200.0 };
    log.hooks = vec![AsyncHooks { thread: 0, t: at(16.0), on, off }];
    let turn = |(index, ms): (usize, &f64)| {
        let start = at(13.0 + index as f64);
        let end = Nanos(start.0 + (ms * 1e6) as u64);
        AsyncJobs { thread: 0, start, end, n_jobs: 5000, n_ticks: 0, site: 1 }
    };
    log.jobs = lengths_ms.iter().enumerate().map(turn).collect();
    log
}

/// The same with as many stalls of the loop, of 120 ms each, outside the time in which hooks were on.
fn starved(n_stalls: u32, turns_ms: &[f64]) -> Drawing {
    let starts: Vec<f64> = (0..n_stalls).map(|n| 12.5 + f64::from(n)).collect();
    drawing(9.0, with_job_turns(turns_ms)).stalls(&starts, 120.0, "ask@12")
}

#[test]
fn promise_jobs_that_hold_the_loop_are_named_by_who_makes_them() {
    let found =
        check(&starved(6, &[300.0, 310.0]), "healthy", &["event-loop-starved-by-microtasks ask app.js:12"]);
    assert!(found.first().title.contains("6 times, up to 120 ms"), "{}", found.first().title);
}

#[test]
fn turns_of_promise_jobs_are_nobody_s_fault_where_the_loop_turns_without_hooks() {
    check(&drawing(9.0, with_job_turns(&[60.0, 70.0, 110.0])), "healthy", &[]);
}

#[test]
fn stalls_that_are_no_promise_jobs_are_stalls() {
    check(&starved(6, &[30.0, 30.0]), "healthy", &["event-loop-stall ask app.js:12"]);
}

#[test]
fn a_wait_for_a_connection_of_undici_is_told_from_that_for_its_answer() {
    let waits = [(0.4, 30.0, "QueuedRequest", None, false), (0.4, 35.0, "TCPWRAP", HOST, false)];
    let mut log = requests(36.0, &waits);
    for request in &mut log.requests {
        let mark = &mut request.slices[1];
        (mark.end, mark.ran) = (mark.start, Nanos(0));
    }
    check(&drawing(36.0, log), "waiting", &["socket-pool-wait ask app.js:12"]);
}

#[test]
fn requests_that_never_ended_are_seen_where_none_of_their_route_did() {
    let mut log = requests(3000.0, &[(0.4, 3000.0, "TLSWRAP", HOST, false)]);
    for request in &mut log.requests {
        request.cut = true;
    }
    check(&drawing(3000.0, log), "waiting", &["slow-upstream ask app.js:12"]);
}
