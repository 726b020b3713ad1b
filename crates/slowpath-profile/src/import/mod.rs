//! Importers: from the profile formats of other tools to [`crate::tables`]. One file a format, its pitfalls in its first lines.
//!
//! A format is recognised by its content, never by its name. Text formats are read as a stream; JSON, pprof and `perf.data` are held
//! in memory once. What importers give is the same for all: functions and stacks go into the tables of one
//! [`Profile`], samples into threads of it.

mod bad_input;
mod call_frames;
mod chrome_trace;
mod collapsed;
mod content;
pub mod cpuprofile;
mod firefox;
mod firefox_tables;
mod format;
mod heapprofile;
mod json;
mod lines;
mod open;
mod perf_data;
mod perf_names;
mod perf_records;
mod perf_script;
mod pprof;
mod protobuf;
mod speedscope;
mod v8_log;

pub use bad_input::BadInput;
pub use content::Content;
pub use format::Format;
pub use open::{ImportError, Imported, ImportedFile, import_as, import_bytes, open_files};
