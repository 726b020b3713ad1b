//! Event streams of LLM APIs against scripted servers: each way to end is counted as what it is, and only proper
//! streams are in the statistics.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use crate::server::{Server, load, read_request};
use slowpath_load::{ApiChecks, ErrorClass, Interval, LoadPlan};

const EVENT_STREAM: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";

const ROLE: &str =
    r#"{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#;
const WORD: &str =
    r#"{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"wörd "}}]}"#;
const REASONING: &str =
    r#"{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"reasoning_content":"hm"}}]}"#;
const FINISH: &str =
    r#"{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const USAGE: &str = r#"{"object":"chat.completion.chunk","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}"#;
const FAILURE: &str = r#"{"error":{"message":"overloaded, key sk-proj-12345678","type":"server_error"}}"#;

/// Writes `data` as one chunk of a chunked body.
fn write_chunk(stream: &mut TcpStream, data: &str) -> std::io::Result<()> {
    stream.write_all(format!("{:x}\r\n{data}\r\n", data.len()).as_bytes())
}

/// Answers each request with these events, some ms apart, each in a chunk of its own.
fn streaming(events: &'static [&'static str], pause: Duration) -> Server {
    Server::new(move |mut stream, _| {
        let _ = stream.set_nodelay(true);
        while read_request(&mut stream).is_some() {
            let mut written = stream.write_all(EVENT_STREAM.as_bytes());
            for event in events {
                written = written.and_then(|()| write_chunk(&mut stream, &format!("data: {event}\n\n")));
                std::thread::sleep(pause);
            }
            if written.and_then(|()| stream.write_all(b"0\r\n\r\n")).is_err() {
                return;
            }
        }
    })
}

/// Answers each request with this body, in one piece.
fn answering(content_type: &str, body: &str) -> Server {
    let length = body.len();
    let answer =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}");
    Server::answering(answer.leak().as_bytes())
}

/// Makes `amount` requests, `POST /v1/chat/completions` unless changed, and returns what came of them.
fn run(server: &Server, amount: u64, change: impl FnOnce(&mut LoadPlan)) -> Interval {
    let mut load = load(&server.url(), |plan| {
        "POST".clone_into(&mut plan.requests[0].method);
        plan.requests[0].path = Some("/v1/chat/completions".to_owned());
        plan.amount = Some(amount);
        change(plan);
    });
    load.wait_until_finished();
    load.stop().0.whole
}

/// Checks that all 3 requests fail with `class`, with a sample that says `sample`, and leave no trace in statistics.
fn check_failure(server: &Server, class: ErrorClass, sample: &str) {
    let whole = run(server, 3, |_| {});
    assert_eq!(whole.errors, [(class, 3)].into(), "{:?}", whole.error_samples);
    assert!(whole.error_samples[0].contains(sample), "{:?}", whole.error_samples);
    assert_eq!((whole.n_requests, whole.latency.len(), whole.first_body_byte.len()), (0, 0, 0));
    assert_eq!(whole.stream, None);
}

#[test]
fn a_proper_stream_gives_all_times() {
    const PAUSE: Duration = Duration::from_millis(20);
    let events = &[ROLE, REASONING, REASONING, WORD, WORD, FINISH, USAGE, "[DONE]"];
    let whole = run(&streaming(events, PAUSE), 3, |_| {});
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    let stats = whole.stream.expect("there were streams");
    assert_eq!((stats.n_streams, stats.n_content_events, stats.n_output_tokens), (3, 12, 21));
    assert_eq!(stats.dialects, [("openai-chat".to_owned(), 3)].into());
    let pause_us = PAUSE.as_micros() as f64;
    // The role comes first, reasoning one pause later, text three pauses later, the end eight pauses later; half a pause
    // is left for a busy machine.
    let (ttfb, ttft, ttfo) = (stats.ttfb.mean(), stats.ttft.mean(), stats.ttfo.mean());
    assert!(ttft - ttfb >= 0.5 * pause_us, "{ttfb} {ttft}");
    assert!(ttfo - ttft >= 1.5 * pause_us, "{ttft} {ttfo}");
    assert!(stats.e2el.mean() - ttfb >= 7.5 * pause_us);
    assert_eq!(stats.itl.len(), 3 * 3);
    assert!(stats.itl.mean() >= 0.5 * pause_us, "{}", stats.itl.mean());
    let tpot = (stats.e2el.mean() - ttft) / 6.0;
    assert!((stats.tpot.mean() - tpot).abs() < 0.01 * tpot, "{} {tpot}", stats.tpot.mean());
    assert_eq!(stats.e2el.len(), whole.latency.len());
}

