//! An established connection, whatever it runs over: sends and receives bytes, never blocks, knows no HTTP.

use std::fmt;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use crate::tls_link::TlsLink;

/// What carries the bytes of one connection.
pub(crate) enum Link {
    /// TCP or a Unix socket.
    Plain(OwnedFd),
    /// TLS over one of those.
    Tls(Box<TlsLink>),
}

/// Why no byte went.
#[derive(Debug)]
pub(crate) enum LinkError {
    /// Not now: an event will tell when.
    WouldBlock,
    /// The peer has ended the stream.
    End,
    /// The stream of the socket has ended, but not that of TLS: something may be missing.
    Cut,
    /// The connection is lost.
    Lost(Errno),
    /// TLS failed, in rustls' words.
    Tls(String),
}

impl Link {
    /// Sends the beginning of `bytes`, which are not empty, and returns its length.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<usize, LinkError> {
        loop {
            match self {
                Self::Plain(socket) => match rustix::net::send(socket, bytes, SendFlags::NOSIGNAL) {
                    Ok(n_bytes) => return Ok(n_bytes),
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno.into()),
                },
                Self::Tls(link) => return link.send(bytes),
            }
        }
    }

    /// Tells whether there is something for [`Self::flush`].
    pub(crate) fn has_unsent(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(link) => link.has_unsent(),
        }
    }

    /// Sends what an earlier call has taken over and could not send.
    pub(crate) fn flush(&mut self) -> Result<(), LinkError> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(link) => link.flush(),
        }
    }

    /// Receives into `buffer` and returns the number of bytes, at least 1.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, LinkError> {
        loop {
            match self {
                Self::Plain(socket) => match rustix::net::recv(socket, &mut *buffer, RecvFlags::empty()) {
                    Ok((0, _)) => return Err(LinkError::End),
                    Ok((n_bytes, _)) => return Ok(n_bytes),
                    Err(Errno::INTR) => {}
                    Err(errno) => return Err(errno.into()),
                },
                Self::Tls(link) => return link.receive(buffer),
            }
        }
    }

    /// Tells whether a read of `n_bytes` into a buffer of `capacity` has left nothing to read.
    pub(crate) fn is_drained_by(&self, n_bytes: usize, capacity: usize) -> bool {
        match self {
            Self::Plain(_) => n_bytes < capacity,
            Self::Tls(link) => link.is_drained_by(n_bytes, capacity),
        }
    }
}

impl From<Errno> for LinkError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::AGAIN => Self::WouldBlock,
            errno => Self::Lost(errno),
        }
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WouldBlock => formatter.write_str("nothing can be sent or received now"),
            Self::End => formatter.write_str("the connection was closed"),
            Self::Cut => formatter.write_str("the connection was closed without the end mark of TLS"),
            Self::Lost(errno) => std::io::Error::from(*errno).fmt(formatter),
            Self::Tls(problem) => formatter.write_str(problem),
        }
    }
}
