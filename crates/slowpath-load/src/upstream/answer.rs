//! The texts of the mock upstream's answers, in the shape of OpenAI's API. No timing, no sockets.
//!
//! The same request gives the same bytes, but for the running number in the id.

use serde::Deserialize;

use super::request::Request;

/// `created` of every answer: a fixed time, so that answers do not depend on the clock.
const CREATED_UNIX_S: u64 = 1_700_000_000;

const DEFAULT_MODEL: &str = "slowpath-mock";

/// What of a chat request decides the answer.
#[derive(Debug, Deserialize)]
struct ChatRequest {
    model: Option<String>,
    stream: Option<bool>,
}

/// What to answer to a request.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    /// A complete JSON answer, at once.
    Now { status: u16, body: String },
    /// A chat completion, after the latency.
    Json(Chat),
    /// A chat completion in chunks, from the latency on.
    Stream(Chat),
}

/// The parts that repeat in every piece of one completion.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chat {
    number: u64,
    /// A JSON string, quotes included.
    model: String,
    /// Roughly four bytes make a token.
    n_prompt_tokens: usize,
}

/// Decides what to answer to the request with this running `number`.
pub(super) fn answer_to(request: &Request, number: u64) -> Answer {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/v1/chat/completions") => match serde_json::from_slice::<ChatRequest>(&request.body) {
            Ok(chat_request) => {
                let model = chat_request.model.as_deref().unwrap_or(DEFAULT_MODEL);
                let chat = Chat {
                    number,
                    model: serde_json::Value::from(model).to_string(),
                    n_prompt_tokens: request.body.len() / 4,
                };
                if chat_request.stream == Some(true) { Answer::Stream(chat) } else { Answer::Json(chat) }
            }
            Err(_) => error(400, "the body is not a JSON object with `model`, `messages` and `stream`"),
        },
        ("GET", "/v1/models") => Answer::Now {
            status: 200,
            body: format!(
                r#"{{"object":"list","data":[{{"id":"{DEFAULT_MODEL}","object":"model","created":{CREATED_UNIX_S},"owned_by":"slowpath"}}]}}"#
            ),
        },
        _ => error(404, "the mock upstream answers POST /v1/chat/completions and GET /v1/models"),
    }
}

/// Returns an error in OpenAI's shape; `message` needs no escaping.
pub(super) fn error(status: u16, message: &str) -> Answer {
    debug_assert!(!message.contains(['"', '\\']));
    let body = format!(
        r#"{{"error":{{"message":"{message}","type":"invalid_request_error","param":null,"code":null}}}}"#
    );
    Answer::Now { status, body }
}

/// Returns head and body of an answer of known length.
pub(super) fn with_length(status: u16, keeps_alive: bool, body: &str) -> String {
    let reason = match status {
        200 => "OK",
        404 => "Not Found",
        413 => "Content Too Large",
        431 => "Request Header Fields Too Large",
        505 => "HTTP Version Not Supported",
        _ => "Bad Request",
    };
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: {}\r\n\r\n{body}",
        body.len(),
        connection_word(keeps_alive)
    )
}

/// Returns the head of a stream; its body is chunked.
pub(super) fn stream_head(keeps_alive: bool) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\nconnection: {}\r\n\r\n",
        connection_word(keeps_alive)
    )
}

fn connection_word(keeps_alive: bool) -> &'static str {
    if keeps_alive { "keep-alive" } else { "close" }
}

impl Chat {
    /// Returns the whole completion as JSON; it has `n_chunks` words.
    pub(super) fn json(&self, n_chunks: u32) -> String {
        let content: String = (0..n_chunks).map(word).collect();
        format!(
            r#"{{"id":"{}","object":"chat.completion","created":{CREATED_UNIX_S},"model":{},"choices":[{{"index":0,"message":{{"role":"assistant","content":"{content}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"usage":{}}}"#,
            self.id(),
            self.model,
            self.usage(n_chunks)
        )
    }

