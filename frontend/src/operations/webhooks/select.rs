//! Which packages a push rebuilds: Copr's rules.

use db::package_edit::Package;
use serde_json::Value;

use super::forge::{Change, Push};
use super::repository::Repository;

fn field<'a>(package: &'a Package, name: &str) -> &'a str {
    package
        .source
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Whether a package is built from one of these repositories.
pub(super) fn is_from(package: &Package, repositories: &[Repository]) -> bool {
    Repository::parse(field(package, "clone_url")).is_some_and(|r| repositories.contains(&r))
}

/// What a push makes a package build: the new commit or tag. `named` is the package that the URL names.
///
/// # Errors
/// Why it builds nothing.
pub(super) fn judge(package: &Package, named: Option<&str>, push: &Push) -> Result<String, String> {
    if !package.webhook_rebuild {
        return Err("Webhooks do not rebuild it: turn on its auto-rebuild.".to_owned());
    }
    if let Some(named) = named
        && named != package.name
    {
        return Err(format!("The webhook's URL names the package {named}."));
    }
    match &push.change {
        Change::Tag(tag) => {
            if named == Some(package.name.as_str()) || names_package(tag, &package.name) {
                Ok(tag.clone())
            } else {
                Err(format!(
                    "The tag {tag} is not {name}-VERSION or {name}-VERSION-RELEASE; a webhook whose URL ends in \
                     /{name}/ builds it for every tag.",
                    name = package.name
                ))
            }
        }
        Change::Branch {
            reference,
            commit,
            files,
        } => {
            let committish = field(package, "committish");
            if !reference.ends_with(committish) {
                return Err(format!(
                    "The push is to {reference}, and the package is built from {committish}."
                ));
            }
            let subdirectory = normal(field(package, "subdirectory"));
            let inside = |file: &String| {
                let file = normal(file);
                !file.is_empty()
                    && (subdirectory.is_empty()
                        || file
                            .strip_prefix(&subdirectory)
                            .is_some_and(|rest| rest.starts_with('/')))
            };
            match files {
                // A build too many is better than one too few.
                None => Ok(commit.clone()),
                Some(files) if files.iter().any(inside) => Ok(commit.clone()),
                Some(_) if subdirectory.is_empty() => Err("The push changes no file.".to_owned()),
                Some(_) => Err(format!("The push changes no file below {subdirectory}/.")),
            }
        }
    }
}

/// A path without empty parts and dots.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Whether a tag is name-version or name-version-release, with `-` or `_` between; version and release hold a digit.
fn names_package(tag: &str, package: &str) -> bool {
    // Of `rpm/hello-1.0` the last part counts, as GitLab's tags did in Copr.
    [tag, tag.rsplit('/').next().unwrap_or(tag)]
        .into_iter()
        .any(|tag| {
            ['-', '_'].into_iter().any(|separator| {
                let mut rest = tag;
                for _ in 0..2 {
                    let Some((head, version)) = rest.rsplit_once(separator) else {
                        return false;
                    };
                    if !version.contains(|c: char| c.is_ascii_digit()) {
                        return false;
                    }
                    let same = ["-", "_"]
                        .into_iter()
                        .any(|joint| head.split(separator).collect::<Vec<_>>().join(joint) == package);
                    if same {
                        return true;
                    }
                    rest = head;
                }
                false
            })
        })
}

#[cfg(test)]
mod tests {
    use db::package_edit::PackageSettings;
    use serde_json::json;

    use super::*;

    fn package(source: &Value) -> Package {
        Package {
            id: 1,
            project: 1,
            name: "hello".to_owned(),
            settings: PackageSettings {
                source_type: "scm".to_owned(),
                source: source.as_object().unwrap().clone(),
                webhook_rebuild: true,
                ..PackageSettings::default()
            },
        }
    }

    fn push(change: Change) -> Push {
        Push {
            addresses: vec!["https://example.org/hello".to_owned()],
            change,
        }
    }

    fn branch(reference: &str, files: Option<&[&str]>) -> Push {
        push(Change::Branch {
            reference: reference.to_owned(),
            commit: "abc".to_owned(),
            files: files.map(|f| f.iter().map(|f| (*f).to_owned()).collect()),
        })
    }

    #[test]
    fn tags_name_packages() {
        for (tag, expected) in [
            ("hello-1.0", true),
            ("hello-1.0-1", true),
            ("hello_1.0", true),
            ("hello_1.0_2", true),
            ("rpm/hello-1.0", true),
            ("hello-v1", true),
            ("hello", false),
            ("hello-one", false),
            ("hello-1.0-1-1", false),
            ("v1.0", false),
            ("hello-world-1.0", false),
            ("xhello-1.0", false),
        ] {
            assert_eq!(names_package(tag, "hello"), expected, "{tag}");
        }
        assert!(names_package("hello_world_1.0", "hello-world"));
        assert!(names_package("hello-world-1.0-1", "hello-world"));
    }

    #[test]
    fn a_branch_is_the_committish_and_holds_changes_of_the_subdirectory() {
        let anywhere = package(&json!({"clone_url": "https://example.org/hello"}));
        assert_eq!(
            judge(&anywhere, None, &branch("refs/heads/main", Some(&["a"]))).as_deref(),
            Ok("abc")
        );
        assert!(judge(&anywhere, None, &branch("refs/heads/main", Some(&[]))).is_err());
        assert!(judge(&anywhere, None, &branch("refs/heads/main", None)).is_ok());
        let inside = package(&json!({"committish": "main", "subdirectory": "./pkg/hello/"}));
        for (reference, files, expected) in [
            ("refs/heads/main", &["pkg/hello/hello.spec"][..], true),
            ("refs/heads/main", &["pkg/hello-2/hello.spec", "README"], false),
            ("refs/heads/main", &["pkg/hello"], false),
            ("refs/heads/next", &["pkg/hello/hello.spec"], false),
        ] {
            let judged = judge(&inside, None, &branch(reference, Some(files)));
            assert_eq!(judged.is_ok(), expected, "{reference} {files:?}: {judged:?}");
        }
    }

    #[test]
    fn a_url_can_name_the_package() {
        let hello = package(&json!({}));
        let tag = push(Change::Tag("v1".to_owned()));
        assert_eq!(judge(&hello, Some("hello"), &tag).as_deref(), Ok("v1"));
        assert!(judge(&hello, None, &tag).unwrap_err().contains("hello-VERSION"));
        let main = branch("refs/heads/main", Some(&["a"]));
        assert!(
            judge(&hello, Some("other"), &main)
                .unwrap_err()
                .contains("names the package other")
        );
        let mut off = hello;
        off.settings.webhook_rebuild = false;
        assert!(judge(&off, None, &main).unwrap_err().contains("auto-rebuild"));
    }
}
