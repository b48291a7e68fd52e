//! Metadata beside that of packages: given to the program, found by dnf and by software centres.

use std::path::Path;
use std::process::{Command, Output};

use repodata::forge::{Forge, ForgedFile, Format, TRAILER};
use repodata::{
    AppStream, Compression, ExtraKind, Record, RpmFile, decompress, extra_files, read_repomd, tag,
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::{build, dnf, package, read, run, text, try_run};

const COMPS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps>
  <group>
    <id>greek</id>
    <name>Greek &amp; Latin</name>
    <description>Letters</description>
    <default>true</default>
    <uservisible>true</uservisible>
    <packagelist><packagereq type="mandatory">gamma</packagereq></packagelist>
  </group>
</comps>
"#;

const UPDATES: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<updates>
  <update from="u@example.org" status="stable" type="security" version="1">
    <id>KOPER-2025-1</id>
    <title>gamma</title>
    <issued date="2025-01-15 00:00:00"/>
    <severity>Important</severity>
    <references><reference href="https://example.org/" id="CVE-2025-0001" type="cve" title="CVE-2025-0001"/></references>
    <description>One &amp; all.</description>
    <pkglist>
      <collection short="c"><name>c</name>
        <package name="gamma" version="3^20250101" release="1" epoch="0" arch="noarch" src="gamma-3^20250101-1.src.rpm">
          <filename>gamma-3^20250101-1.noarch.rpm</filename>
        </package>
      </collection>
    </pkglist>
  </update>
</updates>
"#;

const MODULES: &str = "---
document: modulemd
version: 2
data:
  name: letters
  stream: \"3\"
  version: 20250101
  context: deadbeef
  arch: x86_64
  summary: Letters
  description: >-
    All letters.
  license:
    module: [MIT]
  profiles:
    common:
      rpms: [gamma]
  artifacts:
    rpms:
    - gamma-0:3^20250101-1.noarch
    - beta-0:1.2-1.noarch
...
---
document: modulemd-defaults
version: 1
data:
  module: letters
  stream: \"3\"
  profiles:
    \"3\": [common]
...
";

struct Place {
    folder: TempDir,
    root: TempDir,
}

impl Place {
    /// A folder with two packages, and the three files beside it.
    fn new() -> Place {
        let (folder, root) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        for name in ["beta", "gamma"] {
            let path = package(name, "noarch.rpm");
            fs_err::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        for (name, content) in [
            ("comps.xml", COMPS),
            ("updateinfo.xml", UPDATES),
            ("modules.yaml", MODULES),
        ] {
            fs_err::write(folder.path().join(name), content).unwrap();
        }
        Place { folder, root }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Makes metadata; options that end in `=` get the file of that name.
    fn create(&self, options: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_repodata"));
        command
            .args(["create", "--timestamp=1700000000"])
            .arg(self.path());
        for option in options {
            match option.split_once('=') {
                Some((_, file)) if file.contains('.') => {
                    command.arg(option.replace(file, self.path().join(file).to_str().unwrap()))
                }
                _ => command.arg(option),
            };
        }
        try_run(&mut command)
    }

    fn creates(&self, options: &[&str]) {
        let output = self.create(options);
        assert!(output.status.success(), "{}", text(&output));
        // Whatever it was: all checksums and sizes are right.
        run(Command::new(env!("CARGO_BIN_EXE_repodata"))
            .arg("check")
            .arg(self.path()));
    }

    fn records(&self) -> Vec<Record> {
        let repomd = fs_err::read_to_string(self.path().join("repodata/repomd.xml")).unwrap();
        read_repomd(&repomd).unwrap().1
    }

    fn record(&self, kind: &str) -> Record {
        self.records()
            .into_iter()
            .find(|record| record.kind == kind)
            .unwrap()
    }

    fn dnf(&self, arguments: &[&str]) -> String {
        let mut dnf = dnf(self.root.path(), self.path());
        dnf.args(["--nogpgcheck", "--setopt=module_platform_id=platform:x"]);
        run(dnf.args(arguments))
    }
}

const ALL: [&str; 3] = [
    "--comps=comps.xml",
    "--updateinfo=updateinfo.xml",
    "--modules=modules.yaml",
];

#[test]
fn dnf_finds_groups_advisories_and_modules() {
    for compression in ["--compression=zstd", "--compression=gzip"] {
        let place = Place::new();
        place.creates(&[&ALL[..], &[compression]].concat());
        let groups = place.dnf(&["group", "list", "-v"]);
        assert!(groups.contains("Greek & Latin (greek)"), "{groups}");
        let modules = place.dnf(&["module", "list"]);
        assert!(
            modules.contains("letters") && modules.contains("common"),
            "{modules}"
        );
        let advisories = place.dnf(&["updateinfo", "list", "--available", "--with-cve"]);
        assert!(
            !advisories.contains("CVE"),
            "nothing is installed yet: {advisories}"
        );
        place.dnf(&["module", "enable", "letters:3"]);
        place.dnf(&["group", "install", "greek"]);
        let installed = run(Command::new("rpm")
            .arg("--root")
            .arg(place.root.path())
            .args(["-q", "gamma", "beta"]));
        assert_eq!(installed, "gamma-3^20250101-1.noarch\nbeta-1.2-1.noarch\n");
        let advisories = place.dnf(&["updateinfo", "list", "--installed"]);
        assert!(
            advisories.contains("KOPER-2025-1 Important/Sec. gamma-3^20250101-1.noarch"),
            "{advisories}"
        );
    }
}

#[test]
fn what_is_given_is_what_is_published() {
    let place = Place::new();
    place.creates(&ALL);
    let kinds: Vec<String> = place.records().into_iter().map(|record| record.kind).collect();
    assert_eq!(
        kinds,
        [
            "group",
            "group_gz",
            "modules",
            "updateinfo",
            "primary",
            "filelists",
            "other"
        ]
    );
    for (kind, given) in [
        ("group", COMPS),
        ("group_gz", COMPS),
        ("updateinfo", UPDATES),
        ("modules", MODULES),
    ] {
        let record = place.record(kind);
        let bytes = fs_err::read(place.path().join(&record.href)).unwrap();
        assert_eq!(record.checksum, hex::encode(Sha256::digest(&bytes)));
        assert_eq!(
            (record.size, record.timestamp),
            (bytes.len() as u64, 1_700_000_000)
        );
        assert!(
            record.href.starts_with(&format!("repodata/{}-", record.checksum)),
            "{}",
            record.href
        );
        if kind == "group" {
            assert_eq!(bytes, given.as_bytes());
            assert_eq!((record.open_checksum, record.open_size), (None, None));
            continue;
        }
        let compression = if record.href.ends_with(".gz") {
            Compression::Gzip
        } else {
            Compression::Zstd
        };
        assert_eq!(
            decompress(compression, &bytes, 1 << 20).unwrap(),
            given.as_bytes()
        );
        assert_eq!(record.open_checksum, Some(hex::encode(Sha256::digest(given))));
        assert_eq!(record.open_size, Some(given.len() as u64));
    }
}

#[test]
fn what_is_given_compressed_is_the_same() {
    let plain = extra_files(ExtraKind::UpdateInfo, UPDATES.as_bytes(), Compression::Zstd).unwrap();
    let zstd = zstd::bulk::compress(UPDATES.as_bytes(), 3).unwrap();
    let gzip = extra_files(ExtraKind::AppStream, b"<components/>", Compression::Zstd).unwrap();
    assert!(gzip[0].name.ends_with("-appstream.xml.gz"), "{}", gzip[0].name);
    assert_eq!(
        extra_files(ExtraKind::UpdateInfo, &zstd, Compression::Zstd).unwrap(),
        plain
    );
    assert_eq!(
        extra_files(ExtraKind::AppStream, &gzip[0].bytes, Compression::Gzip).unwrap(),
        gzip
    );
    let bomb = zstd::bulk::compress(&vec![b' '; 257 << 20], 1).unwrap();
    let error = extra_files(ExtraKind::Group, &bomb, Compression::Zstd).unwrap_err();
    assert!(error.to_string().contains("256 MiB"), "{error}");
}

#[test]
fn a_file_of_another_kind_is_refused_with_a_reason() {
    let place = Place::new();
    place.creates(&[]);
    let before = place.records();
    fs_err::write(place.path().join("broken.xml"), "<comps><group></comps>").unwrap();
    fs_err::write(place.path().join("open.xml"), "<comps><group>").unwrap();
    fs_err::write(place.path().join("noise.xml"), [0xfd, b'7', b'z', b'X', b'Z', 0]).unwrap();
    for (option, why) in [
        (
            "--comps=updateinfo.xml",
            "its outermost element is <updates>, not <comps>",
        ),
        (
            "--updateinfo=comps.xml",
            "its outermost element is <comps>, not <updates>",
        ),
        ("--modules=comps.xml", "document: modulemd"),
        ("--comps=broken.xml", "not well-formed"),
        ("--comps=open.xml", "not well-formed"),
        ("--comps=noise.xml", "compressed in another way"),
        ("--comps=missing.xml", "missing.xml"),
        ("--appstream=a b", "origin"),
    ] {
        let output = place.create(&[option]);
        assert!(
            !output.status.success() && text(&output).contains(why),
            "{option}: {}",
            text(&output)
        );
        assert_eq!(place.records(), before, "what was there stays");
    }
}

/// Another engine could never again change a repository that had groups.
#[test]
fn a_repository_with_groups_can_be_changed() {
    let place = Place::new();
    place.creates(&["--comps=comps.xml"]);
    let path = package("latin", "noarch.rpm");
    fs_err::copy(&path, place.path().join("latin.rpm")).unwrap();
    for _ in 0..2 {
        place.creates(&["--comps=comps.xml"]);
        assert!(place.dnf(&["group", "list"]).contains("Greek"));
        assert!(
            place
                .dnf(&["-q", "repoquery", "latin"])
                .contains("latin-0:1-1.noarch")
        );
    }
    place.creates(&[]);
    assert_eq!(place.records().len(), 3);
}

#[test]
fn software_centres_get_a_catalogue_of_the_packages_software() {
    let place = Place::new();
    build("editor", place.path(), &[]);
    place.creates(&["--appstream=someone/project"]);
    let record = place.record("appstream");
    let bytes = fs_err::read(place.path().join(&record.href)).unwrap();
    let xml = String::from_utf8(decompress(Compression::Gzip, &bytes, 1 << 20).unwrap()).unwrap();
    assert!(
        xml.contains("<components version=\"0.14\" origin=\"someone/project\">"),
        "{xml}"
    );
    // AppStream's own program reads it, and says in its words what it found.
    let (from, to) = (place.path().join("a.xml"), place.path().join("a.yml"));
    fs_err::write(&from, &xml).unwrap();
    run(Command::new("appstreamcli").arg("convert").arg(&from).arg(&to));
    let said = fs_err::read_to_string(&to).unwrap();
    for line in [
        "Origin: someone/project",
        "ID: org.example.Editor\nPackage: editor\n",
        "  C: Editor\n",
        "  de: Bearbeiter\n",
        "    <p>Edits texts.</p>\n",
        "    <p>Bearbeitet Texte.</p>\n",
        "- TextEditor",
        "  stock: org.example.Editor\n",
        "  desktop-id:\n  - org.example.Editor.desktop\n",
        "ID: org.example.Editor.Plugin\nPackage: editor-plugin\n",
    ] {
        assert!(said.contains(line), "{line}: {said}\n{xml}");
    }
    assert!(
        !said.contains("no XML") && !xml.contains("metadata_license"),
        "{xml}"
    );
    // Made again, it is the same; and asked for without software, it is empty.
    let before = place.records();
    place.creates(&["--appstream=someone/project"]);
    assert_eq!(place.records(), before);
}

#[test]
fn a_payload_that_is_not_read_is_told() {
    let place = Place::new();
    build("editor", place.path(), &["_binary_payload w2.xzdio"]);
    let output = place.create(&["--appstream=x"]);
    assert!(output.status.success());
    assert!(
        text(&output).contains("2 packages with AppStream metadata are not in the catalogue"),
        "{}",
        text(&output)
    );
    let (rpm, bytes) = read(&place.path().join("editor-1-1.noarch.rpm"));
    let payload = &bytes[rpm.header_end() as usize..];
    assert_eq!(AppStream::of(&rpm, payload).unwrap(), AppStream::Unreadable);
}

/// What has no software does not even have its payload read.
#[test]
fn a_payload_is_read_only_where_there_is_something() {
    let (rpm, _) = read(&package("gamma", "noarch.rpm"));
    let nothing = AppStream::of(&rpm, std::io::empty()).unwrap();
    assert_eq!(nothing, AppStream::Components(Vec::new()));
    let place = Place::new();
    build("editor", place.path(), &[]);
    let (rpm, bytes) = read(&place.path().join("editor-1-1.noarch.rpm"));
    let payload = &bytes[rpm.header_end() as usize..];
    for length in [0, 3, 20, payload.len() / 2] {
        assert!(AppStream::of(&rpm, &payload[..length]).is_err(), "{length}");
    }
}

/// Packages of rpm 6 have archives without names.
#[test]
fn an_archive_without_names_is_read_with_the_header() {
    let metainfo = "<component><id>org.example.Six</id><name>Six</name><summary>&amp;</summary></component>";
    let files: [(&str, u16, u32, &str, u32); 6] = [
        ("/usr/share/metainfo", 0o040_755, 0, "", 1),
        ("/usr/share/metainfo/a.metainfo.xml", 0o100_644, 0, "", 2),
        ("/usr/share/metainfo/b.metainfo.xml", 0o100_644, 0, metainfo, 2),
        (
            "/usr/share/metainfo/c.metainfo.xml",
            0o120_777,
            0,
            "b.metainfo.xml",
            3,
        ),
        ("/usr/share/metainfo/d.metainfo.xml", 0o100_644, 64, "", 4),
        ("/usr/share/metainfo/e.metainfo.xml", 0o100_644, 0, "text", 5),
    ];
    let mut forge = Forge::new("six");
    let forged = files.map(|(path, mode, flags, ..)| ForgedFile {
        path: path.into(),
        mode,
        flags,
    });
    forge.files(&forged);
    forge.u32s(tag::FILE_INODES, &files.map(|file| file.4));
    // One and the same file twice says its size twice.
    let sizes = files.map(|file| if file.4 == 2 { metainfo.len() } else { file.3.len() } as u32);
    forge.u32s(tag::FILE_SIZES, &sizes).u32s(tag::SIZE, &[9999]);
    let mut archive = Vec::new();
    for (number, (_, _, flags, content, _)) in files.iter().enumerate().filter(|(_, file)| file.2 == 0) {
        assert_eq!(*flags, 0, "what is not shipped is not in it");
        archive.extend(format!("07070X{number:08x}\0\0{content}").into_bytes());
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
    archive.extend(TRAILER.as_bytes());
    let components = |forge: &Forge| {
        let bytes = forge.build(Format::V6).unwrap();
        let rpm = RpmFile::parse(&bytes, bytes.len() as u64).unwrap();
        AppStream::of(&rpm, &bytes[rpm.header_end() as usize..])
    };
    let AppStream::Components(found) = components(forge.archive(archive)).unwrap() else {
        panic!("it is read")
    };
    assert_eq!(found.len(), 1);
    assert!(
        found[0].contains("<id>org.example.Six</id><pkgname>six</pkgname>"),
        "{found:?}"
    );
    let stray = b"07070X000000ff\0\0".to_vec();
    assert!(components(forge.archive(stray)).is_err());
    let requires = [("rpmlib(PayloadAlignment)", 1 << 24 | 10, "6.2.0-1")];
    forge.dependencies(
        [tag::REQUIRE_NAME, tag::REQUIRE_FLAGS, tag::REQUIRE_VERSION],
        &requires,
    );
    assert_eq!(components(&forge).unwrap(), AppStream::Unreadable);
}
