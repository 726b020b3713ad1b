//! Says what a function without a name is for, from the text before it: what it is passed to, and in which function.
//!
//! Gateways are full of them (`app.post('/v1/chat', async (req, res) => …)`, `accounts.filter((a) => …)`), and "an anonymous
//! function" tells a reader nothing. V8 names what is assigned to a variable or a property; this is for the rest. It reads text
//! and is no parser: where brackets or quotes do not add up, it says nothing.

use super::{FunctionRange, RangeId, Script};

/// Text before a function that is searched for the call it is passed to: far calls have long other arguments.
const MAX_BEFORE: usize = 2_000;

/// Longest literal that is quoted: a route.
const MAX_LITERAL: usize = 60;

/// What routers call their methods by; the name is the HTTP method.
const ROUTES: &[&str] = &["get", "post", "put", "patch", "delete", "head", "options", "all"];

/// What subscribes to an event by name.
const SUBSCRIBES: &[&str] = &["on", "once", "addListener", "addEventListener", "prependListener"];

/// Words before a bracket that make it no call.
const NO_CALLS: &[&str] = &[
    "if", "for", "while", "switch", "catch", "with", "return", "await", "typeof", "void", "in", "of",
    "yield", "case", "else", "do", "delete", "throw",
];

impl<'a> Script<'a> {
    /// Says what the function without a name is that has a position (line and column from 0) in it: `callback of
    /// accounts.filter() in pickNext()`. `None` where the function has a name, or the text does not tell.
    pub(crate) fn role_at(&self, line: u32, column: u32) -> Option<String> {
        let Some(own) = self.function_at(line, column) else {
            // Of original files only the text is known.
            let is_original = self.functions.is_empty();
            let (start, _) = self.line_range(line)?;
            return if is_original { role(self.before(start + column)) } else { None };
        };
        let function = &self.functions[own.0];
        if !function.name.is_empty() {
            return None;
        }
        let role_of = |function: &FunctionRange| role(self.before(function.start));
        let own_role = role_of(function);
        if own_role.as_ref().is_some_and(|role| says_all(role)) {
            return own_role;
        }
        let outer =
            (0..own.0).rev().map(RangeId).filter(|id| !self.is_whole(*id)).map(|id| &self.functions[id.0]);
        let outer = outer.filter(|outer| outer.end >= function.end);
        let mut outer = outer.filter(|outer| (outer.start, outer.end) != (function.start, function.end));
        let around = outer.find_map(|outer| {
            if outer.name.is_empty() { role_of(outer) } else { Some(format!("{}()", outer.name)) }
        });
        match (own_role, around) {
            (Some(own), Some(around)) => Some(format!("{own} in {around}")),
            (None, Some(around)) => Some(format!("function in {around}")),
            (own, None) => own,
        }
    }

    /// Returns the text before an offset in UTF-16 units.
    fn before(&self, offset: u32) -> &'a str {
        let line = self.line_starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let Some((start, _)) = self.line_bytes.get(line) else { return self.text };
        let mut left = offset - self.line_starts[line];
        let mut at = *start as usize;
        for c in self.text[at..].chars() {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(c.len_utf16() as u32);
            at += c.len_utf8();
        }
        &self.text[..at]
    }
}

/// Returns what the function is that begins right after `before`: `handler of POST /v1/chat`, `callback of accounts.filter()`.
/// `None` where the text does not tell.
fn role(before: &str) -> Option<String> {
    let before = last(before, MAX_BEFORE);
    let before = without_keywords(before);
    let open = opening(before)?;
    let callee = callee(&before[..open])?;
    let method = callee.rsplit('.').next().unwrap_or(&callee);
    let literal = literal(&before[open + 1..]);
    let is_method = callee.contains('.');
    Some(match literal {
        Some(route) if is_method && route.starts_with('/') && ROUTES.contains(&method) => {
            format!(
                "handler of {} {route}",
                if method == "all" { "any".into() } else { method.to_uppercase() }
            )
        }
        Some(route) if is_method && route.starts_with('/') && method == "use" => {
            format!("middleware of {route}")
        }
        Some(event) if is_method && SUBSCRIBES.contains(&method) => format!("listener of '{event}'"),
        _ => format!("callback of {callee}()"),
    })
}

