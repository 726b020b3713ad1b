//! What may be written: the guide's commands as they stand, autocannon's spellings, and what is refused.

use crate::harness::{clean, finish, interrupt, load, load_json, wait_until};
use crate::server::Server;
use std::process::Command;

/// The two autocannon commands of the guide that slowpath replaces, letter by letter.
const GUIDE: [&str; 2] = [
    r#"autocannon -c 100 -d 60 http://localhost:3000/v1/chat/completions \
  -H "Authorization: Bearer AI_club2026" \
  -H "Content-Type: application/json" \
  -m POST \
  -b '{"model":"gpt-4","messages":[{"role":"user","content":"test"}]}'"#,
    r#"autocannon -c 50 -d 30 http://localhost:3000/v1/chat/completions \
  -H "Authorization: Bearer AI_club2026" \
  -H "Content-Type: application/json" \
  -m POST \
  -b '{"model":"gpt-4","messages":[{"role":"user","content":"hello"}],"stream":true}'"#,
];

#[test]
fn the_guides_commands_run_as_they_stand() {
    for (command, n_connections) in GUIDE.iter().zip([100, 50]) {
        let server = Server::start();
        let slowpath = crate::harness::binary();
        let line = command
            .replace("autocannon", &format!("exec {} load", slowpath.display()))
            .replace("localhost:3000", &format!("localhost:{}", server.port));
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(line);
        clean(&mut shell);
        let child = shell.spawn().expect("a shell");
        wait_until("every connection has sent something", || {
            server.n_connections() >= n_connections && server.requests().len() >= 2 * n_connections
        });
        interrupt(&child);
        let finished = finish(child);
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), ""), "{}", finished.stderr);
        for part in ["latency", "p99.9", "requests/s", "bytes/s", "status", "200", "stopped by hand"] {
            assert!(finished.stderr.contains(part), "{part}: {}", finished.stderr);
        }
        let request = &server.requests()[0];
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/v1/chat/completions"));
        assert_eq!(request.headers["authorization"], "Bearer AI_club2026");
        assert_eq!(request.headers["content-type"], "application/json");
        assert!(request.body.starts_with(r#"{"model":"gpt-4","messages""#), "{}", request.body);
    }
}

#[test]
fn autocannons_spellings_are_understood() {
    let server = Server::start();
    let url = server.url("/");
    let host = format!("127.0.0.1:{}/x", server.port);
    for args in [
        &["--connections", "2", "--amount", "20", "--renderStatusCodes", &host][..],
        &["-a20", "-c=2", "-n", "--title", "t", "--headers", "a=b", "--timeout=5", &url],
        &["-a", "20", "-c", "2", "-W", "[", "-c", "1", "-d", "0.1", "]", "-x", &url],
        &["-O", "20", "-c", "2", "--renderLatencyTable", "--expectBody", "hello", &url, &host],
        &["--maxOverallRequests", "0.02k", "-c", "2", "-w", "2", "-s", "h", &url],
    ] {
        let json = load_json(args);
        assert_eq!((&json["2xx"], &json["errors"]), (&20.into(), &0.into()), "{args:?}: {json}");
    }
}

#[test]
fn a_path_goes_to_the_port_of_the_environment() {
    let server = Server::start();
    let mut command = crate::harness::slowpath(["load", "-a", "5", "-c", "1", "/x"]);
    let finished = finish(command.env("PORT", server.port.to_string()).spawn().expect("it starts"));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(server.requests().len(), 5);
}

#[test]
fn mistakes_are_one_line_with_a_hint() {
    fn check(args: &[&str], problem: &str, hint: &str) {
        let finished = load(args);
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{args:?}: {}", finished.stderr);
        let first = finished.stderr.lines().next().unwrap_or_default();
        assert!(first.starts_with("error: ") && first.contains(problem), "{args:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(hint), "{args:?}: {}", finished.stderr);
    }
    let url = "http://127.0.0.1:1/";
    check(&[], "no URL", "slowpath load -c 100");
    check(&["/x"], "`/x` is a path without a host", "PORT");
    check(&["ftp://h/"], "ftp", "http://");
    check(&["-c", "0", url], "'0'", "10k");
    check(&["-c", "70000", url], "'70000'", "65535");
    check(&["-d", "soon", url], "`soon` is not a duration", "500ms");
    check(&["-d", "0", url], "no time", "-d 10");
    check(&["-a", "1.5", url], "`1.5` is not a count", "10k");
    check(&["-R", "0", url], "`0` is not a rate", "10k");
    check(&["-R", "5", "--stages", "0:1,1s:5", url], "cannot be used with", "--help");
    check(&["--stages", "5:1", url], "not at time 0", "0:50");
    check(&["--arrival", "poisson", url], "only where a rate is given", "-R 500");
    check(&["-H", "nonsense", url], "`nonsense`", "Name: value");
    check(&["-b", "x", "-i", "y", url], "cannot be used with", "--help");
    check(&["-i", "/no/such/file", url], "/no/such/file", "-i");
    check(&["-F", r#"{"a":1}"#, url], "form", "type");
    check(&["--bodies", "/no/such.jsonl", url], "/no/such.jsonl", "");
    check(&["--expect-json", "nonsense", url], "nonsense", "=");
    check(&["--goodput", "speed:3", url], "speed", "ttft");
    check(&["--fail-if", "p99>100", url], "write its unit", "p99>100ms");
    check(&["--shard", "3/3", url], "`3/3` is no part", "0/3");
    check(&["--shards", "3", url], "JOB_COMPLETION_INDEX", "--shard 0/3");
    check(&["--shard", "0/20", "-c", "10", url], "10 connections cannot be parted", "-c 20");
    check(&["--start-at", "noon", url], "`noon` is no moment", "+10s");
    check(&["-W", "[", "-x", "]", url], "warm-up", "-W [ -c 1 -d 2 ]");
    check(&["--on-port", url], "required", "--help");
    check(&["--on-port", url, "--", "/no/such/program"], "command not found", "PATH");
    check(&["-j", "--out", "-", url], "both want standard output", "file");
    check(&["--sweep", "--shard", "0/2", url], "cannot be used with", "--help");
    check(&["--unknown", url], "--unknown", "--help");
    check(&["k8s", "--image", "i", "--shards", "2", "-c", "4"], "no URL", "http://gateway");
}
