//! HPACK (RFC 7541) for tests, independent of what is tested: an encoder that does what it is told, and a decoder that tells
//! how each field was put.

use std::collections::{HashMap, VecDeque};
use std::sync::LazyLock;

/// One field of a header block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) name: Vec<u8>,
    pub(crate) value: Vec<u8>,
    /// RFC 7541 §6.2.3: to be kept out of every table on the way.
    pub(crate) never_indexed: bool,
}

/// How to put a field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) literal: Literal,
    /// Whether to refer to the tables where they have the field, or its name.
    pub(crate) by_reference: bool,
    pub(crate) huffman: bool,
}

/// What a literal asks the table for (RFC 7541 §6.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Literal {
    Incremental,
    #[default]
    NotIndexed,
    NeverIndexed,
}

/// Puts fields as it is told.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    table: Table,
}

/// Reads fields, and counts what it used the dynamic table for.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    table: Table,
    /// References to entries of the dynamic table, and insertions.
    pub(crate) uses: usize,
}

/// The static and the dynamic table (RFC 7541 §2.3).
#[derive(Debug)]
struct Table {
    entries: VecDeque<(Vec<u8>, Vec<u8>)>,
    limit: usize,
}

// === impl Field ===

impl Field {
    pub(crate) fn new(name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), value: value.into(), never_indexed: false }
    }
}

// === impl Form ===

impl Form {
    /// What grpc-go does: everything into the table, everything by reference, Huffman code throughout.
    pub(crate) const GRPC_GO: Self = Self { literal: Literal::Incremental, by_reference: true, huffman: true };
}

// === impl Encoder ===

impl Encoder {
    pub(crate) fn field(&mut self, field: &Field, form: Form, out: &mut Vec<u8>) {
        let Field { name, value, .. } = field;
        let (whole, by_name) = if form.by_reference { self.table.find(name, value) } else { (None, None) };
        // A field that was never to be indexed cannot be a reference to an index.
        if let (Some(index), false) = (whole, form.literal == Literal::NeverIndexed) {
            return write_integer(0x80, 7, index, out);
        }
        let (pattern, bits) = match form.literal {
            Literal::Incremental => (0x40, 6),
            Literal::NotIndexed => (0x00, 4),
            Literal::NeverIndexed => (0x10, 4),
        };
        write_integer(pattern, bits, by_name.unwrap_or(0), out);
        if by_name.is_none() {
            write_string(name, form.huffman, out);
        }
        write_string(value, form.huffman, out);
        if form.literal == Literal::Incremental {
            self.table.insert(name.clone(), value.clone());
        }
    }

    /// A table size update (RFC 7541 §6.3).
    pub(crate) fn resize(&mut self, limit: usize, out: &mut Vec<u8>) {
        write_integer(0x20, 5, limit, out);
        self.table.resize(limit);
    }
}

// === impl Decoder ===

impl Decoder {
    pub(crate) fn block(&mut self, mut block: &[u8]) -> Vec<Field> {
        let mut fields = Vec::new();
        while let Some(&first) = block.first() {
            let (bits, literal) = match first.leading_zeros() {
                0 => {
                    let (name, value) = self.entry(read_integer(&mut block, 7));
                    fields.push(Field::new(name, value));
                    continue;
                }
                1 => (6, Literal::Incremental),
                2 => {
                    let limit = read_integer(&mut block, 5);
                    assert!(limit <= 4096, "table size update to {limit}");
                    self.table.resize(limit);
                    continue;
                }
                3 => (4, Literal::NeverIndexed),
                _ => (4, Literal::NotIndexed),
            };
            let name = match read_integer(&mut block, bits) {
                0 => read_string(&mut block),
                index => self.entry(index).0,
            };
            let value = read_string(&mut block);
            if literal == Literal::Incremental {
                self.uses += 1;
                self.table.insert(name.clone(), value.clone());
            }
            fields.push(Field { name, value, never_indexed: literal == Literal::NeverIndexed });
        }
        fields
    }

    fn entry(&mut self, index: usize) -> (Vec<u8>, Vec<u8>) {
        self.uses += usize::from(index > STATIC.len());
        self.table.get(index)
    }
}

// === impl Table ===

impl Default for Table {
    fn default() -> Self {
        Self { entries: VecDeque::new(), limit: 4096 }
    }
}

impl Table {
    fn get(&self, index: usize) -> (Vec<u8>, Vec<u8>) {
        let index = index.checked_sub(1).expect("an index above 0");
        match STATIC.get(index) {
            Some((name, value)) => (name.as_bytes().to_vec(), value.as_bytes().to_vec()),
            None => self.entries[index - STATIC.len()].clone(),
        }
    }

    /// The index of the field, and one of its name.
    fn find(&self, name: &[u8], value: &[u8]) -> (Option<usize>, Option<usize>) {
        let fixed = STATIC.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes()));
        let moving = self.entries.iter().map(|(n, v)| (&n[..], &v[..]));
        let named: Vec<_> = fixed.chain(moving).zip(1..).filter(|((n, _), _)| *n == name).collect();
        let whole = named.iter().find(|((_, v), _)| *v == value);
        // The last, so that names are looked up in the dynamic table too.
        (whole.map(|(_, index)| *index), named.last().map(|(_, index)| *index))
    }

    fn insert(&mut self, name: Vec<u8>, value: Vec<u8>) {
        self.entries.push_front((name, value));
        self.evict();
    }

    fn resize(&mut self, limit: usize) {
        self.limit = limit;
        self.evict();
    }

    fn evict(&mut self) {
        let size = |(name, value): &(Vec<u8>, Vec<u8>)| name.len() + value.len() + 32;
        while self.entries.iter().map(size).sum::<usize>() > self.limit {
            self.entries.pop_back();
        }
    }
}

