//! Turns the linker's names of C++ and Rust functions into readable ones, without parameters.

use cpp_demangle::{DemangleOptions, Symbol};

/// Arguments of a template that are longer than this are left out: V8's reach thousands of bytes.
const MAX_TEMPLATE: usize = 40;

/// Longest name.
const MAX_NAME: usize = 300;

/// Returns the readable form of a linker's name; other names as they are.
///
/// Parameters, return types and hashes are left out, and so are long template arguments: `Parser<…>::Next`. Suffixes
/// of the compiler (`.isra.0`, `.constprop.1`, `.part.2`) and the linker's versions (`@@GLIBC_2.34`) go, so that the parts of one function count
/// together.
pub fn demangle(name: &str) -> String {
    let plain = name.split("@@").next().unwrap_or(name);
    let plain = without_clone_suffix(plain);
    let readable = if let Ok(rust) = rustc_demangle::try_demangle(plain) {
        format!("{rust:#}")
    } else if plain.starts_with("_Z") {
        let options = DemangleOptions::new().no_params().no_return_type();
        let symbol = Symbol::new(plain).ok();
        symbol
            .and_then(|symbol| symbol.demangle_with_options(&options).ok())
            .unwrap_or_else(|| plain.to_owned())
    } else {
        plain.to_owned()
    };
    shortened(&readable)
}

/// Cuts `.isra.0` and the like.
fn without_clone_suffix(name: &str) -> &str {
    const SUFFIXES: &[&str] = &[".isra.", ".constprop.", ".part.", ".cold", ".lto_priv.", ".llvm."];
    let at = SUFFIXES.iter().filter_map(|suffix| name.find(suffix)).min();
    // A name that begins so is no clone of anything.
    at.filter(|at| *at > 0).map_or(name, |at| &name[..at])
}

/// Leaves out long template arguments, then cuts.
fn shortened(name: &str) -> String {
    let mut text = String::with_capacity(name.len().min(MAX_NAME));
    let mut rest = name;
    while let Some((before, inside, after)) = outer_template(rest) {
        text.push_str(before);
        text.push('<');
        // `<T as Trait>::f` of Rust begins a name; only what follows one is an argument.
        let is_argument = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        text.push_str(if inside.len() > MAX_TEMPLATE && is_argument { "…" } else { inside });
        text.push('>');
        rest = after;
    }
    text.push_str(rest);
    match text.char_indices().nth(MAX_NAME) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// Splits at the first `<…>` that closes; `->`, `<<` and `operator<` are no templates.
fn outer_template(text: &str) -> Option<(&str, &str, &str)> {
    let open = text.find('<')?;
    if text[..open].ends_with("operator") {
        return None;
    }
    let mut depth = 0_usize;
    let mut before = b' ';
    for (at, byte) in text.bytes().enumerate().skip(open) {
        match byte {
            b'<' => depth += 1,
            b'>' if before != b'-' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&text[..open], &text[open + 1..at], &text[at + 1..]));
        }
        before = byte;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_people_write_them() {
        let check = |name: &str, expected: &str| assert_eq!(demangle(name), expected, "{name}");
        check(
            "_ZN4node6crypto4Hash10HashUpdateERKN2v820FunctionCallbackInfoINS2_5ValueEEE",
            "node::crypto::Hash::HashUpdate",
        );
        check("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad");
        check("_RNvCs1234_7mycrate3foo", "mycrate::foo");
        check("pthread_rwlock_unlock@@GLIBC_2.34", "pthread_rwlock_unlock");
        check("unlink_chunk.constprop.0", "unlink_chunk");
        check("_ZN2v88internal6Parser", "_ZN2v88internal6Parser");
        check("deflate_slow", "deflate_slow");
    }

    #[test]
    fn long_template_arguments_are_left_out() {
        let long =
            "GraphVisitor<Stack<Assembler<reducer_list<A, B, C>>>, true, VariableReducer>::VisitGraph<false>";
        assert_eq!(shortened(long), "GraphVisitor<…>::VisitGraph<false>");
        assert_eq!(shortened("f<g<int>>"), "f<g<int>>");
        let implementation = "<alloc::vec::Vec<some::long::Type> as core::ops::Drop>::drop";
        assert_eq!(shortened(implementation), implementation);
        assert_eq!(shortened("A::operator<"), "A::operator<");
        assert_eq!(shortened("A::operator-><int>"), "A::operator-><int>");
        assert_eq!(shortened(&"x".repeat(400)).chars().count(), MAX_NAME + 1);
    }

    proptest::proptest! {
        #[test]
        fn arbitrary_names_never_panic(name in "(_ZN|_R|)[\\PC<>.@-]*") {
            let _ = demangle(&name);
        }
    }
}
