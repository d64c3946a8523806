//! From the text of one file to what it says.

use super::keys::{self, Table};
use super::kind::Kind;
use super::mistake::Mistake;
use super::place::{File, Placed};
use super::reader::{Fields, Raw, Reader, segment};
use super::said::{
    Said, SaidAccess, SaidAudit, SaidCredentials, SaidDrain, SaidLabel, SaidRule, SaidTarget, Variables,
};
use super::value;
use crate::proxy::access::Service;
use crate::rules::Credentials;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// A file that is no TOML is not looked at any further than for so many reasons.
const MOST_SYNTAX: usize = 10;
/// What the parser says of a key that is there twice.
const TWICE: &str = "duplicate key";

/// What a file says, and what is wrong with it; nothing where it is no TOML.
pub(super) fn file(file: &File) -> (Option<Said>, Vec<Mistake>) {
    match DeTable::parse(file.text()) {
        Ok(document) => {
            let mut reader = Reader::new(file);
            let said = top(&mut reader, document.get_ref());
            (Some(said), reader.mistakes)
        }
        Err(_first) => (None, syntax(file)),
    }
}

/// Every line that is no TOML. Of a line that has several reasons, the first is the cause of the others.
fn syntax(file: &File) -> Vec<Mistake> {
    let (_what_is_left, errors) = DeTable::parse_recoverable(file.text());
    let mut errors: Vec<(Range<usize>, String)> = errors
        .into_iter()
        .map(|error| (error.span().unwrap_or_default(), error.message().lines().collect::<Vec<_>>().join(", ")))
        .collect();
    errors.sort_by_key(|(span, _)| span.start);
    errors.dedup_by_key(|(span, _)| file.place(span).line());
    // The keys of a table that is there twice are only there twice because it is.
    let mut end_of_twice = 0;
    errors.retain(|(span, message)| {
        let is_twice = message == TWICE;
        if is_twice && span.start < end_of_twice {
            return false;
        }
        if is_twice && header(file.line(span)).is_some() {
            end_of_twice = end_of_table(file.text(), span.end);
        }
        true
    });
    let told = errors.into_iter().take(MOST_SYNTAX);
    told.map(|(span, message)| {
        let hint = if message == TWICE { twice(file, &span) } else { String::new() };
        Mistake::in_text(file.place(&span), message + &hint)
    })
    .collect()
}

/// What to say of a key that is there twice.
fn twice(file: &File, span: &Range<usize>) -> String {
    let Some(key) = file.at(span) else { return String::new() };
    let is_list = keys::TOP.key(key).is_some_and(|key| matches!(key.kind, Kind::Tables(_)));
    if is_list && header(file.line(span)) == Some(key) {
        format!(" `{key}`: each rule stands under a line `[[{key}]]` of its own, and none under `[{key}]`")
    } else {
        format!(" `{key}`")
    }
}

/// The table that a line begins, `rules` in `[rules]` or `[[rules]]`, if it begins one.
fn header(line: &str) -> Option<&str> {
    let inner = line.trim_start().strip_prefix('[')?;
    inner.trim_start_matches('[').split(']').next().map(str::trim)
}

/// Where the next table begins, as seen from `start`, on the line of a header. (A list within a table may look like one:
/// then more is told than has to be.)
fn end_of_table(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    let mut lines = rest.match_indices('\n').map(|(end, _)| end.saturating_add(1));
    let next = lines.find(|&line| rest.get(line..).and_then(header).is_some());
    next.map_or(text.len(), |next| start.saturating_add(next))
}

fn top<'a>(reader: &mut Reader<'a>, table: &'a DeTable<'a>) -> Said {
    let top = &reader.fields("", &keys::TOP, table, &(0..0));
    let (rules, lacks_rules) = rules(reader, top);
    Said {
        listen: reader.one(top, "listen", value::socket),
        admin: reader.one(top, "admin", value::socket),
        metrics_tcp: reader.one(top, "metrics_tcp", value::tcp),
        runtime: reader.one(top, "runtime", value::socket),
        image_endpoint: reader.one(top, "image_endpoint", value::socket),
        keep_original_name: reader.one(top, "keep_original_name", value::keep_original_name),
        sandbox_image: reader.one(top, "sandbox_image", value::image),
        node: reader.one(top, "node", value::name),
        runtime_wait: reader.one(top, "runtime_wait", value::wait),
        message_limit_bytes: reader.one(top, "message_limit_bytes", value::limit),
        state: reader.one(top, "state", value::path),
        reload_on_change: reader.one(top, "reload_on_change", value::truth),
        builtin_rules: reader.many(top, "builtin_rules", value::alias),
        audit: audit(reader, top),
        access: access(reader, top),
        drain: drain(reader, top),
        labels: labels(reader, top),
        credentials: all_credentials(reader, top),
        rules,
        lacks_rules,
    }
}

