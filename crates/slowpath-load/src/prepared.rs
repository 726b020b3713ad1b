//! One kind of request, taken apart once so that writing it costs little: method, target, header fields, body. Decides
//! nothing about which request comes next.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::LoadError;
use crate::escape::Place;
use crate::line_file::LineFiles;
use crate::plan::RequestPlan;
use crate::redact::Redactor;
use crate::response::Answers;
use crate::template::{Filling, Template};

const USER_AGENT: &str = concat!("slowpath/", env!("CARGO_PKG_VERSION"));

/// Header fields that belong to one connection (RFC 9110, 7.6.1) and that HTTP/2 forbids (RFC 9113, 8.2.2).
const CONNECTION_FIELDS: [&str; 6] =
    ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade", "http2-settings"];

/// A request plan, ready to be written.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) method: String,
    /// `None` for the URL's own.
    pub(crate) target: Option<Template>,
    pub(crate) fields: Arc<Fields>,
    pub(crate) body: Template,
    pub(crate) length: Length,
    pub(crate) is_template: bool,
    /// The path as the plan has it.
    path: Option<String>,
}

/// What is said of the body's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Length {
    /// Nothing, or the plan's own header does.
    Unsaid,
    Known(usize),
    /// It differs from request to request.
    Counted,
}

/// Header fields; many requests have the same.
#[derive(Debug)]
pub(crate) struct Fields {
    /// All of them, as HTTP/1.1 sends them, without the length and a generated host.
    pub(crate) lines: Template,
    /// The same one by one, names in lower case.
    pub(crate) list: Vec<Field>,
    pub(crate) has_host: bool,
    gives_length: bool,
    asks_to_close: bool,
}

#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) value: Template,
    /// `host`, which HTTP/2 sends as `:authority`.
    pub(crate) is_host: bool,
    /// HTTP/2 must not have it.
    pub(crate) is_of_connection: bool,
}

/// What is shared while the requests of one plan are prepared.
#[derive(Default)]
pub(crate) struct Preparation<'a> {
    files: LineFiles,
    fields: HashMap<FieldsKey<'a>, Arc<Fields>>,
}

/// The headers as the plan has them, and whether they are templates.
type FieldsKey<'a> = (&'a [(String, String)], bool);

impl<'a> Preparation<'a> {
    /// Starts with files that may have been read already.
    pub(crate) fn with_files(files: LineFiles) -> Self {
        Self { files, fields: HashMap::new() }
    }

    /// Parses the templates of a valid plan and reads the files they name.
    pub(crate) fn prepare(&mut self, plan: &'a RequestPlan) -> Result<Prepared, LoadError> {
        let target = plan.path.as_deref().map(|path| self.target(path, plan.is_template)).transpose()?;
        let fields = self.fields(plan)?;
        let body = if plan.is_template {
            let is_json = is_json(&plan.headers, &plan.body);
            Template::parse_sized(&plan.body, Place::Body, is_json, plan.body_size, &mut self.files)?
        } else {
            Template::text(&plan.body[..])
        };
        // RFC 9110, 8.6: a method whose requests usually have a body says so when this one has none.
        let expects_body = matches!(plan.method.as_str(), "POST" | "PUT" | "PATCH");
        let length = match body.as_text() {
            _ if fields.gives_length => Length::Unsaid,
            Some(b"") if !expects_body => Length::Unsaid,
            Some(text) => Length::Known(text.len()),
            None => Length::Counted,
        };
        let (method, path, is_template) = (plan.method.clone(), plan.path.clone(), plan.is_template);
        Ok(Prepared { method, target, fields, body, length, is_template, path })
    }

    /// Parses a request target: a path with or without query, or `*`.
    pub(crate) fn target(&mut self, path: &str, is_template: bool) -> Result<Template, LoadError> {
        let target = self.template(path.as_bytes(), Place::Path, is_template)?;
        let problem = if target.plain_texts().flatten().any(|byte| !byte.is_ascii_graphic()) {
            "it holds a space, a control character or a non-ASCII letter; a space is written `%20`"
        } else if path != "*" && !target.always_begins_with(b'/') {
            "it does not begin with `/`"
        } else {
            return Ok(target);
        };
        let value = Redactor::default().redact(path).escape_debug().to_string();
        Err(LoadError::BadPlan { field: "path", value, problem })
    }

