//! Wrong token, another's project, forged forms, lost leases: refused, and nothing changed.

use reqwest::StatusCode;
use serde_json::json;
use testkit::{CHROOT, Copr, Service, srpm};

use crate::support::{get, project};

#[tokio::test]
async fn a_wrong_token_uploads_nothing() {
    let service = Service::shared().unwrap();
    project(&Copr::admin(&service), "guarded").unwrap();
    let right = fs_err::read_to_string(service.copr_config()).unwrap();
    let token = right.lines().find_map(|l| l.strip_prefix("token = ")).unwrap();
    let wrong = Copr::with_config(&right.replace(token, "0123456789")).unwrap();
    let ran = wrong
        .run(&["build", "admin/guarded", srpm("tally").unwrap().arg()])
        .unwrap()
        .expect_code(1);
    assert!(
        ran.err.contains("Login invalid/expired") && !ran.out.contains("Uploading package"),
        "{ran:?}"
    );
}

#[tokio::test]
async fn anothers_project_is_out_of_reach() {
    let service = Service::shared().unwrap();
    let admin = Copr::admin(&service);
    project(&admin, "mine").unwrap();
    let stranger = Copr::user(&service, "mallory").unwrap();
    let ran = stranger
        .run(&["build", "admin/mine", srpm("tally").unwrap().arg()])
        .unwrap()
        .expect_code(7);
    assert!(
        ran.err
            .contains("You don't have permissions to build in this copr."),
        "{ran:?}"
    );
    stranger.run(&["delete", "admin/mine"]).unwrap().expect_code(7);
    let ran = stranger
        .run(&["modify", "admin/mine", "--description", "taken"])
        .unwrap()
        .expect_code(7);
    assert!(
        ran.err
            .contains("Only owners and admins may update their projects."),
        "{ran:?}"
    );
    let mine = get(&service, "project?ownername=admin&projectname=mine")
        .await
        .unwrap();
    assert_eq!(mine["description"], "");
    let builds = get(&service, "build/list?ownername=admin&projectname=mine")
        .await
        .unwrap();
    assert_eq!(builds["items"], json!([]));
}

/// A page elsewhere that makes a signed-in browser post a form gets nowhere.
#[tokio::test]
async fn a_forged_form_changes_nothing() {
    let service = Service::shared().unwrap();
    let link = service.login_link("forgetful").unwrap();
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let signed_in = client.get(&link).send().await.unwrap();
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap().to_owned();
    for token in ["", "csrf=guess&"] {
        let form = format!("{token}name=forged&chroots={CHROOT}");
        let answer = client
            .post(format!("{}/coprs/add/", service.url()))
            .header("cookie", &cookie)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_client_error(), "{}", answer.status());
    }
    // A cookie never stands for a token in the API.
    let answer = client
        .post(format!("{}/api_3/project/add/forgetful", service.url()))
        .header("cookie", &cookie)
        .json(&json!({"name": "forged", "chroots": [CHROOT]}))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    let found = get(&service, "project?ownername=forgetful&projectname=forged")
        .await
        .unwrap();
    assert!(found["error"].is_string(), "{found}");
    // The link works once.
    let again = client.get(&link).send().await.unwrap();
    assert!(
        again.headers().get("set-cookie").is_none(),
        "{:?}",
        again.headers()
    );
}

/// A builder that presents a lease that is not its own, or no token at all, is told so and changes nothing.
#[tokio::test]
async fn a_lease_that_is_not_ones_own_is_refused() {
    let service = Service::shared().unwrap();
    let token = fs_err::read_to_string(service.data().join("secrets/builder-token")).unwrap();
    let client = reqwest::Client::builder().build().unwrap();
    let finish = json!({"outcome": {"outcome": "succeeded"}, "artifacts": [], "boot_ms": null});
    let calls = [
        ("heartbeat", json!({"phase": "building"})),
        ("finish", finish),
        ("uploads", json!({"files": []})),
        ("refuse", json!({"reason": "mine"})),
    ];
    for (call, body) in calls {
        let url = format!("{}/v1/tasks/1/attempts/999/{call}", service.builder_url());
        let nobody = client.post(&url).json(&body).send().await.unwrap();
        assert_eq!(nobody.status(), StatusCode::UNAUTHORIZED, "{call}");
        let late = client
            .post(&url)
            .bearer_auth(token.trim())
            .json(&body)
            .send()
            .await
            .unwrap();
        assert_eq!(late.status(), StatusCode::GONE, "{call}");
        let said: serde_json::Value = late.json().await.unwrap();
        assert!(said["error"].is_string(), "{said}");
    }
}
