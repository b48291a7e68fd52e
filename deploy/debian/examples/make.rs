//! Makes the distribution of a chroot: `make <definition.toml> <cache folder>`; prints the repository's folder.

use std::{env, path::Path};

use anyhow::Context;
use debian_chroot::{Recipe, ensure};

fn main() -> anyhow::Result<()> {
    let mut args = env::args().skip(1);
    let definition = args.next().context("first argument: the chroot's definition")?;
    let cache = args.next().context("second argument: the cache folder")?;
    let recipe = Recipe::from_file(Path::new(&definition))?;
    let repository = ensure(&recipe, Path::new(&cache), &|line| eprintln!("{line}"))?;
    println!("{}", repository.repo_dir.display());
    Ok(())
}
