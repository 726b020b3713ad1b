//! The recording on disk and the profile tables.
//!
//! A recording is a directory to which capture and load only ever append; [`Recording::open`] reads it back, also
//! after a crash of either side. [`import`] turns raw profiles into columnar [`tables`], [`export`] turns them back. Nothing here measures or
//! judges: that is `slowpath-analysis` and `slowpath-diagnosis`.

pub mod allocated;
pub mod classify;
mod clock;
pub mod code;
pub mod counted;
pub mod deopts;
pub mod excerpts;
pub mod export;
mod from_recording;
pub mod import;
mod inlined;
mod line_shares;
pub mod native;
pub mod recording;
pub mod symbol;
pub mod tables;
pub mod waiting;

pub use clock::{Nanos, SECOND};
pub use recording::{Recording, RecordingError};
