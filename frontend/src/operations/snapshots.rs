//! Snapshots of repositories and the pointers to them: moved, promoted, merged, taken back.

mod choose;
mod into;
mod many;
mod read;

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use db::Topic;
use db::jobs::Job;
use db::pointers::{self, Moved, Wish};
use db::snapshot_requests::{self, NewRequest};
use db::snapshots::{self, Snapshot};
use protocol::PointerName;
use tokio::time::Instant;

use crate::access::Actor;
use crate::app::App;
use crate::error::Error;

pub use choose::Choice;
pub use into::{other, promote_into};
pub use many::{Goal, move_many};
pub use read::{
    Difference, Place, all_pointers, checks, commits_of, difference, find, list, moves, packages,
    pointers_of, resolve,
};
use read::{content, current, named};

/// Longest reason, in bytes.
const MAX_CAUSE: usize = 200;
/// How long an answer waits for what was asked for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which pointer shall change, on which condition, and why.
#[derive(Debug, Clone)]
pub struct Intent {
    /// The pointer.
    pub pointer: PointerName,
    /// The snapshot that it has to name, 0 for none; `None` takes whichever it is.
    pub expected: Option<i64>,
    /// Why, for the history; empty takes what is done.
    pub cause: String,
}

impl Intent {
    fn cause(&self, otherwise: impl FnOnce() -> String) -> Result<String, Error> {
        if self.cause.len() > MAX_CAUSE || self.cause.chars().any(char::is_control) {
            return Err(Error::Invalid(format!(
                "cause: use at most {MAX_CAUSE} bytes in one line"
            )));
        }
        Ok(if self.cause.is_empty() {
            otherwise()
        } else {
            self.cause.clone()
        })
    }
}

/// A pointer that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Which one.
    pub pointer: PointerName,
    /// The snapshot that it names; `None` when it is gone.
    pub snapshot: Option<i64>,
    /// The one that it named before; `None` where that is not known, 0 for none.
    pub before: Option<i64>,
    /// The snapshot that was asked for, where a new one with its packages took its place, since the key that signed it has
    /// ended.
    pub signed_anew: Option<i64>,
}

/// Nobody moves what follows builds and publications by itself, but `latest`, which can go back.
fn may_move(actor: &Actor, place: &Place, pointer: &PointerName) -> Result<(), Error> {
    actor.may_edit(&place.project)?;
    if *pointer == PointerName::devel() {
        return Err(Error::Forbidden(
            "'devel' is what builds see, and only builds move it; use another pointer.".to_owned(),
        ));
    }
    if pointer.is_read_only() {
        return Err(Error::Forbidden(format!(
            "'{pointer}' follows publications by itself, and nobody moves it; use a name of your own, such as stable."
        )));
    }
    Ok(())
}

fn elsewhere(pointer: &PointerName, is_at: i64) -> Error {
    Error::PointerMoved {
        pointer: pointer.to_string(),
        current: is_at,
    }
}

/// Moves a pointer to a snapshot, or makes it there. Clients see it when this returns.
///
/// # Errors
/// 403 without the right, 409 when the pointer is not where it has to be, 404 without that snapshot.
pub async fn move_pointer(
    app: &App,
    actor: &Actor,
    place: &Place,
    intent: &Intent,
    to: i64,
) -> Result<Changed, Error> {
    may_move(actor, place, &intent.pointer)?;
    let cause = intent.cause(|| "moved".to_owned())?;
    shift(app, actor, place, intent, Some(to), &cause).await
}

/// Removes a pointer. Snapshots stay as long as others of their age do.
///
/// # Errors
/// 403 without the right or for `latest`, 404 when there is none, 409 when it is not where it has to be.
pub async fn remove_pointer(
    app: &App,
    actor: &Actor,
    place: &Place,
    intent: &Intent,
) -> Result<Changed, Error> {
    may_move(actor, place, &intent.pointer)?;
    if intent.pointer.is_built_in() {
        return Err(Error::Forbidden(
            "'latest' is what is served, and cannot be removed.".to_owned(),
        ));
    }
    let cause = intent.cause(|| "removed".to_owned())?;
    let changed = shift(app, actor, place, intent, None, &cause).await?;
    if changed.before == Some(0) {
        return Err(Error::NotFound(format!(
            "{} has no pointer '{}'.",
            place.shown(),
            intent.pointer
        )));
    }
    Ok(changed)
}

