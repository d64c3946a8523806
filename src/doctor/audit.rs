//! The audit log: whether the service can write it, whether it is whole, and how long there is room.

use super::{Case, Check, Id, case};
use crate::args::Check as Asked;
use crate::audit::Settings;
use crate::daemon::wrong::wrong;
use crate::node::unit::Unit;
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
    if let Some(allowed) = confined(case, &settings.file) {
        return failure(
            format!("its unit lets the service write in {allowed} alone, and {file} is elsewhere"),
            format!(
                "`systemctl edit repoint.service`: [Service] ReadWritePaths={}",
                settings.file.parent().unwrap_or(&settings.file).display()
            ),
        );
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

/// Where the unit lets the service write, if the file is not there.
fn confined(case: &Case, file: &Path) -> Option<String> {
    let unit = Unit::read(&case.tree, case::UNIT).ok()??;
    let all = |key| {
        unit.all("Service", key).into_iter().flat_map(|setting| setting.value.split_whitespace()).collect::<Vec<_>>()
    };
    if all("ProtectSystem").last() != Some(&"strict") {
        return None;
    }
    let named = [
        ("LogsDirectory", "/var/log"),
        ("StateDirectory", "/var/lib"),
        ("RuntimeDirectory", "/run"),
        ("CacheDirectory", "/var/cache"),
    ];
    let made = named.iter().flat_map(|(key, below)| all(key).into_iter().map(move |name| Path::new(below).join(name)));
    let said = all("ReadWritePaths").into_iter().map(|path| PathBuf::from(path.trim_start_matches(['-', '+'])));
    let allowed: Vec<PathBuf> = made.chain(said).collect();
    if allowed.iter().any(|path| file.starts_with(path)) {
        return None;
    }
    Some(allowed.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "))
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
