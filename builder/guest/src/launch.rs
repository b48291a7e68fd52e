//! The launcher: a second and third life of the same binary that put a command into namespaces of its own.
//!
//! The first stage leaves the PID, mount and, for the build, network namespace; the second is process 1 of the new
//! PID namespace, reaps what the command leaves behind, and ends when the command ends, so that the kernel kills the
//! rest. Neither uses anything from the build's disk before the command itself.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Gid, Pid, setgroups, setsid};

/// User and group of the build.
pub const BUILD_UID: u32 = 1000;
/// Most processes and threads that the build may have.
const PROCESSES: u64 = 4_000;

/// Exit code of a launcher that could not start the command.
const LAUNCH_FAILED: u8 = 126;

/// Who runs a command, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jail {
    /// Root with the VM's network: the package manager.
    Root,
    /// The unprivileged user without any network: everything that executes a spec.
    User,
    /// The unprivileged user with the VM's network: a build whose project enables it.
    UserWithNetwork,
}

impl Jail {
    fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::User => "user",
            Self::UserWithNetwork => "user-with-network",
        }
    }

    fn parse(name: &OsStr) -> Option<Self> {
        [Self::Root, Self::User, Self::UserWithNetwork]
            .into_iter()
            .find(|jail| name == jail.name())
    }
}

/// A command that runs `program` in a jail.
pub fn command(jail: Jail, program: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.args(["launch", jail.name(), program]);
    command
}

/// Acts as a launcher if the arguments ask for it.
pub fn dispatch(mode: &OsStr, mut arguments: impl Iterator<Item = OsString>) -> Option<ExitCode> {
    let stage: fn(Jail, Vec<OsString>) -> Result<u8> = match mode.to_str()? {
        "launch" => outer,
        "launched" => inner,
        _ => return None,
    };
    let jail = Jail::parse(&arguments.next()?)?;
    Some(match stage(jail, arguments.collect()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("koper-agent: {error:#}");
            ExitCode::from(LAUNCH_FAILED)
        }
    })
}

fn outer(jail: Jail, command: Vec<OsString>) -> Result<u8> {
    setsid().context("start a session")?;
    let mut flags = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC;
    if jail == Jail::User {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    unshare(flags).context("leave the namespaces")?;
    let status = Command::new("/proc/self/exe")
        .args(["launched", jail.name()])
        .args(command)
        .status()
        .context("start the second stage")?;
    Ok(code(status.code(), status.signal()))
}

fn code(code: Option<i32>, signal: Option<i32>) -> u8 {
    let value = code.unwrap_or_else(|| 128 + signal.unwrap_or(0));
    u8::try_from(value).unwrap_or(u8::MAX)
}

fn inner(jail: Jail, command: Vec<OsString>) -> Result<u8> {
    let Some((program, arguments)) = command.split_first() else {
        bail!("no command to launch");
    };
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).context("make the mounts private")?;
    let safe = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), safe, None::<&str>).context("mount /proc")?;
    std::fs::write(
        "/proc/self/oom_score_adj",
        if jail == Jail::Root { "0" } else { "1000" },
    )
    .context("set the OOM score")?;
    if jail == Jail::User {
        crate::network::loopback_up()?;
    }
    let mut child = Command::new(program);
    child.args(arguments);
    if jail != Jail::Root {
        setrlimit(Resource::RLIMIT_CORE, 0, 0).context("limit core dumps")?;
        setrlimit(Resource::RLIMIT_NPROC, PROCESSES, PROCESSES).context("limit processes")?;
        nix::sys::prctl::set_no_new_privs().context("give up new privileges")?;
        setgroups(&[Gid::from_raw(BUILD_UID)]).context("drop the groups")?;
        child.uid(BUILD_UID).gid(BUILD_UID);
    }
    let child = child
        .spawn()
        .with_context(|| format!("start {}", program.to_string_lossy()))?;
    let wanted = Pid::from_raw(i32::try_from(child.id()).context("process number")?);
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, status)) if pid == wanted => return Ok(code(Some(status), None)),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == wanted => {
                return Ok(code(None, Some(signal as i32)));
            }
            Ok(_) | Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error).context("wait for the command"),
        }
    }
}
