//! Whether a place in a JSON text lies inside a string. Checks nothing else of the text.

/// Reads a JSON text piece by piece.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct JsonText {
    is_in_string: bool,
    is_escaped: bool,
}

impl JsonText {
    pub(crate) fn read(&mut self, text: &[u8]) {
        for &byte in text {
            if !self.is_in_string {
                self.is_in_string = byte == b'"';
            } else if self.is_escaped {
                self.is_escaped = false;
            } else {
                self.is_escaped = byte == b'\\';
                self.is_in_string = byte != b'"';
            }
        }
    }

    /// Tells whether what comes next stands inside a string.
    pub(crate) fn is_in_string(self) -> bool {
        self.is_in_string
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_where_strings_begin_and_end() {
        fn check(text: &str, is_in_string: bool) {
            let mut json = JsonText::default();
            json.read(text.as_bytes());
            assert_eq!(json.is_in_string(), is_in_string, "{text}");
        }
        check(r#"{"a":"#, false);
        check(r#"{"a":""#, true);
        check(r#"{"a":"say \"#, true);
        check(r#"{"a":"say \""#, true);
        check(r#"{"a":"say \"hi\"""#, false);
        check(r#"{"a":"\\"#, true);
        check(r#"{"a":"\\""#, false);
    }
}
