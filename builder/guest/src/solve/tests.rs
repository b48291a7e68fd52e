//! Answers of dnf as they are, and the real dnf of this machine.

use std::path::Path;
use std::process::Command;

use protocol::FailureKind;

use super::*;
use crate::failure::classify;

fn ran(code: i32, output: &str) -> Ran {
    Ran {
        code,
        output: output.to_owned(),
    }
}

/// dnf 4.14.
const TWO_PROBLEMS: &str = "Last metadata expiration check: 0:00:01 ago on Sat Nov 21 22:51:59 2026.
Error: 
 Problem 1: conflicting requests
  - nothing provides /bin/sh needed by bad-2-1.noarch
  - nothing provides no-such-library needed by bad-2-1.noarch
 Problem 2: conflicting requests
  - nothing provides /bin/sh needed by good-2-1.noarch
(try to add '--skip-broken' to skip uninstallable packages or '--nobest' to use not only best candidate packages)
";
const NO_UPGRADE: &str = "Error: 
 Problem: cannot install the best update candidate for package bad-1-1.noarch
  - nothing provides no-such-library needed by bad-2-1.noarch
(try to add '--skip-broken' to skip uninstallable packages or '--nobest' to use not only best candidate packages)
";
/// As dnf 5's documentation and issues show it.
const DNF5: &str = "Updating and loading repositories:
Repositories loaded.
Failed to resolve the transaction:
Problem: conflicting requests
  - nothing provides no-such-library needed by bad-2-1.noarch from snapshot
You can try to add to command line:
  --skip-broken to skip uninstallable packages
";

#[test]
fn dnfs_reasons_are_read() {
    for (text, words) in [
        (
            TWO_PROBLEMS,
            "nothing provides /bin/sh needed by bad-2-1.noarch; nothing provides no-such-library needed by bad-2-1.noarch; \
             nothing provides /bin/sh needed by good-2-1.noarch",
        ),
        (
            NO_UPGRADE,
            "cannot install the best update candidate for package bad-1-1.noarch; nothing provides no-such-library needed \
             by bad-2-1.noarch",
        ),
        (
            DNF5,
            "nothing provides no-such-library needed by bad-2-1.noarch from snapshot",
        ),
        (
            "No match for argument: nope-1-1.noarch\nError: Unable to find a match: nope-1-1.noarch\n",
            "No match for argument: nope-1-1.noarch",
        ),
        (
            "Error: \n Problem: conflicting requests\n",
            "conflicting requests",
        ),
    ] {
        let answer = read(&ran(1, text), "install").unwrap();
        assert_eq!(answer, Answer::Not(words.to_owned()));
    }
}

#[test]
fn a_solution_is_no_failure_and_trouble_is_no_verdict() {
    for text in [
        "Transaction Summary\nInstall  1 Package\nOperation aborted.\n",
        "Is this ok [y/N]: \nOperation aborted by the user.\n",
    ] {
        assert_eq!(read(&ran(1, text), "upgrade").unwrap(), Answer::Resolves);
    }
    let nothing = read(
        &ran(0, "Dependencies resolved.\nNothing to do.\nComplete!\n"),
        "upgrade",
    );
    assert!(matches!(nothing.unwrap(), Answer::Not(_)));
    for text in [
        "Error: Failed to download metadata for repo 'a-0': Cannot download repomd.xml",
        "Traceback (most recent call last):\nMemoryError",
        "",
    ] {
        let failure = classify(read(&ran(1, text), "install").unwrap_err());
        assert_eq!(failure.kind, FailureKind::Builder, "{text}");
    }
}

#[test]
fn hostile_words_are_cut() {
    let long = format!("Error:\n Problem: {}\u{1b}[31m\n", "x".repeat(5_000));
    let Answer::Not(words) = read(&ran(1, &long), "install").unwrap() else {
        panic!("a problem is no solution");
    };
    assert!(words.len() <= WORDS && !words.contains('\u{1b}'));
}

/// Packages of these specs, in a repository for the real dnf.
struct Bench {
    dir: tempfile::TempDir,
}

