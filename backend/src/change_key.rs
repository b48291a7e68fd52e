//! A new key for a project: machines can import it before anything is signed with it, then everything is signed anew, and
//! only then, if that is wanted, the old one ends. Each step can be repeated.

use std::time::Duration;

use db::keys::KeyEnd;
use db::projects::Project;
use db::repositories::Repository;
use db::snapshots::Audience;
use keys::{Fingerprint, KeyId};

use crate::context::Context;
use crate::error::JobError;
use crate::renew_keys::{rows, value};
use crate::snapshot::{self, Cause, Change, Publication};
use crate::{mini, pointer, public_key, resign};

/// Who asked where nobody did.
const SERVICE: &str = "service";
/// How often to look for jobs that began with the old key.
const LOOK: Duration = Duration::from_millis(200);
/// How often to look before the job is repeated: for about half a minute.
const LOOKS: usize = 150;

pub(crate) async fn run(
    context: &Context,
    id: i64,
    (after, end): (&str, Option<&KeyEnd>),
    requester: &str,
) -> Result<(), JobError> {
    let mut conn = context.conn().await?;
    let Some(project) = db::projects::by_id(&mut conn, id).await? else {
        return Ok(());
    };
    if project.deleted_at.is_some() {
        return Ok(());
    }
    drop(conn);
    context.public_key(&project)?;
    let name = KeyId::parse(&project.key_id).map_err(JobError::fail)?;
    let after: Fingerprint = after.to_owned().try_into().map_err(JobError::fail)?;
    context.keys.rotate_key(&name, after, None, requester).await?;
    context.faults.pass("change_key.after_key");
    let project = activate(context, &project, &name).await?;
    let mut conn = context.conn().await?;
    let begun = db::keys::publishing(&mut conn, id, (context.clock)()).await?;
    drop(conn);
    context.faults.pass("change_key.before_signatures");
    let mut lost = sign_all(context, &project, requester, true).await?;
    context.faults.pass("change_key.before_sweep");
    if !begun.is_empty() {
        wait(context, id, &begun).await?;
        lost = sign_all(context, &project, requester, false).await?;
    }
    if let Some(end) = end {
        revoke(context, &project, &name, (after, end), requester).await?;
    }
    lost.map_or(Ok(()), |reason| Err(JobError::Fail(reason)))
}

/// Writes down all keys, lets machines find them, and then has everything signed with the newest.
async fn activate(context: &Context, project: &Project, name: &KeyId) -> Result<Project, JobError> {
    publish(context, project, name).await?;
    context.faults.pass("change_key.before_active");
    let newest = public_key::all(context, project).await?.pop();
    let newest = newest.ok_or_else(|| JobError::fail(format!("the signer has no key {name}")))?;
    let mut conn = context.conn().await?;
    let json = value(&newest)?;
    db::keys::activate(&mut conn, project.id, &json).await?;
    Ok(Project {
        public_key: Some(json),
        ..project.clone()
    })
}

/// Writes down what the signer says, and the file that machines import.
async fn publish(context: &Context, project: &Project, name: &KeyId) -> Result<(), JobError> {
    let all = context.keys.keys(name).await?;
    let mut conn = context.conn().await?;
    db::keys::write(&mut conn, project.id, &rows(&all)?).await?;
    let repositories = db::repositories::of_project(&mut conn, project.id).await?;
    drop(conn);
    context.faults.pass("change_key.before_file");
    let main = project.name.clone().into();
    public_key::write(context, project, &repositories, &main).await
}

/// Signs the packages of all repositories anew, and publishes each of those for whoever follows a pointer; with `metadata`,
/// also where no package had to be signed. Returns what the administrator has to look at.
async fn sign_all(
    context: &Context,
    project: &Project,
    requester: &str,
    metadata: bool,
) -> Result<Option<String>, JobError> {
    let repositories = db::repositories::of_project(&mut *context.conn().await?, project.id).await?;
    let mut lost = None;
    for repository in repositories {
        lost = resign::packages(context, project, &repository).await?.or(lost);
        mini::renew(context, project, &repository).await?;
        let mut conn = context.conn().await?;
        let fresh = db::keys::fresh(&mut conn, repository.id).await?;
        drop(conn);
        // What has no snapshot yet gets its first from the set-up, with the active key.
        if repository.seen_by_builds() == 0 || (fresh.is_empty() && !metadata) {
            continue;
        }
        snapshots(context, project, &repository, requester).await?;
        let replaced: Vec<i64> = fresh.into_iter().map(|(old, _)| old).collect();
        db::keys::settled(&mut *context.conn().await?, &replaced).await?;
    }
    Ok(lost)
}

async fn snapshots(
    context: &Context,
    project: &Project,
    repository: &Repository,
    requester: &str,
) -> Result<(), JobError> {
    // Users of a project in devel mode get what they had, and nothing newer by this.
    let mut audiences = if project.settings.devel_mode {
        vec![Audience::Builds, Audience::Users]
    } else {
        vec![Audience::Everybody]
    };
    let pointers = db::pointers::of_repository(&mut *context.conn().await?, repository.id).await?;
    let own = pointers.into_iter().filter(|pointer| !pointer.name.is_built_in());
    audiences.extend(own.map(|pointer| Audience::Pointer(pointer.name)));
    let key = context.public_key(project)?;
    for audience in audiences {
        let publication = Publication {
            project,
            repository: repository.id,
            change: Change::default(),
            audience,
            cause: Cause::Key(key.fingerprint.key_id_hex()),
            actor: (requester != SERVICE).then_some(requester),
            asked: None,
        };
        snapshot::publish_snapshot(context, &publication).await?;
    }
    context.faults.pass("change_key.before_pointer");
    pointer::run(context, repository.id).await
}

/// Waits for jobs that may have signed with the old key, and whose packages are not there yet.
async fn wait(context: &Context, project: i64, begun: &[(i64, i32)]) -> Result<(), JobError> {
    for _ in 0..LOOKS {
        let mut conn = context.conn().await?;
        let now = db::keys::publishing(&mut conn, project, (context.clock)()).await?;
        drop(conn);
        if !now.iter().any(|run| begun.contains(run)) {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(JobError::retry(
        "packages are being published that may have the old signature",
    ))
}

/// Ends the old key, once nothing that is served needs it.
async fn revoke(
    context: &Context,
    project: &Project,
    name: &KeyId,
    (after, end): (Fingerprint, &KeyEnd),
    requester: &str,
) -> Result<(), JobError> {
    let known = public_key::all(context, project).await?;
    let old = known.iter().find(|key| key.fingerprint == after);
    let old = old.ok_or_else(|| JobError::fail(format!("{name} has no key {after}")))?;
    let reason = end.reason.parse().map_err(JobError::fail)?;
    context.faults.pass("change_key.before_end");
    context
        .keys
        .revoke_key(old, reason, &end.message, requester)
        .await?;
    publish(context, project, name).await?;
    context.faults.pass("change_key.before_listings");
    for repository in db::repositories::of_project(&mut *context.conn().await?, project.id).await? {
        resign::list_anew(context, project, &repository).await?;
    }
    Ok(())
}
