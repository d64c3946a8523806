//! The expected values follow from the grammar's source and were compared with what the original returns for them.

use super::{Fault, Name, Reference};

/// `source, registry, path, tag, digest`; an empty tag or digest stands for none, `{sha256}` for a digest.
#[rustfmt::skip]
const VALID: &[(&str, &str, &str, &str, &str)] = &[
    // Registry, path, tag and digest, each where one expects it.
    ("k8s.gcr.io/pause", "k8s.gcr.io", "pause", "", ""),
    ("k8s.gcr.io/pause:3.6", "k8s.gcr.io", "pause", "3.6", ""),
    ("k8s.gcr.io/pause@{sha256}", "k8s.gcr.io", "pause", "", "{sha256}"),
    ("k8s.gcr.io/pause:3.6@{sha256}", "k8s.gcr.io", "pause", "3.6", "{sha256}"),
    ("k8s.gcr.io/coredns/coredns:v1.8.0", "k8s.gcr.io", "coredns/coredns", "v1.8.0", ""),
    ("r.example/a/b/c/d/e/f/g/h/i/j/k:v1", "r.example", "a/b/c/d/e/f/g/h/i/j/k", "v1", ""),
    // Nothing written before the path.
    ("pause", "docker.io", "library/pause", "", ""),
    ("pause:3.6", "docker.io", "library/pause", "3.6", ""),
    ("pause@{sha256}", "docker.io", "library/pause", "", "{sha256}"),
    ("pause:3.6@{sha256}", "docker.io", "library/pause", "3.6", "{sha256}"),
    ("coredns/coredns", "docker.io", "coredns/coredns", "", ""),
    ("library/pause", "docker.io", "library/pause", "", ""),
    ("a/b/c:v1", "docker.io", "a/b/c", "v1", ""),
    ("0/1", "docker.io", "0/1", "", ""),
    // No slash, no registry, however much it looks like one.
    ("k8s.gcr.io", "docker.io", "library/k8s.gcr.io", "", ""),
    ("k8s.gcr.io:443", "docker.io", "library/k8s.gcr.io", "443", ""),
    ("k8s.gcr.io:v1", "docker.io", "library/k8s.gcr.io", "v1", ""),
    ("k8s.gcr.io@{sha256}", "docker.io", "library/k8s.gcr.io", "", "{sha256}"),
    ("localhost", "docker.io", "library/localhost", "", ""),
    ("localhost:5000", "docker.io", "library/localhost", "5000", ""),
    ("docker.io", "docker.io", "library/docker.io", "", ""),
    ("192.0.2.7", "docker.io", "library/192.0.2.7", "", ""),
    // Docker Hub by its names. Only the exact spelling implies `library`.
    ("docker.io/pause", "docker.io", "library/pause", "", ""),
    ("docker.io/library/pause", "docker.io", "library/pause", "", ""),
    ("docker.io/coredns/coredns", "docker.io", "coredns/coredns", "", ""),
    ("index.docker.io/pause:3.6", "docker.io", "library/pause", "3.6", ""),
    ("index.docker.io/coredns/coredns", "docker.io", "coredns/coredns", "", ""),
    ("docker.io:443/pause", "docker.io:443", "pause", "", ""),
    ("index.docker.io:443/pause", "index.docker.io:443", "pause", "", ""),
    ("Docker.io/pause", "Docker.io", "pause", "", ""),
    ("registry-1.docker.io/pause", "registry-1.docker.io", "pause", "", ""),
    // What makes a registry of the first component: `localhost`, a dot, a colon, an upper-case letter.
    ("localhost/pause", "localhost", "pause", "", ""),
    ("localhost:5000/pause", "localhost:5000", "pause", "", ""),
    ("localhost5000/pause", "docker.io", "localhost5000/pause", "", ""),
    ("LOCALHOST/pause", "LOCALHOST", "pause", "", ""),
    ("Mirror/pause", "Mirror", "pause", "", ""),
    ("mirror/pause", "docker.io", "mirror/pause", "", ""),
    ("mirror:5000/pause", "mirror:5000", "pause", "", ""),
    ("mirror:0/pause", "mirror:0", "pause", "", ""),
    ("mirror:000123456789/pause", "mirror:000123456789", "pause", "", ""),
    ("192.0.2.7/pause", "192.0.2.7", "pause", "", ""),
    ("192.0.2.7:5000/pause:3.6", "192.0.2.7:5000", "pause", "3.6", ""),
    ("xn--bcher-kva.example/pause", "xn--bcher-kva.example", "pause", "", ""),
    ("1.2/3", "1.2", "3", "", ""),
    // Near the registry that repoint is about, and not it.
    ("k8s.gcr.io:443/pause", "k8s.gcr.io:443", "pause", "", ""),
    ("K8S.GCR.IO/pause", "K8S.GCR.IO", "pause", "", ""),
    ("k8s.gcr.iox/pause", "k8s.gcr.iox", "pause", "", ""),
    ("k8s.gcr.io.example/pause", "k8s.gcr.io.example", "pause", "", ""),
    ("xk8s.gcr.io/pause", "xk8s.gcr.io", "pause", "", ""),
    ("harbor.corp/k8s.gcr.io/pause", "harbor.corp", "k8s.gcr.io/pause", "", ""),
    ("mirror/k8s.gcr.io/pause", "docker.io", "mirror/k8s.gcr.io/pause", "", ""),
    ("k8s.gcr.io/k8s.gcr.io/pause", "k8s.gcr.io", "k8s.gcr.io/pause", "", ""),
    ("gcr.io/google_containers/pause", "gcr.io", "google_containers/pause", "", ""),
    // Addresses in brackets: their characters count, not their sense.
    ("[::1]/pause", "[::1]", "pause", "", ""),
    ("[::1]:5000/pause:3.6", "[::1]:5000", "pause", "3.6", ""),
    ("[2001:db8::1]/pause", "[2001:db8::1]", "pause", "", ""),
    ("[2001:DB8::A]:443/a/b@{sha256}", "[2001:DB8::A]:443", "a/b", "", "{sha256}"),
    ("[:]/pause", "[:]", "pause", "", ""),
    ("[BAD]/pause", "[BAD]", "pause", "", ""),
    // An underscore is no part of a host name, and goes through as a path that containerd dials the start of.
    ("my_mirror.corp/pause", "my_mirror.corp", "pause", "", ""),
    ("my__mirror.corp/a/b:v1", "my__mirror.corp", "a/b", "v1", ""),
    ("my_mirror/pause", "docker.io", "my_mirror/pause", "", ""),
    // Separators.
    ("r.example/a.b", "r.example", "a.b", "", ""),
    ("r.example/a_b", "r.example", "a_b", "", ""),
    ("r.example/a__b", "r.example", "a__b", "", ""),
    ("r.example/a-b", "r.example", "a-b", "", ""),
    ("r.example/a-----b", "r.example", "a-----b", "", ""),
    ("r.example/a.b_c__d--e", "r.example", "a.b_c__d--e", "", ""),
    ("a--b.example/c", "a--b.example", "c", "", ""),
    // Tags have upper case, and separators in any number.
    ("pause:V1", "docker.io", "library/pause", "V1", ""),
    ("pause:_", "docker.io", "library/pause", "_", ""),
    ("pause:0..--__", "docker.io", "library/pause", "0..--__", ""),
    ("pause:sha256-abc.sig", "docker.io", "library/pause", "sha256-abc.sig", ""),
    // Digests of three algorithms.
    ("r.example/a@{sha384}", "r.example", "a", "", "{sha384}"),
    ("r.example/a@{sha512}", "r.example", "a", "", "{sha512}"),
    ("r.example/a:v1@{sha512}", "r.example", "a", "v1", "{sha512}"),
    // Hex digits that are names after all: an ID has nothing before or behind, and no upper case.
    ("{hex}:v1", "docker.io", "library/{hex}", "v1", ""),
    ("r.example/{hex}", "r.example", "{hex}", "", ""),
    ("{hex}a", "docker.io", "library/{hex}a", "", ""),
    ("sha256:{short}", "docker.io", "library/sha256", "{short}", ""),
    ("sha256:{HEX}", "docker.io", "library/sha256", "{HEX}", ""),
    ("sha1:{short}", "docker.io", "library/sha1", "{short}", ""),
    ("sha256/{hex}", "docker.io", "sha256/{hex}", "", ""),
];

