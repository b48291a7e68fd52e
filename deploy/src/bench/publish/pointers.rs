//! What people do with snapshots, by the API, until the answer says that clients see it.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use db::tokens::{DEFAULT_NAME, NewToken, Scope};
use rand::SeedableRng as _;
use serde_json::{Value, json};

use super::{Bench, CHROOT};
use crate::bench::{Figure, median, ms};

/// Times that each is done.
const ROUNDS: usize = 11;

pub(super) async fn run(bench: &Bench<'_>, size: usize) -> anyhow::Result<()> {
    let api = Api::new(bench).await?;
    let (mut back, mut promoted, mut some, mut yanked) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for n in 0..ROUNDS {
        let latest = api.latest().await?;
        let begin = Instant::now();
        api.post("snapshot/rollback", json!({})).await?;
        back.push(ms(begin));
        api.post("pointer/move", json!({"pointer": "latest", "to": latest}))
            .await?;
        let begin = Instant::now();
        api.post(
            "snapshot/promote",
            json!({"pointer": format!("bench-{n}"), "from": latest}),
        )
        .await?;
        promoted.push(ms(begin));
        let name = format!("seed{n}");
        let begin = Instant::now();
        api.post("snapshot/yank", json!({"packages": name})).await?;
        yanked.push(ms(begin));
        let begin = Instant::now();
        let wish = json!({"pointer": "latest", "from": latest, "packages": name});
        api.post("snapshot/promote", wish).await?;
        some.push(ms(begin));
    }
    for (what, times) in [
        ("roll back", back),
        ("promote a snapshot to a pointer", promoted),
        ("take one package back", yanked),
        ("promote one package", some),
    ] {
        Figure {
            name: format!("{what}, {size} packages, until clients see it, median of {ROUNDS}"),
            unit: "ms",
            ours: median(times),
            peer: None,
            peer_is: "",
            limit: None,
            limit_is: "",
        }
        .print()?;
    }
    Ok(())
}

struct Api {
    client: reqwest::Client,
    url: String,
    place: String,
    login: String,
    token: String,
}

impl Api {
    /// As the owner of the benchmark's projects.
    async fn new(bench: &Bench<'_>) -> anyhow::Result<Self> {
        let mut conn = bench.pool.get().await.context("reaching the database")?;
        let now = (db::SystemClock())();
        let user = db::users::ensure(&mut conn, &bench.project.owner.as_str().parse()?, false, now).await?;
        let new = NewToken {
            name: DEFAULT_NAME,
            scope: &Scope::default(),
            expires_at: None,
        };
        let mut rng = rand::rngs::StdRng::from_os_rng();
        let pair = db::tokens::replace(&mut conn, &user, &new, now, &mut rng).await?;
        Ok(Self {
            client: reqwest::Client::builder()
                .timeout(Duration::from_secs(60))
                .build()?,
            url: format!("{}/api_3", bench.config.service.url),
            place: format!("{}/{}/{CHROOT}", bench.project.owner, bench.project.name),
            login: pair.login,
            token: pair.token,
        })
    }

    async fn latest(&self) -> anyhow::Result<i64> {
        let url = format!("{}/snapshot/show/{}/latest", self.url, self.place);
        let answer = self.client.get(url).send().await?.error_for_status()?;
        let shown: Value = answer.json().await?;
        shown["number"]
            .as_i64()
            .context("the latest snapshot has no number")
    }

    async fn post(&self, verb: &str, body: Value) -> anyhow::Result<()> {
        let request = self.client.post(format!("{}/{verb}/{}", self.url, self.place));
        let request = request.basic_auth(&self.login, Some(&self.token)).json(&body);
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        anyhow::ensure!(status.is_success(), "{verb}: {status} {text}");
        Ok(())
    }
}