#[test]
fn a_stream_without_its_end_mark_is_truncated() {
    check_failure(&streaming(&[ROLE, WORD, WORD], Duration::ZERO), ErrorClass::Truncated, "finish reason");
    check_failure(&streaming(&[], Duration::ZERO), ErrorClass::Truncated, "no event");
}

#[test]
fn a_stream_that_the_connection_cuts_is_truncated() {
    let server = Server::new(|mut stream, _| {
        read_request(&mut stream);
        let _ = stream.write_all(EVENT_STREAM.as_bytes());
        let _ = write_chunk(&mut stream, &format!("data: {WORD}\n\ndata: {FINISH}\n\ndata: [DONE]\n\n"));
    });
    check_failure(&server, ErrorClass::Truncated, "within the answer with status 200");
}

#[test]
fn an_error_event_is_an_error_of_the_api_without_its_secrets() {
    let server = streaming(&[ROLE, WORD, FAILURE], Duration::ZERO);
    check_failure(&server, ErrorClass::Api, "overloaded, key [redacted]");
}

#[test]
fn an_error_object_under_a_good_status_fails_on_paths_of_llm_apis() {
    let server = answering("application/json", FAILURE);
    check_failure(&server, ErrorClass::Api, "overloaded, key [redacted]");
    let elsewhere = |plan: &mut LoadPlan| plan.requests[0].path = Some("/api/users".to_owned());
    assert_eq!(run(&server, 3, elsewhere).n_requests, 3);
    let on = |plan: &mut LoadPlan| {
        elsewhere(plan);
        plan.checks.api = ApiChecks::On;
    };
    assert_eq!(run(&server, 3, on).errors, [(ErrorClass::Api, 3)].into());
    assert_eq!(run(&server, 3, |plan| plan.checks.api = ApiChecks::Off).n_requests, 3);
}

#[test]
fn whole_answers_are_no_streams() {
    let answer =
        r#"{"object":"chat.completion","choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}"#;
    let whole = run(&answering("application/json", answer), 3, |plan| plan.objectives.ttft_ms = Some(5000.0));
    assert_eq!((whole.n_requests, whole.n_good, whole.stream), (3, 3, None));
}

#[test]
fn goodput_holds_streams_to_their_objectives() {
    let server = streaming(&[ROLE, WORD, WORD, FINISH, "[DONE]"], Duration::from_millis(60));
    let n_good = |ttft_ms, tpot_ms| {
        let whole = run(&server, 2, |plan| {
            plan.objectives.ttft_ms = ttft_ms;
            plan.objectives.tpot_ms = tpot_ms;
        });
        assert_eq!(whole.n_requests, 2);
        whole.n_good
    };
    assert_eq!(n_good(Some(20_000.0), Some(20_000.0)), 2);
    assert_eq!(n_good(Some(5.0), None), 0);
    assert_eq!(n_good(None, Some(5.0)), 0);
}

#[test]
fn every_dialect_is_known_by_its_stream() {
    fn check(path: &str, content_type: &str, body: &str, dialect: &str) {
        let whole = run(&answering(content_type, body), 2, |plan| {
            plan.requests[0].path = Some(path.to_owned());
        });
        assert!(whole.errors.is_empty(), "{dialect}: {:?}", whole.error_samples);
        let stats = whole.stream.unwrap_or_else(|| panic!("no stream of {dialect}"));
        assert_eq!(stats.dialects, [(dialect.to_owned(), 2)].into());
    }
    let events = |texts: &[&str]| texts.join("\n\n") + "\n\n";
    check(
        "/v1/messages",
        "text/event-stream; charset=utf-8",
        &events(&[
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"output_tokens\":1}}}",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"hi\"}}",
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":3}}",
            "event: message_stop\ndata: {\"type\":\"message_stop\"}",
        ]),
        "claude",
    );
    check(
        "/v1/responses",
        "text/event-stream",
        &events(&[
            "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"hi\"}",
            "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"usage\":{\"output_tokens\":3}}}",
        ]),
        "openai-responses",
    );
    let gemini = r#"{"candidates":[{"content":{"parts":[{"text":"hi"}]},"finishReason":"STOP"}],"usageMetadata":{"candidatesTokenCount":3}}"#;
    let path = "/v1beta/models/gemini-2.5-pro:streamGenerateContent";
    check(&format!("{path}?alt=sse"), "text/event-stream", &events(&[&format!("data: {gemini}")]), "gemini");
    check(path, "application/json", &format!("[{gemini}\n,\n{gemini}\n]"), "gemini");
    check(
        "/api/chat",
        "application/x-ndjson",
        "{\"message\":{\"content\":\"hi\"},\"done\":false}\n{\"message\":{\"content\":\"\"},\"done\":true,\"eval_count\":3}\n",
        "ollama",
    );
    check("/events", "text/event-stream", &events(&["data: one", "data: two"]), "sse");
}

