//! The moment at which a load starts: `2026-11-23T08:00:00Z`, Unix seconds, or `+10s` from now.

use crate::durations::parse_duration;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// When to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartAt {
    Moment(Timestamp),
    FromNow(Duration),
}

/// Parses a moment, for clap.
pub(crate) fn parse_start_at(text: &str) -> Result<StartAt, String> {
    let wrong = || {
        format!(
            "`{text}` is no moment: write `2026-11-23T08:00:00Z`, Unix seconds such as `1795420800`, or `+10s`"
        )
    };
    if let Some(pause) = text.strip_prefix('+') {
        return parse_duration(pause).map(StartAt::FromNow).map_err(|_| wrong());
    }
    if let Ok(seconds) = text.parse::<f64>() {
        let moment = SignedDuration::try_from_secs_f64(seconds).and_then(Timestamp::from_duration);
        return moment.map(StartAt::Moment).map_err(|_| wrong());
    }
    text.parse().map(StartAt::Moment).map_err(|_| wrong())
}

impl StartAt {
    /// Returns the moment, counted from `now` if it is relative.
    pub(crate) fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Moment(moment) => moment,
            Self::FromNow(pause) => now.saturating_add(pause).unwrap_or(Timestamp::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_calendar_unix_and_relative_times() {
        fn check(text: &str, expected: &str) {
            let now: Timestamp = "2026-11-23T07:00:00Z".parse().unwrap();
            let moment = parse_start_at(text).unwrap_or_else(|error| panic!("{error}")).moment(now);
            assert_eq!(moment.to_string(), expected, "{text}");
        }
        check("2026-11-23T08:00:00Z", "2026-11-23T08:00:00Z");
        check("2026-11-23T08:00:00.5+02:00", "2026-11-23T06:00:00.5Z");
        check("1795420800", "2026-11-23T08:00:00Z");
        check("1795420800.25", "2026-11-23T08:00:00.25Z");
        check("+10s", "2026-11-23T07:00:10Z");
        check("+1m30s", "2026-11-23T07:01:30Z");
        for bad in ["", "now", "+", "+x", "8:00", "2026-11-23", "1e300"] {
            assert!(parse_start_at(bad).is_err(), "{bad}");
        }
    }
}
