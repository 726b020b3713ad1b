//! What inserted text goes through so that it cannot break out of the place where it stands: a JSON string, a request
//! target, a header.

/// How text is rewritten before it is inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Escape {
    /// Not at all.
    Raw,
    /// As the inside of a JSON string.
    Json,
    /// Percent-encoded but for letters, digits and `-._~`: a component of a path, a query or a form.
    Url,
}

/// Where text is inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// The request target. What cannot stand there is percent-encoded.
    Path,
    /// A header's value. What cannot stand there is refused.
    Header,
    /// The body, which holds anything.
    Body,
}

/// Why a text cannot be inserted, and at which of its bytes (from 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) at: usize,
    pub(crate) problem: &'static str,
    pub(crate) hint: &'static str,
}

/// Returns `text` as it is inserted into `place`.
///
/// # Errors
/// If the text cannot stand there in any form.
pub(crate) fn fit(text: &[u8], escape: Escape, place: Place) -> Result<Vec<u8>, Misfit> {
    let escaped = match escape {
        Escape::Raw => text.to_vec(),
        Escape::Json => json_escaped(text)?,
        Escape::Url => percent_encoded(text, |byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)),
    };
    match place {
        Place::Body => Ok(escaped),
        Place::Path => Ok(percent_encoded(&escaped, |byte| byte.is_ascii_graphic())),
        Place::Header => {
            let misfit = |at, problem, hint| Err(Misfit { at, problem, hint });
            if let Some(at) = escaped.iter().position(|&byte| byte.is_ascii_control() && byte != b'\t') {
                return misfit(at, "a header cannot hold a control character", "remove it from the text");
            }
            match std::str::from_utf8(&escaped) {
                Err(error) => {
                    misfit(error.valid_up_to(), "a header must be UTF-8 here", "save the text as UTF-8")
                }
                Ok(_) => Ok(escaped),
            }
        }
    }
}

fn json_escaped(text: &[u8]) -> Result<Vec<u8>, Misfit> {
    let text = std::str::from_utf8(text).map_err(|error| Misfit {
        at: error.valid_up_to(),
        problem: "text in JSON must be UTF-8",
        hint: "save the text as UTF-8, or insert it with `raw`",
    })?;
    let quoted = serde_json::Value::from(text).to_string();
    Ok(quoted.as_bytes()[1..quoted.len() - 1].to_vec())
}

fn percent_encoded(text: &[u8], stays: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(text.len());
    for &byte in text {
        if stays(byte) {
            encoded.push(byte);
        } else {
            encoded.extend_from_slice(format!("%{byte:02X}").as_bytes());
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rewrites_what_the_place_needs() {
        fn check(text: &str, escape: Escape, place: Place, expected: &str) {
            assert_eq!(fit(text.as_bytes(), escape, place).unwrap(), expected.as_bytes(), "{text:?}");
        }
        check("say \"ü\"\n", Escape::Raw, Place::Body, "say \"ü\"\n");
        check("say \"ü\"\n\\", Escape::Json, Place::Body, r#"say \"ü\"\n\\"#);
        check("a b&c=ü~", Escape::Url, Place::Body, "a%20b%26c%3D%C3%BC~");
        check("/a b?c=ü\r\n", Escape::Raw, Place::Path, "/a%20b?c=%C3%BC%0D%0A");
        check("a/b", Escape::Url, Place::Path, "a%2Fb");
        check("a\tb ü", Escape::Raw, Place::Header, "a\tb ü");
        check("a\nb", Escape::Json, Place::Header, r"a\nb");
    }

    #[test]
    fn refuses_what_fits_in_no_form() {
        fn check(text: &[u8], escape: Escape, place: Place, at: usize, problem: &str) {
            let misfit = fit(text, escape, place).expect_err(problem);
            assert_eq!((misfit.at, misfit.problem), (at, problem));
        }
        check(b"a\r\nx: 1", Escape::Raw, Place::Header, 1, "a header cannot hold a control character");
        check(b"abc\0", Escape::Raw, Place::Header, 3, "a header cannot hold a control character");
        check(b"a\xff", Escape::Raw, Place::Header, 1, "a header must be UTF-8 here");
        check(b"a\xff", Escape::Json, Place::Body, 1, "text in JSON must be UTF-8");
    }

    proptest! {
        #[test]
        fn nothing_breaks_out(text in prop::collection::vec(any::<u8>(), 0..40)) {
            for escape in [Escape::Raw, Escape::Json, Escape::Url] {
                if let Ok(path) = fit(&text, escape, Place::Path) {
                    prop_assert!(path.iter().all(u8::is_ascii_graphic));
                }
                if let Ok(header) = fit(&text, escape, Place::Header) {
                    prop_assert!(!header.iter().any(|byte| b"\r\n\0".contains(byte)));
                }
            }
            if let Ok(inside) = fit(&text, Escape::Json, Place::Body) {
                let quoted = [b"\"", inside.as_slice(), b"\""].concat();
                prop_assert_eq!(serde_json::from_slice::<String>(&quoted).unwrap().into_bytes(), text);
            }
        }
    }
}
