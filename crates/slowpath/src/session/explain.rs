//! What a person is told where a target cannot be started or attached to.

use crate::exit_code::{ExitCode, explained};
use slowpath_capture::{AttachError, LaunchError};

pub(super) fn explain_attach(error: &AttachError) -> anyhow::Error {
    let code = match error {
        AttachError::Share(_) => ExitCode::Failed,
        AttachError::Ended { .. } | AttachError::Inspector { .. } => ExitCode::TargetFailed,
        _ => ExitCode::Usage,
    };
    let source = std::error::Error::source(error).map_or(String::new(), |source| format!(": {source}"));
    explained(code, format!("{error}{source}"), error.hint())
}

pub(crate) fn explain_launch(error: &LaunchError) -> anyhow::Error {
    let (code, hint) = match error {
        LaunchError::NoCommand => {
            (ExitCode::Usage, "put the command after `--`, as in `slowpath run -- node server.js`")
        }
        LaunchError::NotFound { .. } => (ExitCode::Usage, "check the spelling and the PATH"),
        LaunchError::NotExecutable { .. } => {
            (ExitCode::Usage, "put `node` in front of a script, as in `-- node server.js`")
        }
        LaunchError::Prepare { .. } => (ExitCode::Failed, "check the directory of the recording"),
    };
    match std::error::Error::source(error) {
        Some(source) => explained(code, format!("{error}: {source}"), hint),
        None => explained(code, error.to_string(), hint),
    }
}
