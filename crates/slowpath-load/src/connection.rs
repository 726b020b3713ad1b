//! What the epoll loop of a thread wants of a connection, whichever version of HTTP it speaks.

use rustix::event::epoll::EventFlags;

use crate::context::Context;

/// One connection of a load: takes requests, sends them, reads their answers, starts over. Knows no other connection and
/// no thread; requests, time and counts come through [`Context`].
pub(crate) trait Connection {
    /// Returns a connection that does nothing before it gets to take a request.
    fn new(token: u64, endpoint: usize) -> Self;

    fn is_open(&self) -> bool;

    /// Begins the load. In an open one the connection is made ahead of its first request.
    fn start(&mut self, context: &mut Context<'_>);

    /// Takes the next request of an open load, if it can; the connection was first in the queue.
    fn on_chosen(&mut self, context: &mut Context<'_>);

    /// Takes an event of the connection's socket.
    fn on_event(&mut self, flags: EventFlags, context: &mut Context<'_>);

    /// Goes on reading where the last turn stopped for the sake of other connections.
    fn on_turn(&mut self, context: &mut Context<'_>);

    /// Looks at the clock: a pause may be over, a timeout reached.
    fn on_tick(&mut self, context: &mut Context<'_>);
}
