//! What the service stands on. It always comes up: on the configuration as it is written; else on the last one that was
//! good; else on none, as a plain relay that substitutes nothing. Nothing is guessed of a configuration that is not
//! understood, as an older version meets a newer key.

use super::check::{Settings, settings};
use super::kept::Kept;
use super::mistake::Mistakes;
use super::place::Placed;
use super::said::Said;
use super::source::{self, Source};
use super::{check, place};
use crate::args::Serve;
use std::path::{Path, PathBuf};

/// What holds, and why it is that.
#[derive(Debug)]
pub struct Standing {
    /// What holds.
    pub settings: Settings,
    /// What says so.
    pub source: Source,
    /// What that is.
    pub footing: Footing,
    /// Why it is not what is written now.
    pub refused: Option<String>,
}

/// What the service stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Footing {
    /// The files, as they are; or that there are none, and so the defaults.
    Files,
    /// The files as they were when they were good last.
    LastGood,
    /// Nothing: no rule holds.
    Nothing,
}

/// Why what is written now does not come into force.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is wrong.
    #[error("{}", one_line(.0))]
    Mistakes(Mistakes),
    /// It was there, and is gone. That somebody meant the defaults is no more likely than that it is on its way.
    #[error("{} is gone: to go back to the defaults, leave an empty file there, or restart the service", .0.display())]
    Gone(PathBuf),
    /// Reading it came to no end.
    #[error("it could not be read: the service's log says why")]
    Unread,
    /// The process can't change that any more.
    #[error("{} cannot be changed while the service runs: restart it (systemctl restart repoint)", super::mistake::list(.0))]
    Fixed(Vec<&'static str>),
}

// === impl Footing ===

impl Footing {
    /// Its name in metrics and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Files => "files",
            Self::LastGood => "last_good",
            Self::Nothing => "none",
        }
    }
}

/// What the service is to stand on as it starts. `state` is the state directory where no file says another.
///
/// # Errors
///
/// When the command line is wrong, which nothing can stand in for.
pub fn stand(options: &Serve, state: &Path) -> Result<Standing, Mistakes> {
    let source = source::load_trusted(options.config.as_deref());
    let mistakes = match settings(options, &source) {
        Ok(settings) => return Ok(Standing { settings, source, footing: Footing::Files, refused: None }),
        Err(mistakes) => mistakes,
    };
    let nothing = Source { said: without_rules(state), is_whole: true, ..Source::default() };
    // A command line that is wrong by itself, and not beside some file.
    let bare_bones = settings(options, &nothing)?;
    let refused = Some(one_line(&mistakes));
    let said = source.said.state.as_ref().map_or(state, |said| &said.value);
    let kept = Kept::read(said).map(|kept| kept.source());
    if let Some((source, settings)) =
        kept.and_then(|source| settings(options, &source).ok().map(|settings| (source, settings)))
    {
        return Ok(Standing { settings, source, footing: Footing::LastGood, refused });
    }
    let bare = source.bare(state);
    let (settings, source) = match settings(options, &bare) {
        Ok(settings) => (settings, bare),
        // What is left contradicts itself, or the command line.
        Err(_) => (bare_bones, nothing),
    };
    Ok(Standing { settings, source, footing: Footing::Nothing, refused })
}

/// What is written now, to take the place of what `runs`.
///
/// # Errors
///
/// With the reason why not.
pub fn propose(options: &Serve, runs: &Standing) -> Result<Standing, Refused> {
    let source = source::load_trusted(options.config.as_deref());
    if runs.source.is_there && !source.is_there && source.drop_ins.is_empty() {
        return Err(Refused::Gone(source.path));
    }
    let settings = settings(options, &source).map_err(Refused::Mistakes)?;
    let fixed = check::fixed(&runs.settings, &settings);
    if fixed.is_empty() {
        Ok(Standing { settings, source, footing: Footing::Files, refused: None })
    } else {
        Err(Refused::Fixed(fixed))
    }
}

fn one_line(mistakes: &Mistakes) -> String {
    mistakes.to_string().lines().collect::<Vec<_>>().join("; ")
}

/// That no rule holds, not even a built-in one, and which state directory does.
fn without_rules(state: &Path) -> Said {
    let nowhere = place::File::new(0, Path::new("nowhere"), String::new()).place(&(0..0));
    Said {
        builtin_rules: Some(Placed { value: Vec::new(), place: nowhere.clone() }),
        state: Some(Placed { value: state.to_owned(), place: nowhere }),
        ..Said::default()
    }
}

// === impl Source ===

impl Source {
    /// What it says of where things are, who may call and what is recorded, as far as that was understood: nothing of what is
    /// pulled from elsewhere.
    fn bare(&self, state: &Path) -> Self {
        let (said, nothing) = (&self.said, without_rules(state));
        Self {
            path: self.path.clone(),
            is_whole: true,
            said: Said {
                listen: said.listen.clone(),
                admin: said.admin.clone(),
                runtime: said.runtime.clone(),
                image_endpoint: said.image_endpoint.clone(),
                metrics_tcp: said.metrics_tcp.clone(),
                access: said.access.clone(),
                drain: said.drain.clone(),
                audit: said.audit.clone(),
                node: said.node.clone(),
                labels: said.labels.clone(),
                state: said.state.clone().or(nothing.state),
                builtin_rules: nothing.builtin_rules,
                ..Said::default()
            },
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a service stands on that is started with this runtime, and this file.
    fn stood(runtime: &str, text: &str) -> Result<Standing, Mistakes> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("repoint.toml");
        std::fs::write(&file, text).unwrap();
        let options = Serve { config: Some(file), runtime: Some(runtime.to_owned()), ..Serve::default() };
        stand(&options, directory.path())
    }

    #[test]
    fn a_file_that_contradicts_the_command_line_does_not_keep_a_service_from_starting() {
        let standing = stood("/run/x.sock", "listen = \"/run/x.sock\"\n").unwrap();
        assert_eq!(standing.footing, Footing::Nothing);
        assert_eq!(standing.settings.listen.to_string(), check::LISTEN);
        assert!(standing.refused.unwrap().contains("--runtime: this is the socket that repoint itself listens on"));
        assert!(standing.settings.rules.rules().is_empty());
    }

    #[test]
    fn a_command_line_that_is_wrong_by_itself_is_told_whatever_the_file_says() {
        for text in ["", "lissen = 1\n"] {
            let told = stood("tcp://x", text).unwrap_err().to_string();
            assert!(told.contains("--runtime: `tcp://x` is not a unix socket"), "{told}");
        }
    }

    #[test]
    fn where_it_listens_and_who_may_call_is_kept_of_a_file_that_is_wrong() {
        let text = "lissen = 1\nlisten = \"/run/y.sock\"\n[access]\nservices = [\"image\"]\n[drain]\ncalls = \"1s\"\n";
        let Standing { settings, footing, .. } = stood("/run/x.sock", text).unwrap();
        // Of the state directory it says nothing.
        assert_ne!(settings.state, Path::new(check::STATE));
        assert_eq!((footing, settings.listen.to_string().as_str()), (Footing::Nothing, "unix:///run/y.sock"));
        assert_eq!(settings.access.services, crate::proxy::access::Services::ImageAlone);
        assert_eq!(settings.drain.calls, std::time::Duration::from_secs(1));
    }
}
