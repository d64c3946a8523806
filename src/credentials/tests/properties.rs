//! No input is too strange.

use crate::credentials::docker;
use crate::credentials::docker_helper::Helpers;
use crate::credentials::provider::Answer;
use crate::error::Chain;
use crate::reference::Reference;
use proptest::prelude::*;
use std::time::Duration;

/// Documents of the right words in the wrong places, since random bytes would fail at the first.
fn document() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "auths",
        "auth",
        "username",
        "password",
        "identitytoken",
        "registrytoken",
        "credHelpers",
        "credsStore",
        "a.example",
        "https://a.example/v2/",
        "*.example",
        "https://",
        "://@:/",
        "cm9ib3Q6c2VjcmV0",
        "",
        "kind",
        "apiVersion",
        "cacheKeyType",
        "cacheDuration",
        "Image",
        "CredentialProviderResponse",
        "credentialprovider.kubelet.k8s.io/v1",
        "1h",
        "-9223372036854775808s",
        "99999999999999999h",
        "secret",
        "secret/..",
        "\\u0000",
        "\\ud800",
    ]);
    let leaf = prop_oneof![
        word.clone().prop_map(|word| format!("\"{word}\"")),
        Just("null".to_owned()),
        Just("1e999".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let pair = (word.clone(), inner.clone()).prop_map(|(key, value)| format!("\"{key}\": {value}"));
        prop_oneof![
            3 => prop::collection::vec(pair, 0..6).prop_map(|pairs| format!("{{{}}}", pairs.join(", "))),
            1 => prop::collection::vec(inner, 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
        ]
    })
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        document().prop_map(String::into_bytes),
        (document(), any::<prop::sample::Index>()).prop_map(|(document, end)| {
            let mut bytes = document.into_bytes();
            bytes.truncate(end.index(bytes.len().max(1)));
            bytes
        }),
    ]
}

proptest! {
    #[test]
    fn whatever_is_read_gives_an_answer_or_an_error_without_a_secret(
        bytes in bytes(),
        image in prop::sample::select(vec!["a.example/x:1", "a.example:5000/x", "busybox", "[::1]:5000/x"]),
    ) {
        let image = Reference::parse(image).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Helpers are looked for where none are.
        let helpers = Helpers::new(Duration::from_secs(60), Some("/nonexistent".into()));
        if let Err(error) = runtime.block_on(docker::find(&bytes, image, &helpers)) {
            let printed = format!("{} {error:?}", Chain(&error)).replace("docker-credential-secret", "");
            prop_assert!(!printed.contains("secret"), "{}", printed);
        }
        if let Err(error) = Answer::read(&bytes) {
            let printed = format!("{} {error:?}", Chain(&error));
            prop_assert!(!printed.contains("secret"), "{}", printed);
        }
    }
}
