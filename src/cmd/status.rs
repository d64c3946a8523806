//! `repoint status`: how the service on this node is.

use super::service::{address, ask};
use super::{Failure, print};
use crate::args::Status as Options;
use crate::daemon::status::Status;
use crate::daemon::wrong::{Ago, wrong};
use crate::error::Chain;
use crate::exit::Exit;
use crate::output::Plain;
use http::Method;
use jiff::Timestamp;
use std::fmt::{self, Display, Write};

/// What a node-problem-detector keeps of a line, in bytes.
const LONGEST: usize = 80;

/// Tells it.
///
/// # Errors
///
/// When the service does not say.
pub fn run(options: &Options) -> Result<Exit, Failure> {
    let asked = address(&options.service).and_then(|address| {
        let text = ask(&address, Method::GET, "/status", Vec::new());
        text.map_err(|error| Failure::new(Exit::Failed, error))
    });
    if let Some(check) = options.check {
        let said = asked.map_err(|failure| Chain(failure.cause.as_ref()).to_string()).and_then(|text| read(&text));
        let (exit, line) = match said {
            Ok(status) => match wrong(check, &status) {
                None => (Exit::Done, "ok".to_owned()),
                Some(wrong) => (Exit::Failed, wrong),
            },
            Err(error) => (Exit::Usage, error),
        };
        let line = Plain(&line).to_string();
        let line = line.char_indices().take_while(|(at, one)| at.saturating_add(one.len_utf8()) <= LONGEST);
        let line: String = line.map(|(_, one)| one).collect();
        return print(&format!("{line}\n")).map(|()| exit);
    }
    let text = asked?;
    if options.json {
        return print(&text).map(|()| Exit::Done);
    }
    let status: Status = serde_json::from_str(&text)
        .map_err(|error| Failure::new(Exit::Failed, super::service::Unanswered::Odd(error)))?;
    print(&Told(&status).to_string()).map(|()| Exit::Done)
}

fn read(text: &str) -> Result<Status, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

/// For people.
struct Told<'a>(&'a Status);

// === impl Told ===

impl Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Status { configuration, runtime, counters: n, now, .. } = self.0;
        let mut line = |name: &str, text: &str| writeln!(f, "{name:<15}{}", Plain(text));
        let ago = |time: Timestamp| format!("{} ago", Ago(now.duration_since(time)));
        let stopping = if self.0.stopping { ", STOPPING" } else { "" };
        line(
            "repoint",
            &format!("{}, process {}, started {}{stopping}", self.0.version, self.0.pid, ago(self.0.started)),
        )?;
        let files = configuration.files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(" ");
        let whose = match configuration.source.as_str() {
            "files" if files.is_empty() => "the defaults".to_owned(),
            "files" => files,
            "last_good" => format!("THE LAST GOOD ONE of {files}"),
            _ => "NONE: nothing is substituted".to_owned(),
        };
        let rules =
            if configuration.rules == 1 { "1 rule".to_owned() } else { format!("{} rules", configuration.rules) };
        let time = Ago(now.duration_since(configuration.since));
        line("configuration", &format!("{whose} ({rules}, {}, in force for {time})", configuration.hash))?;
        if let Some(refused) = &configuration.refused {
            line("", &format!("REFUSED {}: {}", ago(refused.time), refused.message))?;
        }
        let switch = self.0.switch.display();
        if self.0.disabled {
            line("kill switch", &format!("THROWN: no pull is substituted while {switch} is there"))?;
        }
        for one in &self.0.overrides {
            let (rule, instead, until) = (&one.rule, one.instead.as_str(), one.until);
            line("override", &format!("rule {rule}: {instead} until {until:.0}, says user {}", one.uid))?;
        }
        let socket = runtime.socket.as_deref().unwrap_or("not known");
        match &runtime.error {
            None => line("runtime", socket)?,
            Some(error) => line("runtime", &format!("{socket}: NOT REACHABLE: {error}"))?,
        }
        let last_call =
            self.0.last_call.map_or_else(|| "none yet".to_owned(), |last| format!("the last {}", ago(last)));
        line("calls", &format!("{}, {last_call}; {} under way", n.calls, self.0.calls_under_way))?;
        let mut pulls = String::new();
        let (substituted, fell_back, failed) = (n.substituted, n.fell_back, n.failed);
        let _infallible = write!(pulls, "{substituted} substituted, {fell_back} fell back, {failed} failed");
        let _infallible = write!(pulls, ", {} observed, {} denied", n.observed, n.denied);
        line("pulls", &pulls)?;
        if n.lost > 0 {
            line("audit log", &format!("{} RECORDS ARE MISSING", n.lost))?;
        }
        match &self.0.last_error {
            None => Ok(()),
            Some(last) => line("last error", &format!("{}: {}", ago(last.time), last.message)),
        }
    }
}
