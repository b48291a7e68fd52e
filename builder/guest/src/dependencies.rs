//! Build requirements: what is missing, and its installation.

use anyhow::Result;
use protocol::FailureKind::{BadSpec, BuildFailed, Builder, MissingDependency};
use protocol::PackageManager;
use protocol::guest::Job;

use crate::channel::Channel;
use crate::failure::fail;
use crate::launch::Jail;
use crate::process::{Captured, capture, complaint, stream};

/// Rounds of `%generate_buildrequires`, as many as mock makes.
const ROUNDS: usize = 10;
/// `rpmbuild`'s exit code when generated requirements are missing (rpm's build/rpmbuild.h, `RPMRC_MISSINGBUILDREQUIRES`).
const MISSING_BUILD_REQUIREMENTS: i32 = 11;

/// Requirements that `rpmbuild` complains about: lines such as `\tfoo >= 2 is needed by bar-1-1.x86_64`.
fn missing(output: &str) -> Vec<String> {
    output
        .lines()
        .filter_map(|line| line.split_once(" is needed by "))
        .map(|(requirement, _)| requirement.trim().to_owned())
        .filter(|requirement| !requirement.is_empty())
        .collect()
}

/// The package manager's reason, as a requirement that the packager can look for.
fn reason(tail: &str) -> Option<String> {
    let patterns = [
        "No match for argument: ",
        "Unable to find a match: ",
        "No matching package to install: '",
        "No package matches '",
        "nothing provides ",
        "No provider of '",
    ];
    tail.lines().find_map(|line| {
        patterns.iter().find_map(|pattern| {
            let (_, rest) = line.split_once(pattern)?;
            let rest = rest.trim_start_matches("requested ");
            Some(rest.trim().trim_end_matches('\'').to_owned())
        })
    })
}

/// Whether the package manager failed for lack of a repository and not for lack of a package.
pub fn unreachable(tail: &str) -> bool {
    [
        "Failed to download metadata",
        "Error downloading packages",
        "Curl error (",
    ]
    .iter()
    .any(|text| tail.contains(text))
}

/// Installs packages or requirements by their names.
fn install(channel: &Channel, job: &Job, requirements: &[String]) -> Result<()> {
    let mut argv: Vec<String> = match job.package_manager {
        PackageManager::Dnf => vec!["dnf", "-y", "install"],
        PackageManager::Dnf5 => vec!["dnf5", "-y", "install"],
        PackageManager::Zypper => {
            vec![
                "zypper",
                "--non-interactive",
                "--gpg-auto-import-keys",
                "install",
                "--no-recommends",
            ]
        }
    }
    .into_iter()
    .map(str::to_owned)
    .collect();
    // Requirements come from a spec: one that begins with a dash is no option.
    argv.extend(requirements.iter().filter(|r| !r.starts_with('-')).cloned());
    run(channel, &argv, requirements)
}

/// Runs the package manager; what is not to be had fails the build as a missing dependency.
fn run(channel: &Channel, argv: &[String], requirements: &[String]) -> Result<()> {
    channel.say(&format!("installing {}", requirements.join(", ")))?;
    let installed = stream(channel, Jail::Root, argv)?;
    if installed.code == 0 {
        return Ok(());
    }
    if unreachable(&installed.tail) {
        return Err(fail(
            Builder,
            "a repository could not be reached while build requirements were installed",
        ));
    }
    let what = reason(&installed.tail).unwrap_or_else(|| requirements.join(", "));
    Err(fail(
        MissingDependency,
        format!(
            "the build requires {what}, which no enabled repository provides or which cannot be installed"
        ),
    ))
}

