//! `repodata`: metadata for a folder of packages, what one package comes to, and whether metadata is whole.

mod check;
mod create;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand, ValueEnum};
use repodata::{Compression, Kind};

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

impl Command {
    fn run(self) -> anyhow::Result<()> {
        match self {
            Command::Create {
                folder,
                compression,
                zchunk,
                timestamp,
            } => {
                let compression = match compression {
                    Format::Zstd => Compression::Zstd,
                    Format::Gzip => Compression::Gzip,
                };
                let timestamp = timestamp.map_or_else(create::now, Ok)?;
                let packages = create::create(&folder, compression, zchunk, timestamp)?;
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
                let fragments = create::describe(&package, href)?.fragments();
                print!("{}", fragments.get(kind));
            }
            Command::Check { folder } => check::check(&folder)?,
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
