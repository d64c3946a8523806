//! What was there before, byte for byte, and what was put in its place: on disk before anything is changed, and gone when
//! everything is as it was.

use super::MARK;
use super::own;
use super::plan::{Change, Plan};
use crate::node::{Content, Tree, UNIT_DROP_IN, Unclear};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// Which form of it this is.
    schema: u32,
    /// How far it has come.
    pub state: State,
    /// The files, in the order in which they are written.
    pub entries: Vec<Entry>,
    /// Whether systemd has to read its units again.
    pub has_units: bool,
    /// The units that have the kubelet in them.
    pub units: Vec<String>,
    /// The topmost directory that was made for the record itself.
    pub made: Option<PathBuf>,
}

/// How far something has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is being put in.
    Installing,
    /// It is in, and the kubelet was well with it.
    Installed,
    /// It is being taken out.
    Undoing,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Which.
    pub path: PathBuf,
    /// What was there without us.
    pub before: Option<Content>,
    /// What we put there; unset where it is to be as it was.
    pub after: Option<Content>,
    /// What was put in, where the rest is somebody else's.
    pub put_in: Option<String>,
    /// The topmost directory that was made for it.
    pub made: Option<PathBuf>,
    /// Whether it is the kubelet that reads it, and not repoint.
    pub is_kubelet: bool,
}

/// Its name in the state directory.
const NAME: &str = "install.json";
/// The form that this version writes, and the only one that it understands.
const SCHEMA: u32 = 1;

/// Files of ours that are found without a record.
pub const KNOWN: &[&str] = &[
    own::FILE,
    UNIT_DROP_IN,
    "/etc/rancher/k3s/config.yaml.d/99-repoint.yaml",
    "/etc/rancher/rke2/config.yaml.d/99-repoint.yaml",
];

// === impl Journal ===

impl Journal {
    /// Where the record is.
    pub fn path(state: &Path) -> PathBuf {
        state.join(NAME)
    }

    /// What is recorded, if anything is.
    ///
    /// # Errors
    ///
    /// When it can't be understood.
    pub fn read(tree: &Tree, state: &Path) -> Result<Option<Self>, Unclear> {
        let path = Self::path(state);
        let Some(text) = tree.text(&path)? else { return Ok(None) };
        let known = serde_json::from_str::<Self>(&text).map_err(|error| error.to_string()).and_then(|journal| {
            if journal.schema == SCHEMA { Ok(journal) } else { Err(format!("its form is number {}", journal.schema)) }
        });
        let what = |error| format!("this version does not understand the record of what was there before: {error}");
        known.map(Some).map_err(|error| Unclear::file(&path, what(error)))
    }

    /// A record of what is about to be done. What an earlier one has that the plan has not is put back on the way.
    pub fn begin(tree: &Tree, state: &Path, plan: &Plan, earlier: Option<Self>) -> Self {
        let (made, entries) = earlier
            .map_or_else(|| (tree.missing(&Self::path(state)), Vec::new()), |earlier| (earlier.made, earlier.entries));
        let entry = |change: &Change, is_kubelet| Entry {
            path: change.path.clone(),
            before: change.before.clone(),
            after: Some(change.after.clone()),
            put_in: change.put_in.clone(),
            made: entries
                .iter()
                .find(|entry| entry.path == change.path)
                .map_or_else(|| tree.missing(&change.path), |entry| entry.made.clone()),
            is_kubelet,
        };
        let own = plan.own.iter().map(|change| entry(change, false));
        let kubelet = plan.kubelet.iter().map(|change| entry(change, true));
        let mut all: Vec<Entry> = own.chain(kubelet).collect();
        let left = entries.into_iter().filter(|entry| !plan.changes().any(|change| change.path == entry.path));
        let mut has_units = plan.has_units;
        for entry in left.collect::<Vec<_>>() {
            has_units |= entry.path == Path::new(UNIT_DROP_IN);
            let current = tree.find(&entry.path).ok().flatten();
            all.push(Entry { before: entry.original(current), after: None, ..entry });
        }
        Self { schema: SCHEMA, state: State::Installing, entries: all, has_units, units: plan.node.units.clone(), made }
    }

