//! Profiles of other tools: opened into one page, as JSON, and refused with a sentence that says where they break.

use crate::harness::Invocation;
use std::fs;
use std::path::{Path, PathBuf};

fn profile(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/profiles").join(name)
}

fn open() -> Invocation {
    let open = Invocation::new("open");
    let page = open.scratch().join("page.html");
    open.arg("--out").arg(page)
}

#[test]
fn a_profile_is_shown_with_its_hottest_function() {
    let opened = open().arg(profile("node20.cpuprofile")).finish().expect_code(0);
    assert!(opened.stderr.contains("of the busy time is charged to "), "{}", opened.stderr);
    assert!(opened.stderr.contains("report: "), "{}", opened.stderr);
}

#[test]
fn quiet_prints_the_path_and_json_the_report() {
    let quiet = open().arg("-q").arg(profile("node20.perf.txt.gz")).finish().expect_code(0);
    let page = String::from_utf8(quiet.stdout.clone()).expect("a path");
    let page = page.trim_end();
    assert!(page.ends_with("page.html") && !page.contains('\n'), "{page}");
    let json =
        Invocation::new("open").arg("--json").arg(profile("datadog-wall.pb.gz")).finish().expect_code(0);
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).expect("report.json");
    assert_eq!(report["verdict"]["class"], "profile");
    assert_eq!(report["files"][0]["format"], "pprof");
}

#[test]
fn what_cannot_be_opened_is_said_with_its_place() {
    let check = |files: &[PathBuf], code: i32, texts: &[&str]| {
        let opened = files.iter().fold(open(), Invocation::arg).finish().expect_code(code);
        for text in texts {
            assert!(opened.stderr.contains(text), "no `{text}` in:\n{}", opened.stderr);
        }
    };
    let scratch = tempfile::tempdir().expect("a temporary directory");
    let cut = scratch.path().join("cut");
    let whole = fs::read(profile("node20.cpuprofile")).expect("a fixture");
    fs::write(&cut, &whole[..5000]).expect("it can be written");
    check(&[cut], 1, &["as V8 CPU profile", "(byte offset 5000)", "hint: "]);
    check(&[profile("busy.js")], 2, &["is no profile that slowpath knows", "hint: "]);
    check(&[scratch.path().join("none")], 2, &["cannot read", "No such file"]);
    let mixed = [profile("node20.cpuprofile"), profile("node20.heapprofile")];
    check(&mixed, 2, &["counts time and", "bytes", "hint: open them one by one"]);
}
