//! What it takes to decide about one name: with one rule, and with ten thousand.
//!
//! Times are for reading: less than a microsecond, and no more for many rules than for one (but for what a larger table costs
//! the caches). What is asserted are allocations, which no busy machine alters: deciding makes none, and a substitute is
//! one. An allocator that counts is one for a whole process, so it is not among the tests; `cargo test` runs this file too,
//! and then it counts and does not measure.

#![expect(clippy::expect_used, reason = "nothing but a measurement depends on this")]

use divan::{Bencher, black_box};
use repoint::reference::Reference;
use repoint::rules::{Action, Namespaces, OnFailure, Pattern, Place, Rollout, Rule, Table, Target};
use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, with a count. (divan's own shows what it counts, and lets nobody compare it.)
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

/// A name, and the rule that it is about.
struct Case {
    what: &'static str,
    image: &'static str,
    pattern: &'static str,
    /// Where in the configuration the rule stands.
    at: Position,
}

#[derive(PartialEq)]
enum Position {
    First,
    Last,
}

const CASES: &[Case] = &[
    Case { what: "the first rule", image: "old.example/team/app:v1", pattern: "old.example/team", at: Position::First },
    Case { what: "the last rule", image: "old.example/team/app:v1", pattern: "old.example/team", at: Position::Last },
    Case { what: "no rule", image: "other.example/team/app:v1", pattern: "old.example/team", at: Position::Last },
    Case {
        what: "no rule, its registry",
        image: "old.example/other/app:v1",
        pattern: "old.example/team",
        at: Position::Last,
    },
    Case {
        what: "a deep path",
        image: "old.example/a/b/c/d/e/f/g/h/i/j:v1",
        pattern: "old.example/a/b/c/d/e/f/g/h",
        at: Position::Last,
    },
    Case {
        what: "a deep path, a short pattern",
        image: "old.example/a/b/c/d/e/f/g/h/i/j:v1",
        pattern: "old.example",
        at: Position::Last,
    },
    Case { what: "a star", image: "a.b.c.old.example/team/app:v1", pattern: "*.old.example", at: Position::Last },
    Case { what: "Docker Hub", image: "nginx:1", pattern: "docker.io", at: Position::Last },
    UPPER_CASE,
];

/// It is looked up by another spelling, which has to be made.
const UPPER_CASE: Case = Case {
    what: "an upper-case host",
    image: "OLD.Example/team/app:v1",
    pattern: "old.example/team",
    at: Position::Last,
};

fn main() {
    for case in CASES {
        for rules in [1, 10_000] {
            case.allocates(rules);
        }
    }
    // As the other benchmark does: without this, nobody asked for times.
    if std::env::args().any(|argument| argument == "--bench") {
        divan::main();
    }
}

/// The name is already read.
#[divan::bench(args = CASES, consts = [1, 10_000])]
fn decide<const RULES: usize>(bencher: Bencher<'_, '_>, case: &Case) {
    let (table, reference) = (case.table(RULES), case.reference());
    bencher.bench_local(|| black_box(&table).decide(black_box(reference), None).is_some());
}

/// From the text to the substitutes.
#[divan::bench(args = CASES, consts = [1, 10_000])]
fn substitute<const RULES: usize>(bencher: Bencher<'_, '_>, case: &Case) {
    let table = case.table(RULES);
    bencher.bench_local(|| {
        let reference = Reference::parse(black_box(case.image)).expect("a name");
        let found = black_box(&table).decide(reference, None);
        found.into_iter().flat_map(|found| found.substitutes()).for_each(|(_, name)| drop(black_box(name)));
    });
}

/// A reload, the rules read already.
#[divan::bench(consts = [1, 100, 10_000], sample_count = 20)]
fn put_together<const RULES: usize>(bencher: Bencher<'_, '_>) {
    bencher
        .with_inputs(|| CASES.first().map(|case| case.rules(RULES)))
        .bench_local_values(|rules| rules.map(Table::new));
}

/// What `work` comes to, and how many allocations it made.
fn counted<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = ALLOCATIONS.load(Relaxed);
    let outcome = work();
    (outcome, ALLOCATIONS.load(Relaxed).wrapping_sub(before))
}

fn rule(name: String, pattern: &str) -> Rule {
    let place = |text| Target::at(Place::parse(text).expect("a place"));
    Rule {
        name,
        patterns: vec![Pattern::parse(pattern).expect("a pattern")],
        exclude: Vec::new(),
        namespaces: Namespaces::default(),
        action: Action::Rewrite,
        rollout: Rollout::FULL,
        targets: vec![place("new.test"), place("new.test/mirror")],
        on_failure: OnFailure::Fail,
        builtin: false,
    }
}

// === impl Case ===

impl Case {
    /// The rule, and so many less one about registries, parts of them, and stars.
    fn rules(&self, count: usize) -> Vec<Rule> {
        let mut rules: Vec<Rule> = (1..count)
            .map(|number| {
                let pattern = match number % 3 {
                    0 => format!("r{number}.example"),
                    1 => format!("old.example/p{number}"),
                    _ => format!("*.r{number}.example/p"),
                };
                rule(format!("rule-{number}"), &pattern)
            })
            .collect();
        let at = if self.at == Position::First { 0 } else { rules.len() };
        rules.insert(at, rule("the-rule".to_owned(), self.pattern));
        rules
    }

    fn table(&self, count: usize) -> Table {
        Table::new(self.rules(count)).expect("rules that don't contradict each other")
    }

    fn reference(&self) -> Reference<'static> {
        Reference::parse(self.image).expect("a name")
    }

    fn allocates(&self, rules: usize) {
        let (table, reference) = (self.table(rules), self.reference());
        let (found, deciding) = counted(|| table.decide(reference, None));
        assert_eq!(deciding, usize::from(self.what == UPPER_CASE.what), "allocations to decide: {self}, {rules} rules");
        let Some(found) = found else { return };
        let (substitutes, making) = counted(|| found.substitutes().fold(0, |count: usize, _| count.wrapping_add(1)));
        assert_eq!(making, substitutes, "allocations to make substitutes: {self}, {rules} rules");
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

// === impl Counting ===

// SAFETY: Every call goes to an allocator as it came.
#[expect(unsafe_code, reason = "an allocator can't be written without")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as the caller says.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller says.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: as the caller says.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
