//! Properties of the mender below HTTP/2: any requests, put in any way, cut in any way; and anything at all.

use bytes::{BufMut, BytesMut};
use proptest::prelude::*;
use repoint::proxy::authority::{Malformed, Mended, Mender};
use tokio::io::AsyncReadExt;

use crate::support::hpack::{Decoder, Field, Form, Literal};
use crate::support::http2::{
    Authority, CONTINUATION, END_HEADERS, END_STREAM, Frame, HEADERS, PADDED, PREFACE, PRIORITY, Request, SETTINGS,
    Shape, Writer,
};

/// What a client might send: names and values from a small stock, so that the tables are hit, and anything at all.
fn a_field() -> impl Strategy<Value = Field> {
    let name = prop_oneof![
        5 => "x-[a-d]",
        1 => Just(":authority".to_owned()),
        1 => Just("authorization".to_owned()),
    ];
    let value = prop_oneof![
        4 => "[a-c]{0,2}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => Just(vec![b'v'; 700]),
    ];
    (name, value).prop_map(|(name, value)| Field::new(name, value))
}

fn a_form() -> impl Strategy<Value = Form> {
    let literal = prop_oneof![
        3 => Just(Literal::Incremental),
        1 => Just(Literal::NotIndexed),
        1 => Just(Literal::NeverIndexed),
    ];
    (literal, any::<bool>(), any::<bool>()).prop_map(|(literal, by_reference, huffman)| Form {
        literal,
        by_reference,
        huffman,
    })
}

fn a_shape() -> impl Strategy<Value = Shape> {
    (
        proptest::option::of(any::<u8>()),
        proptest::option::of(any::<[u8; 5]>()),
        prop_oneof![Just(None), (100_usize..16_000).prop_map(Some)],
        prop_oneof![3 => Just(None), 1 => (0_usize..=4096).prop_map(Some)],
    )
        .prop_map(|(padding, priority, cut, resize)| Shape { padding, priority, cut, resize })
}

fn an_authority() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        6 => proptest::sample::select(&Authority::ALL[..])
            .prop_map(|authority| authority.value().map(|value| value.as_bytes().to_vec())),
        1 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Some),
    ]
}

fn fields(most: usize) -> impl Strategy<Value = Vec<(Field, Form)>> {
    proptest::collection::vec((a_field(), a_form()), 0..most)
}

fn a_request() -> impl Strategy<Value = Request> {
    (
        an_authority(),
        a_form(),
        fields(8),
        a_shape(),
        proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..3),
        proptest::option::of(fields(3)),
    )
        .prop_map(|(authority, form, more, shape, data, trailers)| {
            let authority = authority.map(|value| (Field::new(":authority", value), form));
            let fields = [(Field::new(":path", "/a"), form)];
            Request { fields: fields.into_iter().chain(authority).chain(more).collect(), shape, data, trailers }
        })
}

/// The octets of a connection, and the frames in them.
fn connection(requests: &[Request]) -> (Vec<u8>, Vec<Frame>) {
    let mut writer = Writer::default();
    let mut frames = vec![Frame::new(SETTINGS, 0, 0, [])];
    for request in requests {
        frames.extend(writer.request(request));
    }
    let mut octets = PREFACE.to_vec();
    for frame in &frames {
        frame.write(&mut octets);
    }
    (octets, frames)
}

/// What comes out if the input arrives in such pieces, over and over.
fn pass(input: &[u8], pieces: &[usize]) -> (Vec<u8>, Option<Malformed>, bool) {
    let mut mender = Mender::new();
    let mut out = BytesMut::new();
    let mut rest = input;
    for size in pieces.iter().cycle() {
        if rest.is_empty() {
            mender.finish(&mut out);
            break;
        }
        let (piece, later) = rest.split_at((*size).min(rest.len()));
        rest = later;
        // What the reader does for bulk is to make no difference.
        if mender.passes(piece.len()) {
            out.put(piece);
        } else if mender.feed(piece, &mut out).is_err() {
            break;
        }
    }
    (out.to_vec(), mender.fault(), mender.is_mending())
}

/// A frame other than those of header blocks, or a header block with what its frames say about it.
#[derive(Debug, PartialEq)]
enum Seen {
    Frame(Frame),
    Block { stream: u32, ends: bool, priority: Option<Vec<u8>>, fields: Vec<Field> },
}

