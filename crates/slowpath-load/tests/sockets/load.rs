//! The load generator against scripted servers on real sockets: what it counts as what, and that it never gives up.

use std::io::Write;
use std::net::{Shutdown, TcpListener};
use std::time::{Duration, Instant};

use crate::server::{Server, TestLoad, load, read_request};
use slowpath_load::{ErrorClass, Interval, LoadError, LoadPlan, Url, get_once, start};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

/// Runs a load until `n` requests have ended, one way or the other, and returns all it did.
fn run(server: &Server, n: u64) -> Interval {
    let mut load = load(&server.url(), |_| {});
    load.wait_until(|seen| n_ended(seen) >= n);
    load.stop().0.whole
}

fn n_ended(interval: &Interval) -> u64 {
    interval.n_requests + interval.errors.values().sum::<u64>()
}

fn n_errors(interval: &Interval, class: ErrorClass) -> u64 {
    interval.errors.get(&class).copied().unwrap_or(0)
}

/// Waits for 3 errors of `class` and checks that no other class was counted and that the sample says `sample`.
fn check_only_error(mut load: TestLoad, class: ErrorClass, sample: &str) -> Interval {
    load.wait_until(|seen| n_errors(seen, class) >= 3);
    let whole = load.stop().0.whole;
    assert_eq!(whole.errors.keys().collect::<Vec<_>>(), [&class], "{:?}", whole.error_samples);
    assert_eq!(whole.error_samples.len(), 1);
    let expected = format!("{class}: ");
    assert!(whole.error_samples[0].starts_with(&expected), "{:?}", whole.error_samples);
    assert!(whole.error_samples[0].contains(sample), "{:?}", whole.error_samples);
    whole
}

#[test]
fn keeps_connections_alive_and_counts_everything() {
    let server = Server::answering(OK);
    let mut load = load(&server.url(), |plan| {
        plan.connections = 5;
        plan.threads = 2;
        plan.requests[0].method = "POST".to_owned();
        plan.requests[0].body = b"{}".to_vec();
    });
    load.wait_until(|seen| seen.n_requests >= 1000);
    let whole = load.stop().0.whole;
    assert_eq!(server.n_connections(), 5);
    assert_eq!(whole.status, [(200, whole.n_requests)].into());
    assert_eq!(whole.latency.len(), whole.n_requests);
    assert_eq!(whole.first_body_byte.len(), whole.n_requests);
    assert_eq!(whole.bytes_in, whole.n_requests * OK.len() as u64);
    assert_eq!((whole.open_connections, whole.n_unfinished), (5, 5));
    assert!(whole.errors.is_empty() && whole.error_samples.is_empty() && whole.n_reconnects == 0);
    assert!(whole.busiest_thread_cpu_share > 0.0 && whole.busiest_thread_cpu_share <= 1.0);
}

