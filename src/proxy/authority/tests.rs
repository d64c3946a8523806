//! What can be shown with a few octets. `tests/authority.rs` has the properties, and a server on top.

use bytes::BytesMut;
use loona_hpack::Decoder;
use tokio::io::AsyncReadExt;

use super::frames::{CONTINUATION, HEADERS, MAX_FRAME, PREFACE, PUSH_PROMISE};
use super::*;

const DATA: u8 = 0x0;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

const RAW_PATH: &[u8] = b"/run/containerd/containerd.sock";

/// Literals by their first octet, with a name of their own.
const NOT_INDEXED: u8 = 0x00;
const NEVER_INDEXED: u8 = 0x10;
const INCREMENTAL: u8 = 0x40;
/// The entry that was added to the dynamic table last.
const NEWEST: u8 = 0x80 | 62;

fn field(pattern: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut field = vec![pattern];
    text::write_string(name, &mut field);
    text::write_string(value, &mut field);
    field
}

fn authority(value: &[u8]) -> Vec<u8> {
    field(NOT_INDEXED, b":authority", value)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

fn headers(stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, block)
}

/// What comes out, and what there is against the rest; the same for every way to cut the input.
#[track_caller]
fn mend(input: &[Vec<u8>]) -> (Vec<u8>, Option<Malformed>) {
    let input = [PREFACE, &input.concat()].concat();
    let whole = in_pieces(&input, input.len());
    for size in [1, 2, 3, 8, 9, 10, 100] {
        assert_eq!(in_pieces(&input, size), whole, "in pieces of {size}");
    }
    let (out, fault) = whole;
    let out = out.strip_prefix(PREFACE).expect("the preface").to_vec();
    (out, fault)
}

fn in_pieces(input: &[u8], size: usize) -> (Vec<u8>, Option<Malformed>) {
    let mut mender = Mender::new();
    let mut out = BytesMut::new();
    for piece in input.chunks(size) {
        if let Err(fault) = mender.feed(piece, &mut out) {
            assert_eq!(mender.fault(), Some(fault));
            return (out.to_vec(), Some(fault));
        }
    }
    mender.finish(&mut out);
    (out.to_vec(), None)
}

#[track_caller]
fn assert_untouched(input: &[Vec<u8>]) {
    assert_eq!(mend(input), (input.concat(), None));
}

#[track_caller]
fn assert_mended(input: &[Vec<u8>], output: &[Vec<u8>]) {
    assert_eq!(mend(input), (output.concat(), None));
}

/// That these frames are the server's to judge, and the end of a connection that was mended before.
#[track_caller]
fn assert_fault(input: &[Vec<u8>], fault: Malformed) {
    let later = [headers(9, &authority(RAW_PATH))];
    assert_untouched(&[input, &later].concat());

    let before = [headers(9, &authority(RAW_PATH))];
    let mended = headers(9, &authority(b"localhost"));
    assert_eq!(mend(&[&before, input].concat()), (mended, Some(fault)), "once mended");
}

#[test]
fn what_is_no_authority_becomes_localhost() {
    for value in [RAW_PATH, b"%2Frun%2Fcontainerd%2Fcontainerd.sock", b"", b"a b", b"\xff", b"unix:///run/x"] {
        assert_mended(&[headers(1, &authority(value))], &[headers(1, &authority(b"localhost"))]);
    }
}

#[test]
fn the_static_entry_of_an_empty_authority_becomes_localhost() {
    assert_mended(
        &[headers(1, &[0x82, 0x81, 0x84])],
        &[headers(1, &[&[0x82][..], &authority(b"localhost"), &[0x84]].concat())],
    );
}

#[test]
fn what_is_an_authority_is_left_alone() {
    for value in ["localhost", "LOCALHOST:1", "[::1]:2", "user@host", "x"] {
        let block = field(INCREMENTAL, b":authority", value.as_bytes());
        assert_untouched(&[headers(1, &block), headers(3, &[NEWEST])]);
    }
}

#[test]
fn a_block_without_authority_is_no_reason_to_mend() {
    assert_untouched(&[headers(1, &[0x83, 0x86, 0x84]), headers(1, &[])]);
}

#[test]
fn until_the_first_mended_block_frames_keep_their_shape() {
    assert_untouched(&[
        frame(HEADERS, PADDED | PRIORITY, 1, &[2, 0, 0, 0, 0, 9, 0x83, 7, 7]),
        frame(CONTINUATION, 0, 1, &[]),
        frame(CONTINUATION, END_HEADERS, 1, &[0x86, 0x84]),
        frame(0x77, 0xff, 0, b"unknown"),
    ]);
}

