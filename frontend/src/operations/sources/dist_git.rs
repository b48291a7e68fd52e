//! Distributions' git services.

use crate::error::Error;

/// Dist-git services: name, and address with `{namespace}` and `{package}`.
const DIST_GITS: &[(&str, &str)] = &[
    (
        "fedora",
        "https://src.fedoraproject.org/{namespace}/rpms/{package}",
    ),
    (
        "centos-stream",
        "https://gitlab.com/redhat/centos-stream/{namespace}/rpms/{package}",
    ),
    (
        "fedora-copr",
        "https://copr-dist-git.fedorainfracloud.org/git/{namespace}/{package}",
    ),
];
/// The dist-git service that has nothing without a name space.
const NAMESPACED: &str = "fedora-copr";
/// The one that is meant where none is named.
pub(super) const DEFAULT: &str = DIST_GITS[0].0;

/// Names of the dist-git services.
pub fn dist_gits() -> impl Iterator<Item = &'static str> {
    DIST_GITS.iter().map(|(name, _)| *name)
}

/// Reads the name of a package of a dist-git, which becomes part of an address.
///
/// # Errors
/// 400 with Copr's words.
pub fn dist_git_package(name: &str) -> Result<protocol::PackageName, Error> {
    name.parse().map_err(|_| {
        Error::Invalid("package_name: Please enter a valid package name in ^[-+_.a-zA-Z0-9]+$".to_owned())
    })
}

/// Where a package of a dist-git is cloned from.
///
/// # Errors
/// Copr's words about the service's name.
pub(super) fn clone_url(name: &str, namespace: &str, package: &str) -> Result<String, String> {
    let Some((_, address)) = DIST_GITS.iter().find(|(known, _)| *known == name) else {
        let all: Vec<&str> = dist_gits().collect();
        return Err(format!("DistGit ID must be one of: {}", all.join(", ")));
    };
    if name == NAMESPACED && namespace.is_empty() {
        return Err(format!(
            "Can not validate DistGit input: the namespace is not specified, and {NAMESPACED} has nothing without one"
        ));
    }
    let address = match namespace {
        "" => address.replace("/{namespace}", ""),
        namespace => address.replace("{namespace}", namespace),
    };
    Ok(address.replace("{package}", package))
}
