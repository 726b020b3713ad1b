//! Follows the target's output files and hands on what is appended, so that the person sees it as it comes.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// How much of the end of a file the last lines are looked for in.
const TAIL_BYTES: u64 = 16 << 10;

/// Follows one growing file.
#[derive(Debug)]
pub struct OutputFollower {
    path: PathBuf,
    file: Option<File>,
    buffer: Vec<u8>,
}

impl OutputFollower {
    /// Follows `path` from its start; it need not exist yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None, buffer: vec![0; 1 << 16] }
    }

    /// Hands everything appended since the last call to `sink`.
    pub fn drain(&mut self, mut sink: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        if self.file.is_none() {
            self.file = match File::open(&self.path) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            };
        }
        let Some(file) = &mut self.file else { return Ok(()) };
        loop {
            match file.read(&mut self.buffer)? {
                0 => return Ok(()),
                n => sink(&self.buffer[..n])?,
            }
        }
    }

    /// Returns up to `n` last lines of a file, lossily decoded; empty when it cannot be read.
    pub fn last_lines(path: &Path, n: usize) -> Vec<String> {
        use std::io::{Seek, SeekFrom};
        let Ok(mut file) = File::open(path) else {
            return Vec::new();
        };
        let length = file.metadata().map_or(0, |metadata| metadata.len());
        let mut bytes = Vec::new();
        let seek = file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)));
        if seek.and_then(|_| file.read_to_end(&mut bytes)).is_err() {
            return Vec::new();
        }
        let text = String::from_utf8_lossy(&bytes);
        let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(n)..].iter().map(|line| (*line).to_owned()).collect()
    }
}
