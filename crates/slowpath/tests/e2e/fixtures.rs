//! The programs under `fixtures/e2e`: where they are, where their planted functions are, and what they need to run.

use crate::harness::binary;
use crate::patience::wait_until;
use crate::processes::kill;
use rustix::process::Signal;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Returns `fixtures/e2e`.
pub(crate) fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/e2e");
    let root = root.canonicalize().expect("fixtures/e2e is there");
    assert!(root.join("node_modules").exists(), "run `cargo xtask setup` first: {}", root.display());
    root
}

/// Returns the folder of an app.
pub(crate) fn app(name: &str) -> PathBuf {
    root().join("apps").join(name)
}

/// Returns the Node.js binary of a major version.
pub(crate) fn node(major: u32) -> PathBuf {
    root().join(format!("node_modules/node{major}/bin/node"))
}

/// A planted function.
#[derive(Debug, Clone)]
pub(crate) struct Planted {
    pub(crate) function: String,
    /// Relative to the app's folder, as reports show it.
    pub(crate) file: String,
    pub(crate) line: u32,
}

impl Planted {
    /// Says whether a place in a report is this one.
    pub(crate) fn is_at(&self, place: &serde_json::Value) -> bool {
        place["function"] == self.function.as_str()
            && place["file"] == self.file.as_str()
            && place["line"] == self.line
    }
}

/// Finds where `function` is declared in a file of an app.
pub(crate) fn planted(app_name: &str, file: &str, function: &str) -> Planted {
    let text = std::fs::read_to_string(app(app_name).join(file)).expect("the app has this file");
    let declaration = format!("function {function}(");
    let at =
        text.lines().position(|line| line.contains(&declaration)).expect("the file declares the function");
    Planted { function: function.into(), file: file.into(), line: at as u32 + 1 }
}

/// Returns a port that nobody listens on, below those that the kernel hands out to clients.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let n = std::process::id().wrapping_mul(37).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = 20_000 + (n % 12_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// `slowpath mock-upstream`, ended when dropped.
#[derive(Debug)]
pub(crate) struct Upstream {
    child: Child,
    /// Its base URL, with `/v1`.
    pub(crate) url: String,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let mut child = Command::new(binary())
            .args(["mock-upstream", "--port", "0", "--latency", "5ms"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the slowpath binary starts");
        let mut url = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut url).expect("it prints its URL");
        Self { child, url: url.trim().to_owned() }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        kill(self.child.id(), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// A Redis without anything in it, ended when dropped. `.ci/run` installs `redis-server`.
#[derive(Debug)]
pub(crate) struct RedisServer {
    child: Child,
    pub(crate) port: u16,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        let port = free_port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is installed: `.ci/run` does that");
        wait_until("Redis listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { child, port }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        kill(self.child.id(), Signal::TERM);
        let _ = self.child.wait();
    }
}

/// Asks a server once and returns its whole answer.
pub(crate) fn get(port: u16) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
