//! What a native profiler's symbol is: JavaScript that V8 compiled, a built-in of V8, C++ or the kernel.
//!
//! JavaScript reaches native profilers through the names that V8 gives to machine code (`--perf-basic-prof`):
//!
//! ```text
//! JS:*render /srv/app.js:10:15             Node 18 and later; `LazyCompile:*render …`, `Function:…` before
//! JS:~ node:internal/main/run_main:1:1     no name
//! Script:~ file:///srv/app.mjs:1:1         Eval:~ …
//! JS:+'turn /srv/app.js:16:14              specialised to one closure
//! JS:wasm-function[0]-0-liftoff            or …-turbofan
//! Builtin:ArrayPrototypeMap                BytecodeHandler:LdaNamedProperty   Stub:…   Handler:…
//! RegExp:a|b                               a compiled regular expression
//! ```
//!
//! The mark before the name is the tier: `~` interpreter, `^` Sparkplug, `+` Maglev, `*` TurboFan. FlameGraph's scripts
//! add `_[k]` to kernel frames, `_[j]` to compiled code, `_[i]` to inlined frames.

use crate::classify::{AppScope, Category, classify, native_kind};
use crate::import::cpuprofile::CallFrame;
use crate::native::{Work, WorkClass, work_of};
use crate::tables::{Function, Tier};

/// Tags of V8 before the name of compiled JavaScript.
const JS_TAGS: &[&str] =
    &["JS:", "LazyCompile:", "Function:", "Script:", "Eval:", "NativeLazyCompile:", "NativeFunction:"];

/// Tags of V8 before code of its own.
const BUILTIN_TAGS: &[&str] =
    &["Builtin:", "Builtins_", "Handler:", "Stub:", "Callback:", "LoadIC:", "StoreIC:"];

/// The package that V8's built-ins and bytecode handlers count as, wherever their code lies.
pub const BUILT_INS: &str = "V8 built-ins";

/// Components of the node binary by the start of their symbols.
const COMPONENTS: &[(&str, &str)] = &[
    ("v8::", "V8"),
    ("v8impl::", "V8"),
    ("node::", "Node.js C++"),
    ("napi_", "Node.js C++"),
    ("uv__", "libuv"),
    ("uv_", "libuv"),
    ("llhttp_", "llhttp"),
    ("simdutf::", "simdutf"),
    ("icu_", "ICU"),
    ("nghttp2_", "nghttp2"),
    ("ares_", "c-ares"),
    ("Brotli", "Brotli"),
    ("OPENSSL_", "OpenSSL"),
    ("EVP_", "OpenSSL"),
    ("ossl_", "OpenSSL"),
];

/// The package that the functions of the kernel count as.
pub const KERNEL: &str = "kernel";

/// Describes the function that a native profiler calls `symbol`, found in `module` (path of a binary, `[kernel.kallsyms]`,
/// or empty where unknown), and the tier of its code where it is JavaScript.
pub fn function_of_symbol(scope: &AppScope, symbol: &str, module: &str) -> (Function, Option<Tier>) {
    let symbol = symbol.trim();
    let (symbol, mark) = match symbol.len().checked_sub(4).and_then(|at| symbol.split_at_checked(at)) {
        Some((name, "_[k]" | "_[i]" | "_[j]")) => (name, &symbol[name.len()..]),
        _ => (symbol, ""),
    };
    if let Some(rest) = JS_TAGS.iter().find_map(|tag| symbol.strip_prefix(tag)) {
        return javascript(scope, rest);
    }
    // Without a tag, but with a tier and a place: as 0x and `--prof` write it.
    if symbol.starts_with(['~', '^', '*', '+']) && split_place(symbol).is_some() {
        return javascript(scope, symbol);
    }
    if let Some(source) = symbol.strip_prefix("RegExp:") {
        return (native(&format!("RegExp: {}", source.trim_start()), None), None);
    }
    if let Some(name) = symbol.strip_prefix("BytecodeHandler:") {
        // As in the symbol table of the node binary: `LdarWideHandler` for `Ldar.Wide`.
        return (native(&format!("{}Handler", name.replace('.', "")), Some(BUILT_INS)), None);
    }
    if let Some(name) = BUILTIN_TAGS.iter().find_map(|tag| symbol.strip_prefix(tag)) {
        return (native(name, Some(BUILT_INS)), None);
    }
    if mark != "_[k]"
        && let Some((name, file, line, column)) = split_place(symbol)
    {
        return (at_place(scope, name, file, line, column), None);
    }
    match symbol {
        "(idle)" | "(program)" | "(garbage collector)" | "(root)" => {
            return (at_place(scope, symbol, "", 0, 0), None);
        }
        _ => {}
    }
    let package = if mark == "_[k]" || is_kernel(module) { Some(KERNEL) } else { component(symbol, module) };
    (native(symbol, package), None)
}

