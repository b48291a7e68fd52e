//! Mistakes that other engines make, each with a test of its own. That a tool is content with metadata proves nothing, so
//! where a client would fail there is a client here.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use repodata::forge::{Forge, Format, sample};
use repodata::{
    Buckets, Compression, Digest, Fragments, Package, PackageError, PackageFile, RpmFile, decompress,
    read_repomd, tag,
};
use tempfile::TempDir;

use crate::corpus::put;
use crate::signing::Key;
use crate::support::{Element, build, describe, dnf, package, read, run};

const NONE: [&str; 0] = [];

fn create(folder: &Path) -> String {
    run(Command::new(env!("CARGO_BIN_EXE_repodata"))
        .arg("create")
        .arg(folder))
}

/// One of the three files of a repository.
fn opened(folder: &Path, kind: &str) -> Element {
    let repomd = fs_err::read_to_string(folder.join("repodata/repomd.xml")).unwrap();
    let (_, records) = read_repomd(&repomd).unwrap();
    let record = records.iter().find(|record| record.kind == kind).unwrap();
    let bytes = fs_err::read(folder.join(&record.href)).unwrap();
    let open = decompress(Compression::Zstd, &bytes, 1 << 30).unwrap();
    Element::parse(std::str::from_utf8(&open).unwrap())
}

/// The packages of a repository by name, as its three files tell them.
fn names(buckets: &Buckets, frames: &HashMap<Digest, Vec<u8>>) -> Vec<Vec<String>> {
    let plans = buckets.files();
    let of = |plan: &repodata::FilePlan| {
        let mut bytes = Vec::new();
        plan.write(frames, &mut bytes).unwrap();
        let open = decompress(Compression::Zstd, &bytes, 1 << 30).unwrap();
        let metadata = Element::parse(std::str::from_utf8(&open).unwrap());
        let name = |package: &Element| match package.attributes.get("name") {
            Some(name) => name.clone(),
            None => package.child("name").text.clone(),
        };
        metadata.children.iter().map(name).collect()
    };
    plans.iter().map(of).collect()
}

fn described(name: &str) -> Fragments {
    let bytes = Forge::new(name).build(Format::V4).unwrap();
    let rpm = RpmFile::parse(&bytes, bytes.len() as u64).unwrap();
    let file = PackageFile {
        sha256_hex: hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&bytes)),
        size: bytes.len() as u64,
        mtime: 0,
        location_href: format!("{name}.rpm"),
        location_base: None,
    };
    Package::from_rpm(&rpm, file).unwrap().fragments()
}

#[test]
fn one_more_package_does_not_publish_only_that_one() {
    let mut frames = HashMap::new();
    let mut buckets = Buckets::new(Compression::Zstd).unwrap().bucket_size(2);
    let five: Vec<Fragments> = ["a", "b", "c", "d", "e"].map(described).into();
    buckets.change(&mut frames, &NONE, &five).unwrap();
    buckets.change(&mut frames, &NONE, &[described("f")]).unwrap();
    assert_eq!(
        names(&buckets, &frames),
        vec![vec!["a", "b", "c", "d", "e", "f"]; 3]
    );
}

#[test]
fn one_package_less_does_not_remove_all() {
    let mut frames = HashMap::new();
    let mut buckets = Buckets::new(Compression::Zstd).unwrap().bucket_size(2);
    let five: Vec<Fragments> = ["a", "b", "c", "d", "e"].map(described).into();
    buckets.change(&mut frames, &NONE, &five).unwrap();
    buckets.change(&mut frames, &[&five[2].pkgid], &[]).unwrap();
    assert_eq!(names(&buckets, &frames), vec![vec!["a", "b", "d", "e"]; 3]);
    let rest: Vec<&str> = five.iter().map(|one| one.pkgid.as_str()).collect();
    buckets.change(&mut frames, &rest, &[]).unwrap();
    assert_eq!(names(&buckets, &frames), vec![Vec::<String>::new(); 3]);
}

#[test]
fn a_location_is_text_and_not_numbers() {
    let primary = Element::parse(&describe(&package("alpha-1", "x86_64.rpm")).primary_xml());
    assert_eq!(
        primary.child("location").attribute("href"),
        "alpha-1.0~rc1^git5-3.x86_64.rpm"
    );
}

