//! What repository metadata says about one package.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashSet;
use std::fmt::Write;

use thiserror::Error;

use crate::dependency::{Dependencies, Dependency, is_primary};
use crate::evr::Nevra;
use crate::header::{Header, HeaderError};
use crate::repository::Fragments;
use crate::rpm_file::RpmFile;
use crate::tag;
use crate::xml::{push_attr, push_element, push_number, push_text};

pub(crate) const GHOST: u32 = 1 << 6;
pub(crate) const MODE_TYPE: u16 = 0o170_000;
const MODE_DIRECTORY: u16 = 0o040_000;
/// What `createrepo_c` keeps of a changelog unless told otherwise.
const CHANGELOG_LIMIT: usize = 10;
/// Bound on all paths of a package together, in bytes. A header can name one long directory for millions of files.
const MAX_PATHS: usize = 64 << 20;

/// What metadata says about a package that is not in its headers.
#[derive(Clone, Debug)]
pub struct PackageFile {
    /// SHA-256 of the whole file as it is served, that is after signing; 64 lower-case hexadecimal digits.
    pub sha256_hex: String,
    /// Size of the whole file in bytes, after signing.
    pub size: u64,
    /// Modification time, seconds since 1970.
    pub mtime: i64,
    /// Where the file is, relative to the repository (or to `location_base`), such as `Packages/f/foo-1-1.noarch.rpm`.
    pub location_href: String,
    /// Another place that the href is relative to (`xml:base`).
    pub location_base: Option<String>,
}

/// Why no metadata can be made of a package.
#[derive(Debug, Error)]
pub enum PackageError {
    /// Its headers are of no use.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// Arrays that describe the package's files disagree.
    #[error("the header describes {what} {got} times for {files} files")]
    Files {
        /// Which array.
        what: &'static str,
        /// Its length.
        got: usize,
        /// Number of files.
        files: usize,
    },
    /// A file names a directory that is not there.
    #[error("the header puts a file into directory number {0}, which it does not hold")]
    Directory(u32),
    /// The paths are too long to be real.
    #[error("the paths of the package's files are longer than {MAX_PATHS} bytes together")]
    Paths,
    /// The checksum is not one.
    #[error("{0:?} is not a SHA-256 in hexadecimal digits")]
    Checksum(String),
    /// A signature that rpm refuses since version 6, and nothing else that says who made the package.
    #[error(
        "its only signature is one of RPM version 3, over header and payload, which current clients refuse; sign the \
         package again"
    )]
    OldSignature,
    /// Clients refuse locations that leave the repository.
    #[error("{0:?} is no location within a repository")]
    Location(String),
}

/// Kind of a packaged file, as far as metadata tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileType {
    /// Anything but the two others.
    File,
    /// Directory.
    Dir,
    /// Owned but not shipped.
    Ghost,
}

/// One file of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Whole path; for source packages a plain name.
    pub path: String,
    /// Its kind.
    pub kind: FileType,
}

/// One changelog entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Who, and commonly for which version.
    pub author: String,
    /// Seconds since 1970; entries of the same second are told apart by adding seconds, as clients expect.
    pub date: i64,
    /// What.
    pub text: String,
}

/// All that metadata says about one package.
#[derive(Clone, Debug)]
pub struct Package {
    nevra: Nevra,
    file: PackageFile,
    summary: String,
    description: String,
    packager: String,
    url: String,
    license: String,
    vendor: String,
    group: String,
    build_host: String,
    source_rpm: String,
    build_time: u64,
    installed_size: u64,
    archive_size: u64,
    header_range: (u64, u64),
    dependencies: Dependencies,
    files: Vec<File>,
    changelog: Vec<Change>,
}

