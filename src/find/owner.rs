//! Who made a pod, guessed from its name: controllers put what they are called in front of what tells their pods apart.
//!
//! | name | is from |
//! |---|---|
//! | `etcd-worker-1`, on `worker-1` | a static pod: the kubelet appends the node's name |
//! | `web-5d78c9869d-x2kqz` | a Deployment: its `ReplicaSet`'s hash, then five random characters |
//! | `backup-27985440-x2kqz` | a `CronJob`: the minute it was due (before 1.21, the second), then five |
//! | `agent-x2kqz` | a `DaemonSet`, a Job, or a `ReplicaSet` of its own: they cannot be told apart |
//! | `db-0` | a `StatefulSet` |
//! | anything else | nobody: the pod itself |
//!
//! Kubernetes writes random text and hashes in an alphabet without vowels, so that they are seldom words; a hash is a number
//! whose digits are written as letters, so of those only ten occur. `db-redis` keeps its name. `app-html5`, made by hand,
//! would lose half of it: it is a guess.

use serde::Serialize;

/// Who it was, by a name that is the beginning of the pod's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner<'a> {
    /// The beginning of the pod's.
    pub name: &'a str,
    /// What it was.
    pub kind: Kind,
}

/// What it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A file of the node's.
    StaticPod,
    /// A Deployment.
    Deployment,
    /// A `CronJob`.
    CronJob,
    /// A `StatefulSet`.
    StatefulSet,
    /// A `DaemonSet`, a Job or a `ReplicaSet`.
    Controller,
    /// Nobody.
    Pod,
}

/// What random names are made of.
const RANDOM: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
/// What the decimal digits come to in it.
const HASH: &[u8] = b"456789bcdf";
/// Names of pods that are made up are cut to this, random part included.
const LONGEST: usize = 63;
const RANDOM_LENGTH: usize = 5;

/// Guesses who made the pod of this name on that node.
pub fn owner<'a>(pod: &'a str, node: &str) -> Owner<'a> {
    if let Some(name) = without_node(pod, node) {
        return Owner { name, kind: Kind::StaticPod };
    }
    if let Some((base, random)) = split(pod)
        && random.len() == RANDOM_LENGTH
        && is_of(random, RANDOM)
    {
        return made_by(base);
    }
    // Of a long name the end is cut, dash and all, so that the random part fits.
    if pod.len() == LONGEST
        && let Some((base, random)) = pod.split_at_checked(LONGEST - RANDOM_LENGTH)
        && is_of(random, RANDOM)
    {
        return match split(base) {
            Some((name, hash)) if is_of(hash, HASH) => Owner { name, kind: Kind::Deployment },
            Some(_) | None => Owner { name: base, kind: Kind::Controller },
        };
    }
    if let Some((name, ordinal)) = split(pod)
        && is_ordinal(ordinal)
    {
        return Owner { name, kind: Kind::StatefulSet };
    }
    Owner { name: pod, kind: Kind::Pod }
}

/// The `CronJob` that made a Job of this name, if it is called as such.
pub fn cron_job(job: &str) -> Option<&str> {
    split(job).filter(|(_, due)| is_due(due)).map(|(name, _)| name)
}

/// Who made it, by the pod's name without its random part.
fn made_by(base: &str) -> Owner<'_> {
    match split(base) {
        // A hash of fewer digits than six is one of four thousand, and most words are shorter.
        Some((name, hash)) if (6..=10).contains(&hash.len()) && is_of(hash, HASH) && !is_due(hash) => {
            Owner { name, kind: Kind::Deployment }
        }
        Some((name, due)) if is_due(due) => Owner { name, kind: Kind::CronJob },
        Some(_) | None => Owner { name: base, kind: Kind::Controller },
    }
}

/// The kubelet writes the node's name in lower case.
fn without_node<'a>(pod: &'a str, node: &str) -> Option<&'a str> {
    let start = pod.len().checked_sub(node.len())?;
    let (before, end) = pod.split_at_checked(start)?;
    let name = before.strip_suffix('-').filter(|name| !name.is_empty());
    name.filter(|_| !node.is_empty() && end.eq_ignore_ascii_case(node))
}

