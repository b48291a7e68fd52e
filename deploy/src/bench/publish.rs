//! From "the last artefact is uploaded" to "dnf sees it", for repositories of several sizes, beside `createrepo_c`.

mod pieces;
mod pointers;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use db::builds::{BuildOptions, NewBuild, Source, Srpm, Target};
use db::projects::Project;
use db::rpms::NewRpm;
use protocol::builder_api::{Artifact, ClaimRequest, PROTOCOL};
use protocol::{Outcome, TaskId};
use repodata::{Fragments, Package, PackageFile, RpmFile};
use sha2::{Digest as _, Sha256};
use storage::{Storage, StorageKey};

use super::start::project;
use super::{Figure, median, ms};
use crate::config::Config;

const CHROOT: &str = "debian-12-x86_64";
const SIZES: [usize; 5] = [1, 100, 1_000, 10_000, 100_000];
const ROUNDS: usize = 5;
/// Publications of which the pieces are measured.
const PIECES: usize = 21;
/// `createrepo_c` takes minutes for more.
const PEER_SIZE: usize = 10_000;
/// Rows that are made at a time.
const ROWS: usize = 5_000;
/// Files per package, as an ordinary package has.
const FILES: usize = 40;

pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    let storage = Storage::new(&config.s3)?;
    for size in SIZES {
        let (pool, project) = project(config, &format!("publish-{size}")).await?;
        let bench = Bench {
            config,
            storage: storage.clone(),
            pool,
            project,
        };
        let template = bench.rpm("template", 0)?;
        bench.seed(&template, size).await?;
        let mut times = Vec::new();
        let mut bytes = 0;
        for _ in 0..ROUNDS {
            times.push(bench.publish_one().await?);
            bytes = bench.metadata_bytes().await?;
        }
        let peer = if size <= PEER_SIZE {
            Some(createrepo(&template.0, size)?)
        } else {
            None
        };
        Figure {
            name: format!("last artefact uploaded to visible in the repository, {size} packages"),
            unit: "ms",
            ours: median(times),
            peer,
            peer_is: "createrepo_c --update --skip-stat alone, without verifying, signing or storing",
            limit: Some(fsynced_write(bytes)?),
            limit_is: "writing the metadata's bytes to a file with fsync",
        }
        .print()?;
        pieces::run(&bench, &template, size).await?;
        if size > ROUNDS {
            pointers::run(&bench, size).await?;
        }
    }
    Ok(())
}

struct Bench<'a> {
    config: &'a Config,
    storage: Storage,
    pool: db::Pool,
    project: Project,
}

/// An RPM on disk, the folder that goes with it, and what metadata says about it.
struct Built(
    PathBuf,
    #[expect(dead_code, reason = "removes the folder when dropped")] Scratch,
    Fragments,
);

pub(super) struct Scratch(pub(super) PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder below the system's temporary one; it goes at the next boot at the latest.
        let _ = fs_err::remove_dir_all(&self.0);
    }
}

pub(super) fn scratch() -> anyhow::Result<Scratch> {
    let dir = std::env::temp_dir().join(format!("koper-bench-{}", db::users::new_secret(&mut rand::rng())));
    fs_err::create_dir_all(&dir)?;
    Ok(Scratch(dir))
}

impl Built {
    /// A row of a package that is like this one, under another name.
    fn row(&self, (repository, task): (i64, i64), name: &str, pkgid: &str) -> anyhow::Result<NewRpm> {
        let fragments = &self.2;
        let pack = |xml: &str| {
            let xml = xml.replace("template", name).replace(&fragments.pkgid, pkgid);
            backend::pack_fragment(&xml)
        };
        Ok(NewRpm {
            repository_id: repository,
            task_id: task,
            name: name.to_owned(),
            epoch: 0,
            version: "0".to_owned(),
            release: "1".to_owned(),
            arch: "noarch".to_owned(),
            file_name: format!("{name}.rpm"),
            sha256: pkgid.to_owned(),
            unsigned_sha256: String::new(),
            size: 1,
            primary_xml: pack(&fragments.primary)?,
            filelists_xml: pack(&fragments.filelists)?,
            other_xml: pack(&fragments.other)?,
            scratch: false,
        })
    }
}

