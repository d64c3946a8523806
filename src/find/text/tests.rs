use super::*;

fn names(text: &str) -> Vec<(String, Extent)> {
    let masked = mask(text, Comments::HASH);
    assert_eq!(masked.len(), text.len());
    search(&masked, About::Nothing).into_iter().map(|token| (text[token.at].to_owned(), token.extent)).collect()
}

#[test]
fn a_name_is_taken_as_a_whole_where_it_is_clear_that_it_is_one() {
    use Extent::{Prefix, Tagless, Whole};
    for (text, expected) in [
        ("image: k8s.gcr.io/pause:3.9", &[("k8s.gcr.io/pause:3.9", Whole)][..]),
        ("image: k8s.gcr.io/pause", &[("k8s.gcr.io/pause", Whole)]),
        ("see k8s.gcr.io/pause for more", &[]),
        ("docker pull k8s.gcr.io/pause:3.9.", &[("k8s.gcr.io/pause:3.9", Whole)]),
        ("docker://k8s.gcr.io/pause:3.9", &[("k8s.gcr.io/pause:3.9", Whole)]),
        ("docker-daemon:k8s.gcr.io/pause:3.9", &[("k8s.gcr.io/pause:3.9", Whole)]),
        ("docker-pullable://k8s.gcr.io/pause:3.9", &[("k8s.gcr.io/pause:3.9", Whole)]),
        ("image: \"containerd://k8s.gcr.io/pause\"", &[("k8s.gcr.io/pause", Whole)]),
        ("image: ${REG:-k8s.gcr.io}/pause:3.9", &[("k8s.gcr.io", Prefix)]),
        ("docker pull \"${REG-k8s.gcr.io/a}/pause:3.9\"", &[("k8s.gcr.io/a", Prefix)]),
        (
            "docker pull ${REG:=k8s.gcr.io}/pause ${REG=k8s.gcr.io/b:1}",
            &[("k8s.gcr.io", Prefix), ("k8s.gcr.io/b:1", Whole)],
        ),
        ("docker://${REG:-k8s.gcr.io}/pause:3.9", &[("k8s.gcr.io", Prefix)]),
        ("docker pull ${IMAGE:-k8s.gcr.io/pause}:$TAG", &[("k8s.gcr.io/pause", Tagless)]),
        ("harbor.corp/${REG:-k8s.gcr.io}/pause:3.9 ${A}${REG:-k8s.gcr.io}/pause:3.9", &[]),
        ("${REG:-k8s.gcr.io} ${DIR:-usr}/lib:1", &[]),
        ("https://k8s.gcr.io/v2/pause:3.9", &[]),
        ("harbor.corp/k8s.gcr.io/pause:3.9", &[("harbor.corp/k8s.gcr.io/pause:3.9", Whole)]),
        ("$HARBOR/k8s.gcr.io/pause:3.9", &[]),
        ("${HARBOR}k8s.gcr.io/pause:3.9", &[]),
        ("{{ .x }}k8s.gcr.io/pause:3.9", &[]),
        ("{{ if .x }}k8s.gcr.io/pause:3.9{{ else }}b{{ end }}", &[("k8s.gcr.io/pause:3.9", Whole)]),
        ("k8s.gcr.io/pause:{{ .tag }}", &[("k8s.gcr.io/pause", Tagless)]),
        ("k8s.gcr.io/pause:v{{ .tag }}", &[("k8s.gcr.io/pause", Tagless)]),
        ("k8s.gcr.io/pause:$TAG", &[("k8s.gcr.io/pause", Tagless)]),
        ("image: k8s.gcr.io/{{ .name }}", &[("k8s.gcr.io", Prefix)]),
        ("image: {{ .r | default \"k8s.gcr.io\" }}/pause:3.9", &[("k8s.gcr.io", Prefix)]),
        ("x: {{ .r | default \"k8s.gcr.io\" }}", &[]),
        ("  repository: k8s.gcr.io/pause", &[("k8s.gcr.io/pause", Tagless)]),
        ("imageRepository: k8s.gcr.io", &[("k8s.gcr.io", Prefix)]),
        ("registry: k8s.gcr.io/{{ .x }}", &[("k8s.gcr.io", Prefix)]),
        ("# image: k8s.gcr.io/pause:3.9", &[]),
        ("image: a # k8s.gcr.io/pause:3.9", &[]),
        ("image: \"#\" k8s.gcr.io/pause:3.9", &[("k8s.gcr.io/pause:3.9", Whole)]),
        ("{{- /* k8s.gcr.io/pause:3.9\n */}}", &[]),
        ("--pause-image k8s.gcr.io/pause", &[("k8s.gcr.io/pause", Whole)]),
        ("IMAGE=k8s.gcr.io/pause", &[("k8s.gcr.io/pause", Whole)]),
        ("[k8s.gcr.io/a:1,k8s.gcr.io/b:1]", &[("k8s.gcr.io/a:1", Whole), ("k8s.gcr.io/b:1", Whole)]),
        ("12:30:45 10.0.0.1:80 a.b", &[]),
    ] {
        let expected: Vec<_> = expected.iter().map(|(name, extent)| ((*name).to_owned(), *extent)).collect();
        assert_eq!(names(text), expected, "{text}");
    }
}

