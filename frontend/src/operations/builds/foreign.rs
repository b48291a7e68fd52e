//! Packages that were built elsewhere: taken in, marked as such, and published with the project's signature.

use std::collections::HashSet;

use db::builds::{Source, StoredFile, StoredRpm};
use db::projects::Project;
use protocol::{BuildId, ChrootName};
use repodata::Nevra;

use super::plan::plan;
use super::submit::insert;
use super::upload::{Received, take_in};
use super::{BuildRequest, Plan};
use crate::access::Actor;
use crate::app::App;
use crate::config::Config;
use crate::error::Error;
use crate::operations::source;

/// Whether this service takes any.
pub(super) fn check_taken(config: &Config) -> Result<(), Error> {
    if config.rpm_upload {
        return Ok(());
    }
    Err(Error::Forbidden(
        "This service publishes only what it built itself; submit the source package with 'copr-cli build'."
            .to_owned(),
    ))
}

fn check_batch(request: &BuildRequest) -> Result<(), Error> {
    if request.after_build.is_some() || request.with_build.is_some() {
        return Err(Error::Invalid(
            "after_build_id, with_build_id: An uploaded package is published at once and cannot be part of a batch"
                .to_owned(),
        ));
    }
    Ok(())
}

/// Makes a build of many received binary packages. Each goes into the chosen chroots that take its architecture; one that
/// goes nowhere was sent by mistake.
pub(super) async fn submit_set(
    app: &App,
    actor: &Actor,
    project: &Project,
    request: &BuildRequest,
    received: &[Received],
) -> Result<BuildId, Error> {
    check_batch(request)?;
    let mut plan = plan(app, Some(actor), project, request, None, 1).await?;
    let mut files = Vec::with_capacity(received.len());
    let mut names = HashSet::new();
    for one in received {
        let nevra = source::look_into_rpm(app, one).await?.nevra;
        if !plan.chroots.iter().any(|chroot| chroot.takes_arch(&nevra.arch)) {
            return Err(Error::Invalid(format!(
                "pkgs: {nevra} was built for {}, which none of the chosen chroots is for",
                nevra.arch
            )));
        }
        if !names.insert(nevra.file_name()) {
            return Err(Error::Invalid(format!("pkgs: {nevra} came twice")));
        }
        take_in(app, one).await?;
        files.push(StoredRpm {
            file: StoredFile {
                sha256: one.hashed.sha256.clone(),
                file_name: nevra.file_name().parse()?,
                size: i64::try_from(one.hashed.size).unwrap_or(i64::MAX),
            },
            arch: nevra.arch,
        });
    }
    // No chroot gets a snapshot without a change.
    plan.chroots
        .retain(|chroot| files.iter().any(|rpm| chroot.takes_arch(&rpm.arch)));
    let (source, targets) = (Source::Rpms(files), plan.targets(None));
    insert(app, Some(actor), project, &plan, &source, &targets, None).await
}

/// Makes a build of a received binary package.
pub(super) async fn submit_rpm(
    app: &App,
    actor: &Actor,
    project: &Project,
    request: &BuildRequest,
    received: &Received,
) -> Result<BuildId, Error> {
    check_batch(request)?;
    let plan = plan(app, Some(actor), project, request, None, 1).await?;
    let ([chroot], true) = (plan.chroots.as_slice(), plan.options.chroots_named) else {
        return Err(Error::Invalid(
            "chroots: Name exactly one chroot that the package goes into".to_owned(),
        ));
    };
    let foreign = source::look_into_rpm(app, received).await?;
    check_place(app, project, &plan, chroot, &foreign.nevra).await?;
    take_in(app, received).await?;
    let source = Source::Rpm {
        file: StoredFile {
            sha256: received.hashed.sha256.clone(),
            file_name: foreign.nevra.file_name().parse()?,
            size: i64::try_from(received.hashed.size).unwrap_or(i64::MAX),
        },
        package: foreign.package,
        version: format!("{}-{}", foreign.nevra.version, foreign.nevra.release),
    };
    let targets = plan.targets(None);
    insert(app, Some(actor), project, &plan, &source, &targets, None).await
}

/// Whether the package may lie there: the architecture fits, and nothing is in its place.
async fn check_place(
    app: &App,
    project: &Project,
    plan: &Plan,
    chroot: &ChrootName,
    nevra: &Nevra,
) -> Result<(), Error> {
    if !chroot.takes_arch(&nevra.arch) {
        return Err(Error::Invalid(format!(
            "pkgs: {nevra} was built for {}, but the chroot {chroot} is for {}",
            nevra.arch,
            chroot.arch()
        )));
    }
    let mut conn = app.conn().await?;
    let here = db::repositories::find(&mut conn, project.id, &plan.dir, chroot).await?;
    let free = plan.options.scratch || project.settings.replace_same_nevra;
    if let Some(repository) = here.filter(|_| !free) {
        let epoch = i32::try_from(nevra.epoch.unwrap_or(0)).unwrap_or(i32::MAX);
        let same = (
            nevra.name.as_str(),
            epoch,
            nevra.version.as_str(),
            nevra.release.as_str(),
            nevra.arch.as_str(),
        );
        if db::rpms::holds(&mut conn, repository.id, same).await? {
            return Err(Error::Invalid(format!(
                "pkgs: The repository has {nevra} already; raise its release, or delete the build that brought it"
            )));
        }
    }
    Ok(())
}
