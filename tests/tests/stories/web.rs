//! The same by a real browser.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::{Client, ClientBuilder, Locator};
use testkit::{CHROOT, Client as Machine, Service, free_port, srpm};

use crate::support::end;

/// Chromium, driven through its driver.
struct Browser {
    driver: Child,
    client: Client,
    _profile: tempfile::TempDir,
}

impl Browser {
    async fn start() -> anyhow::Result<Self> {
        let port = free_port()?;
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let profile = tempfile::tempdir()?;
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--window-size=1280,900",
            &format!("--user-data-dir={}", profile.path().display()),
        ];
        let mut capabilities = serde_json::Map::new();
        capabilities.insert(
            "goog:chromeOptions".to_owned(),
            serde_json::json!({ "args": arguments }),
        );
        let address = format!("http://127.0.0.1:{port}");
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        let client = loop {
            let mut builder = ClientBuilder::new(hyper_util_connector());
            match builder.capabilities(capabilities.clone()).connect(&address).await {
                Ok(client) => break client,
                Err(error) => anyhow::ensure!(tokio::time::Instant::now() < deadline, "no browser: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        };
        Ok(Self {
            driver,
            client,
            _profile: profile,
        })
    }

    async fn stop(mut self) {
        // The browser may be gone already; the driver goes either way.
        let _ = self.client.close().await;
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn hyper_util_connector() -> hyper_util::client::legacy::connect::HttpConnector {
    hyper_util::client::legacy::connect::HttpConnector::new()
}

/// K01 K03: sign in by the link, define a project, upload a package, watch it, install it; look at each page.
#[tokio::test]
async fn a_packager_does_it_all_in_the_browser() {
    let service = Service::shared().unwrap();
    let browser = Browser::start().await.unwrap();
    let seen = see(&service, &browser.client).await;
    browser.stop().await;
    seen.unwrap();
    let machine = Machine::new(&service, "webber", "by-web").await.unwrap();
    machine.run(&["install", "motd-koper"]).unwrap();
    assert_eq!(machine.chroot("motd-koper").unwrap().trim(), "hello from koper");
}

/// Goes through the story, and looks at all pages once the build is there.
async fn see(service: &Service, page: &Client) -> anyhow::Result<()> {
    let build = story(service, page).await?;
    assert_eq!(end(service, build).await, "succeeded");
    screenshots(page, service, build).await
}

async fn story(service: &Service, page: &Client) -> anyhow::Result<u64> {
    page.goto(&service.login_link("webber")?).await?;
    page.goto(&format!("{}/coprs/add/", service.url())).await?;
    page.find(Locator::Css("input[name=name]"))
        .await?
        .send_keys("by-web")
        .await?;
    let chroot = page
        .find(Locator::Css(&format!("input[type=checkbox][value='{CHROOT}']")))
        .await?;
    if !chroot.is_selected().await? {
        chroot.click().await?;
    }
    page.find(Locator::Css("main form[method=post] button"))
        .await?
        .click()
        .await?;
    page.wait()
        .at_most(Duration::from_secs(60))
        .for_element(Locator::LinkText("debian-12"))
        .await
        .ok();
    page.goto(&format!("{}/coprs/webber/by-web/add_build/", service.url()))
        .await?;
    let package = srpm("motd-koper")?;
    page.find(Locator::Css("input[type=file]"))
        .await?
        .send_keys(package.arg())
        .await?;
    page.find(Locator::Css("form[enctype='multipart/form-data'] button"))
        .await?
        .click()
        .await?;
    // The form answers with the build's page.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    let build = loop {
        let url = page.current_url().await?;
        let mut parts = url.path().trim_end_matches('/').rsplit('/');
        if let (Some(Ok(n)), Some("build")) = (parts.next().map(str::parse::<u64>), parts.next()) {
            break n;
        }
        anyhow::ensure!(
            tokio::time::Instant::now() < deadline,
            "still at {url}: {}",
            page.source().await?
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    // The live log grows in the page without a reload.
    let log = page
        .wait()
        .at_most(Duration::from_secs(300))
        .for_element(Locator::Css("pre"))
        .await?;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(300);
    while log.text().await.unwrap_or_default().trim().is_empty() {
        if matches!(
            crate::support::state(service, build).await.as_str(),
            "succeeded" | "failed"
        ) {
            break;
        }
        anyhow::ensure!(tokio::time::Instant::now() < deadline, "no live log came");
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(build)
}

/// Pictures of each page at phone and desktop width, for people to look at, kept where `KOPER_TEST_PICTURES` says.
async fn screenshots(page: &Client, service: &Service, build: u64) -> anyhow::Result<()> {
    let of_build = format!("coprs/webber/by-web/build/{build}/");
    let pages = [
        "",
        "coprs/add/",
        "coprs/webber/by-web/",
        "coprs/webber/by-web/add_build/",
        "coprs/webber/by-web/import/",
        "coprs/webber/by-web/builds/",
        &of_build,
        "coprs/webber/by-web/snapshots/?to=2",
        "coprs/webber/by-web/keys/",
        "coprs/webber/by-web/edit/",
        "api/",
    ];
    for (width, height) in [(390, 844), (1280, 900)] {
        for path in pages {
            page.set_window_size(width, height).await?;
            page.goto(&format!("{}/{path}", service.url())).await?;
            let wide = page
                .execute(
                    "return document.documentElement.scrollWidth - window.innerWidth",
                    Vec::new(),
                )
                .await?;
            anyhow::ensure!(
                wide.as_i64().unwrap_or(1) <= 0,
                "/{path} is wider than {width} pixels by {wide}"
            );
            if let Some(folder) = std::env::var_os("KOPER_TEST_PICTURES") {
                let tall = page
                    .execute("return document.documentElement.scrollHeight", Vec::new())
                    .await?;
                let tall = tall.as_u64().and_then(|tall| u32::try_from(tall).ok());
                // The window's frame takes some of its height.
                page.set_window_size(width, tall.unwrap_or(height) + 200).await?;
                let name = format!(
                    "{}-{width}.png",
                    path.trim_end_matches('/').replace(['/', '?'], "_")
                );
                fs_err::write(std::path::Path::new(&folder).join(name), page.screenshot().await?)?;
            }
        }
    }
    Ok(())
}