/// Whether a module name as perf writes it is the kernel or one of its modules.
pub fn is_kernel(module: &str) -> bool {
    let in_brackets = module.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match in_brackets {
        Some(name) => {
            name != "unknown"
                && !["vdso", "vsyscall", "heap", "stack", "anon", "JIT", "uprobes"]
                    .iter()
                    .any(|own| name.starts_with(own))
        }
        None => module.contains("vmlinux") || [".ko", ".ko.xz"].iter().any(|end| module.ends_with(end)),
    }
}

/// Endings of source files of languages that run on a machine of their own, and whose profiles people have.
const SOURCE_SUFFIXES: &[&str] = &[
    "js", "mjs", "cjs", "ts", "mts", "cts", "jsx", "tsx", "vue", "svelte", "py", "rb", "go", "rs", "php",
    "java", "cs",
];

/// Whether a file that a profile names is source rather than a binary.
pub(crate) fn is_source_file(file: &str) -> bool {
    let suffix = file.rsplit_once('.').map_or("", |(_, suffix)| suffix);
    file.contains("://")
        || file.starts_with("node:")
        || file.starts_with("evalmachine.")
        || SOURCE_SUFFIXES.contains(&suffix)
}

/// Describes a function that has a name and a place in a source file.
pub(crate) fn at_place(scope: &AppScope, name: &str, url: &str, line: u32, column: u32) -> Function {
    let (category, package) = classify(scope, name, url);
    let is_code = !url.is_empty();
    Function {
        name: if name.is_empty() { "(anonymous)" } else { name }.to_owned(),
        file: scope.display_path(url),
        line: if is_code { line } else { 0 },
        column: if is_code { column } else { 0 },
        category,
        package,
        kind: matches!(category, Category::Native | Category::Gc).then(|| native_kind(name, "")).flatten(),
    }
}

fn javascript(scope: &AppScope, rest: &str) -> (Function, Option<Tier>) {
    let (tier, rest) = match rest.as_bytes().first() {
        Some(b'~') => (Some(Tier::Interpreter), &rest[1..]),
        Some(b'^') => (Some(Tier::Sparkplug), &rest[1..]),
        Some(b'+') => (Some(Tier::Maglev), &rest[1..]),
        Some(b'*') => (Some(Tier::TurboFan), &rest[1..]),
        _ => (None, rest),
    };
    // A mark of code that is specialised to its closure.
    let rest = rest.strip_prefix('\'').unwrap_or(rest);
    if rest.starts_with("wasm-function[") {
        let end = rest.find(']').map_or(rest.len(), |at| at + 1);
        let tier = rest.ends_with("-turbofan").then_some(Tier::TurboFan);
        return (at_place(scope, &rest[..end], "", 0, 0), tier);
    }
    let (name, file, line, column) = split_place(rest).unwrap_or((rest.trim(), "", 0, 0));
    (at_place(scope, name, file, line, column), tier)
}

