//! Builds the bytes of the one request that a load repeats. They are built once and sent unchanged.

use crate::plan::LoadPlan;

/// Returns head and body of the plan's request. The plan is valid.
pub(crate) fn request_bytes(plan: &LoadPlan) -> Vec<u8> {
    let has = |name: &str| plan.requests[0].headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    let mut head = format!("{} {} HTTP/1.1\r\n", plan.requests[0].method, plan.urls[0].path_and_query);
    let mut add = |name: &str, value: &str| {
        head.push_str(name);
        head.push_str(": ");
        head.push_str(value);
        head.push_str("\r\n");
    };
    if !has("host") {
        add("host", &plan.urls[0].authority());
    }
    if !has("user-agent") {
        add("user-agent", concat!("slowpath/", env!("CARGO_PKG_VERSION")));
    }
    if !has("accept") {
        add("accept", "*/*");
    }
    for (name, value) in &plan.requests[0].headers {
        add(name, value);
    }
    // RFC 9110, 8.6: a method whose requests usually have a body says so when this one has none.
    let expects_body = matches!(plan.requests[0].method.as_str(), "POST" | "PUT" | "PATCH");
    if !has("content-length") && (expects_body || !plan.requests[0].body.is_empty()) {
        add("content-length", &plan.requests[0].body.len().to_string());
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(&plan.requests[0].body);
    bytes
}

/// Tells whether the plan's own headers ask the server to close the connection after each answer.
pub(crate) fn asks_to_close(plan: &LoadPlan) -> bool {
    plan.requests[0].headers.iter().any(|(name, value)| {
        name.eq_ignore_ascii_case("connection")
            && value.split(',').any(|word| word.trim().eq_ignore_ascii_case("close"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::Url;

    #[test]
    fn writes_what_the_plan_says() {
        fn check(method: &str, headers: &[(&str, &str)], body: &str, expected: &str) {
            let mut plan = LoadPlan::new(Url::parse("http://h:81/p?q=1").unwrap());
            plan.requests[0].method = method.to_owned();
            plan.requests[0].headers =
                headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            plan.requests[0].body = body.into();
            let text = String::from_utf8(request_bytes(&plan)).unwrap();
            assert_eq!(text.replace(concat!("slowpath/", env!("CARGO_PKG_VERSION")), "slowpath"), expected);
        }
        check(
            "GET",
            &[],
            "",
            "GET /p?q=1 HTTP/1.1\r\nhost: h:81\r\nuser-agent: slowpath\r\naccept: */*\r\n\r\n",
        );
        check(
            "POST",
            &[("Host", "x"), ("User-Agent", "u"), ("Accept", "a")],
            "hi",
            "POST /p?q=1 HTTP/1.1\r\nHost: x\r\nUser-Agent: u\r\nAccept: a\r\ncontent-length: 2\r\n\r\nhi",
        );
        check(
            "PUT",
            &[("host", "x"), ("user-agent", "u"), ("accept", "a")],
            "",
            "PUT /p?q=1 HTTP/1.1\r\nhost: x\r\nuser-agent: u\r\naccept: a\r\ncontent-length: 0\r\n\r\n",
        );
    }
}
