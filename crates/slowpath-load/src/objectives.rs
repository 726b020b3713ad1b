//! The text of objectives, `ttft:200 tpot:50`, as vLLM's `--goodput` has it. Judges no request.

use crate::error::LoadError;
use crate::plan::Objectives;

/// Parses pairs `NAME:LIMIT` separated by spaces or commas.
///
/// Names are `ttft`, `tpot` and `e2el`. A limit is in milliseconds; `200`, `200ms` and `0.2s` are the same.
///
/// # Errors
/// [`LoadError::BadText`] for an unknown or repeated name, a limit that is no number above 0, or no pair at all.
pub fn parse_objectives(text: &str) -> Result<Objectives, LoadError> {
    let bad = |pair: &str, problem: &str| LoadError::BadText {
        what: "objective",
        text: pair.to_owned(),
        problem: problem.to_owned(),
        hint: "write limits in milliseconds, such as `ttft:200 tpot:50 e2el:3000`".to_owned(),
    };
    let mut objectives = Objectives::default();
    for pair in text.split([' ', '\t', ',']).filter(|pair| !pair.is_empty()) {
        let (name, limit) = pair.split_once(':').ok_or_else(|| bad(pair, "it is not `NAME:LIMIT`"))?;
        let limit_ms = parse_ms(limit).ok_or_else(|| bad(pair, "its limit is not a number above 0"))?;
        let objective = match name {
            "ttft" => &mut objectives.ttft_ms,
            "tpot" => &mut objectives.tpot_ms,
            "e2el" => &mut objectives.e2el_ms,
            _ => return Err(bad(pair, "its name is none of `ttft`, `tpot` and `e2el`")),
        };
        if objective.replace(limit_ms).is_some() {
            return Err(bad(pair, "there is another limit of this name"));
        }
    }
    if objectives == Objectives::default() {
        return Err(bad(text, "it is empty"));
    }
    Ok(objectives)
}

fn parse_ms(text: &str) -> Option<f64> {
    let (number, factor) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1.0),
        (None, Some(number)) => (number, 1e3),
        (None, None) => (text, 1.0),
    };
    let is_plain = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let limit_ms = number.parse::<f64>().ok().filter(|_| is_plain)? * factor;
    (limit_ms > 0.0 && limit_ms.is_finite()).then_some(limit_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_limits_in_milliseconds() {
        let all = Objectives { ttft_ms: Some(200.0), tpot_ms: Some(50.0), e2el_ms: Some(3000.0) };
        assert_eq!(parse_objectives("ttft:200 tpot:50 e2el:3000").unwrap(), all);
        assert_eq!(parse_objectives("e2el:3s, tpot:50ms,ttft:0.2s").unwrap(), all);
        let one = Objectives { tpot_ms: Some(0.5), ..Objectives::default() };
        assert_eq!(parse_objectives(" tpot:0.5 ").unwrap(), one);
    }

    #[test]
    fn says_which_pair_is_wrong() {
        fn check(text: &str, expected: &str) {
            let error = parse_objectives(text).expect_err(text);
            assert_eq!(error.to_string(), format!("cannot understand the objective {expected}"));
            assert!(error.hint().is_some());
        }
        check("", "``: it is empty");
        check("ttft:200 tpot", "`tpot`: it is not `NAME:LIMIT`");
        check("ttft:200 p99:50", "`p99:50`: its name is none of `ttft`, `tpot` and `e2el`");
        check("ttft:0", "`ttft:0`: its limit is not a number above 0");
        check("ttft:-5", "`ttft:-5`: its limit is not a number above 0");
        check("ttft:inf", "`ttft:inf`: its limit is not a number above 0");
        check("ttft:", "`ttft:`: its limit is not a number above 0");
        check("ttft:1 ttft:2", "`ttft:2`: there is another limit of this name");
    }
}
