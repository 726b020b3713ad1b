//! Histograms as text in a JSON line: base64 of HdrHistogram's V2 encoding, uncompressed, so that the bytes do not
//! depend on a compressor's version. For `#[serde(with = "crate::histogram_text")]`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer as HistogramReader, Serializer as _, V2Serializer};
use serde::{Deserialize, Deserializer, Serializer, de, ser};

/// Returns the histogram as results have it: base64 of HdrHistogram's V2 encoding.
///
/// # Panics
/// Never: only a histogram too large for memory cannot be encoded.
pub fn histogram_base64(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2Serializer::new().serialize(histogram, &mut bytes).expect("a vector takes all bytes");
    STANDARD.encode(bytes)
}

pub(crate) fn serialize<S: Serializer>(histogram: &Histogram<u64>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut bytes = Vec::new();
    V2Serializer::new().serialize(histogram, &mut bytes).map_err(ser::Error::custom)?;
    serializer.serialize_str(&STANDARD.encode(bytes))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Histogram<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = STANDARD.decode(text).map_err(de::Error::custom)?;
    HistogramReader::new().deserialize(&mut bytes.as_slice()).map_err(de::Error::custom)
}

/// The same for a histogram that may be missing.
pub(crate) mod optional {
    use hdrhistogram::Histogram;
    use serde::{Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde calls it with this type")]
    pub(crate) fn serialize<S: Serializer>(
        histogram: &Option<Histogram<u64>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match histogram {
            Some(histogram) => super::serialize(histogram, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Histogram<u64>>, D::Error> {
        super::deserialize(deserializer).map(Some)
    }
}