    fn fields(&mut self, plan: &'a RequestPlan) -> Result<Arc<Fields>, LoadError> {
        let key = (&plan.headers[..], plan.is_template);
        if let Some(fields) = self.fields.get(&key) {
            return Ok(Arc::clone(fields));
        }
        let has = |name: &str| plan.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        let mut fields = Fields {
            lines: Template::default(),
            list: Vec::new(),
            has_host: has("host"),
            gives_length: has("content-length") && !plan.is_template,
            asks_to_close: false,
        };
        for (name, value) in [("user-agent", USER_AGENT), ("accept", "*/*")] {
            if !has(name) {
                fields.add(name, Template::text(value));
            }
        }
        for (name, value) in &plan.headers {
            // The length of a filled-in body is counted, whatever was said of the template's.
            if !(plan.is_template && name.eq_ignore_ascii_case("content-length")) {
                fields.add(name, self.template(value.as_bytes(), Place::Header, plan.is_template)?);
            }
        }
        let fields = Arc::new(fields);
        self.fields.insert(key, Arc::clone(&fields));
        Ok(fields)
    }

    fn template(&mut self, text: &[u8], place: Place, is_template: bool) -> Result<Template, LoadError> {
        if is_template {
            Template::parse(text, place, false, &mut self.files)
        } else {
            Ok(Template::text(text))
        }
    }
}

impl Fields {
    fn add(&mut self, name: &str, value: Template) {
        self.lines.push_text(name.as_bytes());
        self.lines.push_text(b": ");
        self.lines.append(&value);
        self.lines.push_text(b"\r\n");
        let name = name.to_ascii_lowercase();
        let says_close = |text: &[u8]| {
            text.split(|&byte| byte == b',').any(|word| word.trim_ascii().eq_ignore_ascii_case(b"close"))
        };
        self.asks_to_close |= name == "connection" && value.texts().any(says_close);
        let is_trailers = || value.as_text().is_some_and(|text| text.eq_ignore_ascii_case(b"trailers"));
        let is_of_connection = CONNECTION_FIELDS.contains(&name.as_str()) || (name == "te" && !is_trailers());
        self.list.push(Field { is_host: name == "host", is_of_connection, name, value });
    }
}

impl Prepared {
    /// Tells whether every request of this kind is the same on one URL.
    pub(crate) fn is_constant(&self) -> bool {
        let is_text = |template: &Template| template.as_text().is_some();
        self.target.as_ref().is_none_or(is_text) && is_text(&self.fields.lines) && is_text(&self.body)
    }

    /// Returns method and path as the plan has them, secrets redacted. `url_path` stands in for a path it has not.
    pub(crate) fn name(&self, url_path: &str) -> String {
        let path = self.path.as_deref().unwrap_or(url_path);
        Redactor::default().redact(&format!("{} {path}", self.method))
    }

    /// Returns how answers to it are read.
    pub(crate) fn answers(&self) -> Answers {
        if self.method == "HEAD" { Answers::Head } else { Answers::Other }
    }

    /// Tells whether it asks the server to close the connection after the answer.
    pub(crate) fn asks_to_close(&self) -> bool {
        self.fields.asks_to_close
    }
}

impl Fields {
    /// Calls `each` with name and value of every field and every text its value can have, for redaction.
    pub(crate) fn each_text(&self, mut each: impl FnMut(&str, &[u8])) {
        for field in &self.list {
            field.value.texts().for_each(|text| each(&field.name, text));
        }
    }
}

impl Field {
    /// Returns the value for one request. It is UTF-8: it comes from a text or was checked.
    pub(crate) fn render(&self, filling: &mut Filling) -> String {
        let mut value = Vec::new();
        self.value.render(filling, &mut value);
        String::from_utf8_lossy(&value).into_owned()
    }
}

/// Tells whether a body is JSON: it begins like an object, an array or a string, and no header says otherwise.
pub(crate) fn is_json(headers: &[(String, String)], body: &[u8]) -> bool {
    let content_type = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let may_be = content_type.is_none_or(|(_, value)| value.to_ascii_lowercase().contains("json"));
    // `{{` begins an expression, not an object.
    let body = body.trim_ascii_start();
    may_be && matches!(body.first(), Some(b'{' | b'[' | b'"')) && !body.starts_with(b"{{")
}
