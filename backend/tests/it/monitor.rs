//! The addresses that `monitor` gives, after a real publication.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::house::{CHROOT, House, run};

/// Statuses of the addresses in an answer of `monitor`, by package and field.
async fn addresses(house: &House) -> BTreeMap<(String, String), Option<u16>> {
    let fields = ["url_build_log", "url_backend_log", "url_build"];
    let asked: String = fields
        .iter()
        .map(|f| format!("&additional_fields[]={f}"))
        .collect();
    let url = format!(
        "{}/api_3/monitor?ownername=alice&projectname=tools{asked}",
        house.url
    );
    let answer = reqwest::get(url).await.unwrap().error_for_status().unwrap();
    let monitor: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let mut statuses = BTreeMap::new();
    for package in monitor["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        for field in fields {
            let status = match &package["chroots"][CHROOT][field] {
                Value::String(url) => Some(reqwest::get(url).await.unwrap().status().as_u16()),
                Value::Null => None,
                other => panic!("{field}: {other}"),
            };
            statuses.insert((name.to_owned(), field.to_owned()), status);
        }
    }
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_of_monitor_leads_somewhere() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    house.build(&tools, "tools", "motd", "1.0").await;
    // The same release again is refused: a build that fails after it was built.
    house.build(&tools, "tools", "twice", "1.0").await;
    house.build_refused(&tools, "tools", "twice", "1.0").await;
    house.settle().await;
    let statuses = addresses(&house).await;
    for package in ["motd", "twice"] {
        let status = |field: &str| statuses[&(package.to_owned(), field.to_owned())];
        assert_eq!(status("url_build"), Some(200), "{package}");
        assert_eq!(status("url_build_log"), Some(200), "{package}");
        assert_eq!(status("url_backend_log"), None, "{package}");
    }
    // The client prints what it gets.
    let text = [
        "monitor",
        "tools",
        "--output-format",
        "text",
        "--fields",
        "name,url_backend_log,url_build_log",
    ];
    let said = run(&alice, &text).await.expect_code(0);
    assert!(said.out.contains("motd"), "{}", said.out);
}