fn command(argv: &[&str]) {
    let output = Command::new(argv[0]).args(&argv[1..]).output().unwrap();
    assert!(
        output.status.success(),
        "{argv:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

impl Bench {
    fn new(packages: &[(&str, &str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        for (name, version, more) in packages {
            let spec = path.join("x.spec");
            let text = format!(
                "Name: {name}\nVersion: {version}\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n{more}\n\
                 %description\nx\n%pre -p <lua>\nerror(\"something ran\")\n%files\n"
            );
            fs::write(&spec, text).unwrap();
            let define = format!("_rpmdir {}/repo", path.display());
            let spec = spec.display().to_string();
            command(&["rpmbuild", "--quiet", "-bb", "--define", &define, &spec]);
        }
        command(&["createrepo_c", "--quiet", &format!("{}/repo", path.display())]);
        fs::create_dir(path.join("repos")).unwrap();
        let repo = format!(
            "[x]\nname=x\nbaseurl=file://{}/repo\ngpgcheck=0\n",
            path.display()
        );
        fs::write(path.join("repos/x.repo"), repo).unwrap();
        fs::write(path.join("dnf.conf"), crate::root::DNF_CONF).unwrap();
        Self { dir }
    }

    fn package(&self, nevr: &str) -> PathBuf {
        self.dir.path().join(format!("repo/noarch/{nevr}.noarch.rpm"))
    }

    fn upgrade(&self, name: &str) -> Upgrade {
        Upgrade {
            from: format!("{name}-0:1-1.noarch"),
            to: format!("{name}-0:2-1.noarch"),
            header: self.package(&format!("{name}-1-1")),
        }
    }

    fn check(&self, packages: &[&str], upgrades: &[Upgrade]) -> Result<(), (FailureKind, String)> {
        let at = |name: &str| Path::new(self.dir.path()).join(name);
        let mut solver = Solver {
            program: "dnf",
            root: at("root"),
            cache: at("cache"),
            repositories: at("repos"),
            config: at("dnf.conf"),
            releasever: "12".to_owned(),
            run: |argv: &[String]| {
                let output = Command::new(&argv[0])
                    .args(&argv[1..])
                    .env("LC_ALL", "C.UTF-8")
                    .output()?;
                let text = [output.stdout, output.stderr].concat();
                Ok(Ran {
                    code: output.status.code().unwrap_or(-1),
                    output: String::from_utf8_lossy(&text).into_owned(),
                })
            },
        };
        let packages: Vec<String> = packages.iter().map(|p| format!("{p}.noarch")).collect();
        solver.check(&packages, upgrades).map_err(|error| {
            let failure = classify(error);
            (failure.kind, failure.message)
        })
    }
}

#[test]
fn the_real_dnf_is_asked() {
    let bench = Bench::new(&[
        ("good", "1", ""),
        ("good", "2", "Requires: more"),
        ("more", "1", ""),
        ("bad", "1", ""),
        ("bad", "2", "Requires: no-such-library"),
        ("left", "1", "Conflicts: right"),
        ("right", "1", "Conflicts: left"),
    ]);
    let fine = bench.check(&["good-0:2-1", "more-0:1-1"], &[bench.upgrade("good")]);
    assert_eq!(fine, Ok(()));
    // Alternatives exclude each other, and either can be installed.
    assert_eq!(bench.check(&["left-0:1-1", "right-0:1-1"], &[]), Ok(()));
    let (kind, message) = bench
        .check(
            &["good-0:2-1", "bad-0:2-1"],
            &[bench.upgrade("good"), bench.upgrade("bad")],
        )
        .unwrap_err();
    assert_eq!(kind, FailureKind::Uninstallable);
    assert_eq!(
        message,
        "bad-0:2-1.noarch cannot be installed: nothing provides no-such-library needed by bad-2-1.noarch; \
         bad-0:1-1.noarch cannot be upgraded to bad-0:2-1.noarch: cannot install the best update candidate for package \
         bad-1-1.noarch; nothing provides no-such-library needed by bad-2-1.noarch"
    );
    // What is newer in the repository is what machines get: dnf does not go to the older one.
    let back = Upgrade {
        from: "good-0:2-1.noarch".to_owned(),
        to: "good-0:1-1.noarch".to_owned(),
        header: bench.package("good-2-1"),
    };
    assert!(bench.check(&["good-0:1-1"], &[back]).is_err());
}