/// `source, fault, at`.
#[rustfmt::skip]
const INVALID: &[(&str, Fault, usize)] = &[
    // Paths.
    ("", Fault::Path, 0),
    ("/", Fault::Path, 0),
    ("/pause", Fault::Path, 0),
    ("k8s.gcr.io/", Fault::Path, 11),
    ("k8s.gcr.io//pause", Fault::Path, 11),
    ("k8s.gcr.io/pause/", Fault::Path, 17),
    ("k8s.gcr.io/a//b", Fault::Path, 13),
    ("k8s.gcr.io/:v1", Fault::Path, 11),
    ("k8s.gcr.io/@{sha256}", Fault::Path, 11),
    (":v1", Fault::Path, 0),
    ("@{sha256}", Fault::Path, 0),
    ("a..b", Fault::Path, 2),
    ("a___b", Fault::Path, 3),
    ("a._b", Fault::Path, 2),
    ("a_-b", Fault::Path, 2),
    ("a-.b", Fault::Path, 2),
    ("-a", Fault::Path, 0),
    ("a-", Fault::Path, 2),
    ("a./b", Fault::Host, 2),
    ("r.example/a_/b", Fault::Path, 12),
    ("r.example/.a", Fault::Path, 10),
    ("r.example/..", Fault::Path, 10),
    ("http://r.example/a", Fault::Port, 5),
    ("docker://r.example/a", Fault::Port, 7),
    ("r.example/a?b", Fault::Path, 11),
    ("r.example/a%2fb", Fault::Path, 11),
    ("r.example/a+b", Fault::Path, 11),
    ("r.example\\a", Fault::Path, 9),
    // Upper case.
    ("Pause", Fault::Uppercase, 0),
    ("k8s.gcr.io/Pause", Fault::Uppercase, 11),
    ("k8s.gcr.io/a/bC:v1", Fault::Uppercase, 14),
    ("coredns/CoreDNS", Fault::Uppercase, 8),
    ("K8S.GCR.IO", Fault::Uppercase, 0),
    ("{HEX}", Fault::Uppercase, 10),
    // Hosts and ports.
    ("-r.example/a", Fault::Host, 0),
    ("r-.example/a", Fault::Host, 2),
    ("r..example/a", Fault::Host, 2),
    (".example/a", Fault::Host, 0),
    ("example./a", Fault::Host, 8),
    ("r.-example/a", Fault::Host, 2),
    (":5000/a", Fault::Host, 0),
    ("My_Mirror/a", Fault::Host, 2),
    ("user@r.example/a", Fault::Host, 4),
    ("my_mirror.corp:5000/a", Fault::Host, 2),
    ("r.example:/a", Fault::Port, 10),
    ("r.example:5o00/a", Fault::Port, 11),
    ("r.example:-1/a", Fault::Port, 10),
    ("r.example:v1/a", Fault::Port, 10),
    ("localhost: 80/a", Fault::Port, 10),
    ("r.example:80:80/a", Fault::Host, 9),
    ("::1/a", Fault::Host, 0),
    ("[::1]", Fault::Path, 0),
    ("[::1]:5000", Fault::Path, 0),
    ("[bad]/a", Fault::Path, 0),
    ("[::1/a", Fault::Host, 2),
    ("::1]/a", Fault::Host, 0),
    ("[]:80/a", Fault::Host, 1),
    ("[::g]/a", Fault::Host, 3),
    ("[fe80::1%eth0]/a", Fault::Host, 8),
    ("[::ffff:192.0.2.7]/a", Fault::Host, 11),
    ("[::1]x:80/a", Fault::Host, 4),
    ("[::1]:/a", Fault::Port, 6),
    ("[[::1]]/a", Fault::Host, 1),
    // Tags.
    ("pause:", Fault::Tag, 6),
    ("pause:@{sha256}", Fault::Tag, 6),
    ("pause:.1", Fault::Tag, 6),
    ("pause:-1", Fault::Tag, 6),
    ("pause:1+2", Fault::Tag, 7),
    ("pause:1:2", Fault::Tag, 7),
    ("k8s.gcr.io/pause:1/2", Fault::Tag, 18),
    ("pause::1", Fault::Tag, 6),
    // Digests.
    ("pause@", Fault::Algorithm, 6),
    ("pause@{hex}", Fault::Algorithm, 6),
    ("pause@:{hex}", Fault::Algorithm, 6),
    ("pause@sha1:0123456789abcdef0123456789abcdef01234567", Fault::Algorithm, 6),
    ("pause@md5:0123456789abcdef0123456789abcdef", Fault::Algorithm, 6),
    ("pause@blake3:{hex}", Fault::Algorithm, 6),
    ("pause@sha256+b64:{hex}", Fault::Algorithm, 6),
    ("pause@SHA256:{hex}", Fault::Algorithm, 6),
    ("pause@sha256:", Fault::Digest, 13),
    ("pause@sha256:{short}", Fault::Digest, 76),
    ("pause@sha256:{hex}0", Fault::Digest, 77),
    ("pause@sha256:{HEX}", Fault::Digest, 23),
    ("pause@sha384:{hex}", Fault::Digest, 77),
    ("pause@sha512:{hex}", Fault::Digest, 77),
    ("pause@{sha256}@{sha256}", Fault::Digest, 77),
    ("pause@{sha256}:v1", Fault::Digest, 77),
    ("pause@{sha256}/a", Fault::Host, 5),
    // What is not printable ASCII, and blanks.
    (" pause", Fault::Path, 0),
    ("pause ", Fault::Path, 5),
    ("pause:1 ", Fault::Tag, 7),
    ("pause:1\n", Fault::Tag, 7),
    ("pause@{sha256}\n", Fault::Digest, 77),
    ("k8s.gcr.io /pause", Fault::Host, 10),
    ("k8s.gcr.io/pa\0use", Fault::Path, 13),
    ("k8s.gcr.io\0/pause", Fault::Host, 10),
    ("\0", Fault::Path, 0),
    ("k8s.gcr.io/pausé", Fault::Path, 15),
    ("Écr.example/pause", Fault::Host, 0),
    ("pause:é", Fault::Tag, 6),
    ("pause@é", Fault::Algorithm, 6),
    ("\u{202e}pause", Fault::Path, 0),
    ("k８s.gcr.io/pause", Fault::Host, 1),
];

