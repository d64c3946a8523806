//! `repoint verify`: whether each image is where the rules look for it, the same one, for the platforms in use. It asks
//! registries, and nobody of the node, so it runs wherever these can be reached.
//!
//! `wanted` says which images, `plan` where the rules look for each, `asker` asks, `row` is what came of it.

mod asker;
mod layout;
mod plan;
mod row;
mod wanted;

use super::progress::Bar;
use super::{Failure, note, print};
use crate::args::{Layout, Serve, Verify as Options};
use crate::clock::Clock;
use crate::config::{self, Settings};
use crate::credentials::Store;
use crate::exit::Exit;
use crate::output;
use crate::registry::{Client, Place, Platform, Proxies, Roots, Way};
use asker::Asker;
use layout::Verified;
use plan::Plan;
use row::Row;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::{JoinSet, LocalSet};
use wanted::{Known, Wanted};

/// Why it did not end well.
#[derive(Debug, thiserror::Error)]
enum Undone {
    #[error("cannot start")]
    NoRuntime(#[source] std::io::Error),
    #[error("{0} of {1} images are not where the rules look for them, or not the same, or not for all platforms")]
    Findings(usize, usize),
    #[error("{0} of {1} images could not be asked for, so nothing is known of them")]
    Open(usize, usize),
    #[error("cannot be written as JSON")]
    Unwritable(#[source] serde_json::Error),
}

/// Stands for standard input.
const STDIN: &str = "-";
/// Images that are asked for at once.
const WORKERS: usize = 8;

/// Images that wait to be asked for.
type Queue = Arc<Mutex<VecDeque<(String, Option<Known>, Plan)>>>;

/// Asks, and says what came of it.
///
/// # Errors
///
/// When something can't be read or written, or it found what it was to look for.
pub fn run(options: &Options) -> Result<Exit, Failure> {
    let settings = settings(options.config.as_deref())?;
    let platforms = platforms(&options.platforms)?;
    let plain = options.plain_http.iter().map(|place| place.parse()).collect::<Result<Vec<Place>, _>>();
    let plain = plain.map_err(|error| Failure::new(Exit::Usage, error))?;
    let mut roots = Roots::of_system();
    for file in &options.ca {
        roots.add(file).map_err(|error| Failure::new(Exit::Usage, error))?;
    }
    let wanted = wanted(options, &settings)?;
    note(wanted.told.iter().cloned());

    let way = Way { roots, proxies: Proxies::of_environment(), plain, ..Way::default() };
    let handed_over = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
    let asker = Arc::new(Asker {
        client: Client::new(way),
        store: Store::new(settings.credentials.clone(), handed_over, Clock::SYSTEM),
        platforms: platforms.clone(),
        skip_old: options.skip_old,
        any_target: options.any_target,
        down: Mutex::default(),
    });
    let plan = |(image, known): (String, Option<Known>)| {
        let plan = Plan::new(&image, &settings.rules);
        (image, known, plan)
    };
    let queue: VecDeque<_> = wanted.images.into_iter().map(plan).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Failed, Undone::NoRuntime(error)))?;
    let mut images = LocalSet::new().block_on(&runtime, ask(&asker, queue));
    images.sort_by(|one, other| one.rank().cmp(&other.rank()));

    let verified = Verified { platforms, images };
    print(&match options.format {
        Layout::Table => verified.text(output::width()),
        Layout::Json => verified.json().map_err(|error| Failure::new(Exit::Failed, Undone::Unwritable(error)))?,
        Layout::Csv => verified.csv(),
        Layout::Markdown => verified.markdown(),
    })?;
    verdict(&verified)
}

/// Some at a time.
async fn ask(asker: &Arc<Asker>, queue: VecDeque<(String, Option<Known>, Plan)>) -> Vec<Row> {
    let all = u64::try_from(queue.len()).unwrap_or_default();
    let bar = Bar::new("{wide_bar} {pos} of {len} images, {eta} left");
    let queue: Queue = Arc::new(Mutex::new(queue));
    let mut workers = JoinSet::new();
    let (sender, mut answers) = tokio::sync::mpsc::channel(WORKERS);
    for _ in 0..WORKERS {
        let (asker, queue, sender) = (Arc::clone(asker), Arc::clone(&queue), sender.clone());
        workers.spawn_local(async move {
            while let Some((image, known, plan)) = next(&queue) {
                let row = Box::pin(asker.row(&image, known.as_ref(), &plan)).await;
                if sender.send(row).await.is_err() {
                    break;
                }
            }
        });
    }
    drop(sender);
    let mut rows = Vec::new();
    while let Some(row) = answers.recv().await {
        rows.push(row);
        bar.show(u64::try_from(rows.len()).unwrap_or_default(), all);
    }
    bar.end();
    rows
}

fn next(queue: &Queue) -> Option<(String, Option<Known>, Plan)> {
    queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// What it comes to for whoever asks by the exit code. Something to do goes before something to ask again.
fn verdict(verified: &Verified) -> Result<Exit, Failure> {
    let all = verified.images.len();
    let findings = verified.count(row::Verdict::is_finding);
    if findings > 0 {
        return Err(Failure::new(Exit::Findings, Undone::Findings(findings, all)));
    }
    match verified.count(row::Verdict::is_open) {
        0 => Ok(Exit::Done),
        open => Err(Failure::new(Exit::Failed, Undone::Open(open, all))),
    }
}

fn settings(path: Option<&Path>) -> Result<Settings, Failure> {
    let settings = config::settings(&Serve::default(), &config::load(path));
    settings.map_err(|mistakes| Failure::new(Exit::Configuration, mistakes))
}

fn platforms(said: &[String]) -> Result<Vec<Platform>, Failure> {
    if said.is_empty() {
        return Ok(vec![Platform::here()]);
    }
    let mut platforms = said.iter().map(|platform| platform.parse()).collect::<Result<Vec<Platform>, _>>();
    if let Ok(platforms) = &mut platforms {
        platforms.sort();
        platforms.dedup();
    }
    platforms.map_err(|error| Failure::new(Exit::Usage, error))
}

fn wanted(options: &Options, settings: &Settings) -> Result<Wanted, Failure> {
    let configured = || settings.audit.file.parent().unwrap_or_else(|| Path::new("/")).to_owned();
    let path = match &options.source {
        Some(path) if path.as_os_str() == STDIN => None,
        Some(path) => Some(path.clone()),
        None => Some(configured()),
    };
    Wanted::read(path.as_deref()).map_err(|error| Failure::new(Exit::Failed, error))
}
