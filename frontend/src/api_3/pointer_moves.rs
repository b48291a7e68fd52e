//! Where pointers were: with the snapshots, the whole history of a repository.

use actix_web::web::{self, Json, Path};
use db::pointers::Moment;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::input::Query;
use crate::api_3::page::window;
use crate::api_3::route::{ApiRoute, Field, GET, Kind, public};
use crate::app::App;
use crate::error::Error;
use crate::operations::snapshots;

/// Most moves of one answer.
const MOST: i64 = 100;

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        public(GET, "/pointer/moves/{owner}/{dir}/{chroot}", moves)
            .about("Every move of the pointers of a repository, newest first: with them and the snapshots' differences, what anybody saw at any time can be told.")
            .query(&[
                Field::new("limit", Kind::Number, "Most items to give, up to 100."),
                Field::new("before", Kind::Number, "Only those with smaller numbers."),
            ]),
    ]
}

/// A move of a pointer.
#[derive(Serialize, JsonSchema)]
struct Moved {
    /// Counts up, with gaps.
    id: i64,
    pointer: String,
    /// The snapshot that it named; `null` for none.
    from: Option<i64>,
    /// The one that it named then; `null` when it was removed.
    to: Option<i64>,
    /// Seconds since 1970.
    moved_on: i64,
    /// `null` for the service itself.
    actor: Option<String>,
    cause: String,
}

impl From<Moment> for Moved {
    fn from(row: Moment) -> Self {
        Self {
            id: row.id,
            pointer: row.name,
            from: row.from_snapshot,
            to: row.to_snapshot,
            moved_on: row.moved_at.timestamp(),
            actor: row.actor,
            cause: row.cause,
        }
    }
}

/// Moves of pointers.
#[derive(Serialize, JsonSchema)]
struct Moves {
    items: Vec<Moved>,
}

async fn moves(
    app: web::Data<App>,
    at: Path<(String, String, String)>,
    query: Query,
) -> Result<Json<Moves>, Error> {
    let place = snapshots::find(&app, &at.0, &at.1, &at.2).await?;
    let (before, limit) = window(&query, MOST)?;
    let rows = snapshots::moves(&app, &place, before, limit).await?;
    Ok(Json(Moves {
        items: rows.into_iter().map(Moved::from).collect(),
    }))
}
