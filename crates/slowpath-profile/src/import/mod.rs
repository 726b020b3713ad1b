//! Importers: from raw profile formats to [`crate::tables`]. One file a format, its pitfalls in its first lines.

mod bad_input;
pub mod cpuprofile;
mod json;

pub use bad_input::BadInput;
