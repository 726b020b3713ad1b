//! Colour where it is wanted, and columns that line up. No borders: alignment is enough.

use crate::terminal::style;
use std::io::IsTerminal as _;

/// Whether and how text is coloured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ink {
    is_coloured: bool,
}

impl Ink {
    /// For standard error: colour in a terminal, unless `NO_COLOR` is set.
    pub(crate) fn for_stderr() -> Self {
        let is_dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
        Self { is_coloured: std::io::stderr().is_terminal() && !is_dumb }
    }

    /// Without colour.
    pub(crate) fn plain() -> Self {
        Self { is_coloured: false }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        style(text, "1", self.is_coloured)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        style(text, "2", self.is_coloured)
    }

    pub(crate) fn red(self, text: &str) -> String {
        style(text, "31", self.is_coloured)
    }

    pub(crate) fn green(self, text: &str) -> String {
        style(text, "32", self.is_coloured)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        style(text, "33", self.is_coloured)
    }
}

/// Width of the column of names.
pub(crate) const NAME_WIDTH: usize = 17;

/// Width of each other column, the gap before it included: six of them and the names make 77 columns.
const CELL_WIDTH: usize = 10;

/// Returns a line of column heads: the first to the left, the others to the right.
pub(crate) fn heads(ink: Ink, name: &str, heads: &[String]) -> String {
    ink.dim(&line(name, heads))
}

/// Returns a line of numbers under [`heads`].
pub(crate) fn row(ink: Ink, name: &str, cells: &[String]) -> String {
    let line = line(name, cells);
    let (name, cells) = line.split_at(name.len());
    format!("{}{cells}", ink.bold(name))
}

fn line(name: &str, cells: &[String]) -> String {
    let mut line = format!("{name:<NAME_WIDTH$}");
    for cell in cells {
        line.push_str(&format!("{cell:>CELL_WIDTH$}"));
    }
    line.truncate(line.trim_end().len().max(name.len()));
    line
}

/// Breaks text into lines of at most `width` characters at blanks; a longer word stays whole.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_even_with_letters_beyond_ascii() {
        let cells = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let head = heads(Ink::plain(), "", &cells(&["p50", "max"]));
        let numbers = row(Ink::plain(), "latency", &cells(&["83 µs", "1.23 ms"]));
        assert_eq!(head, "                        p50       max");
        assert_eq!(numbers, "latency               83 µs   1.23 ms");
        assert_eq!(row(Ink::plain(), "a", &[]), "a");
    }

    #[test]
    fn long_texts_break_at_blanks() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("abcdefghij k", 4), ["abcdefghij", "k"]);
        assert!(wrapped("  ", 4).is_empty());
    }
}
