//! The tables of a Firefox profile, whichever way they are written: an array a column, or an array a row with a `schema`
//! that numbers the columns.

use super::BadInput;
use super::json::{Json, decode};
use std::borrow::Cow;

/// No row.
pub(super) const NONE: u32 = u32::MAX;

/// Columns that are read; the others may hold anything.
const COLUMNS: &[&[u8]] = &[
    b"stack",
    b"time",
    b"timeDeltas",
    b"weight",
    b"prefix",
    b"frame",
    b"func",
    b"location",
    b"name",
    b"fileName",
    b"source",
    b"lineNumber",
    b"columnNumber",
    b"resource",
    b"filename",
];

/// Texts by index, decoded when they are asked for.
#[derive(Debug, Default)]
pub(super) struct StringList<'a>(Vec<&'a [u8]>);

impl<'a> StringList<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the text, empty where there is none.
    pub(super) fn get(&self, index: u32) -> Cow<'a, str> {
        self.0.get(index as usize).map(|raw| decode(raw)).unwrap_or_default()
    }
}

/// Columns of numbers; what is no number is not a number here either.
#[derive(Debug, Default)]
pub(super) struct Table<'a> {
    columns: Vec<(&'a [u8], Vec<f64>)>,
    /// Where it begins in the file.
    pub(super) offset: usize,
}

impl<'a> Table<'a> {
    pub(super) fn n_rows(&self) -> usize {
        self.columns.iter().map(|(_, values)| values.len()).max().unwrap_or(0)
    }

    /// Returns the number in a column, `None` where there is none.
    pub(super) fn number(&self, column: &[u8], row: usize) -> Option<f64> {
        let (_, values) = self.columns.iter().find(|(name, _)| *name == column)?;
        values.get(row).copied().filter(|value| !value.is_nan())
    }

    /// Returns the index in a column, [`NONE`] where there is none.
    pub(super) fn index(&self, column: &[u8], row: usize) -> u32 {
        let number = self.number(column, row).filter(|number| (0.0..f64::from(NONE)).contains(number));
        number.map_or(NONE, |number| number as u32)
    }

    fn read(&mut self, json: &mut Json<'a>) -> Result<(), BadInput> {
        json.peek();
        self.offset = json.offset();
        let (mut schema, mut rows) = (Vec::new(), None);
        json.each_key(|json, key| match key {
            b"schema" => json.each_key(|json, key| {
                schema.push((key, json.index()? as usize));
                Ok(())
            }),
            b"data" => {
                json.peek();
                rows = Some(json.clone());
                json.skip().map(|_| ())
            }
            key if COLUMNS.contains(&key) && json.peek() == Some(b'[') => {
                let mut values = Vec::new();
                json.each_element(|json| {
                    values.push(number_or_nan(json)?);
                    Ok(())
                })?;
                self.columns.push((key, values));
                Ok(())
            }
            _ => json.skip().map(|_| ()),
        })?;
        let Some(mut rows) = rows else { return Ok(()) };
        schema.retain(|(name, _)| COLUMNS.contains(name));
        let mut columns: Vec<(&[u8], Vec<f64>)> =
            schema.iter().map(|(name, _)| (*name, Vec::new())).collect();
        rows.each_element(|json| {
            let mut at = 0;
            for (_, values) in &mut columns {
                values.push(f64::NAN);
            }
            json.each_element(|json| {
                let wanted = schema.iter().position(|(_, column)| *column == at);
                at += 1;
                match wanted {
                    Some(column) => {
                        let value = number_or_nan(json)?;
                        if let Some(last) = columns[column].1.last_mut() {
                            *last = value;
                        }
                        Ok(())
                    }
                    None => json.skip().map(|_| ()),
                }
            })
        })?;
        self.columns = columns;
        Ok(())
    }
}

fn number_or_nan(json: &mut Json<'_>) -> Result<f64, BadInput> {
    match json.peek() {
        Some(b'0'..=b'9' | b'-') => json.number(),
        _ => json.skip().map(|_| f64::NAN),
    }
}

/// One thread, or the tables that all threads share.
#[derive(Debug, Default)]
pub(super) struct Thread<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) pid: u32,
    pub(super) tid: u32,
    /// How much later than the file's first process its own began.
    pub(super) later_ms: f64,
    pub(super) weight_type: &'a [u8],
    pub(super) samples: Table<'a>,
    pub(super) stack_table: Table<'a>,
    pub(super) frame_table: Table<'a>,
    pub(super) func_table: Table<'a>,
    pub(super) resource_table: Table<'a>,
    pub(super) sources: Table<'a>,
    pub(super) strings: StringList<'a>,
}

impl<'a> Thread<'a> {
    pub(super) fn read(&mut self, json: &mut Json<'a>) -> Result<(), BadInput> {
        json.each_key(|json, key| match key {
            b"name" => json.string_or_null().map(|name| self.name = name.unwrap_or_default()),
            b"pid" => id(json).map(|pid| self.pid = pid),
            b"tid" => id(json).map(|tid| self.tid = tid),
            b"samples" => {
                let mut table = json.clone();
                self.samples.read(json)?;
                table.each_key(|json, key| match key {
                    b"weightType" if json.peek() == Some(b'"') => {
                        json.raw_string().map(|kind| self.weight_type = kind)
                    }
                    _ => json.skip().map(|_| ()),
                })
            }
            b"stackTable" => self.stack_table.read(json),
            b"frameTable" => self.frame_table.read(json),
            b"funcTable" => self.func_table.read(json),
            b"resourceTable" => self.resource_table.read(json),
            b"sources" => self.sources.read(json),
            b"stringArray" | b"stringTable" => json.each_element(|json| {
                self.strings.0.push(json.raw_string()?);
                Ok(())
            }),
            _ => json.skip().map(|_| ()),
        })
    }
}

/// Takes a number, or a text that begins with one.
fn id(json: &mut Json<'_>) -> Result<u32, BadInput> {
    match json.peek() {
        Some(b'"') => {
            let text = json.string()?;
            let digits = text.bytes().take_while(u8::is_ascii_digit).count();
            Ok(text[..digits].parse().unwrap_or(0))
        }
        Some(b'0'..=b'9' | b'-') => json.number().map(|number| number as u32),
        _ => json.skip().map(|_| 0),
    }
}
