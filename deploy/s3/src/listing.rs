//! Keys in order, reading only the directories that can hold an answer.

use std::io;
use std::path::{Path, PathBuf};

use crate::key::{Kind, descend, parse_entry};

/// What to list, in bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pub(crate) prefix: Vec<u8>,
    pub(crate) delimiter: Option<Vec<u8>>,
    /// Only keys greater than this.
    pub(crate) after: Vec<u8>,
    /// No key with this common prefix: it was in the page before.
    pub(crate) skip: Option<Vec<u8>>,
    /// At most so many items.
    pub(crate) limit: usize,
}

/// One line of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// A key and its file.
    Key(Vec<u8>, PathBuf),
    /// Keys rolled up to their common prefix.
    Prefix(Vec<u8>),
}

struct Entry {
    /// The key, or the prefix of all keys below.
    full: Vec<u8>,
    kind: Kind,
    path: PathBuf,
}

/// Lists the keys below the directory `root` by the order of their bytes.
pub(crate) fn list(root: &Path, query: &Query) -> io::Result<Vec<Item>> {
    let mut skip = query.skip.clone();
    let mut items = Vec::new();
    if query.limit == 0 {
        return Ok(items);
    }
    let (start, consumed) = descend(root, &query.prefix);
    // The entries still to visit, the next one last.
    let mut pending = read(&start, &query.prefix[..consumed], query)?;
    while let Some(entry) = pending.pop() {
        if skip.as_ref().is_some_and(|skip| entry.full.starts_with(skip)) {
            continue;
        }
        let common = common_prefix(&entry.full, query);
        let whole = !query.after.starts_with(&entry.full);
        let item = match (entry.kind, common) {
            (Kind::Object, Some(common)) => Item::Prefix(common),
            (Kind::Object, None) => Item::Key(entry.full, entry.path),
            (_, Some(common)) if whole => {
                if !has_any_key(&entry.path)? {
                    continue;
                }
                Item::Prefix(common)
            }
            _ => {
                pending.append(&mut read(&entry.path, &entry.full, query)?);
                continue;
            }
        };
        if let Item::Prefix(common) = &item {
            skip = Some(common.clone());
        }
        items.push(item);
        if items.len() == query.limit {
            break;
        }
    }
    Ok(items)
}

/// The part of a key up to the first delimiter after the prefix.
fn common_prefix(key: &[u8], query: &Query) -> Option<Vec<u8>> {
    let delimiter = query.delimiter.as_ref()?;
    let rest = key.strip_prefix(&query.prefix[..])?;
    let at = rest
        .windows(delimiter.len())
        .position(|window| window == delimiter)?;
    Some(key[..query.prefix.len() + at + delimiter.len()].to_vec())
}

/// The relevant entries of a directory, greatest first. A directory that vanished meanwhile is empty.
fn read(directory: &Path, base: &[u8], query: &Query) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let reader = match fs_err::read_dir(directory) {
        Ok(reader) => reader,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(entries),
        Err(error) => return Err(error),
    };
    for entry in reader {
        let entry = entry?;
        let Some((raw, kind)) = parse_entry(&entry.file_name()) else {
            continue;
        };
        let full = [base, &raw].concat();
        let in_prefix = full.starts_with(&query.prefix);
        let relevant = match kind {
            Kind::Object => in_prefix && full > query.after,
            Kind::Directory | Kind::Continued => {
                (in_prefix || query.prefix.starts_with(&full))
                    && (full > query.after || query.after.starts_with(&full))
            }
        };
        if relevant {
            entries.push(Entry {
                full,
                kind,
                path: entry.path(),
            });
        }
    }
    entries.sort_unstable_by(|a, b| b.full.cmp(&a.full));
    Ok(entries)
}

/// Whether any object lies below a directory.
pub(crate) fn has_any_key(directory: &Path) -> io::Result<bool> {
    let mut pending = vec![directory.to_path_buf()];
    while let Some(directory) = pending.pop() {
        let reader = match fs_err::read_dir(directory) {
            Ok(reader) => reader,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        for entry in reader {
            let entry = entry?;
            match parse_entry(&entry.file_name()) {
                Some((_, Kind::Object)) => return Ok(true),
                Some((_, Kind::Directory | Kind::Continued)) => pending.push(entry.path()),
                None => {}
            }
        }
    }
    Ok(false)
}
