//! URLs as people type them: without a scheme, or only the path of a server whose port is known otherwise.

use crate::exit_code::usage;

/// Returns whole URLs. `port` is where a bare path goes: `$PORT`, or the port that the started command listens on.
pub(crate) fn whole_urls(urls: &[String], port: Option<u16>) -> anyhow::Result<Vec<String>> {
    urls.iter()
        .map(|url| match (url.starts_with('/'), port) {
            (true, Some(port)) => Ok(format!("http://localhost:{port}{url}")),
            (true, None) => Err(usage(
                format!("`{url}` is a path without a host"),
                "write `http://host:port/path`, or set PORT to send it to localhost",
            )),
            (false, _) if url.contains("://") => Ok(url.clone()),
            (false, _) => Ok(format!("http://{url}")),
        })
        .collect()
}

/// Whether the port must be found out before anything can be sent.
pub(crate) fn are_bare_paths(urls: &[String]) -> bool {
    urls.iter().all(|url| url.starts_with('/'))
}

/// Reads `$PORT`, where autocannon looks for the port of bare paths.
pub(crate) fn port_from_environment() -> Option<u16> {
    std::env::var("PORT").ok().and_then(|port| port.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_may_be_left_out_and_the_host_where_the_port_is_known() {
        fn check(url: &str, port: Option<u16>, expected: &str) {
            assert_eq!(whole_urls(&[url.to_owned()], port).unwrap(), [expected]);
        }
        check("localhost:3000", None, "http://localhost:3000");
        check("http-server/x", None, "http://http-server/x");
        check("https://h/x", None, "https://h/x");
        check("/v1/models", Some(3000), "http://localhost:3000/v1/models");
        check("h/x", Some(3000), "http://h/x");
        assert!(whole_urls(&["/x".to_owned()], None).unwrap_err().to_string().contains("without a host"));
        assert!(are_bare_paths(&["/a".to_owned()]) && !are_bare_paths(&["/a".to_owned(), "h".to_owned()]));
    }
}
