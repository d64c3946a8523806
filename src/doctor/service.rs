//! The running service: whether it answers, is of this version, and goes by what is written.

use super::{Case, Check, Id};
use crate::daemon::status::Status;

pub(super) fn checks(case: &Case) -> Vec<Check> {
    let mut checks = Vec::new();
    let status = match &case.service {
        Some(Ok(status)) => {
            let found = format!("process {}, since {:.0}", status.pid, status.started);
            checks.push(if status.stopping {
                Check::warning(
                    Id::ServiceRunning,
                    format!("{found}: it is stopping"),
                    "wait, then `systemctl start repoint.service`",
                )
            } else {
                Check::ok(Id::ServiceRunning, found)
            });
            Some(status)
        }
        Some(Err(why)) => {
            let remedy = "`systemctl enable --now repoint.service`; `journalctl -u repoint` says why it does not run";
            checks.push(Check::failure(Id::ServiceRunning, why, remedy));
            None
        }
        None => {
            checks.push(Check::skipped(Id::ServiceRunning, "only files are looked at; --admin names a socket"));
            None
        }
    };
    checks.push(configuration(case, status));
    let unknown = "the service does not answer, or was not asked";
    match status {
        Some(status) => checks.extend([version(status), overrides(status)]),
        None => checks.extend([Id::ServiceVersion, Id::ServiceOverrides].map(|id| Check::skipped(id, unknown))),
    }
    checks
}

fn version(status: &Status) -> Check {
    let (id, own) = (Id::ServiceVersion, env!("CARGO_PKG_VERSION"));
    if status.version == own {
        return Check::ok(id, format!("the service and this program are both {own}"));
    }
    let found = format!("the service that runs is {}, and this program is {own}", status.version);
    Check::warning(id, found, "`systemctl restart repoint.service` runs the program that is installed")
}

fn configuration(case: &Case, status: Option<&Status>) -> Check {
    let id = Id::ServiceConfiguration;
    let settings = match &case.settings {
        Ok(settings) => settings,
        Err(mistakes) => {
            let first = mistakes.lines().next().unwrap_or_default();
            let more = mistakes.lines().count().saturating_sub(1);
            let more = if more == 0 { String::new() } else { format!(" (and {more} lines more)") };
            return Check::failure(
                id,
                format!("what is written is wrong: {first}{more}"),
                "`repoint config check` tells every mistake; mend them, then `systemctl reload repoint`",
            );
        }
    };
    let Some(status) = status else {
        return Check::ok(id, format!("no mistakes; rules: {}", settings.rules.rules().len()));
    };
    let configuration = &status.configuration;
    if let Some(refused) = &configuration.refused {
        return Check::failure(
            id,
            format!("the service refused what was written at {:.0}: {}", refused.time, refused.message),
            "`repoint config check`, then `systemctl reload repoint`",
        );
    }
    match configuration.source.as_str() {
        "files" if case.wishes.config.is_some() || configuration.hash == settings.hash => {
            Check::ok(id, format!("{} rules are in force, since {:.0}", configuration.rules, configuration.since))
        }
        "files" => Check::warning(
            id,
            format!(
                "what is written ({}) is not what is in force ({}), since {:.0}",
                settings.hash, configuration.hash, configuration.since
            ),
            "`systemctl reload repoint` (or restart it, where it says that it can't take that while it runs)",
        ),
        "last_good" => Check::failure(
            id,
            "the service goes by the last good configuration",
            "`repoint config check`, then `systemctl reload repoint`",
        ),
        _ => Check::failure(
            id,
            "no configuration is in force: nothing is substituted",
            "`repoint config check`, then `systemctl restart repoint`",
        ),
    }
}

fn overrides(status: &Status) -> Check {
    let id = Id::ServiceOverrides;
    if status.disabled {
        let switch = status.switch.display();
        return Check::warning(
            id,
            format!("no pull is substituted while {switch} is there"),
            format!("remove {switch} when it is no longer needed"),
        );
    }
    match status.overrides.as_slice() {
        [] => Check::ok(id, "rules do what they say"),
        [first, more @ ..] => {
            let found = format!(
                "rule {} does `{}` until {:.0}, by somebody's word; {} more",
                first.rule,
                first.instead.as_str(),
                first.until,
                more.len()
            );
            Check::note(id, found)
                .remedy(format!("`repoint override {} --end`, when it is no longer needed", first.rule))
        }
    }
}
