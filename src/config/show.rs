//! What holds, as a file that says the same, with the origin of each value.
//!
//! Values of variables may be secrets and are hidden. Such a page is refused as a file until they are put back.

use super::check::Settings;
use super::keys;
use super::page::{Page, list, string, text, time};
use super::place::Placed;
use super::reader::segment;
use super::said::{SaidAccess, SaidAudit, SaidCredentials, SaidDrain, SaidRule};
use super::source::Source;
use crate::audit::{Rotation, Settings as Audit};
use crate::credentials::Source as Credential;
use crate::proxy::access::{Access, Account, Service};
use crate::proxy::drain::Limits;
use crate::rules::{Action, Credentials, Rule, Target, builtin};
use crate::runtime::Endpoint;
use sha2::{Digest, Sha256};

/// The whole page.
pub fn show(source: &Source, settings: &Settings) -> String {
    let mut page = Page::default();
    own(&mut page, source, settings);
    builtin_rules(&mut page, source, settings);
    page.into_text()
}

/// By which nodes are told apart that are configured differently: twelve hex digits of a hash of what was said, in
/// whatever files and order, but for what is about the one node.
pub fn hash(source: &Source, settings: &Settings) -> String {
    let mut page = Page::bare();
    own(&mut page, source, settings);
    let text = page.into_text();
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

/// All that is not built in.
fn own(page: &mut Page, source: &Source, settings: &Settings) {
    top(page, source, settings);
    audit(page, &settings.audit, &source.said.audit);
    access(page, &settings.access, &source.said.access);
    drain(page, settings.drain, &source.said.drain);
    labels(page, source, settings);
    for (name, credential) in &settings.credentials {
        let said = source.said.credentials.iter().find(|said| said.name.value == *name);
        credentials(page, name, credential, said);
    }
    for rule in settings.rules.rules().iter().filter(|rule| !rule.builtin) {
        let said = source.said.rules.iter().find(|said| said.name.value == rule.name);
        page.table("[[rules]]", &keys::RULE, said.map(|said| &said.place));
        one_rule(page, rule, said);
    }
}

fn top(page: &mut Page, source: &Source, settings: &Settings) {
    let said = &source.said;
    let runtime = match &settings.runtime.runtime {
        Endpoint::At(address) => Some(text(address)),
        Endpoint::AnyOf(_) => None,
    };
    page.say("listen", Some(text(&settings.listen)), said.listen.as_ref());
    page.say("admin", Some(text(&settings.admin)), said.admin.as_ref());
    page.say("metrics_tcp", settings.metrics_tcp.map(text), said.metrics_tcp.as_ref());
    page.say("runtime", runtime, said.runtime.as_ref());
    page.say("image_endpoint", settings.runtime.image.as_ref().map(text), said.image_endpoint.as_ref());
    page.say("keep_original_name", Some(text(settings.runtime.keep.as_str())), said.keep_original_name.as_ref());
    page.say("sandbox_image", settings.runtime.sandbox_image.as_ref().map(text), said.sandbox_image.as_ref());
    if !page.is_bare() {
        page.say("node", Some(text(&settings.node)), said.node.as_ref());
    }
    page.say("runtime_wait", Some(time(settings.runtime.hold)), said.runtime_wait.as_ref());
    page.say("message_limit_bytes", Some(settings.message_limit.to_string()), said.message_limit_bytes.as_ref());
    page.say("state", Some(text(settings.state.display())), said.state.as_ref());
    page.say("reload_on_change", Some(settings.reload_on_change.to_string()), said.reload_on_change.as_ref());
    page.say("builtin_rules", Some(list(aliases(source))), said.builtin_rules.as_ref());
    if settings.labels.is_empty() {
        page.say("labels", None, None::<&Placed<String>>);
    }
}

fn audit(page: &mut Page, audit: &Audit, said: &SaidAudit) {
    let Audit { file, sync, required, rotation, journald, stdout } = audit;
    let Rotation { bytes, after, keep, compress } = rotation;
    page.table("[audit]", &keys::AUDIT, None);
    page.say("file", Some(text(file.display())), said.file.as_ref());
    page.say("sync", Some(sync.to_string()), said.sync.as_ref());
    page.say("required", Some(required.to_string()), said.required.as_ref());
    page.say("rotate_bytes", Some(bytes.to_string()), said.rotate_bytes.as_ref());
    page.say("rotate_after", after.map(time), said.rotate_after.as_ref());
    page.say("keep", Some(keep.to_string()), said.keep.as_ref());
    page.say("compress", Some(compress.to_string()), said.compress.as_ref());
    page.say("journald", Some(journald.to_string()), said.journald.as_ref());
    page.say("stdout", Some(stdout.to_string()), said.stdout.as_ref());
}

fn access(page: &mut Page, access: &Access, said: &SaidAccess) {
    let Access { owner, group, mode, is_wider_allowed, uids, gids, services } = access;
    let account = |account: &Account| match account {
        Account::Name(name) => string(name),
        Account::Id(id) => id.to_string(),
    };
    let ids = |ids: &[u32]| format!("[{}]", ids.iter().map(u32::to_string).collect::<Vec<_>>().join(", "));
    page.table("[access]", &keys::ACCESS, None);
    page.say("owner", owner.as_ref().map(account), said.owner.as_ref());
    page.say("group", group.as_ref().map(account), said.group.as_ref());
    page.say("mode", Some(text(format_args!("{mode:04o}"))), said.mode.as_ref());
    page.say("allow_wider_access", Some(is_wider_allowed.to_string()), said.allow_wider_access.as_ref());
    page.say("allow_uids", Some(ids(uids)), said.allow_uids.as_ref());
    page.say("allow_gids", Some(ids(gids)), said.allow_gids.as_ref());
    page.say("services", Some(list(services.all().map(Service::as_str))), said.services.as_ref());
}

fn drain(page: &mut Page, Limits { calls, long_calls }: Limits, said: &SaidDrain) {
    page.table("[drain]", &keys::DRAIN, None);
    page.say("calls", Some(time(calls)), said.calls.as_ref());
    page.say("long_calls", Some(time(long_calls)), said.long_calls.as_ref());
}

/// What is said of the one node is no matter of how it is configured.
fn labels(page: &mut Page, source: &Source, settings: &Settings) {
    if page.is_bare() || settings.labels.is_empty() {
        return;
    }
    page.table("[labels]", &keys::TOP, None);
    for (name, value) in &settings.labels {
        let said = source.said.labels.iter().find(|said| said.name.value == *name);
        page.say(&key(name), Some(string(value)), said.map(|said| &said.value));
    }
}

fn credentials(page: &mut Page, name: &str, credential: &Credential, said: Option<&SaidCredentials>) {
    let header = format!("[credentials.{}]", key(name));
    page.table(&header, &keys::CREDENTIALS, said.map(|said| &said.name.place));
    let timeout = match credential {
        Credential::DockerConfig { path, timeout } => {
            page.say("docker_config", Some(text(path.display())), said.and_then(|said| said.docker_config.as_ref()));
            timeout
        }
        Credential::Provider { command, args, env, default_cache, timeout } => {
            let hidden = env.iter().map(|(name, _)| format!("{} = {}", key(name), string(keys::HIDDEN)));
            let hidden = format!("{{ {} }}", hidden.collect::<Vec<_>>().join(", "));
            let env = Some(if env.is_empty() { "{}".to_owned() } else { hidden });
            page.say("provider", Some(text(command.display())), said.and_then(|said| said.provider.as_ref()));
            page.say("args", Some(list(args)), said.and_then(|said| said.args.as_ref()));
            page.say("env", env, said.and_then(|said| said.env.as_ref()));
            page.say("cache", Some(time(*default_cache)), said.and_then(|said| said.cache.as_ref()));
            timeout
        }
        Credential::Systemd { name, timeout } => {
            page.say("systemd", Some(text(name)), said.and_then(|said| said.systemd.as_ref()));
            timeout
        }
    };
    page.say("timeout", Some(time(*timeout)), said.and_then(|said| said.timeout.as_ref()));
}

/// The name of a key, or of a table, as TOML takes it.
fn key(name: &str) -> String {
    let bare = segment(name);
    if bare == name { bare } else { string(name) }
}

fn one_rule(page: &mut Page, rule: &Rule, said: Option<&SaidRule>) {
    fn of<'a, T>(said: Option<&'a SaidRule>, key: fn(&'a SaidRule) -> &'a Option<Placed<T>>) -> Option<&'a Placed<T>> {
        said.and_then(|said| key(said).as_ref())
    }
    let namespaces = &rule.namespaces;
    page.say("name", Some(text(&rule.name)), said.map(|said| &said.name));
    page.say("match", Some(list(&rule.patterns)), of(said, |said| &said.patterns));
    page.say("exclude", Some(list(&rule.exclude)), of(said, |said| &said.exclude));
    page.say("namespaces", Some(list(&namespaces.only)), of(said, |said| &said.namespaces));
    page.say("exclude_namespaces", Some(list(&namespaces.except)), of(said, |said| &said.exclude_namespaces));
    page.say("action", Some(text(rule.action.as_str())), of(said, |said| &said.action));
    page.say("percent", Some(rule.rollout.percent.to_string()), of(said, |said| &said.percent));
    page.say("from", rule.rollout.from.map(|from| from.to_string()), of(said, |said| &said.from));
    let targets = rule.targets.iter().map(target).collect::<Vec<_>>().join(", ");
    page.say("targets", Some(format!("[{targets}]")), of(said, |said| &said.targets));
    // What has no effect may not be said.
    if rule.action != Action::Deny {
        page.say("on_failure", Some(text(rule.on_failure.as_str())), of(said, |said| &said.on_failure));
    }
}

