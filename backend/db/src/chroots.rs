//! Chroots.

use diesel::{ExpressionMethods as _, OptionalExtension as _, QueryDsl as _};
use diesel_async::RunQueryDsl as _;
use protocol::{ChrootDefinition, ChrootName};

use crate::connect::{Connection, DbResult, from_json, to_json};
use crate::schema::chroots;

/// A chroot as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chroot {
    /// What builders get.
    pub definition: ChrootDefinition,
    /// For people.
    pub description: String,
    /// Whether new builds may use it.
    pub active: bool,
}

/// Writes a definition over the stored one.
///
/// # Errors
/// When the query fails.
pub async fn upsert(conn: &mut Connection, chroot: &Chroot) -> DbResult<()> {
    let definition = to_json("chroot definition", &chroot.definition)?;
    let set = (
        chroots::description.eq(&chroot.description),
        chroots::active.eq(chroot.active),
        chroots::definition.eq(definition),
    );
    diesel::insert_into(chroots::table)
        .values((chroots::name.eq(chroot.definition.name.as_str()), set.clone()))
        .on_conflict(chroots::name)
        .do_update()
        .set(set)
        .execute(conn)
        .await?;
    Ok(())
}

type Row = (String, bool, serde_json::Value);

fn from_row((description, active, definition): Row) -> DbResult<Chroot> {
    Ok(Chroot {
        definition: from_json("chroot definition", definition)?,
        description,
        active,
    })
}

/// All chroots, or only the active ones, by name.
///
/// # Errors
/// When the query fails.
pub async fn list(conn: &mut Connection, only_active: bool) -> DbResult<Vec<Chroot>> {
    let mut query = chroots::table
        .select((chroots::description, chroots::active, chroots::definition))
        .order(chroots::name)
        .into_boxed();
    if only_active {
        query = query.filter(chroots::active.eq(true));
    }
    query.load::<Row>(conn).await?.into_iter().map(from_row).collect()
}

/// One chroot.
///
/// # Errors
/// When the query fails.
pub async fn find(conn: &mut Connection, name: &ChrootName) -> DbResult<Option<Chroot>> {
    chroots::table
        .find(name.as_str())
        .select((chroots::description, chroots::active, chroots::definition))
        .first::<Row>(conn)
        .await
        .optional()?
        .map(from_row)
        .transpose()
}
