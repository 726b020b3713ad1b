//! Turns the async records of one thread (`agent/PROTOCOL.md`) into lines of the async log: definitions as they come, a
//! request when its last slice is there.

use crate::redact_text;
use serde::Deserialize;
use slowpath_profile::Nanos;
use slowpath_profile::recording::{
    AsyncHooks, AsyncJobs, AsyncLine, AsyncSecond, AsyncSource, HooksSide, RawRequest,
};
use std::collections::BTreeMap;

/// Bytes of a record.
const RECORD: usize = 64;

/// Requests under way that are remembered; the agent follows at most so many at once.
const MAX_OPEN: usize = 1024;

/// Slices kept of one request: a stream of hours must not grow for ever.
const MAX_SLICES: usize = 4000;

/// Longest part of a path that is a name rather than an id.
const LONGEST_WORD: usize = 32;

/// Collects the records of one thread.
#[derive(Debug)]
pub(crate) struct AsyncRecords {
    thread: u32,
    /// Monotonic time of `performance.now() == 0`, ns.
    origin_ns: f64,
    open: BTreeMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    request: RawRequest,
    n_slices: u64,
}

/// A text of the agent; which fields it has tells what it defines.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Definition {
    pool_size: Option<u32>,
    site: Option<u32>,
    outer: u32,
    frame: Option<u32>,
    name: String,
    file: Option<String>,
    line: u32,
    column: u32,
    source: Option<u32>,
    r#type: String,
    remote: Option<String>,
    protocol: Option<String>,
    inbound: bool,
    request: Option<u64>,
    method: String,
    path: String,
    port: u16,
}

impl AsyncRecords {
    /// Starts with the clock pair of the process's hello.
    pub(crate) fn new(thread: u32, origin_ns: f64) -> Self {
        Self { thread, origin_ns, open: BTreeMap::new() }
    }

    /// Takes the payload of one frame, which has whole records only, and hands out lines.
    pub(crate) fn take(&mut self, payload: &[u8], mut line: impl FnMut(&AsyncLine)) {
        const TEXT: u32 = 1;
        let mut rest = payload;
        while let Some((record, after)) = rest.split_first_chunk::<RECORD>() {
            rest = after;
            let (numbers, _) = record.as_chunks::<8>();
            let numbers: [f64; 8] = std::array::from_fn(|index| f64::from_le_bytes(numbers[index]));
            if numbers[0] as u64 as u32 & 15 == TEXT {
                let length = (numbers[1].max(0.0) as usize).min(rest.len());
                let padded = length.next_multiple_of(RECORD).min(rest.len());
                if let Some(defined) = self.define(&rest[..length]) {
                    line(&defined);
                }
                rest = &rest[padded..];
            } else if let Some(finished) = self.add(numbers) {
                line(&finished);
            }
        }
    }

