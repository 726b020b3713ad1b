//! The report: rebuilt byte for byte, whole in a browser, small, and made of whatever a crash left.

use crate::fixtures::{app, planted};
use crate::harness::{Finished, Invocation};
use crate::recorded::files_of;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Largest allowed report.
const MAX_REPORT_BYTES: usize = 1 << 20;

const REPORT_FILES: [&str; 3] = ["report.html", "report.md", "report.json"];

fn recorded() -> Finished {
    let run = Invocation::run().cwd(app("express")).load("/invoices/7", "4");
    run.args(["-c", "10"]).target(["node", "server.js"]).finish().expect_code(0)
}

fn report(dir: &Path) -> Finished {
    Invocation::new("report").arg(dir).finish()
}

#[test]
fn a_report_is_rebuilt_byte_for_byte_and_opens_whole_in_a_browser() {
    let finished = recorded();
    let out = finished.out();
    let files = || REPORT_FILES.map(|name| fs::read(out.join(name)).expect("the run wrote it"));
    let first = files();
    for name in REPORT_FILES {
        fs::remove_file(out.join(name)).expect("it was there");
    }
    report(&out).expect_code(0);
    for (name, (first, again)) in REPORT_FILES.iter().zip(first.iter().zip(files())) {
        assert!(*first == again, "{name} differs when rebuilt");
    }
    assert!(first[0].len() <= MAX_REPORT_BYTES, "report.html has {} bytes", first[0].len());
    let text = String::from_utf8_lossy(&first[1]);
    let planted = planted("express", "src/render.js", "renderInvoice");
    let place = format!("{}:{}", planted.file, planted.line);
    assert!(text.contains("renderInvoice") && text.contains(&place), "report.md does not name it:\n{text}");
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui");
    let page = Command::new("node")
        .arg("test/open-report.mjs")
        .arg(out.join("report.html"))
        .current_dir(ui)
        .output();
    let page = page.expect("node is there");
    assert!(page.status.success(), "the page: {}", String::from_utf8_lossy(&page.stderr));
}

#[test]
fn reports_of_failed_runs_open_whole_in_a_browser() {
    let run = Invocation::run().cwd(app("plain")).load("/", "3").target(["node", "exits-early.js"]);
    let finished = run.finish().expect_code(3);
    let ui = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui");
    let html = finished.out().join("report.html");
    let page = Command::new("node").arg("test/open-report.mjs").arg(html).current_dir(ui).output();
    let page = page.expect("node is there");
    assert!(page.status.success(), "the page: {}", String::from_utf8_lossy(&page.stderr));
}

#[test]
fn damaged_recordings_are_read_as_far_as_they_go() {
    let finished = recorded();
    let whole: Vec<_> =
        files_of(&finished.out()).into_iter().filter(|(name, _)| !name.starts_with("report.")).collect();
    assert!(whole.iter().any(|(name, _)| name.starts_with("cpu-")), "there is something to cut");
    for (name, bytes) in &whole {
        let n = bytes.len();
        let mut points = vec![0, 1, n / 3, n / 2, n.saturating_sub(17), n.saturating_sub(1)];
        points.retain(|at| *at < n);
        points.dedup();
        for at in points {
            check_damaged(&whole, name, Some(&bytes[..at]), &format!("cut after {at} of {n} bytes"));
        }
        let mut garbled = bytes.clone();
        garbled.iter_mut().skip(n / 2).step_by(97).for_each(|byte| *byte ^= 0x55);
        check_damaged(&whole, name, Some(&garbled), "garbled");
        check_damaged(&whole, name, None, "gone");
    }
    let names: Vec<_> = whole.iter().map(|(name, _)| name).collect();
    eprintln!("damaged each of {names:?}");
}

/// Reports a copy of a recording with one file damaged. Without its manifest it is none: an error; else a report.
fn check_damaged(whole: &[(String, Vec<u8>)], name: &str, content: Option<&[u8]>, how: &str) {
    let dir = copy(whole);
    match content {
        Some(bytes) => fs::write(dir.path().join(name), bytes).expect("our own directory"),
        None => fs::remove_file(dir.path().join(name)).expect("it was there"),
    }
    let finished = report(dir.path());
    let code = finished.status.code();
    assert!(!finished.stderr.contains("panicked"), "{name} {how}:\n{}", finished.stderr);
    if name == "manifest.json" {
        assert!(matches!(code, Some(0..=2)), "{name} {how}: {code:?}\n{}", finished.stderr);
        assert!(code == Some(0) || finished.stderr.contains("hint: "), "{name} {how}:\n{}", finished.stderr);
    } else {
        assert_eq!(code, Some(0), "{name} {how}:\n{}", finished.stderr);
    }
}

fn copy(files: &[(String, Vec<u8>)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (name, bytes) in files {
        fs::write(dir.path().join(name), bytes).expect("our own directory");
    }
    dir
}

#[test]
fn a_recording_from_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let manifest: PathBuf = dir.path().join("manifest.json");
    fs::write(&manifest, r#"{"format_version": 999, "shape": "unknown"}"#).expect("our own directory");
    let finished = report(dir.path()).expect_code(1);
    for text in ["error: ", "format 999", "reads up to format", "hint: update slowpath"] {
        assert!(finished.stderr.contains(text), "no `{text}` in:\n{}", finished.stderr);
    }
}
