//! Names of the addresses in the native log. Written once, when recording has ended, as gzipped JSON lines.
//!
//! ```text
//! {"native_symbols":1,"notes":["…"]}
//! {"symbols":[["deflate_slow","/usr/bin/node",""],…],"rows":[space,address,since,line,n,symbol,…]}
//! ```

use crate::Nanos;
use crate::recording::KERNEL_START;
use flate2::{Compression, bufread::GzDecoder, write::GzEncoder};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;

/// Version that this build writes and reads.
const VERSION: u32 = 1;

/// Space of kernel addresses, which are the same in every process.
const KERNEL_SPACE: u32 = u32::MAX;

/// A function as the symboliser names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "(String, String, String)", into = "(String, String, String)")]
pub struct NativeSymbol {
    /// Readable name: demangled, or as V8 gives it in a perf map.
    pub name: String,
    /// Path of the binary; `[kernel]`, `[JIT]`, `[vdso]`.
    pub module: String,
    /// Source file, where debug information tells it; else empty.
    pub file: String,
}

impl From<(String, String, String)> for NativeSymbol {
    fn from((name, module, file): (String, String, String)) -> Self {
        Self { name, module, file }
    }
}

impl From<NativeSymbol> for (String, String, String) {
    fn from(symbol: NativeSymbol) -> Self {
        (symbol.name, symbol.module, symbol.file)
    }
}

/// What one address is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedAddress {
    /// From when on: code that is compiled as a program runs may take the place of older code.
    pub since: Nanos,
    /// Line in the source file of the innermost function, 0 where unknown.
    pub line: u32,
    /// Indices into [`NativeSymbols::symbols`]: functions inlined into each other, the innermost first; one as a rule.
    pub functions: Vec<u32>,
}

/// Names of addresses.
#[derive(Debug, Clone, Default)]
pub struct NativeSymbols {
    /// The functions.
    pub symbols: Vec<NativeSymbol>,
    /// What could not be named and why, a sentence each.
    pub notes: Vec<String>,
    rows: FxHashMap<(u32, u64), Vec<NamedAddress>>,
    symbol_of: FxHashMap<NativeSymbol, u32>,
}

#[derive(Serialize, Deserialize)]
struct Head {
    native_symbols: u32,
    notes: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Columns {
    symbols: Vec<NativeSymbol>,
    rows: Vec<i64>,
}

impl NativeSymbols {
    /// Returns the index of a symbol, adding it when new.
    pub fn intern(&mut self, symbol: NativeSymbol) -> u32 {
        let next = self.symbols.len() as u32;
        let index = *self.symbol_of.entry(symbol.clone()).or_insert(next);
        if index == next {
            self.symbols.push(symbol);
        }
        index
    }

    /// Names an address of a space from `since` on; later moments come later.
    pub fn add(&mut self, space: u32, address: u64, named: NamedAddress) {
        self.rows.entry(key(space, address)).or_default().push(named);
    }

    /// Returns what an address was, in order of time; empty where unknown.
    pub fn of(&self, space: u32, address: u64) -> &[NamedAddress] {
        self.rows.get(&key(space, address)).map_or(&[], Vec::as_slice)
    }

    /// Writes them to `path`, replacing what is there.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut order: Vec<_> = self.rows.iter().collect();
        order.sort_by_key(|(key, _)| **key);
        let mut rows = Vec::new();
        let mut before = 0_u64;
        for ((space, address), named) in order {
            for NamedAddress { since, line, functions } in named {
                let space = if *space == KERNEL_SPACE { -1 } else { i64::from(*space) };
                rows.extend([space, address.wrapping_sub(before) as i64, since.0 as i64, i64::from(*line)]);
                rows.push(functions.len() as i64);
                rows.extend(functions.iter().map(|function| i64::from(*function)));
                before = *address;
            }
        }
        let head = Head { native_symbols: VERSION, notes: self.notes.clone() };
        let columns = Columns { symbols: self.symbols.clone(), rows };
        let mut text = serde_json::to_vec(&head).map_err(io::Error::other)?;
        text.push(b'\n');
        serde_json::to_writer(&mut text, &columns).map_err(io::Error::other)?;
        text.push(b'\n');
        let temporary = path.with_extension("tmp");
        let mut file = GzEncoder::new(File::create(&temporary)?, Compression::new(6));
        file.write_all(&text)?;
        file.finish()?;
        std::fs::rename(&temporary, path)
    }

    /// Reads them back; an absent file is empty. A damaged one is an error.
    pub fn read(path: &Path) -> io::Result<Self> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        let mut lines = BufReader::new(GzDecoder::new(BufReader::new(file))).lines();
        let head: Head = serde_json::from_str(&lines.next().ok_or_else(|| damaged("it is empty"))??)?;
        if head.native_symbols > VERSION {
            return Err(damaged("it was written by a newer slowpath"));
        }
        let columns: Columns = serde_json::from_str(&lines.next().ok_or_else(|| damaged("it is cut"))??)?;
        let mut symbols = Self { notes: head.notes, ..Self::default() };
        symbols.symbols = columns.symbols;
        symbols.read_rows(&columns.rows).ok_or_else(|| damaged("its rows contradict each other"))?;
        Ok(symbols)
    }

    fn read_rows(&mut self, numbers: &[i64]) -> Option<()> {
        let mut numbers = numbers.iter().copied();
        let mut address = 0_u64;
        while let Some(space) = numbers.next() {
            let space = if space < 0 { KERNEL_SPACE } else { u32::try_from(space).ok()? };
            address = address.wrapping_add_signed(numbers.next()?);
            let since = Nanos(numbers.next()? as u64);
            let line = u32::try_from(numbers.next()?).ok()?;
            let n = usize::try_from(numbers.next()?).ok()?;
            let mut functions = Vec::new();
            for _ in 0..n {
                let function = u32::try_from(numbers.next()?).ok()?;
                functions.push(Some(function).filter(|index| (*index as usize) < self.symbols.len())?);
            }
            self.rows.entry((space, address)).or_default().push(NamedAddress { since, line, functions });
        }
        Some(())
    }
}

fn key(space: u32, address: u64) -> (u32, u64) {
    (if address >= KERNEL_START { KERNEL_SPACE } else { space }, address)
}
