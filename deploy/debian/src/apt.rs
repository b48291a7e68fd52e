//! What apt knows, and its downloads: the ordinary client does both.

use std::{
    collections::BTreeMap,
    io::Read,
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest, Sha256};

use crate::error::Error;

/// Package stanzas by name, one architecture (and `all`).
pub type Index = BTreeMap<String, Stanza>;

/// What the index says about one package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stanza {
    /// Package name.
    pub name: String,
    /// Debian version: `[epoch:]upstream[-revision]`.
    pub version: String,
    /// `amd64`, `all`.
    pub arch: String,
    /// Pre-Depends and Depends: all groups are needed, one alternative of each.
    pub depends: Vec<Vec<Relation>>,
    /// Virtual packages that it provides.
    pub provides: Vec<Relation>,
    /// First line of the description.
    pub summary: String,
    /// Upstream's page.
    pub homepage: String,
    /// Name of the source package.
    pub source: String,
    /// Hexadecimal checksum of the file.
    pub sha256: String,
    /// Length of the file in bytes.
    pub size: u64,
}

/// `name`, `name (>= version)`, `name:any`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// The package.
    pub name: String,
    /// The version that `(= version)` names; other comparisons hold by themselves, because all packages come from
    /// one state of the archive.
    pub exact: Option<String>,
}

impl Relation {
    /// Parses one alternative of a dependency field.
    fn parse(text: &str) -> Option<Self> {
        let (name, constraint) = text.split_once('(').unwrap_or((text, ""));
        let name = name.trim();
        let name = name.split_once(':').map_or(name, |(name, _)| name);
        let constraint = constraint.trim_end().trim_end_matches(')').trim();
        let exact = constraint
            .strip_prefix('=')
            .map(|version| version.trim().to_owned());
        (!name.is_empty()).then(|| Self {
            name: name.to_owned(),
            exact,
        })
    }

    /// Parses a whole field: groups divided by commas, alternatives by bars.
    fn parse_field(text: &str) -> Vec<Vec<Self>> {
        text.split(',')
            .map(|group| group.split('|').filter_map(Self::parse).collect::<Vec<_>>())
            .filter(|group| !group.is_empty())
            .collect()
    }
}

