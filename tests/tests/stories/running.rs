//! Running the service: what an administrator sees.

use std::process::{Command, Output};

use testkit::{Client, Copr, Service, free_ports, srpm_of, wait_until};

use crate::support::{get, project};

/// An installation of its own, without a builder, on ports of its own.
struct Own {
    dir: tempfile::TempDir,
    port: u16,
}

impl Own {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("koper-own").tempdir().unwrap();
        // PostgreSQL's user has to get in.
        fs_err::set_permissions(dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let port = free_ports(5).unwrap();
        Self { dir, port }
    }

    fn data(&self) -> String {
        self.dir.path().join("var").display().to_string()
    }

    fn koper(&self, arguments: &[&str]) -> Output {
        Command::new(Service::program())
            .args(arguments)
            .args(["--data", &self.data(), "--port", &self.port.to_string()])
            .env("KOPER_UP__BUILDER", "false")
            .output()
            .unwrap()
    }

    fn copr(&self) -> Copr {
        Copr::with_config(&fs_err::read_to_string(self.dir.path().join("var/copr.conf")).unwrap()).unwrap()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.koper(&["down"]);
    }
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn it_stops_cleanly_and_the_next_start_finds_everything_again() {
    let own = Own::new();
    let started = own.koper(&["up", "--detach"]);
    assert!(started.status.success(), "{}", said(&started));
    let words = said(&started);
    assert!(
        words.contains("The service runs.") && words.contains("copr-cli --config"),
        "{words}"
    );
    for key in [
        "url",
        "builder_url",
        "results_url",
        "s3_endpoint",
        "database_url",
        "copr_config",
        "login_url",
    ] {
        let up: serde_json::Value =
            serde_json::from_str(&fs_err::read_to_string(own.dir.path().join("var/up.json")).unwrap())
                .unwrap();
        assert!(up[key].is_string(), "{key}: {up}");
    }
    let copr = own.copr();
    project(&copr, "kept").unwrap();

    let second = own.koper(&["up"]);
    assert!(
        !second.status.success() && said(&second).contains("already runs on"),
        "{}",
        said(&second)
    );

    let other = Command::new(Service::program())
        .args(["up", "--data"])
        .arg(own.dir.path().join("elsewhere"))
        .args(["--port", &own.port.to_string()])
        .env("KOPER_UP__BUILDER", "false")
        .output()
        .unwrap();
    assert!(
        !other.status.success() && said(&other).contains("cannot listen on"),
        "{}",
        said(&other)
    );

    let stopped = own.koper(&["down"]);
    assert!(stopped.status.success(), "{}", said(&stopped));
    assert!(!own.dir.path().join("var/up.json").exists());
    assert!(!own.koper(&["down"]).status.success());

    let again = own.koper(&["up", "--detach"]);
    assert!(again.status.success(), "{}", said(&again));
    // The token that was pasted somewhere goes on working.
    let got = copr.run(&["get", "kept"]).unwrap().expect_code(0);
    assert!(got.out.contains("kept"), "{}", got.out);
}

#[test]
fn an_unknown_setting_and_a_full_disk_are_named() {
    let own = Own::new();
    let typo = Command::new(Service::program())
        .args(["up", "--data", &own.data()])
        .env("KOPER_S3__BUCKT", "x")
        .output()
        .unwrap();
    assert!(
        !typo.status.success() && said(&typo).contains("did you mean 'bucket'?"),
        "{}",
        said(&typo)
    );

    let small = own.dir.path().join("small");
    fs_err::create_dir(&small).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"])
        .arg(&small)
        .status()
        .unwrap();
    assert!(mounted.success());
    let full = Command::new(Service::program())
        .args(["up", "--port", &own.port.to_string(), "--data"])
        .arg(&small)
        .output()
        .unwrap();
    let unmounted = Command::new("umount").arg(&small).status().unwrap();
    assert!(unmounted.success());
    assert!(
        !full.status.success() && said(&full).contains("make room"),
        "{}",
        said(&full)
    );
}

/// PostgreSQL and the object store are the administrator's: here another database and another bucket of the shared
/// service's.
#[test]
fn database_and_store_are_replaced_by_settings() {
    let service = Service::shared().unwrap();
    let up: serde_json::Value =
        serde_json::from_str(&fs_err::read_to_string(service.data().join("up.json")).unwrap()).unwrap();
    let theirs = up["database_url"].as_str().unwrap();
    let name = format!("elsewhere_{}", std::process::id());
    let made = Command::new("psql")
        .args([theirs, "-c", &format!("CREATE DATABASE {name}")])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let own = Own::new();
    fs_err::create_dir_all(own.data()).unwrap();
    let secret = fs_err::read_to_string(service.data().join("secrets/s3-secret-key")).unwrap();
    let settings = format!(
        "[database]\nurl = '{}'\n[s3]\nendpoint = '{}'\nbucket = 'elsewhere'\naccess_key = 'koper'\nsecret_key = '{}'\n",
        theirs.replace("dbname=koper", &format!("dbname={name}")),
        up["s3_endpoint"].as_str().unwrap(),
        secret.trim()
    );
    fs_err::write(own.dir.path().join("var/koper.toml"), settings).unwrap();
    let started = own.koper(&["up", "--detach"]);
    assert!(started.status.success(), "{}", said(&started));
    project(&own.copr(), "replaced").unwrap();
    for part in ["postgres", "s3"] {
        assert!(
            !own.dir.path().join(format!("var/run/{part}.pid")).exists(),
            "{part} was started all the same"
        );
    }
}

/// K09: a builder only ever calls out.
#[test]
fn a_builder_listens_nowhere() {
    let service = Service::shared().unwrap();
    let builder = wait_until("the builder", std::time::Duration::from_secs(30), || {
        service.pid("builder")
    });
    let mut sockets = Vec::new();
    for entry in fs_err::read_dir(format!("/proc/{builder}/fd")).unwrap().flatten() {
        if let Ok(target) = fs_err::read_link(entry.path()) {
            let target = target.to_string_lossy().into_owned();
            sockets.extend(
                target
                    .strip_prefix("socket:[")
                    .map(|s| s.trim_end_matches(']').to_owned()),
            );
        }
    }
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        for line in fs_err::read_to_string(table).unwrap_or_default().lines().skip(1) {
            let fields: Vec<&str> = line.split_whitespace().collect();
            // State 0A is LISTEN; field 9 is the inode.
            assert!(
                fields[3] != "0A" || !sockets.iter().any(|s| s == fields[9]),
                "{line}"
            );
        }
    }
}

