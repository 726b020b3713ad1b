//! Merging: exact, and refused where the sum would mean something else.

use super::super::results::ResultsWriter;
use super::super::samples;
use super::*;

/// Part `index` of `count`, of seconds `k`, written and read as files are.
fn part(head: &ResultsHead, seconds: &[Interval]) -> (PathBuf, ResultsFile) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("part.json");
    let mut writer = ResultsWriter::create(&path).unwrap();
    writer.begin(head);
    for second in seconds {
        writer.push(second);
    }
    writer.finish(&samples::measured(seconds).whole, Ended::Complete, None).unwrap();
    (PathBuf::from(format!("{}.json", head.ids[0])), ResultsFile::read(&path).unwrap())
}

fn two_seconds() -> [Interval; 2] {
    [samples::streaming_second(0), samples::second(1)]
}

#[test]
fn the_sum_is_exact_and_seconds_meet_by_calendar_time() {
    // The second part starts 1.4 s after the first: its second 0 is nearest to second 1 of the sum.
    let one = part(&samples::head("a", 0, 2, "2026-11-23T08:00:00Z"), &two_seconds());
    let two = part(&samples::head("b", 1, 2, "2026-11-23T08:00:01.4Z"), &two_seconds());
    let merged = merge(&[one, two]).unwrap();

    let mut latency = samples::second(0).latency;
    latency.add(&samples::second(0).latency).unwrap();
    latency.add(&samples::second(1).latency).unwrap();
    latency.add(&samples::second(1).latency).unwrap();
    assert!(merged.totals.latency == latency);
    assert_eq!(merged.totals.stream.as_ref().unwrap().itl.len(), 2 * 19_000);
    assert_eq!((merged.totals.start_ns, merged.totals.end_ns), (0, 3_400_000_000));
    let counts: Vec<u64> = merged.intervals.iter().map(|interval| interval.n_requests).collect();
    assert_eq!(counts, [1000, 2000, 1000]);
    assert_eq!(merged.intervals[1].open_connections, 200, "connections of both add up");
    assert_eq!(merged.head.shards, Shards { count: 2, indexes: vec![0, 1] });
    assert_eq!(merged.head.ids, ["a", "b"]);
    assert_eq!(merged.notes.len(), 1, "{:?}", merged.notes);
    assert!(merged.notes[0].contains("1.4 s apart"));
}

#[test]
fn merging_in_steps_gives_the_same_as_at_once() {
    let start = "2026-11-23T08:00:00Z";
    let parts =
        || (0..3).map(|index| part(&samples::head(&format!("p{index}"), index, 3, start), &two_seconds()));
    let at_once = merge(&parts().collect::<Vec<_>>()).unwrap();
    let mut all: Vec<_> = parts().collect();
    let last = all.pop().unwrap();
    let first_two = merge(&all).unwrap();
    assert_eq!(
        first_two.notes,
        ["1 of 3 shards are not there (2): rates are lower than the load that was asked for"]
    );
    let in_steps = merge(&[part(&first_two.head, &first_two.intervals), last]).unwrap();
    assert_eq!(in_steps.head, at_once.head);
    assert!((in_steps.totals, in_steps.intervals) == (at_once.totals, at_once.intervals));
}

#[test]
fn whole_loads_beside_each_other_add_up() {
    let start = "2026-11-23T08:00:00Z";
    let mut other = samples::head("b", 0, 1, start);
    other.settings.seed = 7;
    let merged =
        merge(&[part(&samples::head("a", 0, 1, start), &two_seconds()), part(&other, &two_seconds())])
            .unwrap();
    assert_eq!(merged.head.settings.connections, 200);
    assert_eq!(merged.head.settings.pace.steady_rate(), Some(1000.0));
}

#[test]
fn refuses_what_is_not_one_load() {
    fn check(expected: &str, change: impl Fn(&mut ResultsHead)) {
        let start = "2026-11-23T08:00:00Z";
        let one = part(&samples::head("a", 0, 2, start), &two_seconds());
        let mut head = samples::head("b", 1, 2, start);
        change(&mut head);
        let error = merge(&[one, part(&head, &two_seconds())]).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    check("hold the same results", |head| head.ids = vec!["a".to_owned()]);
    check("shard 0 of 2 is in both `a.json` and `b.json`", |head| head.shards.indexes = vec![0]);
    check("numbers of shards differ (1 of 2, 1 of 3)", |head| head.shards.count = 3);
    check("seeds differ (0, 7)", |head| head.settings.seed = 7);
    check("URLs differ", |head| head.settings.urls = vec!["http://other/".to_owned()]);
    check("methods differ (GET, POST)", |head| head.settings.method = "POST".to_owned());
    check("connections differ (100, 50)", |head| head.settings.connections = 50);
    check("rates differ (500/s, closed)", |head| head.settings.pace = super::super::settings::Pace::Closed);
    check("goodput limits differ (none, ttft ≤ 200 ms", |head| {
        head.settings.objectives = Some(samples::limits());
    });
    check("`b.json` began after `a.json` had ended", |head| {
        head.started_at = "2026-11-23T08:00:02Z".parse().unwrap();
    });
}