impl Package {
    /// Collects it from the headers of the file as it is served.
    pub fn from_rpm(rpm: &RpmFile, file: PackageFile) -> Result<Package, PackageError> {
        let is_sum = file.sha256_hex.len() == 64
            && file
                .sha256_hex
                .bytes()
                .all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
        if !is_sum {
            return Err(PackageError::Checksum(file.sha256_hex));
        }
        if !is_location(&file.location_href) {
            return Err(PackageError::Location(file.location_href));
        }
        let has = |tags: &[u32]| tags.iter().any(|tag| rpm.signature().contains(*tag));
        if has(&[tag::SIG_PGP, tag::SIG_GPG, tag::SIG_PGP5])
            && !has(&[tag::SIG_RSA, tag::SIG_DSA, tag::SIG_OPENPGP])
        {
            return Err(PackageError::OldSignature);
        }
        let header = rpm.header();
        let text = |tag| {
            header
                .string(tag)
                .map(|text| text.into_owned())
                .unwrap_or_default()
        };
        let first = |tags: [u32; 2]| tags.iter().find_map(|tag| header.number(*tag));
        let archive = [tag::SIG_LONG_ARCHIVE_SIZE, tag::SIG_PAYLOAD_SIZE];
        let archive = archive
            .iter()
            .find_map(|tag| rpm.signature().number(*tag))
            .or_else(|| header.number(tag::PAYLOAD_SIZE_ALT));
        let files = read_files(header)?;
        // Few packages require a path.
        let owned: OnceCell<HashSet<&str>> = OnceCell::new();
        let dependencies = Dependencies::read(header, |path| {
            let owned = owned.get_or_init(|| files.iter().map(|file| file.path.as_str()).collect());
            owned.contains(path)
        });
        Ok(Package {
            nevra: rpm.nevra()?,
            file,
            summary: text(tag::SUMMARY),
            description: text(tag::DESCRIPTION),
            packager: text(tag::PACKAGER),
            url: text(tag::URL),
            license: text(tag::LICENSE),
            vendor: text(tag::VENDOR),
            group: text(tag::GROUP),
            build_host: text(tag::BUILD_HOST),
            source_rpm: text(tag::SOURCE_RPM),
            build_time: header.number(tag::BUILD_TIME).unwrap_or(0),
            installed_size: first([tag::LONG_SIZE, tag::SIZE]).unwrap_or(0),
            archive_size: archive.or_else(|| header.number(tag::ARCHIVE_SIZE)).unwrap_or(0),
            header_range: (rpm.header_start(), rpm.header_end()),
            dependencies,
            files,
            changelog: read_changelog(header),
        })
    }

    /// Name, epoch, version, release and architecture.
    pub fn nevra(&self) -> &Nevra {
        &self.nevra
    }

    /// SHA-256 of the file, which identifies the package in metadata.
    pub fn pkgid(&self) -> &str {
        &self.file.sha256_hex
    }

    /// One line of description.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// Long description.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Capabilities that the package provides.
    pub fn provides(&self) -> &[Dependency] {
        &self.dependencies.provides
    }

    /// What the package requires, reduced as in metadata.
    pub fn requires(&self) -> &[Dependency] {
        &self.dependencies.requires
    }

    /// Files in the order of the header.
    pub fn files(&self) -> &[File] {
        &self.files
    }

    /// The newest ten changelog entries, oldest first.
    pub fn changelog(&self) -> &[Change] {
        &self.changelog
    }

    /// The three fragments together.
    pub fn fragments(&self) -> Fragments {
        Fragments {
            pkgid: self.file.sha256_hex.clone(),
            name: self.nevra.name.clone(),
            primary: self.primary_xml(),
            filelists: self.filelists_xml(),
            other: self.other_xml(),
        }
    }

