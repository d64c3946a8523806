//! What a node's kubelet does, read off its files: simply, and by nothing that the program under test uses.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::layouts::at;

/// A name in a tree: what it is, its mode, and what it says.
pub type Seen = BTreeMap<String, (char, u32, Vec<u8>)>;

/// All there is below a root.
pub fn everything(root: &Path) -> Seen {
    all_but(root, &[])
}

/// The same without what is in these directories of the root.
pub fn all_but(root: &Path, left_out: &[&str]) -> Seen {
    let mut seen = Seen::new();
    let mut ahead = vec![root.to_owned()];
    while let Some(directory) = ahead.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if left_out.iter().any(|left_out| path == root.join(left_out)) {
                continue;
            }
            let found = fs::symlink_metadata(&path).unwrap();
            let (kind, says) = if found.is_symlink() {
                ('l', fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes())
            } else if found.is_dir() {
                ahead.push(path.clone());
                ('d', Vec::new())
            } else {
                ('f', fs::read(&path).unwrap())
            };
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            seen.insert(name, (kind, found.permissions().mode(), says));
        }
    }
    seen
}

/// Where a kubelet sends image calls: the last of its files that says so, or the last of these variables.
pub fn kubelet(root: &Path, configs: &[&str], variables: &[(&str, &str)]) -> Option<String> {
    let mut found = None;
    for config in configs {
        let text = fs::read_to_string(at(root, config)).unwrap_or_default();
        for part in text.split([',', '\n', '{', '}']) {
            if let Some((key, value)) = part.split_once(':')
                && key.trim().trim_matches('"') == "imageServiceEndpoint"
            {
                found = Some(value.trim().trim_matches('"').to_owned());
            }
        }
    }
    for (file, name) in variables {
        let text = fs::read_to_string(at(root, file)).unwrap_or_default();
        let last = text.lines().rfind(|line| line.starts_with(&format!("{name}=")));
        found = last.and_then(flag).or(found);
    }
    found
}

/// The same of the last command that a drop-in of the kubelet's unit, or the unit itself, starts.
pub fn command(root: &Path) -> Option<String> {
    let mut files = vec![at(root, "/etc/systemd/system/kubelet.service")];
    let drop_ins = fs::read_dir(at(root, "/etc/systemd/system/kubelet.service.d")).into_iter().flatten();
    let mut drop_ins: Vec<_> = drop_ins
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "conf"))
        .collect();
    drop_ins.sort();
    files.extend(drop_ins);
    let text: String =
        files.iter().map(|file| fs::read_to_string(file).unwrap_or_default().replace("\\\n", " ")).collect();
    text.lines().rfind(|line| line.starts_with("ExecStart=/")).and_then(flag)
}

/// The last one of a line that has flags, whatever quotes there are.
fn flag(line: &str) -> Option<String> {
    let words = line.split([' ', '=', '"', '\'']).collect::<Vec<_>>();
    let at = words.iter().rposition(|word| *word == "--image-service-endpoint")?;
    Some(words[at + 1].to_owned())
}

/// The same of k3s or RKE2, whose files are read in order.
pub fn rancher(root: &Path, config: &str) -> Option<String> {
    let mut files = vec![at(root, config)];
    let drop_ins = fs::read_dir(at(root, &format!("{config}.d"))).into_iter().flatten();
    let mut drop_ins: Vec<_> = drop_ins
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    drop_ins.sort();
    files.extend(drop_ins);
    let (mut own, mut arguments) = (None, Vec::new());
    for file in files {
        let mut is_argument = false;
        for line in fs::read_to_string(file).unwrap_or_default().lines() {
            if let Some(value) = line.strip_prefix("image-service-endpoint: ") {
                own = Some(value.to_owned());
            } else if line.starts_with("kubelet-arg") {
                is_argument = true;
                if !line.starts_with("kubelet-arg+") {
                    arguments.clear();
                }
            } else if is_argument && line.trim_start().starts_with('-') {
                arguments.push(line.trim_start_matches([' ', '-']).trim_matches('"').to_owned());
            } else {
                is_argument = false;
            }
        }
    }
    let argument = arguments.iter().rev().find_map(|argument| argument.strip_prefix("image-service-endpoint="));
    argument.map(str::to_owned).or(own)
}
