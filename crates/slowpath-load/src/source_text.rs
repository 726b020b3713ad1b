//! Where in a file something stands, and errors that say so. For the files that describe a load.

use std::path::Path;

use crate::error::LoadError;
use crate::redact::Redactor;

/// A line and a column, both from 1; columns count bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Position {
    pub(crate) const START: Self = Self { line: 1, column: 1 };

    /// Returns the position of byte `offset` of `text`.
    pub(crate) fn of(text: &[u8], offset: usize) -> Self {
        let mut lines = text[..offset].split(|&byte| byte == b'\n');
        let column = lines.next_back().map_or(1, |line| line.len() + 1);
        Self { line: lines.count() + 1, column }
    }

    /// Returns the position that `inner` has if this is where its text begins.
    pub(crate) fn plus(self, inner: Self) -> Self {
        if inner.line == 1 {
            Self { line: self.line, column: self.column + inner.column - 1 }
        } else {
            Self { line: self.line + inner.line - 1, column: inner.column }
        }
    }
}

/// Makes the error for something at `position` of a file.
pub(crate) fn bad_file(path: &Path, position: Position, problem: &str, hint: &str) -> LoadError {
    LoadError::BadFile {
        path: path.to_owned(),
        line: position.line,
        column: position.column,
        problem: problem.to_owned(),
        hint: hint.to_owned(),
    }
}

/// Makes the error for JSON that cannot be read; `start` is where its text begins in the file.
pub(crate) fn bad_json(path: &Path, start: Position, error: &serde_json::Error, hint: &str) -> LoadError {
    // serde_json counts columns of the byte before, so 0 is possible.
    let inner = Position { line: error.line().max(1), column: error.column().max(1) };
    bad_file(path, start.plus(inner), &json_problem(error), hint)
}

/// Returns what is wrong with JSON without the position, which is said elsewhere; secrets redacted.
pub(crate) fn json_problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let position = format!(" at line {} column {}", error.line(), error.column());
    Redactor::default().redact(text.strip_suffix(&position).unwrap_or(&text))
}

/// Makes an error about a request in a file say where the request stands. Errors of other files stay.
pub(crate) fn placed(error: LoadError, path: &Path, position: Position) -> LoadError {
    match error {
        error @ (LoadError::BadFile { .. } | LoadError::UnreadableFile { .. }) => error,
        error => bad_file(path, position, &error.to_string(), &error.hint().unwrap_or_default()),
    }
}

/// Reads a file, without the byte order mark that some programs begin it with.
pub(crate) fn read_text(path: &Path) -> Result<Vec<u8>, LoadError> {
    let mut text =
        std::fs::read(path).map_err(|source| LoadError::UnreadableFile { path: path.to_owned(), source })?;
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(text)
}

/// U+FEFF in UTF-8.
pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_add_up() {
        let text = b"ab\ncdef\n\ngh";
        let check = |offset, line, column| {
            assert_eq!(Position::of(text, offset), Position { line, column }, "byte {offset}");
        };
        check(0, 1, 1);
        check(2, 1, 3);
        check(3, 2, 1);
        check(9, 4, 1);
        check(11, 4, 3);
        let start = Position { line: 4, column: 10 };
        assert_eq!(start.plus(Position::START), start);
        assert_eq!(start.plus(Position { line: 1, column: 3 }), Position { line: 4, column: 12 });
        assert_eq!(start.plus(Position { line: 2, column: 3 }), Position { line: 5, column: 3 });
    }
}
