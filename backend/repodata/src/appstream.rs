//! What packages say about the software in them, for software centres: their metainfo files become one AppStream
//! catalogue, in the form that <https://www.freedesktop.org/software/appstream/docs/chap-CatalogData.html> describes, as
//! Fedora's `appstream-builder` and `modifyrepo_c` put it into a repository.

mod component;
mod desktop;
mod tree;

use std::collections::HashMap;
use std::io::{self, Read};

use crate::archive::{Listed, read_files};
use crate::header::Header;
use crate::package::{GHOST, MODE_TYPE, read_paths};
use crate::rpm_file::RpmFile;
use crate::tag;
use crate::xml::push_attr;

use component::component;
use desktop::DesktopFile;

/// Largest metainfo or desktop file that is read, in bytes. The largest known one has 600 KiB, for it has all of its
/// translations.
const MAX_FILE: u64 = 1 << 20;
const MODE_REGULAR: u16 = 0o100_000;
const MODE_LINK: u16 = 0o120_000;

/// What a package has for the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AppStream {
    /// `<component>` elements, each on lines of its own; none if the package has none.
    Components(Vec<String>),
    /// The package has some, in a payload that cannot be read here: compressed in another way than gzip and zstd.
    Unreadable,
}

impl AppStream {
    /// Collects it from a package, whose payload `payload` yields from its first byte; it is not touched unless the
    /// header lists a metainfo file. Files that are no component are passed over, as other catalogue builders do: they
    /// are the packager's affair, and no reason to be without a repository.
    ///
    /// # Errors
    /// When the payload cannot be read or is no archive.
    pub fn of(rpm: &RpmFile, payload: impl Read) -> io::Result<AppStream> {
        let nothing = Ok(AppStream::Components(Vec::new()));
        let name = rpm.header().string(tag::NAME);
        let (Some(name), Ok(paths)) = (name, read_paths(rpm.header())) else {
            return nothing;
        };
        if rpm.is_source() || !paths.iter().any(|path| is_metainfo(path.as_bytes())) {
            return nothing;
        }
        let wanted = |path: &[u8]| is_metainfo(path) || desktop_id(path).is_some();
        // Content that is aligned in the archive has padding that nothing in the archive tells.
        let requires = rpm.header().strings(tag::REQUIRE_NAME).unwrap_or_default();
        if requires.iter().any(|name| name == "rpmlib(PayloadAlignment)") {
            return Ok(AppStream::Unreadable);
        }
        let listed = listed(rpm.header(), paths);
        let Some(files) = read_files(payload, &listed, MAX_FILE, wanted)? else {
            return Ok(AppStream::Unreadable);
        };
        let desktop_file = |(path, content): &(Vec<u8>, Vec<u8>)| {
            let id = desktop_id(path)?.to_owned();
            Some((id, DesktopFile::parse(std::str::from_utf8(content).ok()?)))
        };
        let desktop_files: HashMap<String, DesktopFile> = files.iter().filter_map(desktop_file).collect();
        let metainfo = files.iter().filter(|(path, _)| is_metainfo(path));
        let metainfo = metainfo.filter_map(|(_, content)| std::str::from_utf8(content).ok());
        let components = metainfo.filter_map(|xml| component(xml, &name, &desktop_files));
        Ok(AppStream::Components(components.collect()))
    }
}

/// What an archive without names holds of each file: of files that are one, the last has the content; of what is
/// neither file nor link, there is none.
fn listed(header: &Header, paths: Vec<String>) -> Listed {
    let sizes = header.file_sizes().unwrap_or_default();
    let modes = header.u16s(tag::FILE_MODES).unwrap_or_default();
    let flags = header.u32s(tag::FILE_FLAGS).unwrap_or_default();
    let inodes = header.u32s(tag::FILE_INODES).unwrap_or_default();
    let is = |at: usize, kind: u16| modes.get(at).is_some_and(|mode| mode & MODE_TYPE == kind);
    let is_ghost = |at: usize| flags.get(at).is_some_and(|flags| flags & GHOST != 0);
    let mut last = HashMap::new();
    for (at, inode) in inodes.iter().enumerate() {
        if is(at, MODE_REGULAR) && !is_ghost(at) {
            last.insert(*inode, at);
        }
    }
    let size = |at: usize| {
        let is_last = || inodes.get(at).is_none_or(|inode| last.get(inode) == Some(&at));
        let has_content = is(at, MODE_LINK) || (is(at, MODE_REGULAR) && is_last());
        sizes.get(at).copied().filter(|_| has_content).unwrap_or(0)
    };
    let all = paths.into_iter().enumerate();
    all.map(|(at, path)| (path.into_bytes(), size(at))).collect()
}

/// The whole catalogue. `origin` names the repository: letters, digits, dashes and slashes.
pub fn appstream_xml<C: AsRef<str>>(origin: &str, components: impl IntoIterator<Item = C>) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<components version=\"0.14\"");
    push_attr(&mut out, "origin", origin);
    out.push_str(">\n");
    for component in components {
        out.push_str(component.as_ref());
    }
    out.push_str("</components>\n");
    out
}

fn is_metainfo(path: &[u8]) -> bool {
    let below = |folder: &[u8]| {
        path.strip_prefix(folder)
            .is_some_and(|name| !name.contains(&b'/'))
    };
    (below(b"/usr/share/metainfo/") || below(b"/usr/share/appdata/"))
        && (path.ends_with(b".metainfo.xml") || path.ends_with(b".appdata.xml"))
}

/// What a desktop file is called in metadata.
fn desktop_id(path: &[u8]) -> Option<&str> {
    let name = path.strip_prefix(b"/usr/share/applications/")?;
    let name = std::str::from_utf8(name).ok()?;
    (name.ends_with(".desktop") && !name.contains('/')).then_some(name)
}