const IDS: &[&str] = &["{hex}", "{sha256}", "{sha384}", "{sha512}"];

pub(super) fn filled(pattern: &str) -> String {
    let hex = "0123456789abcdef".repeat(8);
    pattern
        .replace("{sha256}", &format!("sha256:{}", &hex[..64]))
        .replace("{sha384}", &format!("sha384:{}", &hex[..96]))
        .replace("{sha512}", &format!("sha512:{hex}"))
        .replace("{short}", &hex[..63])
        .replace("{hex}", &hex[..64])
        .replace("{HEX}", &hex[..64].to_uppercase())
}

pub(super) fn path(reference: &Reference<'_>) -> String {
    reference.components().collect::<Vec<_>>().join("/")
}

/// What is written, piece by piece.
pub(super) fn reassembled(reference: &Reference<'_>) -> String {
    let registry = reference.registry.map(|registry| format!("{registry}/")).unwrap_or_default();
    let tag = reference.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
    let digest = reference.digest().map(|digest| format!("@{digest}")).unwrap_or_default();
    format!("{registry}{}{tag}{digest}", reference.path)
}

pub(super) fn fault(source: &str) -> Option<(Fault, usize)> {
    Name::parse(source).err().map(|invalid| (invalid.fault, invalid.at))
}

// === what is read ===

