//! Copr's models as JSON.

use chrono::{DateTime, Utc};
use db::builds::Build;
use db::projects::Project;
use db::rpms::Rpm;
use db::tasks::TaskRow;
use protocol::{ChrootName, DirName};
use serde_json::{Map, Value, json};

use crate::config::Config;

/// A project; `chroots` are the enabled ones.
pub(super) fn project(config: &Config, project: &Project, chroots: &[ChrootName]) -> Value {
    let s = &project.settings;
    let dir = DirName::from(project.name.clone());
    let repos: Map<String, Value> = chroots
        .iter()
        .map(|chroot| {
            (
                chroot.to_string(),
                config.repository_url(&project.owner, &dir, chroot).into(),
            )
        })
        .collect();
    json!({
        "id": project.id,
        "name": project.name,
        "ownername": project.owner,
        "full_name": format!("{}/{}", project.owner, project.name),
        "homepage": s.homepage,
        "contact": s.contact,
        "description": s.description,
        "instructions": s.instructions,
        "devel_mode": s.devel_mode,
        "persistent": s.persistent,
        "unlisted_on_hp": s.unlisted_on_hp,
        "auto_prune": s.auto_prune,
        "chroot_repos": repos,
        "additional_repos": s.additional_repos,
        "enable_net": s.enable_net,
        "bootstrap": s.bootstrap,
        "isolation": s.isolation,
        "module_hotfixes": s.module_hotfixes,
        "appstream": s.appstream,
        "packit_forge_projects_allowed": s.packit_forge_projects_allowed,
        "follow_fedora_branching": s.follow_fedora_branching,
        "repo_priority": s.repo_priority,
        // The client chooses by this how it downloads results; "backend" is plain files below result_url.
        "storage": "backend",
    })
}

fn epoch(time: Option<DateTime<Utc>>) -> Option<i64> {
    time.map(|t| t.timestamp())
}

/// URL of the directory of a build's source package, with a trailing slash.
fn source_url(config: &Config, build: &Build, project: &Project) -> String {
    format!(
        "{}/srpm-builds/{:08}/",
        config.dir_url(&project.owner, &build.dir),
        build.id.0
    )
}

/// A build.
pub(super) fn build(config: &Config, build: &Build, project: &Project) -> Value {
    let source = build.srpm.as_ref();
    let chroots: Vec<&ChrootName> = build.tasks.iter().filter_map(|t| t.chroot.as_ref()).collect();
    json!({
        "id": build.id,
        "state": build.state(),
        "projectname": project.name,
        "ownername": project.owner,
        "project_dirname": build.dir,
        "repo_url": config.dir_url(&project.owner, &build.dir),
        "source_package": {
            "name": source.map(|s| &s.package),
            "version": source.map(|s| &s.version),
            "url": source.map(|s| format!("{}{}", source_url(config, build, project), s.file_name)),
        },
        "submitted_on": build.submitted_at.timestamp(),
        "started_on": epoch(build.started_at()),
        "ended_on": epoch(build.ended_at()),
        "submitter": build.submitter,
        "chroots": chroots,
        "is_background": build.options.background,
    })
}

/// The source part of a build.
pub(super) fn source_chroot(config: &Config, build: &Build, project: &Project) -> Value {
    let state = build
        .source_task
        .as_ref()
        .map_or("succeeded", |t| t.state.copr_word());
    json!({"state": state, "result_url": source_url(config, build, project)})
}

/// One chroot of a build; `None` for the source part.
pub(super) fn build_chroot(
    config: &Config,
    build: &Build,
    project: &Project,
    task: &TaskRow,
) -> Option<Value> {
    let chroot = task.chroot.as_ref()?;
    let repository = config.repository_url(&project.owner, &build.dir, chroot);
    Some(json!({
        "name": chroot,
        "state": task.state.copr_word(),
        "started_on": epoch(task.started_at),
        "ended_on": epoch(task.ended_at),
        "result_url": task.result_dir.as_ref().map(|dir| format!("{repository}{dir}/")),
    }))
}

/// The packages that a build made for one chroot.
pub(super) fn built_packages(rpms: &[Rpm], chroot: &ChrootName) -> Value {
    let packages: Vec<Value> = rpms
        .iter()
        .filter(|rpm| rpm.chroot == chroot.as_str())
        .map(|rpm| {
            json!({
                "name": rpm.name,
                "epoch": rpm.epoch,
                "version": rpm.version,
                "release": rpm.release,
                "arch": rpm.arch,
            })
        })
        .collect();
    json!({"packages": packages})
}
