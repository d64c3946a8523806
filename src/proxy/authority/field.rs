//! One field of a header block, taken apart and put together again (RFC 7541 §6).

use super::hpack::Undecodable;
use super::text::{Text, before, read_integer, write_integer, write_string};

/// The last index of the static table (RFC 7541 appendix A).
const LAST_STATIC: usize = 61;

/// What each field begins with (RFC 7541 §6): a pattern, and the mask of the integer's first bits that follow it.
const INDEXED: (u8, u8) = (0x80, 0x7f);
const INCREMENTAL: (u8, u8) = (0x40, 0x3f);
const RESIZE: (u8, u8) = (0x20, 0x1f);
const NEVER_INDEXED: (u8, u8) = (0x10, 0x0f);
const NOT_INDEXED: (u8, u8) = (0x00, 0x0f);

/// One field, taken apart but not looked up.
#[derive(Debug)]
pub(super) enum Field<'a> {
    Indexed {
        index: usize,
        raw: &'a [u8],
    },
    Literal {
        pattern: (u8, u8),
        /// Of the entry whose name this field has, or 0.
        index: usize,
        name: Option<Text<'a>>,
        value: Text<'a>,
    },
    Resize {
        size: usize,
        raw: &'a [u8],
    },
}

// === impl Field ===

impl<'a> Field<'a> {
    pub(super) fn read(block: &mut &'a [u8]) -> Result<Self, Undecodable> {
        let whole = *block;
        let first = *whole.first().ok_or(Undecodable::CutShort)?;
        if first & INDEXED.0 != 0 {
            let index = read_integer(block, INDEXED.1)?;
            let raw = before(whole, block);
            return Ok(Self::Indexed { index, raw });
        }
        let pattern = if first & INCREMENTAL.0 != 0 {
            INCREMENTAL
        } else if first & RESIZE.0 != 0 {
            let size = read_integer(block, RESIZE.1)?;
            let raw = before(whole, block);
            return Ok(Self::Resize { size, raw });
        } else if first & NEVER_INDEXED.0 != 0 {
            NEVER_INDEXED
        } else {
            NOT_INDEXED
        };
        let index = read_integer(block, pattern.1)?;
        let name = if index == 0 { Some(Text::read(block)?) } else { None };
        let value = Text::read(block)?;
        Ok(Self::Literal { pattern, index, name, value })
    }

    /// The same field with its strings in plain: what follows the table need not read Huffman code.
    pub(super) fn write_plain(&self, out: &mut Vec<u8>) -> Result<(), Undecodable> {
        match self {
            Self::Indexed { raw, .. } | Self::Resize { raw, .. } => out.extend_from_slice(raw),
            Self::Literal { pattern, index, name, value } => {
                write_integer(*pattern, *index, out);
                if let Some(name) = name {
                    name.write_plain(out)?;
                }
                value.write_plain(out)?;
            }
        }
        Ok(())
    }

    /// This field, looked up, without reference to the dynamic table. What does not need it is copied.
    pub(super) fn write_static(&self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Indexed { index, raw } if *index <= LAST_STATIC => out.extend_from_slice(raw),
            Self::Literal { index, name: literal, value, .. } => {
                if *index <= LAST_STATIC {
                    write_integer(self.unindexed(), *index, out);
                    if let Some(literal) = literal {
                        out.extend_from_slice(literal.raw);
                    }
                } else {
                    write_integer(self.unindexed(), 0, out);
                    write_string(name, out);
                }
                out.extend_from_slice(value.raw);
            }
            Self::Indexed { .. } | Self::Resize { .. } => self.write_instead(name, value, out),
        }
    }

    /// Another field in the place of this one, as secret as it was.
    pub(super) fn write_instead(&self, name: &[u8], value: &[u8], out: &mut Vec<u8>) {
        write_integer(self.unindexed(), 0, out);
        write_string(name, out);
        write_string(value, out);
    }

    fn unindexed(&self) -> (u8, u8) {
        match self {
            Self::Literal { pattern, .. } if *pattern == NEVER_INDEXED => NEVER_INDEXED,
            Self::Literal { .. } | Self::Indexed { .. } | Self::Resize { .. } => NOT_INDEXED,
        }
    }
}
