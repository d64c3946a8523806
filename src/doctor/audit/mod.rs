//! The audit log: whether the service can write it, whether it is whole, and how long there is room.

mod confined;

use super::{Case, Check, Id};
use crate::args::Check as Asked;
use crate::audit::Settings;
use crate::daemon::wrong::wrong;
use confined::Confined;
use rustix::fs::{StatVfsMountFlags, statvfs};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// With less, other things on the node fail, too.
const LITTLE: u64 = 32 << 20;

pub(super) fn checks(case: &Case) -> Vec<Check> {
    let Ok(settings) = &case.settings else {
        let why = "the configuration is wrong, so it is not known where the log is";
        return [Id::AuditWritable, Id::AuditWhole, Id::AuditRoom].map(|id| Check::skipped(id, why)).into();
    };
    let settings = &settings.audit;
    let mut checks = vec![writable(case, settings), whole(case)];
    checks.push(room(case, settings));
    checks
}

fn writable(case: &Case, settings: &Settings) -> Check {
    let id = Id::AuditWritable;
    let file = settings.file.display().to_string();
    let failure = |found: String, remedy: String| Check::failure(id, found, remedy).at(&file);
    let real = case.path(&settings.file);
    match fs::metadata(&real) {
        Ok(found) if !found.is_file() => {
            return failure(
                format!("{file} is not a file"),
                format!("move {file} away, or name another file by `audit.file`"),
            );
        }
        Ok(found) if !may_write(&found) => {
            return failure(
                format!(
                    "{file} can't be written by a root without capabilities, as the service is: it is {}",
                    mode(&found)
                ),
                format!("`chown root {file}` and `chmod u+w {file}`"),
            );
        }
        Ok(_) | Err(_) => {}
    }
    // Where it is not there yet, its directory is made; where it is, it is put aside in it.
    let Some((directory, found)) = existing(&real) else {
        return failure(format!("there is no directory for {file}"), "see to the disk that it is on".to_owned());
    };
    let shown = directory.display();
    if !found.is_dir() {
        return failure(format!("{shown} is not a directory, so {file} can't be made"), format!("move {shown} away"));
    }
    if !may_write(&found) {
        return failure(
            format!(
                "{shown} can't be written by a root without capabilities, as the service is: it is {}",
                mode(&found)
            ),
            format!("`chown root {shown}` and `chmod u+rwx {shown}`"),
        );
    }
    if statvfs(&directory).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::RDONLY)) {
        return failure(
            format!("{shown} is on a file system that is read-only"),
            format!("mount it to be written to, or name another file than {file} by `audit.file`"),
        );
    }
    if let Some(check) = by_unit(case, &settings.file) {
        return check.at(&file);
    }
    Check::ok(id, format!("{file} can be written")).at(&file)
}

/// As the kernel does for a user 0 that has no capabilities.
fn may_write(found: &Metadata) -> bool {
    let needed = if found.is_dir() { 0o3 } else { 0o2 };
    let shift = match (found.uid(), found.gid()) {
        (0, _) => 6,
        (_, 0) => 3,
        _ => 0,
    };
    (found.mode() >> shift) & needed == needed
}

fn mode(found: &Metadata) -> String {
    format!("user {}'s, with mode {:04o}", found.uid(), found.mode() & 0o7777)
}

/// The nearest directory above that is there, or what is there in the place of one.
fn existing(file: &Path) -> Option<(PathBuf, Metadata)> {
    file.ancestors().skip(1).find_map(|path| Some((path.to_owned(), fs::metadata(path).ok()?)))
}

/// What its unit has against it that the service writes that file.
fn by_unit(case: &Case, path: &Path) -> Option<Check> {
    let id = Id::AuditWritable;
    let file = path.display();
    let directory = path.parent().unwrap_or(path);
    let again = "`systemctl daemon-reload` and `systemctl restart repoint.service`";
    let other = "name another place by `audit.file`, such as /var/log/repoint/audit.jsonl";
    Some(match Confined::of(case, path) {
        Confined::Not => return None,
        Confined::Unclear(why) => Check::note(id, format!("whether {file} can be written is not known: {why}"))
            .remedy("`repoint status` says what the service could not write"),
        Confined::Hidden { by } => {
            Check::failure(id, format!("its unit keeps what is really at {file} from the service: {by}"), other)
        }
        Confined::Missing { by, directory } => Check::failure(
            id,
            format!(
                "its unit names a directory that is not there, and systemd does not start it (226/NAMESPACE): {by}"
            ),
            format!("`mkdir -p {directory}`, or take that line out; then {again}"),
        ),
        Confined::ReadOnly { by, is_exactly: true, .. } => Check::failure(
            id,
            format!("its unit does not let the service write {file}: {by}"),
            format!("take that line out, then {again}; or {other}"),
        ),
        Confined::ReadOnly { by, allowed, .. } => {
            let is_there = case.tree.has(directory);
            let directory = directory.display();
            let first = match is_there {
                true => String::new(),
                false => format!(
                    "first `mkdir -p {directory}` (systemd does not start a unit that names a directory that is not there), then "
                ),
            };
            Check::failure(
                id,
                format!("its unit lets the service write in {allowed}, and {file} is elsewhere: {by}"),
                format!("{first}`systemctl edit repoint.service`: [Service] ReadWritePaths={directory}; then {again}"),
            )
        }
    })
}

fn whole(case: &Case) -> Check {
    let id = Id::AuditWhole;
    match &case.service {
        None => Check::skipped(id, "only files are looked at"),
        Some(Err(_)) => Check::skipped(id, "the service does not answer"),
        Some(Ok(status)) => match wrong(Asked::Audit, status) {
            None => Check::ok(id, format!("no record is missing since {:.0}", status.started)),
            Some(wrong) => {
                let why = status
                    .last_error
                    .as_ref()
                    .map_or(String::new(), |last| format!("; the last error: {}", last.message));
                Check::failure(
                    id,
                    format!("{wrong}, since {:.0}{why}", status.started),
                    "`journalctl -u repoint` says why; mend that (audit.writable, audit.room): what is lost is lost",
                )
            }
        },
    }
}

fn room(case: &Case, settings: &Settings) -> Check {
    let id = Id::AuditRoom;
    let real = case.path(&settings.file);
    let Some((directory, _)) = existing(&real) else { return Check::skipped(id, "there is no directory for the log") };
    let Ok(found) = statvfs(&directory) else {
        return Check::skipped(id, format!("{} can't be asked", directory.display()));
    };
    let free = found.f_bavail.saturating_mul(found.f_frsize);
    let shown = format!("{} MiB are free where {} is", free >> 20, settings.file.display());
    // What is put aside is compressed to a tenth or so.
    let rotation = &settings.rotation;
    let kept = u64::try_from(rotation.keep).unwrap_or(u64::MAX);
    let all = rotation.bytes.saturating_mul(kept);
    let needed = rotation.bytes.saturating_add(if rotation.compress { all.div_euclid(10) } else { all });
    let remedy = "make room, or keep less (`audit.rotate_bytes`, `audit.keep`)";
    if free < LITTLE || found.f_favail == 0 && found.f_files > 0 {
        Check::failure(id, format!("{shown}: records are about to be lost"), remedy)
    } else if free < needed {
        Check::warning(
            id,
            format!("{shown}, and the log may come to {} MiB with what is kept of it", needed >> 20),
            remedy,
        )
    } else {
        Check::ok(id, shown)
    }
}
