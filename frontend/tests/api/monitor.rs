//! The monitor, and packages with their latest builds.

use serde_json::{Value, json};

use crate::house::{CHROOT, House, OTHER_CHROOT, Person, RESULTS};
use crate::packages;

async fn house() -> (House, Person, i64) {
    let house = House::with(|config| config.list_rows = 10_000).await;
    let alice = house.person("alice", false).await;
    house.project(&alice, "tools").await;
    let build = upload(&house, &alice, "tools").await;
    (house, alice, build)
}

async fn upload(house: &House, person: &Person, dir: &str) -> i64 {
    let package = packages::source("BuildArch: noarch");
    let form = json!({"ownername": "alice", "projectname": "tools", "project_dirname": dir});
    let build = house
        .upload(Some(person), &package.name, &package.bytes, &form)
        .await
        .ok();
    build["id"].as_i64().unwrap()
}

async fn set(house: &House, sql: &str) {
    let mut conn = house.pool.get().await.unwrap();
    db::testing::execute(&mut conn, sql).await.unwrap();
}

const PROJECT: &str = "ownername=alice&projectname=tools";

#[tokio::test]
async fn the_monitor_has_copr_s_shape() {
    let (house, alice, build) = house().await;
    let failed =
        format!("UPDATE tasks SET state = 'failed' WHERE build_id = {build} AND chroot = '{CHROOT}'");
    set(&house, &failed).await;
    let plain = house.get(&format!("/monitor?{PROJECT}")).await.ok();
    assert_eq!(
        plain,
        json!({
            "output": "ok",
            "message": "Project monitor request successful",
            "packages": [{"name": "hello", "chroots": {
                CHROOT: {"state": "failed", "status": 0, "build_id": build, "pkg_version": "1.0-1"},
                OTHER_CHROOT: {"state": "pending", "status": 4, "build_id": build, "pkg_version": "1.0-1"},
            }}],
        })
    );
    let fields = "additional_fields[]=url_build_log&additional_fields%5B%5D=url_backend_log&additional_fields[]=url_build";
    let full = house.get(&format!("/monitor/?{PROJECT}&{fields}")).await.ok();
    let chroots = &full["packages"][0]["chroots"];
    let dir = format!("{RESULTS}/alice/tools/{CHROOT}/{build:08}-hello");
    assert_eq!(
        chroots[CHROOT]["url_build_log"],
        format!("{dir}/builder-live.log.gz")
    );
    assert_eq!(
        chroots[CHROOT].get("url_backend_log"),
        Some(&Value::Null),
        "there is no such file"
    );
    assert_eq!(
        chroots[CHROOT]["url_build"],
        format!("http://koper.test/coprs/alice/tools/build/{build}/")
    );
    assert_eq!(chroots[OTHER_CHROOT]["url_build_log"], Value::Null);
    assert!(
        chroots[OTHER_CHROOT]
            .as_object()
            .unwrap()
            .contains_key("url_build_log")
    );

    let wrong = house
        .get(&format!(
            "/monitor?{PROJECT}&additional_fields[]=url_build&additional_fields[]=nonsense"
        ))
        .await
        .error(400);
    assert_eq!(wrong, "Wrong additional_fields argument(s): nonsense");
    house
        .get("/monitor?ownername=alice&projectname=no")
        .await
        .error(404);
    let no_dir = format!("/monitor?{PROJECT}&project_dirname=tools:pr:1");
    house.get(&no_dir).await.error(404);
    let other = upload(&house, &alice, "tools:pr:1").await;
    let in_dir = house.get(&no_dir).await.ok();
    assert_eq!(in_dir["packages"][0]["chroots"][CHROOT]["build_id"], other);
    let main = house.get(&format!("/monitor?{PROJECT}")).await.ok();
    assert_eq!(main, plain);

    // A chroot that is disabled is not of interest any more.
    let edit = json!({"chroots": [CHROOT]});
    house
        .send("PUT", "/project/edit/alice/tools", Some(&alice), edit)
        .await
        .ok();
    let left = house.get(&format!("/monitor?{PROJECT}")).await.ok();
    assert_eq!(left["packages"][0]["chroots"].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn packages_come_with_their_latest_builds() {
    let (house, alice, first) = house().await;
    set(
        &house,
        &format!("UPDATE tasks SET state = 'succeeded' WHERE build_id = {first}"),
    )
    .await;
    let second = upload(&house, &alice, "tools").await;
    let (first_model, second_model) = (
        house.get(&format!("/build/{}", first)).await.ok(),
        house.get(&format!("/build/{}", second)).await.ok(),
    );
    let one = |with: &str| format!("/package?{PROJECT}&packagename=hello{with}");
    let bare = house.get(&one("")).await.ok();
    assert_eq!(bare["builds"], json!({"latest": null, "latest_succeeded": null}));
    let keys: Vec<&str> = bare.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "auto_rebuild",
            "builds",
            "id",
            "name",
            "ownername",
            "projectname",
            "source_dict",
            "source_type"
        ]
    );
    let both = house
        .get(&one("&with_latest_build=True&with_latest_succeeded_build=True"))
        .await
        .ok();
    assert_eq!(both["builds"]["latest"], second_model);
    assert_eq!(both["builds"]["latest_succeeded"], first_model);
    let list = house
        .get(&format!(
            "/package/list?{PROJECT}&with_latest_succeeded_build=True"
        ))
        .await
        .ok();
    assert_eq!(
        list["items"][0]["builds"],
        json!({"latest": null, "latest_succeeded": first_model})
    );
    assert_eq!(list["meta"]["limit"], Value::Null);
    house
        .get(&format!("/package?{PROJECT}&packagename=no"))
        .await
        .error(404);
    house
        .get("/package/list?ownername=alice&projectname=no")
        .await
        .error(404);
}

#[tokio::test]
async fn packages_are_listed_in_pages() {
    let (house, _, _) = house().await;
    set(
        &house,
        "INSERT INTO packages (project_id, name) SELECT p.id, 'p' || n FROM projects p, generate_series(1, 10000) n",
    )
    .await;
    let all = house.get(&format!("/package/list?{PROJECT}")).await.error(413);
    assert!(all.contains("limit"), "{all}");
    let page = |limit: u32, offset: u32, order: &str| {
        format!("/package/list?{PROJECT}&limit={limit}&offset={offset}&order_type={order}")
    };
    let names = |answer: Value| -> Vec<String> {
        let items = answer["items"].as_array().unwrap();
        items
            .iter()
            .map(|i| i["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(house.get(&page(2, 0, "ASC")).await.ok()), ["hello", "p1"]);
    assert_eq!(
        names(house.get(&page(2, 9_999, "ASC")).await.ok()),
        ["p9999", "p10000"]
    );
    assert_eq!(
        names(house.get(&page(2, 0, "DESC")).await.ok()),
        ["p10000", "p9999"]
    );
    assert!(names(house.get(&page(2, 10_001, "ASC")).await.ok()).is_empty());
    assert_eq!(names(house.get(&page(10_000, 1, "ASC")).await.ok()).len(), 10_000);
}
