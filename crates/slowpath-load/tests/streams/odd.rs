//! Answers that are no proper streams, and streams that few send.

use slowpath_load::stream::{Content, Dialect, StreamEnd, StreamMeter};

use super::{OPENAI_CHAT, blocks, end_of, measure, shown_end};

#[test]
fn an_answer_without_any_event_is_broken() {
    fn check(content: Content, body: &str, expected: &str) {
        assert_eq!(end_of(content, body), expected, "{body:?}");
    }
    let (empty, foreign) =
        ("broken: the stream has no event", "broken: the answer is neither an event stream nor JSON");
    let html = "<!doctype html>\n<title>Sign in</title>\n\n";
    for content in [Content::EventStream, Content::JsonLines, Content::Json, Content::Other] {
        check(content, "", empty);
        check(content, "\n\n", empty);
    }
    check(Content::EventStream, html, empty);
    check(Content::EventStream, ": keep-alive\n\n: keep-alive\n\n", empty);
    check(Content::Json, html, empty);
    check(Content::Other, html, foreign);
    check(Content::Other, "Bad gateway", foreign);
    check(Content::Other, "upstream connect error", foreign);
    check(Content::Json, "[]", empty);
}

#[test]
fn the_form_of_an_unlabelled_answer_does_not_depend_on_cuts() {
    for body in [" \n data: x\n\n", "\n{\"done\":true,\"response\":\"x\"}", "  <p>"] {
        let whole = measure(Content::Other, [body.as_bytes()]).0;
        let cut = measure(Content::Other, body.as_bytes().chunks(1)).0;
        assert_eq!((whole.n_events, &whole.end), (cut.n_events, &cut.end), "{body:?}");
    }
}

