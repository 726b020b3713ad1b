//! Turns numbers and functions into words, the same way in every sentence.

use slowpath_profile::tables::Function;

/// Returns `54 %`, with one decimal below ten.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 9.95 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

/// Returns `12 ms`, `1.07 s` and the like.
pub(crate) fn millis(ms: f64) -> String {
    match ms {
        ms if ms >= 1000.0 => format!("{:.2} s", ms / 1000.0),
        ms if ms >= 10.0 => format!("{ms:.0} ms"),
        ms if ms >= 1.0 => format!("{ms:.1} ms"),
        ms => format!("{ms:.2} ms"),
    }
}

/// Returns `2.1×`, or `20× or more` at the largest factor that is predicted.
pub(crate) fn factor(factor: f64) -> String {
    if factor >= crate::gain::MAX_GAIN - 0.01 {
        return format!("{:.0}× or more", crate::gain::MAX_GAIN);
    }
    if factor >= 9.95 { format!("{factor:.0}×") } else { format!("{factor:.1}×") }
}

/// Returns a function as people write it: `renderRules()`, `the handler of POST /v1/chat`, or `an anonymous function`.
pub(crate) fn function_name(function: &Function) -> String {
    named(&function.name)
}

/// As [`function_name`], of a bare name.
pub(crate) fn named(name: &str) -> String {
    match name {
        "(anonymous)" => "an anonymous function".into(),
        name if is_role(name) => format!("the {}", &name[1..name.len() - 1]),
        name if name.starts_with('(') => name.to_owned(),
        name => format!("{name}()"),
    }
}

/// Whether a name says what a function without one is for, and is none of V8's, such as `(program)`.
fn is_role(name: &str) -> bool {
    name.starts_with('(') && name.ends_with(')') && name.contains(' ') && name != "(garbage collector)"
}

/// In a line that goes on past this column (minified code) the line alone says nothing.
pub(crate) const LONG_LINE: u32 = 200;

/// Returns `src/a.js:12`, or the file alone where the line is unknown.
pub(crate) fn place(function: &Function) -> String {
    match (function.file.as_str(), function.line) {
        ("", _) => "native code".into(),
        (file, 0) => file.to_owned(),
        (file, line) if function.column > LONG_LINE => format!("{file}:{line}:{}", function.column),
        (file, line) => format!("{file}:{line}"),
    }
}
