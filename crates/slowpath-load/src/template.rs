//! Text with `{{…}}` expressions that are filled in anew for each request: numbers, random values, lines of files. The
//! same seed and request number give the same text on every machine; no clock and no environment go in.

use std::io::Write as _;
use std::sync::Arc;

use crate::error::LoadError;
use crate::escape::{Escape, Place};
use crate::expression::{Expression, KNOWN, find_close};
use crate::json_text::JsonText;
use crate::line_file::{LineFiles, Lines};
use crate::plan::BodySize;
use crate::random::Random;
use crate::redact::Redactor;
use crate::source_text::Position;

const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Distinguishes the random stream of identifiers from the one that everything else is drawn from.
const UUID_SALT: u64 = 0xA076_1D64_78BD_642F;

/// A text in which expressions are filled in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Template {
    pieces: Vec<Piece>,
}

/// A part of a template. Words and lines are already fitted to the place where they stand.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Text(Vec<u8>),
    /// `{{id}}`
    Number,
    /// `{{uuid}}`
    Uuid {
        which: u64,
    },
    /// `{{random 1 1000}}`; `low` is at most `high`.
    Random {
        low: i64,
        high: i64,
    },
    /// `{{randomString 16}}`
    RandomString {
        length: u64,
    },
    /// `{{pick a b}}`; at least one.
    Pick(Arc<[Vec<u8>]>),
    /// `{{line FILE}}`
    Line(Arc<Lines>),
}

/// What differs from request to request.
pub(crate) struct Filling {
    pub(crate) seed: u64,
    /// Of the whole load, from 0.
    pub(crate) number: u64,
    /// How often this kind of request came before; decides which line of a file comes next.
    pub(crate) turn: u64,
    /// The random stream of this request.
    pub(crate) random: Random,
}

impl Template {
    /// Returns a text without expressions.
    pub(crate) fn text(text: impl Into<Vec<u8>>) -> Self {
        Self { pieces: vec![Piece::Text(text.into())] }
    }

    /// Parses a text with expressions; reads the files that they name.
    ///
    /// In a body that `is_json`, lines are escaped where they stand inside a string. In a path they are
    /// percent-encoded, unless the path begins with one.
    ///
    /// # Errors
    /// [`LoadError::BadText`] for an expression that is unknown, unclosed or has wrong arguments; the errors of
    /// [`LineFiles::lines`].
    pub(crate) fn parse(
        text: &[u8],
        place: Place,
        is_json: bool,
        files: &mut LineFiles,
    ) -> Result<Self, LoadError> {
        Self::parse_sized(text, place, is_json, BodySize::AsGiven, files)
    }

    /// As [`Template::parse`], for a text whose size is not that which it gives.
    pub(crate) fn parse_sized(
        text: &[u8],
        place: Place,
        is_json: bool,
        size: BodySize,
        files: &mut LineFiles,
    ) -> Result<Self, LoadError> {
        let mut template = Self::default();
        let mut json = JsonText::default();
        let mut at = 0;
        while let Some(open) = find(&text[at..], b"{{").map(|offset| at + offset) {
            template.push_text(&text[at..open]);
            json.read(&text[at..open]);
            let refused = |problem: &str, hint: &str| {
                let shown = shown(&text[open..]);
                let problem = format!("{problem} ({})", place_of(text, open, place));
                LoadError::BadText { what: "expression", text: shown, problem, hint: hint.to_owned() }
            };
            let close = find_close(&text[open + 2..]).ok_or_else(|| {
                refused("it has no closing `}}`", "close it, or write `{{'{{'}}` to send two braces")
            })?;
            let inside = &text[open + 2..open + 2 + close];
            let inside = std::str::from_utf8(inside).map_err(|_| refused("it is not UTF-8", KNOWN))?;
            let default_for_lines = match place {
                Place::Body if is_json && json.is_in_string() => Escape::Json,
                Place::Path if !template.pieces.is_empty() => Escape::Url,
                _ => Escape::Raw,
            };
            let mut parser = Expression { place, default_for_lines, size, files, refused: &refused };
            let piece = parser.parse(inside)?;
            if let Piece::Text(literal) = &piece {
                json.read(literal);
            }
            template.push(piece);
            at = open + 2 + close + 2;
        }
        template.push_text(&text[at..]);
        Ok(template)
    }

    /// Appends text; neighbouring texts become one.
    pub(crate) fn push_text(&mut self, text: &[u8]) {
        match self.pieces.last_mut() {
            _ if text.is_empty() => {}
            Some(Piece::Text(last)) => last.extend_from_slice(text),
            _ => self.pieces.push(Piece::Text(text.to_vec())),
        }
    }

    /// Appends another template.
    pub(crate) fn append(&mut self, other: &Self) {
        other.pieces.iter().for_each(|piece| self.push(piece.clone()));
    }

    fn push(&mut self, piece: Piece) {
        match piece {
            Piece::Text(text) => self.push_text(&text),
            piece => self.pieces.push(piece),
        }
    }

