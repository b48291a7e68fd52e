//! The agent of a build VM.
//!
//! It is the first process of a machine that exists for one build: it mounts the disks, gets the job over a
//! virtio-serial port, installs the build requirements, runs `rpmbuild` as an ordinary user, and sends log and
//! artefacts back. The build runs in namespaces of its own and cannot signal it.

use std::process::ExitCode;

use anyhow::{Context, Result};
use protocol::guest::{FromGuest, ToGuest};

mod artifacts;
mod boot;
mod channel;
mod dependencies;
mod failure;
mod job;
mod launch;
mod network;
mod process;
mod root;
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
    let ToGuest::Job(job) = channel.receive()? else {
        anyhow::bail!("the host's first message is no job");
    };
    if let Err(failure) = job::run(&channel, &job) {
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
