//! The man pages and completions say what the program can do, and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::CommandFactory;
use repoint::args::Cli;
use repoint::config::keys::TABLES;
use repoint::exit::Exit;

use crate::rendered::{self, called};
use crate::support::world::Missing;

/// Everything that is rendered, as text.
fn all() -> BTreeMap<String, String> {
    rendered::all().unwrap().into_iter().map(|(name, text)| (name, String::from_utf8(text).unwrap())).collect()
}

/// A page, as one reads it: without fonts, and with hyphens as one types them.
fn read(name: &str) -> String {
    let all = all();
    let page = all.get(&format!("man/{name}")).unwrap_or_else(|| panic!("no {name} among {:?}", all.keys()));
    ["\\fB", "\\fI", "\\fR"]
        .iter()
        .fold(page.replace("\\-", "-").replace("\\*(Aq", "'"), |page, font| page.replace(font, ""))
}

/// The options that a text speaks of.
fn options_in(text: &str) -> BTreeSet<String> {
    let name = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect::<String>();
    text.split("--").skip(1).map(name).filter(|name| !name.is_empty()).collect()
}

/// Something to run, with this on its standard input. What it says.
fn says(program: &str, words: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(output.status.success(), "{program} {words:?}: {said}");
    said
}

#[test]
fn every_command_has_a_page_and_no_page_is_of_anything_else() {
    let pages: BTreeSet<_> = all().into_keys().filter(|name| name.starts_with("man/")).collect();
    let mut expected: BTreeSet<_> =
        rendered::commands().iter().map(|command| format!("man/{}.1", called(command))).collect();
    expected.insert("man/repoint.toml.5".to_owned());
    assert_eq!(pages, expected);
    for known in ["man/repoint.1", "man/repoint-serve.1", "man/repoint-config-check.1"] {
        assert!(pages.contains(known), "{known}");
    }
}

#[test]
fn a_page_has_every_option_of_its_command() {
    for command in rendered::commands() {
        let page = read(&format!("{}.1", called(&command)));
        let named = options_in(&page);
        for option in command.get_arguments().filter_map(|argument| argument.get_long()) {
            assert!(named.contains(option), "{} says nothing of --{option}", called(&command));
        }
    }
}

#[test]
fn no_page_speaks_of_an_option_that_is_nowhere() {
    let known: BTreeSet<_> = rendered::commands()
        .iter()
        .flat_map(|command| command.get_arguments().filter_map(|argument| argument.get_long()))
        .map(str::to_owned)
        .collect();
    for command in rendered::commands() {
        let named = options_in(&read(&format!("{}.1", called(&command))));
        assert!(named.is_subset(&known), "{}: {:?}", called(&command), named.difference(&known));
    }
}

#[test]
fn the_exit_codes_are_in_the_page_and_in_the_help() {
    let help = Cli::command().render_long_help().to_string().replace('\n', " ");
    for exit in Exit::ALL {
        let number = exit as u8;
        assert!(read("repoint.1").contains(&format!("{number}\n{}", exit.meaning())), "{exit:?}");
        assert!(help.contains(&format!(" {number} ")), "the help does not have {number}");
    }
}

#[test]
fn the_variables_that_the_source_asks_for_are_in_the_page() {
    fn asked_for(directory: &Path, all: &mut BTreeSet<String>) {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                asked_for(&entry.path(), all);
            } else {
                let text = fs::read_to_string(entry.path()).unwrap();
                let names = text.split("env::var_os(\"").chain(text.split("env::var(\"")).filter_map(|rest| {
                    let name = rest.split_once('"')?.0;
                    name.chars().all(|c| c.is_ascii_uppercase() || c == '_').then(|| name.to_owned())
                });
                all.extend(names);
            }
        }
    }
    let mut all = BTreeSet::from(["RUST_LOG".to_owned()]);
    asked_for(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut all);
    assert!(all.len() > 3, "only {all:?} were found: is the reading still right?");
    let page = read("repoint.1");
    for name in all {
        assert!(page.contains(&name), "{name}");
    }
}

#[test]
fn every_key_of_the_configuration_is_in_its_page() {
    let page = read("repoint.toml.5");
    for table in TABLES {
        for key in table.keys {
            assert!(page.contains(&format!("\n{}\n", key.name)), "{}", key.name);
        }
    }
}

#[test]
fn groff_has_nothing_to_say_about_the_pages() {
    if let Err(missing) = Missing::programs(&[("groff", "groff-base")]) {
        return missing.skip("no opinion of groff's");
    }
    for (name, page) in all().into_iter().filter(|(name, _)| name.starts_with("man/")) {
        let said = says("groff", &["-man", "-ww", "-z", "-K", "utf8"], &page);
        assert!(said.is_empty(), "{name}: {said}");
    }
}

#[test]
fn bash_completes_commands_and_options() {
    if let Err(missing) = Missing::programs(&[("bash", "bash")]) {
        return missing.skip("no opinion of bash's");
    }
    for (words, expected) in
        [("repoint con", "config"), ("repoint config sch", "schema"), ("repoint serve --run", "--runtime")]
    {
        let last = words.split(' ').count() - 1;
        let word = words.split(' ').next_back().unwrap();
        let script = format!(
            "{}\nCOMP_WORDS=({words}); COMP_CWORD={last}; _repoint repoint {word} x; echo \"${{COMPREPLY[*]}}\"",
            all()["completions/bash/repoint"]
        );
        assert_eq!(says("bash", &["--norc", "-s"], &script).trim(), expected, "{words}");
    }
}

#[test]
fn the_other_shells_have_the_same_commands() {
    let all = all();
    for file in ["completions/zsh/_repoint", "completions/fish/repoint.fish"] {
        for command in Cli::command().get_subcommands() {
            assert!(all[file].contains(command.get_name()), "{file} does not have {}", command.get_name());
        }
    }
}

#[test]
fn the_set_up_installs_what_this_takes() {
    let script = include_str!("../scripts/set-up");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert!(script.lines().any(|line| words(line) == ["groff", "groff-base"]), "no line has groff");
}
