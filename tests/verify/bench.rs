//! What the tests of `verify` have in common: rules in a file, images in a report, and the program.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::store::AMD64;
use crate::support::repoint::{Output, run, run_with};

/// A directory with a configuration.
pub struct Bench {
    directory: TempDir,
    words: Vec<String>,
    environment: Vec<(String, String)>,
}

// === impl Bench ===

impl Bench {
    /// A rule that looks for what is asked of `old` at `target`.
    pub fn new(old: &str, target: &str) -> Self {
        Self::with_targets(old, &format!("{target:?}"), "")
    }

    /// A rule that looks at `target` alone, for one platform.
    pub fn looking_at(target: &str) -> Self {
        Self::new("old.example", target).words(&["--skip-old", "--platform", AMD64])
    }

    /// The first one, with these as the text of its targets, and more after it.
    pub fn with_targets(old: &str, targets: &str, more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let rule = format!("[[rules]]\nname = \"mirror\"\nmatch = [{old:?}]\ntargets = [{targets}]\n{more}");
        fs::write(directory.path().join("repoint.toml"), rule).unwrap();
        // Whatever leads away from this machine ends at once.
        let environment =
            [("HTTPS_PROXY", "http://127.0.0.1:9"), ("HTTP_PROXY", "http://127.0.0.1:9"), ("NO_PROXY", "")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { directory, words: Vec::new(), environment }
    }

    /// With these words, too.
    pub fn words(mut self, words: &[&str]) -> Self {
        self.words.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A file beside the configuration.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// What it answers about the images of a report.
    pub async fn verify(&self, images: &[&str]) -> Output {
        let images: Vec<Value> = images.iter().map(|image| json!({ "image": image, "pulls": 1 })).collect();
        let report = serde_json::to_string_pretty(&json!({ "since": null, "images": images })).unwrap();
        self.run(&["-"], &report).await
    }

    /// The same, as a list of image and verdict, with all that was said.
    pub async fn verdicts(&self, images: &[&str]) -> (Vec<(String, String)>, Value, Output) {
        let report: Vec<Value> = images.iter().map(|image| json!({ "image": image })).collect();
        self.verdicts_of(&json!({ "images": report }).to_string()).await
    }

    /// The same about what is in a report or a scan.
    pub async fn verdicts_of(&self, document: &str) -> (Vec<(String, String)>, Value, Output) {
        let output = self.run(&["-", "--format", "json"], document).await;
        let said: Value = serde_json::from_str(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", output.stdout, output.stderr));
        let text = |row: &Value, name: &str| row[name].as_str().unwrap().to_owned();
        let rows = said["images"].as_array().unwrap().iter();
        let verdicts = rows.map(|row| (text(row, "image"), text(row, "verdict"))).collect();
        (verdicts, said, output)
    }

    /// What `scan` prints for programs of these files, or of standard input, by the same rules.
    pub fn scan(&self, words: &[&str], stdin: &str) -> String {
        let ended = run(&[&["scan", "--config", &self.config(), "--format", "json"], words].concat(), stdin);
        assert_eq!(ended.code, Some(5), "{}", ended.stderr);
        ended.stdout
    }

    fn config(&self) -> String {
        self.directory.path().join("repoint.toml").display().to_string()
    }

    /// With a thread of its own, so that servers of this process can answer it.
    pub async fn run(&self, words: &[&str], stdin: &str) -> Output {
        let mut all = vec!["verify".to_owned(), "--config".to_owned(), self.config()];
        all.extend(words.iter().map(|word| (*word).to_owned()));
        all.extend(self.words.iter().cloned());
        let (environment, stdin) = (self.environment.clone(), stdin.to_owned());
        let run = move || {
            let words: Vec<&str> = all.iter().map(String::as_str).collect();
            let environment: Vec<(&str, &str)> =
                environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            run_with(&words, &environment, &stdin)
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    }
}

/// An image that [`Bench::looking_at`] has a rule for.
pub const IMAGE: &str = "old.example/a:1";

/// Kind and reason, of what could not be asked for.
pub fn fault(said: &Value) -> (&str, &str) {
    let target = &said["images"][0]["targets"][0];
    (target["fault"].as_str().unwrap_or_default(), target["reason"].as_str().unwrap_or_default())
}

/// What a list of verdicts has to be.
pub fn verdicts(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(image, verdict)| ((*image).to_owned(), (*verdict).to_owned())).collect()
}