    fn define(&mut self, text: &[u8]) -> Option<AsyncLine> {
        let thread = self.thread;
        let told: Definition = serde_json::from_slice(text).ok()?;
        if let Some(pool_size) = told.pool_size {
            self.open.clear();
            return Some(AsyncLine::Begin { thread, pool_size });
        }
        if let (Some(id), Some(file)) = (told.frame, told.file) {
            let Definition { name, line, column, .. } = told;
            return Some(AsyncLine::Frame { thread, id, name, file, line, column });
        }
        if let (Some(id), Some(frame)) = (told.site, told.frame) {
            return Some(AsyncLine::Site { thread, id, outer: told.outer, frame });
        }
        if let Some(id) = told.source {
            let source = AsyncSource { r#type: told.r#type, remote: told.remote, inbound: told.inbound };
            return Some(AsyncLine::Source { thread, id, source });
        }
        if let (Some(remote), Some(protocol)) = (told.remote, told.protocol) {
            return Some(AsyncLine::Protocol { remote, protocol });
        }
        let request = RawRequest {
            thread,
            method: told.method,
            path: route_of(&told.path),
            port: told.port,
            status: 0,
            start: Nanos(0),
            end: Nanos(0),
            queued: 0,
            cut: false,
            slices: Vec::new(),
            again: Vec::new(),
            runs: Vec::new(),
        };
        self.open.insert(told.request?, Open { request, n_slices: 0 });
        if self.open.len() > MAX_OPEN {
            self.open.pop_first();
        }
        None
    }

    fn add(&mut self, numbers: [f64; 8]) -> Option<AsyncLine> {
        const REQUEST: u64 = 2;
        const SLICE: u64 = 3;
        const END: u64 = 4;
        const RUN: u64 = 5;
        const SECOND: u64 = 6;
        const SLICE_AGAIN: u64 = 7;
        const HOOKS: u64 = 8;
        const JOBS: u64 = 9;
        let [kind, id, start, end, e, f, g, h] = numbers;
        let (kind, source) = (kind as u64 & 15, (kind as u64 >> 4) as u32);
        if kind == SECOND {
            return Some(AsyncLine::Second(AsyncSecond {
                thread: self.thread,
                t: self.nanos(start),
                n_requests: id as u64,
                n_followed: end as u64,
                spent: e,
                pool_task_ms: f,
                pool_full_ms: g,
                n_pool_tasks: h as u64,
                open_ms: f64::from(source),
            }));
        }
        if kind == HOOKS {
            let side = |ms, cpu_ms, n_requests| HooksSide { ms, cpu_ms, n_requests };
            let (on, off) = (side(id, end, e), side(f, g, h));
            return Some(AsyncLine::Hooks(AsyncHooks { thread: self.thread, t: self.nanos(start), on, off }));
        }
        if kind == JOBS {
            return Some(AsyncLine::Jobs(AsyncJobs {
                thread: self.thread,
                start: self.nanos(start),
                end: self.nanos(end),
                n_jobs: id as u64,
                n_ticks: e as u64,
                site: h as u32,
            }));
        }
        let (start, end, since) = (self.nanos(start), self.nanos(end), self.nanos(f));
        let is_known = f != 0.0;
        let open = self.open.get_mut(&(id as u64))?;
        let request = &mut open.request;
        let ns = |ms: f64| (ms.max(0.0) * 1e6) as u64;
        let from_start = |t: Nanos| t.since(request.start).0;
        match kind {
            REQUEST => (request.start, request.queued) = (start, ns(g)),
            SLICE | SLICE_AGAIN => {
                open.n_slices += 1;
                let (site, waker) = (h as u64 as u32 & 0xffff, (h as u64 >> 16) as u32);
                let since = if is_known { since.0 as i64 - request.start.0 as i64 } else { -1 };
                let at = from_start(start);
                if request.slices.len() < MAX_SLICES {
                    if kind == SLICE_AGAIN {
                        request.again.push(request.slices.len() as u32);
                    }
                    let length = end.since(start).0;
                    request.slices.push((at, length, ns(e), since.max(-1), ns(g), site, source, waker));
                }
            }
            RUN if request.runs.len() < MAX_SLICES => {
                let run = (from_start(start), end.since(start).0, h as u32);
                request.runs.push(run);
            }
            END => {
                let Open { mut request, n_slices } = self.open.remove(&(id as u64))?;
                (request.end, request.status, request.cut) = (start, h as u16, g != 0.0);
                // One that lost a record tells a wrong story.
                let is_whole = n_slices == e as u64 && request.slices.len() as u64 == n_slices;
                return is_whole.then_some(AsyncLine::Request(request));
            }
            _ => {}
        }
        None
    }

    fn nanos(&self, ms: f64) -> Nanos {
        Nanos((self.origin_ns + ms * 1e6).max(0.0) as u64)
    }
}

/// Returns a path as a route: parts that identify something, or may be secret, become `:id`.
fn route_of(path: &str) -> String {
    let parts: Vec<&str> = path.split('/').map(|part| if is_name(part) { part } else { ":id" }).collect();
    redact_text(&parts.join("/"))
}

/// Whether a part of a path is a name such as `v1`, `chat` or `gpt-4`, and not a number, a hash or a key.
fn is_name(part: &str) -> bool {
    let n_digits = part.bytes().filter(u8::is_ascii_digit).count();
    let is_plain = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:~".contains(&byte));
    let is_version = part.strip_prefix('v').is_some_and(|rest| rest.len() <= 2);
    part.is_empty()
        || (is_plain
            && part.len() <= LONGEST_WORD
            && (is_version || (n_digits <= 3 && n_digits < part.len())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(numbers: [f64; 8]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    fn text(text: &str) -> Vec<u8> {
        let mut bytes = record([1.0, text.len() as f64, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        bytes.extend(text.as_bytes());
        bytes.resize(bytes.len().next_multiple_of(RECORD), 0);
        bytes
    }

    fn lines(payload: &[u8]) -> Vec<AsyncLine> {
        let mut lines = Vec::new();
        AsyncRecords::new(0, 1e9).take(payload, |line| lines.push(line.clone()));
        lines
    }

    #[test]
    fn a_request_is_written_when_it_has_ended() {
        let mut payload = text(r#"{"request":7,"method":"GET","path":"/v1/users/81723/x","port":3000}"#);
        payload.extend(record([2.0, 7.0, 10.0, 10.0, 0.0, 0.0, 0.5, 0.0]));
        payload.extend(record([3.0 + 16.0 * 5.0, 7.0, 10.0, 12.0, 1.5, 0.0, 0.0, 0.0]));
        payload.extend(record([3.0 + 16.0 * 6.0, 7.0, 20.0, 21.0, 1.0, 11.0, 0.25, 3.0 + 65536.0 * 9.0]));
        assert_eq!(lines(&payload), []);
        payload.extend(record([4.0, 7.0, 21.0, 21.0, 2.0, 0.0, 0.0, 200.0]));
        let expected = RawRequest {
            thread: 0,
            method: "GET".into(),
            path: "/v1/users/:id/x".into(),
            port: 3000,
            status: 200,
            start: Nanos(1_010_000_000),
            end: Nanos(1_021_000_000),
            queued: 500_000,
            cut: false,
            slices: vec![
                (0, 2_000_000, 1_500_000, -1, 0, 0, 5, 0),
                (10_000_000, 1_000_000, 1_000_000, 1_000_000, 250_000, 3, 6, 9),
            ],
            again: vec![],
            runs: vec![],
        };
        assert_eq!(lines(&payload), [AsyncLine::Request(expected)]);
    }

    #[test]
    fn what_a_service_speaks_is_written_as_it_is_told() {
        let protocol = AsyncLine::Protocol { remote: "db:7000".into(), protocol: "redis".into() };
        assert_eq!(lines(&text(r#"{"remote":"db:7000","protocol":"redis"}"#)), [protocol]);
    }

    #[test]
    fn a_request_that_lost_a_slice_is_left_out() {
        let mut payload = text(r#"{"request":7,"method":"GET","path":"/"}"#);
        payload.extend(record([4.0, 7.0, 21.0, 21.0, 2.0, 0.0, 0.0, 200.0]));
        assert_eq!(lines(&payload), []);
    }

    #[test]
    fn damage_does_no_harm() {
        let mut payload = text("{not json");
        payload.extend(record([f64::NAN, f64::MAX, -1.0, f64::INFINITY, 0.0, 0.0, 0.0, -5.0]));
        payload.extend(record([1.0, 1e300, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]));
        payload.extend([1, 2, 3]);
        assert_eq!(lines(&payload), []);
    }

    #[test]
    fn ids_and_keys_are_no_part_of_a_route() {
        fn check(path: &str, expected: &str) {
            assert_eq!(route_of(path), expected);
        }
        check("/v1/chat/completions", "/v1/chat/completions");
        check("/v1beta/models/gemini-2.5-pro:streamGenerateContent", "/v1beta/models/:id");
        check("/models/gpt-4o", "/models/gpt-4o");
        check("/u/550e8400-e29b-41d4-a716-446655440000/f", "/u/:id/f");
        check("/k/sk-abcdefghijklmnopqrstuvwxyz012345678901", "/k/:id");
        check("/7/%E4%BD%A0", "/:id/:id");
    }
}