impl Bench<'_> {
    /// Builds a package with the project's identity by the real rpmbuild.
    fn rpm(&self, name: &str, serial: i64) -> anyhow::Result<Built> {
        let project = &self.project;
        let identity = self.config.service.of_project(
            &project.owner,
            &project.name,
            &project.repotag,
            &project.settings.contact,
        )?;
        let dir = scratch()?;
        let spec = dir.0.join("bench.spec");
        let text = format!(
            "Name: {name}\nVersion: {serial}\nRelease: 1%{{dist}}\nSummary: A package\nLicense: MIT\nBuildArch: noarch\n\
             %description\nA package.\n%install\nmkdir -p %{{buildroot}}/usr/share/{name}\n\
             for i in $(seq {FILES}); do echo $i > %{{buildroot}}/usr/share/{name}/file-$i; done\n%files\n/usr/share/{name}\n"
        );
        fs_err::write(&spec, text)?;
        let define = |key: &str, value: &str| format!("{key} {value}");
        let output = Command::new("rpmbuild")
            .args([
                "-bb",
                "--quiet",
                "--define",
                &define("_topdir", &dir.0.display().to_string()),
            ])
            .args(["--define", &define("_rpmdir", &dir.0.display().to_string())])
            .args([
                "--define",
                "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
            ])
            .args(["--define", &define("dist", &identity.repotag.dist(".deb12"))])
            .args([
                "--define",
                &define("vendor", &identity.vendor),
                "--define",
                &define("packager", &identity.packager),
            ])
            .args(["--define", &define("bugurl", &identity.bugurl)])
            .arg(&spec)
            .env("HOME", &dir.0)
            .output()
            .context("running rpmbuild")?;
        if !output.status.success() {
            bail!("rpmbuild: {}", String::from_utf8_lossy(&output.stderr));
        }
        let mut found = fs_err::read_dir(&dir.0)?.flatten().map(|e| e.path());
        let path = found
            .find(|p| p.extension().is_some_and(|e| e == "rpm"))
            .context("rpmbuild made no package")?;
        let bytes = fs_err::read(&path)?;
        let file = PackageFile {
            sha256_hex: "f".repeat(64),
            size: bytes.len() as u64,
            mtime: 0,
            location_href: "seed/template.rpm".to_owned(),
            location_base: None,
        };
        let fragments = Package::from_rpm(&RpmFile::parse(&bytes, bytes.len() as u64)?, file)?.fragments();
        Ok(Built(path, dir, fragments))
    }

    /// Fills the repository up to `size` published packages, all like the template under other names.
    async fn seed(&self, template: &Built, size: usize) -> anyhow::Result<()> {
        let mut conn = self.pool.get().await.context("reaching the database")?;
        let dir = self.project.name.clone().into();
        let repository = db::repositories::ensure(&mut conn, self.project.id, &dir, &CHROOT.parse()?).await?;
        let have = usize::try_from(db::rpms::count(&mut conn, repository.id).await?)?;
        let wanted = size.saturating_sub(have);
        if wanted == 0 {
            return Ok(());
        }
        let (task, _) = self.task(&mut conn).await?;
        for start in (have..size).step_by(ROWS) {
            let some = start..size.min(start + ROWS);
            let place = (repository.id, task.0);
            let rows = some.map(|n| template.row(place, &format!("seed{n}"), &format!("{n:064x}")));
            db::rpms::seed(&mut conn, &rows.collect::<anyhow::Result<Vec<_>>>()?).await?;
        }
        db::rpms::seeded(&mut conn, repository.id).await?;
        Ok(())
    }

    /// A build's task as if a builder had claimed it.
    async fn task(&self, conn: &mut db::Connection) -> anyhow::Result<(TaskId, i32)> {
        let source = Source::Upload(Srpm {
            sha256: "0".repeat(64).parse()?,
            file_name: "fresh-1-1.src.rpm".parse()?,
            size: 1,
            package: "fresh".parse()?,
            version: "1-1".to_owned(),
        });
        let dir = self.project.name.clone().into();
        let targets = [Target {
            chroot: CHROOT.parse()?,
            skipped: false,
        }];
        let new = NewBuild {
            project: &self.project,
            dir: &dir,
            submitter: None,
            actor: "bench",
            source: &source,
            targets: &targets,
            options: &BuildOptions::default(),
            batch: None,
            package: None,
        };
        let now = (db::SystemClock())();
        let request = ClaimRequest {
            protocol: PROTOCOL,
            builder: "bench".parse()?,
            arches: vec!["x86_64".to_owned()],
            chroots: Vec::new(),
            memory_mib: 0,
            wait_s: 0,
            checks: false,
        };
        let build = db::builds::create_claimed(conn, &new, &request, now).await?;
        let task = db::builds::find(conn, build)
            .await?
            .and_then(|b| b.tasks.into_iter().next());
        let task = task.context("the task is gone")?;
        Ok((task.id, task.attempt))
    }

    /// Uploads one package as a builder does, and waits until the repository serves it; milliseconds.
    async fn publish_one(&self) -> anyhow::Result<f64> {
        let serial = (db::SystemClock())().timestamp_micros();
        let built = self.rpm("fresh", serial)?;
        let mut conn = self.pool.get().await.context("reaching the database")?;
        let (task, attempt) = self.task(&mut conn).await?;
        let key = StorageKey::Quarantine {
            task,
            attempt,
            index: 0,
        };
        let bytes = fs_err::read(&built.0)?;
        let name = built
            .0
            .file_name()
            .and_then(|n| n.to_str())
            .context("the package's name")?
            .parse()?;
        let artifact = Artifact {
            name,
            size: bytes.len() as u64,
            sha256: protocol::Sha256::from_bytes(&Sha256::digest(&bytes).into()),
        };
        self.storage.put(&key, bytes).await?;
        let begin = Instant::now();
        let now = (db::SystemClock())();
        db::tasks::finish(
            &mut conn,
            task,
            attempt,
            &Outcome::Succeeded,
            &[artifact],
            None,
            now,
        )
        .await?;
        loop {
            let row = db::tasks::find(&mut conn, task)
                .await?
                .context("the task is gone")?;
            match row.state {
                db::tasks::TaskState::Succeeded => return Ok(ms(begin)),
                db::tasks::TaskState::Publishing => tokio::time::sleep(Duration::from_millis(1)).await,
                other => bail!("publishing ended as {}: {:?}", other.as_str(), row.failure),
            }
        }
    }

    /// Bytes of the metadata that is served now.
    async fn metadata_bytes(&self) -> anyhow::Result<u64> {
        let base = format!(
            "{}/{}/{}/{CHROOT}/repodata/repomd.xml",
            self.config.frontend.results_url, self.project.owner, self.project.name
        );
        let text = reqwest::get(base).await?.error_for_status()?.text().await?;
        let sizes = text
            .split("<size>")
            .skip(1)
            .filter_map(|s| s.split('<').next()?.parse::<u64>().ok());
        Ok(sizes.sum())
    }
}

