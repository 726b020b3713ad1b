//! Tests of the request reader: what it reads must not depend on how the stream is cut.

use proptest::prelude::*;

use super::*;

/// Reads all requests of `pieces`; the second value is the status of what ended it.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Request>, Option<u16>) {
    let mut reader = RequestReader::new();
    let mut seen = Vec::new();
    for piece in pieces {
        reader.push(piece);
        loop {
            match reader.next_request() {
                Ok(Some(request)) => seen.push(request),
                Ok(None) => break,
                Err(bad) => return (seen, Some(bad.status)),
            }
        }
    }
    (seen, None)
}

/// Reads `input` whole and cut at every position; all must agree.
fn check(input: &str, expected: &[(&str, &str, bool, &str)], status: Option<u16>) {
    for position in 0..=input.len() {
        let (seen, ended_with) = read([&input.as_bytes()[..position], &input.as_bytes()[position..]]);
        let seen: Vec<_> = seen
            .iter()
            .map(|r| (&*r.method, &*r.path, r.keeps_alive, std::str::from_utf8(&r.body).unwrap()))
            .collect();
        assert_eq!(seen, expected, "{input:?} cut at {position}");
        assert_eq!(ended_with, status, "{input:?} cut at {position}");
    }
}

#[test]
fn cuts_the_stream_into_requests() {
    check("GET /v1/models?x=1 HTTP/1.1\r\nHost: h\r\n\r\n", &[("GET", "/v1/models", true, "")], None);
    check(
        "POST /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi\r\nPOST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n\
         1\r\nx\r\n2\r\nyz\r\n0\r\n\r\nGET /c HTTP/1.1\r\nConnection: close\r\n\r\n",
        &[("POST", "/a", true, "hi"), ("POST", "/b", true, "xyz"), ("GET", "/c", false, "")],
        None,
    );
    check("GET / HTTP/1.0\r\n\r\n", &[("GET", "/", false, "")], None);
    check("GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n", &[("GET", "/", true, "")], None);
    check("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nhi", &[], None);
    check("GET http://h:1/a?b HTTP/1.1\r\n\r\n", &[("GET", "/a", true, "")], None);
    check("GET http://h HTTP/1.1\r\n\r\n", &[("GET", "/", true, "")], None);
    check("GET /m%3Ax%zz%c3%a9%f HTTP/1.1\r\n\r\n", &[("GET", "/m:x%zzé%f", true, "")], None);
}

#[test]
fn refuses_what_is_no_request() {
    let refuses = |input: &str, status| check(input, &[], Some(status));
    refuses("nonsense\r\n\r\n", 400);
    refuses("\u{16}\u{3}\u{1}", 400);
    refuses("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505);
    refuses("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400);
    refuses("POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400);
    refuses("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400);
    refuses("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400);
    refuses("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501);
    refuses("POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413);
    refuses("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400);
    assert_eq!(read([&b"GET / HTTP/1.1\r\na: "[..], &vec![b'x'; 70_000]]).1, Some(431));
    assert_eq!(read([&b"GET / HTTP/1.1\r\na: \xff\r\n\r\n"[..]]).1, None, "header values may be any bytes");
}

#[test]
fn tells_the_apis_apart_and_forgets_keys() {
    fn check(head: &str, expected: Marks) {
        let (seen, _) = read([head.as_bytes()]);
        assert_eq!(seen[0].marks, expected, "{head}");
        assert!(!format!("{seen:?}").contains("SECRET"), "{seen:?}");
    }
    let none = Marks::default();
    check("GET / HTTP/1.1\r\nAuthorization: Bearer SECRET\r\n\r\n", none);
    check(
        "GET / HTTP/1.1\r\nAnthropic-Version: 2023-06-01\r\nx-api-key: SECRET\r\n\r\n",
        Marks { is_claude: true, ..none },
    );
    check("GET / HTTP/1.1\r\nx-goog-api-key: SECRET\r\n\r\n", Marks { is_gemini: true, ..none });
    check("GET /?alt=sse&key=SECRET HTTP/1.1\r\n\r\n", Marks { is_gemini: true, asks_sse: true, ..none });
}

#[test]
fn says_once_that_the_client_waits_to_send_its_body() {
    let mut reader = RequestReader::new();
    reader.push(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(reader.next_request(), Ok(None));
    assert!(reader.takes_continue());
    assert!(!reader.takes_continue());
    reader.push(b"hi");
    assert!(reader.next_request().unwrap().is_some_and(|request| request.body == b"hi"));

    // It did not wait.
    reader.push(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nh");
    assert_eq!(reader.next_request(), Ok(None));
    assert!(!reader.takes_continue());
}

proptest! {
    #[test]
    fn what_is_read_does_not_depend_on_the_cuts(
        input in prop::collection::vec(prop::sample::select(vec![
            "GET /a HTTP/1.1\r\n", "POST /b HTTP/1.0\r\n", "\r\n", "content-length: 3\r\n", "abc", "x: y\r\n",
            "transfer-encoding: chunked\r\n", "3\r\nabc\r\n", "0\r\n\r\n", " ", "\n", "\u{0}",
        ]), 0..12),
        cuts in prop::collection::vec(0_usize..200, 0..4),
    ) {
        let input = input.concat();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(input.len())).collect();
        cuts.extend([0, input.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|pair| &input.as_bytes()[pair[0]..pair[1]]);
        prop_assert_eq!(read(pieces), read([input.as_bytes()]));
    }
}
