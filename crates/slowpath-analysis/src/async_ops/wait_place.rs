//! What a wait was for, and where in the application it was awaited.

use slowpath_profile::classify::Category;
use slowpath_profile::recording::{AsyncLog, AsyncSource, Slice};
use slowpath_profile::tables::Function;
use std::collections::BTreeSet;

/// What requests wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaitKind {
    /// The client: the rest of the request's body.
    Client,
    /// An HTTP service.
    Http,
    /// Redis.
    Redis,
    /// `PostgreSQL`.
    Postgres,
    /// `MySQL` or `MariaDB`.
    Mysql,
    /// `MongoDB`.
    Mongo,
    /// Something else at the other end of a socket.
    Net,
    /// A new connection: TCP, and the TLS handshake.
    Connect,
    /// A name look-up.
    Dns,
    /// A free socket of an HTTP agent.
    SocketPool,
    /// The file system.
    Fs,
    /// Crypto in the thread pool.
    Crypto,
    /// Compression in the thread pool.
    Zlib,
    /// A timer.
    Timer,
    /// The loop's next turn.
    Immediate,
    /// A stream that takes no more until its other end has read.
    Backpressure,
    /// A worker thread or child process.
    Worker,
    /// Another request: a lock, a queue, or a promise that requests share.
    Lock,
    /// Something else.
    Other,
}

impl WaitKind {
    /// Returns the key that reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Http => "http",
            Self::Redis => "redis",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Mongo => "mongo",
            Self::Net => "net",
            Self::Connect => "connect",
            Self::Dns => "dns",
            Self::SocketPool => "socket-pool",
            Self::Fs => "fs",
            Self::Crypto => "crypto",
            Self::Zlib => "zlib",
            Self::Timer => "timer",
            Self::Immediate => "immediate",
            Self::Backpressure => "backpressure",
            Self::Worker => "worker",
            Self::Lock => "lock",
            Self::Other => "other",
        }
    }

    /// Whether it is a task of libuv's thread pool.
    pub fn is_pool_task(self) -> bool {
        matches!(self, Self::Fs | Self::Crypto | Self::Zlib | Self::Dns)
    }

    /// Whether another service is waited for.
    pub fn is_upstream(self) -> bool {
        matches!(self, Self::Http | Self::Redis | Self::Postgres | Self::Mysql | Self::Mongo | Self::Net)
    }
}

/// One thing that requests wait for at one place: what sites are grouped by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaitPlace {
    /// What is waited for.
    pub kind: WaitKind,
    /// Host and port, where there is one.
    pub remote: Option<String>,
    /// What was called there: a function of Node, or a package.
    pub call: String,
    /// Name of the application function that awaits it, else of the innermost dependency; empty where unknown.
    pub function: String,
    /// Its file, for people.
    pub file: String,
    /// The line of the call.
    pub line: u32,
    /// Its column.
    pub column: u32,
    /// Whether that is the application's own code.
    pub is_app: bool,
    /// npm package of what was called, where it is one.
    pub package: Option<String>,
}

impl WaitPlace {
    /// Returns the sentence part that names it: `await readFile in loadTemplate (templates.js:61)`.
    pub fn name(&self) -> String {
        let what = match (&*self.call, &self.remote) {
            ("", None) => self.kind.as_str().to_owned(),
            ("", Some(remote)) => remote.clone(),
            (call, None) => call.to_owned(),
            (call, Some(remote)) => format!("{call} to {remote}"),
        };
        if self.file.is_empty() {
            return format!("wait for {what}");
        }
        let file = self.file.rsplit('/').next().unwrap_or(&self.file);
        let function = match &*self.function {
            "" | "(anonymous)" => "(anonymous)",
            // One without a name is told by what it is for.
            role => role.strip_prefix('(').and_then(|role| role.strip_suffix(')')).unwrap_or(role),
        };
        format!("await {what} in {function} ({file}:{})", self.line)
    }
}

/// Returns what slice `slice` had waited for; `frames` are those of the log as the original files name them.
pub(crate) fn place_of(log: &AsyncLog, frames: &[Function], slice: &Slice) -> WaitPlace {
    let site = frames_of(log, frames, slice.site);
    let api = api_of(&site);
    let packages: Vec<&str> = site.iter().filter_map(|frame| frame.package.as_deref()).collect();
    let kind = kind_of(log, slice, api, &packages);
    of_site(log, frames, slice.site, kind, &log.sources[slice.source as usize])
}

fn frames_of<'a>(log: &AsyncLog, frames: &'a [Function], site: u32) -> Vec<&'a Function> {
    log.sites[site as usize].iter().filter_map(|frame| frames.get(*frame as usize)).collect()
}

