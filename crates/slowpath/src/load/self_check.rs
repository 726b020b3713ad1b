//! Whether the numbers can be trusted: was the generator the bottleneck, and do rate, latency and concurrency agree?

use super::measured::{Measured, n_failed};

/// CPU share of a generator thread above which it may have been what limited the load: wrk and oha saturate a thread
/// before the server in the same way, and show nothing of it.
const BUSY_SHARE: f64 = 0.9;

/// How far both sides of Little's law may be apart. Latencies are rounded to 0.1 % and taken at the same moments as the
/// time under way, so that only a defect or a stalled generator parts them further.
const MAX_DIFFERENCE: f64 = 0.05;

/// Failures have no latency; with more of them than this share the two sides cannot be compared.
const MAX_FAILURES: f64 = 0.01;

/// What the load says of its own generator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SelfCheck {
    /// CPU time over wall time of the busiest generator thread in its busiest second.
    pub(crate) cpu_share: f64,
    /// `None` where it cannot be checked: too little or too much failed.
    pub(crate) little: Option<Little>,
}

/// Both sides of Little's law: L = λ W.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Little {
    /// Mean number of requests under way, from the time that they were.
    pub(crate) under_way: f64,
    /// The same as rate times mean latency.
    pub(crate) rate_times_latency: f64,
    /// Requests that were cut off at the end have been under way and have no latency: the difference that they explain.
    pub(crate) cut_off: f64,
}

impl SelfCheck {
    pub(crate) fn of(measured: &Measured) -> Self {
        let whole = &measured.whole;
        let n_ended = measured.n_ended();
        let is_comparable = whole.n_requests > 0
            && whole.in_flight_ns > 0
            && n_failed(whole) as f64 <= MAX_FAILURES * n_ended as f64;
        // Under way means sent; in an open load latency counts from before that.
        let since_sent = whole.uncorrected.as_ref().unwrap_or(&whole.latency);
        let little = is_comparable.then(|| {
            let mean_s = since_sent.mean() / 1e6;
            Little {
                under_way: whole.in_flight_ns as f64 / 1e9 / measured.wall_s(),
                rate_times_latency: measured.requests_per_second() * mean_s,
                cut_off: whole.n_unfinished as f64 * mean_s / measured.wall_s(),
            }
        });
        Self { cpu_share: whole.busiest_thread_cpu_share, little }
    }

    /// Whether the generator may have been slower than the server.
    pub(crate) fn was_bottleneck(&self) -> bool {
        self.cpu_share > BUSY_SHARE
    }
}

impl Little {
    /// Difference of both sides over the larger one, that of cut off requests left out.
    pub(crate) fn difference(&self) -> f64 {
        let apart = (self.under_way - self.rate_times_latency).abs() - self.cut_off;
        (apart / self.under_way.max(self.rate_times_latency)).max(0.0)
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.difference() <= MAX_DIFFERENCE
    }
}

#[cfg(test)]
mod tests {
    use super::super::measured::{Ended, Measured};
    use super::*;
    use jiff::Timestamp;
    use slowpath_load::{ErrorClass, Interval};

    /// 1,000 requests of 10 ms in 2 s: 5 are under way on average.
    fn measured(change: impl FnOnce(&mut Interval)) -> Measured {
        let mut whole = Interval::empty(0, 2_000_000_000);
        whole.latency.record_n(10_000, 1000).unwrap();
        whole.n_requests = 1000;
        whole.in_flight_ns = 10_000_000_000;
        change(&mut whole);
        Measured { whole, seconds: Vec::new(), started: Timestamp::UNIX_EPOCH, ended: Ended::Complete }
    }

    #[test]
    fn holds_where_time_under_way_is_rate_times_latency() {
        let little = SelfCheck::of(&measured(|_| {})).little.unwrap();
        assert!(little.is_kept() && (little.under_way - 5.0).abs() < 1e-9, "{little:?}");
    }

    #[test]
    fn is_broken_by_time_that_no_latency_shows() {
        let check = SelfCheck::of(&measured(|whole| whole.in_flight_ns = 12_000_000_000));
        assert!(!check.little.unwrap().is_kept());
    }

    #[test]
    fn requests_cut_off_at_the_end_are_no_breach() {
        let cut_off = measured(|whole| {
            whole.in_flight_ns = 12_000_000_000;
            whole.n_unfinished = 200;
        });
        assert!(SelfCheck::of(&cut_off).little.unwrap().is_kept());
    }

    #[test]
    fn an_open_load_is_compared_from_the_real_start() {
        let open = measured(|whole| {
            whole.uncorrected = Some(whole.latency.clone());
            whole.latency.record_n(500_000, 1000).unwrap();
        });
        assert!(SelfCheck::of(&open).little.unwrap().is_kept());
    }

    #[test]
    fn failures_leave_it_open() {
        let failing = measured(|whole| {
            whole.errors.insert(ErrorClass::Timeout, 20);
        });
        assert_eq!(SelfCheck::of(&failing).little, None);
        assert_eq!(SelfCheck::of(&measured(|whole| whole.in_flight_ns = 0)).little, None);
    }

    #[test]
    fn a_busy_thread_is_a_bottleneck() {
        assert!(SelfCheck::of(&measured(|whole| whole.busiest_thread_cpu_share = 0.91)).was_bottleneck());
        assert!(!SelfCheck::of(&measured(|whole| whole.busiest_thread_cpu_share = 0.9)).was_bottleneck());
    }
}
