use super::*;

/// Every scalar of a text with the text of its content.
fn scalars(text: &str) -> Vec<(String, Option<String>)> {
    fn add(text: &str, tree: &Tree<'_>, id: Id, out: &mut Vec<(String, Option<String>)>) {
        if let Some(says) = tree.scalar(id) {
            let content = content(text, tree.node(id).unwrap()).map(|at| text[at].to_owned());
            out.push((says.to_owned(), content));
        }
        tree.items(id).iter().for_each(|item| add(text, tree, *item, out));
        tree.entries(id).iter().for_each(|(_, value)| add(text, tree, *value, out));
    }
    let mut out = Vec::new();
    read(text, &mut |tree, root, _| add(text, tree, root, &mut out)).unwrap();
    out
}

#[test]
fn a_scalar_is_said_by_its_own_bytes_however_it_is_written() {
    for written in [
        "a: x/y:1",
        "a: 'x/y:1'",
        "a: \"x/y:1\" # z",
        "a: {b: x/y:1}",
        "a: {b: x/y:1, c: {}}",
        "a: [x/y:1]",
        "a: |-\n  x/y:1\n",
        "a: >\n  x/y:1\n\nb: {}",
        "a: !!str x/y:1",
        "a: &b x/y:1",
        "a: &b !!str \"x/y:1\"",
        "ä: x/y:1\r\nb: {}\r\n",
        "\u{feff}a: x/y:1",
        "a:\n  x/y:1",
        "{\"a\":\"x/y:1\"}",
        "{\n\t\"a\": \"x/y:1\"\n}\n",
        "? a\n: x/y:1",
        "a: \"\\x78/y:1\"",
        "# é\n---\n# é\na: x/y:1   \n...\n",
    ] {
        let found = scalars(written);
        let [(says, Some(content))] = found.as_slice() else { panic!("{written}: {found:?}") };
        assert_eq!(says.trim(), "x/y:1", "{written}");
        assert!(content == "x/y:1" || content == "\\x78/y:1", "{written}: {content}");
    }
}

#[test]
fn the_objects_of_a_list_are_shown_one_by_one_and_what_is_broken_says_where() {
    let mut seen = Vec::new();
    let text = "kind: List\nitems:\n- a: 1\n- a: 2\n---\nb: 1\n---\nc: [\n";
    let broken = read(text, &mut |tree, root, _| {
        seen.push(tree.entries(root).iter().filter_map(|(key, _)| tree.scalar(*key)).collect::<Vec<_>>().join(" "));
    });
    assert_eq!(seen, ["a", "a", "kind items", "b"]);
    let broken = broken.unwrap_err();
    assert_eq!(&text[broken.from..], "---\nc: [\n");
    assert!(broken.line >= 8, "{broken}");
}

#[test]
fn aliases_are_followed_and_never_multiplied() {
    let mut text = "a0: &a0 [x, x]\n".to_owned();
    for number in 1..60 {
        let line = format!("a{number}: &a{number} [*a{0}, *a{0}]\n", number - 1);
        text.push_str(&line);
    }
    text.push_str("d: &d {i: x}\ne: {<<: *d, j: *a0}\nf: *d\n");
    let mut found = None;
    read(&text, &mut |tree, root, _| {
        found = tree.text(root, &["e", "i"]).map(str::to_owned);
        assert_eq!(tree.text(root, &["f", "i"]), Some("x"));
        assert!(tree.len() < 500);
    })
    .unwrap();
    assert_eq!(found.as_deref(), Some("x"));
}

#[test]
fn what_is_nested_too_deep_is_broken_and_nothing_else() {
    for text in ["[".repeat(100_000), "- ".repeat(100_000), "{a: ".repeat(100_000), "&a ".repeat(10_000)] {
        assert!(read(&text, &mut |_, _, _| ()).is_err());
    }
}

#[test]
fn merges_are_counted_before_anybody_looks() {
    let text = |mappings: usize, entries: usize| {
        let entries: String = (0..entries).map(|number| format!("k{number}: 1, ")).collect();
        let merging = "- {<<: *b, x: 1}\n".repeat(mappings);
        format!("a: &a {{{entries}}}\nb: &b {{<<: *a}}\nc:\n{merging}---\nd: 1\n")
    };
    let mut seen = 0;
    let mut see = |_: &Tree<'_>, _, _| seen += 1;
    assert_eq!(read(&text(300, 1_000), &mut see), Ok(()));
    assert_eq!(read(&text(3_000, 10), &mut see), Ok(()));
    let broken = read(&text(3_000, 1_000), &mut see).unwrap_err();
    assert_eq!((broken.from, seen), (0, 4), "{broken}");
}
