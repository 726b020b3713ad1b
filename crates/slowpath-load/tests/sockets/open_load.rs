//! Open loads against scripted servers: that latency counts from the scheduled time, whatever the server does, and
//! that the schedule is kept.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use crate::server::{Server, load, read_request};
use slowpath_load::{Arrival, ErrorClass, Interval, LoadPlan, Pacing, Shard, Stage};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// A constant rate, for ever unless a length is given.
fn constant(rate: f64, length: Option<Duration>) -> Pacing {
    Pacing::Open { stages: vec![Stage { from: rate, to: rate, length }], arrival: Arrival::Constant }
}

#[test]
fn a_stalling_server_shows_in_every_percentile_with_few_connections() {
    let check = check_stalling_server(10);
    let uncorrected = check.uncorrected.expect("an open load has both");
    // Of 100 requests per stall only 10 are on their way.
    assert!(uncorrected.mean() < check.latency.mean(), "{} µs", uncorrected.mean());
}

#[test]
fn a_stalling_server_shows_in_every_percentile_with_many_connections() {
    check_stalling_server(100);
}

const PERIOD: Duration = Duration::from_secs(1);
const STALL: Duration = Duration::from_millis(200);

/// Starts a server of one thread that answers at once, except that it does nothing in the first fifth of every second.
/// Returns its URL, and when it gave each answer, `CLOCK_MONOTONIC` nanoseconds, in the order of the requests.
fn stalling_server() -> (String, Arc<Mutex<Vec<u64>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let answered = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&answered);
    // The thread ends with the test process.
    std::thread::spawn(move || {
        let begin = Instant::now();
        let mut streams: Vec<TcpStream> = Vec::new();
        loop {
            let mut watched: Vec<PollFd<'_>> =
                streams.iter().map(|stream| PollFd::new(stream, PollFlags::IN)).collect();
            watched.push(PollFd::new(&listener, PollFlags::IN));
            poll(&mut watched, None).unwrap();
            let is_ready: Vec<bool> = watched.iter().map(|watched| !watched.revents().is_empty()).collect();
            for (stream, _) in streams.iter_mut().zip(&is_ready).filter(|(_, is_ready)| **is_ready) {
                let into_period = begin.elapsed().as_nanos() % PERIOD.as_nanos();
                std::thread::sleep(STALL.saturating_sub(Duration::from_nanos(into_period as u64)));
                if read_request(stream).is_none() {
                    return;
                }
                // Before it is given, so that nobody can have read it earlier.
                log.lock().unwrap().push(now_ns());
                if stream.write_all(OK).is_err() {
                    return;
                }
            }
            if is_ready.last() == Some(&true) {
                streams.push(listener.accept().unwrap().0);
            }
        }
    });
    (url, answered)
}

/// Loads a stalling server and checks percentiles against the truth: what the server itself says about when it
/// answered, so that a disturbed machine is no error of the generator.
fn check_stalling_server(connections: u32) -> Interval {
    const RATE: u64 = 500;
    let (url, answered) = stalling_server();
    let mut load = load(&url, |plan| {
        plan.connections = connections;
        plan.pacing = constant(RATE as f64, Some(3 * PERIOD));
    });
    load.wait_until_finished();
    let whole = load.stop().0.whole;
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert_eq!((whole.n_requests, whole.n_dropped), (3 * RATE, 0));

    // Requests are sent in the order of the schedule, so the k-th answer is that of the k-th request.
    let answered = answered.lock().unwrap();
    let mut truth: Vec<f64> = (0_u64..)
        .zip(answered.iter())
        .map(|(k, answered_ns)| {
            let intended_ns = whole.start_ns + k * 1_000_000_000 / RATE;
            answered_ns.saturating_sub(intended_ns) as f64 / 1e3
        })
        .collect();
    truth.sort_by(f64::total_cmp);
    // A request that comes x ms into a stall waits 200 - x ms: a fifth of all wait 0 to 200 ms, evenly.
    for (quantile, expected_ms) in [(0.5, 0.0), (0.9, 100.0), (0.95, 150.0), (0.99, 190.0)] {
        // As the histogram defines it: the smallest value that so many are no larger than.
        let true_us = truth[(quantile * truth.len() as f64).ceil() as usize - 1];
        let measured_us = whole.latency.value_at_quantile(quantile) as f64;
        let at = format!("{connections} connections, quantile {quantile}");
        // No upper limit: a busy machine wakes the generator late. What it counts is tested without a clock.
        assert!(measured_us >= true_us * 0.99, "{at}: {measured_us} for {true_us} µs");
        assert!(true_us / 1e3 >= expected_ms * 0.9, "{at}: the server stalled for {true_us} µs only");
    }
    // However many connections: in a stall, all of them wait and further requests wait for them.
    if connections < 100 {
        assert!(whole.n_late > 3 * 50, "{} late", whole.n_late);
    }
    whole
}

