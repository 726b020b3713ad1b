//! Whose code a function is, and what a native leaf works on. Judged from names and paths alone.

use crate::recording::{Event, Recording};

/// Whose code a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Category {
    /// The target's own code.
    App,
    /// Code below `node_modules`.
    Dependency,
    /// Node's own JavaScript.
    Node,
    /// C++ of Node and V8, and built-ins.
    Native,
    /// The kernel, working for the target.
    Kernel,
    /// WebAssembly.
    Wasm,
    /// The garbage collector.
    Gc,
    /// In the process but in no JavaScript: V8's `(program)`.
    Program,
    /// Waiting for events.
    Idle,
}

impl Category {
    /// All of them, in the order that reports use.
    pub const ALL: [Self; 9] = [
        Self::App,
        Self::Dependency,
        Self::Node,
        Self::Native,
        Self::Kernel,
        Self::Wasm,
        Self::Gc,
        Self::Program,
        Self::Idle,
    ];

    /// Returns the name that reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Dependency => "dependency",
            Self::Node => "node",
            Self::Native => "native",
            Self::Kernel => "kernel",
            Self::Wasm => "wasm",
            Self::Gc => "gc",
            Self::Program => "program",
            Self::Idle => "idle",
        }
    }
}

/// What counts as the target's own code: all outside `node_modules`, or, where the program itself was installed from
/// a registry (`npx some-gateway`), the package that its main file belongs to.
#[derive(Debug, Clone, Default)]
pub struct AppScope {
    cwd: String,
    own_package: Option<String>,
}

impl AppScope {
    /// Returns the scope of one process of a recording.
    pub fn of(recording: &Recording, pid: u32) -> Self {
        let hello = recording.events.iter().find_map(|timed| match &timed.event {
            Event::Process(hello) if hello.pid == pid => Some(hello),
            _ => None,
        });
        match hello {
            Some(hello) => Self::new(&hello.cwd, &hello.main),
            None => Self::new(&recording.manifest.cwd, ""),
        }
    }

    /// Returns the scope of a program that runs `main` in `cwd`.
    pub fn new(cwd: &str, main: &str) -> Self {
        Self { cwd: cwd.trim_end_matches('/').to_owned(), own_package: package_of(main).map(str::to_owned) }
    }

    /// Returns a path for people: no `file://`, relative to the working directory where it lies below.
    pub fn display_path(&self, url: &str) -> String {
        let path = path_of_url(url);
        let below = path.strip_prefix(&self.cwd).and_then(|rest| rest.strip_prefix('/'));
        match below {
            Some(below) if !self.cwd.is_empty() => below.to_owned(),
            _ => path,
        }
    }
}

/// Returns the path of a `file:` URL; anything else as it is.
pub fn path_of_url(url: &str) -> String {
    url.strip_prefix("file://").map_or_else(|| url.to_owned(), percent_decode)
}

/// Whether a script of this URL has a text that people can read: not Node's own, not WebAssembly, not the agent.
pub fn is_readable_script(url: &str) -> bool {
    let is_inner =
        ["node:", "internal/", "wasm:", "evalmachine."].iter().any(|prefix| url.starts_with(prefix));
    let is_agent = AGENT_FILES.iter().any(|file| url.ends_with(file)) && url.contains("/slowpath-");
    !url.is_empty() && !is_inner && !is_agent
}

/// Returns the npm package of a path: what follows its last `node_modules/`, with the scope.
pub fn package_of(path: &str) -> Option<&str> {
    let (_, rest) = path.rsplit_once("/node_modules/").or_else(|| path.split_once("node_modules/"))?;
    let n_parts = if rest.starts_with('@') { 2 } else { 1 };
    let end = rest.match_indices('/').nth(n_parts - 1).map_or(rest.len(), |(at, _)| at);
    (end > 0).then(|| &rest[..end])
}

