//! Tests of request sources: bytes, order, lengths, shards, injection, secrets.

use proptest::prelude::*;

use super::*;
use crate::line_file::LineFiles;
use crate::url::Url;

const AGENT: &str = concat!("slowpath/", env!("CARGO_PKG_VERSION"));

fn plan_of(requests: Vec<RequestPlan>) -> LoadPlan {
    LoadPlan { requests, ..LoadPlan::new(Url::parse("http://h:81/p?q=1").unwrap()) }
}

fn request(method: &str, headers: &[(&str, &str)], body: &str) -> RequestPlan {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    RequestPlan { method: method.to_owned(), headers, body: body.into(), ..RequestPlan::default() }
}

fn template(path: &str, headers: &[(&str, &str)], body: &str) -> RequestPlan {
    let path = Some(path.to_owned());
    RequestPlan { path, is_template: true, ..request("POST", headers, body) }
}

fn source(plan: &LoadPlan) -> RequestSource {
    RequestSource::new(plan).unwrap()
}

/// The request's text, with the version of the user agent taken out.
fn text(source: &RequestSource, number: u64) -> String {
    String::from_utf8(source.rendered(number, 0)).unwrap().replace(AGENT, "slowpath")
}

#[test]
fn writes_what_the_plan_says() {
    fn check(request: RequestPlan, expected: &str) {
        let plan = plan_of(vec![request]);
        let source = source(&plan);
        assert_eq!(text(&source, 0), expected);
        assert_eq!(source.constant(0), Some(&source.rendered(7, 0)[..]));
    }
    check(
        request("GET", &[], ""),
        "GET /p?q=1 HTTP/1.1\r\nhost: h:81\r\nuser-agent: slowpath\r\naccept: */*\r\n\r\n",
    );
    check(
        request("POST", &[("Host", "x"), ("User-Agent", "u"), ("Accept", "a")], "hi"),
        "POST /p?q=1 HTTP/1.1\r\nHost: x\r\nUser-Agent: u\r\nAccept: a\r\ncontent-length: 2\r\n\r\nhi",
    );
    check(
        request("PUT", &[("host", "x"), ("user-agent", "u"), ("accept", "a")], ""),
        "PUT /p?q=1 HTTP/1.1\r\nhost: x\r\nuser-agent: u\r\naccept: a\r\ncontent-length: 0\r\n\r\n",
    );
    check(
        request(
            "POST",
            &[("host", "x"), ("user-agent", "u"), ("accept", "a"), ("Content-Length", "2")],
            "{{",
        ),
        "POST /p?q=1 HTTP/1.1\r\nhost: x\r\nuser-agent: u\r\naccept: a\r\nContent-Length: 2\r\n\r\n{{",
    );
    check(
        RequestPlan { path: Some("/other?{{id}}".to_owned()), ..request("GET", &[("accept", "{{id}}")], "") },
        "GET /other?{{id}} HTTP/1.1\r\nhost: h:81\r\nuser-agent: slowpath\r\naccept: {{id}}\r\n\r\n",
    );
    check(
        template("/a", &[("accept", "a")], "no expression"),
        "POST /a HTTP/1.1\r\nhost: h:81\r\nuser-agent: slowpath\r\naccept: a\r\ncontent-length: 13\r\n\r\nno expression",
    );
}

