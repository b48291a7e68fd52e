//! Proves with the real programs that the distribution of a chroot works:
//! `prove <definition.toml> <cache folder>`, as root, because it changes roots and mounts (in a mount namespace of
//! its own).
//!
//! It installs the build root as `dnf --installroot` does for the builder, compiles, installs build requirements and
//! builds a package as an ordinary user in there, then installs that package into a small root as an end user would.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::{Context, bail, ensure};
use debian_chroot::{ChrootFile, Recipe};

const SPEC: &str = "\
Name: tiny
Version: 1
Release: 1%{?dist}
Summary: The smallest program that links the C library and zlib
License: MIT
BuildRequires: gcc, make, glibc-devel, zlib-devel, pkgconfig(zlib), gettext
%description
%{summary}.
%build
printf '#include <stdio.h>\\n#include <zlib.h>\\nint main(void) { puts(zlibVersion()); }\\n' > tiny.c
printf 'tiny: tiny.c\\n\\t$(CC) $(CFLAGS) -o $@ $< -lz\\n' > Makefile
%make_build CC=cc CFLAGS='%{optflags}'
%install
install -D tiny %{buildroot}%{_bindir}/tiny
install -D tiny.c %{buildroot}%{_libdir}/tiny.c
%files
%{_bindir}/tiny
%{_libdir}/tiny.c
";

/// What has to succeed in the build root, in order.
const BUILD_ROOT: [(&str, &str); 8] = [
    (
        "a program compiles and runs",
        "cd /tmp && echo 'int main(void) { return 0; }' > a.c && gcc a.c && ./a.out",
    ),
    (
        "the database is where rpm looks",
        "rpm -qa | wc -l; rpm -q bash && rpm -q --whatprovides rpm-build glibc-devel which",
    ),
    (
        "rpm finds nothing changed",
        "rpm -Va --nomtime > /tmp/changed || true; ! grep -v ' c /etc/' /tmp/changed",
    ),
    (
        "rpmbuild, dnf and dnf's module start",
        "rpmbuild --version && dnf --version | head -1 && python3 -c 'import dnf'",
    ),
    (
        "macros are the distribution's",
        "rpm --eval '%dist %_dbpath %_libdir' | grep -x '.deb12 /var/lib/rpm /usr/lib/x86_64-linux-gnu'",
    ),
    (
        "links of the alternatives work",
        "cc --version | head -1; awk 'BEGIN { print \"awk\" }' && which sh && test -s /etc/ssl/certs/ca-certificates.crt",
    ),
    (
        "dnf builddep installs build requirements",
        "dnf -q -y builddep /srv/tiny.spec && rpm -q zlib1g-dev gettext",
    ),
    (
        "an ordinary user builds a package",
        "useradd -m builder && runuser -u builder -- rpmbuild -D '_topdir /home/builder/rpmbuild' -bb /srv/tiny.spec 2>&1 | tail -3 && ls /home/builder/rpmbuild/RPMS/x86_64/tiny-1-1.deb12.x86_64.rpm",
    ),
];

fn main() -> anyhow::Result<()> {
    let mut args = env::args().skip(1);
    let definition = PathBuf::from(args.next().context("first argument: the chroot's definition")?);
    let cache = PathBuf::from(args.next().context("second argument: the cache folder")?);
    let chroot = ChrootFile::parse(&definition, &fs::read_to_string(&definition)?)?;
    let recipe = Recipe::from_chroot(&chroot).context("the chroot has no recipe")?;
    let repository = debian_chroot::ensure(&recipe, &cache, &|line| println!("{line}"))?.repo_dir;
    let work = tempfile::tempdir()?;
    let home = work.path().join("home");
    fs::create_dir(&home)?;
    // Debian's own rpm would put the database into the home folder of the root.
    fs::write(home.join(".rpmmacros"), "%_dbpath /var/lib/rpm\n")?;

    let host = Host {
        home,
        work: work.path().to_owned(),
        version: chroot.version.clone(),
    };
    names(&host, &repository)?;
    let root = work.path().join("root");
    host.install(&root, &[("debian", &repository)], &chroot.buildroot.packages)?;
    copy(&repository, &root.join("srv/repo"))?;
    fs::create_dir_all(root.join("etc/yum.repos.d"))?;
    let repo = "[debian]\nname=Debian\nbaseurl=file:///srv/repo\ngpgcheck=0\n";
    fs::write(root.join("etc/yum.repos.d/debian.repo"), repo)?;
    fs::write(root.join("srv/tiny.spec"), SPEC)?;
    for (claim, script) in BUILD_ROOT {
        inside(&root, claim, script)?;
    }

    let built = work.path().join("built");
    copy(&root.join("home/builder/rpmbuild/RPMS"), &built)?;
    run(
        "metadata of the built package",
        Command::new("createrepo_c").arg("-q").arg(&built),
    )?;
    let small = work.path().join("small");
    let packages = ["bash", "coreutils", "tiny"].map(str::to_owned);
    host.install(&small, &[("debian", &repository), ("built", &built)], &packages)?;
    inside(
        &small,
        "the package runs where it was installed",
        "/usr/bin/tiny && ls /bin/sh /etc/passwd",
    )?;
    println!("all proved");
    Ok(())
}

