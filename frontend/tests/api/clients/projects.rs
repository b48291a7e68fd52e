//! Projects with `copr-cli`.

use super::{copr, house, run};
use crate::house::CHROOT;

#[tokio::test]
async fn a_project_is_made_and_listed() {
    let house = house().await;
    let alice = house.person("alice", false).await;
    let copr = copr(&house, &alice);
    run(&copr, &["create", "tools", "--chroot", CHROOT])
        .await
        .expect_code(0);
    let listed = run(&copr, &["list"]).await.expect_code(0);
    assert!(listed.out.contains("Name: tools"), "{}", listed.out);
}
