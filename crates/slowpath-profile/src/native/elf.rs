//! Names code in ELF files by its offset in the file: from the symbol tables, and from DWARF where there is any.
//!
//! DWARF tells functions that were inlined, source files and lines; the symbol table only the function around. Compressed
//! debug sections are not read.

use super::demangle;
use addr2line::gimli::{self, EndianSlice, RunTimeEndian};
use object::read::elf::{ElfFile, FileHeader};
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol, SectionFlags, SymbolKind};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// A function, innermost first where several were inlined into each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElfFunction {
    /// Readable name.
    pub name: String,
    /// Source file; empty where debug information does not tell it.
    pub file: String,
}

/// What the code at one offset is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ElfCode {
    /// Functions, the innermost first; never empty.
    pub functions: Vec<ElfFunction>,
    /// Line in the innermost function, 0 where unknown.
    pub line: u32,
}

/// Why a file gives no names.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// Not an ELF file, or a damaged one.
    #[error("not an ELF file that can be read: {0}")]
    Damaged(#[from] object::Error),
    /// 32-bit or big-endian files of other machines.
    #[error("not a 64-bit ELF file")]
    OtherMachine,
}

/// Reads names out of one file, and out of its separate debug file where there is one.
#[derive(Debug, Clone, Copy)]
pub struct ElfNames<'a> {
    data: &'a [u8],
    debug: Option<&'a [u8]>,
}

/// Files with more debug information than this are named from their symbol table alone: reading it takes memory and time
/// that the rest of the report is not worth.
const MAX_DEBUG_INFO: u64 = 1 << 29;

/// A candidate symbol for an address.
#[derive(Debug, Clone, Copy)]
struct Candidate<'a> {
    /// The larger, the better: has a size, begins late, not weak, global, few underscores, long, early in the alphabet.
    rank: (bool, u64, bool, bool, Reverse<usize>, usize, Reverse<&'a str>),
    name: &'a str,
}

type Elf<'a> = ElfFile<'a, object::elf::FileHeader64<object::LittleEndian>>;

impl<'a> ElfNames<'a> {
    /// Takes the bytes of a file, and those of its debug file.
    pub fn new(data: &'a [u8], debug: Option<&'a [u8]>) -> Self {
        Self { data, debug }
    }

    /// Returns the build id, by which debug files are found.
    pub fn build_id(data: &[u8]) -> Option<Vec<u8>> {
        let file = parse(data).ok()?;
        file.build_id().ok().flatten().map(<[u8]>::to_vec)
    }

    /// Whether the file holds neither a full symbol table nor debug information, so that a separate file may help.
    pub fn is_stripped(data: &[u8]) -> bool {
        parse(data).is_ok_and(|file| {
            file.section_by_name(".symtab").is_none() && file.section_by_name(".debug_info").is_none()
        })
    }

    /// Names the code at each of `offsets`, which are sorted. Offsets outside all code, and code between functions, have no
    /// entry.
    pub fn name(&self, offsets: &[u64]) -> Result<BTreeMap<u64, ElfCode>, ElfError> {
        debug_assert!(offsets.is_sorted());
        let file = parse(self.data)?;
        let addresses = addresses(&file, offsets);
        let mut found = vec![None; addresses.len()];
        find_symbols(&file, &addresses, &mut found);
        let debug = self.debug.and_then(|debug| parse(debug).ok());
        if let Some(debug) = &debug {
            find_symbols(debug, &addresses, &mut found);
        }
        let dwarf = [Some(&file), debug.as_ref()].into_iter().flatten().find_map(dwarf);
        let mut codes = BTreeMap::new();
        for ((address, offset), symbol) in addresses.iter().zip(&found) {
            let symbol = symbol.map(|symbol: Candidate<'_>| demangle(symbol.name));
            let code = dwarf.as_ref().and_then(|dwarf| inlined(dwarf, *address, symbol.as_deref()));
            let plain = || {
                let function = ElfFunction { name: symbol?, file: String::new() };
                Some(ElfCode { functions: vec![function], line: 0 })
            };
            if let Some(code) = code.or_else(plain) {
                codes.insert(*offset, code);
            }
        }
        Ok(codes)
    }
}

fn parse(data: &[u8]) -> Result<Elf<'_>, ElfError> {
    let header = object::elf::FileHeader64::<object::LittleEndian>::parse(data)?;
    if !header.is_supported() || header.is_big_endian() {
        return Err(ElfError::OtherMachine);
    }
    Ok(ElfFile::parse(data)?)
}