#[test]
fn one_json_object_is_a_whole_answer() {
    fn check(body: &str, dialect: Dialect, n_output_tokens: Option<u64>, end: &str) {
        let (outcome, _) = measure(Content::Json, [body.as_bytes()]);
        assert_eq!((outcome.dialect, outcome.n_output_tokens), (dialect, n_output_tokens), "{body}");
        assert_eq!(shown_end(&outcome.end), end, "{body}");
    }
    check(
        r#"{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":null}],"usage":{"completion_tokens":2}}"#,
        Dialect::OpenAiChat,
        Some(2),
        "complete",
    );
    check(r#"{"type":"message","content":[{"type":"text","text":"Hi"}]}"#, Dialect::Sse, None, "complete");
    check(
        r#"{"object":"chat.completion","choices":["#,
        Dialect::Sse,
        None,
        "broken: the JSON of the answer is cut",
    );
    check(
        r#"{"type":"error","error":{"type":"api_error","message":"m"}}"#,
        Dialect::Sse,
        None,
        "error: api_error: m",
    );
}

#[test]
fn an_event_of_one_megabyte_is_measured_like_any_other() {
    let image = "A".repeat(1 << 20);
    let stream = OPENAI_CHAT.replace("slowest", &image);
    let (outcome, gaps) = measure(Content::EventStream, stream.as_bytes().chunks(16 << 10));
    assert_eq!(shown_end(&outcome.end), "complete");
    assert_eq!((outcome.n_content_events, gaps.len()), (7, 6));
    assert!(gaps[0] >= 63, "it took 64 reads: {gaps:?}");
}

#[test]
fn an_endless_event_breaks_the_stream() {
    let (mut meter, piece) = (StreamMeter::new(), vec![b'x'; 1 << 20]);
    for content in [Content::EventStream, Content::JsonLines, Content::Json] {
        meter.begin(content);
        meter.feed(b"{\"a\":\"", 0, |_| ());
        for _ in 0..20 {
            meter.feed(&piece, 0, |_| ());
        }
        let StreamEnd::Broken { why } = meter.finish(0).end else { panic!("{content:?}") };
        assert_eq!(why, "an event is larger than 16 MiB");
    }
}

#[test]
fn a_meter_forgets_one_stream_before_the_next() {
    let mut meter = StreamMeter::new();
    for body in [
        "data: {\"error\":{\"message\":\"x\"}}\n\ndata: {\"cho",
        OPENAI_CHAT,
        "\u{feff}data: {\"a\":",
        OPENAI_CHAT,
    ] {
        meter.begin(Content::EventStream);
        for block in blocks(body) {
            meter.feed(block, 7, |_| ());
        }
        let outcome = meter.finish(7);
        if body == OPENAI_CHAT {
            assert_eq!(outcome, measure_at_7(OPENAI_CHAT));
        } else {
            assert_ne!(outcome.end, StreamEnd::Complete);
        }
    }
}

fn measure_at_7(body: &str) -> slowpath_load::stream::StreamOutcome {
    let mut meter = StreamMeter::new();
    meter.begin(Content::EventStream);
    meter.feed(body.as_bytes(), 7, |_| ());
    meter.finish(7)
}

#[test]
fn data_over_several_lines_is_one_event() {
    let stream = "data: {\"choices\":\ndata: [{\"index\":0,\"delta\":{\"content\":\"x\"},\ndata: \"finish_reason\":\"stop\"}]}\n\n";
    let (outcome, _) = measure(Content::EventStream, [stream.as_bytes()]);
    assert_eq!((outcome.n_events, outcome.n_content_events), (1, 1));
    assert_eq!(outcome.end, StreamEnd::Complete);
}

#[test]
fn a_line_that_is_no_json_is_noise_in_a_known_stream() {
    let noisy = OPENAI_CHAT.replace("data: [DONE]", "data: oops\n\ndata: [DONE]");
    let (outcome, _) = measure(Content::EventStream, [noisy.as_bytes()]);
    assert_eq!((outcome.n_unparsed_events, outcome.n_content_events), (1, 7));
    assert_eq!(outcome.end, StreamEnd::Complete);
}

#[test]
fn what_comes_before_the_dialect_is_known_is_no_content() {
    let stream = format!("data: {{\"type\":\"gateway_info\",\"region\":\"eu\"}}\n\n{OPENAI_CHAT}");
    let (outcome, gaps) = measure(Content::EventStream, blocks(&stream));
    assert_eq!((outcome.first_event_ns, outcome.first_content_ns), (Some(1), Some(3)));
    assert_eq!((outcome.n_content_events, gaps.len()), (7, 6));
}

#[test]
fn members_may_come_in_any_order() {
    let stream = concat!(
        "data: {\"index\":0,\"delta\":{\"text\":\"Hi\",\"type\":\"text_delta\"},\"type\":\"content_block_delta\"}\n\n",
        "data: {\"delta\":\" you\",\"type\":\"content_block_delta\"}\n\n",
        "data: {\"type\":\"message_stop\"}\n\n",
    );
    let (outcome, _) = measure(Content::EventStream, [stream.as_bytes()]);
    assert_eq!((outcome.dialect, outcome.n_content_events), (Dialect::Claude, 1));
    let stream = "event: response.output_text.delta\ndata: {\"delta\":\"Hi\"}\n\nevent: response.completed\ndata: {}\n\n";
    let (outcome, _) = measure(Content::EventStream, [stream.as_bytes()]);
    assert_eq!((outcome.dialect, outcome.n_content_events), (Dialect::OpenAiResponses, 1));
    assert_eq!(outcome.end, StreamEnd::Complete);
}

#[test]
fn content_as_a_list_tells_thinking_from_text() {
    fn check(delta: &str, expected: (Option<u64>, Option<u64>)) {
        let stream = format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{delta}}}]}}\n\n");
        let (outcome, _) = measure(Content::EventStream, [stream.as_bytes()]);
        assert_eq!((outcome.first_content_ns, outcome.first_output_ns), expected, "{delta}");
    }
    let (nothing, reasoning, output) = ((None, None), (Some(1), None), (Some(1), Some(1)));
    check(r#"{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm"}]}]}"#, reasoning);
    check(r#"{"content":[{"type":"text","text":"Hi"}]}"#, output);
    check(r#"{"content":[{"type":"text","text":""}]}"#, nothing);
    check(r#"{"content":[]}"#, nothing);
    check(r#"{"content":null,"refusal":"No."}"#, output);
    check(r#"{"reasoning":"Hm","content":""}"#, reasoning);
    check(r#"{"reasoning":"Hm","content":"Hi"}"#, output);
    check(r#"{"tool_calls":[]}"#, nothing);
    check(r#"{"tool_calls":[{"index":0,"function":{"arguments":""}}]}"#, nothing);
    check(r#"{"function_call":{"name":"f"}}"#, output);
    check(r#"{"audio":{"data":"AAAA"}}"#, output);
}
