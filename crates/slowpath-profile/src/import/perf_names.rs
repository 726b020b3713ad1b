//! Names the code of a `perf.data` file, from what lies on this machine: binaries, `/proc/kallsyms`, perf maps.
//!
//! A file may come from another machine or from before an update, so a binary only counts if its build id is the
//! recorded one (where one was recorded), and the kernel only if it lies where it lay then. What has no name is told by
//! its binary.

use crate::classify::AppScope;
use crate::native::{ElfCode, ElfNames, Growth, name_in_kallsyms, name_in_perf_map};
use crate::symbol::function_of_symbol;
use crate::tables::{FunctionId, Profile, Tier};
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;

/// Larger binaries are left unnamed; node's own has about 100 MB.
const MAX_BINARY: u64 = 2 << 30;

/// Where a piece of code lay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum CodePlace {
    /// At an address of the kernel.
    Kernel(u64),
    /// In a file, at an offset; the index is that of its path.
    File {
        /// Index of the path.
        path: u32,
        /// Bytes from the beginning of the file.
        offset: u64,
    },
    /// In memory of a process that belongs to no file: compiled code.
    Compiled {
        /// Process.
        pid: u32,
        /// Address there.
        address: u64,
    },
}

/// Names of places.
#[derive(Debug, Default)]
pub(super) struct PlaceNames {
    /// For each place the functions there, outermost first; at least one.
    pub(super) functions: Vec<Vec<(FunctionId, Option<Tier>)>>,
    /// What could not be named, and why.
    pub(super) notes: Vec<String>,
}

/// Names `places`; `paths` are the files they speak of, with the build ids that were recorded, `kernel_base` is where the
/// kernel's text began while recording.
pub(super) fn name_places(
    places: &[CodePlace],
    paths: &[String],
    kernel_base: Option<u64>,
    build_ids: &FxHashMap<String, Vec<u8>>,
    profile: &mut Profile,
) -> PlaceNames {
    let mut names = PlaceNames { functions: vec![Vec::new(); places.len()], notes: Vec::new() };
    // Sorted, as those who name want them: files, processes, the kernel, each with addresses and places.
    let mut kernel: Vec<(u64, usize)> = Vec::new();
    let mut files: BTreeMap<u32, Vec<(u64, usize)>> = BTreeMap::new();
    let mut compiled: BTreeMap<u32, Vec<(u64, usize)>> = BTreeMap::new();
    for (index, place) in places.iter().enumerate() {
        match *place {
            CodePlace::Kernel(address) => kernel.push((address, index)),
            CodePlace::File { path, offset } => files.entry(path).or_default().push((offset, index)),
            CodePlace::Compiled { pid, address } => compiled.entry(pid).or_default().push((address, index)),
        }
    }
    let mut unnamed = Vec::new();
    for (path, mut wanted) in files {
        wanted.sort_unstable();
        let path = &paths[path as usize];
        let codes = elf_codes(path, build_ids.get(path), &wanted);
        if codes.is_none() {
            unnamed.push(path.as_str());
        }
        for (offset, place) in wanted {
            let code = codes.as_ref().and_then(|codes| codes.get(&offset));
            let functions = code.map(|code| &code.functions[..]).unwrap_or_default();
            for function in functions.iter().rev() {
                names.add(place, &function.name, path, profile);
            }
            if functions.is_empty() {
                names.add(place, "[unknown]", path, profile);
            }
        }
    }
    if !unnamed.is_empty() {
        names
            .notes
            .push(format!("functions have no names in {}: not here, or not as recorded", unnamed.join(", ")));
    }
    for (pid, mut wanted) in compiled {
        wanted.sort_unstable();
        names.name_compiled(pid, &wanted, profile);
    }
    kernel.sort_unstable();
    names.name_kernel(&kernel, kernel_base, profile);
    names
}

impl PlaceNames {
    fn add(&mut self, place: usize, symbol: &str, module: &str, profile: &mut Profile) {
        let (function, tier) = function_of_symbol(&AppScope::default(), symbol, module);
        self.functions[place].push((profile.functions.intern(function), tier));
    }

