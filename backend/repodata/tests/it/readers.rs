//! Everybody who reads metadata reads the same packages in ours.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use repodata::forge::sample;
use repodata::{Compression, Package, PackageFile, RepomdInfo, RepositoryBuilder, RpmFile};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::support::{describe, packages, run};

const FILLERS: usize = 1100;

/// A repository of several buckets, whose packages are in its metadata only, and their names: `name evr arch`.
fn publish(folder: &Path, compression: Compression) -> BTreeSet<String> {
    let mut builder = RepositoryBuilder::new(compression).bucket_size(100);
    let filler = |number: usize| {
        let bytes = sample(number).unwrap();
        let rpm = RpmFile::parse(&bytes, bytes.len() as u64).unwrap();
        let file = PackageFile {
            sha256_hex: hex::encode(Sha256::digest(&bytes)),
            size: bytes.len() as u64,
            mtime: 1_700_000_000,
            location_href: format!("Packages/{number}.rpm"),
            location_base: None,
        };
        Package::from_rpm(&rpm, file).unwrap()
    };
    let all = (0..FILLERS)
        .map(filler)
        .chain(packages().into_iter().map(|path| describe(&path)));
    let mut names = BTreeSet::new();
    for package in all {
        builder.add(&package.fragments()).unwrap();
        let nevra = package.nevra();
        names.insert(format!("{} {} {}", nevra.name, nevra.evr(), nevra.arch));
    }
    let info = RepomdInfo {
        revision: "1".to_owned(),
        ..RepomdInfo::default()
    };
    let repository = builder.finish(&info).unwrap();
    fs_err::create_dir(folder.join("repodata")).unwrap();
    for file in &repository.files {
        fs_err::write(folder.join("repodata").join(&file.name), &file.bytes).unwrap();
    }
    fs_err::write(folder.join("repodata/repomd.xml"), &repository.repomd).unwrap();
    names
}

fn for_both(check: impl Fn(&Path, Compression, &BTreeSet<String>)) {
    for compression in [Compression::Zstd, Compression::Gzip] {
        let folder = TempDir::new().unwrap();
        let names = publish(folder.path(), compression);
        assert_eq!(names.len(), FILLERS + packages().len());
        check(folder.path(), compression, &names);
    }
}

#[test]
fn zypper_does() {
    for_both(|folder, _, names| {
        let root = TempDir::new().unwrap();
        let zypper = |arguments: &[&str]| {
            // Where `deploy/test` unpacks it.
            let program = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/zypper/usr/bin/zypper");
            let mut zypper = Command::new(program);
            zypper
                .env("LC_ALL", "C.UTF-8")
                .args(["--non-interactive", "--no-gpg-checks", "--root"])
                .arg(root.path());
            run(zypper.args(arguments))
        };
        zypper(&[
            "addrepo",
            "--no-check",
            "--no-gpgcheck",
            folder.to_str().unwrap(),
            "ours",
        ]);
        zypper(&["refresh"]);
        let said = zypper(&[
            "--no-refresh",
            "search",
            "--details",
            "--type",
            "package",
            "--type",
            "srcpackage",
        ]);
        let rows = said.lines().filter(|line| line.contains("| ours"));
        let cells = rows.map(|row| row.split('|').map(str::trim).collect::<Vec<_>>());
        let arch = |c: &[&str]| {
            if c[2] == "srcpackage" {
                "src".to_owned()
            } else {
                c[4].to_owned()
            }
        };
        let read: BTreeSet<String> = cells.map(|c| format!("{} {} {}", c[1], c[3], arch(&c))).collect();
        assert_eq!(&read, names);
    });
}

