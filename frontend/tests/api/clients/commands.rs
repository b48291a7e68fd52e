//! All of `copr-cli`: a sample call of every command with every option, run as its users run it.
//!
//! The calls are in `calls/`. What exists to be called is asked of `copr-cli` itself, so that an option that a later
//! one brings is missed here.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;
use testkit::Ran;

use super::calls::{self, Call};
use super::{config, house};
use crate::house::{CHROOT, House, OTHER_CHROOT};
use crate::packages;

const COMPS: &str =
    "<?xml version=\"1.0\"?>\n<comps><group><id>tools</id><name>Tools</name></group></comps>\n";

/// A house with the people who call, and their files.
struct Desk {
    house: House,
    dir: tempfile::TempDir,
    /// The newest build that a call printed, and the first.
    builds: Vec<u64>,
}

impl Desk {
    async fn new() -> Self {
        let house = house().await;
        let dir = tempfile::tempdir().unwrap();
        for name in ["alice", "bob", "root"] {
            let person = house.person(name, name == "root").await;
            std::fs::write(dir.path().join(name), config(&house, &person)).unwrap();
        }
        let (source, binary) = (packages::source("BuildArch: noarch"), packages::binary());
        for (name, content) in [
            ("hello.src.rpm", source.bytes.as_slice()),
            ("hello.noarch.rpm", &binary.bytes),
            ("script", b"#!/bin/sh\ntrue\n"),
            ("comps.xml", COMPS.as_bytes()),
        ] {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        Self {
            house,
            dir,
            builds: Vec::new(),
        }
    }

    /// Puts in what only the run knows.
    fn fill(&self, text: &str) -> String {
        let build = |which: Option<&u64>| which.map_or_else(String::new, u64::to_string);
        text.replace("{options}", calls::OPTIONS)
            .replace("{dir}", self.dir.path().to_str().unwrap())
            .replace("{one}", CHROOT)
            .replace("{other}", OTHER_CHROOT)
            .replace("{first}", &build(self.builds.first()))
            .replace("{last}", &build(self.builds.last()))
    }

    /// Runs a command as a user, who answers every question with yes.
    async fn run(&self, user: &str, words: Vec<String>) -> Ran {
        let mut command = Command::new(super::venv().join("bin/copr-cli"));
        command
            .arg("--config")
            .arg(self.dir.path().join(user))
            .args(words)
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let work = move || {
            let mut child = command.spawn().unwrap();
            // Who does not ask may have closed its end.
            let _ = child.stdin.take().unwrap().write_all(b"y\n");
            child.wait_with_output().unwrap()
        };
        let output = tokio::task::spawn_blocking(work).await.unwrap();
        Ran {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Makes a call and says what is not as it should be.
    async fn call(&mut self, call: &Call) -> Vec<String> {
        let line = self.fill(call.line);
        let mut words = line.split(' ').map(|word| word.replace('~', " "));
        let user = words.next().unwrap();
        let ran = self.run(&user, words.collect()).await;
        let mut faults = Vec::new();
        let all = format!("{}\n{}", ran.out, ran.err);
        if ran.code != call.code || ran.err.contains("Traceback") {
            faults.push(format!("{line}: exit code {}\n{all}", ran.code));
        }
        let errors = call.code != 0 || call.says.starts_with('!');
        let stream = if errors { &ran.err } else { &ran.out };
        let says = self.fill(call.says.trim_start_matches('!'));
        if !stream.contains(&says) {
            faults.push(format!("{line}: no '{says}' in\n{all}"));
        }
        self.builds.extend(ran.builds());
        for (path, pointer, expected) in call.then {
            let got = self.house.get(&self.fill(path)).await.ok();
            let found = got.pointer(&self.fill(pointer));
            let expected: Value = serde_json::from_str(&self.fill(expected)).unwrap();
            if found != Some(&expected) {
                faults.push(format!(
                    "{line}: {pointer} is {found:?} and not {expected} in {got}"
                ));
            }
        }
        faults
    }

    /// Makes all calls, and has all faults told at once.
    async fn all(calls: &[Call]) {
        let mut desk = Self::new().await;
        let mut faults = Vec::new();
        for call in calls {
            faults.extend(desk.call(call).await);
        }
        assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    }
}

#[tokio::test]
async fn commands_of_projects_and_chroots_do_what_they_say() {
    Desk::all(calls::PROJECTS).await;
}

#[tokio::test]
async fn commands_of_builds_do_what_they_say() {
    Desk::all(calls::BUILDS).await;
}

#[tokio::test]
async fn commands_of_packages_do_what_they_say() {
    Desk::all(calls::PACKAGES).await;
}

/// `command option` for each option that `copr-cli` knows, by its long name, and `command` for each command. What is
/// asked before the command has no command.
fn known() -> BTreeSet<String> {
    let script = "
import argparse
from copr_cli.main import setup_parser
def options(command, parser):
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                print(name)
                options(name, inner)
        elif action.option_strings and not isinstance(action, argparse._HelpAction):
            print(command, next(o for o in action.option_strings if o.startswith('--')))
options('', setup_parser())
";
    let output = Command::new(super::venv().join("bin/python"))
        .args(["-c", script])
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    let out = String::from_utf8(output.stdout).unwrap();
    out.lines().map(|line| line.trim().to_owned()).collect()
}

/// The same for what is called.
fn called() -> BTreeSet<String> {
    // Each call is given a file for its settings.
    let mut called = BTreeSet::from(["--config".to_owned()]);
    for call in [calls::PROJECTS, calls::BUILDS, calls::PACKAGES].concat() {
        let line = call.line.replace("{options}", calls::OPTIONS);
        let mut command = None;
        for word in line.split(' ').skip(1) {
            match command {
                None if word.starts_with("--") => called.insert(word.to_owned()),
                None => {
                    command = Some(word.to_owned());
                    called.insert(word.to_owned())
                }
                Some(ref command) if word.starts_with("--") => called.insert(format!("{command} {word}")),
                Some(_) => continue,
            };
        }
    }
    called
}

#[test]
fn every_command_and_every_option_has_a_sample_call() {
    let (known, called) = (known(), called());
    assert!(
        known.contains("whoami") && known.contains("create --chroot"),
        "{known:?}"
    );
    let missing: Vec<&String> = known.difference(&called).collect();
    assert!(
        missing.is_empty(),
        "no sample call in clients/calls/ for {missing:#?}"
    );
    let strange: Vec<&String> = called.difference(&known).collect();
    assert!(strange.is_empty(), "copr-cli has nothing like {strange:#?}");
}
