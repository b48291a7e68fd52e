//! Commits that builds are made of: read, found, and where what was built of one can be installed from.

use db::commits;
use protocol::{ChrootName, CommitId, DirName, OwnerName};

use crate::config::Config;
use crate::error::Error;
use crate::operations::projects::shown;
use crate::operations::snapshots::purged;
use crate::results::no_commit;

/// A commit as somebody wrote it.
///
/// # Errors
/// 400 for what is no whole hash.
pub fn typed(text: &str) -> Result<CommitId, Error> {
    CommitId::typed(text).map_err(|_| {
        Error::Invalid(format!(
            "commit: '{}' is no commit; give its whole hash, 40 or 64 hexadecimal digits, as 'git rev-parse' says it",
            shown(text)
        ))
    })
}

/// The same of a field that may be empty.
///
/// # Errors
/// As [`typed`].
pub fn maybe(text: Option<&str>) -> Result<Option<CommitId>, Error> {
    text.filter(|text| !text.trim().is_empty()).map(typed).transpose()
}

/// Whether a commit can be installed in one of these chroots of a directory.
///
/// # Errors
/// 404 with the reason when it can in none, 410 when its snapshot was removed.
pub async fn check(
    conn: &mut db::Connection,
    (owner, dir): (&OwnerName, &DirName),
    chroots: &[&ChrootName],
    commit: &CommitId,
) -> Result<(), Error> {
    let mut gone = None;
    for chroot in chroots {
        match commits::find(conn, (owner, dir, chroot), commit).await? {
            Some(found) => match found.purged_at {
                None => return Ok(()),
                Some(at) => gone = Some(purged(found.snapshot, at)),
            },
            None if gone.is_none() => {
                let newest = commits::newest_build(conn, (owner, dir, chroot), commit).await?;
                let why = no_commit(newest, commit, chroot);
                gone = Some(Error::NotFound(sentence(&why)));
            }
            None => {}
        }
    }
    gone.map_or(Ok(()), Err)
}

/// A reason as a sentence of its own.
pub(in crate::operations) fn sentence(why: &str) -> String {
    let mut letters = why.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    format!(
        "{}{}.",
        first.map(String::from).unwrap_or_default(),
        letters.as_str()
    )
}

/// URL of the `.repo` file of a commit.
pub fn repo_url(
    config: &Config,
    (owner, dir, chroot): (&OwnerName, &DirName, &ChrootName),
    commit: &CommitId,
) -> String {
    format!(
        "{}/coprs/{owner}/{dir}/repo/{}/?commit={commit}",
        config.url,
        chroot.name_release()
    )
}
