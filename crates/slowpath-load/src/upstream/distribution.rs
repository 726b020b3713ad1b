//! Times and counts that are constant or drawn: one notation for the command line, the live settings and their answers.
//!
//! ```text
//! 200ms                  always this
//! uniform:100ms,300ms    evenly from the first to the second
//! normal:200ms,50ms      mean and standard deviation; what falls below the least possible value counts as that
//! exp:200ms              mean
//! lognormal:200ms,0.5    median, and standard deviation of the logarithm
//! gamma:200ms,2          mean and shape; 1 is `exp`, larger is steadier, smaller is burstier
//! ```
//!
//! Times are numbers with `ns`, `us` (or `µs`), `ms`, `s` or `m`; counts are bare numbers.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::variates::{exponential, gamma, normal};
use crate::random::Random;

/// The longest time that can be asked for or drawn: an hour, longer than any client waits.
const MAX_NS: f64 = 3_600e9;

/// The most that can be counted or drawn: several times the longest answer of any model.
const MAX_COUNT: f64 = 100_000.0;

/// A distribution that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` cannot be used: {problem}")]
pub struct DistributionError {
    /// What was given.
    pub text: String,
    /// What is wrong, and what to write instead.
    pub problem: String,
}

/// A time that is constant or drawn, 0 to 1 h.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeDistribution(Distribution);

/// A count that is constant or drawn, 1 to 100,000.
#[derive(Debug, Clone, PartialEq)]
pub struct CountDistribution(Distribution);

#[derive(Debug, Clone, PartialEq)]
struct Distribution {
    /// As it was given.
    text: String,
    shape: Shape,
}

/// Values are nanoseconds or counts.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    Constant(f64),
    Uniform { low: f64, high: f64 },
    Normal { mean: f64, deviation: f64 },
    Exponential { mean: f64 },
    LogNormal { median: f64, sigma: f64 },
    Gamma { mean: f64, shape: f64 },
}

impl TimeDistribution {
    /// Returns the distribution that is always `time`, cut to whole microseconds and an hour.
    pub fn constant(time: Duration) -> Self {
        let us = time.as_micros().min(MAX_NS as u128 / 1000);
        let text = if us.is_multiple_of(1000) { format!("{}ms", us / 1000) } else { format!("{us}us") };
        Self(Distribution { text, shape: Shape::Constant(us as f64 * 1000.0) })
    }

    /// Draws a time in nanoseconds.
    pub(super) fn draw_ns(&self, random: &mut Random) -> u64 {
        self.0.shape.draw(random).clamp(0.0, MAX_NS) as u64
    }
}

impl CountDistribution {
    /// Returns the distribution that is always `n`, at least 1 and at most 100,000.
    pub fn constant(n: u32) -> Self {
        let n = n.clamp(1, MAX_COUNT as u32);
        Self(Distribution { text: n.to_string(), shape: Shape::Constant(f64::from(n)) })
    }

    /// Draws a count of at least 1.
    pub(super) fn draw(&self, random: &mut Random) -> u32 {
        self.0.shape.draw(random).round().clamp(1.0, MAX_COUNT) as u32
    }
}

impl Shape {
    fn draw(self, random: &mut Random) -> f64 {
        match self {
            Self::Constant(value) => value,
            Self::Uniform { low, high } => low + (high - low) * random.unit(),
            Self::Normal { mean, deviation } => mean + deviation * normal(random),
            Self::Exponential { mean } => mean * exponential(random),
            Self::LogNormal { median, sigma } => median * (sigma * normal(random)).exp(),
            Self::Gamma { mean, shape } => mean * gamma(random, shape) / shape,
        }
    }

    /// Reads the notation; `read` reads one value.
    fn parse(text: &str, read: impl Fn(&str) -> Result<f64, String>) -> Result<Self, String> {
        let Some((name, rest)) = text.split_once(':') else {
            return Ok(Self::Constant(read(text)?));
        };
        let parts: Vec<&str> = rest.split(',').map(str::trim).collect();
        let n_parts = if matches!(name, "exp" | "constant") { 1 } else { 2 };
        let is_known = matches!(name, "constant" | "uniform" | "normal" | "exp" | "lognormal" | "gamma");
        if !is_known {
            return Err(format!(
                "`{name}` is no distribution; there are uniform, normal, exp, lognormal and gamma"
            ));
        }
        if parts.len() != n_parts {
            let needed = if n_parts == 1 { "one value" } else { "two values with a comma between them" };
            return Err(format!("`{name}` takes {needed}"));
        }
        let first = read(parts[0])?;
        let plain = |low: f64, high: f64| match parts[1].parse::<f64>() {
            Ok(number) if (low..=high).contains(&number) => Ok(number),
            _ => Err(format!("the second value of `{name}` is a bare number from {low} to {high}")),
        };
        Ok(match name {
            "uniform" => {
                let high = read(parts[1])?;
                if high < first {
                    return Err("the second value of `uniform` is below the first".to_owned());
                }
                Self::Uniform { low: first, high }
            }
            "normal" => Self::Normal { mean: first, deviation: read(parts[1])? },
            "exp" => Self::Exponential { mean: first },
            "lognormal" => Self::LogNormal { median: first, sigma: plain(0.0, 10.0)? },
            "gamma" => Self::Gamma { mean: first, shape: plain(0.01, 1e6)? },
            _ => Self::Constant(first),
        })
    }
}

impl FromStr for TimeDistribution {
    type Err = DistributionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        match Shape::parse(text, parse_time) {
            Ok(shape) => Ok(Self(Distribution { text: text.to_owned(), shape })),
            Err(problem) => Err(DistributionError { text: text.to_owned(), problem }),
        }
    }
}

