//! A link as `h2` wants it. Whoever polls is not woken when the socket has something: the epoll loop polls again then.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::link::{Link, LinkError};

/// Reads from the socket before other connections get their turn; some 16 KiB each.
const READS_PER_TURN: u32 = 64;

/// The link of one connection; lives inside of h2's connection.
pub(super) struct LinkIo {
    link: Link,
    traffic: Arc<Traffic>,
}

/// What went over the link, for the connection outside. Both are on the same thread; atomics because h2 may be sent.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    bytes_received: AtomicU64,
    bytes_sent: AtomicU64,
    reads_left: AtomicU32,
}

impl Traffic {
    /// Begins a turn.
    pub(super) fn begin_turn(&self) {
        self.reads_left.store(READS_PER_TURN, Ordering::Relaxed);
    }

    /// Tells whether the turn has ended before the socket was empty.
    pub(super) fn has_more(&self) -> bool {
        self.reads_left.load(Ordering::Relaxed) == 0
    }

    /// Returns the bytes received and sent since the last call.
    pub(super) fn take(&self) -> (u64, u64) {
        (self.bytes_received.swap(0, Ordering::Relaxed), self.bytes_sent.swap(0, Ordering::Relaxed))
    }
}

impl LinkIo {
    pub(super) fn new(link: Link, traffic: Arc<Traffic>) -> Self {
        Self { link, traffic }
    }
}

impl AsyncRead for LinkIo {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { link, traffic } = self.get_mut();
        if traffic.has_more() {
            return Poll::Pending;
        }
        match link.receive(buffer.initialize_unfilled()) {
            Ok(n_bytes) => {
                buffer.advance(n_bytes);
                traffic.reads_left.fetch_sub(1, Ordering::Relaxed);
                traffic.bytes_received.fetch_add(n_bytes as u64, Ordering::Relaxed);
                Poll::Ready(Ok(()))
            }
            // An end without that of TLS loses nothing here: HTTP/2 knows what is complete.
            Err(LinkError::End | LinkError::Cut) => Poll::Ready(Ok(())),
            Err(error) => unless_blocked(error),
        }
    }
}

impl AsyncWrite for LinkIo {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Self { link, traffic } = self.get_mut();
        match link.send(bytes) {
            Ok(n_bytes) => {
                traffic.bytes_sent.fetch_add(n_bytes as u64, Ordering::Relaxed);
                Poll::Ready(Ok(n_bytes))
            }
            Err(error) => unless_blocked(error),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut().link.flush() {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => unless_blocked(error),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}

fn unless_blocked<T>(error: LinkError) -> Poll<io::Result<T>> {
    match error {
        LinkError::WouldBlock => Poll::Pending,
        LinkError::Lost(errno) => Poll::Ready(Err(errno.into())),
        error => Poll::Ready(Err(io::Error::other(error.to_string()))),
    }
}
