//! How a load ends: exit codes, early ends, results, servers that it starts.

use crate::harness::{finish, interrupt, load, load_json, scratch, slowpath, wait_until};
use crate::server::Server;
use serde_json::Value;

#[test]
fn thresholds_decide_the_exit_code() {
    let server = Server::start();
    let url = server.url("/");
    let kept = load(["-a", "50", "--fail-if", "p99>60s", "--fail-if", "errors>0", &url]);
    assert_eq!(kept.code, Some(0), "{}", kept.stderr);
    assert_eq!(kept.stderr.matches("   ok").count(), 2, "{}", kept.stderr);
    let crossed = load(["-a", "50", "--fail-if", "p99>60s", "--fail-if", "rps<1m", &url]);
    assert_eq!(crossed.code, Some(99), "{}", crossed.stderr);
    assert!(crossed.stderr.contains("crossed"), "{}", crossed.stderr);
    let unmeasured = load(["-a", "50", "--fail-if", "ttft.p95>1s", &url]);
    assert_eq!(
        unmeasured.code,
        Some(99),
        "a gate on numbers that are not there stays shut: {}",
        unmeasured.stderr
    );
}

#[test]
fn nothing_that_succeeds_is_a_failure_of_the_target() {
    let refused = load(["-d", "0.3", "http://127.0.0.1:1/"]);
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("no request to http://127.0.0.1:1/ succeeded: connect: "),
        "{}",
        refused.stderr
    );
    let server = Server::start();
    let errors = load(["-a", "20", &server.url("/status/500")]);
    assert_eq!(errors.code, Some(3), "{}", errors.stderr);
    let silent = load(["-d", "0.3", "-c", "2", &server.url("/never")]);
    assert_eq!(silent.code, Some(3), "{}", silent.stderr);
    assert!(silent.stderr.contains("/never answered no request within "), "{}", silent.stderr);
}

#[test]
fn answers_with_bad_statuses_are_counted_as_autocannon_does() {
    let server = Server::start();
    let (good, bad) = (server.url("/"), server.url("/status/503"));
    let json = load_json(["-a", "40", "-c", "2", &good, &bad]);
    assert_eq!(json["2xx"].as_u64().unwrap() + json["5xx"].as_u64().unwrap(), 40);
    assert_eq!((&json["errors"], &json["non2xx"]), (&0.into(), &json["5xx"]));
    assert_eq!(json["slowpath"]["errors_by_class"]["status"], json["5xx"]);
    assert_eq!(json["latency"]["totalCount"], json["2xx"]);
    assert_eq!(json["url"].as_array().unwrap().len(), 2);
}

#[test]
fn a_wrong_body_is_a_mismatch() {
    let server = Server::start();
    let url = server.url("/json");
    let json = load_json(["-a", "9", "--expect-json", "ok=true", "--expect-json", "n=5", &url]);
    assert_eq!((&json["mismatches"], &json["2xx"]), (&0.into(), &9.into()));
    let wrong = load(["-a", "9", "-j", "-E", "goodbye", &url]);
    assert_eq!(wrong.code, Some(3), "{}", wrong.stderr);
    let json: Value = serde_json::from_str(&wrong.stdout).unwrap();
    assert_eq!((&json["mismatches"], &json["errors"]), (&9.into(), &0.into()));
}

#[test]
fn too_many_failures_end_it_early() {
    let server = Server::start();
    let finished = load(["-d", "60", "-B", "5", &server.url("/"), &server.url("/status/500")]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stderr.contains("stopped by --bailout"), "{}", finished.stderr);
}

#[test]
fn ctrl_c_ends_early_with_whole_results() {
    let server = Server::start();
    let dir = scratch();
    let out = dir.path().join("a.json");
    let mut command = slowpath(["load", "-d", "60", "-c", "2", "--out"]);
    let child = command.arg(&out).arg(server.url("/")).spawn().expect("it starts");
    wait_until("some requests were made", || server.requests().len() > 10);
    interrupt(&child);
    let finished = finish(child);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.stderr.contains("stopped by hand"), "{}", finished.stderr);
    let results: Value = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    assert_eq!(results["ended"], "interrupted");
    assert!(results["totals"]["n_requests"].as_u64().unwrap() > 0);
}

