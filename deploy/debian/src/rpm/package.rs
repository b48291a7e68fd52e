use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use sha2::{Digest, Sha256};

use super::{
    header::{Header, Value},
    version::{Dependency, Evr},
};
use crate::deb::{Kind, Node, Tree};

/// Everything that goes into one RPM.
#[derive(Debug)]
pub(crate) struct Package {
    pub name: String,
    pub evr: Evr,
    /// `noarch` or the machine's.
    pub arch: String,
    pub summary: String,
    pub url: String,
    /// Name of the source package that it says to come from.
    pub source: String,
    /// Seconds since 1970.
    pub build_time: u32,
    pub provides: Vec<Dependency>,
    pub requires: Vec<Dependency>,
    /// All owned by root.
    pub files: Tree,
}

/// Low: packages are read once or twice, and mostly on slow emulated machines where unpacking counts.
const ZSTD_LEVEL: i32 = 3;
const SENSE_EQUAL: u32 = 8;
/// A requirement on rpm itself.
const SENSE_RPMLIB: u32 = 1 << 24 | 2 | SENSE_EQUAL;
const FILE_CONFIG_NOREPLACE: u32 = 1 | 1 << 4;
/// Number of SHA-256 in rpm's and OpenPGP's registries.
const SHA256: u32 = 8;

impl Package {
    /// `name-version-release.arch.rpm`.
    pub fn file_name(&self) -> String {
        format!(
            "{}-{}-{}.{}.rpm",
            self.name, self.evr.version, self.evr.release, self.arch
        )
    }

