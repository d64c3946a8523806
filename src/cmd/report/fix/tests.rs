use super::*;
use crate::cmd::report::row;
use crate::cmd::report::tally::Tally;
use crate::cmd::report::window::Window;
use crate::rules::corpus::{namespaces, rule};
use crate::rules::{Action, Rule};
use jiff::Timestamp;
use std::fs;
use std::process::Command;

/// What mends these images, each of a namespace (or of no pod), under these rules.
fn fixed(tool: Tool, images: &[(&str, &str)], rules: Vec<Rule>) -> String {
    let mut tally = Tally::new(Window::new(None, None, Timestamp::MAX).unwrap(), Vec::new());
    for (image, namespace) in images {
        let pod = match *namespace {
            "" => "null".to_owned(),
            _ => format!(r#"{{"namespace":"{namespace}","name":"p","uid":"u"}}"#),
        };
        let line = format!(
            r#"{{"schema":1,"time":"2023-03-20T12:00:00Z","seq":1,"node":"n","event":"substituted","image":{image:?},"substitute":"recorded.example/x:1","pod":{pod},"outcome":"pulled"}}"#
        );
        tally.add(&serde_json::from_str(&line).unwrap());
    }
    text(tool, &row::rows(&tally), &Table::new(rules).unwrap())
}

fn builtin() -> Vec<Rule> {
    builtin::rule(builtin::KUBERNETES).into_iter().collect()
}

const PAUSE: (&str, &str) = ("k8s.gcr.io/pause:3.9", "a");

#[test]
fn an_image_is_copied_to_every_target_that_is_ones_own() {
    let rules = || vec![rule("m", &["k8s.gcr.io"], &["mirror.example/k8s", "registry.k8s.io", "[::1]:5000/x"])];
    assert_eq!(
        fixed(Tool::Crane, &[PAUSE], rules()),
        "crane copy registry.k8s.io/pause:3.9 mirror.example/k8s/pause:3.9\n\
         crane copy registry.k8s.io/pause:3.9 '[::1]:5000/x/pause:3.9'\n"
    );
    assert_eq!(
        fixed(Tool::Skopeo, &[("k8s.gcr.io/e2e/nfs:1", "")], rules()).lines().next(),
        Some(
            "skopeo copy --all --preserve-digests docker://registry.k8s.io/e2e/nfs:1 docker://mirror.example/k8s/e2e/nfs:1"
        )
    );
    assert_eq!(
        fixed(Tool::Crane, &[PAUSE], builtin()),
        "# k8s.gcr.io/pause:3.9: registry.k8s.io has it, there is nothing to copy\n"
    );
}

#[test]
fn an_image_of_another_registry_is_copied_from_where_it_is_called() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let rules = vec![rule("m", &["old.example/team"], &["new.example"])];
    let (by_tag, both) = ("old.example/team/app:1".to_owned(), format!("old.example/team/app:1@{digest}"));
    let by_digest = format!("old.example/team/app@{digest}");
    assert_eq!(
        fixed(Tool::Crane, &[(&by_tag, "a"), (&both, "a"), (&by_digest, "a")], rules),
        format!(
            "crane copy old.example/team/app:1 new.example/app:1\n\
             crane copy old.example/team/app@{digest} new.example/app:1\n\
             crane copy old.example/team/app@{digest} new.example/app@{digest}\n"
        )
    );
}

#[test]
fn the_rules_of_the_namespaces_that_asked_count() {
    let some = Rule { namespaces: namespaces(&["b"], &[]), ..rule("b", &["k8s.gcr.io"], &["b.example"]) };
    let rules = || vec![some.clone(), rule("all", &["k8s.gcr.io"], &["all.example"])];
    let copies = |namespace| fixed(Tool::Crane, &[(PAUSE.0, namespace)], rules());
    assert_eq!(copies("a"), "crane copy registry.k8s.io/pause:3.9 all.example/pause:3.9\n");
    assert_eq!(copies("b"), "crane copy registry.k8s.io/pause:3.9 b.example/pause:3.9\n");
    assert_eq!(copies(""), "crane copy registry.k8s.io/pause:3.9 all.example/pause:3.9\n");
}