#[test]
fn from_the_first_mended_block_on_nothing_refers_to_the_dynamic_table() {
    let token = field(INCREMENTAL, b"x", b"first");
    let by_name = [&[0x40 | 62][..], &[6], b"second"].concat();
    assert_mended(
        &[
            headers(1, &token),
            headers(3, &[&authority(RAW_PATH)[..], &[NEWEST]].concat()),
            headers(3, &[&[NEWEST][..], &by_name, &[NEWEST]].concat()),
        ],
        &[
            headers(1, &token),
            headers(3, &[authority(b"localhost"), field(NOT_INDEXED, b"x", b"first")].concat()),
            headers(
                3,
                &[
                    field(NOT_INDEXED, b"x", b"first"),
                    field(NOT_INDEXED, b"x", b"second"),
                    field(NOT_INDEXED, b"x", b"second"),
                ]
                .concat(),
            ),
        ],
    );
}

#[test]
fn an_authority_in_the_dynamic_table_is_mended_whenever_it_is_used() {
    let incremental = field(INCREMENTAL, b":authority", RAW_PATH);
    let good = headers(1, &authority(b"localhost"));
    assert_mended(&[headers(1, &incremental), headers(1, &[NEWEST])], &[good.clone(), good]);
}

#[test]
fn never_indexed_stays_never_indexed() {
    let secret = field(NEVER_INDEXED, b"authorization", b"x");
    // By the name of static entry 23.
    let named = [0x1f, 8, 1, b'y'];
    assert_mended(
        &[headers(1, &[field(NEVER_INDEXED, b":authority", RAW_PATH), secret.clone(), named.to_vec()].concat())],
        &[headers(1, &[field(NEVER_INDEXED, b":authority", b"localhost"), secret, named.to_vec()].concat())],
    );
}

#[test]
fn a_table_size_update_is_followed_and_kept() {
    // To 0 and back to 4096: what was in the table is gone.
    let resize = [0x20, 0x3f, 0xe1, 0x1f];
    let (out, fault) =
        mend(&[headers(1, &field(INCREMENTAL, b":authority", RAW_PATH)), headers(3, &resize), headers(5, &[NEWEST])]);
    assert!(out.ends_with(&headers(3, &resize)), "{out:?}");
    assert!(matches!(fault, Some(Malformed::Fields(Undecodable::NoEntry(_)))), "{fault:?}");
}

#[test]
fn padding_goes_and_priority_and_the_end_of_the_stream_stay() {
    let block = authority(RAW_PATH);
    let priority = [0x80, 0, 0, 3, 200];
    let padded = [&[4][..], &priority, &block, &[0; 4]].concat();
    let mended = [&priority[..], &authority(b"localhost")].concat();
    assert_mended(
        &[frame(HEADERS, END_STREAM | END_HEADERS | PADDED | PRIORITY, 1, &padded)],
        &[frame(HEADERS, END_STREAM | END_HEADERS | PRIORITY, 1, &mended)],
    );
}

#[test]
fn a_mended_block_is_put_together_and_cut_at_the_size_that_every_server_takes() {
    let long = field(NOT_INDEXED, b"x", &[b'v'; 40_000]);
    let sent = [authority(RAW_PATH), long.clone()].concat();
    let mended = [authority(b"localhost"), long].concat();
    let (first, rest) = sent.split_at(5);
    let (middle, last) = rest.split_at(MAX_FRAME);
    let (last, lingering) = last.split_at(MAX_FRAME);
    let mut parts = mended.chunks(MAX_FRAME);
    assert_mended(
        &[
            frame(HEADERS, END_STREAM, 1, first),
            frame(CONTINUATION, 0, 1, middle),
            frame(CONTINUATION, 0, 1, last),
            frame(CONTINUATION, END_HEADERS, 1, lingering),
        ],
        &[
            frame(HEADERS, END_STREAM, 1, parts.next().unwrap()),
            frame(CONTINUATION, 0, 1, parts.next().unwrap()),
            frame(CONTINUATION, END_HEADERS, 1, parts.next().unwrap()),
        ],
    );
}

#[test]
fn an_empty_block_stays_one_frame() {
    let trailers = frame(HEADERS, END_STREAM | END_HEADERS, 1, &[]);
    assert_mended(
        &[headers(1, &authority(RAW_PATH)), trailers.clone()],
        &[headers(1, &authority(b"localhost")), trailers],
    );
}

