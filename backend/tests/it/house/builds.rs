//! What is built in the house: sources, builders that report what they made, and what came of it.

use std::path::PathBuf;
use std::process::Command;

use chrono::TimeDelta;
use db::batches::BatchOf;
use db::builds::{Build, BuildOptions, NewBuild, Source, Srpm, Target};
use db::projects::Project;
use db::tasks::TaskRow;
use protocol::builder_api::{Artifact, ClaimRequest, PROTOCOL};
use protocol::{BuildId, DirName, FailureKind, Outcome};
use sha2::{Digest as _, Sha256};
use storage::StorageKey;

use super::{CHROOT, House, eventually};

impl House {
    /// Builds a package as a builder would, and waits until it is published.
    pub async fn build(&self, project: &Project, dir: &str, name: &str, version: &str) -> BuildId {
        let id = self.upload(project, dir, name, version).await;
        let build = self.wait(id, |build| build.is_final()).await;
        assert_eq!(build.state(), "succeeded", "{:?}", build.tasks);
        id
    }

    /// A build that fails.
    pub async fn fail(&self, project: &Project, dir: &str, name: &str) -> BuildId {
        let build = self.claimed(project, dir, name, "1.0").await;
        let failed = Outcome::Failed {
            kind: FailureKind::BuildFailed,
            message: "no".to_owned(),
        };
        self.finish(&build.tasks[0], &failed, &[]).await;
        build.id
    }

    pub async fn finish(&self, task: &TaskRow, outcome: &Outcome, artifacts: &[Artifact]) {
        let (task, attempt) = (task.id, task.attempt);
        let (mut conn, now) = (self.conn().await, (self.context.clock)());
        assert!(
            db::tasks::finish(&mut conn, task, attempt, outcome, artifacts, None, now)
                .await
                .unwrap()
        );
    }

    /// The same of a package that is refused.
    pub async fn build_refused(&self, project: &Project, dir: &str, name: &str, version: &str) -> BuildId {
        let id = self.upload(project, dir, name, version).await;
        let build = self.wait(id, |build| build.is_final()).await;
        assert_eq!(build.state(), "failed", "{:?}", build.tasks);
        id
    }

    /// Builds a package as a builder would, without waiting for its publication.
    pub async fn upload(&self, project: &Project, dir: &str, name: &str, version: &str) -> BuildId {
        let build = self.claimed(project, dir, name, version).await;
        self.deliver(project, &build.tasks[0], name, version).await;
        build.id
    }

    /// A build that a builder has.
    async fn claimed(&self, project: &Project, dir: &str, name: &str, version: &str) -> Build {
        let (options, of) = (BuildOptions::default(), (name, version));
        self.start(project, dir, of, &options, None).await
    }

    /// The same with choices, and of a batch.
    pub async fn start(
        &self,
        project: &Project,
        dir: &str,
        (name, version): (&str, &str),
        options: &BuildOptions,
        batch: Option<BatchOf>,
    ) -> Build {
        let srpm = Srpm {
            sha256: "0".repeat(64).parse().unwrap(),
            file_name: format!("{name}-{version}-1.src.rpm").parse().unwrap(),
            size: 1,
            package: name.parse().unwrap(),
            version: format!("{version}-1"),
        };
        let dir: DirName = dir.parse().unwrap();
        let targets = [Target {
            chroot: CHROOT.parse().unwrap(),
            skipped: false,
        }];
        let new = NewBuild {
            project,
            dir: &dir,
            submitter: None,
            actor: "test",
            source: &Source::Upload(srpm),
            targets: &targets,
            options,
            batch,
            package: None,
        };
        let mut conn = self.conn().await;
        let now = (self.context.clock)();
        let id = db::builds::create_claimed(&mut conn, &new, &request(), now)
            .await
            .unwrap();
        db::builds::find(&mut conn, id).await.unwrap().unwrap()
    }

    /// Builds the only task that waits for a builder.
    pub async fn build_waiting(&self, project: &Project, name: &str, version: &str) {
        let now = (self.context.clock)();
        let mut conn = self.conn().await;
        let task = db::tasks::claim(&mut conn, &request(), now, TimeDelta::hours(1)).await;
        drop(conn);
        let task = task.unwrap().unwrap();
        self.deliver(project, &task, name, version).await;
    }

