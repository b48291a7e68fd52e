//! `repodata create`

use std::io::{self, BufWriter, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use fs_err::File;
use repodata::{
    AppStream, Buckets, Compression, ExtraKind, Record, Tags, Zchunk, appstream_xml, extra_files, generate,
    repomd_xml,
};

use crate::describe::describe;
use crate::frames::FrameFolder;

/// Each needs some 12 MiB, and what they make is hashed by one.
const MAX_THREADS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(7);

/// What is to be made.
pub struct Create {
    pub compression: Compression,
    pub zchunk: bool,
    /// Seconds since 1970.
    pub timestamp: i64,
    /// Files that become part of the metadata as they are.
    pub extra: Vec<(ExtraKind, PathBuf)>,
    /// What software centres call the repository, if there is to be something for them.
    pub origin: Option<String>,
}

/// Seconds since 1970.
pub fn now() -> anyhow::Result<i64> {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH)?;
    Ok(i64::try_from(passed.as_secs())?)
}

impl Create {
    /// Writes the metadata of a folder and puts it into place whole; the number of packages.
    pub fn run(&self, folder: &Path) -> anyhow::Result<usize> {
        let mut paths = Vec::new();
        find(folder, &mut paths)?;
        paths.sort();
        let (new, target) = (folder.join(".repodata.new"), folder.join("repodata"));
        match fs_err::remove_dir_all(&new) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
            _ => fs_err::create_dir(&new)?,
        }
        let mut records: Vec<Record> = Vec::new();
        for (kind, path) in &self.extra {
            let given = fs_err::read(path)?;
            records.extend(
                self.extra(&new, *kind, &given)
                    .with_context(|| path.display().to_string())?,
            );
        }
        let packages = self.packages(folder, paths, &new, &mut records)?;
        let repomd = repomd_xml(&self.timestamp.to_string(), &Tags::default(), &records);
        write(&new.join("repomd.xml"), |file| file.write_all(repomd.as_bytes()))?;
        swap(&new, &target)?;
        Ok(packages)
    }

    /// What is made of the packages.
    fn packages(
        &self,
        folder: &Path,
        paths: Vec<PathBuf>,
        new: &Path,
        records: &mut Vec<Record>,
    ) -> anyhow::Result<usize> {
        let frames = new.join("frames");
        fs_err::create_dir(&frames)?;
        let mut store = FrameFolder(frames);
        let mut buckets = Buckets::new(self.compression)?;
        let (mut components, mut unreadable) = (Vec::new(), 0);
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = threads.min(MAX_THREADS);
        let one = |path: PathBuf| {
            let described = describe(&path, href(folder, &path)?)?;
            let fragments = described.package.fragments();
            let appstream = match self.origin {
                Some(_) => described.appstream(&path)?,
                None => AppStream::Components(Vec::new()),
            };
            anyhow::Ok((fragments, appstream))
        };
        generate(
            &mut buckets,
            &mut store,
            threads,
            paths.into_iter(),
            one,
            |appstream| match appstream {
                AppStream::Components(some) => components.extend(some),
                AppStream::Unreadable => unreadable += 1,
            },
        )?;
        for plan in buckets.files() {
            write(&new.join(&plan.name), |file| plan.write(&store, file))?;
            records.push(plan.record(self.timestamp));
            if self.zchunk
                && let Some(chunked) = Zchunk::of(&plan, &store)?
            {
                write(&new.join(&chunked.name), |file| {
                    chunked.write(&plan, &store, file)
                })?;
                records.push(chunked.record(&plan, self.timestamp));
            }
        }
        fs_err::remove_dir_all(&store.0)?;
        if let Some(origin) = &self.origin {
            let xml = appstream_xml(origin, &components);
            records.extend(self.extra(new, ExtraKind::AppStream, xml.as_bytes())?);
        }
        if unreadable > 0 {
            eprintln!(
                "repodata: {unreadable} packages with AppStream metadata are not in the catalogue: their payload is \
                 compressed in another way than by gzip and zstd"
            );
        }
        Ok(buckets.len())
    }

    fn extra(&self, new: &Path, kind: ExtraKind, given: &[u8]) -> anyhow::Result<Vec<Record>> {
        let files = extra_files(kind, given, self.compression)?;
        for file in &files {
            write(&new.join(&file.name), |to| to.write_all(&file.bytes))?;
        }
        Ok(files.iter().map(|file| file.record(self.timestamp)).collect())
    }
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
