//! Reads perf maps: `/tmp/perf-<pid>.map`, to which runtimes append the code that they compile, a line each.
//!
//! ```text
//! 7f1cb4006540 378 JS:*checksum /srv/app.js:12:18        start and length in hexadecimal, name
//! ```
//!
//! Pitfalls: there is no time in it; when code is dropped, later lines name the same addresses anew. How long the file
//! was at known times tells when a line came ([`Growth`]). On Node 18 each worker thread begins the file anew.

use crate::Nanos;
use std::io::{self, BufRead};

/// How long a perf map was when: marks in order of time.
#[derive(Debug, Clone, Default)]
pub struct Growth {
    marks: Vec<(Nanos, u64)>,
    /// Whether it was ever found shorter than before.
    was_cut: bool,
}

impl Growth {
    /// Notes that the file had `length` bytes at `t`.
    pub fn mark(&mut self, t: Nanos, length: u64) {
        match self.marks.last() {
            Some((_, before)) if *before == length => {}
            Some((_, before)) if *before > length => {
                self.was_cut = true;
                self.marks.clear();
                self.marks.push((t, length));
            }
            _ => self.marks.push((t, length)),
        }
    }

    /// Whether the file was begun anew meanwhile, so that its older lines are lost.
    pub fn was_cut(&self) -> bool {
        self.was_cut
    }

    /// Returns the earliest moment at which the byte at `offset` may have been written.
    fn since(&self, offset: u64) -> Nanos {
        let after = self.marks.partition_point(|(_, length)| *length <= offset);
        // Written between two marks: the code ran from then on, and what lay there before had been dropped long ago.
        after.checked_sub(1).map_or(Nanos(0), |before| self.marks[before].0)
    }
}

/// Code at an address from some moment on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedCode {
    /// From when on.
    pub since: Nanos,
    /// Name as it stands in the map.
    pub name: String,
}

/// Longest line; names of regular expressions can be long.
const MAX_LINE: u64 = 1 << 16;

/// Returns for each of `addresses`, which are sorted, the code that lay there in order of time; empty where the map does
/// not know it.
pub fn name_in_perf_map(
    map: &mut dyn BufRead,
    growth: &Growth,
    addresses: &[u64],
) -> io::Result<Vec<Vec<MappedCode>>> {
    debug_assert!(addresses.is_sorted());
    let mut found: Vec<Vec<MappedCode>> = vec![Vec::new(); addresses.len()];
    let mut line = Vec::new();
    let mut offset = 0;
    loop {
        line.clear();
        let n_bytes = io::Read::take(&mut *map, MAX_LINE).read_until(b'\n', &mut line)?;
        if n_bytes == 0 {
            return Ok(found);
        }
        let at = offset;
        offset += n_bytes as u64;
        let Some((start, length, name)) = parse_line(&line) else { continue };
        let from = addresses.partition_point(|address| *address < start);
        let covered = addresses[from..].iter().take_while(|address| **address - start < length).count();
        if covered > 0 {
            let code =
                MappedCode { since: growth.since(at), name: String::from_utf8_lossy(name).into_owned() };
            for known in &mut found[from..from + covered] {
                // Of two lines of one moment the later counts.
                if known.last().is_some_and(|last| last.since == code.since) {
                    known.pop();
                }
                known.push(code.clone());
            }
        }
    }
}

fn parse_line(line: &[u8]) -> Option<(u64, u64, &[u8])> {
    // What another writer cut off leaves a hole of zeros.
    let line = line.trim_ascii_end();
    let line = &line[line.iter().position(|byte| *byte != 0)?..];
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let mut number = || {
        let text = std::str::from_utf8(parts.next()?).ok()?;
        u64::from_str_radix(text.trim_start_matches("0x"), 16).ok()
    };
    Some((number()?, number()?, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(map: &str, growth: &Growth, address: u64, expected: &[(u64, &str)]) {
        let found = name_in_perf_map(&mut map.as_bytes(), growth, &[address]).unwrap();
        let found: Vec<_> = found[0].iter().map(|code| (code.since.0, code.name.as_str())).collect();
        assert_eq!(found, expected, "{address:x}");
    }

    #[test]
    fn code_that_took_the_place_of_older_code_counts_from_when_it_came() {
        let map = "1000 100 old\n2000 10 JS:*other /a b.js:1:2\n1080 100 new\n";
        let mut growth = Growth::default();
        growth.mark(Nanos(5), 13);
        growth.mark(Nanos(7), 40);
        growth.mark(Nanos(9), map.len() as u64);
        check(map, &growth, 0x1010, &[(0, "old")]);
        check(map, &growth, 0x1080, &[(0, "old"), (7, "new")]);
        check(map, &growth, 0x117f, &[(7, "new")]);
        check(map, &growth, 0x2001, &[(5, "JS:*other /a b.js:1:2")]);
        check(map, &growth, 0x1180, &[]);
    }

    #[test]
    fn without_marks_the_last_line_counts() {
        check("1000 10 a\n1000 10 b\n", &Growth::default(), 0x1000, &[(0, "b")]);
    }

    #[test]
    fn damaged_lines_are_skipped() {
        check("\0\0\x001000 10 a\nnonsense\n10\n1000 zz b\n", &Growth::default(), 0x1001, &[(0, "a")]);
    }

    #[test]
    fn a_file_that_gets_shorter_was_begun_anew() {
        let mut growth = Growth::default();
        growth.mark(Nanos(1), 100);
        growth.mark(Nanos(2), 40);
        assert!(growth.was_cut());
    }
}
