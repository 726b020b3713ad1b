//! Shares samples out by weights, evenly over time.

/// Fractional part of the golden ratio: its multiples modulo 1 fill the unit interval evenly, however many are taken (Knuth, *The
/// Art of Computer Programming*, volume 3, §6.4).
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// Weighted receivers, each up to a sum of weights.
#[derive(Debug)]
pub(crate) struct Shares<T>(Vec<(f64, T)>);

impl<T: Copy> Shares<T> {
    /// Lists receivers with their weights.
    pub(crate) fn of(weights: impl IntoIterator<Item = (T, f64)>) -> Self {
        let mut up_to = 0.0;
        let cumulated = weights.into_iter().map(|(receiver, weight)| {
            up_to += weight;
            (up_to, receiver)
        });
        Self(cumulated.collect())
    }

    /// Returns who gets the `n`th of equal pieces; `None` where nobody has a weight. Of any number of pieces in a row everyone
    /// gets its share but for about one.
    pub(crate) fn nth(&self, n: usize) -> Option<T> {
        let (all, last) = self.0.last().filter(|(all, _)| *all > 0.0)?;
        let at = (n as f64 + 0.5) * GOLDEN % 1.0 * all;
        let index = self.0.partition_point(|(up_to, _)| *up_to <= at);
        Some(self.0.get(index).map_or(*last, |(_, receiver)| *receiver))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn everyone_gets_its_share_of_any_pieces_in_a_row(weights in prop::collection::vec(0_u32..100, 1..6), from in 0_usize..1000, n in 1_usize..300) {
            let all: u32 = weights.iter().sum();
            let shares = Shares::of(weights.iter().enumerate().map(|(index, weight)| (index, f64::from(*weight))));
            let mut got = vec![0; weights.len()];
            for piece in from..from + n {
                let receiver = shares.nth(piece);
                prop_assert_eq!(receiver.is_none(), all == 0);
                if let Some(index) = receiver {
                    got[index] += 1;
                }
            }
            for (got, weight) in got.iter().zip(&weights).filter(|_| all > 0) {
                let expected = n as f64 * f64::from(*weight) / f64::from(all);
                prop_assert!((f64::from(*got) - expected).abs() < 4.0, "{} of {}, not {}", got, n, expected);
            }
        }
    }
}
