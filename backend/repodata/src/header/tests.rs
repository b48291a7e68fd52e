//! Headers made by hand.

use super::*;

/// A main header of the given entries (tag, type, offset, count) over a store that ends in the trailer.
fn header(entries: &[[u32; 4]], data: &[u8], covered: u32) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    let mut push = |number: u32| bytes.extend_from_slice(&number.to_be_bytes());
    push(0);
    push(entries.len() as u32 + 1);
    push(data.len() as u32 + 16);
    [tag::HEADER_IMMUTABLE, 7, data.len() as u32, 16]
        .into_iter()
        .for_each(&mut push);
    entries.iter().flatten().for_each(|number| push(*number));
    bytes.extend_from_slice(data);
    let back = 0u32.wrapping_sub(covered * 16);
    for number in [tag::HEADER_IMMUTABLE, 7, back, 16] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes
}

fn read(bytes: &[u8]) -> Result<Header, HeaderError> {
    Header::read(&mut &bytes[..], Part::Header, bytes.len() as u64)
}

fn refusal(entries: &[[u32; 4]], data: &[u8]) -> String {
    match read(&header(entries, data, entries.len() as u32 + 1)) {
        Err(HeaderError::BadIndex { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn reads_every_type() {
    let data = b"\0\x07\0\0\0\0\0\x09\0\0\0\0\0\0\0\x08a\0b\xe9\0\x01\x02";
    let entries = [
        [1001, 3, 0, 1],
        [1002, 4, 4, 1],
        [1003, 5, 8, 1],
        [1004, 8, 16, 2],
        [1005, 7, 21, 2],
    ];
    let header = read(&header(&entries, data, 6)).unwrap();
    assert_eq!(header.u16s(1001), Some(vec![7]));
    assert_eq!(header.u32s(1002), Some(vec![9]));
    assert_eq!(header.u64s(1003), Some(vec![8]));
    assert_eq!(header.strings(1004).unwrap(), ["a", "bé"]);
    assert_eq!(header.bin(1005), Some(&[1, 2][..]));
    assert_eq!(header.number(1002), Some(9));
    assert!(header.u32s(1001).is_none() && header.string(1001).is_none() && header.number(1004).is_none());
    assert!(header.string(9999).is_none());
}

#[test]
fn refuses_what_two_parsers_could_read_differently() {
    let twice = refusal(&[[1000, 6, 0, 1], [1000, 6, 2, 1]], b"a\0b\0");
    assert_eq!(twice, "tag 1000 occurs twice");
    let overlap = refusal(&[[1000, 6, 0, 1], [1001, 6, 1, 1]], b"ab\0");
    assert!(overlap.contains("overlaps"), "{overlap}");
    for (entry, data, why) in [
        ([1000, 6, 9000, 1], &b"a\0"[..], "outside"),
        ([1000, 10, 0, 1], b"a\0", "unknown data type"),
        ([1000, 4, 1, 1], b"\0\0\0\0\0\0", "not aligned"),
        ([1000, 4, 0, 0], b"\0\0\0\0", "claims 0 values"),
        ([1000, 4, 0, u32::MAX], b"\0\0\0\0", "claims 4294967295 values"),
        ([1000, 6, 0, 2], b"a\0b\0", "claims 2 values"),
        ([1000, 8, 0, 19], b"a\0b\0", "runs over"),
        ([1000, 7, 2, 10], b"abcd", "crosses the region"),
        ([62, 7, 0, 1], b"abcd", "reserved"),
    ] {
        let reason = refusal(&[entry], data);
        assert!(reason.contains(why), "{why}: {reason}");
    }
}

#[test]
fn refuses_data_that_no_signature_covers() {
    let bytes = header(&[[1000, 6, 0, 1]], b"a\0", 1);
    assert!(matches!(read(&bytes), Err(HeaderError::BadIndex { .. })));
}

#[test]
fn refuses_millions_of_empty_strings() {
    let data = vec![0; 2 << 20];
    let reason = refusal(&[[1117, 8, 0, 2 << 20]], &data);
    assert!(reason.contains("claims 2097152 strings"), "{reason}");
}
