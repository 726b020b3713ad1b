//! Lines of a text of any size, through a buffer of fixed size.

use super::BadInput;
use std::io::Read;

/// Read at once. Large enough that the halves of lines at its end do not count.
const CHUNK: usize = 1 << 18;

/// A longer line is no text. Stacks of ten thousand frames with long names stay far below.
const LONGEST_LINE: usize = 1 << 24;

/// Gives the lines of a text, without their ends.
pub(crate) struct Lines<R> {
    source: R,
    buffer: Vec<u8>,
    /// What of the buffer is still to be given.
    start: usize,
    end: usize,
    /// Offset of `buffer` in the text.
    buffer_offset: usize,
    at_end: bool,
}

impl<R: Read> Lines<R> {
    pub(crate) fn new(source: R) -> Self {
        let buffer = vec![0; CHUNK];
        Self { source, buffer, start: 0, end: 0, buffer_offset: 0, at_end: false }
    }

    /// Returns what is buffered of the text to come; at the start the first 256 KiB of it.
    pub(crate) fn ahead(&mut self) -> Result<&[u8], BadInput> {
        while self.end < self.buffer.len() && !self.at_end {
            self.fill()?;
        }
        Ok(&self.buffer[self.start..self.end])
    }

    /// Returns the next line with its offset, `None` at the end of the text.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<(usize, &[u8])>, BadInput> {
        let mut searched = 0;
        loop {
            let found = memchr::memchr(b'\n', &self.buffer[self.start + searched..self.end]);
            if let Some(length) = found {
                let line = self.start..self.start + searched + length;
                let offset = self.buffer_offset + self.start;
                self.start = line.end + 1;
                let line = &self.buffer[line];
                return Ok(Some((offset, line.strip_suffix(b"\r").unwrap_or(line))));
            }
            searched = self.end - self.start;
            if self.at_end {
                let offset = self.buffer_offset + self.start;
                let line = self.start..self.end;
                self.start = self.end;
                return Ok((!line.is_empty()).then(|| (offset, &self.buffer[line])));
            }
            self.make_room()?;
            self.fill()?;
        }
    }

    fn make_room(&mut self) -> Result<(), BadInput> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.buffer_offset += self.start;
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.buffer.len() {
            if self.buffer.len() > LONGEST_LINE {
                return Err(BadInput::at(self.buffer_offset, "a line of more than 16 MiB"));
            }
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        Ok(())
    }

    fn fill(&mut self) -> Result<(), BadInput> {
        loop {
            match self.source.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.at_end = true,
                Ok(n_bytes) => self.end += n_bytes,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    let offset = self.buffer_offset + self.end;
                    return Err(BadInput::at(offset, format!("cannot be read on: {error}")));
                }
            }
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            let n_bytes = self.1.min(self.0.len()).min(into.len());
            into[..n_bytes].copy_from_slice(&self.0[..n_bytes]);
            self.0 = &self.0[n_bytes..];
            Ok(n_bytes)
        }
    }

    fn all(text: &[u8], step: usize) -> Vec<Vec<u8>> {
        let mut lines = Lines::new(Slow(text, step));
        let mut all = Vec::new();
        while let Some((_, line)) = lines.next().unwrap() {
            all.push(line.to_vec());
        }
        all
    }

    #[test]
    fn a_line_longer_than_the_buffer_is_given_whole() {
        let long = vec![b'x'; CHUNK * 3];
        let text = [b"a\n", &long[..], b"\r\nb"].concat();
        assert_eq!(all(&text, 100_000), [b"a".to_vec(), long, b"b".to_vec()]);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut lines = Lines::new(std::io::repeat(b'x'));
        assert_eq!(lines.next().unwrap_err().problem, "a line of more than 16 MiB");
    }

    proptest::proptest! {
        #[test]
        fn lines_do_not_depend_on_how_the_text_comes(text in "[a\n]{0,40}", step in 1_usize..7) {
            let whole = text.strip_suffix('\n').unwrap_or(&text);
            let expected: Vec<_> = if text.is_empty() { vec![] } else { whole.split('\n').map(|l| l.as_bytes().to_vec()).collect() };
            proptest::prop_assert_eq!(all(text.as_bytes(), step), expected);
        }
    }
}
