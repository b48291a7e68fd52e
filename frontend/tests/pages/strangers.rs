//! Every form that changes something, sent by those who may not, and with what makes no sense.

use std::collections::BTreeMap;

use frontend::pages::twins::TWINS;

use crate::house::{Browser, CHROOT, House, location};

/// What people do for themselves, whoever they are.
const OWN: &[&str] = &[
    "/logout",
    "/api/new/",
    "/groups/add/",
    "/coprs/add/",
    "/coprs/{owner}/{project}/permissions/request/",
];

/// Forms with a box or a list only, whose unknown values are the same as none.
const TAKES_ANYTHING: &[&str] = &[];

/// A value that no field takes.
const NONSENSE: &str = "\u{0}<b>\u{7} ☃ no sense";

/// Forms of pages: where each is sent, and the names of its fields.
type Forms = BTreeMap<String, Vec<String>>;

/// The forms of a page that post.
fn forms(html: &str, found: &mut Forms) {
    let value = |text: &str, name: &str| {
        let (_, rest) = text.split_once(&format!("{name}=\""))?;
        Some(rest.split('"').next().unwrap_or_default().replace("&#x2F;", "/"))
    };
    for form in html.split("<form").skip(1) {
        let form = form.split("</form>").next().unwrap_or_default();
        let (head, inside) = form.split_once('>').unwrap();
        if !head.contains("method=\"post\"") {
            continue;
        }
        let mut names: Vec<String> = inside
            .split('<')
            .filter(|tag| {
                ["input", "select", "textarea", "button"]
                    .iter()
                    .any(|t| tag.starts_with(t))
            })
            .filter_map(|tag| value(tag.split('>').next().unwrap_or_default(), " name"))
            .filter(|name| name != "csrf")
            .collect();
        names.sort();
        names.dedup();
        let action = value(head, "action").unwrap();
        found.insert(action.split('?').next().unwrap_or_default().to_owned(), names);
    }
}

struct Scene {
    house: House,
    alice: Browser,
    mallory: Browser,
    forms: Forms,
}

impl Scene {
    async fn new() -> Self {
        let house = House::new().await;
        let alice = house.browser_of("alice").await;
        let mallory = house.browser_of("mallory").await;
        house.browser_of("bob").await;
        let path = alice.make_project("tools").await;
        location(alice.post("/groups/add/", &[("name", "sig")]).await).await;
        let bob = [("username", "bob"), ("role", "member")];
        location(alice.post("/groups/sig/members/set/", &bob).await).await;
        alice.post("/api/new/", &[("name", "laptop")]).await;
        let scm = [
            ("package_name", "hello"),
            ("clone_url", "https://example.org/hello.git"),
        ];
        location(alice.post(&format!("{path}add_package/scm/"), &scm).await).await;
        let builds = [
            (
                "urls",
                "https://example.org/a-1-1.src.rpm https://example.org/b-1-1.src.rpm",
            ),
            ("chroots", CHROOT),
        ];
        location(alice.post(&format!("{path}add_build/url/"), &builds).await).await;
        let mut ids: Vec<i64> = house.builds().await.iter().map(|b| b.id.0).collect();
        ids.sort_unstable();
        let [waits, canceled] = ids.as_slice() else {
            panic!("two builds and not {ids:?}")
        };
        location(alice.post(&format!("{path}build/{canceled}/cancel/"), &[]).await).await;
        let delivery = Self::deliver(&house, &alice, &path).await;
        db::testing::two_snapshots(&mut *house.conn().await, "tools", CHROOT)
            .await
            .unwrap();
        let mut found = Forms::new();
        for page in [
            "/".to_owned(),
            "/api/".to_owned(),
            "/groups/".to_owned(),
            "/coprs/add/".to_owned(),
            "/coprs/@sig/".to_owned(),
            path.clone(),
            format!("{path}permissions/"),
            format!("{path}keys/"),
            format!("{path}edit/"),
            format!("{path}delete/"),
            format!("{path}add_build/"),
            format!("{path}import/"),
            format!("{path}build/{waits}/"),
            format!("{path}build/{canceled}/"),
            format!("{path}build/{canceled}/delete/"),
            format!("{path}add_package/scm/"),
            format!("{path}package/hello/"),
            format!("{path}package/hello/edit/scm/"),
            format!("{path}webhooks/"),
            format!("{path}webhooks/{delivery}/"),
            format!("{path}snapshots/"),
        ] {
            forms(&alice.page(&page).await, &mut found);
        }
        forms(&mallory.page(&format!("{path}permissions/")).await, &mut found);
        Self {
            house,
            alice,
            mallory,
            forms: found,
        }
    }

    /// A ping of a forge; its number.
    async fn deliver(house: &House, alice: &Browser, path: &str) -> i64 {
        let page = alice
            .page(&format!("{path}webhooks/"))
            .await
            .replace("&#x2F;", "/");
        let (_, rest) = page.split_once("/webhooks/github/").unwrap();
        let key = rest.split(['<', '"']).next().unwrap();
        let answer = house
            .anonymous()
            .request(reqwest::Method::POST, &format!("/webhooks/github/{key}"))
            .header("X-GitHub-Event", "ping")
            .header("Content-Type", "application/json")
            .body("{}")
            .send()
            .await
            .unwrap();
        let told: serde_json::Value = answer.json().await.unwrap();
        told["delivery"].as_i64().unwrap()
    }