    fn name_compiled(&mut self, pid: u32, wanted: &[(u64, usize)], profile: &mut Profile) {
        let module = format!("/tmp/perf-{pid}.map");
        let addresses = distinct(wanted);
        let map = File::open(&module).ok().filter(is_plain_file);
        let found = map.and_then(|map| {
            let mut map = BufReader::with_capacity(1 << 16, map);
            name_in_perf_map(&mut map, &Growth::default(), &addresses).ok()
        });
        let mut n_unnamed = 0;
        for (address, place) in wanted {
            let at = addresses.binary_search(address).ok();
            let code = at.zip(found.as_ref()).and_then(|(at, found)| found[at].last());
            n_unnamed += usize::from(code.is_none());
            self.add(*place, code.map_or("[unknown]", |code| &code.name), &module, profile);
        }
        if n_unnamed > 0 && found.is_none() {
            let note = format!(
                "compiled code of process {pid} has no names: `{module}` is not here (--perf-basic-prof)"
            );
            self.notes.push(note);
        }
    }

    fn name_kernel(&mut self, wanted: &[(u64, usize)], base: Option<u64>, profile: &mut Profile) {
        const MODULE: &str = "[kernel.kallsyms]";
        if wanted.is_empty() {
            return;
        }
        let text = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
        let lies_there = |base: u64| text_begins_at(&text, base);
        let is_same = base.is_none_or(|base| base == 0 || lies_there(base));
        let addresses = distinct(wanted);
        let found = if is_same { name_in_kallsyms(&text, &addresses) } else { vec![None; addresses.len()] };
        for (address, place) in wanted {
            let name = addresses.binary_search(address).ok().and_then(|at| found[at]);
            self.add(*place, name.unwrap_or("[unknown]"), MODULE, profile);
        }
        if found.iter().all(Option::is_none) {
            let why = if is_same {
                "/proc/kallsyms does not show them"
            } else {
                "it was another kernel, or another boot"
            };
            self.notes.push(format!("kernel functions have no names: {why}"));
        }
    }
}

/// Whether the kernel's text begins at `base`, by the text of `/proc/kallsyms`, where other symbols may lie there as well.
fn text_begins_at(kallsyms: &str, base: u64) -> bool {
    let is_begin = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let address = words.next().and_then(|word| u64::from_str_radix(word, 16).ok());
        address == Some(base) && matches!(words.nth(1), Some("_text" | "_stext" | "startup_64"))
    };
    kallsyms.lines().any(is_begin)
}

fn distinct(wanted: &[(u64, usize)]) -> Vec<u64> {
    let mut addresses: Vec<u64> = wanted.iter().map(|(address, _)| *address).collect();
    addresses.dedup();
    addresses
}

/// Reads the names out of a binary; `None` where it is not the one that was recorded.
fn elf_codes(
    path: &str,
    build_id: Option<&Vec<u8>>,
    wanted: &[(u64, usize)],
) -> Option<BTreeMap<u64, ElfCode>> {
    let file = File::open(path).ok().filter(is_plain_file)?;
    drop(file);
    let data = std::fs::read(path).ok()?;
    let is_same =
        build_id.is_none_or(|recorded| ElfNames::build_id(&data).is_none_or(|found| found == *recorded));
    if !is_same {
        return None;
    }
    ElfNames::new(&data, None).name(&distinct(wanted)).ok()
}

/// Whether reading comes to an end soon: no device, no pipe, not huge.
fn is_plain_file(file: &File) -> bool {
    file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() <= MAX_BINARY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_known_by_where_its_text_begins() {
        let text = "ffffffff81000000 T srso_alias_untrain_ret\nffffffff81000000 T _stext\nffffffff81000100 t do_work\n";
        assert!(text_begins_at(text, 0xffff_ffff_8100_0000));
        assert!(!text_begins_at(text, 0xffff_ffff_8100_0100));
        assert!(!text_begins_at("", 0));
    }
}
