//! What a kubelet is told of endpoints: by its configuration file, by that file's drop-ins, by its flags; the last one holds.

use super::tree::Tree;
use super::unclear::Unclear;
use super::unit::Unit;
use super::words::split;
use super::yaml;
use crate::runtime::Address;
use std::fmt;
use std::path::{Path, PathBuf};

/// Somebody's word on where an endpoint is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Where; unset where it is said to be nowhere in particular.
    pub address: Option<Address>,
    /// In which file.
    pub file: PathBuf,
    /// On which line, where it has one to itself.
    pub line: Option<usize>,
    /// Whether it is a flag, which goes before every file.
    pub is_flag: bool,
}

/// All that is said of endpoints, the last word last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Of the image endpoint.
    pub image: Vec<Said>,
    /// Of the runtime endpoint.
    pub runtime: Vec<Said>,
}

/// A word of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// As the program sees it.
    pub text: String,
    /// The file that it is from.
    pub file: PathBuf,
    /// The line.
    pub line: usize,
}

/// A kubelet, as its command line starts it.
#[derive(Debug, Clone)]
pub struct Kubelet {
    /// What it is told of endpoints.
    pub endpoints: Endpoints,
    /// Where it looks for drop-ins of its configuration, and who says so.
    pub directory: Option<Word>,
    /// What it is told of pods that nobody asks the API server for, and of the image that all are made with.
    pub pods: Pods,
}

/// What a kubelet is told of its own pods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pods {
    /// Where manifests of static pods are.
    pub manifests: Option<Word>,
    /// The sandbox image that garbage collection is to leave.
    pub sandbox: Option<Word>,
    /// The one that k3s or RKE2 are to tell containerd of, and the kubelet.
    pub pause: Option<Word>,
}

/// The flags that say where endpoints are.
pub const IMAGE_FLAG: &str = "image-service-endpoint";
/// Likewise.
pub const RUNTIME_FLAG: &str = "container-runtime-endpoint";
/// The keys of a `KubeletConfiguration` that do.
pub const IMAGE_KEY: &str = "imageServiceEndpoint";
/// Likewise.
pub const RUNTIME_KEY: &str = "containerRuntimeEndpoint";
/// The key that says where manifests of static pods are, and the flag.
pub const MANIFESTS_KEY: &str = "staticPodPath";
/// Likewise.
const MANIFESTS_FLAG: &str = "pod-manifest-path";
/// The flag that names the sandbox image. There is no key.
pub const SANDBOX_FLAG: &str = "pod-infra-container-image";

// === impl Endpoints ===

impl Endpoints {
    /// Where image calls go, by the last word on it. An image endpoint that is nowhere in particular is the runtime's.
    pub fn image(&self) -> Option<&Address> {
        self.image.last().and_then(|said| said.address.as_ref()).or_else(|| self.runtime())
    }

    /// Where all other calls go.
    pub fn runtime(&self) -> Option<&Address> {
        self.runtime.last().and_then(|said| said.address.as_ref())
    }

    /// The same without what leads to `ours`.
    #[must_use]
    pub fn without(&self, ours: &Address) -> Self {
        let others = |all: &[Said]| {
            let is_other = |said: &&Said| said.address.as_ref().is_none_or(|address| !address.is_same_as(ours));
            all.iter().filter(is_other).cloned().collect()
        };
        Self { image: others(&self.image), runtime: others(&self.runtime) }
    }
}

// === impl Word ===

impl Word {
    /// What stands in that line.
    pub fn new(text: impl Into<String>, file: &Path, line: usize) -> Self {
        Self { text: text.into(), file: file.to_owned(), line }
    }

    /// Where it stands.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }
}

// === impl Said ===

