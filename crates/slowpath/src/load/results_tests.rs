//! The results file: what is written is what is read, and other files are refused with a reason.

use super::super::samples;
use super::super::sweep::{Step, Sweep, SweepPoint};
use super::*;

#[test]
fn what_is_written_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.json");
    let head = samples::head("one", 0, 1, "2026-11-23T08:00:00Z");
    let measured = samples::measured(&[samples::streaming_second(5), samples::second(6)]);
    let point = SweepPoint::of(Step::Rate { offered: 9.5 }, None, &measured);
    let sweep = Sweep::of(vec![point]);

    let mut writer = ResultsWriter::create(&path).unwrap();
    writer.begin(&head);
    assert!(!path.exists(), "it has its name only when it is whole");
    writer.push(&samples::streaming_second(5));
    writer.push(&samples::second(6));
    writer.finish(&measured.whole, Ended::Interrupted, Some(&sweep)).unwrap();

    let file = ResultsFile::read(&path).unwrap();
    assert_eq!((&file.head, file.ended), (&head, Ended::Interrupted));
    assert!(file.sweep.as_ref() == Some(&sweep), "printing two histograms would help nobody");
    let intervals: Vec<Interval> = file.intervals().map(Result::unwrap).collect();
    let later = |second: u64| (second * 1_000_000_000, (second + 1) * 1_000_000_000);
    let times: Vec<_> = intervals.iter().map(|interval| (interval.start_ns, interval.end_ns)).collect();
    assert_eq!(times, [later(0), later(1)], "times count from the start");
    assert!(intervals[0].stream == samples::streaming_second(5).stream);
    assert_eq!((file.totals.start_ns, file.totals.end_ns), (0, 2_000_000_000));
    assert!(file.totals.latency == measured.whole.latency);
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(left.len(), 1, "the partial file is gone");
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1, "one line, for logs");
}

#[test]
fn nothing_secret_is_written() {
    let text = serde_json::to_string(&samples::head("one", 0, 1, "2026-11-23T08:00:00Z")).unwrap();
    assert!(text.contains("key=[redacted]") && !text.contains("abc"), "{text}");
}

#[test]
fn other_files_are_refused_with_a_reason() {
    fn check(text: &str, expected: &str) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.json");
        std::fs::write(&path, text).unwrap();
        let error = ResultsFile::read(&path).unwrap_err();
        assert!(error.to_string().contains(expected), "{text}: {error}");
    }
    check("", "cannot read");
    check("{}", "format_version");
    check(r#"{"format_version":1}"#, "cannot read");
    check(r#"{"format_version":2,"all":"new"}"#, "has format 2, this slowpath reads format 1");
    check(r#"{"format_version":0}"#, "has format 0");
}

#[test]
fn a_place_that_cannot_be_written_is_an_error_before_the_load() {
    let error = ResultsWriter::create(Path::new("/no/such/place/a.json")).err().unwrap();
    assert!(error.to_string().contains("cannot write the results"), "{error}");
}

#[test]
fn a_load_that_does_not_start_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    drop(ResultsWriter::create(&dir.path().join("a.json")).unwrap());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}
