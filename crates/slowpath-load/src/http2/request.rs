//! A request as `h2` sends it.

use bytes::Bytes;
use http::{Method, Request, Uri, Version};

use crate::request_source::RequestParts;
use crate::url::Scheme;

/// Head and body of a request.
#[derive(Debug, Clone)]
pub(crate) struct Http2Request {
    pub(super) head: Request<()>,
    pub(super) body: Bytes,
    /// Which of the plan's requests it is.
    pub(super) index: usize,
}

impl Http2Request {
    /// # Errors
    /// If the parts are not those of a request: a path or header value with characters that HTTP does not have.
    pub(crate) fn new(parts: RequestParts, scheme: Scheme) -> Result<Self, http::Error> {
        let uri = Uri::builder()
            .scheme(scheme.as_str())
            .authority(parts.authority)
            .path_and_query(parts.path)
            .build()?;
        let mut head = Request::builder()
            .method(Method::from_bytes(parts.method.as_bytes())?)
            .uri(uri)
            .version(Version::HTTP_2);
        for (name, value) in &parts.headers {
            head = head.header(name, value);
        }
        Ok(Self { head: head.body(())?, body: Bytes::from(parts.body), index: parts.index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_parts_together_or_says_why_not() {
        let parts = |path: &str| RequestParts {
            method: "POST".to_owned(),
            authority: "h:81".to_owned(),
            path: path.to_owned(),
            headers: vec![("x".to_owned(), "1".to_owned()), ("x".to_owned(), "2".to_owned())],
            body: b"hi".to_vec(),
            index: 3,
        };
        let request = Http2Request::new(parts("/p?q=1"), Scheme::Https).unwrap();
        assert_eq!(request.head.uri().to_string(), "https://h:81/p?q=1");
        assert_eq!(request.head.headers().get_all("x").iter().count(), 2);
        assert_eq!(
            (request.head.method().as_str(), &request.body[..], request.index),
            ("POST", &b"hi"[..], 3)
        );
        assert!(Http2Request::new(parts("/a b"), Scheme::Http).is_err());
    }
}
