//! The load generator over HTTP/2: streams at once, TLS with ALPN, and every way in which a stream or a connection ends.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Response};

use crate::http2_server::{Behaviour, Http2Server, answer, read_body};
use crate::server::{Server, load};
use crate::tls_server::{Identity, serve};
use slowpath_load::{Arrival, ErrorClass, Interval, LoadPlan, Pacing, Stage};

/// Runs a load over HTTP/2 to its end.
fn run(url: &str, change: impl FnOnce(&mut LoadPlan)) -> Interval {
    let mut load = load(url, |plan| {
        plan.transport.http2 = true;
        change(plan);
    });
    load.wait_until_finished();
    load.stop().0.whole
}

/// A server that answers everything with `hello`.
fn greeting(behaviour: Behaviour) -> Http2Server {
    Http2Server::new(behaviour, |_, respond| async { answer(respond, 200, "text/plain", "hello") })
}

fn check_failure(url: &str, class: ErrorClass, sample: &str, change: impl FnOnce(&mut LoadPlan)) -> Interval {
    let whole = run(url, |plan| {
        plan.amount = Some(2);
        change(plan);
    });
    assert_eq!(whole.errors, [(class, 2)].into(), "{:?}", whole.error_samples);
    assert!(whole.error_samples[0].contains(sample), "{:?}", whole.error_samples);
    assert_eq!((whole.n_requests, whole.latency.len()), (0, 0));
    whole
}

#[test]
fn many_requests_share_a_connection() {
    let n_at_once = Arc::new((AtomicUsize::new(0), AtomicUsize::new(0)));
    let counts = Arc::clone(&n_at_once);
    let server = Http2Server::new(Behaviour::default(), move |_, respond| {
        let counts = Arc::clone(&counts);
        async move {
            counts.1.fetch_max(counts.0.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(2)).await;
            counts.0.fetch_sub(1, Ordering::SeqCst);
            answer(respond, 200, "text/plain", "hello");
        }
    });
    let whole = run(&server.url(), |plan| {
        plan.connections = 2;
        plan.pipelining = 10;
        plan.amount = Some(500);
    });
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert_eq!((whole.n_requests, whole.n_connects, server.n_connections()), (500, 2, 2));
    assert_eq!(whole.status, [(200, 500)].into());
    assert_eq!((whole.latency.len(), whole.first_body_byte.len()), (500, 500));
    assert!(whole.bytes_in > 500 * 5 && whole.bytes_out > 500 * 5);
    let most = n_at_once.1.load(Ordering::SeqCst);
    assert!((2..=20).contains(&most), "{most} at once");
}

#[test]
fn no_more_streams_are_opened_than_the_server_allows() {
    let server = greeting(Behaviour { max_streams: Some(3), ..Behaviour::default() });
    let whole = run(&server.url(), |plan| {
        plan.pipelining = 50;
        plan.amount = Some(300);
    });
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert_eq!(whole.n_requests, 300);
}

#[test]
fn speaks_http_2_over_tls_where_both_sides_agree_on_it() {
    let identity = Identity::new("localhost");
    let tls = Some(identity.server_config(None, &["h2", "http/1.1"]));
    let server = greeting(Behaviour { tls, ..Behaviour::default() });
    let url = format!("https://localhost:{}/", server.address.port());
    let whole = run(&url, |plan| {
        plan.transport.tls.ca = Some(identity.cert_file());
        plan.pipelining = 5;
        plan.connections = 3;
        plan.amount = Some(300);
    });
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert_eq!((whole.n_requests, whole.n_connects), (300, 3));

    let only_http1 = serve(identity.server_config(None, &["http/1.1"]), Vec::new);
    let url = only_http1.url().replace("http://", "https://");
    check_failure(&url, ErrorClass::Tls, "no TLS", |plan| plan.transport.tls.insecure = true);
    let without_alpn = serve(identity.server_config(None, &[]), Vec::new);
    let url = without_alpn.url().replace("http://", "https://");
    check_failure(&url, ErrorClass::Tls, "does not offer this version", |plan| {
        plan.transport.tls.insecure = true;
    });
}

