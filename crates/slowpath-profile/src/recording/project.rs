//! What project the target is: its name, dependencies and files, and the checkpoint pack that was chosen for it. Written
//! once, before the target starts; file contents are not kept here.

use serde::{Deserialize, Serialize};

/// The project that a run is of.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Project {
    /// Name in `package.json`.
    pub package: Option<String>,
    /// Version in `package.json`.
    pub version: Option<String>,
    /// Packages that it depends on, sorted.
    pub dependencies: Vec<String>,
    /// Its scripts outside `node_modules`, relative to its folder, sorted.
    pub files: Vec<String>,
    /// Whether there were more files than are listed.
    pub has_more_files: bool,
    /// Functions that the pack names, where they are defined.
    pub definitions: Vec<Definition>,
    /// Where its scripts load packages, sorted.
    pub imports: Vec<Import>,
    /// The chosen pack.
    pub pack: Option<ChosenPack>,
}

/// Where a function is defined.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Definition {
    /// Bare name.
    pub name: String,
    /// File, as in [`Project::files`].
    pub file: String,
    /// Line, from 1.
    pub line: u32,
}

/// Where a script of the project loads a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Import {
    /// Name of the package.
    pub package: String,
    /// File, as in [`Project::files`].
    pub file: String,
    /// Line of the first one in that file, from 1.
    pub line: u32,
}

/// A pack with the reason for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChosenPack {
    /// Its whole text.
    pub text: String,
    /// Why it was chosen, such as "package.json names `aiclient-2-api`".
    pub why: String,
    /// Whether it fits the project; one that was asked for may not.
    pub fits: bool,
}
