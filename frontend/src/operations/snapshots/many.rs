//! Pointers of several repositories that move together, or not at all.

use db::jobs::Job;
use db::pointers::{self, Moved, Wish};
use protocol::PointerName;

use super::{Changed, Intent, Place, elsewhere, may_move, purged, wait_for};
use crate::access::Actor;
use crate::app::App;
use crate::error::Error;

/// Most repositories of one call.
const MOST: usize = 100;

/// Where the pointer of one repository shall go.
#[derive(Debug, Clone)]
pub struct Goal {
    /// The repository.
    pub place: Place,
    /// The snapshot that its pointer shall name.
    pub to: i64,
    /// The one that it has to name for that, 0 for none; `None` takes whichever it is.
    pub expected: Option<i64>,
}

/// Moves the pointer of this name in several repositories, all of them or none. Clients see it when this returns.
///
/// # Errors
/// 403 without the right in one of the projects, 409, 410 and 404 as for one pointer, and nothing has moved then.
pub async fn move_many(
    app: &App,
    actor: &Actor,
    pointer: &PointerName,
    goals: &[Goal],
    cause: &str,
) -> Result<Vec<Changed>, Error> {
    for goal in goals {
        may_move(actor, &goal.place, pointer)?;
    }
    if goals.is_empty() || goals.len() > MOST {
        return Err(Error::Invalid(format!(
            "repositories: name 1 to {MOST} repositories"
        )));
    }
    let mut ids: Vec<i64> = goals.iter().map(|goal| goal.place.repository.id).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() < goals.len() {
        return Err(Error::Invalid(
            "repositories: name each repository once".to_owned(),
        ));
    }
    for goal in goals {
        verifiable(app, goal).await?;
    }
    let intent = Intent {
        pointer: pointer.clone(),
        expected: None,
        cause: cause.to_owned(),
    };
    let cause = intent.cause(|| format!("moved in {} repositories", goals.len()))?;
    let objects: Vec<String> = goals.iter().map(|goal| goal.place.object()).collect();
    let wishes = goals.iter().zip(&objects).map(|(goal, object)| Wish {
        repository: goal.place.repository.id,
        name: pointer,
        to: Some(goal.to),
        expected: goal.expected,
        actor: actor.name(),
        cause: &cause,
        devel_mode: goal.place.project.settings.devel_mode,
        object,
    });
    let wishes: Vec<Wish<'_>> = wishes.collect();
    let moved = pointers::shift_all(&mut *app.conn().await?, &wishes, app.now()).await?;
    let before = match moved {
        Ok(before) => before,
        Err((number, why)) => return Err(refused(pointer, goals.get(number), why)),
    };
    for goal in goals {
        let repository = goal.place.repository.id;
        wait_for(app, &Job::WritePointers { repository }).await?;
    }
    let changed = goals.iter().zip(before).map(|(goal, before)| Changed {
        pointer: pointer.clone(),
        snapshot: Some(goal.to),
        before: Some(before),
        signed_anew: None,
    });
    Ok(changed.collect())
}

/// A snapshot of a key that has ended is signed anew first, which takes a call for each.
async fn verifiable(app: &App, goal: &Goal) -> Result<(), Error> {
    let which = (goal.place.repository.id, goal.to);
    if !db::keys::has_ended_signatures(&mut *app.conn().await?, which, app.now()).await? {
        return Ok(());
    }
    Err(Error::Conflict(format!(
        "{}: the key that signed snapshot {} has ended; move the pointer of this repository alone, which signs it anew. No pointer was moved.",
        goal.place.shown(),
        goal.to
    )))
}

/// Says which of them it was.
fn refused(pointer: &PointerName, goal: Option<&Goal>, why: Moved) -> Error {
    let (place, to) = goal.map_or((String::new(), 0), |goal| (goal.place.shown(), goal.to));
    match why {
        Moved::IsAt(is_at) => match elsewhere(pointer, is_at) {
            Error::PointerMoved { pointer, current } => Error::PointerMoved {
                pointer: format!("{pointer} of {place}"),
                current,
            },
            other => other,
        },
        Moved::Purged(at) => match purged(to, at) {
            Error::Gone(text) => Error::Gone(format!("{place}: {text} No pointer was moved.")),
            other => other,
        },
        Moved::NoSnapshot | Moved::NoRepository | Moved::From(_) => {
            Error::NotFound(format!("{place} has no snapshot {to}; no pointer was moved."))
        }
    }
}
