//! Requests from a file with one JSON value per line. Each line is a body, or a request of its own.
//!
//! ```text
//! {"model":"m","messages":[…]}                                     a body, sent with the base request's method and path
//! {"request":{"method":"GET","path":"/models","weight":3}}         a request: the only key is `request`
//! ```

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::LoadError;
use crate::json_object::JsonObject;
use crate::line_file::LineFiles;
use crate::plan::RequestPlan;
use crate::prepared::{Preparation, is_json};
use crate::source_text::{BYTE_ORDER_MARK, Position, bad_file, bad_json, placed};

const LINE_HINT: &str = "each line is a JSON value, which is a body, or `{\"request\":{\"method\":…,\"path\":…,\
     \"headers\":{…},\"body\":…,\"weight\":…}}`";

/// Reads one request from each line that is not blank. The lines keep their order.
///
/// A line is a body, sent byte by byte as it stands there, with method, path and headers of `base`. A line that is an
/// object with the only key `request` is a request: `method`, `path`, `headers`, `body` and `weight`, each as in `base`
/// if it is missing. Its headers replace those of `base` with the same name. Its body is sent as it stands there, or,
/// if it is a string, the string's content. JSON bodies get `content-type: application/json` unless there is another.
///
/// If `base` is a template, so are the lines; then a body need not be JSON before it is filled in.
///
/// # Errors
/// With file, line and column: what is not JSON, has an unknown key or cannot be sent; a file without requests.
pub fn requests_from_jsonl(path: &Path, base: &RequestPlan) -> Result<Vec<RequestPlan>, LoadError> {
    let unreadable = |source| LoadError::UnreadableFile { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    read_requests(BufReader::new(file), path, base, LineFiles::default())
}

/// `files` are those that templates name; they are read, but not kept.
pub(crate) fn read_requests(
    mut reader: impl BufRead,
    path: &Path,
    base: &RequestPlan,
    files: LineFiles,
) -> Result<Vec<RequestPlan>, LoadError> {
    let mut requests = Vec::new();
    let mut lines = Vec::new();
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let n_read = reader
            .read_until(b'\n', &mut bytes)
            .map_err(|source| LoadError::UnreadableFile { path: path.to_owned(), source })?;
        if n_read == 0 {
            break;
        }
        let has_mark = line == 1 && bytes.starts_with(BYTE_ORDER_MARK);
        let text = if has_mark { &bytes[BYTE_ORDER_MARK.len()..] } else { &bytes };
        let start = Position { line, column: 1 + text.len() - text.trim_ascii_start().len() };
        let text = text.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let text = std::str::from_utf8(text).map_err(|error| {
            let position = Position { line, column: start.column + error.valid_up_to() };
            bad_file(path, position, "it is not UTF-8", "save the file as UTF-8")
        })?;
        requests.push(parse_line(text, path, start, base)?);
        lines.push(line);
    }
    if requests.is_empty() {
        return Err(bad_file(path, Position::START, "it holds no requests", LINE_HINT));
    }
    let mut preparation = Preparation::with_files(files);
    for (request, line) in requests.iter().zip(lines) {
        let prepared = request.validate().and_then(|()| preparation.prepare(request));
        prepared.map_err(|error| placed(error, path, Position { line, column: 1 }))?;
    }
    Ok(requests)
}

/// A line that is a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RequestLine<'a> {
    #[serde(borrow)]
    request: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct RequestFields<'a> {
    method: Option<String>,
    path: Option<String>,
    headers: Option<JsonObject<Value>>,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
    weight: Option<u32>,
}

/// `text` is trimmed and begins at `start`.
fn parse_line(
    text: &str,
    path: &Path,
    start: Position,
    base: &RequestPlan,
) -> Result<RequestPlan, LoadError> {
    let mut request = base.clone();
    if let Ok(line) = serde_json::from_str::<RequestLine<'_>>(text) {
        let inner = line.request.get();
        // The raw value is a part of `text`.
        let offset = inner.as_ptr() as usize - text.as_ptr() as usize;
        let start = start.plus(Position::of(text.as_bytes(), offset));
        let fields = serde_json::from_str(inner).map_err(|error| bad_json(path, start, &error, LINE_HINT))?;
        take_fields(&mut request, fields).map_err(|problem| bad_file(path, start, &problem, LINE_HINT))?;
        return Ok(request);
    }
    if let Err(error) = serde_json::from_str::<IgnoredAny>(text) {
        let may_become_json = base.is_template && text.contains("{{");
        if looks_like_request(text) && may_become_json {
            let hint = "where an expression stands outside a string, write the body as one: `\"body\":\"{\\\"n\\\":{{id}}}\"`";
            return Err(bad_json(path, start, &error, hint));
        }
        if !may_become_json {
            return Err(bad_json(path, start, &error, LINE_HINT));
        }
    }
    request.body = text.into();
    add_content_type(&mut request);
    Ok(request)
}

/// Tells whether a line that is not JSON was meant to be a request.
fn looks_like_request(text: &str) -> bool {
    text.strip_prefix('{').is_some_and(|inside| inside.trim_start().starts_with("\"request\""))
}

fn take_fields(request: &mut RequestPlan, fields: RequestFields<'_>) -> Result<(), String> {
    if let Some(method) = fields.method {
        request.method = method;
    }
    if fields.path.is_some() {
        request.path = fields.path;
    }
    for (name, value) in fields.headers.map_or(Vec::new(), |headers| headers.0) {
        let value = match value {
            Value::String(text) => text,
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            _ => return Err(format!("the header `{}` is not a text", name.escape_debug())),
        };
        set_header(&mut request.headers, name, value);
    }
    if let Some(weight) = fields.weight {
        request.weight = weight;
    }
    if let Some(body) = fields.body.map(RawValue::get) {
        // Only a JSON string begins with a quote, and a raw value is valid.
        let text = body.starts_with('"').then(|| serde_json::from_str::<String>(body).ok()).flatten();
        let is_json_text = text.is_none();
        request.body = text.unwrap_or_else(|| body.to_owned()).into_bytes();
        if is_json_text || is_json(&request.headers, &request.body) {
            add_content_type(request);
        }
    }
    Ok(())
}

/// Replaces the header of this name, or adds it.
pub(crate) fn set_header(headers: &mut Vec<(String, String)>, name: String, value: String) {
    match headers.iter_mut().find(|(given, _)| given.eq_ignore_ascii_case(&name)) {
        Some(header) => *header = (name, value),
        None => headers.push((name, value)),
    }
}

fn add_content_type(request: &mut RequestPlan) {
    if !request.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        request.headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
}

#[cfg(test)]
#[path = "jsonl_tests.rs"]
mod tests;