#[test]
fn what_cannot_be_mended_is_said_and_cannot_break_out_of_its_remark() {
    let deny = vec![Rule { action: Action::Deny, ..rule("no", &["bad.example"], &[]) }];
    let images = [("bad.example/x:1", "a"), ("a.example/$(reboot)\n; reboot", "a"), ("gone.example/x:1", "a")];
    for tool in [Tool::Crane, Tool::Skopeo, Tool::Kustomize, Tool::Sed] {
        let fixed = fixed(tool, &images, deny.clone());
        assert!(fixed.contains("# bad.example/x:1: its rule has no target\n"), "{fixed}");
        assert!(fixed.contains("# a.example/$(reboot)\\n; reboot: it is no valid reference\n"), "{fixed}");
        assert!(fixed.contains("# as the log has it: no rule is about it now\n"), "{fixed}");
        assert!(fixed.contains("recorded.example/x"), "{fixed}");
    }
}

#[test]
fn kustomize_is_told_the_name_and_keeps_tag_and_digest() {
    let images = [PAUSE, ("k8s.gcr.io/pause:3.6", "a"), ("k8s.gcr.io/etcd:3.5.6-0", "a")];
    assert_eq!(
        fixed(Tool::Kustomize, &images, builtin()),
        "images:\n- name: k8s.gcr.io/etcd\n  newName: registry.k8s.io/etcd\n\
         - name: k8s.gcr.io/pause\n  newName: registry.k8s.io/pause\n"
    );
    assert_eq!(fixed(Tool::Kustomize, &[], builtin()), "");
}

#[test]
fn sed_mends_what_is_the_image_and_nothing_that_looks_like_it() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = directory.path().join("it's a manifest.yaml");
    fs::write(
        &manifest,
        "image: k8s.gcr.io/pause:3.9\nimage: \"k8s.gcr.io/pause:3.9\" # k8s.gcr.io/pause:3.9\n\
         images: [k8s.gcr.io/pause:3.9,k8s.gcr.io/pause:3.9]\nk8s.gcr.io/pause:3.9 k8s.gcr.io/pause:3.9\r\n\
         - --pause=k8s.gcr.io/pause:3.9\nimage: k8s.gcr.io/tool\nimage: k8s.gcr.io/tool:latest\n\
         image: harbor.corp/k8s.gcr.io/pause:3.9\nimage: k8s.gcr.io/pause:3.9.1\nimage: k8s.gcr.io/pause:3.9@sha256:aa\n\
         image: xk8s.gcr.io/pause:3.9\nimage: k8sxgcrxio/pause:3x9\nimage: k8s.gcr.io/tool:latest-1\nimage: k8s.gcr.io/tools\n",
    )
    .unwrap();
    let script = fixed(Tool::Sed, &[PAUSE, ("k8s.gcr.io/tool:latest", "a")], builtin());
    let path = directory.path().join("fix");
    fs::write(&path, &script).unwrap();
    for _ in 0..2 {
        let ended = Command::new("sh").arg(&path).arg(&manifest).output().unwrap();
        assert!(ended.status.success(), "{ended:?}\n{script}");
        assert_eq!(
            fs::read_to_string(&manifest).unwrap(),
            "image: registry.k8s.io/pause:3.9\nimage: \"registry.k8s.io/pause:3.9\" # registry.k8s.io/pause:3.9\n\
             images: [registry.k8s.io/pause:3.9,registry.k8s.io/pause:3.9]\nregistry.k8s.io/pause:3.9 registry.k8s.io/pause:3.9\r\n\
             - --pause=registry.k8s.io/pause:3.9\nimage: registry.k8s.io/tool\nimage: registry.k8s.io/tool:latest\n\
             image: harbor.corp/k8s.gcr.io/pause:3.9\nimage: k8s.gcr.io/pause:3.9.1\nimage: k8s.gcr.io/pause:3.9@sha256:aa\n\
             image: xk8s.gcr.io/pause:3.9\nimage: k8sxgcrxio/pause:3x9\nimage: k8s.gcr.io/tool:latest-1\nimage: k8s.gcr.io/tools\n",
            "{script}"
        );
    }
}

#[test]
fn sed_ends_also_where_the_old_name_is_in_the_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let manifest = directory.path().join("a.yaml");
    fs::write(&manifest, "image: k8s.gcr.io/pause:3.9\n").unwrap();
    let rules = vec![rule("m", &["k8s.gcr.io"], &["harbor.corp/k8s.gcr.io"])];
    let script = fixed(Tool::Sed, &[PAUSE], rules);
    let ended = Command::new("sh").args(["-c", &script, "sh"]).arg(&manifest).status().unwrap();
    assert!(ended.success());
    assert_eq!(fs::read_to_string(&manifest).unwrap(), "image: harbor.corp/k8s.gcr.io/pause:3.9\n");
}
