//! What may go wrong around publications, and that nobody who installs notices.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use sha2::{Digest as _, Sha256};
use storage::StorageKey;
use tokio::task::JoinHandle;

use crate::api::Api;
use crate::house::{CHROOT, House, eventually, run};
use crate::machine::Machine;
use crate::refresher::Refresher;
use crate::sweep;
use crate::weather::{Forecast, Weather};

/// Machines that demand both signatures and install, over and over, from what is served.
struct Users {
    stop: Arc<AtomicBool>,
    loops: Vec<JoinHandle<usize>>,
}

impl Users {
    /// `package` has to be there all the time.
    async fn start(house: &House, machines: usize, package: &'static str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut loops = Vec::new();
        for _ in 0..machines {
            let machine = Machine::new(house, "alice", "tools").await;
            machine.install(package).await;
            let stop = Arc::clone(&stop);
            loops.push(tokio::spawn(async move {
                let mut times = 0;
                while !stop.load(Ordering::Relaxed) {
                    for arguments in [&["clean", "packages"][..], &["reinstall", package]] {
                        let (done, said) = machine.dnf(arguments).await;
                        assert!(done, "after {times} times:\n{said}");
                    }
                    times += 1;
                }
                times
            }));
        }
        Self { stop, loops }
    }

    /// How often they installed, without a failure.
    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let mut times = 0;
        for machine in self.loops {
            times += machine.await.unwrap();
        }
        times
    }
}

async fn get(url: &str) -> Vec<u8> {
    let answer = reqwest::get(url).await.unwrap();
    assert_eq!(answer.status(), 200, "{url}");
    answer.bytes().await.unwrap().to_vec()
}

/// Addresses and digests of all that a snapshot consists of: its root, the signature, metadata and packages.
async fn digests(house: &House, snapshot: i64) -> BTreeMap<String, String> {
    let base = format!("{}/alice/tools/{CHROOT}/@{snapshot}", house.results_url);
    let mut all = BTreeMap::new();
    let mut waiting = vec![
        "repodata/repomd.xml".to_owned(),
        "repodata/repomd.xml.asc".to_owned(),
    ];
    while let Some(path) = waiting.pop() {
        let bytes = get(&format!("{base}/{path}")).await;
        let text = if path.ends_with("primary.xml.gz") {
            repodata::decompress(repodata::Compression::Gzip, &bytes, 1 << 20).unwrap()
        } else if path.ends_with("repomd.xml") {
            bytes.clone()
        } else {
            Vec::new()
        };
        let text = String::from_utf8(text).unwrap();
        for part in text.split("href=\"").skip(1) {
            waiting.push(part.split('"').next().unwrap().to_owned());
        }
        all.insert(path, hex::encode(Sha256::digest(&bytes)));
    }
    all
}

/// Takes a package back and brings it again, at least so many times, until nobody needs it any more; how often it did.
async fn toggle(api: Arc<Api>, package: &'static str, times: usize, needed: Arc<AtomicBool>) -> usize {
    let place = format!("alice/tools/{CHROOT}");
    let mut done = 0;
    while done < times || needed.load(Ordering::Relaxed) {
        api.done(&format!("/snapshot/yank/{place}"), json!({ "packages": package }))
            .await;
        api.done(
            &format!("/snapshot/promote/{place}"),
            json!({"pointer": "latest", "from": "4", "packages": package}),
        )
        .await;
        done += 1;
    }
    done
}

/// A project with three packages in its fourth snapshot.
async fn stocked(house: &House) -> db::projects::Project {
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    for name in ["first", "second", "third"] {
        house.build(&tools, "tools", name, "1.0").await;
    }
    assert_eq!(house.snapshot("alice/tools").await, 4);
    tools
}

