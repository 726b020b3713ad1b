//! The mock's own endpoint, `/_mock`: shows settings and counters, changes settings, resets counters. It never shows
//! anything that requests held.

use std::sync::Arc;

use serde_json::{Value, json};

use super::counters::Counters;
use super::settings::Settings;

/// A status and a body.
pub(super) struct ControlAnswer {
    pub(super) status: u16,
    pub(super) body: String,
}

/// Carries out a request to `/_mock` + `rest`.
pub(super) fn control(
    method: &str,
    rest: &str,
    body: &[u8],
    settings: &mut Arc<Settings>,
    counters: &mut Counters,
) -> ControlAnswer {
    match (method, rest) {
        ("GET" | "HEAD", "") => state(settings, counters),
        ("PATCH" | "POST" | "PUT", "") => match change(settings, body) {
            Ok(changed) => {
                *settings = Arc::new(changed);
                state(settings, counters)
            }
            Err(problem) => refuse(400, &problem),
        },
        ("POST", "/reset") => {
            counters.reset();
            state(settings, counters)
        }
        (_, "" | "/reset") => refuse(
            405,
            "GET /_mock shows, PATCH or POST /_mock changes, POST /_mock/reset resets the counters",
        ),
        _ => refuse(404, "there are /_mock and /_mock/reset"),
    }
}

fn change(settings: &Settings, body: &[u8]) -> Result<Settings, String> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(changes)) => settings.changed(&changes).map_err(|error| error.to_string()),
        Ok(_) => Err("the body is not a JSON object such as {\"ttft\":\"500ms\"}".to_owned()),
        Err(error) => Err(format!("the body is not valid JSON: {error}")),
    }
}

fn state(settings: &Settings, counters: &Counters) -> ControlAnswer {
    answer(200, &json!({"settings": settings.to_json(), "counters": counters.to_json()}))
}

fn refuse(status: u16, problem: &str) -> ControlAnswer {
    answer(status, &json!({ "error": problem }))
}

fn answer(status: u16, json: &Value) -> ControlAnswer {
    // `{:#}` is indented, for people with curl.
    ControlAnswer { status, body: format!("{json:#}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_changes_and_resets() {
        let (mut settings, mut counters) = (Arc::new(Settings::default()), Counters::new());
        let mut ask = |method: &str, rest: &str, body: &str| {
            let answer = control(method, rest, body.as_bytes(), &mut settings, &mut counters);
            counters.n_requests += 1;
            (answer.status, serde_json::from_str::<Value>(&answer.body).unwrap())
        };
        assert_eq!(ask("GET", "", "").1["settings"]["ttft"], "20ms");
        let (status, state) = ask("PATCH", "", r#"{"ttft":"500ms","error_rate":0.1}"#);
        assert_eq!((status, &state["settings"]["ttft"]), (200, &json!("500ms")));
        assert_eq!(ask("POST", "", r#"{"tokens":3}"#).1["settings"]["error_rate"], 0.1);
        assert_eq!(ask("GET", "", "").1["counters"]["requests"], 3);
        assert_eq!(ask("POST", "/reset", "").1["counters"]["requests"], 0);
        assert_eq!(ask("GET", "", "").1["settings"]["tokens"], "3");
    }

    #[test]
    fn bad_changes_change_nothing_and_say_why() {
        let (mut settings, mut counters) = (Arc::new(Settings::default()), Counters::new());
        let mut check = |method: &str, rest: &str, body: &str, status: u16, expected: &str| {
            let answer = control(method, rest, body.as_bytes(), &mut settings, &mut counters);
            assert_eq!(answer.status, status, "{}", answer.body);
            assert!(answer.body.contains(expected), "{}", answer.body);
            assert_eq!(*settings, Settings::default());
        };
        check("PATCH", "", r#"{"tokens":3,"ttft":"soon"}"#, 400, "ttft: `soon` cannot be used");
        check("PATCH", "", "[]", 400, "not a JSON object");
        check("PATCH", "", "", 400, "not valid JSON");
        check("DELETE", "", "", 405, "PATCH or POST");
        check("GET", "/reset", "", 405, "POST /_mock/reset");
        check("GET", "/x", "", 404, "there are");
    }
}
