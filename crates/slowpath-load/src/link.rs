//! An established connection, whatever it runs over: sends and receives bytes, never blocks, knows no HTTP.

use std::fmt;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

/// What carries the bytes of one connection.
pub(crate) enum Link {
    /// TCP or a Unix socket.
    Plain(OwnedFd),
}

/// Why no byte went.
#[derive(Debug)]
pub(crate) enum LinkError {
    /// Not now: an event will tell when.
    WouldBlock,
    /// The peer has ended the stream.
    End,
    /// The connection is lost.
    Lost(Errno),
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
            }
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
            }
        }
    }

    /// Tells whether a read of `n_bytes` into a buffer of `capacity` has left nothing to read.
    pub(crate) fn is_drained_by(&self, n_bytes: usize, capacity: usize) -> bool {
        match self {
            Self::Plain(_) => n_bytes < capacity,
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
            Self::Lost(errno) => std::io::Error::from(*errno).fmt(formatter),
        }
    }
}
