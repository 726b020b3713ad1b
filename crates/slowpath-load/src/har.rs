//! Requests from a HAR file, as browsers and proxies save them (HAR 1.2, <http://www.softwareishard.com/blog/har-12-spec/>).
//! Takes what was asked, not when it was asked nor what was answered.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::error::LoadError;
use crate::escape::{Escape, Place, fit};
use crate::jsonl::set_header;
use crate::origin::{Origin, split_url};
use crate::plan::RequestPlan;
use crate::redact::Redactor;
use crate::source_text::{Position, bad_file, bad_json, read_text};
use crate::template::escape_braces;

const FILE_HINT: &str =
    "save the requests as HAR, such as with `Save all as HAR` in a browser's network panel";

/// Header fields that belong to the recorded connection or are made anew.
const LEFT_OUT: [&str; 13] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "priority",
];

/// What of a HAR file is taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HarOptions {
    /// Only requests that went to one of these are taken: `https://app.example.com`, `http://localhost:3000`.
    pub origins: Vec<String>,
    /// Whether recorded cookies are sent; without, `cookie` headers are left out.
    pub keeps_cookies: bool,
}

/// What was taken from a HAR file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HarRequests {
    /// In the order of the file; at least one.
    pub requests: Vec<RequestPlan>,
    /// How many went to other origins.
    pub n_elsewhere: usize,
    /// Requests to one of the origins that cannot be sent, each with the reason; secrets redacted.
    pub skipped: Vec<String>,
}

#[derive(Deserialize)]
struct Har<'a> {
    #[serde(borrow)]
    log: Log<'a>,
}

#[derive(Deserialize)]
struct Log<'a> {
    #[serde(borrow)]
    entries: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Entry {
    request: Recorded,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    method: String,
    url: String,
    #[serde(default)]
    headers: Vec<Pair>,
    post_data: Option<PostData>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    #[serde(default)]
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostData {
    #[serde(default)]
    mime_type: String,
    text: Option<String>,
    #[serde(default)]
    params: Vec<Pair>,
}

/// Reads the requests that a HAR file recorded to one of the origins, to be sent to the URL of the load.
///
/// Method, path with query, headers and body are taken. Headers of the connection, the body's length and, unless they are
/// kept, cookies are left out; headers of `base` replace recorded ones with the same name. If `base` is a template, only
/// its headers are filled in: braces in the file are text.
///
/// # Errors
/// With file, line and column: what is not HAR, and a file without a request to one of the origins.
pub fn requests_from_har(
    path: &Path,
    base: &RequestPlan,
    options: &HarOptions,
) -> Result<HarRequests, LoadError> {
    read_har(&read_text(path)?, path, base, options)
}

fn read_har(
    text: &[u8],
    path: &Path,
    base: &RequestPlan,
    options: &HarOptions,
) -> Result<HarRequests, LoadError> {
    let har: Har<'_> =
        serde_json::from_slice(text).map_err(|error| bad_json(path, Position::START, &error, FILE_HINT))?;
    let wanted: Vec<Origin> =
        options.origins.iter().map(|origin| Origin::parse(origin)).collect::<Result<_, _>>()?;
    let mut taken = HarRequests::default();
    let mut elsewhere = BTreeMap::<String, usize>::new();
    for (index, raw) in har.log.entries.iter().enumerate() {
        let entry: Entry = serde_json::from_str(raw.get()).map_err(|error| {
            // The raw value is a part of `text`.
            let offset = raw.get().as_ptr() as usize - text.as_ptr() as usize;
            bad_json(path, Position::of(text, offset), &error, FILE_HINT)
        })?;
        let recorded = entry.request;
        let Some((origin, target)) = split_url(&recorded.url).filter(|(origin, _)| wanted.contains(origin))
        else {
            let name = split_url(&recorded.url).map_or("others".to_owned(), |(origin, _)| origin.to_string());
            *elsewhere.entry(name).or_default() += 1;
            taken.n_elsewhere += 1;
            continue;
        };
        let name = format!("{} {origin}{target}", recorded.method);
        match request_of(recorded, &target, base, options.keeps_cookies) {
            Ok(request) => taken.requests.push(request),
            Err(reason) => {
                let text = format!("entry {} ({name}): {reason}", index + 1);
                taken.skipped.push(Redactor::default().redact(&text).escape_debug().to_string());
            }
        }
    }
    if taken.requests.is_empty() {
        return Err(nothing_taken(path, &wanted, &elsewhere, &taken));
    }
    Ok(taken)
}

/// Says where the requests of the file went instead.
fn nothing_taken(
    path: &Path,
    wanted: &[Origin],
    elsewhere: &BTreeMap<String, usize>,
    taken: &HarRequests,
) -> LoadError {
    if let Some(first) = taken.skipped.first() {
        let problem = format!("none of its requests to the URL can be sent; {first}");
        return bad_file(path, Position::START, &problem, FILE_HINT);
    }
    let mut origins: Vec<_> = elsewhere.iter().collect();
    origins.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), (*name).clone()));
    let Some((most, _)) = origins.first() else {
        return bad_file(path, Position::START, "it holds no requests", FILE_HINT);
    };
    let listed: Vec<_> = origins.iter().take(3).map(|(name, count)| format!("{name} ({count})")).collect();
    let wanted: Vec<_> = wanted.iter().map(ToString::to_string).collect();
    let problem = format!("no request goes to {}; they go to {}", wanted.join(" or "), listed.join(", "));
    let hint = format!("pass `--har-origin {most}` to send to your URL what was recorded there");
    bad_file(path, Position::START, &problem, &hint)
}

