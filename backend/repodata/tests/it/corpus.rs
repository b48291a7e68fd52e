//! Packages of all kinds: made by rpmbuild, made tag by tag, and those that Debian's became for the test chroot.

use std::path::{Path, PathBuf};
use std::process::Command;

use repodata::forge::{Forge, ForgedFile, Format};
use repodata::tag;

use crate::support::{Random, build, packages, run};

const PROVIDES: [u32; 3] = [tag::PROVIDE_NAME, tag::PROVIDE_FLAGS, tag::PROVIDE_VERSION];
const REQUIRES: [u32; 3] = [tag::REQUIRE_NAME, tag::REQUIRE_FLAGS, tag::REQUIRE_VERSION];
/// All kinds of dependencies that have tags, old SUSE ones among them.
const DEPENDENCIES: [[u32; 3]; 10] = [
    PROVIDES,
    REQUIRES,
    [tag::CONFLICT_NAME, tag::CONFLICT_FLAGS, tag::CONFLICT_VERSION],
    [tag::OBSOLETE_NAME, tag::OBSOLETE_FLAGS, tag::OBSOLETE_VERSION],
    [tag::RECOMMEND_NAME, tag::RECOMMEND_FLAGS, tag::RECOMMEND_VERSION],
    [tag::SUGGEST_NAME, tag::SUGGEST_FLAGS, tag::SUGGEST_VERSION],
    [
        tag::SUPPLEMENT_NAME,
        tag::SUPPLEMENT_FLAGS,
        tag::SUPPLEMENT_VERSION,
    ],
    [tag::ENHANCE_NAME, tag::ENHANCE_FLAGS, tag::ENHANCE_VERSION],
    [
        tag::OLD_SUGGEST_NAME,
        tag::OLD_SUGGEST_FLAGS,
        tag::OLD_SUGGEST_VERSION,
    ],
    [
        tag::OLD_ENHANCE_NAME,
        tag::OLD_ENHANCE_FLAGS,
        tag::OLD_ENHANCE_VERSION,
    ],
];

/// Names of capabilities, few enough to meet often.
const CAPABILITIES: [&[u8]; 24] = [
    b"a",
    b"b",
    b"lib(a)",
    b"rpmlib(FileDigests)",
    b"rpmlib(X)",
    b"config(a)",
    b"/usr/bin/a",
    b"/usr/bin/missing",
    b"/usr/share/a",
    b"/etc/a",
    b"libc.so.6",
    b"libc.so.6()(64bit)",
    b"libc.so.6(GLIBC_2.34)(64bit)",
    b"libc.so.6(GLIBC_2.4)",
    b"libc.so.6(GLIBC_PRIVATE)(64bit)",
    b"libc.so.6(GLIBC_2.2.5)(64bit)",
    b"libc.so.6(",
    b"libc.so.66",
    b"(a if b)",
    b"((a and b) or c >= 1:1-1)",
    "ünïcödé(☃)".as_bytes(),
    b"latin\xe4\x96(1)",
    b"<a> & \"b\" 'c'",
    b"white space\tand\nlines",
];
const VERSIONS: [&[u8]; 19] = [
    b"",
    b"",
    b"",
    b"1",
    b"1",
    b"1-1",
    b"0:1",
    b"1:1-1",
    b"1:1",
    b":1",
    b":1-",
    b"1-",
    b"-1",
    b"1:",
    b"x:1",
    b"1~rc1-0.1^2",
    b"1:2:3-4-5",
    b"<1>&\"",
    b"latin\xe4-\xfc",
];
/// `RPMSENSE_*`: comparisons, what marks scriptlets, rpmlib, missing-ok, strong; and nonsense.
const FLAGS: [u32; 22] = [
    0,
    0,
    0,
    2,
    4,
    8,
    10,
    12,
    8,
    12,
    6,
    14,
    1 << 5,
    1 << 6 | 8,
    1 << 7,
    1 << 9 | 12,
    1 << 10,
    1 << 24,
    1 << 19,
    1 << 19 | 8,
    1 << 27,
    1 << 11 | 1 << 12,
];
const TEXTS: [&[u8]; 13] = [
    b"",
    b"Text",
    "Ünïcödé ☃ \u{1f600}".as_bytes(),
    b"caf\xe9 M\xfcller \x96 \xa0",
    b"<a> & \"b\" 'c' ]]> &amp; &#65;",
    b"  blanks  around  ",
    b"lines\nand\n\nlines\n",
    b"tab\tand\rreturn\r\n",
    b"\n",
    b"\t",
    "\u{85}\u{a0}\u{2028}".as_bytes(),
    b"- one\n- two\n",
    b"%{macro} \\n ${x}",
];
const FILES: [&[u8]; 20] = [
    b"/usr/bin/a",
    b"/usr/bin/b",
    b"/usr/sbin/c",
    b"/usr/share/a",
    b"/usr/share/a/b",
    b"/etc/a",
    b"/etc/a/b",
    b"/etc",
    b"/usr/lib/sendmail",
    b"/usr/lib/sendmail2",
    b"/opt/bin/x",
    b"/optbin/x",
    b"/x",
    b"/usr/share/<a>&\"b\"'c'",
    "/usr/share/ünïcödé ☃".as_bytes(),
    b"/usr/share/latin\xe4\x96",
    b"/usr/share/two  blanks ",
    b"/usr/share/tab\tand\nline",
    b"/etc/latin\xfc",
    b"/usr/bin/tab\t",
];

