//! What the connections of one thread share while one of them is at work. Holds no logic.

use std::collections::VecDeque;

use rustix::fd::OwnedFd;

use crate::pacer::Pacer;
use crate::tally::Tally;
use crate::target::Target;

/// The thread's side of every connection's work.
pub(crate) struct Context<'a> {
    pub(crate) target: &'a Target,
    pub(crate) epoll: &'a OwnedFd,
    pub(crate) tally: Tally,
    pub(crate) pacer: Pacer,
    /// Open loads only: connections that can take a request, the one that has waited longest first.
    pub(crate) ready: VecDeque<u64>,
    /// What was received last.
    pub(crate) buffer: Vec<u8>,
    /// Empty memory for requests that are put together one by one; lent to the connection that sends one.
    pub(crate) spare: Vec<u8>,
    /// When the current batch of events was received; what those events report happened before.
    pub(crate) now_ns: u64,
    /// Per endpoint, the address that answered last; tried first.
    pub(crate) preferred_addresses: Vec<usize>,
    /// Connections with more to read that must be called again without an event.
    pub(crate) unread: Vec<u64>,
}