    /// One of files that say themselves that they are ours, where the record is lost.
    ///
    /// # Errors
    ///
    /// When they can't be read.
    pub fn of_marked(tree: &Tree, units: Vec<String>) -> Result<Option<Self>, Unclear> {
        let mut entries = Vec::new();
        for path in KNOWN.iter().map(Path::new) {
            if let Some(after) = tree.find(path)?.filter(|found| found.bytes.starts_with(MARK.as_bytes())) {
                entries.push(Entry {
                    path: path.to_owned(),
                    before: None,
                    after: Some(after),
                    put_in: None,
                    made: None,
                    is_kubelet: path != Path::new(own::FILE),
                });
            }
        }
        let has_units = entries.iter().any(|entry| entry.path == Path::new(UNIT_DROP_IN));
        let journal = Self { schema: SCHEMA, state: State::Installed, entries, has_units, units, made: None };
        Ok(Some(journal).filter(|journal| !journal.entries.is_empty()))
    }

    /// The files as they are without us.
    ///
    /// # Errors
    ///
    /// When one can't be read.
    pub fn originals(&self, tree: &Tree) -> Result<Vec<(PathBuf, Option<Content>)>, Unclear> {
        let original = |entry: &Entry| Ok((entry.path.clone(), entry.original(tree.find(&entry.path)?)));
        self.entries.iter().map(original).collect()
    }

    /// The files as they are now.
    ///
    /// # Errors
    ///
    /// When one can't be read.
    pub fn contents(&self, tree: &Tree) -> Result<Vec<(PathBuf, Option<Content>)>, Unclear> {
        self.entries.iter().map(|entry| Ok((entry.path.clone(), tree.find(&entry.path)?))).collect()
    }

    /// The same record, of a node whose kubelet is in these units.
    #[must_use]
    pub fn of_units(self, units: Vec<String>) -> Self {
        Self { units, ..self }
    }

    /// The same record, further on.
    #[must_use]
    pub fn at(&self, state: State) -> Self {
        Self { state, ..self.clone() }
    }

    /// Once all is done, what was put back is no more to be remembered.
    #[must_use]
    pub fn finished(&self) -> Self {
        let mut journal = self.at(State::Installed);
        journal.entries.retain(|entry| entry.after.is_some());
        journal
    }

    /// As it is written.
    pub fn to_content(&self) -> Content {
        // Nothing in it can fail to be written as JSON.
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        Content { mode: 0o600, ..Content::new(&format!("{text}\n")) }
    }
}

// === impl Entry ===

impl Entry {
    /// What the file is without us, if it is `current` now. Somebody may have changed it since, and what they changed is theirs.
    pub fn original(&self, current: Option<Content>) -> Option<Content> {
        let Some(now) = current else {
            // Somebody took it away; if it was ours alone, so much the better.
            return None;
        };
        let is_now = |content: &Option<Content>| content.as_ref().is_some_and(|content| content.bytes == now.bytes);
        if is_now(&self.after) || is_now(&self.before) {
            // Who may read it may have been changed, too.
            return self.before.as_ref().map(|before| Content { bytes: before.bytes.clone(), ..now });
        }
        match &self.put_in {
            None if now.bytes.starts_with(MARK.as_bytes()) => None,
            None => Some(now),
            Some(put_in) => {
                let text = String::from_utf8_lossy(&now.bytes).into_owned();
                let without = without(&text, put_in).or_else(|| without_words(&text, put_in));
                Some(without.map_or_else(|| now.clone(), |text| now.saying(&text)))
            }
        }
    }
}

