//! What is published is to be checked where project or service say so, and nobody waits for it.

use serde_json::{Value, json};

use crate::api::Api;
use crate::house::{CHROOT, House};

async fn newest(api: &Api) -> Value {
    let list = api.get(&format!("/snapshot/list/alice/tools/{CHROOT}")).await;
    list["items"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_asks_for_a_check_and_does_not_wait_for_it() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    house.make(&alice, "alice", "tools").await;
    let api = house.api("alice").await;
    let tools = house.project("alice", "tools").await;
    house.build(&tools, "tools", "motd", "1.0").await;
    assert_eq!(
        newest(&api).await["check"],
        Value::Null,
        "this service checks what is asked for"
    );

    api.done("/project/edit/alice/tools", json!({"check_installs": "on"}))
        .await;
    let tools = house.project("alice", "tools").await;
    let second = house.build(&tools, "tools", "motd", "1.1").await.0;
    let published = newest(&api).await;
    assert_eq!(published["pointers"], json!(["latest"]));
    assert_eq!(published["check"]["state"], "waiting");

    // What brings nothing needs no check, and what was replaced gets none.
    let wish = json!({"build_id": second});
    api.done(&format!("/snapshot/yank/alice/tools/{CHROOT}"), wish)
        .await;
    assert_eq!(newest(&api).await["check"], Value::Null);
    let mut conn = house.context.conn().await.unwrap();
    let now = (house.context.clock)();
    assert_eq!(db::checks::supersede(&mut conn, now).await.unwrap(), 1);
    let path = format!("/snapshot/show/alice/tools/{CHROOT}/{}", published["number"]);
    assert_eq!(api.get(&path).await["check"]["state"], "skipped");
}