    /// Writes the package.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        let archive = self.archive()?;
        let payload = zstd::encode_all(&archive[..], ZSTD_LEVEL)?;
        let header = self.header(&archive, &payload).encode(63);
        let mut signature = Header::default();
        signature.add(273, Value::Text(hex::encode(Sha256::digest(&header))));
        signature.add(1000, Value::Int32(vec![(header.len() + payload.len()) as u32]));
        signature.add(1007, Value::Int32(vec![archive.len() as u32]));
        let mut signature = signature.encode(62);
        signature.resize(signature.len().next_multiple_of(8), 0);
        out.write_all(&self.lead())?;
        out.write_all(&signature)?;
        out.write_all(&header)?;
        out.write_all(&payload)
    }

    /// The 96 bytes that only `file` still looks at.
    fn lead(&self) -> Vec<u8> {
        let mut lead = vec![0xed, 0xab, 0xee, 0xdb, 3, 0, 0, 0, 0, 1];
        let name = format!("{}-{}-{}", self.name, self.evr.version, self.evr.release);
        lead.extend(name.bytes().take(65));
        lead.resize(76, 0);
        lead.extend([0, 1, 0, 5]);
        lead.resize(96, 0);
        lead
    }

    /// The payload before compression: `cpio`, format `newc`.
    fn archive(&self) -> io::Result<Vec<u8>> {
        let mut archive = Vec::new();
        for (number, (path, node)) in self.files.iter().enumerate() {
            let content = match &node.kind {
                Kind::File(bytes) => bytes.as_slice(),
                Kind::Link(target) => target.as_bytes(),
                Kind::Dir => &[],
            };
            cpio_entry(
                &mut archive,
                &format!(".{path}"),
                number + 1,
                mode(node),
                node.mtime,
                content,
            )?;
        }
        cpio_entry(&mut archive, "TRAILER!!!", 0, 0, 0, &[])?;
        Ok(archive)
    }

    fn header(&self, archive: &[u8], payload: &[u8]) -> Header {
        let mut header = Header::default();
        let text = |text: &str| Value::Text(text.to_owned());
        header.add(100, Value::Texts(vec!["C".to_owned()]));
        header.add(1000, text(&self.name));
        header.add(1001, text(&self.evr.version));
        header.add(1002, text(&self.evr.release));
        if self.evr.epoch > 0 {
            header.add(1003, Value::Int32(vec![self.evr.epoch]));
        }
        header.add(1004, Value::Translated(self.summary.clone()));
        header.add(
            1005,
            Value::Translated(format!("{}.\nMade from the Debian package.", self.summary)),
        );
        header.add(1006, Value::Int32(vec![self.build_time]));
        header.add(1007, text("localhost"));
        header.add(1014, text("see /usr/share/doc"));
        header.add(1016, Value::Translated("Unspecified".to_owned()));
        if !self.url.is_empty() {
            header.add(1020, text(&self.url));
        }
        header.add(1021, text("linux"));
        header.add(1022, text(&self.arch));
        header.add(
            1044,
            text(&format!(
                "{}-{}-{}.src.rpm",
                self.source, self.evr.version, self.evr.release
            )),
        );
        header.add(1064, text("4.18.0"));
        header.add(1124, text("cpio"));
        header.add(1125, text("zstd"));
        header.add(1126, text(&ZSTD_LEVEL.to_string()));
        header.add(1132, text(&format!("{}-linux-gnu", self.arch)));
        header.add(5092, Value::Texts(vec![hex::encode(Sha256::digest(payload))]));
        header.add(5093, Value::Int32(vec![SHA256]));
        header.add(5097, Value::Texts(vec![hex::encode(Sha256::digest(archive))]));
        self.add_dependencies(&mut header);
        self.add_files(&mut header);
        header
    }

    fn add_dependencies(&self, header: &mut Header) {
        let rpmlib = [
            ("rpmlib(CompressedFileNames)", "3.0.4-1"),
            ("rpmlib(FileDigests)", "4.6.0-1"),
            ("rpmlib(PayloadFilesHavePrefix)", "4.0-1"),
            ("rpmlib(PayloadIsZstd)", "5.4.18-1"),
        ];
        let plain = |it: &Dependency| {
            let flags = if it.version.is_some() { SENSE_EQUAL } else { 0 };
            (it.name.clone(), flags, it.version.clone().unwrap_or_default())
        };
        let rpmlib = rpmlib.map(|(name, version)| (name.to_owned(), SENSE_RPMLIB, version.to_owned()));
        let provides: Vec<_> = self.provides.iter().map(plain).collect();
        let requires: Vec<_> = self.requires.iter().map(plain).chain(rpmlib).collect();
        for ([name, flags, version], mut all) in
            [([1047, 1112, 1113], provides), ([1049, 1048, 1050], requires)]
        {
            // rpm looks them up by bisection.
            all.sort();
            header.add(name, Value::Texts(all.iter().map(|it| it.0.clone()).collect()));
            header.add(flags, Value::Int32(all.iter().map(|it| it.1).collect()));
            header.add(version, Value::Texts(all.iter().map(|it| it.2.clone()).collect()));
        }
    }

    fn add_files(&self, header: &mut Header) {
        let nodes: Vec<&Node> = self.files.values().collect();
        let sizes: Vec<u32> = nodes.iter().map(|node| size(node)).collect();
        header.add(
            1009,
            Value::Int32(vec![sizes.iter().fold(0, |sum, size| sum.wrapping_add(*size))]),
        );
        if nodes.is_empty() {
            return;
        }
        let ints =
            |value: &dyn Fn(&Node) -> u32| Value::Int32(nodes.iter().map(|node| value(node)).collect());
        let same = |text: &str| Value::Texts(vec![text.to_owned(); nodes.len()]);
        let texts =
            |value: &dyn Fn(&Node) -> String| Value::Texts(nodes.iter().map(|node| value(node)).collect());
        header.add(1028, Value::Int32(sizes));
        header.add(
            1030,
            Value::Int16(nodes.iter().map(|node| mode(node) as u16).collect()),
        );
        header.add(1033, Value::Int16(vec![0; nodes.len()]));
        header.add(1034, ints(&|node| node.mtime));
        header.add(
            1035,
            texts(&|node| {
                node.bytes()
                    .map(|it| hex::encode(Sha256::digest(it)))
                    .unwrap_or_default()
            }),
        );
        header.add(
            1036,
            texts(&|node| match &node.kind {
                Kind::Link(target) => target.clone(),
                Kind::File(_) | Kind::Dir => String::new(),
            }),
        );
        let config = |(path, node): (&String, &Node)| match node.kind {
            Kind::File(_) if path.starts_with("/etc/") => FILE_CONFIG_NOREPLACE,
            _ => 0,
        };
        header.add(1037, Value::Int32(self.files.iter().map(config).collect()));
        header.add(1039, same("root"));
        header.add(1040, same("root"));
        header.add(1045, ints(&|_| u32::MAX));
        header.add(1095, ints(&|_| 1));
        header.add(1096, Value::Int32((1..=nodes.len() as u32).collect()));
        header.add(1097, same(""));
        header.add(5011, Value::Int32(vec![SHA256]));
        let mut folders: BTreeMap<&str, u32> = BTreeMap::new();
        let (mut indexes, mut bases, mut names) = (Vec::new(), Vec::new(), Vec::new());
        for path in self.files.keys() {
            let (folder, base) = path.split_at(path.rfind('/').map_or(0, |at| at + 1));
            let next = folders.len() as u32;
            indexes.push(*folders.entry(folder).or_insert_with(|| {
                names.push(folder.to_owned());
                next
            }));
            bases.push(base.to_owned());
        }
        header.add(1116, Value::Int32(indexes));
        header.add(1117, Value::Texts(bases));
        header.add(1118, Value::Texts(names));
    }
}

