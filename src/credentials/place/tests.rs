use super::*;

fn matches(key: &str, image: &str) -> bool {
    rank(key, Reference::parse(image).unwrap()).is_some()
}

#[test]
fn a_key_covers_what_lies_below_it() {
    for (key, image) in [
        ("a.example", "a.example/x:1"),
        ("A.Example", "a.example/x"),
        ("a.example", "A.EXAMPLE/x"),
        ("a.example:443", "a.example/x"),
        ("a.example", "a.example:443/x"),
        ("a.example:5000", "a.example:5000/x"),
        ("https://a.example", "a.example/x"),
        ("https://a.example/", "a.example/x"),
        ("https://a.example/v1/", "a.example/x"),
        ("https://a.example/v2/", "a.example/x"),
        ("https://a.example/v2/x", "a.example/x/y"),
        ("http://a.example:5000/v2/", "a.example:5000/x"),
        ("https://user@a.example/v2/", "a.example/x"),
        ("a.example/x", "a.example/x/y:1"),
        ("a.example/x/", "a.example/x/y:1"),
        ("a.example/x/y", "a.example/x/y:1"),
        ("a.example/v2/x", "a.example/v2/x/y"),
        ("[::1]:5000", "[::1]:5000/x"),
        ("[::1]", "[::1]/x"),
        ("*.example", "a.example/x"),
        ("*.dkr.ecr.*.amazonaws.com", "123456789.dkr.ecr.us-east-1.amazonaws.com/x"),
        ("app*.k8s.io", "app2.k8s.io/x"),
        ("docker.io", "busybox"),
        ("docker.io/library", "busybox"),
        ("index.docker.io", "docker.io/x/y"),
        ("index.docker.io/v1/", "busybox"),
        ("https://index.docker.io/v1/", "busybox"),
        ("registry-1.docker.io", "x/y"),
        ("docker.io", "registry-1.docker.io/x/y"),
    ] {
        assert!(matches(key, image), "{key} {image}");
    }
}

#[test]
fn a_key_covers_nothing_else() {
    for (key, image) in [
        ("a.example", "b.example/x"),
        ("a.example", "a.example.com/x"),
        ("a.example", "x.a.example/x"),
        ("a.example", "a.example:5000/x"),
        ("a.example:5000", "a.example/x"),
        ("a.example/team", "a.example/teams/x"),
        ("a.example/x/y/z", "a.example/x/y"),
        ("a.example/x", "docker.io/a.example/x"),
        ("example", "a.example/x"),
        ("*.example", "a.b.example/x"),
        ("*", "a.example/x"),
        ("*.example", "a.example:5000/x"),
        ("a.example@b.example", "a.example/x"),
        ("https://", "a.example/x"),
        ("", "a.example/x"),
        ("docker.io", "a.example/docker.io"),
    ] {
        assert!(!matches(key, image), "{key} {image}");
    }
}

#[test]
fn the_most_specific_key_is_the_best() {
    let of = |keys: &[&'static str], image: &str| {
        best(keys.iter().map(|key| (*key, *key)), Reference::parse(image).unwrap())
    };
    let keys = ["a.example", "a.example/x", "a.example/x/y", "a.example/z"];
    for (image, expected) in [
        ("a.example/x/y/1", Some("a.example/x/y")),
        ("a.example/x/yy", Some("a.example/x")),
        ("a.example/y", Some("a.example")),
        ("b.example/y", None),
    ] {
        assert_eq!(of(&keys, image), expected, "{image}");
    }
    assert_eq!(of(&["*.example/x", "a.example"], "a.example/x"), Some("a.example"));
    assert_eq!(of(&["*.*.example", "a.*.example"], "a.b.example/x"), Some("a.*.example"));
    assert_eq!(of(&["https://a.example/v2/", "a.example"], "a.example/x"), Some("a.example"));
    assert_eq!(of(&["https://a.example", "https://a.example/v2/"], "a.example/x"), Some("https://a.example"));
}

#[test]
fn a_registry_is_named_to_helpers_and_providers_as_docker_and_the_kubelet_name_it() {
    for (image, for_helpers, for_providers) in [
        ("a.example:5000/x/y:1", "a.example:5000", "a.example:5000/x/y"),
        ("busybox", "https://index.docker.io/v1/", "docker.io/library/busybox"),
    ] {
        let image = Reference::parse(image).unwrap();
        assert_eq!((server(image), repository(image).as_str()), (for_helpers, for_providers));
    }
}
