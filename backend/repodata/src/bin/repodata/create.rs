//! `repodata create`

use std::io::{self, BufReader, BufWriter, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use fs_err::File;
use repodata::{
    Buckets, Compression, Digest, Fragments, FrameStore, Package, PackageFile, Record, RpmFile, Tags, Zchunk,
    repomd_xml, verify_payload,
};
use sha2::{Digest as _, Sha256};

/// Packages whose XML is in memory at once.
const AT_ONCE: usize = 256;

/// Compressed frames as files of a folder.
struct FrameFolder(PathBuf);

impl FrameFolder {
    fn path(&self, digest: &Digest) -> PathBuf {
        self.0.join(hex::encode(digest))
    }
}

impl FrameStore for FrameFolder {
    fn put(&mut self, digest: &Digest, compressed: &[u8]) -> io::Result<()> {
        fs_err::write(self.path(digest), compressed)
    }

    fn get(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        fs_err::read(self.path(digest))
    }
}

/// Seconds since 1970.
pub fn now() -> anyhow::Result<i64> {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(i64::try_from(passed.as_secs())?)
}

/// Writes the metadata of a folder and puts it into place whole; the number of packages.
pub fn create(
    folder: &Path,
    compression: Compression,
    zchunk: bool,
    timestamp: i64,
) -> anyhow::Result<usize> {
    let mut paths = Vec::new();
    find(folder, &mut paths)?;
    paths.sort();
    let (new, target) = (folder.join(".repodata.new"), folder.join("repodata"));
    match fs_err::remove_dir_all(&new) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
        _ => fs_err::create_dir(&new)?,
    }
    let frames = new.join("frames");
    fs_err::create_dir(&frames)?;
    let mut store = FrameFolder(frames);
    let mut buckets = Buckets::new(compression)?;
    let none: [&str; 0] = [];
    for some in paths.chunks(AT_ONCE) {
        let fragments: Vec<Fragments> = some
            .iter()
            .map(|path| Ok(describe(path, href(folder, path)?)?.fragments()))
            .collect::<anyhow::Result<_>>()?;
        buckets.change(&mut store, &none, &fragments)?;
    }
    let mut records: Vec<Record> = Vec::new();
    for plan in buckets.files() {
        write(&new.join(&plan.name), |file| plan.write(&store, file))?;
        records.push(plan.record(timestamp));
        if zchunk && let Some(chunked) = Zchunk::of(&plan, &store)? {
            write(&new.join(&chunked.name), |file| {
                chunked.write(&plan, &store, file)
            })?;
            records.push(chunked.record(&plan, timestamp));
        }
    }
    let repomd = repomd_xml(&timestamp.to_string(), &Tags::default(), &records);
    write(&new.join("repomd.xml"), |file| file.write_all(repomd.as_bytes()))?;
    fs_err::remove_dir_all(&store.0)?;
    swap(&new, &target)?;
    Ok(buckets.len())
}

/// Writes a file, to the disk.
fn write(path: &Path, content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    content(&mut file)?;
    file.flush()?;
    file.get_ref().sync_all()
}

/// All packages below a folder.
fn find(folder: &Path, paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            find(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "rpm") {
            paths.push(path);
        }
    }
    Ok(())
}

/// Where clients find a package, seen from the repository.
fn href(folder: &Path, path: &Path) -> anyhow::Result<String> {
    let below = path.strip_prefix(folder)?;
    let parts = below.iter().map(|part| part.to_str());
    let parts: Option<Vec<&str>> = parts.collect();
    Ok(parts
        .with_context(|| format!("{}: the name is not UTF-8", path.display()))?
        .join("/"))
}

/// Reads, checks and describes a package.
pub fn describe(path: &Path, location_href: String) -> anyhow::Result<Package> {
    let wrong = || path.display().to_string();
    let mut file = File::open(path)?;
    let metadata = file.metadata()?;
    let sha256_hex = sha256(&mut file)?;
    file.rewind()?;
    let mut reader = BufReader::new(file);
    let rpm = RpmFile::read_headers(&mut reader, metadata.len()).with_context(wrong)?;
    verify_payload(&rpm, &mut reader).with_context(wrong)?;
    let mtime = metadata
        .modified()?
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let place = PackageFile {
        sha256_hex,
        size: metadata.len(),
        mtime: i64::try_from(mtime.as_secs())?,
        location_href,
        location_base: None,
    };
    Package::from_rpm(&rpm, place).with_context(wrong)
}

fn sha256(file: &mut File) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; 64 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex::encode(hash.finalize())),
            n => hash.update(&piece[..n]),
        }
    }
}

/// Puts the new folder in the old one's place. Between two renames there is none; a program that serves the folder
/// while it is made anew should serve a copy.
fn swap(new: &Path, target: &Path) -> anyhow::Result<()> {
    let old = new.with_file_name(".repodata.old");
    match fs_err::rename(target, &old) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            fs_err::rename(new, target)?;
        }
        Err(e) => return Err(e.into()),
        Ok(()) => {
            fs_err::rename(new, target)?;
            fs_err::remove_dir_all(&old)?;
        }
    }
    Ok(())
}
