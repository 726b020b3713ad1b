//! The load log: what the load generator saw, second by second. The generator writes these lines itself
//! (`slowpath_load::Interval`); this is the reader's side of the same format.

use crate::Nanos;
use base64::Engine as _;
use hdrhistogram::Histogram;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;

/// Load results of one interval; never spans a phase boundary.
#[derive(Debug, Clone, Deserialize)]
pub struct LoadInterval {
    /// Start of the interval.
    #[serde(rename = "start_ns")]
    pub start: Nanos,
    /// End of the interval.
    #[serde(rename = "end_ns")]
    pub end: Nanos,
    /// The phase that it belongs to.
    pub label: String,
    /// Latency of successful responses in microseconds.
    #[serde(deserialize_with = "histogram_from_base64")]
    pub latency: Histogram<u64>,
    /// Successful responses.
    pub n_requests: u64,
    /// Responses by status code.
    pub status: BTreeMap<u16, u64>,
    /// Failed requests by class.
    pub errors: BTreeMap<String, u64>,
    /// One redacted sample an error class.
    #[serde(default)]
    pub error_samples: Vec<String>,
    /// Time that requests were under way, summed over requests; zero in recordings that do not tell.
    #[serde(default, rename = "in_flight_ns")]
    pub in_flight: Nanos,
    /// Bytes received.
    pub bytes_in: u64,
    /// CPU share (of one core) of the generator's busiest thread.
    pub busiest_thread_cpu_share: f64,
}

fn histogram_from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Histogram<u64>, D::Error> {
    use serde::de::Error;
    let text = String::deserialize(deserializer)?;
    decode_histogram(&text).map_err(D::Error::custom)
}

/// Decodes a base64 histogram in HDR's V2 form.
pub(crate) fn decode_histogram(text: &str) -> Result<Histogram<u64>, String> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).map_err(|e| e.to_string())?;
    let mut bytes = bytes.as_slice();
    hdrhistogram::serialization::Deserializer::new().deserialize(&mut bytes).map_err(|e| format!("{e:?}"))
}

/// Encodes a histogram as base64 of HDR's V2 form.
pub(crate) fn encode_histogram(histogram: &Histogram<u64>) -> Result<String, String> {
    use hdrhistogram::serialization::Serializer as _;
    let mut bytes = Vec::new();
    hdrhistogram::serialization::V2Serializer::new()
        .serialize(histogram, &mut bytes)
        .map_err(|e| format!("{e:?}"))?;
    Ok(base64::engine::general_purpose::STANDARD.encode(bytes))
}