impl FromStr for CountDistribution {
    type Err = DistributionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let shape = Shape::parse(text, parse_count).and_then(|shape| match shape {
            Shape::Constant(value) if value < 1.0 || value.fract() != 0.0 => {
                Err("it must be a whole number of at least 1".to_owned())
            }
            shape => Ok(shape),
        });
        match shape {
            Ok(shape) => Ok(Self(Distribution { text: text.to_owned(), shape })),
            Err(problem) => Err(DistributionError { text: text.to_owned(), problem }),
        }
    }
}

impl fmt::Display for TimeDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

impl fmt::Display for CountDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

/// Reads a time into nanoseconds.
fn parse_time(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| format!("`{text}` is not a time such as `200ms`"))?;
    let factor = match unit.trim() {
        "ns" => 1.0,
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "" if number == 0.0 => 1.0,
        "" => return Err(format!("`{text}` has no unit; write `{text}ms` or `{text}s`")),
        _ => return Err(format!("`{}` is no unit of time; there are ns, us, ms, s and m", unit.trim())),
    };
    let ns = number * factor;
    if ns <= MAX_NS { Ok(ns) } else { Err(format!("`{text}` is longer than an hour")) }
}

fn parse_count(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(count) if (0.0..=MAX_COUNT).contains(&count) => Ok(count),
        Ok(_) => Err(format!("`{text}` is not between 0 and {MAX_COUNT}")),
        Err(_) => Err(format!("`{text}` is not a count such as `20`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_kind_and_writes_it_as_it_was() {
        fn check(text: &str, expected: Shape) {
            let distribution: TimeDistribution = text.parse().unwrap();
            assert_eq!(distribution.0.shape, expected, "{text}");
            assert_eq!(distribution.to_string(), text);
        }
        check("0", Shape::Constant(0.0));
        check("200ms", Shape::Constant(200e6));
        check("1.5s", Shape::Constant(1.5e9));
        check("50us", Shape::Constant(50e3));
        check("1m", Shape::Constant(60e9));
        check("constant:200ms", Shape::Constant(200e6));
        check("uniform:100ms,0.3s", Shape::Uniform { low: 100e6, high: 300e6 });
        check("normal:200ms, 50ms", Shape::Normal { mean: 200e6, deviation: 50e6 });
        check("exp:200ms", Shape::Exponential { mean: 200e6 });
        check("lognormal:200ms,1.0", Shape::LogNormal { median: 200e6, sigma: 1.0 });
        check("gamma:200ms,2", Shape::Gamma { mean: 200e6, shape: 2.0 });
        assert_eq!("normal:20,5".parse::<CountDistribution>().unwrap().to_string(), "normal:20,5");
        assert_eq!(TimeDistribution::constant(Duration::from_micros(1500)).to_string(), "1500us");
        assert_eq!(TimeDistribution::constant(Duration::from_millis(20)).to_string(), "20ms");
    }

    #[test]
    fn says_what_is_wrong_with_the_rest() {
        fn check<T: FromStr<Err = DistributionError>>(text: &str, expected: &str) {
            let message = text.parse::<T>().err().expect(text).to_string();
            assert!(message.contains(text) && message.contains(expected), "{message}");
        }
        check::<TimeDistribution>("200", "write `200ms`");
        check::<TimeDistribution>("", "not a time");
        check::<TimeDistribution>("-1ms", "not a time");
        check::<TimeDistribution>("1h", "`h` is no unit");
        check::<TimeDistribution>("2000m", "longer than an hour");
        check::<TimeDistribution>("weibull:1ms,2", "`weibull` is no distribution");
        check::<TimeDistribution>("exp:1ms,2ms", "takes one value");
        check::<TimeDistribution>("normal:1ms", "takes two values");
        check::<TimeDistribution>("uniform:2ms,1ms", "below the first");
        check::<TimeDistribution>("gamma:2ms,0", "from 0.01 to");
        check::<TimeDistribution>("lognormal:2ms,1ms", "bare number");
        check::<TimeDistribution>("lognormal:2ms,NaN", "bare number");
        check::<CountDistribution>("0", "at least 1");
        check::<CountDistribution>("1.5", "whole number");
        check::<CountDistribution>("20ms", "not a count");
        check::<CountDistribution>("1000000", "between");
    }

    #[test]
    fn draws_stay_in_range_and_near_their_mean() {
        fn check(text: &str, mean_ms: f64) {
            let distribution: TimeDistribution = text.parse().unwrap();
            let n = 20_000;
            let sum: f64 = (0..n).map(|i| distribution.draw_ns(&mut Random::new(1, i)) as f64 / 1e6).sum();
            let mean = sum / n as f64;
            assert!((mean / mean_ms - 1.0).abs() < 0.05, "{text}: {mean}");
        }
        check("200ms", 200.0);
        check("uniform:100ms,300ms", 200.0);
        check("normal:200ms,50ms", 200.0);
        check("exp:200ms", 200.0);
        check("gamma:200ms,0.5", 200.0);
        check("gamma:200ms,9", 200.0);
        // The mean of a log-normal distribution is median × e^(sigma² / 2).
        check("lognormal:200ms,0.5", 200.0 * 0.125_f64.exp());

        let counts: CountDistribution = "normal:2,5".parse().unwrap();
        let drawn = (0..1000).map(|i| counts.draw(&mut Random::new(1, i)));
        assert!(drawn.clone().min() == Some(1) && drawn.max() > Some(5));
    }
}
