//! Submitting and canceling builds.

use std::fmt::Display;

use bytes::Bytes;
use db::builds::{self, Build, BuildOptions, NewBuild, Source, Target};
use db::projects::{self, Project};
use futures_util::Stream;
use protocol::{BuildId, ChrootName, DirName, FileName};
use storage::{Hashed, StorageKey};

use crate::access::Actor;
use crate::app::App;
use crate::error::Error;
use crate::operations::pattern::fnmatch;
use crate::operations::projects::{is_web_url, shown};
use crate::operations::source;

/// Longest time that a submitter may ask for, in seconds (Copr's).
const MAX_TIMEOUT_S: u64 = 108_000;
/// Most URLs in one request.
const MAX_URLS: usize = 100;

/// What all ways to submit have in common.
#[derive(Debug, Clone, Default)]
pub struct BuildRequest {
    /// Chroots to build for, names or shell patterns (`*`, `?`, `[…]`); empty: all that the project enables.
    pub chroots: Vec<String>,
    /// Chroots to leave out, names or patterns.
    pub exclude_chroots: Vec<String>,
    /// Result directory; `None`: the project's own.
    pub dir: Option<String>,
    /// Choices.
    pub options: BuildOptions,
}

/// What a request comes to in its project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Result directory.
    pub dir: DirName,
    /// Chroots, by name.
    pub chroots: Vec<ChrootName>,
}

/// A file that was uploaded and that no build uses yet.
#[derive(Debug)]
pub struct Received {
    /// Where it lies.
    pub(crate) key: StorageKey,
    /// What it was called.
    pub(crate) file_name: FileName,
    /// Size and digest.
    pub(crate) hashed: Hashed,
}

/// Checks everything about a build but its source.
///
/// # Errors
/// 403 when the actor may not build here, 400 for options that cannot be met.
pub async fn check_before_build(
    app: &App,
    actor: &Actor,
    project: &Project,
    request: &BuildRequest,
) -> Result<Plan, Error> {
    actor.may_build(project)?;
    if request
        .options
        .timeout_s
        .is_some_and(|t| !(1..=MAX_TIMEOUT_S).contains(&t))
    {
        return Err(Error::Invalid(format!(
            "timeout: Number must be between 1 and {MAX_TIMEOUT_S}."
        )));
    }
    let dir = match request.dir.as_deref().filter(|d| !d.is_empty()) {
        None => DirName::from(project.name.clone()),
        Some(text) => text.parse::<DirName>().ok().filter(|d| d.project() == project.name).ok_or_else(|| {
            Error::Invalid(format!(
                "project_dirname: '{}' is not a directory of this project. Please use directory format {name}:custom:<suffix> or {name}:pr:<id>",
                shown(text),
                name = project.name
            ))
        })?,
    };
    let enabled = projects::chroots(&mut *app.conn().await?, project.id).await?;
    let chroots = choose_chroots(&enabled, request)?;
    let active = db::chroots::list(&mut *app.conn().await?, true).await?;
    let chroots: Vec<ChrootName> = chroots
        .into_iter()
        .filter(|c| active.iter().any(|a| a.definition.name == *c))
        .collect();
    if chroots.is_empty() {
        return Err(Error::Invalid(
            "chroots: At least one chroot must be selected; none of the chosen ones is active".to_owned(),
        ));
    }
    Ok(Plan { dir, chroots })
}

fn choose_chroots(enabled: &[ChrootName], request: &BuildRequest) -> Result<Vec<ChrootName>, Error> {
    let matching = |patterns: &[String]| -> Result<Vec<ChrootName>, Error> {
        let mut chosen = Vec::new();
        let mut wrong = Vec::new();
        for pattern in patterns {
            let before = chosen.len();
            chosen.extend(enabled.iter().filter(|c| fnmatch(pattern, c.as_str())).cloned());
            if chosen.len() == before {
                wrong.push(format!(
                    "chroots: '{}' is not a valid choice for this field",
                    shown(pattern)
                ));
            }
        }
        if wrong.is_empty() {
            Ok(chosen)
        } else {
            Err(Error::Invalid(wrong.join("\n")))
        }
    };
    let chosen = if request.chroots.is_empty() {
        enabled.to_vec()
    } else {
        matching(&request.chroots)?
    };
    // A pattern to leave out may match nothing: people use one for many projects.
    let mut left: Vec<ChrootName> = chosen
        .into_iter()
        .filter(|c| {
            !request
                .exclude_chroots
                .iter()
                .any(|pattern| fnmatch(pattern, c.as_str()))
        })
        .collect();
    left.sort();
    left.dedup();
    if left.is_empty() {
        return Err(Error::Invalid(
            "chroots: At least one chroot must be selected".to_owned(),
        ));
    }
    Ok(left)
}

/// Takes in a file, as a stream: memory does not grow with its size. The file comes before the form that says where it
/// belongs, so permissions are checked afterwards, by [`submit_upload`]; only users can upload at all.
///
/// # Errors
/// 400 for a name that is no source package's and for a stream that breaks off, 413 above `max_upload_bytes`.
pub async fn receive_upload<S, E>(
    app: &App,
    actor: &Actor,
    file_name: &str,
    stream: S,
) -> Result<Received, Error>
where
    S: Stream<Item = Result<Bytes, E>>,
    E: Display,
{
    actor.signed_in()?;
    let file_name = source::check_file_name(file_name)?;
    let name = format!("{:032x}", rand::random::<u128>()).parse::<FileName>()?;
    let key = StorageKey::Incoming(name);
    let hashed = match app
        .storage
        .put_stream(&key, stream, app.config.max_upload_bytes)
        .await
    {
        Ok(hashed) => hashed,
        Err(error) => {
            forget(app, &key).await;
            return Err(error.into());
        }
    };
    Ok(Received {
        key,
        file_name,
        hashed,
    })
}