#[test]
fn reads_chunked_answers_that_arrive_in_pieces() {
    let server = Server::new(|mut stream, _| {
        while read_request(&mut stream).is_some() {
            for piece in
                ["HTTP/1.1 200 OK\r\nTransfer-Enc", "oding: chunked\r\n\r\n4\r\nda", "ta\r\n0\r\n", "\r\n"]
            {
                if stream.write_all(piece.as_bytes()).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    let whole = run(&server, 20);
    assert_eq!((n_ended(&whole), whole.n_requests), (whole.n_requests, whole.status[&200]));
    assert_eq!(server.n_connections(), 1);
    // On a busy machine all pieces may be read at once.
    assert!(whole.first_body_byte.mean() <= whole.latency.mean());
}

#[test]
fn connects_anew_after_connection_close_and_after_http_1_0() {
    for answer in [
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi",
        "HTTP/1.0 200 OK\r\n\r\nthe end of the stream ends this",
    ] {
        let server = Server::new(move |mut stream, _| {
            read_request(&mut stream);
            let _ = stream.write_all(answer.as_bytes());
        });
        let whole = run(&server, 20);
        assert_eq!((n_ended(&whole), whole.n_reconnects), (whole.n_requests, 0), "{:?}", whole.error_samples);
        assert!(server.n_connections() as u64 >= whole.n_requests);
    }
}

#[test]
fn sends_a_request_again_when_the_server_had_closed_the_idle_connection() {
    let server = Server::new(|mut stream, _| {
        for _ in 0..3 {
            read_request(&mut stream);
            let _ = stream.write_all(OK);
        }
        // Lets the next request arrive, then closes without a word, as a server does whose idle time is over.
        read_request(&mut stream);
    });
    let whole = run(&server, 31);
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert!(whole.n_reconnects >= 9, "{}", whole.n_reconnects);
}

#[test]
fn a_connection_that_was_never_used_is_not_retried() {
    let server = Server::new(|mut stream, _| {
        read_request(&mut stream);
    });
    let whole = check_only_error(load(&server.url(), |_| {}), ErrorClass::Reset, "closed without an answer");
    assert_eq!(whole.n_reconnects, 0);
}

#[test]
fn skips_interim_answers_and_knows_answers_without_body() {
    let server = Server::answering(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(run(&server, 20).errors, [].into());
    let server = Server::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n");
    let mut load = load(&server.url(), |plan| plan.requests[0].method = "HEAD".to_owned());
    load.wait_until(|seen| seen.n_requests >= 20);
    let whole = load.stop().0.whole;
    assert_eq!((n_ended(&whole), whole.first_body_byte.len()), (whole.n_requests, 0));
}

#[test]
fn sends_and_reads_bodies_that_do_not_fit_into_a_socket_buffer() {
    const LENGTH: usize = 8 << 20;
    let server = Server::new(|mut stream, _| {
        while let Some(request) = read_large(&mut stream) {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {request}\r\n\r\n");
            if stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(&vec![b'x'; request]))
                .is_err()
            {
                return;
            }
        }
    });
    let mut load = load(&server.url(), |plan| {
        plan.requests[0].method = "POST".to_owned();
        plan.requests[0].body = vec![b'y'; LENGTH];
        plan.connections = 2;
    });
    load.wait_until(|seen| seen.n_requests >= 4);
    let whole = load.stop().0.whole;
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert!(whole.bytes_in >= whole.n_requests * LENGTH as u64);
}

/// Reads a request whose head fits into the first read; returns the length of its body.
fn read_large(stream: &mut std::net::TcpStream) -> Option<usize> {
    use std::io::Read;
    let mut buffer = vec![0; 1 << 16];
    let n_bytes = stream.read(&mut buffer).ok().filter(|n_bytes| *n_bytes > 0)?;
    let text = String::from_utf8_lossy(&buffer[..n_bytes]).into_owned();
    let (head, body) = text.split_once("\r\n\r\n")?;
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok())?;
    let mut n_missing = length - body.len();
    while n_missing > 0 {
        n_missing -= stream.read(&mut buffer).ok().filter(|n_bytes| *n_bytes > 0)?;
    }
    Some(length)
}

#[test]
fn backs_off_from_a_port_that_refuses() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let load = load(&format!("http://127.0.0.1:{port}/"), |_| {});
    let whole = check_only_error(load, ErrorClass::Connect, "refused");
    // The pauses before the n-th attempt add up to 50 ms × (2^(n-1) - 1) at least.
    let n_attempts = whole.errors[&ErrorClass::Connect];
    let elapsed_ms = (whole.end_ns - whole.start_ns) / 1_000_000;
    assert!(
        50 * ((1 << (n_attempts - 1).min(6)) - 1) <= elapsed_ms,
        "{n_attempts} attempts in {elapsed_ms} ms"
    );
    assert_eq!((whole.n_requests, whole.open_connections, whole.latency.len()), (0, 0, 0));
}

#[test]
fn comes_back_when_the_server_does() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut load = load(&format!("http://127.0.0.1:{port}/"), |plan| plan.connections = 3);
    load.wait_until(|seen| n_errors(seen, ErrorClass::Connect) >= 3);
    let _server = Server::on(&format!("127.0.0.1:{port}"), |mut stream, _| {
        while read_request(&mut stream).is_some() {
            let _ = stream.write_all(OK);
        }
    })
    .unwrap();
    load.wait_until(|seen| seen.n_requests >= 30);
    load.stop();
}

#[test]
fn gives_up_on_a_silent_server_after_the_timeout() {
    let server = Server::new(|mut stream, _| {
        read_request(&mut stream);
        read_request(&mut stream);
    });
    let load = load(&server.url(), |plan| plan.timeout = Duration::from_millis(60));
    check_only_error(load, ErrorClass::Timeout, "GET /: no byte for 0.06 s, no answer has begun");
}

#[test]
fn an_answer_that_drips_is_no_timeout() {
    let server = Server::new(|mut stream, _| {
        while read_request(&mut stream).is_some() {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n");
            for _ in 0..20 {
                std::thread::sleep(Duration::from_millis(20));
                let _ = stream.write_all(b".");
            }
        }
    });
    let mut load = load(&server.url(), |plan| plan.timeout = Duration::from_millis(250));
    load.wait_until(|seen| n_ended(seen) >= 1);
    let whole = load.stop().0.whole;
    assert_eq!((whole.n_requests, whole.errors.len()), (1, 0));
    assert!(whole.latency.max() >= 400_000, "{} µs for the whole answer", whole.latency.max());
}

#[test]
fn tells_truncated_from_complete() {
    for (answer, sample) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\npart", "within the answer with status 200"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndata\r\n",
            "within the answer with status 200",
        ),
        ("HTTP/1.1 20", "within the head"),
    ] {
        let server = Server::new(move |mut stream, _| {
            read_request(&mut stream);
            let _ = stream.write_all(answer.as_bytes());
        });
        let whole = check_only_error(load(&server.url(), |_| {}), ErrorClass::Truncated, sample);
        assert_eq!((whole.status.len(), whole.latency.len()), (0, 0));
    }
}

