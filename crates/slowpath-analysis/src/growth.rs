//! How fast a cost grows with its input: the exponent of a power law `cost = c · input^e` and its interval. Pure arithmetic;
//! judges nothing.

/// Least windows at each input: with fewer, Student's t makes any interval meaningless.
const MIN_WINDOWS: usize = 4;

/// The largest input must be at least this many times the smallest: with less, any noise is a large exponent.
const MIN_SPREAD: f64 = 1.5;

/// What a cost that was seen in no sample may have been, in samples: a number to take the logarithm of.
const UNSEEN_SAMPLES: f64 = 0.5;

/// The 97.5 % quantile of the normal distribution.
const Z: f64 = 1.959_964;

/// What something cost at one input.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AtInput {
    /// The input, such as connections or bytes; above zero.
    pub input: f64,
    /// Cost and requests of each window, by the visits that this input got: costs drift over a run.
    pub visits: Vec<Vec<(f64, f64)>>,
    /// Samples that the cost was estimated from, and the cost that one of them stands for; `None` where it was not sampled.
    pub samples: Option<(u64, f64)>,
}

/// How a cost grows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Growth {
    /// 0: it stays the same; 1: twice for twice the input; 2: four times.
    pub exponent: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl AtInput {
    /// Returns cost per request.
    pub fn per_request(&self) -> f64 {
        let (cost, n) = self.sums();
        if n > 0.0 { cost / n } else { 0.0 }
    }

    fn windows(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.visits.iter().flatten().copied()
    }

    fn sums(&self) -> (f64, f64) {
        self.windows().fold((0.0, 0.0), |(cost, n), window| (cost + window.0, n + window.1))
    }

    /// Returns the logarithm of the cost per request and its variance; `None` where too little is known.
    fn logarithm(&self) -> Option<(f64, f64, f64)> {
        let n_windows = self.windows().count();
        let (cost, n) = self.sums();
        if n_windows < MIN_WINDOWS || n <= 0.0 {
            return None;
        }
        let (floor, counted) = match self.samples {
            Some((n_samples, each)) => {
                let n_samples = (n_samples as f64).max(UNSEEN_SAMPLES);
                (UNSEEN_SAMPLES * each, 1.0 / n_samples)
            }
            None => (0.0, 0.0),
        };
        let seen = cost.max(floor);
        if seen <= 0.0 {
            return None;
        }
        let variance = self.between_windows(cost, n, seen).max(self.between_visits()).max(counted);
        Some(((seen / n).ln(), variance, n_windows as f64 - 1.0))
    }

    /// Returns the relative variance of `Σ cost / Σ n` from the variation between windows (ratio estimator; Cochran, *Sampling
    /// Techniques*, 1977, § 6.4).
    fn between_windows(&self, cost: f64, n: f64, seen: f64) -> f64 {
        let ratio = cost / n;
        let n_windows = self.windows().count() as f64;
        let residual: f64 = self.windows().map(|(part, n)| (part - ratio * n).powi(2)).sum();
        n_windows / (n_windows - 1.0) * residual / (seen * seen)
    }

    /// Returns the variance of the mean logarithm from the variation between visits; 0 with one visit.
    fn between_visits(&self) -> f64 {
        let of_visit = |windows: &Vec<(f64, f64)>| {
            let (cost, n) =
                windows.iter().fold((0.0, 0.0), |sum, window| (sum.0 + window.0, sum.1 + window.1));
            (cost > 0.0 && n > 0.0).then(|| (cost / n).ln())
        };
        let logarithms: Vec<f64> = self.visits.iter().filter_map(of_visit).collect();
        let n = logarithms.len() as f64;
        if n < 2.0 {
            return 0.0;
        }
        let mean = logarithms.iter().sum::<f64>() / n;
        logarithms.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))
    }
}

