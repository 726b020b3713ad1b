//! The URL of a load: `http://host[:port][/path][?query]` or `https://…`, parsed once. No other scheme, no user name,
//! no encoding of what should have been encoded already.

use std::fmt;
use std::str::FromStr;

use crate::error::LoadError;
use crate::redact::Redactor;

/// Whether bytes travel in the clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// Returns `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// Returns the port of URLs that name none.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Where requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// What stands before `://`.
    pub scheme: Scheme,
    /// Host name or IP address; an IPv6 address without its brackets.
    pub host: String,
    /// TCP port; 80 or 443 when the text names none.
    pub port: u16,
    /// The request target: begins with `/`, without fragment.
    pub path_and_query: String,
}

impl Url {
    /// Parses `http://host[:port][/path][?query][#ignored]`, or the same with `https`.
    ///
    /// # Errors
    /// [`LoadError::BadUrl`], which says what to write instead.
    pub fn parse(text: &str) -> Result<Self, LoadError> {
        let bad = |problem, hint| LoadError::BadUrl { url: Redactor::default().redact(text), problem, hint };
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(bad("it has no scheme", "write it as `http://host:port/path`"));
        };
        let scheme = match scheme {
            _ if scheme.eq_ignore_ascii_case("http") => Scheme::Http,
            _ if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
            _ => {
                return Err(bad(
                    "its scheme is neither http nor https",
                    "write it as `http://host:port/path`",
                ));
            }
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(authority_end);
        if authority.contains('@') {
            return Err(bad(
                "it holds a user name",
                "send credentials as a header, `Authorization: Basic …`",
            ));
        }
        if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(bad(
                "its path holds a space, a control character or a non-ASCII letter",
                "percent-encode it: a space is `%20`",
            ));
        }
        let (host, port) = split_port(authority, scheme).map_err(|(problem, hint)| bad(problem, hint))?;
        let path_and_query = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Self { scheme, host: host.to_owned(), port, path_and_query })
    }

    /// Returns `host:port` as a `Host` header has it: without the port if it is the scheme's, IPv6 in brackets.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.default_port() { host } else { format!("{host}:{}", self.port) }
    }
}

fn split_port(authority: &str, scheme: Scheme) -> Result<(&str, u16), (&'static str, &'static str)> {
    let (host, port) = if let Some(bracketed) = authority.strip_prefix('[') {
        let Some((address, after)) = bracketed.split_once(']') else {
            return Err(("its IPv6 address has no closing bracket", "write it as `http://[::1]:3000/`"));
        };
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(("what is in brackets is not an IPv6 address", "write it as `http://[::1]:3000/`"));
        }
        match after.strip_prefix(':') {
            Some(port) => (address, port),
            None if after.is_empty() => (address, ""),
            None => {
                return Err(("there is text after the IPv6 address", "write it as `http://[::1]:3000/`"));
            }
        }
    } else {
        let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
        if port.contains(':') {
            return Err((
                "it has more than one port",
                "put an IPv6 address in brackets: `http://[::1]:3000/`",
            ));
        }
        (host, port)
    };
    if host.is_empty() {
        return Err(("it has no host", "write it as `http://host:port/path`"));
    }
    let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:%".contains(&byte);
    if !host.bytes().all(is_host_byte) {
        return Err((
            "its host holds a character that no host name has",
            "write it as `http://host:port/path`",
        ));
    }
    if port.is_empty() {
        return Ok((host, scheme.default_port()));
    }
    match port.parse::<u16>() {
        Ok(number) if number > 0 && port.bytes().all(|byte| byte.is_ascii_digit()) => Ok((host, number)),
        _ => Err(("its port is not a number from 1 to 65535", "write it as `http://host:3000/path`")),
    }
}

impl FromStr for Url {
    type Err = LoadError;

    fn from_str(text: &str) -> Result<Self, LoadError> {
        Self::parse(text)
    }
}

impl fmt::Display for Url {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}{}", self.scheme.as_str(), self.authority(), self.path_and_query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_host_port_and_target() {
        fn check(text: &str, host: &str, port: u16, target: &str, shown: &str) {
            let url = Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(
                (url.host.as_str(), url.port, url.path_and_query.as_str()),
                (host, port, target),
                "{text}"
            );
            assert_eq!(url.to_string(), shown);
            assert_eq!(Url::parse(shown).unwrap(), url, "what is shown parses to the same");
        }
        check("http://localhost", "localhost", 80, "/", "http://localhost/");
        check("http://localhost:3000", "localhost", 3000, "/", "http://localhost:3000/");
        check("HTTP://a.b-c:1/x/y?z=1#f", "a.b-c", 1, "/x/y?z=1", "http://a.b-c:1/x/y?z=1");
        check("http://h?q=http://x", "h", 80, "/?q=http://x", "http://h/?q=http://x");
        check("http://[::1]:3000/v1", "::1", 3000, "/v1", "http://[::1]:3000/v1");
        check("http://[2001:db8::1]", "2001:db8::1", 80, "/", "http://[2001:db8::1]/");
        check("http://h:/x", "h", 80, "/x", "http://h/x");
        check("https://h/x", "h", 443, "/x", "https://h/x");
        check("https://h:80/x", "h", 80, "/x", "https://h:80/x");
        check("HTTPS://[::1]:443/", "::1", 443, "/", "https://[::1]/");
    }

    #[test]
    fn says_what_to_write_instead() {
        fn check(text: &str, problem: &str, hint: &str) {
            let error = Url::parse(text).expect_err(text);
            assert!(error.to_string().contains(problem), "{text}: {error}");
            assert!(error.hint().unwrap_or_default().contains(hint), "{text}: {:?}", error.hint());
        }
        check("localhost:3000", "no scheme", "http://host:port/path");
        check("ftp://x/", "neither http nor https", "http://");
        check("http:///path", "no host", "http://host");
        check("http://u:p@h/", "user name", "Authorization");
        check("http://h:0/", "port", "3000");
        check("http://h:65536/", "port", "3000");
        check("http://h:+80/", "port", "3000");
        check("http://::1/", "more than one port", "brackets");
        check("http://[::1/", "closing bracket", "[::1]");
        check("http://[x]/", "not an IPv6", "[::1]");
        check("http://[::1]x/", "after the IPv6", "[::1]");
        check("http://h/a b", "space", "%20");
        check("http://h/ü", "non-ASCII", "percent-encode");
        check("http://a b/", "character", "http://host");
    }
}
