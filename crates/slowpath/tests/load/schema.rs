//! The JSON that is printed and kept is the one that `docs/*.schema.json` describe.
//!
//! Checks the parts of JSON Schema that those two use: fields, required ones, no others, items, references, alternatives.

use crate::harness::{load_json, scratch};
use crate::server::Server;
use serde_json::Value;

/// Returns where and how `value` differs from `schema`.
fn differences(value: &Value, schema: &Value, root: &Value, place: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let definition = name.strip_prefix("#/$defs/").expect("references are to definitions");
        return differences(value, &root["$defs"][definition], root, place);
    }
    if let Some(alternatives) = schema["oneOf"].as_array() {
        let fits = |schema: &&Value| differences(value, schema, root, place).is_empty();
        return if alternatives.iter().any(|schema| fits(&schema)) {
            Vec::new()
        } else {
            vec![format!("{place}: no alternative fits {value}")]
        };
    }
    if !schema["const"].is_null() && schema["const"] != *value {
        return vec![format!("{place}: {value} is not {}", schema["const"])];
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        return vec![format!("{place}: {value} is not allowed")];
    }
    let mut found = Vec::new();
    match value {
        Value::Object(fields) => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            found.extend(
                required
                    .filter(|name| !fields.contains_key(*name))
                    .map(|name| format!("{place}.{name} is missing")),
            );
            for (name, value) in fields {
                let place = format!("{place}.{name}");
                let others = &schema["additionalProperties"];
                match schema["properties"].get(name) {
                    Some(schema) => found.extend(differences(value, schema, root, &place)),
                    None if others.is_object() => found.extend(differences(value, others, root, &place)),
                    None if others == &Value::Bool(false) => found.push(format!("{place} is not described")),
                    None => {}
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                found.extend(differences(item, &schema["items"], root, &format!("{place}[{index}]")));
            }
        }
        _ => {}
    }
    if let Some(kind) = schema["type"].as_str() {
        let fits = match kind {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_u64(),
            _ => value.is_number(),
        };
        if !fits {
            found.push(format!("{place}: {value} is no {kind}"));
        }
    }
    found
}

fn schema(name: &str) -> Value {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    serde_json::from_str(&std::fs::read_to_string(path).expect("it is there")).expect("it is JSON")
}

fn check(args: &[&str]) {
    let dir = scratch();
    let out = dir.path().join("out.json");
    let json = load_json(["--out", out.to_str().unwrap()].iter().chain(args));
    let described = schema("load-json.schema.json");
    assert_eq!(differences(&json, &described, &described, "json"), Vec::<String>::new(), "{args:?}");
    let results = serde_json::from_str(&std::fs::read_to_string(out).unwrap()).unwrap();
    let described = schema("load-result.schema.json");
    assert_eq!(differences(&results, &described, &described, "results"), Vec::<String>::new(), "{args:?}");
}

#[test]
fn closed_loads_open_loads_and_sweeps_are_described() {
    let server = Server::start();
    let url = server.url("/?token=x");
    check(&[
        "-a",
        "20",
        "-T",
        "t",
        "-W",
        "[",
        "-d",
        "0.1",
        "]",
        "--fail-if",
        "p99>60s",
        &url,
        &server.url("/status/500"),
    ]);
    check(&[
        "-R",
        "100",
        "-d",
        "0.3",
        "--burstiness",
        "0.5",
        "--expect-status",
        "200",
        "--timeout-total",
        "9",
        &url,
    ]);
    check(&["--sweep=2", "-d", "0.2", &url]);
}

#[test]
fn streams_are_described() {
    let server = Server::start();
    let body = r#"{"stream":true}"#;
    check(&[
        "-a",
        "20",
        "-m",
        "POST",
        "-b",
        body,
        "--goodput",
        "ttft:60000",
        &server.url("/v1/chat/completions"),
    ]);
}

#[test]
fn a_difference_is_found() {
    let described = schema("load-json.schema.json");
    let server = Server::start();
    let mut json = load_json(["-a", "5", &server.url("/")]);
    json["latency"].as_object_mut().unwrap().remove("p99");
    json["slowpath"]["new"] = 1.into();
    json["errors"] = "none".into();
    let found = differences(&json, &described, &described, "json");
    assert_eq!(
        found,
        [
            "json.errors: \"none\" is no integer",
            "json.latency.p99 is missing",
            "json.slowpath.new is not described"
        ]
    );
}