/// Returns what of Node was called.
fn api_of<'a>(site: &[&'a Function]) -> Option<&'a str> {
    site.first().filter(|frame| frame.category == Category::Node).map(|frame| frame.name.as_str())
}

/// Returns the place that a stack names, for what is waited for there.
pub(crate) fn of_site(
    log: &AsyncLog,
    frames: &[Function],
    site: u32,
    kind: WaitKind,
    source: &AsyncSource,
) -> WaitPlace {
    let site = frames_of(log, frames, site);
    let is_own = |frame: &&&Function| frame.category == Category::App;
    // Who pauses is told by who calls `sleep`, not by its one line.
    let pauses = site.iter().filter(is_own).find(|frame| kind == WaitKind::Timer && !is_pause(frame));
    let own = pauses.or_else(|| site.iter().find(is_own));
    let place = own.or_else(|| site.iter().find(|frame| frame.category != Category::Node));
    // The package called by the application's own code, else what that called of Node; who only watches is not meant.
    let called =
        site.iter().take_while(|frame| frame.category != Category::App).filter(|frame| !is_watcher(frame));
    let package = called.last().and_then(|frame| frame.package.clone());
    let call = package.clone().unwrap_or_else(|| plain_call(api_of(&site).unwrap_or_default()).to_owned());
    let remote = if kind == WaitKind::Lock { None } else { source.remote.clone() };
    WaitPlace {
        kind,
        remote,
        call: if kind == WaitKind::Lock && package.is_none() { "another request".into() } else { call },
        function: place.map_or(String::new(), |place| named_around(place, &site)),
        file: place.map_or(String::new(), |place| place.file.clone()),
        line: place.map_or(0, |place| place.line),
        column: place.map_or(0, |place| place.column),
        is_app: own.is_some(),
        package,
    }
}

/// Packages that watch a service from within: their wrappers lie on every stack, and ask nothing themselves.
const WATCHERS: &[&str] = &[
    "@opentelemetry/",
    "@sentry/",
    "dd-trace",
    "newrelic",
    "@newrelic/",
    "elastic-apm-node",
    "applicationinsights",
    "import-in-the-middle",
    "require-in-the-middle",
    "shimmer",
    "cls-hooked",
];

fn is_watcher(frame: &Function) -> bool {
    let package = frame.package.as_deref().unwrap_or_default();
    WATCHERS
        .iter()
        .any(|watcher| package == *watcher || watcher.ends_with('/') && package.starts_with(watcher))
}

/// What functions that only wait for a timer are called, in lower case and without `_`.
const PAUSES: &[&str] =
    &["sleep", "sleepms", "delay", "delayms", "wait", "waitms", "pause", "snooze", "settimeoutasync"];

/// Whether a function does nothing but wait for a timer, by its name: `sleep`, or the callback of a promise in it.
fn is_pause(function: &Function) -> bool {
    let name = function.name.rsplit('.').next().unwrap_or_default().replace('_', "").to_lowercase();
    PAUSES.contains(&&*name) || function.name.starts_with("(callback of new Promise()")
}

/// Names the function that `place` is in: a closure by the function around it, the next one of its file on the stack.
fn named_around(place: &Function, site: &[&Function]) -> String {
    let mut outwards = site.iter().skip_while(|frame| !std::ptr::eq(**frame, place));
    let around = outwards.find(|frame| frame.file == place.file && !frame.is_nameless());
    around.map_or_else(|| place.name.clone(), |frame| frame.name.clone())
}

/// Names a function of Node as programs call it: Node's own helpers behind an API mean nothing to a reader.
fn plain_call(name: &str) -> &str {
    match name {
        "(anonymous)" | "processTicksAndRejections" | "init" | "onceWrapper" | "emit" => "",
        "readFileHandle" => "readFile",
        "writeFileHandle" => "writeFile",
        other => other.rsplit('.').next().unwrap_or(other),
    }
}

