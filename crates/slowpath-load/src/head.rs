//! The parts of HTTP/1.1 heads that responses and requests share: tokens, header lines, list values, the size limit.
//! Knows neither status lines nor request lines.

/// The largest head (or trailer) that is read; llhttp's limit in Node is 16 KiB, nginx's 32 KiB.
pub(crate) const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Tells whether `bytes` is a token of RFC 9110, 5.6.2: what methods and header names are made of.
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| TOKEN_BYTES[byte as usize])
}

static TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut i = 0;
    while i < marks.len() {
        table[marks[i] as usize] = true;
        i += 1;
    }
    table
};

/// Splits `name: value` and trims the value; `line` is without its line break.
///
/// Returns `None` if the name is not a token (a folded line begins with a space and is such a case) or the value
/// holds a control character.
pub(crate) fn split_header_line(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let has_control = value.iter().any(|&byte| byte.is_ascii_control() && byte != b'\t');
    (is_token(name) && !has_control).then(|| (name, value.trim_ascii()))
}

/// Tells whether the comma-separated `list` holds `word`, in any case.
pub(crate) fn list_holds(list: &[u8], word: &[u8]) -> bool {
    list.split(|&byte| byte == b',').any(|item| item.trim_ascii().eq_ignore_ascii_case(word))
}

/// Reads a `content-length`; `None` if it is not a plain decimal number below 2^64.
pub(crate) fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |length, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        length.checked_mul(10)?.checked_add(digit)
    })
}