#[test]
fn fills_templates_in_and_counts_the_body_then() {
    let headers = [("accept", "a"), ("x-id", "{{uuid}}"), ("content-length", "13")];
    let plan = plan_of(vec![template("/item/{{id}}", &headers, r#"{"n":{{id}}}"#)]);
    let source = source(&plan);
    assert_eq!(source.constant(0), None);
    let expected = |id: &str, uuid: &str, length: usize| {
        format!(
            "POST /item/{id} HTTP/1.1\r\nhost: h:81\r\nuser-agent: slowpath\r\naccept: a\r\nx-id: {uuid}\r\n\
             content-length: {length}\r\n\r\n{{\"n\":{id}}}"
        )
    };
    let uuid_of = |text: &str| text.split("x-id: ").nth(1).unwrap()[..36].to_owned();
    for (number, id, length) in [(0, "0", 7), (1_000_000, "1000000", 13)] {
        let text = text(&source, number);
        assert_eq!(text, expected(id, &uuid_of(&text), length));
    }
}

#[test]
fn the_urls_own_path_is_a_template_too() {
    let mut plan = plan_of(vec![RequestPlan { is_template: true, ..request("GET", &[], "") }]);
    plan.urls.push(Url::parse("http://other/x/{{id}}").unwrap());
    let source = source(&plan);
    assert_eq!(source.constant(0), None);
    let first_line = |url_index| {
        String::from_utf8(source.rendered(5, url_index)).unwrap().lines().next().unwrap().to_owned()
    };
    assert_eq!(first_line(0), "GET /p?q=1 HTTP/1.1");
    assert_eq!(first_line(1), "GET /x/5 HTTP/1.1");
    plan.requests[0].is_template = false;
    let source = RequestSource::new(&plan).unwrap();
    assert!(source.constant(1).unwrap().starts_with(b"GET /x/{{id}} HTTP/1.1\r\nhost: other\r\n"));
}

#[test]
fn equal_weights_take_turns_and_lines_follow_the_turns() {
    let body = "{{line f.txt}}";
    let plan = plan_of(vec![template("/a", &[], body), template("/b", &[], body), template("/c", &[], "")]);
    let files = LineFiles::with("f.txt", b"one\ntwo\nthree\nfour\n");
    let source = RequestSource::prepare(&plan, Preparation::with_files(files)).unwrap();
    let sent: Vec<String> = (0..9)
        .map(|number| {
            let text = text(&source, number);
            let path = text.split(' ').nth(1).unwrap();
            format!("{path} {}", text.split("\r\n\r\n").nth(1).unwrap())
        })
        .collect();
    assert_eq!(sent, ["/a one", "/b one", "/c ", "/a two", "/b two", "/c ", "/a three", "/b three", "/c "]);
}

#[test]
fn other_weights_are_drawn_in_proportion() {
    let weighted = |path: &str, weight| RequestPlan { weight, ..template(path, &[], "") };
    let plan = plan_of(vec![weighted("/a", 1), weighted("/b", 0), weighted("/c", 3)]);
    let source = source(&plan);
    let mut counts = [0_u32; 3];
    let mut bytes = Vec::new();
    for number in 0..40_000 {
        bytes.clear();
        counts[source.render(number, 0, &mut bytes)] += 1;
    }
    // Five standard deviations of a binomial count.
    assert!(counts[0].abs_diff(10_000) < 433, "{counts:?}");
    assert_eq!(counts[1], 0);
    let mut none = plan.clone();
    none.requests.truncate(2);
    none.requests[0].weight = 0;
    assert!(RequestSource::new(&none).unwrap_err().to_string().contains("weigh something"));
}

#[test]
fn parts_for_http_2_leave_out_what_it_forbids() {
    let headers = [
        ("Host", "v{{random 1 1}}"),
        ("Connection", "close, te"),
        ("TE", "gzip"),
        ("X-Id", "{{id}}"),
        ("upgrade", "h2c"),
    ];
    let plan = plan_of(vec![template("/{{id}}", &headers, "body {{id}}")]);
    let parts = source(&plan).parts(12, 0);
    let expected = RequestParts {
        method: "POST".to_owned(),
        authority: "v1".to_owned(),
        path: "/12".to_owned(),
        headers: [("user-agent", AGENT), ("accept", "*/*"), ("x-id", "12"), ("content-length", "7")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        body: b"body 12".to_vec(),
        index: 0,
    };
    assert_eq!(parts, expected);
    let plain = source(&plan_of(vec![request("GET", &[("te", "trailers")], "")])).parts(0, 0);
    assert_eq!(plain.authority, "h:81");
    assert_eq!(plain.path, "/p?q=1");
    assert!(plain.headers.contains(&("te".to_owned(), "trailers".to_owned())));
    assert!(!plain.headers.iter().any(|(name, _)| name == "content-length"));
}

#[test]
fn knows_names_methods_and_closing() {
    let plan = plan_of(vec![
        request("HEAD", &[("connection", "keep-alive, Close")], ""),
        template("/v1?key=abc&n={{random 1 9}}", &[], ""),
    ]);
    let source = source(&plan);
    assert_eq!(source.name(0, 0), "HEAD /p?q=1");
    assert_eq!(source.name(1, 0), "POST /v1?key=[redacted]&n={{random 1 9}}");
    assert_eq!((source.answers(0), source.answers(1)), (Answers::Head, Answers::Other));
    assert!(source.asks_to_close(0) && !source.asks_to_close(1));
}

#[test]
fn the_values_of_secret_headers_are_redacted_wherever_they_come_from() {
    let headers = [
        ("Authorization", "Bearer {{line keys.txt}}"),
        ("x-api-key", "correcthorse"),
        ("x-plain", "visible"),
    ];
    let plan = plan_of(vec![
        template("/", &headers, ""),
        template("/2", &[("Cookie", "{{pick opensesame x}}")], ""),
    ]);
    let files = LineFiles::with("keys.txt", b"first-key\nsecond-key\n");
    let source = RequestSource::prepare(&plan, Preparation::with_files(files)).unwrap();
    assert_eq!(
        source.redactor().redact("no second-key, first-key, correcthorse, opensesame; visible"),
        "no [redacted], [redacted], [redacted], [redacted]; visible"
    );
}

#[test]
fn refuses_what_cannot_be_sent() {
    fn check(request: RequestPlan, expected: &str) {
        let mut plan = plan_of(vec![RequestPlan::default(), request]);
        let error = RequestSource::new(&plan).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
        plan.requests.remove(0);
        assert!(RequestSource::new(&plan).is_err());
    }
    let plain = |path: &str| RequestPlan { path: Some(path.to_owned()), ..RequestPlan::default() };
    check(plain("/a b"), "path `/a b`: it holds a space");
    check(plain("/a\r\nx: 1"), r"path `/a\r\nx: 1`: it holds a space");
    check(plain("/ü"), "it holds a space");
    check(plain("a"), "path `a`: it does not begin with `/`");
    check(plain(""), "path ``: it does not begin with `/`");
    check(template("/a b{{id}}", &[], ""), "it holds a space");
    check(template("{{id}}", &[], ""), "it does not begin with `/`");
    check(template("/", &[("x", "{{idd}}")], ""), "(in a header at byte 1 of its value) of request 2");
    check(template("/", &[], "{{line /no/such/file}}"), "cannot read `/no/such/file`");
    let star = plan_of(vec![RequestPlan { path: Some("*".to_owned()), ..request("OPTIONS", &[], "") }]);
    assert!(text(&source(&star), 0).starts_with("OPTIONS * HTTP/1.1\r\n"));
}

#[test]
fn bodies_are_json_unless_something_says_otherwise() {
    use crate::prepared::is_json;
    let json = [("Content-Type".to_owned(), "application/vnd.api+JSON".to_owned())];
    let form = [("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned())];
    assert!(is_json(&[], b" {\"a\":1}") && is_json(&json, b"[1]") && is_json(&[], b"\"x\""));
    assert!(
        !is_json(&form, b"{\"a\":1}")
            && !is_json(&[], b"{{line f}}")
            && !is_json(&json, b"text")
            && !is_json(&[], b"")
    );
}

proptest! {
    /// The head that HTTP/1.1 sends is one head, with the body that its length says.
    #[test]
    fn every_request_is_one_message(number in any::<u64>(), seed in any::<u64>(), line in "[ -~\t\u{80}-\u{ff}]{1,20}") {
        let body = r#"{"line":"{{line f}}","other":"{{randomString 9}}","pick":"{{pick a bb}}"}"#;
        let headers = [("x-line", "{{line f}}")];
        let weighted = RequestPlan { weight: 2, ..template("/{{line f}}?{{raw line f}}", &headers, body) };
        let mut plan = plan_of(vec![weighted, template("/{{random 1 1000}}", &[], "{{randomString 300}}")]);
        plan.seed = seed;
        let files = LineFiles::with("f", format!("x{line}").as_bytes());
        let source = RequestSource::prepare(&plan, Preparation::with_files(files)).unwrap();
        let bytes = source.rendered(number, 0);

        let mut headers = [httparse::EMPTY_HEADER; 8];
        let mut oracle = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(head_length) = oracle.parse(&bytes).unwrap() else { panic!("cut head") };
        let value = |name: &str| oracle.headers.iter().find(|header| header.name == name).unwrap().value;
        let length = (bytes.len() - head_length).to_string();
        prop_assert_eq!(value("content-length"), length.as_bytes());
        let parts = source.parts(number, 0);
        prop_assert_eq!(oracle.path.unwrap(), &parts.path);
        prop_assert_eq!(&bytes[head_length..], &parts.body);
        for (name, expected) in &parts.headers {
            prop_assert_eq!(value(name).trim_ascii(), expected.as_bytes().trim_ascii());
        }
        if parts.index == 0 {
            let json: serde_json::Value = serde_json::from_slice(&parts.body).unwrap();
            prop_assert_eq!(json["line"].as_str().unwrap(), format!("x{line}"));
        }
    }

    /// A request follows from seed and number alone, whoever renders it and in which order.
    #[test]
    fn the_same_number_gives_the_same_request(seed in any::<u64>(), count in 1_u64..5) {
        let body = "{{uuid}} {{random 1 1000000}}";
        let mut plan = plan_of(vec![template("/a", &[], body), RequestPlan { weight: 3, ..template("/b", &[], body) }]);
        plan.seed = seed;
        let whole = source(&plan);
        for index in 0..count {
            let shard = source(&plan);
            for number in (index..20).step_by(count as usize) {
                prop_assert_eq!(shard.rendered(number, 0), whole.rendered(number, 0));
            }
        }
    }
}
