//! Fills the pages: data blocks in place of comments. Nothing else of them changes.

use crate::Report;
use base64::Engine as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use std::io::Write;

/// The built page of a report, with both placeholders.
const PAGE: &str = include_str!(concat!(env!("OUT_DIR"), "/page.html"));

/// The built page of a load, with the first placeholder.
const LOAD_PAGE: &str = include_str!(concat!(env!("OUT_DIR"), "/load.html"));

const REPORT_PLACE: &str = "<!--slowpath:report-->";
const PROFILE_PLACE: &str = "<!--slowpath:profile-->";

pub(crate) fn render(report: &Report) -> Result<String, serde_json::Error> {
    let data = serde_json::to_string(&report.data)?;
    let profile = serde_json::to_vec(&report.profile)?;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::new(7));
    let compressed = gzip.write_all(&profile).and_then(|()| gzip.finish()).map_err(serde_json::Error::io)?;
    let profile = base64::engine::general_purpose::STANDARD.encode(compressed);
    let profile_block = format!("<script type=\"text/plain\" id=\"slowpath-profile\">{profile}</script>");
    // The profile first: base64 cannot hold the other place.
    Ok(fill(&PAGE.replacen(PROFILE_PLACE, &profile_block, 1), &data))
}

pub(crate) fn render_load(data: &impl Serialize) -> Result<String, serde_json::Error> {
    Ok(fill(LOAD_PAGE, &serde_json::to_string(data)?))
}

/// Puts the data into the page. Text from the target can neither close the script nor open a comment: `<` never
/// appears in it as itself.
fn fill(page: &str, data: &str) -> String {
    let data = data.replace('<', "\\u003c");
    let report_block = format!("<script type=\"application/json\" id=\"slowpath-report\">{data}</script>");
    page.replacen(REPORT_PLACE, &report_block, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_the_target_cannot_leave_its_script() {
        let page = format!("<body>{REPORT_PLACE}</body>");
        let filled = fill(&page, r#"{"name":"</script><img src=x>"}"#);
        assert_eq!(filled.matches("</script>").count(), 1);
        assert!(!filled.contains("<img"));
    }

    #[test]
    fn the_pages_have_their_places() {
        assert!(PAGE.contains(REPORT_PLACE) && PAGE.contains(PROFILE_PLACE));
        assert!(LOAD_PAGE.contains(REPORT_PLACE) && !LOAD_PAGE.contains(PROFILE_PLACE));
    }
}