#[test]
fn other_frames_are_untouched_after_mending_too() {
    let others =
        [frame(DATA, END_STREAM | PADDED, 1, &[b'd'; 70_000]), frame(0x77, 0xff, 0, b"unknown"), frame(0x4, 0, 0, &[])];
    assert_mended(
        &[&[headers(1, &authority(RAW_PATH))], &others[..]].concat(),
        &[&[headers(1, &authority(b"localhost"))], &others[..]].concat(),
    );
}

#[test]
fn duplicates_and_their_order_are_kept() {
    let fields = [
        field(NOT_INDEXED, b"a", b"1"),
        field(NOT_INDEXED, b"b", b"2"),
        field(NOT_INDEXED, b"a", b"1"),
        authority(b"good"),
        field(NOT_INDEXED, b"a", b"0"),
    ];
    assert_mended(
        &[headers(1, &[authority(RAW_PATH), fields.concat()].concat())],
        &[headers(1, &[authority(b"localhost"), fields.concat()].concat())],
    );
}

#[test]
fn a_block_on_no_stream_is_not_ours_to_judge() {
    assert_fault(&[headers(0, &[0x83])], Malformed::NoStream);
}

#[test]
fn a_frame_within_a_block_is_not_ours_to_judge() {
    for (kind, stream) in [(DATA, 1), (HEADERS, 1), (CONTINUATION, 3), (0x77, 0)] {
        assert_fault(&[frame(HEADERS, 0, 1, &[0x83]), frame(kind, END_HEADERS, stream, &[])], Malformed::Interrupted);
    }
}

#[test]
fn a_continuation_of_nothing_is_not_ours_to_judge() {
    assert_fault(&[frame(CONTINUATION, END_HEADERS, 1, &[])], Malformed::Unbegun);
}

#[test]
fn a_push_promise_is_not_ours_to_judge() {
    assert_fault(&[frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])], Malformed::Pushed);
}

#[test]
fn a_long_frame_is_not_ours_to_judge() {
    assert_fault(&[headers(1, &vec![0x83; MAX_FRAME + 1])], Malformed::LongFrame);
}

#[test]
fn false_padding_is_not_ours_to_judge() {
    for (flags, payload) in [
        (PADDED, &[][..]),
        (PADDED, &[1]),
        (PADDED, &[255, 0x83, 0x84]),
        (PRIORITY, &[0, 0, 0, 1]),
        (PADDED | PRIORITY, &[4, 0, 0, 0, 1, 9, 0x83, 0x84]),
    ] {
        assert_fault(&[frame(HEADERS, flags | END_HEADERS, 1, payload)], Malformed::Overlong);
    }
}

#[test]
fn fields_that_cannot_be_decoded_are_not_ours_to_judge() {
    for (block, fault) in [
        (&[0x00, 1, b'x', 9][..], Undecodable::CutShort),
        (&[0x1f, 0x80], Undecodable::CutShort),
        (&[0xff, 0x80, 0x80, 0x80, 0x80, 0], Undecodable::LongInteger),
        (&[0x83, 0x20], Undecodable::LateResize),
        (&[0x3f, 0xe2, 0x1f], Undecodable::LargeTable),
    ] {
        assert_fault(&[headers(1, block)], Malformed::Fields(fault));
    }
    for block in [&[0x80][..], &[0xff, 0x70], &[0x7f, 0x70, 0]] {
        assert_fault_kind(block, |fault| matches!(fault, Undecodable::NoEntry(_)));
    }
    // A string of EOS, and one with eight bits of padding.
    for block in [&[0x02, 0x84, 0xff, 0xff, 0xff, 0xfc][..], &[0x02, 0x81, 0xff]] {
        assert_fault_kind(block, |fault| matches!(fault, Undecodable::NotHuffman(_)));
    }
}

#[track_caller]
fn assert_fault_kind(block: &[u8], is_kind: fn(Undecodable) -> bool) {
    let (_, fault) = mend(&[headers(9, &authority(RAW_PATH)), headers(1, block)]);
    let fault = fault.expect("a fault");
    assert!(matches!(fault, Malformed::Fields(fault) if is_kind(fault)), "{block:x?}: {fault:?}");
    assert_fault(&[headers(1, block)], fault);
}

