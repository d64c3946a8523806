//! k3s and RKE2, whose kubelet is in a process of theirs: what their configuration and command line say of endpoints.

use super::kubelet::{Endpoints, IMAGE_FLAG, Pods, RUNTIME_FLAG, SANDBOX_FLAG, Said, Word, values};
use super::tree::Tree;
use super::unclear::Unclear;
use super::yaml;
use super::{AGENT, Kind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A value, and the file that it is from.
type Given = (String, PathBuf, Option<usize>);
/// All values, by their keys, in order.
pub(super) type All = BTreeMap<String, Vec<Given>>;

/// The key that names the sandbox image, of containerd's configuration and of the kubelet's.
pub(super) const PAUSE_KEY: &str = "pause-image";

/// The key that says where all their data is.
const DATA_KEY: &str = "data-dir";
/// Where their own containerd listens.
pub(super) const OWN: &str = "unix:///run/k3s/containerd/containerd.sock";
/// Where cri-dockerd does that `docker: true` starts.
const DOCKER: &str = "unix:///run/k3s/cri-dockerd/cri-dockerd.sock";
/// Where k3s sends image calls with `snapshotter: stargz`.
const STARGZ: &str = "unix:///run/containerd-stargz-grpc/containerd-stargz-grpc.sock";

/// The configuration file that a command line, or the environment, names.
///
/// # Errors
///
/// When it is not on this node.
pub(super) fn config(words: &[Word], named: Option<&str>, usual: &Path) -> Result<PathBuf, Unclear> {
    let short =
        words.iter().zip(words.iter().skip(1)).find(|(word, _)| word.text == "-c").map(|(_, next)| next.clone());
    let flag = values(words, "config").pop().or(short);
    let Some(text) = named.map(str::to_owned).or_else(|| flag.map(|word| word.text)) else {
        return Ok(usual.to_owned());
    };
    if text.starts_with('/') {
        return Ok(text.into());
    }
    Err(Unclear::Node(format!(
        "the configuration is at {text}, which is not on this node: nothing can be put beside it"
    )))
}

/// What is said in `config`, its drop-ins and behind `server` or `agent` on the command line.
///
/// # Errors
///
/// When a file can't be understood.
pub(super) fn given(tree: &Tree, config: &Path, words: &[Word]) -> Result<All, Unclear> {
    let mut given = in_files(tree, config)?;
    // What the command line says goes before single values of the files, and behind those of lists.
    for key in ["kubelet-arg", IMAGE_FLAG, RUNTIME_FLAG, "snapshotter", PAUSE_KEY, DATA_KEY] {
        let said = values(words, key).into_iter().map(|word| (word.text, word.file, Some(word.line)));
        given.entry(key.to_owned()).or_default().extend(said);
    }
    if let Some(word) = words.iter().find(|word| word.text == "--docker" || word.text == "--docker=true") {
        given.insert("docker".to_owned(), vec![("true".to_owned(), word.file.clone(), Some(word.line))]);
    }
    Ok(given)
}

/// Where it has what it makes for the node.
pub(super) fn agent(given: &All, kind: Kind) -> PathBuf {
    let said = given.get(DATA_KEY).and_then(|all| all.last()).map(|(data, ..)| Path::new(data).join(AGENT));
    said.or_else(|| kind.agent()).unwrap_or_default()
}

/// What is said of its own pods, whose manifests are usually there.
pub(super) fn pods(given: &All, manifests: &Path) -> Pods {
    let word = |(text, file, line): &Given| Word::new(text.clone(), file, line.unwrap_or(1));
    let pause = given.get(PAUSE_KEY).and_then(|all| all.last()).map(word);
    let mut argument = given.get("kubelet-arg").into_iter().flatten().filter_map(|(argument, file, line)| {
        let value = argument.trim_start_matches("--").strip_prefix(SANDBOX_FLAG)?.strip_prefix('=')?;
        Some(Word::new(value, file, line.unwrap_or(1)))
    });
    Pods {
        sandbox: argument.next_back(),
        pause,
        manifests: Some(Word::new(manifests.display().to_string(), manifests, 1)),
    }
}

/// What is said of endpoints.
///
/// # Errors
///
/// When it is no endpoint.
pub(super) fn endpoints(given: &All, config: &Path) -> Result<Endpoints, Unclear> {
    let last = |key: &str| given.get(key).and_then(|all| all.last());
    let mut endpoints = Endpoints::default();
    let own = if last("docker").is_some_and(|(value, ..)| value == "true") { DOCKER } else { OWN };
    endpoints.runtime.push(Said::new(own, config, None)?);
    if let Some((_, file, line)) = last("snapshotter").filter(|(value, ..)| value == "stargz") {
        endpoints.image.push(Said::new(STARGZ, file, *line)?);
    }
    for (key, said) in [(RUNTIME_FLAG, &mut endpoints.runtime), (IMAGE_FLAG, &mut endpoints.image)] {
        if let Some((value, file, line)) = last(key) {
            said.push(Said::new(value, file, *line)?);
        }
        let arguments = given.get("kubelet-arg").into_iter().flatten();
        for (argument, file, line) in arguments {
            let argument = argument.trim_start_matches("--");
            if let Some(value) = argument.strip_prefix(key).and_then(|rest| rest.strip_prefix('=')) {
                said.push(Said::new(value, file, *line)?);
            }
        }
    }
    Ok(endpoints)
}

/// The directory of a configuration's drop-ins.
pub(super) fn drop_ins(config: &Path) -> PathBuf {
    let mut name = config.as_os_str().to_owned();
    name.push(".d");
    name.into()
}

/// A key in a later file takes the place of one before it; a key that ends in `+` adds to it.
fn in_files(tree: &Tree, config: &Path) -> Result<All, Unclear> {
    let directory = drop_ins(config);
    let is_read = |name: &&String| {
        let name = name.to_ascii_lowercase();
        name.ends_with(".yaml") || name.ends_with(".yml")
    };
    let names = tree.names(&directory)?;
    let files = std::iter::once(config.to_owned()).chain(names.iter().filter(is_read).map(|name| directory.join(name)));
    let mut given = All::new();
    for file in files {
        let Some(text) = tree.text(&file)? else { continue };
        for (key, value) in yaml::read(&file, &text)? {
            let line = yaml::line(&text, &key);
            let several: Vec<(String, Option<usize>)> = match value.as_array() {
                Some(several) => {
                    let with_line = |value: String| {
                        let line = line_of_item(&text, line, &value);
                        (value, line)
                    };
                    several.iter().filter_map(yaml::text).map(with_line).collect()
                }
                None => yaml::text(&value).into_iter().map(|value| (value, line)).collect(),
            };
            let several = several.into_iter().map(|(value, line)| (value, file.clone(), line));
            match key.strip_suffix('+') {
                Some(key) => given.entry(key.to_owned()).or_default().extend(several),
                None => {
                    given.insert(key, several.collect());
                }
            }
        }
    }
    Ok(given)
}

/// The line that an item of a list stands in, whose key is in that line.
fn line_of_item(text: &str, key: Option<usize>, item: &str) -> Option<usize> {
    let key = key?;
    let found = text.lines().skip(key.saturating_sub(1)).position(|line| line.contains(item));
    Some(found.map_or(key, |index| key.saturating_add(index)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::tree::Content;

    const CONFIG: &str = "/etc/rancher/k3s/config.yaml";

    fn image(files: &[(&str, &str)], words: &[&str]) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let files = files.iter().map(|(path, text)| (PathBuf::from(path), Some(Content::new(text))));
        let tree = Tree::at(directory.path()).with(files);
        let word = |text: &&str| Word { text: (*text).to_owned(), file: "/unit".into(), line: 1 };
        let words: Vec<_> = words.iter().map(word).collect();
        let config = Path::new(CONFIG);
        let endpoints = endpoints(&given(&tree, config, &words).unwrap(), config).unwrap();
        endpoints.image.iter().map(|said| said.address.clone().unwrap().path().display().to_string()).collect()
    }

    #[test]
    fn later_files_replace_and_add_and_the_command_line_comes_last() {
        let args = |file: &str, key: &str, socket: &str| {
            (format!("/etc/rancher/k3s/{file}"), format!("{key}:\n- image-service-endpoint=unix:///{socket}\n"))
        };
        let (one, two, three) = (
            args("config.yaml", "kubelet-arg", "1"),
            args("config.yaml.d/2.yaml", "kubelet-arg+", "2"),
            args("config.yaml.d/3.yml", "kubelet-arg", "3"),
        );
        let files: Vec<_> = [&one, &two, &three].iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        assert_eq!(image(&files[..2], &[]), ["/1", "/2"]);
        assert_eq!(image(&files, &[]), ["/3"]);
        assert_eq!(image(&files[..1], &["server", "--kubelet-arg=image-service-endpoint=/4"]), ["/1", "/4"]);
        assert_eq!(image(&[(CONFIG, "image-service-endpoint: /5\n")], &["--image-service-endpoint", "/6"]), ["/6"]);
        assert_eq!(
            image(&[(CONFIG, "snapshotter: stargz\n")], &[]),
            ["/run/containerd-stargz-grpc/containerd-stargz-grpc.sock"]
        );
    }

    #[test]
    fn a_configuration_that_is_elsewhere_is_not_guessed_at() {
        let word = |text: &str| Word { text: text.to_owned(), file: "/unit".into(), line: 1 };
        let usual = Path::new(CONFIG);
        assert_eq!(config(&[], None, usual).unwrap(), usual);
        assert_eq!(config(&[word("-c"), word("/x.yaml")], None, usual).unwrap(), Path::new("/x.yaml"));
        assert_eq!(config(&[word("--config=/x.yaml")], Some("/y.yaml"), usual).unwrap(), Path::new("/y.yaml"));
        assert!(config(&[word("--config=https://x")], None, usual).is_err());
    }
}