#[test]
fn status_errors_keep_the_connection_and_stay_out_of_the_latency() {
    let server = Server::answering(
        b"HTTP/1.1 503 Busy\r\nContent-Length: 42\r\n\r\nno capacity for key sk-live-1234567890abcd",
    );
    let whole = check_only_error(
        load(&server.url(), |_| {}),
        ErrorClass::Status,
        "GET /: 503: no capacity for key [redacted]",
    );
    assert_eq!(server.n_connections(), 1);
    assert_eq!((whole.n_requests, whole.latency.len()), (0, 0));
    assert_eq!(whole.status, [(503, whole.errors[&ErrorClass::Status])].into());
}

#[test]
fn what_is_not_http_is_malformed() {
    for (answer, sample) in [
        ("SSH-2.0-OpenSSH_9.2p1\r\n", "status line"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi there", "bytes follow its end"),
    ] {
        let server = Server::answering(answer.as_bytes());
        check_only_error(load(&server.url(), |_| {}), ErrorClass::Malformed, sample);
    }
}

#[test]
fn a_head_without_end_is_malformed_and_does_not_fill_the_memory() {
    let server = Server::new(|mut stream, _| {
        read_request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"X-More: and more and more and more\r\n").is_ok() {}
    });
    check_only_error(load(&server.url(), |_| {}), ErrorClass::Malformed, "larger than 64 KiB");
}

#[test]
fn a_name_without_address_is_an_error_before_anything_starts() {
    let plan = LoadPlan::new(Url::parse("http://no-such-host.invalid/").unwrap());
    let Err(error) = start(plan, |_| {}) else { panic!("the name has an address") };
    assert!(matches!(&error, LoadError::UnknownHost { host, .. } if host == "no-such-host.invalid"));
    assert!(error.hint().is_some());
}

#[test]
fn a_server_that_speaks_first_is_heard() {
    let server = Server::new(|mut stream, _| {
        let _ = stream.write_all(b"220 mail.example ESMTP\r\n");
        read_request(&mut stream);
        read_request(&mut stream);
    });
    check_only_error(load(&server.url(), |_| {}), ErrorClass::Malformed, "status line");
}

