//! Several tokens of one user.

use serde_json::{Value, json};

use crate::house::{House, Person};

fn of(made: &Value, person: &Person) -> Person {
    Person {
        user: person.user.clone(),
        login: made["api_login"].as_str().unwrap().to_owned(),
        token: made["api_token"].as_str().unwrap().to_owned(),
    }
}

#[tokio::test]
async fn tokens_have_names_and_ends_and_are_revoked_one_by_one() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let bob = house.person("bob", false).await;
    // As the page does it, whose session has no end to hand on.
    let page = crate::scopes::limited(&house, &alice, "page", None, None).await;
    let add = async |body: Value| house.send("POST", "/token/add", Some(&page), body).await;
    let laptop = add(json!({"name": "laptop", "days": 30})).await.ok();
    assert_eq!(laptop["expiration"], "2026-12-21");
    let pipeline = add(json!({"name": "pipeline", "days": "0"})).await.ok();
    assert_eq!(
        (&pipeline["expiration"], &pipeline["expires_on"]),
        (&json!("never"), &Value::Null)
    );
    let whose = async |person: &Person| {
        house
            .send("GET", "/auth-check", Some(person), json!({}))
            .await
            .status
            .as_u16()
    };
    let (laptop_user, pipeline_user) = (of(&laptop, &alice), of(&pipeline, &alice));
    assert_eq!(
        [
            whose(&alice).await,
            whose(&laptop_user).await,
            whose(&pipeline_user).await
        ],
        [200, 200, 200]
    );

    house.pass(100);
    whose(&laptop_user).await;
    let listed = house
        .send("GET", "/token/list", Some(&page), json!({}))
        .await
        .ok();
    assert!(
        !listed.to_string().contains(&laptop_user.token),
        "secrets are not kept"
    );
    let items = listed["items"].as_array().unwrap();
    let used: Vec<(&str, i64)> = items
        .iter()
        .map(|t| (t["name"].as_str().unwrap(), t["last_used_on"].as_i64().unwrap()))
        .collect();
    let start = crate::house::start().timestamp();
    assert_eq!(
        used,
        [
            ("default", start),
            ("laptop", start + 100),
            ("page", start + 100),
            ("pipeline", start)
        ]
    );

    let delete = format!("/token/delete/{}", laptop["id"]);
    house
        .send("DELETE", &delete, Some(&bob), json!({}))
        .await
        .error(404);
    house.send("DELETE", &delete, Some(&alice), json!({})).await.ok();
    assert_eq!(
        [whose(&laptop_user).await, whose(&pipeline_user).await],
        [401, 200]
    );
    house
        .send("DELETE", &delete, Some(&alice), json!({}))
        .await
        .error(404);
    house.pass(400 * 86_400);
    assert_eq!([whose(&alice).await, whose(&pipeline_user).await], [401, 200]);
}

#[tokio::test]
async fn mistakes_are_named() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let add = async |body: Value| {
        house
            .send("POST", "/token/add", Some(&alice), body)
            .await
            .error(400)
    };
    for (body, said) in [
        (json!({}), "name: This field is required."),
        (json!({"name": "  "}), "name: Call the token something"),
        (json!({"name": "x".repeat(61)}), "name: Call the token something"),
        (
            json!({"name": "default"}),
            "You already have a token named 'default'",
        ),
        (
            json!({"name": "a", "days": -1}),
            "days: Number must be between 1 and 3650",
        ),
        (
            json!({"name": "a", "days": "soon"}),
            "days: Not a valid integer value",
        ),
        (
            json!({"name": "a", "projects": ["tools"]}),
            "name a project as owner/name",
        ),
        (json!({"name": "a", "projects": {}}), "projects: Not a valid list"),
        (
            json!({"name": "a", "actions": ["fly"]}),
            "actions: 'fly' is not a valid choice",
        ),
    ] {
        let text = add(body).await;
        assert!(text.contains(said), "{said}: {text}");
    }
}
