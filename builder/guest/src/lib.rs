//! The agent of a build VM.
//!
//! It is the first process of a machine that exists for one build: it mounts the disks, gets the job over a
//! virtio-serial port, installs the build requirements, runs `rpmbuild` as an ordinary user, and sends log and
//! artefacts back. The build runs in namespaces of its own and cannot signal it. Or it finds out whether packages of a
//! repository can be installed, and runs nothing of them.

use std::process::ExitCode;

use anyhow::{Context, Result};
use protocol::guest::{FromGuest, ToGuest};

mod artifacts;
mod boot;
mod channel;
mod check;
mod dependencies;
mod failure;
mod job;
mod launch;
mod network;
mod process;
mod root;
pub mod solve;
mod source;
pub mod spec;
mod verdict;

/// Runs as process 1 of the VM, or, when it was started by itself, as the launcher of one command.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    if let Some(mode) = arguments.next()
        && let Some(code) = launch::dispatch(&mode, arguments)
    {
        return code;
    }
    if std::process::id() != 1 {
        eprintln!("guest: this is the agent of a build VM and runs as its first process only");
        return ExitCode::FAILURE;
    }
    if let Err(error) = agent() {
        eprintln!("koper-agent: {error:#}");
    }
    boot::power_off();
    ExitCode::FAILURE
}

fn agent() -> Result<()> {
    boot::mount_kernel_filesystems()?;
    boot::load_modules()?;
    boot::protect_from_oom();
    let channel = channel::Channel::open()?;
    channel.send(&FromGuest::Hello {
        protocol: protocol::builder_api::PROTOCOL,
    })?;
    let done = match channel.receive()? {
        ToGuest::Job(job) => job::run(&channel, &job),
        ToGuest::Check(job) => check::run(&channel, &job),
        ToGuest::NetworkGone | ToGuest::PowerOff => anyhow::bail!("the host's first message is no job"),
    };
    if let Err(failure) = done {
        let failure = failure::classify(failure);
        channel
            .send(&FromGuest::Failed {
                kind: failure.kind,
                message: failure.message,
            })
            .context("report the failure")?;
    }
    loop {
        if matches!(channel.receive()?, ToGuest::PowerOff) {
            return Ok(());
        }
    }
}
