//! Checkpoint packs: what people suspect in a known project, and where. `docs/packs.md` describes the format.

mod choose;
mod glob;

pub use choose::{Choice, applies};
pub use glob::Glob;

use serde::Deserialize;

/// Version of the pack format that this build reads.
pub const PACK_FORMAT: u32 = 1;

/// The packs that come with slowpath: name, text.
pub const BUILT_IN: &[(&str, &str)] = &[
    ("aiclient-2-api", include_str!("../../../../packs/aiclient-2-api.toml")),
    ("llm-gateway", include_str!("../../../../packs/llm-gateway.toml")),
];

/// A pack.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// See [`PACK_FORMAT`].
    pub format: u32,
    /// Stable name, as `--pack` takes it.
    pub name: String,
    /// For people.
    pub title: String,
    /// Of the pack itself.
    #[serde(default)]
    pub version: String,
    /// Which projects it is for.
    #[serde(default, rename = "match")]
    pub matching: Matching,
    /// What the project promises.
    #[serde(default)]
    pub slo: Slo,
    /// Places to look.
    #[serde(default, rename = "checkpoint")]
    pub checkpoints: Vec<PackCheckpoint>,
    /// Requests to try.
    #[serde(default, rename = "scenario")]
    pub scenarios: Vec<Scenario>,
}

/// Which projects a pack is for: any one of these suffices.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Matching {
    /// Names in `package.json`.
    pub packages: Vec<Glob>,
    /// Files of the project.
    pub files: Vec<Glob>,
    /// How many of `files` must be there; all of them where it is not said.
    pub min_files: Option<usize>,
    /// Packages that the project depends on.
    pub dependencies: Vec<Glob>,
    /// Paths of the URL under load.
    pub paths: Vec<Glob>,
}

/// What a project promises.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Slo {
    /// 99th percentile of the latency, ms.
    pub p99_ms: Option<f64>,
}

/// One place to look.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackCheckpoint {
    /// Stable id.
    pub id: String,
    /// For people.
    pub title: String,
    /// What is suspected there.
    pub suspicion: String,
    /// Its files, by their known names.
    #[serde(default)]
    pub files: Vec<Glob>,
    /// Files with the same role, for when names have changed.
    #[serde(default)]
    pub similar_files: Vec<Glob>,
    /// Its functions, by their known names; one that is nowhere is said to be missing.
    #[serde(default)]
    pub functions: Vec<String>,
    /// Functions with the same role.
    #[serde(default)]
    pub similar_functions: Vec<Glob>,
    /// Whether the files do much else as well, so that only time in the functions counts.
    #[serde(default)]
    pub only_functions: bool,
    /// Rules that would confirm it.
    #[serde(default)]
    pub suspects: Vec<String>,
    /// What to count.
    #[serde(default)]
    pub count: String,
    /// What would confirm it.
    #[serde(default)]
    pub confirmed_by: String,
    /// What would refute it.
    #[serde(default)]
    pub refuted_by: String,
    /// What to do where it is so.
    #[serde(default)]
    pub advice: String,
}

/// A request to try.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Stable name.
    pub name: String,
    /// HTTP method.
    #[serde(default = "get")]
    pub method: String,
    /// Path below the service's address.
    pub path: String,
    /// `name: value`; `${NAME}` is taken from the environment.
    #[serde(default)]
    pub headers: Vec<String>,
    /// Body.
    #[serde(default)]
    pub body: Option<String>,
    /// Whether the answer is a stream.
    #[serde(default)]
    pub stream: bool,
}

fn get() -> String {
    "GET".into()
}

/// Why a text is no pack.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// It is not TOML, or not of this shape; says line and column.
    #[error("{}", .0.to_string().trim_end())]
    Syntax(#[from] toml::de::Error),
    /// Written for a newer slowpath.
    #[error("it is of format {found}, this slowpath reads format {PACK_FORMAT}")]
    Format {
        /// Its format.
        found: u32,
    },
    /// A checkpoint suspects what no rule knows.
    #[error("checkpoint `{checkpoint}` suspects `{rule}`, which is no rule")]
    UnknownRule {
        /// Its id.
        checkpoint: String,
        /// The name.
        rule: String,
    },
    /// Two checkpoints have the same id.
    #[error("two checkpoints have the id `{id}`")]
    SameId {
        /// The id.
        id: String,
    },
    /// A checkpoint that can match nothing.
    #[error("checkpoint `{id}` names no files and no functions")]
    Nowhere {
        /// Its id.
        id: String,
    },
}

/// Ids of rules that packs may suspect although this build does not have them.
const PLANNED_RULES: &[&str] = &["lock-held-across-io"];

impl Pack {
    /// Parses and checks a pack.
    pub fn parse(text: &str) -> Result<Self, PackError> {
        let pack: Self = toml::from_str(text)?;
        if pack.format != PACK_FORMAT {
            return Err(PackError::Format { found: pack.format });
        }
        let mut ids = std::collections::BTreeSet::new();
        for checkpoint in &pack.checkpoints {
            let id = || checkpoint.id.clone();
            if !ids.insert(&checkpoint.id) {
                return Err(PackError::SameId { id: id() });
            }
            let places = [&checkpoint.files, &checkpoint.similar_files, &checkpoint.similar_functions];
            if places.iter().all(|globs| globs.is_empty()) && checkpoint.functions.is_empty() {
                return Err(PackError::Nowhere { id: id() });
            }
            let is_known = |rule: &str| crate::rule(rule).is_some() || PLANNED_RULES.contains(&rule);
            if let Some(rule) = checkpoint.suspects.iter().find(|rule| !is_known(rule)) {
                return Err(PackError::UnknownRule { checkpoint: id(), rule: rule.clone() });
            }
        }
        Ok(pack)
    }

    /// Returns the built-in pack of a name.
    pub fn built_in(name: &str) -> Option<Self> {
        let (_, text) = BUILT_IN.iter().find(|(known, _)| *known == name)?;
        // Each is parsed in a test.
        Self::parse(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Pack::parse(text).unwrap_err().to_string()
    }

    const HEAD: &str = "format = 1\nname = \"x\"\ntitle = \"X\"\n";

    #[test]
    fn the_built_in_packs_are_packs() {
        for (name, text) in BUILT_IN {
            let pack = Pack::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(pack.name, *name);
            assert!(pack.checkpoints.len() >= 5, "{name}");
        }
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_column() {
        let text = format!("{HEAD}[[checkpoint]]\nid = \"a\"\ntitle = 7\n");
        let error = error(&text);
        assert!(error.contains("line 6, column 9"), "{error}");
        let unknown = Pack::parse(&format!("{HEAD}colour = 1\n")).unwrap_err().to_string();
        assert!(unknown.contains("line 4") && unknown.contains("colour"), "{unknown}");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        assert!(error("format = 9\nname = \"x\"\ntitle = \"X\"\n").contains("format 9"));
        let checkpoint = "[[checkpoint]]\nid = \"a\"\ntitle = \"A\"\nsuspicion = \"s\"\n";
        assert!(error(&format!("{HEAD}{checkpoint}")).contains("names no files"));
        let placed = format!("{checkpoint}functions = [\"f\"]\n");
        assert!(error(&format!("{HEAD}{placed}{placed}")).contains("two checkpoints"));
        assert!(
            error(&format!("{HEAD}{placed}suspects = [\"slowness\"]\n"))
                .contains("`slowness`, which is no rule")
        );
    }
}
