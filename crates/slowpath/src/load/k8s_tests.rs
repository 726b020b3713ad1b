//! The manifest: read once as a snapshot, and its mistakes found before a cluster sees them.

use super::*;

fn options(load: &[&str]) -> KubernetesOptions {
    KubernetesOptions {
        image: "registry.example/slowpath:0.1.0".to_owned(),
        shards: 4,
        name: "slowpath-load".to_owned(),
        cpu: "1".to_owned(),
        memory: "128Mi".to_owned(),
        secret: None,
        files: None,
        results_claim: None,
        load: load.iter().map(|arg| (*arg).to_owned()).collect(),
    }
}

fn now() -> Timestamp {
    "2026-11-23T08:00:00Z".parse().unwrap()
}

#[test]
fn prints_an_indexed_job() {
    let load = ["-c", "800", "-R", "40k", "-d", "60", "--start-at", "+2m", "http://gateway/v1/models"];
    insta::assert_snapshot!(manifest(&options(&load), now()).unwrap());
}

#[test]
fn mounts_files_secrets_and_a_place_for_results() {
    let load =
        ["-H", "authorization: Bearer $(API_KEY)", "-i", "/files/body.json", "-m", "POST", "gateway:3000"];
    let mut options = options(&load);
    options.secret = Some("api-keys".to_owned());
    options.files = Some("load-files".to_owned());
    options.results_claim = Some("results".to_owned());
    insta::assert_snapshot!(manifest(&options, now()).unwrap());
}

#[test]
fn mistakes_show_before_a_cluster_sees_them() {
    fn check(load: &[&str], expected: &str) {
        let error = manifest(&options(load), now()).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
    check(&["-c", "8"], "no URL");
    check(&["-c", "many", "http://h"], "invalid value 'many'");
    check(&["--shard", "0/4", "http://h"], "`--shard` cannot be among");
    check(&["--out=x", "http://h"], "`--out` cannot be among");
    check(&["-j", "http://h"], "`-j` cannot be among");
    check(&["-n", "-n", "http://h"], "cannot be used multiple times");
    check(&["--start-at", "soon", "http://h"], "`soon` is no moment");
    let mut named = options(&["http://h"]);
    named.name = "Load_1".to_owned();
    assert!(manifest(&named, now()).unwrap_err().to_string().contains("`Load_1` is no name"));
}
