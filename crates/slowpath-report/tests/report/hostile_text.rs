//! Function names are the target's: they must not become markup of ours.

use crate::recordings::full;
use slowpath_report::{Report, render_markdown};

/// Ends scripts and comments, opens tags, code spans and table cells; JavaScript allows all of it in a method's name.
const HOSTILE: &[&str] = &[
    "</script><img src=x onerror=alert(1)>",
    "<!--<script>",
    "--><b>",
    "a | b ` c",
    "a\n\n# heading\n",
    "<!--slowpath:report--><!--slowpath:profile-->",
    "\u{2028}\u{0}\\\"",
];

#[test]
fn a_function_name_stays_text_in_the_page() {
    let harmless = Report::of(&full("render")).to_html().unwrap();
    for name in HOSTILE {
        let report = Report::of(&full(name));
        let html = report.to_html().unwrap();
        let data = html.split_once("id=\"slowpath-report\">").unwrap().1.split_once("</script>").unwrap().0;
        assert!(!data.contains('<'), "{name:?}");
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["findings"][0]["where"]["function"], *name);
        for markup in ["<script", "</script", "<img", "<!--"] {
            assert_eq!(html.matches(markup).count(), harmless.matches(markup).count(), "{name:?}: {markup}");
        }
    }
}

/// Returns what Markdown makes of each line: a heading, an item, a quote, so many cells, so many tags.
fn structure(markdown: &str) -> Vec<String> {
    let of = |line: &str| {
        let start = line.split(' ').next().unwrap_or_default();
        let marker = if ["#", "##", "###", "-", ">", "|"].contains(&start) { start } else { "" };
        // A backslash takes the meaning from what follows it; so does a code span, save from what divides cells.
        let line = line.replace("\\|", "").replace("\\<", "");
        let n_cells = if marker == "|" { line.matches('|').count() } else { 0 };
        let n_tags: usize = line.split('`').step_by(2).map(|text| text.matches('<').count()).sum();
        format!("{marker} {n_cells} cells, {n_tags} tags")
    };
    markdown.lines().map(of).collect()
}

#[test]
fn a_function_name_stays_text_in_markdown() {
    let harmless = structure(&render_markdown(&Report::of(&full("render")).data));
    for name in HOSTILE {
        let markdown = render_markdown(&Report::of(&full(name)).data);
        assert_eq!(structure(&markdown), harmless, "{name:?}:\n{markdown}");
    }
}
