//! Ends the target as a person would: SIGINT to its group, grace, SIGTERM, then SIGKILL to whatever is left of the tree.

use crate::SessionWriter;
use crate::launch::{ChildChange, Launched};
use crate::proc_fs::tree_of;
use rustix::process::{Pid, Signal};
use slowpath_profile::recording::Event;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Time between SIGTERM and SIGKILL.
const TERM_GRACE: Duration = Duration::from_secs(2);

/// How often the tree is looked at.
const POLL: Duration = Duration::from_millis(10);

/// How the target ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopReport {
    /// How its first process ended.
    pub first_process: Option<ChildChange>,
    /// The strongest signal that was needed.
    pub last_signal: Option<&'static str>,
}

/// Stops the target and everything below it; `hurry` is asked whether to go on to SIGKILL at once. `between` runs
/// between looks, so that output keeps flowing. When this returns, no process of the tree is alive.
pub fn stop(
    target: &mut Launched,
    session: &SessionWriter,
    grace: Duration,
    hurry: &dyn Fn() -> bool,
    between: &mut dyn FnMut(),
) -> StopReport {
    let mut last_signal = None;
    for (signal, name, patience) in [(Signal::INT, "SIGINT", grace), (Signal::TERM, "SIGTERM", TERM_GRACE)] {
        if tree_is_gone(target) {
            break;
        }
        last_signal = Some(name);
        session.push(Event::Signalled { signal: name.to_owned() });
        signal_group(target.pid, signal);
        wait_until_gone(target, patience, hurry, between);
    }
    while !tree_is_gone(target) {
        if last_signal != Some("SIGKILL") {
            last_signal = Some("SIGKILL");
            session.push(Event::Signalled { signal: "SIGKILL".to_owned() });
        }
        for pid in living(target) {
            if let Some(pid) = Pid::from_raw(pid as i32) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
        wait_until_gone(target, Duration::from_millis(500), &|| false, between);
    }
    between();
    StopReport { first_process: target.poll(true), last_signal }
}

fn signal_group(pid: u32, signal: Signal) {
    if let Some(group) = Pid::from_raw(pid as i32) {
        let _ = rustix::process::kill_process_group(group, signal);
        // A job that was stopped must run to see the signal.
        let _ = rustix::process::kill_process_group(group, Signal::CONT);
    }
}

fn wait_until_gone(
    target: &mut Launched,
    patience: Duration,
    hurry: &dyn Fn() -> bool,
    between: &mut dyn FnMut(),
) {
    let deadline = Instant::now() + patience;
    while !tree_is_gone(target) && Instant::now() < deadline && !hurry() {
        between();
        std::thread::sleep(POLL);
    }
}

fn tree_is_gone(target: &mut Launched) -> bool {
    target.poll(true).is_some() && living(target).is_empty()
}

/// Returns the processes of the tree that are alive, ourselves left out.
fn living(target: &Launched) -> BTreeSet<u32> {
    let mut tree = tree_of(target.pid, std::process::id());
    tree.remove(&std::process::id());
    tree
}