#[test]
fn the_whole_request_arrives_and_the_whole_answer_is_read() {
    const LENGTH: usize = 3 << 20;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let server = Http2Server::new(Behaviour::default(), move |request, mut respond| {
        let log = Arc::clone(&log);
        async move {
            let head = request.uri().clone();
            let header = request.headers().get("x-test").cloned();
            let body = read_body(request).await;
            log.lock().unwrap().push((head, header, body.len()));
            let mut stream = respond.send_response(Response::new(()), false).unwrap();
            let _ = stream.send_data(Bytes::from(vec![b'x'; LENGTH]), false);
            let mut trailers = HeaderMap::new();
            trailers.insert("x-end", "1".parse().unwrap());
            let _ = stream.send_trailers(trailers);
        }
    });
    let whole = run(&server.url(), |plan| {
        "POST".clone_into(&mut plan.requests[0].method);
        plan.requests[0].path = Some("/p?q={{id}}".to_owned());
        plan.requests[0].is_template = true;
        plan.requests[0].headers.push(("X-Test".to_owned(), "{{id}}".to_owned()));
        plan.requests[0].body = vec![b'y'; LENGTH];
        plan.pipelining = 2;
        plan.amount = Some(4);
    });
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert_eq!(whole.n_requests, 4);
    assert!(whole.bytes_in > 4 * LENGTH as u64 && whole.bytes_out > 4 * LENGTH as u64);
    let mut seen = seen.lock().unwrap();
    seen.sort_by_key(|(head, ..)| head.to_string());
    for (number, (head, header, length)) in seen.iter().enumerate() {
        assert_eq!(head.to_string(), format!("{}p?q={number}", server.url()));
        let header = header.as_ref().and_then(|header| header.to_str().ok());
        assert_eq!((header, *length), (Some(number.to_string().as_str()), LENGTH));
    }
}

