//! Copr's models, as they go out in JSON.

mod package;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use db::builds::Build as BuildRow;
use db::projects::Project as ProjectRow;
use db::promotions::Origin;
use db::read::build_chroots::Part;
use db::read::builds::Line;
use db::read::projects::Shown;
use db::rpms::Rpm;
use protocol::ChrootName;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use crate::config::Config;

pub(super) use package::{LatestBuilds, PACKAGE_BYTES, Package, package};

/// Part of a list.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Paged<T> {
    pub items: Vec<T>,
    pub meta: Meta,
}

/// Which part of a list it is.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Meta {
    pub limit: Option<i64>,
    pub offset: i64,
    pub order: &'static str,
    pub order_type: &'static str,
}

/// A list that is always whole; Copr's client wants a `meta` object, which is empty.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Whole<T> {
    pub items: Vec<T>,
    pub meta: BTreeMap<String, String>,
}

impl<T> Whole<T> {
    pub fn new(items: Vec<T>) -> Self {
        Self {
            items,
            meta: BTreeMap::new(),
        }
    }
}

/// A project.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Project {
    pub id: i64,
    pub name: String,
    pub ownername: String,
    /// Who decides about it; differs from the owner after a transfer.
    pub holder: String,
    pub full_name: String,
    pub homepage: String,
    pub contact: String,
    pub description: String,
    pub instructions: String,
    pub devel_mode: bool,
    pub persistent: bool,
    pub unlisted_on_hp: bool,
    pub auto_prune: bool,
    /// URL of each enabled chroot's repository.
    pub chroot_repos: BTreeMap<String, String>,
    pub additional_repos: Vec<String>,
    pub enable_net: bool,
    pub bootstrap: String,
    pub isolation: String,
    pub module_hotfixes: bool,
    pub appstream: bool,
    pub packit_forge_projects_allowed: Vec<String>,
    pub follow_fedora_branching: bool,
    pub repo_priority: Option<i32>,
    /// Whether a newer package of the same name, version, release and architecture replaces the other; else it is refused.
    pub replace_same_nevra: bool,
    /// The pointer that builds go to where they name none; `null` is everybody.
    pub build_pointer: Option<String>,
    /// In devel mode: hours after a passed test until users get what builds have; `null`: when somebody asks for it.
    pub release_after_hours: Option<i32>,
    /// So many of the newest snapshots of each repository are kept; `null` is the service's rule.
    pub keep_snapshots: Option<i32>,
    /// Snapshots that a pointer named within so many days are kept; `null` is the service's rule.
    pub keep_days: Option<i32>,
    /// Whether builders find out if what is published can be installed: `on`, `off`, or `default`, as the service has it.
    pub check_installs: &'static str,
    /// How results are downloaded: always `backend`, plain files below `result_url`.
    pub storage: &'static str,
}

/// A project.
pub(super) fn project(config: &Config, project: Shown) -> Project {
    let Shown {
        id,
        owner,
        holder,
        name,
        settings: s,
        chroots,
        ..
    } = project;
    Project {
        id,
        full_name: format!("{owner}/{name}"),
        chroot_repos: chroots
            .into_iter()
            .map(|chroot| {
                let url = format!("{}/{owner}/{name}/{chroot}/", config.results_url);
                (chroot, url)
            })
            .collect(),
        name,
        ownername: owner,
        holder,
        homepage: s.homepage,
        contact: s.contact,
        description: s.description,
        instructions: s.instructions,
        devel_mode: s.devel_mode,
        persistent: s.persistent,
        unlisted_on_hp: s.unlisted_on_hp,
        auto_prune: s.auto_prune,
        additional_repos: s.additional_repos,
        enable_net: s.enable_net,
        bootstrap: s.bootstrap,
        isolation: s.isolation,
        module_hotfixes: s.module_hotfixes,
        appstream: s.appstream,
        packit_forge_projects_allowed: s.packit_forge_projects_allowed,
        follow_fedora_branching: s.follow_fedora_branching,
        repo_priority: s.repo_priority,
        replace_same_nevra: s.replace_same_nevra,
        build_pointer: s.build_pointer.map(|pointer| pointer.to_string()),
        release_after_hours: s.release_after_hours,
        keep_snapshots: s.keep_snapshots,
        keep_days: s.keep_days,
        check_installs: s.check_installs.as_str(),
        storage: "backend",
    }
}

pub(super) fn epoch(time: Option<DateTime<Utc>>) -> Option<i64> {
    time.map(|t| t.timestamp())
}

/// URL of the directory of a build's source package, with a trailing slash.
fn source_url(config: &Config, build: &BuildRow, project: &ProjectRow) -> String {
    format!(
        "{}/srpm-builds/{:08}/",
        config.dir_url(&project.owner, &build.dir),
        build.id.0
    )
}

/// An address among the results that is only put together when it is written: long lists have two in each line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Address<'a> {
    results: &'a str,
    owner: &'a str,
    dir: &'a str,
    /// A build's number and the name of its source package.
    srpm: Option<(i64, &'a str)>,
}

