//! `repomd.xml`: which file is the list of packages.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::checksum::Checksum;
use super::primary::{attribute, refuse_unusual, text_of};

/// Most files that a repository's metadata may consist of.
const MOST_RECORDS: usize = 200;

/// What is said about the list of packages.
#[derive(Debug, Clone)]
pub struct Primary {
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
    href: Option<String>,
    xml_base: Option<String>,
    checksum: Option<Checksum>,
    size: Option<u64>,
    open_checksum: Option<Checksum>,
    open_size: Option<u64>,
}

/// Finds the list of packages.
pub fn read(xml: &str) -> Result<Primary, String> {
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
                        let primary = attribute(&element, "type").as_deref() == Some("primary");
                        draft = primary.then(Draft::default);
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
                ("data", Some(_)) => return draft.take().unwrap_or_default().finish(),
                ("checksum", Some(draft)) => draft.checksum = Some(Checksum::read(&kind, &text)?),
                ("open-checksum", Some(draft)) => draft.open_checksum = Some(Checksum::read(&kind, &text)?),
                ("size", Some(draft)) => draft.size = text.trim().parse().ok(),
                ("open-size", Some(draft)) => draft.open_size = text.trim().parse().ok(),
                _ => {}
            },
            Event::Eof => return Err("repomd.xml names no list of packages (primary)".to_owned()),
            other => text_of(&other, &mut text)?,
        }
    }
}

impl Draft {
    fn finish(self) -> Result<Primary, String> {
        let missing = |what: &str| format!("repomd.xml does not give the {what} of the list of packages");
        Ok(Primary {
            href: self.href.ok_or_else(|| missing("location"))?,
            xml_base: self.xml_base,
            checksum: self.checksum.ok_or_else(|| missing("checksum"))?,
            size: self.size,
            open_checksum: self.open_checksum,
            open_size: self.open_size,
        })
    }
}
