//! Claude's messages: <https://docs.claude.com/en/docs/build-with-claude/streaming>.

use super::Exchange;
use super::events::{EventWriter, TOKEN, TokenTemplate};

pub(super) fn unary_body(exchange: &Exchange) -> String {
    let content = format!(r#"{{"type":"text","text":"{}"}}"#, exchange.text());
    message(exchange, &content, &format!("\"{}\"", stop_reason(exchange)), exchange.n_tokens)
}

pub(super) fn write_opening(exchange: &Exchange, events: &mut EventWriter<'_>) {
    let begun = message(exchange, "", "null", 1);
    events.named("message_start", &format!(r#"{{"type":"message_start","message":{begun}}}"#));
    events.named(
        "content_block_start",
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
    );
    events.named("ping", r#"{"type":"ping"}"#);
}

pub(super) fn token_template() -> TokenTemplate {
    let text = format!(
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\
         \"delta\":{{\"type\":\"text_delta\",\"text\":\"{TOKEN}\"}}}}\n\n"
    );
    TokenTemplate::new(&text, [0, 0])
}

pub(super) fn write_closing(exchange: &Exchange, events: &mut EventWriter<'_>) {
    events.named("content_block_stop", r#"{"type":"content_block_stop","index":0}"#);
    let delta = format!(
        r#"{{"type":"message_delta","delta":{{"stop_reason":"{}","stop_sequence":null}},"usage":{{"output_tokens":{}}}}}"#,
        stop_reason(exchange),
        exchange.n_tokens
    );
    events.named("message_delta", &delta);
    events.named("message_stop", r#"{"type":"message_stop"}"#);
}

fn message(exchange: &Exchange, content: &str, stop_reason: &str, n_output_tokens: u32) -> String {
    format!(
        r#"{{"id":"msg_{:012}","type":"message","role":"assistant","model":{},"content":[{content}],"stop_reason":{stop_reason},"stop_sequence":null,"usage":{{"input_tokens":{},"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":{n_output_tokens}}}}}"#,
        exchange.number, exchange.model, exchange.n_prompt_tokens
    )
}

fn stop_reason(exchange: &Exchange) -> &'static str {
    if exchange.is_cut_short() { "max_tokens" } else { "end_turn" }
}
