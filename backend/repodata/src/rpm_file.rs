//! The headers of one RPM file and where they lie in it.

use std::io::Read;

use crate::evr::Nevra;
use crate::header::{Header, HeaderError, Part, read_exactly};
use crate::tag;

/// Size of the lead.
pub(crate) const LEAD_LEN: u64 = 96;
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];

/// Lead, signature header and main header of one package file.
#[derive(Clone, Debug)]
pub struct RpmFile {
    lead: Vec<u8>,
    signature: Header,
    header: Header,
    header_start: u64,
    file_size: u64,
}

impl RpmFile {
    /// Reads the headers and leaves `reader` at the first byte of the payload. `file_size` is the size of the whole
    /// file in bytes; lengths that point beyond it are refused before anything is allocated.
    pub fn read_headers(reader: &mut impl Read, file_size: u64) -> Result<RpmFile, HeaderError> {
        let lead = read_exactly(reader, Part::Lead, LEAD_LEN, u64::MAX)?;
        if lead[..4] != LEAD_MAGIC {
            return Err(HeaderError::NotAnRpm(
                "it does not start with the four bytes of an RPM lead",
            ));
        }
        if !(3..=4).contains(&lead[4]) {
            return Err(HeaderError::NotAnRpm("its lead is of an unknown format version"));
        }
        let signature = Header::read(reader, Part::Signature, file_size.saturating_sub(LEAD_LEN))?;
        let signature_end = LEAD_LEN + signature.as_bytes().len() as u64;
        let header_start = signature_end.next_multiple_of(8);
        let left = file_size.saturating_sub(signature_end);
        let padding = read_exactly(reader, Part::Signature, header_start - signature_end, left)?;
        if padding.iter().any(|byte| *byte != 0) {
            let reason = "its padding holds data".to_owned();
            return Err(HeaderError::BadIndex {
                part: Part::Signature,
                reason,
            });
        }
        let header = Header::read(reader, Part::Header, file_size.saturating_sub(header_start))?;
        Ok(RpmFile {
            lead,
            signature,
            header,
            header_start,
            file_size,
        })
    }

    /// As [`RpmFile::read_headers`], from bytes that hold at least the headers.
    pub fn parse(bytes: &[u8], file_size: u64) -> Result<RpmFile, HeaderError> {
        RpmFile::read_headers(&mut &bytes[..], file_size)
    }

    /// The first 96 bytes of the file.
    pub fn lead(&self) -> &[u8] {
        &self.lead
    }

    /// The signature header.
    pub fn signature(&self) -> &Header {
        &self.signature
    }

    /// The main header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Offset of the main header in the file.
    pub fn header_start(&self) -> u64 {
        self.header_start
    }

    /// Offset of the payload in the file.
    pub fn header_end(&self) -> u64 {
        self.header_start + self.header.as_bytes().len() as u64
    }

    /// Size of the whole file, as given when it was read.
    pub fn file_size(&self) -> u64 {
        self.file_size
    }

    /// Whether this is a source package.
    pub fn is_source(&self) -> bool {
        match self.header.number(tag::SOURCE_PACKAGE) {
            Some(number) => number != 0,
            None => !self.header.contains(tag::SOURCE_RPM),
        }
    }

    /// Name, epoch, version, release and architecture, each checked for what rpm allows; the architecture of a
    /// source package is `src`.
    pub fn nevra(&self) -> Result<Nevra, HeaderError> {
        let text = |tag, what| self.name_part(tag, what);
        let epoch = match self.header.number(tag::EPOCH) {
            Some(epoch) => Some(u32::try_from(epoch).map_err(|_| HeaderError::MissingTag("epoch"))?),
            None => None,
        };
        Ok(Nevra {
            name: text(tag::NAME, "name")?,
            epoch,
            version: text(tag::VERSION, "version")?,
            release: text(tag::RELEASE, "release")?,
            arch: if self.is_source() {
                "src".to_owned()
            } else {
                text(tag::ARCH, "architecture")?
            },
        })
    }

    fn name_part(&self, tag: u32, what: &'static str) -> Result<String, HeaderError> {
        let raw = self.header.raw_strings(tag).and_then(|mut all| all.next());
        let raw = raw.ok_or(HeaderError::MissingTag(what))?;
        let bad = |reason| HeaderError::BadName {
            what,
            value: String::from_utf8_lossy(raw).into_owned(),
            reason,
        };
        let value = std::str::from_utf8(raw).map_err(|_| bad("it is not UTF-8"))?;
        let forbidden = |c: char| c.is_control() || c.is_whitespace() || "/<>&\"'\\:".contains(c);
        if value.is_empty() {
            return Err(bad("it is empty"));
        }
        if value.len() > 255 {
            return Err(bad("it is longer than a file name can be"));
        }
        if value.contains(forbidden) {
            return Err(bad("it holds a character that does not belong there"));
        }
        if value.starts_with('.') || (tag != tag::NAME && value.contains('-')) {
            return Err(bad("it starts with a dot or holds a dash"));
        }
        Ok(value.to_owned())
    }
}