#[test]
fn comparisons_have_names() {
    let mut forge = Forge::new("flags");
    let all =
        [("lt", 2), ("gt", 4), ("eq", 8), ("le", 10), ("ge", 12)].map(|(name, flags)| (name, flags, "1"));
    forge.dependencies(
        [tag::REQUIRE_NAME, tag::REQUIRE_FLAGS, tag::REQUIRE_VERSION],
        &all,
    );
    let folder = TempDir::new().unwrap();
    let primary = Element::parse(&describe(&put(&forge, Format::V4, folder.path(), "flags")).primary_xml());
    for entry in &primary.child("format").child("rpm:requires").children {
        assert_eq!(entry.attribute("flags"), entry.attribute("name").to_uppercase());
    }
    // And dnf compares with them.
    create(folder.path());
    let root = TempDir::new().unwrap();
    let said = run(dnf(root.path(), folder.path()).args(["-q", "repoquery", "--requires", "flags"]));
    let mut said: Vec<&str> = said.lines().collect();
    said.sort_unstable();
    assert_eq!(said, ["eq = 1", "ge >= 1", "gt > 1", "le <= 1", "lt < 1"]);
}

/// `python(abi) = 3.14-` is nobody's version.
#[test]
fn a_dependency_without_release_has_none() {
    let primary = Element::parse(&describe(&package("alpha-1", "x86_64.rpm")).primary_xml());
    let requires = primary.child("format").child("rpm:requires");
    for entry in &requires.children {
        assert_ne!(
            entry.attributes.get("rel").map(String::as_str),
            Some(""),
            "{entry:?}"
        );
        assert_eq!(
            entry.attributes.contains_key("flags"),
            entry.attributes.contains_key("epoch"),
            "{entry:?}"
        );
    }
    let abi = requires
        .children
        .iter()
        .find(|entry| entry.attribute("name") == "python(abi)")
        .unwrap();
    assert_eq!((abi.attribute("epoch"), abi.attribute("ver")), ("0", "3.14"));
}

#[test]
fn what_scriptlets_need_is_marked() {
    let primary = Element::parse(&describe(&package("alpha-1", "x86_64.rpm")).primary_xml());
    let requires = &primary.child("format").child("rpm:requires").children;
    for name in ["shadow-tool", "after-all", "before-all"] {
        let entry = requires
            .iter()
            .find(|entry| entry.attribute("name") == name)
            .unwrap();
        assert_eq!(entry.attribute("pre"), "1", "{name}");
    }
}

#[test]
fn repetitions_and_rpmlib_and_what_the_package_has_are_left_out() {
    let primary = Element::parse(&describe(&package("alpha-1", "x86_64.rpm")).primary_xml());
    let requires = &primary.child("format").child("rpm:requires").children;
    // As createrepo_c sees it: what was said of that name before.
    let mut last = HashMap::new();
    for entry in requires {
        let before = last.insert(entry.attribute("name"), entry);
        assert_ne!(before, Some(entry), "it is there twice");
        let name = entry.attribute("name");
        assert!(!name.starts_with("rpmlib(") && name != "/usr/bin/alpha", "{name}");
        assert!(
            name != "alpha-virtual" || entry.attribute("flags") != "EQ",
            "{entry:?}"
        );
    }
}

#[test]
fn the_header_is_where_it_is_said_to_be() {
    for path in [package("alpha-1", "x86_64.rpm"), package("beta", "src.rpm")] {
        let (rpm, bytes) = read(&path);
        let primary = Element::parse(&describe(&path).primary_xml());
        let range = primary.child("format").child("rpm:header-range");
        let [start, end]: [usize; 2] = ["start", "end"].map(|name| range.attribute(name).parse().unwrap());
        assert_eq!(&bytes[start..end], rpm.header().as_bytes());
        let said = run(Command::new("rpm")
            .args(["-qp", "--qf", "%{longsigsize}"])
            .arg(&path));
        assert_eq!(
            said,
            (bytes.len() - start).to_string(),
            "rpm counts from there too"
        );
    }
}

#[test]
fn sizes_of_archive_and_installation_are_there() {
    let path = package("gamma", "noarch.rpm");
    let primary = Element::parse(&describe(&path).primary_xml());
    let size = primary.child("size");
    let said = run(Command::new("rpm")
        .args(["-qp", "--qf", "%{longsize} %{longarchivesize}"])
        .arg(&path));
    assert_eq!(
        said,
        format!("{} {}", size.attribute("installed"), size.attribute("archive"))
    );
    assert!(size.attribute("archive").parse::<u64>().unwrap() > 100_000);
}

