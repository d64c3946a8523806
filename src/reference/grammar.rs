//! The grammar, part by part: how each is told from the next, and what may stand in it.

use super::{Fault, Invalid};

const TAG_MAX: usize = 128;
const SHA256_DIGITS: usize = 64;

pub(super) fn is_id(source: &str) -> bool {
    check_digits(source, SHA256_DIGITS).is_ok() || check_digest(source).is_ok()
}

/// Decides before anything is checked, so that `a.b_/x` is a bad registry and not a path of Docker Hub.
pub(super) fn is_taken_for_registry(first: &str) -> bool {
    first == "localhost" || first.bytes().any(|byte| matches!(byte, b'.' | b':' | b'A'..=b'Z'))
}

pub(super) fn split_port(registry: &str) -> (&str, Option<&str>) {
    // The colons within brackets are the address's.
    if registry.ends_with(']') {
        return (registry, None);
    }
    match registry.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (registry, None),
    }
}

pub(super) fn split_digest(suffix: &str) -> (Option<&str>, Option<&str>) {
    match suffix.split_once('@') {
        Some((tag, digest)) => (tag.strip_prefix(':'), Some(digest)),
        None => (suffix.strip_prefix(':'), None),
    }
}

pub(super) fn check_registry(registry: &str) -> Result<(), Invalid> {
    let (host, port) = split_port(registry);
    match host.strip_prefix('[') {
        Some(address) => check_address(address).map_err(|i| i.within(host, address))?,
        None => check_host_name(host)?,
    }
    let Some(port) = port else { return Ok(()) };
    match port.bytes().position(|byte| !byte.is_ascii_digit()) {
        None if !port.is_empty() => Ok(()),
        at => {
            let at = at.unwrap_or_default();
            Err(Invalid::new(Fault::Port, at).within(registry, port))
        }
    }
}

/// An IPv6 address behind its opening bracket. Only its characters are looked at, as by the runtimes: `[:]` passes.
fn check_address(address: &str) -> Result<(), Invalid> {
    let digits = address.strip_suffix(']').unwrap_or(address);
    let stop = digits.bytes().position(|byte| !(byte.is_ascii_hexdigit() || byte == b':'));
    match stop {
        None if digits.len() < address.len() && !digits.is_empty() => Ok(()),
        _ => Err(Invalid::new(Fault::Host, stop.unwrap_or(digits.len()))),
    }
}

/// Labels of letters, digits and inner dashes, with single dots between; a dotted IPv4 address is one too.
fn check_host_name(host: &str) -> Result<(), Invalid> {
    let refused = |at| Err(Invalid::new(Fault::Host, at));
    let mut previous = b'.';
    for (at, byte) in host.bytes().enumerate() {
        let fits = match byte {
            b'-' => previous != b'.',
            b'.' => previous.is_ascii_alphanumeric(),
            _ => byte.is_ascii_alphanumeric(),
        };
        if !fits {
            return refused(at);
        }
        previous = byte;
    }
    if previous.is_ascii_alphanumeric() { Ok(()) } else { refused(host.len()) }
}

/// Runs of lower-case letters and digits, with `.`, `_`, `__` or any number of dashes between.
pub(super) fn check_component(component: &str) -> Result<(), Invalid> {
    enum After {
        Nothing,
        Letter,
        Dot,
        Underscore,
        Underscores,
        Dash,
    }
    let mut after = After::Nothing;
    for (at, byte) in component.bytes().enumerate() {
        after = match (after, byte) {
            (_, b'a'..=b'z' | b'0'..=b'9') => After::Letter,
            (After::Letter, b'.') => After::Dot,
            (After::Letter, b'_') => After::Underscore,
            (After::Underscore, b'_') => After::Underscores,
            (After::Letter | After::Dash, b'-') => After::Dash,
            (_, b'A'..=b'Z') => {
                return Err(Invalid::new(Fault::Uppercase, at));
            }
            _ => {
                return Err(Invalid::new(Fault::Path, at));
            }
        };
    }
    if matches!(after, After::Letter) { Ok(()) } else { Err(Invalid::new(Fault::Path, component.len())) }
}

pub(super) fn check_tag(tag: &str) -> Result<(), Invalid> {
    let refused = |at| Err(Invalid::new(Fault::Tag, at));
    for (at, byte) in tag.bytes().enumerate() {
        let fits = match byte {
            b'.' | b'-' => at > 0,
            _ => byte.is_ascii_alphanumeric() || byte == b'_',
        };
        if !fits || at >= TAG_MAX {
            return refused(at);
        }
    }
    if tag.is_empty() { refused(0) } else { Ok(()) }
}

/// The three algorithms registered with OCI that Go's digest package has by itself; any other makes the runtime
/// refuse the reference, whatever the grammar would allow for.
pub(super) fn check_digest(digest: &str) -> Result<(), Invalid> {
    let (algorithm, digits) = digest.split_once(':').unwrap_or((digest, ""));
    let count = match algorithm {
        "sha256" => SHA256_DIGITS,
        "sha384" => 96,
        "sha512" => 128,
        _ => {
            return Err(Invalid::new(Fault::Algorithm, 0));
        }
    };
    check_digits(digits, count).map_err(|invalid| invalid.within(digest, digits))
}

fn check_digits(digits: &str, count: usize) -> Result<(), Invalid> {
    let stop = digits.bytes().position(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match stop {
        None if digits.len() == count => Ok(()),
        _ => {
            let at = stop.unwrap_or(digits.len()).min(count);
            Err(Invalid::new(Fault::Digest, at))
        }
    }
}