fn kind_of(log: &AsyncLog, slice: &Slice, api: Option<&str>, packages: &[&str]) -> WaitKind {
    let source = &log.sources[slice.source as usize];
    if slice.waker != 0 {
        return WaitKind::Lock;
    }
    match source.r#type.as_str() {
        "QueuedRequest" => WaitKind::SocketPool,
        // An immediate passes on what began the turn in which it was made.
        _ if api == Some("setImmediate") => WaitKind::Immediate,
        _ if source.inbound => WaitKind::Client,
        "HTTPINCOMINGMESSAGE" | "TCPSERVERWRAP" | "PIPESERVERWRAP" => WaitKind::Client,
        "HTTPCLIENTREQUEST" => WaitKind::Http,
        // Pipes without a name lead to children.
        "PIPEWRAP" if source.remote.is_none() && packages.is_empty() && !is_question(api) => WaitKind::Worker,
        "WRITEWRAP" | "SHUTDOWNWRAP" => WaitKind::Backpressure,
        "TCPWRAP" | "TLSWRAP" | "PIPEWRAP" | "UDPWRAP" | "HTTP2SESSION" | "HTTP2STREAM" => {
            let protocol = source.remote.as_ref().and_then(|remote| log.protocols.get(remote));
            let heard = protocol.and_then(|protocol| service_of_protocol(protocol));
            heard.unwrap_or_else(|| service(source.remote.as_deref(), api, packages))
        }
        "TCPCONNECTWRAP" | "PIPECONNECTWRAP" | "TLSHANDSHAKE" => WaitKind::Connect,
        "GETADDRINFOREQWRAP" | "GETNAMEINFOREQWRAP" | "QUERYWRAP" => WaitKind::Dns,
        "FILEHANDLE" | "FILEHANDLECLOSEREQ" | "FSEVENTWRAP" | "STATWATCHER" => WaitKind::Fs,
        kind if kind.starts_with("FSREQ") => WaitKind::Fs,
        "ZLIB" => WaitKind::Zlib,
        "Timeout" => WaitKind::Timer,
        "Immediate" => WaitKind::Immediate,
        "WORKER" | "MESSAGEPORT" | "PROCESSWRAP" => WaitKind::Worker,
        "PBKDF2REQUEST" | "SCRYPTREQUEST" | "RANDOMBYTESREQUEST" | "RANDOMPRIMEREQUEST"
        | "KEYPAIRGENREQUEST" | "KEYGENREQUEST" | "SIGNREQUEST" | "HASHREQUEST" | "CIPHERREQUEST"
        | "DERIVEBITSREQUEST" | "CHECKPRIMEREQUEST" | "KEYEXPORTREQUEST" => WaitKind::Crypto,
        _ => WaitKind::Other,
    }
}

/// Makes waits for a host that is asked by HTTP elsewhere waits for HTTP: parts of an answer do not tell by themselves.
pub(super) fn recognise_http(places: &mut [WaitPlace]) {
    let asked: BTreeSet<String> = places
        .iter()
        .filter(|place| place.kind == WaitKind::Http)
        .filter_map(|place| place.remote.clone())
        .collect();
    for place in places.iter_mut().filter(|place| place.kind == WaitKind::Net) {
        if place.remote.as_ref().is_some_and(|remote| asked.contains(remote)) {
            place.kind = WaitKind::Http;
        }
    }
}

/// Whether a function of Node asks another service.
fn is_question(api: Option<&str>) -> bool {
    matches!(api, Some("request" | "get" | "fetch" | "connect" | "node:http.request"))
}

/// Returns the kind of service that speaks a protocol, as the agent names it.
fn service_of_protocol(protocol: &str) -> Option<WaitKind> {
    Some(match protocol {
        "redis" => WaitKind::Redis,
        "postgres" => WaitKind::Postgres,
        "mysql" => WaitKind::Mysql,
        "mongo" => WaitKind::Mongo,
        "http" => WaitKind::Http,
        _ => return None,
    })
}