#[test]
fn comments_are_those_of_the_language() {
    let name = "k8s.gcr.io/pause:3.9";
    let is_found = |file: &str, text: &str| {
        let masked = mask(text, Comments::of(file).unwrap_or(Comments::ANY));
        assert_eq!(masked.len(), text.len());
        masked.contains(name)
    };
    for (file, before, after, expected) in [
        ("a.tf", "/*\n x = ", "\n*/", false),
        ("a.tf", "x = [/* ", " */]", false),
        ("a.tf", "/* a */ x = ", "", true),
        ("a.tf", "x = \"/*\"\ny = ", "\nz = \"*/\"", true),
        ("a.tf", "x = <<-EOT\n rm -rf /a/* /*\n pull ", "\n ls */ /*\n EOT\n", true),
        ("a.tf", "x = <<EOT\nEOT\n/*", "*/", false),
        ("a.tf", "/* never ends\n", "", true),
        ("a.libsonnet", "/* ", " */", false),
        ("a.jsonnet", "x: |||\n  cat /* ", " */\n|||", true),
        ("Jenkinsfile", "sh '''\n cat /* ", " */ '''", true),
        ("Jenkinsfile", "/* ", " */", false),
        ("a.json5", "/* ", " */", false),
        ("a.cue", "// ", "", false),
        ("a.cue", "/* ", " */", true),
        ("a.sh", "rm -rf /tmp/* /*\npull ", "\nls */*", true),
        ("a.ini", "a = 1\n \t; ", "", false),
        ("a.conf", "a = x ; ", "", true),
        ("a.service", ";", "", false),
        ("a.toml", ";", "", true),
        // The key of a text in YAML, and no file.
        ("service", ";", "", true),
        ("a.properties", "!", "", false),
        ("a.ps1", "<#\n ", "\n#>", false),
        ("a.yaml.j2", "{#\n ", "\n#}", true),
    ] {
        assert_eq!(is_found(file, &format!("{before}{name}{after}")), expected, "{file} {before}");
    }
    for (text, expected) in [("a {# k8s.gcr.io/pause:3.9\n#}b", false), ("${#a} k8s.gcr.io/pause:3.9 #}", true)] {
        assert_eq!(mask(text, Comments::TEMPLATE).contains(name), expected, "{text}");
    }
}

#[test]
fn escapes_are_no_part_of_a_name() {
    let text = r"image: \u0041\nk8s.gcr.io/pause:3.9\n\x";
    let masked = without_escapes(text);
    assert_eq!(masked.len(), text.len());
    let [token] = search(&masked, About::Nothing).try_into().unwrap();
    assert_eq!(&text[token.at], "k8s.gcr.io/pause:3.9");
}

#[test]
fn nothing_is_slow_or_breaks() {
    let nasty = [
        "a.b/".repeat(100_000),
        "{{".repeat(100_000),
        "a.b/c:1 ".repeat(100_000),
        "}}a.b/c:1".repeat(50_000),
        "a.b/c:{{".repeat(50_000),
        "/*".repeat(100_000),
        "é/*".repeat(50_000),
        " /**/ {##} <##>".repeat(50_000),
        " /* {# <#".repeat(50_000),
        " <<EOF\n''' |||\n".repeat(50_000),
        "image:".repeat(100_000),
        "\\".repeat(9),
    ];
    for text in nasty {
        for name in ["a.tf", "a.ini", "a.ps1"] {
            mask(&text, Comments::of(name).unwrap());
        }
        search(&mask(&text, Comments::TEMPLATE), About::Nothing);
        without_escapes(&text);
    }
}
