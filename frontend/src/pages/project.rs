//! `GET /coprs/{owner}/{project}/`

use std::collections::BTreeMap;

use actix_web::{HttpResponse, web};
use db::projects::Project as Row;
use db::read::{builds, overview, packages};
use protocol::{ChrootName, DirName, RepoTag};
use serde::Deserialize;

use super::visitor::Visitor;
use super::{html, views};
use crate::app::App;
use crate::config::Config;
use crate::error::Error;
use crate::operations::projects::find_project;
use crate::repo_file::file_name;
use crate::templates::context::{Arch, DirectoryLine, Key, PackageLine, Project, Repo, Trouble};

/// Directories that are shown.
const DIRECTORIES: i64 = 100;
/// Builds that are shown.
const NEWEST: i64 = 10;
/// Packages that are shown.
const PACKAGES: i64 = 15;

/// What a page needs of the signer's answer.
#[derive(Deserialize)]
struct PublicKey {
    fingerprint: String,
    algorithm: String,
}

fn trouble(trouble: db::jobs::Trouble) -> Trouble {
    Trouble {
        reason: trouble.reason,
        set_up: trouble.set_up,
        given_up: trouble.given_up,
    }
}

/// A project: how to enable it, its packages and builds.
pub async fn show(
    app: web::Data<App>,
    visitor: Visitor,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, Error> {
    let row = find_project(&app, &path.0, &path.1).await?;
    let now = app.now();
    let mut conn = app.conn().await?;
    let troubles = db::jobs::troubles(&mut conn, row.id).await?;
    let chroots = db::projects::chroots(&mut conn, row.id).await?;
    let builds = builds::Wanted {
        limit: NEWEST,
        ..builds::Wanted::default()
    };
    let packages = packages::Wanted {
        with: packages::With {
            latest: true,
            latest_succeeded: false,
        },
        order: packages::Order::Name,
        // One more tells whether there are more.
        limit: PACKAGES + 1,
        ..packages::Wanted::default()
    };
    let (newest, mut packages) =
        overview::of_project(&mut conn, &row.owner, &row.name, builds, packages).await?;
    let directories = db::directories::list(&mut conn, row.id, DIRECTORIES).await?;
    drop(conn);
    let shown = usize::try_from(PACKAGES).unwrap_or(usize::MAX);
    let more_packages = packages.len() > shown;
    packages.truncate(shown);
    let line = |line| views::line(line, row.owner.as_str(), row.name.as_str(), now);
    let main = DirName::from(row.name.clone());
    let repos = repos(&app.config, &row, &main, &chroots);
    let directories = directories.into_iter().filter(|d| !d.name.is_main());
    let directories = directories.map(|directory| DirectoryLine {
        repos: self::repos(&app.config, &row, &directory.name, &chroots)
            .into_iter()
            .map(|repo| Arch {
                name: repo.name_release,
                url: repo.url,
            })
            .collect(),
        name: directory.name.to_string(),
        last_build: directory.last_build_at.map(|at| views::moment(at, now)),
        passing: directory.name.is_pull_request(),
    });
    let directories = directories.collect();
    let key = row
        .public_key
        .clone()
        .and_then(|json| serde_json::from_value::<PublicKey>(json).ok());
    let page = Project {
        project: visitor.head(&row),
        ready: row.ready_at.is_some(),
        troubles: troubles.into_iter().map(trouble).collect(),
        description: row.settings.description.clone(),
        instructions: row.settings.instructions.clone(),
        enable_copr: format!(
            "sudo dnf copr enable {}/{}/{}",
            app.config.host(),
            row.owner,
            row.name
        ),
        plugin_config: plugin_config(&app.config),
        repos,
        packages: packages
            .iter()
            .map(|p| PackageLine {
                name: p.package.name.clone(),
                latest: p.latest.as_ref().map(line),
            })
            .collect(),
        more_packages,
        builds: newest.iter().map(line).collect(),
        created: views::moment(row.created_at, now),
        homepage: views::link(&row.settings.homepage),
        contact: views::link(&row.settings.contact),
        repotag: RepoTag::new(&app.config.service_tag, &row.repotag)
            .map_or(String::new(), |tag| format!(".{tag}")),
        enable_net: row.settings.enable_net,
        devel_mode: row.settings.devel_mode,
        ends: row.delete_at.map(|at| views::moment(at, now)),
        directories,
        export_url: format!("/api_3/project/export/{}/{}", row.owner, row.name),
        key: key.map(|key| Key {
            fingerprint: views::grouped(&key.fingerprint),
            algorithm: key.algorithm,
            url: format!("{}/{}/{}/pubkey.gpg", app.config.results_url, row.owner, row.name),
        }),
    };
    html(app.templates.render_project(&visitor.frame(), &page))
}

fn repos(config: &Config, project: &Row, dir: &DirName, chroots: &[ChrootName]) -> Vec<Repo> {
    let mut by_release: BTreeMap<&str, Vec<&ChrootName>> = BTreeMap::new();
    for chroot in chroots {
        by_release.entry(chroot.name_release()).or_default().push(chroot);
    }
    let file = file_name(&project.owner, dir);
    by_release
        .into_iter()
        .map(|(release, chroots)| {
            let url = format!(
                "{}/coprs/{}/{dir}/repo/{release}/{file}",
                config.url, project.owner
            );
            Repo {
                name_release: release.to_owned(),
                arches: chroots
                    .iter()
                    .map(|c| Arch {
                        name: c.arch().to_owned(),
                        url: config.repository_url(&project.owner, dir, c),
                    })
                    .collect(),
                command: format!("sudo dnf config-manager --add-repo {url}"),
                url,
                file_name: file.clone(),
            }
        })
        .collect()
}

/// The plugin takes a hub's name for its address at the standard port of https; any other has to be told to it.
fn plugin_config(config: &Config) -> Option<String> {
    let url = url::Url::parse(&config.url).ok()?;
    let port = url.port_or_known_default()?;
    if (url.scheme(), port) == ("https", 443) {
        return None;
    }
    let (name, host) = (config.host(), url.host_str()?);
    Some(format!(
        "sudo tee /etc/dnf/plugins/copr.d/{name}.conf <<'END'\n[{name}]\nhostname = {host}\nprotocol = {}\nport = {port}\nEND",
        url.scheme()
    ))
}