/// Returns the frame of a JavaScript function as V8's own profiler gives it, from V8's name for its machine code.
pub(crate) fn javascript_frame(symbol: &str) -> Option<CallFrame<'_>> {
    let rest = JS_TAGS.iter().find_map(|tag| symbol.strip_prefix(tag))?;
    let (name, url, line, column) = split_place(rest.trim_start_matches(['~', '^', '*', '+', '\'']))?;
    Some(CallFrame {
        function_name: name.into(),
        url: url.into(),
        line_number: i64::from(line) - 1,
        column_number: i64::from(column) - 1,
    })
}

/// Splits `name file:line:column`, `name file:line` and `name (file:line)`. The name may be empty; name and file may both
/// hold spaces, so the file begins at the first word that looks like the start of a path or URL.
pub(crate) fn split_place(symbol: &str) -> Option<(&str, &str, u32, u32)> {
    if let Some((name, place)) = symbol.strip_suffix(')').and_then(|text| text.rsplit_once(" (")) {
        let (file, last) = number_at_end(place).filter(|(file, _)| !file.is_empty())?;
        let (file, line, column) = match number_at_end(file).filter(|(file, _)| !file.is_empty()) {
            Some((file, line)) => (file, line, last),
            None => (file, last, 0),
        };
        return Some((name.trim(), file, line, column));
    }
    let (rest, last) = number_at_end(symbol)?;
    let (rest, line, column) = match number_at_end(rest) {
        Some((rest, line)) => (rest, line, last),
        None => (rest, last, 0),
    };
    let begins_file = |text: &str| {
        [
            "/",
            "file:",
            "node:",
            "http:",
            "https:",
            "wasm:",
            "webpack",
            "internal/",
            "evalmachine.",
            "./",
            "../",
            "C:\\",
        ]
        .iter()
        .any(|start| text.starts_with(start))
    };
    let by_start = rest.match_indices(' ').map(|(at, _)| at).find(|at| begins_file(&rest[at + 1..]));
    let at = match by_start {
        Some(at) => at,
        None if begins_file(rest) => return Some(("", rest, line, column)),
        // A relative path: the last word, if it can be one.
        None => rest.rfind(' ').filter(|at| rest[at + 1..].contains(['.', '/']))?,
    };
    let name = rest[..at].trim().trim_start_matches(['~', '^', '*', '+']);
    Some((name, &rest[at + 1..], line, column))
}

fn number_at_end(text: &str) -> Option<(&str, u32)> {
    let (rest, number) = text.rsplit_once(':')?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
    Some((rest, number.parse().ok()?))
}

fn native(name: &str, package: Option<&str>) -> Function {
    let work = work_of(name, package);
    let category = match work {
        _ if package == Some(KERNEL) => Category::Kernel,
        Some(Work { class: WorkClass::Gc, .. }) => Category::Gc,
        _ => Category::Native,
    };
    Function {
        name: if name.is_empty() { "[unknown]" } else { name }.to_owned(),
        file: String::new(),
        line: 0,
        column: 0,
        category,
        package: package.map(str::to_owned),
        kind: work.and_then(Work::kind).or_else(|| native_kind(name, "")),
    }
}