#[test]
fn the_time_of_a_file_is_that_of_its_change() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("beta.rpm");
    fs_err::copy(package("beta", "noarch.rpm"), &path).unwrap();
    let then = UNIX_EPOCH + Duration::from_secs(1_234_567_890);
    fs_err::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .into_parts()
        .0
        .set_modified(then)
        .unwrap();
    create(folder.path());
    let primary = opened(folder.path(), "primary");
    assert_eq!(
        primary.child("package").child("time").attribute("file"),
        "1234567890"
    );
}

#[test]
fn the_newest_change_is_the_last() {
    let other = Element::parse(&describe(&package("alpha-1", "x86_64.rpm")).other_xml());
    let changes: Vec<&Element> = other
        .children
        .iter()
        .filter(|child| child.name == "changelog")
        .collect();
    assert_eq!(changes.len(), 10);
    assert_eq!(changes.last().unwrap().text, "- Fifteen & <more>");
    assert!(changes.is_sorted_by(|a, b| a.attribute("date") < b.attribute("date")));
}

#[test]
fn packager_and_vendor_are_named_even_when_nobody_is() {
    let primary = Element::parse(&describe(&package("alpha-1", "x86_64.rpm")).primary_xml());
    assert_eq!(primary.child("packager").text, "Ü <u@example.org>");
    assert_eq!(primary.child("format").child("rpm:vendor").text, "Example & Sons");
    let primary = Element::parse(&describe(&package("beta", "noarch.rpm")).primary_xml());
    assert_eq!(primary.child("packager").text, "");
    assert_eq!(primary.child("format").child("rpm:vendor").text, "");
}

/// A cache by path would keep the checksum of what was there before.
#[test]
fn a_package_that_is_signed_anew_has_a_new_checksum() {
    let (folder, root) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (old, new) = (Key::new("rsa2048"), Key::new("rsa2048"));
    let path = folder.path().join("beta-1.2-1.noarch.rpm");
    let mut sums = Vec::new();
    for key in [&old, &new] {
        key.sign(&package("beta", "noarch.rpm"), &path);
        create(folder.path());
        let primary = opened(folder.path(), "primary");
        let sum = primary.child("package").child("checksum").text.clone();
        let bytes = fs_err::read(&path).unwrap();
        assert_eq!(sum, hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&bytes)));
        sums.push(sum);
    }
    assert_ne!(sums[0], sums[1]);
    // The checksum is that of the signed file: dnf takes it, and then its signature.
    let mut install = dnf(root.path(), folder.path());
    install.arg("--setopt=ours.gpgcheck=1");
    install.arg(format!("--setopt=ours.gpgkey=file://{}", new.public().display()));
    run(install.args(["install", "beta"]));
    assert!(root.path().join("usr/share/beta/file").exists());
}

#[test]
fn a_name_that_leaves_the_folder_is_refused() {
    let (rpm, bytes) = read(&package("beta", "noarch.rpm"));
    for href in [
        "/etc/cron.d/x",
        "../x.rpm",
        "a/../../x.rpm",
        "http://example.org/x.rpm",
    ] {
        let file = PackageFile {
            sha256_hex: "0".repeat(64),
            size: bytes.len() as u64,
            mtime: 0,
            location_href: href.to_owned(),
            location_base: None,
        };
        let error = Package::from_rpm(&rpm, file).unwrap_err();
        assert!(matches!(error, PackageError::Location(_)), "{href}: {error}");
    }
}

/// Others stop for ever at 1 026.
#[test]
fn more_than_1026_packages_are_no_end() {
    let (folder, root) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for number in 0..1100 {
        fs_err::write(
            folder.path().join(format!("{number}.rpm")),
            sample(number).unwrap(),
        )
        .unwrap();
    }
    assert_eq!(create(folder.path()), "1100 packages\n");
    for kind in ["primary", "filelists", "other"] {
        assert_eq!(opened(folder.path(), kind).children.len(), 1100, "{kind}");
    }
    let said = run(dnf(root.path(), folder.path()).args(["-q", "repoquery", "--qf", "PKG %{name}"]));
    assert_eq!(said.lines().filter(|line| line.starts_with("PKG ")).count(), 1100);
}

#[test]
fn it_can_be_run_again_and_again() {
    let folder = TempDir::new().unwrap();
    build("beta", folder.path(), &[]);
    for _ in 0..3 {
        assert_eq!(create(folder.path()), "2 packages\n");
        run(Command::new(env!("CARGO_BIN_EXE_repodata"))
            .arg("check")
            .arg(folder.path()));
    }
    let mut left: Vec<_> = fs_err::read_dir(folder.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["beta-1.2-1.noarch.rpm", "beta-1.2-1.src.rpm", "repodata"]);
}
