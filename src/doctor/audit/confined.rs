//! Where the service's unit lets it write, by its lines and those of its drop-ins.

use super::super::{Case, case};
use crate::node::unit::{Setting, Unit};
use std::path::{Path, PathBuf};

/// What the unit makes of a file.
pub(super) enum Confined {
    /// The service may write it.
    Not,
    /// It may not, by this line, which is about the directory itself or about more.
    ReadOnly { by: String, is_exactly: bool, allowed: String },
    /// It sees something else there, by this line.
    Hidden { by: String },
    /// It does not start: a line names a directory that is not there.
    Missing { by: String, directory: String },
    /// That can't be made out.
    Unclear(String),
}

/// A path that a line is about.
struct Line {
    path: PathBuf,
    by: String,
    /// Whether it is passed over where it is not there.
    is_optional: bool,
}

/// Lines that move or cover what others are about.
const ODD: [&str; 7] =
    ["RootDirectory", "RootImage", "TemporaryFileSystem", "BindPaths", "BindReadOnlyPaths", "DynamicUser", "User"];
/// What they say where they change nothing.
const HARMLESS: [&str; 6] = ["root", "0", "no", "false", "off", "/"];
const YES: [&str; 6] = ["1", "yes", "y", "true", "t", "on"];
/// What systemd makes for a unit, and where.
const MADE: [(&str, &str); 4] = [
    ("LogsDirectory", "/var/log"),
    ("StateDirectory", "/var/lib"),
    ("RuntimeDirectory", "/run"),
    ("CacheDirectory", "/var/cache"),
];
const HOMES: [&str; 3] = ["/home", "/root", "/run/user"];
/// What is made anew at each start of the node is not missed in its files.
const PASSING: [&str; 4] = ["/run", "/proc", "/sys", "/dev"];

// === impl Confined ===

impl Confined {
    pub(super) fn of(case: &Case, file: &Path) -> Self {
        match Unit::read(&case.tree, case::UNIT) {
            Ok(Some(unit)) => of_unit(case, &unit, file).unwrap_or_else(Self::Unclear),
            // Whoever starts it then does so without.
            Ok(None) => Self::Not,
            Err(error) => Self::Unclear(error.to_string()),
        }
    }
}

fn of_unit(case: &Case, unit: &Unit, file: &Path) -> Result<Confined, String> {
    if let Some(odd) = ODD.iter().flat_map(|key| last(unit, key)).find(|(_, value)| !HARMLESS.contains(value)) {
        return Err(format!("{} may move it elsewhere, or take it away", odd.0));
    }
    let [writable, read_only, hidden] =
        ["ReadWritePaths", "ReadOnlyPaths", "InaccessiblePaths"].map(|key| lines(unit, key));
    let (writable, mut read_only, mut hidden) = (writable?, read_only?, hidden?);
    let is_there = |line: &Line| case.tree.has(&line.path) || PASSING.iter().any(|path| line.path.starts_with(path));
    let mut all = writable.iter().chain(&read_only).chain(&hidden);
    if let Some(Line { path, by, .. }) = all.find(|line| !line.is_optional && !is_there(line)) {
        return Ok(Confined::Missing { by: by.clone(), directory: path.display().to_string() });
    }
    let mut allowed: Vec<PathBuf> =
        writable.iter().filter(|line| is_there(line)).map(|line| line.path.clone()).collect();
    for (key, below) in MADE {
        let names = words(unit, key)?;
        let names = names.iter().map(|(_, name)| name.split(':').next().unwrap_or(name));
        allowed.extend(names.map(|name| Path::new(below).join(name)));
    }
    let all_of = |paths: &[&str], by: &str| paths.iter().map(|path| Line::new(path, by)).collect::<Vec<_>>();
    if let Some((by, value)) = last(unit, "ProtectSystem") {
        read_only.extend(match value {
            "strict" => all_of(&["/"], &by),
            "full" => all_of(&["/usr", "/boot", "/efi", "/etc"], &by),
            value if YES.contains(&value) => all_of(&["/usr", "/boot", "/efi"], &by),
            _ => Vec::new(),
        });
    }
    if let Some((by, value)) = last(unit, "ProtectHome") {
        match value {
            "read-only" => read_only.extend(all_of(&HOMES, &by)),
            value if value == "tmpfs" || YES.contains(&value) => hidden.extend(all_of(&HOMES, &by)),
            _ => {}
        }
    }
    let is_private = |(_, value): &(String, &str)| *value == "disconnected" || YES.contains(value);
    if let Some((by, _)) = last(unit, "PrivateTmp").filter(is_private) {
        hidden.extend(all_of(&["/tmp", "/var/tmp"], &by));
    }
    // What is hidden stays so, whatever is said of a path in it.
    if let Some(Line { by, .. }) = hidden.iter().find(|line| file.starts_with(&line.path)) {
        return Ok(Confined::Hidden { by: by.clone() });
    }
    let length = |path: &Path| path.components().count();
    let Some(line) = read_only.iter().filter(|line| file.starts_with(&line.path)).max_by_key(|line| length(&line.path))
    else {
        return Ok(Confined::Not);
    };
    // Of two lines on one path, the one that allows less holds.
    if allowed.iter().any(|path| file.starts_with(path) && length(path) > length(&line.path)) {
        return Ok(Confined::Not);
    }
    let is_exactly = file.parent().is_some_and(|parent| line.path.starts_with(parent));
    let allowed = allowed.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    Ok(Confined::ReadOnly { by: line.by.clone(), is_exactly, allowed })
}

/// The line that holds of those with that key, and its value.
fn last<'a>(unit: &'a Unit, key: &str) -> Option<(String, &'a str)> {
    let setting = unit.all("Service", key).pop()?;
    Some((shown(key, setting), &setting.value))
}

fn shown(key: &str, setting: &Setting) -> String {
    format!("{key}={} ({}:{})", setting.value, setting.file.display(), setting.line)
}

/// All words of a key's lines, with the line.
fn words(unit: &Unit, key: &str) -> Result<Vec<(String, String)>, String> {
    let mut words = Vec::new();
    for setting in unit.all("Service", key) {
        let by = shown(key, setting);
        if setting.value.contains(['%', '"', '\'', '\\']) {
            return Err(format!("what {by} names can't be told"));
        }
        words.extend(setting.value.split_whitespace().map(|word| (by.clone(), word.to_owned())));
    }
    Ok(words)
}

fn lines(unit: &Unit, key: &str) -> Result<Vec<Line>, String> {
    let line = |(by, word): (String, String)| {
        let path = word.trim_start_matches(['-', '+']);
        let is_optional = word.trim_end_matches(path).contains('-');
        Line { is_optional, ..Line::new(path, &by) }
    };
    Ok(words(unit, key)?.into_iter().map(line).collect())
}

// === impl Line ===

impl Line {
    fn new(path: &str, by: &str) -> Self {
        Self { path: path.into(), by: by.to_owned(), is_optional: false }
    }
}
