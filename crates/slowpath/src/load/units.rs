//! Numbers as people read them: three digits and a unit. `1.23 ms`, `3.10 MB`, `12,345`, `0.4 %`.

/// Returns a time given in microseconds, as `83 µs`, `1.23 ms` or `61.3 s`.
pub(crate) fn time(us: f64) -> String {
    match us {
        us if us < 0.5 => "0".to_owned(),
        us if us < 999.5 => format!("{us:.0} µs"),
        us if us < 999_500.0 => format!("{} ms", three_digits(us / 1e3)),
        us => format!("{} s", three_digits(us / 1e6)),
    }
}

/// Returns bytes with a decimal prefix, as `93.0 MB`.
pub(crate) fn bytes(n: f64) -> String {
    for (limit, factor, unit) in [(999.5e3, 1e3, "kB"), (999.5e6, 1e6, "MB"), (999.5e9, 1e9, "GB")] {
        if n < 999.5 {
            return format!("{n:.0} B");
        }
        if n < limit {
            return format!("{} {unit}", three_digits(n / factor));
        }
    }
    format!("{} TB", three_digits(n / 1e12))
}

/// Returns a whole number with its thousands apart, as `12,345`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Returns a number per second: whole from 100 on, three digits below.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second >= 99.95 { count(per_second.round() as u64) } else { three_digits(per_second) }
}

/// Returns a share as `0.05 %`, `12.3 %` or `100 %`; never rounds something to nothing or less than all to all.
pub(crate) fn share(part: f64, whole: f64) -> String {
    if whole <= 0.0 || part <= 0.0 {
        return "0 %".to_owned();
    }
    let percent = part / whole * 100.0;
    match percent {
        p if p < 0.01 => "<0.01 %".to_owned(),
        p if (99.95..100.0).contains(&p) => ">99.9 %".to_owned(),
        p if p >= 100.0 => "100 %".to_owned(),
        p => format!("{} %", three_digits(p)),
    }
}

/// Returns a duration given in seconds, as `300 ms`, `10 s`, `1.5 s` or `2 min 5 s`.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 0.95 {
        return format!("{:.0} ms", seconds * 1e3);
    }
    if seconds < 119.95 {
        let text = format!("{seconds:.1}");
        return format!("{} s", text.strip_suffix(".0").unwrap_or(&text));
    }
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, minutes, 0) => format!("{minutes} min"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, 0, _) => format!("{hours} h"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// Returns the name of a percentile: `p50`, `p99.9`.
pub(crate) fn percentile(percent: f64) -> String {
    format!("p{percent}")
}

fn three_digits(number: f64) -> String {
    match number {
        n if n >= 99.95 => format!("{n:.0}"),
        n if n >= 9.995 => format!("{n:.1}"),
        n => format!("{n:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_a_unit() {
        let check = |shown: String, expected: &str| assert_eq!(shown, expected);
        check(time(0.0), "0");
        check(time(83.0), "83 µs");
        check(time(999.6), "1.00 ms");
        check(time(1_234.0), "1.23 ms");
        check(time(61_340.0), "61.3 ms");
        check(time(999_499.0), "999 ms");
        check(time(2_500_000.0), "2.50 s");
        check(bytes(999.0), "999 B");
        check(bytes(3_100_000.0), "3.10 MB");
        check(bytes(999_600.0), "1.00 MB");
        check(bytes(5e15), "5000 TB");
        check(count(0), "0");
        check(count(999), "999");
        check(count(1_234_567), "1,234,567");
        check(rate(12_345.4), "12,345");
        check(rate(0.5), "0.50");
        check(seconds(10.0), "10 s");
        check(seconds(0.3), "300 ms");
        check(seconds(1.52), "1.5 s");
        check(seconds(125.0), "2 min 5 s");
        check(seconds(3600.0), "1 h");
        check(percentile(99.9), "p99.9");
        check(percentile(50.0), "p50");
    }

    #[test]
    fn small_and_nearly_whole_shares_stay_visible() {
        assert_eq!(share(0.0, 10.0), "0 %");
        assert_eq!(share(1.0, 1e9), "<0.01 %");
        assert_eq!(share(1.0, 1000.0), "0.10 %");
        assert_eq!(share(999_999.0, 1e6), ">99.9 %");
        assert_eq!(share(1e6, 1e6), "100 %");
    }
}