/// Permission bits with the file type of `stat`.
fn mode(node: &Node) -> u32 {
    let kind = match node.kind {
        Kind::File(_) => 0o100_000,
        Kind::Link(_) => 0o120_000,
        Kind::Dir => 0o040_000,
    };
    kind | node.mode
}

fn size(node: &Node) -> u32 {
    match &node.kind {
        Kind::File(bytes) => bytes.len() as u32,
        Kind::Link(target) => target.len() as u32,
        Kind::Dir => 4096,
    }
}

fn cpio_entry(
    archive: &mut Vec<u8>,
    name: &str,
    inode: usize,
    mode: u32,
    mtime: u32,
    content: &[u8],
) -> io::Result<()> {
    write!(
        archive,
        "070701{inode:08x}{mode:08x}{:08x}{:08x}{:08x}{mtime:08x}",
        0, 0, 1
    )?;
    write!(
        archive,
        "{:08x}{:08x}{:08x}{:08x}{:08x}",
        content.len(),
        0,
        0,
        0,
        0
    )?;
    write!(archive, "{:08x}{:08x}{name}\0", name.len() + 1, 0)?;
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend(content);
    archive.resize(archive.len().next_multiple_of(4), 0);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn rpm_reads_and_verifies_what_is_written() {
        let files: Tree = [
            ("/etc/thing.conf", Node::file(0o600, 86_400, b"a = 1\n".to_vec())),
            (
                "/usr/bin/thing",
                Node::file(0o4755, 86_400, b"#!/bin/sh\n".to_vec()),
            ),
            ("/usr/bin/thing-link", Node::link(86_400, "thing".into())),
            (
                "/var/empty",
                Node {
                    mode: 0o1777,
                    mtime: 86_400,
                    kind: Kind::Dir,
                },
            ),
        ]
        .map(|(path, node)| (path.to_owned(), node))
        .into();
        let package = Package {
            name: "thing".into(),
            evr: Evr::from_debian("2:1.0-3"),
            arch: "noarch".into(),
            summary: "A thing".into(),
            url: "https://thing.example".into(),
            source: "things".into(),
            build_time: 86_400,
            provides: vec![
                Dependency::exactly("thing".into(), "2:1.0-3".into()),
                Dependency::any("stuff".into()),
            ],
            requires: vec![Dependency::any("/bin/sh".into())],
            files,
        };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(package.file_name());
        package.write(fs_err::File::create(&path).unwrap()).unwrap();
        let rpm = |program: &str, args: &[&str]| {
            let output = Command::new(program)
                .args(args)
                .arg(&path)
                .env("HOME", dir.path())
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                output.status.success(),
                "{text}{}",
                String::from_utf8_lossy(&output.stderr)
            );
            text
        };
        assert!(rpm("rpmkeys", &["-Kv", "--nosignature"]).contains("Payload SHA256 digest: OK"));
        assert_eq!(
            rpm("rpm", &["-qp", "--nosignature", "--provides"]),
            "stuff\nthing = 2:1.0-3\n"
        );
        let requires = rpm("rpm", &["-qp", "--nosignature", "--requires"]);
        assert!(
            requires.starts_with("/bin/sh\nrpmlib(CompressedFileNames) <= 3.0.4-1\n"),
            "{requires}"
        );
        let format =
            "[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME} %{FILESIZES} %{FILELINKTOS} %{FILEFLAGS}\n]";
        assert_eq!(
            rpm("rpm", &["-qp", "--nosignature", "--qf", format]),
            "/etc/thing.conf -rw------- root 6  17\n/usr/bin/thing -rwsr-xr-x root 10  0\n\
             /usr/bin/thing-link lrwxrwxrwx root 5 thing 0\n/var/empty drwxrwxrwt root 4096  0\n"
        );
        assert!(rpm("rpm2cpio", &[]).contains("./usr/bin/thing-link\0"));
    }
}
