//! Lists of models: there is one. Any name is answered when asked for by name, as any is in a request.

use super::route::Family;
use super::{CREATED_UNIX_S, DEFAULT_MODEL};

/// Returns the list of models, or the one with this name.
pub(in super::super) fn models_body(family: Family, name: Option<&str>) -> String {
    let one = model(family, name.unwrap_or(DEFAULT_MODEL));
    if name.is_some() {
        return one;
    }
    match family {
        Family::OpenAi => format!(r#"{{"object":"list","data":[{one}]}}"#),
        Family::Claude => format!(
            r#"{{"data":[{one}],"has_more":false,"first_id":"{DEFAULT_MODEL}","last_id":"{DEFAULT_MODEL}"}}"#
        ),
        Family::Gemini => format!(r#"{{"models":[{one}]}}"#),
    }
}

fn model(family: Family, name: &str) -> String {
    let id = serde_json::Value::from(name);
    match family {
        Family::OpenAi => {
            format!(r#"{{"id":{id},"object":"model","created":{CREATED_UNIX_S},"owned_by":"slowpath"}}"#)
        }
        Family::Claude => {
            format!(r#"{{"type":"model","id":{id},"display_name":{id},"created_at":"2023-11-14T22:13:20Z"}}"#)
        }
        Family::Gemini => {
            let path = serde_json::Value::from(format!("models/{name}"));
            format!(
                r#"{{"name":{path},"version":"001","displayName":{id},"inputTokenLimit":1048576,"outputTokenLimit":65536,"supportedGenerationMethods":["generateContent","countTokens"]}}"#
            )
        }
    }
}
