//! Packages made by hand, tag by tag: what rpmbuild refuses to make or is too slow to make, for tests and benchmarks.

mod sample;

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use sha3::Sha3_256;

use crate::header::Type;
use crate::layout::{self, lay_out};
use crate::tag;

pub use sample::sample;

/// The 110 bytes and the name of the entry that ends an archive.
pub const TRAILER: &str = "07070100000000000000000000000000000000000000010000000000000000000000000000000000000000000000000000000b00000000TRAILER!!!\0\0\0\0";
/// Bytes that rpmbuild leaves for a later signature.
const RESERVED: usize = 4128;

// Tags that nothing else in this crate needs.
const I18N_TABLE: u32 = 100;
const FILE_RDEVS: u32 = 1033;
const FILE_MTIMES: u32 = 1034;
const FILE_LINK_TOS: u32 = 1036;
const FILE_USERS: u32 = 1039;
const FILE_GROUPS: u32 = 1040;
const FILE_DEVICES: u32 = 1095;
const FILE_LANGS: u32 = 1097;
const PAYLOAD_FORMAT: u32 = 1124;
const PAYLOAD_FLAGS: u32 = 1126;
const FILE_DIGEST_ALGO: u32 = 5011;
const ENCODING: u32 = 5062;
const PAYLOAD_DIGEST_ALT: u32 = 5097;
const SOURCE_NEVR: u32 = 5120;
const PAYLOAD_SHA512_ALT: u32 = 5122;
const PAYLOAD_SHA3_256_ALT: u32 = 5124;

/// Format of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Of rpm 4.
    V4,
    /// Of rpm before 4.14, without a digest of the payload in the header.
    V4Undigested,
    /// Of rpm 6: <https://rpm-software-management.github.io/rpm/manual/format_v6.html>.
    V6,
}

/// One file of a package.
#[derive(Clone, Debug)]
pub struct ForgedFile {
    /// Whole path.
    pub path: Vec<u8>,
    /// Type and permissions.
    pub mode: u16,
    /// `RPMFILE_*`, such as 1 for configuration, 2 for documentation and 64 for ghosts.
    pub flags: u32,
}

/// A package that is being made.
#[derive(Clone, Debug)]
pub struct Forge {
    tags: BTreeMap<u32, (Type, u32, Vec<u8>)>,
    signatures: Vec<(u32, Vec<u8>)>,
    archive: Vec<u8>,
}

impl Forge {
    /// A package `<name>-1-1.noarch` with all that no package lacks, without files and dependencies.
    pub fn new(name: &str) -> Forge {
        let mut forge = Forge::empty();
        forge.texts(I18N_TABLE, ["C"]);
        for (tag, text) in [
            (tag::NAME, name),
            (tag::VERSION, "1"),
            (tag::RELEASE, "1"),
            (tag::BUILD_HOST, "localhost"),
            (tag::LICENSE, "MIT"),
            (tag::OS, "linux"),
            (tag::ARCH, "noarch"),
            (tag::SOURCE_RPM, &format!("{name}-1-1.src.rpm")),
            (ENCODING, "utf-8"),
            (PAYLOAD_FORMAT, "cpio"),
            (tag::PAYLOAD_COMPRESSOR, "gzip"),
            (PAYLOAD_FLAGS, "9"),
        ] {
            forge.text(tag, text);
        }
        for (tag, text) in [
            (tag::SUMMARY, "Summary"),
            (tag::DESCRIPTION, "Description."),
            (tag::GROUP, "Unspecified"),
        ] {
            forge.translated(tag, text);
        }
        forge.u32s(tag::BUILD_TIME, &[1_700_000_000]);
        forge.u32s(tag::SIZE, &[0]);
        forge
    }

    fn empty() -> Forge {
        Forge {
            tags: BTreeMap::new(),
            signatures: Vec::new(),
            archive: TRAILER.as_bytes().to_vec(),
        }
    }

    fn put(&mut self, tag: u32, kind: Type, count: usize, data: Vec<u8>) -> &mut Forge {
        self.tags.insert(tag, (kind, count as u32, data));
        self
    }

    /// Sets a string.
    pub fn text(&mut self, tag: u32, text: impl AsRef<[u8]>) -> &mut Forge {
        self.put(tag, Type::String, 1, [text.as_ref(), b"\0"].concat())
    }

    /// Sets a string that could have translations.
    pub fn translated(&mut self, tag: u32, text: impl AsRef<[u8]>) -> &mut Forge {
        self.put(tag, Type::I18nString, 1, [text.as_ref(), b"\0"].concat())
    }

