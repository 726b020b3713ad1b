//! Profiles written in other tools' formats: to a file or standard output, by thread, refused with a sentence.

use crate::harness::Invocation;
use std::fs;
use std::path::{Path, PathBuf};

fn profile(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/profiles").join(name)
}

fn export(file: &str, format: &str) -> Invocation {
    Invocation::new("export").arg(profile(file)).arg("--format").arg(format)
}

fn hottest_after_opening(file: &Path) -> String {
    let opened = Invocation::new("open").arg("--json").arg(file).finish().expect_code(0);
    let report: serde_json::Value = serde_json::from_slice(&opened.stdout).expect("report.json");
    report["functions"][0]["name"].as_str().expect("a name").to_owned()
}

#[test]
fn every_format_opens_again_with_the_same_hottest_function() {
    let expected = hottest_after_opening(&profile("node20.cpuprofile"));
    let scratch = tempfile::tempdir().expect("a temporary directory");
    for format in ["cpuprofile", "collapsed", "pprof", "speedscope", "firefox"] {
        let file = scratch.path().join(format);
        let exported = export("node20.cpuprofile", format).arg("-o").arg(&file).finish().expect_code(0);
        assert!(exported.stdout.is_empty() && exported.stderr.is_empty(), "{format}: {}", exported.stderr);
        assert_eq!(hottest_after_opening(&file), expected, "{format}");
    }
}

#[test]
fn standard_output_is_the_profile_and_nothing_else() {
    let lines = export("node20.perf.txt.gz", "collapsed").finish().expect_code(0);
    let text = String::from_utf8(lines.stdout).expect("text");
    let has_weight =
        |line: &str| line.rsplit_once(' ').is_some_and(|(_, weight)| weight.parse::<u64>().is_ok());
    assert!(!text.is_empty() && text.lines().all(has_weight), "{text}");
    let picture = export("node20.cpuprofile", "svg").finish().expect_code(0);
    assert!(picture.stdout.starts_with(b"<?xml") && picture.stdout.ends_with(b"</svg>\n"));
}

#[test]
fn a_cpuprofile_of_several_threads_is_that_of_the_busiest() {
    let exported = export("node20.perf.txt.gz", "cpuprofile").finish().expect_code(0);
    assert!(exported.stderr.contains("a .cpuprofile holds one thread, here node"), "{}", exported.stderr);
    let chosen = export("node20.perf.txt.gz", "cpuprofile").arg("--thread").arg("31799/31799").finish();
    let chosen = chosen.expect_code(0);
    assert!(chosen.stderr.is_empty(), "{}", chosen.stderr);
    assert_eq!(exported.stdout, chosen.stdout);
}

#[test]
fn what_cannot_be_exported_is_said() {
    let check = |run: Invocation, code: i32, texts: &[&str]| {
        let refused = run.finish().expect_code(code);
        for text in texts {
            assert!(refused.stderr.contains(text), "no `{text}` in:\n{}", refused.stderr);
        }
        assert!(refused.stdout.is_empty());
    };
    check(export("node20.heapprofile", "cpuprofile"), 2, &["this profile counts bytes", "hint: "]);
    check(
        export("node20.cpuprofile", "svg").arg("--thread").arg("9/9"),
        2,
        &["no thread `9/9`", "0/0 (main)"],
    );
    check(export("node20.cpuprofile", "svg").arg("--phase").arg("cpu"), 2, &["has no phases"]);
    let nowhere = export("node20.cpuprofile", "svg").arg("-o").arg("/nonexistent/a.svg");
    check(nowhere, 1, &["cannot write `/nonexistent/a.svg`"]);
    let cut = tempfile::tempdir().expect("a temporary directory");
    let file = cut.path().join("cut");
    fs::write(&file, b"{\"nodes\":[").expect("it can be written");
    check(Invocation::new("export").arg(&file).arg("--format").arg("svg"), 1, &["(byte offset 10)"]);
}
