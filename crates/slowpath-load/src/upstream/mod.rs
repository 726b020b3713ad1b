//! A mock LLM upstream, so that a gateway can be measured alone: OpenAI's chat completions, completions, responses and
//! embeddings, Claude's messages, Gemini's content generation, and the lists of models.
//!
//! It invents no text, checks no key, and fails only where told to. Timing is exact, see [`Settings`]; texts and chance
//! depend on nothing but the seed and the running number of a request. One thread does it all:
//!
//! ```text
//! server (epoll, due times) ──> session (one connection) ──> transport (TCP, TLS)
//!                                  │ request: bytes ──> requests
//!                                  │ dispatch, api: request ──> endpoint, texts of the answer
//!                                  │ call: settings, chance, time ──> pieces of the answer
//!                                  └ control: /_mock ──> settings, counters
//! ```

mod answer;
mod api;
mod call;
mod control;
mod counters;
mod dispatch;
mod distribution;
pub mod request;
mod server;
mod session;
mod settings;
mod text;
mod tls;
mod transport;
mod variates;

pub use distribution::{CountDistribution, DistributionError, TimeDistribution};
pub use settings::{SettingError, Settings, Share, parse_error_status};
pub use tls::{IdentityError, TlsIdentity};

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use rustix::fd::OwnedFd;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::socket;

/// Connections that may wait to be accepted: more than any load of ours opens at once.
const BACKLOG: i32 = 4096;

/// Where the mock upstream listens and how it answers at first.
#[derive(Debug, Clone)]
pub struct UpstreamOptions {
    /// Address to listen on; 127.0.0.1 by default. Whoever reaches it can change the settings.
    pub host: IpAddr,
    /// TCP port; 0, the default, picks a free one.
    pub port: u16,
    /// How it answers, until that is changed over HTTP.
    pub settings: Settings,
    /// Speak TLS with this certificate; `None`, the default, is plain HTTP.
    pub tls: Option<TlsIdentity>,
}

impl Default for UpstreamOptions {
    fn default() -> Self {
        Self { host: Ipv4Addr::LOCALHOST.into(), port: 0, settings: Settings::default(), tls: None }
    }
}

/// Why the mock upstream could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address} for the mock upstream")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
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
    address: SocketAddr,
    totals: Arc<Totals>,
    waker: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

/// Sums that no reset touches.
#[derive(Default)]
struct Totals {
    n_requests: AtomicU64,
    n_connections: AtomicU64,
}

/// Starts a mock upstream, with a thread of its own.
pub fn serve(options: UpstreamOptions) -> Result<UpstreamHandle, UpstreamError> {
    let asked = SocketAddr::from((options.host, options.port));
    let (listener, address) =
        listen(asked).map_err(|source| UpstreamError::Listen { address: asked, source })?;
    let start_failed = |source| UpstreamError::Start { source };
    let totals = Arc::new(Totals::default());
    let (epoll, waker) = socket::epoll_with_waker(server::WAKE_TOKEN).map_err(start_failed)?;
    let waker = Arc::new(waker);
    let server = server::Server::new(listener, epoll, Arc::clone(&waker), options, Arc::clone(&totals))
        .map_err(start_failed)?;
    let thread = std::thread::Builder::new()
        .name("slowpath-upstream".to_owned())
        .spawn(move || server.run())
        .map_err(start_failed)?;
    Ok(UpstreamHandle { address, totals, waker, thread: Some(thread) })
}

impl UpstreamHandle {
    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the TCP port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns the number of complete requests received so far, without those to `/_mock`.
    pub fn n_requests(&self) -> u64 {
        self.totals.n_requests.load(Ordering::Relaxed)
    }

    /// Returns the number of connections accepted so far, without those to `/_mock`. A gateway that keeps connections
    /// alive opens few.
    pub fn n_connections(&self) -> u64 {
        self.totals.n_connections.load(Ordering::Relaxed)
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
fn listen(address: SocketAddr) -> io::Result<(OwnedFd, SocketAddr)> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let listener = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&listener, true)?;
    rustix::net::bind(&listener, &address)?;
    rustix::net::listen(&listener, BACKLOG)?;
    let bound = SocketAddr::try_from(rustix::net::getsockname(&listener)?)?;
    Ok((listener, bound))
}
