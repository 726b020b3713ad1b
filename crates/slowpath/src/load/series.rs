//! The series of times that a load records, by the names that thresholds and the page have for them.

use super::measured::Measured;
use hdrhistogram::Histogram;
use serde::Serialize;

/// A series of times that a load records. The page has words for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Series {
    Latency,
    Uncorrected,
    #[serde(rename = "first_byte")]
    FirstByte,
    Ttfb,
    Ttft,
    Ttfo,
    Tpot,
    Itl,
    E2el,
}

impl Series {
    /// All of them, by the names that `--fail-if` has for them.
    pub(crate) const ALL: [(&'static str, Self); 9] = [
        ("latency", Self::Latency),
        ("uncorrected", Self::Uncorrected),
        ("first-byte", Self::FirstByte),
        ("ttfb", Self::Ttfb),
        ("ttft", Self::Ttft),
        ("ttfo", Self::Ttfo),
        ("tpot", Self::Tpot),
        ("itl", Self::Itl),
        ("e2el", Self::E2el),
    ];

    /// Returns the recorded times in µs; `None` where the load has no such series, or nothing in it.
    pub(crate) fn of(self, measured: &Measured) -> Option<&Histogram<u64>> {
        let whole = &measured.whole;
        let stream = whole.stream.as_ref();
        let histogram = match self {
            Self::Latency => Some(&whole.latency),
            Self::Uncorrected => whole.uncorrected.as_ref(),
            Self::FirstByte => Some(&whole.first_body_byte),
            Self::Ttfb => stream.map(|stream| &stream.ttfb),
            Self::Ttft => stream.map(|stream| &stream.ttft),
            Self::Ttfo => stream.map(|stream| &stream.ttfo),
            Self::Tpot => stream.map(|stream| &stream.tpot),
            Self::Itl => stream.map(|stream| &stream.itl),
            Self::E2el => stream.map(|stream| &stream.e2el),
        };
        histogram.filter(|histogram| !histogram.is_empty())
    }
}
