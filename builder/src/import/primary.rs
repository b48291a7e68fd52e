//! The list of packages, read as a stream: memory grows with what is chosen, not with what a stranger sends.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Weak;

use protocol::{ChrootName, FileName, fnmatch};
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::Caps;
use super::checksum::{Checksum, Hasher};
use super::repomd::Listed;

/// Elements inside one another, of which there are five.
const DEPTH: usize = 16;
/// Longest name that is compared with patterns.
const LONGEST_NAME: usize = 256;

/// A package that was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What its file is to be called: `name-version-release.arch.rpm`.
    pub file_name: FileName,
    /// Where it is said to be.
    pub href: String,
    /// Where that is to be seen from, if it is somewhere else.
    pub xml_base: Option<String>,
    /// Of the file.
    pub checksum: Checksum,
    /// Bytes.
    pub size: u64,
}

/// What is wanted of a repository.
#[derive(Debug, Clone)]
pub struct Choice {
    /// For which target.
    pub chroot: ChrootName,
    /// Patterns of names; empty: all.
    pub patterns: Vec<String>,
}

/// Packages that were chosen, and how many there are.
#[derive(Debug)]
pub struct Chosen {
    /// Which.
    pub entries: Vec<Entry>,
    /// Of how many.
    pub of: u64,
}

/// An attribute's value.
pub fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).ok()??;
    let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
    Some(value.into_owned())
}

/// Metadata has no document type and so no entities of its own; whoever sends some is up to something.
pub fn refuse_unusual(event: &Event<'_>) -> Result<(), String> {
    match event {
        Event::DocType(_) => {
            Err("it declares a document type, with which entities come; metadata has none".to_owned())
        }
        _ => Ok(()),
    }
}

/// Adds an event's text.
pub fn text_of(event: &Event<'_>, text: &mut String) -> Result<(), String> {
    match event {
        Event::Text(part) => text.push_str(part),
        Event::CData(part) => text.push_str(part),
        Event::GeneralRef(name) => {
            if let Some(known) = resolve_predefined_entity(name) {
                text.push_str(known);
            } else {
                let number = name.resolve_char_ref().ok().flatten();
                text.push(number.ok_or("it uses an entity that XML does not define")?);
            }
        }
        _ => {}
    }
    Ok(())
}

/// The decompressed file with limits for the whole and for each event, and its checksum on the way.
struct Limited {
    inner: Box<dyn Read>,
    left: u64,
    event: u64,
    limit: u64,
    hasher: Option<Hasher>,
}

impl Read for Limited {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let refuse = |why: String| Err(io::Error::other(why));
        if self.event == 0 {
            return refuse("one element of it is too large".to_owned());
        }
        let most = usize::try_from(self.event).unwrap_or(usize::MAX).min(out.len());
        let count = self.inner.read(&mut out[..most])?;
        let Some(left) = self.left.checked_sub(count as u64) else {
            return refuse(format!("decompressed it is larger than {} bytes", self.limit));
        };
        self.left = left;
        self.event -= count as u64;
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&out[..count]);
        }
        Ok(count)
    }
}

fn decoder(path: &Path, href: &str) -> Result<Box<dyn Read>, String> {
    let file = BufReader::new(File::open(path).map_err(|error| error.to_string())?);
    let ending = href.rsplit('.').next().unwrap_or_default();
    Ok(match ending {
        "gz" => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        "zst" => Box::new(zstd::Decoder::with_buffer(file).map_err(|error| error.to_string())?),
        "xml" => Box::new(file),
        _ => {
            return Err(
                "it is compressed in a way that is not read here; gzip and zstd are (createrepo_c --compress-type gz)"
                    .to_owned(),
            );
        }
    })
}

/// Chooses packages of the list in a file. Stops when nobody waits any more.
pub fn choose(
    path: &Path,
    primary: &Listed,
    choice: &Choice,
    caps: Caps,
    waiting: &Weak<()>,
) -> Result<Chosen, String> {
    let say = |reason: String| format!("the list of packages cannot be read: {reason}");
    let limit = caps.open.min(primary.open_size.unwrap_or(u64::MAX));
    let limited = Limited {
        inner: decoder(path, &primary.href).map_err(say)?,
        left: limit,
        event: caps.element,
        limit,
        hasher: primary.open_checksum.as_ref().map(Checksum::hasher),
    };
    let mut reader = Reader::from_reader(BufReader::with_capacity(64 << 10, limited));
    let mut list = List::new(choice, caps);
    let mut buffer = Vec::new();
    loop {
        reader.get_mut().get_mut().event = caps.element;
        buffer.clear();
        let event = reader
            .read_event_into(&mut buffer)
            .map_err(|error| say(cause(&error)))?;
        refuse_unusual(&event).map_err(say)?;
        if matches!(event, Event::Eof) {
            break;
        }
        list.take(&event)?;
        if waiting.strong_count() == 0 {
            return Err("nobody waits for the list of packages any more".to_owned());
        }
    }
    if list.depth != 0 {
        return Err(say("it ends too early".to_owned()));
    }
    let limited = reader.get_mut().get_mut();
    if let (Some(expected), Some(hasher)) = (&primary.open_checksum, limited.hasher.take())
        && !expected.is(hasher)
    {
        return Err(say("its checksum is not the one in repomd.xml".to_owned()));
    }
    Ok(Chosen {
        entries: list.chosen,
        of: list.seen,
    })
}

