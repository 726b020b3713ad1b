//! Takes the built pages into the crate. Builds nothing and fetches nothing: `cargo xtask page` makes the pages.

use std::path::{Path, PathBuf};

const COMMAND: &str = "cargo xtask page";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    take("page.html", "<!--slowpath:report--><!--slowpath:profile-->");
    take("load.html", "<!--slowpath:report-->");
}

/// Copies a page of `ui/dist`; `places` are the comments that data replaces in it.
fn take(name: &str, places: &str) {
    let page = PathBuf::from(env("CARGO_MANIFEST_DIR")).join("../../ui/dist").join(name);
    println!("cargo::rerun-if-changed={}", page.display());
    let text = match std::fs::read_to_string(&page) {
        Ok(text) => text,
        Err(_) if env("PROFILE") == "release" => {
            println!("cargo::error=`{name}` is not built: run `{COMMAND}` first");
            return;
        }
        // Debug builds go on, so that the rest can be worked on without Node.
        Err(_) => {
            println!("cargo::warning=`{name}` is not built: run `{COMMAND}`; such pages say so until then");
            format!(
                "<!doctype html><meta charset=utf-8><title>slowpath</title><body><p>This build has no such page. \
                 Run <code>{COMMAND}</code> and build again.</p>{places}</body>"
            )
        }
    };
    let out = Path::new(&env("OUT_DIR")).join(name);
    if let Err(error) = std::fs::write(&out, text) {
        println!("cargo::error=cannot write {}: {error}", out.display());
    }
}

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
