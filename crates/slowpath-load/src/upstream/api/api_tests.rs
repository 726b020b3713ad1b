//! Tests of the answers' shapes: each is read back as a client of the API would read it.

use serde_json::{Value, json};

use super::*;

/// Reads a request to `endpoint` and answers with `n` tokens.
fn exchange(endpoint: Endpoint, body: &str, n: u32) -> Exchange {
    let mut exchange = Exchange::read(endpoint, None, true, body.as_bytes(), 7).unwrap();
    exchange.set_length(n);
    exchange
}

fn unary(endpoint: Endpoint, body: &str, n: u32) -> Value {
    serde_json::from_str(&exchange(endpoint, body, n).unary_body()).unwrap()
}

/// Returns all that a stream holds, unchunked.
fn stream_text(exchange: &Exchange) -> String {
    let mut output = Vec::new();
    let mut events = EventWriter::new(&mut output, false);
    exchange.write_opening(&mut events);
    let template = exchange.token_template();
    for i in 0..exchange.n_tokens {
        template.write(i, &mut events);
    }
    exchange.write_closing(&mut events);
    String::from_utf8(output).unwrap()
}

/// Returns names and data of server-sent events.
fn events(text: &str) -> Vec<(Option<&str>, Value)> {
    let blocks = text.strip_suffix("\n\n").expect("an event ends with an empty line").split("\n\n");
    blocks
        .map(|block| {
            let (name, data) = match block.strip_prefix("event: ") {
                Some(rest) => rest.split_once('\n').map(|(name, data)| (Some(name), data)).unwrap(),
                None => (None, block),
            };
            let data = data.strip_prefix("data: ").expect("an event has data");
            (name, if data == "[DONE]" { json!(data) } else { serde_json::from_str(data).unwrap() })
        })
        .collect()
}

const TEXT: &str = "This answer comes";