    /// The `<package>` element of primary.xml, with a final newline.
    pub fn primary_xml(&self) -> String {
        let mut out = String::with_capacity(2048);
        out.push_str("<package type=\"rpm\">\n");
        push_element(&mut out, "  ", "name", &self.nevra.name);
        push_element(&mut out, "  ", "arch", &self.nevra.arch);
        self.push_version(&mut out);
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "  <checksum type=\"sha256\" pkgid=\"YES\">{}</checksum>",
            self.file.sha256_hex
        );
        push_element(&mut out, "  ", "summary", &self.summary);
        push_element(&mut out, "  ", "description", &self.description);
        push_element(&mut out, "  ", "packager", &self.packager);
        push_element(&mut out, "  ", "url", &self.url);
        let _ = writeln!(
            out,
            "  <time file=\"{}\" build=\"{}\"/>",
            self.file.mtime, self.build_time
        );
        let _ = writeln!(
            out,
            "  <size package=\"{}\" installed=\"{}\" archive=\"{}\"/>",
            self.file.size, self.installed_size, self.archive_size
        );
        out.push_str("  <location");
        if let Some(base) = &self.file.location_base {
            push_attr(&mut out, "xml:base", base);
        }
        push_attr(&mut out, "href", &self.file.location_href);
        out.push_str("/>\n");
        self.push_format(&mut out);
        out.push_str("</package>\n");
        out
    }

    fn push_format(&self, out: &mut String) {
        out.push_str("  <format>\n");
        push_element(out, "    ", "rpm:license", &self.license);
        push_element(out, "    ", "rpm:vendor", &self.vendor);
        push_element(out, "    ", "rpm:group", &self.group);
        push_element(out, "    ", "rpm:buildhost", &self.build_host);
        push_element(out, "    ", "rpm:sourcerpm", &self.source_rpm);
        let (start, end) = self.header_range;
        let _ = writeln!(out, "    <rpm:header-range start=\"{start}\" end=\"{end}\"/>");
        self.dependencies.push_xml(out);
        for file in self.files.iter().filter(|file| is_primary(&file.path)) {
            push_file(out, "    ", file);
        }
        out.push_str("  </format>\n");
    }

    /// The `<package>` element of filelists.xml, with a final newline.
    pub fn filelists_xml(&self) -> String {
        let mut out = String::with_capacity(256 + 64 * self.files.len());
        self.push_head(&mut out);
        for file in &self.files {
            push_file(&mut out, "  ", file);
        }
        out.push_str("</package>\n");
        out
    }

    /// The `<package>` element of other.xml, with a final newline.
    pub fn other_xml(&self) -> String {
        let mut out = String::with_capacity(1024);
        self.push_head(&mut out);
        for change in &self.changelog {
            out.push_str("  <changelog");
            push_attr(&mut out, "author", &change.author);
            push_number(&mut out, "date", change.date);
            out.push('>');
            push_text(&mut out, &change.text);
            out.push_str("</changelog>\n");
        }
        out.push_str("</package>\n");
        out
    }

    fn push_head(&self, out: &mut String) {
        out.push_str("<package");
        push_attr(out, "pkgid", &self.file.sha256_hex);
        push_attr(out, "name", &self.nevra.name);
        push_attr(out, "arch", &self.nevra.arch);
        out.push_str(">\n");
        self.push_version(out);
    }

    fn push_version(&self, out: &mut String) {
        out.push_str("  <version");
        push_number(out, "epoch", self.nevra.epoch.unwrap_or(0));
        push_attr(out, "ver", &self.nevra.version);
        push_attr(out, "rel", &self.nevra.release);
        out.push_str("/>\n");
    }
}

fn push_file(out: &mut String, indent: &str, file: &File) {
    out.push_str(indent);
    out.push_str(match file.kind {
        FileType::File => "<file>",
        FileType::Dir => "<file type=\"dir\">",
        FileType::Ghost => "<file type=\"ghost\">",
    });
    push_text(out, &file.path);
    out.push_str("</file>\n");
}

