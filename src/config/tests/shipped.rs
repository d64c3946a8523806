//! The file that a host receives.

use super::{Serve, Source, checked, held, keys, settings, warnings};

const SHIPPED: &str = include_str!("../../../systemd/repoint.toml");

#[test]
fn the_shipped_file_says_what_holds_anyway() {
    let text = SHIPPED;
    let said = |text: &str| held(&checked(text).unwrap());
    assert_eq!(said(text), said(""), "as shipped");
    // What stands behind one mark is a default, said; behind two, an example, or what stands for "not set".
    let is_key = |line: &&str| line.starts_with(|first: char| first.is_ascii_lowercase());
    let uncomment = |line: &str| match line.strip_prefix('#') {
        Some(rest) => Some(rest).filter(is_key).unwrap_or_default().to_owned() + "\n",
        None => line.to_owned() + "\n",
    };
    let uncommented: String = text.lines().map(uncomment).collect();
    assert!(uncommented.contains("runtime_wait = "));
    assert_eq!(said(&uncommented), said(""), "with its defaults said: {uncommented}");
}

#[test]
fn the_examples_of_the_shipped_file_hold_together() {
    let text = SHIPPED;
    let examples: String = text.lines().map(|line| line.strip_prefix("##").unwrap_or(line).to_owned() + "\n").collect();
    let source = Source::of("/c.toml", examples.as_bytes());
    let settings = settings(&Serve::default(), &source).unwrap();
    let is_elsewhere =
        |warning: &String| warning.ends_with("it cannot be looked at: No such file or directory (os error 2)");
    let warnings = warnings(&source, &settings).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(warnings.iter().all(is_elsewhere), "{warnings:#?}");
    assert!(settings.rules.rules().len() > 3 && settings.credentials.len() > 2);
}

#[test]
fn every_key_is_in_the_shipped_file() {
    let text = SHIPPED;
    let shown = |name: &str| {
        let starts = [format!("{name} ="), format!("[{name}]"), format!("[[{name}]]"), format!("[{name}.")];
        let is_inline = text.contains(&format!("{{ {name} = ")) || text.contains(&format!(", {name} = "));
        is_inline || text.lines().any(|line| starts.iter().any(|start| line.trim_start_matches('#').starts_with(start)))
    };
    for key in keys::TABLES.iter().flat_map(|table| table.keys) {
        assert!(shown(key.name), "`{}` is not shown", key.name);
    }
}
