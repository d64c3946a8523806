//! Whatever stands in a file, it is read to the end.

use super::{Serve, Source, held, page, settings, show, value};
use proptest::prelude::*;
use std::time::Duration;

/// Something that a file might say, right or wrong.
fn lines() -> impl Strategy<Value = String> {
    let keys = prop::sample::select(vec![
        "listen",
        "admin",
        "runtime",
        "node",
        "state",
        "runtime_wait",
        "keep_original_name",
        "sandbox_image",
        "message_limit_bytes",
        "builtin_rules",
        "audit",
        "file",
        "sync",
        "rotate_bytes",
        "rotate_after",
        "keep",
        "labels",
        "journald",
        "stdout",
        "credentials",
        "docker_config",
        "provider",
        "args",
        "env",
        "cache",
        "systemd",
        "timeout",
        "rules",
        "name",
        "match",
        "exclude",
        "namespaces",
        "action",
        "percent",
        "from",
        "targets",
        "on_failure",
        "location",
        "x",
        "\"\"",
        "credentials.a.systemd",
        "audit.file",
        "labels.a",
        "labels.\"\"",
        "\"\\u001b\"",
    ]);
    let values = prop::sample::select(vec![
        "\"/run/x\"",
        "\"x.example\"",
        "\"5s\"",
        "5",
        "-1",
        "0.25",
        "nan",
        "true",
        "[]",
        "{}",
        "[\"x.example\"]",
        "[\"k8s.gcr.io\", \"coredns/coredns\"]",
        "[[1]]",
        "[{ location = \"y.example\", credentials = \"a\" }]",
        "{ a = \"b\" }",
        "2026-12-01",
        "2026-12-01T00:00:00",
        "00:00:00",
        "\"deny\"",
        "\"observe\"",
        "\"original\"",
        "\"never\"",
        "[\"team-*\"]",
        "\"\"",
        "\"\\u0000\"",
        "[{ name = \"r\", match = [\"z.example\"], action = \"deny\" }]",
    ]);
    let headers = prop::sample::select(vec![
        "[audit]",
        "[labels]",
        "[credentials.a]",
        "[credentials.none]",
        "[credentials]",
        "[[rules]]",
        "[rules]",
        "[[rules.targets]]",
        "[x]",
        "[[audit]]",
    ]);
    let line = prop_oneof![
        6 => (keys, values).prop_map(|(key, value)| format!("{key} = {value}")),
        1 => headers.prop_map(str::to_owned),
    ];
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

/// The value that TOML text says.
fn read(text: &str) -> toml::Value {
    let document: toml::Table = toml::from_str(&format!("value = {text}")).unwrap();
    document["value"].clone()
}

proptest! {
    #[test]
    fn any_string_is_read_back_as_it_was_and_shown_on_one_line(text in "(\\PC|\\p{Cc}|\\p{Cf}|[\"\\\\]){0,20}") {
        let written = page::string(&text);
        prop_assert!(!written.contains(|c: char| c.is_control()), "{:?}", written);
        prop_assert_eq!(read(&written), toml::Value::String(text));
    }

    #[test]
    fn any_time_is_read_back_as_it_was(seconds in 0..u64::MAX / 2, nanoseconds in 0..1_000_000_000_u32) {
        let time = Duration::new(seconds, nanoseconds);
        let written = page::time(time);
        let text = read(&written);
        let value = toml::de::DeValue::String(text.as_str().unwrap().into());
        prop_assert_eq!(value::wait(&value), Ok(time), "{}", written);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let source = Source::of("/c.toml", &bytes);
        let _either = settings(&Serve::default(), &source);
    }

    #[test]
    fn no_text_of_toml_s_own_characters_makes_it_panic(text in "([\\[\\]{}=,.\"'#\\\\\n a1é-]|\"\"\"|\\[\\[|rules|name = |\n){0,40}") {
        let source = Source::of("/c.toml", text.as_bytes());
        let _either = settings(&Serve::default(), &source);
    }

    #[test]
    fn any_toml_gives_settings_or_mistakes_that_have_a_place(text in lines()) {
        let source = Source::of("/c.toml", text.as_bytes());
        match settings(&Serve::default(), &source) {
            Ok(settings_of_text) => {
                let page = show::show(&source, &settings_of_text);
                if !page.contains('…') {
                    let shown = settings(&Serve::default(), &Source::of("/c.toml", page.as_bytes()));
                    prop_assert_eq!(held(&shown.unwrap()), held(&settings_of_text));
                }
            }
            Err(mistakes) => {
                prop_assert!(!mistakes.0.is_empty());
                for mistake in mistakes.0 {
                    prop_assert!(mistake.place().is_some(), "{}", mistake);
                    prop_assert!(mistake.to_string().starts_with("/c.toml:"), "{}", mistake);
                    prop_assert!(!mistake.to_string().contains(|c: char| c.is_control()), "{}", mistake);
                }
            }
        }
    }
}
