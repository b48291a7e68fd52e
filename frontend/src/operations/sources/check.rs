//! What is wrong with the fields of a source, and what those are that were not given.

use protocol::ChrootName;
use serde_json::{Map, Value};

use super::{SourceType, clone_url, dist_git};
use crate::error::Error;
use crate::operations::projects::{is_web_url, shown};

/// Longest script of the custom method, in bytes (Copr's).
const MAX_SCRIPT: usize = 4_096;
/// Longest text of any other field, in bytes.
const MAX_FIELD: usize = 1_000;
/// Longest list of repositories or packages, in bytes.
const MAX_LIST: usize = 10_000;
/// Longest name of a package; generators put words such as `python-` before it (Copr's).
const MAX_NAME: usize = 100;

/// The fields of a source as they were given, and what is wrong with them.
struct Check<'a> {
    given: &'a Map<String, Value>,
    checked: Map<String, Value>,
    wrong: Vec<String>,
    script_names: bool,
}

/// Checks the fields of a source and fills in what was not given. `package` is the name of the package, where it is
/// known; `active` are the service's active chroots.
///
/// # Errors
/// One line for each field that is wrong, as `field: what`.
pub fn check(
    source: SourceType,
    given: &Map<String, Value>,
    package: Option<&str>,
    active: &[ChrootName],
) -> Result<Map<String, Value>, Error> {
    let mut check = Check {
        given,
        checked: Map::new(),
        wrong: Vec::new(),
        // Packages have other names for these fields than builds.
        script_names: package.is_some(),
    };
    match source {
        SourceType::Scm => check.scm(),
        SourceType::Pypi => check.pypi(),
        SourceType::Rubygems => check.rubygems(),
        SourceType::Distgit => check.distgit(package.unwrap_or_default()),
        SourceType::Custom => check.custom(active),
    }
    if check.wrong.is_empty() {
        Ok(check.checked)
    } else {
        Err(Error::Invalid(check.wrong.join("\n")))
    }
}

