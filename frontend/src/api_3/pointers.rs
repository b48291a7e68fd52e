//! Pointers of several repositories that move together.

use actix_web::web::{self, Json};
use protocol::PointerName;
use schemars::JsonSchema;
use serde::Serialize;

use crate::api_3::input::Fields;
use crate::api_3::route::{Action, ApiRoute, Field, Kind, POST, token};
use crate::app::App;
use crate::auth::Signed;
use crate::error::Error;
use crate::operations::projects::shown;
use crate::operations::snapshots::{self, Goal};

pub(super) fn routes() -> Vec<ApiRoute> {
    vec![
        token(Action::Edit, POST, "/pointer/move-many", move_many)
            .about(
                "Moves the pointer of one name in several repositories, maybe of several projects, all of them or none.",
            )
            .body(&[
                Field::required("pointer", Kind::Text, "Its name, such as `stable`."),
                Field::required(
                    "repositories",
                    Kind::List,
                    "Repositories as `owner/directory/chroot`, each with the snapshot that its pointer shall name where \
                     that is not `to`, and with the one that it has to name now: `alice/tools/fedora-44-x86_64@7=5`.",
                ),
                Field::new("to", Kind::Text, "The snapshot: a pointer such as `candidate`, or a time."),
                Field::new("cause", Kind::Text, "Why, for the history."),
            ]),
    ]
}

/// Pointers that moved, in the order in which they were named.
#[derive(Serialize, JsonSchema)]
struct Moved {
    items: Vec<One>,
}

/// A pointer that moved.
#[derive(Serialize, JsonSchema)]
struct One {
    ownername: String,
    dirname: String,
    chroot: String,
    pointer: String,
    /// The snapshot that it names now.
    snapshot: Option<i64>,
    /// The one that it named before, 0 for none.
    before: Option<i64>,
}

async fn move_many(app: web::Data<App>, signed: Signed, fields: Fields) -> Result<Json<Moved>, Error> {
    let to = fields.text("to")?.filter(|to| !to.is_empty());
    let mut goals = Vec::new();
    for text in fields.list("repositories")?.unwrap_or_default() {
        goals.push(goal(&app, &signed, &text, to.as_deref()).await?);
    }
    let pointer: PointerName = fields.required("pointer")?.parse()?;
    let cause = fields.text("cause")?.unwrap_or_default();
    let changed = snapshots::move_many(&app, &signed.actor, &pointer, &goals, &cause).await?;
    let items = goals.iter().zip(changed).map(|(goal, changed)| One {
        ownername: goal.place.project.owner.to_string(),
        dirname: goal.place.repository.dir.to_string(),
        chroot: goal.place.repository.chroot.to_string(),
        pointer: changed.pointer.to_string(),
        snapshot: changed.snapshot,
        before: changed.before,
    });
    Ok(Json(Moved {
        items: items.collect(),
    }))
}

/// Reads `owner/directory/chroot[@snapshot][=expected]`.
async fn goal(app: &App, signed: &Signed, text: &str, to: Option<&str>) -> Result<Goal, Error> {
    let wrong = |what: &str| Error::Invalid(format!("repositories: '{}' {what}", shown(text)));
    let (rest, expected) = match text.rsplit_once('=') {
        Some((rest, number)) => {
            let number = number.parse::<i64>();
            (
                rest,
                Some(number.map_err(|_| wrong("has no number behind its ="))?),
            )
        }
        None => (text, None),
    };
    // The owner may be a group, whose name begins with an @ as well.
    let (names, own) = match rest.rfind('@').filter(|at| *at > 0) {
        Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 1..)),
        None => (rest, None),
    };
    let [owner, dir, chroot] = names.split('/').collect::<Vec<_>>()[..] else {
        return Err(wrong("is not of the form owner/directory/chroot"));
    };
    let place = snapshots::find(app, owner, dir, chroot).await?;
    signed.actor.may_edit(&place.project)?;
    let named = own
        .or(to)
        .ok_or_else(|| wrong("names no snapshot, and neither does 'to'"))?;
    let to = snapshots::resolve(app, &place, named).await?.number;
    Ok(Goal { place, to, expected })
}
