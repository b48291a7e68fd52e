//! One attempt from claim to finish.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use protocol::FailureKind::{Builder, MissingDependency, TimedOut};
use protocol::Outcome;
use protocol::builder_api::{Artifact, FinishRequest, Phase, RpmWork, Task, Work};
use protocol::guest::{GuestRepo, Job};
use protocol::{ChrootDefinition, FailureKind, Limits, RepositorySource};
use tokio::time::Instant;
use url::Url;

use crate::address::Guard;
use crate::config::Config;
use crate::hub::HubError;
use crate::import::Import;
use crate::kernel::Kernel;
use crate::lease::Lease;
use crate::log::Log;
use crate::outcome::{End, fail};
use crate::proxy::{Forward, GUEST_URL, Proxy, Upstream};
use crate::root_image::{Images, make_scratch};
use crate::session::{Received, Session, Yield, bounded};
use crate::vm::{Acceleration, Disk, Machine, Vm, listen};
use crate::{fetch, mirrors, upload};

/// How long a root image may take to make.
const ROOT_IMAGE: Duration = Duration::from_secs(1_800);

/// What all tasks of a builder share.
pub struct Shop {
    /// Settings.
    pub config: Config,
    /// What VMs boot.
    pub kernel: Kernel,
    /// What executes them.
    pub acceleration: Acceleration,
    /// Root images.
    pub images: Images,
    /// The relay's command line.
    pub relay: Vec<String>,
}

impl Shop {
    /// Repositories that a user named keep to public addresses and those that the administrator trusts; neither hub
    /// nor object store is for them.
    fn users_guard(&self) -> Guard {
        Guard {
            private: self.config.fetch_private_addresses,
            trusted: self.config.trusted_hosts.clone(),
        }
    }
}

/// A directory that goes when the attempt ends, whatever its end.
struct Workplace(PathBuf);

impl Workplace {
    fn new(shop: &Shop, task: &Task) -> Result<Self, End> {
        let dir = shop
            .config
            .data_dir
            .join("tasks")
            .join(format!("{}-{}", task.id, task.attempt));
        let _ = fs_err::remove_dir_all(&dir);
        fs_err::create_dir_all(&dir).map_err(anyhow::Error::from)?;
        Ok(Self(dir))
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        if let Err(error) = fs_err::remove_dir_all(&self.0) {
            tracing::warn!(%error, "a task's files stay");
        }
    }
}

/// Runs a task to its end and tells the hub.
pub async fn run(shop: &Shop, task: &Task, lease: &Arc<Lease>) {
    tracing::info!(task = %task.id, attempt = task.attempt, "started");
    let log = Arc::new(Log::new(task.limits.log_bytes));
    let shipping = {
        let (log, lease) = (Arc::clone(&log), Arc::clone(lease));
        tokio::spawn(async move { log.ship(&lease).await })
    };
    let result = work(shop, task, lease, &log).await;
    if let Err(End::Failed { message, .. }) = &result {
        log.say(message);
    }
    log.close();
    let (outcome, artifacts, boot) = match result {
        Ok((artifacts, boot)) => (Outcome::Succeeded, artifacts, boot),
        Err(End::Failed { kind, message }) => (Outcome::Failed { kind, message }, Vec::new(), None),
        Err(End::Canceled) => (Outcome::Canceled, Vec::new(), None),
        Err(End::Dropped) => {
            tracing::warn!(task = %task.id, attempt = task.attempt, "dropped");
            shipping.abort();
            return;
        }
        Err(End::Shutdown) => {
            shipping.abort();
            refuse(lease, "the builder is being stopped").await;
            return;
        }
    };
    if shipping.await.is_err() {
        tracing::warn!(task = %task.id, "the end of the log is lost");
    }
    tracing::info!(task = %task.id, attempt = task.attempt, ?outcome, "ended");
    let request = FinishRequest {
        outcome,
        artifacts,
        boot_ms: boot.map(|boot| u64::try_from(boot.as_millis()).unwrap_or(u64::MAX)),
    };
    report(
        "finish",
        lease
            .last_call(|| lease.hub().finish(lease.fence(), &request))
            .await,
    );
}

async fn refuse(lease: &Lease, reason: &str) {
    let refused =
        tokio::time::timeout(Duration::from_secs(5), lease.hub().refuse(lease.fence(), reason)).await;
    if let Ok(result) = refused {
        report("hand back", result);
    }
}

fn report(call: &str, result: Result<(), HubError>) {
    if let Err(error) = result {
        tracing::warn!(call, %error, "the hub does not hear the end of a task");
    }
}

