//! HTTP load generation: drives requests at a server and measures the answers; and a mock LLM upstream.
//!
//! Knows nothing of Node, recordings on disk or reports.
//!
//! ```text
//! LoadPlan ──start──> generator threads (epoll, one each) ──tallies──> collector thread ──Interval──> on_interval
//!                        ^ cut / stop through an eventfd               merges one tally per thread and cut
//! ```

mod answer;
mod body_sizes;
mod checks;
mod chunked;
mod clock;
mod collector;
mod connection;
mod content_gaps;
mod context;
mod dialer;
#[cfg(test)]
mod doc_tests;
mod engine;
mod error;
mod escape;
mod expression;
mod finish;
mod gap;
mod generator;
mod har;
mod head;
mod histogram_text;
mod http1;
mod http2;
mod id_marker;
mod interval;
mod json_object;
mod json_path;
mod json_text;
mod jsonl;
mod line_file;
mod link;
mod multipart;
mod objectives;
mod origin;
mod outbox;
mod pacer;
mod plan;
mod prepared;
mod probe;
mod random;
mod redact;
mod request_source;
pub mod response;
#[cfg(test)]
mod response_oracle_tests;
mod schedule;
mod socket;
mod source_text;
mod stages;
#[cfg(test)]
mod stalling_server_tests;
pub mod stream;
mod tally;
mod target;
mod template;
mod times;
mod tls;
mod tls_link;
pub mod upstream;
mod url;

pub use body_sizes::{SizedPlans, body_sizes};
pub use checks::parse_json_check;
pub use collector::LoadTotals;
pub use engine::{LoadHandle, start};
pub use error::LoadError;
pub use har::{HarOptions, HarRequests, requests_from_har};
pub use histogram_text::histogram_base64;
pub use id_marker::replace_id_markers;
pub use interval::{ErrorClass, Interval, StreamStats};
pub use jsonl::requests_from_jsonl;
pub use multipart::multipart_from_json;
pub use objectives::parse_objectives;
pub use plan::{
    ApiChecks, Arrival, BodySize, Checks, LoadPlan, Objectives, Pacing, RequestPlan, Shard, Stage, Tls,
    Transport, parse_header,
};
pub use probe::get_once;
pub use stages::{hold_last_rate, parse_stages};
pub use url::{Scheme, Url};
