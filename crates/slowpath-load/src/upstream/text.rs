//! What the mock says: plain words, one a token, always the same from the first on. Escaped as JSON needs it, so that it
//! goes into answers as it is.

/// The tokens, repeated as often as needed.
const TOKENS: [&str; 48] = [
    "This",
    " answer",
    " comes",
    " from",
    " a",
    " mock",
    " upstream",
    ".",
    " It",
    " has",
    " plain",
    " words",
    ",",
    " one",
    " a",
    " token",
    ",",
    " and",
    " keeps",
    " exact",
    " time",
    ".",
    " A",
    " gateway",
    " in",
    " front",
    " of",
    " it",
    " can",
    " be",
    " measured",
    " alone",
    ",",
    " without",
    " a",
    " provider",
    ",",
    " without",
    " a",
    " key",
    " and",
    " without",
    " a",
    " bill",
    ".",
    " Again",
    ":",
    "\\n",
];

/// Returns token number `i`, as it stands in a JSON string.
pub(super) fn token(i: u32) -> &'static str {
    TOKENS[i as usize % TOKENS.len()]
}

/// Appends the first `n` tokens, as they stand in a JSON string.
pub(super) fn push_tokens(output: &mut String, n: u32) {
    output.extend((0..n).map(token));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_is_part_of_a_json_string() {
        let mut text = String::new();
        push_tokens(&mut text, 100);
        let read: String = serde_json::from_str(&format!("\"{text}\"")).unwrap();
        assert!(read.starts_with("This answer comes from a mock upstream. It has"), "{read}");
        assert_eq!(read.matches('\n').count(), 2);
        assert_eq!(text, (0..100).map(token).collect::<String>());
    }
}
