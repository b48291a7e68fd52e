//! The conversation with one guest.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;

use protocol::FailureKind::{ArtifactsTooLarge, Builder, GuestDied, TimedOut};
use protocol::builder_api::{Artifact, MAX_ARTIFACTS, PROTOCOL, Phase};
use protocol::guest::{CheckJob, FromGuest, Job, ToGuest};
use protocol::{FileName, Limits};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::channel::{ChannelError, Frame, read_frame, write_message};
use crate::lease::Lease;
use crate::log::Log;
use crate::outcome::{End, fail};
use crate::vm::Vm;

/// Time for the agent's first word, which emulation takes seconds for.
const HELLO: Duration = Duration::from_secs(120);

/// A file that came out of a VM.
#[derive(Debug)]
pub struct Received {
    /// What the hub is told.
    pub artifact: Artifact,
    /// Where it is.
    pub path: PathBuf,
}

/// What a guest's conversation needs beside the guest.
pub struct Session<'a> {
    /// The running VM.
    pub vm: &'a mut Vm,
    /// Where log lines go.
    pub log: &'a Log,
    /// Where phases go.
    pub lease: &'a Lease,
    /// Where artefacts go.
    pub dir: &'a Path,
    /// What the guest may do.
    pub limits: Limits,
}

/// What a build in a VM yields.
#[derive(Debug)]
pub struct Yield {
    /// Its artefacts.
    pub files: Vec<Received>,
    /// From QEMU's start to the agent's first word.
    pub boot: Duration,
}

fn broken(text: &str) -> ChannelError {
    ChannelError::Broken(text.to_owned())
}

