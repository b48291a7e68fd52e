//! Batches: builds that start together, once another batch has ended. Copr has pages of them only.

use actix_web::web::{self, Json, Path};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::route::{ApiRoute, GET, public};
use crate::app::App;
use crate::error::Error;
use crate::operations::builds::find_batch;

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        public(GET, "/batch/{id}", get)
            .about("A batch: `blocked` by another one, `processing`, or `finished`, with its builds."),
    ]
}

/// A batch.
#[derive(Serialize, JsonSchema)]
struct Batch {
    id: i64,
    /// `blocked`, `processing` or `finished`.
    state: &'static str,
    /// The batch that has to end first.
    blocked_by: Option<i64>,
    builds: Vec<Member>,
}

/// A build of a batch.
#[derive(Serialize, JsonSchema)]
struct Member {
    id: i64,
    state: String,
    ownername: String,
    projectname: String,
    /// Null until it is known.
    packagename: Option<String>,
}

async fn get(app: web::Data<App>, id: Path<String>) -> Result<Json<Batch>, Error> {
    let batch = find_batch(&app, &id).await?;
    Ok(Json(Batch {
        id: batch.id,
        state: batch.state.as_str(),
        blocked_by: batch.blocked_by,
        builds: batch
            .builds
            .into_iter()
            .map(|member| Member {
                id: member.build.0,
                state: member.state,
                ownername: member.owner,
                projectname: member.project,
                packagename: member.package,
            })
            .collect(),
    }))
}