/// Moves a pointer back: to a snapshot, or to the one that its own was made from.
///
/// # Errors
/// As [`move_pointer`]; 400 when there is nothing before.
pub async fn roll_back(
    app: &App,
    actor: &Actor,
    place: &Place,
    intent: &Intent,
    to: Option<i64>,
) -> Result<Changed, Error> {
    may_move(actor, place, &intent.pointer)?;
    let now = resolve(app, place, intent.pointer.as_str()).await?;
    let to = to.unwrap_or(now.parent);
    if to <= 0 {
        return Err(Error::Invalid(format!(
            "Snapshot {} of {} is the first; there is nothing before.",
            now.number,
            place.shown()
        )));
    }
    let cause = intent.cause(|| format!("back from {}", now.number))?;
    // Nobody else's move is undone by this one.
    let intent = Intent {
        expected: intent.expected.or(Some(now.number)),
        ..intent.clone()
    };
    shift(app, actor, place, &intent, Some(to), &cause).await
}

async fn shift(
    app: &App,
    actor: &Actor,
    place: &Place,
    intent: &Intent,
    to: Option<i64>,
    cause: &str,
) -> Result<Changed, Error> {
    if let Some(number) = to {
        let which = (place.repository.id, number);
        if db::keys::has_ended_signatures(&mut *app.conn().await?, which, app.now()).await? {
            return anew(app, actor, place, intent, number, cause).await;
        }
    }
    let wish = Wish {
        repository: place.repository.id,
        name: &intent.pointer,
        to,
        expected: intent.expected,
        actor: actor.name(),
        cause,
        devel_mode: place.project.settings.devel_mode,
        object: &place.object(),
    };
    let moved = pointers::shift(&mut *app.conn().await?, &wish, app.now()).await?;
    let before = match moved {
        Moved::From(before) => before,
        Moved::IsAt(is_at) => return Err(elsewhere(&intent.pointer, is_at)),
        Moved::NoSnapshot => {
            return Err(Error::NotFound(format!(
                "{} has no snapshot {}.",
                place.shown(),
                to.unwrap_or_default()
            )));
        }
        Moved::Purged(at) => return Err(purged(to.unwrap_or_default(), at)),
        Moved::NoRepository => return Err(Error::NotFound(format!("{} is gone.", place.shown()))),
    };
    let job = Job::WritePointers {
        repository: place.repository.id,
    };
    wait_for(app, &job).await?;
    Ok(Changed {
        pointer: intent.pointer.clone(),
        snapshot: to,
        before: Some(before),
        signed_anew: None,
    })
}

/// Gives a pointer a new snapshot with the packages of one whose signatures nobody could verify. Those of deleted builds are
/// left out, as by every publication: nobody signs them anew.
async fn anew(
    app: &App,
    actor: &Actor,
    place: &Place,
    intent: &Intent,
    to: i64,
    cause: &str,
) -> Result<Changed, Error> {
    let is_at = current(app, place, &intent.pointer).await?;
    if intent.expected.is_some_and(|expected| expected != is_at) {
        return Err(elsewhere(&intent.pointer, is_at));
    }
    let id = place.repository.id;
    let mut conn = app.conn().await?;
    let found = snapshots::find(&mut conn, id, to).await?;
    let found = found.ok_or_else(|| Error::NotFound(format!("{} has no snapshot {to}.", place.shown())))?;
    still_there(&found)?;
    let gone: HashSet<i64> = db::rpms::withdrawn(&mut conn, id).await?.into_iter().collect();
    let mut of = async |number| -> Result<HashSet<i64>, Error> {
        let content = snapshots::content(&mut conn, id, number).await?;
        let newest = db::keys::newest(&mut conn, &content).await?;
        Ok(newest.into_iter().collect())
    };
    let (wanted, now) = (of(to).await?, of(is_at).await?);
    drop(conn);
    let coming = wanted.iter().filter(|id| !gone.contains(id) && !now.contains(id));
    let (added, removed): (Vec<i64>, Vec<i64>) = (
        coming.copied().collect(),
        now.difference(&wanted).copied().collect(),
    );
    // What is different was counted from there.
    let intent = Intent {
        expected: Some(is_at),
        ..intent.clone()
    };
    let cause = format!("{cause}; signed anew, as the key of {to} has ended");
    let change = (added.as_slice(), removed.as_slice());
    let changed = request(app, actor, place, &intent, ("snapshot.renew", &cause), change).await?;
    Ok(Changed {
        before: Some(is_at),
        signed_anew: Some(to),
        ..changed
    })
}

