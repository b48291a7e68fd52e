//! Reads metadata back.

use std::io::{self, Read};

use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use thiserror::Error;

use crate::frames::Compression;
use crate::repomd::Record;

/// Why a `repomd.xml` cannot be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Not well-formed.
    #[error("repomd.xml is not well-formed XML")]
    Xml(#[from] quick_xml::Error),
    /// A record lacks something or has nonsense in it.
    #[error("repomd.xml: record {record:?} has no usable {what}")]
    Record {
        /// Type of the record.
        record: String,
        /// What is missing.
        what: &'static str,
    },
}

/// Decompresses all frames or members. `limit`: more output than this many bytes is an error.
pub fn decompress(compression: Compression, bytes: &[u8], limit: u64) -> io::Result<Vec<u8>> {
    let mut open = Vec::new();
    let bound = limit.saturating_add(1);
    match compression {
        Compression::Zstd => zstd::Decoder::new(bytes)?.take(bound).read_to_end(&mut open)?,
        Compression::Gzip => flate2::read::MultiGzDecoder::new(bytes)
            .take(bound)
            .read_to_end(&mut open)?,
    };
    if open.len() as u64 > limit {
        let why = format!("compressed metadata holds more than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok(open)
}

/// Revision and records of a `repomd.xml`.
pub fn read_repomd(xml: &str) -> Result<(String, Vec<Record>), ReadError> {
    let mut reader = Reader::from_str(xml);
    let (mut revision, mut records) = (String::new(), Vec::new());
    let mut draft: Option<Draft> = None;
    let mut text = String::new();
    loop {
        match reader.read_event()? {
            Event::Eof => return Ok((revision, records)),
            Event::Start(element) | Event::Empty(element) => {
                text.clear();
                match (element.local_name().as_ref(), &mut draft) {
                    ("data", _) => {
                        draft = Some(Draft {
                            kind: attribute(&element, "type"),
                            ..Draft::default()
                        });
                    }
                    ("location", Some(draft)) => draft.href = attribute(&element, "href"),
                    _ => {}
                }
            }
            Event::Text(part) => text.push_str(&part),
            Event::GeneralRef(name) => text.push_str(resolve_predefined_entity(&name).unwrap_or_default()),
            Event::End(element) => match (element.local_name().as_ref(), &mut draft) {
                ("revision", None) => revision = text.trim().to_owned(),
                ("data", current) => records.extend(current.take().map(Draft::finish).transpose()?),
                ("checksum", Some(draft)) => draft.checksum = Some(text.trim().to_owned()),
                ("open-checksum", Some(draft)) => draft.open_checksum = Some(text.trim().to_owned()),
                ("timestamp", Some(draft)) => draft.timestamp = text.trim().parse().ok(),
                ("size", Some(draft)) => draft.size = text.trim().parse().ok(),
                ("open-size", Some(draft)) => draft.open_size = text.trim().parse().ok(),
                ("header-checksum", Some(draft)) => draft.header_checksum = Some(text.trim().to_owned()),
                ("header-size", Some(draft)) => draft.header_size = text.trim().parse().ok(),
                _ => {}
            },
            _ => {}
        }
    }
}

#[derive(Default)]
struct Draft {
    kind: Option<String>,
    checksum: Option<String>,
    open_checksum: Option<String>,
    href: Option<String>,
    timestamp: Option<i64>,
    size: Option<u64>,
    open_size: Option<u64>,
    header_checksum: Option<String>,
    header_size: Option<u64>,
}

impl Draft {
    fn finish(self) -> Result<Record, ReadError> {
        let record = self.kind.clone().unwrap_or_default();
        let missing = |what| ReadError::Record {
            record: record.clone(),
            what,
        };
        Ok(Record {
            kind: self.kind.ok_or_else(|| missing("type"))?,
            checksum: self.checksum.ok_or_else(|| missing("checksum"))?,
            open_checksum: self.open_checksum,
            href: self.href.ok_or_else(|| missing("location"))?,
            // Repositories without these exist, and clients take them.
            timestamp: self.timestamp.unwrap_or(0),
            size: self.size.unwrap_or(0),
            open_size: self.open_size,
            header: self.header_checksum.zip(self.header_size),
        })
    }
}

fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).ok()??;
    Some(
        attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .ok()?
            .into_owned(),
    )
}
