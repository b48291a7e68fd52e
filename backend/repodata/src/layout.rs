//! Header structures as they are written.

use crate::header::{ENTRY_LEN, INTRO_LEN, MAGIC, Type};

/// One tag on its way into a structure.
pub(crate) struct Tag {
    pub(crate) tag: u32,
    pub(crate) kind: Type,
    pub(crate) count: u32,
    /// As the store holds it: numbers big-endian, strings with their NULs.
    pub(crate) data: Vec<u8>,
}

impl Tag {
    pub(crate) fn bin(tag: u32, data: Vec<u8>) -> Tag {
        Tag {
            tag,
            kind: Type::Bin,
            count: data.len() as u32,
            data,
        }
    }
}

/// Index and store with one region over all tags, in rpm's order: the region's entry first, its trailer last.
pub(crate) fn lay_out(region_tag: u32, tags: &mut [Tag]) -> Vec<u8> {
    tags.sort_by_key(|tag| tag.tag);
    let mut index = Vec::new();
    let mut store = Vec::new();
    for tag in tags.iter() {
        store.resize(store.len().next_multiple_of(tag.kind.alignment()), 0);
        push_entry(&mut index, tag.tag, tag.kind, store.len() as u32, tag.count);
        store.extend_from_slice(&tag.data);
    }
    let count = tags.len() as u32 + 1;
    let mut region = Vec::new();
    push_entry(
        &mut region,
        region_tag,
        Type::Bin,
        store.len() as u32,
        ENTRY_LEN as u32,
    );
    let back = 0u32.wrapping_sub(count * ENTRY_LEN as u32);
    push_entry(&mut store, region_tag, Type::Bin, back, ENTRY_LEN as u32);
    let mut bytes = Vec::with_capacity(INTRO_LEN + region.len() + index.len() + store.len());
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&count.to_be_bytes());
    bytes.extend_from_slice(&(store.len() as u32).to_be_bytes());
    bytes.extend_from_slice(&region);
    bytes.extend_from_slice(&index);
    bytes.extend_from_slice(&store);
    bytes
}

fn push_entry(out: &mut Vec<u8>, tag: u32, kind: Type, offset: u32, count: u32) {
    for number in [tag, kind as u32, offset, count] {
        out.extend_from_slice(&number.to_be_bytes());
    }
}
