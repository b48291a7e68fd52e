//! What the database remembers of the past: which snapshot was the latest at some time, since it has every move of a
//! pointer, and when a snapshot was removed.

use chrono::{DateTime, Utc};
use db::commits;
use db::tasks::TaskState;
use protocol::{BuildId, ChrootName, CommitId, PointerName};

use crate::results::Gateway;
use crate::results::address::Place;
use crate::results::error::GatewayError;

impl Gateway {
    /// The number of the snapshot that `latest` named at a time. There is none for times that have not come, or the same
    /// address would lead to another one later.
    pub(super) async fn at_time(&self, place: &Place, time: DateTime<Utc>) -> Result<i64, GatewayError> {
        let (pool, clock) = self.database.as_ref().ok_or(GatewayError::NotFound)?;
        if time > clock() {
            return Err(GatewayError::NotFound);
        }
        let mut conn = pool.get().await.map_err(db::DbError::from)?;
        let place = (&place.owner, &place.dir, &place.chroot);
        let found = db::pointers::at(&mut conn, place, &PointerName::latest(), time).await?;
        let number = found.ok_or(GatewayError::NotFound)?;
        match db::retention::purged_at(&mut conn, place, number).await? {
            Some(at) => Err(GatewayError::Purged { number, at }),
            None => Ok(number),
        }
    }

    /// The number of the snapshot that first had the packages of the newest good build of a commit.
    pub(super) async fn at_commit(&self, place: &Place, commit: &CommitId) -> Result<i64, GatewayError> {
        let (pool, _) = self.database.as_ref().ok_or(GatewayError::NotFound)?;
        let mut conn = pool.get().await.map_err(db::DbError::from)?;
        let of = (&place.owner, &place.dir, &place.chroot);
        if let Some(found) = commits::find(&mut conn, of, commit).await? {
            let number = found.snapshot;
            return match found.purged_at {
                Some(at) => Err(GatewayError::Purged { number, at }),
                None => Ok(number),
            };
        }
        let newest = commits::newest_build(&mut conn, of, commit).await?;
        Err(GatewayError::NoCommit(no_commit(newest, commit, &place.chroot)))
    }

    /// Why a snapshot's files are not there: it was removed, or it never was.
    pub(super) async fn missing(&self, place: &Place, number: i64) -> GatewayError {
        let Some((pool, _)) = self.database.as_ref() else {
            return GatewayError::NotFound;
        };
        let look = async {
            let mut conn = pool.get().await.map_err(db::DbError::from)?;
            let place = (&place.owner, &place.dir, &place.chroot);
            db::retention::purged_at(&mut conn, place, number).await
        };
        match look.await {
            Ok(Some(at)) => GatewayError::Purged { number, at },
            Ok(None) => GatewayError::NotFound,
            Err(error) => GatewayError::Database(error),
        }
    }
}

/// Why nothing is there for a commit, of which the newest build there is that.
pub(crate) fn no_commit(
    newest: Option<(BuildId, TaskState)>,
    commit: &CommitId,
    chroot: &ChrootName,
) -> String {
    let Some((build, state)) = newest else {
        return format!("no build for {chroot} in this directory was submitted as one of commit {commit}");
    };
    match state {
        TaskState::Succeeded | TaskState::Forked => format!(
            "build {build} of commit {commit} put nothing into the repository of {chroot}, as scratch builds do; what it \
             made has a repository of its own"
        ),
        state if state.is_final() => format!(
            "build {build} of commit {commit} did not succeed for {chroot} ({}), so there is nothing to install; its page \
             says why",
            state.as_str()
        ),
        _ => format!("build {build} of commit {commit} has not ended for {chroot}; ask again when it has"),
    }
}