fn target(target: &Target) -> String {
    let location = text(&target.place);
    let timeout = target.timeout.map(|timeout| format!(", timeout = {}", time(timeout))).unwrap_or_default();
    let credentials = match &target.credentials {
        Credentials::Usual if timeout.is_empty() => return location,
        Credentials::Usual => String::new(),
        said @ (Credentials::None | Credentials::Forward | Credentials::Source(_)) => {
            format!(", credentials = {}", string(said.name()))
        }
    };
    format!("{{ location = {location}{credentials}{timeout} }}")
}

/// The built-in rules, which are said by their names in `builtin_rules`, and so are comments here.
fn builtin_rules(page: &mut Page, source: &Source, settings: &Settings) {
    let replaced = settings.rules.replaced();
    for rule in settings.rules.all().iter().filter(|rule| rule.builtin) {
        let own = |alias: &String| builtin::rule(alias).is_some_and(|own| own.name == rule.name);
        let alias = aliases(source).into_iter().find(own).unwrap_or_else(|| builtin::COREDNS.to_owned());
        let back = || replaced.iter().filter(|replaced| replaced.builtin == rule.name);
        let mut rule = Rule::clone(rule);
        rule.patterns.retain(|pattern| !back().any(|replaced| replaced.pattern == *pattern));
        page.built_in(&alias);
        for replaced in back() {
            page.remark(&format!("it stands back from `{}`, for the rule `{}`", replaced.pattern, replaced.by));
        }
        if !rule.patterns.is_empty() {
            page.table("[[rules]]", &keys::RULE, None);
            one_rule(page, &rule, None);
        }
    }
}

fn aliases(source: &Source) -> Vec<String> {
    let said = source.said.builtin_rules.as_ref();
    said.map_or_else(
        || vec![builtin::KUBERNETES.to_owned()],
        |said| said.value.iter().map(|alias| alias.value.clone()).collect(),
    )
}
