//! What is said while something does not get on, and that it ends by itself.

use crate::house::{House, eventually, run};
use crate::machine::Machine;

const PAGE: &str = "/coprs/alice/tools/";
const DELETE: &str = "import os\nfrom copr.v3 import Client\nfrom copr.v3.helpers import config_from_file\n\
    client = Client(config_from_file(os.environ['COPR_CONFIG']))\n";
const BANNER: &str = "Publishing does not get on";

/// Waits until the project's page says that publishing does not get on, or that it does.
async fn said(house: &House, wanted: bool) -> String {
    eventually("the page's word", async || {
        let page = house.page(PAGE).await;
        (page.contains(BANNER) == wanted).then_some(page)
    })
    .await
}

async fn reason(house: &House, project: i64) -> String {
    let mut conn = house.conn().await;
    let [trouble] = <[_; 1]>::try_from(db::jobs::troubles(&mut conn, project).await.unwrap()).unwrap();
    assert!(!trouble.given_up && !trouble.set_up);
    trouble.reason
}

/// Without a signer nothing is published: the page says so, no build claims to have succeeded, and a deleted package
/// does not stay in silence.
#[tokio::test(flavor = "multi_thread")]
async fn a_publication_without_a_signer_is_told_and_made_up_for() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    let old = house.build(&tools, "tools", "motd", "1.0").await;
    house.settle().await;
    let users = Machine::new(&house, "alice", "tools").await;

    house.stop_signer().await;
    let build = house.upload(&tools, "tools", "other", "1.0").await;
    let page = said(&house, true).await;
    assert!(page.contains("keeps trying"), "{page}");
    let why = reason(&house, tools.id).await;
    assert!(
        page.contains(why.split(['\'', '"', '&', '<', '/']).next().unwrap()),
        "{why}:\n{page}"
    );
    let state = run(&alice, &["status", &build.to_string()]).await.expect_code(0);
    assert_eq!(state.out.trim(), "running");
    assert_eq!(users.sees().await, ["motd-1.0"]);

    house.start_signer().await;
    let ended = house.wait(build, |build| build.is_final()).await;
    assert_eq!(ended.state(), "succeeded", "{:?}", ended.tasks);
    said(&house, false).await;
    assert_eq!(users.sees().await, ["motd-1.0", "other-1.0"]);

    house.settle().await;
    house.stop_signer().await;
    run(&alice, &["delete-build", &old.to_string()])
        .await
        .expect_code(0);
    said(&house, true).await;
    assert_eq!(users.sees().await, ["motd-1.0", "other-1.0"]);
    house.start_signer().await;
    said(&house, false).await;
    assert_eq!(users.sees().await, ["other-1.0"]);
}

/// A build that is deleted while it cannot be published takes its trouble with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_build_leaves_no_trouble() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    house.settle().await;
    house.stop_signer().await;
    let build = house.upload(&tools, "tools", "motd", "1.0").await;
    said(&house, true).await;
    // `copr-cli delete-build` has Copr's rule, and asks for builds that have ended.
    let delete = format!("{DELETE}client.build_proxy.delete({build})\n");
    house.python("alice", &delete).await;
    house.start_signer().await;
    said(&house, false).await;
    house.settle().await;
    let users = Machine::new(&house, "alice", "tools").await;
    assert_eq!(users.sees().await, Vec::<String>::new());
}