async fn work(
    shop: &Shop,
    task: &Task,
    lease: &Lease,
    log: &Log,
) -> Result<(Vec<Artifact>, Option<Duration>), End> {
    let chroot = match &task.work {
        Work::Rpm(work) => Some(&work.chroot),
        Work::Check(work) => Some(&work.chroot),
        Work::Fetch { .. } | Work::Import(_) => None,
    };
    if let Some(chroot) = chroot {
        prepare_root(shop, task, lease, chroot).await?;
    }
    let deadline = Instant::now() + Duration::from_secs(task.limits.timeout_s);
    let place = Workplace::new(shop, task)?;
    let attempt = Attempt {
        shop,
        lease,
        log,
        dir: &place.0,
        limits: task.limits,
    };
    let work = async {
        match &task.work {
            Work::Fetch { url } => {
                let guard = Guard {
                    private: shop.config.fetch_private_addresses,
                    trusted: Vec::new(),
                };
                let file = fetch::for_user(&guard, url, &place.0, task.limits.artifact_bytes).await?;
                Ok((vec![file], None))
            }
            Work::Import(work) => {
                let import = Import {
                    guard: shop.users_guard(),
                    log,
                    dir: &place.0,
                    total: task.limits.artifact_bytes,
                };
                Ok((import.run(work).await?, None))
            }
            Work::Rpm(rpm) => {
                let made = attempt.build(rpm).await?;
                Ok((made.files, Some(made.boot)))
            }
            Work::Check(work) => Ok((Vec::new(), Some(attempt.check(work).await?))),
        }
    };
    let is_check = matches!(task.work, Work::Check(_));
    let bounds = (if is_check { "check" } else { "build" }, task.limits);
    let (files, boot): (Vec<Received>, _) = bounded(work, deadline, bounds, lease).await?;
    if is_check {
        return Ok((Vec::new(), boot));
    }
    lease.set_phase(Phase::Uploading);
    Ok((upload::all(lease, &files).await?, boot))
}

/// Makes the root image if it is not there yet, before the packager's time begins: a slow mirror is our trouble.
async fn prepare_root(shop: &Shop, task: &Task, lease: &Lease, chroot: &ChrootDefinition) -> Result<(), End> {
    let made = bounded(
        async { Ok(shop.images.ensure(chroot).await?) },
        Instant::now() + ROOT_IMAGE,
        ("build", task.limits),
        lease,
    )
    .await;
    match made {
        Ok(_) => Ok(()),
        Err(End::Failed { kind: TimedOut, .. }) => Err(fail(
            Builder,
            format!("the root image of {} was not ready in time", chroot.name),
        )),
        Err(other) => Err(other),
    }
}

/// What one attempt has to work with.
pub(crate) struct Attempt<'a> {
    pub(crate) shop: &'a Shop,
    pub(crate) lease: &'a Lease,
    pub(crate) log: &'a Log,
    pub(crate) dir: &'a Path,
    pub(crate) limits: Limits,
}