impl Growth {
    /// Estimates the exponent: the slope of the logarithm of cost per request over that of the input, by least squares.
    ///
    /// The interval has 95 % (Student's t; degrees of freedom by Welch and Satterthwaite). The variance at each input is the
    /// largest of three: between windows, between visits, and that of a count of the samples; windows alone would miss that
    /// a program drifts, and that windows without any sample look alike. `None` where an input has fewer than four windows or no
    /// requests, or the inputs are too close to each other.
    pub fn of(levels: &[AtInput]) -> Option<Self> {
        let inputs: Vec<f64> = levels.iter().map(|level| level.input).collect();
        debug_assert!(inputs.iter().all(|input| *input > 0.0), "a logarithm needs them above zero");
        let (least, most) = inputs.iter().fold((f64::MAX, 0.0_f64), |(a, b), x| (a.min(*x), b.max(*x)));
        if levels.len() < 2 || most < least * MIN_SPREAD {
            return None;
        }
        let points: Vec<(f64, f64, f64)> = levels.iter().map(AtInput::logarithm).collect::<Option<_>>()?;
        let mean = inputs.iter().map(|input| input.ln()).sum::<f64>() / inputs.len() as f64;
        let distances: Vec<f64> = inputs.iter().map(|input| input.ln() - mean).collect();
        let spread: f64 = distances.iter().map(|x| x * x).sum();
        let exponent = distances.iter().zip(&points).map(|(x, (y, ..))| x * y).sum::<f64>() / spread;
        let parts =
            distances.iter().zip(&points).map(|(x, (_, variance, freedom))| (x * x * variance, freedom));
        let (sum, squares) = parts.fold((0.0, 0.0), |(sum, squares), (part, freedom)| {
            (sum + part, squares + part * part / freedom)
        });
        let freedom = if squares > 0.0 { sum * sum / squares } else { f64::INFINITY };
        let half = student_t(freedom) * sum.sqrt() / spread;
        Some(Self { exponent, low: exponent - half, high: exponent + half })
    }

    /// Returns the exponent with its interval in words: `1.98 (1.86 to 2.08)`.
    pub fn words(&self) -> String {
        // A negative zero plus zero is zero.
        let rounded = |exponent: f64| (exponent * 100.0).round() / 100.0 + 0.0;
        let Self { exponent, low, high } = *self;
        format!("{:.2} ({:.2} to {:.2})", rounded(exponent), rounded(low), rounded(high))
    }

    /// Returns the factor by which the cost grows with an input `times` as large.
    pub fn factor(&self, times: f64) -> f64 {
        times.powf(self.exponent)
    }
}

