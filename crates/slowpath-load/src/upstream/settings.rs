//! What decides the mock's answers and can be changed while it serves: latencies, lengths, errors. Reads the JSON of a
//! change and writes the JSON of what holds; see `docs/mock.md` for the names.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::distribution::{CountDistribution, TimeDistribution};

/// How the mock answers.
///
/// ```text
/// stream  request ──ttft──> first events, token 1 ──itl──> token 2 ──itl──> … token n, last events
/// unary   request ──unary_latency, or ttft + n × itl──> the whole answer
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// From the last byte of a request to the first token of its answer; 20 ms by default.
    pub ttft: TimeDistribution,
    /// From one token of a stream to the next, drawn for each; 10 ms by default.
    pub itl: TimeDistribution,
    /// Tokens of an answer; 20 by default. A smaller limit in the request cuts it.
    pub tokens: CountDistribution,
    /// From the last byte of a request to an answer that is no stream; `None`, the default, is ttft + tokens × itl.
    pub unary_latency: Option<TimeDistribution>,
    /// How many answers are an error instead.
    pub error_rate: Share,
    /// Statuses of these errors, drawn evenly; 500 and 429 by default. Not empty, each 400 to 599.
    pub error_statuses: Vec<u16>,
    /// How many streams end with an error event.
    pub error_in_stream_rate: Share,
    /// How many answers are cut: the connection closes in their middle.
    pub truncate_rate: Share,
    /// Answer every request with this error status, 400 to 599.
    pub status: Option<u16>,
    /// The same seed draws the same for request 1, 2, 3 … counted from the start or the last reset.
    pub seed: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ttft: TimeDistribution::constant(Duration::from_millis(20)),
            itl: TimeDistribution::constant(Duration::from_millis(10)),
            tokens: CountDistribution::constant(20),
            unary_latency: None,
            error_rate: Share::default(),
            error_statuses: vec![500, 429],
            error_in_stream_rate: Share::default(),
            truncate_rate: Share::default(),
            status: None,
            seed: 0,
        }
    }
}

/// A share of requests, 0 to 1; written `1%` or `0.01`.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
pub struct Share(f64);

impl Share {
    /// Returns the share, between 0 and 1.
    pub fn get(self) -> f64 {
        self.0
    }

    fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is not a share: write `1%` or `0.01`, at most `100%`");
        let (number, divisor) = match text.trim().strip_suffix('%') {
            Some(percent) => (percent.trim_end(), 100.0),
            None => (text.trim(), 1.0),
        };
        number.parse::<f64>().ok().and_then(|number| Self::new(number / divisor)).ok_or_else(wrong)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A change of the settings that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct SettingError {
    /// The setting.
    pub name: String,
    /// What is wrong with it, and what to write instead.
    pub problem: String,
}

impl Settings {
    /// Returns these settings with the changes of a JSON object; all of them or none.
    pub fn changed(&self, changes: &Map<String, Value>) -> Result<Self, SettingError> {
        let mut settings = self.clone();
        for (name, value) in changes {
            settings.change(name, value).map_err(|problem| SettingError { name: name.clone(), problem })?;
        }
        Ok(settings)
    }

    fn change(&mut self, name: &str, value: &Value) -> Result<(), String> {
        match name {
            "ttft" => self.ttft = parsed(value)?,
            "itl" => self.itl = parsed(value)?,
            "tokens" => self.tokens = parsed(value)?,
            "unary_latency" => self.unary_latency = (!value.is_null()).then(|| parsed(value)).transpose()?,
            "error_rate" => self.error_rate = parsed(value)?,
            "error_statuses" => {
                let listed = value.as_array().filter(|list| !list.is_empty());
                let listed = listed.ok_or_else(|| format!("{value} is not a list such as [500, 429]"))?;
                self.error_statuses = listed.iter().map(read_status).collect::<Result<_, _>>()?;
            }
            "error_in_stream_rate" => self.error_in_stream_rate = parsed(value)?,
            "truncate_rate" => self.truncate_rate = parsed(value)?,
            "status" => self.status = (!value.is_null()).then(|| read_status(value)).transpose()?,
            "seed" => {
                self.seed = value.as_u64().ok_or_else(|| format!("{value} is not a whole number from 0"))?;
            }
            _ => {
                let known: Vec<String> = match self.to_json() {
                    Value::Object(object) => object.keys().cloned().collect(),
                    _ => Vec::new(),
                };
                return Err(format!("there is no such setting; there are {}", known.join(", ")));
            }
        }
        Ok(())
    }