fn audit<'a>(reader: &mut Reader<'a>, top: &Fields<'a>) -> SaidAudit {
    let Some((table, span)) = reader.table(top, "audit") else { return SaidAudit::default() };
    let audit = &reader.fields("audit", &keys::AUDIT, table, &span);
    SaidAudit {
        file: reader.one(audit, "file", value::path),
        sync: reader.one(audit, "sync", value::truth),
        required: reader.one(audit, "required", value::truth),
        rotate_bytes: reader.one(audit, "rotate_bytes", value::rotate_bytes),
        rotate_after: reader.one(audit, "rotate_after", value::time),
        keep: reader.one(audit, "keep", value::keep),
        compress: reader.one(audit, "compress", value::truth),
        journald: reader.one(audit, "journald", value::truth),
        stdout: reader.one(audit, "stdout", value::truth),
    }
}

fn access<'a>(reader: &mut Reader<'a>, top: &Fields<'a>) -> SaidAccess {
    let Some((table, span)) = reader.table(top, "access") else { return SaidAccess::default() };
    let access = &reader.fields("access", &keys::ACCESS, table, &span);
    let services = reader.many(access, "services", value::service);
    if let Some((_, raw)) = access.get("services")
        && services.as_ref().is_some_and(|said| said.value.iter().all(|one| one.value != Service::Image))
    {
        reader.wrong(&raw.span(), access.key("services"), "image calls are what repoint is for: add \"image\"");
    }
    SaidAccess {
        owner: reader.one(access, "owner", value::account),
        group: reader.one(access, "group", value::account),
        mode: reader.one(access, "mode", value::mode),
        allow_wider_access: reader.one(access, "allow_wider_access", value::truth),
        allow_uids: reader.many(access, "allow_uids", value::id),
        allow_gids: reader.many(access, "allow_gids", value::id),
        services,
    }
}

fn drain<'a>(reader: &mut Reader<'a>, top: &Fields<'a>) -> SaidDrain {
    let Some((table, span)) = reader.table(top, "drain") else { return SaidDrain::default() };
    let drain = &reader.fields("drain", &keys::DRAIN, table, &span);
    SaidDrain {
        calls: reader.one(drain, "calls", value::wait),
        long_calls: reader.one(drain, "long_calls", value::wait),
    }
}

fn labels<'a>(reader: &mut Reader<'a>, top: &Fields<'a>) -> Vec<SaidLabel> {
    let Some((table, _)) = reader.table(top, "labels") else { return Vec::new() };
    let mut all = Vec::new();
    for (name, raw) in table {
        let path = format!("labels.{}", segment(name.get_ref()));
        let most = keys::LONGEST_LABEL.0;
        if name.get_ref().is_empty() || name.get_ref().len() > most {
            reader.wrong(&name.span(), path.as_str(), &format!("a label's name has 1 to {most} bytes"));
        }
        let Some(value) = reader.value(&path, Kind::Text, raw, value::label) else { continue };
        let name = Placed { value: name.get_ref().to_string(), place: reader.place(&name.span()) };
        all.push(SaidLabel { name, value });
    }
    all
}

fn all_credentials<'a>(reader: &mut Reader<'a>, top: &Fields<'a>) -> Vec<SaidCredentials> {
    let Some((tables, _)) = reader.table(top, "credentials") else { return Vec::new() };
    let mut all: Vec<_> = tables
        .iter()
        .filter_map(|(name, raw)| {
            let path = format!("credentials.{}", segment(name.get_ref()));
            let Some(table) = raw.get_ref().as_table() else {
                let what = "expected a table: a source has a name, as `mirror` in `[credentials.mirror]`";
                reader.wrong(&raw.span(), path, what);
                return None;
            };
            let span = if name.span().is_empty() { raw.span() } else { name.span() };
            let name = Placed { value: name.get_ref().to_string(), place: reader.place(&span) };
            Some(credentials(reader, &path, name, table, &raw.span()))
        })
        .collect();
    // The table is in the order of the names.
    all.sort_by(|one, other| one.name.place.cmp(&other.name.place));
    all
}

fn credentials<'a>(
    reader: &mut Reader<'a>,
    path: &str,
    name: Placed<String>,
    table: &'a DeTable<'a>,
    span: &Range<usize>,
) -> SaidCredentials {
    let before = reader.mistakes.len();
    for reserved in [Credentials::None, Credentials::Forward] {
        if reserved.name() == name.value {
            let what = format!("`{}` has a meaning of its own for targets: give the source another name", name.value);
            reader.wrong(span, path, &what);
        }
    }
    if name.value.is_empty() {
        reader.wrong(span, path, "a source of credentials needs a name: it is what targets call it by");
    }
    let fields = &reader.fields(path, &keys::CREDENTIALS, table, span);
    SaidCredentials {
        name,
        docker_config: reader.one(fields, "docker_config", value::path),
        provider: reader.one(fields, "provider", value::path),
        args: reader.many(fields, "args", value::text),
        env: variables(reader, fields),
        cache: reader.one(fields, "cache", value::wait),
        systemd: reader.one(fields, "systemd", value::file_name),
        timeout: reader.one(fields, "timeout", value::time),
        is_sound: reader.mistakes.len() == before,
    }
}

