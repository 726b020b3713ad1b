//! Counts the signals that ask us to end: once is "end early and report", twice is "abort".

use anyhow::Context as _;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A counter that signals raise.
#[derive(Debug, Clone)]
pub(crate) struct StopRequests {
    n: Arc<AtomicUsize>,
}

impl StopRequests {
    /// Takes over SIGINT, SIGTERM and SIGHUP.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let n = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&n);
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot handle signals")?;
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for _ in signals.forever() {
                    counter.fetch_add(1, Ordering::SeqCst);
                }
            })
            .context("cannot handle signals")?;
        Ok(Self { n })
    }

    /// Whether somebody asked to end.
    pub(crate) fn stop(&self) -> bool {
        self.n.load(Ordering::SeqCst) >= 1
    }

    /// Whether somebody asked twice.
    pub(crate) fn abort(&self) -> bool {
        self.n.load(Ordering::SeqCst) >= 2
    }
}
