//! The gaps between the content events of one stream, held back until it is known whether the stream is a good one.

use hdrhistogram::Histogram;

use crate::interval::latency_histogram;

/// Gaps that are kept one by one: 128 KiB. A stream that goes on for ever must not fill the memory.
const MAX_SINGLE: usize = 32 * 1024;

/// Gaps in µs.
#[derive(Debug, Default)]
pub(crate) struct ContentGaps {
    single: Vec<u32>,
    /// What there was no more room for.
    older: Option<Box<Histogram<u64>>>,
}

impl ContentGaps {
    pub(crate) fn clear(&mut self) {
        self.single.clear();
        self.older = None;
    }

    pub(crate) fn add(&mut self, gap_us: u64) {
        if self.single.len() == MAX_SINGLE {
            let mut older = self.older.take().unwrap_or_else(|| Box::new(latency_histogram()));
            self.add_single_to(&mut older);
            self.older = Some(older);
            self.single.clear();
        }
        // 71 minutes fit, and the histograms end at one hour.
        self.single.push(u32::try_from(gap_us).unwrap_or(u32::MAX));
    }

    /// Adds all gaps to a histogram with the bounds of all latency histograms.
    pub(crate) fn add_to(&self, histogram: &mut Histogram<u64>) {
        self.add_single_to(histogram);
        if let Some(older) = &self.older {
            histogram.add(older.as_ref()).expect("all latency histograms have the same bounds");
        }
    }

    fn add_single_to(&self, histogram: &mut Histogram<u64>) {
        for gap_us in &self.single {
            histogram.saturating_record(u64::from(*gap_us));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_gap_is_lost_however_long_the_stream() {
        let mut gaps = ContentGaps::default();
        let n_gaps = MAX_SINGLE as u64 * 5 / 2;
        let mut expected = latency_histogram();
        for gap_us in 0..n_gaps {
            gaps.add(gap_us);
            expected.saturating_record(gap_us);
        }
        gaps.add(u64::MAX);
        expected.saturating_record(u64::from(u32::MAX));
        let mut sum = latency_histogram();
        gaps.add_to(&mut sum);
        assert!(sum == expected, "{} and {} gaps", sum.len(), expected.len());
        assert!(gaps.single.capacity() <= MAX_SINGLE);
        gaps.clear();
        gaps.add(7);
        let mut sum = latency_histogram();
        gaps.add_to(&mut sum);
        assert_eq!((sum.len(), sum.max()), (1, 7));
    }
}
