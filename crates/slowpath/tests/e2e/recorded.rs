//! Looks into a finished recording: its `report.json`, and what else lies beside it.

use crate::fixtures::Planted;
use crate::patience::DISTURBED;
use serde_json::Value;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A `report.json`.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) json: Value,
    dir: PathBuf,
}

impl Recorded {
    #[track_caller]
    pub(crate) fn read(dir: &Path) -> Self {
        let text = fs::read(dir.join("report.json")).expect("the run wrote a report.json");
        let json: Value = serde_json::from_slice(&text).expect("it is JSON");
        let report = Self { json, dir: dir.to_owned() };
        if report.verdict() == "starved" || report.warns_of_the_machine() {
            DISTURBED.set(true);
        }
        report
    }

    /// Checks that the verdict's sentence has `text`, unless it is about what others left of the machine.
    #[track_caller]
    pub(crate) fn expect_sentence_with(&self, text: &str) -> &Self {
        assert!(
            self.is_starved_by_others() || self.sentence().contains(text),
            "the verdict does not say {text}: {}",
            self.sentence()
        );
        self
    }

    fn is_starved_by_others(&self) -> bool {
        self.verdict() == "starved" && self.warns_of_the_machine()
    }

    /// Whether it says that other programs used the machine.
    fn warns_of_the_machine(&self) -> bool {
        let warnings = self.json["warnings"].as_array().expect("a list");
        warnings.iter().any(|warning| warning["about"] == "machine")
    }

    /// Class of the verdict.
    pub(crate) fn verdict(&self) -> &str {
        self.json["verdict"]["class"].as_str().expect("a class")
    }

    /// Sentence of the verdict.
    pub(crate) fn sentence(&self) -> &str {
        self.json["verdict"]["sentence"].as_str().expect("a sentence")
    }

    /// How the run ended, as `report.json` calls it.
    pub(crate) fn ended(&self) -> &str {
        self.json["run"]["ended"].as_str().expect("a word")
    }

    /// Requests per second of the baseline.
    pub(crate) fn requests_per_second(&self) -> f64 {
        self.json["load"]["requests_per_second"].as_f64().expect("there was load")
    }

    /// Findings of one rule.
    pub(crate) fn findings(&self, rule: &str) -> Vec<&Value> {
        let findings = self.json["findings"].as_array().expect("a list").iter();
        findings.filter(|finding| finding["rule"] == rule).collect()
    }

    /// Returns the finding of `rule` that names `planted` with file and line, or fails with those that are there.
    #[track_caller]
    pub(crate) fn blames(&self, rule: &str, planted: &Planted) -> &Value {
        let found = self.findings(rule).into_iter().find(|finding| planted.is_at(&finding["where"]));
        found.unwrap_or_else(|| panic!("no `{rule}` names {planted:?}:\n{}", self.summary()))
    }

    /// Returns the finding on CPU time that names `planted`, whichever rule says it: what the time goes to may be known more
    /// exactly than that it goes there.
    #[track_caller]
    pub(crate) fn blames_cpu_of(&self, planted: &Planted) -> &Value {
        let found = self.cpu_finding(planted);
        found.unwrap_or_else(|| panic!("nothing names {planted:?}:\n{}", self.summary()))
    }

    /// The finding on CPU time that names `planted`.
    pub(crate) fn cpu_finding(&self, planted: &Planted) -> Option<&Value> {
        let mut findings = self.json["findings"].as_array().expect("a list").iter();
        findings.find(|finding| finding["share"].is_number() && planted.is_at(&finding["where"]))
    }

    /// Checks that a function is in the table of functions at its place.
    #[track_caller]
    pub(crate) fn lists_function(&self, planted: &Planted) -> &Value {
        let functions = self.json["functions"].as_array().expect("a list");
        let at = |row: &&Value| {
            row["name"] == planted.function.as_str()
                && row["file"] == planted.file.as_str()
                && row["line"] == planted.line
        };
        functions.iter().find(at).unwrap_or_else(|| panic!("{planted:?} is not listed:\n{}", self.summary()))
    }

    /// Returns the share of the busy time that is given to some functions at their places in the original files: charged to
    /// them, or begun by them where no function of the application was on the stack.
    pub(crate) fn given_to(&self, planted: &[Planted]) -> f64 {
        let number = |row: &Value, key: &str| row[key].as_f64().expect("a number");
        let rows = self.json["functions"].as_array().expect("a list");
        let busy: f64 = rows.iter().map(|row| number(row, "self_s")).sum();
        let is_at = |row: &Value, at: &Planted| {
            row["name"] == at.function.as_str() && row["file"] == at.file.as_str() && row["line"] == at.line
        };
        let is_named = |row: &&Value| planted.iter().any(|at| is_at(row, at));
        let charged: f64 = rows.iter().filter(is_named).map(|row| number(row, "charged_s")).sum();
        let begun = self.json["cpu_owners"]["begun"].as_array().into_iter().flatten();
        let is_owner = |row: &&Value| planted.iter().any(|at| at.is_at(row));
        charged / busy + begun.filter(is_owner).map(|owner| number(owner, "share")).sum::<f64>()
    }

