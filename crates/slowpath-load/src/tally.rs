//! Counts of one generator thread since the last cut: cheap to add to, turned into an [`Interval`] at a cut.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock::{self, NS_PER_MS};
use crate::content_gaps::ContentGaps;
use crate::interval::{ErrorClass, Interval, StreamStats, latency_histogram};
use crate::redact::Redactor;
use crate::stream::StreamOutcome;
use crate::times::{StreamTimes, Times, rounded_us};

/// A request of an open load that starts later than this after its time is late. Ordinary wake-ups of a thread are
/// some 10 µs late; what takes a millisecond is a generator or a connection that was busy.
const LATE_NS: u64 = NS_PER_MS;

/// The most bytes of an error sample that are kept.
const MAX_SAMPLE_BYTES: usize = 300;

/// Statuses have three digits.
const N_STATUSES: usize = 1000;

pub(crate) struct Tally {
    /// Everything that needs no faster form; `status`, `errors` and `error_samples` are filled in at a cut.
    interval: Interval,
    /// Indexed by status: a map would cost a look-up per response.
    n_by_status: Box<[u64; N_STATUSES]>,
    n_by_error: [u64; ErrorClass::ALL.len()],
    samples: [Option<String>; ErrorClass::ALL.len()],
    redactor: Arc<Redactor>,
    cpu_at_start_ns: u64,
    /// Requests under way now.
    n_under_way: u64,
    /// The ends of requests less their starts, and less the interval's start for each that was under way then; with
    /// the interval's end for each that is still under way, their time under way within the interval. Wraps around.
    flight_ns: u64,
}

/// What is told of a thread at a cut.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AtCut {
    pub(crate) end_ns: u64,
    pub(crate) open_connections: u64,
    /// The load is stopped: what is under way stays unfinished.
    pub(crate) is_last: bool,
}

impl Tally {
    /// Begins counting; called on the thread that counts. `is_open` tells whether it is an open load.
    pub(crate) fn new(start_ns: u64, is_open: bool, redactor: Arc<Redactor>) -> Self {
        let mut interval = Interval::empty(start_ns, start_ns);
        interval.uncorrected = is_open.then(latency_histogram);
        Self {
            interval,
            n_by_status: Box::new([0; N_STATUSES]),
            n_by_error: [0; ErrorClass::ALL.len()],
            samples: Default::default(),
            redactor,
            cpu_at_start_ns: clock::thread_cpu_ns(),
            n_under_way: 0,
            flight_ns: 0,
        }
    }

    pub(crate) fn n_under_way(&self) -> u64 {
        self.n_under_way
    }

    /// A connection takes a request.
    pub(crate) fn begin_request(&mut self, intended_ns: u64, start_ns: u64) {
        self.n_under_way += 1;
        self.flight_ns = self.flight_ns.wrapping_sub(start_ns);
        self.interval.n_late += u64::from(start_ns.saturating_sub(intended_ns) > LATE_NS);
    }

    /// A request has ended, in whatever way.
    pub(crate) fn end_request(&mut self, start_ns: u64, end_ns: u64) {
        self.n_under_way -= 1;
        self.flight_ns = self.flight_ns.wrapping_add(end_ns.max(start_ns));
    }

    pub(crate) fn add_connect(&mut self) {
        self.interval.n_connects += 1;
    }

    pub(crate) fn add_dropped(&mut self, n_requests: u64) {
        self.interval.n_dropped += n_requests;
    }

    pub(crate) fn add_received(&mut self, n_bytes: usize) {
        self.interval.bytes_in += n_bytes as u64;
    }

    pub(crate) fn add_sent(&mut self, n_bytes: usize) {
        self.interval.bytes_out += n_bytes as u64;
    }

    pub(crate) fn add_reconnect(&mut self) {
        self.interval.n_reconnects += 1;
    }

    pub(crate) fn add_status(&mut self, status: u16) {
        // The parser admits three digits only.
        self.n_by_status[usize::from(status) % N_STATUSES] += 1;
    }

