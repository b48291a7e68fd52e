//! Which snapshot was the latest at some time. The database remembers every move of a pointer.

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
        found.ok_or(GatewayError::NotFound)
    }
}
