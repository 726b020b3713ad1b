//! Bodies of `multipart/form-data` (RFC 7578) from the JSON that autocannon's `-F` takes. Files are read whole.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::error::LoadError;
use crate::json_object::JsonObject;
use crate::random::Random;
use crate::source_text::{Position, bad_json, json_problem, read_text};

const HINT: &str = "write a form as `{\"name\":{\"type\":\"text\",\"value\":\"…\"},\"upload\":{\"type\":\"file\",\"path\":\"…\"}}`";

/// A field as autocannon has it.
#[derive(Deserialize)]
#[serde(expecting = "an object with `type`")]
struct Field {
    #[serde(rename = "type")]
    kind: String,
    value: Option<Value>,
    path: Option<PathBuf>,
    #[serde(default)]
    options: FieldOptions,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct FieldOptions {
    filename: Option<String>,
    filepath: Option<String>,
    content_type: Option<String>,
}

/// A field as it is sent.
struct Part {
    name: String,
    file_name: Option<String>,
    content_type: Option<String>,
    content: Vec<u8>,
}

/// Builds the value of `content-type` and the body from a form in JSON, or from the path of a file with that JSON.
///
/// The form maps names to `{"type":"text","value":…}` or `{"type":"file","path":…}`; a file's name and type can be given
/// as `"options":{"filename":…,"contentType":…}`. Fields keep their order. The same form gives the same bytes.
///
/// # Errors
/// [`LoadError::BadText`] or [`LoadError::BadFile`] for what is no such form, [`LoadError::UnreadableFile`] for a missing
/// file.
pub fn multipart_from_json(text: &str) -> Result<(String, Vec<u8>), LoadError> {
    let form: JsonObject<Field> = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| {
            // The form may hold secrets, so that only the place is shown.
            let place = format!("line {}, column {}", error.line(), error.column());
            bad_form(&place, json_problem(&error))
        })?
    } else {
        let path = Path::new(text);
        serde_json::from_slice(&read_text(path)?)
            .map_err(|error| bad_json(path, Position::START, &error, HINT))?
    };
    let parts =
        form.0.into_iter().map(|(name, field)| part_of(name, field)).collect::<Result<Vec<_>, _>>()?;
    if parts.is_empty() {
        return Err(bad_form("{}", "it has no fields".to_owned()));
    }
    Ok(write(&parts))
}

fn bad_form(shown: &str, problem: String) -> LoadError {
    LoadError::BadText { what: "form", text: shown.to_owned(), problem, hint: HINT.to_owned() }
}

fn part_of(name: String, field: Field) -> Result<Part, LoadError> {
    let bad = |problem: &str| Err(bad_form(&name.escape_debug().to_string(), problem.to_owned()));
    match (field.kind.as_str(), field.value, field.path) {
        ("text", Some(Value::String(value)), _) => Ok(Part {
            name,
            file_name: None,
            content_type: field.options.content_type,
            content: value.into(),
        }),
        ("text", Some(value @ (Value::Number(_) | Value::Bool(_))), _) => {
            let content = value.to_string().into();
            Ok(Part { name, file_name: None, content_type: field.options.content_type, content })
        }
        ("text", _, _) => bad("a field of type `text` needs a `value` that is a text"),
        ("file", _, Some(path)) => {
            let content = std::fs::read(&path)
                .map_err(|source| LoadError::UnreadableFile { path: path.clone(), source })?;
            let own_name = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let file_name = field.options.filepath.or(field.options.filename).unwrap_or_else(own_name);
            let content_type = field.options.content_type.unwrap_or_else(|| type_of(&file_name).to_owned());
            Ok(Part { name, file_name: Some(file_name), content_type: Some(content_type), content })
        }
        ("file", _, None) => bad("a field of type `file` needs a `path`"),
        _ => bad("its `type` is neither `text` nor `file`"),
    }
}

