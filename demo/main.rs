//! `make demo`: the main job, shown on a node of its own.

// The support modules are written for tests, where what goes wrong is a panic and not everything is used in each binary.
#[expect(
    dead_code,
    unreachable_pub,
    unused_imports,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::explicit_write,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "the tests' own; a panic ends the demo as it ends a test"
)]
#[path = "../tests/support/mod.rs"]
mod support;

#[expect(unreachable_pub, reason = "`pub` says what main may use; nothing is outside of it")]
mod story;

use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use story::{Failed, Node};
use support::world::World;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let stand_in = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => false,
        ["--stand-in"] => true,
        _ => {
            complain("usage: demo [--stand-in]");
            return ExitCode::from(2);
        }
    };
    // A panic in a support module has printed its message, and has ended the node on its way here.
    match catch_unwind(AssertUnwindSafe(|| show(stand_in))) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn complain(text: &str) {
    // There is nobody left to tell that nobody can be told.
    let _closed = writeln!(io::stderr(), "demo: {text}");
}

fn show(stand_in: bool) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let told = async {
            let node = match World::available() {
                Ok(()) if !stand_in => Node::real().await?,
                Ok(()) => Node::stand_in("none was asked for")?,
                Err(missing) => Node::stand_in(&missing.to_string())?,
            };
            story::tell(node, &mut io::stdout()).await
        };
        tokio::select! {
            told = told => told,
            // Ends by dropping the story, and the node in it, where a signal's own way would leave files behind.
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        }
    })
}
