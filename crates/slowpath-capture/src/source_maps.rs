//! Finds and reads source maps when a run is recorded: beside the script, in a `data:` URL, in sections. Never asks the
//! network. What mappings mean is `slowpath-profile`'s business.

use base64::Engine as _;
use serde::Deserialize;
use slowpath_profile::classify::{package_of, path_of_url};
use slowpath_profile::recording::MapSection;
use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

/// Larger maps are left out: the largest known ones, of bundles of 30 MB, have about 60 MB.
const MAX_MAP_BYTES: u64 = 64 << 20;

/// Sections may hold sections; deeper nesting is nobody's.
const MAX_NESTING: u32 = 4;

/// A source map with what it says of the original files.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct FoundMap {
    pub(crate) sections: Vec<MapSection>,
    /// Path and text of the original files, where the map holds their text.
    pub(crate) contents: Vec<(String, Option<String>)>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMap<'a> {
    #[serde(default, borrow)]
    mappings: Cow<'a, str>,
    #[serde(default)]
    sources: Vec<Option<String>>,
    #[serde(default)]
    sources_content: Vec<Option<String>>,
    #[serde(default)]
    source_root: Option<String>,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default, borrow)]
    sections: Vec<RawSection<'a>>,
}

#[derive(Deserialize)]
struct RawSection<'a> {
    offset: Offset,
    #[serde(borrow)]
    map: RawMap<'a>,
}

#[derive(Deserialize, Clone, Copy)]
struct Offset {
    line: u32,
    column: u32,
}

/// Reads the source map that `map_url` names, of a script in `directory`; says why not otherwise.
pub(crate) fn find(map_url: &str, directory: &Path) -> Result<FoundMap, String> {
    let (text, base) = if let Some(data) = map_url.strip_prefix("data:") {
        (decode_data_url(data)?, directory.to_owned())
    } else if map_url.contains("://") && !map_url.starts_with("file://") {
        return Err("it is not on this machine".into());
    } else {
        let given = path_of_url(map_url);
        let path = lexically_normal(&directory.join(given.split('?').next().unwrap_or_default()));
        let size = std::fs::metadata(&path).map_err(|error| format!("{}: {error}", path.display()))?.len();
        if size > MAX_MAP_BYTES {
            return Err(format!("{} has {} MB", path.display(), size >> 20));
        }
        let text = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        (text, path.parent().unwrap_or(directory).to_owned())
    };
    parse(&text, &base)
}

/// Reads a map; `base` is where its relative paths start.
fn parse(json: &[u8], base: &Path) -> Result<FoundMap, String> {
    // Some servers put this before JSON; the specification wants it skipped.
    let json = json.strip_prefix(b")]}'").unwrap_or(json);
    let raw: RawMap<'_> =
        serde_json::from_slice(json).map_err(|error| format!("not a source map: {error}"))?;
    let mut found = FoundMap::default();
    flatten(raw, Offset { line: 0, column: 0 }, base, MAX_NESTING, &mut found);
    Ok(found)
}

fn flatten(raw: RawMap<'_>, at: Offset, base: &Path, nesting: u32, found: &mut FoundMap) {
    for section in raw.sections {
        if nesting > 0 {
            let line = at.line.saturating_add(section.offset.line);
            let on_same_line = section.offset.line == 0;
            let column = section.offset.column.saturating_add(if on_same_line { at.column } else { 0 });
            flatten(section.map, Offset { line, column }, base, nesting - 1, found);
        }
    }
    if raw.mappings.is_empty() {
        return;
    }
    let root = raw.source_root.unwrap_or_default();
    let paths: Vec<String> = raw
        .sources
        .iter()
        .map(|source| source.as_deref().map_or(String::new(), |source| original_path(&root, source, base)))
        .collect();
    let mut contents = raw.sources_content.into_iter();
    found.contents.extend(paths.iter().map(|path| (path.clone(), contents.next().flatten())));
    found.sections.push(MapSection {
        line: at.line,
        column: at.column,
        sources: paths,
        names: raw.names,
        mappings: raw.mappings.into_owned(),
    });
}

/// Returns where an original file lies: absolute, or relative to the project where a bundler says no more.
fn original_path(root: &str, source: &str, base: &Path) -> String {
    let joined = if root.is_empty() || source.contains("://") || source.starts_with('/') {
        source.to_owned()
    } else {
        format!("{}/{source}", root.trim_end_matches('/'))
    };
    for scheme in ["webpack://", "turbopack://", "rollup://", "ng://"] {
        if let Some(rest) = joined.strip_prefix(scheme) {
            // `webpack://name/./src/a.ts`: what follows the name is relative to the project.
            let below = rest.split_once('/').map_or(rest, |(_, below)| below);
            let path = lexically_normal(Path::new(below.trim_start_matches('/')));
            return within_package(path, source, base).display().to_string();
        }
    }
    let path = path_of_url(&joined);
    within_package(lexically_normal(&base.join(path)), source, base).display().to_string()
}

/// Keeps an original file of an npm package in that package: many are built elsewhere than where their files lie when
/// published, and their maps then lead out of the package's folder, to where another package or the application would be.
fn within_package(path: PathBuf, source: &str, base: &Path) -> PathBuf {
    let base = base.display().to_string();
    let Some(package) = package_of(&base).filter(|_| !source.contains("node_modules/")) else { return path };
    let (Some(at), name) = (base.rfind(&format!("node_modules/{package}")), package.len()) else {
        return path;
    };
    let folder = Path::new(&base[..at + "node_modules/".len() + name]);
    if path.starts_with(folder) {
        return path;
    }
    if path.is_relative() {
        return folder.join(path);
    }
    let below = path_of_url(source).replace("../", "");
    folder.join(lexically_normal(Path::new(below.trim_start_matches('/'))))
}

