//! `repoint config show`: what holds, and where it is from.

use super::{Failure, print};
use crate::args::{ConfigFile, Serve};
use crate::config;
use crate::exit::Exit;

/// Shows it.
///
/// # Errors
///
/// When there is a mistake in it.
pub(super) fn run(ConfigFile { file }: &ConfigFile) -> Result<(), Failure> {
    let source = config::load(file.as_deref());
    let settings =
        config::settings(&Serve::default(), &source).map_err(|mistakes| Failure::new(Exit::Configuration, mistakes))?;
    print(&config::show::show(&source, &settings))
}