/// Tells what kind of service is at the other end where nobody heard what it speaks: by the client's package, else by the port that it is known for.
fn service(remote: Option<&str>, api: Option<&str>, packages: &[&str]) -> WaitKind {
    let by_package = packages.iter().find_map(|package| match *package {
        "ioredis" | "redis" | "@redis/client" => Some(WaitKind::Redis),
        "pg" | "pg-pool" | "postgres" => Some(WaitKind::Postgres),
        "mysql" | "mysql2" | "mariadb" => Some(WaitKind::Mysql),
        "mongodb" => Some(WaitKind::Mongo),
        "undici" | "axios" | "got" | "node-fetch" | "follow-redirects" | "superagent" | "ky" => {
            Some(WaitKind::Http)
        }
        _ => None,
    });
    let port =
        remote.and_then(|remote| remote.rsplit_once(':')).and_then(|(_, port)| port.parse::<u16>().ok());
    by_package.unwrap_or(match (port, api) {
        (Some(6379 | 6380), _) => WaitKind::Redis,
        (Some(5432), _) => WaitKind::Postgres,
        (Some(3306), _) => WaitKind::Mysql,
        (Some(27017), _) => WaitKind::Mongo,
        (Some(80 | 443), _) | (_, Some("request" | "get" | "fetch" | "node:http.request")) => WaitKind::Http,
        _ => WaitKind::Net,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use slowpath_profile::Nanos;

    const SLICE: Slice = Slice {
        start: Nanos(0),
        end: Nanos(0),
        ran: Nanos(0),
        queued: Nanos(0),
        since: None,
        site: 0,
        source: 0,
        again: false,
        waker: 0,
    };

    fn function(name: &str, category: Category, package: Option<&str>) -> Function {
        Function {
            name: name.into(),
            file: format!("src/{name}.js"),
            line: 61,
            column: 3,
            category,
            package: package.map(Into::into),
            kind: None,
        }
    }

    fn check(source: AsyncSource, waker: u32, frames: &[Function], kind: WaitKind, name: &str) {
        let log = AsyncLog {
            sites: vec![(0..frames.len() as u32).collect()],
            sources: vec![source],
            ..AsyncLog::default()
        };
        let place = place_of(&log, frames, &Slice { waker, ..SLICE });
        assert_eq!((place.kind, &*place.name()), (kind, name));
    }

    fn source(kind: &str, remote: Option<&str>) -> AsyncSource {
        AsyncSource { r#type: kind.into(), remote: remote.map(Into::into), inbound: false }
    }

    #[test]
    fn parts_of_an_answer_are_waits_for_the_service_that_was_asked_by_http() {
        let place = |kind, remote: &str| WaitPlace {
            kind,
            remote: Some(remote.into()),
            call: "read".into(),
            function: "pipe".into(),
            file: "a.js".into(),
            line: 1,
            column: 1,
            is_app: true,
            package: None,
        };
        let mut places =
            [place(WaitKind::Net, "api:1"), place(WaitKind::Http, "api:1"), place(WaitKind::Net, "db:1")];
        recognise_http(&mut places);
        assert_eq!(places.map(|place| place.kind), [WaitKind::Http, WaitKind::Http, WaitKind::Net]);
    }

    #[test]
    fn a_pause_is_named_by_who_calls_it() {
        let timer = function("setTimeout", Category::Node, None);
        let executor = function("(callback of new Promise() in sleep())", Category::App, None);
        let sleep = function("sleep", Category::App, None);
        let caller = function("sendMessage", Category::App, None);
        let frames = [timer.clone(), executor.clone(), sleep.clone(), caller];
        let name = "await setTimeout in sendMessage (sendMessage.js:61)";
        check(source("Timeout", None), 0, &frames, WaitKind::Timer, name);
        let name = "await setTimeout in sleep (sleep.js:61)";
        check(source("Timeout", None), 0, &[timer, sleep], WaitKind::Timer, name);
    }

    #[test]
    fn waits_are_named_by_the_application_code_that_awaits() {
        let app = function("loadTemplate", Category::App, None);
        let read = function("readFileHandle", Category::Node, None);
        let name = "await readFile in loadTemplate (loadTemplate.js:61)";
        check(source("FSREQPROMISE", None), 0, &[read, app.clone()], WaitKind::Fs, name);
        let redis = function("sendCommand", Category::Dependency, Some("ioredis"));
        let name = "await ioredis to cache:7000 in loadTemplate (loadTemplate.js:61)";
        check(source("TCPWRAP", Some("cache:7000")), 0, &[redis, app.clone()], WaitKind::Redis, name);
        let watcher = function("patched", Category::Dependency, Some("@opentelemetry/instrumentation-http"));
        let get = function("get", Category::Node, None);
        let name = "await get to api:80 in loadTemplate (loadTemplate.js:61)";
        check(source("TCPWRAP", Some("api:80")), 0, &[get, watcher, app.clone()], WaitKind::Http, name);
        let name = "await another request in loadTemplate (loadTemplate.js:61)";
        check(source("Timeout", None), 7, &[app], WaitKind::Lock, name);
        check(source("TCPWRAP", Some("db:5432")), 0, &[], WaitKind::Postgres, "wait for db:5432");
    }

    #[test]
    fn what_a_service_was_heard_to_speak_tells_more_than_its_port() {
        let log = AsyncLog {
            sites: vec![vec![]],
            sources: vec![source("TCPWRAP", Some("cache:6379")), source("TLSWRAP", Some("db:7001"))],
            protocols: [("cache:6379", "http"), ("db:7001", "postgres")]
                .map(|(remote, protocol)| (remote.to_owned(), protocol.to_owned()))
                .into(),
            ..AsyncLog::default()
        };
        let kind_at = |index: u32| place_of(&log, &[], &Slice { source: index, ..SLICE }).kind;
        assert_eq!([kind_at(0), kind_at(1)], [WaitKind::Http, WaitKind::Postgres]);
    }
}
