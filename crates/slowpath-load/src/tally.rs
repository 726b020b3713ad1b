//! Counts of one generator thread since the last cut: cheap to add to, turned into an [`Interval`] at a cut.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clock;
use crate::interval::{ErrorClass, Interval};
use crate::redact::Redactor;

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
}

impl Tally {
    /// Begins counting; called on the thread that counts.
    pub(crate) fn new(start_ns: u64, redactor: Arc<Redactor>) -> Self {
        Self {
            interval: Interval::empty(start_ns, start_ns),
            n_by_status: Box::new([0; N_STATUSES]),
            n_by_error: [0; ErrorClass::ALL.len()],
            samples: Default::default(),
            redactor,
            cpu_at_start_ns: clock::thread_cpu_ns(),
        }
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

    /// Counts a successful request; `first_body_byte_ns` is `None` if there was no body.
    pub(crate) fn add_success(&mut self, latency_ns: u64, first_body_byte_ns: Option<u64>) {
        self.interval.n_requests += 1;
        self.interval.latency.saturating_record(rounded_us(latency_ns));
        if let Some(first_body_byte_ns) = first_body_byte_ns {
            self.interval.first_body_byte.saturating_record(rounded_us(first_body_byte_ns));
        }
    }

    /// Counts a failed request; `describe` is called for the first of its class only.
    pub(crate) fn add_error(&mut self, class: ErrorClass, describe: impl FnOnce() -> String) {
        self.n_by_error[class as usize] += 1;
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

    /// Ends the interval now and begins the next one; called on the thread that counts.
    pub(crate) fn cut(&mut self, label: &str, open_connections: u64, n_unfinished: u64) -> Interval {
        let end_ns = clock::now_ns();
        let mut next = Self::new(end_ns, Arc::clone(&self.redactor));
        std::mem::swap(self, &mut next);
        let Self { mut interval, n_by_status, n_by_error, samples, cpu_at_start_ns, .. } = next;
        let cpu_ns = self.cpu_at_start_ns.saturating_sub(cpu_at_start_ns);
        interval.end_ns = end_ns;
        label.clone_into(&mut interval.label);
        interval.status = (0_u16..)
            .zip(n_by_status.iter().copied())
            .filter(|(_, count)| *count > 0)
            .collect::<BTreeMap<_, _>>();
        interval.errors =
            ErrorClass::ALL.into_iter().zip(n_by_error).filter(|(_, count)| *count > 0).collect();
        interval.error_samples = samples.into_iter().flatten().collect();
        interval.open_connections = open_connections;
        interval.n_unfinished = n_unfinished;
        interval.busiest_thread_cpu_share = share(cpu_ns, end_ns - interval.start_ns);
        interval
    }
}

/// Nanoseconds to microseconds, to the nearest.
fn rounded_us(ns: u64) -> u64 {
    (ns + 500) / 1000
}

/// Returns a ratio of at most 1 in steps of 0.0001: such numbers survive JSON exactly.
fn share(part_ns: u64, whole_ns: u64) -> f64 {
    let ratio = part_ns as f64 / whole_ns.max(1) as f64;
    (ratio.min(1.0) * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_hands_over_and_begins_anew() {
        let mut tally = Tally::new(clock::now_ns(), Arc::default());
        tally.add_success(1_499, None);
        tally.add_success(1_500, Some(1_000));
        tally.add_status(200);
        tally.add_status(999);
        tally.add_error(ErrorClass::Status, || "first\r\ncontrol".to_owned());
        tally.add_error(ErrorClass::Status, || unreachable!("only the first is described"));
        tally.add_error(ErrorClass::Timeout, || "ü".repeat(400));
        let interval = tally.cut("x", 3, 1);
        assert_eq!(
            interval.latency.iter_recorded().map(|step| step.value_iterated_to()).collect::<Vec<_>>(),
            [1, 2]
        );
        assert_eq!(interval.first_body_byte.len(), 1);
        assert_eq!(interval.status, BTreeMap::from([(200, 1), (999, 1)]));
        assert_eq!(interval.errors, BTreeMap::from([(ErrorClass::Timeout, 1), (ErrorClass::Status, 2)]));
        assert_eq!(interval.error_samples[1], "status: first  control");
        assert!(interval.error_samples[0].len() <= MAX_SAMPLE_BYTES);
        assert_eq!((interval.label.as_str(), interval.open_connections, interval.n_unfinished), ("x", 3, 1));

        let next = tally.cut("y", 3, 0);
        assert_eq!(next.start_ns, interval.end_ns);
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
}
