//! One blocking request, for readiness checks. Not for measuring.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::error::LoadError;
use crate::interval::ErrorClass;
use crate::plan::LoadPlan;
use crate::redact::Redactor;
use crate::request_source::RequestSource;
use crate::response::{Answers, Progress, ResponseParser};
use crate::url::Url;

/// Sends one `GET` and returns the status of the complete answer, whichever it is.
///
/// `timeout` bounds the whole: connecting to each address of the host, sending and reading.
///
/// # Errors
/// [`LoadError::UnknownHost`], or [`LoadError::NoAnswer`] with the class of the failure.
pub fn get_once(url: &Url, timeout: Duration) -> Result<u16, LoadError> {
    let deadline = Instant::now() + timeout;
    let no_answer = |class, detail: String| LoadError::NoAnswer {
        url: Redactor::default().redact(&url.to_string()),
        class,
        detail,
    };
    let failed = |during: ErrorClass| {
        move |error: std::io::Error| {
            let is_timeout = matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock);
            let class = if is_timeout { ErrorClass::Timeout } else { during };
            no_answer(
                class,
                if is_timeout { format!("nothing within {timeout:?}") } else { error.to_string() },
            )
        }
    };
    let mut stream = connect(url, deadline)?.map_err(failed(ErrorClass::Connect))?;
    let mut plan = LoadPlan::new(url.clone());
    plan.requests[0].headers.push(("connection".to_owned(), "close".to_owned()));
    stream.set_write_timeout(Some(time_left(deadline))).map_err(failed(ErrorClass::Reset))?;
    let mut request = Vec::new();
    RequestSource::new(&plan)?.render(0, 0, &mut request);
    stream.write_all(&request).map_err(failed(ErrorClass::Reset))?;

    let mut parser = ResponseParser::new(Answers::Other);
    let mut buffer = [0; 16 * 1024];
    loop {
        if Instant::now() >= deadline {
            return Err(failed(ErrorClass::Timeout)(ErrorKind::TimedOut.into()));
        }
        stream.set_read_timeout(Some(time_left(deadline))).map_err(failed(ErrorClass::Reset))?;
        let n_bytes = match stream.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            other => other.map_err(failed(ErrorClass::Reset))?,
        };
        if n_bytes == 0 {
            let class = if parser.has_started() { ErrorClass::Truncated } else { ErrorClass::Reset };
            let is_complete = parser.finish();
            let early =
                || no_answer(class, "the connection was closed before the end of the answer".to_owned());
            return if is_complete { Ok(parser.status()) } else { Err(early()) };
        }
        match parser.feed(&buffer[..n_bytes], |_, _| {}) {
            Ok(Progress::NeedMore) => {}
            Ok(Progress::Done { .. }) => return Ok(parser.status()),
            Err(malformed) => return Err(no_answer(ErrorClass::Malformed, malformed.to_string())),
        }
    }
}

/// Connects to the first address of the host that answers.
fn connect(url: &Url, deadline: Instant) -> Result<std::io::Result<TcpStream>, LoadError> {
    let addresses = (url.host.as_str(), url.port)
        .to_socket_addrs()
        .map_err(|source| LoadError::UnknownHost { host: url.host.clone(), source })?;
    let mut outcome = Err(ErrorKind::NotFound.into());
    for address in addresses {
        outcome = TcpStream::connect_timeout(&address, time_left(deadline));
        if outcome.is_ok() {
            break;
        }
    }
    Ok(outcome)
}

/// Returns what is left until `deadline`, never zero: zero would mean no timeout.
fn time_left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}
