//! Submit → task started, and VM boot → agent ready.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use db::Topic;
use db::builds::{Build, BuildOptions, NewBuild, Source, Target};
use db::projects::{NewProject, Project, ProjectSettings};
use protocol::{BuildId, ChrootName, UserName};

use super::{Figure, median, ms};
use crate::config::Config;

const CHROOT: &str = "debian-12-x86_64";

/// The project that benchmarks work in, made as the API makes one.
pub(super) async fn project(config: &Config, name: &str) -> anyhow::Result<(db::Pool, Project)> {
    let pool = config.pool()?;
    let listener = db::Listener::start(&config.database.url);
    let mut hints = listener.subscribe(Topic::Progress);
    let mut conn = pool
        .get()
        .await
        .context("reaching the database; does the service run?")?;
    let user: UserName = "bench".parse()?;
    let now = (db::SystemClock())();
    let user = db::users::ensure(&mut conn, &user, false, now).await?;
    let (owner, name) = (user.name.clone().into(), name.parse()?);
    let chroots: [ChrootName; 1] = [CHROOT.parse()?];
    let settings = ProjectSettings {
        unlisted_on_hp: true,
        ..ProjectSettings::default()
    };
    let key_id = format!("bench-{}", db::users::new_secret(&mut rand::rng()).to_lowercase());
    let new = NewProject {
        owner: &owner,
        name: &name,
        created_by: user.id,
        actor: "bench",
        settings: &settings,
        chroots: &chroots,
        key_id: &key_id,
    };
    let project = match db::projects::find(&mut conn, &owner, &name).await? {
        Some(project) => project,
        None => db::projects::create(&mut conn, &new, now).await?,
    };
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let project = db::projects::by_id(&mut conn, project.id)
            .await?
            .context("the project is gone")?;
        if project.ready_at.is_some() {
            drop(conn);
            return Ok((pool, project));
        }
        if Instant::now() > deadline {
            bail!("the backend does not set up projects; does the service run?");
        }
        hints.wait(Duration::from_secs(1)).await;
    }
}

async fn submit(pool: &db::Pool, project: &Project, url: &str) -> anyhow::Result<BuildId> {
    let mut conn = pool.get().await.context("reaching the database")?;
    let targets = [Target {
        chroot: CHROOT.parse()?,
        skipped: false,
    }];
    let dir = project.name.clone().into();
    let new = NewBuild {
        project,
        dir: &dir,
        submitter: None,
        actor: "bench",
        source: &Source::Link(url.to_owned()),
        targets: &targets,
        options: &BuildOptions::default(),
        batch: None,
        package: None,
    };
    Ok(db::builds::create(&mut conn, &new, (db::SystemClock())()).await?)
}

async fn wait(pool: &db::Pool, build: BuildId, good: impl Fn(&Build) -> bool) -> anyhow::Result<Build> {
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        let mut conn = pool.get().await.context("reaching the database")?;
        let found = db::builds::find(&mut conn, build)
            .await?
            .context("the build is gone")?;
        if good(&found) {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("build {build} is still {}", found.state());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// From the commit of a submitted build to the moment at which an idle builder holds its task.
pub(super) async fn submit_to_start(config: &Config) -> anyhow::Result<()> {
    let (pool, project) = project(config, "start").await?;
    let mut delays = Vec::new();
    for _ in 0..20 {
        // A port where nothing listens: the task ends as soon as it has begun.
        let build = submit(&pool, &project, "http://127.0.0.1:9/none.src.rpm").await?;
        let ended = wait(&pool, build, Build::is_final).await?;
        let started = ended.started_at().context("the build never started")?;
        let delay = started - ended.submitted_at;
        delays.push(delay.num_microseconds().unwrap_or(i64::MAX) as f64 / 1e3);
    }
    // What the database alone takes for a write and a read of it.
    let mut floor = Vec::new();
    let mut conn = pool.get().await.context("reaching the database")?;
    for _ in 0..20 {
        let begin = Instant::now();
        db::builders::refused(&mut conn, "nobody", "bench").await?;
        db::tasks::queue_length(&mut conn).await?;
        floor.push(ms(begin));
    }
    Figure {
        name: "submit to task started, idle builder".to_owned(),
        unit: "ms",
        ours: median(delays),
        peer: None,
        peer_is: "Copr polls every 5 to 30 s (published; it does not run here)",
        limit: Some(median(floor)),
        limit_is: "one write and two reads of the database",
    }
    .print()
}

/// From starting QEMU to the agent's first word, of the newest tasks that ran a VM.
pub(super) async fn boot(config: &Config) -> anyhow::Result<()> {
    let pool = config.pool()?;
    let mut conn = pool
        .get()
        .await
        .context("reaching the database; does the service run?")?;
    let times = db::tasks::newest_boots(&mut conn, 20).await?;
    if times.is_empty() {
        bail!("no task has run in a VM yet; build something first");
    }
    let values: Vec<f64> = times.iter().map(|t| *t as f64).collect();
    Figure {
        name: format!("VM boot to agent ready, {} newest builds", values.len()),
        unit: "ms",
        ours: median(values),
        peer: None,
        peer_is: "the distribution's kernel with its own initramfs, emulated: 5 500 ms (measured once, not in this run)",
        limit: None,
        limit_is: "emulation or KVM of the machine",
    }
    .print()
}