/// A package at random, the same for every call. Nothing in it stops `createrepo_c`.
pub fn random(seed: u64) -> Forge {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut forge = Forge::new(&format!("random-{seed}"));
    for tag in [tag::SUMMARY, tag::DESCRIPTION, tag::GROUP] {
        match random.below(5) {
            0 => forge.remove(tag),
            _ => forge.translated(tag, random.one(&TEXTS)),
        };
    }
    for tag in [
        tag::VENDOR,
        tag::PACKAGER,
        tag::URL,
        tag::LICENSE,
        tag::BUILD_HOST,
    ] {
        match random.below(5) {
            0 => forge.remove(tag),
            _ => forge.text(tag, random.one(&TEXTS)),
        };
    }
    match random.below(4) {
        0 => drop(forge.u32s(tag::EPOCH, &[0])),
        1 => drop(forge.u32s(tag::EPOCH, &[random.below(u32::MAX as usize) as u32])),
        _ => {}
    }
    forge.text(
        tag::VERSION,
        random.one(&["1", "1.0~rc1", "1^git", "0", "2025.01.01+x_y"]),
    );
    forge.text(tag::ARCH, random.one(&["noarch", "x86_64", "i686", "aarch64"]));
    if random.below(8) == 0 {
        forge.remove(tag::SOURCE_RPM).u32s(tag::SOURCE_PACKAGE, &[1]);
    }
    forge.u32s(tag::SIZE, &[random.below(1 << 31) as u32]);
    for tags in DEPENDENCIES {
        let count = if tags == REQUIRES {
            random.below(30)
        } else {
            random.below(6)
        };
        let one = |_| {
            (
                random.one(&CAPABILITIES),
                *random.one(&FLAGS),
                random.one(&VERSIONS),
            )
        };
        forge.dependencies(tags, &(0..count).map(one).collect::<Vec<_>>());
    }
    let mut paths: Vec<&[u8]> = FILES.into_iter().filter(|_| random.below(3) > 0).collect();
    // rpm wants them sorted.
    paths.sort();
    let file = |path: &[u8]| ForgedFile {
        path: path.to_owned(),
        mode: *random.one(&[0o100_644, 0o100_755, 0o040_755, 0o120_777]),
        flags: *random.one(&[0, 0, 1, 2, 64, 16, 1 | 64]),
    };
    forge.files(&paths.into_iter().map(file).collect::<Vec<_>>());
    let mut time = 1_700_000_000;
    let change = |_| {
        time -= [0, 0, 1, 86_400][random.below(4)];
        let author = *random.one(&[
            b"A <a@x> - 1-1" as &[u8],
            "Ü <ü@x>   ".as_bytes(),
            b"Ren\xe9",
            b"<&\"> ",
        ]);
        (time, author, *random.one(&TEXTS))
    };
    let changes: Vec<_> = (0..[0, 1, 5, 10, 11, 40][Random(seed | 1).below(6)])
        .map(change)
        .collect();
    forge.changelog(&changes);
    forge
}

/// So many files that everything which is done once too often for each would be noticed.
pub fn many_files() -> Forge {
    let file = |n: usize| ForgedFile {
        path: format!("/usr/share/many/{:03}/file-{n:06}", n / 1000).into(),
        mode: 0o100_644,
        flags: 0,
    };
    let mut forge = Forge::new("many-files");
    forge.files(&(0..100_000).map(file).collect::<Vec<_>>());
    forge
}

/// A changelog of decades.
pub fn many_changes() -> Forge {
    let change = |n: u32| {
        (
            1_700_000_000 - n / 3,
            format!("A <a@x> - {n}"),
            format!("- {}\n", "change ".repeat(50)),
        )
    };
    let mut forge = Forge::new("many-changes");
    forge.changelog(&(0..20_000).map(change).collect::<Vec<_>>());
    forge
}

pub fn put(forge: &Forge, format: Format, folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(format!("{name}.rpm"));
    fs_err::write(&path, forge.build(format).unwrap()).unwrap();
    path
}

/// All that tests make, in one folder; how many.
pub fn fill(folder: &Path) -> usize {
    for path in packages() {
        run(Command::new("cp").arg("-p").arg(&path).arg(folder));
    }
    build("broad", folder, &["_docdir_fmt %%{NAME}"]);
    for seed in 0..400 {
        put(&random(seed), Format::V4, folder, &format!("random-{seed}"));
    }
    for seed in 400..450 {
        put(&random(seed), Format::V6, folder, &format!("six-{seed}"));
    }
    put(&many_files(), Format::V4, folder, "many-files");
    put(&many_changes(), Format::V6, folder, "many-changes");
    fs_err::read_dir(folder).unwrap().count()
}

/// The packages of the test chroot, if they were made on this machine: real programs with real dependencies.
pub fn debian() -> Option<PathBuf> {
    let cache = match std::env::var_os("KOPER_DISTRO_CACHE") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/distro"),
    };
    let folders = |folder: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let versions = folders(&cache).into_iter().flat_map(|chroot| folders(&chroot));
    let mut made = versions.map(|version| version.join("repo/Packages"));
    made.find(|packages| packages.is_dir())
}