/// Installs what a spec requires. Rich requirements are nothing that `dnf install` takes, only `dnf builddep` does;
/// it reads them from a source package, because reading the spec would execute its macros as root.
fn install_for(
    channel: &Channel,
    job: &Job,
    wanted: &[String],
    spec: &str,
    options: &[String],
) -> Result<()> {
    let program = match job.package_manager {
        PackageManager::Dnf => "dnf",
        PackageManager::Dnf5 => "dnf5",
        PackageManager::Zypper => return install(channel, job, wanted),
    };
    if !wanted.iter().any(|requirement| requirement.starts_with('(')) {
        return install(channel, job, wanted);
    }
    let mut argv = vec!["rpmbuild".to_owned(), "-bs".to_owned(), "--nodeps".to_owned()];
    argv.extend_from_slice(options);
    argv.push(spec.to_owned());
    let packed = capture(Jail::User, &argv)?;
    let Some(source) = packed
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("Wrote: "))
    else {
        return Err(fail(BadSpec, complaint(&packed.stderr)));
    };
    let argv = [program, "-y", "--setopt=plugins=1", "builddep", source].map(str::to_owned);
    run(channel, &argv, wanted)
}

/// Installs the job's extra packages, then all that the spec requires.
pub fn satisfy(channel: &Channel, job: &Job, spec: &str, options: &[String], dynamic: bool) -> Result<()> {
    if !job.additional_packages.is_empty() {
        install(channel, job, &job.additional_packages)?;
    }
    let check = ask_rpmbuild(spec, options)?;
    let wanted = missing(&check.stderr);
    if !wanted.is_empty() {
        install_for(channel, job, &wanted, spec, options)?;
    } else if check.code != 0 {
        return Err(fail(BadSpec, complaint(&check.stderr)));
    }
    if dynamic {
        generated(channel, job, spec, options)
    } else {
        Ok(())
    }
}

/// Lets `rpmbuild` itself judge what is missing, which knows versions, conditionals and rich requirements. With
/// `-br --nobuild` it checks and runs nothing; `-bp --nobuild` does not check, `-ba --nobuild` looks for files.
fn ask_rpmbuild(spec: &str, options: &[String]) -> Result<Captured> {
    let mut argv = vec!["rpmbuild".to_owned(), "-br".to_owned(), "--nobuild".to_owned()];
    argv.extend_from_slice(options);
    argv.push(spec.to_owned());
    capture(Jail::User, &argv)
}

/// Runs `%generate_buildrequires` until it asks for nothing more. The user's commands have no network here either.
fn generated(channel: &Channel, job: &Job, spec: &str, options: &[String]) -> Result<()> {
    for _ in 0..ROUNDS {
        let mut argv = vec!["rpmbuild".to_owned(), "-br".to_owned()];
        argv.extend_from_slice(options);
        argv.push(spec.to_owned());
        let round = stream(channel, Jail::User, &argv)?;
        let wanted = missing(&round.tail);
        match round.code {
            0 => return Ok(()),
            MISSING_BUILD_REQUIREMENTS if !wanted.is_empty() => install(channel, job, &wanted)?,
            _ => return Err(fail(BuildFailed, complaint(&round.tail))),
        }
    }
    Err(fail(
        MissingDependency,
        format!("%generate_buildrequires still asks for more after {ROUNDS} rounds"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rpmbuilds_complaint_is_read() {
        let text = "error: Failed build dependencies:\n\tfoo >= 2 is needed by bar-1-1.x86_64\n\
                    \t(a or b) is needed by bar-1-1.x86_64\nother\n";
        assert_eq!(missing(text), ["foo >= 2", "(a or b)"]);
        assert!(missing("error: line 3: Unknown tag: x").is_empty());
    }

    #[test]
    fn the_package_managers_reason_names_the_requirement() {
        assert_eq!(
            reason("x\nNo match for argument: nosuch-devel\n").as_deref(),
            Some("nosuch-devel")
        );
        assert_eq!(
            reason(" - nothing provides libz needed by a-1\n").as_deref(),
            Some("libz needed by a-1")
        );
        assert_eq!(reason("all well"), None);
        assert!(unreachable("Error: Failed to download metadata for repo 'a': x"));
        assert!(!unreachable("Error: Unable to find a match: nosuch"));
    }
}
