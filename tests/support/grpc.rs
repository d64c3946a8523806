//! How gRPC cuts a body into messages.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;

/// The byte before a message's length.
pub const PLAIN: u8 = 0;
pub const COMPRESSED: u8 = 1;

/// A message as it stands in a body.
pub fn frame(flag: u8, message: &[u8]) -> Bytes {
    let mut framed = BytesMut::new();
    framed.put_u8(flag);
    framed.put_u32(message.len().try_into().expect("shorter than 4 GiB"));
    framed.put_slice(message);
    framed.freeze()
}

pub fn encoded(message: &impl Message) -> Bytes {
    frame(PLAIN, &message.encode_to_vec())
}

/// The whole messages in a body, each with its flag.
pub fn unframed(mut body: Bytes) -> Vec<(u8, Bytes)> {
    let mut messages = Vec::new();
    while body.remaining() >= 5 {
        let flag = body.get_u8();
        let length = body.get_u32() as usize;
        if length > body.remaining() {
            break;
        }
        messages.push((flag, body.split_to(length)));
    }
    messages
}
