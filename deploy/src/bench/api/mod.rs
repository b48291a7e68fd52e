//! The API and the pages that are asked for most, on as much data as a service of some years has, beside what Copr's own
//! frontend gives on such a machine, and beside a handler that does nothing but read one row.

mod load;
mod service;

use anyhow::Context as _;
use serde::Serialize;

use load::{Load, Measured};
use service::Service;

/// Connections that ask at the same time.
const CONCURRENCY: usize = 8;
/// How long each address is asked.
const SECONDS: u64 = 8;

/// An address, and what Copr does with it.
struct Asked {
    name: &'static str,
    path: String,
    /// Copr's requests per second (Apache, 2 processes of 5 threads, PostgreSQL; two cores, concurrency 8).
    copr: f64,
    /// Milliseconds that the 99th percentile may take.
    p99: f64,
}

/// One line of the result.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    bytes: usize,
    requests_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    copr_requests_per_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_limit_ms: Option<f64>,
}

impl Line {
    fn new(name: &str, measured: &Measured) -> Self {
        Self {
            name: name.to_owned(),
            bytes: measured.bytes,
            requests_per_s: measured.per_second.round(),
            p50_ms: measured.percentile(50),
            p99_ms: measured.percentile(99),
            copr_requests_per_s: None,
            ratio: None,
            p99_limit_ms: None,
        }
    }

    fn print(&self) -> anyhow::Result<()> {
        println!("{}", serde_json::to_string(self)?);
        Ok(())
    }
}

fn asked() -> Vec<Asked> {
    let (owner, project) = (db::seed::OWNER, db::seed::PROJECT);
    let of = format!("ownername={owner}&projectname={project}");
    let asked = |name, path: String, copr, p99| Asked {
        name,
        path,
        copr,
        p99,
    };
    vec![
        // The next to newest build of the large project.
        asked(
            "build/N",
            format!("/api_3/build/{}", db::seed::SERVICE.builds - 5),
            248.0,
            20.0,
        ),
        asked("project", format!("/api_3/project?{of}"), 275.0, 20.0),
        asked(
            "build/list of 100",
            format!("/api_3/build/list?{of}&limit=100"),
            40.0,
            20.0,
        ),
        asked(
            "package/list of 500 with the latest build",
            format!("/api_3/package/list?{of}&with_latest_build=True"),
            7.2,
            50.0,
        ),
        asked("monitor of 500 x 6", format!("/api_3/monitor?{of}"), 10.0, 50.0),
        asked(
            "rpmrepo",
            format!("/api_3/rpmrepo/{owner}/{project}/fedora-44/"),
            367.0,
            20.0,
        ),
        asked(
            ".repo file",
            format!("/coprs/{owner}/{project}/repo/fedora-44/{owner}-{project}.repo"),
            358.0,
            20.0,
        ),
        asked("project page", format!("/coprs/{owner}/{project}/"), 85.0, 20.0),
    ]
}

/// Seeds a database of its own, starts a frontend on it, and asks it.
///
/// # Errors
/// When PostgreSQL is not installed, or the frontend answers anything but 200.
pub(super) async fn run() -> anyhow::Result<()> {
    let service = Service::start().await?;
    let bare = service::bare(&service.config.database.url).await?;
    let load = Load {
        connections: CONCURRENCY,
        seconds: SECONDS,
    };
    let limit = load.run(bare, "/").await.context("the bare handler")?;
    Line::new("limit: a bare handler with one read by primary key", &limit).print()?;
    for asked in asked() {
        let measured = load
            .run(service.config.frontend.listen, &asked.path)
            .await
            .with_context(|| format!("asking {}", asked.path))?;
        let mut line = Line::new(asked.name, &measured);
        line.copr_requests_per_s = Some(asked.copr);
        line.ratio = Some((measured.per_second / asked.copr * 10.0).round() / 10.0);
        line.p99_limit_ms = Some(asked.p99);
        line.print()?;
    }
    let mib = service.peak_memory_mib()?;
    println!(
        "{}",
        serde_json::json!({"name": "peak memory of the frontend", "unit": "MiB", "ours": mib, "copr_mb": 454})
    );
    service.stop().await
}
