//! Judges how costs grow with the load: in step with what a request brings, faster, or too uncertain to say.

use slowpath_analysis::{Cost, CostGrowth, Growth, Input};

/// Largest exponent over the size of a body that is in step with it. Reading and writing it is 1. A sort of its elements, `n · log n`,
/// is 1.24 between 25 and 200 elements, and caches that overflow add some hundredths; work that grows with the square is 2, and still
/// 1.4 where at the small body twice as much is spent on linear work.
const IN_STEP_WITH_BODY: f64 = 1.3;

/// Largest exponent over the number of connections that is in step: a request costs the same however many others are under way.
/// Between an eighth of the connections and all of them 0.3 is a factor of 1.9, more than collections of a larger heap, caches and
/// longer queues in the kernel bring; a scan of what is in flight is 1, and still 0.5 where half as much again is spent besides
/// at the larger number.
const IN_STEP_WITH_CONNECTIONS: f64 = 0.3;

/// How a cost grows, against its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pace {
    /// Not faster than its input: the interval ends below the limit.
    InStep,
    /// The interval holds the limit, or there is none.
    Unclear,
    /// Faster: the interval begins above the limit.
    Faster,
}

impl Pace {
    /// Judges a row of a comparison by its interval.
    pub fn of(input: Input, row: &CostGrowth) -> Self {
        match row.growth {
            Some(growth) if growth.low > limit(input, row.cost) => Self::Faster,
            Some(growth) if growth.high <= limit(input, row.cost) => Self::InStep,
            _ => Self::Unclear,
        }
    }

    /// Returns the word that reports use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InStep => "in-step",
            Self::Unclear => "unclear",
            Self::Faster => "faster",
        }
    }
}

/// Returns the exponent of a cost that only pays for what its own request brings.
pub fn expected_exponent(input: Input, cost: Cost) -> f64 {
    match (input, cost) {
        // With a full thread each connection waits for all others (Little's law), which is nobody's fault.
        (Input::BodyBytes, _) | (Input::Connections, Cost::Latency) => 1.0,
        (Input::Connections, _) => 0.0,
    }
}

/// Returns the largest exponent that is in step.
fn limit(input: Input, cost: Cost) -> f64 {
    let above = match input {
        Input::BodyBytes => IN_STEP_WITH_BODY - 1.0,
        Input::Connections => IN_STEP_WITH_CONNECTIONS,
    };
    expected_exponent(input, cost) + above
}

/// Returns the part of a cost at the largest input that it would not have if it grew in step from the smallest: at the estimate, and
/// at both ends of the interval.
pub(crate) fn excess(input: Input, cost: Cost, growth: Growth, spread: f64) -> (f64, (f64, f64)) {
    let expected = expected_exponent(input, cost);
    let at = |exponent: f64| (1.0 - spread.powf(expected - exponent)).clamp(0.0, 1.0);
    (at(growth.exponent), (at(growth.low), at(growth.high)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use slowpath_profile::tables::FunctionId;

    const FUNCTION: Cost = Cost::Function(FunctionId(1));

    #[track_caller]
    fn check(input: Input, cost: Cost, (exponent, low, high): (f64, f64, f64), expected: Pace) {
        let growth = Some(Growth { exponent, low, high });
        let row = CostGrowth { cost, per_request: Vec::new(), growth, share: None, n_samples: None };
        assert_eq!(Pace::of(input, &row), expected, "{input:?} {cost:?} {growth:?}");
        assert_eq!(Pace::of(input, &CostGrowth { growth: None, ..row }), Pace::Unclear);
    }

    #[test]
    fn the_square_is_faster_than_a_body_and_a_sort_is_not() {
        check(Input::BodyBytes, FUNCTION, (2.0, 1.9, 2.1), Pace::Faster);
        check(Input::BodyBytes, FUNCTION, (1.24, 1.2, 1.28), Pace::InStep);
        check(Input::BodyBytes, FUNCTION, (1.6, 1.1, 2.1), Pace::Unclear);
        check(Input::BodyBytes, FUNCTION, (1.0, 0.9, 1.1), Pace::InStep);
    }

    #[test]
    fn a_request_costs_the_same_however_many_others_there_are() {
        check(Input::Connections, FUNCTION, (1.0, 0.8, 1.2), Pace::Faster);
        check(Input::Connections, Cost::Cpu, (-0.2, -0.3, -0.1), Pace::InStep);
        check(Input::Connections, Cost::Waiting, (0.9, 0.7, 1.1), Pace::Faster);
    }

    #[test]
    fn latency_grows_with_the_connections_of_a_full_thread() {
        check(Input::Connections, Cost::Latency, (1.0, 0.9, 1.1), Pace::InStep);
        check(Input::Connections, Cost::Latency, (1.8, 1.6, 2.0), Pace::Faster);
    }

    #[test]
    fn what_is_gained_is_what_grew_too_fast() {
        let growth = Growth { exponent: 2.0, low: 1.5, high: 2.5 };
        let (part, (low, high)) = excess(Input::BodyBytes, FUNCTION, growth, 8.0);
        assert!((part - 7.0 / 8.0).abs() < 1e-9 && low < part && part < high);
        let flat = Growth { exponent: -0.1, low: -0.2, high: 0.0 };
        assert!(excess(Input::Connections, FUNCTION, flat, 8.0).0.abs() < 1e-9);
    }
}