#[test]
fn names_are_read_as_the_runtimes_read_them() {
    for row in VALID {
        let (source, name) = (filled(row.0), filled(row.2));
        let some = |text| Some(filled(text)).filter(|text| !text.is_empty());
        let (tag, digest) = (some(row.3), some(row.4));

        let reference = Reference::parse(&source).unwrap_or_else(|e| panic!("{source}: {e}"));
        assert_eq!(Name::parse(&source), Ok(Name::Reference(reference)), "{source}");
        assert_eq!(reference.source(), source);
        assert_eq!(reference.registry(), row.1, "{source}");
        assert_eq!(path(&reference), name, "{source}");
        assert_eq!(reference.tag(), tag.as_deref(), "{source}");
        assert_eq!(reference.digest(), digest.as_deref(), "{source}");
        let suffix = [tag.map(|tag| format!(":{tag}")), digest.map(|digest| format!("@{digest}"))];
        assert_eq!(reference.suffix(), suffix.map(Option::unwrap_or_default).concat(), "{source}");
        assert_eq!(reassembled(&reference), source);
    }
}

#[test]
fn what_the_runtimes_refuse_is_refused_with_the_place() {
    for (pattern, expected, at) in INVALID {
        let source = filled(pattern);
        assert_eq!(fault(&source), Some((*expected, *at)), "{source:?}");
        assert!(Reference::parse(&source).is_err(), "{source:?}");
    }
}

#[test]
fn an_image_id_is_not_a_name() {
    for pattern in IDS {
        let source = filled(pattern);
        assert_eq!(Name::parse(&source), Ok(Name::Id(&source)));
        assert_eq!(Reference::parse(&source).map_err(|e| e.fault), Err(Fault::Id), "{source}");
    }
}

#[test]
fn the_port_is_told_from_the_host() {
    for (source, host, port) in [
        ("r.example/a", "r.example", None),
        ("r.example:5000/a", "r.example", Some("5000")),
        ("localhost:1/a", "localhost", Some("1")),
        ("[::1]/a", "[::1]", None),
        ("[::1]:5000/a", "[::1]", Some("5000")),
        ("[2001:db8::1]/a", "[2001:db8::1]", None),
        ("my_mirror.corp/a", "my_mirror.corp", None),
        ("a:5000", "docker.io", None),
        ("index.docker.io/a", "docker.io", None),
        ("index.docker.io:80/a", "index.docker.io", Some("80")),
    ] {
        let reference = Reference::parse(source).unwrap();
        assert_eq!((reference.host(), reference.port()), (host, port), "{source}");
    }
}

