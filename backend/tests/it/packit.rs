//! What Packit does with python's `copr` once something is published; everything before that is in the
//! frontend's tests.

use crate::house::{CHROOT, House};

const BEGIN: &str = r#"
import os
from copr.v3 import Client
from copr.v3.helpers import config_from_file

client = Client(config_from_file(os.environ["COPR_CONFIG"]))
owner, name = "alice", "packit-hello-12"
client.project_proxy.add(ownername=owner, projectname=name, chroots=[chroot], description="Continuous builds", exist_ok=True)
client.project_chroot_proxy.edit(ownername=owner, projectname=name, chrootname=chroot,
    additional_packages=["make"], additional_repos=["copr://alice/base"])
settings = client.project_chroot_proxy.get(ownername=owner, projectname=name, chrootname=chroot)
assert settings.additional_packages == ["make"], settings
assert settings.additional_repos == ["copr://alice/base"], settings
client.project_chroot_proxy.edit(ownername=owner, projectname=name, chrootname=chroot,
    additional_packages=[], additional_repos=[])
build = client.build_proxy.create_from_file(ownername=owner, projectname=name, path=srpm, buildopts={"chroots": [chroot]})
print(build.id)
"#;

const END: &str = r#"
import os, requests
from copr.v3 import Client
from copr.v3.helpers import config_from_file

client = Client(config_from_file(os.environ["COPR_CONFIG"]))
build = client.build_proxy.get(number)
assert build.state == "succeeded", build
part = client.build_chroot_proxy.get(build_id=build.id, chrootname=chroot)
assert part.state == "succeeded", part
folder = f"{build.repo_url}/{chroot}/{build.id:08d}-{build.source_package['name']}/"
assert part.result_url == folder, (part.result_url, folder)
made = client.build_chroot_proxy.get_built_packages(build.id, chroot)["packages"]
assert [(p["name"], p["version"], p["arch"]) for p in made] == [("hello", "1.0", "noarch")], made
assert client.build_proxy.get_built_packages(build.id)[chroot]["packages"] == made
nevra = made[0]
log = requests.get(folder + "builder-live.log")
assert log.status_code == 200 and "+ rpmbuild" in log.text, (log.status_code, log.text)
rpm = requests.get(folder + "{name}-{version}-{release}.{arch}.rpm".format(**nevra))
assert rpm.status_code == 200 and rpm.content[:4] == b"\xed\xab\xee\xdb", rpm.status_code
print("done")
"#;

#[tokio::test(flavor = "multi_thread")]
async fn packit_finds_what_was_published() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    crate::house::run(&alice, &["create", "base", "--chroot", CHROOT])
        .await
        .expect_code(0);
    let srpm = house.source("hello", "1.0").await;
    let said = house
        .python("alice", &format!("chroot, srpm = {CHROOT:?}, {srpm:?}\n{BEGIN}"))
        .await;
    let number = said.trim().parse().unwrap();
    let project = house.project("alice", "packit-hello-12").await;
    house.build_waiting(&project, "hello", "1.0").await;
    let build = house
        .wait(protocol::BuildId(number), |build| build.is_final())
        .await;
    assert_eq!(build.state(), "succeeded", "{:?}", build.tasks);
    let said = house
        .python("alice", &format!("chroot, number = {CHROOT:?}, {number}\n{END}"))
        .await;
    assert_eq!(said, "done\n");
}
