//! Imports: packages of somebody else's repository, which a builder fetches and the backend checks, signs anew and
//! publishes. Nothing is called from here.

use db::builds::{Import, Source};
use db::projects::Project;
use protocol::{BuildId, DirName};

use super::BuildRequest;
use super::foreign::check_taken;
use super::plan::plan;
use super::submit::insert;
use crate::access::Actor;
use crate::app::App;
use crate::error::Error;
use crate::operations::projects::{find_project, is_web_url, missing_project, shown};

/// Most patterns of one import.
const MAX_PATTERNS: usize = 50;
/// Longest pattern, in bytes.
const MAX_PATTERN: usize = 200;
/// Longest key, in bytes.
const MAX_KEY: usize = 64 << 10;

/// The project that a directory's name names.
///
/// # Errors
/// 404 when there is none.
pub async fn project_of_dir(app: &App, owner: &str, dir: &str) -> Result<Project, Error> {
    let dir: DirName = dir.parse().map_err(|_| missing_project(owner, dir))?;
    find_project(app, owner, dir.project().as_str()).await
}

/// Makes a build that imports packages, with a task for each chroot, each of which becomes one snapshot.
///
/// # Errors
/// 403 when this service takes no packages from elsewhere, or the actor may not build here; 400 with a sentence for what
/// cannot be fetched.
pub async fn submit_import(
    app: &App,
    actor: &Actor,
    project: &Project,
    request: &BuildRequest,
    import: Import,
) -> Result<BuildId, Error> {
    actor.may_build(project)?;
    check_taken(&app.config)?;
    let import = checked(import)?;
    let plan = plan(app, Some(actor), project, request, None, 1).await?;
    let (source, targets) = (Source::Import(import), plan.targets(None));
    insert(app, Some(actor), project, &plan, &source, &targets, None).await
}

fn checked(import: Import) -> Result<Import, Error> {
    let url = import.url.trim().to_owned();
    if url.is_empty() {
        return Err(Error::Invalid("url: This field is required.".to_owned()));
    }
    check_url("url", &url)?;
    if url.contains(['?', '#']) {
        return Err(Error::Invalid(
            "url: A repository's address is a directory, the one that has repodata/ in it, without '?' and '#'".to_owned(),
        ));
    }
    if import.packages.len() > MAX_PATTERNS {
        return Err(Error::Invalid(format!(
            "packages: At most {MAX_PATTERNS} names or patterns are taken at once"
        )));
    }
    let strange = |pattern: &&String| {
        pattern.len() > MAX_PATTERN
            || pattern
                .chars()
                .any(|c| c.is_control() || c.is_whitespace() || c == '/')
    };
    if let Some(wrong) = import.packages.iter().find(strange) {
        return Err(Error::Invalid(format!(
            "packages: '{}' is no name of a package, nor a pattern of names",
            shown(wrong)
        )));
    }
    let gpgkey = import.gpgkey.map(|key| key.trim().to_owned());
    let gpgkey = gpgkey.filter(|key| !key.is_empty());
    if let Some(key) = &gpgkey {
        check_key(key)?;
    }
    Ok(Import {
        url,
        gpgkey,
        ..import
    })
}

fn check_url(field: &str, url: &str) -> Result<(), Error> {
    if !is_web_url(url) {
        return Err(Error::Invalid(format!(
            "{field}: '{}' is no http or https URL",
            shown(url)
        )));
    }
    // A build's page, which everybody sees, names where its packages are from.
    if url::Url::parse(url).is_ok_and(|u| !u.username().is_empty() || u.password().is_some()) {
        return Err(Error::Invalid(format!(
            "{field}: The URL holds a user name or password, which everybody would see"
        )));
    }
    Ok(())
}

fn check_key(key: &str) -> Result<(), Error> {
    if key.contains("PRIVATE KEY BLOCK") {
        return Err(Error::Invalid(
            "gpgkey: This is a private key, which nobody but its owner should have; give the public one"
                .to_owned(),
        ));
    }
    if key.len() > MAX_KEY {
        return Err(Error::Invalid(format!("gpgkey: A key may have {MAX_KEY} bytes")));
    }
    if key.starts_with("-----BEGIN PGP PUBLIC KEY BLOCK-----") {
        return Ok(());
    }
    check_url("gpgkey", key)
        .map_err(|error| Error::Invalid(format!("{error}; give an armored OpenPGP key, or the URL of one")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(url: &str, packages: &[&str], gpgkey: &str) -> Result<Import, String> {
        checked(Import {
            url: url.to_owned(),
            packages: packages.iter().map(|p| (*p).to_owned()).collect(),
            gpgkey: Some(gpgkey.to_owned()),
        })
        .map_err(|error| error.to_string())
    }

    #[test]
    fn what_can_be_imported() {
        let good = import(
            " https://example.org/$releasever/$basearch ",
            &["lib*", "g++"],
            "",
        )
        .unwrap();
        assert_eq!(good.url, "https://example.org/$releasever/$basearch");
        assert_eq!(good.gpgkey, None);
        let armored = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n…";
        for key in [armored, "https://example.org/RPM-GPG-KEY"] {
            assert_eq!(
                import("http://e.org/r/", &[], key).unwrap().gpgkey.as_deref(),
                Some(key)
            );
        }
    }

    #[test]
    fn what_cannot_is_refused_with_its_field() {
        let long = "x".repeat(MAX_PATTERN + 1);
        for (url, pattern, key, start) in [
            ("", "a", "", "url: This field is required"),
            ("ftp://e.org/", "a", "", "url: 'ftp://e.org/' is no http"),
            ("/etc", "a", "", "url: '/etc' is no http"),
            (
                "https://me:secret@e.org/",
                "a",
                "",
                "url: The URL holds a user name",
            ),
            (
                "https://e.org/?token=x",
                "a",
                "",
                "url: A repository's address is a directory",
            ),
            ("https://e.org/", "../a", "", "packages: '../a' is no name"),
            ("https://e.org/", &long, "", "packages: 'x"),
            ("https://e.org/", "a", "0xABCD", "gpgkey: '0xABCD' is no http"),
            (
                "https://e.org/",
                "a",
                "-----BEGIN PGP PRIVATE KEY BLOCK-----",
                "gpgkey: This is a private key",
            ),
        ] {
            let error = import(url, &[pattern], key).unwrap_err();
            assert!(error.starts_with(start), "{error}");
        }
        let many = vec!["a"; MAX_PATTERNS + 1];
        assert!(
            import("https://e.org/", &many, "")
                .unwrap_err()
                .starts_with("packages: At most")
        );
    }
}
