//! Waits until the target serves: its own process listens on the port of the URL, and a Node process of it is recorded.
//!
//! That the listener is ours is what keeps a stale server on the same port from being measured.

use crate::exit_code::{ExitCode, explained};
use slowpath_capture::{Collector, Listeners, PortOwner};
use slowpath_load::{LoadPlan, Url, get_once};
use std::time::{Duration, Instant};

/// How long a target that already listens may take to connect its agent before it counts as no Node program.
const AGENT_PATIENCE: Duration = Duration::from_secs(5);

/// A readiness URL must answer within this time to count.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// A program without a URL to listen on counts as ready this long after its agent connected, or as soon as it listens.
const SETTLE: Duration = Duration::from_secs(1);

/// Asks again and again whether the target is ready.
#[derive(Debug)]
pub(crate) struct Readiness {
    port: Option<u16>,
    ready_url: Option<Url>,
    listeners: Listeners,
    listening_since: Option<Instant>,
    agent_since: Option<Instant>,
}

impl Readiness {
    /// Fails where a stranger holds the port already: the target could never listen on it.
    pub(crate) fn check_port_is_free(load: Option<&LoadPlan>) -> anyhow::Result<()> {
        let Some(port) = load.map(|load| load.urls[0].port) else {
            return Ok(());
        };
        match Listeners::stranger_on(port) {
            PortOwner::Nobody => Ok(()),
            owner => Err(stranger(port, &owner)),
        }
    }

    pub(crate) fn new(load: Option<&LoadPlan>, ready_url: Option<&Url>, root: u32) -> Self {
        Self {
            port: load.map(|load| load.urls[0].port),
            ready_url: ready_url.cloned(),
            listeners: Listeners { root },
            listening_since: None,
            agent_since: None,
        }
    }

    /// Returns the listening process once the target is ready.
    pub(crate) fn poll(&mut self, collector: &Collector) -> anyhow::Result<Option<u32>> {
        let has_agent = !collector.processes().is_empty();
        if has_agent {
            self.agent_since.get_or_insert_with(Instant::now);
        }
        let listener = match self.port {
            Some(port) => match self.listeners.owner_of(port) {
                PortOwner::Nobody => None,
                PortOwner::Target { pid } => Some(pid),
                owner @ PortOwner::Stranger { .. } => return Err(stranger(port, &owner)),
            },
            None => self.listeners.any_listener().or_else(|| {
                let settled = self.agent_since.is_some_and(|since| since.elapsed() >= SETTLE);
                settled.then_some(self.listeners.root)
            }),
        };
        let Some(pid) = listener else { return Ok(None) };
        let listening_since = *self.listening_since.get_or_insert_with(Instant::now);
        if !has_agent {
            if listening_since.elapsed() < AGENT_PATIENCE {
                return Ok(None);
            }
            return Err(explained(
                ExitCode::Usage,
                format!(
                    "not a Node.js program: process {pid} listens, but no Node process of it loaded slowpath's agent"
                ),
                "pass the command that starts a Node.js service; one that clears NODE_OPTIONS for its children cannot be recorded",
            ));
        }
        match &self.ready_url {
            Some(url) => Ok(get_once(url, PROBE_TIMEOUT).is_ok_and(|status| status < 500).then_some(pid)),
            None => Ok(Some(pid)),
        }
    }

    /// Says what is missing, for a target that did not get ready in time.
    pub(crate) fn what_is_missing(&self) -> String {
        match (self.port, self.listening_since, &self.ready_url) {
            (_, Some(_), Some(url)) => {
                format!("it listens, but {url} did not answer with a status below 500")
            }
            (Some(port), None, _) if self.listeners.any_listener().is_some() => {
                format!("it listens, but not on port {port}")
            }
            (Some(port), ..) => format!("it did not listen on port {port}"),
            (None, ..) => "no Node process of it loaded slowpath's agent".into(),
        }
    }
}

pub(crate) fn stranger(port: u16, owner: &PortOwner) -> anyhow::Error {
    let who = match owner {
        PortOwner::Stranger { process: Some((pid, command)) } => format!("process {pid} (`{command}`)"),
        _ => "a process of another user".into(),
    };
    explained(
        ExitCode::TargetFailed,
        format!("port {port} is already listened on by {who}, which is not part of the target"),
        "end that process, or start the target on another port and pass its URL",
    )
}
