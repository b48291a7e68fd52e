//! The loops: workers that run jobs, and a ticker that offers lost tasks again.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use db::jobs::{self, Claimed, Job};
use db::{Listener, Topic};
use futures_util::FutureExt as _;
use protocol::{ServiceIdentity, TaskId};
use storage::Storage;
use tokio::sync::watch;

use crate::config::Config;
use crate::context::Context;
use crate::error::JobError;
use crate::fault::Faults;
use crate::holder::Holder;
use crate::metadata::Metadata;
use crate::settle::settle;
use crate::{
    accept_source, change_key, events, expire, fork_project, make_snapshot, mini, pointer, promote,
    publish_task, release, remove_builds, remove_directory, remove_project, renew_keys, republish, retain,
    set_up_project, store_log,
};

/// What the backend is given.
pub struct Parts {
    /// Database.
    pub pool: db::Pool,
    /// Hints.
    pub listener: Listener,
    /// Object store.
    pub storage: Storage,
    /// Signer.
    pub keys: keys::Client,
    /// Time.
    pub clock: db::Clock,
    /// How packages have to call themselves.
    pub service: ServiceIdentity,
}

/// How often to look for jobs without a hint.
const POLL: Duration = Duration::from_secs(5);
/// How often to look for lost leases.
const TICK: Duration = Duration::from_secs(1);
/// How often to look for what ends by the clock.
const CHORES: Duration = Duration::from_secs(60);

/// Runs until `shutdown` completes; jobs that run then are finished first.
///
/// # Errors
/// When the scratch folder cannot be made.
pub async fn run(
    config: Config,
    parts: Parts,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), std::io::Error> {
    let holder = Arc::new(Holder::enter(&config.scratch_dir).await?);
    let context = Arc::new(Context {
        pool: parts.pool,
        storage: parts.storage,
        keys: parts.keys,
        clock: parts.clock,
        service: parts.service,
        scratch_dir: config.scratch_dir.clone(),
        max_package_bytes: config.max_package_bytes,
        keep_pr_dirs_days: config.keep_pr_dirs_days,
        retention: config.retention.policy(),
        check_installs: config.check_installs,
        metadata: Metadata::new(config.metadata_mib << 20),
        faults: Faults::new(config.fault_file.clone()),
    });
    let (stop, stopped) = watch::channel(false);
    let lease = TimeDelta::seconds(i64::from(config.job_lease_s));
    let mut loops = tokio::task::JoinSet::new();
    for _ in 0..config.workers.max(1) {
        loops.spawn(work(
            context.clone(),
            holder.clone(),
            parts.listener.clone(),
            lease,
            stopped.clone(),
        ));
    }
    loops.spawn(tick(context.clone(), stopped.clone()));
    let sender = events::Parts {
        pool: context.pool.clone(),
        listener: parts.listener.clone(),
        clock: context.clock.clone(),
    };
    loops.spawn(events::run(config.events.clone(), sender, stopped.clone()));
    loops.spawn(chores(context.clone(), stopped));
    shutdown.await;
    // Nobody listening means that all loops have ended already.
    let _ = stop.send(true);
    while loops.join_next().await.is_some() {}
    Ok(())
}

async fn tick(context: Arc<Context>, mut stop: watch::Receiver<bool>) {
    loop {
        match expire_leases(&context).await {
            Ok(0) => {}
            Ok(n) => tracing::warn!(tasks = n, "{n} tasks lost their builder and are offered again"),
            Err(error) => tracing::debug!("looking for lost leases failed, trying again: {error}"),
        }
        if tokio::time::timeout(TICK, stop.changed()).await.is_ok() {
            return;
        }
    }
}

async fn chores(context: Arc<Context>, mut stop: watch::Receiver<bool>) {
    let mut renewed = None;
    loop {
        if let Err(error) = expire::expire(&context).await {
            tracing::debug!("looking for what has to end failed, trying again: {error}");
        }
        let now = (context.clock)();
        if renewed.is_none_or(|at| now - at >= TimeDelta::days(1)) {
            match renew_keys::renew_keys(&context).await {
                Ok(_) => renewed = Some(now),
                Err(error) => tracing::debug!("looking for keys that expire failed, trying again: {error}"),
            }
        }
        if let Err(error) = release::release(&context).await {
            tracing::debug!("looking for what users are to get failed, trying again: {error}");
        }
        if let Err(error) = retain::look_after(&context).await {
            tracing::debug!("looking for what need not be kept failed, trying again: {error}");
        }
        if tokio::time::timeout(CHORES, stop.changed()).await.is_ok() {
            return;
        }
    }
}