/// Files of the agent, in the directory of the run; most run in the target's threads.
const AGENT_FILES: &[&str] = &[
    "/async-http2.cjs",
    "/async-jobs.cjs",
    "/async-looks.cjs",
    "/async-followed.cjs",
    "/async-iterations.cjs",
    "/copy-records.cjs",
    "/async-ring.cjs",
    "/async-sampling.cjs",
    "/async-sites.cjs",
    "/async-sources.cjs",
    "/async-undici.cjs",
    "/async-windows.cjs",
    "/async.cjs",
    "/call-sites.cjs",
    "/calls.cjs",
    "/collections.cjs",
    "/counters.cjs",
    "/cpu-time.cjs",
    "/cpu.cjs",
    "/deopt-trace.cjs",
    "/deopts.cjs",
    "/heap.cjs",
    "/hide.cjs",
    "/inspector.cjs",
    "/lookups.cjs",
    "/patch.cjs",
    "/probe.cjs",
    "/protocols.cjs",
    "/redis-pairs.cjs",
    "/redis-replies.cjs",
    "/redis-writes.cjs",
    "/relay.cjs",
    "/ring.cjs",
    "/sampling-cost.cjs",
    "/slowpath-agent.cjs",
    "/sources.cjs",
    "/tally.cjs",
    "/wrap-blocking.cjs",
    "/wrap-files.cjs",
    "/wrap-http.cjs",
    "/wrap-net.cjs",
    "/wrap-timers.cjs",
    "/wrap-values.cjs",
];

/// The package that slowpath's own code in the target counts as.
pub const RECORDER_PACKAGE: &str = "slowpath (recorder)";

/// Judges a function by its name and URL as V8 gives them; the package is given for dependencies.
pub fn classify(scope: &AppScope, name: &str, url: &str) -> (Category, Option<String>) {
    match name {
        "(garbage collector)" => return (Category::Gc, None),
        "(program)" => return (Category::Program, None),
        "(idle)" => return (Category::Idle, None),
        // What the agent's cpu recorder runs in the target to cut its profile.
        "slowpathRotate" => return (Category::Dependency, Some(RECORDER_PACKAGE.into())),
        _ => {}
    }
    if url.is_empty() {
        let category = if name.starts_with("wasm-function") { Category::Wasm } else { Category::Native };
        return (category, None);
    }
    if url.starts_with("node:") || url.starts_with("internal/") {
        return (Category::Node, None);
    }
    if url.starts_with("wasm:") {
        return (Category::Wasm, None);
    }
    if AGENT_FILES.iter().any(|file| url.ends_with(file)) && url.contains("/slowpath-") {
        // At the process's end the agent waits for its relay to hand in the last records.
        let category = if name == "awaitWoundUp" { Category::Idle } else { Category::Dependency };
        return (category, Some(RECORDER_PACKAGE.into()));
    }
    match package_of(url) {
        Some(package) if scope.own_package.as_deref() != Some(package) => {
            (Category::Dependency, Some(package.to_owned()))
        }
        _ => (Category::App, None),
    }
}

/// What the native leafs called from a core module work on: module prefix, kind.
const KIND_BY_CALLER: &[(&str, &str)] = &[
    ("node:internal/modules/", "module load"),
    ("node:internal/vm", "compile"),
    ("node:vm", "compile"),
    ("node:internal/fs/", "file"),
    ("node:fs", "file"),
    ("node:internal/console/", "console"),
    ("node:internal/crypto/", "crypto"),
    ("node:crypto", "crypto"),
    ("node:zlib", "zlib"),
    ("node:internal/dns/", "dns"),
    ("node:dns", "dns"),
    ("node:internal/child_process", "child process"),
    ("node:child_process", "child process"),
    ("node:internal/timers", "timer"),
    ("node:timers", "timer"),
    ("node:internal/stream_base_commons", "socket"),
    ("node:net", "socket"),
    ("node:_tls_wrap", "TLS"),
    ("node:tls", "TLS"),
    ("node:_http", "http parser"),
    ("node:internal/url", "url"),
    ("node:internal/process/promises", "promise"),
    ("node:internal/async_hooks", "async hooks"),
    ("node:buffer", "buffer"),
    ("node:internal/buffer", "buffer"),
];