fn write(parts: &[Part]) -> (String, Vec<u8>) {
    let boundary = boundary_for(parts);
    let mut body = Vec::new();
    for part in parts {
        let mut head =
            format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{}\"", quoted(&part.name));
        if let Some(file_name) = &part.file_name {
            head += &format!("; filename=\"{}\"", quoted(file_name));
        }
        if let Some(content_type) = &part.content_type {
            head += &format!("\r\ncontent-type: {}", content_type.replace(['\r', '\n'], " "));
        }
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(&part.content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

/// Returns a boundary that stands in none of the contents.
fn boundary_for(parts: &[Part]) -> String {
    let is_in = |boundary: &str, content: &[u8]| {
        content.windows(boundary.len()).any(|window| window == boundary.as_bytes())
    };
    let mut candidates = (0..).map(|stream| format!("slowpath-{:016x}", Random::new(0, stream).bits()));
    let is_free = |boundary: &String| !parts.iter().any(|part| is_in(boundary, &part.content));
    candidates.find(is_free).expect("there are more candidates than places in the contents")
}

/// Encodes what would end a quoted value or a line, as the HTML standard has it for forms.
fn quoted(text: &str) -> String {
    text.replace('\r', "%0D").replace('\n', "%0A").replace('"', "%22")
}

/// The usual type of a file by the end of its name.
fn type_of(file_name: &str) -> &'static str {
    let extension = Path::new(file_name).extension().unwrap_or_default().to_ascii_lowercase();
    match extension.to_str().unwrap_or_default() {
        "csv" => "text/csv",
        "gif" => "image/gif",
        "html" | "htm" => "text/html",
        "jpeg" | "jpg" => "image/jpeg",
        "json" => "application/json",
        "mp3" => "audio/mpeg",
        "mp4" => "video/mp4",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "svg" => "image/svg+xml",
        "txt" => "text/plain",
        "wav" => "audio/wav",
        "webp" => "image/webp",
        "xml" => "application/xml",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_fields_in_their_order() {
        let form = r#"{"z \"1\"":{"type":"text","value":"a text value"},"a":{"type":"text","value":5}}"#;
        let (content_type, body) = multipart_from_json(form).unwrap();
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let expected = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"z %221%22\"\r\n\r\na text value\r\n\
             --{boundary}\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n5\r\n--{boundary}--\r\n"
        );
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        assert_eq!(
            multipart_from_json(form).unwrap().0,
            content_type,
            "the same form gives the same boundary"
        );
    }

    #[test]
    fn reads_files_with_their_name_and_type() {
        let directory = tempfile::tempdir().unwrap();
        let upload = directory.path().join("picture.PNG");
        std::fs::write(&upload, b"\x89PNG\r\n").unwrap();
        let form = directory.path().join("form.json");
        let text = serde_json::json!({
            "a": {"type": "file", "path": upload},
            "b": {"type": "file", "path": upload, "options": {"filename": "x\r\ny", "contentType": "text/x"}},
            "c": {"type": "file", "path": upload, "options": {"filepath": "/some/path.json"}},
        });
        std::fs::write(&form, text.to_string()).unwrap();
        let (_, body) = multipart_from_json(form.to_str().unwrap()).unwrap();
        let body = String::from_utf8_lossy(&body);
        assert!(body.contains(
            "name=\"a\"; filename=\"picture.PNG\"\r\ncontent-type: image/png\r\n\r\n\u{fffd}PNG\r\n\r\n--"
        ));
        assert!(body.contains("name=\"b\"; filename=\"x%0D%0Ay\"\r\ncontent-type: text/x\r\n\r\n"));
        assert!(
            body.contains(
                "name=\"c\"; filename=\"/some/path.json\"\r\ncontent-type: application/json\r\n\r\n"
            )
        );
    }

    #[test]
    fn the_boundary_stands_in_no_content() {
        let first = boundary_for(&[]);
        let content = format!("x--{first}--").into_bytes();
        let part = Part { name: String::new(), file_name: None, content_type: None, content };
        assert_ne!(boundary_for(&[part]), first);
    }

    #[test]
    fn says_which_field_is_wrong() {
        fn check(form: &str, expected: &str) {
            let error = multipart_from_json(form).expect_err(expected);
            assert_eq!(error.to_string(), expected);
            assert!(error.hint().is_some());
        }
        check("{}", "cannot understand the form `{}`: it has no fields");
        check("{\"a\":", "cannot understand the form `line 1, column 5`: EOF while parsing a value");
        check(
            r#"{"a":5}"#,
            "cannot understand the form `line 1, column 6`: invalid type: integer `5`, expected an object with `type`",
        );
        check(
            r#"{"f":{"type":"text"}}"#,
            "cannot understand the form `f`: a field of type `text` needs a `value` that is a text",
        );
        check(
            r#"{"f":{"type":"file"}}"#,
            "cannot understand the form `f`: a field of type `file` needs a `path`",
        );
        check(
            r#"{"f":{"type":"x"}}"#,
            "cannot understand the form `f`: its `type` is neither `text` nor `file`",
        );
        check(r#"{"f":{"type":"file","path":"/no/such"}}"#, "cannot read `/no/such`");
        check("/no/such.json", "cannot read `/no/such.json`");
    }
}
