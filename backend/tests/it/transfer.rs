//! K29: a project changes hands, and machines that use it notice nothing.

use crate::house::House;
use crate::machine::Machine;

const TO_GROUP: &str = r#"
import os, requests
from copr.v3.helpers import config_from_file

config = config_from_file(os.environ["COPR_CONFIG"])
for path, body in [("/group/add", {"name": "sig"}), ("/project/transfer/alice/tools", {"to": "@sig"})]:
    answer = requests.post(config["copr_url"] + "/api_3" + path, json=body, auth=(config["login"], config["token"]))
    assert answer.status_code == 200, answer.text
"#;

#[tokio::test(flavor = "multi_thread")]
async fn machines_upgrade_from_a_project_that_changed_hands() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    let tools = house.make(&alice, "alice", "tools").await;
    house.build(&tools, "tools", "motd", "1.0").await;
    let machine = Machine::new(&house, "alice", "tools").await;
    machine.install("motd").await;
    assert_eq!(machine.reads("motd"), "1.0");

    house.python("alice", TO_GROUP).await;
    let given = house.project("alice", "tools").await;
    assert_eq!(given.holder.as_str(), "@sig");
    assert_eq!(given.public_key, tools.public_key);
    // With what a builder is told now: the release's mark and the vendor have to be the same, or this fails.
    house.build(&given, "tools", "motd", "2.0").await;
    let (done, said) = machine.dnf(&["upgrade"]).await;
    assert!(done, "{said}");
    assert!(!said.contains("Importing GPG key"), "{said}");
    assert_eq!(machine.reads("motd"), "2.0");
}
