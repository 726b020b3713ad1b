//! Takes the built report page into the crate. Builds nothing and fetches nothing: `cargo xtask page` makes the page.

use std::path::PathBuf;

const COMMAND: &str = "cargo xtask page";

fn main() {
    let page = PathBuf::from(env("CARGO_MANIFEST_DIR")).join("../../ui/dist/page.html");
    println!("cargo::rerun-if-changed={}", page.display());
    println!("cargo::rerun-if-changed=build.rs");
    let text = match std::fs::read_to_string(&page) {
        Ok(text) => text,
        Err(_) if env("PROFILE") == "release" => {
            println!("cargo::error=the report page is not built: run `{COMMAND}` first");
            return;
        }
        // Debug builds go on, so that the rest can be worked on without Node.
        Err(_) => {
            println!(
                "cargo::warning=the report page is not built: run `{COMMAND}`; reports say so until then"
            );
            format!(
                "<!doctype html><meta charset=utf-8><title>slowpath</title><body><p>This build has no report page. \
                 Run <code>{COMMAND}</code> and build again.</p><!--slowpath:report--><!--slowpath:profile--></body>"
            )
        }
    };
    let out = PathBuf::from(env("OUT_DIR")).join("page.html");
    if let Err(error) = std::fs::write(&out, text) {
        println!("cargo::error=cannot write {}: {error}", out.display());
    }
}

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}
