//! What packages leave whose rows are gone: places in the lists by which the gateway finds them.

use std::collections::BTreeMap;

use db::retention::RemovedPackage;
use protocol::FileName;
use storage::{BuildDir, ResultIndex, StorageKey};

use super::Place;
use crate::context::Context;
use crate::error::JobError;
use crate::remove_builds::MAX_INDEX;

/// Packages that are looked after together.
const AT_ONCE: i64 = 500;

/// Takes packages out of the lists, and forgets them.
pub(super) async fn sweep(context: &Context, place: Place<'_>) -> Result<(), JobError> {
    let id = place.repository.id;
    let mut gone = 0;
    loop {
        let mut conn = context.conn().await?;
        let removed = db::retention::removed_packages(&mut conn, id, AT_ONCE).await?;
        drop(conn);
        if removed.is_empty() {
            break;
        }
        context.faults.pass("retain.before_lists");
        let mut lists: BTreeMap<String, (StorageKey, Vec<&RemovedPackage>)> = BTreeMap::new();
        for package in removed.iter().filter(|package| !package.shared) {
            for key in lists_of(place, package) {
                lists
                    .entry(key.path())
                    .or_insert_with(|| (key, Vec::new()))
                    .1
                    .push(package);
            }
        }
        for (key, packages) in lists.into_values() {
            take_out(context, &key, &packages).await?;
        }
        context.faults.pass("retain.after_lists");
        let ids: Vec<i64> = removed.iter().map(|package| package.id).collect();
        db::retention::forget_packages(&mut *context.conn().await?, &ids).await?;
        gone += ids.len();
    }
    if gone > 0 {
        tracing::info!("{gone} packages of {place} are gone that nothing named any more");
    }
    Ok(())
}

/// The lists that may have a package: by its address, of its build and of its build when that was deleted, or of those
/// that were signed anew with one key.
fn lists_of(place: Place<'_>, package: &RemovedPackage) -> Vec<StorageKey> {
    let lists = address(package).and_then(|href| {
        let (owner, dir, chroot) = place.names();
        match href.split('/').collect::<Vec<_>>().as_slice() {
            [build, _] => {
                let list = StorageKey::ResultIndex {
                    owner,
                    dir,
                    chroot,
                    build_dir: build.parse::<BuildDir>().ok()?,
                };
                Some(list.withdrawn().into_iter().chain([list]).collect())
            }
            [build, key, _] => Some(vec![StorageKey::SignedIndex {
                owner,
                dir,
                chroot,
                build_dir: build.parse::<BuildDir>().ok()?,
                key: key.parse::<FileName>().ok()?,
            }]),
            _ => None,
        }
    });
    // It stays in its list, and so its file stays.
    lists.unwrap_or_else(|| {
        tracing::error!(
            "package {} of {place} was removed, but where it was listed cannot be read",
            package.id
        );
        Vec::new()
    })
}

/// The address of a package in its repository.
fn address(package: &RemovedPackage) -> Option<String> {
    let xml = zstd::decode_all(package.primary_xml.as_slice()).ok()?;
    let xml = String::from_utf8(xml).ok()?;
    let (_, rest) = xml.split_once("<location href=\"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// Takes packages out of a list. A build that is still there lists them as they are signed now.
async fn take_out(context: &Context, key: &StorageKey, packages: &[&RemovedPackage]) -> Result<(), JobError> {
    let Some(mut index) = context.storage.get_json::<ResultIndex>(key, MAX_INDEX).await? else {
        return Ok(());
    };
    let before = index.clone();
    let modified = (context.clock)().timestamp();
    let of_build = matches!(key, StorageKey::ResultIndex { .. });
    for package in packages {
        let is_it = |sha256: &protocol::Sha256| sha256.as_str() == package.sha256;
        if !of_build {
            index.files.retain(|file| !is_it(&file.sha256));
            continue;
        }
        let Some((sha256, size)) = &package.successor else {
            continue;
        };
        for file in index.files.iter_mut().filter(|file| is_it(&file.sha256)) {
            file.sha256 = sha256.parse().map_err(JobError::fail)?;
            file.size = size.unsigned_abs();
            file.modified = modified;
        }
    }
    if index.files.is_empty() {
        context.storage.delete(key).await?;
    } else if index != before {
        context.storage.put_json(key, &index).await?;
    }
    Ok(())
}
