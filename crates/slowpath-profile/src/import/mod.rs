//! Importers: from raw profile formats to [`crate::tables`]. One file a format, its pitfalls in its first lines.

pub mod cpuprofile;
