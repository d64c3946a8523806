//! Files as people have them, with what is to be found in each marked in its own text.
//!
//! A case begins with `@@ NAME FLAGS: SENTENCE`. In what follows, `«WRITTEN»` is a place that is found: from its first letter on, and
//! with `k8s.gcr.io` in it replaced when it is mended. `«WRITTEN…»` is a part of a name. `«WRITTEN‖IMAGE‖MENDED‖IMAGE…»` is a place that
//! says something else than the image, or is mended otherwise (if that is not empty; `=` is left as it is), or stands for several. Flags: `crlf`, `bom`, `nofinal` (no line feed at the
//! end), `unread=LINE` (is told of as broken).

use std::fs;
use std::path::Path;

/// A case.
#[derive(Debug)]
pub(super) struct Case {
    /// Its directory, a number, and its name in there.
    pub(super) path: String,
    /// What it is there for.
    pub(super) about: String,
    /// What it says.
    pub(super) text: String,
    /// What it says when it is mended.
    pub(super) mended: String,
    /// What is found in it: line, column, image, substitute, whether it is a part.
    pub(super) findings: Vec<(usize, usize, String, String, bool)>,
    /// How many of them are left when it is mended.
    pub(super) left: usize,
    /// The line of which it is told that it is broken.
    pub(super) unread: Option<usize>,
}

/// All of them.
pub(super) fn cases() -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scan/corpus");
    let mut files: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut cases: Vec<Case> = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let mut parts = text.split("@@ ");
        assert_eq!(parts.next(), Some(""), "{}", file.display());
        for part in parts {
            let (head, body) = part.split_once('\n').unwrap();
            cases.push(Case::new(cases.len(), head, body));
        }
    }
    cases
}

impl Case {
    fn new(number: usize, head: &str, body: &str) -> Self {
        let (words, about) = head.split_once(": ").unwrap_or_else(|| (head.trim_end_matches(':'), ""));
        let mut words = words.split(' ');
        let path = format!("{number:03}/{}", words.next().unwrap());
        let flags: Vec<&str> = words.collect();
        let mut body = body.to_owned();
        if flags.contains(&"crlf") {
            body = body.replace('\n', "\r\n");
        }
        if flags.contains(&"nofinal") {
            body.truncate(body.trim_end().len());
        }
        let mut case = Self {
            path,
            about: about.to_owned(),
            text: String::new(),
            mended: String::new(),
            findings: Vec::new(),
            left: 0,
            unread: flags.iter().find_map(|flag| flag.strip_prefix("unread=")).map(|line| line.parse().unwrap()),
        };
        let mut rest = body.as_str();
        while let Some((before, after)) = rest.split_once('«') {
            let (mark, after) = after.split_once('»').unwrap();
            rest = after;
            case.say(before, before);
            case.mark(mark);
        }
        case.say(rest, rest);
        if flags.contains(&"bom") {
            case.text.insert(0, '\u{feff}');
            case.mended.insert(0, '\u{feff}');
        }
        case
    }

    fn say(&mut self, text: &str, mended: &str) {
        self.text.push_str(text);
        self.mended.push_str(mended);
    }

    fn mark(&mut self, mark: &str) {
        let new = |name: &str| {
            name.replace("k8s.gcr.io", "registry.k8s.io").replace("K8S.gcr.io", "registry.k8s.io").replace(":443/", "/")
        };
        let line = self.text.matches('\n').count() + 1;
        let column = self.text.rsplit('\n').next().unwrap().chars().count() + 1;
        let parts: Vec<&str> = mark.split('‖').collect();
        let (written, is_part) = parts[0].strip_suffix('…').map_or((parts[0], false), |written| (written, true));
        let mut images = vec![parts.get(1).copied().unwrap_or(written)];
        images.extend(parts.iter().skip(3));
        for image in images {
            self.findings.push((line, column, image.to_owned(), new(image), is_part));
        }
        if parts.get(2) == Some(&"=") {
            self.left += 1;
            return self.say(written, written);
        }
        let mended = parts
            .get(2)
            .filter(|mended| !mended.is_empty())
            .map_or_else(|| new(written), |mended| (*mended).to_owned());
        self.say(written, &mended);
    }
}
