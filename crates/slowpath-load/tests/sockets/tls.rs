//! HTTP/1.1 over TLS against a server with its own certificate: who is trusted, who trusts, and what failures are called.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConnection, StreamOwned};

use crate::server::{Server, load, read_request};
use crate::tls_server::{Identity, cut, serve};
use slowpath_load::{ErrorClass, Interval, LoadError, LoadPlan, Url, get_once};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn https(server: &Server) -> String {
    server.url().replace("http://", "https://")
}

/// Runs a load to its end.
fn run(url: &str, change: impl FnOnce(&mut LoadPlan)) -> Interval {
    let mut load = load(url, change);
    load.wait_until_finished();
    load.stop().0.whole
}

fn check_failure(url: &str, class: ErrorClass, sample: &str, change: impl FnOnce(&mut LoadPlan)) {
    let whole = run(url, |plan| {
        plan.amount = Some(2);
        change(plan);
    });
    assert_eq!(whole.errors, [(class, 2)].into(), "{:?}", whole.error_samples);
    assert!(whole.error_samples[0].contains(sample), "{:?}", whole.error_samples);
}

#[test]
fn keeps_connections_over_tls_and_checks_the_certificate() {
    let identity = Identity::new("localhost");
    let server = serve(identity.server_config(None, &["h2", "http/1.1"]), || OK.to_vec());
    let url = format!("https://localhost:{}/", server.address.port());
    let whole = run(&url, |plan| {
        plan.transport.tls.ca = Some(identity.cert_file());
        plan.connections = 5;
        plan.pipelining = 3;
        plan.amount = Some(500);
    });
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert_eq!((whole.n_requests, whole.n_connects, server.n_connections()), (500, 5, 5));
    assert_eq!(whole.bytes_in, 500 * OK.len() as u64, "bytes of HTTP, not of TLS");
}

#[test]
fn a_certificate_is_accepted_for_the_name_it_is_for_or_unseen() {
    let identity = Identity::new("service.example");
    let server = serve(identity.server_config(None, &[]), || OK.to_vec());
    let ok = |change: &dyn Fn(&mut LoadPlan)| {
        let whole = run(&https(&server), |plan| {
            plan.amount = Some(2);
            change(plan);
        });
        assert_eq!(whole.n_requests, 2, "{:?}", whole.error_samples);
    };
    ok(&|plan| plan.transport.tls.insecure = true);
    ok(&|plan| {
        plan.transport.tls.ca = Some(identity.cert_file());
        plan.transport.tls.server_name = Some("service.example".to_owned());
    });
    check_failure(&https(&server), ErrorClass::Tls, "not valid for name", |plan| {
        plan.transport.tls.ca = Some(identity.cert_file());
    });
    let stranger = Identity::new("service.example");
    check_failure(&https(&server), ErrorClass::Tls, "invalid peer certificate", |plan| {
        plan.transport.tls.ca = Some(stranger.cert_file());
    });
}

#[test]
fn shows_its_own_certificate_where_the_server_asks_for_one() {
    let (identity, client) = (Identity::new("localhost"), Identity::new("client"));
    let server = serve(identity.server_config(Some(&client), &[]), || OK.to_vec());
    let whole = run(&https(&server), |plan| {
        plan.transport.tls.insecure = true;
        plan.transport.tls.cert = Some(client.cert_file());
        plan.transport.tls.key = Some(client.key_file());
        plan.amount = Some(10);
    });
    assert_eq!(whole.n_requests, 10, "{:?}", whole.error_samples);
    check_failure(&https(&server), ErrorClass::Tls, "ertificate", |plan| plan.transport.tls.insecure = true);
}

#[test]
fn connects_anew_after_each_answer_that_closes() {
    let identity = Identity::new("localhost");
    let server = serve(identity.server_config(None, &[]), || {
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it".to_vec()
    });
    let whole = run(&https(&server), |plan| {
        plan.transport.tls.insecure = true;
        plan.amount = Some(20);
    });
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert_eq!((whole.n_requests, whole.n_connects, whole.n_reconnects), (20, 20, 0));
}

