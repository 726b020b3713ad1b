//! The wire format of protocol buffers, as much of it as reading needs.

use super::BadInput;

/// The value of a field.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    /// A number of any kind.
    Number(u64),
    /// Text, a message, or packed numbers, and where it begins in the file.
    Bytes(&'a [u8], usize),
}

impl<'a> Value<'a> {
    /// Returns the number, 0 for what is none.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Number(number) => number,
            Self::Bytes(..) => 0,
        }
    }

    /// Returns the fields of the message, none for what is no message.
    pub(super) fn fields(self) -> Fields<'a> {
        match self {
            Self::Number(_) => Fields { bytes: &[], at: 0, base: 0 },
            Self::Bytes(bytes, base) => Fields { bytes, at: 0, base },
        }
    }

    /// Appends the numbers of a repeated field, packed or one by one.
    pub(super) fn numbers(self, into: &mut Vec<u64>) -> Result<(), BadInput> {
        match self {
            Self::Number(number) => into.push(number),
            Self::Bytes(bytes, base) => {
                let mut packed = Fields { bytes, at: 0, base };
                while packed.at < bytes.len() {
                    into.push(packed.varint()?);
                }
            }
        }
        Ok(())
    }
}

/// Walks over the fields of a message.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    base: usize,
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0, base: 0 }
    }

    /// Returns number and value of the next field, `None` at the end of the message.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, BadInput> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let start = self.at;
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => Value::Number(self.fixed(8)?),
            2 => {
                let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                let from = self.at;
                Value::Bytes(self.take(length)?, self.base + from)
            }
            5 => Value::Number(self.fixed(4)?),
            kind => {
                return Err(BadInput::at(self.base + start, format!("a field of unknown wire type {kind}")));
            }
        };
        Ok(Some((key >> 3, value)))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, BadInput> {
        let (mut number, mut shift) = (0_u64, 0);
        while shift < 64 {
            let Some(byte) = self.bytes.get(self.at) else { break };
            self.at += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
            shift += 7;
        }
        Err(BadInput::at(self.base + self.at, "a number that does not end"))
    }

    fn fixed(&mut self, n_bytes: usize) -> Result<u64, BadInput> {
        let bytes = self.take(n_bytes)?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], BadInput> {
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len());
        let end = end.ok_or_else(|| {
            let left = self.bytes.len() - self.at;
            BadInput::at(
                self.base + self.at,
                format!("a field of {length} bytes where {left} are left: the file was cut"),
            )
        })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }
}