/// Kinds by the native function's own name; these win over the caller.
const KIND_BY_NAME: &[(&str, &str)] = &[
    ("consoleCall", "console"),
    ("connect", "connect/close"),
    ("connect6", "connect/close"),
    ("internalConnect", "connect/close"),
    ("getaddrinfo", "dns"),
    ("compileFunction", "compile"),
    ("compileFunctionForCJSLoader", "compile"),
    ("compileSourceTextModule", "compile"),
    ("internalModuleStat", "module load"),
    ("spawnSync", "child process"),
    ("structuredClone", "structured clone"),
];

/// Returns what a native leaf works on, from its name and from the file of the function that calls it.
pub fn native_kind(name: &str, caller_file: &str) -> Option<&'static str> {
    if name == "(garbage collector)" {
        return Some("GC");
    }
    if name.starts_with("RegExp: ") {
        return Some("RegExp");
    }
    if name == "close"
        && (caller_file.starts_with("node:net") || caller_file.starts_with("node:internal/stream"))
    {
        return Some("connect/close");
    }
    let by_name = KIND_BY_NAME.iter().find(|(native, _)| *native == name);
    let by_caller = || KIND_BY_CALLER.iter().find(|(prefix, _)| caller_file.starts_with(prefix));
    by_name.or_else(by_caller).map(|(_, kind)| *kind)
}

/// Decodes `%41` and the like; what is not such an escape stays.
pub fn percent_decode(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                decoded.push(byte);
                at += 3;
            }
            _ => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_whose_code_a_function_is() {
        let scope = AppScope::new("/srv", "/srv/src/server.js");
        let check = |name: &str, url: &str, category: Category, package: Option<&str>| {
            assert_eq!(classify(&scope, name, url), (category, package.map(str::to_owned)), "{name} {url}");
        };
        check("handle", "file:///srv/src/a.mjs", Category::App, None);
        check("get", "/srv/node_modules/express/lib/a.js", Category::Dependency, Some("express"));
        check(
            "get",
            "/srv/node_modules/.pnpm/@a+b@1/node_modules/@a/b/x.js",
            Category::Dependency,
            Some("@a/b"),
        );
        check("emit", "node:events", Category::Node, None);
        check("writev", "", Category::Native, None);
        check("wasm-function[870]", "wasm://wasm/12ab", Category::Wasm, None);
        check("(garbage collector)", "", Category::Gc, None);
        check("(idle)", "", Category::Idle, None);
        check("awaitWoundUp", "/tmp/slowpath-Ab3/ring.cjs", Category::Idle, Some(RECORDER_PACKAGE));
        check("awaitWoundUp", "/srv/app/ring.cjs", Category::App, None);
    }

    #[test]
    fn a_program_from_a_registry_is_its_own_application() {
        let main = "/home/ann/.npm/_npx/1/node_modules/@portkey-ai/gateway/build/start-server.js";
        let scope = AppScope::new("/srv", main);
        assert_eq!(classify(&scope, "a", main).0, Category::App);
        let hono = "/home/ann/.npm/_npx/1/node_modules/hono/dist/hono.js";
        assert_eq!(classify(&scope, "a", hono), (Category::Dependency, Some("hono".into())));
    }

    #[test]
    fn shows_paths_as_people_know_them() {
        let scope = AppScope::new("/srv/my app", "");
        assert_eq!(scope.display_path("file:///srv/my%20app/src/a.mjs"), "src/a.mjs");
        assert_eq!(scope.display_path("/srv/my app/src/a.js"), "src/a.js");
        assert_eq!(scope.display_path("/srv/my apple/a.js"), "/srv/my apple/a.js");
        assert_eq!(scope.display_path("node:fs"), "node:fs");
    }

    #[test]
    fn tells_what_a_native_leaf_works_on() {
        assert_eq!(native_kind("writeBuffer", "node:fs"), Some("file"));
        assert_eq!(native_kind("writeBuffer", "node:internal/stream_base_commons"), Some("socket"));
        assert_eq!(native_kind("RegExp: (a+)+$", "src/a.js"), Some("RegExp"));
        assert_eq!(native_kind("frobnicate", "src/a.js"), None);
    }
}
