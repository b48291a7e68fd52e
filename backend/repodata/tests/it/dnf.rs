//! dnf installs from our metadata: that makecache is content proves nothing.

use std::path::Path;
use std::process::Command;

use repodata::{Compression, RepomdInfo, RepositoryBuilder};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::signing::Key;
use crate::support::{self, describe, package, packages, run};

const FILLERS: usize = 1100;

/// A repository of signed packages, with enough others around them to fill several buckets.
fn publish(folder: &Path, compression: Compression, key: &Key) {
    let mut builder = RepositoryBuilder::new(compression);
    let filler = describe(&package("beta", "noarch.rpm")).fragments();
    for number in 0..FILLERS {
        let mut one = filler.clone();
        one.pkgid = hex::encode(Sha256::digest(number.to_string()));
        for xml in [&mut one.primary, &mut one.filelists, &mut one.other] {
            *xml = xml.replace(&filler.pkgid, &one.pkgid);
            *xml = xml.replace(">beta<", &format!(">filler-{number}<"));
            *xml = xml.replace("name=\"beta\"", &format!("name=\"filler-{number}\""));
        }
        builder.add(&one).unwrap();
    }
    for path in packages() {
        let signed = folder.join(path.file_name().unwrap());
        key.sign(&path, &signed);
        builder.add(&describe(&signed).fragments()).unwrap();
    }
    let repository = builder
        .finish(&RepomdInfo {
            revision: "1".to_owned(),
            ..RepomdInfo::default()
        })
        .unwrap();
    let repodata = folder.join("repodata");
    fs_err::create_dir(&repodata).unwrap();
    for file in &repository.files {
        fs_err::write(repodata.join(&file.name), &file.bytes).unwrap();
    }
    fs_err::write(repodata.join("repomd.xml"), &repository.repomd).unwrap();
}

fn dnf(root: &Path, repository: &Path, key: &Key) -> Command {
    let mut dnf = support::dnf(root, repository);
    dnf.arg("--setopt=ours.gpgcheck=1");
    dnf.arg(format!("--setopt=ours.gpgkey=file://{}", key.public().display()));
    dnf
}

#[test]
fn dnf_installs_from_it() {
    let key = Key::new("rsa2048");
    for compression in [Compression::Zstd, Compression::Gzip] {
        let (root, repository) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        publish(repository.path(), compression, &key);
        let (root, repository) = (root.path(), repository.path());
        let dnf = || dnf(root, repository, &key);
        run(dnf().arg("makecache"));
        let names = run(dnf().args(["-q", "repoquery", "--qf", "NEVRA %{name}-%{evr}.%{arch}"]));
        let listed = names.lines().filter(|line| line.starts_with("NEVRA ")).count();
        assert_eq!(listed, FILLERS + packages().len());
        assert!(names.contains("NEVRA alpha-2:1.0~rc1^git5-3.x86_64"), "{names}");
        let requires = run(dnf().args(["-q", "repoquery", "--requires", "alpha"]));
        assert!(
            requires.contains("python(abi) = 3.14\n") && !requires.contains("rpmlib("),
            "{requires}"
        );
        assert!(requires.contains("(foo if bar)\n"), "{requires}");
        let owner = run(dnf().args(["-q", "repoquery", "--file", "/usr/share/gamma/file"]));
        assert!(owner.contains("gamma-0:3^20250101-1.noarch"), "{owner}");
        let changes = run(dnf().args(["-q", "repoquery", "--changelogs", "alpha"]));
        assert!(changes.contains("Fifteen & <more>"), "{changes}");
        run(dnf().args(["install", "gamma"]));
        let installed = run(Command::new("rpm")
            .arg("--root")
            .arg(root)
            .args(["-q", "gamma", "beta"]));
        assert_eq!(installed, "gamma-3^20250101-1.noarch\nbeta-1.2-1.noarch\n");
        assert!(root.join("usr/share/gamma/file").exists());
    }
}
