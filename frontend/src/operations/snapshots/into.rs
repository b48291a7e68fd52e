//! Promotion into another repository, of the same project or of another.

use std::collections::HashSet;

use db::jobs::Job;
use db::promotions::{self, Candidate, NewPromotion, Origin};
use db::snapshot_requests::NewRequest;
use db::snapshots::{Package, Snapshot};

use super::{
    Changed, Choice, Intent, Place, choose, content, current, elsewhere, find, may_move, named, outcome,
    packages, promote, still_there,
};
use crate::access::Actor;
use crate::app::App;
use crate::error::Error;
use crate::operations::quotas;

/// Most file names in one sentence.
const NAMED: usize = 5;

/// Gives packages of a snapshot, all of them or some, to those who follow a pointer of another repository, signed with
/// that project's key. They keep what they have but newer versions of these.
///
/// # Errors
/// 403 without the right to edit the other project, 400 where a package does not fit there, 409 when the pointer is
/// elsewhere, 429 where the quota of the other project's holder is used up.
pub async fn promote_into(
    app: &App,
    actor: &Actor,
    (from, snapshot): (&Place, &Snapshot),
    to: &Place,
    intent: &Intent,
    choice: &Choice,
) -> Result<Changed, Error> {
    may_move(actor, to, &intent.pointer)?;
    if from.repository.id == to.repository.id {
        return promote(app, actor, to, intent, snapshot, choice).await;
    }
    still_there(snapshot)?;
    agree(app, from, to).await?;
    let is_at = current(app, to, &intent.pointer).await?;
    if intent.expected.is_some_and(|expected| expected != is_at) {
        return Err(elsewhere(&intent.pointer, is_at));
    }
    let source = if choice.is_empty() {
        packages(app, from, snapshot.number).await?
    } else {
        let content = content(app, from, snapshot.number).await?;
        choice.among(app, from, &content).await?
    };
    let chosen = if choice.is_empty() {
        source.iter().collect()
    } else {
        choice.of(&source, snapshot.number)?
    };
    let have = content(app, to, is_at).await?;
    let names: Vec<&str> = chosen.iter().map(|p| p.name.as_str()).collect();
    let target = named(app, to, &have, &names).await?;
    let ids: Vec<i64> = chosen.iter().map(|p| p.id).collect();
    let candidates = promotions::candidates(&mut *app.conn().await?, &ids, to.repository.id).await?;
    fit(to, snapshot, &candidates)?;
    let there = candidates.iter().filter_map(|c| c.there);
    let added: Vec<i64> = there.filter(|id| have.binary_search(id).is_err()).collect();
    let copied: Vec<i64> = candidates
        .iter()
        .filter(|c| c.there.is_none())
        .map(|c| c.id)
        .collect();
    if !copied.is_empty() {
        quotas::check(app, &to.project.holder, 0).await?;
    }
    let newer = newer(&chosen, &target, &candidates);
    let what = if choice.is_empty() {
        String::new()
    } else {
        format!("{choice} from ")
    };
    let cause = intent.cause(|| format!("promotion of {what}{}@{}", from.shown(), snapshot.number))?;
    let change = (added.as_slice(), newer.as_slice(), copied.as_slice());
    let id = write_down(app, actor, (from, snapshot), to, intent, &cause, change).await?;
    outcome(app, to, &intent.pointer, &Job::Promote { request: id }, id).await
}

/// The repository that somebody names as `owner/project` or `owner/directory`.
///
/// # Errors
/// 400 for another form, 404 when there is none.
pub async fn other(app: &App, into: &str, chroot: &str) -> Result<Place, Error> {
    let (owner, dir) = into
        .split_once('/')
        .ok_or_else(|| Error::Invalid("into: Name it as owner/project or owner/directory.".to_owned()))?;
    find(app, owner, dir, chroot).await
}

/// What is built for one distribution and architecture does not go to machines of another.
async fn agree(app: &App, from: &Place, to: &Place) -> Result<(), Error> {
    let (here, there) = (&from.repository.chroot, &to.repository.chroot);
    if here == there {
        return Ok(());
    }
    let mut conn = app.conn().await?;
    let one = db::chroots::find(&mut conn, here).await?;
    let other = db::chroots::find(&mut conn, there).await?;
    let dist = |chroot: Option<db::chroots::Chroot>| chroot.map(|chroot| chroot.definition.dist);
    if here.arch() == there.arch() && dist(one) == dist(other) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "into_chroot: packages of {here} are not for machines of {there}: distribution and architecture have to be the same"
    )))
}

/// Whether all packages can be in the other repository.
fn fit(to: &Place, snapshot: &Snapshot, candidates: &[Candidate]) -> Result<(), Error> {
    let names = |wrong: &dyn Fn(&&Candidate) -> bool| {
        let names: Vec<&str> = candidates
            .iter()
            .filter(wrong)
            .map(|c| c.file_name.as_str())
            .collect();
        let more = names.len().saturating_sub(NAMED);
        let mut text = names[..names.len() - more].join(", ");
        if more > 0 {
            text = format!("{text} and {more} more");
        }
        (!names.is_empty()).then_some(text)
    };
    if let Some(names) = names(&|c| c.build.is_none() && c.there.is_none()) {
        return Err(Error::Invalid(format!(
            "packages: the build of {names} in snapshot {} was deleted, so nothing stands for it in another repository; \
             choose other packages, or build it again",
            snapshot.number
        )));
    }
    let refused = !to.project.settings.replace_same_nevra;
    if let Some(names) = names(&|c| refused && c.meets_other && c.there.is_none()) {
        return Err(Error::Invalid(format!(
            "packages: {} has other packages of the same name, version and release already: {names}; choose others, or \
             delete the builds that made them there",
            to.shown()
        )));
    }
    Ok(())
}

/// `rpms.id` of newer versions, without which the promotion would change nothing.
fn newer(chosen: &[&Package], target: &[Package], candidates: &[Candidate]) -> Vec<i64> {
    let there: HashSet<i64> = candidates.iter().filter_map(|c| c.there).collect();
    choose::newer_than(chosen, target)
        .iter()
        .map(|p| p.id)
        .filter(|id| !there.contains(id))
        .collect()
}

async fn write_down(
    app: &App,
    actor: &Actor,
    (from, snapshot): (&Place, &Snapshot),
    to: &Place,
    intent: &Intent,
    cause: &str,
    (added, removed, copied): (&[i64], &[i64], &[i64]),
) -> Result<i64, Error> {
    let new = NewPromotion {
        request: NewRequest {
            repository: to.repository.id,
            pointer: &intent.pointer,
            expected: intent.expected,
            added,
            removed,
            actor: actor.name(),
            cause,
            action: "snapshot.promote",
            object: &to.object(),
        },
        project: &to.project,
        dir: &to.repository.dir,
        chroot: &to.repository.chroot,
        submitter: actor.signed_in()?.id,
        origin: &Origin {
            project: format!("{}/{}", from.project.owner, from.project.name),
            dir: from.repository.dir.to_string(),
            chroot: from.repository.chroot.to_string(),
            snapshot: snapshot.number,
            build: 0,
        },
        origin_object: &from.object(),
        copied,
    };
    let id = promotions::create(&mut *app.conn().await?, &new, app.now()).await;
    id.map_err(|error| match error {
        db::DbError::NotFound => Error::Conflict(format!(
            "A build of {} was deleted meanwhile; look at its snapshots and ask again.",
            from.shown()
        )),
        other => other.into(),
    })
}
