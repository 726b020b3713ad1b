//! OpenAI's Responses API: <https://platform.openai.com/docs/api-reference/responses-streaming>. Each event has a name,
//! a type and a running number; there is no `[DONE]`.

use super::events::{EventWriter, NUMBER_1, TOKEN, TokenTemplate};
use super::{CREATED_UNIX_S, Exchange};

/// Events before the first token: created, in_progress, output_item.added, content_part.added.
const N_OPENING_EVENTS: u64 = 4;

pub(super) fn unary_body(exchange: &Exchange) -> String {
    ended(exchange)
}

pub(super) fn write_opening(exchange: &Exchange, events: &mut EventWriter<'_>) {
    let begun = response(exchange, "in_progress", "null", "", "null");
    let item_id = item_id(exchange);
    let mut write = Writer { events, n_written: 0 };
    write.event("response.created", &format!(r#""response":{begun}"#));
    write.event("response.in_progress", &format!(r#""response":{begun}"#));
    write.event(
        "response.output_item.added",
        &format!(r#""output_index":0,"item":{}"#, item(exchange, "in_progress", "")),
    );
    write.event(
        "response.content_part.added",
        &format!(r#""item_id":"{item_id}","output_index":0,"content_index":0,"part":{}"#, part("")),
    );
    debug_assert_eq!(write.n_written, N_OPENING_EVENTS);
}

pub(super) fn token_template(exchange: &Exchange) -> TokenTemplate {
    let name = "response.output_text.delta";
    let text = format!(
        "event: {name}\ndata: {{\"type\":\"{name}\",\"sequence_number\":{NUMBER_1},\"item_id\":\"{}\",\
         \"output_index\":0,\"content_index\":0,\"delta\":\"{TOKEN}\",\"logprobs\":[]}}\n\n",
        item_id(exchange)
    );
    TokenTemplate::new(&text, [N_OPENING_EVENTS, 0])
}

pub(super) fn write_closing(exchange: &Exchange, events: &mut EventWriter<'_>) {
    let text = exchange.text();
    let place = format!(r#""item_id":"{}","output_index":0,"content_index":0"#, item_id(exchange));
    let mut write = Writer { events, n_written: N_OPENING_EVENTS + u64::from(exchange.n_tokens) };
    write.event("response.output_text.done", &format!(r#"{place},"text":"{text}","logprobs":[]"#));
    write.event("response.content_part.done", &format!(r#"{place},"part":{}"#, part(&text)));
    let item = item(exchange, status(exchange), &part(&text));
    write.event("response.output_item.done", &format!(r#""output_index":0,"item":{item}"#));
    write.event(
        if exchange.is_cut_short() { "response.incomplete" } else { "response.completed" },
        &format!(r#""response":{}"#, ended(exchange)),
    );
}

/// Writes an error event, and the response as failed, which is what ends a stream.
pub(super) fn write_error(exchange: &Exchange, n_sent: u32, events: &mut EventWriter<'_>) {
    let message = "The mock upstream was told to fail in this stream.";
    let mut write = Writer { events, n_written: N_OPENING_EVENTS + u64::from(n_sent) };
    write.event("error", &format!(r#""code":"server_error","message":"{message}","param":null"#));
    let error = format!(r#"{{"code":"server_error","message":"{message}"}}"#);
    let failed = response(exchange, "failed", &error, "", "null");
    write.event("response.failed", &format!(r#""response":{failed}"#));
}

/// Gives events their type and running number.
struct Writer<'a, 'b> {
    events: &'a mut EventWriter<'b>,
    n_written: u64,
}

impl Writer<'_, '_> {
    fn event(&mut self, name: &str, fields: &str) {
        let data = format!(r#"{{"type":"{name}","sequence_number":{},{fields}}}"#, self.n_written);
        self.events.named(name, &data);
        self.n_written += 1;
    }
}

/// Returns the response with its output and usage.
fn ended(exchange: &Exchange) -> String {
    let usage = format!(
        r#"{{"input_tokens":{},"input_tokens_details":{{"cached_tokens":0}},"output_tokens":{},"output_tokens_details":{{"reasoning_tokens":0}},"total_tokens":{}}}"#,
        exchange.n_prompt_tokens,
        exchange.n_tokens,
        exchange.n_prompt_tokens + exchange.n_tokens
    );
    let output = item(exchange, status(exchange), &part(&exchange.text()));
    response(exchange, status(exchange), "null", &output, &usage)
}

fn response(exchange: &Exchange, status: &str, error: &str, output: &str, usage: &str) -> String {
    let incomplete = if status == "incomplete" { r#"{"reason":"max_output_tokens"}"# } else { "null" };
    let limit = exchange.max_tokens.map_or_else(|| "null".to_owned(), |limit| limit.to_string());
    format!(
        r#"{{"id":"resp_{:012}","object":"response","created_at":{CREATED_UNIX_S},"status":"{status}","background":false,"error":{error},"incomplete_details":{incomplete},"instructions":null,"max_output_tokens":{limit},"model":{},"output":[{output}],"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{{"effort":null,"summary":null}},"store":false,"temperature":1.0,"text":{{"format":{{"type":"text"}}}},"tool_choice":"auto","tools":[],"top_p":1.0,"truncation":"disabled","usage":{usage},"user":null,"metadata":{{}}}}"#,
        exchange.number, exchange.model
    )
}

fn item(exchange: &Exchange, status: &str, content: &str) -> String {
    format!(
        r#"{{"id":"{}","type":"message","status":"{status}","role":"assistant","content":[{content}]}}"#,
        item_id(exchange)
    )
}

fn part(text: &str) -> String {
    format!(r#"{{"type":"output_text","annotations":[],"logprobs":[],"text":"{text}"}}"#)
}

fn item_id(exchange: &Exchange) -> String {
    format!("msg_{:012}", exchange.number)
}

fn status(exchange: &Exchange) -> &'static str {
    if exchange.is_cut_short() { "incomplete" } else { "completed" }
}