/// The self-made distribution is a repository under the names that spec files use.
#[tokio::test]
async fn the_distribution_answers_to_the_names_of_spec_files() {
    let service = Service::shared().unwrap();
    project(&Copr::admin(&service), "names").unwrap();
    let client = Client::new(&service, service.owner(), "names").await.unwrap();
    for name in [
        "gcc",
        "make",
        "rpm-build",
        "bash",
        "glibc-devel",
        "gcc-c++",
        "python3-devel",
        "zlib-devel",
        "gettext",
    ] {
        let found = client
            .run(&["repoquery", "--whatprovides", name, "--qf", "%{name} is it"])
            .unwrap();
        assert!(found.contains("is it"), "{name}: {found}");
    }
}

/// A gigabyte takes no more than 64 MiB of memory more than a kilobyte does.
#[tokio::test]
async fn a_gigabyte_is_uploaded_in_flat_memory() {
    let service = Service::shared().unwrap();
    let copr = Copr::admin(&service);
    project(&copr, "large").unwrap();
    let peak = || {
        let pid = service.pid("frontend").unwrap();
        let status = fs_err::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status
            .lines()
            .find_map(|l| l.strip_prefix("VmHWM:"))
            .unwrap()
            .to_owned();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() >> 10
    };
    let head = "Version: 1\nRelease: 1%{?dist}\nSummary: Large\nLicense: MIT\nBuildArch: noarch\n";
    let small = srpm_of(
        "small",
        &format!("Name: small\n{head}%description\nSmall.\n%files\n"),
        None,
    )
    .unwrap();
    let submit = |srpm: &str| {
        copr.run(&["build", "--nowait", "large", srpm])
            .unwrap()
            .expect_code(0)
            .build()
    };
    let first = submit(small.arg());
    copr.run(&["cancel", &first.to_string()]).unwrap();
    let before = peak();
    let folder = tempfile::tempdir().unwrap();
    fs_err::File::create(folder.path().join("zeros"))
        .unwrap()
        .set_len(1 << 30)
        .unwrap();
    // Stored, not compressed, so that the package is as large as its source.
    let spec = format!(
        "%global _source_payload w0.ufdio\nName: large\n{head}Source0: zeros\n%description\nLarge.\n%files\n"
    );
    let large = srpm_of("large", &spec, Some(folder.path())).unwrap();
    assert!(fs_err::metadata(large.path()).unwrap().len() > 1 << 30);
    let build = submit(large.arg());
    let grown = peak().saturating_sub(before);
    copr.run(&["cancel", &build.to_string()]).unwrap().expect_code(0);
    assert!(grown <= 64, "the frontend's peak grew by {grown} MiB");
    let json = get(&service, &format!("build/{build}")).await.unwrap();
    assert_eq!(json["state"], "canceled");
}
