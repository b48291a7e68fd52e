//! Builds of everything but uploads.

use db::builds::{self, Build, NewBuild, Recipe, Source, Target};
use db::package_edit::Package;
use db::projects::Project;
use protocol::{BuildId, ChrootName, CommitId};

use super::foreign::check_taken;
use super::plan::plan;
use super::{BuildRequest, Plan};
use crate::access::Actor;
use crate::app::App;
use crate::error::Error;
use crate::operations::projects::is_web_url;
use crate::operations::source;

/// Most URLs in one request.
const MAX_URLS: usize = 100;

/// Makes one build for each URL of a source package, all or none; builders fetch them.
///
/// # Errors
/// As [`super::check_before_build`], and 400 for what is no URL of a source package.
pub async fn submit_url(
    app: &App,
    actor: &Actor,
    project: &Project,
    request: &BuildRequest,
    urls: &[String],
) -> Result<Vec<BuildId>, Error> {
    if urls.is_empty() {
        return Err(Error::Invalid("pkgs: URLs to packages are required".to_owned()));
    }
    if urls.len() > MAX_URLS {
        return Err(Error::Invalid(format!(
            "pkgs: At most {MAX_URLS} URLs are taken at once"
        )));
    }
    let plan = plan(app, Some(actor), project, request, None, urls.len()).await?;
    for url in urls {
        source::check_url(url, is_web_url(url))?;
    }
    let targets = plan.targets(None);
    let sources: Vec<Source> = urls.iter().map(|url| Source::Link(url.clone())).collect();
    let all: Vec<NewBuild<'_>> = sources
        .iter()
        .map(|source| new_build(Some(actor), project, &plan, source, &targets, None))
        .collect();
    let now = app.now();
    Ok(builds::create_all(&mut *app.conn().await?, &all, now).await?)
}

/// Makes a build of a source that a source build makes into a package; its fields have been checked. `actor` is `None`
/// for webhooks, which prove themselves by their secret; `package` is the package whose source it is.
///
/// # Errors
/// As [`super::check_before_build`].
pub async fn submit_source(
    app: &App,
    actor: Option<&Actor>,
    project: &Project,
    request: &BuildRequest,
    recipe: Recipe,
    package: Option<&Package>,
) -> Result<BuildId, Error> {
    let mut plan = plan(app, actor, project, request, package, 1).await?;
    // What is fetched counts more than what is said.
    let fetched = recipe.fields.get("committish").and_then(|value| value.as_str());
    if let Some(commit) = fetched.and_then(|text| CommitId::typed(text).ok()) {
        plan.options.commit = Some(commit);
    }
    let (source, targets) = (Source::Recipe(recipe), plan.targets(None));
    insert(
        app,
        actor,
        project,
        &plan,
        &source,
        &targets,
        package.map(|p| p.id),
    )
    .await
}

/// Builds what another build was made of once more, with the same choices: the same source package where there is one,
/// else the same source; for the same chroots where they had been named and are still enabled.
///
/// # Errors
/// As [`super::check_before_build`], and 400 when there is nothing to build again, or nothing to build it for.
pub async fn resubmit(app: &App, actor: &Actor, build: &Build, project: &Project) -> Result<BuildId, Error> {
    actor.may_build(project)?;
    let source = again(build)?;
    if matches!(source, Source::Import(_)) {
        check_taken(&app.config)?;
    }
    let mut request = BuildRequest {
        dir: Some(build.dir.to_string()),
        exclude_chroots: build.options.chroots_excluded.clone(),
        options: build.options.clone(),
        ..BuildRequest::default()
    };
    if build.options.chroots_named {
        request.chroots = still_enabled(app, build, project).await?;
    }
    let package = match &build.package {
        Some(name) => db::package_edit::find(&mut *app.conn().await?, project.id, name.as_str()).await?,
        None => None,
    };
    let plan = plan(app, Some(actor), project, &request, package.as_ref(), 1).await?;
    let mut targets = plan.targets(None);
    if matches!(source, Source::Upload(_)) {
        // What the source package excludes was found out when it came.
        for target in &mut targets {
            target.skipped = build.tasks.iter().any(|t| {
                t.chroot.as_ref() == Some(&target.chroot) && t.state == db::tasks::TaskState::Skipped
            });
        }
    }
    let package = package.map(|p| p.id);
    let made = insert(app, Some(actor), project, &plan, &source, &targets, package).await?;
    if let Source::Upload(srpm) = &source {
        source::write_index(app, project, &plan.dir, made, srpm).await;
    }
    Ok(made)
}

/// The chroots that a build was for, as far as its project still enables them.
///
/// # Errors
/// 400 when none is left: a request without chroots would mean all of them.
async fn still_enabled(app: &App, build: &Build, project: &Project) -> Result<Vec<String>, Error> {
    let enabled = db::projects::chroots(&mut *app.conn().await?, project.id).await?;
    let named = build.tasks.iter().filter_map(|t| t.chroot.as_ref());
    let (left, gone): (Vec<_>, Vec<_>) = named.partition(|c| enabled.contains(c));
    if left.is_empty() {
        let gone: Vec<&str> = gone.into_iter().map(ChrootName::as_str).collect();
        return Err(Error::Invalid(format!(
            "chroots: Build {} was for {}, which {}/{} does not enable any more; enable a chroot of them, or submit a \
             new build",
            build.id,
            gone.join(", "),
            project.owner,
            project.name
        )));
    }
    Ok(left.into_iter().map(ToString::to_string).collect())
}

fn again(build: &Build) -> Result<Source, Error> {
    if let Some(import) = build.import() {
        return Ok(Source::Import(import));
    }
    if let Some(srpm) = &build.srpm {
        return Ok(Source::Upload(srpm.clone()));
    }
    if let Some(url) = &build.source_url {
        return Ok(Source::Link(url.clone()));
    }
    let kind = ["scm", "distgit", "pypi", "rubygems", "custom"]
        .into_iter()
        .find(|kind| *kind == build.source_kind);
    match (kind, &build.source) {
        (Some(kind), serde_json::Value::Object(fields)) => Ok(Source::Recipe(Recipe {
            kind,
            fields: fields.clone(),
        })),
        _ => Err(Error::Invalid(format!(
            "Build {} has no source that could be built again; upload the package once more",
            build.id
        ))),
    }
}

pub(super) async fn insert(
    app: &App,
    actor: Option<&Actor>,
    project: &Project,
    plan: &Plan,
    source: &Source,
    targets: &[Target],
    package: Option<i64>,
) -> Result<BuildId, Error> {
    let new = new_build(actor, project, plan, source, targets, package);
    let now = app.now();
    Ok(builds::create(&mut *app.conn().await?, &new, now).await?)
}

fn new_build<'a>(
    actor: Option<&'a Actor>,
    project: &'a Project,
    plan: &'a Plan,
    source: &'a Source,
    targets: &'a [Target],
    package: Option<i64>,
) -> NewBuild<'a> {
    NewBuild {
        project,
        dir: &plan.dir,
        submitter: actor.and_then(Actor::user).map(|u| u.id),
        actor: actor.map_or("webhook", Actor::name),
        source,
        targets,
        options: &plan.options,
        batch: plan.batch,
        package,
    }
}
