//! Changing some values of a message and nothing else.

use super::field::{Malformed, fields};
use prost::encoding::{WireType, encode_key, encode_varint};
use std::ops::Range;

/// What becomes of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The value becomes these bytes.
    Replace(Vec<u8>),
    /// The field goes, its key too.
    Remove,
}

/// Applies `edits`, each at the range of a length-delimited value (as [`super::sites`] gives them), and mends the
/// lengths of the submessages around them. All other bytes, keys included, are copied as they are.
///
/// A range that is not the value of a field is left alone: there is nothing there to change.
///
/// # Errors
///
/// When the message, or a submessage that holds an edited value, is not well-formed.
pub fn splice(message: &[u8], edits: &[(Range<usize>, Edit)]) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(message.len());
    copy(message, 0, edits, &mut out)?;
    Ok(out)
}

/// Copies `bytes`, which begin at `base` of the whole message, applying the edits that fall into them.
fn copy(bytes: &[u8], base: usize, edits: &[(Range<usize>, Edit)], out: &mut Vec<u8>) -> Result<(), Malformed> {
    for field in fields(bytes) {
        let field = field?;
        let value = base.saturating_add(field.value.start)..base.saturating_add(field.value.end);
        let part = |range: Range<usize>| bytes.get(range).unwrap_or_default();
        let exact = edits.iter().find(|(at, _)| field.delimited && *at == value);
        // A key lies between a value and the submessage around it, so a range inside this one can't be this value.
        let inside = |at: &Range<usize>| value.start < at.start && at.end <= value.end;
        match exact {
            Some((_, Edit::Remove)) => {}
            Some((_, Edit::Replace(new))) => {
                out.extend_from_slice(part(field.start..field.key_end));
                delimited(new, out);
            }
            None if field.delimited && edits.iter().any(|(at, _)| inside(at)) => {
                let mut inner = Vec::with_capacity(value.len());
                copy(part(field.value.clone()), value.start, edits, &mut inner)?;
                out.extend_from_slice(part(field.start..field.key_end));
                delimited(&inner, out);
            }
            None => out.extend_from_slice(part(field.start..field.value.end)),
        }
    }
    Ok(())
}

/// Adds a length-delimited field at the end of a message. Protobuf has no order of fields.
pub fn append(number: u32, value: &[u8], message: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, message);
    delimited(value, message);
}

fn delimited(value: &[u8], out: &mut Vec<u8>) {
    // usize is never wider than u64 on a platform this runs on.
    encode_varint(value.len() as u64, out);
    out.extend_from_slice(value);
}
