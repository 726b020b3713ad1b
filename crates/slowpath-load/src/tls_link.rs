//! A connection over TLS: turns bytes into records and back, over a non-blocking socket. Knows no HTTP.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::link::LinkError;

/// A socket and its TLS session.
pub(crate) struct TlsLink {
    socket: OwnedFd,
    session: ClientConnection,
    /// The last read from the socket did not fill its buffer, so that nothing was left there.
    is_drained: bool,
}

impl TlsLink {
    /// Begins a session on a connected socket; nothing is sent yet.
    pub(crate) fn new(
        socket: OwnedFd,
        config: Arc<ClientConfig>,
        server_name: ServerName<'static>,
    ) -> Result<Self, LinkError> {
        let session = ClientConnection::new(config, server_name).map_err(|error| tls_error(&error))?;
        Ok(Self { socket, session, is_drained: true })
    }

    /// Goes on with the handshake; tells whether it is complete.
    pub(crate) fn shake_hands(&mut self) -> Result<bool, LinkError> {
        loop {
            match self.flush() {
                Ok(()) if !self.session.is_handshaking() => return Ok(true),
                Ok(()) => {}
                Err(LinkError::WouldBlock) => return Ok(false),
                Err(error) => return Err(error),
            }
            match self.fill() {
                Ok(()) => {}
                Err(LinkError::WouldBlock) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
    }

    /// Returns the protocol that both sides agreed on.
    pub(crate) fn alpn(&self) -> Option<&[u8]> {
        self.session.alpn_protocol()
    }

    /// Sends the beginning of `bytes` and returns its length. What the socket does not take at once stays here until
    /// [`Self::flush`].
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Result<usize, LinkError> {
        self.flush()?;
        let n_bytes = self.session.writer().write(bytes).map_err(|error| io_error(&error))?;
        match self.flush() {
            Ok(()) | Err(LinkError::WouldBlock) => Ok(n_bytes),
            Err(error) => Err(error),
        }
    }

    /// Tells whether records wait to be sent.
    pub(crate) fn has_unsent(&self) -> bool {
        self.session.wants_write()
    }

    /// Sends what is left of records.
    pub(crate) fn flush(&mut self) -> Result<(), LinkError> {
        while self.session.wants_write() {
            let mut socket = Socket { socket: &self.socket, is_drained: &mut self.is_drained };
            self.session.write_tls(&mut socket).map_err(|error| io_error(&error))?;
        }
        Ok(())
    }

    /// Receives into `buffer` and returns the number of bytes, at least 1.
    pub(crate) fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, LinkError> {
        loop {
            match self.session.reader().read(buffer) {
                Ok(0) => return Err(LinkError::End),
                Ok(n_bytes) => return Ok(n_bytes),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.fill()?,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(LinkError::Cut),
                Err(error) => return Err(io_error(&error)),
            }
        }
    }

    /// Tells whether a read of `n_bytes` into a buffer of `capacity` has left nothing to read.
    pub(crate) fn is_drained_by(&self, n_bytes: usize, capacity: usize) -> bool {
        n_bytes < capacity && self.is_drained
    }

    /// Reads records from the socket. At the end of its stream there is nothing more, which the next read will tell.
    fn fill(&mut self) -> Result<(), LinkError> {
        let mut socket = Socket { socket: &self.socket, is_drained: &mut self.is_drained };
        let n_bytes = self.session.read_tls(&mut socket).map_err(|error| io_error(&error))?;
        if let Err(error) = self.session.process_new_packets() {
            // Tells the peer why; whether it hears it does not matter any more.
            let _ = self.flush();
            return Err(tls_error(&error));
        }
        if n_bytes == 0 && self.session.is_handshaking() {
            return Err(LinkError::End);
        }
        // Answers to messages of TLS itself; if they do not go now, they go with the next bytes.
        match self.flush() {
            Ok(()) | Err(LinkError::WouldBlock) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Drop for TlsLink {
    fn drop(&mut self) {
        // A peer that is told so need not suspect that the connection was cut; one that does not listen is not waited for.
        self.session.send_close_notify();
        let _ = self.flush();
    }
}

/// The socket as rustls wants it.
struct Socket<'a> {
    socket: &'a OwnedFd,
    is_drained: &'a mut bool,
}

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match rustix::net::recv(self.socket, &mut *buffer, RecvFlags::empty()) {
                Ok((n_bytes, _)) => {
                    *self.is_drained = n_bytes < buffer.len();
                    return Ok(n_bytes);
                }
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::net::send(self.socket, bytes, SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                outcome => return outcome.map_err(io::Error::from),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn tls_error(error: &rustls::Error) -> LinkError {
    LinkError::Tls(error.to_string())
}

/// Finds the system's or rustls' error within one of `std::io`.
fn io_error(error: &io::Error) -> LinkError {
    match Errno::from_io_error(error) {
        Some(errno) => errno.into(),
        None => LinkError::Tls(error.to_string()),
    }
}