    /// Sets an array of strings; none, if it is empty.
    pub fn texts<T: AsRef<[u8]>>(&mut self, tag: u32, texts: impl IntoIterator<Item = T>) -> &mut Forge {
        let (mut count, mut data) = (0, Vec::new());
        for text in texts {
            data.extend_from_slice(text.as_ref());
            data.push(0);
            count += 1;
        }
        if count == 0 {
            return self.remove(tag);
        }
        self.put(tag, Type::StringArray, count, data)
    }

    /// Sets numbers of 16 bits.
    pub fn u16s(&mut self, tag: u32, numbers: &[u16]) -> &mut Forge {
        let data = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
        self.put(tag, Type::Int16, numbers.len(), data)
    }

    /// Sets numbers of 32 bits.
    pub fn u32s(&mut self, tag: u32, numbers: &[u32]) -> &mut Forge {
        let data = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
        self.put(tag, Type::Int32, numbers.len(), data)
    }

    /// Sets numbers of 64 bits.
    pub fn u64s(&mut self, tag: u32, numbers: &[u64]) -> &mut Forge {
        let data = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
        self.put(tag, Type::Int64, numbers.len(), data)
    }

    /// Puts bytes into the signature header.
    pub fn signature(&mut self, tag: u32, bytes: &[u8]) -> &mut Forge {
        self.signatures.push((tag, bytes.to_owned()));
        self
    }

    /// Takes a tag away.
    pub fn remove(&mut self, tag: u32) -> &mut Forge {
        self.tags.remove(&tag);
        self
    }