    /// Hands in a task's package, and a log.
    pub async fn deliver(&self, project: &Project, row: &TaskRow, name: &str, version: &str) {
        let (file, bytes) = self.rpm(project, name, version).await;
        let (task, attempt) = (row.id, row.attempt);
        let artifact = Artifact {
            name: file.parse().unwrap(),
            size: bytes.len() as u64,
            sha256: protocol::Sha256::from_bytes(&Sha256::digest(&bytes).into()),
        };
        let index = 0;
        let key = StorageKey::Quarantine { task, attempt, index };
        self.context.storage.put(&key, bytes).await.unwrap();
        let mut conn = self.conn().await;
        db::logs::append(&mut conn, task, attempt, 0, b"+ rpmbuild -bb\n")
            .await
            .unwrap();
        drop(conn);
        self.finish(row, &Outcome::Succeeded, &[artifact]).await;
    }

    /// A source package in a file.
    pub async fn source(&self, name: &str, version: &str) -> PathBuf {
        let dir = self.dir.path().join(format!("{name}-{version}"));
        fs_err::create_dir_all(&dir).unwrap();
        let spec = dir.join("x.spec");
        fs_err::write(&spec, spec_text(name, version)).unwrap();
        let mut command = Command::new("rpmbuild");
        command.args(["-bs", "--quiet"]).env("HOME", &dir);
        for name in ["_topdir", "_srcrpmdir"] {
            command.arg("--define").arg(format!("{name} {}", dir.display()));
        }
        command.args(["--define", "dist .deb12"]).arg(&spec);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = output.await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        dir.join(format!("{name}-{version}-1.deb12.src.rpm"))
    }

    /// A package with the project's identity: file name and content.
    async fn rpm(&self, project: &Project, name: &str, version: &str) -> (String, Vec<u8>) {
        let identity = self.context.service.of_project(
            &project.owner,
            &project.name,
            &project.repotag,
            &project.settings.contact,
        );
        let identity = identity.unwrap();
        let dir = tempfile::tempdir_in(self.dir.path()).unwrap();
        let spec = dir.path().join("x.spec");
        fs_err::write(&spec, spec_text(name, version)).unwrap();
        let mut command = Command::new("rpmbuild");
        command.args(["-bb", "--quiet"]).env("HOME", dir.path());
        for (name, value) in [
            ("_topdir", dir.path().to_str().unwrap()),
            ("_rpmdir", dir.path().to_str().unwrap()),
            ("_rpmfilename", "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm"),
            ("dist", &identity.repotag.dist(".deb12")),
            ("vendor", &identity.vendor),
            ("packager", &identity.packager),
            ("bugurl", &identity.bugurl),
        ] {
            command.arg("--define").arg(format!("{name} {value}"));
        }
        command.arg(&spec);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let mut files = fs_err::read_dir(dir.path()).unwrap().flatten().map(|e| e.path());
        let file = files.find(|p| p.extension().is_some_and(|e| e == "rpm")).unwrap();
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs_err::read(&file).unwrap())
    }

    pub async fn wait(&self, id: BuildId, good: impl Fn(&Build) -> bool) -> Build {
        eventually("the build's end", async || {
            let build = db::builds::find(&mut *self.conn().await, id).await.unwrap()?;
            good(&build).then_some(build)
        })
        .await
    }
}

fn spec_text(name: &str, version: &str) -> String {
    format!(
        "Name: {name}\nVersion: {version}\nRelease: 1%{{dist}}\nSummary: A package\nLicense: MIT\nBuildArch: noarch\n\
         %description\nA package.\n%install\nmkdir -p %{{buildroot}}/opt\necho {version} > %{{buildroot}}/opt/{name}\n\
         %files\n/opt/{name}\n"
    )
}

fn request() -> ClaimRequest {
    ClaimRequest {
        protocol: PROTOCOL,
        builder: "test".parse().unwrap(),
        arches: vec!["x86_64".to_owned()],
        chroots: vec![CHROOT.parse().unwrap()],
        memory_mib: 1 << 20,
        wait_s: 0,
        checks: false,
    }
}
