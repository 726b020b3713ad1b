//! A scripted TCP server for the tests: each connection is handled by a function, on a thread of its own.
//! And a load that reports its intervals through a channel, so that tests wait for events and not for seconds.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use slowpath_load::{Interval, LoadHandle, LoadPlan, LoadTotals, Url, start};

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    n_connections: Arc<AtomicUsize>,
}

impl Server {
    /// Listens on a free port; `handle` gets each connection and its number, from 0.
    pub(crate) fn new(handle: impl Fn(TcpStream, usize) + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1:0", handle).expect("the loopback address has free ports")
    }

    pub(crate) fn on(
        address: &str,
        handle: impl Fn(TcpStream, usize) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let n_connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&n_connections);
        let handle = Arc::new(handle);
        // The threads end with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let number = counter.fetch_add(1, Ordering::SeqCst);
                let handle = Arc::clone(&handle);
                std::thread::spawn(move || handle(stream, number));
            }
        });
        Ok(Self { address, n_connections })
    }

    /// Answers every request of every connection with these bytes, and keeps connections open.
    pub(crate) fn answering(answer: &'static [u8]) -> Self {
        Self::new(move |mut stream, _| {
            while read_request(&mut stream).is_some() {
                if stream.write_all(answer).is_err() {
                    return;
                }
            }
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn n_connections(&self) -> usize {
        self.n_connections.load(Ordering::SeqCst)
    }
}

/// Reads one request with an optional `content-length` body; `None` at the end of the stream.
pub(crate) fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return Some(text);
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(n_bytes) => request.extend_from_slice(&buffer[..n_bytes]),
        }
    }
}

/// A load on one connection (unless changed) with a short interval.
pub(crate) struct TestLoad {
    handle: LoadHandle,
    intervals: Receiver<Interval>,
    seen: Interval,
}

pub(crate) fn load(url: &str, change: impl FnOnce(&mut LoadPlan)) -> TestLoad {
    let mut plan = LoadPlan::new(Url::parse(url).expect("the test's url is valid"));
    plan.connections = 1;
    plan.interval = Duration::from_millis(20);
    change(&mut plan);
    let (sender, intervals) = channel();
    let handle = start(plan, move |interval| {
        let _ = sender.send(interval);
    })
    .expect("the test's plan is valid");
    TestLoad { handle, intervals, seen: Interval::empty(u64::MAX, 0) }
}

impl TestLoad {
    /// Waits until all intervals so far fulfil `condition`; gives up after 20 s.
    pub(crate) fn wait_until(&mut self, condition: impl Fn(&Interval) -> bool) {
        while !condition(&self.seen) {
            match self.intervals.recv_timeout(Duration::from_secs(20)) {
                Ok(interval) => self.seen.merge(&interval),
                Err(error) => panic!("no interval: {error}; so far {:?}", self.seen),
            }
            assert!(self.seen.end_ns - self.seen.start_ns < 20_000_000_000, "so far {:?}", self.seen);
        }
    }

    /// Waits until all requests of the plan have ended; gives up after 20 s.
    pub(crate) fn wait_until_finished(&mut self) {
        assert!(self.handle.wait(Duration::from_secs(20)), "so far {:?}", self.seen);
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    pub(crate) fn cut(&self, label: &str) {
        self.handle.cut(label);
    }

    /// Stops the load; returns the totals and the intervals that were not waited for.
    pub(crate) fn stop(self) -> (LoadTotals, Vec<Interval>) {
        let totals = self.handle.stop();
        (totals, self.intervals.into_iter().collect())
    }
}
