//! Coordinated omission, without clock or network: the schedule and the counts of an open load against a drawn server whose
//! latencies can be computed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::{NS_PER_MS, NS_PER_S};
use crate::interval::Interval;
use crate::pacer::{Pacer, Share};
use crate::plan::{Arrival, LoadPlan, Pacing, Stage};
use crate::redact::Redactor;
use crate::tally::{AtCut, Tally};
use crate::times::Times;
use crate::url::Url;

const SERVICE_NS: u64 = NS_PER_MS / 2;

/// When the server answers: after half a millisecond, but not in the first of every five seconds.
fn answered_ns(sent_ns: u64) -> u64 {
    let period_ns = sent_ns - sent_ns % (5 * NS_PER_S);
    sent_ns.max(period_ns + NS_PER_S) + SERVICE_NS
}

/// Sends 500 requests/s for ten seconds, each on the connection that has waited longest.
fn drive(n_connections: usize) -> Interval {
    let mut plan = LoadPlan::new(Url::parse("http://h/").unwrap());
    let stage = Stage { from: 500.0, to: 500.0, length: Some(Duration::from_secs(10)) };
    plan.pacing = Pacing::Open { stages: vec![stage], arrival: Arrival::Constant };
    let mut pacer = Pacer::new(&plan, Share::new(&plan, 0, 1), 0);
    let mut tally = Tally::new(0, true, Arc::new(Redactor::default()));
    let mut free_ns = BinaryHeap::from(vec![Reverse(0); n_connections]);
    while let (Some((due_ns, _)), Some(Reverse(free))) = (pacer.next_due(), free_ns.pop()) {
        let start_ns = due_ns.max(free);
        let intended_ns = pacer.take(start_ns).expect("it is due").intended_ns;
        let end_ns = answered_ns(start_ns);
        tally.begin_request(intended_ns, start_ns);
        tally.end_request(start_ns, end_ns);
        tally.add_success(Times { intended_ns, start_ns, first_body_byte_ns: None, end_ns }, true);
        free_ns.push(Reverse(end_ns));
    }
    tally.cut("", AtCut { end_ns: 10 * NS_PER_S, open_connections: 0, is_last: true })
}

#[test]
fn a_stall_shows_in_every_percentile_however_few_connections_wait_in_it() {
    // A request that comes x ms into a stall waits 1,000 - x ms: a fifth of all wait 0 to 1,000 ms, evenly.
    let truth_ms = [(0.5, 0.5), (0.9, 500.5), (0.95, 750.5), (0.99, 950.5)];
    for n_connections in [10, 100] {
        let interval = drive(n_connections);
        assert_eq!(interval.n_requests, 5000);
        for (quantile, true_ms) in truth_ms {
            let measured_ms = interval.latency.value_at_quantile(quantile) as f64 / 1e3;
            let is_close = (measured_ms - true_ms).abs() <= 0.05 * true_ms;
            assert!(is_close, "{n_connections} connections, {quantile}: {measured_ms} for {true_ms} ms");
        }
    }
}

#[test]
fn measured_from_the_sending_a_stall_disappears_behind_few_connections() {
    let interval = drive(10);
    // Two stalls with ten requests on their way in each, of 5,000.
    let uncorrected = interval.uncorrected.expect("an open load has both");
    assert_eq!(uncorrected.value_at_quantile(0.99), SERVICE_NS / 1000);
    assert_eq!(uncorrected.count_between(100_000, 2_000_000), 20);
}
