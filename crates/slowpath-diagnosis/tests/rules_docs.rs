//! `docs/rules` says what the rules say.

use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn the_pages_in_docs_rules_are_those_of_the_rules() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/rules");
    let files = std::fs::read_dir(&folder).expect("`cargo xtask rules-docs` writes it");
    let written: BTreeMap<String, String> = files
        .map(|file| {
            let file = file.expect("a readable folder");
            let text = std::fs::read_to_string(file.path()).expect("Markdown");
            (file.file_name().to_string_lossy().into_owned(), text)
        })
        .collect();
    let expected: BTreeMap<_, _> = slowpath_diagnosis::rules_docs().into_iter().collect();
    let names = |pages: &BTreeMap<String, String>| pages.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&written), names(&expected), "run `cargo xtask rules-docs`");
    for (name, text) in &expected {
        assert!(written[name] == *text, "docs/rules/{name} is stale: run `cargo xtask rules-docs`");
    }
}
