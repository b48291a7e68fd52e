//! What a project sets for one of its chroots.

use db::project_chroots::{ChrootSettings, Comps, ProjectChroot};
use db::projects::Project;
use protocol::ChrootName;
use sha2::{Digest as _, Sha256};
use storage::StorageKey;

use crate::access::Actor;
use crate::app::App;
use crate::error::Error;
use crate::operations::blobs;
use crate::operations::bootstrap::{
    BOOTSTRAPS_OF_CHROOT, CUSTOM_IMAGE, ISOLATIONS_OR_UNCHANGED, wrong_choice,
};
use crate::operations::project_settings;
use crate::operations::projects::shown;

/// Most entries of a list.
const MAX_LIST: usize = 500;
/// What an edit can reset.
const RESETTABLE: [&str; 9] = [
    "additional_packages",
    "additional_repos",
    "additional_modules",
    "with_opts",
    "without_opts",
    "bootstrap",
    "bootstrap_image",
    "isolation",
    "comps_name",
];

/// What becomes of the groups of packages.
#[derive(Debug, Clone)]
pub enum NewComps {
    /// They stay.
    Keep,
    /// There are none.
    Delete,
    /// This file.
    File {
        /// What it is called.
        name: String,
        /// Its content.
        content: Vec<u8>,
    },
}

/// Finds an enabled chroot of a project.
///
/// # Errors
/// [`Error::NotFound`] when there is none.
pub async fn find(app: &App, project: &Project, name: &str) -> Result<ProjectChroot, Error> {
    let missing = || {
        Error::NotFound(format!(
            "Chroot {} does not exist in {}/{}.",
            shown(name),
            project.owner,
            project.name
        ))
    };
    let chroot: ChrootName = name.parse().map_err(|_| missing())?;
    db::project_chroots::find(&mut *app.conn().await?, project.id, &chroot)
        .await?
        .filter(|chroot| chroot.enabled)
        .ok_or_else(missing)
}

/// Resets fields to their defaults, by Copr's names.
///
/// # Errors
/// 400 with Copr's words for what cannot be reset.
pub fn reset(set: &mut ChrootSettings, comps: &mut NewComps, fields: &[String]) -> Result<(), Error> {
    let default = ChrootSettings::default();
    for field in fields {
        match field.as_str() {
            "additional_packages" => set.additional_packages.clear(),
            "additional_repos" => set.additional_repos.clear(),
            "additional_modules" => set.additional_modules.clear(),
            "with_opts" => set.with_opts.clear(),
            "without_opts" => set.without_opts.clear(),
            "bootstrap" => set.bootstrap.clone_from(&default.bootstrap),
            "bootstrap_image" => set.bootstrap_image = None,
            "isolation" => set.isolation.clone_from(&default.isolation),
            "comps_name" | "comps" => *comps = NewComps::Delete,
            other => {
                return Err(Error::Invalid(format!(
                    "Trying to reset an invalid attribute: {}. These can be reset: {}",
                    shown(other),
                    RESETTABLE.join(", ")
                )));
            }
        }
    }
    Ok(())
}

/// Writes what a project sets for a chroot.
///
/// # Errors
/// 403 for anybody who may not change the project, 400 for bad input.
pub async fn edit(
    app: &App,
    actor: &Actor,
    project: &Project,
    old: &ProjectChroot,
    settings: ChrootSettings,
    comps: NewComps,
) -> Result<ProjectChroot, Error> {
    actor.may_edit(project)?;
    let mut wrong = lists(&settings);
    wrong.extend(choices(&settings));
    let before = &old.settings.additional_repos;
    wrong.extend(project_settings::repos(app, "additional_repos", &settings.additional_repos, before).await?);
    if !wrong.is_empty() {
        return Err(Error::Invalid(wrong.join("\n")));
    }
    let comps = match comps {
        NewComps::Keep => old.comps.clone(),
        NewComps::Delete => None,
        NewComps::File { name, content } => Some(store(app, name, content).await?),
    };
    let new = ProjectChroot {
        settings,
        comps,
        ..old.clone()
    };
    let now = app.now();
    db::project_chroots::edit(&mut *app.conn().await?, project, &new, actor.name(), now).await?;
    Ok(new)
}