    /// Returns the text if nothing is to be filled in.
    pub(crate) fn as_text(&self) -> Option<&[u8]> {
        match &self.pieces[..] {
            [] => Some(b""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Appends the text for one request.
    pub(crate) fn render(&self, filling: &mut Filling, into: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => into.extend_from_slice(text),
                Piece::Number => write_number(filling.number, into),
                Piece::Uuid { which } => write_uuid(filling, *which, into),
                Piece::Random { low, high } => {
                    write_number(random_between(&mut filling.random, *low, *high), into);
                }
                Piece::RandomString { length } => write_letters(&mut filling.random, *length, into),
                Piece::Pick(words) => {
                    let index = filling.random.below(words.len() as u64);
                    into.extend_from_slice(&words[index as usize]);
                }
                Piece::Line(lines) => {
                    into.extend_from_slice(lines.get((filling.turn % lines.len() as u64) as usize));
                }
            }
        }
    }

    /// Tells whether every text that can be rendered begins with `byte`.
    pub(crate) fn always_begins_with(&self, byte: u8) -> bool {
        let begins = |text: &[u8]| text.first() == Some(&byte);
        match self.pieces.first() {
            Some(Piece::Text(text)) => begins(text),
            Some(Piece::Pick(words)) => words.iter().all(|word| begins(word)),
            Some(Piece::Line(lines)) => lines.iter().all(begins),
            _ => false,
        }
    }

    /// Returns every text that stands in a file, a choice or the template itself; for redaction.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().flat_map(|piece| -> Box<dyn Iterator<Item = &[u8]>> {
            match piece {
                Piece::Text(text) => Box::new(std::iter::once(text.as_slice())),
                Piece::Pick(words) => Box::new(words.iter().map(Vec::as_slice)),
                Piece::Line(lines) => Box::new(lines.iter()),
                _ => Box::new(std::iter::empty()),
            }
        })
    }

    /// Returns the texts between the expressions.
    pub(crate) fn plain_texts(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_slice()),
            _ => None,
        })
    }
}

/// Returns `text` as a template that renders to just that.
pub(crate) fn escape_braces(text: &[u8]) -> Vec<u8> {
    replace(text, b"{{", b"{{'{{'}}")
}

/// Returns `text` with each `wanted` replaced, from left to right.
pub(crate) fn replace(text: &[u8], wanted: &[u8], by: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(offset) = find(rest, wanted) {
        replaced.extend_from_slice(&rest[..offset]);
        replaced.extend_from_slice(by);
        rest = &rest[offset + wanted.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

/// Returns where `wanted`, which is not empty, begins.
pub(crate) fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

/// Returns the beginning of an expression as it may be shown.
fn shown(expression: &[u8]) -> String {
    let end = find(expression, b"}}").map_or(expression.len(), |end| end + 2);
    let text: String = String::from_utf8_lossy(&expression[..end]).chars().take(40).collect();
    Redactor::default().redact(&text).escape_debug().to_string()
}

fn place_of(text: &[u8], at: usize, place: Place) -> String {
    let Position { line, column } = Position::of(text, at);
    match place {
        Place::Path => format!("in the path at byte {column}"),
        Place::Header => format!("in a header at byte {column} of its value"),
        Place::Body => format!("in the body, line {line}, column {column}"),
    }
}

fn write_number(number: impl std::fmt::Display, into: &mut Vec<u8>) {
    write!(into, "{number}").expect("a vector takes all bytes");
}

/// `low` is at most `high`.
fn random_between(random: &mut Random, low: i64, high: i64) -> i64 {
    let width = high.wrapping_sub(low) as u64;
    let offset = if width == u64::MAX { random.bits() } else { random.below(width + 1) };
    low.wrapping_add(offset as i64)
}

/// Writes letters and digits, ten from each random number.
fn write_letters(random: &mut Random, length: u64, into: &mut Vec<u8>) {
    let mut left = length;
    while left > 0 {
        let n = left.min(10);
        let mut number = random.below(62_u64.pow(10));
        for _ in 0..n {
            into.push(LETTERS[(number % 62) as usize]);
            number /= 62;
        }
        left -= n;
    }
}

/// Writes a version 4 UUID (RFC 9562) that depends on seed, request number and `which` alone.
fn write_uuid(filling: &Filling, which: u64, into: &mut Vec<u8>) {
    let mut random =
        Random::new(filling.seed ^ UUID_SALT.wrapping_mul(which.wrapping_add(1)), filling.number);
    let high = random.bits() & !0xF000 | 0x4000;
    let low = random.bits() & !(0b11 << 62) | 0b10 << 62;
    write!(
        into,
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xFFFF,
        high & 0xFFFF,
        low >> 48,
        low & 0xFFFF_FFFF_FFFF
    )
    .expect("a vector takes all bytes");
}

#[cfg(test)]
#[path = "template_tests.rs"]
mod tests;