    /// Sets the three parallel arrays of a kind of dependencies, named by the tags of names, flags and versions.
    pub fn dependencies<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        tags: [u32; 3],
        all: &[(N, u32, V)],
    ) -> &mut Forge {
        if all.is_empty() {
            return self;
        }
        let flags: Vec<u32> = all.iter().map(|(_, flags, _)| *flags).collect();
        self.texts(tags[0], all.iter().map(|(name, _, _)| name));
        self.u32s(tags[1], &flags);
        self.texts(tags[2], all.iter().map(|(_, _, version)| version))
    }

    /// Sets the changelog, newest entry first: seconds since 1970, author, text.
    pub fn changelog<A: AsRef<[u8]>, T: AsRef<[u8]>>(&mut self, all: &[(u32, A, T)]) -> &mut Forge {
        if all.is_empty() {
            return self;
        }
        let times: Vec<u32> = all.iter().map(|(time, _, _)| *time).collect();
        self.u32s(tag::CHANGELOG_TIME, &times);
        self.texts(tag::CHANGELOG_NAME, all.iter().map(|(_, author, _)| author));
        self.texts(tag::CHANGELOG_TEXT, all.iter().map(|(_, _, text)| text))
    }

    /// Sets the archive that becomes the payload; else it is empty.
    pub fn archive(&mut self, archive: Vec<u8>) -> &mut Forge {
        self.archive = archive;
        self
    }

    /// Sets the files, all of them empty. They are not in the payload.
    pub fn files(&mut self, files: &[ForgedFile]) -> &mut Forge {
        if files.is_empty() {
            return self;
        }
        let mut directories: Vec<&[u8]> = Vec::new();
        let mut numbers: BTreeMap<&[u8], u32> = BTreeMap::new();
        let (mut names, mut indexes) = (Vec::new(), Vec::new());
        for file in files {
            let cut = file
                .path
                .iter()
                .rposition(|byte| *byte == b'/')
                .map_or(0, |at| at + 1);
            let (directory, name) = file.path.split_at(cut);
            indexes.push(*numbers.entry(directory).or_insert_with(|| {
                directories.push(directory);
                directories.len() as u32 - 1
            }));
            names.push(name);
        }
        let all = files.len();
        self.texts(tag::BASE_NAMES, names);
        self.texts(tag::DIR_NAMES, directories);
        self.u32s(tag::DIR_INDEXES, &indexes);
        self.u16s(tag::FILE_MODES, &files.iter().map(|f| f.mode).collect::<Vec<_>>());
        self.u32s(
            tag::FILE_FLAGS,
            &files.iter().map(|f| f.flags).collect::<Vec<_>>(),
        );
        self.u32s(tag::FILE_INODES, &(1..=all as u32).collect::<Vec<_>>());
        for tag in [tag::FILE_SIZES, FILE_MTIMES, FILE_DEVICES] {
            self.u32s(tag, &vec![0; all]);
        }
        self.u16s(FILE_RDEVS, &vec![0; all]);
        for (tag, text) in [
            (tag::FILE_DIGESTS, ""),
            (FILE_LINK_TOS, ""),
            (FILE_LANGS, ""),
            (FILE_USERS, "root"),
            (FILE_GROUPS, "root"),
        ] {
            self.texts(tag, std::iter::repeat_n(text, all));
        }
        self.u32s(FILE_DIGEST_ALGO, &[8])
    }

    /// The package's bytes.
    ///
    /// # Errors
    /// When the payload cannot be compressed.
    pub fn build(&self, format: Format) -> io::Result<Vec<u8>> {
        let mut payload = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        payload.write_all(&self.archive)?;
        let payload = payload.finish()?;
        let mut whole = self.clone();
        whole.digests(format, &payload);
        let header = lay_out(tag::HEADER_IMMUTABLE, &mut whole.layout());
        let mut signature = Forge::empty();
        for (tag, bytes) in &self.signatures {
            signature.put(*tag, Type::Bin, bytes.len(), bytes.clone());
        }
        signature.text(tag::SIG_SHA256, hex::encode(Sha256::digest(&header)));
        match format {
            Format::V4 | Format::V4Undigested => {
                signature.text(tag::SIG_SHA1, hex::encode(Sha1::digest(&header)));
                signature.u32s(tag::SIG_SIZE, &[(header.len() + payload.len()) as u32]);
                signature.u32s(tag::SIG_PAYLOAD_SIZE, &[self.archive.len() as u32]);
                signature.put(tag::SIG_RESERVED_SPACE, Type::Bin, RESERVED, vec![0; RESERVED]);
            }
            Format::V6 => {
                signature.text(tag::SIG_SHA3_256, hex::encode(Sha3_256::digest(&header)));
                signature.put(tag::SIG_RESERVED, Type::Bin, RESERVED, vec![0; RESERVED]);
            }
        }
        let mut file = lead(format);
        file.extend(lay_out(tag::HEADER_SIGNATURES, &mut signature.layout()));
        file.resize(file.len().next_multiple_of(8), 0);
        file.extend(header);
        file.extend(payload);
        Ok(file)
    }

    /// What the main header says about the payload.
    fn digests(&mut self, format: Format, payload: &[u8]) {
        if format == Format::V4Undigested {
            return;
        }
        let sha256 = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
        self.texts(tag::PAYLOAD_DIGEST, [sha256(payload)]);
        if format == Format::V4 {
            self.u32s(tag::PAYLOAD_DIGEST_ALGO, &[8]);
            return;
        }
        let open = self.archive.clone();
        self.texts(PAYLOAD_DIGEST_ALT, [sha256(&open)]);
        self.text(tag::PAYLOAD_SHA512, hex::encode(Sha512::digest(payload)));
        self.text(PAYLOAD_SHA512_ALT, hex::encode(Sha512::digest(&open)));
        self.text(tag::PAYLOAD_SHA3_256, hex::encode(Sha3_256::digest(payload)));
        self.text(PAYLOAD_SHA3_256_ALT, hex::encode(Sha3_256::digest(&open)));
        self.u64s(tag::PAYLOAD_SIZE, &[payload.len() as u64]);
        self.u64s(tag::PAYLOAD_SIZE_ALT, &[open.len() as u64]);
        self.u32s(tag::RPM_FORMAT, &[6]);
        if let Some((Type::String, _, source)) = self.tags.get(&tag::SOURCE_RPM).cloned() {
            let source = source.strip_suffix(b".src.rpm\0").unwrap_or(&source).to_vec();
            self.text(SOURCE_NEVR, source);
        }
        // All sizes have 64 bits.
        for (small, large) in [
            (tag::SIZE, tag::LONG_SIZE),
            (tag::FILE_SIZES, tag::LONG_FILE_SIZES),
        ] {
            if let Some((_, _, data)) = self.tags.remove(&small) {
                let (numbers, _) = data.as_chunks();
                let wide = |raw: &[u8; 4]| u64::from(u32::from_be_bytes(*raw));
                self.u64s(large, &numbers.iter().map(wide).collect::<Vec<_>>());
            }
        }
    }

    fn layout(&self) -> Vec<layout::Tag> {
        let tag = |(tag, (kind, count, data)): (&u32, &(Type, u32, Vec<u8>))| layout::Tag {
            tag: *tag,
            kind: *kind,
            count: *count,
            data: data.clone(),
        };
        self.tags.iter().map(tag).collect()
    }
}

/// What `file` looks at; rpm reads the first four bytes only.
fn lead(format: Format) -> Vec<u8> {
    let mut lead = vec![0; 96];
    lead[..4].copy_from_slice(&[0xed, 0xab, 0xee, 0xdb]);
    lead[4] = match format {
        Format::V4 | Format::V4Undigested => 3,
        Format::V6 => 4,
    };
    lead[10..16].copy_from_slice(b"forged");
    if format != Format::V6 {
        lead[77] = 1;
    }
    // The signature is a header structure.
    lead[79] = 5;
    lead
}