/// Converts offsets in the file to the addresses that its tables use; returns `(address, offset)` by address.
fn addresses(file: &Elf<'_>, offsets: &[u64]) -> Vec<(u64, u64)> {
    let mut addresses = Vec::with_capacity(offsets.len());
    for segment in file.segments() {
        let (start, size) = segment.file_range();
        let from = offsets.partition_point(|offset| *offset < start);
        let inside = offsets[from..].iter().take_while(|offset| **offset - start < size);
        addresses.extend(inside.map(|offset| (segment.address().wrapping_add(offset - start), *offset)));
    }
    addresses.sort_unstable();
    // Pages at the seam of two segments are mapped twice: the code is where the symbols are, so both stay.
    addresses.dedup();
    addresses
}

/// Finds the best symbol of each address: the one that begins last before it, and of aliases the one that reads best.
fn find_symbols<'a>(file: &Elf<'a>, addresses: &[(u64, u64)], found: &mut [Option<Candidate<'a>>]) {
    let mut ends = vec![None; file.sections().map(|section| section.index().0 + 1).max().unwrap_or(0)];
    for section in file.sections() {
        // In a separate debug file the sections are empty, so that their contents do not tell.
        if let SectionFlags::Elf { sh_flags, .. } = section.flags()
            && sh_flags.0 & object::elf::SHF_EXECINSTR.0 != 0
        {
            ends[section.index().0] = Some(section.address().saturating_add(section.size()));
        }
    }
    for symbol in file.symbols().chain(file.dynamic_symbols()) {
        let is_code = matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Label | SymbolKind::Unknown);
        let section_end = symbol.section_index().and_then(|index| ends.get(index.0).copied().flatten());
        let (Some(section_end), true) = (section_end, is_code) else { continue };
        let start = symbol.address();
        // A label of assembly has no size: it reaches to the next symbol, which then begins later and wins.
        let sized = symbol.size() > 0;
        let end = if sized { start.saturating_add(symbol.size()) } else { section_end };
        let from = addresses.partition_point(|(address, _)| *address < start);
        if addresses.get(from).is_none_or(|(address, _)| *address >= end) {
            continue;
        }
        let Ok(name) = symbol.name() else { continue };
        // Marks of the assembler, not functions.
        if name.is_empty() || name.starts_with(['$', '.']) || (!sized && symbol.is_local()) {
            continue;
        }
        let underscores = name.len() - name.trim_start_matches('_').len();
        let rank = (
            sized,
            start,
            !symbol.is_weak(),
            symbol.is_global(),
            Reverse(underscores),
            name.len(),
            Reverse(name),
        );
        let covered = addresses[from..].iter().take_while(|(address, _)| *address < end).count();
        for known in &mut found[from..from + covered] {
            if known.is_none_or(|known| rank > known.rank) {
                *known = Some(Candidate { rank, name });
            }
        }
    }
}

type Slice<'a> = EndianSlice<'a, RunTimeEndian>;

fn dwarf<'a>(file: &Elf<'a>) -> Option<addr2line::Context<Slice<'a>>> {
    let info = file.section_by_name(".debug_info")?;
    if info.size() > MAX_DEBUG_INFO || info.data().is_ok_and(<[u8]>::is_empty) {
        return None;
    }
    let section = |id: gimli::SectionId| -> Result<Slice<'a>, gimli::Error> {
        let data = file.section_by_name(id.name()).and_then(|section| section.data().ok()).unwrap_or(&[]);
        Ok(EndianSlice::new(data, RunTimeEndian::Little))
    };
    let dwarf = gimli::Dwarf::load(section).ok()?;
    addr2line::Context::from_dwarf(dwarf).ok()
}