/// Relative, without steps upwards (reposync and dnf5 refuse them), without what is no part of a URL's path.
fn is_location(href: &str) -> bool {
    let clean = |step: &str| !step.is_empty() && step != "." && step != "..";
    href.split('/').all(clean)
        && !href.contains(|c: char| c.is_control() || c.is_whitespace() || "?#\\:".contains(c))
}

fn read_files(header: &Header) -> Result<Vec<File>, PackageError> {
    let paths = read_paths(header)?;
    let modes = header.u16s(tag::FILE_MODES).unwrap_or_default();
    let flags = header.u32s(tag::FILE_FLAGS).unwrap_or_default();
    for (what, got) in [("the mode", modes.len()), ("the flags", flags.len())] {
        if got != paths.len() {
            return Err(PackageError::Files {
                what,
                got,
                files: paths.len(),
            });
        }
    }
    let file = |((path, mode), flags): ((String, u16), u32)| {
        let kind = if mode & MODE_TYPE == MODE_DIRECTORY {
            FileType::Dir
        } else if flags & GHOST != 0 {
            FileType::Ghost
        } else {
            FileType::File
        };
        File { path, kind }
    };
    Ok(paths.into_iter().zip(modes).zip(flags).map(file).collect())
}

pub(crate) fn read_paths(header: &Header) -> Result<Vec<String>, PackageError> {
    let Some(names) = header.strings(tag::BASE_NAMES) else {
        let old = header.strings(tag::OLD_FILE_NAMES).unwrap_or_default();
        return Ok(old.into_iter().map(|path| path.into_owned()).collect());
    };
    let directories = header.strings(tag::DIR_NAMES).unwrap_or_default();
    let indexes = header.u32s(tag::DIR_INDEXES).unwrap_or_default();
    if indexes.len() != names.len() {
        return Err(PackageError::Files {
            what: "the directory",
            got: indexes.len(),
            files: names.len(),
        });
    }
    let mut room = MAX_PATHS;
    let join = |(name, index): (&Cow<'_, str>, &u32)| {
        let directory = directories
            .get(*index as usize)
            .ok_or(PackageError::Directory(*index))?;
        room = room
            .checked_sub(directory.len() + name.len())
            .ok_or(PackageError::Paths)?;
        Ok(format!("{directory}{name}"))
    };
    names.iter().zip(&indexes).map(join).collect()
}

fn read_changelog(header: &Header) -> Vec<Change> {
    let (Some(times), Some(authors), Some(texts)) = (
        header.u32s(tag::CHANGELOG_TIME),
        header.strings(tag::CHANGELOG_NAME),
        header.strings(tag::CHANGELOG_TEXT),
    ) else {
        return Vec::new();
    };
    let mut changes: Vec<Change> = Vec::new();
    let mut last_time = 0;
    for ((time, author), text) in times.into_iter().zip(authors).zip(texts).take(CHANGELOG_LIMIT) {
        let date = i64::from(time);
        if date == last_time {
            // Clients sort by date: earlier entries of the header, which are newer, move one second on.
            let mut taken = date;
            for newer in changes.iter_mut().rev().take_while(|newer| {
                let collides = newer.date == taken;
                taken += i64::from(collides);
                collides
            }) {
                newer.date += 1;
            }
        } else {
            last_time = date;
        }
        let author = author.trim_end_matches(' ').to_owned();
        changes.push(Change {
            author,
            date,
            text: text.into_owned(),
        });
    }
    changes.reverse();
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_stay_within_the_repository() {
        for good in [
            "a.rpm",
            "Packages/f/foo-1~rc1^2-1.x86_64.rpm",
            "00000001-c++/libstdc++-1-1.noarch.rpm",
        ] {
            assert!(is_location(good), "{good}");
        }
        for bad in [
            "",
            "/etc/cron.d/x",
            "../x",
            "a/../b",
            "a//b",
            "./a",
            "http://x/y",
            "a?b",
            "a#b",
            "a b",
            "a\nb",
        ] {
            assert!(!is_location(bad), "{bad:?}");
        }
    }
}