/// Drops a received file that no build will use.
pub async fn discard_upload(app: &App, received: &Received) {
    forget(app, &received.key).await;
}

async fn forget(app: &App, key: &StorageKey) {
    if let Err(error) = app.storage.delete(key).await {
        // A file left behind costs space only.
        tracing::warn!("removing a refused upload failed: {error}");
    }
}

/// Makes a build of a received file.
///
/// # Errors
/// As [`check_before_build`], and 400 with a sentence for the packager when the file is no whole source package. No
/// build exists then.
pub async fn submit_upload(
    app: &App,
    actor: &Actor,
    project: &Project,
    request: &BuildRequest,
    received: Received,
) -> Result<BuildId, Error> {
    let result = submit_received(app, actor, project, request, &received).await;
    discard_upload(app, &received).await;
    result
}

async fn submit_received(
    app: &App,
    actor: &Actor,
    project: &Project,
    request: &BuildRequest,
    received: &Received,
) -> Result<BuildId, Error> {
    let plan = check_before_build(app, actor, project, request).await?;
    let looked_into = source::look_into(app, received).await?;
    app.storage
        .copy(&received.key, &StorageKey::Blob(received.hashed.sha256.clone()))
        .await?;
    let targets: Vec<Target> = plan
        .chroots
        .iter()
        .map(|chroot| Target {
            chroot: chroot.clone(),
            skipped: !looked_into.arches.builds_for(chroot.arch()),
        })
        .collect();
    let srpm = looked_into.srpm;
    let build = insert(
        app,
        actor,
        project,
        &plan.dir,
        &Source::Upload(srpm.clone()),
        &targets,
        request,
    )
    .await?;
    source::write_index(app, project, &plan.dir, build, &srpm).await;
    Ok(build)
}

/// Makes one build for each URL of a source package; builders fetch them.
///
/// # Errors
/// As [`check_before_build`], and 400 for what is no URL of a source package.
pub async fn submit_url(
    app: &App,
    actor: &Actor,
    project: &Project,
    request: &BuildRequest,
    urls: &[String],
) -> Result<Vec<BuildId>, Error> {
    let plan = check_before_build(app, actor, project, request).await?;
    if urls.is_empty() || urls.len() > MAX_URLS {
        return Err(Error::Invalid(format!(
            "pkgs: Give 1 to {MAX_URLS} URLs of source packages"
        )));
    }
    for url in urls {
        source::check_url(url, is_web_url(url))?;
    }
    let targets: Vec<Target> = plan
        .chroots
        .iter()
        .map(|chroot| Target {
            chroot: chroot.clone(),
            skipped: false,
        })
        .collect();
    let mut made = Vec::with_capacity(urls.len());
    for url in urls {
        let source = Source::Link(url.clone());
        made.push(insert(app, actor, project, &plan.dir, &source, &targets, request).await?);
    }
    Ok(made)
}

async fn insert(
    app: &App,
    actor: &Actor,
    project: &Project,
    dir: &DirName,
    source: &Source,
    targets: &[Target],
    request: &BuildRequest,
) -> Result<BuildId, Error> {
    let new = NewBuild {
        project,
        dir,
        submitter: actor.user().map(|u| u.id),
        actor: actor.name(),
        source,
        targets,
        options: &request.options,
    };
    let now = app.now();
    Ok(builds::create(&mut *app.conn().await?, &new, now).await?)
}

/// Finds a build of a live project.
///
/// # Errors
/// [`Error::NotFound`] when there is none.
pub async fn find_build(app: &App, id: &str) -> Result<(Build, Project), Error> {
    let missing = || Error::NotFound(format!("Build {} does not exist.", shown(id)));
    let id: BuildId = id.parse().map_err(|_| missing())?;
    builds::find_with_project(&mut *app.conn().await?, id)
        .await?
        .ok_or_else(missing)
}

/// Cancels what is left of a build, at once.
///
/// # Errors
/// 403 when the actor may not, 409 when nothing is left to cancel.
pub async fn cancel_build(app: &App, actor: &Actor, build: &Build, project: &Project) -> Result<(), Error> {
    actor.may_cancel(project, build)?;
    let now = app.now();
    if builds::cancel(&mut *app.conn().await?, build, actor.name(), now).await? {
        Ok(())
    } else {
        Err(Error::Conflict(format!(
            "Cannot cancel build {}: it is {} already",
            build.id,
            build.state()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chroots_are_chosen_among_the_enabled_ones() {
        let enabled: Vec<ChrootName> = ["a-1-x86_64", "b-1-x86_64", "b-2-aarch64"]
            .iter()
            .map(|c| c.parse().unwrap())
            .collect();
        let chosen = |chroots: &[&str], without: &[&str]| {
            let list = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect();
            let request = BuildRequest {
                chroots: list(chroots),
                exclude_chroots: list(without),
                ..Default::default()
            };
            choose_chroots(&enabled, &request).map(|c| c.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(chosen(&[], &[]).unwrap().len(), 3);
        assert_eq!(
            chosen(&["b-*"], &["*-aarch64", "nothing-*"]).unwrap(),
            ["b-1-x86_64"]
        );
        assert!(
            chosen(&["c-1-x86_64"], &[])
                .unwrap_err()
                .to_string()
                .contains("is not a valid choice for this field")
        );
        assert!(
            chosen(&[], &["*"])
                .unwrap_err()
                .to_string()
                .contains("At least one chroot must be selected")
        );
    }
}