    /// Checks that some functions are given nine tenths of the busy time at their places.
    #[track_caller]
    pub(crate) fn expect_most_given_to(&self, planted: &[Planted]) -> &Self {
        let share = self.given_to(planted);
        let owners = &self.json["cpu_owners"];
        assert!(
            share >= 0.9,
            "{share} of the busy time is given to {planted:?}:\n{}owners {owners}",
            self.summary()
        );
        self
    }

    /// Checks the verdict's class. Where others used the machine, `starved` is right too: what the target does under load is then as
    /// much their doing. Findings have to be right all the same.
    #[track_caller]
    pub(crate) fn expect_verdict(&self, class: &str) -> &Self {
        assert!(self.is_starved_by_others() || self.verdict() == class, "not {class}: {}", self.summary());
        self
    }

    /// Checks that the target answered, without errors.
    #[track_caller]
    pub(crate) fn expect_clean_load(&self) -> &Self {
        let load = &self.json["load"];
        assert!(load["requests"].as_u64().is_some_and(|n| n > 0), "no requests:\n{}", self.summary());
        assert!(load["errors"].as_object().is_some_and(serde_json::Map::is_empty), "{}", load["errors"]);
        self
    }

    /// Checks that every recorder that was asked for is whole.
    #[track_caller]
    pub(crate) fn expect_whole_recorders(&self) -> &Self {
        let recorders = self.json["recorders"].as_array().expect("a list");
        assert!(recorders.len() >= 6, "{recorders:?}");
        let is_wanted =
            |recorder: &&Value| !recorder["why"].as_str().is_some_and(|why| why.starts_with("not asked for"));
        for recorder in recorders.iter().filter(is_wanted) {
            assert_eq!(recorder["state"], "ok", "{recorder}\nwarnings: {}", self.json["warnings"]);
        }
        self
    }

    /// Checks that the split of the main thread adds up.
    #[track_caller]
    pub(crate) fn expect_whole_split(&self) -> &Self {
        let split = self.json["split"].as_object().expect("a table");
        let sum: f64 = split.values().filter_map(Value::as_f64).sum();
        assert!((sum - 1.0).abs() < 1e-6, "the split adds up to {sum}: {split:?}");
        self
    }

    /// Checks that a secret is in no file of the recording, compressed ones included.
    #[track_caller]
    pub(crate) fn expect_nowhere(&self, secret: &str) -> &Self {
        for (name, bytes) in files_of(&self.dir) {
            let mut plain = Vec::new();
            if Path::new(&name).extension().is_some_and(|extension| extension == "gz") {
                flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain).expect("whole pieces");
            }
            for bytes in [&bytes, &plain] {
                let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
                assert!(!found, "`{name}` holds the secret");
            }
        }
        self
    }

    /// What a person needs to see of a report that a test does not like.
    pub(crate) fn summary(&self) -> String {
        let mut text = format!("verdict {}: {}\n", self.verdict(), self.sentence());
        for finding in self.json["findings"].as_array().into_iter().flatten() {
            let (place, rule, title) = (&finding["where"], &finding["rule"], &finding["title"]);
            text.push_str(&format!(
                "  {rule} {title} in {} at {}:{} gain {}\n",
                place["function"], place["file"], place["line"], finding["predicted_gain"]
            ));
        }
        for function in self.json["functions"].as_array().into_iter().flatten().take(8) {
            let (name, file, line) = (&function["name"], &function["file"], &function["line"]);
            text.push_str(&format!("  {name} {file}:{line} charged {} s\n", function["charged_s"]));
        }
        let load = &self.json["load"];
        text.push_str(&format!("  load {} requests, p99 {}\n", load["requests"], load["latency_ms"]["p99"]));
        text.push_str(&format!("  split {}\n  warnings {}\n", self.json["split"], self.json["warnings"]));
        text
    }
}

/// Returns name and content of every file in a directory, by name.
pub(crate) fn files_of(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(dir).expect("a recording").flatten();
    let mut files: Vec<_> = entries
        .map(|entry| {
            (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("a file"))
        })
        .collect();
    files.sort();
    files
}
