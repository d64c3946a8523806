//! Arguments of programs, which everybody on the node can see in the list of processes.

use crate::config::mistake::Mistake;
use crate::config::place::Placed;
use crate::config::reader::segment;
use crate::config::said::SaidCredentials;

/// What names of flags have in them whose values are secrets. To warn of every argument would be to teach people not to
/// read warnings: most providers have some, and few a secret among them.
const SECRET: &[&str] = &["token", "secret", "password", "passwd", "passphrase", "apikey", "accesskey", "credential"];
/// How such names end where the value is not the secret, but says where it is or what it is called.
const ABOUT: &[&str] = &["file", "path", "dir", "id", "name", "arn", "url", "stdin", "source", "type", "duration"];

/// What one may want to look at again. It is not repeated.
pub(super) fn warnings(said: &[SaidCredentials]) -> Vec<Mistake> {
    said.iter().flat_map(of_one).collect()
}

fn of_one(said: &SaidCredentials) -> Vec<Mistake> {
    let args = said.args.as_ref().map(|args| args.value.as_slice()).unwrap_or_default();
    let next = args.iter().skip(1).map(|next| Some(next.value.as_str())).chain([None]);
    let exposed = args.iter().zip(next).filter(|(arg, next)| is_login(&arg.value) || has_secret(&arg.value, *next));
    exposed
        .map(|(Placed { place, .. }, _)| {
            let key = format!("credentials.{}.args", segment(&said.name.value));
            let what = "everybody on the node can see the arguments of a program: a secret belongs into `env`, or into a file that the program reads";
            Mistake::at_key(place.clone(), key, what)
        })
        .collect()
}

/// Whether a flag, `--token=x` or `--token` with `x` as the next argument, has a value that may be a secret.
fn has_secret(arg: &str, next: Option<&str>) -> bool {
    let Some(flag) = arg.strip_prefix('-') else { return false };
    let (name, value) = match flag.split_once('=') {
        Some((name, value)) => (name, value),
        None => (flag, next.filter(|next| !next.starts_with('-')).unwrap_or_default()),
    };
    let name = name.to_ascii_lowercase().replace(['-', '_'], "");
    let is_secret = SECRET.iter().any(|word| name.contains(word)) && !ABOUT.iter().any(|end| name.ends_with(end));
    is_secret && !value.is_empty() && !value.starts_with('/')
}

/// Whether there is a URL with a password in it.
fn is_login(arg: &str) -> bool {
    let authority = arg.split_once("://").and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
    authority.and_then(|authority| authority.rsplit_once('@')).is_some_and(|(user, _)| user.contains(':'))
}
