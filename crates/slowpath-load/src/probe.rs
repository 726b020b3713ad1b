//! One blocking request, for readiness checks. Not for measuring.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use rustls::{ClientConnection, StreamOwned};

use crate::error::LoadError;
use crate::interval::ErrorClass;
use crate::plan::{LoadPlan, Tls};
use crate::redact::Redactor;
use crate::request_source::RequestSource;
use crate::response::{Answers, Progress, ResponseParser};
use crate::tls;
use crate::url::{Scheme, Url};

/// Sends one `GET` and returns the status of the complete answer, whichever it is.
///
/// `timeout` bounds the whole: connecting to each address of the host, sending and reading. Over `https:` any
/// certificate will do: whether a server is ready does not depend on who it is.
///
/// # Errors
/// [`LoadError::UnknownHost`], or [`LoadError::NoAnswer`] with the class of the failure.
pub fn get_once(url: &Url, timeout: Duration) -> Result<u16, LoadError> {
    let deadline = Instant::now() + timeout;
    let mut plan = LoadPlan::new(url.clone());
    plan.requests[0].headers.push(("connection".to_owned(), "close".to_owned()));
    let mut request = Vec::new();
    RequestSource::new(&plan)?.render(0, 0, &mut request);

    let socket = connect(url, deadline)?;
    let outcome = socket.and_then(|socket| {
        let socket = Bounded { socket, deadline };
        match url.scheme {
            Scheme::Http => ask(socket, &request),
            Scheme::Https => {
                let config = tls::trusting_config().map_err(|error| (ErrorClass::Tls, error.to_string()))?;
                let name = tls::server_name(&Tls::default(), url)
                    .map_err(|error| (ErrorClass::Tls, error.to_string()))?;
                let session = ClientConnection::new(config, name)
                    .map_err(|error| (ErrorClass::Tls, error.to_string()))?;
                ask(StreamOwned::new(session, socket), &request)
            }
        }
    });
    outcome.map_err(|(class, detail)| LoadError::NoAnswer {
        url: Redactor::default().redact(&url.to_string()),
        class,
        detail: if class == ErrorClass::Timeout { format!("nothing within {timeout:?}") } else { detail },
    })
}

/// What went wrong, in words.
type Failure = (ErrorClass, String);

fn failure(during: ErrorClass, error: &io::Error) -> Failure {
    let class = match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => ErrorClass::Timeout,
        // What rustls says of a peer that does not speak TLS, or refuses.
        ErrorKind::InvalidData => ErrorClass::Tls,
        _ => during,
    };
    (class, error.to_string())
}

fn ask(mut stream: impl Read + Write, request: &[u8]) -> Result<u16, Failure> {
    stream
        .write_all(request)
        .and_then(|()| stream.flush())
        .map_err(|error| failure(ErrorClass::Reset, &error))?;
    let mut parser = ResponseParser::new(Answers::Other);
    let mut buffer = [0; 16 * 1024];
    loop {
        let n_bytes = match stream.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // A server that closes without TLS's end mark: whether something is missing, the head tells.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => 0,
            other => other.map_err(|error| failure(ErrorClass::Reset, &error))?,
        };
        if n_bytes == 0 {
            let class = if parser.has_started() { ErrorClass::Truncated } else { ErrorClass::Reset };
            let early = || (class, "the connection was closed before the end of the answer".to_owned());
            return if parser.finish() { Ok(parser.status()) } else { Err(early()) };
        }
        match parser.feed(&buffer[..n_bytes], |_, _| {}) {
            Ok(Progress::NeedMore) => {}
            Ok(Progress::Done { .. }) => return Ok(parser.status()),
            Err(malformed) => return Err((ErrorClass::Malformed, malformed.to_string())),
        }
    }
}

/// A socket whose reads and writes end at a deadline, all together.
struct Bounded {
    socket: TcpStream,
    deadline: Instant,
}

impl Bounded {
    fn time_left(&self) -> io::Result<Duration> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.time_left()?))?;
        self.socket.read(buffer)
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.time_left()?))?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// Connects to the first address of the host that answers.
fn connect(url: &Url, deadline: Instant) -> Result<Result<TcpStream, Failure>, LoadError> {
    let addresses = (url.host.as_str(), url.port)
        .to_socket_addrs()
        .map_err(|source| LoadError::UnknownHost { host: url.host.clone(), source })?;
    let mut outcome = Err(ErrorKind::NotFound.into());
    for address in addresses {
        // Never zero, which would mean no timeout.
        let time_left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        outcome = TcpStream::connect_timeout(&address, time_left);
        if outcome.is_ok() {
            break;
        }
    }
    Ok(outcome.map_err(|error| failure(ErrorClass::Connect, &error)))
}
