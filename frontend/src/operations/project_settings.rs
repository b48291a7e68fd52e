//! What a project may be set to.

use db::projects::{CheckInstalls, ProjectSettings};
use protocol::{PointerName, RepoEntry, RepoTarget, fnmatch};

use crate::access::Actor;
use crate::app::App;
use crate::error::Error;
use crate::operations::bootstrap::{BOOTSTRAPS, ISOLATIONS, wrong_choice};
use crate::operations::projects::{is_web_url, shown};

/// Longest text of a setting, in bytes.
const MAX_TEXT: usize = 100_000;
/// Longest list of a setting.
const MAX_LIST: usize = 100;
/// Longest name or pattern of a forge's project, in bytes; longer patterns match nothing.
const MAX_FORGE: usize = 200;

/// Checks texts, lists and choices, and that the projects that are named exist. `old` is what the project was set to.
///
/// # Errors
/// One line per field that is wrong; 403 for what only administrators set.
pub async fn check(
    app: &App,
    actor: &Actor,
    old: Option<&ProjectSettings>,
    new: &ProjectSettings,
) -> Result<(), Error> {
    let default = ProjectSettings::default();
    let before = old.unwrap_or(&default);
    let mut wrong = texts(new);
    wrong.extend(choices(new));
    let policy = &app.config.retention;
    let kept = [
        (
            "keep_snapshots",
            (before.keep_snapshots, new.keep_snapshots),
            1,
            policy.most_snapshots,
        ),
        (
            "keep_days",
            (before.keep_days, new.keep_days),
            0,
            policy.most_days,
        ),
    ];
    wrong.extend(
        kept.into_iter().filter_map(|(field, (old, new), least, most)| {
            kept_past(actor, field, (old, new), (least, most))
        }),
    );
    // What was right once stays, also when the other project is gone now.
    let lists = [
        (
            "additional_repos",
            &new.additional_repos,
            &before.additional_repos,
        ),
        (
            "runtime_dependencies",
            &new.runtime_dependencies,
            &before.runtime_dependencies,
        ),
    ];
    for (field, list, before) in lists {
        wrong.extend(repos(app, field, list, before).await?);
    }
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong.join("\n")));
    }
    check_admin(actor, before, new)
}

fn check_admin(actor: &Actor, old: &ProjectSettings, new: &ProjectSettings) -> Result<(), Error> {
    if new.persistent && !old.persistent {
        actor.may_administer("create persistent projects")?;
    }
    if !new.auto_prune && old.auto_prune {
        actor.may_administer("disable auto-prune")?;
    }
    Ok(())
}

/// What is wrong with a list of repositories.
pub(crate) async fn repos(
    app: &App,
    field: &str,
    list: &[String],
    before: &[String],
) -> Result<Vec<String>, Error> {
    let mut wrong = Vec::new();
    if list.len() > MAX_LIST {
        return Ok(vec![format!("{field}: At most {MAX_LIST} entries are taken")]);
    }
    let mut named = Vec::new();
    for text in list {
        if before.contains(text) {
            continue;
        }
        match text.parse::<RepoEntry>().map(|entry| entry.target) {
            Ok(RepoTarget::Project { owner, dir }) => named.push((owner, dir.project())),
            Ok(RepoTarget::Url(url)) if is_web_url(&url) => {}
            Ok(RepoTarget::Url(_)) => wrong.push(format!(
                "{field}: '{}' is no http://, https:// or copr:// URL",
                shown(text)
            )),
            Err(error) => wrong.push(format!("{field}: '{}' {error}", shown(text))),
        }
    }
    for (owner, name) in db::repo_specs::missing(&mut *app.conn().await?, &named).await? {
        wrong.push(format!(
            "{field}: The project copr://{owner}/{name} does not exist"
        ));
    }
    Ok(wrong)
}

