//! `repoint doctor`: looks over this node, and says what to mend.

mod layout;

use super::service::{address, ask};
use super::site::Closed;
use super::{Failure, print};
use crate::args::Doctor;
use crate::daemon::status::Status;
use crate::doctor::{Case, Verdict, Wishes, examine, worst};
use crate::error::Chain;
use crate::exit::Exit;
use crate::output::Plain;
use http::Method;
use std::io::{IsTerminal, Write, stderr};

/// Why it could not begin.
#[derive(Debug, thiserror::Error)]
#[error("cannot begin")]
struct Unable(#[source] std::io::Error);

/// Looks.
///
/// # Errors
///
/// When nothing can be looked at.
pub fn run(options: &Doctor) -> Result<Exit, Failure> {
    let runtime = options.runtime.as_ref().map(|said| said.parse()).transpose();
    let runtime = runtime.map_err(|error| Failure::new(Exit::Usage, error))?;
    if let Some(root) = options.root.as_ref().filter(|root| !root.is_dir()) {
        return Err(Failure::new(Exit::Usage, Closed::NoRoot(root.clone())));
    }
    let is_asked = options.root.is_none() || options.service.admin.is_some();
    let service = is_asked.then(|| status(options).map_err(|failure| Chain(failure.cause.as_ref()).to_string()));
    let wishes = Wishes {
        root: options.root.clone(),
        config: options.service.config.clone(),
        runtime,
        images: options.pull.clone(),
        is_pulled: !options.skip_pull,
        egress: options.egress,
    };
    let system = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let system = system.map_err(|error| Failure::new(Exit::Failed, Unable(error)))?;
    let checks = system.block_on(async {
        let case = Case::take(wishes, service).await?;
        Ok(examine(&case, tell).await)
    });
    // What hangs is not waited for.
    system.shutdown_background();
    let checks = checks.map_err(super::site::unclear)?;
    print(&if options.json { layout::json(&checks) } else { layout::text(&checks) })?;
    Ok(match worst(&checks) {
        Verdict::Ok | Verdict::Skipped | Verdict::Note => Exit::Done,
        Verdict::Warning => Exit::Findings,
        Verdict::Failure => Exit::Failed,
    })
}

fn status(options: &Doctor) -> Result<Status, Failure> {
    let address = address(&options.service)?;
    let text = ask(&address, Method::GET, "/status", Vec::new()).map_err(|error| Failure::new(Exit::Failed, error))?;
    serde_json::from_str(&text).map_err(|error| Failure::new(Exit::Failed, super::service::Unanswered::Odd(error)))
}

/// Says what takes a while to somebody who waits for it.
fn tell(line: &str) {
    let mut told = stderr();
    if told.is_terminal() {
        // Nobody is told, then.
        let _closed = writeln!(told, "repoint: {}", Plain(line));
    }
}