impl Stanza {
    fn parse(text: &str) -> Self {
        let mut stanza = Self::default();
        for line in text.lines() {
            let Some((key, value)) = line.split_once(':') else {
                continue;
            };
            let value = value.trim();
            match key {
                "Package" => value.clone_into(&mut stanza.name),
                "Version" => value.clone_into(&mut stanza.version),
                "Architecture" => value.clone_into(&mut stanza.arch),
                "Pre-Depends" | "Depends" => stanza.depends.extend(Relation::parse_field(value)),
                "Provides" => stanza.provides = Relation::parse_field(value).into_iter().flatten().collect(),
                "Description" | "Description-en" => value.clone_into(&mut stanza.summary),
                "Homepage" => value.clone_into(&mut stanza.homepage),
                "Source" => stanza.source = value.split(' ').next().unwrap_or(value).to_owned(),
                "SHA256" => value.clone_into(&mut stanza.sha256),
                "Size" => stanza.size = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        if stanza.source.is_empty() {
            stanza.source.clone_from(&stanza.name);
        }
        stanza
    }

    /// How apt calls the downloaded file.
    #[must_use]
    pub fn file_name(&self) -> String {
        format!(
            "{}_{}_{}.deb",
            self.name,
            self.version.replace(':', "%3a"),
            self.arch
        )
    }
}

/// Parses the output of `apt-cache dumpavail`.
#[must_use]
pub fn parse_index(text: &str, arch: &str) -> Index {
    let mut index = Index::new();
    for stanza in text
        .split("\n\n")
        .filter(|text| !text.trim().is_empty())
        .map(Stanza::parse)
    {
        if stanza.arch == arch || stanza.arch == "all" {
            index.entry(stanza.name.clone()).or_insert(stanza);
        }
    }
    index
}

/// Asks apt for the candidate version of every package.
pub fn read_index(arch: &str) -> Result<Index, Error> {
    let output = run(
        "read apt's package lists",
        Command::new("apt-cache").arg("dumpavail"),
    )?;
    let index = parse_index(&String::from_utf8_lossy(&output), arch);
    if index.is_empty() {
        Err(Error::NoPackageLists)
    } else {
        Ok(index)
    }
}

/// Runs a program to its end and gives what it wrote to its standard output.
pub(crate) fn run(what: &str, command: &mut Command) -> Result<Vec<u8>, Error> {
    let output = command
        .env("LC_ALL", "C.UTF-8")
        .output()
        .map_err(|source| Error::Start {
            program: command.get_program().to_string_lossy().into_owned(),
            source,
        })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let stderr = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = stderr.trim().lines().collect();
    let stderr = lines[lines.len().saturating_sub(8)..].join("\n");
    Err(Error::Program {
        what: what.to_owned(),
        status: output.status,
        stderr,
    })
}

/// How many packages one call of apt fetches.
const BATCH: usize = 60;
/// How often a batch is tried; apt itself retries each file as often.
const ATTEMPTS: usize = 4;

/// Downloads what `dir` lacks and returns the folder of each package's file, checksums verified.
///
/// Unfinished files are apt's own (`partial/`, then a rename), so a killed run leaves nothing wrong behind.
pub fn download(
    packages: &[&Stanza],
    dir: &Path,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<BTreeMap<String, PathBuf>, Error> {
    fs_err::create_dir_all(dir)?;
    let mut missing = absent(packages, dir)?;
    if !missing.is_empty() {
        let megabytes = missing.iter().map(|stanza| stanza.size).sum::<u64>() / 1_000_000;
        progress(&format!(
            "downloading {} Debian packages, {megabytes} MB",
            missing.len()
        ));
    }
    let all = missing.len();
    for _ in 0..ATTEMPTS {
        for (number, batch) in missing.chunks(BATCH).enumerate() {
            // A failed batch may have fetched most of its files; the next attempt asks for the rest.
            drop(fetch(batch, dir));
            if missing.len() == all {
                progress(&format!(
                    "downloaded {} of {all} packages",
                    (number * BATCH + batch.len()).min(all)
                ));
            }
        }
        missing = absent(&missing, dir)?;
        if missing.is_empty() {
            return Ok(packages
                .iter()
                .map(|it| (it.name.clone(), dir.join(it.file_name())))
                .collect());
        }
    }
    // Once more, for the reason that apt gives.
    fetch(&missing, dir)?;
    Err(Error::Download(
        missing
            .first()
            .map(|stanza| stanza.name.clone())
            .unwrap_or_default(),
    ))
}

fn fetch(batch: &[&Stanza], dir: &Path) -> Result<(), Error> {
    let mut command = Command::new("apt-get");
    // Root's own folder is mostly closed to apt's download user; apt would say so and go on as root anyway.
    command.args([
        "download",
        "-q",
        "-o",
        "APT::Sandbox::User=root",
        "-o",
        "Acquire::Retries=4",
    ]);
    command.args(
        batch
            .iter()
            .map(|stanza| format!("{}={}", stanza.name, stanza.version)),
    );
    run("download Debian packages", command.current_dir(dir)).map(drop)
}

/// The packages that are not in `dir`, or not as the index says; a wrong file is removed.
fn absent<'a>(packages: &[&'a Stanza], dir: &Path) -> Result<Vec<&'a Stanza>, Error> {
    let mut absent = Vec::new();
    for stanza in packages {
        let path = dir.join(stanza.file_name());
        match fs_err::metadata(&path) {
            Ok(_) if sha256_of(&path)? == stanza.sha256 => {}
            Ok(_) => {
                fs_err::remove_file(&path)?;
                absent.push(*stanza);
            }
            Err(_) => absent.push(*stanza),
        }
    }
    Ok(absent)
}

fn sha256_of(path: &Path) -> Result<String, Error> {
    let mut file = fs_err::File::open(path)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(digest.finalize())),
            length => digest.update(&buffer[..length]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "\
Package: gawk
Architecture: amd64
Version: 1:5.2.1-2
Pre-Depends: libc6 (>= 2.33), libreadline8 (>= 6.0)
Depends: libc6-dev (= 2.36-9) | libc-dev, python3:any (>= 3.2~)
Provides: awk, thing (= 1.2)
Description-en: GNU awk
 long text: with a colon
Size: 673128
SHA256: abc

Package: other
Architecture: i386
Version: 1
";

    #[test]
    fn stanzas_are_read() {
        let index = parse_index(TWO, "amd64");
        assert_eq!(index.keys().collect::<Vec<_>>(), ["gawk"]);
        let gawk = &index["gawk"];
        assert_eq!(gawk.file_name(), "gawk_1%3a5.2.1-2_amd64.deb");
        assert_eq!(
            (gawk.summary.as_str(), gawk.size, gawk.source.as_str()),
            ("GNU awk", 673_128, "gawk")
        );
        let names: Vec<Vec<&str>> = gawk
            .depends
            .iter()
            .map(|group| group.iter().map(|it| it.name.as_str()).collect())
            .collect();
        assert_eq!(
            names,
            [
                vec!["libc6"],
                vec!["libreadline8"],
                vec!["libc6-dev", "libc-dev"],
                vec!["python3"]
            ]
        );
        assert_eq!(gawk.depends[2][0].exact.as_deref(), Some("2.36-9"));
        assert_eq!(gawk.depends[3][0].exact, None);
        assert_eq!(
            gawk.provides[1],
            Relation {
                name: "thing".into(),
                exact: Some("1.2".into())
            }
        );
    }

    #[test]
    fn a_failing_program_is_named_with_its_last_words() {
        let error = run("try", Command::new("sh").args(["-c", "echo no luck >&2; exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "try failed (exit status: 3): no luck");
        assert!(matches!(
            run("try", &mut Command::new("/nonexistent")),
            Err(Error::Start { .. })
        ));
    }
}