#[test]
fn the_body_decides_stream_model_length_and_usage() {
    let read = |body: &str| Exchange::read(Endpoint::OpenAiChat, None, true, body.as_bytes(), 7);
    assert!(read(r#"{"stream" : true}"#).unwrap().is_stream);
    assert!(!read(r#"{"messages":[{"content":"\"stream\":true"}]}"#).unwrap().is_stream);
    assert!(!read(r#"{"metadata":{"stream":true}}"#).unwrap().is_stream);
    assert_eq!(read(r#"{"model":"a\"b"}"#).unwrap().model, r#""a\"b""#);
    assert_eq!(read("{}").unwrap().model, "\"slowpath-mock\"");
    let mut limited = read(r#"{"max_tokens":3}"#).unwrap();
    limited.set_length(20);
    assert_eq!(limited.n_tokens, 3);
    limited.set_length(2);
    assert_eq!(limited.n_tokens, 2);

    let problem = |body: &str| read(body).unwrap_err();
    assert_eq!(problem(""), "the body is not a JSON object");
    assert_eq!(problem("[]"), "the body is not a JSON object");
    assert_eq!(problem("{"), "the body is not valid JSON (line 1, column 1)");
    assert_eq!(
        problem(r#"{"stream":"SECRET"}"#),
        "a field of the body has the wrong type (line 1, column 18)"
    );
}

#[test]
fn unary_answers_have_their_apis_shape() {
    let chat = unary(Endpoint::OpenAiChat, r#"{"model":"m","messages":[]}"#, 3);
    assert_eq!(chat["object"], "chat.completion");
    assert_eq!(chat["model"], "m");
    assert_eq!(chat["choices"][0]["message"], json!({"role": "assistant", "content": TEXT, "refusal": null}));
    assert_eq!(chat["choices"][0]["finish_reason"], "stop");
    assert_eq!(chat["usage"], json!({"prompt_tokens": 6, "completion_tokens": 3, "total_tokens": 9}));

    let completion = unary(Endpoint::OpenAiCompletions, r#"{"max_tokens":3}"#, 9);
    assert_eq!(completion["object"], "text_completion");
    assert_eq!(
        (&completion["choices"][0]["text"], &completion["choices"][0]["finish_reason"]),
        (&json!(TEXT), &json!("length"))
    );

    let response = unary(Endpoint::OpenAiResponses, r#"{"input":"hi"}"#, 3);
    assert_eq!((&response["object"], &response["status"]), (&json!("response"), &json!("completed")));
    assert_eq!(response["output"][0]["content"][0]["text"], TEXT);
    assert_eq!(response["usage"]["total_tokens"], 6);
    let cut = unary(Endpoint::OpenAiResponses, r#"{"max_output_tokens":2}"#, 3);
    assert_eq!(
        (&cut["status"], &cut["incomplete_details"]["reason"]),
        (&json!("incomplete"), &json!("max_output_tokens"))
    );

    let message = unary(Endpoint::ClaudeMessages, r#"{"max_tokens":99}"#, 3);
    assert_eq!((&message["type"], &message["role"]), (&json!("message"), &json!("assistant")));
    assert_eq!(message["content"], json!([{"type": "text", "text": TEXT}]));
    assert_eq!(
        (&message["stop_reason"], &message["usage"]["output_tokens"]),
        (&json!("end_turn"), &json!(3))
    );

    let generated = unary(Endpoint::GeminiGenerate, r#"{"generationConfig":{"maxOutputTokens":3}}"#, 4);
    let candidate = &generated["candidates"][0];
    assert_eq!(candidate["content"], json!({"parts": [{"text": TEXT}], "role": "model"}));
    assert_eq!(candidate["finishReason"], "MAX_TOKENS");
    assert_eq!(generated["usageMetadata"]["totalTokenCount"], 13);
}

#[test]
fn chat_streams_role_content_finish_and_done() {
    let text = stream_text(&exchange(Endpoint::OpenAiChat, r#"{"stream":true}"#, 2));
    let events = events(&text);
    assert_eq!(events.len(), 5);
    let choice = |i: usize| &events[i].1["choices"][0];
    assert_eq!(choice(0)["delta"]["role"], "assistant");
    assert_eq!(choice(1)["delta"], json!({"content": "This"}));
    assert_eq!(choice(2)["delta"], json!({"content": " answer"}));
    assert_eq!(choice(2)["finish_reason"], Value::Null);
    assert_eq!((&choice(3)["delta"], &choice(3)["finish_reason"]), (&json!({}), &json!("stop")));
    assert_eq!(events[4].1, "[DONE]");
    for (name, event) in &events[..4] {
        assert_eq!((name, &event["object"]), (&None, &json!("chat.completion.chunk")));
        assert!(event.get("usage").is_none());
    }
}

#[test]
fn chat_streams_usage_where_asked_for() {
    let body = r#"{"stream":true,"stream_options":{"include_usage":true}}"#;
    let text = stream_text(&exchange(Endpoint::OpenAiChat, body, 2));
    let events = events(&text);
    assert_eq!(events.len(), 6);
    assert!(events[..4].iter().all(|(_, event)| event["usage"].is_null() && event.get("usage").is_some()));
    assert_eq!(events[4].1["choices"], json!([]));
    assert_eq!(events[4].1["usage"]["completion_tokens"], 2);
}

#[test]
fn completions_stream_text_and_done() {
    let text = stream_text(&exchange(Endpoint::OpenAiCompletions, r#"{"stream":true}"#, 1));
    let events = events(&text);
    let texts: Vec<&Value> = events.iter().map(|(_, event)| &event["choices"][0]["text"]).collect();
    assert_eq!(texts, [&json!("This"), &json!(""), &Value::Null]);
    assert_eq!(events[1].1["choices"][0]["finish_reason"], "stop");
}

#[test]
fn responses_stream_their_events_with_running_numbers() {
    let text = stream_text(&exchange(Endpoint::OpenAiResponses, r#"{"stream":true}"#, 2));
    let events = events(&text);
    let names: Vec<&str> = events.iter().map(|(name, _)| name.unwrap()).collect();
    assert_eq!(
        names,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    for (i, (name, event)) in events.iter().enumerate() {
        assert_eq!((&event["sequence_number"], &event["type"]), (&json!(i), &json!(name.unwrap())));
    }
    assert_eq!((&events[5].1["delta"], &events[6].1["text"]), (&json!(" answer"), &json!("This answer")));
    assert_eq!(events[0].1["response"]["status"], "in_progress");
    assert_eq!(events[9].1["response"]["output"][0]["content"][0]["text"], "This answer");
    assert_eq!(events[9].1["response"]["id"], events[0].1["response"]["id"]);
}

#[test]
fn claude_streams_its_events() {
    let text = stream_text(&exchange(Endpoint::ClaudeMessages, r#"{"stream":true,"max_tokens":2}"#, 5));
    let events = events(&text);
    let names: Vec<&str> = events.iter().map(|(name, _)| name.unwrap()).collect();
    assert_eq!(
        names,
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    assert!(events.iter().all(|(name, event)| event["type"] == name.unwrap()));
    assert_eq!(events[0].1["message"]["content"], json!([]));
    assert_eq!(events[3].1["delta"], json!({"type": "text_delta", "text": "This"}));
    assert_eq!(events[6].1["delta"]["stop_reason"], "max_tokens");
    assert_eq!(events[6].1["usage"]["output_tokens"], 2);
}

#[test]
fn gemini_streams_events_or_one_array() {
    let mut exchange = exchange(Endpoint::GeminiStream, "{}", 2);
    let text = stream_text(&exchange);
    let sent: Vec<Value> = events(&text).into_iter().map(|(_, event)| event).collect();
    exchange.is_sse = false;
    let Value::Array(listed) = serde_json::from_str(&stream_text(&exchange)).unwrap() else {
        panic!("a list")
    };
    assert_eq!(sent, listed);
    let texts: Vec<&Value> =
        sent.iter().map(|piece| &piece["candidates"][0]["content"]["parts"][0]["text"]).collect();
    assert_eq!(texts, ["This", " answer", ""]);
    let totals: Vec<&Value> = sent.iter().map(|piece| &piece["usageMetadata"]["totalTokenCount"]).collect();
    assert_eq!(totals, [2, 3, 3]);
    assert_eq!(sent[2]["candidates"][0]["finishReason"], "STOP");
    assert!(sent[1]["candidates"][0].get("finishReason").is_none());
}

#[test]
fn errors_in_streams_have_their_apis_shape() {
    fn last(endpoint: Endpoint, is_sse: bool) -> (Option<String>, Value) {
        let mut exchange = exchange(endpoint, r#"{"stream":true}"#, 2);
        exchange.is_sse = is_sse;
        let mut output = Vec::new();
        let mut writer = EventWriter::new(&mut output, false);
        exchange.write_opening(&mut writer);
        exchange.token_template().write(0, &mut writer);
        exchange.write_error(1, &mut writer);
        let text = String::from_utf8(output).unwrap();
        if is_sse {
            let (name, event) = events(&text).pop().unwrap();
            (name.map(str::to_owned), event)
        } else {
            (None, serde_json::from_str::<Vec<Value>>(&text).unwrap().pop().unwrap())
        }
    }
    assert_eq!(last(Endpoint::OpenAiChat, true).1["error"]["type"], "server_error");
    let (name, event) = last(Endpoint::ClaudeMessages, true);
    assert_eq!((name.as_deref(), &event["error"]["type"]), (Some("error"), &json!("overloaded_error")));
    let (name, event) = last(Endpoint::OpenAiResponses, true);
    assert_eq!(name.as_deref(), Some("response.failed"));
    assert_eq!((&event["sequence_number"], &event["response"]["status"]), (&json!(6), &json!("failed")));
    assert_eq!(last(Endpoint::GeminiStream, true).1["error"]["status"], "UNAVAILABLE");
    assert_eq!(last(Endpoint::GeminiStream, false).1["error"]["code"], 503);
}

#[test]
fn embeddings_have_the_asked_size_and_encoding() {
    let body = |text: &str| unary(Endpoint::OpenAiEmbeddings, text, 1);
    let one = body(r#"{"input":"a","model":"e"}"#);
    assert_eq!(one["data"][0]["embedding"].as_array().unwrap().len(), 1536);
    let two = body(r#"{"input":["a","b"],"dimensions":2}"#);
    assert_eq!(two["data"].as_array().unwrap().len(), 2);
    let vector = &two["data"][1]["embedding"];
    let norm = vector.as_array().unwrap().iter().map(|x| x.as_f64().unwrap().powi(2)).sum::<f64>();
    assert!((norm - 1.0).abs() < 1e-6);
    assert_eq!(body(r#"{"input":[1,2,3]}"#)["data"].as_array().unwrap().len(), 1);
    // 0.5 and -0.5, little-endian.
    let coded = body(r#"{"input":"a","dimensions":4,"encoding_format":"base64"}"#);
    assert_eq!(coded["data"][0]["embedding"], "AAAAPwAAAL8AAAA/AAAAvw==");
    let problem =
        |text: &str| Exchange::read(Endpoint::OpenAiEmbeddings, None, true, text.as_bytes(), 1).unwrap_err();
    assert!(problem("{}").contains("`input`"));
    assert!(problem(r#"{"input":"a","dimensions":0}"#).contains("`dimensions`"));
}

#[test]
fn models_and_token_counts_have_their_apis_shape() {
    let list = |family, name| serde_json::from_str::<Value>(&models_body(family, name)).unwrap();
    assert_eq!(list(Family::OpenAi, None)["data"][0]["id"], "slowpath-mock");
    assert_eq!(list(Family::Claude, None)["last_id"], "slowpath-mock");
    assert_eq!(list(Family::Gemini, None)["models"][0]["name"], "models/slowpath-mock");
    assert_eq!(list(Family::OpenAi, Some("a\"b"))["id"], "a\"b");
    assert_eq!(list(Family::Claude, Some("c"))["type"], "model");
    assert_eq!(list(Family::Gemini, Some("g"))["name"], "models/g");
    let count = |endpoint| exchange(endpoint, r#"{"a":"bcdefgh"}"#, 1).count_body();
    assert_eq!(count(Endpoint::ClaudeCountTokens), r#"{"input_tokens":3}"#);
    assert_eq!(count(Endpoint::GeminiCountTokens), r#"{"totalTokens":3}"#);
}
