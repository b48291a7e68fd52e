//! Whether packages can be installed, by the distribution's own solver, which is asked what it would do and told not to do
//! it: nothing of a package is unpacked, and nothing runs.
//!
//! dnf has no exit code for it. It ends with 1 both when it found a solution that it may not carry out ("Operation aborted")
//! and when there is none, so its words decide; what says neither is no verdict on the packages.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use protocol::FailureKind::{BadResult, Builder, Uninstallable};

use crate::dependencies::unreachable;
use crate::failure::fail;
use crate::process::complaint;

/// Most packages that are tried one by one, when they cannot be installed together.
const ONE_BY_ONE: usize = 50;
/// After so many that cannot be installed nobody looks for more.
const CULPRITS: usize = 5;
/// Most characters of what dnf says of one package.
const WORDS: usize = 400;

/// A package of before, and the newer one that has to take its place.
#[derive(Debug, Clone)]
pub struct Upgrade {
    /// The older one, as `name-epoch:version-release.arch`.
    pub from: String,
    /// The newer one.
    pub to: String,
    /// The older one's file; its header is enough.
    pub header: PathBuf,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ran {
    /// Exit code.
    pub code: i32,
    /// The end of what it wrote, to both streams.
    pub output: String,
}

/// What dnf thinks of a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    /// There is a solution.
    Resolves,
    /// There is none, in dnf's words.
    Not(String),
}

/// dnf, and where it works. `run` runs a command as root.
pub struct Solver<R> {
    /// `dnf` or `dnf5`.
    pub program: &'static str,
    /// The root directory that packages are tried in; it is removed and made anew.
    pub root: PathBuf,
    /// Where metadata is kept between calls.
    pub cache: PathBuf,
    /// The folder with the `.repo` files.
    pub repositories: PathBuf,
    /// `dnf.conf`.
    pub config: PathBuf,
    /// `$releasever`.
    pub releasever: String,
    /// Runs a command.
    pub run: R,
}

impl<R: FnMut(&[String]) -> Result<Ran>> Solver<R> {
    /// Finds out whether an empty machine can install the packages, and one with the older packages upgrade to the newer ones.
    ///
    /// # Errors
    /// A failure of the kind `Uninstallable` where it cannot, which names the packages; others where nobody can tell.
    pub fn check(&mut self, packages: &[String], upgrades: &[Upgrade]) -> Result<()> {
        let mut wrong = self.each(
            packages,
            |package| package,
            |package, words| format!("{package} cannot be installed: {words}"),
            Self::install,
        )?;
        wrong.extend(self.each(
            upgrades,
            |upgrade| &upgrade.to,
            |upgrade, words| format!("{} cannot be upgraded to {}: {words}", upgrade.from, upgrade.to),
            Self::upgrade,
        )?);
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(fail(Uninstallable, wrong.join("; ")))
        }
    }

    /// Tries all at once, and when that does not go, those first that dnf named, one by one: packages may exclude each
    /// other, as alternatives do. What is said of each that does not go by itself.
    fn each<T: Clone>(
        &mut self,
        all: &[T],
        name: fn(&T) -> &str,
        say: fn(&T, &str) -> String,
        solve: fn(&mut Self, &[T]) -> Result<Answer>,
    ) -> Result<Vec<String>> {
        if all.is_empty() {
            return Ok(Vec::new());
        }
        let words = match (solve(self, all)?, all) {
            (Answer::Resolves, _) => return Ok(Vec::new()),
            (Answer::Not(words), [one]) => return Ok(vec![say(one, &words)]),
            (Answer::Not(words), _) => words,
        };
        let (suspects, others): (Vec<&T>, Vec<&T>) = all
            .iter()
            .partition(|one| words.contains(&without_epoch(name(one))));
        let mut wrong = Vec::new();
        for one in suspects.into_iter().chain(others).take(ONE_BY_ONE) {
            if let Answer::Not(words) = solve(self, std::slice::from_ref(one))? {
                wrong.push(say(one, &words));
            }
            if wrong.len() >= CULPRITS {
                break;
            }
        }
        if wrong.is_empty() && all.len() > ONE_BY_ONE {
            let text = format!(
                "the {} packages cannot be installed together, and each of the {ONE_BY_ONE} that were tried can by itself: {words}",
                all.len()
            );
            return Err(fail(BadResult, text));
        }
        Ok(wrong)
    }

    fn install(&mut self, packages: &[String]) -> Result<Answer> {
        self.fresh_root()?;
        self.ask("install", packages)
    }

    fn upgrade(&mut self, upgrades: &[Upgrade]) -> Result<Answer> {
        self.fresh_root()?;
        // What they need is left out, or it would all have to be fetched; dnf leaves alone what it does not touch, however
        // broken.
        let mut argv: Vec<String> = [
            "rpm",
            "--install",
            "--justdb",
            "--nodeps",
            "--noscripts",
            "--notriggers",
            "--nosignature",
            "--nodigest",
            "--noplugins",
            "--force",
            "--ignorearch",
            "--ignoreos",
            "--ignoresize",
            "--root",
        ]
        .map(str::to_owned)
        .to_vec();
        argv.push(self.root.display().to_string());
        argv.extend(
            upgrades
                .iter()
                .map(|upgrade| upgrade.header.display().to_string()),
        );
        let ran = (self.run)(&argv)?;
        if ran.code != 0 {
            let text = format!("rpm does not read the older packages: {}", complaint(&ran.output));
            return Err(fail(BadResult, text));
        }
        let newer: Vec<String> = upgrades.iter().map(|upgrade| upgrade.to.clone()).collect();
        self.ask("upgrade", &newer)
    }

    fn fresh_root(&self) -> Result<()> {
        if self.root.exists() {
            fs::remove_dir_all(&self.root).with_context(|| format!("empty {}", self.root.display()))?;
        }
        fs::create_dir_all(&self.root).with_context(|| format!("create {}", self.root.display()))
    }

    fn ask(&mut self, what: &str, packages: &[String]) -> Result<Answer> {
        let mut argv = vec![
            self.program.to_owned(),
            format!("--config={}", self.config.display()),
            format!("--installroot={}", self.root.display()),
            format!("--releasever={}", self.releasever),
            format!("--setopt=reposdir={}", self.repositories.display()),
            format!("--setopt=cachedir={}", self.cache.display()),
            "--assumeno".to_owned(),
            what.to_owned(),
        ];
        argv.extend(
            packages
                .iter()
                .filter(|package| !package.starts_with('-'))
                .cloned(),
        );
        let ran = (self.run)(&argv)?;
        read(&ran, what)
    }
}

