//! Counts and rates on the command line: `100`, `10k`, `1.5m`, `2g`. Decimal suffixes, as oha and wrk have them.

/// Parses a count of at least one.
pub(crate) fn parse_count(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a count: write `100`, `10k` or `1m`");
    let number = scaled(text).ok_or_else(wrong)?;
    if number < 1.0 || number.fract() != 0.0 || number > 1e15 {
        return Err(wrong());
    }
    Ok(number as u64)
}

/// Parses a count that fits 32 bits, such as a number of connections.
pub(crate) fn parse_small_count(text: &str) -> Result<u32, String> {
    u32::try_from(parse_count(text)?).map_err(|_| format!("`{text}` is too many"))
}

/// Parses a number of connections: at most one for each port that a client may have towards one address.
pub(crate) fn parse_connections(text: &str) -> Result<u32, String> {
    match parse_small_count(text)? {
        n @ 1..=65_535 => Ok(n),
        _ => Err(format!("`{text}` is too many: one address can be reached over 65535 connections at most")),
    }
}

/// Parses a number of threads.
pub(crate) fn parse_threads(text: &str) -> Result<u32, String> {
    match parse_small_count(text)? {
        n @ 1..=256 => Ok(n),
        _ => Err(format!("`{text}` is too many: the most are 256")),
    }
}

/// Parses a rate above zero, in requests per second.
pub(crate) fn parse_rate(text: &str) -> Result<f64, String> {
    scaled(text)
        .filter(|rate| *rate > 0.0 && *rate <= 1e9)
        .ok_or_else(|| format!("`{text}` is not a rate: write requests per second, as `500`, `0.5` or `10k`"))
}

fn scaled(text: &str) -> Option<f64> {
    let text = text.trim();
    let split = text.len() - usize::from(text.ends_with(|c: char| c.is_ascii_alphabetic()));
    let (digits, suffix) = text.split_at(split);
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let factor = match suffix {
        "" => 1.0,
        "k" | "K" => 1e3,
        "m" | "M" => 1e6,
        "g" | "G" => 1e9,
        _ => return None,
    };
    // To the nearest thousandth, so that `0.3k` is 300 and not a little less.
    digits.parse::<f64>().ok().map(|number| (number * factor * 1e3).round() / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_may_have_a_suffix() {
        let check = |text: &str, expected: u64| assert_eq!(parse_count(text), Ok(expected), "{text}");
        check("1", 1);
        check("10k", 10_000);
        check("0.3k", 300);
        check("1.5m", 1_500_000);
        check("2G", 2_000_000_000);
        for bad in ["", "0", "-1", "1.5", "k", "10kk", "1e3", "10 k", "1,000", "inf", "nan"] {
            assert!(parse_count(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_may_be_below_one() {
        assert_eq!(parse_rate("0.5"), Ok(0.5));
        assert_eq!(parse_rate("10k"), Ok(10_000.0));
        for bad in ["0", "-3", "", "1e9", "99g"] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn connections_have_a_limit_that_is_explained() {
        assert_eq!(parse_connections("1k"), Ok(1000));
        assert!(parse_connections("70000").unwrap_err().contains("65535"));
        assert!(parse_threads("257").is_err());
    }
}
