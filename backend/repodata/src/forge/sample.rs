//! Packages as a repository has them, by number.

use super::{Forge, ForgedFile, Format};
use crate::tag;
use std::io;

const FILES: usize = 40;
const CHANGES: usize = 10;
const GREATER_EQUAL: u32 = 12;
const EQUAL: u32 = 8;
const DAY: u32 = 86_400;

/// What many descriptions say in the same words.
const BOILERPLATE: &str = "This package contains the files that are needed at run time. Programs that are built with it \
    need the package with headers and the link to the shared library, which is called as this one with -devel behind its \
    name. The documentation is in a package of its own as well, for machines on which nobody reads it. Translations and \
    examples are included as far as they are maintained; what is not has been removed, as the guidelines demand.";

/// Words as packages use them.
const WORDS: [&str; 64] = [
    "access", "adapter", "archive", "backend", "binary", "bridge", "buffer", "build", "cache", "channel",
    "client", "codec", "common", "compat", "config", "control", "core", "crypto", "daemon", "data", "debug",
    "device", "driver", "engine", "event", "export", "filter", "font", "format", "gateway", "graph",
    "handler", "helper", "image", "index", "input", "kernel", "layout", "library", "locale", "manager",
    "matrix", "media", "model", "module", "network", "object", "parser", "plugin", "policy", "process",
    "protocol", "query", "record", "render", "runtime", "schema", "server", "session", "socket", "storage",
    "theme", "thread", "widget",
];

/// The package with a number, the same at every call: 40 files, ten changelog entries and a dozen dependencies, whose
/// words come in an order that does not compress better than that of real packages.
///
/// # Errors
/// When the payload cannot be compressed.
pub fn sample(number: usize) -> io::Result<Vec<u8>> {
    let mut words = Words((number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let name = format!("{}-{}-{number}", words.next(), words.next());
    let release = format!("{}.fc44", 1 + words.below(20));
    let version = format!("{}.{}.{}", words.below(9), words.below(30), words.below(60));
    let mut forge = Forge::new(&name);
    forge
        .text(tag::VERSION, &version)
        .text(tag::RELEASE, &release)
        .text(tag::ARCH, "x86_64")
        .text(tag::VENDOR, "Fedora Project")
        .text(tag::PACKAGER, "Fedora Project")
        .text(tag::LICENSE, "GPL-2.0-or-later AND MIT")
        .text(tag::URL, format!("https://{}.example.org/{name}", words.next()))
        .text(tag::SOURCE_RPM, format!("{name}-{version}-{release}.src.rpm"))
        .text(
            tag::BUILD_HOST,
            format!("buildvm-{:02}.example.org", words.below(64)),
        )
        .translated(tag::SUMMARY, words.sentence(6))
        .translated(
            tag::DESCRIPTION,
            format!("{}.\n{}.\n{BOILERPLATE}", words.sentence(10), words.sentence(10)),
        )
        .u32s(tag::BUILD_TIME, &[1_700_000_000 + words.below(1 << 24) as u32])
        .u32s(tag::SIZE, &[words.below(1 << 24) as u32]);
    let evr = format!("{version}-{release}");
    let provides = [
        (name.clone(), EQUAL, evr.clone()),
        (format!("{name}(x86-64)"), EQUAL, evr.clone()),
    ];
    forge.dependencies(
        [tag::PROVIDE_NAME, tag::PROVIDE_FLAGS, tag::PROVIDE_VERSION],
        &provides,
    );
    let mut requires = vec![
        ("/bin/sh".to_owned(), 0, String::new()),
        ("libc.so.6(GLIBC_2.38)(64bit)".to_owned(), 0, String::new()),
        ("rtld(GNU_HASH)".to_owned(), 0, String::new()),
    ];
    requires.extend((0..9).map(|_| {
        let name = format!(
            "lib{}{}.so.{}()(64bit)",
            words.next(),
            words.next(),
            words.below(9)
        );
        (name, 0, String::new())
    }));
    requires.push((format!("{}-libs", words.next()), GREATER_EQUAL, evr));
    forge.dependencies(
        [tag::REQUIRE_NAME, tag::REQUIRE_FLAGS, tag::REQUIRE_VERSION],
        &requires,
    );
    forge.files(&files(&name, &mut words));
    forge.changelog(&changelog(&mut words));
    forge.build(Format::V4)
}

fn files(name: &str, words: &mut Words) -> Vec<ForgedFile> {
    let mut paths = vec![
        (format!("/usr/bin/{name}"), 0o100_755),
        (format!("/usr/share/{name}"), 0o040_755),
    ];
    let mut folder = String::new();
    for number in paths.len()..FILES {
        if number % 9 == 2 {
            folder = format!("/usr/share/{name}/{}/site-packages/templates", words.next());
        }
        let path = format!("{folder}/{}_{:02}.xhtml", words.next(), number);
        paths.push((path, 0o100_644));
    }
    let file = |(path, mode): (String, u16)| ForgedFile {
        path: path.into(),
        mode,
        flags: 0,
    };
    paths.into_iter().map(file).collect()
}

fn changelog(words: &mut Words) -> Vec<(u32, String, String)> {
    let mut time = 1_700_000_000 - DAY * words.below(900) as u32;
    let mut version = 10 + words.below(40);
    let mut entry = |_| {
        time -= DAY * (1 + words.below(60) as u32);
        version -= u64::from(version > 1);
        let someone = words.next();
        let author = format!("{someone} maintainer <{someone}@fedoraproject.example.org> - 2.{version}-1");
        let text = format!(
            "- Rebuilt for https://fedoraproject.example.org/wiki/Fedora_{0}_Mass_Rebuild because of {1}\n\
             - Update to version 2.{version}, which fixes the {2} of {1} on all architectures (rhbz#2{3:06})",
            30 + version % 14,
            words.next(),
            words.next(),
            words.below(1_000_000),
        );
        (time, author, text)
    };
    (0..CHANGES).map(&mut entry).collect()
}

/// xorshift64*: enough to choose words.
struct Words(u64);

impl Words {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    fn next(&mut self) -> &'static str {
        WORDS[self.below(WORDS.len() as u64) as usize]
    }

    fn sentence(&mut self, length: usize) -> String {
        let mut all: Vec<String> = (1..length).map(|_| self.next().to_owned()).collect();
        all.push(format!("{} {:x}", self.next(), self.below(1 << 16)));
        all.join(" ")
    }
}