    /// Counts a successful request; `is_good` tells whether it met all objectives.
    pub(crate) fn add_success(&mut self, times: Times, is_good: bool) {
        self.interval.n_requests += 1;
        self.interval.n_good += u64::from(is_good);
        self.interval.latency.saturating_record(rounded_us(times.since_intended(times.end_ns)));
        if let Some(first_body_byte_ns) = times.first_body_byte_ns {
            let since_intended_ns = times.since_intended(first_body_byte_ns);
            self.interval.first_body_byte.saturating_record(rounded_us(since_intended_ns));
        }
        if let Some(uncorrected) = &mut self.interval.uncorrected {
            uncorrected.saturating_record(rounded_us(times.end_ns.saturating_sub(times.start_ns)));
        }
    }

    /// Counts what a successful stream did.
    pub(crate) fn add_stream(&mut self, outcome: &StreamOutcome, times: StreamTimes, gaps: &ContentGaps) {
        let stats = self.interval.stream.get_or_insert_with(StreamStats::empty);
        stats.n_streams += 1;
        stats.n_content_events += outcome.n_content_events;
        stats.n_output_tokens += times.n_output_tokens;
        let dialect = outcome.dialect.as_str();
        match stats.dialects.get_mut(dialect) {
            Some(count) => *count += 1,
            None => _ = stats.dialects.insert(dialect.to_owned(), 1),
        }
        for (histogram, us) in [
            (&mut stats.ttfb, times.ttfb_us),
            (&mut stats.ttft, times.ttft_us),
            (&mut stats.ttfo, times.ttfo_us),
            (&mut stats.tpot, times.tpot_us),
            (&mut stats.e2el, Some(times.e2el_us)),
        ] {
            if let Some(us) = us {
                histogram.saturating_record(us.round() as u64);
            }
        }
        gaps.add_to(&mut stats.itl);
    }

    /// Counts a failed request; `describe` is called for the first of its class only.
    pub(crate) fn add_error(&mut self, class: ErrorClass, describe: impl FnOnce() -> String) {
        self.add_errors(class, 1, describe);
    }

    /// Counts requests that failed together.
    pub(crate) fn add_errors(
        &mut self,
        class: ErrorClass,
        n_requests: u64,
        describe: impl FnOnce() -> String,
    ) {
        self.n_by_error[class as usize] += n_requests;
        let Self { samples, redactor, .. } = self;
        samples[class as usize].get_or_insert_with(|| {
            let text: String =
                redactor.redact(&describe()).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let mut sample = format!("{class}: {}", text.trim_end());
            while sample.len() > MAX_SAMPLE_BYTES {
                sample.pop();
            }
            sample
        });
    }

    /// Ends the interval and begins the next one; called on the thread that counts.
    pub(crate) fn cut(&mut self, label: &str, at: AtCut) -> Interval {
        let mut next = Self::new(at.end_ns, self.interval.uncorrected.is_some(), Arc::clone(&self.redactor));
        std::mem::swap(self, &mut next);
        let Self { mut interval, n_by_status, n_by_error, samples, cpu_at_start_ns, .. } = next;
        let under_way_ns = next.n_under_way.wrapping_mul(at.end_ns);
        self.n_under_way = next.n_under_way;
        self.flight_ns = under_way_ns.wrapping_neg();
        interval.in_flight_ns = next.flight_ns.wrapping_add(under_way_ns);
        let cpu_ns = self.cpu_at_start_ns.saturating_sub(cpu_at_start_ns);
        interval.end_ns = at.end_ns;
        label.clone_into(&mut interval.label);
        interval.status = (0_u16..)
            .zip(n_by_status.iter().copied())
            .filter(|(_, count)| *count > 0)
            .collect::<BTreeMap<_, _>>();
        interval.errors =
            ErrorClass::ALL.into_iter().zip(n_by_error).filter(|(_, count)| *count > 0).collect();
        interval.error_samples = samples.into_iter().flatten().collect();
        interval.open_connections = at.open_connections;
        interval.n_unfinished = if at.is_last { next.n_under_way } else { 0 };
        interval.busiest_thread_cpu_share = share(cpu_ns, at.end_ns - interval.start_ns);
        interval
    }
}

