//! OpenAI's chat completions, <https://platform.openai.com/docs/api-reference/chat>, and the older completions, which
//! share their ids, usage and end of stream.

use super::events::{EventWriter, TOKEN, TokenTemplate};
use super::{CREATED_UNIX_S, Endpoint, Exchange};

pub(super) fn unary_body(exchange: &Exchange) -> String {
    let text = exchange.text();
    let choice = if is_chat(exchange) {
        format!(r#""message":{{"role":"assistant","content":"{text}","refusal":null}}"#)
    } else {
        format!(r#""text":"{text}""#)
    };
    let object = if is_chat(exchange) { "chat.completion" } else { "text_completion" };
    format!(
        r#"{{{},"choices":[{{"index":0,{choice},"logprobs":null,"finish_reason":"{}"}}],"usage":{}}}"#,
        common(exchange, object),
        finish_reason(exchange),
        usage(exchange)
    )
}

/// Writes the first event of a chat: it names the role and has no content.
pub(super) fn write_role(exchange: &Exchange, events: &mut EventWriter<'_>) {
    let delta = r#""delta":{"role":"assistant","content":"","refusal":null}"#;
    events.data(&chunk(exchange, delta, "null"));
}

pub(super) fn token_template(exchange: &Exchange) -> TokenTemplate {
    let piece = if is_chat(exchange) {
        format!(r#""delta":{{"content":"{TOKEN}"}}"#)
    } else {
        format!(r#""text":"{TOKEN}""#)
    };
    TokenTemplate::new(&format!("data: {}\n\n", chunk(exchange, &piece, "null")), [0, 0])
}

pub(super) fn write_closing(exchange: &Exchange, events: &mut EventWriter<'_>) {
    let piece = if is_chat(exchange) { r#""delta":{}"# } else { r#""text":"""# };
    events.data(&chunk(exchange, piece, &format!("\"{}\"", finish_reason(exchange))));
    if exchange.includes_usage {
        events.data(&format!(
            r#"{{{},"choices":[],"usage":{}}}"#,
            common(exchange, chunk_object(exchange)),
            usage(exchange)
        ));
    }
    events.data("[DONE]");
}

fn chunk(exchange: &Exchange, piece: &str, finish_reason: &str) -> String {
    // With `include_usage` all other chunks have the field too.
    let no_usage = if exchange.includes_usage { r#","usage":null"# } else { "" };
    format!(
        r#"{{{},"choices":[{{"index":0,{piece},"logprobs":null,"finish_reason":{finish_reason}}}]{no_usage}}}"#,
        common(exchange, chunk_object(exchange))
    )
}

fn common(exchange: &Exchange, object: &str) -> String {
    let prefix = if is_chat(exchange) { "chatcmpl" } else { "cmpl" };
    format!(
        r#""id":"{prefix}-{:012}","object":"{object}","created":{CREATED_UNIX_S},"model":{}"#,
        exchange.number, exchange.model
    )
}

fn usage(exchange: &Exchange) -> String {
    format!(
        r#"{{"prompt_tokens":{},"completion_tokens":{},"total_tokens":{}}}"#,
        exchange.n_prompt_tokens,
        exchange.n_tokens,
        exchange.n_prompt_tokens + exchange.n_tokens
    )
}

fn finish_reason(exchange: &Exchange) -> &'static str {
    if exchange.is_cut_short() { "length" } else { "stop" }
}

fn chunk_object(exchange: &Exchange) -> &'static str {
    if is_chat(exchange) { "chat.completion.chunk" } else { "text_completion" }
}

fn is_chat(exchange: &Exchange) -> bool {
    exchange.endpoint == Endpoint::OpenAiChat
}
