//! A mock LLM upstream that speaks OpenAI's chat completions, so that a gateway can be measured alone.
//!
//! Answers `POST /v1/chat/completions` (JSON, or server-sent events for `"stream": true`) and `GET /v1/models`, all
//! else with 404. It invents no text, checks no key and never fails on purpose. Timing is exact: see
//! [`UpstreamOptions`].

mod answer;
mod request;
mod server;
mod session;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::socket;

/// Connections that may wait to be accepted: more than any load of ours opens at once.
const BACKLOG: i32 = 4096;

/// How the mock upstream answers.
///
/// ```text
/// request ──latency──> whole JSON answer
/// request ──latency──> role, chunk 1 ──chunk_interval──> chunk 2 … chunk n, finish reason, usage, [DONE]
/// ```
#[derive(Debug, Clone)]
pub struct UpstreamOptions {
    /// TCP port on 127.0.0.1; 0, the default, picks a free one.
    pub port: u16,
    /// From the last byte of a request to the first of its answer; 20 ms by default.
    pub latency: Duration,
    /// From one content chunk of a stream to the next; 10 ms by default.
    pub chunk_interval: Duration,
    /// Content chunks of a stream, and words of a JSON answer; 20 by default.
    pub n_chunks: u32,
}

impl Default for UpstreamOptions {
    fn default() -> Self {
        Self {
            port: 0,
            latency: Duration::from_millis(20),
            chunk_interval: Duration::from_millis(10),
            n_chunks: 20,
        }
    }
}

/// Why the mock upstream could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The port cannot be listened on.
    #[error("cannot listen on 127.0.0.1:{port} for the mock upstream")]
    Listen {
        /// The port asked for.
        port: u16,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The operating system refused a thread, a timer or an epoll instance.
    #[error("cannot start the mock upstream's thread")]
    Start {
        /// The operating system's answer.
        source: io::Error,
    },
}

/// A running mock upstream. Dropping it stops it.
pub struct UpstreamHandle {
    port: u16,
    counts: Arc<Counts>,
    waker: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Counts {
    n_requests: AtomicU64,
    n_connections: AtomicU64,
}

/// Starts a mock upstream on 127.0.0.1, with a thread of its own.
pub fn serve(options: UpstreamOptions) -> Result<UpstreamHandle, UpstreamError> {
    let (listener, port) =
        listen(options.port).map_err(|source| UpstreamError::Listen { port: options.port, source })?;
    let start_failed = |source| UpstreamError::Start { source };
    let counts = Arc::new(Counts::default());
    let (server, waker) =
        server::Server::new(listener, options, Arc::clone(&counts)).map_err(start_failed)?;
    let thread = std::thread::Builder::new()
        .name("slowpath-upstream".to_owned())
        .spawn(move || server.run())
        .map_err(start_failed)?;
    Ok(UpstreamHandle { port, counts, waker, thread: Some(thread) })
}

impl UpstreamHandle {
    /// Returns the TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the number of complete requests received so far.
    pub fn n_requests(&self) -> u64 {
        self.counts.n_requests.load(Ordering::Relaxed)
    }

    /// Returns the number of connections accepted so far. A gateway that keeps connections alive opens few.
    pub fn n_connections(&self) -> u64 {
        self.counts.n_connections.load(Ordering::Relaxed)
    }

    /// Closes all connections and ends the thread.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for UpstreamHandle {
    fn drop(&mut self) {
        socket::wake(&self.waker);
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed, and there is nothing left to clean up.
            let _ = thread.join();
        }
    }
}

/// Not `std`'s listener: its backlog of 128 drops connections when a load opens hundreds at once.
fn listen(port: u16) -> io::Result<(OwnedFd, u16)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let listener = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&listener, true)?;
    rustix::net::bind(&listener, &SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    rustix::net::listen(&listener, BACKLOG)?;
    let address = SocketAddr::try_from(rustix::net::getsockname(&listener)?)?;
    Ok((listener, address.port()))
}
