//! Element by element what `createrepo_c` says of the same packages: Debian's, and pip's where the tests' virtual
//! environment has it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use repodata::forge::{Forge, ForgedFile, Format};
use repodata::{RpmFile, rpmvercmp, tag};
use tempfile::TempDir;

use crate::corpus::{self, put};
use crate::support::{Element, describe, package, read, run, try_run};

/// One `createrepo_c`.
struct Rival {
    program: PathBuf,
    version: String,
}

impl Rival {
    fn all() -> Vec<Rival> {
        let newer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin/createrepo_c");
        let programs = [PathBuf::from("createrepo_c"), newer].into_iter();
        let there = programs.filter(|program| !program.is_absolute() || program.exists());
        there
            .map(|program| {
                let said = run(Command::new(&program).arg("--version"));
                let version = said.split_whitespace().nth(1).unwrap().to_owned();
                Rival { program, version }
            })
            .collect()
    }

    fn command(&self, folder: &Path, out: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args([
            "--no-database",
            "--simple-md-filenames",
            "--general-compress-type=gz",
            "--changelog-limit=10",
            "--outputdir",
        ]);
        command.arg(out).arg(folder).env("LC_ALL", "C.UTF-8");
        command
    }

    /// What it says of all packages in a folder.
    fn metadata(&self, folder: &Path) -> [BTreeMap<String, Element>; 3] {
        let out = TempDir::new().unwrap();
        run(&mut self.command(folder, out.path()));
        ["primary", "filelists", "other"].map(|kind| theirs(&out.path().join("repodata"), kind))
    }

    fn is_before(&self, version: &str) -> bool {
        rpmvercmp(&self.version, version).is_lt()
    }
}

/// Packages of one of its files by checksum.
fn theirs(repodata: &Path, kind: &str) -> BTreeMap<String, Element> {
    let file = fs_err::read(repodata.join(format!("{kind}.xml.gz"))).unwrap();
    let mut xml = String::new();
    flate2::read::MultiGzDecoder::new(&file[..])
        .read_to_string(&mut xml)
        .unwrap();
    let keyed = Element::parse(&xml).children.into_iter().map(|package| {
        let id = match package.attributes.get("pkgid") {
            Some(id) => id.clone(),
            None => package.child("checksum").text.clone(),
        };
        (id, package)
    });
    keyed.collect()
}

fn compare(what: &str, ours: &Element, theirs: &Element) {
    assert_eq!(
        (&ours.name, &ours.attributes, &ours.text),
        (&theirs.name, &theirs.attributes, &theirs.text),
        "{what}"
    );
    for (a, b) in ours.children.iter().zip(&theirs.children) {
        compare(&format!("{what}/{}", a.name), a, b);
    }
    assert_eq!(ours.children.len(), theirs.children.len(), "{what}");
}

/// `RPMSENSE_POSTTRANS` and `RPMSENSE_PRETRANS`.
const TRANSACTION: u32 = 1 << 5 | 1 << 7;

/// Everything in which `createrepo_c` differs, with the reason. Nothing else may.
fn make_equal(rival: &Rival, rpm: &RpmFile, ours: &mut Element, theirs: &mut Element) {
    if rpm.header().contains(tag::RPM_FORMAT) {
        // Packages of rpm 6 have this size in another tag, which rpm 4, with which these two were built, does not know.
        let size = theirs
            .children
            .iter_mut()
            .find(|child| child.name == "size")
            .unwrap();
        assert_eq!(size.attribute("archive"), "0");
        let archive = ours.child("size").attribute("archive").to_owned();
        size.attributes.insert("archive".to_owned(), archive);
    }
    let flags = rpm.header().u32s(tag::REQUIRE_FLAGS).unwrap_or_default();
    if rival.is_before("1.1.1") && flags.iter().any(|flags| flags & TRANSACTION != 0) {
        // It did not count what scriptlets before and after the transaction need as `pre`, and so saw repetitions where
        // it now sees none, and the other way round. What it does not say of them here, newer ones do.
        for side in [ours, theirs] {
            let format = side
                .children
                .iter_mut()
                .find(|child| child.name == "format")
                .unwrap();
            let requires = format
                .children
                .iter_mut()
                .filter(|child| child.name == "rpm:requires");
            for list in requires {
                list.children
                    .iter_mut()
                    .for_each(|entry| drop(entry.attributes.remove("pre")));
                list.children.sort_by_key(|entry| format!("{entry:?}"));
                list.children.dedup();
            }
        }
    }
}

/// Compares everything that both say about the packages.
fn agree(rival: &Rival, paths: &[PathBuf], metadata: &[BTreeMap<String, Element>; 3]) {
    let [primary, filelists, other] = metadata;
    for kind in metadata {
        assert_eq!(kind.len(), paths.len(), "{}", rival.version);
    }
    for path in paths {
        let (rpm, _) = read(path);
        let ours = describe(path);
        let what = format!(
            "{} {}",
            rival.version,
            path.file_name().unwrap().to_str().unwrap()
        );
        let (mut our_primary, mut their_primary) =
            (Element::parse(&ours.primary_xml()), primary[ours.pkgid()].clone());
        make_equal(rival, &rpm, &mut our_primary, &mut their_primary);
        compare(&what, &our_primary, &their_primary);
        compare(
            &what,
            &Element::parse(&ours.filelists_xml()),
            &filelists[ours.pkgid()],
        );
        compare(&what, &Element::parse(&ours.other_xml()), &other[ours.pkgid()]);
    }
}

