//! `repomd.xml`: which file is the list of packages, and what there is besides.

use protocol::builder_api::Beside;
use quick_xml::Reader;
use quick_xml::events::Event;

use super::checksum::Checksum;
use super::primary::{attribute, refuse_unusual, text_of};

/// Most files that a repository's metadata may consist of.
const MOST_RECORDS: usize = 200;

/// What a repository consists of.
#[derive(Debug, Clone)]
pub struct Index {
    /// The list of packages.
    pub primary: Listed,
    /// What else is taken; or why it cannot be.
    pub beside: Vec<(Beside, Result<Listed, String>)>,
}

/// What is said about a file.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Where it is.
    pub href: String,
    /// Where that is to be seen from, if it is somewhere else.
    pub xml_base: Option<String>,
    /// Of the file.
    pub checksum: Checksum,
    /// Bytes, if that is said.
    pub size: Option<u64>,
    /// Of the file before compression, if that is said.
    pub open_checksum: Option<Checksum>,
    /// Bytes before compression, if that is said.
    pub open_size: Option<u64>,
}

#[derive(Default)]
struct Draft {
    /// `None`: the list of packages.
    of: Option<Beside>,
    href: Option<String>,
    xml_base: Option<String>,
    checksum: Option<Result<Checksum, String>>,
    size: Option<u64>,
    open_checksum: Option<Result<Checksum, String>>,
    open_size: Option<u64>,
}

/// Finds the list of packages, and what is taken besides; of several of a kind the first.
pub fn read(xml: &str) -> Result<Index, String> {
    let (mut primary, mut beside) = (None, Vec::<(Beside, _)>::new());
    let mut reader = Reader::from_str(xml);
    let (mut draft, mut records) = (None::<Draft>, 0);
    let (mut kind, mut text) = (String::new(), String::new());
    loop {
        let event = reader
            .read_event()
            .map_err(|error| format!("repomd.xml: {error}"))?;
        refuse_unusual(&event).map_err(|reason| format!("repomd.xml: {reason}"))?;
        match event {
            Event::Start(element) | Event::Empty(element) => {
                text.clear();
                match (element.local_name().as_ref(), &mut draft) {
                    ("data", _) => {
                        records += 1;
                        if records > MOST_RECORDS {
                            return Err(format!("repomd.xml names more than {MOST_RECORDS} files"));
                        }
                        let kind = attribute(&element, "type").unwrap_or_default();
                        let of = Beside::ALL.into_iter().find(|beside| beside.record() == kind);
                        draft = (of.is_some() || kind == "primary").then(|| Draft {
                            of,
                            ..Draft::default()
                        });
                    }
                    ("checksum" | "open-checksum", Some(_)) => {
                        kind = attribute(&element, "type").unwrap_or_default();
                    }
                    ("location", Some(draft)) => {
                        draft.href = attribute(&element, "href");
                        draft.xml_base = attribute(&element, "xml:base");
                    }
                    _ => {}
                }
            }
            Event::End(element) => match (element.local_name().as_ref(), &mut draft) {
                ("data", Some(_)) => {
                    let done = draft.take().unwrap_or_default();
                    match done.of {
                        None if primary.is_none() => primary = Some(done.finish("list of packages")?),
                        None => {}
                        Some(of) if beside.iter().any(|(known, _)| *known == of) => {}
                        Some(of) => beside.push((of, done.finish(of.file_name()))),
                    }
                }
                ("checksum", Some(draft)) => draft.checksum = Some(Checksum::read(&kind, &text)),
                ("open-checksum", Some(draft)) => draft.open_checksum = Some(Checksum::read(&kind, &text)),
                ("size", Some(draft)) => draft.size = text.trim().parse().ok(),
                ("open-size", Some(draft)) => draft.open_size = text.trim().parse().ok(),
                _ => {}
            },
            Event::Eof => {
                let missing = || "repomd.xml names no list of packages (primary)".to_owned();
                return Ok(Index {
                    primary: primary.ok_or_else(missing)?,
                    beside,
                });
            }
            other => text_of(&other, &mut text)?,
        }
    }
}

impl Draft {
    fn finish(self, of: &str) -> Result<Listed, String> {
        let missing = |what: &str| format!("repomd.xml does not give the {what} of the {of}");
        Ok(Listed {
            href: self.href.ok_or_else(|| missing("location"))?,
            xml_base: self.xml_base,
            checksum: self.checksum.ok_or_else(|| missing("checksum"))??,
            size: self.size,
            open_checksum: self.open_checksum.transpose()?,
            open_size: self.open_size,
        })
    }
}
