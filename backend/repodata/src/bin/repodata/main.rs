//! `repodata`: metadata for a folder of packages, what one package comes to, and whether metadata is whole.

mod bench;
mod check;
mod create;
mod describe;
mod frames;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use repodata::{Compression, ExtraKind, Kind};

use create::Create;

/// Repository metadata for RPM packages.
#[derive(Debug, Parser)]
#[command(name = "repodata", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes `repodata/` for all packages in a folder and the folders below it.
    Create {
        /// The folder.
        folder: PathBuf,
        /// Compression: zstd is smaller and faster, gzip is read by everything down to yum.
        #[arg(long, value_enum, default_value_t = Format::Zstd)]
        compression: Format,
        /// Writes zchunk files as well, of which clients that know them fetch what is new; with zstd.
        #[arg(long)]
        zchunk: bool,
        /// Seconds since 1970 that the metadata bears, also as its revision; now, unless given.
        #[arg(long, env = "SOURCE_DATE_EPOCH")]
        timestamp: Option<i64>,
        /// Groups of packages, comps.xml, to become part of the metadata; plain or compressed by gzip or zstd, as the
        /// next two.
        #[arg(long, value_name = "FILE")]
        comps: Option<PathBuf>,
        /// Modules, modules.yaml.
        #[arg(long, value_name = "FILE")]
        modules: Option<PathBuf>,
        /// Advisories, updateinfo.xml.
        #[arg(long, value_name = "FILE")]
        updateinfo: Option<PathBuf>,
        /// Collects what the packages say to software centres (metainfo files) into an AppStream catalogue of this
        /// origin, such as the repository's name.
        #[arg(long, value_name = "ORIGIN", value_parser = origin)]
        appstream: Option<String>,
    },
    /// Prints what the metadata says about one package.
    Show {
        /// The package.
        package: PathBuf,
        /// Which file of the metadata.
        #[arg(long, value_enum, default_value_t = What::Primary)]
        part: What,
    },
    /// Compares the files of `repodata/` with the checksums and sizes in `repomd.xml`.
    Check {
        /// The folder that holds `repodata/`.
        folder: PathBuf,
    },
    /// Makes packages of 40 files and ten changelog entries and their metadata, and prints time and memory, as lines of
    /// JSON.
    Bench {
        /// How many packages; each takes some 16 KiB in the folder for temporary files.
        #[arg(long, default_value_t = 10_000)]
        packages: usize,
        /// How many times.
        #[arg(long, default_value_t = 1)]
        rounds: usize,
        /// A `createrepo_c` to be measured beside; several times for several.
        #[arg(long = "rival", value_name = "PROGRAM")]
        rivals: Vec<PathBuf>,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Zstd,
    Gzip,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    Primary,
    Filelists,
    Other,
}

/// What names a catalogue also names files of software centres.
fn origin(text: &str) -> Result<String, String> {
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "-_.@+:/".contains(c);
    if text.is_empty() || !text.chars().all(is_fit) {
        return Err("letters, digits and -_.@+:/ make an origin".to_owned());
    }
    Ok(text.to_owned())
}

impl Command {
    fn run(self) -> anyhow::Result<()> {
        match self {
            Command::Create {
                folder,
                compression,
                zchunk,
                timestamp,
                comps,
                modules,
                updateinfo,
                appstream,
            } => {
                let compression = match compression {
                    Format::Zstd => Compression::Zstd,
                    Format::Gzip => Compression::Gzip,
                };
                let extra = [
                    (ExtraKind::Group, comps),
                    (ExtraKind::Modules, modules),
                    (ExtraKind::UpdateInfo, updateinfo),
                ];
                let create = Create {
                    compression,
                    zchunk,
                    timestamp: timestamp.map_or_else(create::now, Ok)?,
                    extra: extra
                        .into_iter()
                        .filter_map(|(kind, file)| Some((kind, file?)))
                        .collect(),
                    origin: appstream,
                };
                let packages = create.run(&folder)?;
                println!("{packages} packages");
            }
            Command::Show { package, part } => {
                let kind = match part {
                    What::Primary => Kind::Primary,
                    What::Filelists => Kind::Filelists,
                    What::Other => Kind::Other,
                };
                let name = package.file_name().context("this is no file")?;
                let href = name.to_str().context("the file's name is not UTF-8")?.to_owned();
                let fragments = describe::describe(&package, href)?.package.fragments();
                print!("{}", fragments.get(kind));
            }
            Command::Check { folder } => check::check(&folder)?,
            Command::Bench {
                packages,
                rounds,
                rivals,
            } => bench::bench(packages, rounds, &rivals)?,
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    match Cli::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("repodata: {error:#}");
            ExitCode::FAILURE
        }
    }
}
