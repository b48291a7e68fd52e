//! Roles in projects of others.

use serde_json::{Value, json};

use crate::house::{Answer, House, Person};

const SET: &str = "/project/permissions/set/alice/tools";
const GET: &str = "/project/permissions/get/alice/tools";
const REQUEST: &str = "/project/permissions/request/alice/tools";

async fn put(house: &House, path: &str, person: &Person, body: Value) -> Answer {
    house.send("PUT", path, Some(person), body).await
}

#[tokio::test]
async fn roles_are_asked_for_and_approved() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let bob = house.person("bob", false).await;
    house.project(&alice, "tools").await;
    let none = house.send("GET", GET, Some(&alice), json!({})).await.error(404);
    assert!(none.contains("alice/tools"), "{none}");
    house.send("GET", GET, Some(&bob), json!({})).await.error(403);

    let asked = put(&house, REQUEST, &bob, json!({"builder": true, "admin": false}))
        .await
        .ok();
    assert_eq!(asked, json!({"updated": true}));
    let again = put(&house, REQUEST, &bob, json!({"builder": true})).await.ok();
    assert_eq!(again, json!({"updated": false}));
    let all = house.send("GET", GET, Some(&alice), json!({})).await.ok();
    assert_eq!(
        all,
        json!({"permissions": {"bob": {"admin": "nothing", "builder": "request"}}})
    );

    let may = async |who: &str| {
        let path = format!("/project/permissions/can_build_in/{who}/alice/tools");
        house.get(&path).await.ok()["can_build_in"].as_bool().unwrap()
    };
    assert_eq!([may("alice").await, may("bob").await], [true, false]);
    let approve = json!({"bob": {"builder": "approved"}});
    let done = put(&house, SET, &alice, approve.clone()).await.ok();
    assert_eq!(done, json!({"updated": ["bob"]}));
    assert_eq!(
        put(&house, SET, &alice, approve).await.ok(),
        json!({"updated": []})
    );
    assert!(may("bob").await);

    // A builder builds, and changes nothing else.
    let form = json!({"ownername": "alice", "projectname": "tools"});
    put_build(&house, &bob, &form).await.ok();
    put(&house, "/project/edit/alice/tools", &bob, json!({}))
        .await
        .error(403);
    put(&house, SET, &bob, json!({"bob": {"admin": "approved"}}))
        .await
        .error(403);
    // An admin changes it, but does not own it.
    put(&house, SET, &alice, json!({"bob": {"admin": "approved"}}))
        .await
        .ok();
    put(
        &house,
        "/project/edit/alice/tools",
        &bob,
        json!({"description": "of bob"}),
    )
    .await
    .ok();
    let delete = "/project/delete/alice/tools";
    put(&house, delete, &bob, json!({"verify": true}))
        .await
        .error(405);
    house
        .send("DELETE", delete, Some(&bob), json!({"verify": true}))
        .await
        .error(403);

    // Who asks again keeps what they have; who gives it up has nothing.
    assert_eq!(
        put(&house, REQUEST, &bob, json!({"admin": true})).await.ok(),
        json!({"updated": false})
    );
    put(&house, REQUEST, &bob, json!({"admin": false, "builder": false}))
        .await
        .ok();
    assert!(!may("bob").await);
    house.send("GET", GET, Some(&alice), json!({})).await.error(404);
}

async fn put_build(house: &House, person: &Person, form: &Value) -> Answer {
    house
        .send("POST", "/build/check-before-build", Some(person), form.clone())
        .await
}

#[tokio::test]
async fn mistakes_change_nothing() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let bob = house.person("bob", false).await;
    house.project(&alice, "tools").await;
    for (body, said) in [
        (json!({}), "Name 1 to"),
        (
            json!({"bob": {"builder": "approved"}, "ghost": {"builder": "approved"}}),
            "user 'ghost' doesn't exist in database",
        ),
        (json!({"a/b": {"builder": "approved"}}), "doesn't exist"),
        (
            json!({"bob": {"owner": "approved"}}),
            "invalid permission 'owner'",
        ),
        (json!({"bob": {"builder": "yes"}}), "invalid state 'yes'"),
        (json!({"bob": {"builder": 2}}), "A state is a text"),
        (json!({"bob": "approved"}), "Not an object"),
        (json!({"alice": {"builder": "approved"}}), "is owner of the"),
    ] {
        let text = put(&house, SET, &alice, body).await.error(400);
        assert!(text.contains(said), "{said}: {text}");
    }
    for (person, body) in [
        (&bob, json!({})),
        (&bob, json!({"owner": true})),
        (&bob, json!({"builder": "maybe"})),
        (&alice, json!({"builder": true})),
    ] {
        put(&house, REQUEST, person, body).await.error(400);
    }
    house.send("GET", GET, Some(&alice), json!({})).await.error(404);
    house
        .get("/project/permissions/can_build_in/ghost/alice/tools")
        .await
        .error(404);
    house
        .get("/project/permissions/can_build_in/bob/alice/ghost")
        .await
        .error(404);
}
