//! HTTP/2 on the same epoll loop as HTTP/1.1: the `h2` crate keeps the protocol's state, and is asked to go on whenever
//! the socket, a request or a woken stream has something to do. No runtime, no timers of its own, so that pacing and
//! timeouts are those of the loop.
//!
//! ```text
//! epoll event ──> Http2Connection ──poll──> h2's connection ──> LinkIo ──> link
//!                       │    ^ wakes               │ frames
//!                       └────┴──poll──> streams <──┘
//! ```

mod connection;
mod link_io;
mod request;
mod session;
mod stream;
mod wake;

pub(crate) use connection::Http2Connection;
pub(crate) use request::Http2Request;
