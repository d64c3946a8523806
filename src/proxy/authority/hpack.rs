//! Header blocks written anew without the dynamic table (RFC 7541).
//!
//! The fields are taken apart here, one at a time, and each is handed to `loona-hpack`, which follows the dynamic table. Taking
//! them apart is what tells a never-indexed literal from the others (§6.2.3: an intermediary must keep it so), which that decoder does not
//! say; it lets strings that need no change be copied as they are, Huffman code and all; and it makes the decoded list a thing that
//! can be bounded, which that decoder does not do either.

use std::fmt;

use http::uri::Authority;
use loona_hpack::Decoder;
use loona_hpack::decoder::DecoderError;
use loona_hpack::huffman::HuffmanDecoderError;

use super::field::Field;

/// The most that the fields of one block may amount to, counted as in `SETTINGS_MAX_HEADER_LIST_SIZE` (RFC 9113 §6.5.2: name,
/// value and 32 octets for each): 1 MiB.
///
/// One octet can refer to 4 KiB of table, so the size on the wire bounds nothing. grpc-go would take 16 MiB; what a kubelet sends is
/// below 4 KiB. The server above is to allow less than this, so that it is the one to refuse, with a status instead of an end.
pub const MAX_LIST: usize = 1024 * 1024;

/// The dynamic table's size unless the server raises it (`SETTINGS_HEADER_TABLE_SIZE`, RFC 9113 §6.5.2), which a server above
/// this layer must not do.
const MAX_TABLE: usize = 4096;

const NAME: &[u8] = b":authority";

/// What takes the place of an authority that is none: what newer kubelets send.
const LOCALHOST: &[u8] = b"localhost";

/// Why a header block cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum Undecodable {
    /// The block ends within a field.
    #[error("field is cut short")]
    CutShort,
    /// RFC 7541 §5.1: an implementation sets a limit, here four octets after the first.
    #[error("integer is too long")]
    LongInteger,
    /// RFC 7541 §4.2: only at the beginning of a block.
    #[error("table size update after a field")]
    LateResize,
    /// RFC 7541 §4.2: not above what the server allows.
    #[error("table size update above {MAX_TABLE}")]
    LargeTable,
    /// Over [`MAX_LIST`].
    #[error("list of fields is too large")]
    LargeList,
    /// RFC 7541 §5.2.
    #[error("string is not Huffman code")]
    NotHuffman(#[source] HuffmanDecoderError),
    /// RFC 7541 §2.3.3, for the most part.
    #[error("field refers to no entry of the table")]
    NoEntry(#[source] DecoderError),
}

/// Follows a client's encoder and writes what it says without need of a dynamic table.
pub(super) struct Rewriter {
    decoder: Decoder<'static>,
}

// === impl Rewriter ===

impl Rewriter {
    /// For a client that has sent no block yet.
    pub(super) fn new() -> Self {
        Self { decoder: Decoder::new() }
    }

    /// Reads a block and appends it without references to the dynamic table, each authority that is none replaced. Says
    /// whether there was one.
    pub(super) fn rewrite(&mut self, mut block: &[u8], out: &mut Vec<u8>) -> Result<bool, Undecodable> {
        let mut plain = Vec::new();
        let mut list = 0_usize;
        let mut replaced = false;
        let mut begun = false;
        while !block.is_empty() {
            let field = Field::read(&mut block)?;
            if let Field::Resize { size, raw } = field {
                if begun {
                    return Err(Undecodable::LateResize);
                }
                if size > MAX_TABLE {
                    return Err(Undecodable::LargeTable);
                }
                self.decoder.set_max_table_size(size);
                // Kept, though nothing refers to the table: a server that changed its limit waits for it (RFC 7541 §4.2).
                out.extend_from_slice(raw);
                continue;
            }
            begun = true;
            plain.clear();
            field.write_plain(&mut plain)?;
            self.decoder
                .decode_with_cb(&plain, |name, value| {
                    list = list.saturating_add(name.len()).saturating_add(value.len()).saturating_add(32);
                    if *name == *NAME && !is_authority(&value) {
                        replaced = true;
                        field.write_instead(NAME, LOCALHOST, out);
                    } else {
                        field.write_static(&name, &value, out);
                    }
                })
                .map_err(Undecodable::NoEntry)?;
            if list > MAX_LIST {
                return Err(Undecodable::LargeList);
            }
        }
        Ok(replaced)
    }
}

impl fmt::Debug for Rewriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The table holds what clients send, tokens included.
        f.debug_struct("Rewriter").finish_non_exhaustive()
    }
}

/// Whether a server takes this as an authority. hyper's own measure, for it is hyper that has to take it.
fn is_authority(value: &[u8]) -> bool {
    Authority::try_from(value).is_ok()
}
