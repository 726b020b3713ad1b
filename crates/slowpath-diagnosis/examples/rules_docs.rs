//! Writes `docs/rules`: `cargo xtask rules-docs` runs it.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    for (name, text) in slowpath_diagnosis::rules_docs() {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}