impl Session<'_> {
    /// Waits for the agent, gives it the job, and takes what comes.
    pub async fn run(&mut self, job: Job) -> Result<Yield, End> {
        let keep_network = job.keep_network;
        let boot = self.hello().await?;
        self.lease.set_phase(Phase::Dependencies);
        self.send(&ToGuest::Job(Box::new(job))).await?;
        self.until(FromGuest::DependenciesInstalled).await?;
        if !keep_network {
            self.vm.unplug_network().await?;
        }
        self.send(&ToGuest::NetworkGone).await?;
        self.until(FromGuest::Building).await?;
        self.lease.set_phase(Phase::Building);
        let built = self.message().await.map_err(|end| match end {
            // From here on only the package's own doing can go wrong in the guest: it gets no further attempts.
            End::Failed {
                kind: Builder,
                message,
            } => fail(GuestDied, message),
            other => other,
        });
        let FromGuest::Built { files } = built? else {
            return Err(self.guilty(&broken("a message out of turn")));
        };
        self.lease.set_phase(Phase::Uploading);
        let files = self.files(files as usize).await?;
        // The VM is killed next; the agent's last step is a courtesy.
        let _ = write_message(&mut self.vm.agent, &ToGuest::PowerOff).await;
        Ok(Yield { files, boot })
    }

    /// Waits for the agent, gives it the check, and takes its word. From the machine's start to the agent's first word.
    pub async fn check(&mut self, job: CheckJob) -> Result<Duration, End> {
        let boot = self.hello().await?;
        self.lease.set_phase(Phase::Dependencies);
        self.send(&ToGuest::Check(Box::new(job))).await?;
        self.until(FromGuest::Done).await?;
        // As for a build.
        let _ = write_message(&mut self.vm.agent, &ToGuest::PowerOff).await;
        Ok(boot)
    }

    async fn hello(&mut self) -> Result<Duration, End> {
        let frame = tokio::time::timeout(HELLO, read_frame(&mut self.vm.agent)).await;
        match frame {
            Ok(Ok(Frame::Message(FromGuest::Hello { protocol: PROTOCOL }))) => Ok(self.vm.started.elapsed()),
            // Nothing of the package has run yet: it is our kernel and our agent that failed.
            other => {
                let what = match other {
                    Err(_) => format!("the VM did not boot within {} s", HELLO.as_secs()),
                    Ok(Err(error)) => format!("the VM did not boot: {error}"),
                    Ok(Ok(_)) => "the VM's agent speaks another protocol".to_owned(),
                };
                Err(fail(
                    Builder,
                    format!("{what}; its console: {}", self.vm.console.tail()),
                ))
            }
        }
    }

    /// The verdict on a guest that is gone or breaks the protocol.
    fn guilty(&self, error: &ChannelError) -> End {
        let console = self.vm.console.tail();
        let console = if console.is_empty() {
            String::new()
        } else {
            format!("; its console: {console}")
        };
        fail(
            GuestDied,
            format!("the VM ended before the build did: {error}{console}"),
        )
    }

    async fn send(&mut self, message: &ToGuest) -> Result<(), End> {
        let sent = write_message(&mut self.vm.agent, message).await;
        sent.map_err(|error| self.guilty(&error))
    }

    async fn frame(&mut self) -> Result<Frame, End> {
        let frame = read_frame(&mut self.vm.agent).await;
        frame.map_err(|error| self.guilty(&error))
    }

    /// The next message; log is passed on until then.
    async fn message(&mut self) -> Result<FromGuest, End> {
        loop {
            match self.frame().await? {
                Frame::Log(bytes) => self.log.write(&bytes).await?,
                Frame::Message(FromGuest::Failed { kind, message }) => {
                    let message = message
                        .chars()
                        .filter(|c| !c.is_control())
                        .take(2_000)
                        .collect::<String>();
                    return Err(fail(kind, message));
                }
                Frame::Message(message) => return Ok(message),
                Frame::Data(_) => return Err(self.guilty(&broken("data without a file"))),
            }
        }
    }

    async fn until(&mut self, wanted: FromGuest) -> Result<(), End> {
        if self.message().await? == wanted {
            Ok(())
        } else {
            Err(self.guilty(&broken("a message out of turn")))
        }
    }

    async fn files(&mut self, count: usize) -> Result<Vec<Received>, End> {
        if count > MAX_ARTIFACTS {
            return Err(fail(
                ArtifactsTooLarge,
                format!("the build made {count} packages, more than {MAX_ARTIFACTS}"),
            ));
        }
        let mut left = self.limits.artifact_bytes;
        let mut files: Vec<Received> = Vec::new();
        loop {
            match self.message().await? {
                FromGuest::Done if files.len() == count => return Ok(files),
                FromGuest::File { name, size } if files.len() < count => {
                    left = left.checked_sub(size).ok_or_else(|| {
                        let limit = self.limits.artifact_bytes;
                        fail(
                            ArtifactsTooLarge,
                            format!("the build's packages take more than {limit} bytes"),
                        )
                    })?;
                    if files.iter().any(|file| file.artifact.name == name) {
                        return Err(self.guilty(&broken("the same file twice")));
                    }
                    files.push(self.file(name, size).await?);
                }
                _ => return Err(self.guilty(&broken("a message out of turn"))),
            }
        }
    }

    async fn file(&mut self, name: FileName, size: u64) -> Result<Received, End> {
        let path = self.dir.join(name.as_str());
        let mut file = fs_err::tokio::File::create(&path)
            .await
            .map_err(anyhow::Error::from)?;
        let mut hash = Sha256::new();
        let mut left = size;
        while left > 0 {
            match self.frame().await? {
                Frame::Data(bytes) if !bytes.is_empty() => {
                    left = left
                        .checked_sub(bytes.len() as u64)
                        .ok_or_else(|| self.guilty(&broken("more data than announced")))?;
                    hash.update(&bytes);
                    file.write_all(&bytes).await.map_err(anyhow::Error::from)?;
                }
                Frame::Log(bytes) => self.log.write(&bytes).await?,
                _ => return Err(self.guilty(&broken("a message in the middle of a file"))),
            }
        }
        file.flush().await.map_err(anyhow::Error::from)?;
        let sha256 = protocol::Sha256::from_bytes(&hash.finalize().into());
        Ok(Received {
            artifact: Artifact { name, size, sha256 },
            path,
        })
    }
}

/// Runs work until it ends, its time is over (`limits`, of what people know it as), or the lease ends.
pub async fn bounded<T>(
    work: impl Future<Output = Result<T, End>>,
    deadline: Instant,
    (what, limits): (&str, Limits),
    lease: &Lease,
) -> Result<T, End> {
    tokio::select! {
        biased;
        end = lease.ended() => Err(end),
        done = work => done,
        () = tokio::time::sleep_until(deadline) => {
            Err(fail(TimedOut, format!("the {what} took longer than {} s and was stopped", limits.timeout_s)))
        }
    }
}