#[test]
fn statuses_and_checks_judge_as_over_http_1() {
    let server = Http2Server::new(Behaviour::default(), |request, respond| async move {
        match request.uri().path() {
            "/busy" => answer(respond, 503, "text/plain", "no capacity for key sk-live-1234567890abcd"),
            "/empty" => answer(respond, 204, "text/plain", ""),
            _ => answer(respond, 200, "application/json", r#"{"error":{"message":"overloaded"}}"#),
        }
    });
    let at = |path: &str| format!("{}{path}", server.url());
    check_failure(&at("busy"), ErrorClass::Status, "503: no capacity for key [redacted]", |_| {});
    check_failure(&at("v1/messages"), ErrorClass::Api, "overloaded", |_| {});
    check_failure(&at("x"), ErrorClass::Check, "body", |plan| plan.checks.body = Some(b"{}".to_vec()));
    let whole = run(&at("empty"), |plan| plan.amount = Some(2));
    assert_eq!((whole.n_requests, whole.first_body_byte.len()), (2, 0));
}

#[test]
fn event_streams_are_measured() {
    const WORD: &str =
        r#"{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"hi"}}]}"#;
    let server = Http2Server::new(Behaviour::default(), |request, mut respond| async move {
        let is_whole = request.uri().path() == "/whole";
        let head = Response::builder().header("content-type", "text/event-stream").body(()).unwrap();
        let mut stream = respond.send_response(head, false).unwrap();
        for _ in 0..3 {
            let _ = stream.send_data(Bytes::from(format!("data: {WORD}\n\n")), false);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let end = if is_whole { "data: [DONE]\n\n" } else { "" };
        let _ = stream.send_data(Bytes::from(end), true);
    });
    let whole = run(&format!("{}whole", server.url()), |plan| {
        plan.amount = Some(6);
        plan.pipelining = 3;
    });
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    let stats = whole.stream.expect("there were streams");
    assert_eq!((stats.n_streams, stats.n_content_events, stats.itl.len()), (6, 18, 12));
    assert!(stats.itl.mean() >= 5_000.0, "{} µs between events", stats.itl.mean());
    let cut = check_failure(&server.url(), ErrorClass::Truncated, "finish reason", |_| {});
    assert_eq!(cut.stream, None);
}

#[test]
fn a_stream_that_the_server_resets_fails_alone() {
    let server = Http2Server::new(Behaviour::default(), |request, mut respond| async move {
        if request.uri().path() == "/before" {
            return respond.send_reset(Reason::INTERNAL_ERROR);
        }
        let mut stream = respond.send_response(Response::new(()), false).unwrap();
        let _ = stream.send_data(Bytes::from_static(b"part"), false);
        tokio::time::sleep(Duration::from_millis(5)).await;
        stream.send_reset(Reason::CANCEL);
    });
    let before = format!("{}before", server.url());
    check_failure(&before, ErrorClass::Reset, "GET /before: ", |_| {});
    check_failure(&server.url(), ErrorClass::Reset, "within the answer with status 200", |_| {});
    assert_eq!(server.n_connections(), 2, "one for each load");
}

#[test]
fn a_connection_that_the_server_winds_up_is_followed_by_another_without_loss() {
    let server = greeting(Behaviour { n_requests_per_connection: Some(7), ..Behaviour::default() });
    let whole = run(&server.url(), |plan| {
        plan.pipelining = 4;
        plan.amount = Some(60);
    });
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert_eq!(whole.n_requests, 60);
    assert!(whole.n_reconnects >= 4, "{}", whole.n_reconnects);
}

#[test]
fn a_server_that_speaks_http_1_is_malformed() {
    let server = Server::new(|mut stream, _| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        let _ = stream.read(&mut [0; 4096]);
    });
    check_failure(&server.url(), ErrorClass::Malformed, "", |_| {});
}

#[test]
fn a_connection_that_is_closed_without_an_answer_is_a_reset() {
    let server = Server::new(|mut stream, _| {
        let _ = stream.read(&mut [0; 4096]);
    });
    check_failure(&server.url(), ErrorClass::Reset, "", |_| {});
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    check_failure(&format!("http://127.0.0.1:{port}/"), ErrorClass::Connect, "refused", |_| {});
}

#[test]
fn a_stream_that_hangs_times_out_while_others_go_on() {
    let server = Http2Server::new(Behaviour::default(), |request, respond| async move {
        if request.uri().path().ends_with('3') {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        answer(respond, 200, "text/plain", "hello");
    });
    let whole = run(&server.url(), |plan| {
        plan.requests[0].path = Some("/{{id}}".to_owned());
        plan.requests[0].is_template = true;
        plan.timeout = Duration::from_millis(100);
        plan.pipelining = 2;
        plan.amount = Some(20);
    });
    assert_eq!((whole.n_requests, whole.errors), (18, [(ErrorClass::Timeout, 2)].into()));
    assert!(whole.error_samples[0].contains("no byte for 0.1 s, no answer has begun"));
    assert_eq!(server.n_connections(), 1);
}

#[test]
fn a_silent_connection_is_given_up_with_all_its_streams() {
    let server = Server::new(|mut stream, _| while let Ok(1..) = stream.read(&mut [0; 4096]) {});
    let whole = run(&server.url(), |plan| {
        plan.timeout = Duration::from_millis(60);
        plan.pipelining = 2;
        plan.amount = Some(4);
    });
    assert_eq!(whole.errors, [(ErrorClass::Timeout, 4)].into(), "{:?}", whole.error_samples);
    assert!(server.n_connections() >= 2);
}

#[test]
fn an_answer_that_trickles_for_ever_ends_at_the_total_timeout() {
    let server = Http2Server::new(Behaviour::default(), |_, mut respond| async move {
        let mut stream = respond.send_response(Response::new(()), false).unwrap();
        while stream.send_data(Bytes::from_static(b"."), false).is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    check_failure(&server.url(), ErrorClass::Timeout, "not complete after 0.1 s", |plan| {
        plan.total_timeout = Some(Duration::from_millis(100));
    });
}

#[test]
fn keeps_the_schedule_of_an_open_load() {
    let server = greeting(Behaviour::default());
    let whole = run(&server.url(), |plan| {
        plan.connections = 2;
        plan.pipelining = 3;
        plan.threads = 2;
        let length = Some(Duration::from_millis(200));
        plan.pacing = Pacing::Open {
            stages: vec![Stage { from: 1000.0, to: 1000.0, length }],
            arrival: Arrival::Constant,
        };
    });
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert_eq!(
        (whole.n_requests, whole.n_dropped, whole.uncorrected.map(|all| all.len())),
        (200, 0, Some(200))
    );
    assert!(whole.end_ns - whole.start_ns >= 199_000_000);
}

#[test]
fn stops_at_once_with_requests_unfinished() {
    let server = Http2Server::new(Behaviour::default(), |_, respond| async move {
        std::future::pending::<()>().await;
        drop(respond);
    });
    let mut load = load(&server.url(), |plan| {
        plan.transport.http2 = true;
        plan.pipelining = 4;
        plan.connections = 2;
    });
    load.wait_until(|seen| seen.open_connections == 2 && seen.bytes_out > 200);
    let whole = load.stop().0.whole;
    assert_eq!((whole.n_requests, whole.errors.len()), (0, 0));
    assert!((2..=8).contains(&whole.n_unfinished), "{}", whole.n_unfinished);
}
