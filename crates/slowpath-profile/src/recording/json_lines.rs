//! Append-only JSON lines. A line is written with one `write`, so that a crash cuts at most the last one.

use serde::{Serialize, de::DeserializeOwned};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

/// Appends one JSON value a line, without buffering between lines.
#[derive(Debug)]
pub struct JsonLines {
    file: File,
    line: Vec<u8>,
}

impl JsonLines {
    /// Opens `path` for appending, creating it when absent.
    pub fn append_to(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self { file, line: Vec::new() })
    }

    /// Appends `value` as one line.
    pub fn push<T: Serialize>(&mut self, value: &T) -> io::Result<()> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, value).map_err(io::Error::other)?;
        self.line.push(b'\n');
        self.file.write_all(&self.line)
    }
}

/// What [`read_json_lines`] found in a file.
#[derive(Debug)]
pub struct ReadLines<T> {
    /// The readable lines, in file order.
    pub values: Vec<T>,
    /// Lines that are not valid, such as a last line that a crash cut.
    pub n_unreadable: usize,
}

/// Reads a file of JSON lines; an absent file is empty. Unreadable lines are skipped and counted.
pub fn read_json_lines<T: DeserializeOwned>(path: &Path) -> io::Result<ReadLines<T>> {
    let mut found = ReadLines { values: Vec::new(), n_unreadable: 0 };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(found);
        }
        match serde_json::from_slice(&line) {
            Ok(value) => found.values.push(value),
            Err(_) if line.trim_ascii().is_empty() => {}
            Err(_) => found.n_unreadable += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_cut_by_a_crash_loses_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        let mut lines = JsonLines::append_to(&path).unwrap();
        for value in 0..3 {
            lines.push(&value).unwrap();
        }
        lines.file.write_all(b"{\"cut").unwrap();
        let found = read_json_lines::<u32>(&path).unwrap();
        assert_eq!(found.values, [0, 1, 2]);
        assert_eq!(found.n_unreadable, 1);
    }

    #[test]
    fn an_absent_file_is_empty() {
        let dir = tempfile::tempdir().unwrap();
        let found = read_json_lines::<u32>(&dir.path().join("none.jsonl")).unwrap();
        assert!(found.values.is_empty());
    }
}
