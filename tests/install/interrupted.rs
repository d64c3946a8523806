//! Each step may be the last one of the process that takes it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::eyes::everything;
use super::layouts::{Layout, all};
use super::{is_wired, made, same};
use repoint::install::{Disk, Effects, Journal, Own, Plan, Wanted, carry};
use repoint::node::{Content, Tree};

/// Does so many steps, and then no more: a step that is not done leaves what its half would.
struct Counted {
    disk: Disk,
    left: usize,
    root: PathBuf,
}

impl Counted {
    fn step(&mut self) -> io::Result<()> {
        self.left = self.left.checked_sub(1).ok_or_else(|| io::Error::other("the power is gone"))?;
        Ok(())
    }
}

impl Effects for Counted {
    fn stage(&mut self, path: &Path, content: &Content) -> io::Result<()> {
        if let Err(error) = self.step() {
            // Half a file is beside its place.
            let beside = format!("{}{}.repoint-new", self.root.display(), path.display());
            if Path::new(&beside).parent().unwrap().is_dir() {
                fs::write(beside, &content.bytes[..content.bytes.len() / 2]).unwrap();
            }
            return Err(error);
        }
        self.disk.stage(path, content)
    }

    fn commit(&mut self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.disk.commit(path)
    }

    fn remove(&mut self, path: &Path, made: Option<&Path>) -> io::Result<()> {
        self.step()?;
        self.disk.remove(path, made)
    }

    fn sweep(&mut self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.disk.sweep(path)
    }

    fn run(&mut self, words: &[&str]) -> io::Result<()> {
        panic!("{words:?} is run, and there is only a tree");
    }
}

const WANTED: Wanted = Wanted { both: false, runtime: None, image: None, baked: None };

/// Installs, with so many steps. Says whether they were enough.
fn install(root: &Path, steps: usize) -> bool {
    let tree = Tree::at(root);
    let state = Own::read(&tree).unwrap().state;
    let earlier = Journal::read(&tree, &state).unwrap();
    let originals = match &earlier {
        Some(journal) => tree.with(journal.originals(&tree).unwrap()),
        None => tree.clone(),
    };
    let plan = Plan::make(&originals, &WANTED).unwrap();
    let journal = Journal::begin(&tree, &state, &plan, earlier);
    let mut effects = Counted { disk: Disk::new(root), left: steps, root: root.to_owned() };
    carry::install(&mut effects, &tree, &state, &journal).is_ok()
}

/// And the way back.
fn uninstall(root: &Path, steps: usize) -> bool {
    let tree = Tree::at(root);
    let state = Own::read(&tree).unwrap().state;
    let journal = Journal::read(&tree, &state).unwrap();
    let mut effects = Counted { disk: Disk::new(root), left: steps, root: root.to_owned() };
    carry::uninstall(&mut effects, &tree, &state, journal.as_ref()).is_ok()
}

const ENOUGH: usize = 1000;

/// For every number of steps that is too few, `then` with a node of that kind on which no more were taken.
fn at_every_step(layout: &Layout, is_wired_first: bool, then: impl Fn(&Path)) -> usize {
    for steps in 0..ENOUGH {
        let (directory, _) = made(layout);
        let root = directory.path();
        let is_enough = if is_wired_first {
            assert!(install(root, ENOUGH));
            uninstall(root, steps)
        } else {
            install(root, steps)
        };
        if is_enough {
            return steps;
        }
        then(root);
    }
    panic!("it comes to no end");
}

#[test]
fn an_installation_that_was_interrupted_anywhere_is_continued_to_the_same_end() {
    for layout in all() {
        let (directory, before) = made(&layout);
        assert!(install(directory.path(), ENOUGH));
        let end = everything(directory.path());
        let steps = at_every_step(&layout, false, |root| {
            assert!(install(root, ENOUGH), "{}", layout.name);
            is_wired(&layout, root);
            same(layout.name, &everything(root), &end);
            assert!(uninstall(root, ENOUGH));
            same(layout.name, &everything(root), &before);
        });
        assert!(steps >= 7, "{}: there were only {steps} steps", layout.name);
    }
}

#[test]
fn an_installation_that_was_interrupted_anywhere_is_undone_without_a_trace() {
    for layout in all() {
        let (_directory, before) = made(&layout);
        at_every_step(&layout, false, |root| {
            assert!(uninstall(root, ENOUGH), "{}", layout.name);
            same(layout.name, &everything(root), &before);
        });
    }
}

#[test]
fn a_way_back_that_was_interrupted_anywhere_is_gone_to_its_end_or_turned_round() {
    for layout in all() {
        let (directory, before) = made(&layout);
        assert!(install(directory.path(), ENOUGH));
        let end = everything(directory.path());
        at_every_step(&layout, true, |root| {
            assert!(uninstall(root, ENOUGH), "{}", layout.name);
            same(layout.name, &everything(root), &before);
        });
        at_every_step(&layout, true, |root| {
            assert!(install(root, ENOUGH), "{}", layout.name);
            same(layout.name, &everything(root), &end);
        });
    }
}
