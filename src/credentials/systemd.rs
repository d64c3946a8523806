//! What systemd hands over: a file in `$CREDENTIALS_DIRECTORY` that nobody else can read.

use super::credential::Login;
use super::docker::{self, Unusable};
use super::docker_helper::Helpers;
use crate::reference::Reference;

/// Why the content of such a file is no credentials.
#[derive(Debug, thiserror::Error)]
pub(super) enum Odd {
    /// It is a docker config.json that can't be used.
    #[error(transparent)]
    Config(#[from] Unusable),
    /// It is something else.
    #[error("it is neither a docker config.json nor one line `user:password`")]
    Neither,
}

/// What `content` has for `image`: a docker config.json by what it says of it, one line in any case.
///
/// # Errors
///
/// When the content is neither, or can't be used.
pub(super) async fn find(content: &[u8], image: Reference<'_>, helpers: &Helpers) -> Result<Option<Login>, Odd> {
    if content.trim_ascii_start().starts_with(b"{") {
        return Ok(docker::find(content, image, helpers).await?);
    }
    line(content).map(Some).ok_or(Odd::Neither)
}

/// Reads `user:password`, with or without an end of line. A blank may belong to the password.
fn line(content: &[u8]) -> Option<Login> {
    let text = std::str::from_utf8(content).ok()?;
    let line = text.strip_suffix('\n').unwrap_or(text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.contains(char::is_control) { None } else { docker::basic(line) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    #[test]
    fn a_line_is_a_user_and_a_password() {
        for (content, expected) in [
            ("robot:hunter2", Some(("robot", "hunter2"))),
            ("robot:hunter2\n", Some(("robot", "hunter2"))),
            ("robot:hunter2\r\n", Some(("robot", "hunter2"))),
            ("robot$x:a:b \n", Some(("robot$x", "a:b "))),
            ("robot:", Some(("robot", ""))),
            ("", None),
            ("\n", None),
            (":hunter2", None),
            ("hunter2", None),
            ("robot:hunter2\nrobot:hunter2\n", None),
            ("robot:hunter2\n\n", None),
            ("robot:\0", None),
        ] {
            let login = line(content.as_bytes());
            let found = match &login {
                Some(Login::Basic { user, password }) => Some((user.expose_secret(), password.expose_secret())),
                Some(other) => panic!("{other:?}"),
                None => None,
            };
            assert_eq!(found, expected, "{content:?}");
        }
        assert!(line(b"robot:\xff").is_none());
    }
}
