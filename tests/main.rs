//! The integration tests.

// Always on here; written down, it tells clippy that the functions that tests share may unwrap too.
#![cfg(test)]
#![expect(clippy::arithmetic_side_effects, reason = "in a test, an overflow is a failure like any other")]

#[expect(unreachable_pub, reason = "`pub` says what the tests may use; nothing is outside of them")]
mod support;

// What the packages have to read, beside the program.
#[expect(unreachable_pub, reason = "as above")]
#[path = "../packaging/pages/rendered/mod.rs"]
mod rendered;

// What `make demo` shows.
#[expect(unreachable_pub, reason = "as above")]
#[path = "../demo/story/mod.rs"]
mod story;

// Who may call, and what; and whose word the configuration is.
mod access;
// What the service tells about itself, and what it can be told.
mod admin;
// Images that were pulled from elsewhere have their old names, too.
mod aliases;
// The table of actions and calls that the documentation has.
mod actions;
// Started by a service manager.
mod activation;
// Accountable: no answer without a record, whatever happens to the disk, the file or the process.
mod audit;
// Kubelets whose `:authority` is none, in front of a server that insists on one.
mod authority;
// The commands that look at the configuration.
mod config;
// Confined as its unit confines it, it does all the same what it is there for.
mod confined;
// What the audit log says besides pulls.
mod chronicle;
// Whose credentials a registry is shown.
mod credentials;
// The story of the demo is true in front of both runtimes.
mod demo;
// What is wrong on a node is named, with what to mend.
mod doctor;
// The house stands on its floors.
mod floors;
// Put under kubelets of every kind, and taken out again without a trace.
#[expect(unreachable_pub, reason = "as above")]
mod install;
// What is counted adds up.
mod metrics;
// What mends the `:authority`, fed with anything that can be generated.
mod mender;
// What names images on a node: what is on it, what runs there, and what its files say.
mod inventory;
// The main job: a real containerd and a real registry, the old one out of reach.
mod node;
// Never the reason a node is down: a runtime that is away, late, dying, back, or there twice.
mod outage;
// What the packages are made of: the list of files, the question before a removal, the policy.
mod package;
// What is shipped for those who watch: dashboard, alerts, checks, and the page that explains the metrics.
mod packaging;
// The man pages and completions say what the program can do, and nothing else.
mod pages;
// An image is meant, not a name, also where the runtime answers oddly.
mod presence;
// Transparent: what was not to be changed passes through as it is.
mod relay;
// The configuration, read again while the service runs; and what a service stands on whose configuration is wrong.
mod reload;
// What the audit log comes to, read again.
mod report;
// The round of a pull: who is asked, in which order, for how long, and what comes back.
mod rounds;
// The image that the runtime makes pods with, and pulls past everybody.
mod sandbox;
// What names an image by an old name, in files and objects.
mod scan;
// For whom, where and when a rule holds.
mod scope;
// The runtime that misbehaves on demand is itself tested.
mod standin;
// What reads the audit log and sends it on.
mod shippers;
// Other places that records go to: a real journal, and standard output.
mod sinks;
// Bad input, and the ways of starting and stopping.
mod startup;
// The end of the service, and the next one: no call is lost.
mod stop;
// The kill switch, and overrides of single rules.
mod switch;
// The audit log, followed.
mod tail;
// Rules explained, and said in others' words.
mod translate;
// What a host receives: systemd understands it, and every restriction has its reason.
mod units;
// Images that are where the rules look for them, and that are not; and what stands in the way to a registry.
#[expect(unreachable_pub, reason = "as above")]
mod verify;
// The private node that the end-to-end tests run on is itself tested.
mod world;