fn listed(folder: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn says_what_createrepo_says() {
    let folder = TempDir::new().unwrap();
    let count = corpus::fill(folder.path());
    assert!(count > 480, "{count}");
    for rival in Rival::all() {
        let metadata = rival.metadata(folder.path());
        agree(&rival, &listed(folder.path()), &metadata);
    }
}

/// Where the test chroot was made; a machine that never ran a story has none of them.
#[test]
fn says_what_createrepo_says_of_a_distribution() {
    let Some(folder) = corpus::debian() else {
        return;
    };
    for rival in Rival::all() {
        let metadata = rival.metadata(&folder);
        agree(&rival, &listed(&folder), &metadata);
    }
}
/// `createrepo_c` leaves such packages out of the repository; we leave the characters out of what is said of them.
#[test]
fn what_xml_cannot_hold_costs_the_character_and_not_the_package() {
    let folder = TempDir::new().unwrap();
    let mut forge = Forge::new("control");
    forge
        .translated(tag::SUMMARY, b"a\x01b\x0b\x1bc")
        .dependencies(
            [tag::PROVIDE_NAME, tag::PROVIDE_FLAGS, tag::PROVIDE_VERSION],
            &[(b"cap\x02", 8, b"1\x03")],
        )
        .changelog(&[(1_700_000_000, b"A\x04", b"text\x05")])
        .files(&[ForgedFile {
            path: b"/etc/a\x06b".to_vec(),
            mode: 0o100_644,
            flags: 0,
        }]);
    let control = put(&forge, Format::V4, folder.path(), "control");
    let ours = describe(&control);
    let primary = Element::parse(&ours.primary_xml());
    assert_eq!(primary.child("summary").text, "abc");
    let format = primary.child("format");
    let provided = &format.child("rpm:provides").children[0];
    assert_eq!(
        (provided.attribute("name"), provided.attribute("ver")),
        ("cap", "1")
    );
    assert_eq!(format.child("file").text, "/etc/ab");
    assert_eq!(
        Element::parse(&ours.filelists_xml()).child("file").text,
        "/etc/ab"
    );
    let other = Element::parse(&ours.other_xml());
    let change = other.child("changelog");
    assert_eq!((change.attribute("author"), &*change.text), ("A", "text"));
    for rival in Rival::all() {
        let out = TempDir::new().unwrap();
        try_run(&mut rival.command(folder.path(), out.path()));
        let primary = theirs(&out.path().join("repodata"), "primary");
        assert!(primary.is_empty(), "{}: {primary:?}", rival.version);
    }
    // Not even characters, says XML.
    forge = Forge::new("noncharacter");
    forge.translated(tag::SUMMARY, "a\u{fffe}b\u{ffff}");
    let ours = describe(&put(&forge, Format::V4, folder.path(), "noncharacter"));
    assert_eq!(Element::parse(&ours.primary_xml()).child("summary").text, "ab");
}

/// The comparison above would not notice a fixture that lost what it is for.
#[test]
fn fixture_holds_the_hard_cases() {
    let primary = Element::parse(&describe(&package("alpha-1", "x86_64.rpm")).primary_xml());
    assert_eq!(primary.child("version").attribute("epoch"), "2");
    assert_eq!(primary.child("version").attribute("ver"), "1.0~rc1^git5");
    let format = primary.child("format");
    let requires = &format.child("rpm:requires").children;
    let named = |name: &str| {
        requires
            .iter()
            .filter(|entry| entry.attribute("name") == name)
            .collect::<Vec<_>>()
    };
    assert!(
        requires
            .iter()
            .all(|entry| !entry.attribute("name").starts_with("rpmlib("))
    );
    assert_eq!(named("libc.so.6(GLIBC_2.34)(64bit)").len(), 1);
    assert!(named("libc.so.6()(64bit)").is_empty());
    assert!(named("/usr/bin/alpha").is_empty(), "the package holds it");
    assert_eq!(
        named("/usr/share/alpha/data").len(),
        1,
        "not a path of primary.xml"
    );
    assert_eq!(
        named("alpha-virtual").len(),
        1,
        "only the one that the package does not provide literally"
    );
    assert_eq!(named("dup").len(), 1);
    let pre = named("shadow-tool")[0];
    assert_eq!(pre.attribute("pre"), "1");
    let abi = named("python(abi)")[0];
    assert_eq!(
        (
            abi.attribute("flags"),
            abi.attribute("epoch"),
            abi.attribute("ver")
        ),
        ("EQ", "0", "3.14")
    );
    assert!(!abi.attributes.contains_key("rel"));
    let range = format.child("rpm:header-range");
    let [start, end]: [u64; 2] = ["start", "end"].map(|name| range.attribute(name).parse().unwrap());
    assert!(start > 4096 && end > start + 1000, "{start} {end}");
    assert_ne!(primary.child("size").attribute("archive"), "0");
    assert_eq!(primary.child("packager").text, "Ü <u@example.org>");
    assert_eq!(format.child("rpm:vendor").text, "Example & Sons");
    let other = Element::parse(&describe(&package("alpha-1", "x86_64.rpm")).other_xml());
    let dates: Vec<i64> = other
        .children
        .iter()
        .filter_map(|child| child.attribute("date").parse().ok())
        .collect();
    assert_eq!(dates.len(), 10);
    assert!(
        dates.is_sorted_by(|a, b| a < b),
        "oldest first, no date twice: {dates:?}"
    );
}
