//! Where a value lies, by the path the schema gives it.

use super::field::{Fault, Malformed, fields};
use std::ops::Range;

/// One step from a message down to a field of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A singular field. Protobuf merges the occurrences of a singular submessage, and of a scalar the last one
    /// holds: both are one site, however often the field occurs.
    One(u32),
    /// A repeated field: each occurrence is a site of its own.
    Many(u32),
}

/// A value that a reader of the message would end up with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The bytes that hold: of a scalar that occurs more than once, the last occurrence.
    pub value: Range<usize>,
    /// The occurrences of the submessage the value is a field of; together, in order, they are that submessage.
    pub holder: Vec<Range<usize>>,
}

impl Step {
    fn number(self) -> u32 {
        match self {
            Self::One(number) | Self::Many(number) => number,
        }
    }
}

/// The values at `path`: none where the field is not set.
///
/// # Errors
///
/// When the message, or a submessage on the path, is not well-formed.
pub fn sites(message: &[u8], path: &[Step]) -> Result<Vec<Site>, Malformed> {
    let whole = 0..message.len();
    let mut found = Vec::new();
    descend(message, &[whole], path, &mut found)?;
    Ok(found)
}

/// Follows `path` down from the submessage whose occurrences are `holder`.
fn descend(message: &[u8], holder: &[Range<usize>], path: &[Step], found: &mut Vec<Site>) -> Result<(), Malformed> {
    let Some((step, deeper)) = path.split_first() else { return Ok(()) };
    let mut occurrences = Vec::new();
    for part in holder {
        let bytes = message.get(part.clone()).unwrap_or_default();
        for field in fields(bytes) {
            let field = field?;
            if field.number != step.number() {
                continue;
            }
            if !field.delimited {
                return Err(Malformed { at: field.start, why: Fault::WireType });
            }
            let from = |offset: usize| part.start.saturating_add(offset);
            occurrences.push(from(field.value.start)..from(field.value.end));
        }
    }
    let groups = match step {
        Step::One(_) if occurrences.is_empty() => Vec::new(),
        Step::One(_) => vec![occurrences],
        Step::Many(_) => occurrences.into_iter().map(|one| vec![one]).collect(),
    };
    for group in groups {
        if !deeper.is_empty() {
            descend(message, &group, deeper, found)?;
        } else if let Some(last) = group.last() {
            found.push(Site { value: last.clone(), holder: holder.to_vec() });
        }
    }
    Ok(())
}

/// The string at a path of singular fields; `None` where it is not set, not readable or not UTF-8.
///
/// For what is only looked at, such as the pod a pull is for: there an unreadable answer is no answer.
pub fn text<'a>(message: &'a [u8], path: &[Step]) -> Option<&'a str> {
    let site = sites(message, path).ok()?.pop()?;
    std::str::from_utf8(message.get(site.value)?).ok()
}

/// The strings at a path that ends in a repeated field; those that are not UTF-8 are left out.
pub fn texts<'a>(message: &'a [u8], path: &[Step]) -> Vec<&'a str> {
    let sites = sites(message, path).unwrap_or_default();
    sites.into_iter().filter_map(|site| std::str::from_utf8(message.get(site.value)?).ok()).collect()
}
