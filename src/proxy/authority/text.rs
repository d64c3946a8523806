//! Integers and strings of a header block (RFC 7541 §5).

use loona_hpack::huffman::HuffmanDecoder;
use std::cell::RefCell;

use super::frames::take;
use super::hpack::Undecodable;

/// The bit before a string's length that says Huffman code (RFC 7541 §5.2), and the mask of the length.
const HUFFMAN: (u8, u8) = (0x80, 0x7f);

/// A string as it stands in a block.
#[derive(Debug)]
pub(super) struct Text<'a> {
    huffman: bool,
    octets: &'a [u8],
    /// With its length before it.
    pub(super) raw: &'a [u8],
}

thread_local! {
    /// Reads Huffman code. It is a table that never changes and takes longer to build (30 µs) than a block takes to read, so
    /// there is one for each thread: the library's decoder asks to be held exclusively, though it keeps nothing.
    static DECODER: RefCell<HuffmanDecoder> = RefCell::new(HuffmanDecoder::new());
}

// === impl Text ===

impl<'a> Text<'a> {
    pub(super) fn read(block: &mut &'a [u8]) -> Result<Self, Undecodable> {
        let whole = *block;
        let first = *whole.first().ok_or(Undecodable::CutShort)?;
        let length = read_integer(block, HUFFMAN.1)?;
        let octets = take(block, length);
        if octets.len() < length {
            return Err(Undecodable::CutShort);
        }
        Ok(Self { huffman: first & HUFFMAN.0 != 0, octets, raw: before(whole, block) })
    }

    /// Appends it, with its length, without Huffman code.
    pub(super) fn write_plain(&self, out: &mut Vec<u8>) -> Result<(), Undecodable> {
        if !self.huffman {
            out.extend_from_slice(self.raw);
            return Ok(());
        }
        let plain = DECODER.with_borrow_mut(|decoder| decoder.decode(self.octets)).map_err(Undecodable::NotHuffman)?;
        write_string(&plain, out);
        Ok(())
    }
}

/// What was read of `whole` when `rest` is left.
pub(super) fn before<'a>(whole: &'a [u8], rest: &[u8]) -> &'a [u8] {
    let read = whole.len().saturating_sub(rest.len());
    whole.get(..read).unwrap_or(whole)
}

/// Reads an integer (RFC 7541 §5.1) whose first octet has these bits of it.
pub(super) fn read_integer(block: &mut &[u8], mask: u8) -> Result<usize, Undecodable> {
    let mut next = || match take(block, 1) {
        [octet] => Ok(*octet),
        _ => Err(Undecodable::CutShort),
    };
    let first = next()? & mask;
    let mut value = usize::from(first);
    if first < mask {
        return Ok(value);
    }
    for scale in [1, 1 << 7, 1 << 14, 1 << 21] {
        let octet = next()?;
        value = value.saturating_add(usize::from(octet & 0x7f).saturating_mul(scale));
        if octet & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Undecodable::LongInteger)
}

/// Writes an integer (RFC 7541 §5.1) behind a pattern.
pub(super) fn write_integer((pattern, mask): (u8, u8), value: usize, out: &mut Vec<u8>) {
    let Some(mut rest) = value.checked_sub(usize::from(mask)) else {
        let [low, ..] = value.to_le_bytes();
        out.push(pattern | low);
        return;
    };
    out.push(pattern | mask);
    while rest > 0x7f {
        let [low, ..] = rest.to_le_bytes();
        out.push(low | 0x80);
        rest >>= 7;
    }
    let [low, ..] = rest.to_le_bytes();
    out.push(low);
}

pub(super) fn write_string(octets: &[u8], out: &mut Vec<u8>) {
    write_integer((0, HUFFMAN.1), octets.len(), out);
    out.extend_from_slice(octets);
}
