//! A bucket that is compressed and has no place yet.

use std::io;

use super::slot::{Member, Open};
use crate::file_plan::Digest;
use crate::frames::{Compressor, Frame};
use crate::repository::Fragments;

/// What costs most of a bucket's time and depends on nothing but its packages.
pub(crate) struct Packed {
    pub(super) members: Vec<Member>,
    pub(super) text: [Vec<u8>; 3],
    pub(super) frames: [Frame; 3],
}

impl Packed {
    pub(super) fn new(open: Open, compressor: &mut Compressor) -> io::Result<Packed> {
        let Open { members, text } = open;
        let mut frame = |n: usize| compressor.compress(&text[n], members.len());
        let frames = [frame(0)?, frame(1)?, frame(2)?];
        Ok(Packed {
            members,
            text,
            frames,
        })
    }

    /// SHA-256 of each package's file.
    pub(crate) fn packages(&self) -> impl Iterator<Item = &Digest> {
        self.members.iter().map(|member| &member.pkgid)
    }
}

/// A bucket that is being filled.
#[derive(Default)]
pub(crate) struct Packing(Open);

impl Packing {
    pub(crate) fn add(&mut self, one: &Fragments) -> io::Result<()> {
        self.0.add(one)
    }

    pub(crate) fn pack(self, compressor: &mut Compressor) -> io::Result<Packed> {
        Packed::new(self.0, compressor)
    }
}
