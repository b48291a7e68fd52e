//! One build from the job to the last artefact.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use protocol::FailureKind::BadSpec;
use protocol::guest::{FromGuest, Job, ToGuest};

use crate::channel::Channel;
use crate::failure::fail;
use crate::launch::Jail;
use crate::process::{Captured, capture, complaint, stream};
use crate::root::TOPDIR;
use crate::spec::{self, Depth};
use crate::{artifacts, boot, dependencies, network, root, source, verdict};

/// Runs the job; an error is its verdict.
pub fn run(channel: &Channel, job: &Job) -> Result<()> {
    boot::set_clock(job.now)?;
    network::configure()?;
    root::enter()?;
    root::furnish(job)?;
    channel.say(&format!("unpacking {}", job.srpm_name))?;
    let path = source::unpack(job)?;
    let options = options(job);
    let text = mark(channel, job, &path, &options)?;
    channel.say("checking build requirements")?;
    dependencies::satisfy(
        channel,
        job,
        &path,
        &options,
        spec::has_dynamic_requirements(&text),
    )?;
    channel.send(&FromGuest::DependenciesInstalled)?;
    if !matches!(channel.receive()?, ToGuest::NetworkGone) {
        anyhow::bail!("the host spoke out of turn");
    }
    channel.send(&FromGuest::Building)?;
    build(channel, job, &path, &options)?;
    artifacts::send(channel, Path::new(TOPDIR), job.artifact_bytes)
}

/// Options that every reading of the spec gets.
fn options(job: &Job) -> Vec<String> {
    let pairs = |option: &str, values: &[String]| -> Vec<String> {
        values
            .iter()
            .flat_map(|value| [option.to_owned(), value.clone()])
            .collect()
    };
    let mut options = pairs("--with", &job.with_opts);
    options.extend(pairs("--without", &job.without_opts));
    options
}

/// Names and releases that a spec yields, one `name<TAB>release` a line.
fn query(path: &str, options: &[String], source: bool) -> Result<Captured> {
    let mut argv = vec!["rpmspec".to_owned(), "-q".to_owned()];
    if source {
        argv.push("--srpm".to_owned());
    }
    argv.extend(["--qf".to_owned(), "%{NAME}\\t%{RELEASE}\\n".to_owned()]);
    argv.extend_from_slice(options);
    argv.push(path.to_owned());
    capture(Jail::User, &argv)
}

/// The first package of a query's output whose release lacks the mark.
fn unmarked(job: &Job, output: &str) -> Option<String> {
    let tag = &job.identity.repotag;
    let mut lines = output.lines().filter_map(|line| line.split_once('\t'));
    lines
        .find(|(_, release)| !tag.is_in(release))
        .map(|(name, release)| format!("{name} (release {release})"))
}

/// Rewrites the spec until all its packages carry the identity.
fn mark(channel: &Channel, job: &Job, path: &str, options: &[String]) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("read {path}"))?;
    // A spec in an old encoding is still a spec; only its odd letters change.
    let original = String::from_utf8_lossy(&bytes).into_owned();
    let depths: &[Depth] = if spec::lacks_dist(&original) {
        &[Depth::Releases, Depth::Literal]
    } else {
        &[Depth::Identity, Depth::Releases, Depth::Literal]
    };
    let mut left = String::new();
    for depth in depths {
        let text = spec::rewrite(&original, *depth, &job.dist);
        if text != original {
            fs::write(path, &text).with_context(|| format!("write {path}"))?;
        }
        let (binary, source) = std::thread::scope(|scope| {
            let source = scope.spawn(|| query(path, options, true));
            (query(path, options, false), source.join())
        });
        let source = source.map_err(|_| anyhow::anyhow!("a thread of the agent panicked"))??;
        let binary = binary?;
        if binary.code != 0 || source.code != 0 {
            let errors = if binary.code == 0 {
                &source.stderr
            } else {
                &binary.stderr
            };
            channel.log(errors.as_bytes())?;
            return Err(fail(
                BadSpec,
                format!("the spec does not parse: {}", complaint(errors)),
            ));
        }
        match unmarked(job, &binary.stdout).or_else(|| unmarked(job, &source.stdout)) {
            None => return Ok(text),
            Some(package) => left = package,
        }
    }
    Err(fail(
        BadSpec,
        format!(
            "{left} cannot be given the release suffix {}: write 'Release: 1%{{?dist}}' in the spec",
            job.dist
        ),
    ))
}

fn build(channel: &Channel, job: &Job, path: &str, options: &[String]) -> Result<()> {
    let ooms = verdict::oom_kills();
    let jail = if job.keep_network {
        Jail::UserWithNetwork
    } else {
        Jail::User
    };
    let mut argv = vec!["rpmbuild".to_owned(), "-ba".to_owned()];
    argv.extend_from_slice(options);
    argv.push(path.to_owned());
    channel.say(&argv.join(" "))?;
    let ended = stream(channel, jail, &argv)?;
    if ended.code == 0 {
        Ok(())
    } else {
        Err(verdict::judge(ended.code, &ended.tail, ooms)?)
    }
}
