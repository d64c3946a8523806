//! `repoint scan`: what names an image that a rule is about; on a node, in files, in what the API server has.

mod layout;
mod mend;
mod patch;
mod renamed;
mod tally;

use super::progress::{Bar, Counted};
use super::{Failure, note, print, site};
use crate::args::{Layout, Scan as Options, Serve};
use crate::config::{self, Settings};
use crate::exit::Exit;
use crate::find::document::STDIN;
use crate::find::file::{self, Input};
use crate::find::{self, Finding, Found, Mention, Unread};
use crate::node::Tree;
use crate::output::{self, counted};
use crate::runtime::Address;
use layout::Scan;
use mend::Mended;
use patch::Patch;
use renamed::Renamed;
use std::io;
use std::path::{Path, PathBuf};
use tally::Tally;

/// Why it was not done as asked.
#[derive(Debug, thiserror::Error)]
enum Undone {
    #[error("--fix and --diff are about files: name some, or the directory that they are in")]
    NoFiles,
    #[error("cannot begin")]
    NoThread(#[source] io::Error),
    #[error("{} could not be read", counted(*.0, "place"))]
    Incomplete(u64),
}

/// Stands for this node.
const NODE: &str = "node";

/// What has been looked at so far.
struct Look<'a> {
    options: &'a Options,
    settings: &'a Settings,
    tally: Tally,
    unread: Vec<Unread>,
    files: u64,
    patch: Patch,
    remarks: Vec<String>,
    renamed: Renamed,
}

/// Looks, and says what it found.
///
/// # Errors
///
/// When something can't be read or written, or the configuration is wrong.
pub fn run(options: &Options) -> Result<Exit, Failure> {
    let is = |name: &'static str| move |target: &&PathBuf| target.as_os_str() == name;
    let has_stdin = options.targets.iter().any(|target| is(STDIN)(&target));
    let has_node = options.targets.is_empty() || options.targets.iter().any(|target| is(NODE)(&target));
    if (options.fix || options.diff) && (has_stdin || has_node) {
        return Err(Failure::new(Exit::Usage, Undone::NoFiles));
    }
    let source = config::load(options.config.as_deref());
    let settings =
        config::settings(&Serve::default(), &source).map_err(|error| Failure::new(Exit::Configuration, error))?;
    let paths = options.targets.iter().filter(|target| !is(STDIN)(target) && !is(NODE)(target));
    let paths: Vec<PathBuf> = paths.cloned().collect();
    let mut look = Look::new(options, &settings, &paths);
    if has_node {
        let found = node(options, &settings)?;
        look.files = look.files.saturating_add(found.files);
        look.unread.extend(found.unread);
        look.count(&found.mentions);
    }
    if has_stdin {
        let bar = Bar::new("{spinner} {pos} MiB");
        let input = Input::stdin(&mut Counted::new(&mut io::stdin().lock(), &bar));
        bar.end();
        look.take(input);
    }
    let bar = Bar::new("{spinner} {pos} files");
    file::walk(&paths, &mut |input| {
        look.take(input);
        bar.show(look.files, 0);
    });
    bar.end();
    look.tell()
}

/// Looks at this node, or at the files of another one.
fn node(options: &Options, settings: &Settings) -> Result<Found, Failure> {
    let runtime = options.runtime.as_ref().map(|said| said.parse::<Address>()).transpose();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Usage, error))?;
    let root = options.root.as_deref().unwrap_or_else(|| Path::new("/"));
    if !root.is_dir() {
        return Err(Failure::new(Exit::Usage, site::Closed::NoRoot(root.to_owned())));
    }
    let tree = Tree::at(root);
    let is_called = options.root.is_none() || runtime.is_some();
    let looked = find::node::Site { tree: &tree, settings, runtime: runtime.as_ref(), is_called };
    let system = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let system = system.map_err(|error| Failure::new(Exit::Failed, Undone::NoThread(error)))?;
    let found = system.block_on(find::node::look(&looked));
    // What hangs is not waited for.
    system.shutdown_background();
    Ok(found)
}