/// O01, O07: two backends make a thousand publications of one repository, two at a time. Who reads an old snapshot never
/// sees a change, who installs or only reads metadata never a failure, and none of the publications is lost.
///
/// `KOPER_TRIALS=10000` has it go on until metadata was read so many times.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_publications_and_nobody_notices() {
    const TIMES: usize = 250;
    let house = House::new().await;
    house.start_backend("second");
    stocked(&house).await;
    let before = digests(&house, 4).await;
    assert!(before.len() >= 2 + 3 + 3, "{before:?}");
    let trials = std::env::var("KOPER_TRIALS").map_or(500, |trials| trials.parse().unwrap());
    a_wrong_key_is_noticed(&house).await;
    let users = Users::start(&house, 1, "third").await;
    let machine = Machine::new(&house, "alice", "tools").await;
    let mut refresher = Refresher::start(&house, machine, "alice", "tools");
    let api = Arc::new(house.api("alice").await);
    let needed = Arc::new(AtomicBool::new(true));
    let one = tokio::spawn(toggle(Arc::clone(&api), "first", TIMES, Arc::clone(&needed)));
    let two = tokio::spawn(toggle(api, "second", TIMES, Arc::clone(&needed)));
    let mut read = 0;
    let mut seen = 4;
    while !one.is_finished() || !two.is_finished() {
        assert_eq!(digests(&house, 4).await, before, "after {read} times");
        read += 1;
        // Reading leaves time for what it watches.
        eventually("the next publications", async || {
            let on = house.snapshot("alice/tools").await >= seen + 20;
            (on || one.is_finished() || two.is_finished()).then_some(())
        })
        .await;
        seen = house.snapshot("alice/tools").await;
        needed.store(
            refresher.times() < trials && !refresher.has_failed(),
            Ordering::Relaxed,
        );
    }
    let toggled = one.await.unwrap() + two.await.unwrap();
    let installed = users.end().await;
    let refreshed = refresher.end().await.unwrap();
    house.settle().await;
    assert!(installed > 3 && read > 10, "{installed} and {read} times");
    assert!(
        refreshed.times >= trials && refreshed.moved > trials / 10,
        "{refreshed:?}"
    );
    println!("installed {installed} times, read an old snapshot {read} times, read metadata: {refreshed:?}");
    let users = Machine::new(&house, "alice", "tools").await;
    assert_eq!(users.sees().await, ["first-1.0", "second-1.0", "third-1.0"]);
    // Each has changed what its parent had by one package.
    let repository = repository(&house).await;
    let mut conn = house.conn().await;
    let mut number = house.snapshot("alice/tools").await;
    let mut publications = 0;
    while number != 4 {
        let snapshot = db::snapshots::find(&mut conn, repository, number)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(snapshot.added.len() + snapshot.removed.len(), 1, "@{number}");
        number = snapshot.parent;
        publications += 1;
    }
    assert_eq!(publications, 2 * toggled);
    assert!(publications >= 1000);
}

/// Metadata that another key has signed is refused: the trials can fail.
async fn a_wrong_key_is_noticed(house: &House) {
    let alice = house.copr("alice").await;
    house.make(&alice, "alice", "other").await;
    let machine = Machine::new(house, "alice", "tools").await;
    let file = machine.path("repos/project.repo");
    let text = fs_err::read_to_string(&file).unwrap();
    let wrong = text.replace("alice/tools/pubkey.gpg", "alice/other/pubkey.gpg");
    assert_ne!(wrong, text);
    fs_err::write(&file, wrong).unwrap();
    let refresher = Refresher::start(house, machine, "alice", "tools");
    let said = eventually_fails(refresher).await;
    assert!(said.contains("GPG"), "{said}");
}

async fn eventually_fails(mut refresher: Refresher) -> String {
    eventually("the refusal", async || refresher.has_failed().then_some(())).await;
    refresher.end().await.unwrap_err()
}

async fn repository(house: &House) -> i64 {
    let tools = house.project("alice", "tools").await;
    let all = db::repositories::of_project(&mut *house.conn().await, tools.id).await;
    all.unwrap()[0].id
}

