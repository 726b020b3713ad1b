//! What is sent, and when.

use crate::harness::{free_port, load, load_json, scratch};
use crate::server::Server;
use std::collections::BTreeSet;

#[test]
fn an_open_load_sends_its_schedule_whole() {
    let server = Server::start();
    let json = load_json(["-R", "200", "-d", "0.5", "--drain", "30s", "-c", "10", &server.url("/sleep/20")]);
    assert_eq!((&json["2xx"], server.requests().len()), (&100.into(), 100));
    let ours = &json["slowpath"];
    assert_eq!((&ours["dropped"], &ours["pace"]["mode"]), (&0.into(), &"open".into()));
    assert_eq!(ours["corrected"]["count"], 100);
    assert_eq!(ours["uncorrected"]["count"], 100);
    assert!(ours["corrected"]["p50"].as_f64() >= ours["uncorrected"]["min"].as_f64());
}

#[test]
fn an_open_load_ends_soon_after_its_schedule_and_counts_what_has_no_answer() {
    let server = Server::start();
    let url = server.url("/never");
    let silent = load(["-j", "-R", "200", "-d", "0.5", "-c", "2", "--drain", "100ms", "-t", "60", &url]);
    assert_eq!(silent.code, Some(3), "{}", silent.stderr);
    let json: serde_json::Value = serde_json::from_str(&silent.stdout).expect("JSON");
    let ours = &json["slowpath"];
    assert_eq!((&ours["unfinished"], &ours["dropped"], &ours["failed"]), (&2.into(), &98.into(), &0.into()));
    let kept = load(["-d", "1", "--drain", "1s", &server.url("/")]);
    assert_eq!(kept.code, Some(2), "{}", kept.stderr);
}

#[test]
fn stages_bring_the_area_under_their_rates() {
    let server = Server::start();
    let json =
        load_json(["--stages", "0:0,500ms:400,1s:400", "--drain", "30s", "-c", "10", &server.url("/")]);
    assert_eq!(json["2xx"], 300);
}

#[test]
fn templates_differ_from_request_to_request() {
    let server = Server::start();
    let body = r#"{"n":{{id}},"key":"{{uuid}}"}"#;
    load_json(["-a", "25", "-c", "5", "--template", "-m", "POST", "-b", body, &server.url("/")]);
    let bodies: BTreeSet<String> = server.requests().into_iter().map(|request| request.body).collect();
    assert!(bodies.len() >= 25, "{bodies:?}");
}

#[test]
fn autocannons_id_marker_is_replaced() {
    let server = Server::start();
    load_json(["-a", "10", "-c", "2", "-I", "-m", "POST", "-b", "id=[<id>]", &server.url("/")]);
    let bodies: BTreeSet<String> = server.requests().into_iter().map(|request| request.body).collect();
    assert!(bodies.len() >= 10 && !bodies.iter().any(|body| body.contains("[<id>]")), "{bodies:?}");
}

#[test]
fn bodies_forms_and_recorded_requests_are_sent() {
    let dir = scratch();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let server = Server::start();
    let url = server.url("/x");

    let bodies = write("bodies.jsonl", "{\"a\":1}\n{\"a\":2}\n");
    load_json(["-a", "10", "-c", "1", "-m", "POST", "--bodies", &bodies, &url]);
    let sent: BTreeSet<String> = server.requests().into_iter().map(|request| request.body).collect();
    assert_eq!(sent.into_iter().collect::<Vec<_>>(), ["{\"a\":1}", "{\"a\":2}"]);

    let form = r#"{"field":{"type":"text","value":"x"}}"#;
    load_json(["-a", "3", "-c", "1", "-F", form, &url]);
    let last = server.requests().pop().unwrap();
    assert_eq!(last.method, "POST");
    assert!(last.headers["content-type"].starts_with("multipart/form-data; boundary="), "{last:?}");

    let har = write(
        "recorded.har",
        &format!(
            r#"{{"log":{{"entries":[{{"request":{{"method":"PUT","url":"{url}/recorded?q=1","headers":[]}}}},
            {{"request":{{"method":"GET","url":"http://elsewhere/","headers":[]}}}}]}}}}"#
        ),
    );
    load_json(["-a", "3", "-c", "1", "--har", &har, &url]);
    let last = server.requests().pop().unwrap();
    assert_eq!((last.method.as_str(), last.path.as_str()), ("PUT", "/x/recorded?q=1"));
}

#[test]
fn streams_of_a_model_are_measured() {
    let slowpath = crate::harness::binary();
    let mock = [slowpath.to_str().unwrap(), "mock", "--port", "0"];
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}"#;
    let mut args =
        vec!["-a", "20", "-c", "4", "-m", "POST", "-H", "content-type: application/json", "-b", body];
    args.extend(["--goodput", "ttft:60000 tpot:60000", "--on-port", "/v1/chat/completions", "--"]);
    args.extend(mock);
    let json = load_json(args);
    let stream = &json["slowpath"]["stream"];
    assert_eq!((&stream["streams"], &stream["broken"]), (&20.into(), &0.into()), "{stream}");
    assert_eq!(stream["dialects"]["openai-chat"], 20);
    assert_eq!(stream["ttft"]["count"], 20);
    assert!(stream["itl"]["count"].as_u64() > stream["ttft"]["count"].as_u64());
    assert_eq!(json["slowpath"]["goodput"]["share"], 1.0);
}

#[test]
fn certificates_are_checked_unless_they_need_not_be() {
    let slowpath = crate::harness::binary();
    let dir = scratch();
    // The mock writes its certificate before it listens.
    let certificate = dir.path().join("mock.pem");
    let (slowpath, certificate) = (slowpath.to_str().unwrap(), certificate.to_str().unwrap());
    let port = free_port();
    let url = format!("https://localhost:{port}/v1/models");
    let port = port.to_string();
    let server = [
        "-a",
        "12",
        "-c",
        "2",
        "--on-port",
        &url,
        "--",
        slowpath,
        "mock",
        "--tls",
        "--tls-cert-out",
        certificate,
        "--port",
        &port,
    ];
    for options in [&["--ca", certificate][..], &["--insecure"]] {
        let json = load_json(options.iter().chain(&server));
        assert_eq!((&json["2xx"], &json["url"]), (&12.into(), &url.as_str().into()), "{options:?}");
    }
    let distrusted = load(server);
    assert_eq!(distrusted.code, Some(3), "{}", distrusted.stderr);
    assert!(distrusted.stderr.contains("succeeded: tls: "), "{}", distrusted.stderr);
}