// === impl Look ===

impl<'a> Look<'a> {
    fn new(options: &'a Options, settings: &'a Settings, paths: &[PathBuf]) -> Self {
        Self {
            options,
            settings,
            tally: Tally::default(),
            unread: Vec::new(),
            files: 0,
            patch: Patch::new(paths),
            remarks: Vec::new(),
            renamed: Renamed::default(),
        }
    }

    /// Looks through a file.
    fn take(&mut self, input: Result<Input, Unread>) {
        let input = match input {
            Ok(input) => input,
            Err(unread) => return self.unread.push(unread),
        };
        self.files = self.files.saturating_add(1);
        let (mentions, unread) = input.document(self.options.namespace.as_deref()).read();
        self.unread.extend(unread);
        if self.options.fix || self.options.diff {
            self.renamed.select(&input);
            self.mend(&input, &mentions);
        } else {
            self.count(&mentions);
        }
    }

    fn count(&mut self, mentions: &[Mention]) {
        let findings = mentions.iter().filter_map(|mention| Finding::of(mention, &self.settings.rules));
        for finding in findings {
            self.tally.add(finding);
        }
    }

    /// Shows, or does, what there is to be changed in a file; and counts what is left.
    fn mend(&mut self, input: &Input, mentions: &[Mention]) {
        let namespace = self.options.namespace.as_deref();
        let mended = Mended::of(input, mentions, namespace, &self.settings.rules);
        let mended = match mended {
            Ok(Some(mended)) => mended,
            Ok(None) => return self.count(mentions),
            Err(fault) => {
                self.remarks.push(format!("{}: {fault}", input.name));
                return self.count(mentions);
            }
        };
        self.remarks.extend(mended.left.iter().map(|place| format!("{place}: {}", mend::ONE)));
        self.renamed.rename(mentions, &mended.mentions);
        if self.options.diff {
            self.patch.add(input, &mended.text);
        }
        if !self.options.fix {
            return self.count(mentions);
        }
        let path = input.path.as_deref().unwrap_or_else(|| Path::new(STDIN));
        match crate::whole::exchange(path, input.text.as_bytes(), mended.text.as_bytes()) {
            Ok(()) => {
                let count = u64::try_from(mended.count).unwrap_or(u64::MAX);
                self.remarks.push(format!("{}: {} changed", input.name, counted(count, "reference")));
                self.count(&mended.mentions);
            }
            Err(kept) => {
                self.remarks.push(format!("{} is left as it is: {}", input.name, crate::error::Chain(&kept)));
                self.count(mentions);
            }
        }
    }

    /// Says all of it.
    fn tell(self) -> Result<Exit, Failure> {
        note(self.remarks);
        note(self.renamed.told());
        note(self.patch.told());
        note(self.unread.iter().map(|unread| format!("{}: {}", unread.place, unread.why)));
        let findings = if self.options.count { self.tally.counted() } else { self.tally.listed() };
        let missing = self.unread.iter().filter(|unread| !unread.searched).count();
        let scan = Scan { findings, unread: self.unread, files: self.files };
        if self.options.diff {
            site::show(&self.patch.text)?;
        } else {
            print(&match self.options.format {
                Layout::Table => scan.text(output::width()),
                Layout::Json => scan.json(),
                Layout::Csv => scan.csv(),
                Layout::Markdown => scan.markdown(),
            })?;
        }
        match (scan.findings.is_empty(), missing) {
            (false, _) => Ok(Exit::Findings),
            (true, 0) => Ok(Exit::Done),
            (true, missing) => {
                let missing = u64::try_from(missing).unwrap_or(u64::MAX);
                Err(Failure::new(Exit::Failed, Undone::Incomplete(missing)))
            }
        }
    }
}
