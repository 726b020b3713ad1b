//! Durations on the command line: `30`, `30s`, `1m`, `500ms`, `1m30s`. A bare number is seconds.

use std::time::Duration;

/// Parses a duration; the error says what is allowed.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is not a duration: write `30`, `30s`, `1m30s` or `500ms`");
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        seconds += number
            * match &rest[..unit] {
                "ms" => 0.001,
                "" | "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return Err(wrong()),
            };
        rest = &rest[unit..];
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seconds_units_and_sums() {
        let check =
            |text: &str, ms: u64| assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        check("30", 30_000);
        check("1.5s", 1500);
        check("1m30s", 90_000);
        check("500ms", 500);
        for bad in ["", "x", "3x", "-1", "1..2"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}
