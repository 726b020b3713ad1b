//! Shares the samples of one node of V8's tree out among the stacks that its line samples tell of.

use crate::tables::StackId;

/// The stacks among which the samples of one node of V8's tree are shared out, by their line samples.
///
/// V8 counts lines per node and not per sample, so which sample had which line is not known; each stack gets its share,
/// evenly over time.
#[derive(Debug, Default)]
pub(crate) struct Leaf {
    /// Stack, weight, and samples given to it so far.
    shares: Vec<(StackId, u64, u64)>,
    n_given: u64,
}

impl Leaf {
    pub(crate) fn add(&mut self, stack: StackId, weight: u64) {
        match self.shares.iter_mut().find(|(known, ..)| *known == stack) {
            Some((_, sum, _)) => *sum += weight,
            None => self.shares.push((stack, weight, 0)),
        }
    }

    /// Returns the stack of the next sample: the one that is furthest behind its share.
    pub(crate) fn next(&mut self) -> StackId {
        let total: u64 = self.shares.iter().map(|(_, weight, _)| weight).sum();
        self.n_given += 1;
        let n_given = self.n_given;
        let behind = |(_, weight, given): &&mut (StackId, u64, u64)| {
            i128::from(*weight) * i128::from(n_given) - i128::from(*given) * i128::from(total)
        };
        let chosen = self.shares.iter_mut().max_by_key(behind).expect("a leaf is made by adding a share");
        chosen.2 += 1;
        chosen.0
    }
}
