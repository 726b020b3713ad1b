//! Random gaps with mean 1 between arrivals: exponential and gamma-distributed.
//!
//! Logarithm and exponential function are written out here: those of the C library differ in the last bit between
//! versions and processors, and then the shards of one load would follow different schedules.

use crate::plan::Arrival;
use crate::random::Random;

/// Draws the gaps of one arrival process.
#[derive(Debug, Clone)]
pub(crate) enum Gaps {
    Equal,
    Exponential(Random),
    Gamma(Gamma),
}

impl Gaps {
    /// `arrival` is valid: a shape is positive and finite.
    pub(crate) fn new(arrival: Arrival, random: Random) -> Self {
        match arrival {
            Arrival::Constant => Self::Equal,
            Arrival::Poisson => Self::Exponential(random),
            Arrival::Gamma(shape) => Self::Gamma(Gamma::new(shape, random)),
        }
    }

    /// Returns the next gap; the mean of many is 1.
    pub(crate) fn draw(&mut self) -> f64 {
        match self {
            Self::Equal => 1.0,
            Self::Exponential(random) => exponential(random),
            Self::Gamma(gamma) => gamma.draw(),
        }
    }
}

fn exponential(random: &mut Random) -> f64 {
    -ln(random.unit())
}

/// The gamma distribution by Marsaglia and Tsang ("A simple method for generating gamma variables", 2000).
#[derive(Debug, Clone)]
pub(crate) struct Gamma {
    random: Random,
    shape: f64,
    /// The method needs a shape of at least 1; a smaller one is raised by 1, and each number is corrected for it.
    is_raised: bool,
    d: f64,
    c: f64,
    /// Normal numbers come in pairs; this is the second of the last pair.
    spare_normal: Option<f64>,
}

impl Gamma {
    fn new(shape: f64, random: Random) -> Self {
        let is_raised = shape < 1.0;
        let d = if is_raised { shape + 1.0 } else { shape } - 1.0 / 3.0;
        Self { random, shape, is_raised, d, c: 1.0 / (9.0 * d).sqrt(), spare_normal: None }
    }

    fn draw(&mut self) -> f64 {
        let accepted = loop {
            let x = self.normal();
            let root = 1.0 + self.c * x;
            if root <= 0.0 {
                continue;
            }
            let v = root * root * root;
            let unit = self.random.unit();
            // The first condition spares the logarithms nearly always.
            if unit < 1.0 - 0.0331 * x * x * x * x || ln(unit) < 0.5 * x * x + self.d * (1.0 - v + ln(v)) {
                break self.d * v;
            }
        };
        let correction = if self.is_raised { exp(ln(self.random.unit()) / self.shape) } else { 1.0 };
        accepted * correction / self.shape
    }

    /// The polar method (Marsaglia and Bray, 1964): needs no trigonometry.
    fn normal(&mut self) -> f64 {
        if let Some(normal) = self.spare_normal.take() {
            return normal;
        }
        loop {
            let x = 2.0 * self.random.unit() - 1.0;
            let y = 2.0 * self.random.unit() - 1.0;
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                let factor = (-2.0 * ln(square) / square).sqrt();
                self.spare_normal = Some(y * factor);
                return x * factor;
            }
        }
    }
}

/// Returns the natural logarithm of a positive number that is neither subnormal nor infinite, to within 1e-15 of it.
fn ln(x: f64) -> f64 {
    debug_assert!(x >= f64::MIN_POSITIVE && x.is_finite());
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) as i64 - 1023) as f64;
    let mut mantissa = f64::from_bits((bits & 0x000F_FFFF_FFFF_FFFF) | 0x3FF0_0000_0000_0000);
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1.0;
    }
    // ln m = 2 artanh s with s = (m - 1) / (m + 1), |s| < 0.172. The coefficients of the series 2 s² / 3 + 2 s⁴ / 5 + …
    // are those of e_log.c in FreeBSD's msun, fitted so that seven do. Odd and even ones are summed side by side.
    let above_1 = mantissa - 1.0;
    let s = above_1 / (2.0 + above_1);
    let square = s * s;
    let fourth = square * square;
    let odd = square
        * (6.666_666_666_666_735e-1
            + fourth
                * (2.857_142_874_366_239e-1
                    + fourth * (1.818_357_216_161_805e-1 + fourth * 1.479_819_860_511_658_6e-1)));
    let even = fourth
        * (3.999_999_999_940_942e-1
            + fourth * (2.222_219_843_214_978_4e-1 + fourth * 1.531_383_769_920_937_3e-1));
    let half_square = 0.5 * above_1 * above_1;
    above_1 - (half_square - s * (half_square + odd + even)) + exponent * std::f64::consts::LN_2
}

