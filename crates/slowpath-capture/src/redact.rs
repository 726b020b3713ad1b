//! Takes secrets out of texts before they are kept: command lines, URLs, output lines.
//!
//! Errs on the side of hiding: a value after a name that smells of a secret goes, whatever it is.

/// What replaces a secret.
const HIDDEN: &str = "[redacted]";

/// Names whose values are secrets, as parts of option, header, query and variable names.
const SECRET_NAMES: &[&str] =
    &["key", "token", "secret", "passw", "pwd", "auth", "credential", "cookie", "session", "signature"];

/// Prefixes of well-known API keys and tokens.
const SECRET_PREFIXES: &[&str] = &[
    "sk-",
    "sk_",
    "pk-",
    "pk_",
    "rk-",
    "rk_",
    "ghp_",
    "gho_",
    "github_pat_",
    "xox",
    "AKIA",
    "AIza",
    "ya29.",
    "eyJ",
    "glpat-",
    "hf_",
];

/// Shortest word that a well-known prefix makes a secret.
const MIN_SECRET_LENGTH: usize = 12;

/// Redacts a command line: `--api-key X`, `--api-key=X`, `API_KEY=X`, credentials in URLs, well-known key shapes.
pub fn redact_args(args: &[String]) -> Vec<String> {
    let mut redacted = Vec::with_capacity(args.len());
    let mut hide_next = false;
    for arg in args {
        let is_option = arg.starts_with('-');
        if hide_next && !is_option {
            redacted.push(HIDDEN.to_owned());
            hide_next = false;
            continue;
        }
        match arg.split_once('=') {
            Some((name, _)) if is_secret_name(name) => redacted.push(format!("{name}={HIDDEN}")),
            _ => redacted.push(redact_text(arg)),
        }
        hide_next = is_option && !arg.contains('=') && is_secret_name(arg);
    }
    redacted
}

/// Redacts user info and secret query values of a URL.
pub fn redact_url(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{HIDDEN}@{host}"),
        None => authority.to_owned(),
    };
    let path = match path.split_once('?') {
        Some((path, query)) => {
            let query: Vec<_> = query
                .split('&')
                .map(|pair| match pair.split_once('=') {
                    Some((name, _)) if is_secret_name(name) => format!("{name}={HIDDEN}"),
                    _ => pair.to_owned(),
                })
                .collect();
            format!("{path}?{}", query.join("&"))
        }
        None => path.to_owned(),
    };
    if scheme.is_empty() { format!("{authority}{path}") } else { format!("{scheme}://{authority}{path}") }
}

/// Redacts free text: bearer tokens, `name: value` and `name=value` of secret names, well-known key shapes, URL logins.
pub fn redact_text(text: &str) -> String {
    let mut redacted = String::with_capacity(text.len());
    let mut hide_next = false;
    for piece in text.split_inclusive([' ', '\t', '\n', ',', '"', '\'', ';', '{', '}', '(', ')']) {
        let end = piece.trim_end_matches([' ', '\t', '\n', ',', '"', '\'', ';', '{', '}', '(', ')']).len();
        let (word, separator) = piece.split_at(end);
        let lower = word.to_ascii_lowercase();
        if word.is_empty() || word == ":" {
            redacted.push_str(piece);
            continue;
        }
        if lower == "bearer" || lower == "basic" {
            redacted.push_str(piece);
            hide_next = true;
            continue;
        }
        if hide_next || is_known_secret(word) {
            redacted.push_str(HIDDEN);
            hide_next = false;
        } else if word.contains("://") {
            redacted.push_str(&redact_url(word));
        } else if let Some((at, name)) = assignment(word) {
            redacted.push_str(&word[..=at]);
            let value_is_here = at + 1 < word.len();
            let hide = is_secret_name(name);
            if value_is_here {
                redacted.push_str(if hide { HIDDEN } else { &word[at + 1..] });
            }
            hide_next = hide && !value_is_here;
        } else {
            redacted.push_str(word);
            // `"apiKey": "…"`: the quote parted the name from its colon.
            hide_next = separator.starts_with(['"', '\'']) && is_secret_name(word);
        }
        redacted.push_str(separator);
    }
    redacted
}

/// Redacts program text: the content of string literals that have the shape of a well-known key, or that are assigned
/// to a secret's name and look like a credential, becomes as many `*`. Lines and columns stay where they were.
pub(crate) fn redact_code(text: &str) -> String {
    let mut redacted = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        redact_code_line(line, &mut redacted);
    }
    redacted
}

