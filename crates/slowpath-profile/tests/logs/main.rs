//! The logs of a recording, written and read back: what went in comes out, and a cut end costs no more than itself.

mod cpu_log;
mod json_lines;
mod native_log;