#[test]
fn a_name_without_a_registry_is_short() {
    for (source, short) in [
        ("pause", true),
        ("k8s.gcr.io:443", true),
        ("coredns/coredns", true),
        ("docker.io/pause", false),
        ("index.docker.io/pause", false),
        ("localhost/pause", false),
    ] {
        assert_eq!(Reference::parse(source).unwrap().is_short(), short, "{source}");
    }
}

// === lengths ===

#[test]
fn a_tag_has_128_bytes_at_most() {
    let longest = format!("pause:{}", "t".repeat(128));
    assert_eq!(Reference::parse(&longest).unwrap().tag().map(str::len), Some(128));
    assert_eq!(fault(&format!("{longest}t")), Some((Fault::Tag, 134)));
}

#[test]
fn a_path_has_255_bytes_at_most_not_counting_the_registry() {
    let longest = format!("{}a", "a/".repeat(127));
    for registry in ["r.example:5000", &format!("{}.example", "r".repeat(300))] {
        let source = format!("{registry}/{longest}:v1");
        assert_eq!(path(&Reference::parse(&source).unwrap()), longest);
        let source = format!("{registry}/{longest}a:v1");
        assert_eq!(fault(&source), Some((Fault::PathTooLong, registry.len() + 1)));
    }
    // Without a registry all of it is path, and with the implied component less is left.
    assert_eq!(fault(&longest), None);
    assert_eq!(fault(&format!("{longest}a")), Some((Fault::PathTooLong, 0)));
    for registry in ["", "docker.io/", "index.docker.io/"] {
        let source = format!("{registry}{}", "a".repeat(247));
        assert_eq!(fault(&source), None);
        assert_eq!(fault(&format!("{source}a")), Some((Fault::PathTooLong, registry.len())));
    }
    // A registry that passes as a path counts as one.
    let source = format!("a_b.example/{}", "a".repeat(243));
    assert_eq!(fault(&source), None);
    assert_eq!(fault(&format!("{source}a")), Some((Fault::PathTooLong, 12)));
}

#[test]
fn a_megabyte_is_refused() {
    const MEGABYTE: usize = 1 << 20;
    for (piece, expected) in [
        ("a", (Fault::PathTooLong, 0)),
        ("a/", (Fault::Path, MEGABYTE)),
        ("-", (Fault::Path, 0)),
        ("/", (Fault::Path, 0)),
        (":", (Fault::Path, 0)),
        ("@", (Fault::Path, 0)),
        ("[", (Fault::Path, 0)),
        ("é", (Fault::Path, 0)),
        ("a:", (Fault::Tag, 3)),
        ("0", (Fault::PathTooLong, 0)),
    ] {
        let source = piece.repeat(MEGABYTE / piece.len());
        assert_eq!(fault(&source), Some(expected), "{piece}");
    }
    let tag = format!("a:{}", "a".repeat(MEGABYTE));
    assert_eq!(fault(&tag), Some((Fault::Tag, 130)));
    let digest = format!("a@sha256:{}", "a".repeat(MEGABYTE));
    assert_eq!(fault(&digest), Some((Fault::Digest, 73)));
    let port = format!("a:{}/b", "0".repeat(MEGABYTE));
    assert_eq!(fault(&port), None, "a port is a number of any length, even so");
}

// === what is said ===

#[test]
fn a_refusal_says_what_and_where_and_never_repeats_the_name() {
    for (source, said) in [
        ("Secret", "upper-case letter in the repository path at byte 0"),
        ("secret:", "malformed tag at byte 7"),
        ("secret:x/y", "malformed registry port at byte 7"),
        ("-.x/y", "malformed registry host at byte 0"),
        ("secret@md5:0", "unsupported digest algorithm at byte 7"),
        ("secret@sha256:0", "malformed digest at byte 15"),
        ("secret/", "malformed repository path at byte 7"),
        (&"a".repeat(256), "repository path of more than 255 bytes at byte 0"),
    ] {
        assert_eq!(Name::parse(source).unwrap_err().to_string(), said);
    }
    let id = "0".repeat(64);
    assert_eq!(Reference::parse(&id).unwrap_err().to_string(), "image ID instead of a name at byte 0");
}
