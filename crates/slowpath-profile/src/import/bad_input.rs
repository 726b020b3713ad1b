//! The one error of all parsers here: what is wrong, and at which byte.

use std::borrow::Cow;

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{problem} (byte offset {offset})")]
pub struct BadInput {
    /// Where in the file; in what it unpacks to where it is compressed.
    pub offset: usize,
    /// One sentence without a capital and without a period.
    pub problem: Cow<'static, str>,
}

impl BadInput {
    /// Returns the error `problem` at `offset`.
    pub(crate) fn at(offset: usize, problem: impl Into<Cow<'static, str>>) -> Self {
        Self { offset, problem: problem.into() }
    }
}
