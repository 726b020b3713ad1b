//! The mock upstream over real sockets, as a plain client and as the load generator see it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::server::load;
use slowpath_load::upstream::{UpstreamHandle, UpstreamOptions, serve};

fn quick(n_chunks: u32) -> UpstreamHandle {
    let options = UpstreamOptions {
        latency: Duration::from_millis(5),
        chunk_interval: Duration::from_millis(2),
        n_chunks,
        ..UpstreamOptions::default()
    };
    serve(options).expect("the loopback address has free ports")
}

/// Sends the text, which asks to close, and returns all that comes back.
fn talk(upstream: &UpstreamHandle, text: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", upstream.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn chat(body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn answers_a_chat_completion_after_the_latency() {
    let upstream = quick(3);
    let before = Instant::now();
    let answer = talk(&upstream, &chat(r#"{"model":"m","messages":[]}"#));
    assert!(before.elapsed() >= Duration::from_millis(5));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let json: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(json["choices"][0]["message"]["content"], "word0 word1 word2 ");
    assert_eq!((upstream.n_requests(), upstream.n_connections()), (1, 1));
    upstream.stop();
}

#[test]
fn streams_role_content_finish_usage_and_done_in_this_order() {
    let upstream = quick(3);
    let before = Instant::now();
    let answer = talk(&upstream, &chat(r#"{"stream":true}"#));
    assert!(before.elapsed() >= Duration::from_millis(5 + 2 * 2));
    let events: Vec<&str> = answer.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| match serde_json::from_str::<serde_json::Value>(event) {
            Err(_) => *event,
            Ok(json) if json["usage"].is_object() => "usage",
            Ok(json) if json["choices"][0]["finish_reason"].is_string() => "finish",
            Ok(json) if json["choices"][0]["delta"]["role"].is_string() => "role",
            Ok(_) => "content",
        })
        .collect();
    assert_eq!(kinds, ["role", "content", "content", "content", "finish", "usage", "[DONE]"]);
    assert!(answer.ends_with("\r\n0\r\n\r\n"));
}

#[test]
fn answers_pipelined_requests_in_order_and_knows_chunked_bodies() {
    let upstream = quick(1);
    let text = "POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n\
                GET /v1/models HTTP/1.1\r\n\r\nGET /nothing HTTP/1.1\r\nConnection: close\r\n\r\n";
    let answer = talk(&upstream, text);
    let statuses: Vec<&str> = answer.lines().filter(|line| line.contains("HTTP/1.1 ")).collect();
    assert_eq!(statuses.len(), 3, "{answer}");
    assert!(answer.find("chat.completion").unwrap() < answer.find("\"list\"").unwrap());
    assert!(answer.contains("404 Not Found"));
    assert!(talk(&upstream, "nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
}

#[test]
fn serves_two_hundred_streaming_connections_of_the_load_generator() {
    let upstream = quick(5);
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
    // 5 ms to the first chunk, four times 2 ms more to the last. Not of each: the upstream, too, takes the time once for
    // all requests that came together.
    let (first_us, last_us) =
        (whole.first_body_byte.value_at_quantile(0.5), whole.latency.value_at_quantile(0.5));
    assert!(first_us >= 4_900 && last_us >= 12_900, "{first_us} and {last_us} µs");
    assert!(whole.first_body_byte.mean() < whole.latency.mean());
    upstream.stop();
}

#[test]
fn a_port_that_is_taken_is_an_error_with_its_number() {
    let upstream = quick(1);
    let error = serve(UpstreamOptions { port: upstream.port(), ..UpstreamOptions::default() }).err().unwrap();
    assert!(error.to_string().contains(&upstream.port().to_string()), "{error}");
}
