//! `repodata check`

use std::path::{Component, Path};

use anyhow::{Context as _, bail};
use repodata::{Compression, Record, decompress, read_repomd};
use sha2::{Digest as _, Sha256};

/// Compares each file that `repomd.xml` names with what it says.
pub fn check(folder: &Path) -> anyhow::Result<()> {
    let xml = fs_err::read_to_string(folder.join("repodata/repomd.xml"))?;
    let (_, records) = read_repomd(&xml)?;
    for record in &records {
        check_one(folder, record).with_context(|| record.href.clone())?;
        println!("{} is whole", record.href);
    }
    Ok(())
}

fn check_one(folder: &Path, record: &Record) -> anyhow::Result<()> {
    let href = Path::new(&record.href);
    if !href.components().all(|part| matches!(part, Component::Normal(_))) {
        bail!("it lies outside the repository");
    }
    let bytes = fs_err::read(folder.join(href))?;
    same("size", &record.size, &(bytes.len() as u64))?;
    same("checksum", &record.checksum, &hex::encode(Sha256::digest(&bytes)))?;
    let compression = match href.extension().and_then(|extension| extension.to_str()) {
        Some("zst") => Compression::Zstd,
        Some("gz") => Compression::Gzip,
        _ => return Ok(()),
    };
    let (Some(size), Some(checksum)) = (record.open_size, &record.open_checksum) else {
        return Ok(());
    };
    let open = decompress(compression, &bytes, size)?;
    same("open-size", &size, &(open.len() as u64))?;
    same("open-checksum", checksum, &hex::encode(Sha256::digest(&open)))
}

fn same<T: PartialEq + std::fmt::Display>(what: &str, said: &T, is: &T) -> anyhow::Result<()> {
    if said != is {
        bail!("its {what} is {is}, and repomd.xml says {said}");
    }
    Ok(())
}
