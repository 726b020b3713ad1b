//! The source log: the code that the target ran, as far as samples fell into it; gzipped JSON lines.
//!
//! Written once, at the end of a run, each source through to the disk, so that a crash cuts at most the last one.

use flate2::{Compression, bufread::MultiGzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

/// One script, or one file that a source map names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// URL as CPU profiles name it, or the path of a file that a source map names.
    pub url: String,
    /// Its text, secrets in string literals replaced by as many `*`.
    pub text: String,
    /// `(name, start, end)` of its functions, offsets in UTF-16 units; empty where V8 was not asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<(String, u32, u32)>,
    /// Its source map, if it has one; a map of sections is kept section by section.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub map: Vec<MapSection>,
}

/// A source map, or the part of one that begins at `line` and `column` of the generated text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MapSection {
    /// From 0.
    #[serde(default)]
    pub line: u32,
    /// From 0, in UTF-16 units.
    #[serde(default)]
    pub column: u32,
    /// Paths of the original files, absolute where that could be told.
    pub sources: Vec<String>,
    /// Original names.
    pub names: Vec<String>,
    /// As in the source map.
    pub mappings: String,
}

/// Appends to the source log.
#[derive(Debug)]
pub struct SourceLog {
    file: File,
}

impl SourceLog {
    /// Creates the log; fails where it exists already.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: OpenOptions::new().append(true).create_new(true).open(path)? })
    }

    /// Appends one source as a gzip member of its own.
    pub fn push(&mut self, source: &Source) -> io::Result<()> {
        let mut member = GzEncoder::new(Vec::new(), Compression::new(6));
        serde_json::to_writer(&mut member, source).map_err(io::Error::other)?;
        member.write_all(b"\n")?;
        self.file.write_all(&member.finish()?)
    }
}

/// Reads every whole source; an absent log has none. The flag says that the end was cut.
pub fn read_source_log(path: &Path) -> io::Result<(Vec<Source>, bool)> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Vec::new(), false)),
        Err(error) => return Err(error),
    };
    let mut reader = BufReader::new(MultiGzDecoder::new(BufReader::new(file)));
    let mut sources = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line) {
            Ok(0) => return Ok((sources, false)),
            Ok(_) => match serde_json::from_slice(&line) {
                Ok(source) => sources.push(source),
                Err(_) => return Ok((sources, true)),
            },
            Err(_) => return Ok((sources, true)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_log_keeps_the_sources_before_the_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sources");
        let source = |url: &str| Source { url: url.into(), text: "a\nb".into(), ..Source::default() };
        let mut log = SourceLog::create(&path).unwrap();
        log.push(&source("a.js")).unwrap();
        let first = std::fs::metadata(&path).unwrap().len() as usize;
        log.push(&source("b.js")).unwrap();
        assert_eq!(read_source_log(&path).unwrap(), (vec![source("a.js"), source("b.js")], false));
        let whole = std::fs::read(&path).unwrap();
        for length in first + 1..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            let (sources, _) = read_source_log(&path).unwrap();
            assert!(sources.len() <= 2 && sources[0] == source("a.js"), "{length}");
        }
        assert_eq!(read_source_log(&dir.path().join("none")).unwrap(), (Vec::new(), false));
    }
}
