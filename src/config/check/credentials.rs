//! Sources of credentials: each is one thing, and says nothing that is about another.

use crate::config::mistake::{Mistake, list};
use crate::config::place::{Place, Placed};
use crate::config::reader::segment;
use crate::config::said::SaidCredentials;
use crate::config::{keys, said};
use crate::credentials::Source;
use std::time::Duration;

/// How long a program has to answer. The kubelet gives its own a minute, but a pull waits for it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long an answer holds that does not say so itself: not longer than for the pull that asked. A provider knows when
/// its tokens end; a guess that is too long makes pulls fail.
const CACHE: Duration = Duration::ZERO;

/// The sources that make sense.
pub(super) fn sources(said: &[SaidCredentials], mistakes: &mut Vec<Mistake>) -> Vec<(String, Source)> {
    let sound = said.iter().filter(|said| said.is_sound);
    sound.filter_map(|said| Some((said.name.value.clone(), source(said, mistakes)?))).collect()
}

fn source(said: &SaidCredentials, mistakes: &mut Vec<Mistake>) -> Option<Source> {
    let path = format!("credentials.{}", segment(&said.name.value));
    let SaidCredentials { docker_config, provider, args, env, cache, systemd, timeout, .. } = said;
    let there = [
        docker_config.as_ref().map(|said| ("docker_config", &said.place)),
        provider.as_ref().map(|said| ("provider", &said.place)),
        systemd.as_ref().map(|said| ("systemd", &said.place)),
    ];
    let mut there: Vec<(&str, &Place)> = there.into_iter().flatten().collect();
    there.sort_by(|(_, one), (_, other)| one.cmp(other));
    if there.is_empty() {
        let what = format!("it says nowhere to look: expected one of {}", list(keys::CREDENTIALS.one_of));
        mistakes.push(Mistake::at_key(said.name.place.clone(), path.as_str(), what));
    }
    for (second, place) in there.iter().skip(1) {
        let first = there.first().map_or("", |(first, _)| *first);
        let what = format!("there is a `{first}` already, and a source is one thing: make it two, and name both");
        mistakes.push(Mistake::at_key((*place).clone(), format!("{path}.{second}"), what));
    }
    let of_providers = [
        ("args", args.as_ref().map(|said| &said.place)),
        ("env", env.as_ref().map(|said| &said.place)),
        ("cache", cache.as_ref().map(|said| &said.place)),
    ];
    if provider.is_none() && !there.is_empty() {
        for (key, place) in of_providers.into_iter().filter_map(|(key, place)| Some((key, place?))) {
            let what = "this is about a program, and there is no `provider`";
            mistakes.push(Mistake::at_key(place.clone(), format!("{path}.{key}"), what));
        }
    }
    let timeout = timeout.as_ref().map_or(TIMEOUT, |timeout| timeout.value);
    match (docker_config, provider, systemd) {
        (Some(path), ..) => Some(Source::DockerConfig { path: path.value.clone(), timeout }),
        (None, Some(command), _) => Some(Source::Provider {
            command: command.value.clone(),
            args: args.as_ref().map(values).unwrap_or_default(),
            env: env.as_ref().map(|env| env.value.clone()).unwrap_or_default(),
            default_cache: cache.as_ref().map_or(CACHE, |cache| cache.value),
            timeout,
        }),
        (None, None, Some(name)) => Some(Source::Systemd { name: name.value.clone(), timeout }),
        (None, None, None) => None,
    }
}

fn values(list: &said::List<String>) -> Vec<String> {
    list.value.iter().map(|Placed { value, .. }| value.clone()).collect()
}
