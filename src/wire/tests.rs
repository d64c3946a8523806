use super::field::{Fault, fields};
use super::*;
use proptest::prelude::*;

/// A length-delimited field.
fn len(number: u32, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut out);
    prost::encoding::encode_varint(value.len() as u64, &mut out);
    out.extend_from_slice(value);
    out
}

fn varint(number: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    prost::encoding::encode_key(number, prost::encoding::WireType::Varint, &mut out);
    prost::encoding::encode_varint(value, &mut out);
    out
}

/// Replaces every site at `path`.
fn replaced(message: &[u8], path: &[Step], new: &[u8]) -> Vec<u8> {
    let edits: Vec<_> =
        sites(message, path).unwrap().into_iter().map(|s| (s.value, Edit::Replace(new.to_vec()))).collect();
    splice(message, &edits).unwrap()
}

const IMAGE: &[Step] = &[Step::One(1), Step::One(1)];

#[test]
fn only_the_bytes_of_the_value_and_the_lengths_around_it_change() {
    let annotations = len(2, b"\x0a\x01k\x12\x01v");
    let message = [varint(7, 1), len(1, &[len(1, b"old"), annotations.clone()].concat()), len(99, b"?")].concat();
    let expected = [varint(7, 1), len(1, &[len(1, b"longer"), annotations].concat()), len(99, b"?")].concat();
    assert_eq!(replaced(&message, IMAGE, b"longer"), expected);
}

#[test]
fn a_length_that_needs_one_byte_more_is_mended_at_every_depth() {
    let message = len(1, &len(1, b"x"));
    let new = vec![b'y'; 300];
    assert_eq!(replaced(&message, IMAGE, &new), len(1, &len(1, &new)));
}

#[test]
fn of_a_scalar_that_occurs_twice_the_last_one_holds_and_the_first_is_kept() {
    let message = len(1, &[len(1, b"first"), len(1, b"second")].concat());
    assert_eq!(replaced(&message, IMAGE, b"new"), len(1, &[len(1, b"first"), len(1, b"new")].concat()));
}

#[test]
fn occurrences_of_a_submessage_merge() {
    // The second occurrence sets other fields only, so the image of the first holds.
    let message = [len(1, &len(1, b"old")), len(1, &len(18, b"user"))].concat();
    assert_eq!(replaced(&message, IMAGE, b"new"), [len(1, &len(1, b"new")), len(1, &len(18, b"user"))].concat());
    let site = sites(&message, IMAGE).unwrap().pop().unwrap();
    assert_eq!(site.holder.len(), 2);
}

#[test]
fn each_element_of_a_repeated_field_is_a_site_of_its_own() {
    let message = [len(7, &len(9, b"a")), varint(3, 3), len(7, &len(9, b"b"))].concat();
    let found = sites(&message, &[Step::Many(7), Step::One(9)]).unwrap();
    let values: Vec<_> = found.iter().map(|site| &message[site.value.clone()]).collect();
    assert_eq!(values, [b"a", b"b"]);
}

#[test]
fn over_long_varints_outside_the_edit_are_kept() {
    // Key 2 (varint) written in two bytes, its value in five.
    let odd = [0x90, 0x00, 0x81, 0x80, 0x80, 0x80, 0x00];
    // The key of the edited field is over-long, too: keys are the sender's own.
    let message = [&odd[..], &[0x8a, 0x00], &[5], &len(1, b"old"), &odd].concat();
    let expected = [&odd[..], &[0x8a, 0x00], &[5], &len(1, b"new"), &odd].concat();
    assert_eq!(replaced(&message, IMAGE, b"new"), expected);
}

#[test]
fn a_removed_field_leaves_the_rest() {
    let message = [len(1, b"a"), len(2, b"secret"), varint(3, 1), len(2, b"again")].concat();
    let edits: Vec<_> =
        sites(&message, &[Step::Many(2)]).unwrap().into_iter().map(|s| (s.value, Edit::Remove)).collect();
    assert_eq!(splice(&message, &edits).unwrap(), [len(1, b"a"), varint(3, 1)].concat());
}

#[test]
fn unknown_groups_are_stepped_over() {
    let group = [vec![0x2b], varint(1, 1), vec![0x2c]].concat();
    let message = [group.clone(), len(1, &len(1, b"old"))].concat();
    assert_eq!(replaced(&message, IMAGE, b"new"), [group, len(1, &len(1, b"new"))].concat());
}

#[test]
fn what_is_not_a_message_is_said_with_its_place() {
    let cut = [varint(3, 1), vec![0x0a, 200, 1]].concat();
    assert_eq!(sites(&cut, IMAGE), Err(Malformed { at: 2, why: Fault::Value }));
    assert_eq!(sites(&varint(1, 5), IMAGE), Err(Malformed { at: 0, why: Fault::WireType }));
    assert_eq!(sites(&[0x00], IMAGE), Err(Malformed { at: 0, why: Fault::Key }));
    assert_eq!(
        sites(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f], IMAGE).unwrap_err().why,
        Fault::Value
    );
}

#[test]
fn text_is_none_where_it_cannot_be_read() {
    assert_eq!(text(&len(1, &len(1, b"name")), IMAGE), Some("name"));
    assert_eq!(text(&len(1, &len(1, b"\xff")), IMAGE), None);
    assert_eq!(text(&len(2, b""), IMAGE), None);
    assert_eq!(text(b"\x0a\xff", IMAGE), None);
}

/// Messages of random fields, some of them nested, field 1 among them often.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        (1u32..4, any::<u64>()).prop_map(|(n, v)| varint(n.saturating_add(10), v)),
        (1u32..4, prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(n, v)| len(n.saturating_add(20), &v)),
        prop::collection::vec(any::<u8>(), 0..200).prop_map(|v| len(1, &v)),
    ];
    let fields = prop::collection::vec(leaf, 0..5).prop_map(|f| f.concat());
    prop::collection::vec((prop_oneof![Just(1u32), 30..33u32], fields), 0..5)
        .prop_map(|parts| parts.iter().flat_map(|(number, inner)| len(*number, inner)).collect())
}

proptest! {
    #[test]
    fn putting_the_old_value_back_gives_the_old_message(message in message(), new in prop::collection::vec(any::<u8>(), 0..300)) {
        let found = sites(&message, IMAGE).unwrap();
        prop_assume!(!found.is_empty());
        let old = message[found[0].value.clone()].to_vec();
        let changed = replaced(&message, IMAGE, &new);
        let there = sites(&changed, IMAGE).unwrap();
        prop_assert_eq!(&changed[there[0].value.clone()], &new[..]);
        prop_assert_eq!(replaced(&changed, IMAGE, &old), message);
    }

    #[test]
    fn without_an_edit_a_message_is_copied(message in message()) {
        prop_assert_eq!(splice(&message, &[]).unwrap(), message);
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let fields = fields(&bytes).count();
        prop_assert!(fields <= bytes.len());
        if let Ok(found) = sites(&bytes, IMAGE) {
            let edits: Vec<_> = found.into_iter().map(|s| (s.value, Edit::Remove)).collect();
            prop_assert!(splice(&bytes, &edits).is_ok());
        }
    }
}