#[test]
fn a_warm_up_is_in_no_result_but_its_own() {
    let server = Server::start();
    let json = load_json(["-a", "30", "-c", "3", "-W", "[", "-c", "1", "-d", "0.2", "]", &server.url("/")]);
    let warm_up = json["warmup"]["2xx"].as_u64().unwrap();
    assert_eq!(json["2xx"], 30);
    let n_sent = server.requests().len() as u64;
    assert!(warm_up > 0 && n_sent >= 30 + warm_up && n_sent <= 34 + warm_up, "{warm_up} of {n_sent}");
}

#[test]
fn starts_the_server_and_stops_it() {
    let slowpath = crate::harness::binary();
    let slowpath = slowpath.to_str().unwrap();
    let json = load_json(["-a", "20", "--on-port", "/v1/models", "--", slowpath, "mock", "--port", "0"]);
    assert_eq!(json["2xx"], 20);
    let url = json["url"].as_str().unwrap();
    let port: u16 = url.trim_start_matches("http://localhost:").split('/').next().unwrap().parse().unwrap();
    let gone = std::net::TcpStream::connect(("127.0.0.1", port));
    assert!(gone.is_err(), "the server is stopped");
}

#[test]
fn a_server_that_ends_is_a_failure_with_its_last_words() {
    let finished = load(["--on-port", "/", "--", "sh", "-c", "echo out of luck >&2; exit 7"]);
    assert_eq!(finished.code, Some(3), "{}", finished.stderr);
    assert!(finished.stderr.contains("ended with exit code 7"), "{}", finished.stderr);
    assert!(finished.stderr.contains("| out of luck"), "{}", finished.stderr);
}

#[test]
fn a_port_that_a_stranger_holds_is_refused() {
    let server = Server::start();
    let finished = load(["--on-port", &server.url("/"), "--", "sleep", "30"]);
    assert_eq!(finished.code, Some(3), "{}", finished.stderr);
    assert!(finished.stderr.contains("already listened on"), "{}", finished.stderr);
    assert!(server.requests().is_empty());
}

#[test]
fn a_sweep_finds_a_knee() {
    let server = Server::start();
    let json = load_json(["--sweep=2", "-d", "1", "-c", "4", &server.url("/sleep/5")]);
    let sweep = &json["slowpath"]["sweep"];
    let points = sweep["points"].as_array().unwrap();
    let kinds: Vec<&str> = points.iter().map(|point| point["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds[..3], ["synchronous", "saturation", "rate"], "{sweep}");
    let offered = points[2]["offered"].as_f64().unwrap();
    assert!(offered > 0.0 && offered < points[1]["achieved"].as_f64().unwrap(), "{sweep}");
}

/// Returns what a page was given.
fn page(path: &std::path::Path) -> Value {
    let html = std::fs::read_to_string(path).expect("the page is there");
    let (_, rest) = html.split_once("id=\"slowpath-report\">").expect("it has data");
    serde_json::from_str(rest.split_once("</script>").expect("which end").0).expect("as JSON")
}

#[test]
fn a_sweep_is_shown_again_as_the_same_page() {
    let server = Server::start();
    let dir = scratch();
    let [first, again, out] = ["first.html", "again.html", "results.json"].map(|name| dir.path().join(name));
    let swept = finish(
        slowpath(["load", "--sweep=2", "-d", "0.2", "-c", "4", "--html"])
            .arg(&first)
            .arg("--out")
            .arg(&out)
            .arg(server.url("/?key=secret"))
            .spawn()
            .expect("it starts"),
    );
    assert_eq!(swept.code, Some(0), "{}", swept.stderr);
    let merged = finish(slowpath(["merge", "--html"]).arg(&again).arg(&out).spawn().expect("it starts"));
    assert_eq!(merged.code, Some(0), "{}", merged.stderr);
    let (first, mut again) = (page(&first), page(&again));
    assert!(!first.to_string().contains("secret"), "{first}");
    // Times of the saved intervals count from their own beginning, at the head's moment.
    again["run"]["started_at"] = first["run"]["started_at"].clone();
    assert_eq!(again, first);
}

#[test]
fn a_load_of_which_nothing_succeeds_still_has_its_page() {
    let dir = scratch();
    let path = dir.path().join("load.html");
    let refused = finish(
        slowpath(["load", "-d", "0.2", "http://127.0.0.1:1/", "--html"])
            .arg(&path)
            .spawn()
            .expect("it starts"),
    );
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert_eq!(page(&path)["errors"][0]["class"], "connect");
}