/// Without the end mark of TLS anyone in between can have cut the answer.
#[test]
fn an_answer_that_ends_with_the_connection_is_truncated_if_tls_does_not_end() {
    let config = Identity::new("localhost").server_config(None, &[]);
    let server = Server::new(move |socket, _| {
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket);
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nsome of it").and_then(|()| stream.flush());
        cut(&stream.sock);
    });
    check_failure(&https(&server), ErrorClass::Truncated, "without the end mark of TLS", |plan| {
        plan.transport.tls.insecure = true;
    });
}

#[test]
fn bodies_of_megabytes_pass_both_ways() {
    const LENGTH: usize = 3 << 20;
    let config = Identity::new("localhost").server_config(None, &[]);
    let server = Server::new(move |socket, _| {
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket);
        let mut buffer = vec![0; 1 << 16];
        loop {
            // The body is at least as long as `LENGTH`, and its last byte is the only one of its kind.
            loop {
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => return,
                    Ok(n_bytes) if buffer[n_bytes - 1] == b'!' => break,
                    Ok(_) => {}
                }
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
            let body = vec![b'x'; LENGTH];
            if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).is_err() {
                return;
            }
        }
    });
    let whole = run(&https(&server), |plan| {
        plan.transport.tls.insecure = true;
        plan.requests[0].body = [vec![b'y'; LENGTH], b"!".to_vec()].concat();
        plan.amount = Some(4);
        plan.connections = 2;
    });
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert!(whole.bytes_in >= 4 * LENGTH as u64 && whole.bytes_out >= 4 * LENGTH as u64);
}

#[test]
fn a_server_that_speaks_no_tls_is_a_failure_of_tls() {
    let server = Server::answering(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    // The greeting holds no empty line: the server of the tests would wait for one.
    let deaf = Server::new(|mut stream, _| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
    });
    let insecure = |plan: &mut LoadPlan| plan.transport.tls.insecure = true;
    check_failure(&https(&deaf), ErrorClass::Tls, "no TLS", insecure);
    check_failure(&https(&server), ErrorClass::Tls, "not answered in time", |plan| {
        insecure(plan);
        plan.timeout = Duration::from_millis(50);
    });
    let closing = Server::new(|mut stream, _| {
        let _ = stream.read(&mut [0; 4096]);
    });
    check_failure(&https(&closing), ErrorClass::Tls, "closed within the handshake", insecure);
}

#[test]
fn a_server_of_tls_alone_is_malformed_for_plain_http() {
    let server = serve(Identity::new("localhost").server_config(None, &[]), || OK.to_vec());
    let whole = run(&server.url(), |plan| plan.amount = Some(1));
    assert_eq!(whole.errors.values().sum::<u64>(), 1);
    assert_eq!(whole.n_requests, 0);
}

#[test]
fn a_readiness_probe_asks_over_tls_whoever_answers() {
    let timeout = Duration::from_secs(10);
    let server = serve(Identity::new("service.example").server_config(None, &[]), || OK.to_vec());
    assert_eq!(get_once(&Url::parse(&https(&server)).unwrap(), timeout).unwrap(), 200);
    let plain = Server::new(|mut stream, _| {
        read_request(&mut stream);
        let _ = stream.write_all(OK);
    });
    let closing = Server::new(|mut stream, _| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    match get_once(&Url::parse(&https(&closing)).unwrap(), timeout) {
        Err(LoadError::NoAnswer { class: ErrorClass::Tls, .. }) => {}
        other => panic!("{other:?}"),
    }
    match get_once(&Url::parse(&https(&plain)).unwrap(), Duration::from_millis(50)) {
        Err(LoadError::NoAnswer { class: ErrorClass::Timeout, .. }) => {}
        other => panic!("{other:?}"),
    }
}