/// `name-version-release.arch`, as dnf names packages whose epoch is 0.
fn without_epoch(nevra: &str) -> String {
    nevra.replacen("-0:", "-", 1)
}

/// Reads what dnf said to a wish.
fn read(ran: &Ran, what: &str) -> Result<Answer> {
    let text = &ran.output;
    if text.contains("Operation aborted") {
        return Ok(Answer::Resolves);
    }
    if let Some(words) = words(text) {
        return Ok(Answer::Not(words));
    }
    if ran.code == 0 {
        return Ok(match what {
            "install" => Answer::Resolves,
            _ => Answer::Not("dnf chooses to upgrade nothing".to_owned()),
        });
    }
    let text = if unreachable(text) {
        "a repository could not be reached".to_owned()
    } else {
        format!("dnf ended with {} and said: {}", ran.code, complaint(text))
    };
    Err(fail(Builder, text))
}

/// dnf's explanation why there is no solution, in one line: of dnf 4 what follows `Error:`, of dnf 5 what follows `Failed to
/// resolve the transaction:`, without its advice and without what it says of every problem.
fn words(text: &str) -> Option<String> {
    let mut words: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim) {
        let problem = line
            .strip_prefix("Problem")
            .and_then(|rest| rest.split_once(": "));
        let number = |number: &str| number.is_empty() || number.trim().parse::<u32>().is_ok();
        let missing = ["No match for argument: ", "All matches were filtered out by "];
        if let Some((_, rest)) = problem.filter(|(n, _)| number(n)) {
            words.push(rest.trim());
        } else if missing.iter().any(|start| line.starts_with(start)) {
            words.push(line);
        } else if let Some(detail) = line.strip_prefix("- ").filter(|_| !words.is_empty()) {
            words.push(detail.trim());
        }
    }
    if words.is_empty() {
        return None;
    }
    let told = words.iter().filter(|word| **word != "conflicting requests");
    let mut unique: Vec<&str> = Vec::new();
    for word in told {
        if !unique.contains(word) {
            unique.push(word);
        }
    }
    if unique.is_empty() {
        unique = words;
    }
    let text = unique.join("; ");
    Some(text.chars().filter(|c| !c.is_control()).take(WORDS).collect())
}

#[cfg(test)]
mod tests;
