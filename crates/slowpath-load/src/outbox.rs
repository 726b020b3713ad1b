//! What a connection still has to send: copies of one constant request, or requests put together one by one.

use crate::link::{Link, LinkError};

/// Bytes to send, in order.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Bytes of copies of the constant request that are not sent yet.
    n_constant: usize,
    /// Requests put together for this connection; empty when all of it is sent.
    composed: Vec<u8>,
    /// Bytes of `composed` that are sent.
    n_composed_sent: usize,
}

/// A request that is always the same, written several times in a row, so that many can be sent at once.
#[derive(Debug)]
pub(crate) struct Copies {
    bytes: Vec<u8>,
    /// Bytes of one request.
    length: usize,
}

/// Copies stay below this, unless there is but one: as much as one send may usefully take.
const MAX_COPIES_BYTES: usize = 64 * 1024;

impl Copies {
    /// Makes ready to send up to `n_copies` of `request` at once.
    pub(crate) fn new(request: &[u8], n_copies: usize) -> Self {
        let n_fitting = (MAX_COPIES_BYTES / request.len().max(1)).clamp(1, n_copies.max(1));
        Self { bytes: request.repeat(n_fitting), length: request.len() }
    }

    /// Returns one request.
    pub(crate) fn request(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Returns the next bytes when `n_left` bytes of some copies are left.
    fn rest(&self, n_left: usize) -> &[u8] {
        let begun = (self.length - n_left % self.length) % self.length;
        &self.bytes[begun..(begun + n_left).min(self.bytes.len())]
    }
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.n_unsent() == 0
    }

    /// Returns how many bytes are not sent yet.
    pub(crate) fn n_unsent(&self) -> usize {
        self.n_constant + self.composed.len() - self.n_composed_sent
    }

    /// Adds a copy of the constant request.
    pub(crate) fn add_copy(&mut self, copies: &Copies) {
        self.n_constant += copies.length;
    }

    /// Adds what `compose` appends; returns its result and the number of bytes. Uses the memory of `spare`.
    pub(crate) fn compose<T>(
        &mut self,
        spare: &mut Vec<u8>,
        compose: impl FnOnce(&mut Vec<u8>) -> T,
    ) -> (T, usize) {
        if self.composed.is_empty() {
            std::mem::swap(&mut self.composed, spare);
        }
        let n_before = self.composed.len();
        let result = compose(&mut self.composed);
        (result, self.composed.len() - n_before)
    }

    /// Sends as much as goes; returns the number of bytes, and why it stopped if not all went.
    pub(crate) fn send(
        &mut self,
        link: &mut Link,
        copies: Option<&Copies>,
        spare: &mut Vec<u8>,
    ) -> (usize, Result<(), LinkError>) {
        let mut n_sent = 0;
        if let Err(error) = link.flush() {
            return (n_sent, Err(error));
        }
        loop {
            let bytes = match copies {
                Some(copies) if self.n_constant > 0 => copies.rest(self.n_constant),
                _ => &self.composed[self.n_composed_sent..],
            };
            if bytes.is_empty() {
                self.give_back(spare);
                return (n_sent, Ok(()));
            }
            match link.send(bytes) {
                Ok(n_bytes) if self.n_constant > 0 => {
                    self.n_constant -= n_bytes;
                    n_sent += n_bytes;
                }
                Ok(n_bytes) => {
                    self.n_composed_sent += n_bytes;
                    n_sent += n_bytes;
                }
                Err(error) => return (n_sent, Err(error)),
            }
        }
    }

    /// Forgets all that is not sent.
    pub(crate) fn clear(&mut self, spare: &mut Vec<u8>) {
        self.n_constant = 0;
        self.give_back(spare);
    }

    fn give_back(&mut self, spare: &mut Vec<u8>) {
        self.n_composed_sent = 0;
        let mut memory = std::mem::take(&mut self.composed);
        // Only one of those that other connections bring back is kept.
        if spare.capacity() == 0 {
            memory.clear();
            *spare = memory;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_of_a_request_follow_each_other_wherever_a_send_stops() {
        let copies = Copies::new(b"abc", 2);
        assert_eq!(copies.request(), b"abc");
        let rest = |n_left| String::from_utf8_lossy(copies.rest(n_left)).into_owned();
        assert_eq!([rest(3), rest(6), rest(5), rest(1), rest(9)], ["abc", "abcabc", "bcabc", "c", "abcabc"]);
        assert_eq!(Copies::new(&vec![0; 50_000], 8).bytes.len(), 50_000);
        assert_eq!(Copies::new(&[0; 1000], 100).bytes.len(), 65_000);
    }

    #[test]
    fn memory_for_composed_requests_goes_round() {
        let mut spare = Vec::with_capacity(100);
        let (mut one, mut other) = (Outbox::default(), Outbox::default());
        assert_eq!(one.compose(&mut spare, |bytes| bytes.extend_from_slice(b"12")), ((), 2));
        assert_eq!((one.n_unsent(), spare.capacity()), (2, 0));
        other.compose(&mut spare, |bytes| bytes.push(3));
        one.compose(&mut spare, |bytes| bytes.push(3));
        assert_eq!(one.composed, b"12\x03");
        one.clear(&mut spare);
        assert!(one.is_empty() && spare.is_empty() && spare.capacity() >= 100);
        other.clear(&mut spare);
        assert!(other.is_empty() && one.composed.capacity() + other.composed.capacity() == 0);
    }
}
