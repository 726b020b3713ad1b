//! The language between `{{` and `}}`: words, quotes, and what each expression takes. Fills nothing in.

use std::path::Path;
use std::sync::Arc;

use crate::error::LoadError;
use crate::escape::{Escape, Place, fit};
use crate::line_file::LineFiles;
use crate::plan::BodySize;
use crate::template::{Piece, find};

/// The longest `randomString`.
const MAX_RANDOM_STRING: u64 = 1 << 20;

/// The longest text that `repeat` makes, bytes.
const MAX_REPEATED: usize = 16 << 20;

/// By how much [`BodySize::Small`] divides: large enough to tell work that grows with the square (64 times) from work that
/// grows with the size (8 times), small enough that the small body is still one of its kind.
const SMALL_DIVISOR: u64 = 8;

/// Random strings shorter than this are names, keys and nonces; longer ones give the body its size.
const MIN_SIZE_STRING: u64 = 64;

/// The hint for what is not known.
pub(crate) const KNOWN: &str = "known are `id`, `uuid`, `random LOW HIGH`, `randomString LENGTH`, `repeat COUNT TEXT SEPARATOR`, `pick A B …` and `line FILE`; \
     write `{{'{{'}}` for two braces";

/// Parses what stands between the braces.
pub(crate) struct Expression<'a> {
    pub(crate) place: Place,
    /// How lines are rewritten if the expression does not say.
    pub(crate) default_for_lines: Escape,
    pub(crate) size: BodySize,
    pub(crate) files: &'a mut LineFiles,
    /// Makes the error for this expression from problem and hint.
    pub(crate) refused: &'a dyn Fn(&str, &str) -> LoadError,
}

