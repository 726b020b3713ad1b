//! The bytes of one connection: plain TCP, or TLS on it. Never blocks, counts what passes.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use rustls::{ServerConfig, ServerConnection};

use super::counters::Counters;

/// Encrypted bytes that may wait for a client; more are not taken.
const MAX_ENCRYPTED_BYTES: usize = 64 * 1024;

pub(super) struct Transport {
    socket: OwnedFd,
    tls: Option<Box<ServerConnection>>,
}

/// What came from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    /// So many bytes, at least one. If they do not fill the buffer, there is no more for now.
    Bytes(usize),
    /// Nothing for now.
    Nothing,
    /// The client has left, or its TLS is broken.
    End,
}

/// The connection is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

impl Transport {
    pub(super) fn new(socket: OwnedFd, tls: Option<&Arc<ServerConfig>>) -> Result<Self, rustls::Error> {
        let tls = match tls {
            Some(config) => {
                let mut connection = ServerConnection::new(Arc::clone(config))?;
                connection.set_buffer_limit(Some(MAX_ENCRYPTED_BYTES));
                Some(Box::new(connection))
            }
            None => None,
        };
        Ok(Self { socket, tls })
    }

    /// Reads once what there is.
    pub(super) fn receive(&mut self, buffer: &mut [u8], counters: &mut Counters) -> Received {
        let mut wire = Wire { socket: &self.socket, counters };
        let Some(tls) = &mut self.tls else {
            return match wire.read(buffer) {
                Ok(0) => Received::End,
                Ok(n) => Received::Bytes(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Received::Nothing,
                Err(_) => Received::End,
            };
        };
        loop {
            match tls.reader().read(buffer) {
                Ok(0) => return Received::End,
                Ok(n) => return Received::Bytes(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Received::End,
            }
            match tls.read_tls(&mut wire) {
                Ok(0) => return Received::End,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Received::Nothing,
                Err(_) => return Received::End,
            }
            let was_handshaking = tls.is_handshaking();
            let is_valid = tls.process_new_packets().is_ok();
            // The next step of a handshake, or an alert that says what is wrong.
            let is_sent = send_encrypted(tls, &mut wire).is_ok();
            if was_handshaking && !is_valid {
                wire.counters.n_tls_failures += 1;
            } else if was_handshaking && !tls.is_handshaking() {
                wire.counters.n_tls_handshakes += 1;
            }
            if !is_valid || !is_sent {
                return Received::End;
            }
        }
    }

    /// Writes as much as the client takes; returns how many of `bytes` that were. Without any, writes what TLS still
    /// has to say.
    pub(super) fn send(&mut self, bytes: &[u8], counters: &mut Counters) -> Result<usize, Broken> {
        let mut wire = Wire { socket: &self.socket, counters };
        let Some(tls) = &mut self.tls else {
            let mut n_sent = 0;
            while n_sent < bytes.len() {
                match wire.write(&bytes[n_sent..]) {
                    Ok(n) => n_sent += n,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(_) => return Err(Broken),
                }
            }
            return Ok(n_sent);
        };
        let mut n_taken = 0;
        loop {
            send_encrypted(tls, &mut wire)?;
            if n_taken == bytes.len() || tls.wants_write() {
                return Ok(n_taken);
            }
            match tls.writer().write(&bytes[n_taken..]) {
                Ok(0) | Err(_) => return Ok(n_taken),
                Ok(n) => n_taken += n,
            }
        }
    }

    /// Tells whether reads may end before the socket is empty.
    pub(super) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Tells whether bytes that were taken have not reached TCP yet.
    pub(super) fn has_unsent(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Says that nothing more comes.
    pub(super) fn say_goodbye(&mut self, counters: &mut Counters) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            // Whoever does not take it has left.
            let _ = send_encrypted(tls, &mut Wire { socket: &self.socket, counters });
        }
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
    }
}

/// Writes what TLS has encrypted, as much as the client takes.
fn send_encrypted(tls: &mut ServerConnection, wire: &mut Wire<'_>) -> Result<(), Broken> {
    while tls.wants_write() {
        match tls.write_tls(wire) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(_) => return Err(Broken),
        }
    }
    Ok(())
}

/// The TCP socket, counted.
struct Wire<'a> {
    socket: &'a OwnedFd,
    counters: &'a mut Counters,
}

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match rustix::net::recv(self.socket, &mut *buffer, RecvFlags::empty()) {
                Err(Errno::INTR) => {}
                received => {
                    let (n, _) = received?;
                    self.counters.n_bytes_in += n as u64;
                    return Ok(n);
                }
            }
        }
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::net::send(self.socket, bytes, SendFlags::NOSIGNAL) {
                Err(Errno::INTR) => {}
                sent => {
                    let n = sent?;
                    self.counters.n_bytes_out += n as u64;
                    return Ok(n);
                }
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
