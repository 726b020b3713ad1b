//! What runs beside a program of the scoreboard: the provider behind it, a Redis, a script. They end with their value.

use crate::scoreboard::Expected;
use anyhow::{Context as _, Result, bail};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a Redis may take to answer: it starts in some ten milliseconds.
const REDIS_START: Duration = Duration::from_secs(10);

/// A process that ends when it is dropped.
#[derive(Debug)]
struct Companion(Child);

impl Drop for Companion {
    fn drop(&mut self) {
        // It may have ended by itself; either way nobody is left to tell.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The provider behind the gateway.
#[derive(Debug)]
pub(crate) struct Mock {
    _process: Companion,
    pub(crate) port: u16,
}

impl Mock {
    pub(crate) fn start(slowpath: &Path, expected: &Expected) -> Result<Self> {
        let latency = format!("{}ms", expected.upstream_ms);
        let mut child = Command::new(slowpath)
            .args(["mock", "--port", "0", "--itl", "2ms", "--tokens", &expected.tokens.to_string()])
            .args(["--unary-latency", &latency, "--ttft", &latency, "--error-rate", &expected.error_rate])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("`slowpath mock` does not start")?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("it is piped")?;
        let process = Companion(child);
        BufReader::new(stdout).read_line(&mut line)?;
        let port = line.trim().rsplit(':').next().and_then(|port| port.trim_end_matches('/').parse().ok());
        let port = port.with_context(|| format!("`slowpath mock` printed no URL but `{line}`"))?;
        Ok(Self { _process: process, port })
    }
}

/// A script of the program's own, such as a service that it asks.
#[derive(Debug)]
pub(crate) struct Beside {
    _process: Companion,
    pub(crate) port: u16,
}

impl Beside {
    pub(crate) fn start(script: &Path) -> Result<Self> {
        let mut child = Command::new("node")
            .arg(script)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("`node {}` does not start", script.display()))?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("it is piped")?;
        let process = Companion(child);
        BufReader::new(stdout).read_line(&mut line)?;
        let port = line.trim().parse();
        let port =
            port.with_context(|| format!("`node {}` printed no port but `{line}`", script.display()))?;
        Ok(Self { _process: process, port })
    }
}

/// A Redis of its own that keeps nothing on the disk.
#[derive(Debug)]
pub(crate) struct Redis {
    _process: Companion,
    pub(crate) port: u16,
}

impl Redis {
    pub(crate) fn start() -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("`redis-server` does not start: install it (`apt-get install redis-server`)")?;
        let mut process = Companion(child);
        let deadline = Instant::now() + REDIS_START;
        while !answers(port) {
            if let Some(status) = process.0.try_wait()? {
                bail!("`redis-server --port {port}` ended at once: {status}");
            }
            if Instant::now() > deadline {
                bail!("`redis-server --port {port}` does not answer");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Self { _process: process, port })
    }
}

fn answers(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"+PONG\r\n")
    };
    ask().unwrap_or(false)
}
