//! Groups and what their members may.

use serde_json::{Value, json};

use crate::house::{Answer, CHROOT, House, Person};

async fn post(house: &House, path: &str, person: &Person, body: Value) -> Answer {
    house.send("POST", path, Some(person), body).await
}

#[tokio::test]
async fn a_group_holds_projects_of_which_its_members_take_care() {
    let house = House::new().await;
    let [alice, bob, carol] = ["alice", "bob", "carol"];
    let (alice, bob, carol) = (
        house.person(alice, false).await,
        house.person(bob, false).await,
        house.person(carol, false).await,
    );
    let made = post(
        &house,
        "/group/add",
        &alice,
        json!({"name": "@kde-sig", "description": "KDE"}),
    )
    .await
    .ok();
    assert_eq!(
        (&made["name"], &made["ownername"]),
        (&json!("kde-sig"), &json!("@kde-sig"))
    );
    assert_eq!(made["members"], json!([{"name": "alice", "role": "admin"}]));
    let body = json!({"username": "bob"});
    let group = post(&house, "/group/members/set/kde-sig", &alice, body.clone())
        .await
        .ok();
    assert_eq!(group["members"][1], json!({"name": "bob", "role": "member"}));

    // Both spellings of the owner, as clients send it.
    let project = json!({"name": "plasma", "chroots": [CHROOT]});
    let path = "/project/add/@kde-sig?ownername=%40kde-sig";
    let text = post(&house, path, &carol, project.clone()).await.error(403);
    assert!(text.contains("for the group '@kde-sig'"), "{text}");
    let made = post(&house, path, &bob, project).await.ok();
    assert_eq!(made["full_name"], "@kde-sig/plasma");
    assert_eq!(made["holder"], "@kde-sig");

    let edit = "/project/edit/@kde-sig/plasma";
    post(&house, edit, &alice, json!({"description": "x"})).await.ok();
    post(&house, edit, &bob, json!({"description": "y"})).await.ok();
    post(&house, edit, &carol, json!({"description": "z"}))
        .await
        .error(403);
    let build = json!({"ownername": "@kde-sig", "projectname": "plasma"});
    post(&house, "/build/check-before-build", &bob, build.clone())
        .await
        .ok();
    post(&house, "/build/check-before-build", &carol, build)
        .await
        .error(403);

    // Only admins delete, and name members.
    let delete = "/project/delete/@kde-sig/plasma";
    post(&house, delete, &bob, json!({"verify": true}))
        .await
        .error(403);
    post(
        &house,
        "/group/members/set/kde-sig",
        &bob,
        json!({"username": "carol"}),
    )
    .await
    .error(403);
    post(&house, "/group/delete/kde-sig", &alice, json!({}))
        .await
        .error(409);
    post(&house, delete, &alice, json!({"verify": true})).await.ok();
    post(&house, "/group/delete/kde-sig", &bob, json!({}))
        .await
        .error(403);
    post(&house, "/group/delete/kde-sig", &alice, json!({}))
        .await
        .ok();
    house.get("/group?groupname=kde-sig").await.error(404);
}

#[tokio::test]
async fn members_come_and_go_but_an_admin_stays() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let bob = house.person("bob", false).await;
    post(&house, "/group/add", &alice, json!({"name": "sig"}))
        .await
        .ok();
    let set = "/group/members/set/@sig";
    let remove = "/group/members/remove/sig";
    let role = |role: &str| json!({"username": "bob", "role": role});
    for (body, status) in [
        (role("owner"), 400),
        (json!({"username": "nobody-known"}), 400),
        (json!({}), 400),
    ] {
        post(&house, set, &alice, body).await.error(status);
    }
    post(&house, remove, &alice, json!({"username": "bob"}))
        .await
        .error(400);
    let last = post(&house, remove, &alice, json!({"username": "alice"}))
        .await
        .error(409);
    assert!(last.contains("last admin"), "{last}");
    let demote = json!({"username": "alice", "role": "member"});
    post(&house, set, &alice, demote.clone()).await.error(409);
    post(&house, set, &alice, role("admin")).await.ok();
    post(&house, set, &alice, demote).await.ok();
    post(&house, set, &alice, role("member")).await.error(403);
    let mine = house.get("/group/list?username=alice").await.ok();
    assert_eq!(mine["items"][0]["member_count"], 2);
    // Everybody may leave.
    post(&house, remove, &alice, json!({"username": "alice"}))
        .await
        .ok();
    assert_eq!(
        house.get("/group/list?username=alice").await.ok()["items"],
        json!([])
    );
    post(&house, "/group/edit/sig", &bob, json!({"description": "ours"}))
        .await
        .ok();
    assert_eq!(
        house.get("/group?groupname=@sig").await.ok()["description"],
        "ours"
    );
}

#[tokio::test]
async fn names_of_groups_are_checked_and_unique() {
    let house = House::new().await;
    let alice = house.person("alice", false).await;
    let add = async |name: &str| post(&house, "/group/add", &alice, json!({"name": name})).await;
    for bad in ["", "a/b", "..", "@", "a b", "@@x", "<b>"] {
        add(bad).await.error(400);
    }
    add("sig").await.ok();
    assert!(add("@sig").await.error(400).contains("already"));
    // A user's name is another name space.
    add("alice").await.ok();
}

#[tokio::test]
async fn a_service_may_keep_groups_to_its_administrators() {
    let house = House::with(|config| config.groups = frontend::config::MakesGroups::Admins).await;
    let alice = house.person("alice", false).await;
    let admin = house.person("root", true).await;
    let text = post(&house, "/group/add", &alice, json!({"name": "sig"}))
        .await
        .error(403);
    assert!(text.contains("Only administrators"), "{text}");
    post(&house, "/group/add", &admin, json!({"name": "sig"}))
        .await
        .ok();
}
