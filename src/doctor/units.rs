//! The units: as shipped, or what is different; what is added by drop-ins is listed, and is nothing wrong.

use super::{Case, Check, Id};
use crate::node::unit::Unit;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// What the packages have.
const SHIPPED: [(&str, &str); 2] = [
    ("repoint.service", include_str!("../../systemd/repoint.service")),
    ("repoint.socket", include_str!("../../systemd/repoint.socket")),
];
/// How long systemd has to answer.
const ANSWER: Duration = Duration::from_secs(5);

pub(super) async fn checks(case: &Case) -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, shipped) in SHIPPED {
        checks.push(one(case, name, shipped).await.about(name));
    }
    checks
}

async fn one(case: &Case, name: &str, shipped: &str) -> Check {
    let id = Id::ServiceUnits;
    let unit = match Unit::read(&case.tree, name) {
        Ok(Some(unit)) => unit,
        Ok(None) => {
            return Check::warning(
                id,
                "there is no such unit, or it is masked",
                format!(
                    "install the package, or see to `systemctl status {name}`: without it repoint is not there after a boot"
                ),
            );
        }
        Err(error) => return Check::unclear(id, &error, "mend the unit's files"),
    };
    let fragment = unit.fragment.display().to_string();
    let drop_ins = unit.drop_ins.iter().map(|path| path.display().to_string());
    let drop_ins = drop_ins.fold(String::new(), |all, path| format!("{all}, with {path}"));
    let at = |check: Check| {
        unit.drop_ins.iter().fold(check.at(&fragment), |check, path| check.at(path.display().to_string()))
    };
    let text = case.tree.text(Path::new(&fragment)).ok().flatten().unwrap_or_default();
    if text != shipped {
        let line = different(&text, shipped);
        let remedy = if fragment.starts_with("/etc/") {
            format!(
                "it goes before the package's: keep what you changed in a drop-in (`systemctl edit {name}`), and remove {fragment}"
            )
        } else {
            format!("install the package again, and keep what you changed in a drop-in (`systemctl edit {name}`)")
        };
        return at(Check::warning(
            id,
            format!("{fragment} is not as this version ships it, from line {line} on{drop_ins}"),
            remedy,
        ));
    }
    if case.wishes.root.is_none() && needs_reload(name).await {
        return at(Check::warning(
            id,
            format!("{fragment} or a drop-in has changed since systemd read it"),
            "`systemctl daemon-reload`, then `systemctl restart repoint.service`",
        ));
    }
    at(Check::ok(id, format!("{fragment}, as shipped{drop_ins}")))
}

/// The first line that is another.
fn different(text: &str, shipped: &str) -> usize {
    let same = text.lines().zip(shipped.lines()).take_while(|(one, other)| one == other).count();
    same.saturating_add(1)
}

/// Whether systemd says so. Where there is none, or it does not answer, nobody does.
async fn needs_reload(name: &str) -> bool {
    let mut command = Command::new("systemctl");
    command
        .args(["show", name, "--property=NeedDaemonReload"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(ANSWER, command.output()).await;
    output.is_ok_and(|output| output.is_ok_and(|output| output.stdout.trim_ascii() == b"NeedDaemonReload=yes"))
}
