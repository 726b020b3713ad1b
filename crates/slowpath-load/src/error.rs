//! Everything that can keep a load from starting, with a hint for each. Errors of single requests are not here:
//! they are counted in [`crate::Interval`].

use std::io;

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
            Self::BadPlan { .. } | Self::System { .. } | Self::NoAnswer { .. } => None,
        }
    }
}
