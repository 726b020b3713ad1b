//! The text of a rate over time, `0:50,30s:500`, and the quantities in it. Knows nothing of arrivals.

use std::time::Duration;

use crate::error::LoadError;
use crate::plan::Stage;

const WHAT: &str = "schedule";
const EXAMPLE: &str = "`0:50,30s:500` rises from 50 requests/s to 500 in 30 s";

/// Parses points `TIME:RATE` joined by commas, between which the rate changes linearly.
///
/// Times count from the load's start, begin at 0 and never go back: `0`, `30`, `30s`, `1m30s`, `500ms`. Rates are
/// requests per second: `50`, `0.5`, `10k`. Two points at one time are a jump. The stages end at the last point; a
/// single point gives an endless stage.
///
/// # Errors
/// [`LoadError::BadText`] with the point that is wrong.
pub fn parse_stages(text: &str) -> Result<Vec<Stage>, LoadError> {
    let points = text.split(',').map(parse_point).collect::<Result<Vec<_>, _>>()?;
    let bad = |problem: &str, hint: &str| LoadError::BadText {
        what: WHAT,
        text: text.to_owned(),
        problem: problem.to_owned(),
        hint: hint.to_owned(),
    };
    if !points[0].0.is_zero() {
        let hint = "say at which rate the load starts: `0:0` or `0:50` as the first point";
        return Err(bad("its first point is not at time 0", hint));
    }
    if let [(_, rate)] = points[..] {
        return Ok(vec![Stage { from: rate, to: rate, length: None }]);
    }
    if !points.is_sorted_by_key(|(time, _)| *time) {
        return Err(bad("a point lies before the one to its left", "times count from the load's start"));
    }
    let between = |pair: &[(Duration, f64)]| {
        let ((start, from), (end, to)) = (pair[0], pair[1]);
        Stage { from, to, length: Some(end.saturating_sub(start)) }
    };
    let stages: Vec<Stage> = points.windows(2).filter(|pair| pair[0].0 < pair[1].0).map(between).collect();
    if stages.is_empty() {
        return Err(bad("all its points are at time 0", EXAMPLE));
    }
    Ok(stages)
}

/// Makes stages that end before `duration` go on at their last rate until then.
pub fn hold_last_rate(stages: &mut Vec<Stage>, duration: Duration) {
    let Some(length) = stages.iter().map(|stage| stage.length).sum::<Option<Duration>>() else { return };
    if let (Some(last), Some(rest)) = (stages.last().copied(), duration.checked_sub(length))
        && !rest.is_zero()
    {
        stages.push(Stage { from: last.to, to: last.to, length: Some(rest) });
    }
}

fn parse_point(point: &str) -> Result<(Duration, f64), LoadError> {
    let bad = |problem: &str, hint: &str| LoadError::BadText {
        what: WHAT,
        text: point.to_owned(),
        problem: problem.to_owned(),
        hint: hint.to_owned(),
    };
    let Some((time, rate)) = point.split_once(':') else {
        return Err(bad("it is not `TIME:RATE`", EXAMPLE));
    };
    let time = parse_duration(time)
        .ok_or_else(|| bad("its time is not valid", "write a time as `30`, `30s`, `1m30s` or `500ms`"))?;
    let rate = parse_rate(rate)
        .ok_or_else(|| bad("its rate is not valid", "write requests per second as `50`, `0.5` or `10k`"))?;
    Ok((time, rate))
}

/// Parses `30`, `30s`, `1m30s`, `1.5h` or `500ms`; a bare number is seconds.
fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_end);
        seconds += number
            * match unit {
                "ms" => 0.001,
                "" | "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = after;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

fn parse_rate(text: &str) -> Option<f64> {
    let (number, unit) = split_number(text.trim())?;
    match unit {
        "" => Some(number),
        "k" => Some(number * 1e3),
        "m" | "M" => Some(number * 1e6),
        _ => None,
    }
}

/// Splits off a plain decimal number: digits and at most one point.
fn split_number(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    digits.parse().ok().map(|number| (number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(from: f64, to: f64, ms: u64) -> Stage {
        Stage { from, to, length: Some(Duration::from_millis(ms)) }
    }

    #[test]
    fn reads_points_as_stages() {
        fn check(text: &str, expected: &[Stage]) {
            assert_eq!(parse_stages(text).unwrap(), expected, "{text}");
        }
        check("0:50,30s:500", &[stage(50.0, 500.0, 30_000)]);
        check("0:0, 1m30s:1.5k, 100:1.5k", &[stage(0.0, 1500.0, 90_000), stage(1500.0, 1500.0, 10_000)]);
        check("0:5,10:5,10:50,500.5:0", &[stage(5.0, 5.0, 10_000), stage(50.0, 0.0, 490_500)]);
        check("0s:0.5,250ms:1m", &[stage(0.5, 1e6, 250)]);
        check("0:70", &[Stage { from: 70.0, to: 70.0, length: None }]);
    }

    #[test]
    fn says_which_point_is_wrong() {
        fn check(text: &str, shown: &str, problem: &str) {
            let error = parse_stages(text).expect_err(text);
            assert_eq!(error.to_string(), format!("cannot understand the schedule `{shown}`: {problem}"));
            assert!(error.hint().is_some());
        }
        check("", "", "it is not `TIME:RATE`");
        check("50", "50", "it is not `TIME:RATE`");
        check("0:50,30s:500,", "", "it is not `TIME:RATE`");
        check("0:50,30x:500", "30x:500", "its time is not valid");
        check("0:50,-1:500", "-1:500", "its time is not valid");
        check("0:50,1e400:5", "1e400:5", "its time is not valid");
        check("0:50,99999999999999999999:5", "99999999999999999999:5", "its time is not valid");
        check("0:-50", "0:-50", "its rate is not valid");
        check("0:50/s", "0:50/s", "its rate is not valid");
        check("0:", "0:", "its rate is not valid");
        check("0:1.2.3", "0:1.2.3", "its rate is not valid");
        check("10:50,30:500", "10:50,30:500", "its first point is not at time 0");
        check("0:5,30:5,20:5", "0:5,30:5,20:5", "a point lies before the one to its left");
        check("0:5,0:9", "0:5,0:9", "all its points are at time 0");
    }

    #[test]
    fn a_longer_duration_holds_the_last_rate() {
        fn check(text: &str, seconds: u64, expected: Option<Stage>) {
            let mut stages = parse_stages(text).unwrap();
            let n_before = stages.len();
            hold_last_rate(&mut stages, Duration::from_secs(seconds));
            assert_eq!(stages.get(n_before), expected.as_ref(), "{text} for {seconds} s");
        }
        check("0:50,30s:500", 40, Some(stage(500.0, 500.0, 10_000)));
        check("0:50,30s:500", 30, None);
        check("0:50,30s:500", 5, None);
        check("0:50", 5, None);
    }
}
