//! Who did what.

use actix_web::web::{self, Json};
use chrono::{DateTime, Utc};
use db::audit::{self, Entry};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::api_3::input::Query;
use crate::api_3::models::Paged;
use crate::api_3::route::fields::page_by;
use crate::api_3::route::{Action, ApiRoute, GET, token};
use crate::app::App;
use crate::auth::Signed;
use crate::error::Error;
use crate::operations::projects::find_project;

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        token(Action::Admin, GET, "/audit", everything)
            .about("Who did what in the whole service, newest first; for its administrators.")
            .query(&page_by(&["id"])),
        token(Action::Edit, GET, "/audit/{owner}/{project}", project)
            .about("Who did what in a project, newest first; for whoever may change it.")
            .query(&page_by(&["id"])),
    ]
}

/// A change.
#[derive(Serialize, JsonSchema)]
struct Change {
    id: i64,
    #[schemars(with = "String")]
    at: DateTime<Utc>,
    /// Name of the user, or of the part of the service.
    actor: String,
    /// Such as `project.edit`.
    action: String,
    /// Such as `build:12`.
    object: String,
    /// Class of the network address: `loopback`, `private`, `public-v4`, `public-v6`, `unknown`, or `service` where
    /// nobody asked.
    source: String,
    /// What was presented: `token` and its number, or `session`.
    credential: Option<String>,
    /// The network address, if this service keeps it.
    address: Option<String>,
    /// What was there before; of an object only the fields that changed.
    old: Value,
    /// What is there now.
    new: Value,
}

impl From<Entry> for Change {
    fn from(entry: Entry) -> Self {
        let (old, new) = entry.change();
        Self {
            id: entry.id,
            at: entry.at,
            actor: entry.actor,
            action: entry.action,
            object: entry.object,
            source: entry.source,
            credential: entry.credential,
            address: entry.address,
            old,
            new,
        }
    }
}

type Changes = Result<Json<Paged<Change>>, Error>;

async fn everything(app: web::Data<App>, signed: Signed, query: Query) -> Changes {
    signed.actor.may_see_all_history()?;
    list(&app, None, &query).await
}

async fn project(
    app: web::Data<App>,
    signed: Signed,
    path: web::Path<(String, String)>,
    query: Query,
) -> Changes {
    let project = find_project(&app, &path.0, &path.1).await?;
    signed.actor.may_see_history(&project)?;
    list(&app, Some(project.id), &query).await
}

async fn list(app: &App, project: Option<i64>, query: &Query) -> Changes {
    let page = query.page_newest_first()?;
    let (ascending, limit) = (!page.descending, page.limit());
    let rows = audit::list(&mut *app.conn().await?, project, ascending, limit, page.offset).await?;
    page.answer(rows.into_iter().map(Change::from).collect())
}