/// Returns a ratio of at most 1 in steps of 0.0001: such numbers survive JSON exactly.
fn share(part_ns: u64, whole_ns: u64) -> f64 {
    let ratio = part_ns as f64 / whole_ns.max(1) as f64;
    (ratio.min(1.0) * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(intended_ns: u64, start_ns: u64, end_ns: u64) -> Times {
        Times { intended_ns, start_ns, first_body_byte_ns: None, end_ns }
    }

    fn recorded(histogram: &hdrhistogram::Histogram<u64>) -> Vec<u64> {
        histogram.iter_recorded().map(|step| step.value_iterated_to()).collect()
    }

    const NO_CUT: AtCut = AtCut { end_ns: 0, open_connections: 3, is_last: false };

    #[test]
    fn a_cut_hands_over_and_begins_anew() {
        let mut tally = Tally::new(1000, false, Arc::default());
        tally.add_success(times(0, 0, 1_499), true);
        tally.add_success(Times { first_body_byte_ns: Some(1_000), ..times(0, 0, 1_500) }, false);
        tally.add_status(200);
        tally.add_status(999);
        tally.add_error(ErrorClass::Status, || "first\r\ncontrol".to_owned());
        tally.add_error(ErrorClass::Status, || unreachable!("only the first is described"));
        tally.add_error(ErrorClass::Timeout, || "ü".repeat(400));
        let interval = tally.cut("x", AtCut { end_ns: 2000, ..NO_CUT });
        assert_eq!((recorded(&interval.latency), interval.first_body_byte.len()), (vec![1, 2], 1));
        assert_eq!((interval.n_requests, interval.n_good, &interval.uncorrected), (2, 1, &None));
        assert_eq!(interval.status, BTreeMap::from([(200, 1), (999, 1)]));
        assert_eq!(interval.errors, BTreeMap::from([(ErrorClass::Timeout, 1), (ErrorClass::Status, 2)]));
        assert_eq!(interval.error_samples[1], "status: first  control");
        assert!(interval.error_samples[0].len() <= MAX_SAMPLE_BYTES);
        assert_eq!((interval.label.as_str(), interval.open_connections), ("x", 3));

        let next = tally.cut("y", AtCut { end_ns: 5000, ..NO_CUT });
        assert_eq!((next.start_ns, next.end_ns), (2000, 5000));
        assert_eq!(
            next,
            Interval {
                label: "y".into(),
                open_connections: 3,
                busiest_thread_cpu_share: next.busiest_thread_cpu_share,
                ..Interval::empty(next.start_ns, next.end_ns)
            }
        );
    }

    #[test]
    fn latency_of_an_open_load_counts_from_the_intended_start_and_lateness_shows() {
        let mut tally = Tally::new(0, true, Arc::default());
        tally.begin_request(1_000_000, 2_000_000);
        tally.begin_request(1_000_000, 2_000_001);
        tally.add_success(times(1_000_000, 2_000_000, 3_000_000), true);
        let interval = tally.cut("", AtCut { end_ns: 4_000_000, ..NO_CUT });
        assert_eq!(recorded(&interval.latency), [2000]);
        assert_eq!(recorded(&interval.uncorrected.unwrap()), [1000]);
        assert_eq!(interval.n_late, 1);
    }

    #[test]
    fn time_under_way_is_split_at_the_cuts() {
        // Three requests on a line of time with cuts at 100, 200 and 300:
        //   0    50   100   150   200   250   300
        //        |---------- a ----|     |b|           a: 50 to 180, b: 230 to 240
        //              |-------------- c ------------  c: 90 to the end
        let mut tally = Tally::new(0, false, Arc::default());
        let cut = |tally: &mut Tally, end_ns, is_last| {
            let interval = tally.cut("", AtCut { end_ns, open_connections: 0, is_last });
            (interval.in_flight_ns, interval.n_unfinished)
        };
        tally.begin_request(50, 50);
        tally.begin_request(90, 90);
        assert_eq!(cut(&mut tally, 100, false), (50 + 10, 0));
        tally.end_request(50, 180);
        assert_eq!(cut(&mut tally, 200, false), (80 + 100, 0));
        tally.begin_request(230, 230);
        tally.end_request(230, 240);
        assert_eq!(tally.n_under_way(), 1);
        assert_eq!(cut(&mut tally, 300, true), (10 + 100, 1));
    }
}
