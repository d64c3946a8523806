//! What values are, as far as people are told.

use super::keys::Table;
use super::mistake::list;

/// What a value is.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Any text.
    Text,
    /// Text that is not empty.
    Name,
    /// The name of a file in the directory of a service's credentials.
    FileName,
    /// A unix socket.
    Socket,
    /// An address and a port.
    Tcp,
    /// A user or a group.
    Account,
    /// The mode of a file.
    Mode,
    /// An absolute path.
    Path,
    /// A time, none at all too.
    Wait,
    /// A time that is longer than none.
    Time,
    /// A whole number, with both ends.
    Number(usize, usize),
    /// Yes or no.
    Truth,
    /// A share in percent.
    Percent,
    /// A day or a moment.
    Moment,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A whole reference of an image.
    Image,
    /// The name of a built-in rule.
    Alias,
    /// A pattern of image references.
    Pattern,
    /// A registry, with an optional path.
    Location,
    /// A pattern of namespaces.
    Namespace,
    /// A target of a rule: a location, or a table that has one.
    Target(&'static Table),
    /// Any number of these.
    List(&'static Self),
    /// Names and their values.
    Variables,
    /// Names and their values, which records show.
    Labels,
    /// One table.
    Table(&'static Table),
    /// Tables that are called by a name.
    Named(&'static Table),
    /// Tables in an order.
    Tables(&'static Table),
}

// === impl Kind ===

impl Kind {
    /// What was expected, for one who wrote something else.
    pub fn expected(&self) -> String {
        match self {
            Self::Text => "a string".to_owned(),
            Self::Name => "a string that is not empty".to_owned(),
            Self::FileName => "the name of a credential, such as \"harbor\"".to_owned(),
            Self::Socket => "a unix socket, such as \"unix:///run/containerd/containerd.sock\"".to_owned(),
            Self::Tcp => "an address and a port, such as \"127.0.0.1:9469\"".to_owned(),
            Self::Account => "a name such as \"kube\", or a number".to_owned(),
            Self::Mode => "a mode in octal digits, such as \"0660\"".to_owned(),
            Self::Path => "an absolute path".to_owned(),
            Self::Wait => "a time such as \"5s\" or \"500ms\"".to_owned(),
            Self::Time => "a time such as \"10s\" or \"2m\", longer than none".to_owned(),
            Self::Number(least, most) => format!("a number from {least} to {most}"),
            Self::Truth => "true or false".to_owned(),
            Self::Percent => "a number from 0 to 100, with two decimals at most".to_owned(),
            Self::Moment => "a day such as 2026-12-01, or a moment such as 2026-12-01T08:00:00Z".to_owned(),
            Self::Choice(words) => format!("one of {}", list(words)),
            Self::Image => "an image, such as \"k8s.gcr.io/pause:3.9\"".to_owned(),
            Self::Alias => "the name of a built-in rule".to_owned(),
            Self::Pattern => "a registry, or a registry and a path, such as \"k8s.gcr.io\"".to_owned(),
            Self::Location => "a registry, or a registry and a path, such as \"mirror.example.com/k8s\"".to_owned(),
            Self::Namespace => "a namespace, or a pattern such as \"team-*\"".to_owned(),
            Self::Target(_) => "a string such as \"mirror.example.com/k8s\", or a table with `location`".to_owned(),
            Self::List(item) => format!("a list such as [{}]", item.example()),
            Self::Variables => "a table of strings, such as { REGION = \"eu\" }".to_owned(),
            Self::Labels => "a table of strings, such as { cluster = \"prod\" }".to_owned(),
            Self::Table(_) => "a table".to_owned(),
            Self::Named(_) => "tables, each under a line `[credentials.NAME]`".to_owned(),
            Self::Tables(_) => "tables, each under a line `[[rules]]`".to_owned(),
        }
    }

    /// One that is right, where a list of them is explained.
    const fn example(self) -> &'static str {
        match self {
            Self::Alias | Self::Pattern => "\"k8s.gcr.io\"",
            Self::Namespace => "\"team-*\"",
            Self::Location | Self::Target(_) => "\"mirror.example.com/k8s\"",
            Self::Number(..) => "0",
            Self::Choice(_) => "\"image\"",
            Self::Text | Self::Name => "\"one\", \"two\"",
            Self::FileName
            | Self::Socket
            | Self::Tcp
            | Self::Account
            | Self::Mode
            | Self::Path
            | Self::Wait
            | Self::Time
            | Self::Truth
            | Self::Percent
            | Self::Moment
            | Self::Image
            | Self::List(_)
            | Self::Variables
            | Self::Labels
            | Self::Table(_)
            | Self::Named(_)
            | Self::Tables(_) => "",
        }
    }
}
