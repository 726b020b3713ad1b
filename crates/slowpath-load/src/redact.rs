//! Removes secrets from texts that are shown or stored: error samples, offending headers, URLs. Recognises secrets by
//! where they stand and how they begin; it does not try to find secrets that look like ordinary words.

/// What stands in place of a secret.
const REDACTED: &str = "[redacted]";

/// Beginnings of well-known key formats (OpenAI, Anthropic, Stripe, GitHub, GitLab, Google, Slack, AWS, Hugging Face, JWT).
const KEY_PREFIXES: [&str; 17] = [
    "sk-",
    "sk_",
    "pk-",
    "pk_",
    "rk-",
    "rk_",
    "ghp_",
    "gho_",
    "github_pat_",
    "glpat-",
    "AIza",
    "ya29.",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "hf_",
    "eyJ",
];

/// Names after which a value follows that must not be shown; compared in lower case with `-` and `_` removed.
const SECRET_NAMES: [&str; 15] = [
    "authorization",
    "proxyauthorization",
    "apikey",
    "xapikey",
    "xgoogapikey",
    "key",
    "token",
    "accesstoken",
    "refreshtoken",
    "idtoken",
    "secret",
    "clientsecret",
    "password",
    "cookie",
    "setcookie",
];

/// Names of authentication schemes after which the credential follows.
const SCHEMES: [&str; 2] = ["bearer", "basic"];

/// Removes secrets by their form, and the given ones wherever they appear.
#[derive(Debug, Clone, Default)]
pub(crate) struct Redactor {
    known_secrets: Vec<String>,
}

impl Redactor {
    /// Takes the values of secret request headers, so that a server that echoes them does not give them away.
    pub(crate) fn for_headers(headers: &[(String, String)]) -> Self {
        let mut known_secrets = Vec::new();
        for (name, value) in headers {
            if is_secret_name(name) {
                // Of `Bearer abc`, a server may echo `abc` alone.
                known_secrets
                    .extend(value.split([' ', ';', '=']).filter(|word| word.len() >= 6).map(str::to_owned));
            }
        }
        known_secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self { known_secrets }
    }

    /// Returns `text` with every recognised secret replaced by `[redacted]`.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.known_secrets {
            text = text.replace(secret, REDACTED);
        }
        redact_by_form(&text)
    }
}

/// What the words so far say about the next one.
#[derive(Clone, Copy, PartialEq)]
enum Expecting {
    Nothing,
    /// A secret's name was read; a `:` or `=` must follow.
    Assignment,
    /// `name:` was read.
    Value,
    /// `Bearer` was read.
    Credential,
}

fn redact_by_form(text: &str) -> String {
    let mut output = String::with_capacity(text.len());
    let mut expecting = Expecting::Nothing;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word_end = rest.find(|c: char| !is_word_char(c)).unwrap_or(rest.len());
        if word_end == 0 {
            expecting = match (expecting, first) {
                (Expecting::Assignment | Expecting::Value, ':' | '=') => Expecting::Value,
                (state, ' ' | '"' | '\'' | '\\' | '\t') => state,
                _ => Expecting::Nothing,
            };
            output.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(word_end);
        rest = after;
        let is_scheme = SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme));
        let is_secret = match expecting {
            Expecting::Value => !is_scheme && word != REDACTED.trim_matches(['[', ']']),
            // `bearer token is missing` is prose; a credential is longer or has a digit.
            Expecting::Credential => word.len() >= 20 || word.bytes().any(|byte| byte.is_ascii_digit()),
            Expecting::Nothing | Expecting::Assignment => false,
        } || (word.len() >= 8 && KEY_PREFIXES.iter().any(|prefix| word.starts_with(prefix)));
        output.push_str(if is_secret { REDACTED } else { word });
        expecting = if is_scheme && expecting == Expecting::Value {
            Expecting::Value
        } else if is_scheme {
            Expecting::Credential
        } else if is_secret_name(word) {
            Expecting::Assignment
        } else {
            Expecting::Nothing
        };
    }
    output
}

fn is_word_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.+/~%".contains(c)
}

fn is_secret_name(name: &str) -> bool {
    let plain: String = name.chars().filter(|c| !"-_".contains(*c)).map(|c| c.to_ascii_lowercase()).collect();
    SECRET_NAMES.contains(&plain.as_str()) || plain.ends_with("apikey") || plain.ends_with("token")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_secrets_and_nothing_else() {
        fn check(text: &str, expected: &str) {
            assert_eq!(Redactor::default().redact(text), expected);
        }
        check("plain words: 3 of 4", "plain words: 3 of 4");
        check("Authorization: Bearer abc123", "Authorization: Bearer [redacted]");
        check("authorization=Basic dXNlcjE6cA==", "authorization=Basic [redacted]==");
        check("Authorization: Bearer nodigits", "Authorization: Bearer [redacted]");
        check(r#"{"api_key":"hunter"}"#, r#"{"api_key":"[redacted]"}"#);
        check(r#"{\"api_key\": \"hunter\"}"#, r#"{\"api_key\": \"[redacted]\"}"#);
        check("GET /x?key=abc&n=1", "GET /x?key=[redacted]&n=1");
        check("bad key sk-proj-123456 given", "bad key [redacted] given");
        check("bearer token is missing", "bearer token is missing");
        check("the token expired", "the token expired");
        check("eyJhbGciOi.eyJzdWIi.x", "[redacted]");
        check("größe: 3 ü", "größe: 3 ü");
    }

    #[test]
    fn replaces_the_values_of_the_requests_own_secret_headers() {
        let headers = [
            ("X-Api-Key".to_owned(), "correcthorse".to_owned()),
            ("accept".to_owned(), "application/json".to_owned()),
        ];
        let redactor = Redactor::for_headers(&headers);
        assert_eq!(
            redactor.redact("no such user correcthorse; application/json"),
            "no such user [redacted]; application/json"
        );
    }
}
