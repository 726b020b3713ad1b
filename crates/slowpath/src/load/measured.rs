//! What a load did: everything added up, and one small row a second. Computes rates; prints nothing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use slowpath_load::{ErrorClass, Interval};

/// What a load did, from its first request to its end.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    /// All intervals added up.
    pub(crate) whole: Interval,
    /// One row for each interval, in order of time.
    pub(crate) seconds: Vec<Second>,
    /// Calendar time of the beginning.
    pub(crate) started: Timestamp,
    /// Why it ended.
    pub(crate) ended: Ended,
}

/// Why a load ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Ended {
    /// It did what was asked.
    Complete,
    /// A person ended it early.
    Interrupted,
    /// Too many requests had failed.
    Bailout,
    /// The server that was started for it ended.
    #[serde(rename = "server-died")]
    ServerDied,
}

/// What one interval of about a second did: small enough to keep for hours, where an [`Interval`] is not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Second {
    /// Monotonic time of its beginning.
    pub(crate) start_ns: u64,
    /// Length in seconds; the last one is often shorter.
    pub(crate) length_s: f64,
    /// Successful requests.
    pub(crate) n_requests: u64,
    /// Complete answers, whatever their status.
    pub(crate) n_answers: u64,
    /// Failed requests.
    pub(crate) n_failed: u64,
    /// Bytes received.
    pub(crate) bytes_in: u64,
    /// Median latency, µs; 0 where nothing succeeded.
    pub(crate) p50_us: u64,
    /// 90th percentile of latency, µs; 0 where nothing succeeded.
    pub(crate) p90_us: u64,
    /// 99th percentile of latency, µs; 0 where nothing succeeded.
    pub(crate) p99_us: u64,
}

impl Second {
    pub(crate) fn of(interval: &Interval) -> Self {
        Self {
            start_ns: interval.start_ns,
            length_s: length_s(interval),
            n_requests: interval.n_requests,
            n_answers: interval.status.values().sum(),
            n_failed: n_failed(interval),
            bytes_in: interval.bytes_in,
            p50_us: interval.latency.value_at_quantile(0.5),
            p90_us: interval.latency.value_at_quantile(0.9),
            p99_us: interval.latency.value_at_quantile(0.99),
        }
    }

    /// Whether it has a rate: a remainder of some milliseconds would be a wild sample; it counts where there is nothing else.
    pub(crate) fn is_whole(&self, longest_s: f64) -> bool {
        self.length_s > 0.0 && self.length_s >= longest_s / 2.0
    }
}

impl Measured {
    /// Length in seconds, never zero.
    pub(crate) fn wall_s(&self) -> f64 {
        length_s(&self.whole).max(1e-9)
    }

    /// Successful requests per second over the whole time.
    pub(crate) fn requests_per_second(&self) -> f64 {
        self.whole.n_requests as f64 / self.wall_s()
    }

    /// Requests that ended, well or not.
    pub(crate) fn n_ended(&self) -> u64 {
        self.whole.n_requests + n_failed(&self.whole)
    }

    /// Requests of an open load that were due: those that ended, those under way at the end, and those that were never sent.
    pub(crate) fn n_due(&self) -> u64 {
        self.n_ended() + self.whole.n_unfinished + self.whole.n_dropped
    }

    /// Whether requests were made and none of them succeeded; one that a person cut off might have.
    pub(crate) fn nothing_succeeded(&self) -> bool {
        let is_cut_off = self.whole.n_unfinished > 0 && self.ended != Ended::Interrupted;
        self.whole.n_requests == 0 && (self.n_ended() > 0 || is_cut_off)
    }

    /// Length of the longest second.
    pub(crate) fn longest_s(&self) -> f64 {
        self.seconds.iter().map(|second| second.length_s).fold(0.0, f64::max)
    }

    /// Returns how a count was spread over the seconds.
    pub(crate) fn per_second(&self, count: impl Fn(&Second) -> u64) -> PerSecond {
        let longest = self.longest_s();
        let mut samples: Vec<f64> = self
            .seconds
            .iter()
            .filter(|second| second.is_whole(longest))
            .map(|second| count(second) as f64 / second.length_s)
            .collect();
        samples.sort_by(f64::total_cmp);
        let total: u64 = self.seconds.iter().map(&count).sum();
        PerSecond { average: total as f64 / self.wall_s(), samples }
    }
}

