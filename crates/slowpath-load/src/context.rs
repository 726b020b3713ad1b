//! What the connections of one thread share while one of them is at work. Decides nothing.

use std::collections::VecDeque;

use rustix::fd::OwnedFd;

use crate::clock;
use crate::pacer::Pacer;
use crate::tally::Tally;
use crate::target::Target;
use crate::times::Times;

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

/// A request that a connection has taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// In the whole load.
    pub(crate) number: u64,
    pub(crate) intended_ns: u64,
    pub(crate) start_ns: u64,
}

impl Context<'_> {
    /// Gives up to `n_requests` that may start now to a connection.
    pub(crate) fn take_requests(&mut self, n_requests: usize, mut give: impl FnMut(Taken)) {
        if n_requests == 0 {
            return;
        }
        let start_ns = clock::now_ns();
        for _ in 0..n_requests {
            let Some(ticket) = self.pacer.take(start_ns) else { return };
            self.tally.begin_request(ticket.intended_ns, start_ns);
            give(Taken { number: ticket.number, intended_ns: ticket.intended_ns, start_ns });
        }
    }
}

impl Taken {
    /// Returns the moments of a request whose answer was complete at `end_ns`.
    pub(crate) fn times(&self, end_ns: u64) -> Times {
        Times { intended_ns: self.intended_ns, start_ns: self.start_ns, first_body_byte_ns: None, end_ns }
    }
}
