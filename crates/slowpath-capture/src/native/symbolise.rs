//! Names the addresses of a native log: from binaries, perf maps and the kernel's own list.

use super::images::Image;
use super::jit_maps::JitMap;
use super::privileges::{Lack, Privileges};
use super::recorder::Recorded;
use memmap2::Mmap;
use slowpath_profile::Nanos;
use slowpath_profile::native::{
    ElfNames, JIT_MODULE, KERNEL_MODULE, demangle, name_in_kallsyms, name_in_perf_map, shows_addresses,
};
use slowpath_profile::recording::{
    KERNEL_START, Layout, NamedAddress, NativeLog, NativeSymbol, NativeSymbols,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Where distributions put separate debug files, by build id.
const DEBUG_DIRECTORY: &str = "/usr/lib/debug/.build-id";

impl Recorded {
    /// Names all addresses of the recording's native log and writes the names beside it. Returns what could not be named
    /// for a reason that can be helped.
    pub fn symbolise(&self, layout: &Layout) -> io::Result<Vec<Lack>> {
        let (log, _) = NativeLog::read(&layout.native_log())?;
        let mut names = Names { log: &log, symbols: NativeSymbols::default(), lacks: Vec::new() };
        let wanted = Wanted::of(&log);
        for (image, addresses) in &wanted.by_image {
            if let Some(image) = self.books.images.images.get(*image as usize) {
                names.name_image(image, addresses);
            }
        }
        for (pid, addresses) in &wanted.compiled {
            if let Some(map) = self.jit.maps.get(pid) {
                names.name_compiled(map, addresses)?;
            }
        }
        names.name_kernel(&wanted.kernel);
        names.symbols.write(&layout.native_symbols())?;
        Ok(names.lacks)
    }

    /// Samples taken.
    pub fn n_samples(&self) -> u64 {
        self.books.n_samples
    }

    /// Records that did not fit into the kernel's rings.
    pub fn n_lost(&self) -> u64 {
        self.books.n_lost
    }
}

/// An address in an image: `(offset in the file, address space, address)`.
type Place = (u64, u32, u64);

/// The addresses of a log, by where their names are.
struct Wanted {
    by_image: BTreeMap<u32, BTreeSet<Place>>,
    /// By process: `(address, address space)` of code without a file.
    compiled: BTreeMap<u32, BTreeSet<(u64, u32)>>,
    kernel: BTreeSet<u64>,
}

impl Wanted {
    fn of(log: &NativeLog) -> Self {
        let (by_image, compiled) = (BTreeMap::new(), BTreeMap::new());
        let mut wanted = Self { by_image, compiled, kernel: BTreeSet::new() };
        let mut seen = BTreeSet::new();
        for node in &log.nodes {
            if node.address >= KERNEL_START {
                wanted.kernel.insert(node.address);
                continue;
            }
            if !seen.insert((node.space, node.address)) {
                continue;
            }
            let map = log.map_at(node.space, node.address, node.seen);
            match map {
                Some(map) if is_file(&log.images[map.image as usize]) => {
                    let offset = node.address - map.start + map.file_offset;
                    let places: &mut BTreeSet<Place> = wanted.by_image.entry(map.image).or_default();
                    places.insert((offset, node.space, node.address));
                }
                _ => {
                    let pid = log.spaces[node.space as usize].pid;
                    let places: &mut BTreeSet<_> = wanted.compiled.entry(pid).or_default();
                    places.insert((node.address, node.space));
                }
            }
        }
        wanted
    }
}

/// Whether an image is a file or the kernel's own [vdso]; the rest is memory that holds compiled code.
fn is_file(path: &str) -> bool {
    path == "[vdso]" || (path.starts_with('/') && !path.starts_with("//") && !path.starts_with("/memfd:"))
}

struct Names<'a> {
    log: &'a NativeLog,
    symbols: NativeSymbols,
    lacks: Vec<Lack>,
}

