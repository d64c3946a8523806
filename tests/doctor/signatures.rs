//! Policies of signatures that tell an old name from a new one, and what is advised about them: never what is weaker.

use std::path::Path;

use super::Said;
use super::files::{CRIO, node};
use crate::support::repoint::run;
use crate::support::standin::{Answer, Standin};

type Files<'a> = &'a [(&'a str, &'a str)];

const FILE: &str = "/etc/containers/policy.json";
const ACCEPT: &str = r#"{"type": "insecureAcceptAnything"}"#;
const REJECT: &str = r#"{"type": "reject"}"#;
const SIGNED: &str =
    r#"{"type": "sigstoreSigned", "keyPath": "/k.pub", "signedIdentity": {"type": "matchRepository"}}"#;
const OTHERS: &str = r#"{"type": "sigstoreSigned", "keyPath": "/other.pub"}"#;
const OLD_BY_NEW: &str = r#""prefix": "k8s.gcr.io", "signedPrefix": "registry.k8s.io""#;
const NEW_BY_OLD: &str = r#""prefix": "registry.k8s.io", "signedPrefix": "k8s.gcr.io""#;

const CHOICE: &str = "either change the manifests to registry.k8s.io, which needs no weaker policy, or";

fn remapped(names: &str) -> String {
    format!(
        r#"{{"keyPath": "/k.pub", "type": "sigstoreSigned", "signedIdentity": {{"type": "remapIdentity", {names}}}}}"#
    )
}

/// What stands for everything, for the old registry, and for the new one.
fn policy(default: &str, old: &str, new: &str) -> String {
    let scope = |name: &str, what: &str| match what {
        "" => String::new(),
        what => format!(",\n\"{name}\": [{what}]"),
    };
    format!(
        "{{\n\"default\": [{default}],\n\"transports\": {{\"docker\": {{\n\"quay.io\": [{ACCEPT}]{}{}\n}}}}\n}}\n",
        scope("k8s.gcr.io", old),
        scope("registry.k8s.io", new)
    )
}

fn examined(files: Files<'_>) -> Said {
    let directory = node(&[CRIO, files].concat());
    Said::of(&run(&["doctor", "--json", "--root", directory.path().to_str().unwrap()], ""))
}

/// What is found below that root, where the runtime says that it is this one.
pub(super) async fn examined_of(root: &Path, name: &str, version: &str) -> Said {
    let socket = root.join("runtime.sock");
    let standin = Standin::start(&socket);
    let (runtime_name, runtime_version) = (name.to_owned(), version.to_owned());
    let told = repoint::cri::v1::VersionResponse { runtime_name, runtime_version, ..Default::default() };
    standin.answers("/runtime.v1.RuntimeService/Version", move |_| Answer::message(&told));
    let words = [root.to_str().unwrap(), socket.to_str().unwrap()].map(str::to_owned);
    let examined = move || {
        run(&["doctor", "--json", "--skip-pull", "--root", words[0].as_str(), "--runtime", words[1].as_str()], "")
    };
    Said::of(&tokio::task::spawn_blocking(examined).await.unwrap())
}