/// Reads frames as a server does. From the `first_mended` block on, they have to do without the dynamic table and without
/// padding.
fn see(frames: impl IntoIterator<Item = Frame>, first_mended: Option<usize>) -> Vec<Seen> {
    let mut decoder = Decoder::default();
    let mut frames = frames.into_iter();
    let mut seen = Vec::new();
    let mut blocks = 0;
    while let Some(frame) = frames.next() {
        if frame.kind != HEADERS {
            seen.push(Seen::Frame(frame));
            continue;
        }
        let mut payload = frame.payload.clone();
        if frame.has(PADDED) {
            payload.truncate(payload.len() - usize::from(payload[0]));
            payload.remove(0);
        }
        let priority = frame.has(PRIORITY).then(|| payload.drain(..5).collect::<Vec<_>>());
        let mut last = frame.clone();
        while !last.has(END_HEADERS) {
            last = frames.next().expect("the rest of a block");
            assert_eq!((last.kind, last.stream), (CONTINUATION, frame.stream));
            payload.extend(&last.payload);
        }
        let before = decoder.uses;
        let fields = decoder.block(&payload);
        if first_mended.is_some_and(|first| blocks >= first) {
            assert_eq!(decoder.uses, before, "use of the dynamic table");
            assert!(!frame.has(PADDED), "padding");
        }
        blocks += 1;
        seen.push(Seen::Block { stream: frame.stream, ends: frame.has(END_STREAM), priority, fields });
    }
    seen
}

/// Replaces each authority that is none; says in which block the first one was.
fn replace(seen: &mut [Seen]) -> Option<usize> {
    let mut first = None;
    let mut blocks = 0;
    for seen in seen {
        let Seen::Block { fields, .. } = seen else {
            continue;
        };
        for field in fields {
            if field.name == b":authority" && http::uri::Authority::try_from(&field.value[..]).is_err() {
                field.value = b"localhost".to_vec();
                first = first.or(Some(blocks));
            }
        }
        blocks += 1;
    }
    first
}

fn read_frames(octets: &[u8]) -> Vec<Frame> {
    let mut octets = octets.strip_prefix(PREFACE).expect("the preface");
    let frames = std::iter::from_fn(|| Frame::read(&mut octets)).collect();
    assert_eq!(octets, b"", "half a frame");
    frames
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(prop_oneof![1_usize..4, 4_usize..40, 40_usize..10_000], 1..20)
}

proptest! {
    #[test]
    fn a_server_reads_what_was_sent_but_for_authorities_that_are_none(
        requests in proptest::collection::vec(a_request(), 1..8),
        pieces in pieces(),
    ) {
        let (sent, frames) = connection(&requests);
        let mut expected = see(frames, None);
        let first = replace(&mut expected);

        let (received, fault, mending) = pass(&sent, &pieces);
        prop_assert_eq!(fault, None);
        prop_assert_eq!(mending, first.is_some());
        if first.is_none() {
            prop_assert_eq!(&received, &sent);
        }
        prop_assert_eq!(see(read_frames(&received), first), expected);
    }

    #[test]
    fn how_the_input_is_cut_makes_no_difference(
        requests in proptest::collection::vec(a_request(), 1..5),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        pieces in pieces(),
    ) {
        let (mut sent, _) = connection(&requests);
        for (at, octet) in flips {
            let at = at.index(sent.len());
            sent[at] = octet;
        }
        let whole = pass(&sent, &[sent.len()]);
        prop_assert_eq!(&pass(&sent, &[1]), &whole);
        prop_assert_eq!(&pass(&sent, &pieces), &whole);
    }

    #[test]
    fn a_reader_gets_what_the_mender_gives(
        requests in proptest::collection::vec(a_request(), 1..4),
        pieces in pieces(),
    ) {
        let (sent, _) = connection(&requests);
        let (expected, ..) = pass(&sent, &pieces);
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let received = runtime.block_on(async {
            let mut mended = Mended::new(&sent[..]);
            let mut received = Vec::<u8>::new();
            for size in pieces.iter().cycle() {
                let mut piece = vec![0; *size];
                let read = mended.read(&mut piece).await.expect("what was sent");
                if read == 0 {
                    break;
                }
                received.extend(&piece[..read]);
            }
            received
        });
        prop_assert_eq!(received, expected);
    }

    #[test]
    fn until_something_is_mended_every_octet_passes(
        requests in proptest::collection::vec(a_request(), 0..3),
        noise in proptest::collection::vec(any::<u8>(), 0..400),
        pieces in pieces(),
    ) {
        let (mut sent, _) = connection(&requests);
        sent.extend(noise);
        let (received, fault, mending) = pass(&sent, &pieces);
        if !mending {
            prop_assert_eq!(fault, None);
            prop_assert_eq!(received, sent);
        }
    }

    #[test]
    fn arbitrary_octets_pass(noise in proptest::collection::vec(any::<u8>(), 0..200), http2: bool) {
        let sent = [if http2 { PREFACE } else { b"" }, &noise].concat();
        let (received, fault, mending) = pass(&sent, &[7]);
        if !mending {
            prop_assert_eq!((received, fault), (sent, None));
        }
    }
}