pub(super) fn purged(number: i64, at: DateTime<Utc>) -> Error {
    Error::Gone(format!(
        "Snapshot {number} was removed on {}, as nothing named it any more; name a newer one.",
        at.format("%Y-%m-%d")
    ))
}

/// What is only remembered gives nothing to others.
pub(super) fn still_there(snapshot: &Snapshot) -> Result<(), Error> {
    snapshot
        .purged_at
        .map_or(Ok(()), |at| Err(purged(snapshot.number, at)))
}

/// Waits until a job is done.
pub(super) async fn wait_for(app: &App, job: &Job) -> Result<(), Error> {
    let deadline = Instant::now() + PATIENCE;
    let mut hints = app.listener.subscribe(Topic::Progress);
    while db::jobs::is_open(&mut *app.conn().await?, job).await? {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::NotReady(
                "This is written down and goes on by itself, but takes longer than it should; look again in a minute."
                    .to_owned(),
            ));
        }
        tokio::select! {
            () = hints.wait(left.min(Duration::from_secs(1))) => {}
            () = app.stopped() => {
                return Err(Error::NotReady(
                    "The service is being restarted; this is written down and goes on by itself.".to_owned(),
                ));
            }
        }
    }
    Ok(())
}

/// Takes packages back: those who follow the pointer get a snapshot without them. Other snapshots keep them.
///
/// # Errors
/// 403 without the right, 400 when nothing or something unknown is chosen, 409 when the pointer is elsewhere.
pub async fn yank(
    app: &App,
    actor: &Actor,
    place: &Place,
    intent: &Intent,
    choice: &Choice,
) -> Result<Changed, Error> {
    may_move(actor, place, &intent.pointer)?;
    let now = resolve(app, place, intent.pointer.as_str()).await?;
    let content = content(app, place, now.number).await?;
    let all = choice.among(app, place, &content).await?;
    let removed: Vec<i64> = choice.of(&all, now.number)?.iter().map(|p| p.id).collect();
    let cause = intent.cause(|| format!("yank of {choice}"))?;
    request(
        app,
        actor,
        place,
        intent,
        ("snapshot.yank", &cause),
        (&[], &removed),
    )
    .await
}

/// Gives a snapshot, or some of its packages, to those who follow a pointer. With some packages they keep what they have
/// but newer versions of these, without which the promotion would change nothing for them.
///
/// # Errors
/// As [`yank`].
pub async fn promote(
    app: &App,
    actor: &Actor,
    place: &Place,
    intent: &Intent,
    from: &Snapshot,
    choice: &Choice,
) -> Result<Changed, Error> {
    may_move(actor, place, &intent.pointer)?;
    still_there(from)?;
    if choice.is_empty() {
        let cause = intent.cause(|| format!("promotion of {}", from.number))?;
        return shift(app, actor, place, intent, Some(from.number), &cause).await;
    }
    let source = content(app, place, from.number).await?;
    let source = choice.among(app, place, &source).await?;
    let chosen = choice.of(&source, from.number)?;
    let is_at = current(app, place, &intent.pointer).await?;
    let have = content(app, place, is_at).await?;
    let names: Vec<&str> = chosen.iter().map(|p| p.name.as_str()).collect();
    let target = named(app, place, &have, &names).await?;
    let added: Vec<i64> = chosen
        .iter()
        .map(|p| p.id)
        .filter(|id| have.binary_search(id).is_err())
        .collect();
    let removed: Vec<i64> = choose::newer_than(&chosen, &target)
        .iter()
        .map(|p| p.id)
        .collect();
    let cause = intent.cause(|| format!("promotion of {choice} from {}", from.number))?;
    request(
        app,
        actor,
        place,
        intent,
        ("snapshot.promote", &cause),
        (&added, &removed),
    )
    .await
}