fn texts(s: &ProjectSettings) -> Vec<String> {
    let mut wrong = Vec::new();
    for (field, text) in [
        ("description", &s.description),
        ("instructions", &s.instructions),
        ("homepage", &s.homepage),
        ("contact", &s.contact),
    ] {
        if text.len() > MAX_TEXT || text.chars().any(|c| c == '\0') {
            wrong.push(format!("{field}: The text is too long or holds a zero byte"));
        }
    }
    if !s.homepage.is_empty() && !is_web_url(&s.homepage) {
        wrong.push("homepage: Invalid URL.".to_owned());
    }
    if !s.contact.is_empty() && !is_web_url(&s.contact) && !s.contact.contains('@') {
        wrong.push("contact: It has to be an e-mail address or URL".to_owned());
    }
    let forges = &s.packit_forge_projects_allowed;
    if forges.len() > MAX_LIST {
        wrong.push(format!(
            "packit_forge_projects_allowed: At most {MAX_LIST} entries are taken"
        ));
    }
    for forge in forges.iter().filter(|f| !is_forge_project(f)) {
        wrong.push(format!(
            "packit_forge_projects_allowed: '{}' should be in the form forge_hostname/project_namespace/project_name; \
             after the host, * ? and [...] may stand for parts of names",
            shown(forge)
        ));
    }
    wrong
}

fn choices(s: &ProjectSettings) -> Vec<String> {
    let mut wrong: Vec<String> = [
        ("bootstrap", &s.bootstrap, BOOTSTRAPS),
        ("isolation", &s.isolation, ISOLATIONS),
    ]
    .into_iter()
    .filter_map(|(field, value, choices)| wrong_choice(field, value, choices))
    .collect();
    wrong.extend(s.bootstrap_image.as_deref().and_then(image));
    if s.repo_priority.is_some_and(|p| !(1..=99).contains(&p)) {
        wrong.push("repo_priority: Number must be between 1 and 99.".to_owned());
    }
    if s.release_after_hours
        .is_some_and(|hours| !(0..=8_760).contains(&hours))
    {
        wrong.push("release_after_hours: Number must be between -1 and 8760.".to_owned());
    }
    if s.delete_after_days.is_some_and(|d| !(0..=720).contains(&d)) {
        wrong.push("delete_after_days: Number must be between -1 and 720.".to_owned());
    }
    wrong
}

/// What is wrong with how much of a project's past is kept. What an administrator allowed stays.
fn kept_past(
    actor: &Actor,
    field: &str,
    (old, new): (Option<i32>, Option<i32>),
    (least, most): (i32, u32),
) -> Option<String> {
    let number = new.filter(|_| new != old)?;
    if number < least {
        return Some(format!(
            "{field}: Number must be at least {least}; leave it empty for the service's rule."
        ));
    }
    let most = i32::try_from(most).unwrap_or(i32::MAX);
    (number > most && actor.may_administer("keep more").is_err())
        .then(|| format!("{field}: Number must be between {least} and {most}; administrators can set more."))
}

/// Words for the setting `check_installs`.
pub(crate) const CHECKS: &[&str] = &["default", "on", "off"];

/// The setting `check_installs`.
///
/// # Errors
/// 400 for another word.
pub(crate) fn check_installs(text: &str) -> Result<CheckInstalls, Error> {
    text.parse()
        .map_err(|error| Error::Invalid(format!("check_installs: {error}")))
}

/// The setting `build_pointer`.
///
/// # Errors
/// As [`pointer_name`].
pub(crate) fn build_pointer(text: &str) -> Result<Option<PointerName>, Error> {
    let name = Some(text).filter(|text| !text.is_empty());
    let name = name.map(|text| pointer_name("build_pointer", text)).transpose()?;
    Ok(name.filter(|name| *name != PointerName::latest()))
}