    /// Returns the settings as a JSON object, in the form that [`Settings::changed`] reads.
    pub fn to_json(&self) -> Value {
        json!({
            "ttft": self.ttft.to_string(),
            "itl": self.itl.to_string(),
            "tokens": self.tokens.to_string(),
            "unary_latency": self.unary_latency.as_ref().map(ToString::to_string),
            "error_rate": self.error_rate.get(),
            "error_statuses": self.error_statuses,
            "error_in_stream_rate": self.error_in_stream_rate.get(),
            "truncate_rate": self.truncate_rate.get(),
            "status": self.status,
            "seed": self.seed,
        })
    }
}

/// Reads a status that stands for an error.
///
/// # Errors
/// What is wrong with it, in words.
pub fn parse_error_status(text: &str) -> Result<u16, String> {
    match text.trim().parse() {
        Ok(status @ 400..=599) => Ok(status),
        _ => Err(format!("`{text}` is not an error status from 400 to 599")),
    }
}

fn read_status(value: &Value) -> Result<u16, String> {
    parse_error_status(&value.to_string())
}

/// Reads a value from a JSON string or number.
fn parsed<T: FromStr<Err: fmt::Display>>(value: &Value) -> Result<T, String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(format!("{value} is neither a string nor a number")),
    };
    text.parse().map_err(|error: T::Err| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(text: &str) -> Result<Settings, SettingError> {
        let Ok(Value::Object(changes)) = serde_json::from_str(text) else { panic!("{text}") };
        Settings::default().changed(&changes)
    }

    #[test]
    fn changes_what_is_named_and_nothing_else() {
        let changed = change(
            r#"{"ttft":"500ms","itl":"exp:5ms","tokens":7,"error_rate":0.1,"truncate_rate":"2%","status":503,
                "error_statuses":[529],"unary_latency":"1s","error_in_stream_rate":1,"seed":9}"#,
        )
        .unwrap();
        assert_eq!(
            changed.to_json(),
            json!({"ttft":"500ms","itl":"exp:5ms","tokens":"7","error_rate":0.1,"truncate_rate":0.02,"status":503,
                "error_statuses":[529],"unary_latency":"1s","error_in_stream_rate":1.0,"seed":9})
        );
        assert_eq!(change("{}").unwrap(), Settings::default());
        let Value::Object(all) = changed.to_json() else { panic!("an object") };
        assert_eq!(Settings::default().changed(&all).unwrap(), changed, "what is written can be read");
        let Value::Object(nulls) = json!({"status": null, "unary_latency": null}) else {
            panic!("an object")
        };
        let cleared = changed.changed(&nulls).unwrap();
        assert_eq!((cleared.status, cleared.unary_latency), (None, None));
    }

    #[test]
    fn refuses_bad_changes_with_name_and_reason() {
        fn check(text: &str, expected: &str) {
            let message = change(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        check(r#"{"ttft":"fast"}"#, "ttft: `fast` cannot be used");
        check(r#"{"ttft":500}"#, "write `500ms`");
        check(r#"{"ttft":null}"#, "ttft: null is neither");
        check(r#"{"error_rate":1.5}"#, "error_rate: `1.5` is not a share");
        check(r#"{"error_rate":"-1%"}"#, "not a share");
        check(r#"{"truncate_rate":"NaN"}"#, "not a share");
        check(r#"{"status":200}"#, "status: `200` is not an error status");
        check(r#"{"error_statuses":[]}"#, "not a list");
        check(r#"{"error_statuses":[500,"x"]}"#, "not an error status");
        check(r#"{"seed":-1}"#, "seed: -1 is not a whole number");
        check(r#"{"speed":1}"#, "speed: there is no such setting; there are error_in_stream_rate");
    }
}
