//! Whatever a file says: what is mended is its references, and nothing else.

use std::fs;

use proptest::prelude::*;

use super::scan;

/// Pieces of files, some of them names that are to be replaced, in places where they are and where they are not.
fn piece() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        Just("k8s.gcr.io/pause:3.9"),
        Just("k8s.gcr.io/a/b"),
        Just("k8s.gcr.io"),
        Just("harbor.corp/k8s.gcr.io/pause:3.9"),
        Just("registry.k8s.io/x:1"),
        Just("k8s.gcr.io/x:"),
        Just("k8s.gcr.io/{{ .x }}"),
        Just("\u{e9}\u{1f980}"),
    ];
    let around = prop_oneof![
        Just(("image: ", "\n")),
        Just(("image: \"", "\"\n")),
        Just(("- image: '", "' # k8s.gcr.io/remark:1\n")),
        Just(("  image: ", "\r\n")),
        Just(("  repository: ", "\n  tag: 1\n")),
        Just(("registry: ", "\nrepository: a\n")),
        Just(("# ", "\n")),
        Just(("args: [--image=", ", -x]\n")),
        Just(("x: |\n  image: ", "\n")),
        Just(("{image: ", "}\n")),
        Just(("---\n", "\n")),
        Just(("x: &x ", "\ny: *x\n")),
        Just(("{{ if .x }}", "{{ end }}\n")),
        Just(("FROM ", " AS a\n")),
        Just(("\t", "]\u{feff}")),
        Just(("apiVersion: v1\nkind: Pod\nmetadata: {namespace: a}\nspec:\n  containers:\n  - image: ", "\n")),
    ];
    (around, name).prop_map(|((before, after), name)| format!("{before}{name}{after}"))
}

fn file() -> impl Strategy<Value = String> {
    prop::collection::vec(prop_oneof![9 => piece(), 1 => "[ !$-&(-~]{0,20}\n"], 0..12)
        .prop_map(|pieces| pieces.concat())
}

/// The text with all that scan may change put back, so that what is left has to be the same.
fn back(text: &str) -> String {
    text.replace("registry.k8s.io", "k8s.gcr.io")
}

proptest! {
    // Each case is a few hundred files, and a few processes.
    #![proptest_config(ProptestConfig { cases: 6, max_shrink_iters: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_byte_but_those_of_references_changes(files in prop::collection::vec(file(), 100)) {
        let directory = tempfile::tempdir().unwrap();
        let ends = ["values.yaml", "a.yaml", "kustomization.yaml", "Dockerfile", "a.json", "a.tpl", "a.sh"];
        let paths: Vec<_> = (0..files.len()).map(|n| directory.path().join(format!("{n:03}/{}", ends[n % ends.len()]))).collect();
        for (path, text) in paths.iter().zip(&files) {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = directory.path().to_str().unwrap();
        let first = scan(&[root, "--fix"], "");
        let left = scan(&[root, "--fix"], "");
        let mut changed = 0;
        for (path, before) in paths.iter().zip(&files) {
            let after = fs::read_to_string(path).unwrap();
            prop_assert_eq!(back(&after), back(before));
            prop_assert_eq!(after.matches("harbor.corp/k8s.gcr.io").count(), before.matches("harbor.corp/k8s.gcr.io").count());
            prop_assert_eq!(after.matches("# k8s.gcr.io/remark:1").count(), before.matches("# k8s.gcr.io/remark:1").count());
            changed += usize::from(after != *before);
        }
        prop_assert!(changed > 10, "only {} files changed: {}", changed, first.stderr);
        // What is not left as it is for a reason that was given is mended at once.
        prop_assert!(!left.stderr.contains("changed"), "{}", left.stderr);
        let kept = left.stderr.lines().filter(|line| line.contains("left as it is")).count();
        if kept == 0 {
            prop_assert!(left.stdout.contains("Found: 0 images"), "{}\n{}", left.stdout, left.stderr);
        }
    }
}
