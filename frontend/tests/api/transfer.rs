//! A project changes hands, and nobody who uses it notices.

use serde_json::{Value, json};

use crate::house::{Answer, CHROOT, House, Person};

const TRANSFER: &str = "/project/transfer/alice/tools";

async fn transfer(house: &House, person: &Person, to: &str) -> Answer {
    house
        .send("POST", TRANSFER, Some(person), json!({"to": to}))
        .await
}

async fn repo_file(house: &House) -> String {
    let release = CHROOT.trim_end_matches("-x86_64");
    let url = format!("http://{}/coprs/alice/tools/repo/{release}/", house.addresses.web);
    let response = house.client.get(url).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    response.text().await.unwrap()
}

/// What the world sees, without who decides.
async fn seen(house: &House) -> (Value, String, String) {
    let mut project = house.get("/project?ownername=alice&projectname=tools").await.ok();
    project.as_object_mut().unwrap().remove("holder");
    let mut conn = house.pool.get().await.unwrap();
    let row = db::projects::by_id(&mut conn, project["id"].as_i64().unwrap())
        .await
        .unwrap()
        .unwrap();
    (
        project,
        repo_file(house).await,
        format!("{}{}", row.key_id, row.repotag),
    )
}

#[tokio::test]
async fn a_project_goes_to_a_group_with_its_urls_and_its_key() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let bob = house.person("bob", false).await;
    let carol = house.person("carol", false).await;
    house.project(&alice, "tools").await;
    house
        .send("POST", "/group/add", Some(&bob), json!({"name": "sig"}))
        .await
        .ok();
    let before = seen(&house).await;

    let text = transfer(&house, &alice, "@sig").await.error(403);
    assert!(text.contains("no member of the group @sig"), "{text}");
    let join = json!({"username": "alice"});
    house
        .send("PUT", "/group/members/set/sig", Some(&bob), join)
        .await
        .ok();
    transfer(&house, &bob, "@sig").await.error(403);
    transfer(&house, &carol, "carol").await.error(403);
    let given = transfer(&house, &alice, "@sig").await.ok();
    assert_eq!(
        (&given["holder"], &given["ownername"]),
        (&json!("@sig"), &json!("alice"))
    );
    assert_eq!(seen(&house).await, before);

    // Members take care of it now, its admins decide, and the old holder is a member like others.
    let edit = "/project/edit/alice/tools";
    house
        .send("PUT", edit, Some(&bob), json!({"description": ""}))
        .await
        .ok();
    house.send("PUT", edit, Some(&alice), json!({})).await.ok();
    transfer(&house, &alice, "alice").await.error(403);
    transfer(&house, &bob, "carol").await.ok();
    house.send("PUT", edit, Some(&alice), json!({})).await.error(403);
    house.send("PUT", edit, Some(&bob), json!({})).await.error(403);
    house.send("PUT", edit, Some(&carol), json!({})).await.ok();
    assert_eq!(seen(&house).await, before);

    // It is found in its name space and with its holder.
    for owner in ["alice", "carol"] {
        let listed = house.get(&format!("/project/list?ownername={owner}")).await.ok();
        assert_eq!(listed["items"][0]["full_name"], "alice/tools", "{owner}");
    }
    assert_eq!(
        house.get("/project/list?ownername=bob").await.ok()["items"],
        json!([])
    );
    // The old holder's name space is still theirs.
    house.project(&alice, "more").await;
    house
        .send(
            "POST",
            "/project/add/alice",
            Some(&carol),
            json!({"name": "x", "chroots": [CHROOT]}),
        )
        .await
        .error(403);
}

#[tokio::test]
async fn a_project_goes_to_nobody_who_is_not_there() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let admin = house.person("root", true).await;
    house.project(&alice, "tools").await;
    for (to, said) in [
        ("ghost", "There is no user 'ghost'"),
        ("a/b", "to: "),
        ("alice", "has the project already"),
    ] {
        let text = transfer(&house, &alice, to).await.error(400);
        assert!(text.contains(said), "{text}");
    }
    transfer(&house, &admin, "@ghosts").await.error(400);
    transfer(&house, &alice, "@ghosts").await.error(403);
    // An administrator helps where the holder is gone.
    transfer(&house, &admin, "root").await.ok();
}
