//! A small HTTP server that remembers what it was sent. One thread a connection; answers are chosen by the path.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Requests that are remembered; a load without an end must not eat the memory.
const MAX_REQUESTS: usize = 100_000;

const CHAT_ANSWER: &str = r#"{"object":"chat.completion","choices":[{"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}]}"#;

const CHAT_STREAM: &str = concat!(
    r#"data: {"object":"chat.completion.chunk","choices":[{"delta":{"role":"assistant"}}]}"#,
    "\n\n",
    r#"data: {"object":"chat.completion.chunk","choices":[{"delta":{"content":"hi"}}]}"#,
    "\n\n",
    r#"data: {"object":"chat.completion.chunk","choices":[{"delta":{},"finish_reason":"stop"}]}"#,
    "\n\ndata: [DONE]\n\n",
);

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

/// The server; it ends with the test's process.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    n_connections: Arc<AtomicUsize>,
}

impl Server {
    /// Listens on a free port.
    ///
    /// `/status/503` answers with that status, `/sleep/20` after 20 ms, `/never` not at all, `/json` with JSON, `/v1/…` as
    /// OpenAI's API, anything else with `hello`.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let n_connections = Arc::new(AtomicUsize::new(0));
        let (log, count) = (Arc::clone(&requests), Arc::clone(&n_connections));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let log = Arc::clone(&log);
                count.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || serve(stream, &log));
            }
        });
        Self { port, requests, n_connections }
    }

    /// Returns `http://127.0.0.1:port` and the path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Everything that came so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no thread panics with it").clone()
    }

    pub(crate) fn n_connections(&self) -> usize {
        self.n_connections.load(Ordering::SeqCst)
    }
}

fn serve(stream: TcpStream, log: &Mutex<Vec<Request>>) {
    let mut answers = stream.try_clone().expect("sockets can be cloned");
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        let path = request.path.clone();
        let wants_stream = request.body.contains(r#""stream":true"#);
        let mut log = log.lock().expect("no thread panics with it");
        if log.len() < MAX_REQUESTS {
            log.push(request);
        }
        drop(log);
        let mut words = path.trim_start_matches('/').split('/');
        let mut kind = "application/json";
        let (status, body) = match (words.next(), words.next()) {
            (Some("v1"), _) if wants_stream => {
                kind = "text/event-stream";
                ("200".to_owned(), CHAT_STREAM.to_owned())
            }
            (Some("v1"), _) => ("200".to_owned(), CHAT_ANSWER.to_owned()),
            (Some("status"), Some(status)) => (status.to_owned(), "no".to_owned()),
            (Some("sleep"), Some(ms)) => {
                std::thread::sleep(Duration::from_millis(ms.parse().unwrap_or(0)));
                ("200".to_owned(), "slept".to_owned())
            }
            (Some("never"), _) => {
                std::thread::sleep(Duration::from_mins(1));
                return;
            }
            (Some("json"), _) => ("200".to_owned(), r#"{"ok":true,"n":5}"#.to_owned()),
            _ => ("200".to_owned(), "hello".to_owned()),
        };
        let answer = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        if answers.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// Returns `None` at the end of the connection.
fn read_request(reader: &mut impl BufRead) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { method, path, headers, body: String::from_utf8_lossy(&body).into_owned() })
}
