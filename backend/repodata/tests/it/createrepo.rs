//! Element by element what `createrepo_c` says of the same packages.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::process::Command;

use repodata::rpmvercmp;
use tempfile::TempDir;

use crate::support::{Element, describe, package, packages, run};

/// Packages of one of `createrepo_c`'s files by checksum.
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
    let names = |element: &Element| {
        element
            .children
            .iter()
            .map(|child| format!("{child:?}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(ours), names(theirs), "{what}");
}

/// Since 1.1.1, `createrepo_c` counts `Requires(pretrans)` and `Requires(posttrans)` as `pre`; so does this crate.
fn is_older_than_1_1_1() -> bool {
    let version = run(Command::new("createrepo_c").arg("--version"));
    let version = version.split_whitespace().nth(1).unwrap();
    rpmvercmp(version, "1.1.1").is_lt()
}

fn forget_transaction_scriptlets(element: &mut Element) {
    if ["after-all", "before-all"].contains(&element.attribute("name")) {
        assert_eq!(element.attributes.remove("pre").as_deref(), Some("1"));
    }
    element
        .children
        .iter_mut()
        .for_each(forget_transaction_scriptlets);
}

#[test]
fn says_what_createrepo_says() {
    let folder = TempDir::new().unwrap();
    for path in packages() {
        run(Command::new("cp").arg("-p").arg(&path).arg(folder.path()));
    }
    let mut createrepo = Command::new("createrepo_c");
    createrepo.args([
        "--no-database",
        "--simple-md-filenames",
        "--compress-type=gz",
        "--changelog-limit=10",
    ]);
    run(createrepo.arg(folder.path()).env("LC_ALL", "C"));
    let repodata = folder.path().join("repodata");
    let [primary, filelists, other] = ["primary", "filelists", "other"].map(|kind| theirs(&repodata, kind));
    assert_eq!([primary.len(), filelists.len(), other.len()], [9, 9, 9]);
    let old = is_older_than_1_1_1();
    for path in packages() {
        let ours = describe(&path);
        let what = path.file_name().unwrap().to_str().unwrap();
        let mut our_primary = Element::parse(&ours.primary_xml());
        if old {
            forget_transaction_scriptlets(&mut our_primary);
        }
        compare(what, &our_primary, &primary[ours.pkgid()]);
        compare(
            what,
            &Element::parse(&ours.filelists_xml()),
            &filelists[ours.pkgid()],
        );
        compare(what, &Element::parse(&ours.other_xml()), &other[ours.pkgid()]);
    }
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
