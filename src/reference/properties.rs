//! What holds for every string, and where an oracle exists, the same from its mouth.

use super::tests::{fault, filled, path, reassembled};
use super::{Name, PATH_MAX, Reference};
use oci_spec::distribution::Reference as Oracle;
use proptest::prelude::*;

/// Strings made of what references are made of, in any order: most are invalid, and few for the same reason.
fn jumble() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        6 => prop::sample::select(vec![
            "k8s.gcr.io", "docker.io", "index.docker.io", "localhost", "a_b.example", "x:5000",
            "library", "latest", "sha256:", "@sha512:", "/", "/", ":", "@", ".", "_", "__", "-",
            "[::1]", "[", "]", "A", "Mirror", "a", "0", "é", " ", "\n",
        ]).prop_map(str::to_owned),
        1 => prop::sample::select(vec!["{hex}", "@{sha256}", "@{sha384}", "{short}", "{HEX}"])
            .prop_map(filled),
        1 => "[a-z0-9]{1,12}",
    ];
    prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
}

/// References as the grammar makes them.
fn valid() -> impl Strategy<Value = String> {
    let registry = "((docker\\.io|index\\.docker\\.io|localhost|LOCALHOST|[a-zA-Z0-9]{1,9}\\.[a-z]{2,5}|\
        a_b\\.example|\\[[0-9a-fA-F:]{1,15}:\\])/|([a-z0-9]{1,9}(-{1,3}[a-z0-9]{1,3}){0,2}|\
        \\[::[0-9a-f]{1,4}\\]):[0-9]{1,6}/)?";
    let component = "[a-z0-9]{1,5}((\\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}";
    let path = prop::collection::vec(component, 1..6).prop_map(|components| components.join("/"));
    let tag = "(:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,127})?";
    let digest = "(@(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128}))?";
    (registry, path, tag, digest)
        .prop_map(|(registry, path, tag, digest)| [registry, path, tag, digest].concat())
        .prop_filter("an ID", |source| !matches!(Name::parse(source), Ok(Name::Id(_))))
}

/// Whether the oracle reads a string as the runtimes do. It does not know addresses in brackets, takes an
/// upper-case first component for a path of Docker Hub, an image ID for a name, upper-case digits for a digest's and
/// letters of any script for a tag's, and leaves a registry with an underscore out of the path's length.
fn oracle_is_right_about(source: &str) -> bool {
    let first = source.split_once('/').map_or("", |(first, _)| first);
    let uppercase_alone = first != first.to_lowercase() && !first.contains(['.', ':']);
    let digits = source.rsplit_once('@').map_or("", |(_, digest)| digest);
    !(source.contains('[')
        || uppercase_alone
        || matches!(Name::parse(source), Ok(Name::Id(_)))
        || digits != digits.to_lowercase()
        || !source.is_ascii()
        || (first.contains('_') && source.len() > PATH_MAX))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn no_string_makes_it_panic(source in any::<String>()) {
        if let Err(invalid) = Name::parse(&source) {
            prop_assert!(invalid.at <= source.len());
        }
    }

    #[test]
    fn what_is_read_reassembles_to_the_source(source in prop_oneof![jumble(), valid()]) {
        match Name::parse(&source) {
            Ok(Name::Id(id)) => prop_assert_eq!(id, &source),
            Ok(Name::Reference(reference)) => {
                prop_assert_eq!(reassembled(&reference), source.as_str());
                prop_assert_eq!(reference.source(), &source);
                prop_assert!(source.bytes().all(|byte| byte.is_ascii_graphic()));
            }
            Err(invalid) => prop_assert!(source.is_char_boundary(invalid.at)),
        }
    }

    #[test]
    fn what_the_grammar_makes_is_read(source in valid()) {
        prop_assert_eq!(fault(&source), None);
    }

    #[test]
    fn the_normal_form_means_the_same(source in valid()) {
        let reference = Reference::parse(&source).unwrap();
        let normal = format!("{}/{}{}", reference.registry(), path(&reference), reference.suffix());
        let again = Reference::parse(&normal).unwrap();
        prop_assert_eq!(again.registry(), reference.registry());
        prop_assert_eq!(path(&again), path(&reference));
        prop_assert_eq!(again.suffix(), reference.suffix());
        prop_assert!(!again.is_short());
    }

    #[test]
    fn a_substituted_registry_leaves_path_and_suffix_alone(
        source in valid(),
        registry in "[a-z]{1,9}\\.[a-z]{1,9}(:[0-9]{1,5})?",
        prefix in "(/[a-z]{1,9}){0,2}",
    ) {
        let reference = Reference::parse(&source).unwrap();
        let path = path(&reference);
        let substitute = format!("{registry}{prefix}/{path}{}", reference.suffix());
        let substitute = Reference::parse(&substitute).unwrap();
        prop_assert_eq!(substitute.registry(), &registry);
        prop_assert!(substitute.components().eq(
            prefix.split('/').skip(1).chain(reference.components())
        ));
        prop_assert_eq!(substitute.suffix(), reference.suffix());
        prop_assert_eq!(substitute.tag(), reference.tag());
        prop_assert_eq!(substitute.digest(), reference.digest());
    }

    #[test]
    fn names_agree_with_the_oracle(source in prop_oneof![jumble(), valid()]) {
        prop_assume!(oracle_is_right_about(&source));
        match (Reference::parse(&source), Oracle::try_from(source.as_str())) {
            (Ok(ours), Ok(theirs)) => {
                prop_assert_eq!(ours.registry(), theirs.registry());
                prop_assert_eq!(path(&ours), theirs.repository());
                // The oracle invents a tag for a name that has neither tag nor digest.
                let invented = ours.suffix().is_empty().then_some("latest");
                prop_assert_eq!(ours.tag().or(invented), theirs.tag());
                prop_assert_eq!(ours.digest(), theirs.digest());
            }
            (Err(_), Err(_)) => {}
            (ours, theirs) => prop_assert!(false, "{source:?}: {ours:?}, {theirs:?}"),
        }
    }
}