/// Line ends, comments, byte order mark, and an event and a letter cut wherever reads cut them.
#[test]
fn the_pieces_that_arrive_do_not_matter() {
    let body = format!(
        "\u{feff}: keep-alive\r\n\r\ndata: {WORD}\r\n\r\n: still there\n\ndata: {WORD}\n\ndata: {FINISH}\n\ndata: [DONE]\n\n"
    );
    for piece_bytes in [1, 2, 7, 1000] {
        let body = body.clone();
        let server = Server::new(move |mut stream, _| {
            let _ = stream.set_nodelay(true);
            while read_request(&mut stream).is_some() {
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
                let _ = stream.write_all(format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes());
                for piece in body.as_bytes().chunks(piece_bytes) {
                    if stream.write_all(piece).is_err() {
                        return;
                    }
                }
            }
        });
        let whole = run(&server, 3, |_| {});
        assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
        assert_eq!(whole.stream.map(|stats| (stats.n_streams, stats.n_content_events)), Some((3, 6)));
    }
}

#[test]
fn an_event_of_a_megabyte_is_one_event() {
    let word = format!(
        r#"{{"object":"chat.completion.chunk","choices":[{{"index":0,"delta":{{"content":"{}"}}}}]}}"#,
        "x".repeat(1 << 20)
    );
    let body = format!("data: {word}\n\ndata: {FINISH}\n\ndata: [DONE]\n\n");
    let whole = run(&answering("text/event-stream", &body), 3, |_| {});
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
    assert_eq!(whole.stream.map(|stats| stats.n_content_events), Some(3));
}

#[test]
fn a_stream_without_end_is_unfinished_at_the_stop() {
    let server = Server::new(|mut stream, _| {
        read_request(&mut stream);
        let _ = stream.write_all(EVENT_STREAM.as_bytes());
        while write_chunk(&mut stream, &format!("data: {WORD}\n\n")).is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let mut load = load(&server.url(), |plan| plan.connections = 2);
    load.wait_until(|seen| seen.bytes_in > 5000);
    let whole = load.stop().0.whole;
    assert_eq!((whole.n_requests, whole.n_unfinished, whole.stream), (0, 2, None));
    assert!(whole.errors.is_empty(), "{:?}", whole.error_samples);
}

#[test]
fn bodies_are_checked_only_where_asked_and_up_to_a_megabyte() {
    let large = answering("text/plain", &"x".repeat((1 << 20) + 1));
    let plain = |plan: &mut LoadPlan| plan.requests[0].path = None;
    assert_eq!(run(&large, 2, plain).n_requests, 2);
    let whole = run(&large, 2, |plan| {
        plain(plan);
        plan.checks.body = Some(b"x".to_vec());
    });
    assert_eq!(whole.errors, [(ErrorClass::Check, 2)].into());
    assert!(whole.error_samples[0].contains("larger than 1 MiB"), "{:?}", whole.error_samples);

    let small = answering("application/json", r#"{"ok":true}"#);
    let expecting = |expected: bool| {
        run(&small, 2, |plan| {
            plain(plan);
            plan.checks.json.push(("ok".to_owned(), expected.into()));
        })
    };
    assert_eq!(expecting(true).n_requests, 2);
    assert_eq!(expecting(false).errors, [(ErrorClass::Check, 2)].into());
}

#[test]
fn statuses_that_are_expected_are_successes_and_others_are_not() {
    let server = Server::answering(b"HTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno");
    let whole = run(&server, 2, |plan| plan.checks.statuses = vec![404]);
    assert_eq!((whole.n_requests, whole.status), (2, [(404, 2)].into()));
    let server = Server::answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(
        run(&server, 2, |plan| plan.checks.statuses = vec![404]).errors,
        [(ErrorClass::Status, 2)].into()
    );
}