impl Attempt<'_> {
    async fn build(&self, work: &RpmWork) -> Result<Yield, End> {
        let root = self.shop.images.ensure(&work.chroot).await?;
        let srpm = self.dir.join("srpm");
        fetch::stored(&work.srpm, &srpm).await?;
        let (upstreams, repos) = self.repositories(work).await?;
        let forward = if work.enable_net {
            Some(self.forward()?)
        } else {
            None
        };
        let machine = self.machine(root, srpm).await?;
        let _serving = self.serve(Proxy { upstreams, forward })?;
        self.lease.set_phase(Phase::Booting);
        self.log
            .say(&format!("building {} for {}", work.srpm.name, work.chroot.name));
        let mut vm = Vm::start(&machine, self.dir).await?;
        let files = self.dir.join("files");
        fs_err::create_dir_all(&files).map_err(anyhow::Error::from)?;
        let mut session = Session {
            vm: &mut vm,
            log: self.log,
            lease: self.lease,
            dir: &files,
            limits: self.limits,
        };
        let result = session.run(job(work, repos, self.limits)).await;
        vm.kill().await;
        result
    }

    /// Serves what the guest may reach, until the answer is dropped.
    pub(crate) fn serve(&self, proxy: Proxy) -> Result<tokio::task::JoinSet<()>, End> {
        let listener = listen(self.dir, "proxy.sock")?;
        let mut serving = tokio::task::JoinSet::new();
        serving.spawn(Arc::new(proxy).serve(listener));
        Ok(serving)
    }

    /// A machine with an empty scratch disk, and with a file as the disk `srpm`.
    pub(crate) async fn machine(&self, root: PathBuf, srpm: PathBuf) -> Result<Machine, End> {
        // Disks come in sectors of 512 bytes.
        fs_err::OpenOptions::new()
            .write(true)
            .open(&srpm)
            .and_then(|file| file.set_len(file.metadata()?.len().next_multiple_of(512).max(512)))
            .map_err(anyhow::Error::from)?;
        let scratch = self.dir.join("scratch");
        make_scratch(&scratch, self.limits.disk_bytes).await?;
        let config = &self.shop.config;
        if self.limits.memory_mib > config.memory_mib {
            let text = format!(
                "the task needs {} MiB, this builder gives {}",
                self.limits.memory_mib, config.memory_mib
            );
            return Err(fail(Builder, text));
        }
        let disk = |serial, path, writable| Disk {
            serial,
            path,
            writable,
        };
        Ok(Machine {
            qemu: config.qemu.clone(),
            acceleration: self.shop.acceleration,
            kernel: self.shop.kernel.clone(),
            disks: vec![
                disk("root", root, false),
                disk("scratch", scratch, true),
                disk("srpm", srpm, false),
            ],
            memory_mib: self.limits.memory_mib,
            cpus: config.cpus_for(self.limits.cpus),
            relay: Some(self.shop.relay.clone()),
        })
    }

    fn forward(&self) -> Result<Forward, End> {
        let guard = Guard {
            private: self.shop.config.fetch_private_addresses,
            trusted: Vec::new(),
        };
        let client = guard.client().map_err(anyhow::Error::from)?;
        Ok(Forward { guard, client })
    }

    async fn repositories(&self, work: &RpmWork) -> Result<(Vec<Upstream>, Vec<GuestRepo>), End> {
        self.offer(&work.chroot, &[], (&work.repos, MissingDependency))
            .await
    }

    /// The chroot's own repositories, some of the service's, and others, with who is to blame when users named one that is
    /// not there.
    pub(crate) async fn offer(
        &self,
        chroot: &ChrootDefinition,
        own: &[RepositorySource],
        (others, blame): (&[RepositorySource], FailureKind),
    ) -> Result<(Vec<Upstream>, Vec<GuestRepo>), End> {
        let administrators = Guard {
            private: true,
            trusted: Vec::new(),
        };
        let users = self.shop.users_guard();
        let (mut upstreams, mut repos) = (Vec::new(), Vec::new());
        let trusted = chroot.repos.iter().chain(own);
        for (guard, blame, source) in trusted.map(|source| (&administrators, Builder, source)).chain(
            // The service names its own by mirror lists, and users name base URLs.
            others.iter().map(|source| match &source.mirrorlist {
                Some(_) => (&administrators, Builder, source),
                None => (&users, blame, source),
            }),
        ) {
            let (upstream, keys) = self.repository(guard, source, chroot).await.map_err(|error| {
                fail(
                    blame,
                    format!("the repository {} cannot be used: {error:#}", source.id),
                )
            })?;
            repos.push(GuestRepo {
                // Two repositories of one name would hide each other.
                id: format!("{}-{}", source.id, repos.len()),
                baseurl: format!("{GUEST_URL}/r/{}/", repos.len()),
                gpgkeys: keys,
                gpgcheck: source.gpgcheck,
                repo_gpgcheck: source.repo_gpgcheck,
                priority: source.priority,
            });
            upstreams.push(upstream);
        }
        Ok((upstreams, repos))
    }

    async fn repository(
        &self,
        guard: &Guard,
        source: &RepositorySource,
        chroot: &ChrootDefinition,
    ) -> anyhow::Result<(Upstream, Vec<String>)> {
        let client = guard.client()?;
        let base = mirrors::base(&client, guard, source, &chroot.name).await?;
        guard.check(&base).map_err(anyhow::Error::msg)?;
        let mut keys = Vec::new();
        if source.gpgcheck || source.repo_gpgcheck {
            for key in &source.gpgkey {
                let url: Url = mirrors::expand(key, &chroot.name).parse()?;
                keys.push(mirrors::text(&client, guard, &url).await?);
            }
        }
        let upstream = Upstream {
            base,
            guard: guard.clone(),
            client,
        };
        Ok((upstream, keys))
    }
}

fn job(work: &RpmWork, repos: Vec<GuestRepo>, limits: Limits) -> Job {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    Job {
        srpm_size: work.srpm.size,
        srpm_name: work.srpm.name.clone(),
        repos,
        package_manager: work.chroot.package_manager,
        dist: work.identity.repotag.dist(&work.chroot.dist),
        identity: work.identity.clone(),
        keep_network: work.enable_net,
        with_opts: work.with_opts.clone(),
        without_opts: work.without_opts.clone(),
        additional_packages: work.additional_packages.clone(),
        now: now.as_secs(),
        artifact_bytes: limits.artifact_bytes,
    }
}
