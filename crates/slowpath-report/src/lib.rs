//! Renders one recording as HTML, Markdown and JSON. Computes no number: it only puts them in words and tables.
//! The same recording gives the same bytes.

mod async_data;
mod checkpoint_data;
mod counters_data;
mod data;
mod files_data;
mod html;
mod markdown;
mod markdown_scale;
mod markdown_waits;
mod memory_data;
mod native_data;
mod profile_data;
mod report_data;
mod scale_data;
mod write;

pub use data::*;
pub use markdown::render_markdown;
pub use memory_data::{AllocatorData, CollectionData, GrowthData, HeapData, MemoryData, PauseData};
pub use native_data::{NativeData, NativeThreadData, WorkData, WorkFunctionData};
pub use profile_data::{ProfileColumns, ThreadColumns};
pub use scale_data::{ScaleData, ScaleInputData, ScaleLevelData, ScaleRowData};
pub use write::{ReportFiles, WriteError, write_load_page, write_page, write_report};

use slowpath_analysis::{Measurements, ProfileMeasure};
use slowpath_diagnosis::{Diagnosis, Facts, diagnose};
use slowpath_profile::import::Imported;
use slowpath_profile::tables::Profile;
use slowpath_profile::{Nanos, Recording};

/// A diagnosed recording, ready to be rendered.
#[derive(Debug)]
pub struct Report {
    /// What `report.json` holds.
    pub data: ReportData,
    /// What the page needs besides.
    pub profile: ProfileColumns,
}

impl Report {
    /// Measures and diagnoses a recording.
    pub fn of(recording: &Recording) -> Self {
        let profile = Profile::from_recording(recording);
        let measurements = Measurements::of(recording, &profile);
        let diagnosis: Diagnosis = diagnose(Facts { measurements: &measurements, profile: &profile });
        let facts = Facts { measurements: &measurements, profile: &profile };
        let mut data = report_data::build(recording, &profile, &measurements, &diagnosis);
        checkpoint_data::fill(&mut data, recording, facts, &diagnosis);
        Self { data, profile: profile_data::build(&profile, recording.manifest.start) }
    }

    /// Measures profile files of other tools.
    pub fn of_files(imported: &Imported) -> Self {
        let measure = ProfileMeasure::of(&imported.profile);
        let origin = measure.span.map_or(Nanos(0), |(start, _)| start);
        Self {
            data: files_data::build(imported, &measure),
            profile: profile_data::build(&imported.profile, origin),
        }
    }

    /// Returns the one-file page.
    pub fn to_html(&self) -> Result<String, serde_json::Error> {
        html::render(self)
    }

    /// Returns `report.json`.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string_pretty(&self.data)?;
        text.push('\n');
        Ok(text)
    }
}
