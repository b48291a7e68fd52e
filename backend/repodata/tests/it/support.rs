//! Real packages, made once by rpmbuild, and the tools that judge what is made of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};
use repodata::{Package, PackageFile, RpmFile};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const SPECS: [&str; 4] = ["alpha", "beta", "gamma", "latin"];

/// All packages and source packages of [`SPECS`], in one folder. Tests run in processes of their own, and none changes
/// them, so they are made once for each state of the specs.
static PACKAGES: LazyLock<PathBuf> = LazyLock::new(|| {
    let mut state = Sha256::new();
    for spec in SPECS {
        state.update(fs_err::read(spec_path(spec)).unwrap());
    }
    let all = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = all.join(format!("packages-{}", hex::encode(state.finalize())));
    if !folder.is_dir() {
        let new = TempDir::new_in(all).unwrap();
        for spec in SPECS {
            build(spec, new.path(), &[]);
        }
        // Another process may have been quicker.
        let renamed = fs_err::rename(new.path(), &folder);
        assert!(renamed.is_ok() || folder.is_dir(), "{renamed:?}");
    }
    folder
});

fn spec_path(spec: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/specs/{spec}.spec"))
}

/// Builds one of `specs/` and puts its packages into `to`.
pub fn build(spec: &str, to: &Path, defines: &[&str]) {
    build_with(spec, to, defines, &[]);
}

/// As [`build`], for another architecture.
pub fn build_for(spec: &str, to: &Path, arch: &str, defines: &[&str]) {
    build_with(spec, to, defines, &["--target", arch]);
}

fn build_with(spec: &str, to: &Path, defines: &[&str], options: &[&str]) {
    let top = TempDir::new().unwrap();
    fs_err::create_dir(top.path().join("SOURCES")).unwrap();
    fs_err::write(top.path().join("SOURCES/alpha.txt"), "source\n").unwrap();
    let spec = spec_path(spec);
    let mut command = Command::new("rpmbuild");
    command
        .arg("-ba")
        .arg(spec)
        .arg("--nodeps")
        .args(options)
        .env("LC_ALL", "C.UTF-8");
    command
        .arg("--define")
        .arg(format!("_topdir {}", top.path().display()));
    for define in ["_invalid_encoding_terminates_build 0", "_build_id_links none"]
        .iter()
        .chain(defines)
    {
        command.arg("--define").arg(define);
    }
    run(&mut command);
    for path in files_below(top.path())
        .into_iter()
        .filter(|path| path.extension() == Some("rpm".as_ref()))
    {
        fs_err::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_below(&path))
        } else {
            found.push(path)
        }
    }
    found.sort();
    found
}

/// Runs to success, or shows what was said.
pub fn run(command: &mut Command) -> String {
    let output = try_run(command);
    assert!(output.status.success(), "{command:?}: {}", text(&output));
    text(&output)
}

pub fn try_run(command: &mut Command) -> Output {
    command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// Paths of all fixture packages.
/// dnf for a system in a folder that has nothing but one repository, called `ours`.
pub fn dnf(root: &Path, repository: &Path) -> Command {
    let mut dnf = Command::new("dnf");
    dnf.env("LC_ALL", "C.UTF-8").arg("--installroot").arg(root);
    dnf.args(["-y", "--refresh", "--releasever=1", "--forcearch=x86_64"]);
    dnf.args([
        "--setopt=reposdir=/nonexistent",
        "--disableplugin=local",
        "--repo=ours",
    ]);
    dnf.arg(format!("--repofrompath=ours,file://{}", repository.display()));
    dnf
}

pub fn packages() -> Vec<PathBuf> {
    let packages = files_below(&PACKAGES);
    assert_eq!(packages.len(), 9, "{packages:?}");
    packages
}

/// The fixture package whose file name starts and ends so.
pub fn package(start: &str, end: &str) -> PathBuf {
    let fits = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(start) && name.ends_with(end)
    };
    packages().into_iter().find(fits).unwrap()
}

pub fn read(path: &Path) -> (RpmFile, Vec<u8>) {
    let bytes = fs_err::read(path).unwrap();
    (RpmFile::parse(&bytes, bytes.len() as u64).unwrap(), bytes)
}

/// Metadata of a file, as it lies in its folder.
pub fn describe(path: &Path) -> Package {
    let (rpm, bytes) = read(path);
    let modified = fs_err::metadata(path).unwrap().modified().unwrap();
    let mtime = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64;
    let file = PackageFile {
        sha256_hex: hex::encode(Sha256::digest(&bytes)),
        size: bytes.len() as u64,
        mtime,
        location_href: path.file_name().unwrap().to_str().unwrap().to_owned(),
        location_base: None,
    };
    Package::from_rpm(&rpm, file).unwrap()
}

/// Where an index entry of the signature header's tag has its data in the file.
pub fn signature_data_at(bytes: &[u8], tag: u32) -> usize {
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    let entries = number(104) as usize;
    let entry = (0..entries)
        .map(|entry| 112 + 16 * entry)
        .find(|at| number(*at) == tag)
        .unwrap();
    112 + 16 * entries + number(entry + 8) as usize
}

/// An XML element, for comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    pub name: String,
    pub attributes: BTreeMap<String, String>,
    pub text: String,
    pub children: Vec<Element>,
}

impl Element {
    pub fn parse(xml: &str) -> Element {
        let mut reader = Reader::from_str(xml);
        let mut open = vec![Element::default()];
        loop {
            let event = reader
                .read_event()
                .unwrap_or_else(|error| panic!("{error}: {xml}"));
            match event {
                Event::Eof => break,
                Event::Start(start) => open.push(Element::start(&start)),
                Event::Empty(start) => open.last_mut().unwrap().children.push(Element::start(&start)),
                Event::End(_) => {
                    let mut done = open.pop().unwrap();
                    if !done.children.is_empty() {
                        done.text.clear();
                    }
                    open.last_mut().unwrap().children.push(done);
                }
                Event::Text(text) => open.last_mut().unwrap().text.push_str(&text),
                Event::GeneralRef(name) => {
                    let text = &mut open.last_mut().unwrap().text;
                    match name.resolve_char_ref().unwrap() {
                        Some(c) => text.push(c),
                        None => text.push_str(quick_xml::escape::resolve_predefined_entity(&name).unwrap()),
                    }
                }
                _ => {}
            }
        }
        assert_eq!(open.len(), 1, "unclosed element: {xml}");
        open.remove(0).children.remove(0)
    }

    fn start(start: &quick_xml::events::BytesStart<'_>) -> Element {
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.unwrap();
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .unwrap()
                .into_owned();
            (attribute.key.as_ref().to_owned(), value)
        });
        Element {
            name: start.name().as_ref().to_owned(),
            attributes: attributes.collect(),
            ..Element::default()
        }
    }

    pub fn child(&self, name: &str) -> &Element {
        self.children
            .iter()
            .find(|child| child.name == name)
            .unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }

    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

/// xorshift64*: enough to choose places and bits.
pub struct Random(pub u64);

impl Random {
    pub fn one<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }
}
