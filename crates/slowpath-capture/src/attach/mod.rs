//! Brings the agent into Node processes that run already, through their inspector.
//!
//! SIGUSR1 has Node open its inspector on a loopback port (<https://nodejs.org/api/process.html#signal-events>). There the
//! agent is loaded, the connection ends, and the inspector is closed again: it listens for the moment of the attach only. The
//! agent then works as in a launched target, and leaves when the collector dismisses it.

mod error;
mod inspector;
mod node_process;

pub use error::AttachError;

use crate::{Collector, RunDir, RunningProcess, SessionWriter};
use inspector::Inspector;
use node_process::NodeProcess;
use slowpath_profile::recording::Event;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often a port is looked for.
const POLL: Duration = Duration::from_millis(10);

/// How long a process may take to open its inspector, and then to load the agent: it may be held by a synchronous call.
const PATIENCE: Duration = Duration::from_secs(15);

/// How long Node takes, once the agent is loaded, before it closes the inspector; ours is the connection it would wait for.
const CLOSE_AFTER_MS: u32 = 50;

/// Loads the agent into every Node process of the tree below `process`, itself included; package managers are left alone.
///
/// Returns those that have it. A process that it fails in is left out with a warning where others are recorded; where none is,
/// the first failure is the error.
pub fn attach(
    process: &RunningProcess,
    run_dir: &RunDir,
    collector: &Collector,
    session: &SessionWriter,
) -> Result<Vec<u32>, AttachError> {
    let nodes: Vec<NodeProcess> = process.tree().into_iter().filter_map(NodeProcess::find).collect();
    if nodes.is_empty() {
        return Err(AttachError::NoNode { pid: process.pid, name: process.name.clone() });
    }
    let (mut attached, mut failures) = (Vec::new(), Vec::new());
    for node in &nodes {
        match attach_to(node, process.pid, run_dir, collector, session) {
            Ok(()) => attached.push(node.pid),
            Err(error) => failures.push(error),
        }
    }
    if attached.is_empty() {
        return Err(failures.swap_remove(0));
    }
    for failure in failures {
        session.warn(format!("not recorded: {failure}"));
    }
    Ok(attached)
}

fn attach_to(
    node: &NodeProcess,
    root: u32,
    run_dir: &RunDir,
    collector: &Collector,
    session: &SessionWriter,
) -> Result<(), AttachError> {
    node.check()?;
    session.push(Event::Attached { pid: root });
    let socket = run_dir.socket_for(node.uid, node.gid).map_err(AttachError::Share)?;
    collector.expect(node.pid);
    load_agent(node, &run_dir.agent(), &socket)
}

fn load_agent(node: &NodeProcess, agent: &Path, socket: &Path) -> Result<(), AttachError> {
    let deadline = Instant::now() + PATIENCE;
    let (port, was_open) = open_inspector(node, deadline)?;
    let failed = |what: String| AttachError::Inspector { pid: node.pid, what };
    let mut inspector = Inspector::connect(port, deadline).map_err(failed)?;
    inspector.evaluate(&expression(agent, socket, !was_open), deadline).map_err(failed)?;
    drop(inspector);
    // The next process opens its own on the same port.
    while !was_open && node.listens_on(port) && Instant::now() < deadline {
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// Returns the port of the inspector, and whether it was open before.
fn open_inspector(node: &NodeProcess, deadline: Instant) -> Result<(u16, bool), AttachError> {
    let mut open = node.ports_of_open_inspector().into_iter();
    if let Some(port) = open.find(|port| inspector::is_there(*port, deadline)) {
        return Ok((port, true));
    }
    let usual = node.inspector_port();
    if let Some((by, command)) = node_process::holder_of_port(usual) {
        return Err(AttachError::PortTaken { pid: node.pid, port: usual, by, command });
    }
    let before = node.ports();
    node.ask_for_inspector()?;
    loop {
        // Whatever else the program begins to listen on meanwhile is no inspector.
        let new = node.ports();
        if let Some(port) = new.difference(&before).copied().find(|port| inspector::is_there(*port, deadline))
        {
            return Ok((port, false));
        }
        if !node.is_alive() {
            return Err(AttachError::Ended { pid: node.pid });
        }
        if Instant::now() >= deadline {
            return Err(AttachError::NoInspector { pid: node.pid, seconds: PATIENCE.as_secs() });
        }
        std::thread::sleep(POLL);
    }
}

/// What is evaluated in the process. The agent finds the collector by a variable, which no child process shall inherit.
fn expression(agent: &Path, socket: &Path, closes: bool) -> String {
    let [agent, socket] =
        [agent, socket].map(|path| serde_json::Value::from(path.to_string_lossy()).to_string());
    let close = if closes {
        format!("const {{ close }} = load('inspector');\n    setTimeout(close, {CLOSE_AFTER_MS}).unref();")
    } else {
        String::new()
    };
    format!(
        "(() => {{
  // The console's own, which is gone when this has been evaluated.
  const load = require;
  const {{ env }} = process;
  const own = env.SLOWPATH_SOCKET;
  env.SLOWPATH_SOCKET = {socket};
  try {{
    load({agent});
  }} finally {{
    if (own === undefined) delete env.SLOWPATH_SOCKET;
    else env.SLOWPATH_SOCKET = own;
    {close}
  }}
}})()"
    )
}
