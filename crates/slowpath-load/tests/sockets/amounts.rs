//! How many requests are made over how many connections: amounts, pipelining, several URLs, connections that are not
//! kept, time under way.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::server::{Server, load, read_request};
use slowpath_load::{ErrorClass, Interval, LoadPlan, Url};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// Runs a load to its end.
fn run_to_the_end(url: &str, change: impl FnOnce(&mut LoadPlan)) -> Interval {
    let mut load = load(url, change);
    load.wait_until_finished();
    load.stop().0.whole
}

#[test]
fn ends_after_the_amount_over_all_threads() {
    for (amount, connections, threads) in [(1, 10, 1), (10, 3, 2), (1000, 10, 3), (7, 20, 20)] {
        let server = Server::answering(OK);
        let whole = run_to_the_end(&server.url(), |plan| {
            plan.amount = Some(amount);
            plan.connections = connections;
            plan.threads = threads;
        });
        assert_eq!((whole.n_requests, whole.n_unfinished, whole.n_good), (amount, 0, amount));
        assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
        assert!(server.n_connections() as u64 <= amount.min(u64::from(connections)));
        assert_eq!(whole.n_connects, server.n_connections() as u64);
    }
}

#[test]
fn failed_requests_count_towards_the_amount() {
    let server = Server::new(|mut stream, _| {
        read_request(&mut stream);
    });
    let whole = run_to_the_end(&server.url(), |plan| plan.amount = Some(3));
    assert_eq!(whole.errors, [(ErrorClass::Reset, 3)].into());
}

/// Answers as many requests as one read brings, with one write.
fn pipelining_server(n_together: &Arc<AtomicUsize>) -> Server {
    let n_together = Arc::clone(n_together);
    Server::new(move |mut stream, _| {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(n_bytes @ 1..) = stream.read(&mut buffer) {
            let n_requests = buffer[..n_bytes].windows(4).filter(|window| window == b"\r\n\r\n").count();
            n_together.fetch_max(n_requests, Ordering::SeqCst);
            if stream.write_all(&OK.repeat(n_requests)).is_err() {
                return;
            }
        }
    })
}

#[test]
fn pipelined_requests_travel_together_and_are_all_answered() {
    let n_together = Arc::new(AtomicUsize::new(0));
    let server = pipelining_server(&n_together);
    let whole = run_to_the_end(&server.url(), |plan| {
        plan.amount = Some(1003);
        plan.pipelining = 10;
    });
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert_eq!((whole.n_requests, server.n_connections()), (1003, 1));
    assert_eq!(whole.bytes_in, 1003 * OK.len() as u64);
    let most = n_together.load(Ordering::SeqCst);
    assert!((2..=10).contains(&most), "{most} requests in one read");
}

#[test]
fn requests_that_differ_are_sent_each_once_whatever_the_threads_and_however_often_they_are_sent_again() {
    let paths = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&paths);
    // Answers three requests a connection, and loses those that follow.
    let server = Server::new(move |mut stream, _| {
        let mut received = Vec::new();
        let mut buffer = [0; 4096];
        let mut n_left = 3;
        while let Ok(n_bytes @ 1..) = stream.read(&mut buffer) {
            received.extend_from_slice(&buffer[..n_bytes]);
            while let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
                let request: Vec<u8> = received.drain(..end + 4).collect();
                if n_left == 0 {
                    return;
                }
                n_left -= 1;
                let path = String::from_utf8_lossy(&request).split(' ').nth(1).unwrap().to_owned();
                log.lock().unwrap().push(path);
                let _ = stream.write_all(OK);
            }
        }
    });
    let whole = run_to_the_end(&server.url(), |plan| {
        plan.requests[0].path = Some("/{{id}}".to_owned());
        plan.requests[0].is_template = true;
        plan.amount = Some(100);
        plan.connections = 4;
        plan.pipelining = 5;
        plan.threads = 2;
    });
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert_eq!(whole.n_requests, 100);
    // What the server answered and the client never saw is sent again: at least once each.
    let paths: std::collections::BTreeSet<String> = paths.lock().unwrap().drain(..).collect();
    assert_eq!(paths.len(), 100);
}