/// `createrepo_c --update --skip-stat` after one package was added to `size`; milliseconds, median of three.
fn createrepo(rpm: &Path, size: usize) -> anyhow::Result<f64> {
    let dir = scratch()?;
    let add = |n: usize| fs_err::copy(rpm, dir.0.join(format!("p{n}.rpm")));
    let run = |update: bool| -> anyhow::Result<f64> {
        let begin = Instant::now();
        let mut command = Command::new("createrepo_c");
        command.arg("--quiet").arg("--no-database");
        if update {
            command.args(["--update", "--skip-stat"]);
        }
        let output = command.arg(&dir.0).output().context("running createrepo_c")?;
        if !output.status.success() {
            bail!("createrepo_c: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(ms(begin))
    };
    for n in 0..size {
        add(n)?;
    }
    run(false)?;
    let mut times = Vec::new();
    for round in 0..3 {
        add(size + round)?;
        times.push(run(true)?);
    }
    Ok(median(times))
}

/// A plain write of as many bytes; milliseconds, median of five.
fn fsynced_write(bytes: u64) -> anyhow::Result<f64> {
    let dir = scratch()?;
    let mut content = Vec::new();
    fs_err::File::open("/dev/urandom")?
        .take(bytes)
        .read_to_end(&mut content)?;
    let mut times = Vec::new();
    for _ in 0..5 {
        let begin = Instant::now();
        let mut file = fs_err::File::create(dir.0.join("bytes"))?;
        std::io::Write::write_all(&mut file, &content)?;
        file.sync_all()?;
        times.push(ms(begin));
    }
    Ok(median(times))
}
