//! Truncation and errors: every dialect must notice both.

use slowpath_load::stream::Content;

use super::{
    CLAUDE, GEMINI, GEMINI_ARRAY, OLLAMA_CHAT, OPENAI_CHAT, OPENAI_RESPONSES, end_of, measure, shown_end,
};

/// Cuts the body at every position before `end_mark`, which must leave it broken, and once behind it.
fn check_truncation(content: Content, body: &str, end_mark: &str, expected: &str) {
    let position = body.find(end_mark).expect(end_mark);
    for length in 0..=position {
        let (outcome, _) = measure(content, [&body.as_bytes()[..length]]);
        let end = shown_end(&outcome.end);
        let known = if outcome.n_events == 0 { "broken: the stream has no event" } else { expected };
        assert!(end == known || end == "broken: the JSON of the answer is cut", "cut at {length}: {end}");
    }
    let (whole, _) = measure(content, [body.as_bytes()]);
    assert_eq!(shown_end(&whole.end), "complete");
}

#[test]
fn a_stream_without_its_end_mark_is_broken() {
    let (sse, json, lines) = (Content::EventStream, Content::Json, Content::JsonLines);
    check_truncation(
        sse,
        OPENAI_CHAT,
        r#""stop""#,
        "broken: the stream has neither a finish reason nor `[DONE]`",
    );
    check_truncation(
        sse,
        OPENAI_RESPONSES,
        "event: response.completed",
        "broken: the stream has no `response.completed`",
    );
    check_truncation(sse, CLAUDE, "event: message_stop", "broken: the stream has no `message_stop`");
    check_truncation(sse, GEMINI, "STOP", "broken: the stream has no `finishReason`");
    check_truncation(json, GEMINI_ARRAY, "\n]\n", "broken: the JSON of the answer is cut");
    check_truncation(lines, OLLAMA_CHAT, r#""done":true"#, "broken: the stream has no `\"done\":true`");
}

#[test]
fn either_of_openais_end_marks_is_enough() {
    fn check(body: &str, is_complete: bool) {
        assert_eq!(end_of(Content::EventStream, body) == "complete", is_complete, "{body}");
    }
    let chunk = |finish: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"x\"}},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    check(&format!("{}data: [DONE]\n\n", chunk("null")), true);
    check(&chunk("\"stop\""), true);
    check(&chunk("\"length\""), true);
    check(&chunk("\"\""), false);
    check(&chunk("null"), false);
}

#[test]
fn every_choice_must_finish_unless_done_is_said() {
    let chunk = |index: u32, finish: &str| {
        format!(
            "data: {{\"choices\":[{{\"index\":{index},\"delta\":{{\"content\":\"x\"}},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let start = [chunk(0, "null"), chunk(1, "null"), chunk(0, "\"stop\"")].concat();
    let broken = "broken: the stream has neither a finish reason nor `[DONE]`";
    assert_eq!(end_of(Content::EventStream, &start), broken);
    assert_eq!(end_of(Content::EventStream, &format!("{start}{}", chunk(1, "\"stop\""))), "complete");
    assert_eq!(end_of(Content::EventStream, &format!("{start}data: [DONE]\n\n")), "complete");
}

#[test]
fn a_last_event_without_its_empty_line_counts_if_it_is_whole() {
    for (body, end) in [
        (OPENAI_CHAT, "data: [DONE]\n\n"),
        (CLAUDE, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
    ] {
        let start = body.strip_suffix(end).unwrap();
        for line_ends in ["", "\n", "\r\n"] {
            let body = format!("{start}{}{line_ends}", end.trim_end());
            let (outcome, _) = measure(Content::EventStream, [body.as_bytes()]);
            assert_eq!(shown_end(&outcome.end), "complete", "{body}");
        }
    }
    let halves = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":null}]}\n\ndata: [DONE";
    let (outcome, _) = measure(Content::EventStream, [halves.as_bytes()]);
    assert!(shown_end(&outcome.end).starts_with("broken"));
    assert_eq!((outcome.n_events, outcome.n_unparsed_events), (1, 0));
}

#[test]
fn a_model_that_stopped_at_a_limit_ended_properly() {
    let incomplete = OPENAI_RESPONSES.replace("response.completed", "response.incomplete");
    assert_eq!(end_of(Content::EventStream, &incomplete), "complete");
    assert_eq!(end_of(Content::EventStream, &CLAUDE.replace("tool_use\"", "max_tokens\"")), "complete");
    assert_eq!(end_of(Content::EventStream, &GEMINI.replace("STOP", "MAX_TOKENS")), "complete");
    let blocked = "data: {\"promptFeedback\":{\"blockReason\":\"SAFETY\"},\"usageMetadata\":{\"promptTokenCount\":4}}\n\n";
    assert_eq!(end_of(Content::EventStream, blocked), "complete");
    let unspecified = GEMINI.replace("STOP", "FINISH_REASON_UNSPECIFIED");
    assert!(end_of(Content::EventStream, &unspecified).starts_with("broken"));
}

#[test]
fn errors_within_a_stream_are_errors_wherever_they_stand() {
    fn check(content: Content, stream: &str, error: &str, expected: &str) {
        let expected = format!("error: {expected}");
        let (start, _) = stream.split_at(stream.len() / 2);
        let start = &start[..start.rfind('\n').map_or(0, |at| at + 1)];
        let blank = if content == Content::EventStream { "\n" } else { "" };
        assert_eq!(end_of(content, error), expected, "alone");
        assert_eq!(end_of(content, &format!("{start}{blank}{error}")), expected, "in the middle");
        assert_eq!(end_of(content, &format!("{stream}{error}")), expected, "behind the end");
        assert_eq!(end_of(content, &format!("{error}{stream}")), expected, "before everything");
    }
    let sse = Content::EventStream;
    check(
        sse,
        OPENAI_CHAT,
        "data: {\"error\":{\"message\":\"The server had an error\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n",
        "server_error: The server had an error",
    );
    check(
        sse,
        OPENAI_CHAT,
        "data: {\"id\":\"gen-1\",\"error\":{\"code\":502,\"message\":\"Provider disconnected\"},\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n",
        "Provider disconnected",
    );
    check(
        sse,
        OPENAI_CHAT,
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"error\"}]}\n\n",
        "the finish reason is `error`",
    );
    check(
        sse,
        OPENAI_RESPONSES,
        "event: error\ndata: {\"type\":\"error\",\"code\":\"ERR_SOMETHING\",\"message\":\"Something went wrong\",\"param\":null,\"sequence_number\":1}\n\n",
        "ERR_SOMETHING: Something went wrong",
    );
    check(
        sse,
        OPENAI_RESPONSES,
        "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"id\":\"resp_1\",\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"The model failed\"}}}\n\n",
        "server_error: The model failed",
    );
    check(sse, OPENAI_RESPONSES, "data: {\"type\":\"response.failed\"}\n\n", "response.failed");
    check(
        sse,
        CLAUDE,
        "event: error\ndata: {\"type\": \"error\", \"error\": {\"type\": \"overloaded_error\", \"message\": \"Overloaded\"}}\n\n",
        "overloaded_error: Overloaded",
    );
    check(
        sse,
        GEMINI,
        "data: {\"error\": {\"code\": 503,\"message\": \"The model is overloaded.\",\"status\": \"UNAVAILABLE\"}}\n\n",
        "UNAVAILABLE: The model is overloaded.",
    );
    check(
        Content::JsonLines,
        OLLAMA_CHAT,
        "{\"error\":\"an error was encountered\"}\n",
        "an error was encountered",
    );
    check(sse, "data: x\n\n", "event: error\ndata: upstream timed out\n\n", "upstream timed out");
    assert_eq!(end_of(sse, "data: x\n\nevent: error\ndata: upstream timed out"), "error: upstream timed out");
    check(sse, "data: x\n\n", "event: error\ndata: {\"message\":\"gone\"}\n\n", "gone");
}

#[test]
fn an_error_in_geminis_array_is_an_error() {
    let error = r#"{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED"}}"#;
    let expected = "error: RESOURCE_EXHAUSTED: Quota exceeded";
    assert_eq!(end_of(Content::Json, &format!("[{error}\n]")), expected);
    assert_eq!(end_of(Content::Json, &format!("[{}\n,\r\n{error}\n]", "{\"candidates\":[]}")), expected);
    assert_eq!(end_of(Content::Json, error), expected);
}

#[test]
fn the_word_error_within_content_is_no_error() {
    let content = r#"{\"error\":{\"message\":\"x\"}}"#;
    let body = OPENAI_CHAT.replace("slowest", content);
    assert_eq!(end_of(Content::EventStream, &body), "complete");
    let body = CLAUDE.replace("Okay", content).replace("get_weather", "error");
    assert_eq!(end_of(Content::EventStream, &body), "complete");
}
