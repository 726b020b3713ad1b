//! OpenAI's embeddings: <https://platform.openai.com/docs/api-reference/embeddings>. Every text gets the same unit
//! vector; what counts is its size.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

/// The length of OpenAI's small embeddings.
const DEFAULT_DIMENSIONS: u32 = 1536;

/// The longest vector that is given; OpenAI's longest has 3,072 numbers.
const MAX_DIMENSIONS: u32 = 8192;

/// The most inputs of one request, as OpenAI has it.
const MAX_INPUTS: usize = 2048;

/// The most numbers of one answer: about 12 MB of JSON, which is built in one go.
const MAX_NUMBERS: usize = 1_000_000;

/// What of a request decides the vectors.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct EmbeddingsAsked {
    n_inputs: usize,
    n_dimensions: u32,
    is_base64: bool,
}

#[derive(Deserialize)]
struct Body {
    input: Option<Value>,
    dimensions: Option<u32>,
    encoding_format: Option<String>,
}

impl EmbeddingsAsked {
    /// Reads a body that is known to be a JSON object.
    pub(super) fn read(body: &[u8]) -> Result<Self, String> {
        let asked: Body = serde_json::from_slice(body).map_err(|error| super::describe(&error))?;
        let n_inputs = match &asked.input {
            Some(Value::String(_)) => 1,
            // A list of token numbers is one input; a list of texts or of such lists is several.
            Some(Value::Array(inputs)) if inputs.iter().all(Value::is_number) => 1,
            Some(Value::Array(inputs)) if inputs.len() <= MAX_INPUTS => inputs.len(),
            _ => return Err(format!("`input` is not a text or a list of at most {MAX_INPUTS}")),
        };
        let n_dimensions = asked.dimensions.unwrap_or(DEFAULT_DIMENSIONS);
        if !(1..=MAX_DIMENSIONS).contains(&n_dimensions) {
            return Err(format!("`dimensions` is not between 1 and {MAX_DIMENSIONS}"));
        }
        if n_inputs * n_dimensions as usize > MAX_NUMBERS {
            return Err(format!("inputs × dimensions are more than {MAX_NUMBERS}"));
        }
        Ok(Self { n_inputs, n_dimensions, is_base64: asked.encoding_format.as_deref() == Some("base64") })
    }
}

/// Returns the answer; `model` is a JSON string.
pub(super) fn body(asked: &EmbeddingsAsked, model: &str, n_prompt_tokens: u32) -> String {
    let vector = vector(asked);
    let mut data = String::with_capacity(asked.n_inputs * (vector.len() + 64));
    for index in 0..asked.n_inputs {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(data, r#"{comma}{{"object":"embedding","index":{index},"embedding":{vector}}}"#);
    }
    format!(
        r#"{{"object":"list","data":[{data}],"model":{model},"usage":{{"prompt_tokens":{n_prompt_tokens},"total_tokens":{n_prompt_tokens}}}}}"#
    )
}

/// Returns the vector as JSON: numbers, or a string of base64 of little-endian floats.
fn vector(asked: &EmbeddingsAsked) -> String {
    let n = asked.n_dimensions;
    let size = 1.0 / (n as f32).sqrt();
    let value = |i: u32| if i.is_multiple_of(2) { size } else { -size };
    if asked.is_base64 {
        let bytes: Vec<u8> = (0..n).flat_map(|i| value(i).to_le_bytes()).collect();
        return format!("\"{}\"", STANDARD.encode(bytes));
    }
    let mut text = String::from("[");
    for i in 0..n {
        let _ = write!(text, "{}{}", if i == 0 { "" } else { "," }, value(i));
    }
    text.push(']');
    text
}
