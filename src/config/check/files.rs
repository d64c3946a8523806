//! The files that sources of credentials are, as they are on this machine.
//!
//! What is wrong with one is no mistake: it may be put there later, and a configuration may be checked elsewhere.

use crate::config::mistake::Mistake;
use crate::config::place::Placed;
use crate::config::reader::segment;
use crate::config::said::SaidCredentials;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const READ_BY_ALL: u32 = 0o004;
const RUN_BY_ANYBODY: u32 = 0o111;

/// What one may want to look at again.
pub(super) fn warnings(said: &[SaidCredentials]) -> Vec<Mistake> {
    let mut warnings = Vec::new();
    for said in said {
        let path = format!("credentials.{}", segment(&said.name.value));
        if let Some(Placed { value, place }) = &said.docker_config
            && let Some(what) = secret(value, "its mode lets everybody read it")
        {
            warnings.push(Mistake::at_key(place.clone(), format!("{path}.docker_config"), what));
        }
        if let Some(Placed { value, place }) = &said.provider
            && let Some(what) = program(value)
        {
            warnings.push(Mistake::at_key(place.clone(), format!("{path}.provider"), what));
        }
        if let Some(Placed { value, place }) = &said.env
            && !value.0.is_empty()
            && let Some(what) = secret(place.file(), "the mode of this file lets everybody read it")
        {
            warnings.push(Mistake::at_key(place.clone(), format!("{path}.env"), what));
        }
    }
    warnings
}

fn secret(path: &Path, exposed: &str) -> Option<String> {
    look(path, |found| (found.mode() & READ_BY_ALL != 0).then_some(exposed))
}

fn program(path: &Path) -> Option<String> {
    let unfit = "it is not a program that can be run";
    look(path, |found| (!found.is_file() || found.mode() & RUN_BY_ANYBODY == 0).then_some(unfit))
}

fn look<'a>(path: &Path, judge: impl FnOnce(&fs::Metadata) -> Option<&'a str>) -> Option<String> {
    match fs::metadata(path) {
        Ok(found) => judge(&found).map(str::to_owned),
        Err(error) => Some(format!("it cannot be looked at: {error}")),
    }
}
