//! Tests of answers under way, in a time of their own.

use super::*;
use crate::upstream::api::Endpoint;
use serde_json::{Value, json};

const MS: u64 = 1_000_000;

fn settings(changes: &Value) -> Arc<Settings> {
    let base = json!({"ttft": "5ms", "itl": "2ms", "tokens": 4});
    let (Value::Object(mut all), Value::Object(changes)) = (base, changes.clone()) else { panic!("objects") };
    all.extend(changes);
    Arc::new(Settings::default().changed(&all).unwrap())
}

/// Answers request `number` at time 0; returns each time with what was written then, and what came after.
fn run(number: u64, body: &str, settings: &Arc<Settings>) -> (Vec<(u64, String)>, Then) {
    let request = Request {
        method: "POST".to_owned(),
        path: String::new(),
        marks: <_>::default(),
        keeps_alive: true,
        takes_chunks: true,
        body: body.into(),
    };
    let exchange = Exchange::read(Endpoint::OpenAiChat, None, true, body.as_bytes(), number).unwrap();
    let mut call = Call::new(exchange, &request, Arc::clone(settings), 0);
    let (mut written, mut counters) = (Vec::new(), Counters::new());
    loop {
        let (now_ns, mut output) = (call.due_ns, Vec::new());
        let progress = call.write_due(now_ns, &mut output, &mut counters);
        written.push((now_ns, String::from_utf8(output).unwrap()));
        if let Progress::Done(then) = progress {
            return (written, then);
        }
    }
}

const STREAM: &str = r#"{"stream":true}"#;