/// Whether a role needs no word of where the function stands: there is one handler of a route.
fn says_all(role: &str) -> bool {
    role.starts_with("handler of ") || role.starts_with("middleware of ")
}

/// Returns the end of a text, cut at a character.
fn last(text: &str, length: usize) -> &str {
    let mut from = text.len().saturating_sub(length);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

/// Takes away what belongs to the function itself: V8 puts some functions at their parameters, some at their first word.
fn without_keywords(before: &str) -> &str {
    let mut before = before.trim_end();
    for word in ["*", "function", "async"] {
        if let Some(rest) = before.strip_suffix(word)
            && !rest.ends_with(is_part)
        {
            before = rest.trim_end();
        }
    }
    before
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Returns where the bracket of the call opens whose argument comes next.
fn opening(before: &str) -> Option<usize> {
    if !before.ends_with(['(', ',']) {
        return None;
    }
    let bytes = before.as_bytes();
    let mut at = bytes.len();
    let mut depth = 0;
    while at > 0 {
        at -= 1;
        match bytes[at] {
            b')' | b']' | b'}' => depth += 1,
            b'(' if depth == 0 => return Some(at),
            // Within a list or an object: it is no argument.
            b'[' | b'{' if depth == 0 => return None,
            b'(' | b'[' | b'{' => depth -= 1,
            quote @ (b'"' | b'\'' | b'`') => at = before[..at].rfind(char::from(quote))?,
            _ => {}
        }
    }
    None
}

/// Returns the call before a bracket as people write it: `app.post`, `new Promise`, `map` of what a call gave.
fn callee(before: &str) -> Option<String> {
    let before = before.trim_end();
    let before = before.strip_suffix("?.").unwrap_or(before);
    let before = without_type_arguments(before)?;
    let word_at = |text: &str| text.trim_end_matches(is_part).len();
    let at = word_at(before);
    let name = &before[at..];
    if name.is_empty() || NO_CALLS.contains(&name) || name.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let rest = before[..at].trim_end();
    if let Some(receiver) = rest.strip_suffix("?.").or_else(|| rest.strip_suffix('.')) {
        let receiver = receiver.trim_end();
        let object = &receiver[word_at(receiver)..];
        return Some(if object.is_empty() { format!(".{name}") } else { format!("{object}.{name}") });
    }
    let is_declared = rest.ends_with("function") || rest.ends_with("function*");
    let is_new = rest.strip_suffix("new").is_some_and(|rest| !rest.ends_with(is_part));
    (!is_declared).then(|| if is_new { format!("new {name}") } else { name.to_owned() })
}

/// Takes away TypeScript's `<void>` of `new Promise<void>(`.
fn without_type_arguments(before: &str) -> Option<&str> {
    if !before.ends_with('>') || before.ends_with("=>") {
        return Some(before);
    }
    let mut depth = 0;
    let open = before.char_indices().rev().find(|(_, c)| {
        depth += match c {
            '>' => 1,
            '<' => -1,
            _ => 0,
        };
        depth == 0
    });
    open.map(|(at, _)| &before[..at])
}

/// Returns the string that the arguments of a call begin with.
fn literal(arguments: &str) -> Option<&str> {
    let arguments = arguments.trim_start();
    let quote = arguments.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    let (text, _) = arguments[1..].split_once(quote)?;
    let is_plain = !text.is_empty() && text.len() <= MAX_LITERAL && !text.contains(['\n', '$', '\\']);
    is_plain.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Source;
    use proptest::prelude::*;

    #[track_caller]
    fn check(before: &str, expected: Option<&str>) {
        assert_eq!(role(before).as_deref(), expected, "{before}");
    }

    #[test]
    fn a_route_is_named_by_its_method_and_path() {
        check("app.post('/v1/messages', async ", Some("handler of POST /v1/messages"));
        check("app.post('/v1/messages', auth, ", Some("handler of POST /v1/messages"));
        check("router.get(\"/models\", async function ", Some("handler of GET /models"));
        check("fastify.all(`/x`, { schema: { a: [1, 2] } }, ", Some("handler of any /x"));
        check("app.use('/v1', ", Some("middleware of /v1"));
        check("completionRoutes.post(\"/\", async ", Some("handler of POST /"));
    }

    #[test]
    fn other_callbacks_are_named_by_what_they_are_passed_to() {
        check("const free = accounts.filter(", Some("callback of accounts.filter()"));
        check("return pool.map(async ", Some("callback of pool.map()"));
        check("  x.y(1)\n    .map(", Some("callback of .map()"));
        check("await new Promise(", Some("callback of new Promise()"));
        check("await new Promise<Array<string>>(", Some("callback of new Promise()"));
        check("setTimeout(function ", Some("callback of setTimeout()"));
        check("cache.get(key, ", Some("callback of cache.get()"));
        check("items.reduce((a), ", Some("callback of items.reduce()"));
        check("stream?.on('data', ", Some("listener of 'data'"));
        check("list?.forEach?.(", Some("callback of list.forEach()"));
        check("app.use(async ", Some("callback of app.use()"));
        check("f('it has ( and , in it', ", Some("callback of f()"));
    }

    #[test]
    fn what_is_no_argument_of_a_call_has_no_role() {
        check("", None);
        check("const handlers = [", None);
        check("const handlers = [a, ", None);
        check("if (", None);
        check("(", None);
        check("return ", None);
        check("x = { a, ", None);
        check("function f(", None);
        check("broken') , ", None);
    }

    /// Builds a script whose functions are those given by name and the text that they are.
    fn source(text: &str, functions: &[(&str, &str)]) -> Source {
        let place = |part: &str| {
            let start = text.find(part).expect("it is in the text");
            let units = |text: &str| text.encode_utf16().count() as u32;
            (units(&text[..start]), units(&text[..start]) + units(part))
        };
        let functions = functions.iter().map(|(name, part)| ((*name).to_owned(), place(part)));
        let functions = functions.map(|(name, (start, end))| (name, start, end)).collect();
        Source { url: "file:///a.js".into(), text: text.into(), functions, ..Source::default() }
    }

    #[test]
    fn a_function_without_a_name_is_told_by_its_call_and_the_function_around_it() {
        let text = "// „ä“\nfunction pick(list) {\n  return list.filter((a) => a.ok);\n}\n\
            app.post('/v1/chat', async (req) => {\n  req.all.map((m) => m.text);\n  (() => 1)();\n});\n";
        let handler = "async (req) => {\n  req.all.map((m) => m.text);\n  (() => 1)();\n}";
        let pick = "function pick(list) {\n  return list.filter((a) => a.ok);\n}";
        let source = source(
            text,
            &[("pick", pick), ("", "(a) => a.ok"), ("", handler), ("", "(m) => m.text"), ("", "() => 1")],
        );
        let script = Script::of(&source);
        let role_at = |line, column| script.role_at(line, column);
        assert_eq!(role_at(2, 22).unwrap(), "callback of list.filter() in pick()");
        assert_eq!(role_at(4, 30).unwrap(), "handler of POST /v1/chat");
        assert_eq!(role_at(5, 16).unwrap(), "callback of all.map() in handler of POST /v1/chat");
        assert_eq!(role_at(6, 4).unwrap(), "function in handler of POST /v1/chat");
        assert_eq!(role_at(1, 15), None, "it has a name");
        assert_eq!(role_at(9, 0), None, "no function is there");
    }

    #[test]
    fn in_an_original_file_only_the_text_before_tells() {
        let source = source("accounts.filter((a) => a.ok)", &[]);
        assert_eq!(Script::of(&source).role_at(0, 16).unwrap(), "callback of accounts.filter()");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "\\PC*[(,] *(async )?") {
            let _ = role(&text);
        }

        #[test]
        fn the_arguments_before_do_not_matter(argument in "[a-z]{1,8}|\\{ [a-z]: [0-9] \\}|'[a-z ()]{0,9}'") {
            prop_assert_eq!(role(&format!("q.push({argument}, ")).unwrap(), "callback of q.push()");
        }
    }
}
