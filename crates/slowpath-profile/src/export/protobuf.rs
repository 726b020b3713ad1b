//! Writes the wire format of protocol buffers, as much of it as pprof needs.

/// A message under construction.
#[derive(Debug, Default)]
pub(super) struct Message {
    pub(super) bytes: Vec<u8>,
}

impl Message {
    /// Adds a number; zero, the default, is left out.
    pub(super) fn number(&mut self, field: u64, number: u64) -> &mut Self {
        if number != 0 {
            self.varint(field << 3);
            self.varint(number);
        }
        self
    }

    /// Adds text.
    pub(super) fn text(&mut self, field: u64, text: &[u8]) -> &mut Self {
        self.varint(field << 3 | 2);
        self.varint(text.len() as u64);
        self.bytes.extend_from_slice(text);
        self
    }

    /// Adds a message.
    pub(super) fn message(&mut self, field: u64, message: &Self) -> &mut Self {
        self.text(field, &message.bytes)
    }

    /// Adds a list of numbers, packed.
    pub(super) fn numbers(&mut self, field: u64, numbers: &[u64]) -> &mut Self {
        let mut packed = Self::default();
        for number in numbers {
            packed.varint(*number);
        }
        self.message(field, &packed)
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }
}