/// Returns the 97.5 % quantile of Student's t, from three degrees of freedom on within 2 % (Abramowitz and Stegun, 26.7.5).
fn student_t(freedom: f64) -> f64 {
    let v = freedom.max(3.0);
    let z = [3, 5, 7].map(|power| Z.powi(power));
    Z + (z[0] + Z) / (4.0 * v)
        + (5.0 * z[1] + 16.0 * z[0] + 3.0 * Z) / (96.0 * v * v)
        + (3.0 * z[2] + 19.0 * z[1] + 17.0 * z[0] - 15.0 * Z) / (384.0 * v * v * v)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Two visits of windows with the same cost per request.
    fn even(input: f64, per_request: f64) -> AtInput {
        AtInput { input, visits: vec![vec![(per_request * 100.0, 100.0); 4]; 2], samples: None }
    }

    #[test]
    fn exponents_of_exact_costs_are_exact() {
        for (expected, at) in [(0.0, 3.0), (1.0, 24.0), (2.0, 192.0)] {
            let growth = Growth::of(&[even(10.0, 3.0), even(80.0, at)]).unwrap();
            assert!((growth.exponent - expected).abs() < 1e-9, "{growth:?}");
            assert!((growth.factor(8.0) - at / 3.0).abs() < 1e-6);
        }
        let three = Growth::of(&[even(1.0, 2.0), even(10.0, 20.0), even(100.0, 200.0)]).unwrap();
        assert!((three.exponent - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_stays_the_same_has_no_sign() {
        let growth = Growth { exponent: -0.001, low: -0.254, high: 0.26 };
        assert_eq!(growth.words(), "0.00 (-0.25 to 0.26)");
    }

    #[test]
    fn too_little_is_no_estimate() {
        let short = AtInput { visits: vec![vec![(1.0, 1.0); 3]], ..even(80.0, 1.0) };
        assert_eq!(Growth::of(&[even(10.0, 1.0), short]), None, "three windows");
        assert_eq!(Growth::of(&[even(10.0, 1.0), even(12.0, 1.0)]), None, "nearly the same input");
        assert_eq!(Growth::of(&[even(10.0, 1.0), even(80.0, 0.0)]), None, "nothing was spent");
        assert_eq!(Growth::of(&[even(10.0, 1.0)]), None);
    }

    #[test]
    fn what_was_never_seen_at_the_small_input_grows_by_at_least_so_much_and_nobody_knows_how_much_more() {
        let unseen = AtInput { samples: Some((0, 1.0)), ..even(10.0, 0.0) };
        let seen = AtInput { samples: Some((800, 1.0)), ..even(80.0, 1.0) };
        let growth = Growth::of(&[unseen, seen]).unwrap();
        assert!(growth.exponent > 3.0 && growth.low < growth.exponent - 1.0, "{growth:?}");
    }

    #[test]
    fn visits_that_disagree_widen_the_interval() {
        let steady = |first: f64, second: f64| AtInput {
            input: 10.0,
            visits: vec![vec![(first, 1.0); 20], vec![(second, 1.0); 20]],
            samples: None,
        };
        let width = |growth: Growth| growth.high - growth.low;
        let drifts = width(Growth::of(&[steady(1.0, 2.0), even(80.0, 1.0)]).unwrap());
        let mixed = AtInput { visits: vec![[(1.0, 1.0), (2.0, 1.0)].repeat(10); 2], ..steady(0.0, 0.0) };
        let steady = width(Growth::of(&[mixed, even(80.0, 1.0)]).unwrap());
        assert!(drifts > 2.0 * steady, "{drifts} and {steady}");
    }

    #[test]
    fn quantiles_are_those_of_the_tables() {
        for (freedom, expected) in [(3.0, 3.182), (5.0, 2.571), (10.0, 2.228), (30.0, 2.042), (1e9, 1.960)] {
            assert!((student_t(freedom) / expected - 1.0).abs() < 0.02, "{freedom}: {}", student_t(freedom));
        }
    }

    /// Draws windows whose cost per request varies by `noise` (relative, uniform) around a power law.
    fn drawn(exponent: f64, noise: f64, seed: u64, input: f64) -> AtInput {
        let mut state = seed ^ input.to_bits();
        let mut uniform = || {
            // SplitMix64.
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (z ^ (z >> 31)) as f64 / u64::MAX as f64 * 2.0 - 1.0
        };
        let mut window = || {
            let n = (100.0 * (1.0 + 0.3 * uniform())).round();
            (n * 0.01 * input.powf(exponent) * (1.0 + noise * uniform()), n)
        };
        let mut visit = || (0..6).map(|_| window()).collect();
        AtInput { input, visits: vec![visit(), visit()], samples: None }
    }

    proptest! {
        #[test]
        fn known_exponents_are_recovered_from_noisy_costs(exponent in -0.5..3.0, noise in 0.0..0.4, seed: u64) {
            let growth = Growth::of(&[drawn(exponent, noise, seed, 10.0), drawn(exponent, noise, seed, 80.0)]).unwrap();
            prop_assert!(growth.low <= growth.exponent && growth.exponent <= growth.high);
            // Twelve windows at each end: the mean is within noise, whatever is drawn.
            prop_assert!((growth.exponent - exponent).abs() <= 2.0 * noise / 8_f64.ln() + 1e-3, "{growth:?}");
        }
    }

    #[test]
    fn intervals_hold_the_exponent_as_often_as_they_say() {
        let n = 1000;
        let holds = |seed: &u64| {
            let at = |input| drawn(1.5, 0.3, *seed * 7919, input);
            let growth = Growth::of(&[at(10.0), at(80.0)]).unwrap();
            growth.low <= 1.5 && 1.5 <= growth.high
        };
        let n_held = (0..n).filter(holds).count();
        // 95 % are asked for; the variance is the larger of two, so some more is usual. Four standard errors of the count below.
        assert!(n_held >= 922, "{n_held} of {n}");
    }
}