    /// Returns the first event: it names the role and has no content.
    pub(super) fn role_event(&self) -> String {
        self.event(r#"{"role":"assistant","content":""}"#, "null")
    }

    /// Returns the event with the content number `i`.
    pub(super) fn content_event(&self, i: u32) -> String {
        self.event(&format!(r#"{{"content":"{}"}}"#, word(i)), "null")
    }

    /// Returns the last events, finish reason, usage and `[DONE]`, and the end of the chunked body.
    pub(super) fn end_of_stream(&self, n_chunks: u32) -> String {
        let usage = format!(
            r#"data: {{"id":"{}","object":"chat.completion.chunk","created":{CREATED_UNIX_S},"model":{},"choices":[],"usage":{}}}"#,
            self.id(),
            self.model,
            self.usage(n_chunks)
        );
        let finish = self.event("{}", r#""stop""#);
        format!("{finish}{}{}0\r\n\r\n", chunk(&usage), chunk("data: [DONE]"))
    }

    fn event(&self, delta: &str, finish_reason: &str) -> String {
        chunk(&format!(
            r#"data: {{"id":"{}","object":"chat.completion.chunk","created":{CREATED_UNIX_S},"model":{},"choices":[{{"index":0,"delta":{delta},"logprobs":null,"finish_reason":{finish_reason}}}]}}"#,
            self.id(),
            self.model
        ))
    }

    fn id(&self) -> String {
        format!("chatcmpl-{:012}", self.number)
    }

    fn usage(&self, n_chunks: u32) -> String {
        format!(
            r#"{{"prompt_tokens":{},"completion_tokens":{n_chunks},"total_tokens":{}}}"#,
            self.n_prompt_tokens,
            self.n_prompt_tokens + n_chunks as usize
        )
    }
}

fn word(i: u32) -> String {
    format!("word{i} ")
}

/// Wraps one event, with the empty line that ends it, into one HTTP chunk.
fn chunk(event: &str) -> String {
    format!("{:x}\r\n{event}\n\n\r\n", event.len() + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(body: &str) -> Answer {
        let request = Request {
            method: "POST".to_owned(),
            path: "/v1/chat/completions".to_owned(),
            keeps_alive: true,
            body: body.into(),
        };
        answer_to(&request, 7)
    }

    #[test]
    fn the_body_decides_between_json_and_stream() {
        fn check(body: &str, expected: &str) {
            let shape = match post(body) {
                Answer::Now { status, .. } => format!("now {status}"),
                Answer::Json(chat) => format!("json {}", chat.model),
                Answer::Stream(chat) => format!("stream {}", chat.model),
            };
            assert_eq!(shape, expected, "{body}");
        }
        check(r#"{"model":"gpt-4o","messages":[]}"#, r#"json "gpt-4o""#);
        check(r#"{"stream" : true}"#, r#"stream "slowpath-mock""#);
        check(r#"{"model":"a\"b","stream":false}"#, r#"json "a\"b""#);
        check(r#"{"messages":[{"content":"\"stream\":true"}]}"#, r#"json "slowpath-mock""#);
        check(r#"{"metadata":{"stream":true}}"#, r#"json "slowpath-mock""#);
        check("{", "now 400");
        check("", "now 400");
    }

    #[test]
    fn answers_are_json_of_openais_shape() {
        let Answer::Json(chat) = post(r#"{"model":"m"}"#) else { panic!("not a JSON answer") };
        let json: serde_json::Value = serde_json::from_str(&chat.json(2)).unwrap();
        assert_eq!(json["choices"][0]["message"]["content"], "word0 word1 ");
        assert_eq!(json["usage"]["total_tokens"], 5);
        assert_eq!(json["model"], "m");

        for event in [chat.role_event(), chat.content_event(0), chat.end_of_stream(2)] {
            for line in
                event.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|line| *line != "[DONE]")
            {
                let json: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(json["object"], "chat.completion.chunk");
            }
        }
        let Answer::Now { body, .. } = error(404, "no") else { panic!("an error is answered at once") };
        assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok());
    }
}