fn request_of(
    recorded: Recorded,
    target: &str,
    base: &RequestPlan,
    keeps_cookies: bool,
) -> Result<RequestPlan, String> {
    let target =
        fit(target.as_bytes(), Escape::Raw, Place::Path).map_err(|misfit| misfit.problem.to_owned())?;
    let as_text = |text: Vec<u8>| String::from_utf8_lossy(&text).into_owned();
    let literal = |text: Vec<u8>| if base.is_template { escape_braces(&text) } else { text };
    let mut headers = Vec::new();
    for Pair { name, value } in recorded.headers {
        let lower = name.to_ascii_lowercase();
        let is_left_out =
            name.starts_with(':') || LEFT_OUT.contains(&&*lower) || (lower == "cookie" && !keeps_cookies);
        if !is_left_out {
            headers.push((name, as_text(literal(value.into_bytes()))));
        }
    }
    let mut body = Vec::new();
    if let Some(data) = recorded.post_data {
        let has_type = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        if !has_type && !data.mime_type.is_empty() {
            headers.push(("content-type".to_owned(), as_text(literal(data.mime_type.clone().into_bytes()))));
        }
        body = literal(body_of(data)?);
    }
    for (name, value) in &base.headers {
        set_header(&mut headers, name.clone(), value.clone());
    }
    let request = RequestPlan {
        method: recorded.method,
        path: Some(as_text(literal(target))),
        headers,
        body,
        weight: 1,
        is_template: base.is_template,
        body_size: base.body_size,
    };
    request.validate().map_err(|error| error.to_string())?;
    Ok(request)
}

fn body_of(data: PostData) -> Result<Vec<u8>, String> {
    if let Some(text) = data.text.filter(|text| !text.is_empty() || data.params.is_empty()) {
        return Ok(text.into_bytes());
    }
    if data.params.is_empty() {
        return Ok(Vec::new());
    }
    if !data.mime_type.to_ascii_lowercase().starts_with("application/x-www-form-urlencoded") {
        return Err(format!("the file does not hold its body, only that it was {}", data.mime_type));
    }
    let encoded = |text: &str| fit(text.as_bytes(), Escape::Url, Place::Body).unwrap_or_default();
    let pairs: Vec<Vec<u8>> =
        data.params.iter().map(|Pair { name, value }| [encoded(name), encoded(value)].join(&b'=')).collect();
    Ok(pairs.join(&b'&'))
}

#[cfg(test)]
#[path = "har_tests.rs"]
mod tests;
