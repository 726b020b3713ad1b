//! autocannon's `[<id>]`, turned into a template. With its `-I` each request has an identifier of its own there.

use crate::plan::LoadPlan;
use crate::template::{escape_braces, replace};

/// As autocannon has it, and as it looks in a URL that was encoded.
const MARKERS: [&[u8]; 2] = [b"[<id>]", b"[%3Cid%3E]"];

const EXPRESSION: &[u8] = b"{{uuid}}";

/// Turns every `[<id>]` in paths, header values and bodies into `{{uuid}}`: an identifier that differs from request to
/// request and is the same everywhere in one request, as autocannon's is.
///
/// Requests in which none is found stay as they are. Where there is only one URL, its path counts too.
pub fn replace_id_markers(plan: &mut LoadPlan) {
    let url_path = if let [url] = &plan.urls[..] { Some(url.path_and_query.clone()) } else { None };
    for request in &mut plan.requests {
        let path = request.path.clone().or_else(|| url_path.clone());
        let has_marker = |text: &[u8]| MARKERS.iter().any(|marker| replace(text, marker, b"") != text);
        let path_has = path.as_ref().is_some_and(|path| has_marker(path.as_bytes()));
        let headers_have = request.headers.iter().any(|(_, value)| has_marker(value.as_bytes()));
        if !path_has && !headers_have && !has_marker(&request.body) {
            continue;
        }
        let is_template = request.is_template;
        let filled = |text: &[u8]| {
            let text = if is_template { text.to_vec() } else { escape_braces(text) };
            MARKERS.iter().fold(text, |text, marker| replace(&text, marker, EXPRESSION))
        };
        // Marker and expression are ASCII, so UTF-8 stays UTF-8.
        let filled_text = |text: &str| String::from_utf8_lossy(&filled(text.as_bytes())).into_owned();
        request.path = path.map(|path| filled_text(&path));
        for (_, value) in &mut request.headers {
            *value = filled_text(value);
        }
        request.body = filled(&request.body);
        request.is_template = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::RequestPlan;
    use crate::request_source::RequestSource;
    use crate::url::Url;

    fn plan(url: &str, body: &str) -> LoadPlan {
        let mut plan = LoadPlan::new(Url::parse(url).unwrap());
        plan.requests[0].body = body.into();
        plan
    }

    #[test]
    fn the_same_identifier_stands_everywhere_in_one_request_and_braces_stay() {
        let mut plan = plan("http://h/x/[%3Cid%3E]?a=[<id>]", r#"{"id":"[<id>]","b":"{{id}}"}"#);
        plan.requests[0].headers.push(("x-id".to_owned(), "[<id>]".to_owned()));
        replace_id_markers(&mut plan);
        let source = RequestSource::new(&plan).unwrap();
        let (first, second) = (source.parts(0, 0), source.parts(1, 0));
        let id = first.path["/x/".len()..].split('?').next().unwrap().to_owned();
        assert_eq!(id.len(), 36);
        assert_eq!(first.path, format!("/x/{id}?a={id}"));
        assert!(first.headers.contains(&("x-id".to_owned(), id.clone())));
        assert_eq!(String::from_utf8(first.body).unwrap(), format!(r#"{{"id":"{id}","b":"{{{{id}}}}"}}"#));
        assert!(!second.path.contains(&id));
    }

    #[test]
    fn requests_without_a_marker_stay_as_they_are() {
        let mut plan = plan("http://h/{{", "{{id}}");
        plan.requests.push(RequestPlan { body: b"[<id>]".to_vec(), ..RequestPlan::default() });
        let before = plan.requests[0].clone();
        replace_id_markers(&mut plan);
        assert_eq!(plan.requests[0], before);
        let second = &plan.requests[1];
        assert_eq!((&second.body[..], second.is_template), (EXPRESSION, true));
        let source = RequestSource::new(&plan).unwrap();
        assert_eq!([source.parts(0, 0).path, source.parts(1, 0).path], ["/{{", "/{{"]);
    }
}