#[test]
fn what_is_advised_is_never_weaker_and_names_the_entry_that_is_in_the_way() {
    let never = ["insecureAcceptAnything", "what stands for k8s.gcr.io"];
    for (default, old, new, verdict, found, remedy, unsaid) in [
        // The new name is stricter: nothing is to be weakened.
        (ACCEPT, "", SIGNED, "warning", "the new name, which is stricter", "there is nothing to weaken", &never[..]),
        (ACCEPT, ACCEPT, SIGNED, "warning", "fail where there are no such signatures", "signed as /etc", &never),
        (REJECT, ACCEPT, "", "failure", "every one of them fails", "an entry for registry.k8s.io in", &never),
        // The old one is not what is pulled, but what is started.
        (ACCEPT, REJECT, "", "failure", "containers do not start", CHOICE, &["copy", "the same"]),
        (ACCEPT, REJECT, "", "failure", "containers do not start", "k8s.gcr.io directly", &["copy"]),
        (REJECT, "", SIGNED, "failure", "containers do not start", CHOICE, &[NEW_BY_OLD]),
        (REJECT, "", SIGNED, "failure", "containers do not start", OLD_BY_NEW, &[NEW_BY_OLD]),
        // Nobody looks for signatures any more.
        (ACCEPT, SIGNED, "", "warning", "nobody looks for signatures", NEW_BY_OLD, &["insecureAccept"]),
        (ACCEPT, SIGNED, OTHERS, "warning", "does not admit the same signatures", OLD_BY_NEW, &["insecureAccept"]),
        (SIGNED, "", "", "warning", "does not admit the same signatures", OLD_BY_NEW, &[]),
    ] {
        let text = policy(default, old, new);
        let said = examined(&[(FILE, &text)]);
        let check = said.has("crio.signatures", verdict, found, remedy);
        let advised = check["remedy"].as_str().unwrap();
        assert!(unsaid.iter().all(|unsaid| !advised.contains(unsaid)), "{check:#}");
    }
}

#[test]
fn entries_that_admit_the_same_signatures_are_the_same() {
    let (old_by_new, new_by_old) = (remapped(OLD_BY_NEW), remapped(NEW_BY_OLD));
    let fixed = r#"{"type": "signedBy", "keyPath": "/k", "signedIdentity": {"type": "exactRepository", "dockerRepository": "a.example/b"}}"#;
    for (old, new) in [
        (old_by_new.as_str(), SIGNED),
        (SIGNED, new_by_old.as_str()),
        (ACCEPT, ACCEPT),
        (REJECT, REJECT),
        (fixed, fixed),
    ] {
        let text = policy(REJECT, old, new);
        let said = examined(&[(FILE, &text)]);
        said.has("crio.signatures", "ok", "", "");
        assert_eq!(said.all("crio.signatures").len(), 1, "{old} {new}");
    }
    for (old, new) in [(new_by_old.as_str(), SIGNED), (SIGNED, old_by_new.as_str()), (SIGNED, SIGNED)] {
        let text = policy(REJECT, old, new);
        examined(&[(FILE, &text)]).has("crio.signatures", "warning", "but not for the same names", "");
    }
}

#[test]
fn a_rule_for_some_namespaces_is_judged_by_their_policies_and_everybody_s() {
    let rule = "builtin_rules = []\n[[rules]]\nname = \"m\"\nmatch = [\"k8s.gcr.io\"]\nnamespaces = [\"dev\"]\ntargets = [\"registry.k8s.io\"]\n";
    let rule = ("/etc/repoint/repoint.toml", rule);
    let text = policy(ACCEPT, "", REJECT);
    for (file, verdict) in
        [("/etc/crio/policies/prod.json", "ok"), ("/etc/crio/policies/dev.json", "failure"), (FILE, "failure")]
    {
        examined(&[rule, (file, &text)]).has("crio.signatures", verdict, "", "");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cri_o_that_does_not_judge_starts_is_not_said_to() {
    for (old, new, version, verdict, found) in [
        (SIGNED, SIGNED, "1.30.2", "ok", ""),
        (SIGNED, SIGNED, "1.31.0", "warning", "this CRI-O judges the start"),
        (SIGNED, OTHERS, "1.30.2", "warning", "need those signatures"),
        (REJECT, ACCEPT, "1.30.2", "note", "CRI-O from 1.31 on judges the start"),
        (REJECT, ACCEPT, "1.36.0", "failure", "this CRI-O judges the start of a container by the old one, and refuses"),
    ] {
        let text = policy(ACCEPT, old, new);
        let directory = node(&[CRIO, &[(FILE, text.as_str())]].concat());
        let said = examined_of(directory.path(), "cri-o", version).await;
        let check = said.has("crio.signatures", verdict, found, "");
        assert!(version != "1.30.2" || !check["found"].as_str().unwrap().contains("this CRI-O"), "{check:#}");
    }
}