/// Brings to those who follow a pointer what another line of snapshots has changed since both were one.
///
/// # Errors
/// As [`yank`].
pub async fn merge(
    app: &App,
    actor: &Actor,
    place: &Place,
    intent: &Intent,
    from: &Snapshot,
) -> Result<Changed, Error> {
    may_move(actor, place, &intent.pointer)?;
    still_there(from)?;
    let now = current(app, place, &intent.pointer).await?;
    let change = merged(app, place, from.number, now).await?;
    let cause = intent.cause(|| format!("merge of {}", from.number))?;
    request(
        app,
        actor,
        place,
        intent,
        ("snapshot.merge", &cause),
        (&change.0, &change.1),
    )
    .await
}

/// `rpms.id` of packages that one line of snapshots has added, and removed, since it was one with another.
pub(super) async fn merged(
    app: &App,
    place: &Place,
    from: i64,
    into: i64,
) -> Result<(Vec<i64>, Vec<i64>), Error> {
    let mut conn = app.conn().await?;
    let id = place.repository.id;
    let common = snapshots::common(&mut conn, id, from, into).await?;
    let (added, removed) = snapshots::changes(&mut conn, id, common, from).await?;
    // Those that there are not any more are left out.
    let mut there = async |ids: &[i64]| -> Result<Vec<i64>, Error> {
        let members = db::rpms::members(&mut conn, ids).await?;
        Ok(members.into_iter().map(|(id, _)| id).collect())
    };
    Ok((there(&added).await?, there(&removed).await?))
}

/// Asks for a snapshot that has some packages more and others less, and waits for it.
async fn request(
    app: &App,
    actor: &Actor,
    place: &Place,
    intent: &Intent,
    (action, cause): (&str, &str),
    (added, removed): (&[i64], &[i64]),
) -> Result<Changed, Error> {
    let new = NewRequest {
        repository: place.repository.id,
        pointer: &intent.pointer,
        expected: intent.expected,
        added,
        removed,
        actor: actor.name(),
        cause,
        action,
        object: &place.object(),
    };
    let id = snapshot_requests::create(&mut *app.conn().await?, &new, app.now()).await?;
    outcome(
        app,
        place,
        &intent.pointer,
        &Job::MakeSnapshot { request: id },
        id,
    )
    .await
}

/// What comes of a request, when its job is done.
async fn outcome(
    app: &App,
    place: &Place,
    pointer: &PointerName,
    job: &Job,
    id: i64,
) -> Result<Changed, Error> {
    wait_for(app, job).await?;
    let done = snapshot_requests::find(&mut *app.conn().await?, id).await?;
    let done = done.ok_or_else(|| Error::NotFound(format!("{} is gone.", place.shown())))?;
    if let Some(refusal) = done.refusal {
        return Err(Error::Conflict(refusal));
    }
    match (done.snapshot, done.was_at) {
        (Some(snapshot), _) => Ok(Changed {
            pointer: pointer.clone(),
            snapshot: Some(snapshot),
            before: None,
            signed_anew: None,
        }),
        (None, Some(is_at)) => Err(elsewhere(pointer, is_at)),
        (None, None) => Err(Error::Internal(format!(
            "request {id} for a snapshot of {} was given up",
            place.shown()
        ))),
    }
}
