//! Origins of URLs as recordings hold them: scheme, host and port. More forgiving than [`crate::Url`], which is what a
//! person types.

use std::fmt;

use crate::error::LoadError;
use crate::redact::Redactor;

/// Where a request went. Two are equal if host and port are, and the scheme in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: String,
    /// In lower case; IPv6 in brackets.
    host: String,
    port: u16,
}

impl Origin {
    /// # Errors
    /// [`LoadError::BadUrl`] if it is not `http://host` or `https://host`, with or without port.
    pub(crate) fn parse(text: &str) -> Result<Self, LoadError> {
        split_url(text).map(|(origin, _)| origin).ok_or_else(|| LoadError::BadUrl {
            url: Redactor::default().redact(text),
            problem: "it is no origin of web pages",
            hint: "write it as `https://app.example.com` or `http://localhost:3000`",
        })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", self.scheme, self.host)?;
        if Some(self.port) == default_port(&self.scheme) {
            Ok(())
        } else {
            write!(formatter, ":{}", self.port)
        }
    }
}

/// Splits a URL into its origin and the request target: path and query, without fragment.
///
/// Returns `None` for what is not `http:` or `https:`, or has no host.
pub(crate) fn split_url(url: &str) -> Option<(Origin, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let default_port = default_port(&scheme)?;
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let authority = authority.rsplit('@').next().unwrap_or_default();
    // A colon after the bracket of an IPv6 address, or the only one, begins the port.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, ""),
    };
    let port = if port.is_empty() { default_port } else { port.parse().ok()? };
    if host.is_empty() {
        return None;
    }
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    Some((Origin { scheme, host: host.to_ascii_lowercase(), port }, target))
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_urls_into_origin_and_target() {
        fn check(url: &str, origin: &str, target: &str) {
            let split = split_url(url).map(|(origin, target)| (origin.to_string(), target));
            assert_eq!(split, Some((origin.to_owned(), target.to_owned())), "{url}");
        }
        check("https://App.example.com", "https://app.example.com", "/");
        check("HTTPS://app.example.com:443/a?b#c", "https://app.example.com", "/a?b");
        check("http://h:443?x=1", "http://h:443", "/?x=1");
        check("http://user:pass@h:80/", "http://h", "/");
        check("http://[::1]:3000/a:b@c", "http://[::1]:3000", "/a:b@c");
        check("http://[::1]/", "http://[::1]", "/");
        for other in
            ["ws://h/", "data:text/plain,x", "blob:https://h/1", "http:///x", "http://h:99999/", "h:80"]
        {
            assert_eq!(split_url(other), None, "{other}");
        }
    }

    #[test]
    fn equal_origins_are_equal_however_they_are_written() {
        let origin = |text: &str| Origin::parse(text).unwrap();
        assert_eq!(origin("https://h"), origin("HTTPS://H:443/path"));
        assert_ne!(origin("https://h"), origin("http://h"));
        assert_ne!(origin("http://h"), origin("http://h:81"));
        assert!(Origin::parse("app.example.com").unwrap_err().hint().is_some());
    }
}