/// A name and what is behind its last dash; neither is empty.
fn split(name: &str) -> Option<(&str, &str)> {
    name.rsplit_once('-').filter(|(name, end)| !name.is_empty() && !end.is_empty())
}

fn is_of(text: &str, alphabet: &[u8]) -> bool {
    text.bytes().all(|byte| alphabet.contains(&byte))
}

/// Minutes since 1970, from 2008 to 2046, or seconds, from 2001 to 2033.
fn is_due(text: &str) -> bool {
    let starts = |with: &[&str]| with.iter().any(|start| text.starts_with(start));
    text.bytes().all(|byte| byte.is_ascii_digit())
        && match text.len() {
            8 => starts(&["2", "3"]),
            10 => starts(&["1"]),
            _ => false,
        }
}

fn is_ordinal(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'))
}

// === impl Kind ===

impl Kind {
    /// As people say it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::StaticPod => "static pod",
            Self::Deployment => "Deployment",
            Self::CronJob => "CronJob",
            Self::StatefulSet => "StatefulSet",
            Self::Controller => "DaemonSet or Job",
            Self::Pod => "pod",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_controller_appends_is_taken_off_and_nothing_else() {
        for (pod, name, kind) in [
            ("etcd-worker-1", "etcd", Kind::StaticPod),
            ("kube-proxy-x2kqz", "kube-proxy", Kind::Controller),
            ("web-5d78c9869d-x2kqz", "web", Kind::Deployment),
            ("my-web-app-6c9fc64f57-9b8vd", "my-web-app", Kind::Deployment),
            ("web-7b9c4f8-x2kqz", "web", Kind::Deployment),
            ("backup-27985440-x2kqz", "backup", Kind::CronJob),
            ("backup-1679313600-x2kqz", "backup", Kind::CronJob),
            ("migrate-42-x2kqz", "migrate-42", Kind::Controller),
            ("db-0", "db", Kind::StatefulSet),
            ("kafka-broker-12", "kafka-broker", Kind::StatefulSet),
            ("db-01", "db-01", Kind::Pod),
            ("batch-27985440", "batch-27985440", Kind::Pod),
            ("db-redis", "db-redis", Kind::Pod),
            ("debug", "debug", Kind::Pod),
            ("-x2kqz", "-x2kqz", Kind::Pod),
            ("worker-1", "worker", Kind::StatefulSet),
            ("-worker-1", "-worker", Kind::StatefulSet),
            ("", "", Kind::Pod),
            ("größe-x2kqz", "größe", Kind::Controller),
        ] {
            assert_eq!(owner(pod, "worker-1"), Owner { name, kind }, "{pod}");
        }
    }

    #[test]
    fn a_static_pod_ends_in_its_own_node_and_in_no_other() {
        let node = "ip-10-0-0-1.ec2.internal";
        let etcd = owner("etcd-ip-10-0-0-1.ec2.internal", node);
        assert_eq!(etcd, Owner { name: "etcd", kind: Kind::StaticPod });
        assert_eq!(owner("etcd-ip-10-0-0-1.ec2.internal", "IP-10-0-0-1.EC2.internal").kind, Kind::StaticPod);
        assert_eq!(owner("etcd-ip-10-0-0-2.ec2.internal", node).kind, Kind::Pod);
        assert_eq!(owner("etcd", "").kind, Kind::Pod);
    }

    #[test]
    fn a_long_name_is_cut_before_its_random_part() {
        let long = "a-deployment-that-was-given-a-name-much-longer-than-others";
        let pod = format!("{}-5d7x2kqz", long.get(..54).unwrap());
        assert_eq!(pod.len(), LONGEST);
        assert_eq!(owner(&pod, "n"), Owner { name: long.get(..54).unwrap(), kind: Kind::Deployment });
        let pod = format!("{}x2kqz", long.get(..58).unwrap());
        assert_eq!(owner(&pod, "n"), Owner { name: long, kind: Kind::Controller });
    }
}
