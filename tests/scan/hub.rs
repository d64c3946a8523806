//! What becomes of names that are short, and of registries that move below a path.

use std::fs;

use serde_json::Value;

use crate::support::repoint::run;

const RULES: &str = r#"
builtin_rules = []
[[rules]]
name = "hub"
match = ["docker.io"]
targets = ["mirror.corp/hub"]
[[rules]]
name = "old"
match = ["old.corp"]
targets = ["new.corp/m"]
[[rules]]
name = "address"
match = ["address.corp"]
targets = ["[::1]:5000"]
"#;

/// What is told of a file, what the file becomes, and what is said on the way.
fn mended(name: &str, text: &str) -> (Vec<String>, String, String) {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("repoint.toml");
    fs::write(&config, RULES).unwrap();
    fs::create_dir(directory.path().join("files")).unwrap();
    let file = directory.path().join("files").join(name);
    fs::write(&file, text).unwrap();
    let (config, path) = (config.display().to_string(), file.display().to_string());
    let ended = run(&["scan", "--config", &config, &path, "--format", "json"], "");
    let told: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr));
    let findings = told["findings"].as_array().unwrap().iter();
    let told = findings
        .map(|finding| {
            format!("{} {}", finding["image"].as_str().unwrap(), finding["substitute"].as_str().unwrap_or("-"))
        })
        .collect();
    let said = run(&["scan", "--config", &config, &path, "--fix"], "").stderr;
    (told, fs::read_to_string(&file).unwrap(), said.replace(&path, name))
}

#[test]
fn a_registry_alone_becomes_the_place_that_a_rule_has_for_it() {
    for (name, text, expected) in [
        ("values.yaml", "global: {imageRegistry: docker.io}\n", "global: {imageRegistry: mirror.corp/hub}\n"),
        ("values.yaml", "imageRegistry: index.docker.io/\n", "imageRegistry: mirror.corp/hub/\n"),
        ("values.yaml", "imageRegistry: docker.io/library\n", "imageRegistry: mirror.corp/hub/library\n"),
        (
            "a.yaml",
            "env: [{name: MIRROR_REGISTRY, value: docker.io}]\n",
            "env: [{name: MIRROR_REGISTRY, value: mirror.corp/hub}]\n",
        ),
        (
            "a.sh",
            "docker pull ${REGISTRY:-docker.io}/bitnami/redis:1\n",
            "docker pull ${REGISTRY:-mirror.corp/hub}/bitnami/redis:1\n",
        ),
    ] {
        let (told, becomes, said) = mended(name, text);
        assert_eq!(told.len(), 1, "{text}: {told:?}");
        assert_eq!(becomes, expected, "{said}");
    }
}

#[test]
fn a_recipes_stages_and_nothing_at_all_are_no_images() {
    for (text, expected) in [
        ("FROM scratch\nCOPY --from=0 /a /b\nRUN --mount=type=bind,from=1,target=/c true\n", &[][..]),
        ("ARG BASE=scratch\nFROM $BASE\nCOPY --from=scratch /a /b\n", &[]),
        ("FROM scratch AS rest\nARG FROM=rest\nCOPY --from=$FROM /a /b\n", &[]),
        // Its own name is a stage's only from the next line on.
        ("FROM node AS node\nFROM node\nCOPY --from=NODE /a /b\n", &["node mirror.corp/hub/library/node"]),
        ("FROM scratch:1\n", &["scratch:1 mirror.corp/hub/library/scratch:1"]),
        ("FROM 7\n", &["7 mirror.corp/hub/library/7"]),
    ] {
        let (told, _, _) = mended("Dockerfile", text);
        assert_eq!(told, expected, "{text}");
    }
}

#[test]
fn a_short_image_beside_a_tag_is_a_name_in_pieces() {
    for (text, expected, becomes) in [
        (
            "side: {image: nginx, tag: \"1.25\"}\nother: {image: old.corp/a, tag: 1}\n",
            &["nginx:1.25 mirror.corp/hub/library/nginx:1.25", "old.corp/a:1 new.corp/m/a:1"][..],
            "side: {image: mirror.corp/hub/library/nginx, tag: \"1.25\"}\nother: {image: new.corp/m/a, tag: 1}\n",
        ),
        (
            "image: a.b\ntag: 1\n",
            &["a.b:1 mirror.corp/hub/library/a.b:1"],
            "image: mirror.corp/hub/library/a.b\ntag: 1\n",
        ),
        ("{image: nginx, tag: \"\"}\n", &[], "{image: nginx, tag: \"\"}\n"),
        // A registry for all images is one for those that are in pieces there.
        (
            "global: {imageRegistry: other.corp}\nside: {image: nginx, tag: 1}\n",
            &["nginx:1 mirror.corp/hub/library/nginx:1"],
            "global: {imageRegistry: other.corp}\nside: {image: mirror.corp/hub/library/nginx, tag: 1}\n",
        ),
        ("{name: x, tag: y}\n", &[], "{name: x, tag: y}\n"),
    ] {
        let (told, text, said) = mended("values.yaml", text);
        assert_eq!(told, expected);
        assert_eq!(text, becomes, "{said}");
    }
}

#[test]
fn a_registry_in_a_text_may_move_below_a_path() {
    for (text, expected) in [
        ("REGISTRY=old.corp\npull old.corp/a:1\n", "REGISTRY=new.corp/m\npull new.corp/m/a:1\n"),
        ("IMAGE_REPOSITORY: old.corp\n", "IMAGE_REPOSITORY: new.corp/m\n"),
    ] {
        let (_, becomes, said) = mended("a.sh", text);
        assert_eq!(becomes, expected, "{said}");
    }
}

#[test]
fn a_name_that_cannot_be_mended_keeps_no_other_from_being() {
    // In brackets, and so in quotes, it would be no name any more to who looks for one in a text.
    let text = "pull old.corp/a:1\npull address.corp/b:1\npull old.corp/c:1\npull address.corp/d:1\n";
    let (_, becomes, said) = mended("a.sh", text);
    assert_eq!(becomes, text.replace("old.corp", "new.corp/m"), "{said}");
    let left = |at: &str| format!("a.sh:{at}: left as it is: with its name changed, it would be read in another way");
    assert!(said.contains(&left("2:6")) && said.contains(&left("4:6")), "{said}");
    assert!(said.contains("a.sh: 2 references changed"), "{said}");
}