impl std::fmt::Display for Address<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}", self.results, self.owner, self.dir)?;
        match self.srpm {
            None => Ok(()),
            Some((id, file)) => write!(f, "/srpm-builds/{id:08}/{file}"),
        }
    }
}

impl Serialize for Address<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A build's source package; all null until it is known.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SourcePackage<'a> {
    pub name: Option<&'a str>,
    pub version: Option<&'a str>,
    #[schemars(with = "Option<String>")]
    pub url: Option<Address<'a>>,
}

/// A build. Times are seconds since the epoch.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Build<'a> {
    pub id: i64,
    pub state: &'a str,
    pub projectname: &'a str,
    pub ownername: &'a str,
    pub project_dirname: &'a str,
    /// URL of the results of the directory, without a trailing slash.
    #[schemars(with = "String")]
    pub repo_url: Address<'a>,
    pub source_package: SourcePackage<'a>,
    pub submitted_on: i64,
    pub started_on: Option<i64>,
    pub ended_on: Option<i64>,
    /// Null for builds that webhooks started.
    pub submitter: Option<&'a str>,
    pub chroots: &'a [String],
    pub is_background: bool,
    /// Where its packages come from, if they were promoted from another repository. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promoted_from: Option<PromotedFrom<'a>>,
    /// The commit that its source is, if its submitter said so. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<&'a str>,
}

/// Where the packages of a promoted build come from.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct PromotedFrom<'a> {
    /// `owner/name` of the project.
    pub project: &'a str,
    pub project_dirname: &'a str,
    pub chroot: &'a str,
    /// The snapshot that had them.
    pub snapshot: i64,
    /// The build that made them, which may be gone.
    pub build_id: i64,
}

impl<'a> From<&'a Origin> for PromotedFrom<'a> {
    fn from(origin: &'a Origin) -> Self {
        Self {
            project: &origin.project,
            project_dirname: &origin.dir,
            chroot: &origin.chroot,
            snapshot: origin.snapshot,
            build_id: origin.build,
        }
    }
}

/// About how many bytes of JSON a build is.
pub(super) const BUILD_BYTES: usize = 1024;

/// A build.
pub(super) fn build_line<'a>(
    config: &'a Config,
    owner: &'a str,
    project: &'a str,
    line: &'a Line,
) -> Build<'a> {
    let repo_url = Address {
        results: &config.results_url,
        owner,
        dir: &line.dir,
        srpm: None,
    };
    let srpm = line.srpm.as_deref().map(|file| (line.id, file));
    Build {
        id: line.id,
        state: &line.state,
        projectname: project,
        ownername: owner,
        project_dirname: &line.dir,
        source_package: SourcePackage {
            name: line.package.as_deref(),
            version: line.version.as_deref(),
            url: srpm.is_some().then_some(Address { srpm, ..repo_url }),
        },
        repo_url,
        submitted_on: line.submitted_at.timestamp(),
        started_on: epoch(line.started_at),
        ended_on: epoch(line.ended_at),
        submitter: line.submitter.as_deref(),
        chroots: &line.chroots,
        is_background: line.background,
        promoted_from: None,
        commit: None,
    }
}

/// The source part of a build.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SourceChroot {
    pub state: String,
    pub result_url: String,
}

/// The source part of a build.
pub(super) fn source_chroot(config: &Config, build: &BuildRow, project: &ProjectRow) -> SourceChroot {
    SourceChroot {
        state: build
            .source_task
            .as_ref()
            .map_or("succeeded", |t| t.state.copr_word())
            .to_owned(),
        result_url: source_url(config, build, project),
    }
}

/// One chroot of a build. Times are seconds since the epoch.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct BuildChroot {
    pub name: String,
    pub state: String,
    pub started_on: Option<i64>,
    pub ended_on: Option<i64>,
    /// Null until a builder has begun, and where none ever will; else with a trailing slash.
    pub result_url: Option<String>,
}

/// One chroot of a build, whose directory has this URL.
pub(super) fn build_chroot(dir: &str, part: &Part) -> BuildChroot {
    let Part {
        chroot,
        state,
        started_at,
        ended_at,
        results,
    } = part.clone();
    BuildChroot {
        state,
        started_on: epoch(started_at),
        ended_on: epoch(ended_at),
        result_url: results.map(|folder| format!("{dir}/{chroot}/{folder}/")),
        name: chroot,
    }
}

/// A package that a build made.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct BuiltPackage {
    pub name: String,
    pub epoch: i32,
    pub version: String,
    pub release: String,
    pub arch: String,
}

/// The packages that a build made for one chroot.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct BuiltPackages {
    pub packages: Vec<BuiltPackage>,
}

/// The packages that a build made for one chroot.
pub(super) fn built_packages(rpms: &[Rpm], chroot: &ChrootName) -> BuiltPackages {
    let of_chroot = rpms.iter().filter(|rpm| rpm.chroot == chroot.as_str());
    BuiltPackages {
        packages: of_chroot
            .map(|rpm| BuiltPackage {
                name: rpm.name.clone(),
                epoch: rpm.epoch,
                version: rpm.version.clone(),
                release: rpm.release.clone(),
                arch: rpm.arch.clone(),
            })
            .collect(),
    }
}