    /// Changes with every change: each leaves a line in the history.
    async fn state(&self) -> i64 {
        let all = db::audit::list(&mut *self.house.conn().await, None, false, 1, 0).await;
        all.unwrap()[0].id
    }

    /// Sends all forms; gives those that were answered otherwise than `expected`, or changed something.
    async fn send(
        &self,
        browser: &Browser,
        csrf: Option<&str>,
        leave_out: &[&str],
        value: &str,
        expected: &[u16],
    ) -> Vec<String> {
        let mut wrong = Vec::new();
        for (action, names) in &self.forms {
            let twin = TWINS.iter().find(|t| t.takes(action)).unwrap();
            if leave_out.contains(&twin.form) {
                continue;
            }
            let before = self.state().await;
            let mut fields: Vec<(&str, &str)> = csrf.map(|c| ("csrf", c)).into_iter().collect();
            fields.extend(names.iter().map(|name| (name.as_str(), value)));
            let answer = if twin.form.ends_with("/upload/") {
                let parts: Vec<(&str, Option<&str>, &[u8])> = fields
                    .iter()
                    .map(|(name, value)| (*name, (*name == "pkgs").then_some("x.src.rpm"), value.as_bytes()))
                    .collect();
                browser.post_parts(action, &parts).await
            } else {
                browser.post_raw(action, &fields).await
            };
            let status = answer.status().as_u16();
            if !expected.contains(&status) || self.state().await != before {
                let text = answer.text().await.unwrap();
                let said: String = text
                    .chars()
                    .rev()
                    .take(300)
                    .collect::<String>()
                    .chars()
                    .rev()
                    .collect();
                wrong.push(format!("{action} {names:?}: {status} {said}"));
            }
        }
        wrong
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_denies_by_default() {
    let scene = Scene::new().await;
    for twin in TWINS {
        assert!(
            scene.forms.keys().any(|action| twin.takes(action)),
            "show a page with the form {}: {:?}",
            twin.form,
            scene.forms.keys()
        );
    }
    let nobody = scene.house.anonymous();
    let mallory = scene.mallory.csrf().await;
    let alice = scene.alice.csrf().await;
    for value in ["alice", NONSENSE] {
        let wrong = scene.send(&nobody, None, &[], value, &[403]).await;
        assert!(wrong.is_empty(), "nobody: {wrong:#?}");
        let wrong = scene.send(&nobody, Some(&alice), &[], value, &[403]).await;
        assert!(wrong.is_empty(), "nobody with a stolen mark: {wrong:#?}");
        let wrong = scene.send(&scene.alice, None, &[], value, &[403]).await;
        assert!(wrong.is_empty(), "without the form's mark: {wrong:#?}");
        let wrong = scene.send(&scene.alice, Some(&mallory), &[], value, &[403]).await;
        assert!(wrong.is_empty(), "with another session's mark: {wrong:#?}");
        let wrong = scene
            .send(&scene.mallory, Some(&mallory), OWN, value, &[403, 404])
            .await;
        assert!(wrong.is_empty(), "a stranger: {wrong:#?}");
    }
    assert!(
        scene.alice.page("/").await.contains(">alice</a>"),
        "still signed in"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_in_every_field_changes_nothing() {
    let mut scene = Scene::new().await;
    // Without fields there is nothing to get wrong.
    scene.forms.retain(|_, names| !names.is_empty());
    let alice = scene.alice.csrf().await;
    let wrong = scene
        .send(&scene.alice, Some(&alice), TAKES_ANYTHING, NONSENSE, &[400, 404])
        .await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_package_is_one_of_its_twin() {
    let house = House::new().await;
    let alice = house.browser_of("alice").await;
    let path = alice.make_project("tools").await;
    let scm = [
        ("package_name", "hello"),
        ("clone_url", "https://example.org/hello.git"),
    ];
    location(alice.post(&format!("{path}add_package/scm/"), &scm).await).await;
    let routes = frontend::api_3::routes();
    let mut found = Forms::new();
    for kind in ["scm", "distgit", "pypi", "rubygems", "custom"] {
        forms(
            &alice.page(&format!("{path}add_package/{kind}/")).await,
            &mut found,
        );
        forms(
            &alice.page(&format!("{path}package/hello/edit/{kind}/")).await,
            &mut found,
        );
    }
    found.retain(|action, _| action.starts_with(&path));
    assert_eq!(found.len(), 10, "{found:?}");
    for (action, names) in &found {
        let (method, twin) = TWINS.iter().find(|t| t.takes(action)).unwrap().operation.unwrap();
        let route = routes
            .iter()
            .find(|r| r.path == twin && r.reads.methods.contains(&method))
            .unwrap();
        let known: Vec<&str> = route.reads.body.iter().map(|f| f.name).collect();
        assert!(names.len() > 3, "{action}: {names:?}");
        for name in names {
            assert!(
                known.contains(&name.as_str()) || name == "boxes",
                "{action}: {name} is no field of {twin}: {known:?}"
            );
        }
    }
}