#[test]
fn a_reset_within_an_answer_is_a_reset() {
    let server = Server::new(|mut stream, _| {
        use std::io::Read;
        // Closing with unread bytes sends a reset: half of the head is left in the socket.
        let _ = stream.read(&mut [0; 10]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n");
        std::thread::sleep(Duration::from_millis(5));
    });
    check_only_error(load(&server.url(), |_| {}), ErrorClass::Reset, "within the answer with status 200");
}

#[test]
fn an_early_answer_is_read_although_the_request_is_not_sent() {
    let server = Server::new(|mut stream, _| {
        use std::io::Read;
        let _ = stream.read(&mut [0; 1000]);
        let _ = stream.write_all(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        let _ = stream.shutdown(Shutdown::Write);
        // Reads the rest so that no reset overtakes the answer.
        while stream.read(&mut [0; 1 << 14]).is_ok_and(|n_bytes| n_bytes > 0) {}
    });
    let load = load(&server.url(), |plan| {
        plan.requests[0].method = "POST".to_owned();
        plan.requests[0].body = vec![0; 16 << 20];
    });
    check_only_error(load, ErrorClass::Status, "POST /: 413");
}

#[test]
fn stops_at_once_although_the_server_hangs() {
    let server = Server::new(|mut stream, _| {
        read_request(&mut stream);
        read_request(&mut stream);
    });
    let mut load = load(&server.url(), |plan| {
        plan.connections = 4;
        plan.interval = Duration::from_millis(10);
    });
    load.wait_until(|seen| seen.open_connections == 4 && seen.bytes_out > 0);
    let before = Instant::now();
    let (totals, rest) = load.stop();
    assert!(before.elapsed() < Duration::from_secs(1));
    assert_eq!((totals.whole.n_unfinished, n_ended(&totals.whole)), (4, 0));
    assert_eq!(rest.last().map(|interval| interval.n_unfinished), Some(4), "the last interval was delivered");
}

#[test]
fn a_cut_begins_a_labelled_interval_and_nothing_is_lost() {
    let server = Server::answering(OK);
    let mut load = load(&server.url(), |plan| {
        plan.connections = 4;
        plan.threads = 2;
        plan.interval = Duration::from_secs(100);
    });
    load.cut("warm-up");
    load.wait_until(|seen| seen.end_ns > 0);
    load.cut("baseline");
    load.cut("cpu");
    let (totals, rest) = load.stop();
    let labels: Vec<&str> = rest.iter().map(|interval| interval.label.as_str()).collect();
    assert_eq!(labels, ["warm-up", "baseline", "cpu"]);
    assert!(rest.windows(2).all(|pair| pair[0].end_ns == pair[1].start_ns), "intervals join without a gap");
    assert_eq!(totals.n_intervals, 4);
    let n_in_rest: u64 = rest.iter().map(|interval| interval.n_requests).sum();
    assert!(n_in_rest <= totals.whole.n_requests);
    assert_eq!(totals.whole.latency.len(), totals.whole.n_requests);
}

#[test]
fn tries_every_address_of_a_name() {
    // `localhost` usually has an IPv6 and an IPv4 address; the server listens on one of them.
    let server = Server::answering(OK);
    let mut load = load(&format!("http://localhost:{}/", server.address.port()), |plan| {
        plan.connections = 3;
    });
    load.wait_until(|seen| seen.n_requests >= 20);
    assert!(load.stop().0.whole.errors.is_empty());
}

#[test]
fn speaks_ipv6() {
    // A container may be without IPv6; then there is nothing to test.
    let Ok(server) = Server::on("[::1]:0", |mut stream, _| {
        while let Some(request) = read_request(&mut stream) {
            assert!(request.contains("\r\nhost: [::1]:"));
            let _ = stream.write_all(OK);
        }
    }) else {
        return;
    };
    assert!(run(&server, 20).errors.is_empty());
}

#[test]
fn a_readiness_probe_returns_any_status() {
    let timeout = Duration::from_secs(10);
    let get = |server: &Server| get_once(&Url::parse(&server.url()).unwrap(), timeout);
    assert_eq!(get(&Server::answering(OK)).unwrap(), 200);
    assert_eq!(get(&Server::answering(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")).unwrap(), 503);

    let class = |outcome| match outcome {
        Err(LoadError::NoAnswer { class, .. }) => class,
        other => panic!("{other:?}"),
    };
    assert_eq!(class(get(&Server::answering(b"SSH\r\n"))), ErrorClass::Malformed);
    let closing = Server::new(|mut stream, _| {
        read_request(&mut stream);
    });
    assert_eq!(class(get(&closing)), ErrorClass::Reset);
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(
        class(get_once(&Url::parse(&format!("http://{refused}/")).unwrap(), timeout)),
        ErrorClass::Connect
    );
    let silent = Server::new(|mut stream, _| {
        read_request(&mut stream);
        read_request(&mut stream);
    });
    let url = Url::parse(&silent.url()).unwrap();
    assert_eq!(class(get_once(&url, Duration::from_millis(50))), ErrorClass::Timeout);
}