/// Returns the functions at an address as debug information has them; `None` where it has none.
fn inlined(context: &addr2line::Context<Slice<'_>>, address: u64, symbol: Option<&str>) -> Option<ElfCode> {
    let mut frames = context.find_frames(address).skip_all_loads().ok()?;
    let mut code = ElfCode::default();
    while let Ok(Some(frame)) = frames.next() {
        let location = frame.location;
        let file = location.as_ref().and_then(|location| location.file).unwrap_or_default();
        if code.functions.is_empty() {
            code.line = location.as_ref().and_then(|location| location.line).unwrap_or(0);
        }
        let name = frame.function.and_then(|function| Some(demangle(&function.raw_name().ok()?)));
        // The outermost is the symbol itself, whose name is the linker's.
        let name = name.or_else(|| symbol.map(str::to_owned))?;
        code.functions.push(ElfFunction { name, file: file.to_owned() });
    }
    // Debug information names plain functions without their namespace; the symbol table has the whole name.
    if let (Some(outermost), Some(symbol)) = (code.functions.last_mut(), symbol) {
        symbol.clone_into(&mut outermost.name);
    }
    (!code.functions.is_empty()).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Something whose place is known: this test's own binary.
    #[inline(never)]
    fn landmark() -> usize {
        std::hint::black_box(landmark as fn() -> usize as usize)
    }

    #[test]
    fn names_code_of_the_running_binary_with_file_and_line_where_it_has_debug_information() {
        let data = std::fs::read("/proc/self/exe").unwrap();
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let address = landmark() as u64;
        let offset = maps.lines().find_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let (start, end) = words.next()?.split_once('-')?;
            let number = |text| u64::from_str_radix(text, 16).ok();
            let offset = number(words.nth(1)?)?;
            let range = number(start)?..number(end)?;
            range.contains(&address).then(|| address - range.start + offset)
        });
        let offset = offset.unwrap();
        let codes = ElfNames::new(&data, None).name(&[offset]).unwrap();
        let outermost = codes[&offset].functions.last().unwrap();
        assert!(outermost.name.ends_with("native::elf::tests::landmark"), "{outermost:?}");
        // Tests may be built without debug information.
        let has_debug = parse(&data).unwrap().section_by_name(".debug_info").is_some();
        assert_eq!(outermost.file.ends_with("native/elf.rs"), has_debug, "{outermost:?}");
        assert_eq!(codes[&offset].line > 0, has_debug);
    }

    #[test]
    fn what_is_no_elf_file_is_an_error() {
        assert!(matches!(ElfNames::new(b"#!/bin/sh", None).name(&[]), Err(ElfError::Damaged(_))));
        assert!(ElfNames::build_id(b"").is_none());
    }

    proptest::proptest! {
        #[test]
        fn damaged_files_never_panic(at in 0_usize..4096, byte: u8) {
            let mut data = MINIMAL.to_vec();
            if let Some(place) = data.get_mut(at % MINIMAL.len()) {
                *place = byte;
            }
            let _ = ElfNames::new(&data, Some(&data)).name(&[0, 0x40, 0x80, 1 << 40]);
            let _ = (ElfNames::build_id(&data), ElfNames::is_stripped(&data));
        }
    }

    /// Header and one loaded segment, nothing else.
    const MINIMAL: &[u8] = &[
        0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0x3e, 0, 1, 0, 0, 0, 0x78, 0, 0x40,
        0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0x38, 0, 1, 0,
        0x40, 0, 0, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0,
        0x40, 0, 0, 0, 0, 0, 0x78, 0, 0, 0, 0, 0, 0, 0, 0x78, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0,
    ];
}