#[test]
fn libsolv_does() {
    for_both(|folder, _, names| {
        let solv = folder.join("ours.solv");
        run(Command::new("repo2solv").arg("-o").arg(&solv).arg(folder));
        let said = run(Command::new("dumpsolv").arg(&solv));
        let value = |line: &str| {
            line.split_once(": ")
                .map(|(_, value)| value.trim().trim_matches('"').to_owned())
        };
        let (mut read, mut name, mut arch) = (BTreeSet::new(), String::new(), String::new());
        for line in said.lines() {
            let Some(value) = value(line) else { continue };
            if line.starts_with("solvable:name:") {
                name = value;
            } else if line.starts_with("solvable:arch:") {
                arch = value;
            } else if line.starts_with("solvable:evr:") {
                read.insert(format!("{name} {value} {arch}"));
            }
        }
        assert_eq!(&read, names);
        // And it solves with them.
        let case = folder.join("case");
        fs_err::write(
            &case,
            "repo ours 0 solv ours.solv\nrepo system 0 empty\nsystem x86_64 rpm system\njob install name gamma\n\
             result transaction,problems <inline>\n#>install beta-1.2-1.noarch@ours\n#>install gamma-3^20250101-1.noarch@ours\n",
        )
        .unwrap();
        run(Command::new("testsolv").arg(&case));
    });
}

/// Where the tests' virtual environment has it.
#[test]
fn createrepo_s_own_reader_does() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/venv/bin/python");
    let has_it = |python: &PathBuf| {
        let tried = Command::new(python).args(["-c", "import createrepo_c"]).output();
        tried.is_ok_and(|output| output.status.success())
    };
    if !has_it(&python) {
        return;
    }
    let program = r"
import sys, createrepo_c as c
folder = sys.argv[1] + '/'
where = {r.type: folder + r.location_href for r in c.Repomd(folder + 'repodata/repomd.xml').records}
def warn(kind, text): sys.exit(f'warning {kind}: {text}')
every = c.PackageIterator(primary_path=where['primary'], filelists_path=where['filelists'],
    other_path=where['other'], warningcb=warn)
for p in every:
    epoch = '' if p.epoch == '0' else p.epoch + ':'
    print(p.name, f'{epoch}{p.version}-{p.release}', p.arch, len(p.files), len(p.changelogs))
";
    for_both(|folder, _, names| {
        let said = run(Command::new(&python).args(["-c", program]).arg(folder));
        let row = |line: &str| {
            let cells: Vec<&str> = line.split(' ').collect();
            (cells[..3].join(" "), (cells[3].to_owned(), cells[4].to_owned()))
        };
        let rows: Vec<_> = said.lines().map(row).collect();
        let read: BTreeSet<String> = rows.iter().map(|(name, _)| name.clone()).collect();
        assert_eq!(&read, names);
        let whole = rows
            .iter()
            .filter(|(_, counts)| *counts == ("40".to_owned(), "10".to_owned()));
        assert_eq!(whole.count(), FILLERS);
    });
}

#[test]
fn debian_s_createrepo_does() {
    for_both(|folder, compression, names| {
        if compression == Compression::Zstd {
            // It knows no zstd at all.
            return;
        }
        let out = TempDir::new().unwrap();
        let mut merge = Command::new("mergerepo_c");
        merge.args([
            "--all",
            "--nogroups",
            "--noupdateinfo",
            "--omit-baseurl",
            "--compress-type=gz",
            "--repo",
        ]);
        run(merge
            .arg(folder)
            .arg("--outputdir")
            .arg(out.path())
            .env("LC_ALL", "C.UTF-8"));
        let merged = fs_err::read_dir(out.path().join("repodata"))
            .unwrap()
            .map(|e| e.unwrap().path());
        let primary = merged
            .into_iter()
            .find(|path| path.to_str().unwrap().ends_with("primary.xml.gz"))
            .unwrap();
        let open = repodata::decompress(Compression::Gzip, &fs_err::read(primary).unwrap(), 1 << 30).unwrap();
        let merged = crate::support::Element::parse(std::str::from_utf8(&open).unwrap());
        let name = |package: &crate::support::Element| {
            let version = package.child("version");
            let epoch = match version.attribute("epoch") {
                "0" => String::new(),
                epoch => format!("{epoch}:"),
            };
            let evr = format!("{epoch}{}-{}", version.attribute("ver"), version.attribute("rel"));
            format!(
                "{} {evr} {}",
                package.child("name").text,
                package.child("arch").text
            )
        };
        let read: BTreeSet<String> = merged.children.iter().map(name).collect();
        assert_eq!(&read, names);
    });
}