/// 1 / 0!, 1 / 1!, …
const INVERSE_FACTORIALS: [f64; 14] = {
    let mut values = [1.0; 14];
    let mut n = 1;
    while n < 14 {
        values[n] = values[n - 1] / n as f64;
        n += 1;
    }
    values
};

/// The natural logarithm of 2 in two parts: the exponent of a number times the first, of 33 bits, is exact.
const LN_2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN_2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// Returns e to the power of `x`, which is at most 0; below 1e-308 it is 0.
fn exp(x: f64) -> f64 {
    debug_assert!(x <= 0.0);
    if x < -708.0 {
        return 0.0;
    }
    let exponent = (x * std::f64::consts::LOG2_E).round();
    let rest = (x - exponent * LN_2_HIGH) - exponent * LN_2_LOW;
    // The Taylor series to the 13th power, |rest| < 0.347; odd and even powers are summed side by side.
    let square = rest * rest;
    let (mut even, mut odd) = (0.0, 0.0);
    for n in (0..=6).rev() {
        even = even * square + INVERSE_FACTORIALS[2 * n];
        odd = odd * square + INVERSE_FACTORIALS[2 * n + 1];
    }
    (even + odd * rest) * f64::from_bits(((exponent as i64 + 1023) as u64) << 52)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Mean and coefficient of variation of many gaps.
    fn statistics(arrival: Arrival, n: usize) -> (f64, f64) {
        let mut gaps = Gaps::new(arrival, Random::new(11, 0));
        let drawn: Vec<f64> = (0..n).map(|_| gaps.draw()).collect();
        assert!(drawn.iter().all(|gap| *gap >= 0.0 && gap.is_finite()));
        let mean = drawn.iter().sum::<f64>() / n as f64;
        let variance = drawn.iter().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / n as f64;
        (mean, variance.sqrt() / mean)
    }

    #[test]
    fn gaps_have_mean_1_and_the_variation_of_their_distribution() {
        fn check(arrival: Arrival, expected_variation: f64) {
            let n = 400_000;
            let (mean, variation) = statistics(arrival, n);
            // Five standard errors of the mean; the variation's own error is larger for bursty gaps.
            let tolerance = 5.0 * expected_variation / (n as f64).sqrt();
            assert!((mean - 1.0).abs() <= tolerance, "{arrival:?}: mean {mean}");
            let relative = (variation - expected_variation).abs() / expected_variation.max(1.0);
            assert!(relative < 0.02, "{arrival:?}: variation {variation}");
        }
        check(Arrival::Constant, 0.0);
        check(Arrival::Poisson, 1.0);
        for shape in [0.1_f64, 0.25, 0.5, 0.99, 1.0, 2.5, 10.0, 400.0] {
            check(Arrival::Gamma(shape), 1.0 / shape.sqrt());
        }
    }

    #[test]
    fn gamma_with_shape_1_is_exponential() {
        let mut gaps = Gaps::new(Arrival::Gamma(1.0), Random::new(5, 0));
        let n = 100_000;
        let drawn: Vec<f64> = (0..n).map(|_| gaps.draw()).collect();
        for limit in [0.05_f64, 0.5, 1.0, 3.0] {
            let share = drawn.iter().filter(|gap| **gap > limit).count() as f64 / f64::from(n);
            assert!((share - (-limit).exp()).abs() < 0.008, "beyond {limit}: {share}");
        }
    }

    #[test]
    fn even_extreme_shapes_give_finite_gaps() {
        for shape in [1e-6, 1e-3, 1e6, 1e12] {
            let (mean, _) = statistics(Arrival::Gamma(shape), 1000);
            assert!(mean.is_finite(), "{shape}");
        }
    }

    proptest! {
        #[test]
        fn logarithm_agrees_with_the_library(x in prop_oneof![1e-16..=1.0_f64, 0.9..1.1_f64, 1e-300..1e300_f64]) {
            let expected = x.ln();
            prop_assert!((ln(x) - expected).abs() <= 1e-15 * expected.abs(), "{} {}", ln(x), expected);
        }

        #[test]
        fn exponential_function_agrees_with_the_library(x in prop_oneof![-708.0..=0.0_f64, -1.0..=0.0_f64]) {
            let expected = x.exp();
            prop_assert!((exp(x) - expected).abs() <= 1e-15 * expected, "{} {}", exp(x), expected);
        }
    }
}