/// A pointer that builds can go to; `latest` is what everybody sees.
///
/// # Errors
/// 400 for what is no name, 403 for one that follows publications by itself.
pub(crate) fn pointer_name(field: &str, text: &str) -> Result<PointerName, Error> {
    let name: PointerName = text
        .parse()
        .map_err(|error| Error::Invalid(format!("{field}: {error}")))?;
    if name.is_reserved() && name != PointerName::latest() {
        return Err(Error::Forbidden(format!(
            "{field}: '{name}' is moved by the service alone; use a name of your own, such as candidate, or latest"
        )));
    }
    Ok(name)
}

/// What is wrong with the name of a container image: Copr takes `^[-\./\w]+(:[\w.-]+)?$`.
pub(crate) fn image(name: &str) -> Option<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let (path, tag) = name.split_once(':').map_or((name, None), |(p, t)| (p, Some(t)));
    let good = !path.is_empty()
        && name.len() <= 200
        && path.chars().all(|c| word(c) || c == '/')
        && tag.is_none_or(|tag| !tag.is_empty() && tag.chars().all(word));
    (!good).then(|| {
        format!(
            "bootstrap_image: '{}' is no name of a container image, such as registry.example.org/name:tag",
            shown(name)
        )
    })
}

/// `host/namespace/project`, of which all but the host may be shell patterns.
fn is_forge_project(text: &str) -> bool {
    let part = |p: &str, more: &str| {
        let good = |c: char| c.is_ascii_alphanumeric() || "_-.~+".contains(c) || more.contains(c);
        !p.is_empty() && p.chars().all(good)
    };
    let mut parts = text.split('/');
    let host = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    text.len() <= MAX_FORGE && part(host, "") && rest.len() >= 2 && rest.iter().all(|p| part(p, "*?[]!"))
}

/// Whether an entry of `packit_forge_projects_allowed` lets a forge's project build: `github.com/theproject/*` stands for
/// all of theproject's.
pub(crate) fn allows(entry: &str, forge_project: &str) -> bool {
    entry == forge_project || fnmatch(entry, forge_project)
}

/// A forge's project without the scheme of its URL and without a trailing slash.
pub(crate) fn forge_project(text: &str) -> String {
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
    bare.trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forge_projects_lose_their_scheme() {
        for text in ["https://github.com/packit/ogr/", "github.com/packit/ogr"] {
            let project = forge_project(text);
            assert_eq!(project, "github.com/packit/ogr");
            assert!(is_forge_project(&project));
        }
        let long = format!("github.com/a/{}", "b".repeat(MAX_FORGE));
        for bad in [
            "github.com/packit",
            "github.com//ogr",
            "a b/c/d",
            "",
            "*/packit/ogr",
            "github.*/packit/ogr",
            "*",
            "github.com/*",
            &long,
        ] {
            assert!(!is_forge_project(bad), "{bad}");
        }
    }

    #[test]
    fn forge_projects_are_allowed_by_patterns() {
        for (entry, project, allowed) in [
            ("github.com/packit/ogr", "github.com/packit/ogr", true),
            ("github.com/packit/ogr", "github.com/packit/ogre", false),
            ("github.com/packit/*", "github.com/packit/ogr", true),
            ("github.com/packit/*", "github.com/packit-evil/ogr", false),
            ("github.com/packit/*", "gitlab.com/packit/ogr", false),
            ("gitlab.com/group/*", "gitlab.com/group/sub/project", true),
            ("github.com/pack?t/[o-p]gr", "github.com/packit/ogr", true),
            ("github.com/packit/[!o]*", "github.com/packit/ogr", false),
        ] {
            assert!(is_forge_project(entry), "{entry}");
            assert_eq!(allows(entry, project), allowed, "{entry} {project}");
        }
    }

    #[test]
    fn images_are_named_as_copr_takes_them() {
        for good in ["registry.fedoraproject.org/fedora:latest", "fedora", "a/b-c_d"] {
            assert_eq!(image(good), None, "{good}");
        }
        for bad in ["", "a b", "a:", "a:b:c", "a:b/c", "x;y"] {
            assert!(image(bad).is_some(), "{bad}");
        }
    }
}