#[test]
fn a_flood_of_continuations_ends() {
    let mut flood = vec![frame(HEADERS, 0, 1, &[])];
    flood.resize(MAX_CONTINUATIONS + 2, frame(CONTINUATION, 0, 1, &[]));
    assert_fault(&flood, Malformed::Flood);
}

#[test]
fn a_block_without_measure_ends() {
    let full = vec![0x83; MAX_FRAME];
    let mut large = vec![frame(HEADERS, 0, 1, &full)];
    large.resize(MAX_BLOCK / MAX_FRAME + 1, frame(CONTINUATION, 0, 1, &full));
    assert_fault(&large, Malformed::LargeBlock);
}

#[test]
fn a_block_that_unfolds_without_measure_ends() {
    let entry = field(INCREMENTAL, b"x", &[b'v'; 4000]);
    let references = vec![NEWEST; MAX_LIST / 4000 + 1];
    assert_fault(&[headers(1, &[entry, references].concat())], Malformed::Fields(Undecodable::LargeList));
}

#[test]
fn what_is_not_http2_passes() {
    for input in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\r ", b"PRI * HT"] {
        for size in [1, 7, 100] {
            assert_eq!(in_pieces(input, size), (input.to_vec(), None));
        }
    }
}

#[test]
fn a_connection_that_ends_within_a_frame_ends_there() {
    let input = [PREFACE, &headers(1, &authority(RAW_PATH)), &frame(HEADERS, 0, 3, &[0x83]), &[0, 0, 1]].concat();
    let (out, fault) = in_pieces(&input, 5);
    assert_eq!(fault, None);
    assert!(out.ends_with(&[0x83, 0, 0, 1]), "{out:?}");
}

#[test]
fn a_payload_is_not_waited_for_and_nothing_is_kept_of_it() {
    let mut mender = Mender::new();
    let mut out = BytesMut::new();
    let input = [PREFACE, &frame(DATA, 0, 1, &[b'd'; 60_000])[..1000]].concat();
    mender.feed(&input, &mut out).unwrap();
    assert_eq!(out, input);
    assert!(mender.passes(50_000));
    assert!(!mender.passes(50_000));
}

#[test]
fn what_is_written_is_what_another_decoder_reads() {
    // "www.example.com" in Huffman code, from RFC 7541 §C.4.1, under a name and under a static name.
    let huffman = [0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
    let block =
        [&authority(RAW_PATH)[..], &[0x40, 1, b'x'], &huffman, &[0x41], &huffman, &[0x7f, 0], &huffman].concat();
    let (out, fault) = mend(&[headers(1, &block), headers(3, &[0xbe, 0xbf, 0xc0])]);
    assert_eq!(fault, None);
    let mut decoder = Decoder::new();
    let mut frames = &out[..];
    let mut seen = Vec::new();
    while let Some(head) = frames::Head::read(frames::take(&mut frames, 9)) {
        seen.extend(decoder.decode(frames::take(&mut frames, head.length)).unwrap());
    }
    let seen: Vec<_> =
        seen.iter().map(|(name, value)| (str::from_utf8(name).unwrap(), str::from_utf8(value).unwrap())).collect();
    let [x, good] = [("x", "www.example.com"), (":authority", "www.example.com")];
    assert_eq!(seen, [(":authority", "localhost"), x, good, x, x, good, x]);
}

#[tokio::test]
async fn what_came_before_a_fault_is_read_before_it() {
    let input = [PREFACE, &headers(1, &authority(RAW_PATH)), &headers(0, &[])].concat();
    let mut mended = Mended::new(&input[..]);
    let mut read = Vec::<u8>::new();
    let error = loop {
        let mut piece = [0; 7];
        match mended.read(&mut piece).await {
            Ok(0) => panic!("an end instead of the fault"),
            Ok(length) => read.extend(&piece[..length]),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(error.get_ref().and_then(|fault| fault.downcast_ref()), Some(&Malformed::NoStream));
    let expected = [PREFACE, &headers(1, &authority(b"localhost"))].concat();
    assert_eq!(read, expected);
    assert!(mended.read(&mut [0; 7]).await.is_err(), "once and for all");
}

#[tokio::test]
async fn an_empty_buffer_is_not_the_end() {
    let mut mended = Mended::new(PREFACE);
    assert_eq!(mended.read(&mut []).await.unwrap(), 0);
    let mut read = Vec::new();
    mended.read_to_end(&mut read).await.unwrap();
    assert_eq!(read, PREFACE);
}
