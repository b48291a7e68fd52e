//! `repomd.xml`, the list of a repository's metadata files.

use std::fmt::Write;

use crate::xml::{push_attr, push_element, push_text};

/// One file of the repository's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// `primary`, `filelists`, `other`, or one that this crate does not make: `group`, `updateinfo`, …
    pub kind: String,
    /// SHA-256 of the file, hexadecimal.
    pub checksum: String,
    /// SHA-256 of the file before compression, hexadecimal.
    pub open_checksum: Option<String>,
    /// Where it is, relative to the repository.
    pub href: String,
    /// Seconds since 1970.
    pub timestamp: i64,
    /// Bytes.
    pub size: u64,
    /// Bytes before compression.
    pub open_size: Option<u64>,
    /// SHA-256, hexadecimal, and bytes of the header of a zchunk file.
    pub header: Option<(String, u64)>,
}

/// What a repository says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tags {
    /// Content tags.
    pub content: Vec<String>,
    /// Repository tags.
    pub repo: Vec<String>,
    /// Distributions that it is for: CPE identifier, if any, and name.
    pub distro: Vec<(Option<String>, String)>,
}

/// Writes `repomd.xml`.
pub fn repomd_xml(revision: &str, tags: &Tags, records: &[Record]) -> String {
    let mut out = String::from(concat!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
        "<repomd xmlns=\"http://linux.duke.edu/metadata/repo\"",
        " xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\">\n"
    ));
    push_element(&mut out, "  ", "revision", revision);
    push_tags(&mut out, tags);
    for record in records {
        push_record(&mut out, record);
    }
    out.push_str("</repomd>\n");
    out
}

fn push_tags(out: &mut String, tags: &Tags) {
    if *tags == Tags::default() {
        return;
    }
    out.push_str("  <tags>\n");
    for (element, values) in [("content", &tags.content), ("repo", &tags.repo)] {
        for value in values {
            push_element(out, "    ", element, value);
        }
    }
    for (cpe, name) in &tags.distro {
        out.push_str("    <distro");
        if let Some(cpe) = cpe {
            push_attr(out, "cpeid", cpe);
        }
        out.push('>');
        push_text(out, name);
        out.push_str("</distro>\n");
    }
    out.push_str("  </tags>\n");
}

fn push_record(out: &mut String, record: &Record) {
    out.push_str("  <data");
    push_attr(out, "type", &record.kind);
    out.push_str(">\n");
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "    <checksum type=\"sha256\">{}</checksum>",
        record.checksum
    );
    if let Some(open) = &record.open_checksum {
        let _ = writeln!(out, "    <open-checksum type=\"sha256\">{open}</open-checksum>");
    }
    if let Some((checksum, _)) = &record.header {
        let _ = writeln!(
            out,
            "    <header-checksum type=\"sha256\">{checksum}</header-checksum>"
        );
    }
    out.push_str("    <location");
    push_attr(out, "href", &record.href);
    out.push_str("/>\n");
    let _ = writeln!(out, "    <timestamp>{}</timestamp>", record.timestamp);
    let _ = writeln!(out, "    <size>{}</size>", record.size);
    if let Some(open) = record.open_size {
        let _ = writeln!(out, "    <open-size>{open}</open-size>");
    }
    if let Some((_, size)) = &record.header {
        let _ = writeln!(out, "    <header-size>{size}</header-size>");
    }
    out.push_str("  </data>\n");
}
