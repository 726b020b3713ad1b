//! `slowpath mock` as a person starts, asks and ends it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

fn slowpath(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_slowpath"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts a mock and returns the line on its standard output, which tells where it is.
fn start(arguments: &[&str]) -> (Child, String) {
    let mut child = slowpath(arguments).spawn().expect("the binary starts");
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("it prints its URL");
    (child, line.trim().to_owned())
}

/// Ends it as Ctrl-C does and returns what it wrote to standard error.
fn end(mut child: Child) -> String {
    kill_process(Pid::from_child(&child), Signal::INT).expect("it is running");
    assert!(child.wait().expect("it can be waited for").success());
    let mut text = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut text).expect("it is UTF-8");
    text
}

fn ask(url: &str, request_line: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).expect("it listens");
    let length = body.len();
    write!(stream, "{request_line} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
        .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers in UTF-8");
    answer
}

#[test]
fn prints_its_url_serves_with_the_settings_and_sums_up() {
    let (child, url) = start(&[
        "mock",
        "--ttft",
        "exp:1ms",
        "--itl",
        "0",
        "--tokens",
        "2",
        "--unary-latency",
        "1ms",
        "--error-rate",
        "0.5%",
        "--error-statuses",
        "529,503",
        "--truncate-rate",
        "0",
        "--seed",
        "7",
    ]);
    let state = ask(&url, "GET /_mock", "");
    for expected in [
        r#""ttft": "exp:1ms""#,
        r#""itl": "0""#,
        r#""tokens": "2""#,
        r#""unary_latency": "1ms""#,
        r#""error_rate": 0.005"#,
        r#""seed": 7"#,
        "529,\n",
    ] {
        assert!(state.contains(expected), "no {expected} in {state}");
    }
    assert!(ask(&url, "POST /_mock", r#"{"error_rate":0}"#).starts_with("HTTP/1.1 200 "));
    let answer = ask(&url, "POST /x/v1/messages", "{}");
    assert!(answer.contains(r#""text":"This answer""#), "{answer}");
    let said = end(child);
    assert!(said.contains(&format!("ANTHROPIC_BASE_URL={url}\n")), "{said}");
    assert!(said.contains("1 requests on 1 connections"), "{said}");
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn answers_to_its_older_name_with_its_older_options() {
    let (child, url) =
        start(&["mock-upstream", "--latency", "1ms", "--chunk-interval", "10s", "--chunks", "3"]);
    let url = url.strip_suffix("/v1").expect("it printed the base URL of OpenAI's API");
    let answer = ask(url, "POST /v1/chat/completions", "{}");
    assert!(answer.contains(r#""content":"This answer comes""#), "{answer}");
    end(child);
}

#[test]
fn gives_out_the_certificate_that_it_serves_with() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("mock.pem");
    let (child, url) = start(&["mock", "--tls", "--tls-cert-out", path.to_str().expect("it is UTF-8")]);
    assert!(url.starts_with("https://127.0.0.1:"), "{url}");
    let pem = std::fs::read_to_string(&path).expect("it was written before the URL was printed");
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----\n") && !pem.contains("PRIVATE"), "{pem}");
    end(child);
}

#[test]
fn warns_where_others_can_reach_it() {
    let (child, url) = start(&["mock", "--host", "0.0.0.0"]);
    assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    assert!(end(child).contains("warning: 0.0.0.0 may be reached from other machines"));
}

#[test]
fn refuses_what_it_cannot_do_with_a_reason() {
    let check = |arguments: &[&str], code: i32, expected: &[&str]| {
        let Output { status, stderr, .. } = slowpath(arguments).output().expect("the binary starts");
        let said = String::from_utf8(stderr).expect("it is UTF-8");
        assert_eq!(status.code(), Some(code), "{said}");
        assert!(expected.iter().all(|text| said.contains(text)), "{said}");
    };
    check(&["mock", "--ttft", "200"], 2, &["--ttft", "write `200ms`"]);
    check(&["mock", "--tokens", "weibull:1,2"], 2, &["--tokens", "there are uniform, normal"]);
    check(&["mock", "--error-rate", "2"], 2, &["--error-rate", "write `1%`"]);
    check(&["mock", "--status", "200"], 2, &["--status", "from 400 to 599"]);
    check(&["mock", "--host", "mock.test"], 2, &["--host", "is not an address"]);
    check(&["mock", "--cert", "a.pem"], 2, &["--key"]);
    check(&["mock", "--tls-cert-out", "a.pem"], 2, &["error: there is no certificate", "hint: add `--tls`"]);
    check(
        &["mock", "--cert", "/nothing.pem", "--key", "/nothing.pem"],
        1,
        &["error: cannot serve HTTPS", "caused by: cannot read `/nothing.pem`"],
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("there are free ports");
    let port = taken.local_addr().expect("it is bound").port().to_string();
    check(&["mock", "--port", &port], 1, &["error: cannot serve on 127.0.0.1", &port, "hint: "]);
}