fn component<'a>(symbol: &str, module: &'a str) -> Option<&'a str> {
    let own = COMPONENTS.iter().find(|(start, _)| symbol.starts_with(start)).map(|(_, component)| *component);
    let file = module.rsplit('/').next().unwrap_or_default();
    let file = file.strip_suffix(" (deleted)").unwrap_or(file);
    let is_binary = !file.is_empty() && !file.starts_with("perf-") && !file.starts_with('[');
    own.or(is_binary.then_some(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_javascript_behind_v8s_names() {
        let scope = AppScope::new("/srv", "");
        let check = |symbol: &str, name: &str, place: &str, category: Category, tier: Option<Tier>| {
            let (function, found) = function_of_symbol(&scope, symbol, "/tmp/perf-1.map");
            let at = format!("{}:{}:{}", function.file, function.line, function.column);
            assert_eq!((function.name.as_str(), at.as_str()), (name, place), "{symbol}");
            assert_eq!((function.category, found), (category, tier), "{symbol}");
        };
        let (app, node) = (Category::App, Category::Node);
        check("JS:*round /srv/busy.js:10:15", "round", "busy.js:10:15", app, Some(Tier::TurboFan));
        check(
            "JS:~ node:internal/a:1:2",
            "(anonymous)",
            "node:internal/a:1:2",
            node,
            Some(Tier::Interpreter),
        );
        check("LazyCompile:+get x /srv/my app/a.js:3:4", "get x", "my app/a.js:3:4", app, Some(Tier::Maglev));
        check("JS:^a file:///srv/a.mjs:1:2", "a", "a.mjs:1:2", app, Some(Tier::Sparkplug));
        check("JS:*'a /srv/a.js:1:2", "a", "a.js:1:2", app, Some(Tier::TurboFan));
        check("Function:a /srv/a.js:7", "a", "a.js:7:0", app, None);
        let wasm = "JS:wasm-function[3]-3-turbofan";
        check(wasm, "wasm-function[3]", ":0:0", Category::Wasm, Some(Tier::TurboFan));
        check("compile (re/__init__.py:227)", "compile", "re/__init__.py:227:0", app, None);
        check("a b (file:///srv/a.js:7:1)", "a b", "a.js:7:1", app, None);
        check("*a lib/a.js:7:1", "a", "lib/a.js:7:1", app, Some(Tier::TurboFan));
        check(
            "Script:~evalmachine.<anonymous>:1:1",
            "(anonymous)",
            "evalmachine.<anonymous>:1:1",
            app,
            Some(Tier::Interpreter),
        );
    }

    #[test]
    fn tells_native_code_by_symbol_and_module() {
        let check = |symbol: &str, module: &str, name: &str, package: Option<&str>, category: Category| {
            let (function, _) = function_of_symbol(&AppScope::default(), symbol, module);
            assert_eq!(function.name, name);
            assert_eq!((function.package.as_deref(), function.category), (package, category), "{symbol}");
        };
        let native = Category::Native;
        check("do_fault", "[kernel.kallsyms]", "do_fault", Some("kernel"), Category::Kernel);
        check("nft_do_chain", "[nf_tables]", "nft_do_chain", Some("kernel"), Category::Kernel);
        check("vfs_read_[k]", "", "vfs_read", Some("kernel"), Category::Kernel);
        check("clock_gettime", "[vdso]", "clock_gettime", None, native);
        check("malloc", "/usr/lib/libc.so.6", "malloc", Some("libc.so.6"), native);
        check("v8::Function::Call(int)", "/usr/bin/node", "v8::Function::Call(int)", Some("V8"), native);
        check("main", "/usr/bin/node (deleted)", "main", Some("node"), native);
        check("Builtin:StoreIC", "", "StoreIC", Some("V8 built-ins"), native);
        check("Builtins_StoreIC", "/usr/bin/node", "StoreIC", Some("V8 built-ins"), native);
        check("BytecodeHandler:Ldar.Wide", "", "LdarWideHandler", Some("V8 built-ins"), native);
        check("RegExp:a:1", "", "RegExp: a:1", None, native);
        check(
            "v8::internal::Heap::CollectGarbage()",
            "",
            "v8::internal::Heap::CollectGarbage()",
            Some("V8"),
            Category::Gc,
        );
        check("", "[unknown]", "[unknown]", None, native);
        check("(idle)", "", "(idle)", None, Category::Idle);
        check("std::map<a, b>::at(int) const", "", "std::map<a, b>::at(int) const", None, native);
    }

    proptest::proptest! {
        #[test]
        fn any_symbol_is_named(symbol: String, module: String) {
            let (function, _) = function_of_symbol(&AppScope::default(), &symbol, &module);
            proptest::prop_assert!(!function.name.is_empty());
        }
    }
}
