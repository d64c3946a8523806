//! Units of systemd, as it puts them together: the file that goes before others of its name, and its drop-ins in the order
//! of their names.

use super::environment;
use super::tree::Tree;
use super::unclear::Unclear;
use super::words::split;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wildmatch::WildMatch;

/// A unit.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Its name, with its end.
    pub name: String,
    /// Its file.
    pub fragment: PathBuf,
    /// What is added to that, in the order in which it is read.
    pub drop_ins: Vec<PathBuf>,
    settings: Vec<Setting>,
}

/// A line of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Under which heading.
    section: String,
    key: String,
    /// What is behind the `=`, lines that go on put together.
    pub value: String,
    /// In which file.
    pub file: PathBuf,
    /// On which line, counted from 1.
    pub line: usize,
}

/// A variable of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// What it is set to.
    pub value: String,
    /// Who says so.
    pub file: PathBuf,
    /// On which line.
    pub line: usize,
}

/// Where units are, the first before the others.
pub const DIRECTORIES: &[&str] = &[
    // What `systemctl set-property` writes.
    "/etc/systemd/system.control",
    "/run/systemd/system.control",
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// Where a unit is that somebody does not want.
const NOWHERE: &str = "/dev/null";

// === impl Unit ===

impl Unit {
    /// The unit of that name, if there is one that may run.
    ///
    /// # Errors
    ///
    /// When its files can't be read.
    pub fn read(tree: &Tree, name: &str) -> Result<Option<Self>, Unclear> {
        let mut paths = DIRECTORIES.iter().map(|directory| Path::new(directory).join(name));
        let Some(fragment) = paths.find(|path| tree.has(path)) else { return Ok(None) };
        if tree.link(&fragment).as_deref() == Some(Path::new(NOWHERE)) {
            return Ok(None);
        }
        let Some(text) = tree.text(&fragment)? else { return Ok(None) };
        let mut unit =
            Self { name: name.to_owned(), settings: lines(&fragment, &text), fragment, drop_ins: Vec::new() };
        for (_, path) in drop_ins(tree, name)? {
            if tree.link(&path).as_deref() != Some(Path::new(NOWHERE)) {
                unit.settings.extend(tree.text(&path)?.map(|text| lines(&path, &text)).unwrap_or_default());
                unit.drop_ins.push(path);
            }
        }
        Ok(Some(unit))
    }

    /// What holds of a key that may be given more than once; an empty one takes back those before it.
    pub fn all(&self, section: &str, key: &str) -> Vec<&Setting> {
        let mut found = Vec::new();
        for setting in self.settings.iter().filter(|setting| setting.section == section && setting.key == key) {
            if setting.value.is_empty() {
                found.clear();
            } else {
                found.push(setting);
            }
        }
        found
    }

    /// The one command that it starts.
    ///
    /// # Errors
    ///
    /// When it is none, or several.
    pub fn command(&self) -> Result<&Setting, Unclear> {
        match self.all("Service", "ExecStart").as_slice() {
            [only] => Ok(only),
            [] => Err(Unclear::Node(format!("{} starts nothing: it has no ExecStart=", self.name))),
            [_, second, ..] => {
                Err(Unclear::line(&second.file, second.line, format!("{} starts more than one command", self.name)))
            }
        }
    }

    /// The files that it reads variables from, in order.
    ///
    /// # Errors
    ///
    /// When a line names them in a way that is not understood here.
    pub fn environment_files(&self, tree: &Tree) -> Result<Vec<PathBuf>, Unclear> {
        let stem = self.name.rsplit_once('.').map_or(self.name.as_str(), |(stem, _)| stem);
        let mut files = Vec::new();
        for setting in self.all("Service", "EnvironmentFile") {
            let named = setting.value.trim_start_matches('-');
            let path = named.replace("%n", &self.name).replace("%N", stem).replace("%p", stem);
            let unclear = || {
                let what = format!("what file `{named}` is can't be told: name it without patterns and specifiers");
                Unclear::line(&setting.file, setting.line, what)
            };
            let path = Path::new(&path);
            let pattern = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let directory = path.parent().unwrap_or_else(|| Path::new("/"));
            let is_odd = |text: &str, odd: &[char]| text.contains(odd);
            if is_odd(&directory.to_string_lossy(), &['*', '?', '[', '%']) || is_odd(pattern, &['[', '%', '\\']) {
                return Err(unclear());
            }
            if is_odd(pattern, &['*', '?']) {
                let is_meant = |name: &&String| WildMatch::new(pattern).matches(name);
                // As a shell has it, a pattern means no hidden files.
                let names = tree.names(directory)?;
                files.extend(
                    names
                        .iter()
                        .filter(|name| !name.starts_with('.'))
                        .filter(is_meant)
                        .map(|name| directory.join(name)),
                );
            } else {
                files.push(path.to_owned());
            }
        }
        Ok(files)
    }

    /// The variables of its process. What files say goes before what the unit says.
    ///
    /// # Errors
    ///
    /// When a file can't be read.
    pub fn environment(&self, tree: &Tree) -> Result<BTreeMap<String, Variable>, Unclear> {
        let mut variables = BTreeMap::new();
        for setting in self.all("Service", "Environment") {
            let words = split(&setting.value)
                .ok_or_else(|| Unclear::line(&setting.file, setting.line, "a quote is not closed"))?;
            for (name, value) in words.iter().filter_map(|word| word.split_once('=')) {
                let variable = Variable { value: value.to_owned(), file: setting.file.clone(), line: setting.line };
                variables.insert(name.to_owned(), variable);
            }
        }
        for file in self.environment_files(tree)? {
            let Some(text) = tree.text(&file)? else { continue };
            for found in environment::read(&file, &text)? {
                let variable = Variable { value: found.value, file: file.clone(), line: found.line };
                variables.insert(found.name, variable);
            }
        }
        Ok(variables)
    }
}

/// Whether it is a unit's file, or a drop-in of one's: systemd has to be told that it has changed.
pub fn is_of_unit(file: &Path) -> bool {
    let beside = file.parent().is_some_and(|directory| directory.to_string_lossy().ends_with("service.d"));
    beside || file.extension().is_some_and(|end| end == "service")
}

/// What has these units go by what is written now. Of several, one runs.
pub fn restart(units: &[String], reads_units: bool) -> String {
    let one = |unit: &String| format!("`systemctl restart {}`", unit.strip_suffix(".service").unwrap_or(unit));
    let restarts = match units {
        [] => "a restart of its service".to_owned(),
        units => units.iter().map(one).collect::<Vec<_>>().join(" or "),
    };
    if reads_units { format!("`systemctl daemon-reload` and {restarts}") } else { restarts }
}

/// By their names; of one name, those of the first directory.
fn drop_ins(tree: &Tree, name: &str) -> Result<BTreeMap<String, PathBuf>, Unclear> {
    let (stem, kind) = name.rsplit_once('.').unwrap_or(("", name));
    let mut found = BTreeMap::new();
    // Those for one unit go before those for all that begin like it, and these before those for all of its kind.
    let dashes = stem.match_indices('-').map(|(at, _)| stem.get(..=at).unwrap_or_default()).rev();
    let alike = dashes.map(|begin| format!("{begin}.{kind}.d"));
    for beside in [format!("{name}.d")].into_iter().chain(alike).chain([format!("{kind}.d")]) {
        for directory in DIRECTORIES.iter().map(|directory| Path::new(directory).join(&beside)) {
            for name in tree.names(&directory)?.into_iter().filter(|name| name.ends_with(".conf")) {
                let path = directory.join(&name);
                found.entry(name).or_insert(path);
            }
        }
    }
    Ok(found)
}

/// A file's lines, those put together that end in a backslash. Comments among these are passed over.
fn lines(file: &Path, text: &str) -> Vec<Setting> {
    let mut found = Vec::new();
    let mut section = String::new();
    let mut pending: Option<(usize, String)> = None;
    // At its end, what has yet to go on is taken as it is.
    for (index, line) in text.lines().chain([""]).enumerate() {
        let line = line.trim();
        if line.starts_with(['#', ';']) {
            continue;
        }
        let (began, mut whole) = pending.take().unwrap_or_else(|| (index.saturating_add(1), String::new()));
        if let Some(more) = line.strip_suffix('\\') {
            whole.push_str(more.trim());
            whole.push(' ');
            pending = Some((began, whole));
            continue;
        }
        whole.push_str(line);
        if let Some(name) = whole.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, value)) = whole.split_once('=') {
            found.push(Setting {
                section: section.clone(),
                key: key.trim().to_owned(),
                value: value.trim().to_owned(),
                file: file.to_owned(),
                line: began,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn tree(files: &[(&str, &str)]) -> (tempfile::TempDir, Tree) {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let tree = Tree::at(directory.path());
        (directory, tree)
    }

    #[test]
    fn drop_ins_for_all_units_that_begin_alike_are_read() {
        let at = |directory: &str, name: &str| format!("etc/systemd/{directory}/{name}");
        let (own, alike, all) =
            (at("system", "a-b-c.service"), at("system", "a-b-.service.d/1.conf"), at("system", "a-.service.d/2.conf"));
        let (control, hidden) = (at("system.control", "a-b-c.service.d/3.conf"), at("system", "a-.service.d/1.conf"));
        let said = |value: &str| format!("[Service]\nEnvironment={value}\n");
        let texts = [(&own, "A=0"), (&alike, "A=1"), (&all, "A=2"), (&control, "B=3"), (&hidden, "A=4")]
            .map(|(path, value)| (path, said(value)));
        let files: Vec<_> = texts.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let (_directory, tree) = tree(&files);
        let unit = Unit::read(&tree, "a-b-c.service").unwrap().unwrap();
        let variables = unit.environment(&tree).unwrap();
        assert_eq!((variables["A"].value.as_str(), variables["B"].value.as_str()), ("2", "3"));
        assert_eq!(unit.drop_ins.len(), 3);
    }

    #[test]
    fn drop_ins_add_take_back_and_hide_each_other() {
        let (directory, tree) = tree(&[
            (
                "usr/lib/systemd/system/k.service",
                "[Service]\nExecStart=/bin/one \\\n# remark\n  --a\nEnvironment=\"A=1\" B=2\n",
            ),
            ("usr/lib/systemd/system/k.service.d/10-x.conf", "[Service]\nExecStart=\nExecStart=/bin/two\n"),
            (
                "etc/systemd/system/k.service.d/20-y.conf",
                "[Service]\nExecStart=\nExecStart=/bin/three $A\nEnvironmentFile=-/etc/e\n",
            ),
            ("etc/systemd/system/k.service.d/ignored", "[Service]\nExecStart=\n"),
            ("etc/e", "B=3\n"),
        ]);
        let unit = Unit::read(&tree, "k.service").unwrap().unwrap();
        assert_eq!(unit.command().unwrap().value, "/bin/three $A");
        let environment = unit.environment(&tree).unwrap();
        assert_eq!((environment["A"].value.as_str(), environment["B"].value.as_str()), ("1", "3"));
        symlink("/dev/null", directory.path().join("etc/systemd/system/k.service.d/10-x.conf")).unwrap();
        fs::remove_file(directory.path().join("etc/systemd/system/k.service.d/20-y.conf")).unwrap();
        let unit = Unit::read(&tree, "k.service").unwrap().unwrap();
        assert_eq!(unit.command().unwrap().value, "/bin/one --a");
        symlink("/dev/null", directory.path().join("etc/systemd/system/k.service")).unwrap();
        assert!(Unit::read(&tree, "k.service").unwrap().is_none());
    }

    #[test]
    fn a_line_that_is_to_go_on_at_the_end_of_its_file_is_taken_as_it_is() {
        for end in ["\\", "\\\n", "\\\n# remark", "\\\n  --b \\\n; remark\n"] {
            let (_directory, tree) =
                tree(&[("etc/systemd/system/k.service", &format!("[Service]\nExecStart=/a --a {end}"))]);
            let unit = Unit::read(&tree, "k.service").unwrap().unwrap();
            let command = unit.command().unwrap();
            assert!(command.value.starts_with("/a --a") && !command.value.contains('\\'), "{end}: {command:?}");
            assert_eq!(command.line, 2);
        }
    }

    #[test]
    fn a_unit_that_starts_several_commands_is_not_understood() {
        let (_directory, tree) = tree(&[("etc/systemd/system/k.service", "[Service]\nExecStart=/a\nExecStart=/b\n")]);
        let error = Unit::read(&tree, "k.service").unwrap().unwrap().command().unwrap_err();
        assert_eq!(error.to_string(), "/etc/systemd/system/k.service:3: k.service starts more than one command");
    }

    #[test]
    fn files_of_variables_are_found_by_pattern_or_it_is_said_that_they_are_not() {
        let unit = |value: &str| {
            let (directory, tree) = tree(&[
                ("etc/systemd/system/k.service", &format!("[Service]\nExecStart=/a\nEnvironmentFile=-{value}\n")),
                ("etc/k.d/2.env", "A=2\n"),
                ("etc/k.d/1.env", "A=1\n"),
                ("etc/k.d/.3.env", "A=3\n"),
                ("etc/k.d/k", "A=k\n"),
            ]);
            let found = Unit::read(&tree, "k.service").unwrap().unwrap().environment(&tree);
            drop(directory);
            found.map(|mut found| found.remove("A").map(|found| found.value)).map_err(|error| error.to_string())
        };
        assert_eq!(unit("/etc/k.d/*.env").unwrap().as_deref(), Some("2"));
        assert_eq!(unit("/etc/k.d/%p").unwrap().as_deref(), Some("k"));
        assert_eq!(unit("/etc/none").unwrap(), None);
        for odd in ["/etc/%i", "/etc/*/1.env", "/etc/k.d/[12].env"] {
            let error = unit(odd).unwrap_err();
            assert!(error.starts_with("/etc/systemd/system/k.service:3: what file `/etc"), "{error}");
        }
    }
}