/// The names that spec files use.
fn names(host: &Host, repository: &Path) -> anyhow::Result<()> {
    let names = "gcc gcc-c++ make glibc-devel rpm-build bash coreutils perl python3 python3-devel pkgconfig zlib-devel \
                 openssl-devel gettext gettext-devel autoconf automake libtool patch tar gzip xz findutils diffutils sed \
                 grep gawk which file util-linux shadow-utils redhat-rpm-config system-rpm-config cpio unzip bzip2 zstd \
                 /bin/sh /bin/bash /usr/bin/perl /usr/bin/python3 /usr/bin/env /usr/bin/awk perl(strict) pkgconfig(zlib) \
                 python(abi)=3.11 libc.so.6(GLIBC_2.34)(64bit) libc.so.6()(64bit) rtld(GNU_HASH) perl(Getopt::Long) \
                 dnf-command(builddep) python3dist(setuptools) bison flex m4 ncurses-devel readline-devel procps-ng";
    for name in names.split_whitespace() {
        let mut dnf = host.dnf(&[("debian", repository)]);
        dnf.args(["-q", "repoquery", "--whatprovides", &name.replace('=', " = ")]);
        let output = dnf.output()?;
        ensure!(
            output.status.success() && !output.stdout.is_empty(),
            "nothing provides {name}"
        );
    }
    println!(
        "ok: {} names that spec files use are provided",
        names.split_whitespace().count()
    );
    Ok(())
}

/// The machine that runs the proof.
struct Host {
    home: PathBuf,
    work: PathBuf,
    version: String,
}

impl Host {
    fn dnf(&self, repositories: &[(&str, &Path)]) -> Command {
        let mut dnf = Command::new("dnf");
        dnf.env("HOME", &self.home)
            .args(["-y", "--disablerepo=*", "--nogpgcheck", "--noplugins"]);
        dnf.arg(format!("--releasever={}", self.version));
        dnf.arg("--setopt=install_weak_deps=0")
            .arg(format!("--setopt=cachedir={}/cache", self.work.display()));
        for (id, path) in repositories {
            dnf.arg(format!("--repofrompath={id},file://{}", path.display()))
                .arg(format!("--enablerepo={id}"));
        }
        dnf
    }

    fn install(
        &self,
        root: &Path,
        repositories: &[(&str, &Path)],
        packages: &[String],
    ) -> anyhow::Result<()> {
        let mut dnf = self.dnf(repositories);
        dnf.arg("-q")
            .arg(format!("--installroot={}", root.display()))
            .arg("install")
            .args(packages);
        run(
            &format!("{} installs into an empty root", packages.join(" ")),
            &mut dnf,
        )
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    run(
        &format!("copy to {}", to.display()),
        Command::new("cp").arg("-rT").args([from, to]),
    )
}

/// Runs a script in the root, with the device and process file systems that a booted machine has.
fn inside(root: &Path, claim: &str, script: &str) -> anyhow::Result<()> {
    let mounts = "mount --rbind /dev \"$1/dev\" && mount -t proc proc \"$1/proc\" && \
                  exec env -i HOME=/root PATH=/usr/sbin:/usr/bin chroot \"$1\" /bin/bash -o pipefail -ec \"$2\"";
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--pid", "--fork", "sh", "-c", mounts, "sh"])
        .arg(root)
        .arg(script);
    run(claim, &mut command)
}

fn run(claim: &str, command: &mut Command) -> anyhow::Result<()> {
    let started = Instant::now();
    let output = command
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    if !output.status.success() {
        bail!("NOT so: {claim} ({})\n{text}", output.status);
    }
    println!("ok: {claim} ({:.1} s)", started.elapsed().as_secs_f64());
    text.lines()
        .rev()
        .take(4)
        .collect::<Vec<_>>()
        .iter()
        .rev()
        .for_each(|line| println!("    {line}"));
    Ok(())
}