impl Names<'_> {
    fn name_image(&mut self, image: &Image, places: &BTreeSet<Place>) {
        let mut offsets: Vec<u64> = places.iter().map(|(offset, ..)| *offset).collect();
        offsets.dedup();
        let named = if image.path == "[vdso]" {
            own_vdso().map(|data| ElfNames::new(&data, None).name(&offsets).unwrap_or_default())
        } else {
            image.file.as_ref().and_then(map_file).map(|data| {
                let debug = debug_file(&data);
                ElfNames::new(&data, debug.as_deref()).name(&offsets).unwrap_or_default()
            })
        };
        let Some(named) = named else {
            self.symbols
                .notes
                .push(format!("`{}` could not be read, so its functions have no names", image.path));
            return;
        };
        for (offset, space, address) in places {
            let Some(code) = named.get(offset) else { continue };
            let functions = code.functions.iter().map(|function| {
                let (name, file) = (function.name.clone(), function.file.clone());
                self.symbols.intern(NativeSymbol { name, module: image.path.clone(), file })
            });
            let functions = functions.collect();
            self.symbols.add(*space, *address, NamedAddress { since: Nanos(0), line: code.line, functions });
        }
    }

    fn name_compiled(&mut self, map: &JitMap, places: &BTreeSet<(u64, u32)>) -> io::Result<()> {
        if map.growth.was_cut() {
            self.symbols.notes.push(
                "a worker thread began the perf map of its process anew, as on Node.js 18: code from before has no names".into(),
            );
        }
        let mut addresses: Vec<u64> = places.iter().map(|(address, _)| *address).collect();
        addresses.dedup();
        let mut file = &map.file;
        file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let found = name_in_perf_map(&mut reader, &map.growth, &addresses)?;
        for (address, space) in places {
            let Ok(index) = addresses.binary_search(address) else { continue };
            for code in &found[index] {
                let (name, module) = (code.name.clone(), JIT_MODULE.to_owned());
                let symbol = self.symbols.intern(NativeSymbol { name, module, file: String::new() });
                let functions = vec![symbol];
                self.symbols.add(*space, *address, NamedAddress { since: code.since, line: 0, functions });
            }
        }
        Ok(())
    }

    fn name_kernel(&mut self, addresses: &BTreeSet<u64>) {
        if addresses.is_empty() {
            return;
        }
        let text = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
        if !shows_addresses(&text) {
            self.lacks.push(Privileges::read().explain_no_kernel_names());
            return;
        }
        let addresses: Vec<u64> = addresses.iter().copied().collect();
        for (address, name) in addresses.iter().zip(name_in_kallsyms(&text, &addresses)) {
            let Some(name) = name else { continue };
            let (name, module) = (demangle(name), KERNEL_MODULE.to_owned());
            let symbol = self.symbols.intern(NativeSymbol { name, module, file: String::new() });
            let functions = vec![symbol];
            self.symbols.add(0, *address, NamedAddress { since: Nanos(0), line: 0, functions });
        }
        debug_assert!(!self.log.spaces.is_empty(), "kernel frames belong to a process");
    }
}

/// Maps a file for reading.
fn map_file(file: &File) -> Option<Mmap> {
    // SAFETY: binaries are replaced, not changed, while they run; a change would give wrong names, and cutting one off
    // would end us with SIGBUS, which costs the names alone: the log is closed by now.
    unsafe { Mmap::map(file) }.ok()
}

/// Finds the separate debug file of a stripped binary.
fn debug_file(data: &[u8]) -> Option<Mmap> {
    if !ElfNames::is_stripped(data) {
        return None;
    }
    let id = ElfNames::build_id(data)?;
    let hex: Vec<String> = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let (first, rest) = (hex.first()?, hex[1..].concat());
    let path = PathBuf::from(format!("{DEBUG_DIRECTORY}/{first}/{rest}.debug"));
    map_file(&File::open(path).ok()?)
}

/// Returns the bytes of the kernel's code in user space: the same in every process.
fn own_vdso() -> Option<Vec<u8>> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.ends_with("[vdso]"))?;
    let (start, end) = line.split_once(' ')?.0.split_once('-')?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let (start, end) = (number(start)?, number(end)?);
    let mut memory = File::open(Path::new("/proc/self/mem")).ok()?;
    memory.seek(SeekFrom::Start(start)).ok()?;
    let mut bytes = vec![0; (end - start) as usize];
    memory.read_exact(&mut bytes).ok()?;
    Some(bytes)
}