fn redact_code_line(line: &str, redacted: &mut String) {
    let mut rest = line;
    // Quotes are paired within a line; where that goes wrong, the worst is that code between strings is looked at.
    while let Some(open) = rest.find(['\'', '"', '`']) {
        let quote = &rest[open..=open];
        let (before, after) = rest.split_at(open + 1);
        redacted.push_str(before);
        let Some(close) = after.find(quote) else {
            rest = after;
            continue;
        };
        let content = &after[..close];
        let is_credential = content.len() >= MIN_SECRET_LENGTH
            && content.bytes().any(|byte| byte.is_ascii_digit())
            && !content.contains([' ', '/', '$', '{']);
        let so_far = &line[..line.len() - rest.len() + open];
        let assigned_to = so_far.trim_end().strip_suffix([':', '=']).unwrap_or_default();
        let name = assigned_to.trim_end_matches(['"', '\'', ' ']).rsplit(|c: char| !is_word(c)).next();
        let has_login = content.split_once("://").is_some_and(|(_, rest)| {
            rest.split('/')
                .next()
                .and_then(|host| host.split_once('@'))
                .is_some_and(|(login, _)| login.contains(':'))
        });
        if is_known_secret(content) || has_login || (is_credential && name.is_some_and(is_secret_name)) {
            redacted.extend(content.chars().map(|_| '*'));
        } else {
            redacted.push_str(content);
        }
        redacted.push_str(quote);
        rest = &after[close + 1..];
    }
    redacted.push_str(rest);
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-' || c == '$'
}

fn assignment(word: &str) -> Option<(usize, &str)> {
    let at = word.find(['=', ':'])?;
    Some((at, &word[..at]))
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|secret| name.contains(secret))
}

fn is_known_secret(word: &str) -> bool {
    word.len() >= MIN_SECRET_LENGTH && SECRET_PREFIXES.iter().any(|prefix| word.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_keep_their_shape_and_lose_their_secrets() {
        let check = |args: &[&str], expected: &[&str]| {
            let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
            assert_eq!(redact_args(&args), expected);
        };
        check(
            &["node", "a.js", "--api-key", "AI_x", "--port", "3"],
            &["node", "a.js", "--api-key", HIDDEN, "--port", "3"],
        );
        check(&["node", "--api-key=AI_x"], &["node", "--api-key=[redacted]"]);
        check(&["API_TOKEN=x", "redis://u:p@h:1/0"], &["API_TOKEN=[redacted]", "redis://[redacted]@h:1/0"]);
        check(&["--quiet", "sk-abcdefghijklmnop"], &["--quiet", HIDDEN]);
        check(&["--token", "--verbose"], &["--token", "--verbose"]);
    }

    #[test]
    fn urls_lose_logins_and_secret_query_values() {
        assert_eq!(redact_url("http://a:b@h:1/p?key=1&q=2"), "http://[redacted]@h:1/p?key=[redacted]&q=2");
        assert_eq!(redact_url("http://h:1/p"), "http://h:1/p");
    }

    #[test]
    fn program_text_loses_credentials_and_keeps_its_columns() {
        fn check(text: &str, expected: &str) {
            assert_eq!(redact_code(text), expected);
            assert_eq!(text.chars().count(), expected.chars().count());
        }
        check("const key = 'sk-abcdefghij12';\nf()", "const key = '***************';\nf()");
        check("{ apiKey: \"abcdefgh1234\", n: 1 }", "{ apiKey: \"************\", n: 1 }");
        check("{ \"client_secret\": `abcdefgh1234` }", "{ \"client_secret\": `************` }");
        check("connect('redis://u:pass@h:1/0')", "connect('********************')");
        for harmless in [
            "const key = 'name'; const token = next(); if (token === 'a') {}",
            "const KEY_PATH = '/v1/keys/1234567890';",
            "it's fine, don't worry",
            "fetch(`https://host/${id}`)",
        ] {
            check(harmless, harmless);
        }
    }

    #[test]
    fn texts_lose_tokens() {
        assert_eq!(redact_text("Authorization: Bearer abc def"), "Authorization: Bearer [redacted] def");
        assert_eq!(redact_text(r#"{"apiKey": "abc", "n": 1}"#), r#"{"apiKey": "[redacted]", "n": 1}"#);
        assert_eq!(redact_text("listening on http://127.0.0.1:3000"), "listening on http://127.0.0.1:3000");
        assert_eq!(redact_text("x-api-key=abc ok"), "x-api-key=[redacted] ok");
    }
}