/// A count per second: its average over the whole time, and its spread over the seconds.
#[derive(Debug, Clone)]
pub(crate) struct PerSecond {
    pub(crate) average: f64,
    /// One for each whole second, ascending.
    samples: Vec<f64>,
}

impl PerSecond {
    pub(crate) fn min(&self) -> f64 {
        self.samples.first().copied().unwrap_or(0.0)
    }

    pub(crate) fn max(&self) -> f64 {
        self.samples.last().copied().unwrap_or(0.0)
    }

    /// Mean of the seconds.
    pub(crate) fn mean(&self) -> f64 {
        self.samples.iter().sum::<f64>() / self.samples.len().max(1) as f64
    }

    /// Standard deviation of the seconds; they are all there are, so it is not an estimate.
    pub(crate) fn stdev(&self) -> f64 {
        let mean = self.mean();
        let squares: f64 = self.samples.iter().map(|sample| (sample - mean).powi(2)).sum();
        (squares / self.samples.len().max(1) as f64).sqrt()
    }

    /// The sample at `percent` by nearest rank.
    pub(crate) fn at(&self, percent: f64) -> f64 {
        let rank = (percent / 100.0 * self.samples.len() as f64).ceil() as usize;
        self.samples.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
    }

    pub(crate) fn n_samples(&self) -> usize {
        self.samples.len()
    }
}

/// Failed requests of all classes.
pub(crate) fn n_failed(interval: &Interval) -> u64 {
    interval.errors.values().sum()
}

/// Failed requests of some classes.
pub(crate) fn n_failed_by(interval: &Interval, classes: &[ErrorClass]) -> u64 {
    classes.iter().filter_map(|class| interval.errors.get(class)).sum()
}

/// Complete answers whose status begins with this digit.
pub(crate) fn n_answers_of_hundred(interval: &Interval, hundred: u16) -> u64 {
    let with_digit = |status: &u16| *status / 100 == hundred;
    interval.status.iter().filter(|(status, _)| with_digit(status)).map(|(_, n)| n).sum()
}

fn length_s(interval: &Interval) -> f64 {
    interval.end_ns.saturating_sub(interval.start_ns) as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(seconds: &[(f64, u64)]) -> Measured {
        let wall: f64 = seconds.iter().map(|(length, _)| length).sum();
        let row = |(length_s, n_requests): &(f64, u64)| Second {
            start_ns: 0,
            length_s: *length_s,
            n_requests: *n_requests,
            n_answers: *n_requests,
            n_failed: 0,
            bytes_in: 0,
            p50_us: 0,
            p90_us: 0,
            p99_us: 0,
        };
        Measured {
            whole: Interval::empty(0, (wall * 1e9) as u64),
            seconds: seconds.iter().map(row).collect(),
            started: Timestamp::UNIX_EPOCH,
            ended: Ended::Complete,
        }
    }

    #[test]
    fn a_short_rest_counts_for_the_average_but_is_no_sample() {
        let rates = measured(&[(1.0, 100), (1.0, 300), (0.1, 90)]).per_second(|second| second.n_requests);
        assert_eq!((rates.min(), rates.max(), rates.stdev()), (100.0, 300.0, 100.0));
        assert!((rates.average - 490.0 / 2.1).abs() < 1e-9);
        assert_eq!((rates.at(50.0), rates.at(50.1), rates.at(0.001)), (100.0, 300.0, 100.0));
    }

    #[test]
    fn a_load_shorter_than_a_second_still_has_rates() {
        let rates = measured(&[(0.2, 50)]).per_second(|second| second.n_requests);
        assert_eq!((rates.average, rates.min(), rates.n_samples()), (250.0, 250.0, 1));
    }

    #[test]
    fn no_seconds_give_zeros() {
        let rates = measured(&[]).per_second(|second| second.n_requests);
        assert_eq!((rates.min(), rates.stdev(), rates.at(99.0)), (0.0, 0.0, 0.0));
    }
}