async fn expire_leases(context: &Context) -> Result<usize, JobError> {
    let mut conn = context.conn().await?;
    let now = (context.clock)();
    db::checks::supersede(&mut conn, now).await?;
    Ok(db::tasks::expire_leases(&mut conn, now).await? + db::checks::expire_leases(&mut conn, now).await?)
}

async fn work(
    context: Arc<Context>,
    holder: Arc<Holder>,
    listener: Listener,
    lease: TimeDelta,
    mut stop: watch::Receiver<bool>,
) {
    let mut hints = listener.subscribe(Topic::Jobs);
    while !*stop.borrow() {
        match claim(&context, &holder, lease).await {
            Ok(Some(claimed)) => run_one(&context, claimed, lease).await,
            Ok(None) => {
                tokio::select! { () = hints.wait(POLL) => {}, _ = stop.changed() => {} }
            }
            Err(error) => {
                tracing::debug!("claiming a job failed, trying again: {error}");
                if tokio::time::timeout(TICK, stop.changed()).await.is_ok() {
                    return;
                }
            }
        }
    }
}

async fn claim(context: &Context, holder: &Holder, lease: TimeDelta) -> Result<Option<Claimed>, JobError> {
    let mut conn = context.conn().await?;
    let now = (context.clock)();
    let holder = holder.number(&mut conn, now).await?;
    Ok(jobs::claim(&mut conn, holder, now, lease).await?)
}

async fn run_one(context: &Context, claimed: Claimed, lease: TimeDelta) {
    // A panic must not take the worker with it; the job would only find the next one.
    let guarded = std::panic::AssertUnwindSafe(perform(context, &claimed.job)).catch_unwind();
    let mut work =
        std::pin::pin!(guarded.map(|end| end.unwrap_or_else(|_| Err(JobError::fail("the job panicked")))));
    let period = (lease / 3).to_std().unwrap_or(TICK);
    let result = loop {
        match tokio::time::timeout(period, &mut work).await {
            Ok(result) => break result,
            Err(_) => {
                if let Ok(false) = extend(context, &claimed, lease).await {
                    tracing::warn!(
                        job.id = claimed.id,
                        "job {} was taken over by another worker",
                        claimed.id
                    );
                    return;
                }
            }
        }
    };
    // The result has to be written down even if the database is away for a while: without it the job would only run
    // again, which is harmless, so this gives up after some time.
    for _ in 0..60 {
        match settle(context, &claimed, lease, &result).await {
            Ok(()) => return,
            Err(error) => tracing::debug!(
                "writing down job {}'s end failed, trying again: {error}",
                claimed.id
            ),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn extend(context: &Context, claimed: &Claimed, lease: TimeDelta) -> Result<bool, JobError> {
    let mut conn = context.conn().await?;
    Ok(jobs::extend(&mut conn, claimed, (context.clock)() + lease).await?)
}

async fn perform(context: &Context, job: &Job) -> Result<(), JobError> {
    match job {
        Job::SetUpProject { project, directory } => {
            set_up_project::run(context, *project, directory.as_ref()).await
        }
        Job::PublishTask { task, attempt } => publish_task::run(context, TaskId(*task), *attempt).await,
        Job::StoreLog { task, attempt } => store_log::run(context, TaskId(*task), *attempt).await,
        Job::AcceptSource { task, attempt } => accept_source::run(context, TaskId(*task), *attempt).await,
        Job::RemoveBuilds { project } => remove_builds::run(context, *project).await,
        Job::RemoveProject { project } => remove_project::run(context, *project).await,
        Job::Republish {
            project,
            chroot,
            repository,
            release,
        } => match repository {
            Some(repository) => republish::run(context, *project, *repository, *release).await,
            None => republish::spread(context, *project, chroot.as_ref(), *release).await,
        },
        Job::MakeSnapshot { request } => make_snapshot::run(context, *request).await,
        Job::Promote { request } => promote::run(context, *request).await,
        Job::WritePointers { repository } => pointer::run(context, *repository).await,
        Job::MiniRepository { task } => mini::of_task(context, TaskId(*task)).await,
        Job::BatchRepository {
            batch, repository, ..
        } => match repository {
            Some(repository) => mini::of_batch(context, *batch, *repository).await,
            None => mini::spread(context, *batch).await,
        },
        Job::Retain { repository, .. } => retain::run(context, *repository).await,
        Job::RetainBlobs => retain::blobs::run(context).await,
        Job::ForkProject { project, from } => fork_project::run(context, *project, *from).await,
        Job::RemoveDirectory { project, directory } => {
            remove_directory::run(context, *project, directory).await
        }
        Job::ChangeKey {
            project,
            after,
            end,
            requester,
        } => change_key::run(context, *project, (after, end.as_ref()), requester).await,
        Job::RenewKeys { project } => renew_keys::run(context, *project).await,
    }
}