impl Expression<'_> {
    /// `inside` is without the braces.
    pub(crate) fn parse(&mut self, inside: &str) -> Result<Piece, LoadError> {
        let words = split_words(inside).ok_or_else(|| {
            (self.refused)(
                "a quoted word in it is not closed",
                "close the quotes: `{{pick 'two words' one}}`",
            )
        })?;
        let (escape, words) = match words.split_first() {
            Some((Word::Plain("raw"), rest)) if !rest.is_empty() => (Some(Escape::Raw), rest),
            Some((Word::Plain("json"), rest)) if !rest.is_empty() => (Some(Escape::Json), rest),
            Some((Word::Plain("url"), rest)) if !rest.is_empty() => (Some(Escape::Url), rest),
            _ => (None, &words[..]),
        };
        match words {
            [] => Err((self.refused)("it is empty", KNOWN)),
            [Word::Quoted(text)] => Ok(Piece::Text(self.fitted(text, escape)?)),
            [Word::Plain("id")] => Ok(Piece::Number),
            [Word::Plain("uuid"), which @ ..] => self.uuid(which),
            [Word::Plain("random"), bounds @ ..] => self.random(bounds),
            [Word::Plain("randomString"), length @ ..] => self.random_string(length),
            [Word::Plain("repeat"), what @ ..] => self.repeat(what, escape),
            [Word::Plain("pick"), choices @ ..] => self.pick(choices, escape),
            [Word::Plain("line"), file @ ..] => self.line(file, escape),
            _ => Err((self.refused)("it is not known", KNOWN)),
        }
    }

    fn uuid(&self, which: &[Word<'_>]) -> Result<Piece, LoadError> {
        let number = match which {
            [] => Some(1),
            [which] => which.text().parse().ok(),
            _ => None,
        };
        let hint = "`{{uuid}}` is the same everywhere in one request, `{{uuid 2}}` is another one";
        number
            .map(|which| Piece::Uuid { which })
            .ok_or_else(|| (self.refused)("it takes at most a number", hint))
    }

    fn random(&self, bounds: &[Word<'_>]) -> Result<Piece, LoadError> {
        let hint = "write the smallest and the largest whole number: `{{random 1 1000}}`";
        let refused = |problem| (self.refused)(problem, hint);
        let [low, high] = bounds else { return Err(refused("it takes two numbers")) };
        let (Ok(low), Ok(high)) = (low.text().parse(), high.text().parse()) else {
            return Err(refused("its bounds are not whole numbers below 2^63"));
        };
        if low > high {
            return Err(refused("its first bound is larger than its second"));
        }
        Ok(Piece::Random { low, high })
    }

    fn random_string(&self, length: &[Word<'_>]) -> Result<Piece, LoadError> {
        let length = if let [length] = length { length.text().parse().ok() } else { None };
        let length = length.filter(|length| (1..=MAX_RANDOM_STRING).contains(length));
        let hint = "write how many letters and digits: `{{randomString 16}}`";
        length
            .map(|length| Piece::RandomString {
                length: if length < MIN_SIZE_STRING { length } else { self.sized(length) },
            })
            .ok_or_else(|| (self.refused)("it takes a length from 1 to 1048576", hint))
    }

    /// Copies of a text: in each, `#` is its number, from 1.
    fn repeat(&self, what: &[Word<'_>], escape: Option<Escape>) -> Result<Piece, LoadError> {
        let hint =
            "write how many copies of what, and what stands between them: `{{repeat 20 '{\"n\":#}' ','}}`";
        let refused = |problem| (self.refused)(problem, hint);
        let (count, text, separator) = match what {
            [count, text] => (count, text, ""),
            [count, text, separator] => (count, text, separator.text()),
            _ => return Err(refused("it takes a count, a text, and what separates the copies")),
        };
        let count = count.text().parse().ok().filter(|count| (1..=1 << 20).contains(count));
        let count = self.sized(count.ok_or_else(|| refused("its count is not one from 1 to 1048576"))?);
        let parts: Vec<&str> = text.text().split('#').collect();
        let mut copies = String::new();
        for number in 1..=count {
            if number > 1 {
                copies.push_str(separator);
            }
            copies.push_str(&parts.join(&number.to_string()));
            if copies.len() > MAX_REPEATED {
                return Err(refused("it makes more than 16 MiB"));
            }
        }
        Ok(Piece::Text(self.fitted(&copies, escape)?))
    }

    /// Returns how many there are of what gives a text its size.
    fn sized(&self, count: u64) -> u64 {
        match self.size {
            BodySize::Small => (count / SMALL_DIVISOR).max(1),
            BodySize::AsGiven | BodySize::Large => count,
        }
    }

    fn pick(&self, choices: &[Word<'_>], escape: Option<Escape>) -> Result<Piece, LoadError> {
        if choices.is_empty() {
            return Err((self.refused)(
                "it has nothing to pick from",
                "write the choices: `{{pick a b 'c d'}}`",
            ));
        }
        let words: Vec<_> =
            choices.iter().map(|word| self.fitted(word.text(), escape)).collect::<Result<_, _>>()?;
        Ok(Piece::Pick(words.into()))
    }

    fn line(&mut self, file: &[Word<'_>], escape: Option<Escape>) -> Result<Piece, LoadError> {
        let [file] = file else {
            let hint = "write `{{line prompts.txt}}`, or `{{line 'my prompts.txt'}}` if its name has a space";
            return Err((self.refused)("it takes one file", hint));
        };
        let escape = escape.unwrap_or(self.default_for_lines);
        let lines = self.files.lines(Path::new(file.text()), escape, self.place)?;
        Ok(Piece::Line(match self.size {
            BodySize::AsGiven => lines,
            BodySize::Small => Arc::new(lines.shortest_third()),
            BodySize::Large => Arc::new(lines.longest_third()),
        }))
    }

    /// Words of the template itself are inserted as they are, like the text around them, unless told otherwise.
    fn fitted(&self, text: &str, escape: Option<Escape>) -> Result<Vec<u8>, LoadError> {
        fit(text.as_bytes(), escape.unwrap_or(Escape::Raw), self.place)
            .map_err(|misfit| (self.refused)(misfit.problem, misfit.hint))
    }
}

/// A word of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word<'a> {
    Plain(&'a str),
    /// Without its quotes.
    Quoted(&'a str),
}

impl<'a> Word<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Plain(text) | Self::Quoted(text) => text,
        }
    }
}

/// Splits at white space. A word that begins with `'` or `"` ends with the same. `None` if it does not end.
fn split_words(text: &str) -> Option<Vec<Word<'_>>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = if matches!(first, '\'' | '"') {
            let (quoted, after) = rest[1..].split_once(first)?;
            (Word::Quoted(quoted), after)
        } else {
            let (plain, after) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
            (Word::Plain(plain), after)
        };
        words.push(word);
        rest = after.trim_start();
    }
    Some(words)
}

/// Returns where `}}` stands outside quoted words; in an expression with an unclosed quote, where it stands at all.
pub(crate) fn find_close(text: &[u8]) -> Option<usize> {
    let mut quote = None;
    let mut is_word_start = true;
    for (at, &byte) in text.iter().enumerate() {
        match quote {
            Some(open) if byte == open => quote = None,
            None if text[at..].starts_with(b"}}") => return Some(at),
            None if is_word_start && matches!(byte, b'\'' | b'"') => quote = Some(byte),
            Some(_) | None => {}
        }
        is_word_start = byte.is_ascii_whitespace();
    }
    find(text, b"}}")
}