/// The text without what was put in, if that is in it just once.
fn without(text: &str, put_in: &str) -> Option<String> {
    let (before, after) = text.split_once(put_in)?;
    (!after.contains(put_in)).then(|| format!("{before}{after}"))
}

/// The same where somebody has added to the line that was put in: without the flags in it, and one of the blanks beside them.
fn without_words(text: &str, put_in: &str) -> Option<String> {
    let words = put_in.get(put_in.find("--")?..)?.trim_end();
    let (before, after) = text.split_once(words)?;
    let (before, after) = match (before.strip_suffix(' '), after.strip_prefix(' ')) {
        (Some(before), _) => (before, after),
        (None, Some(after)) => (before, after),
        (None, None) => (before, after),
    };
    (!after.contains(words)).then(|| format!("{before}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(before: Option<&str>, after: &str, put_in: Option<&str>) -> Entry {
        Entry {
            path: "/x".into(),
            before: before.map(Content::new),
            after: Some(Content::new(after)),
            put_in: put_in.map(str::to_owned),
            made: None,
            is_kubelet: true,
        }
    }

    #[test]
    fn what_others_changed_since_is_theirs_and_what_we_put_in_is_not() {
        let edit = entry(Some("X=a\n"), "X=a -w\n", Some(" -w"));
        let line = entry(None, "X=--w=1\n", Some("X=--w=1\n"));
        let whole = entry(None, &format!("{MARK}\nx"), None);
        for (entry, now, expected) in [
            (&edit, Some("X=a -w\n"), Some("X=a\n")),
            (&edit, Some("X=a\n"), Some("X=a\n")),
            (&edit, Some("X=a b -w\nY=1\n"), Some("X=a b\nY=1\n")),
            (&edit, Some("Y=1\n"), Some("Y=1\n")),
            (&edit, None, None),
            (&line, Some("X=--w=1\n"), None),
            (&line, Some("X=--w=1 --a\n"), Some("X=--a\n")),
            (&line, Some("X=--a --w=1\n"), Some("X=--a\n")),
            (&line, Some("X='--a --w=1 --b'\n"), Some("X='--a --b'\n")),
            (&line, Some("X=--w=1\nY=1\n"), Some("Y=1\n")),
            // Nobody can say which of them is ours.
            (&line, Some("X=--w=1 --w=1\n"), Some("X=--w=1 --w=1\n")),
            (&whole, Some(&format!("{MARK}\nx")), None),
            (&whole, Some(&format!("{MARK}\ny")), None),
            (&whole, Some("somebody else's"), Some("somebody else's")),
        ] {
            let original = entry.original(now.map(Content::new));
            assert_eq!(original, expected.map(Content::new), "{now:?}");
        }
    }

    #[test]
    fn who_may_read_a_file_is_not_taken_back() {
        let edit = entry(Some("X=a\n"), "X=a -w\n", Some(" -w"));
        let closed = |text: &str| Content { mode: 0o600, owner: Some((1, 2)), ..Content::new(text) };
        assert_eq!(edit.original(Some(closed("X=a -w\n"))), Some(closed("X=a\n")));
        assert_eq!(edit.original(Some(closed("X=b -w\n"))), Some(closed("X=b\n")));
    }

    #[test]
    fn a_record_of_another_form_is_not_guessed_at() {
        let journal = Journal {
            schema: SCHEMA,
            state: State::Installed,
            entries: vec![entry(Some("\u{fffd}"), "x", None)],
            has_units: false,
            units: Vec::new(),
            made: None,
        };
        let read = |journal: &Journal| {
            let tree = Tree::at(Path::new("/nowhere")).with([("/s/install.json".into(), Some(journal.to_content()))]);
            Journal::read(&tree, Path::new("/s"))
        };
        assert_eq!(read(&journal).unwrap().unwrap(), journal);
        let later = Journal { schema: 2, ..journal };
        assert!(read(&later).unwrap_err().to_string().contains("its form is number 2"));
    }
}
