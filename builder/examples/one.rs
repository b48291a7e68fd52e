//! Builds one source package in a real VM against a hub in memory:
//! `one SRPM REPOSITORY-URL OUTPUT-DIR DATA-DIR GUEST-BINARY [KERNEL-DIR]`.

#![expect(clippy::unwrap_used, reason = "a trial ends by panicking")]

use std::time::{Duration, Instant};

use builder::{Accel, Config, Token};
use protocol::builder_api::{Identity, RpmWork, SourceFile, Task, Work};
use protocol::{
    BuildRoot, ChrootDefinition, Limits, MetadataCompression, PackageManager, RepoTag, RepositorySource,
};
use sha2::Digest;

#[path = "../tests/support/mod.rs"]
mod support;

const PACKAGES: &str = "debian-rpm-release bash bzip2 coreutils cpio diffutils file findutils gawk grep gzip patch sed \
    shadow-utils tar unzip util-linux which xz zstd gcc glibc-devel make rpm-build system-rpm-config ca-certificates \
    dnf dnf-plugins-core gnupg2 python3-dnf";

fn chroot(url: &str) -> ChrootDefinition {
    ChrootDefinition {
        name: "debian-12-x86_64".parse().unwrap(),
        dist: ".deb12".to_owned(),
        package_manager: PackageManager::Dnf,
        metadata_compression: MetadataCompression::Gzip,
        buildroot: BuildRoot {
            packages: PACKAGES.split_whitespace().map(str::to_owned).collect(),
        },
        repos: vec![RepositorySource {
            id: "debian".to_owned(),
            name: "Debian".to_owned(),
            baseurl: Some(url.to_owned()),
            metalink: None,
            mirrorlist: None,
            gpgkey: Vec::new(),
            gpgcheck: false,
            repo_gpgcheck: false,
            priority: None,
        }],
    }
}

fn limits() -> Limits {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    Limits {
        timeout_s: number("TIMEOUT_S", 600),
        disk_bytes: number("DISK_BYTES", 4 << 30),
        log_bytes: number("LOG_BYTES", 64 << 20),
        memory_mib: number("MEMORY_MIB", 2_048),
        ..Limits::default()
    }
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, socket] = arguments.as_slice()
        && mode == "relay"
    {
        builder::relay(socket.as_ref()).unwrap();
        return;
    }
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
        .init();
    let [srpm, repo, out, data, guest, rest @ ..] = arguments.as_slice() else {
        panic!("usage: one SRPM REPOSITORY-URL OUTPUT-DIR DATA-DIR GUEST-BINARY [KERNEL-DIR]");
    };
    let hub = support::TestHub::start().await;
    let bytes = fs_err::read(srpm).unwrap();
    let name = srpm.rsplit('/').next().unwrap();
    let work = RpmWork {
        chroot: chroot(repo),
        srpm: SourceFile {
            url: format!("{}/srpm", hub.url),
            sha256: protocol::Sha256::from_bytes(&sha2::Sha256::digest(&bytes).into()),
            size: bytes.len() as u64,
            name: name.parse().unwrap(),
        },
        package: None,
        repos: Vec::new(),
        identity: Identity {
            repotag: RepoTag::new("kpr", "alice_tools").unwrap(),
            vendor: "Koper".to_owned(),
            packager: "alice".to_owned(),
            bugurl: "http://localhost/alice/tools".to_owned(),
        },
        enable_net: std::env::var_os("ENABLE_NET").is_some(),
        with_opts: Vec::new(),
        without_opts: Vec::new(),
        additional_packages: Vec::new(),
    };
    let task = Task {
        id: protocol::TaskId(1),
        attempt: 1,
        build: Some(protocol::BuildId(1)),
        lease_s: 8,
        limits: limits(),
        work: Work::Rpm(Box::new(work)),
    };
    {
        let mut state = hub.state.lock().unwrap();
        state.files.insert("/srpm".to_owned(), bytes.into());
        state.tasks.push_back(task);
        state.echo = true;
    }
    let config = Config {
        hub_url: hub.url.clone(),
        token: Token::new("secret"),
        data_dir: data.into(),
        accel: if std::env::var_os("TCG").is_some() {
            Accel::Tcg
        } else {
            Accel::Auto
        },
        guest_binary: guest.into(),
        kernel: rest.first().map(Into::into),
        qemu: std::env::var("QEMU").unwrap_or_else(|_| Config::default().qemu),
        ..Config::default()
    };
    let started = Instant::now();
    let stop = hub.clone();
    let done = async move {
        stop.wait(Duration::from_secs(3_600), |state| state.finished.clone())
            .await
    };
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(builder::run(config, async move {
        let _ = receiver.await;
    }));
    let finished = tokio::select! {
        finished = done => finished,
        ended = running => panic!("the builder ended: {ended:?}"),
    };
    println!(
        "finished after {:.1} s: {finished:#?}",
        started.elapsed().as_secs_f64()
    );
    drop(sender);
    fs_err::create_dir_all(out).unwrap();
    let state = hub.state.lock().unwrap();
    for (path, bytes) in state
        .files
        .iter()
        .filter_map(|(path, b)| Some((path.strip_prefix("/put/")?, b)))
    {
        fs_err::write(format!("{out}/{path}"), bytes).unwrap();
    }
    let mut last = None;
    for (at, phase) in &state.beats {
        if last.replace(*phase) != Some(*phase) {
            println!("{:6.1} s {phase:?}", at.duration_since(started).as_secs_f64());
        }
    }
}
