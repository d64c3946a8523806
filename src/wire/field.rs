//! The boundaries of one field.
//!
//! Source: the Protocol Buffers encoding specification, "Message Structure".

use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};
use std::ops::Range;

/// Why bytes are not a protobuf message, and where they stop being one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a protobuf message: {why} at byte {at}")]
pub struct Malformed {
    /// Offset of the field that could not be read, from the start of the (sub)message that holds it.
    pub at: usize,
    /// What was wrong with it.
    pub why: Fault,
}

/// The ways a field can be unreadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A key that is not a varint, has no field number, or names a wire type that does not exist.
    #[error("unreadable field key")]
    Key,
    /// The value runs past the end of the message, or is a varint or group that does not end.
    #[error("unreadable field value")]
    Value,
    /// A field that the schema says is a string or message has another wire type.
    #[error("unexpected wire type")]
    WireType,
}

/// One field, as offsets into the message that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// The field number.
    pub number: u32,
    /// Whether the value is length-delimited: a string, bytes or a submessage.
    pub delimited: bool,
    /// Where the key begins.
    pub start: usize,
    /// Where the key ends. Kept because a sender may write an over-long varint, and its bytes are its own.
    pub key_end: usize,
    /// The value, without its length.
    pub value: Range<usize>,
}

/// Reads the field that begins at `at`.
///
/// # Errors
///
/// When no whole field begins there.
pub fn field(message: &[u8], at: usize) -> Result<Field, Malformed> {
    let fault = |why| Malformed { at, why };
    let mut rest = message.get(at..).unwrap_or_default();
    let offset = |rest: &[u8]| message.len().saturating_sub(rest.len());
    let (number, wire) = decode_key(&mut rest).map_err(|_| fault(Fault::Key))?;
    let key_end = offset(rest);
    let value = if wire == WireType::LengthDelimited {
        let length = decode_varint(&mut rest).map_err(|_| fault(Fault::Value))?;
        let length = usize::try_from(length).map_err(|_| fault(Fault::Value))?;
        if length > rest.len() {
            return Err(fault(Fault::Value));
        }
        let start = offset(rest);
        start..start.saturating_add(length)
    } else {
        skip_field(wire, number, &mut rest, DecodeContext::default()).map_err(|_| fault(Fault::Value))?;
        key_end..offset(rest)
    };
    Ok(Field { number, delimited: wire == WireType::LengthDelimited, start: at, key_end, value })
}

/// The fields of `message` in order; ends after the first that cannot be read.
pub fn fields(message: &[u8]) -> impl Iterator<Item = Result<Field, Malformed>> {
    let mut at = Some(0);
    std::iter::from_fn(move || {
        let here = at.filter(|&here| here < message.len())?;
        let found = field(message, here);
        at = found.as_ref().ok().map(|f| f.value.end);
        Some(found)
    })
}
