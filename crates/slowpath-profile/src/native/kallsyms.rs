//! Names kernel code from the text of `/proc/kallsyms`.
//!
//! ```text
//! ffffffff81000000 T _stext
//! ffffffffc0a01000 t nf_hook_slow [nf_tables]        functions of modules; a tab before the module
//! ```
//!
//! Where the kernel hides its addresses (`kptr_restrict`), all of them read zero.

/// Returns for each of `addresses`, which are sorted, the kernel function that it lies in; `None` where the text hides
/// addresses or ends before.
pub fn name_in_kallsyms<'a>(text: &'a str, addresses: &[u64]) -> Vec<Option<&'a str>> {
    debug_assert!(addresses.is_sorted());
    let mut symbols: Vec<(u64, &str)> = text.lines().filter_map(parse_line).collect();
    symbols.sort_by_key(|(address, _)| *address);
    let name = |address: &u64| {
        let after = symbols.partition_point(|(start, _)| start <= address);
        let (start, _) = symbols[..after].last()?;
        // Of several names of one place the first counts, as the kernel sorts them by merit.
        let first = symbols.partition_point(|(other, _)| other < start);
        Some(symbols[first].1)
    };
    addresses.iter().map(name).collect()
}

/// Whether the text shows addresses.
pub fn shows_addresses(text: &str) -> bool {
    text.lines().find_map(parse_line).is_some()
}

fn parse_line(line: &str) -> Option<(u64, &str)> {
    let mut words = line.split_ascii_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok().filter(|address| *address > 0)?;
    let kind = words.next()?;
    let name = words.next()?;
    matches!(kind, "t" | "T" | "w" | "W").then_some((address, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000100 t do_work
ffffffff81000180 D a_datum
ffffffffc0001000 t nf_hook\t[nf_tables]
ffffffff81000200 T last
";

    #[test]
    fn the_function_that_begins_last_before_an_address_is_its_own() {
        let addresses = [0xffff_ffff_8100_0000, 0xffff_ffff_8100_01ff, 0xffff_ffff_c000_1004];
        let names = name_in_kallsyms(TEXT, &addresses);
        assert_eq!(names, [Some("_stext"), Some("do_work"), Some("nf_hook")]);
        assert_eq!(name_in_kallsyms(TEXT, &[0xffff_0000_0000_0000]), [None]);
    }

    #[test]
    fn hidden_addresses_give_no_names() {
        let hidden = "0000000000000000 T _stext\n0000000000000000 t do_work\n";
        assert!(!shows_addresses(hidden) && shows_addresses(TEXT));
        assert_eq!(name_in_kallsyms(hidden, &[0xffff_ffff_8100_0000]), [None]);
    }
}