fn variables<'a>(reader: &mut Reader<'a>, fields: &Fields<'a>) -> Option<Placed<Variables>> {
    let (table, span) = reader.table(fields, "env")?;
    let mut all = Vec::new();
    for (name, raw) in table {
        let path = fields.key(&format!("env.{}", segment(name.get_ref())));
        if name.get_ref().is_empty() || name.get_ref().contains(['=', '\0']) {
            reader.wrong(&name.span(), path.as_str(), "no variable can be called that");
        }
        let Some(value) = reader.value(&path, Kind::Text, raw, value::text) else { continue };
        if value.value == keys::HIDDEN {
            let what = "this stands for a value that `config show` does not show: put the value back";
            reader.wrong(&raw.span(), path, what);
        }
        all.push((name.get_ref().to_string(), value.value));
    }
    Some(Placed { value: Variables(all), place: reader.place(&span) })
}

/// The rules, and whether there are others, of which not even the name could be understood.
fn rules<'a>(reader: &mut Reader<'a>, top: &Fields<'a>) -> (Vec<SaidRule>, bool) {
    let (mut rules, mut lacks_rules): (Vec<SaidRule>, bool) = (Vec::new(), false);
    let Some((kind, raw)) = top.get("rules").map(|(key, raw)| (key.kind, raw)) else { return (rules, lacks_rules) };
    let Some(items) = raw.get_ref().as_array() else {
        reader.unexpected("rules", kind, raw, None);
        return (rules, true);
    };
    for item in items {
        let Some(table) = item.get_ref().as_table() else {
            reader.unexpected("rules", kind, item, None);
            lacks_rules = true;
            continue;
        };
        let Some(rule) = rule(reader, table, &item.span()) else {
            lacks_rules = true;
            continue;
        };
        if let Some(same) = rules.iter().find(|other| other.name.value == rule.name.value) {
            let what =
                format!("there is a rule named `{}` on line {} already", rule.name.value, same.name.place.line());
            let key = format!("rules.{}.name", segment(&rule.name.value));
            reader.mistakes.push(Mistake::at_key(rule.name.place, key, what));
            lacks_rules = true;
        } else {
            rules.push(rule);
        }
    }
    (rules, lacks_rules)
}

fn rule<'a>(reader: &mut Reader<'a>, table: &'a DeTable<'a>, span: &Range<usize>) -> Option<SaidRule> {
    let before = reader.mistakes.len();
    let name = table.get("name").and_then(|name| name.get_ref().as_str()).filter(|name| !name.is_empty());
    let path = name.map_or_else(|| "rules".to_owned(), |name| format!("rules.{}", segment(name)));
    let fields = &reader.fields(&path, &keys::RULE, table, span);
    let name = reader.one(fields, "name", value::name);
    if let Some((_, raw)) =
        fields.get("match").filter(|(_, raw)| raw.get_ref().as_array().is_some_and(|all| all.is_empty()))
    {
        reader.wrong(&raw.span(), fields.key("match"), "expected at least one registry");
    }
    let mut rule = SaidRule {
        name: Placed { value: String::new(), place: fields.place.clone() },
        patterns: reader.many(fields, "match", value::pattern),
        exclude: reader.many(fields, "exclude", value::pattern),
        namespaces: reader.many(fields, "namespaces", value::namespace),
        exclude_namespaces: reader.many(fields, "exclude_namespaces", value::namespace),
        action: reader.one(fields, "action", value::action),
        percent: reader.one(fields, "percent", value::percent),
        from: reader.one(fields, "from", value::moment),
        targets: targets(reader, fields),
        on_failure: reader.one(fields, "on_failure", value::on_failure),
        place: fields.place.clone(),
        is_sound: reader.mistakes.len() == before,
    };
    // Without a name it takes no turn among the others; that it has none was told.
    rule.name = name?;
    Some(rule)
}

fn targets<'a>(reader: &mut Reader<'a>, rule: &Fields<'a>) -> Option<Placed<Vec<Placed<SaidTarget>>>> {
    let (kind, items) = reader.items(rule, "targets")?;
    let path = rule.key("targets");
    let Kind::Target(table) = kind else { return None };
    Some(items.map(|items| items.iter().filter_map(|raw| target(reader, &path, table, raw)).collect()))
}

fn target<'a>(
    reader: &mut Reader<'a>,
    path: &str,
    keys: &'static Table,
    raw: &'a Raw<'a>,
) -> Option<Placed<SaidTarget>> {
    let place = reader.place(&raw.span());
    let DeValue::Table(table) = raw.get_ref() else {
        let location = reader.value(path, Kind::Target(keys), raw, value::location)?;
        return Some(Placed { value: SaidTarget { location, credentials: None, timeout: None }, place });
    };
    let fields = &reader.fields(path, keys, table, &raw.span());
    let (location, credentials, timeout) = (
        reader.one(fields, "location", value::location),
        reader.one(fields, "credentials", value::name),
        reader.one(fields, "timeout", value::time),
    );
    Some(Placed { value: SaidTarget { location: location?, credentials, timeout }, place })
}