#[test]
fn pieces_of_a_stream_come_when_they_are_due() {
    let (written, then) = run(1, STREAM, &settings(&json!({})));
    let times: Vec<u64> = written.iter().map(|(at, _)| at / MS).collect();
    assert_eq!(times, [5, 7, 9, 11]);
    assert!(written[0].1.contains("HTTP/1.1 200") && written[0].1.contains("This"), "{}", written[0].1);
    assert_eq!(written[1].1.matches("data: ").count(), 1);
    assert!(written[3].1.contains(r#""stop""#) && written[3].1.ends_with("data: [DONE]\n\n\r\n0\r\n\r\n"));
    assert_eq!(then, Then::Stays);
}

#[test]
fn what_is_late_comes_at_once() {
    let settings = settings(&json!({}));
    let exchange = Exchange::read(Endpoint::OpenAiChat, None, true, STREAM.as_bytes(), 1).unwrap();
    let request = Request {
        method: String::new(),
        path: String::new(),
        marks: <_>::default(),
        keeps_alive: true,
        takes_chunks: false,
        body: Vec::new(),
    };
    let mut call = Call::new(exchange, &request, settings, 0);
    let (mut output, mut counters) = (Vec::new(), Counters::new());
    assert_eq!(call.write_due(9 * MS, &mut output, &mut counters), Progress::More);
    assert_eq!((call.due_ns, counters.n_tokens, counters.n_events), (11 * MS, 3, 4));
    // To HTTP/1.0 the end of the connection is the end of the answer.
    assert_eq!(call.write_due(11 * MS, &mut output, &mut counters), Progress::Done(Then::Closes));
    let text = String::from_utf8(output).unwrap();
    assert!(!text.contains("chunked") && text.ends_with("\n\ndata: [DONE]\n\n"), "{text}");
}

#[test]
fn a_client_that_does_not_read_gets_no_more() {
    let settings = settings(&json!({"tokens": 5000, "itl": "0"}));
    let exchange = Exchange::read(Endpoint::OpenAiChat, None, true, STREAM.as_bytes(), 1).unwrap();
    let request = Request {
        method: String::new(),
        path: String::new(),
        marks: <_>::default(),
        keeps_alive: true,
        takes_chunks: true,
        body: Vec::new(),
    };
    let mut call = Call::new(exchange, &request, settings, 0);
    let (mut output, mut counters) = (Vec::new(), Counters::new());
    assert_eq!(call.write_due(5 * MS, &mut output, &mut counters), Progress::More);
    assert!(output.len() >= MAX_WAITING_BYTES && output.len() < MAX_WAITING_BYTES + 1000);
    let n_waiting = output.len();
    assert_eq!(call.write_due(5 * MS, &mut output, &mut counters), Progress::More);
    assert_eq!(output.len(), n_waiting);
}

#[test]
fn a_whole_answer_takes_as_long_as_its_stream() {
    let at = |changes| {
        let (written, _) = run(1, "{}", &settings(&changes));
        assert_eq!(written.len(), 1);
        written[0].0 / MS
    };
    assert_eq!(at(json!({})), 5 + 4 * 2);
    assert_eq!(at(json!({"unary_latency": "3ms"})), 3);
    assert_eq!(at(json!({"status": 503})), 5);
}

#[test]
fn the_seed_and_the_number_decide_everything_drawn() {
    let drawn = |number, seed| {
        let changes = json!({"ttft": "exp:5ms", "itl": "exp:2ms", "tokens": "uniform:2,9", "seed": seed,
            "error_rate": 0.2, "truncate_rate": 0.2, "error_in_stream_rate": 0.2});
        run(number, STREAM, &settings(&changes))
    };
    for number in 1..20 {
        assert_eq!(drawn(number, 1), drawn(number, 1));
    }
    assert_ne!(drawn(1, 1).0[0].0, drawn(2, 1).0[0].0);
    assert_ne!(drawn(1, 1).0[0].0, drawn(1, 2).0[0].0);
}

#[test]
fn rates_are_kept_and_change_nothing_else() {
    let outcome = |number, changes: &Value| {
        let (written, then) = run(number, STREAM, &settings(changes));
        let text: String = written.into_iter().map(|(_, text)| text).collect();
        if text.starts_with("HTTP/1.1 500") || text.starts_with("HTTP/1.1 429") {
            "error"
        } else if text.contains(r#"data: {"error""#) {
            assert!(!text.contains("[DONE]") && text.ends_with("\r\n0\r\n\r\n"), "{text}");
            "stream error"
        } else if then == Then::BreaksOff {
            assert!(text.starts_with("HTTP/1.1 200") && !text.ends_with("\r\n0\r\n\r\n"), "{text}");
            "cut"
        } else {
            "complete"
        }
    };
    let n = 2000;
    let count = |changes: Value, expected: &str| {
        let hits: Vec<u64> = (1..=n).filter(|&number| outcome(number, &changes) == expected).collect();
        let share = hits.len() as f64 / n as f64;
        assert!((share - 0.1).abs() < 0.03, "{changes}: {share}");
        hits
    };
    let errors = count(json!({"error_rate": 0.1}), "error");
    count(json!({"error_in_stream_rate": 0.1}), "stream error");
    let cut = count(json!({"truncate_rate": 0.1}), "cut");
    // The same requests fail, whatever else is asked for; and those are cut that do not fail.
    let both = json!({"error_rate": 0.1, "truncate_rate": 0.1});
    assert_eq!(count(both.clone(), "error"), errors);
    let still_cut = count(both, "cut");
    assert_eq!(still_cut, cut.into_iter().filter(|number| !errors.contains(number)).collect::<Vec<_>>());
}

#[test]
fn errors_draw_their_status_and_whole_answers_are_cut_in_their_body() {
    let status = |number| {
        let (written, then) = run(number, "{}", &settings(&json!({"error_rate": 1})));
        assert_eq!(then, Then::Stays);
        written[0].1[9..12].to_owned()
    };
    let statuses: Vec<String> = (1..40).map(status).collect();
    assert!(statuses.contains(&"500".to_owned()) && statuses.contains(&"429".to_owned()), "{statuses:?}");

    let (written, then) = run(1, "{}", &settings(&json!({"truncate_rate": 1})));
    let (head, body) = written[0].1.split_once("\r\n\r\n").unwrap();
    let length: usize =
        head.split_once("content-length: ").unwrap().1.lines().next().unwrap().parse().unwrap();
    assert!(body.len() < length);
    assert_eq!(then, Then::BreaksOff);
}
