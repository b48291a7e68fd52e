//! The API's frame: versions, tokens, errors, slashes, methods.

use serde_json::json;

use crate::house::{CHROOT, House, Person};

#[tokio::test]
async fn both_slash_forms_answer() {
    let house = House::new().await;
    for path in ["", "/"] {
        assert_eq!(house.get(path).await.ok(), json!({"version": 3}));
    }
    for path in ["/mock-chroots/list", "/mock-chroots/list/"] {
        assert_eq!(house.get(path).await.ok()[CHROOT], "For tests");
    }
}

#[tokio::test]
async fn what_does_not_exist_says_so_in_json() {
    let house = House::new().await;
    for path in ["/nothing", "/build/notanumber", "/build/create"] {
        let text = house.get(path).await.error(404);
        assert!(text.contains("no such endpoint"), "{text}");
    }
    house.get("/build/cancel/1").await.error(405);
    assert!(
        house
            .get("/build/99999")
            .await
            .error(404)
            .contains("does not exist")
    );
    assert!(
        house
            .get("/build/99999999999999999999")
            .await
            .error(404)
            .contains("does not exist")
    );
}

#[tokio::test]
async fn a_token_tells_who_asks_until_it_expires_or_is_replaced() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let me = house
        .send("GET", "/auth-check", Some(&alice), json!({}))
        .await
        .ok();
    assert_eq!(me, json!({"id": alice.user.id, "name": "alice"}));

    let mut wrong = alice.clone();
    wrong.token = "wrong".to_owned();
    for person in [None, Some(&wrong)] {
        let answer = house.send("GET", "/auth-check", person, json!({})).await;
        assert_eq!(answer.json["output"], "notok");
        assert!(answer.error(401).contains("Login invalid/expired"));
    }

    let new = house
        .send("POST", "/api-token", Some(&alice), json!({}))
        .await
        .ok();
    assert_eq!(new["expiration"], "2027-05-20");
    house
        .send("GET", "/auth-check", Some(&alice), json!({}))
        .await
        .error(401);
    let mut renewed = alice.clone();
    renewed.login = new["api_login"].as_str().unwrap().to_owned();
    renewed.token = new["api_token"].as_str().unwrap().to_owned();
    house
        .send("GET", "/auth-check", Some(&renewed), json!({}))
        .await
        .ok();
    house.pass(181 * 86_400);
    house
        .send("GET", "/auth-check", Some(&renewed), json!({}))
        .await
        .error(401);
}

#[tokio::test]
async fn kerberos_is_answered_with_what_to_do() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let text = house.get("/gssapi_login/").await.error(401);
    assert!(text.contains("no Kerberos") && text.contains("/api/"), "{text}");
    let me = json!({"id": alice.user.id, "name": "alice"});
    let by_token = house
        .send("GET", "/gssapi_login/", Some(&alice), json!({}))
        .await
        .ok();
    assert_eq!(by_token, me);
    let response = house
        .request("GET", "/gssapi_login", None)
        .header("Cookie", cookie(&house, &alice).await)
        .send()
        .await
        .unwrap();
    assert_eq!(response.json::<serde_json::Value>().await.unwrap(), me);
}

/// A browser's session.
async fn cookie(house: &House, person: &Person) -> String {
    let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::from_os_rng();
    let until = crate::house::start() + chrono::TimeDelta::days(1);
    let mut conn = house.pool.get().await.unwrap();
    let secret = db::users::new_session(&mut conn, person.user.id, crate::house::start(), until, &mut rng)
        .await
        .unwrap();
    format!("{}={secret}", frontend::auth::SESSION_COOKIE)
}

#[tokio::test]
async fn a_session_cookie_opens_nothing_here() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let cookie = cookie(&house, &alice).await;
    let response = house
        .request("POST", "/project/add/alice", None)
        .header("Cookie", cookie)
        .json(&json!({"name": "tools", "chroots": [CHROOT]}))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status().as_u16(), 401);
    assert_eq!(house.get("/project/list").await.ok()["items"], json!([]));
}

#[tokio::test]
async fn bodies_are_limited_and_have_to_be_objects() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let post = |body: String| {
        house
            .request("POST", "/build/check-before-build", Some(&alice))
            .body(body)
            .send()
    };
    for (body, status) in [
        ("[]".to_owned(), 400),
        ("{".to_owned(), 400),
        (String::new(), 400),
        (format!("{{\"a\": \"{}\"}}", "x".repeat(2 << 20)), 413),
    ] {
        let response = post(body).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert!(response.json::<serde_json::Value>().await.unwrap()["error"].is_string());
    }
}
