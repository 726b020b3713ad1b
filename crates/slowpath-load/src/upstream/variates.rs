//! Draws from the usual distributions. A request draws from a stream of its own, so that what request 17 gets depends
//! on the seed and on 17 alone, and not on what else was under way.

use std::f64::consts::TAU;

use crate::random::Random;

/// Draws from the exponential distribution with mean 1.
pub(super) fn exponential(random: &mut Random) -> f64 {
    -random.unit().ln()
}

/// Draws from the normal distribution with mean 0 and standard deviation 1 (Box and Muller, 1958).
pub(super) fn normal(random: &mut Random) -> f64 {
    (2.0 * exponential(random)).sqrt() * (TAU * random.unit()).cos()
}

/// Draws from the gamma distribution with this shape, above 0, and scale 1 (Marsaglia and Tsang, 2000).
pub(super) fn gamma(random: &mut Random, shape: f64) -> f64 {
    debug_assert!(shape > 0.0);
    // Below 1 the method does not hold; shape + 1 is drawn instead and scaled down.
    let (factor, raised) =
        if shape < 1.0 { (random.unit().powf(1.0 / shape), shape + 1.0) } else { (1.0, shape) };
    let d = raised - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    loop {
        let x = normal(random);
        let v = (1.0 + c * x).powi(3);
        if v > 0.0 && random.unit().ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v * factor;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_have_the_mean_and_variance_of_their_distribution() {
        fn check(name: &str, draw: impl Fn(&mut Random) -> f64, expected: (f64, f64)) {
            let n = 40_000;
            // Each from another request's stream.
            let draws: Vec<f64> = (0..n).map(|number| draw(&mut Random::new(7, number))).collect();
            let mean = draws.iter().sum::<f64>() / n as f64;
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
            let is_near = |a: f64, b: f64| (a - b).abs() < 0.05 * b.max(0.5);
            assert!(is_near(mean, expected.0) && is_near(variance, expected.1), "{name}: {mean} {variance}");
        }
        check("exponential", exponential, (1.0, 1.0));
        check("normal", normal, (0.0, 1.0));
        check("gamma 0.5", |random| gamma(random, 0.5), (0.5, 0.5));
        check("gamma 4", |random| gamma(random, 4.0), (4.0, 4.0));
    }
}
