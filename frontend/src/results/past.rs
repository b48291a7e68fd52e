//! What the database remembers of the past: which snapshot was the latest at some time, since it has every move of a
//! pointer, and when a snapshot was removed.

use chrono::{DateTime, Utc};
use protocol::PointerName;

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
