//! Files whose lines are inserted into requests: read once, when the load is planned, and fitted to their place then.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::LoadError;
use crate::escape::{Escape, Misfit, Place, fit};
use crate::source_text::{Position, bad_file, read_text};

/// Lines in the order of their file, ready to be inserted; at least one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    bytes: Vec<u8>,
    /// Where each line ends in `bytes`.
    ends: Vec<usize>,
}

impl Lines {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// `index` is below [`Lines::len`].
    pub(crate) fn get(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }

    /// Returns the shortest third of the lines, at least one, in the order of the file.
    pub(crate) fn shortest_third(&self) -> Self {
        self.third_by(|index| self.get(index).len())
    }

    /// Returns the longest third.
    pub(crate) fn longest_third(&self) -> Self {
        self.third_by(|index| std::cmp::Reverse(self.get(index).len()))
    }

    fn third_by<K: Ord>(&self, key: impl Fn(usize) -> K) -> Self {
        let mut chosen: Vec<usize> = (0..self.len()).collect();
        chosen.sort_by_key(|index| key(*index));
        chosen.truncate(self.len().div_ceil(3));
        chosen.sort_unstable();
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for index in chosen {
            bytes.extend_from_slice(self.get(index));
            ends.push(bytes.len());
        }
        Self { bytes, ends }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Blank lines are left out; `path` is for messages.
    fn parse(text: &[u8], path: &Path, escape: Escape, place: Place) -> Result<Self, LoadError> {
        let (mut bytes, mut ends) = (Vec::with_capacity(text.len()), Vec::new());
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.trim_ascii().is_empty() {
                continue;
            }
            let fitted = fit(line, escape, place).map_err(|Misfit { at, problem, hint }| {
                bad_file(path, Position { line: index + 1, column: at + 1 }, problem, hint)
            })?;
            bytes.extend_from_slice(&fitted);
            ends.push(bytes.len());
        }
        if ends.is_empty() {
            return Err(bad_file(path, Position::START, "it has no lines", "write one text per line"));
        }
        Ok(Self { bytes, ends })
    }
}

/// The files read so far. A file is read once, and fitted once for each way it is inserted.
#[derive(Debug, Default)]
pub(crate) struct LineFiles {
    texts: HashMap<PathBuf, Vec<u8>>,
    fitted: HashMap<(PathBuf, Escape, Place), Arc<Lines>>,
}

impl LineFiles {
    /// Returns the lines of the file as they are inserted.
    ///
    /// # Errors
    /// If the file cannot be read, has no lines, or has one that cannot stand in this place.
    pub(crate) fn lines(
        &mut self,
        path: &Path,
        escape: Escape,
        place: Place,
    ) -> Result<Arc<Lines>, LoadError> {
        let key = (path.to_owned(), escape, place);
        if let Some(lines) = self.fitted.get(&key) {
            return Ok(Arc::clone(lines));
        }
        if !self.texts.contains_key(path) {
            self.texts.insert(path.to_owned(), read_text(path)?);
        }
        let lines = Arc::new(Lines::parse(&self.texts[path], path, escape, place)?);
        self.fitted.insert(key, Arc::clone(&lines));
        Ok(lines)
    }

    /// Gives a file that is not on disk.
    #[cfg(test)]
    pub(crate) fn with(path: &str, text: &[u8]) -> Self {
        Self { texts: HashMap::from([(PathBuf::from(path), text.to_vec())]), fitted: HashMap::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_out_blank_lines_and_line_ends() {
        let text = b"one\r\n\n  \ntwo words \nthree";
        let lines = Lines::parse(text, Path::new("f"), Escape::Raw, Place::Body).unwrap();
        assert_eq!(lines.iter().collect::<Vec<_>>(), [b"one".as_slice(), b"two words ", b"three"]);
    }

    #[test]
    fn fits_each_line_to_its_place_and_keeps_it() {
        let mut files = LineFiles::with("f", b"a \"b\"\nc\n");
        let json = files.lines(Path::new("f"), Escape::Json, Place::Body).unwrap();
        assert_eq!(json.get(0), br#"a \"b\""#);
        assert_eq!(json.get(1), b"c");
        assert_eq!(files.lines(Path::new("f"), Escape::Url, Place::Path).unwrap().get(0), b"a%20%22b%22");
        assert!(Arc::ptr_eq(&files.lines(Path::new("f"), Escape::Json, Place::Body).unwrap(), &json));
    }

    #[test]
    fn names_the_line_that_cannot_be_inserted() {
        fn check(text: &[u8], place: Place, expected: &str) {
            let error = LineFiles::with("keys.txt", text)
                .lines(Path::new("keys.txt"), Escape::Raw, place)
                .expect_err(expected);
            assert_eq!(error.to_string(), format!("cannot use `keys.txt`, {expected}"));
            assert!(error.hint().is_some());
        }
        check(b"a\nb\0c\n", Place::Header, "line 2, column 2: a header cannot hold a control character");
        check(b" \n\n", Place::Body, "line 1, column 1: it has no lines");
        let missing = LineFiles::default().lines(Path::new("/no/such.txt"), Escape::Raw, Place::Body);
        assert_eq!(missing.unwrap_err().to_string(), "cannot read `/no/such.txt`");
    }
}
