//! Shared by the stories.

use std::time::Duration;

use serde_json::Value;
use testkit::{CHROOT, Copr, Service};

/// How long a tiny build may take on an emulated machine that other stories use as well.
pub const BUILD: Duration = Duration::from_secs(600);

/// Asks the API.
pub async fn get(service: &Service, path: &str) -> anyhow::Result<Value> {
    let answer = reqwest::get(format!("{}/api_3/{path}", service.url())).await?;
    Ok(answer.json().await?)
}

/// Posts to the API as the administrator; the status. Time-outs and broken connections are 0.
pub async fn post(service: &Service, path: &str, body: Value) -> u16 {
    let config = fs_err::read_to_string(service.copr_config()).unwrap();
    let value = |key: &str| {
        let line = config.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap().trim_start_matches([' ', '=']).to_owned()
    };
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap();
    let request = client
        .post(format!("{}/api_3/{path}", service.url()))
        .basic_auth(value("login"), Some(value("token")))
        .json(&body);
    request.send().await.map_or(0, |answer| answer.status().as_u16())
}

/// State of a build in Copr's word; `unknown` while the service does not answer.
pub async fn state(service: &Service, build: u64) -> String {
    match get(service, &format!("build/{build}")).await {
        Ok(json) => json["state"].as_str().unwrap_or("unknown").to_owned(),
        Err(_) => "unknown".to_owned(),
    }
}

/// Waits until a build has ended and returns its state.
pub async fn end(service: &Service, build: u64) -> String {
    until(
        service,
        build,
        |s| matches!(s, "succeeded" | "failed" | "canceled" | "skipped"),
        BUILD,
    )
    .await
}

/// Waits for a state of a build.
pub async fn until(service: &Service, build: u64, good: impl Fn(&str) -> bool, at_most: Duration) -> String {
    let deadline = tokio::time::Instant::now() + at_most;
    loop {
        let now = state(service, build).await;
        if good(&now) {
            return now;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "build {build} is still {now} after {at_most:?}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Makes a project of one chroot.
pub fn project(copr: &Copr, name: &str) -> anyhow::Result<()> {
    copr.run(&["create", name, "--chroot", CHROOT])?.expect_code(0);
    Ok(())
}

/// Submits a source package and does not wait for it.
pub fn submit(copr: &Copr, project: &str, srpm: &str, options: &[&str]) -> anyhow::Result<u64> {
    let mut arguments = vec!["build", "--nowait"];
    arguments.extend(options);
    arguments.extend([project, srpm]);
    Ok(copr.run(&arguments)?.expect_code(0).build())
}

/// The number of the snapshot that users of a project of the administrator's see.
pub async fn snapshot(service: &Service, project: &str) -> u64 {
    let url = format!("{}/admin/{project}/{CHROOT}/latest.json", service.results_url());
    let json: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
    json["snapshot"].as_u64().unwrap()
}

/// Asks the service's database; the service's own clock cannot be moved.
pub fn sql(service: &Service, text: &str) -> String {
    let up = fs_err::read_to_string(service.data().join("up.json")).unwrap();
    let up: serde_json::Value = serde_json::from_str(&up).unwrap();
    let asked = std::process::Command::new("psql")
        .args([
            up["database_url"].as_str().unwrap(),
            "-qAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-c",
            text,
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    assert!(asked.status.success(), "{said}");
    String::from_utf8_lossy(&asked.stdout).trim().to_owned()
}

/// What a packager reads of a failed build: the build page's text.
pub async fn page(service: &Service, build: u64) -> anyhow::Result<String> {
    Ok(reqwest::get(format!("{}/coprs/build/{build}", service.url()))
        .await?
        .text()
        .await?)
}

/// The stored log of a build's only chroot.
pub async fn log(service: &Service, build: u64) -> anyhow::Result<String> {
    let chroot = get(
        service,
        &format!("build-chroot?build_id={build}&chrootname={CHROOT}"),
    )
    .await?;
    let url = chroot["result_url"].as_str().unwrap_or_default().to_owned();
    let url = format!("{url}builder-live.log.gz");
    // A failed build's log becomes an object right after its end, and has the name without `.gz` until then.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    let answer = loop {
        let answer = reqwest::get(&url).await?;
        if answer.status() != 404 || tokio::time::Instant::now() > deadline {
            break answer.error_for_status()?;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let packed = answer.bytes().await?;
    let mut gunzip = std::process::Command::new("gzip");
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("log.gz");
    fs_err::write(&file, &packed)?;
    let open = gunzip.arg("-dc").arg(&file).output()?;
    Ok(String::from_utf8_lossy(&open.stdout).into_owned())
}

/// A folder served over HTTP on loopback.
pub struct FileServer {
    /// Its address, without a final slash.
    pub url: String,
    child: std::process::Child,
}

impl FileServer {
    /// Starts Python's own server.
    pub fn start(folder: &std::path::Path) -> Self {
        let port = testkit::free_port().unwrap();
        let child = std::process::Command::new("python3")
            .args([
                "-m",
                "http.server",
                "--bind",
                "127.0.0.1",
                &port.to_string(),
                "--directory",
            ])
            .arg(folder)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        testkit::wait_until("the file server", std::time::Duration::from_secs(20), || {
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Self {
            url: format!("http://127.0.0.1:{port}"),
            child,
        }
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
