//! Tests of request files: what is a body and what a request, what is refused and where.

use super::*;
use crate::plan::BodySize;

fn base() -> RequestPlan {
    RequestPlan {
        method: "POST".to_owned(),
        path: Some("/base".to_owned()),
        headers: vec![("Authorization".to_owned(), "Bearer x".to_owned())],
        body: b"base body".to_vec(),
        weight: 7,
        is_template: false,
        body_size: BodySize::AsGiven,
    }
}

fn read(text: &[u8], base: &RequestPlan) -> Result<Vec<RequestPlan>, LoadError> {
    read_requests(text, Path::new("r.jsonl"), base, LineFiles::default())
}

fn one(line: &str) -> RequestPlan {
    let mut requests = read(line.as_bytes(), &base()).unwrap();
    assert_eq!(requests.len(), 1, "{line}");
    requests.remove(0)
}

fn headers_of(request: &RequestPlan) -> String {
    let lines: Vec<String> = request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    lines.join(", ")
}

#[test]
fn any_json_value_is_a_body_sent_as_it_stands_there() {
    for line in [
        r#"{"b" : 1, "a":1e3, "b":2}"#,
        r#"{"request":{"path":"/x"},"other":1}"#,
        r#"{"requests":{}}"#,
        "[1,2]",
        "\"text\"",
        "5",
        "null",
        r#"{"text":"{{id}}"}"#,
    ] {
        let request = one(&format!(" \t{line}\r\n"));
        assert_eq!(String::from_utf8(request.body.clone()).unwrap(), line);
        assert_eq!(
            (request.method.as_str(), request.path.as_deref(), request.weight),
            ("POST", Some("/base"), 7)
        );
        assert_eq!(headers_of(&request), "Authorization: Bearer x, content-type: application/json");
    }
}

#[test]
fn an_object_with_the_only_key_request_is_a_request() {
    let request = one(
        r#" { "request" : {"method":"PUT","path":"/p?q","headers":{"x-n":1,"authorization":"Bearer y"},"body":{"b" :1},"weight":3} }"#,
    );
    assert_eq!((request.method.as_str(), request.path.as_deref(), request.weight), ("PUT", Some("/p?q"), 3));
    assert_eq!(request.body, br#"{"b" :1}"#);
    assert_eq!(headers_of(&request), "authorization: Bearer y, x-n: 1, content-type: application/json");

    let empty = one(r#"{"request":{}}"#);
    assert_eq!(empty, base());
    let text = one(r#"{"request":{"body":"a=\u00fc\n"}}"#);
    assert_eq!((text.body, headers_of(&base())), ("a=ü\n".into(), "Authorization: Bearer x".to_owned()));
    let json_text = one(r#"{"request":{"body":"{\"a\":1}"}}"#);
    assert_eq!(json_text.body, br#"{"a":1}"#);
    assert!(headers_of(&json_text).ends_with("content-type: application/json"));
    let form = one(r#"{"request":{"headers":{"Content-Type":"text/plain"},"body":[1]}}"#);
    assert_eq!(headers_of(&form), "Authorization: Bearer x, Content-Type: text/plain");
    let nested = one(r#"{"request":{"body":{"request":{"path":"/x"}}}}"#);
    assert_eq!(nested.body, br#"{"request":{"path":"/x"}}"#);
}

#[test]
fn keeps_the_order_and_leaves_out_blank_lines() {
    let text = b"\xEF\xBB\xBF1\n\n  \r\n2\n3";
    let bodies: Vec<Vec<u8>> = read(text, &base()).unwrap().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies, [b"1", b"2", b"3"]);
}

#[test]
fn in_a_template_a_line_may_become_json_later() {
    let base = RequestPlan { is_template: true, ..base() };
    let requests = read(br#"{"n":{{random 1 9}}}"#, &base).unwrap();
    assert_eq!(requests[0].body, br#"{"n":{{random 1 9}}}"#);
    assert!(requests[0].is_template);
    let error = read(br#"{"request":{"body":{"n":{{id}}}}}"#, &base).unwrap_err();
    assert!(error.hint().unwrap().contains("write the body as one"), "{error}");
}

#[test]
fn says_where_a_line_is_wrong() {
    fn check(is_template: bool, text: &[u8], expected: &str) {
        let error = read(text, &RequestPlan { is_template, ..base() }).expect_err(expected);
        assert_eq!(error.to_string(), format!("cannot use `r.jsonl`, {expected}"));
        assert!(error.hint().is_some());
    }
    check(false, b"", "line 1, column 1: it holds no requests");
    check(false, b"{}\n\n {\"a\":tru}\n", "line 3, column 10: expected ident");
    check(false, b"{}\n{\"a\":{{id}}}", "line 2, column 7: key must be a string");
    check(false, b"{}\n{\"a\":1", "line 2, column 6: EOF while parsing an object");
    check(false, b"{} {}\n", "line 1, column 4: trailing characters");
    check(false, b"\n \"\xff\"\n", "line 2, column 3: it is not UTF-8");
    check(
        false,
        br#"{"request":{"mehtod":"GET"}}"#,
        "line 1, column 20: unknown field `mehtod`, expected one of `method`, `path`, `headers`, `body`, `weight`",
    );
    check(
        false,
        br#"{"request":{"weight":-1}}"#,
        "line 1, column 23: invalid value: integer `-1`, expected u32",
    );
    check(false, br#"{"request":5}"#, "line 1, column 12: invalid type: integer `5`, expected an object");
    check(false, br#"{"request":{"headers":{"x":[]}}}"#, "line 1, column 12: the header `x` is not a text");
    check(
        false,
        b"{}\n{\"request\":{\"path\":\"a b\"}}",
        "line 2, column 1: cannot run a load with path `a b`: it holds a space, a control character or a non-ASCII letter; a space is written `%20`",
    );
    check(
        false,
        br#"{"request":{"headers":{"x":"a\r\nb: c"}}}"#,
        r"line 1, column 1: cannot use the header `x: a\r\nb: c`: its value holds a line break or another control character",
    );
    check(
        true,
        b"1\n\n{\"a\":\"{{what}}\"}",
        "line 3, column 1: cannot understand the expression `{{what}}`: it is not known (in the body, line 1, column 7)",
    );
    let missing = requests_from_jsonl(Path::new("/no/such.jsonl"), &base()).unwrap_err();
    assert_eq!(missing.to_string(), "cannot read `/no/such.jsonl`");
}
