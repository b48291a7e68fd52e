//! Blobs: content under its own hash, stored once for everybody.

use protocol::Sha256;

use crate::app::App;
use crate::error::Error;

/// Claims a blob that is about to be stored and then named: it may be on its way out.
///
/// # Errors
/// 503 when it is being removed at the moment.
pub(super) async fn claim(app: &App, sha256: &Sha256) -> Result<(), Error> {
    if db::blobs::claim(&mut *app.conn().await?, sha256).await? {
        return Ok(());
    }
    Err(Error::NotReady(
        "A file of the same content is being removed at the moment; send it again in a minute.".to_owned(),
    ))
}
