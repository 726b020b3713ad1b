//! Tests of HAR import: what is taken, what is left out, what is skipped, what is refused and where.

use super::*;

const RECORDING: &str = r#"{"log":{"version":"1.2","creator":{"name":"test","version":"1"},"entries":[
 {"startedDateTime":"2026-01-01T00:00:00Z","time":5,"request":{"method":"GET","url":"https://app.example.com/a?q=1 2#frag","httpVersion":"h2",
  "headers":[{"name":":authority","value":"app.example.com"},{"name":"Host","value":"app.example.com"},{"name":"accept","value":"text/html"},
   {"name":"cookie","value":"s=1"},{"name":"Connection","value":"keep-alive"},{"name":"x-b","value":"{{id}}"}],
  "queryString":[],"cookies":[],"headersSize":-1,"bodySize":0},"response":{"status":200,"content":{"size":9,"text":"{}"}}},
 {"request":{"method":"POST","url":"https://app.example.com:443/login","headers":[{"name":"content-length","value":"9"}],
  "postData":{"mimeType":"application/json; charset=utf-8","text":"{\"a\":\"ü\"}"}}},
 {"request":{"method":"GET","url":"https://cdn.example.com/x.js","headers":[]}},
 {"request":{"method":"GET","url":"data:image/png;base64,AAAA","headers":[]}},
 {"request":{"method":"POST","url":"https://app.example.com/form","headers":[],
  "postData":{"mimeType":"application/x-www-form-urlencoded","params":[{"name":"user name","value":"a&b"},{"name":"c"}]}}},
 {"request":{"method":"POST","url":"https://app.example.com/upload?token=abcdef","headers":[],
  "postData":{"mimeType":"multipart/form-data; boundary=x","params":[{"name":"file","fileName":"a.png"}]}}}
]}}"#;

fn options(origin: &str) -> HarOptions {
    HarOptions { origins: vec![origin.to_owned()], keeps_cookies: false }
}

fn read(text: &str, base: &RequestPlan, options: &HarOptions) -> Result<HarRequests, LoadError> {
    read_har(text.as_bytes(), Path::new("r.har"), base, options)
}

fn shown(request: &RequestPlan) -> String {
    let headers: Vec<String> =
        request.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let path = request.path.as_deref().unwrap_or_default();
    let body = String::from_utf8(request.body.clone()).unwrap();
    format!("{} {path} [{}] {body}", request.method, headers.join(", "))
}

#[test]
fn takes_the_requests_of_the_origin_in_their_order() {
    let taken = read(RECORDING, &RequestPlan::default(), &options("https://app.example.com")).unwrap();
    let requests: Vec<String> = taken.requests.iter().map(shown).collect();
    assert_eq!(
        requests,
        [
            "GET /a?q=1%202 [accept: text/html, x-b: {{id}}] ",
            r#"POST /login [content-type: application/json; charset=utf-8] {"a":"ü"}"#,
            "POST /form [content-type: application/x-www-form-urlencoded] user%20name=a%26b&c=",
        ]
    );
    assert!(taken.requests.iter().all(|request| request.weight == 1 && !request.is_template));
    assert_eq!(taken.n_elsewhere, 2);
    assert_eq!(
        taken.skipped,
        [
            "entry 6 (POST https://app.example.com/upload?token=[redacted]): the file does not hold its body, only that it \
         was multipart/form-data; boundary=x"
        ]
    );
}

#[test]
fn headers_of_the_command_line_win_and_alone_are_templates() {
    let base = RequestPlan {
        headers: vec![("Accept".to_owned(), "x".to_owned()), ("x-id".to_owned(), "{{id}}".to_owned())],
        is_template: true,
        ..RequestPlan::default()
    };
    let options = HarOptions { keeps_cookies: true, ..options("https://app.example.com") };
    let taken = read(RECORDING, &base, &options).unwrap();
    assert_eq!(
        shown(&taken.requests[0]),
        "GET /a?q=1%202 [Accept: x, cookie: s=1, x-b: {{'{{'}}id}}, x-id: {{id}}] "
    );
    assert!(taken.requests[0].is_template);
}

#[test]
fn says_where_requests_went_if_none_is_taken() {
    let error = read(RECORDING, &RequestPlan::default(), &options("http://localhost:3000")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot use `r.har`, line 1, column 1: no request goes to http://localhost:3000; they go to \
         https://app.example.com (4), https://cdn.example.com (1), others (1)"
    );
    assert!(error.hint().unwrap().contains("https://app.example.com"));
}

#[test]
fn says_where_the_file_is_wrong() {
    fn check(text: &str, expected: &str) {
        let error = read(text, &RequestPlan::default(), &options("http://h")).expect_err(expected);
        assert_eq!(error.to_string(), format!("cannot use `r.har`, {expected}"));
        assert!(error.hint().is_some());
    }
    check("", "line 1, column 1: EOF while parsing a value");
    check("{\"log\":{}}", "line 1, column 9: missing field `entries`");
    check("{\"log\":{\"entries\":[\n]}}", "line 1, column 1: it holds no requests");
    check(
        "{\"log\":{\"entries\":[\n  {\"request\":\n  {\"method\":1}}]}}",
        "line 3, column 13: invalid type: integer `1`, expected a string",
    );
    check("{\"log\":{\"entries\":[\n{}]}}", "line 2, column 2: missing field `request`");
    check(
        r#"{"log":{"entries":[{"request":{"method":"GET /","url":"http://h/"}}]}}"#,
        "line 1, column 1: none of its requests to the URL can be sent; entry 1 (GET / http://h/): cannot run a load with \
         method `GET /`: a method is one word such as `GET`",
    );
    let missing = requests_from_har(Path::new("/no/such.har"), &RequestPlan::default(), &options("http://h"));
    assert_eq!(missing.unwrap_err().to_string(), "cannot read `/no/such.har`");
}