/// Stores groups of packages under the hash of their content.
async fn store(app: &App, name: String, content: Vec<u8>) -> Result<Comps, Error> {
    let wrong = |why: &str| Err(Error::Invalid(format!("upload_comps: {why}")));
    if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
        return wrong("The file needs a name of at most 200 bytes");
    }
    let Ok(text) = std::str::from_utf8(&content) else {
        return wrong("The file is no UTF-8 text");
    };
    // dnf is who judges the rest; this finds the wrong file.
    if !text.contains("<comps") || !text.trim_end().ends_with("</comps>") {
        return wrong("The file is no comps.xml: it lacks the element <comps>");
    }
    let sha256 = protocol::Sha256::from_bytes(&Sha256::digest(&content).into());
    let blob = StorageKey::Blob(sha256.clone());
    blobs::claim(app, &sha256).await?;
    app.storage.put(&blob, content).await?;
    Ok(Comps { name, sha256 })
}

fn lists(set: &ChrootSettings) -> Vec<String> {
    type Check = fn(&str) -> bool;
    let rules: [(&str, &[String], Check, &str); 4] = [
        (
            "additional_packages",
            &set.additional_packages,
            is_package,
            "is no name of a package",
        ),
        (
            "additional_modules",
            &set.additional_modules,
            is_module,
            "is no module; write name:stream, or !name:stream to switch it off",
        ),
        (
            "with_opts",
            &set.with_opts,
            is_option,
            "is no name of a build condition",
        ),
        (
            "without_opts",
            &set.without_opts,
            is_option,
            "is no name of a build condition",
        ),
    ];
    let mut wrong = Vec::new();
    for (field, list, good, complaint) in rules {
        if list.len() > MAX_LIST {
            wrong.push(format!("{field}: At most {MAX_LIST} entries are taken"));
        }
        for entry in list.iter().filter(|e| e.len() > 200 || !good(e)) {
            wrong.push(format!("{field}: '{}' {complaint}", shown(entry)));
        }
    }
    wrong
}

/// Anything that dnf installs, but no option of its own.
fn is_package(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || "@/_".contains(c))
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "@/_+.~^:*()-".contains(c))
}

fn is_module(text: &str) -> bool {
    let bare = text.strip_prefix('!').unwrap_or(text);
    let word = |w: &str| {
        w.starts_with(|c: char| c.is_ascii_alphanumeric())
            && w.chars().all(|c| c.is_ascii_alphanumeric() || "._+-".contains(c))
    };
    bare.split_once(':')
        .is_some_and(|(name, stream)| word(name) && word(stream))
}

fn is_option(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_+.-".contains(c))
}

fn choices(set: &ChrootSettings) -> Vec<String> {
    let mut wrong: Vec<String> = [
        ("bootstrap", &set.bootstrap, BOOTSTRAPS_OF_CHROOT),
        ("isolation", &set.isolation, ISOLATIONS_OR_UNCHANGED),
    ]
    .into_iter()
    .filter_map(|(field, value, choices)| wrong_choice(field, value, choices))
    .collect();
    wrong.extend(set.bootstrap_image.as_deref().and_then(project_settings::image));
    if set.bootstrap == CUSTOM_IMAGE && set.bootstrap_image.is_none() {
        wrong.push("bootstrap_image: Name the image that 'custom_image' means".to_owned());
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_dnf_and_rpmbuild_are_no_names() {
        for bad in ["--installroot=/", "-y", "", "a b", "a;b", "$(x)"] {
            assert!(!is_package(bad) && !is_option(bad), "{bad}");
        }
        assert!(is_package("gcc-c++") && is_package("/usr/bin/make") && is_package("pkgconfig(zlib)"));
        assert!(is_option("docs") && is_option("python3.11"));
        assert!(is_module("nodejs:18") && is_module("!ruby:2.7"));
        assert!(!is_module("nodejs") && !is_module("!:x") && !is_module("a:"));
    }

    #[test]
    fn only_known_fields_are_reset() {
        let mut set = ChrootSettings {
            with_opts: vec!["docs".to_owned()],
            isolation: "simple".to_owned(),
            ..ChrootSettings::default()
        };
        let mut comps = NewComps::Keep;
        let all: Vec<String> = RESETTABLE.map(str::to_owned).into();
        reset(&mut set, &mut comps, &all).unwrap();
        assert_eq!(set, ChrootSettings::default());
        assert!(matches!(comps, NewComps::Delete));
        let error = reset(&mut set, &mut comps, &["owner".to_owned()]).unwrap_err();
        assert!(
            error.to_string().contains("Trying to reset an invalid attribute"),
            "{error}"
        );
    }
}
