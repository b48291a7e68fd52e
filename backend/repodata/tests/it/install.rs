//! Packages are really installed, upgraded and removed by dnf, from metadata that the program made.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use repodata::forge::{Forge, Format};
use tempfile::TempDir;

use crate::corpus::put;
use crate::support::{build, dnf, run, text, try_run};

/// A repository in a folder, and a system that has nothing but it.
struct Machine {
    root: TempDir,
    repository: TempDir,
}

impl Machine {
    fn new() -> Machine {
        let (root, repository) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        Machine { root, repository }
    }

    fn folder(&self) -> &Path {
        self.repository.path()
    }

    fn publish(&self) {
        run(Command::new(env!("CARGO_BIN_EXE_repodata"))
            .arg("create")
            .arg(self.folder()));
    }

    fn dnf(&self, arguments: &[&str]) -> Output {
        let mut dnf = dnf(self.root.path(), self.folder());
        dnf.args(["--nogpgcheck", "--setopt=multilib_policy=all"]);
        try_run(dnf.args(arguments))
    }

    /// Runs dnf to success.
    fn does(&self, arguments: &[&str]) -> String {
        let output = self.dnf(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        text(&output)
    }

    /// All packages that are installed, sorted.
    fn installed(&self) -> Vec<String> {
        let rpm = || {
            let mut rpm = Command::new("rpm");
            rpm.env("LC_ALL", "C.UTF-8").arg("--root").arg(self.root.path());
            rpm
        };
        let said = run(rpm().args(["-qa", "--qf", "%{name}\n"]));
        let mut names: Vec<String> = said.lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    fn query(&self, format: &str, name: &str) -> String {
        run(Command::new("rpm")
            .arg("--root")
            .arg(self.root.path())
            .args(["-q", "--qf", format, name]))
    }

    /// What scriptlets wrote since the last time.
    fn log(&self) -> Vec<String> {
        let path = self.root.path().join("log");
        let lines = fs_err::read_to_string(&path)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        fs_err::remove_file(path).unwrap();
        lines
    }
}

#[test]
fn scriptlets_run_and_triggers_fire() {
    let machine = Machine::new();
    build("shell", machine.folder(), &["_build_id_links none"]);
    build("acting", machine.folder(), &[]);
    machine.publish();
    machine.does(&["install", "acting", "acting-watching"]);
    assert_eq!(
        machine.installed(),
        ["acting", "acting-watching", "shell", "tool"]
    );
    let log = machine.log();
    let at = |what: &str| {
        let at = log.iter().position(|line| line == what);
        at.unwrap_or_else(|| panic!("{what}: {log:?}"))
    };
    // That the tool was there is what `pre` in the metadata and in the header is for.
    let order = ["pretrans 1", "pre 1 1", "post 1 1", "posttrans 1"].map(at);
    assert!(order.is_sorted(), "{log:?}");
    for fired in [
        "triggerin 1 1",
        "filetriggerin /usr/share/acting/file-1",
        "transfiletriggerin /usr/share/acting/file-1",
    ] {
        at(fired);
    }

    build("acting", machine.folder(), &["number 2"]);
    machine.publish();
    machine.does(&["upgrade", "acting"]);
    let log = machine.log();
    for line in [
        "pre 2 2",
        "filetriggerin /usr/share/acting/file-2",
        "post 2 2",
        "triggerin 1 2",
        "triggerun 1 1",
        "preun 1 1",
        "postun 1 1",
        "triggerpostun 1 1",
        "transfiletriggerpostun",
    ] {
        assert!(log.iter().any(|l| l == line), "{line}: {log:?}");
    }
    assert_eq!(machine.query("%{version}", "acting"), "2");

    machine.does(&["remove", "acting"]);
    let log = machine.log();
    for line in ["preun 2 0", "postun 2 0"] {
        assert!(log.iter().any(|l| l == line), "{line}: {log:?}");
    }
}

#[test]
fn rich_dependencies_resolve() {
    let machine = Machine::new();
    build("resolving", machine.folder(), &[]);
    machine.publish();
    machine.does(&["install", "resolving", "--setopt=install_weak_deps=False"]);
    let without = ["both-a", "both-b", "choice-two", "old-versioned", "resolving"];
    assert_eq!(machine.installed(), without);
    machine.does(&["install", "packs", "--setopt=install_weak_deps=False"]);
    let with = [
        "both-a",
        "both-b",
        "choice-two",
        "lang-b",
        "old-versioned",
        "packs",
        "resolving",
    ];
    assert_eq!(machine.installed(), with);
    // And what must not be together is not.
    let refused = machine.dnf(&["install", "unwilling"]);
    assert!(
        !refused.status.success() && text(&refused).contains("conflict"),
        "{}",
        text(&refused)
    );
    let refused = machine.dnf(&[
        "remove",
        "--noautoremove",
        "--setopt=protected_packages=resolving",
        "choice-two",
    ]);
    assert!(!refused.status.success(), "{}", text(&refused));
    machine.does(&["install", "outdated"]);
    let installed = machine.installed();
    let is_there = |name: &str| installed.iter().any(|n| n == name);
    assert!(is_there("replacing") && !is_there("outdated"), "{installed:?}");
}

#[test]
fn weak_dependencies_are_followed_forwards_and_backwards() {
    let machine = Machine::new();
    build("resolving", machine.folder(), &[]);
    machine.publish();
    machine.does(&["install", "resolving", "packs"]);
    let installed = machine.installed();
    for name in ["recommended", "rich-recommended", "supplementing"] {
        assert!(installed.iter().any(|n| n == name), "{name}: {installed:?}");
    }
    for name in ["suggested", "enhancing"] {
        assert!(!installed.iter().any(|n| n == name), "{name}: {installed:?}");
    }
    for (kind, expected) in [
        ("--suggests", "suggested"),
        ("--recommends", "(rich-recommended if packs)"),
    ] {
        let said = machine.does(&["-q", "repoquery", kind, "resolving"]);
        assert!(said.contains(expected), "{said}");
    }
    for (option, package) in [
        ("--whatenhances", "enhancing"),
        ("--whatsupplements", "supplementing"),
    ] {
        let said = machine.does(&["-q", "repoquery", option, "resolving"]);
        assert!(said.contains(package), "{said}");
    }
}

#[test]
fn names_and_files_beyond_ascii_are_found_and_installed() {
    let machine = Machine::new();
    build("resolving", machine.folder(), &[]);
    machine.publish();
    machine.does(&["install", "größe"]);
    assert!(machine.root.path().join("usr/share/ünïcödé <&> file").exists());
    let owner = machine.does(&["-q", "repoquery", "--file", "/usr/share/ünïcödé <&> file"]);
    assert!(owner.contains("foreign-0:1-1.noarch"), "{owner}");
}

#[test]
fn epoch_tilde_and_caret_order_upgrades() {
    let machine = Machine::new();
    let steps = [
        ("1.0~rc1", "1", ""),
        ("1.0~rc1", "2", ""),
        ("1.0", "0.1", ""),
        ("1.0^git1", "1", ""),
        ("1.0.1", "1", ""),
        ("0.5~", "1", "1"),
        ("0.5", "1^post", "1"),
    ];
    for (version, release, epoch) in steps {
        let mut defines = vec![format!("version_tag {version}"), format!("release_tag {release}")];
        if !epoch.is_empty() {
            defines.push(format!("epoch_tag {epoch}"));
        }
        let defines: Vec<&str> = defines.iter().map(String::as_str).collect();
        build("ordered", machine.folder(), &defines);
        machine.publish();
        let verb = if machine.root.path().join("var").exists() {
            "upgrade"
        } else {
            "install"
        };
        machine.does(&[verb, "ordered"]);
        let epoch = if epoch.is_empty() { "(none)" } else { epoch };
        assert_eq!(
            machine.query("%{epoch}:%{version}-%{release}", "ordered"),
            format!("{epoch}:{version}-{release}")
        );
    }
}

#[test]
fn two_colours_of_a_file_are_no_conflict() {
    let machine = Machine::new();
    build("coloured", machine.folder(), &["_target_cpu x86_64"]);
    let two = ["class 1", "machine 003"];
    crate::support::build_for("coloured", machine.folder(), "i686", &two);
    machine.publish();
    machine.does(&["install", "coloured.x86_64", "coloured.i686"]);
    assert_eq!(machine.installed(), ["coloured", "coloured"]);
    let kept = fs_err::read(machine.root.path().join("usr/bin/coloured")).unwrap();
    assert_eq!(kept[4], 2, "the program of 64 bits is preferred");
}

#[test]
fn a_package_of_rpm_6_is_installed() {
    let machine = Machine::new();
    put(&Forge::new("six"), Format::V6, machine.folder(), "six");
    machine.publish();
    machine.does(&["install", "six"]);
    assert_eq!(machine.installed(), ["six"]);
}

#[test]
fn a_hundred_thousand_files_are_listed() {
    let machine = Machine::new();
    put(&crate::corpus::many_files(), Format::V4, machine.folder(), "many");
    machine.publish();
    let said = machine.does(&["-q", "repoquery", "-l", "many-files"]);
    assert_eq!(
        said.lines()
            .filter(|line| line.starts_with("/usr/share/many/"))
            .count(),
        100_000
    );
    let owner = machine.does(&["-q", "repoquery", "--file", "/usr/share/many/099/file-099999"]);
    assert!(owner.contains("many-files-0:1-1.noarch"), "{owner}");
}

/// A repository that is made anew after each change: what was in it is in it, and what came can be installed.
#[test]
fn a_package_more_or_less_takes_nothing_with_it() {
    let machine = Machine::new();
    build("resolving", machine.folder(), &[]);
    machine.publish();
    let names = |machine: &Machine| -> Vec<PathBuf> {
        let said = machine.does(&["-q", "repoquery", "--qf", "PKG %{location}"]);
        let all = said.lines().filter_map(|line| line.strip_prefix("PKG "));
        all.filter(|href| !href.contains(".src."))
            .map(PathBuf::from)
            .collect()
    };
    let before = names(&machine);
    assert_eq!(before.len(), 17);
    build("ordered", machine.folder(), &["version_tag 1", "release_tag 1"]);
    machine.publish();
    assert_eq!(names(&machine).len(), 18);
    machine.does(&["install", "ordered", "packs"]);
    fs_err::remove_file(machine.folder().join("ordered-1-1.noarch.rpm")).unwrap();
    machine.publish();
    assert_eq!(names(&machine), before);
}
