//! Tests of thresholds: what may be written, and what it is compared with.

use super::super::measured::{Ended, Measured, Second};
use super::*;
use jiff::Timestamp;
use slowpath_load::{Interval, StreamStats};
use std::collections::BTreeMap;

/// Two seconds: 990 requests from 1 to 990 ms, 10 failures, of 1,000 answers two are 503, one 429.
fn measured() -> Measured {
    let mut whole = Interval::empty(0, 2_000_000_000);
    for ms in 1..=990 {
        whole.latency.record(ms * 1000).unwrap();
    }
    whole.n_requests = 990;
    whole.n_good = 495;
    whole.errors = BTreeMap::from([(ErrorClass::Status, 3), (ErrorClass::Timeout, 7)]);
    whole.status = BTreeMap::from([(200, 997), (429, 1), (503, 2)]);
    whole.n_late = 10;
    whole.n_unfinished = 1000;
    let mut stream = StreamStats::empty();
    stream.ttft.record(250_000).unwrap();
    stream.n_output_tokens = 4000;
    whole.stream = Some(stream);
    Measured {
        seconds: vec![Second::of(&whole)],
        whole,
        started: Timestamp::UNIX_EPOCH,
        ended: Ended::Complete,
    }
}

#[test]
fn is_crossed_exactly_where_it_says() {
    fn check(text: &str, shown: &str, is_crossed: bool) {
        let verdict =
            parse_threshold(text).unwrap_or_else(|error| panic!("{text}: {error}")).judge(&measured());
        assert_eq!((verdict.shown_value().as_str(), verdict.is_crossed), (shown, is_crossed), "{text}");
    }
    check("p99>100ms", "982 ms", true);
    check("p50 <= 495.2ms", "495 ms", true);
    check("p99.9>1s", "990 ms", false);
    check("p99_9 > 980000us", "990 ms", true);
    check("latency.max>=0.9s", "990 ms", true);
    check("avg>500ms", "496 ms", false);
    check("errors>0.1%", "1.00 %", true);
    check("errors>10", "10", false);
    check("errors.timeout>=7", "7", true);
    check("errors.connect>0", "0", false);
    check("status.5xx>0", "2", true);
    check("status.429>0.2%", "0.10 %", false);
    check("rps<500", "495/s", true);
    check("requests<1k", "990", true);
    check("ttft.p95>300ms", "250 ms", false);
    check("goodput<95%", "49.5 %", true);
    check("goodput<200", "248/s", false);
    check("tokens<2k", "2,000/s", false);
    check("late>1%", "1.00 %", false);
    check("dropped>0", "0", false);
    check("unfinished>=50%", "50.0 %", true);
    check("itl.p99>=50ms", "not measured", true);
}

#[test]
fn says_what_is_wrong_with_it() {
    fn check(text: &str, expected: &str) {
        let error = parse_threshold(text).expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
    check("p99", "compares nothing");
    check("p99=100ms", "compares nothing");
    check("p99>100", "`p99>100ms`");
    check("p99>fast", "not a limit");
    check("p99>", "not a limit");
    check("p99>1h", "us, ms or s");
    check("p100>1ms", "nothing that is measured");
    check("pp>1ms", "nothing that is measured");
    check("ttft>1ms", "nothing that is measured");
    check("speed>1", "nothing that is measured");
    check("errors.fun>1", "nothing that is measured");
    check("status.6000>1", "nothing that is measured");
    check("status.xx>1", "nothing that is measured");
    check("rps<5%", "has no share");
    check("errors>1ms", "no unit of `errors`");
    check("errors>-1", "not a limit");
}
