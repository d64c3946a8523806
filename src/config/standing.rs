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
    if mistakes.is_about_flags() {
        return Err(mistakes);
    }
    let refused = Some(one_line(&mistakes));
    let state = source.said.state.as_ref().map_or(state, |state| &state.value);
    let kept = Kept::read(state).map(|kept| kept.source());
    if let Some((source, settings)) =
        kept.and_then(|source| settings(options, &source).ok().map(|settings| (source, settings)))
    {
        return Ok(Standing { settings, source, footing: Footing::LastGood, refused });
    }
    let bare = source.bare();
    let (settings, source) = match settings(options, &bare) {
        Ok(settings) => (settings, bare),
        // What is left contradicts itself.
        Err(_) => {
            let nothing = Source { said: without_rules(), is_whole: true, ..Source::default() };
            (settings(options, &nothing)?, nothing)
        }
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

/// That no rule holds, not even a built-in one.
fn without_rules() -> Said {
    let nowhere = place::File::new(0, Path::new("nowhere"), String::new()).place(&(0..0));
    Said { builtin_rules: Some(Placed { value: Vec::new(), place: nowhere }), ..Said::default() }
}

// === impl Source ===

impl Source {
    /// What it says of where things are, who may call and what is recorded, as far as that was understood: nothing of what is
    /// pulled from elsewhere.
    fn bare(&self) -> Self {
        let said = &self.said;
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
                state: said.state.clone(),
                ..without_rules()
            },
            ..Self::default()
        }
    }
}
