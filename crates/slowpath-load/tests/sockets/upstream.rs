//! The mock upstream over real sockets, as a plain client and as the load generator see it.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::server::load;
use slowpath_load::upstream::{Settings, UpstreamHandle, UpstreamOptions, serve};

/// Starts a mock that answers after 5 ms, with a token each 2 ms, and these changes.
pub(crate) fn mock(changes: Value) -> UpstreamHandle {
    let Value::Object(mut all) = json!({"ttft": "5ms", "itl": "2ms", "tokens": 3}) else { unreachable!() };
    let Value::Object(changes) = changes else { panic!("an object") };
    all.extend(changes);
    let settings = Settings::default().changed(&all).expect("the settings are valid");
    serve(UpstreamOptions { settings, ..UpstreamOptions::default() }).expect("there are free ports")
}

pub(crate) fn connect(upstream: &UpstreamHandle) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", upstream.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Sends bytes, of which the last request asks to close, and returns all that comes back.
fn talk(upstream: &UpstreamHandle, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = connect(upstream);
    stream.write_all(bytes.as_ref()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn request(method: &str, path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// Asks the mock itself; panics if it refuses.
pub(crate) fn control(upstream: &UpstreamHandle, method: &str, path: &str, body: &Value) -> Value {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let answer = talk(upstream, request(method, path, &text));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn counters(upstream: &UpstreamHandle) -> Value {
    control(upstream, "GET", "/_mock", &Value::Null)["counters"].take()
}

/// Asks for the counters until they are as wanted.
fn wait_for(upstream: &UpstreamHandle, mut wanted: impl FnMut(&Value) -> bool) -> Value {
    let give_up = Instant::now() + Duration::from_secs(20);
    loop {
        let seen = counters(upstream);
        if wanted(&seen) {
            return seen;
        }
        assert!(Instant::now() < give_up, "{seen:#}");
        std::thread::yield_now();
    }
}

const CHAT: &str = "/v1/chat/completions";

#[test]
fn answers_a_chat_completion_after_the_latency() {
    let upstream = mock(json!({}));
    let before = Instant::now();
    let answer = talk(&upstream, request("POST", CHAT, r#"{"model":"m","messages":[]}"#));
    // Time to first token, and three tokens.
    assert!(before.elapsed() >= Duration::from_millis(5 + 3 * 2));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let json: Value = serde_json::from_str(body).unwrap();
    assert_eq!(json["choices"][0]["message"]["content"], "This answer comes");
    assert_eq!((upstream.n_requests(), upstream.n_connections()), (1, 1));
    upstream.stop();
}

#[test]
fn streams_over_every_api() {
    let upstream = mock(json!({}));
    let check = |path: &str, n_deltas: usize, delta: &str, end: &str| {
        let before = Instant::now();
        let answer = talk(&upstream, request("POST", path, r#"{"stream":true}"#));
        assert!(before.elapsed() >= Duration::from_millis(5 + 2 * 2));
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert_eq!(answer.matches(delta).count(), n_deltas, "{answer}");
        let last = answer.strip_suffix("\r\n0\r\n\r\n").expect(&answer);
        assert!(last.ends_with(end), "{answer}");
    };
    check(CHAT, 3, r#""delta":{"content":""#, "data: [DONE]\n\n");
    check("/any/prefix/v1/completions", 4, r#""text":""#, "data: [DONE]\n\n");
    check("/v1/responses", 3, "event: response.output_text.delta\n", "}\n\n");
    check("/claude/v1/messages", 3, "event: content_block_delta\n", "{\"type\":\"message_stop\"}\n\n");
    check("/v1beta/models/g:streamGenerateContent?alt=sse", 4, "data: {\"candidates\"", "}\n\n");
    check("/v1beta/models/g:streamGenerateContent", 4, "{\"candidates\"", "\n]\n");
    upstream.stop();
}

#[test]
fn answers_pipelined_requests_in_order_and_knows_chunked_bodies() {
    let upstream = mock(json!({}));
    let text = "POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n\
                GET /v1/models HTTP/1.1\r\n\r\nHEAD /v1/models HTTP/1.1\r\n\r\n\
                GET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n";
    let answer = talk(&upstream, text);
    let statuses: Vec<&str> = answer.matches("HTTP/1.1 200").collect();
    assert_eq!(statuses.len(), 3, "{answer}");
    assert!(answer.find("chat.completion").unwrap() < answer.find("\"list\"").unwrap());
    assert_eq!(answer.matches("\"list\"").count(), 1, "HEAD has no body: {answer}");
    assert!(answer.contains("404 Not Found"));
}

#[test]
fn six_hundred_pipelined_requests_are_all_answered_although_others_get_turns_between() {
    let upstream = mock(json!({"ttft": "0", "itl": "0"}));
    let chat = "POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}";
    let mut text = "GET /v1/models HTTP/1.1\r\n\r\n".repeat(300) + &chat.repeat(300);
    text.push_str(&request("GET", "/nothing", ""));
    let answer = talk(&upstream, text);
    assert_eq!((answer.matches("\"list\"").count(), answer.matches("chat.completion").count()), (300, 300));
    assert!(answer.contains("404 Not Found"));
}

#[test]
fn a_refused_client_that_never_stops_sending_is_cut_off() {
    let upstream = mock(json!({}));
    let mut stream = connect(&upstream);
    stream.write_all(b"nonsense\r\n\r\n").unwrap();
    let bytes = vec![b'x'; 64 * 1024];
    let give_up = Instant::now() + Duration::from_secs(20);
    while stream.write_all(&bytes).is_ok() {
        assert!(Instant::now() < give_up, "it is read for ever");
    }
    wait_for(&upstream, |seen| seen["open_connections"] == 0);
}

#[test]
fn http_1_0_gets_no_chunks_and_keeps_alive_where_asked() {
    let upstream = mock(json!({}));
    let stream = "POST /v1/chat/completions HTTP/1.0\r\nContent-Length: 15\r\n\r\n{\"stream\":true}";
    let answer = talk(&upstream, stream);
    assert!(answer.contains("connection: close") && !answer.contains("chunked"), "{answer}");
    assert!(answer.ends_with("\n\ndata: [DONE]\n\n"), "{answer}");
    let twice = "GET /v1/models HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /v1/models HTTP/1.0\r\n\r\n";
    assert_eq!(talk(&upstream, twice).matches("\"list\"").count(), 2);
}

#[test]
fn asks_for_the_body_of_a_client_that_waits_to_send_it() {
    let upstream = mock(json!({}));
    let mut stream = connect(&upstream);
    let head = "POST /v1/chat/completions HTTP/1.1\r\nExpect: 100-continue\r\nConnection: close\r\n\
                Content-Length: 2\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}

#[test]
fn refuses_in_the_shape_of_the_api() {
    let upstream = mock(json!({}));
    let check = |method: &str, path: &str, body: &str, status: u16, expected: &str| {
        let answer = talk(&upstream, request(method, path, body));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains(expected), "{answer}");
    };
    check("POST", "/v1/nothing", "", 404, r#""type":"invalid_request_error","param":null"#);
    check("POST", "/v1/messages/batches", "", 404, r#"{"type":"error","error":{"type":"not_found_error""#);
    check("POST", "/v1beta/models/g:predict", "", 404, r#""status":"NOT_FOUND""#);
    check("GET", "/v1/messages", "", 405, "allow: POST\r\n");
    check("POST", "/v1/messages", "{", 400, "invalid_request_error");
    check("POST", CHAT, "hello", 400, "not a JSON object");
    let seen = counters(&upstream);
    assert_eq!((&seen["requests"], &seen["requests_refused"]), (&json!(6), &json!(6)));
}

#[test]
fn garbage_gets_an_answer_and_the_server_lives_on() {
    let upstream = mock(json!({}));
    let check = |bytes: &[u8], status: u16| {
        let answer = talk(&upstream, bytes);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    };
    check(b"nonsense\r\n\r\n", 400);
    check(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400);
    check(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    check(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400);
    // The client goes on sending what nobody reads, and gets its answer all the same.
    let mut large = b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n".to_vec();
    large.extend(vec![b'x'; 1_000_000]);
    check(&large, 413);
    // Clients that leave in the middle.
    for bytes in ["", "GET", "POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx"] {
        connect(&upstream).write_all(bytes.as_bytes()).unwrap();
    }
    assert!(talk(&upstream, request("GET", "/v1/models", "")).starts_with("HTTP/1.1 200 "));
    wait_for(&upstream, |seen| seen["open_connections"] == 0);
}

#[test]
fn truncates_fails_and_refuses_where_told_to() {
    let upstream = mock(json!({"truncate_rate": 1}));
    let cut = talk(&upstream, request("POST", CHAT, r#"{"stream":true}"#));
    assert!(
        cut.starts_with("HTTP/1.1 200 OK") && !cut.contains("[DONE]") && !cut.ends_with("0\r\n\r\n"),
        "{cut}"
    );
    let cut = talk(&upstream, request("POST", CHAT, "{}"));
    assert!(cut.starts_with("HTTP/1.1 200 OK") && !cut.ends_with('}'), "{cut}");

    control(&upstream, "PATCH", "/_mock", &json!({"truncate_rate": 0, "error_in_stream_rate": 1}));
    let failed = talk(&upstream, request("POST", "/v1/messages", r#"{"stream":true}"#));
    assert!(
        failed.contains("event: error\ndata: {\"type\":\"error\"") && failed.ends_with("0\r\n\r\n"),
        "{failed}"
    );

    control(
        &upstream,
        "PATCH",
        "/_mock",
        &json!({"error_in_stream_rate": 0, "error_rate": "100%", "error_statuses": [429]}),
    );
    let failed = talk(&upstream, request("POST", "/v1beta/models/g:generateContent", "{}"));
    assert!(failed.starts_with("HTTP/1.1 429 ") && failed.contains("RESOURCE_EXHAUSTED"), "{failed}");
    assert!(talk(&upstream, request("GET", "/v1/models", "")).starts_with("HTTP/1.1 200 "));

    control(&upstream, "PATCH", "/_mock", &json!({"error_rate": 0, "status": 503}));
    assert!(talk(&upstream, request("GET", "/v1/models", "")).starts_with("HTTP/1.1 503 "));
    assert!(talk(&upstream, request("POST", CHAT, "{}")).starts_with("HTTP/1.1 503 "));

    let seen = counters(&upstream);
    let made =
        ["truncations_made", "stream_errors_made", "errors_made", "requests_refused"].map(|name| &seen[name]);
    assert_eq!(made, [2, 1, 3, 0]);
}

#[test]
fn the_same_seed_gives_the_same_answers_after_a_reset() {
    let upstream =
        mock(json!({"tokens": "uniform:1,30", "itl": "0", "error_rate": 0.3, "truncate_rate": 0.2}));
    let series = || -> Vec<String> {
        control(&upstream, "POST", "/_mock/reset", &Value::Null);
        (0..30).map(|_| talk(&upstream, request("POST", CHAT, r#"{"stream":true}"#))).collect()
    };
    let first = series();
    assert_eq!(first, series());
    control(&upstream, "PATCH", "/_mock", &json!({"seed": 5}));
    assert_ne!(first, series());
}

#[test]
fn counts_requests_connections_bytes_and_what_clients_leave() {
    let upstream = mock(json!({}));
    let mut sent = 0;
    let mut received = 0;
    for path in [CHAT, CHAT, "/v1/messages"] {
        let text = request("POST", path, r#"{"stream":true}"#);
        sent += text.len();
        received += talk(&upstream, text).len();
    }
    let seen = wait_for(&upstream, |seen| seen["open_connections"] == 0);
    assert_eq!(seen["requests_by_endpoint"], json!({"openai_chat": 2, "claude_messages": 1}));
    // The requests to /_mock have connections of their own, which do not count.
    assert_eq!((&seen["tcp_connections"], &seen["peak_requests_under_way"]), (&json!(3), &json!(1)));
    // Role, tokens, finish and [DONE], twice; three, tokens, three.
    assert_eq!((&seen["tokens_sent"], &seen["events_sent"]), (&json!(9), &json!(6 + 6 + 9)));
    assert!(seen["bytes_in"].as_u64().unwrap() > sent as u64, "those to /_mock come on top: {seen}");
    assert!(seen["bytes_out"].as_u64().unwrap() >= received as u64, "{seen}");
    assert_eq!(upstream.n_connections(), 3);

    // A client that leaves, in the wait for the first token and in the stream.
    control(&upstream, "PATCH", "/_mock", &json!({"ttft": "10m"}));
    let mut stream = connect(&upstream);
    stream.write_all(request("POST", CHAT, "{}").as_bytes()).unwrap();
    wait_for(&upstream, |seen| seen["requests_under_way"] == 1);
    stream.shutdown(Shutdown::Both).unwrap();
    let seen = wait_for(&upstream, |seen| seen["requests_under_way"] == 0);
    assert_eq!(seen["requests_aborted"], 1);

    let after = control(&upstream, "POST", "/_mock/reset", &Value::Null);
    assert_eq!(after["counters"]["requests"], 0);
    assert_eq!(after["settings"]["ttft"], "10m");
}

#[test]
fn bad_changes_are_refused_with_the_reason() {
    let upstream = mock(json!({}));
    let answer = talk(&upstream, request("PATCH", "/_mock", r#"{"ttft":"soon"}"#));
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("`soon` cannot be used"), "{answer}");
    assert_eq!(control(&upstream, "GET", "/_mock", &Value::Null)["settings"]["ttft"], "5ms");
}

#[test]
fn a_client_that_does_not_read_costs_no_memory_and_no_cpu_and_loses_nothing() {
    let upstream = mock(json!({"tokens": 50_000, "itl": "0", "ttft": "0"}));
    let mut slow = connect(&upstream);
    slow.write_all(request("POST", CHAT, r#"{"stream":true}"#).as_bytes()).unwrap();
    // Another that sends requests without end and reads nothing.
    let mut flood = connect(&upstream);
    flood.set_nonblocking(true).unwrap();
    let models = "GET /v1/models HTTP/1.1\r\n\r\n".repeat(1000);
    let is_full = (0..100_000).any(|_| {
        std::thread::yield_now();
        flood.write(models.as_bytes()).is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
    });
    assert!(is_full, "the mock goes on reading from a client that does not read");

    let mut before = wait_for(&upstream, |seen| seen["events_sent"].as_u64() > Some(0));
    let stalled = wait_for(&upstream, |seen| {
        let now = seen.clone();
        let is_still = now["events_sent"] == before["events_sent"] && now["requests"] == before["requests"];
        before = now;
        is_still
    });
    assert!(stalled["events_sent"].as_u64() < Some(50_000), "{stalled}");
    let again = wait_for(&upstream, |_| true);
    assert_eq!(
        again["lateness_us"]["n"], stalled["lateness_us"]["n"],
        "nothing is called while it is stalled"
    );

    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert_eq!(answer.matches(r#""delta":{"content":""#).count(), 50_000);
    assert!(answer.ends_with("data: [DONE]\n\n\r\n0\r\n\r\n"));
}

#[test]
fn a_thousand_idle_connections_stay_open_and_cost_no_calls() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let upstream = mock(json!({}));
    let idle: Vec<TcpStream> = (0..1000).map(|_| connect(&upstream)).collect();
    let seen = wait_for(&upstream, |seen| seen["open_connections"] == 1000);
    assert!(talk(&upstream, request("POST", CHAT, "{}")).starts_with("HTTP/1.1 200 "));
    let after = wait_for(&upstream, |seen| seen["open_connections"] == 1000);
    let calls = |seen: &Value| seen["lateness_us"]["n"].as_u64().unwrap();
    assert_eq!(calls(&after) - calls(&seen), 1);
    drop(idle);
    wait_for(&upstream, |seen| seen["open_connections"] == 0);
}

#[test]
fn serves_two_hundred_streaming_connections_of_the_load_generator() {
    let upstream = mock(json!({"tokens": 5}));
    let url = format!("http://127.0.0.1:{}/v1/chat/completions", upstream.port());
    let mut load = load(&url, |plan| {
        plan.requests[0].method = "POST".to_owned();
        plan.requests[0].body = br#"{"stream":true}"#.to_vec();
        plan.connections = 200;
    });
    load.wait_until(|seen| seen.n_requests >= 400);
    let whole = load.stop().0.whole;
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert_eq!(upstream.n_connections(), 200);
    assert!(upstream.n_requests() >= whole.n_requests);
    // 5 ms to the first token, four times 2 ms more to the last. Not of each: the mock, too, takes the time once for
    // all requests of a connection that came together.
    let (first_us, last_us) =
        (whole.first_body_byte.value_at_quantile(0.5), whole.latency.value_at_quantile(0.5));
    assert!(first_us >= 4_900 && last_us >= 12_900, "{first_us} and {last_us} µs");
    upstream.stop();
}

#[test]
fn a_port_that_is_taken_is_an_error_with_its_number() {
    let upstream = mock(json!({}));
    let error = serve(UpstreamOptions { port: upstream.port(), ..UpstreamOptions::default() }).err().unwrap();
    assert!(error.to_string().contains(&upstream.port().to_string()), "{error}");
}
