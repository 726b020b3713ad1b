//! Exit codes: the one place that knows them.

use std::process::ExitCode as ProcessExitCode;

/// How the program ends. Scripts may rely on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// Done; a run that was ended early by one Ctrl-C counts.
    Done,
    /// slowpath itself failed.
    Failed,
    /// The command line asks for something that cannot be.
    Usage,
    /// The target never listened, died, or answered only errors.
    TargetFailed,
    /// A `--fail-if` threshold was crossed.
    ThresholdCrossed,
    /// A person aborted.
    Aborted,
}

impl From<ExitCode> for ProcessExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(match code {
            ExitCode::Done => 0,
            ExitCode::Failed => 1,
            ExitCode::Usage => 2,
            ExitCode::TargetFailed => 3,
            ExitCode::ThresholdCrossed => 99,
            ExitCode::Aborted => 130,
        })
    }
}

/// An error that knows its exit code and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Explained {
    pub(crate) message: String,
    pub(crate) code: ExitCode,
    pub(crate) hint: Option<String>,
}

/// Returns a usage error with a hint.
pub(crate) fn usage(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    explained(ExitCode::Usage, message, hint)
}

/// Returns an error with its exit code and a hint.
pub(crate) fn explained(
    code: ExitCode,
    message: impl Into<String>,
    hint: impl Into<String>,
) -> anyhow::Error {
    Explained { message: message.into(), code, hint: Some(hint.into()) }.into()
}

/// Returns the exit code of an error that reached `main`.
pub(crate) fn of_error(error: &anyhow::Error) -> ExitCode {
    // Not by the chain: a context is found by the error itself only.
    error.downcast_ref::<Explained>().map_or(ExitCode::Failed, |explained| explained.code)
}