impl Said {
    /// A word of that value.
    ///
    /// # Errors
    ///
    /// When the value is no endpoint.
    pub fn new(value: &str, file: &Path, line: Option<usize>) -> Result<Self, Unclear> {
        let address = match value {
            "" => None,
            _ => Some(value.parse::<Address>().map_err(|error| match line {
                Some(line) => Unclear::line(file, line, error.to_string()),
                None => Unclear::file(file, error.to_string()),
            })?),
        };
        Ok(Self { address, file: file.to_owned(), line, is_flag: false })
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        self.line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

// === impl Kubelet ===

impl Kubelet {
    /// The kubelet that `unit` starts.
    ///
    /// # Errors
    ///
    /// When it starts something else, or what the kubelet is told can't be read.
    pub fn read(tree: &Tree, unit: &Unit) -> Result<Self, Unclear> {
        let words = words(tree, unit)?;
        let is_kubelet = |word: &Word| Path::new(&word.text).file_name().is_some_and(|name| name == "kubelet");
        let programs = words.iter().take_while(|word| !word.text.starts_with('-'));
        let Some(at) = programs.clone().position(is_kubelet) else {
            let command = unit.command()?;
            // Its words may have a password among them.
            let program = words.first().map_or("nothing", |word| word.text.as_str());
            let what = format!(
                "{} does not start the kubelet itself, but {program}, so what flags that gets can't be told",
                unit.name
            );
            return Err(Unclear::line(&command.file, command.line, what));
        };
        let flags = words.get(at.saturating_add(1)..).unwrap_or_default();
        if let Some(word) = last(flags, "container-runtime").filter(|word| word.text == "docker") {
            let what = "this kubelet runs containers with its built-in dockershim, and listens on the runtime endpoint itself: \
                        there is nothing to stand in front of";
            return Err(Unclear::line(&word.file, word.line, what));
        }
        let directory = last(flags, "config-dir").filter(|word| !word.text.is_empty());
        let mut kubelet = Self { endpoints: Endpoints::default(), directory, pods: Pods::default() };
        if let Some(config) = last(flags, "config") {
            kubelet.add_file(tree, Path::new(&config.text))?;
        }
        if let Some(directory) = kubelet.directory.clone() {
            let files = tree.files(Path::new(&directory.text))?;
            for file in files.iter().filter(|file| file.to_string_lossy().ends_with(".conf")) {
                kubelet.add_file(tree, file)?;
            }
        }
        let endpoints = &mut kubelet.endpoints;
        for (name, said) in [(IMAGE_FLAG, &mut endpoints.image), (RUNTIME_FLAG, &mut endpoints.runtime)] {
            for word in values(flags, name) {
                said.push(Said { is_flag: true, ..Said::new(&word.text, &word.file, Some(word.line))? });
            }
        }
        let pods = &mut kubelet.pods;
        pods.manifests = last(flags, MANIFESTS_FLAG).or_else(|| pods.manifests.take());
        pods.sandbox = last(flags, SANDBOX_FLAG);
        Ok(kubelet)
    }

    /// What a `KubeletConfiguration` says. One that is yet to be written says nothing.
    fn add_file(&mut self, tree: &Tree, file: &Path) -> Result<(), Unclear> {
        let Some(text) = tree.text(file)? else { return Ok(()) };
        let keys = yaml::read(file, &text)?;
        let line = |key: &str| yaml::line(&text, key);
        let Endpoints { image, runtime } = &mut self.endpoints;
        for (key, said) in [(IMAGE_KEY, image), (RUNTIME_KEY, runtime)] {
            let Some(value) = keys.get(key) else { continue };
            let value = yaml::text(value).ok_or_else(|| Unclear::file(file, format!("`{key}` is no text")))?;
            said.push(Said::new(&value, file, line(key))?);
        }
        if let Some(manifests) = keys.get(MANIFESTS_KEY).and_then(yaml::text).filter(|text| !text.is_empty()) {
            self.pods.manifests = Some(Word::new(manifests, file, line(MANIFESTS_KEY).unwrap_or(1)));
        }
        Ok(())
    }
}

/// The words that a unit starts its program with, variables put in.
///
/// # Errors
///
/// When it starts several, or none, or a quote is not closed.
pub fn words(tree: &Tree, unit: &Unit) -> Result<Vec<Word>, Unclear> {
    let command = unit.command()?;
    let environment = unit.environment(tree)?;
    let unclosed = |file: &Path, line| Unclear::line(file, line, "a quote is not closed");
    let mut words = Vec::new();
    for text in split(&command.value).ok_or_else(|| unclosed(&command.file, command.line))? {
        let name = text.strip_prefix('$').filter(|name| is_name(name));
        match name {
            Some(name) => {
                let Some(variable) = environment.get(name) else { continue };
                let several = split(&variable.value).ok_or_else(|| unclosed(&variable.file, variable.line))?;
                words.extend(several.into_iter().map(|text| Word {
                    text,
                    file: variable.file.clone(),
                    line: variable.line,
                }));
            }
            None => {
                let value = |name: &str| environment.get(name).map_or("", |variable| variable.value.as_str());
                words.push(Word { text: put_in(&text, value), file: command.file.clone(), line: command.line });
            }
        }
    }
    if let Some(program) = words.first_mut() {
        // How systemd is to treat it.
        program.text = program.text.trim_start_matches(['-', '@', ':', '+', '!', '|']).to_owned();
    }
    Ok(words)
}

/// The values of a flag, in order.
pub fn values(words: &[Word], name: &str) -> Vec<Word> {
    let mut found = Vec::new();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let Some(flag) = word.text.strip_prefix("--") else { continue };
        let (flag, value) = flag.split_once('=').map_or((flag, None), |(flag, value)| (flag, Some(value)));
        // Kubelets take one for the other.
        if flag.replace('_', "-") == name {
            match value {
                Some(value) => found.push(Word { text: value.to_owned(), ..word.clone() }),
                None => found.extend(rest.next().cloned()),
            }
        }
    }
    found
}

/// The value that holds.
fn last(words: &[Word], name: &str) -> Option<Word> {
    values(words, name).pop()
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// `${NAME}` within a word is its value, without being taken apart; `$$` is a `$`.
fn put_in<'a>(text: &str, value: impl Fn(&str) -> &'a str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        rest = after;
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            out.push_str(value(name));
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::tree::Content;

    fn kubelet(files: &[(&str, &str)]) -> Result<Kubelet, Unclear> {
        let directory = tempfile::tempdir().unwrap();
        let files = files.iter().map(|(path, text)| (PathBuf::from(path), Some(Content::new(text))));
        let tree = Tree::at(directory.path()).with(files);
        Kubelet::read(&tree, &Unit::read(&tree, "kubelet.service")?.unwrap())
    }

    const UNIT: &str = "/etc/systemd/system/kubelet.service";

    #[test]
    fn the_last_word_on_an_endpoint_holds() {
        let unit = "[Service]\nEnvironmentFile=-/etc/default/kubelet\n\
                    ExecStart=/usr/bin/kubelet --config=/c.yaml --config-dir /c.d $A $B\n";
        let files = [
            (UNIT, unit),
            ("/c.yaml", "containerRuntimeEndpoint: unix:///run/a.sock\nimageServiceEndpoint: unix:///run/b.sock\n"),
            ("/c.d/10.conf", "{\"imageServiceEndpoint\": \"unix:///run/c.sock\"}"),
            ("/c.d/ignored.yaml", "{\"imageServiceEndpoint\": \"unix:///run/d.sock\"}"),
            ("/etc/default/kubelet", "B='--image_service_endpoint unix:///run/e.sock'\nA=--v=2\n"),
        ];
        let Endpoints { image, runtime } = kubelet(&files).unwrap().endpoints;
        let said: Vec<_> =
            image.iter().map(|said| (said.address.clone().unwrap().to_string(), said.to_string())).collect();
        assert_eq!(said[0], ("unix:///run/b.sock".to_owned(), "/c.yaml:2".to_owned()));
        assert_eq!(said[1], ("unix:///run/c.sock".to_owned(), "/c.d/10.conf:1".to_owned()));
        assert_eq!(said[2], ("unix:///run/e.sock".to_owned(), "/etc/default/kubelet:1".to_owned()));
        assert_eq!((said.len(), runtime.len()), (3, 1));
    }

    #[test]
    fn what_is_no_kubelet_is_not_guessed_at() {
        for (start, expected) in [
            ("/usr/bin/bash -c 'exec kubelet'", "does not start the kubelet itself"),
            ("/opt/start-kubelet.sh", "does not start the kubelet itself"),
            ("/usr/bin/kubelet --container-runtime=docker", "dockershim"),
            ("/usr/bin/kubelet --image-service-endpoint=tcp://x", "is not a unix socket"),
            ("/usr/bin/kubelet '--v", "a quote is not closed"),
        ] {
            let error = kubelet(&[(UNIT, &format!("[Service]\nExecStart={start}\n"))]).unwrap_err().to_string();
            assert!(error.contains(expected) && error.starts_with("/etc/systemd/system/kubelet.service:2"), "{error}");
        }
        let wrapped = "[Service]\nExecStart=/usr/local/bin/kubenswrapper /usr/bin/kubelet --v=2\n";
        assert!(kubelet(&[(UNIT, wrapped)]).is_ok());
    }

    #[test]
    fn variables_within_words_are_not_taken_apart() {
        let value = |name: &str| if name == "A" { "1 2" } else { "" };
        assert_eq!(put_in("x${A}y$$z$w${B}", value), "x1 2y$z$w");
    }
}
