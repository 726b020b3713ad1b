//! HTTP load generation: drives requests at a server and measures the answers; and a mock LLM upstream.
//!
//! Knows nothing of Node, recordings on disk or reports. No TLS, no HTTP/2 and no paced (open) load: a load is
//! closed, so each connection sends its next request when the last one is answered.
//!
//! ```text
//! LoadPlan ──start──> generator threads (epoll, one each) ──tallies──> collector thread ──Interval──> on_interval
//!                        ^ cut / stop through an eventfd               merges one tally per thread and cut
//! ```

#[allow(dead_code)]
mod checks;
mod chunked;
mod clock;
mod connection;
#[cfg(test)]
mod doc_tests;
mod engine;
mod error;
#[allow(dead_code)]
mod escape;
#[allow(dead_code)]
mod expression;
#[allow(dead_code)]
mod gap;
mod generator;
mod har;
mod head;
mod histogram_text;
mod id_marker;
mod interval;
mod json_object;
#[allow(dead_code)]
mod json_path;
#[allow(dead_code)]
mod json_text;
mod jsonl;
#[allow(dead_code)]
mod line_file;
mod multipart;
mod objectives;
mod origin;
mod plan;
#[allow(dead_code)]
mod prepared;
mod probe;
#[allow(dead_code)]
mod random;
mod redact;
mod request;
#[allow(dead_code)]
mod request_source;
pub mod response;
#[cfg(test)]
mod response_oracle_tests;
#[allow(dead_code)]
mod schedule;
mod socket;
mod source_text;
mod stages;
pub mod stream;
mod tally;
#[allow(dead_code)]
mod template;
pub mod upstream;
mod url;

pub use checks::parse_json_check;
pub use engine::{LoadHandle, LoadTotals, start};
pub use error::LoadError;
pub use har::{HarOptions, HarRequests, requests_from_har};
pub use id_marker::replace_id_markers;
pub use interval::{ErrorClass, Interval, StreamStats};
pub use jsonl::requests_from_jsonl;
pub use multipart::multipart_from_json;
pub use objectives::parse_objectives;
pub use plan::{
    ApiChecks, Arrival, Checks, LoadPlan, Objectives, Pacing, RequestPlan, Shard, Stage, Tls, Transport,
    parse_header,
};
pub use probe::get_once;
pub use stages::{hold_last_rate, parse_stages};
pub use url::Url;
