//! Everything that can keep a load from starting, with a hint for each. Errors of single requests are not here:
//! they are counted in [`crate::Interval`].

use std::io;
use std::path::PathBuf;

use crate::interval::ErrorClass;

/// Why a load, a readiness probe or the mock upstream could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The URL cannot be used.
    #[error("cannot use the url `{url}`: {problem}")]
    BadUrl {
        /// The URL as given, secrets redacted.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
        /// What to write instead.
        hint: &'static str,
    },
    /// A header's name or value cannot be sent.
    #[error("cannot use the header `{header}`: {problem}")]
    BadHeader {
        /// The header as given, secrets redacted.
        header: String,
        /// What is wrong with it.
        problem: &'static str,
        /// What to write instead.
        hint: &'static str,
    },
    /// A field of the plan is out of range.
    #[error("cannot run a load with {field} `{value}`: {problem}")]
    BadPlan {
        /// The field of [`crate::LoadPlan`].
        field: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The host name has no address.
    #[error("cannot find the address of `{host}`")]
    UnknownHost {
        /// The host name.
        host: String,
        /// The resolver's answer.
        source: io::Error,
    },
    /// A certificate or key cannot be used.
    #[error("cannot use the {what} in `{}`: {problem}", path.display())]
    BadPem {
        /// What the file should hold.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it; nothing of its content.
        problem: String,
    },
    /// Certificates cannot be checked.
    #[error("cannot check certificates: this system has none to trust")]
    NothingToTrust,
    /// The process may not open enough sockets.
    #[error("cannot open {connections} connections: this process may have {limit} open files")]
    TooManyConnections {
        /// The connections asked for.
        connections: u32,
        /// The hard limit of open files.
        limit: u64,
    },
    /// The operating system refused something that every load needs.
    #[error("cannot {action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },
    /// A readiness probe got no valid answer.
    #[error("no answer from {url}: {detail}")]
    NoAnswer {
        /// The URL asked, secrets redacted.
        url: String,
        /// How it failed.
        class: ErrorClass,
        /// The reason in words.
        detail: String,
    },
    /// A text that describes the load is not of the form it should have.
    #[error("cannot understand the {what} `{text}`: {problem}")]
    BadText {
        /// What the text should be, such as `schedule`.
        what: &'static str,
        /// The text, or the part of it that is wrong, secrets redacted.
        text: String,
        /// What is wrong with it.
        problem: String,
        /// What to write instead.
        hint: String,
    },
    /// A file that describes the load was read but cannot be used.
    #[error("cannot use `{}`, line {line}, column {column}: {problem}", path.display())]
    BadFile {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// In bytes, from 1.
        column: usize,
        /// What is wrong there, secrets redacted.
        problem: String,
        /// What to write instead.
        hint: String,
    },
    /// A file that describes the load cannot be read.
    #[error("cannot read `{}`", path.display())]
    UnreadableFile {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
}

impl LoadError {
    /// Returns what the user can do about it, where something can be said.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::BadUrl { hint, .. } | Self::BadHeader { hint, .. } => Some((*hint).to_owned()),
            Self::UnknownHost { host, .. } => {
                Some(format!("check the spelling of `{host}`, or give an IP address"))
            }
            Self::TooManyConnections { connections, .. } => Some(format!(
                "raise the limit with `ulimit -n {}`, or use fewer connections",
                u64::from(*connections) + crate::engine::SPARE_FILES
            )),
            Self::NoAnswer { class: ErrorClass::Connect, .. } => {
                Some("check that the server is running and listens on this port".to_owned())
            }
            Self::BadText { hint, .. } | Self::BadFile { hint, .. } => Some(hint.clone()),
            Self::UnreadableFile { .. } => {
                Some("check its name; a relative one starts at the current directory".to_owned())
            }
            Self::BadPem { .. } => Some("give a file in PEM form, which begins with `-----BEGIN`".to_owned()),
            Self::NothingToTrust => Some(
                "install the system's `ca-certificates`, pass `--ca FILE`, or pass `--insecure`".to_owned(),
            ),
            Self::BadPlan { .. } | Self::System { .. } | Self::NoAnswer { .. } => None,
        }
    }
}