/// `CLOCK_MONOTONIC`, as the generator uses it.
fn now_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[test]
fn ends_after_the_schedule_and_has_sent_all_of_it() {
    let server = Server::answering(OK);
    let mut load = load(&server.url(), |plan| {
        plan.connections = 4;
        plan.threads = 2;
        plan.pacing = Pacing::Open {
            stages: vec![
                Stage { from: 0.0, to: 2000.0, length: Some(Duration::from_millis(100)) },
                Stage { from: 2000.0, to: 2000.0, length: Some(Duration::from_millis(100)) },
            ],
            arrival: Arrival::Constant,
        };
    });
    load.wait_until_finished();
    let whole = load.stop().0.whole;
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert_eq!((whole.n_requests, whole.n_dropped, whole.n_unfinished), (300, 0, 0));
    assert!(whole.end_ns - whole.start_ns >= 199_000_000, "not before the last request was due");
    assert_eq!((whole.latency.len(), whole.uncorrected.map(|histogram| histogram.len())), (300, Some(300)));
}

#[test]
fn what_a_hanging_server_keeps_waiting_is_dropped_at_the_stop() {
    let server = Server::new(|mut stream, _| {
        read_request(&mut stream);
        read_request(&mut stream);
    });
    let mut load = load(&server.url(), |plan| {
        plan.connections = 3;
        plan.pacing = constant(1000.0, None);
    });
    load.wait_until(|seen| seen.end_ns.saturating_sub(seen.start_ns) > 200_000_000);
    assert!(!load.is_finished());
    let whole = load.stop().0.whole;
    assert_eq!((whole.n_requests, whole.n_unfinished), (0, 3));
    let n_due = (whole.end_ns - whole.start_ns) / 1_000_000 + 1;
    assert_eq!(whole.n_dropped + whole.n_unfinished, n_due);
}

#[test]
fn errors_of_a_port_that_refuses_are_counted_and_not_repeated_without_rest() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let mut load = load(&format!("http://127.0.0.1:{port}/"), |plan| {
        plan.connections = 2;
        plan.pacing = constant(1000.0, None);
    });
    load.wait_until(|seen| seen.errors.get(&ErrorClass::Connect).is_some_and(|count| *count >= 4));
    let whole = load.stop().0.whole;
    let elapsed_ms = (whole.end_ns - whole.start_ns) / 1_000_000;
    assert!(whole.errors[&ErrorClass::Connect] <= elapsed_ms / 20 + 4, "{:?}", whole.errors);
    assert!(whole.n_dropped > 0);
}

#[test]
fn a_connection_that_the_server_closes_when_idle_is_opened_again_for_the_next_request() {
    let server = Server::new(|mut stream, _| {
        read_request(&mut stream);
        let _ = stream.write_all(OK);
        // And closes although it promised to stay.
    });
    let mut load = load(&server.url(), |plan| {
        plan.connections = 2;
        plan.pacing = constant(200.0, Some(Duration::from_millis(150)));
    });
    load.wait_until_finished();
    let whole = load.stop().0.whole;
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert_eq!(whole.n_requests, 30);
    assert!(
        whole.n_connects >= 30 && whole.n_reconnects >= 28,
        "{} {}",
        whole.n_connects,
        whole.n_reconnects
    );
}

#[test]
fn shards_together_are_the_whole_load() {
    let server = Server::answering(OK);
    let loads: Vec<_> = (0..3)
        .map(|index| {
            load(&server.url(), |plan: &mut LoadPlan| {
                plan.shard = Shard { index, count: 3 };
                plan.connections = 2;
                plan.pacing = constant(1000.0, Some(Duration::from_millis(100)));
            })
        })
        .collect();
    let n_requests: Vec<u64> = loads
        .into_iter()
        .map(|mut load| {
            load.wait_until_finished();
            load.stop().0.whole.n_requests
        })
        .collect();
    assert_eq!(n_requests, [34, 33, 33]);
}