/// A store that refuses, is slow, and loses connections after it has stored: builds, withdrawals, promotions and
/// rollbacks all come to their end, and machines only wait a little longer.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_bad_weather() {
    let weather = Arc::new(Weather::default());
    let house = House::in_weather(&weather).await;
    let tools = stocked(&house).await;
    let before = digests(&house, 4).await;
    let users = Users::start(&house, 1, "third").await;
    weather.turn(Forecast {
        refused: 8,
        lost: 10,
        slow: 5,
    });
    let api = Arc::new(house.api("alice").await);
    for version in 1..=6 {
        house
            .build(&tools, "tools", "motd", &format!("{version}.0"))
            .await;
    }
    toggle(Arc::clone(&api), "first", 5, Arc::default()).await;
    let place = format!("alice/tools/{CHROOT}");
    api.done(
        &format!("/pointer/move/{place}"),
        json!({"pointer": "stable", "to": "latest"}),
    )
    .await;
    api.done(&format!("/snapshot/rollback/{place}"), json!({"to": 5}))
        .await;
    let alice = house.copr("alice").await;
    run(&alice, &["delete-build", "4"]).await.expect_code(0);
    house.settle().await;
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let happened = [&weather.refused, &weather.lost, &weather.slow].map(count);
    assert!(happened.iter().all(|times| *times > 5), "{happened:?}");
    let machine = Machine::new(&house, "alice", "tools").await;
    assert_eq!(machine.sees().await, ["first-1.0", "second-1.0", "third-1.0"]);
    let installed = users.end().await;
    assert!(installed > 1, "{installed}");
    assert_eq!(digests(&house, 4).await, before);
}

/// A clock that jumps: forward by years, back to before the project was made. Publications go on, machines take them,
/// and what looked old for a while is still there.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps() {
    let house = House::new().await;
    let tools = stocked(&house).await;
    let before = digests(&house, 4).await;
    let machine = Machine::new(&house, "alice", "tools").await;
    for (days, version) in [(400, "1.0"), (-800, "2.0"), (400, "3.0")] {
        house.pass(days);
        house.build(&tools, "tools", "motd", version).await;
        backend::look_after(&house.context).await.unwrap();
        house.settle().await;
        machine.dnf(&["remove", "motd"]).await;
        machine.install("motd").await;
        assert_eq!(machine.reads("motd"), version, "{days} days");
    }
    assert_eq!(digests(&house, 4).await, before);
    let api = house.api("alice").await;
    let listed = api.get(&format!("/snapshot/list/alice/tools/{CHROOT}")).await;
    let numbers: Vec<i64> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|snapshot| snapshot["number"].as_i64().unwrap())
        .collect();
    assert_eq!(numbers, [7, 6, 5, 4, 3, 2, 1]);
}

/// A backend whose clock is ahead by more than a year, and not the store's: it looks at everything, and takes nothing for
/// old that is being written, or that is in its time of grace. What is old indeed goes.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_ahead_of_the_store_s() {
    let house = House::keeping(sweep::KEPT).await;
    let tools = stocked(&house).await;
    let repository = repository(&house).await;
    let look = async || {
        backend::look_after(&house.context).await.unwrap();
        house.settle().await;
    };
    look().await;
    // Snapshots before the newest are in their time of grace. Somebody else is in the middle of a publication, and of an upload,
    // while another publication overtakes.
    let number = db::snapshots::reserve(&mut *house.conn().await, repository)
        .await
        .unwrap();
    sweep::leave(&house, number).await;
    let upload = protocol::Sha256::from_bytes(&[9; 32]);
    let storage = &house.context.storage;
    let upload_key = StorageKey::Blob(upload.clone());
    let incoming = StorageKey::Incoming("half".parse().unwrap());
    assert!(db::blobs::claim(&mut *house.conn().await, &upload).await.unwrap());
    storage.put(&upload_key, "x").await.unwrap();
    storage.put(&incoming, "x").await.unwrap();
    house.build(&tools, "tools", "fourth", "1.0").await;
    let before = sweep::stored(&house).await;
    // So many times that each thing which had to be known for a time of grace would have been.
    for _ in 0..3 {
        house.jump(400);
        look().await;
        let there = sweep::stored(&house).await;
        let lost: Vec<&String> = before.difference(&there).collect();
        assert!(lost.is_empty(), "{lost:?}");
        assert!(sweep::blobs(&house).await.contains(upload.as_str()));
        assert!(storage.exists(&incoming).await.unwrap().is_some());
    }
    assert_eq!(digests(&house, 4).await.len(), 2 + 3 + 3);
    // Back again, it goes on looking, and after some days of everybody's time all of that goes.
    house.jump(-1_200);
    for _ in 0..6 {
        house.pass(2);
        look().await;
    }
    assert_eq!(
        sweep::stored(&house).await,
        sweep::needed(&house, repository).await
    );
    assert!(!sweep::blobs(&house).await.contains(upload.as_str()));
    assert_eq!(storage.exists(&incoming).await.unwrap(), None);
    let users = Machine::new(&house, "alice", "tools").await;
    users.install("fourth").await;
}
