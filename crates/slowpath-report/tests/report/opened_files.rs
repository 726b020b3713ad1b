//! Reports of profiles of other tools: the shape that the page relies on, the same bytes, names that stay names.

use crate::contract::Contract;
use slowpath_profile::import::{Imported, ImportedFile, import_bytes};
use slowpath_profile::tables::Profile;
use slowpath_report::{Report, render_markdown};

fn imported(name: &str, text: &str) -> Imported {
    let mut profile = Profile::default();
    let (format, content) =
        import_bytes(text.as_bytes(), &mut profile).expect("recognised").expect("in order");
    let file = ImportedFile {
        path: name.into(),
        format,
        n_bytes: text.len() as u64,
        n_samples: content.n_samples(),
        notes: content.notes,
    };
    profile.unit = content.unit;
    profile.threads = content.threads;
    Imported { profile, files: vec![file] }
}

const TIMED: &str = r#"{"nodes":[{"id":1,"callFrame":{"functionName":"(root)"},"children":[2,3]},
    {"id":2,"callFrame":{"functionName":"hot","url":"file:///srv/a.js","lineNumber":6}},
    {"id":3,"callFrame":{"functionName":"(idle)"}}],
    "startTime":1000,"endTime":5000,"samples":[2,2,2,3],"timeDeltas":[0,1000,1000,1000]}"#;

fn all() -> Vec<Report> {
    let heap = r#"{"head":{"callFrame":{"functionName":"f","url":"a.js","lineNumber":0},"selfSize":7}}"#;
    let texts = [("a.cpuprofile", TIMED), ("b.txt", "main;f 3\n"), ("c", heap), ("idle", "(idle) 3\n")];
    texts.iter().map(|(name, text)| Report::of_files(&imported(name, text))).collect()
}

#[test]
fn reports_of_opened_files_are_what_the_page_expects() {
    let contract = Contract::of(crate::shape::CONTRACT);
    for report in all() {
        let data = serde_json::from_str(&report.to_json().unwrap()).unwrap();
        assert_eq!(contract.misfits("ReportData", &data), [""; 0]);
        let profile = serde_json::to_value(&report.profile).unwrap();
        assert_eq!(contract.misfits("ProfileData", &profile), [""; 0]);
        let text = format!("{:#?}", report.data);
        assert!(!text.contains("NaN") && !text.contains(": inf"), "{text}");
    }
}

#[test]
fn the_sentence_names_the_hottest_function() {
    let sentences: Vec<_> = all().into_iter().map(|report| report.data.verdict.sentence).collect();
    assert_eq!(
        sentences,
        [
            "100 % of the busy time is charged to hot() in a.js:7",
            "100 % of the samples is charged to f()",
            "100 % of the bytes is charged to f() in a.js:1",
            "nothing but idle time was sampled",
        ]
    );
}

#[test]
fn the_same_file_gives_the_same_bytes() {
    let render = || {
        let report = Report::of_files(&imported("a.cpuprofile", TIMED));
        [report.to_html().unwrap(), report.to_json().unwrap(), render_markdown(&report.data)]
    };
    assert!(render() == render());
}

#[test]
fn names_of_functions_and_files_stay_text() {
    let harmless = Report::of_files(&imported("a.txt", "main;f 3\n")).to_html().unwrap();
    for name in ["</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<!--<script>"] {
        let html = Report::of_files(&imported(name, &format!("main;{name} 3\n"))).to_html().unwrap();
        for markup in ["<script", "</script", "<img", "<!--"] {
            assert_eq!(html.matches(markup).count(), harmless.matches(markup).count(), "{name}: {markup}");
        }
    }
}
