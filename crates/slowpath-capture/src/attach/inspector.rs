//! A client of Node's inspector: finds its WebSocket over HTTP, and has one expression evaluated
//! (<https://chromedevtools.github.io/devtools-protocol/tot/Runtime/#method-evaluate>).

use serde::Deserialize;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tungstenite::{Message, WebSocket};

/// How long one look at a port may take: what is no inspector may never answer.
const LOOK: Duration = Duration::from_secs(1);

/// More than the list of targets of one process.
const MAX_ANSWER: u64 = 1 << 20;

/// An open session.
#[derive(Debug)]
pub(super) struct Inspector {
    socket: WebSocket<TcpStream>,
}

#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "webSocketDebuggerUrl")]
    url: Option<String>,
}

/// Whether the port answers as an inspector of Node does.
pub(super) fn is_there(port: u16, deadline: Instant) -> bool {
    urls(port, deadline.min(Instant::now() + LOOK)).is_ok_and(|urls| !urls.is_empty())
}

impl Inspector {
    /// Connects to the process behind `port`. Errors are the end of a sentence that begins with `the inspector`.
    pub(super) fn connect(port: u16, deadline: Instant) -> Result<Self, String> {
        // One that another debugger is connected to has no address of its own in older versions of Node.
        let url =
            urls(port, deadline)?.into_iter().next().ok_or("offers no session: another debugger holds it")?;
        let stream = open(port, deadline)?;
        let (socket, _) =
            tungstenite::client(url, stream).map_err(|error| format!("refused the session: {error}"))?;
        Ok(Self { socket })
    }

    /// Evaluates `expression` with `require` at hand, and waits for its end.
    pub(super) fn evaluate(&mut self, expression: &str, deadline: Instant) -> Result<(), String> {
        let params =
            json!({ "expression": expression, "includeCommandLineAPI": true, "returnByValue": true });
        let command = json!({ "id": 1, "method": "Runtime.evaluate", "params": params });
        let gone = |error: tungstenite::Error| format!("did not answer: {error}");
        self.socket.send(Message::text(command.to_string())).map_err(gone)?;
        loop {
            if Instant::now() >= deadline {
                return Err("did not answer in time".into());
            }
            let message = self.socket.read().map_err(gone)?;
            let Ok(text) = message.to_text() else { continue };
            let Ok(answer) = serde_json::from_str::<Value>(text) else { continue };
            if answer["id"] != 1 {
                continue;
            }
            let thrown = &answer["result"]["exceptionDetails"];
            let what = [&thrown["exception"]["description"], &answer["error"]["message"]];
            return match what.into_iter().find_map(Value::as_str) {
                Some(what) => {
                    Err(format!("could not load the agent: {}", what.lines().next().unwrap_or_default()))
                }
                None if thrown.is_object() => Err("could not load the agent".into()),
                None => Ok(()),
            };
        }
    }
}

/// Returns the addresses of the sessions that an inspector offers.
fn urls(port: u16, deadline: Instant) -> Result<Vec<String>, String> {
    let mut stream = open(port, deadline)?;
    let failed = |error: std::io::Error| format!("did not answer: {error}");
    let request = format!("GET /json/list HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    let mut limited = stream.take(MAX_ANSWER);
    let mut piece = [0; 4096];
    // It leaves the connection open: the end is where the list is whole.
    loop {
        match limited.read(&mut piece).map_err(failed)? {
            0 => break,
            n => answer.extend_from_slice(&piece[..n]),
        }
        if let Some(listed) = listed(&answer) {
            return Ok(listed);
        }
    }
    listed(&answer).ok_or_else(|| "does not answer as one of Node.js does".into())
}

/// Returns the addresses in an answer, if it is whole.
fn listed(answer: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(answer).ok()?;
    let (_, body) = text.split_once("\r\n\r\n")?;
    let listed: Vec<Listed> = serde_json::from_str(body.trim_end_matches('\0')).ok()?;
    Some(listed.into_iter().filter_map(|target| target.url).collect())
}

fn open(port: u16, deadline: Instant) -> Result<TcpStream, String> {
    let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
    let failed = |error: std::io::Error| format!("cannot be reached on port {port}: {error}");
    let stream =
        TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), left).map_err(failed)?;
    stream.set_read_timeout(Some(left)).map_err(failed)?;
    stream.set_write_timeout(Some(left)).map_err(failed)?;
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_sessions_is_read_once_it_is_whole() {
        let answer = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n[ {\"id\": \"a\", \"webSocketDebuggerUrl\": \"ws://127.0.0.1:9229/a\"} ]\n\n";
        assert_eq!(listed(answer), Some(vec!["ws://127.0.0.1:9229/a".to_owned()]));
        assert_eq!(listed(&answer[..80]), None);
        assert_eq!(listed(b"HTTP/1.1 404 Not Found\r\n\r\nno"), None);
        assert_eq!(listed(b"HTTP/1.0 200 OK\r\n\r\n[{\"id\":\"a\"}]"), Some(vec![]));
    }
}