fn write_integer(pattern: u8, bits: u32, value: usize, out: &mut Vec<u8>) {
    let most = (1 << bits) - 1;
    if value < most {
        return out.push(pattern | octet(value));
    }
    out.push(pattern | octet(most));
    let mut rest = value - most;
    while rest >= 128 {
        out.push(octet(rest % 128) | 128);
        rest /= 128;
    }
    out.push(octet(rest));
}

fn read_integer(block: &mut &[u8], bits: u32) -> usize {
    let most = (1 << bits) - 1;
    let mut value = usize::from(read(block, 1)[0]) & most;
    if value < most {
        return value;
    }
    for shift in (0..).step_by(7) {
        let next = read(block, 1)[0];
        value += usize::from(next & 127) << shift;
        if next < 128 {
            break;
        }
    }
    value
}

fn write_string(octets: &[u8], huffman: bool, out: &mut Vec<u8>) {
    if huffman {
        let coded = write_huffman(octets);
        write_integer(0x80, 7, coded.len(), out);
        out.extend(coded);
    } else {
        write_integer(0, 7, octets.len(), out);
        out.extend(octets);
    }
}

fn read_string(block: &mut &[u8]) -> Vec<u8> {
    let huffman = *block.first().expect("a string") >= 128;
    let length = read_integer(block, 7);
    let octets = read(block, length);
    if huffman { read_huffman(octets) } else { octets.to_vec() }
}

fn read<'a>(block: &mut &'a [u8], length: usize) -> &'a [u8] {
    let (octets, rest) = block.split_at(length);
    *block = rest;
    octets
}

fn octet(value: usize) -> u8 {
    u8::try_from(value).expect("an octet")
}

fn write_huffman(octets: &[u8]) -> Vec<u8> {
    let mut bits = Vec::new();
    for octet in octets {
        let (code, length) = CODES[usize::from(*octet)];
        bits.extend((0..length).rev().map(|bit| code >> bit & 1));
    }
    // RFC 7541 §5.2: filled up with the beginning of EOS, which is all ones.
    bits.resize(bits.len().next_multiple_of(8), 1);
    bits.chunks(8).map(|bits| octet(bits.iter().fold(0, |octet, bit| octet << 1 | *bit))).collect()
}

fn read_huffman(coded: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    let (mut code, mut length) = (0, 0);
    for byte in coded {
        for bit in (0..8).rev() {
            code = code << 1 | usize::from(byte >> bit & 1);
            length += 1;
            if let Some(symbol) = SYMBOLS.get(&(code, length)) {
                octets.push(octet(*symbol));
                (code, length) = (0, 0);
            }
        }
    }
    assert!(length < 8 && code == (1 << length) - 1, "false padding");
    octets
}

/// The Huffman code (RFC 7541 appendix B) as code and length. It is canonical: codes of one length follow each other in the order
/// of their symbols, so that the lengths say it all.
static CODES: LazyLock<Vec<(usize, u32)>> = LazyLock::new(|| {
    let mut order: Vec<usize> = (0..LENGTHS.len()).collect();
    order.sort_by_key(|symbol| LENGTHS[*symbol]);
    let mut codes = vec![(0, 0); LENGTHS.len()];
    let (mut next, mut before) = (0_usize, 0);
    for symbol in order {
        let length = LENGTHS[symbol];
        next <<= length - before;
        codes[symbol] = (next, length);
        next += 1;
        before = length;
    }
    codes
});

static SYMBOLS: LazyLock<HashMap<(usize, u32), usize>> = LazyLock::new(|| CODES.iter().copied().zip(0..).collect());

#[rustfmt::skip]
const LENGTHS: [u32; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// RFC 7541 appendix A.
#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"), (":path", "/index.html"),
    (":scheme", "http"), (":scheme", "https"), (":status", "200"), (":status", "204"), (":status", "206"),
    (":status", "304"), (":status", "400"), (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""), ("accept", ""),
    ("access-control-allow-origin", ""), ("age", ""), ("allow", ""), ("authorization", ""), ("cache-control", ""),
    ("content-disposition", ""), ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""), ("date", ""), ("etag", ""),
    ("expect", ""), ("expires", ""), ("from", ""), ("host", ""), ("if-match", ""), ("if-modified-since", ""),
    ("if-none-match", ""), ("if-range", ""), ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""),
    ("location", ""), ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""), ("vary", ""), ("via", ""),
    ("www-authenticate", ""),
];

#[test]
fn strings_come_back_from_huffman_code() {
    // RFC 7541 §C.4.1.
    let mut coded = Vec::new();
    write_string(b"www.example.com", true, &mut coded);
    assert_eq!(coded, [0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff]);
    let every: Vec<u8> = (0..=255).collect();
    assert_eq!(read_huffman(&write_huffman(&every)), every);
}