/// An error of the reader without the frame around ours.
fn cause(error: &quick_xml::Error) -> String {
    match error {
        quick_xml::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// The package that is being read.
#[derive(Default)]
struct Draft {
    is_rpm: bool,
    name: String,
    arch: String,
    version: String,
    release: String,
    checksum_kind: String,
    checksum: String,
    size: Option<u64>,
    href: Option<String>,
    xml_base: Option<String>,
}

struct List<'a> {
    choice: &'a Choice,
    caps: Caps,
    depth: usize,
    draft: Option<Draft>,
    text: String,
    seen: u64,
    total: u64,
    chosen: Vec<Entry>,
    known: HashMap<FileName, usize>,
}

impl<'a> List<'a> {
    fn new(choice: &'a Choice, caps: Caps) -> Self {
        Self {
            choice,
            caps,
            depth: 0,
            draft: None,
            text: String::new(),
            seen: 0,
            total: 0,
            chosen: Vec::new(),
            known: HashMap::new(),
        }
    }

    fn take(&mut self, event: &Event<'_>) -> Result<(), String> {
        match event {
            Event::Start(element) => {
                self.start(element);
                self.depth += 1;
                if self.depth > DEPTH {
                    return Err(format!(
                        "the list of packages has more than {DEPTH} elements inside one another"
                    ));
                }
            }
            Event::Empty(element) => self.start(element),
            Event::End(element) => {
                self.depth = self.depth.saturating_sub(1);
                return self.end(element.local_name().as_ref());
            }
            // Of what lies deeper, such as file names, nothing is kept.
            other if self.depth == 3 => text_of(other, &mut self.text)?,
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, element: &BytesStart<'_>) {
        self.text.clear();
        match (self.depth, element.local_name().as_ref(), &mut self.draft) {
            (1, "package", _) => {
                self.draft = Some(Draft {
                    is_rpm: attribute(element, "type").as_deref() == Some("rpm"),
                    ..Draft::default()
                });
            }
            (2, "version", Some(draft)) => {
                draft.version = attribute(element, "ver").unwrap_or_default();
                draft.release = attribute(element, "rel").unwrap_or_default();
            }
            (2, "checksum", Some(draft)) => {
                draft.checksum_kind = attribute(element, "type").unwrap_or_default();
            }
            (2, "size", Some(draft)) => {
                draft.size = attribute(element, "package").and_then(|text| text.parse().ok());
            }
            (2, "location", Some(draft)) => {
                draft.href = attribute(element, "href");
                draft.xml_base = attribute(element, "xml:base");
            }
            _ => {}
        }
    }

    fn end(&mut self, name: &str) -> Result<(), String> {
        match (self.depth, name, &mut self.draft) {
            (2, "name", Some(draft)) => draft.name = std::mem::take(&mut self.text),
            (2, "arch", Some(draft)) => draft.arch = std::mem::take(&mut self.text),
            (2, "checksum", Some(draft)) => draft.checksum = std::mem::take(&mut self.text),
            (1, "package", _) => {
                if let Some(draft) = self.draft.take() {
                    self.add(draft)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, draft: Draft) -> Result<(), String> {
        self.seen += 1;
        // No chroot takes source packages: those are built, not published.
        if !draft.is_rpm || !self.choice.chroot.takes_arch(&draft.arch) || !self.wants(&draft) {
            return Ok(());
        }
        let entry = draft.finish()?;
        if let Some(twin) = self.known.get(&entry.file_name) {
            if self
                .chosen
                .get(*twin)
                .is_some_and(|twin| twin.checksum == entry.checksum)
            {
                return Ok(());
            }
            return Err(format!(
                "the repository lists two different packages {}",
                entry.file_name
            ));
        }
        if self.chosen.len() >= self.caps.packages {
            return Err(format!(
                "more than {} packages were chosen, the most of one import; name the wanted packages, or import a smaller repository",
                self.caps.packages
            ));
        }
        if entry.size > self.caps.package {
            return Err(format!(
                "{} has {} bytes; {} is the most that one package may have",
                entry.file_name, entry.size, self.caps.package
            ));
        }
        self.total = self.total.saturating_add(entry.size);
        self.known.insert(entry.file_name.clone(), self.chosen.len());
        self.chosen.push(entry);
        Ok(())
    }

    fn wants(&self, draft: &Draft) -> bool {
        let patterns = &self.choice.patterns;
        patterns.is_empty()
            || (draft.name.len() <= LONGEST_NAME && patterns.iter().any(|p| fnmatch(p, &draft.name)))
    }
}

impl Draft {
    fn finish(self) -> Result<Entry, String> {
        let name = format!(
            "{}-{}-{}.{}.rpm",
            self.name, self.version, self.release, self.arch
        );
        let file_name: FileName = name
            .parse()
            .map_err(|error| format!("the list of packages: {error}"))?;
        let missing = |what: &str| format!("the list of packages does not give the {what} of {file_name}");
        let checksum = Checksum::read(&self.checksum_kind, &self.checksum)
            .map_err(|reason| format!("{file_name}: {reason}"))?;
        Ok(Entry {
            href: self.href.ok_or_else(|| missing("location"))?,
            xml_base: self.xml_base,
            size: self.size.ok_or_else(|| missing("size"))?,
            checksum,
            file_name,
        })
    }
}