/// Resolves `.` and `..` without asking the disk, where links would lead elsewhere.
fn lexically_normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir if normal.file_name().is_some() => {
                normal.pop();
            }
            Component::ParentDir if normal.has_root() => {}
            other => normal.push(other),
        }
    }
    normal
}

fn decode_data_url(data: &str) -> Result<Vec<u8>, String> {
    let (kind, body) = data.split_once(',').ok_or("a data URL without data")?;
    if kind.ends_with(";base64") {
        let engine = base64::engine::general_purpose::STANDARD;
        return engine.decode(body.trim()).map_err(|error| format!("a data URL that is not base64: {error}"));
    }
    Ok(slowpath_profile::classify::percent_decode(body).into_bytes())
}

/// Returns the URL of the last `sourceMappingURL` comment of a text.
pub(crate) fn source_mapping_url(text: &str) -> Option<&str> {
    const MARK: &str = "# sourceMappingURL=";
    let at = text.rfind(MARK)?;
    let is_comment = text[..at].ends_with("//") || text[..at].ends_with("/*");
    let url = text[at + MARK.len()..].split([' ', '\t', '\r', '\n', '*', '"', '\'']).next()?;
    (is_comment && !url.is_empty()).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn original_files_are_found_from_every_form_of_path() {
        fn check(root: &str, source: &str, expected: &str) {
            assert_eq!(original_path(root, source, Path::new("/srv/app/dist")), expected, "{root} {source}");
        }
        check("", "../src/a.ts", "/srv/app/src/a.ts");
        check("../src", "a.ts", "/srv/app/src/a.ts");
        check("/srv/app", "src/a.ts", "/srv/app/src/a.ts");
        check("", "/srv/app/src/a.ts", "/srv/app/src/a.ts");
        check("", "file:///srv/my%20app/a.ts", "/srv/my app/a.ts");
        check("", "webpack://gateway/./src/a.ts", "src/a.ts");
        check("", "webpack://gateway/./node_modules/x/i.js", "node_modules/x/i.js");
        check("", "../../../../../a.ts", "/a.ts");
    }

    #[test]
    fn original_files_of_a_package_that_was_built_elsewhere_stay_in_it() {
        fn check(source: &str, expected: &str) {
            let base = Path::new("/srv/node_modules/@a/mapper/cjs");
            assert_eq!(original_path("", source, base), format!("/srv/node_modules/{expected}"), "{source}");
        }
        check("../src/a.ts", "@a/mapper/src/a.ts");
        check("../../src/a.ts", "@a/mapper/src/a.ts");
        check("../../../../packages/mapper/src/a.ts", "@a/mapper/packages/mapper/src/a.ts");
        check("/build/src/a.ts", "@a/mapper/build/src/a.ts");
        check("webpack://mapper/./src/a.ts", "@a/mapper/src/a.ts");
        // What it bundles of another package is that one's.
        check("../node_modules/inner/lib/b.js", "@a/mapper/node_modules/inner/lib/b.js");
    }

    #[test]
    fn reads_inline_maps_and_maps_of_sections() {
        let map = r#"{"version":3,"sections":[{"offset":{"line":0,"column":0},"map":{"version":3,"sources":["a.ts"],"sourcesContent":["x"],"names":["n"],"mappings":"AAAA"}},
            {"offset":{"line":10,"column":4},"map":{"version":3,"sources":["b.ts",null],"names":[],"mappings":"AAAA"}}]}"#;
        let found =
            find(&format!("data:application/json,{}", map.replace('%', "%25")), Path::new("/d")).unwrap();
        let places: Vec<_> =
            found.sections.iter().map(|s| (s.line, s.column, s.sources[0].as_str())).collect();
        assert_eq!(places, [(0, 0, "/d/a.ts"), (10, 4, "/d/b.ts")]);
        assert_eq!(found.contents[0], ("/d/a.ts".to_owned(), Some("x".to_owned())));
        let inline = base64::engine::general_purpose::STANDARD.encode(map);
        assert_eq!(find(&format!("data:application/json;base64,{inline}"), Path::new("/d")), Ok(found));
    }

    #[test]
    fn bad_maps_and_maps_elsewhere_are_left_out_with_a_reason() {
        fn check(url: &str, reason: &str) {
            let error = find(url, Path::new("/nowhere")).expect_err(url);
            assert!(error.contains(reason), "{url}: {error}");
        }
        check("https://cdn.example/a.js.map", "not on this machine");
        check("a.js.map", "/nowhere/a.js.map");
        check("data:application/json;base64,?", "not base64");
        check("data:,[1]", "not a source map");
        check("data:x", "without data");
    }

    #[test]
    fn the_last_comment_names_the_map() {
        assert_eq!(
            source_mapping_url("a\n//# sourceMappingURL=x.map\nb\n//# sourceMappingURL=y.map\n"),
            Some("y.map")
        );
        assert_eq!(source_mapping_url("a /*# sourceMappingURL=x.map */"), Some("x.map"));
        assert_eq!(source_mapping_url("const s = '# sourceMappingURL=';"), None);
    }
}