impl Check<'_> {
    /// A text that was given; empty if there is none.
    fn given(&self, name: &str) -> &str {
        self.given.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn wrong(&mut self, field: &str, what: &str) {
        let field = match field {
            "type" => "scm_type",
            "srpm_build_method" => "source_build_method",
            "chroot" | "builddeps" | "resultdir" | "repos" if self.script_names => {
                self.wrong.push(format!("script_{field}: {what}"));
                return;
            }
            other => other,
        };
        self.wrong.push(format!("{field}: {what}"));
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.checked.insert(name.to_owned(), value.into());
    }

    /// A text without control characters that no command takes for an option.
    fn line(&mut self, name: &str) -> String {
        let text = self.given(name).trim().to_owned();
        if text.len() > MAX_FIELD {
            self.wrong(
                name,
                &format!("Field cannot be longer than {MAX_FIELD} characters."),
            );
        } else if text.starts_with('-') || text.chars().any(char::is_control) {
            self.wrong(
                name,
                "The text may neither begin with '-' nor hold control characters.",
            );
        }
        self.set(name, text.clone());
        text
    }

    fn path(&mut self, name: &str) -> String {
        let path = self.line(name);
        if path.split('/').any(|part| part == "..") {
            self.wrong(name, "The path may not leave the repository by '..'.");
        }
        path
    }

    fn choice(&mut self, name: &str, choices: &[&str], default: &str) {
        let text = self.given(name).to_owned();
        if text.is_empty() {
            self.set(name, default);
        } else if choices.contains(&text.as_str()) {
            self.set(name, text);
        } else {
            self.wrong(
                name,
                &format!("Not a valid choice. Choose one of: {}.", choices.join(", ")),
            );
        }
    }

    fn required(&mut self, name: &str, max: usize) -> String {
        let text = self.line(name);
        if text.is_empty() {
            self.wrong(name, "This field is required.");
        } else if text.len() > max {
            self.wrong(name, &format!("Field cannot be longer than {max} characters."));
        }
        text
    }

    fn scm(&mut self) {
        self.choice("type", &["git", "svn"], "git");
        let url = self.required("clone_url", MAX_FIELD);
        if !url.is_empty()
            && let Err(what) = clone_url::check(&url)
        {
            self.wrong("clone_url", what);
        }
        self.committish();
        self.path("subdirectory");
        let spec = self.path("spec");
        if !spec.is_empty() && (!spec.ends_with(".spec") || spec.len() == ".spec".len()) {
            self.wrong("spec", "RPM spec file must end with .spec");
        }
        self.choice(
            "srpm_build_method",
            &["rpkg", "tito", "tito_test", "make_srpm"],
            "rpkg",
        );
    }

    fn committish(&mut self) -> String {
        let committish = self.line("committish");
        if committish.chars().any(char::is_whitespace) {
            self.wrong(
                "committish",
                "Name a branch, a tag or a commit; none holds white space.",
            );
        }
        committish
    }

    fn pypi(&mut self) {
        self.required("pypi_package_name", MAX_NAME - "python-".len());
        self.line("pypi_package_version");
        self.choice("spec_generator", &["pyp2rpm", "pyp2spec"], "pyp2spec");
        self.choice(
            "spec_template",
            &["", "default", "fedora", "epel7", "mageia", "pld"],
            "",
        );
        let given = self.given.get("python_versions").and_then(Value::as_array);
        let versions: Vec<String> = match given {
            None => vec!["3".to_owned()],
            Some(list) => list
                .iter()
                .map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned))
                .collect(),
        };
        if let Some(strange) = versions.iter().find(|v| !matches!(v.as_str(), "2" | "3")) {
            let what = format!("'{}' is not a valid choice for this field", shown(strange));
            self.wrong("python_versions", &what);
        }
        self.set("python_versions", versions);
    }

    fn rubygems(&mut self) {
        self.required("gem_name", MAX_NAME - "rubygem-".len());
    }

    fn distgit(&mut self, package: &str) {
        let name = match self.given("distgit") {
            "" => dist_git::DEFAULT.to_owned(),
            name => name.to_owned(),
        };
        let namespace = self.path("namespace").trim_matches('/').to_owned();
        self.checked.remove("namespace");
        if self.committish().is_empty() {
            self.checked.remove("committish");
        }
        match dist_git::clone_url(&name, &namespace, package) {
            Ok(url) => self.set("clone_url", url),
            Err(what) => self.wrong("distgit", &what),
        }
        self.set("distgit", name);
        if !namespace.is_empty() {
            self.set("namespace", namespace);
        }
    }

    fn custom(&mut self, active: &[ChrootName]) {
        let mut script = self.given("script").to_owned();
        // A browser ends lines as no interpreter of scripts takes them.
        if script.lines().next().is_some() && script.contains("\r\n") {
            script = script.replace("\r\n", "\n");
        }
        if !script.is_empty() && !script.ends_with('\n') {
            script.push('\n');
        }
        if script.trim().is_empty() {
            self.wrong("script", "This field is required.");
        } else if script.len() > MAX_SCRIPT {
            self.wrong("script", "Maximum script size is 4kB");
        } else if script.contains('\0') {
            self.wrong("script", "A script holds no zero bytes.");
        }
        self.set("script", script);
        self.script_chroot(active);
        for (name, separator) in [("builddeps", " "), ("repos", "\n")] {
            let entries: Vec<String> = self.given(name).split_whitespace().map(str::to_owned).collect();
            if entries.iter().map(String::len).sum::<usize>() > MAX_LIST {
                self.wrong(
                    name,
                    &format!("The list cannot be longer than {MAX_LIST} characters."),
                );
            }
            if entries.iter().any(|e| e.starts_with('-') || e.contains('\0')) {
                self.wrong(name, "An entry may not begin with '-'.");
            }
            if name == "repos"
                && let Some(strange) = entries
                    .iter()
                    .find(|e| !is_web_url(e) && !e.starts_with("copr://"))
            {
                let what = format!("'{}' is no http://, https:// or copr:// URL", shown(strange));
                self.wrong(name, &what);
            }
            self.set(name, entries.join(separator));
        }
        self.path("resultdir");
    }

    /// The chroot of the script: an active one, or the newest Fedora's by `fedora-latest-ARCH`.
    fn script_chroot(&mut self, active: &[ChrootName]) {
        let mut names: Vec<String> = active
            .iter()
            .filter(|c| c.os() == "fedora")
            .map(|c| format!("fedora-latest-{}", c.arch()))
            .collect();
        names.sort();
        names.dedup();
        let mut plain: Vec<String> = active.iter().map(ToString::to_string).collect();
        plain.sort();
        names.extend(plain);
        let default = ["fedora-latest-x86_64"]
            .into_iter()
            .find(|name| names.iter().any(|n| n == name))
            .or(names.first().map(String::as_str))
            .unwrap_or_default()
            .to_owned();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.choice("chroot", &names, &default);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(source: SourceType, given: &Value) -> Result<Value, String> {
        let active: Vec<ChrootName> = ["debian-12-x86_64", "fedora-44-aarch64"]
            .iter()
            .map(|n| n.parse().unwrap())
            .collect();
        check(source, given.as_object().unwrap(), Some("hello"), &active)
            .map(Value::Object)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn sources_have_copr_s_fields() {
        let scm = checked(
            SourceType::Scm,
            &json!({"clone_url": "https://example.org/hello.git"}),
        );
        assert_eq!(
            scm.unwrap(),
            json!({"type": "git", "clone_url": "https://example.org/hello.git", "committish": "", "subdirectory": "",
                "spec": "", "srpm_build_method": "rpkg"})
        );
        let distgit = checked(SourceType::Distgit, &json!({"committish": "f44"}));
        assert_eq!(
            distgit.unwrap(),
            json!({"clone_url": "https://src.fedoraproject.org/rpms/hello", "distgit": "fedora", "committish": "f44"})
        );
        let named = json!({"distgit": "fedora-copr", "namespace": "@copr/copr"});
        assert_eq!(
            checked(SourceType::Distgit, &named).unwrap()["clone_url"],
            "https://copr-dist-git.fedorainfracloud.org/git/@copr/copr/hello"
        );
        let pypi = json!({"pypi_package_name": "requests", "python_versions": [3, 2]});
        assert_eq!(
            checked(SourceType::Pypi, &pypi).unwrap(),
            json!({"pypi_package_name": "requests", "pypi_package_version": "", "spec_generator": "pyp2spec",
                "spec_template": "", "python_versions": ["3", "2"]})
        );
        let custom = json!({"script": "#! /bin/sh\r\ntrue", "builddeps": "git  curl"});
        assert_eq!(
            checked(SourceType::Custom, &custom).unwrap(),
            json!({"script": "#! /bin/sh\ntrue\n", "chroot": "fedora-latest-aarch64", "builddeps": "git curl",
                "resultdir": "", "repos": ""})
        );
    }

    #[test]
    fn wrong_fields_are_named() {
        for (source, given, expected) in [
            (SourceType::Scm, json!({}), "clone_url: This field is required."),
            (
                SourceType::Scm,
                json!({"clone_url": "https://e.org/a", "spec": "a.txt"}),
                "spec: RPM spec file must end with .spec",
            ),
            (
                SourceType::Scm,
                json!({"clone_url": "https://e.org/a", "subdirectory": "a/../../b"}),
                "subdirectory: ",
            ),
            (
                SourceType::Scm,
                json!({"clone_url": "https://e.org/a", "type": "cvs"}),
                "scm_type: Not a valid choice.",
            ),
            (
                SourceType::Pypi,
                json!({}),
                "pypi_package_name: This field is required.",
            ),
            (
                SourceType::Rubygems,
                json!({"gem_name": "x".repeat(99)}),
                "gem_name: ",
            ),
            (
                SourceType::Distgit,
                json!({"distgit": "nowhere"}),
                "distgit: DistGit ID must be one of: fedora, ",
            ),
            (
                SourceType::Distgit,
                json!({"distgit": "fedora-copr"}),
                "distgit: Can not validate DistGit input",
            ),
            (
                SourceType::Custom,
                json!({"script": "x".repeat(5_000)}),
                "script: Maximum script size is 4kB",
            ),
            (
                SourceType::Custom,
                json!({"script": "true", "chroot": "nowhere-1-x86_64"}),
                "script_chroot: Not a valid choice.",
            ),
        ] {
            let error = checked(source, &given).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
