//! What of the past goes while people read it.

use backend::Retention;
use chrono::SecondsFormat;
use db::pointers::{self, Moved, Wish};
use protocol::PointerName;
use serde_json::Value;

use crate::house::{CHROOT, House};
use crate::machine::Machine;

const KEPT: Retention = Retention {
    snapshots: 2,
    days: 1,
    commit_days: 30,
    grace_hours: 24,
    most_snapshots: 9,
    most_days: 9,
};

/// Lets the service look at all repositories, and waits until that is done.
async fn look(house: &House) {
    backend::look_after(&house.context).await.unwrap();
    house.settle().await;
}

async fn point(house: &House, repository: i64, name: &str, to: i64) -> Moved {
    let name: PointerName = name.parse().unwrap();
    let wish = Wish {
        repository,
        name: &name,
        to: Some(to),
        expected: None,
        actor: "alice",
        cause: "tried",
        devel_mode: false,
        object: "repository:alice/tools/debian-12-x86_64",
    };
    let now = (house.context.clock)();
    let moved = pointers::shift(&mut *house.conn().await, &wish, now)
        .await
        .unwrap();
    house.settle().await;
    moved
}

/// What the API says would go, as a user's own client asks.
async fn plan(house: &House) -> Value {
    let script = "import os, requests\nfrom copr.v3.helpers import config_from_file\n\
                  c = config_from_file(os.environ['COPR_CONFIG'])\n\
                  url = c['copr_url'] + '/api_3/retention/alice/tools/debian-12-x86_64'\n\
                  print(requests.get(url, auth=(c['login'], c['token'])).text)";
    serde_json::from_str(house.python("alice", script).await.trim()).unwrap()
}

/// Numbers of the snapshots that go.
fn listed(plan: &Value) -> Vec<i64> {
    let items = plan["items"].as_array().unwrap();
    items.iter().map(|s| s["snapshot"].as_i64().unwrap()).collect()
}

async fn answer(house: &House, path: &str) -> (u16, String) {
    let url = format!("{}/alice/tools/{CHROOT}/{path}", house.results_url);
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_goes_in_two_phases_and_nobody_stumbles() {
    let house = House::keeping(KEPT).await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    let mut numbers = Vec::new();
    let mut times = Vec::new();
    for name in ["a", "b", "c", "d", "e"] {
        house.build(&tools, "tools", name, "1.0").await;
        numbers.push(house.snapshot("alice/tools").await);
        times.push((house.context.clock)());
    }
    house.settle().await;
    let repository = db::repositories::of_project(&mut *house.conn().await, tools.id)
        .await
        .unwrap()[0]
        .id;
    assert_eq!(
        point(&house, repository, "stable", numbers[1]).await,
        Moved::From(0)
    );
    let (users, stable) = (
        Machine::new(&house, "alice", "tools").await,
        Machine::at(&house, "alice", "tools", "stable").await,
    );
    let old = Machine::at(&house, "alice", "tools", &numbers[0].to_string()).await;
    let all = ["a-1.0", "b-1.0", "c-1.0", "d-1.0", "e-1.0"];
    assert_eq!(old.sees().await, ["a-1.0"]);

    look(&house).await;
    assert_eq!(
        plan(&house).await["items"],
        Value::Array(Vec::new()),
        "all are young"
    );
    house.pass(2);
    let dry = plan(&house).await;
    // The first is that of the empty repository.
    assert_eq!(listed(&dry), [1, numbers[0], numbers[2]], "{dry}");
    assert_eq!(
        (&dry["kept"], &dry["items"][0]["marked"]),
        (&Value::from(3), &Value::from(false))
    );
    look(&house).await;
    assert_eq!(plan(&house).await["items"][0]["marked"], true);
    // Marked, and whoever is in the middle of it goes on.
    assert_eq!(old.sees().await, ["a-1.0"]);
    // Somebody wants one of them after all.
    assert_eq!(
        point(&house, repository, "tested", numbers[2]).await,
        Moved::From(0)
    );

    house.pass(2);
    // Clients read while files go.
    let readers = async {
        for _ in 0..3 {
            assert_eq!(users.sees().await, all);
            assert_eq!(stable.sees().await, ["a-1.0", "b-1.0"]);
        }
    };
    tokio::join!(look(&house), readers);
    for number in [1, numbers[0]] {
        for path in [
            "",
            "repodata/",
            "repodata/repomd.xml",
            "repodata/repomd.xml.asc",
            "comps.xml",
        ] {
            let (status, said) = answer(&house, &format!("@{number}/{path}")).await;
            let day = (house.context.clock)().format("%Y-%m-%d");
            assert_eq!(status, 410, "{path}: {said}");
            assert!(
                said.starts_with(&format!("snapshot {number} was removed on {day}")),
                "{said}"
            );
        }
    }
    // A time leads where `latest` was then.
    let then = format!(
        "@{}/mirrorlist",
        times[0].to_rfc3339_opts(SecondsFormat::Millis, true)
    );
    assert_eq!(answer(&house, &then).await.0, 410);
    assert_eq!(answer(&house, "@999/repodata/repomd.xml").await.0, 404);
    assert_eq!(answer(&house, "@999/").await.0, 404);
    let (done, said) = old.dnf(&["makecache"]).await;
    assert!(!done && said.contains("410"), "{said}");
    for (number, seen) in [
        (numbers[1], &all[..2]),
        (numbers[2], &all[..3]),
        (numbers[3], &all[..4]),
    ] {
        assert_eq!(
            Machine::at(&house, "alice", "tools", &number.to_string())
                .await
                .sees()
                .await,
            seen
        );
    }
    assert!(matches!(
        point(&house, repository, "tested", numbers[0]).await,
        Moved::Purged(_)
    ));
    assert_eq!(users.sees().await, all);
    // What is published next is made from rows of which some are tombstones.
    house.build(&tools, "tools", "f", "1.0").await;
    assert_eq!(users.sees().await.len(), 6);
    assert_eq!(listed(&plan(&house).await), [numbers[3]]);
}