#[test]
fn pipelined_requests_behind_an_answer_that_closes_are_sent_again() {
    let server = Server::new(|mut stream, _| {
        let _ = stream.read(&mut [0; 1 << 14]);
        let _ = stream.write_all(OK);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    });
    let whole = run_to_the_end(&server.url(), |plan| {
        plan.amount = Some(50);
        plan.pipelining = 8;
    });
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert_eq!(whole.n_requests, 50);
    assert!(server.n_connections() >= 25);
}

#[test]
fn a_truncated_answer_fails_only_its_own_request_of_those_pipelined() {
    let server = Server::new(|mut stream, _| {
        let _ = stream.read(&mut [0; 1 << 14]);
        let _ = stream.write_all(OK);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart");
    });
    let whole = run_to_the_end(&server.url(), |plan| {
        plan.amount = Some(20);
        plan.pipelining = 5;
    });
    // The first request of a connection may travel alone: then the answer's second half was not asked for.
    let n_failed: u64 = whole.errors.values().sum();
    assert_eq!(whole.n_requests + n_failed, 20);
    assert!(whole.n_requests > 0 && n_failed > 0, "{:?}", whole.errors);
}

#[test]
fn connections_are_dealt_out_to_several_urls() {
    let (one, other) = (Server::answering(OK), Server::answering(OK));
    let whole = run_to_the_end(&one.url(), |plan| {
        plan.urls.push(Url::parse(&other.url()).unwrap());
        plan.connections = 5;
        plan.threads = 2;
        plan.amount = Some(100);
    });
    assert_eq!((whole.n_requests, one.n_connections(), other.n_connections()), (100, 3, 2));
}

#[test]
fn speaks_over_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("http.socket");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(1..) = stream.read(&mut buffer) {
                    if stream.write_all(OK).is_err() {
                        return;
                    }
                }
            });
        }
    });
    // More than the queue of the listener holds.
    let whole = run_to_the_end("http://any-name/", |plan| {
        plan.transport.unix_socket = Some(path);
        plan.connections = 300;
        plan.amount = Some(1000);
    });
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert_eq!(whole.n_requests, 1000);
}

#[test]
fn a_unix_socket_that_is_not_there_is_a_failed_connection() {
    let whole = run_to_the_end("http://h/", |plan| {
        plan.transport.unix_socket = Some("/nonexistent/socket".into());
        plan.amount = Some(1);
    });
    assert_eq!(whole.errors, [(ErrorClass::Connect, 1)].into());
    assert!(whole.error_samples[0].contains("/nonexistent/socket"), "{:?}", whole.error_samples);
}

#[test]
fn time_under_way_is_latency_times_requests() {
    let server = Server::new(|mut stream, _| {
        while read_request(&mut stream).is_some() {
            std::thread::sleep(Duration::from_millis(10));
            let _ = stream.write_all(OK);
        }
    });
    let whole = run_to_the_end(&server.url(), |plan| {
        plan.connections = 3;
        plan.amount = Some(30);
    });
    let summed_us = whole.latency.mean() * whole.n_requests as f64;
    let difference = (whole.in_flight_ns as f64 / 1e3 / summed_us - 1.0).abs();
    assert!(difference < 0.01, "{} ns under way, {summed_us} µs of latency", whole.in_flight_ns);
}

#[test]
fn an_answer_that_trickles_for_ever_ends_at_the_total_timeout() {
    let server = Server::new(|mut stream, _| {
        while read_request(&mut stream).is_some() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
            while stream.write_all(b".").is_ok() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    });
    let whole = run_to_the_end(&server.url(), |plan| {
        plan.total_timeout = Some(Duration::from_millis(100));
        plan.amount = Some(2);
    });
    assert_eq!(whole.errors, [(ErrorClass::Timeout, 2)].into());
    let sample = &whole.error_samples[0];
    assert!(sample.contains("not complete after 0.1 s, an answer with status 200 has begun"), "{sample}");
}

#[test]
fn goodput_counts_requests_that_are_fast_enough() {
    let server = Server::new(|mut stream, number| {
        while read_request(&mut stream).is_some() {
            std::thread::sleep(Duration::from_millis(if number == 0 { 0 } else { 150 }));
            let _ = stream.write_all(OK);
        }
    });
    let whole = run_to_the_end(&server.url(), |plan| {
        plan.connections = 2;
        plan.objectives.e2el_ms = Some(100.0);
        plan.amount = Some(10);
    });
    assert_eq!(whole.n_requests, 10);
    assert!((1..=9).contains(&whole.n_good), "{}", whole.n_good);
}
