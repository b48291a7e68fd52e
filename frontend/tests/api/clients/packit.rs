//! What Packit does with python's `copr`, in its order.

use super::{house, python};
use crate::house::CHROOT;
use crate::packages;

const SCRIPT: &str = r##"
import json, os, sys
from copr.v3 import Client, CoprException, CoprNoResultException, CoprRequestException
from copr.v3.helpers import config_from_file

client = Client(config_from_file(os.environ["COPR_CONFIG"]))
owner, name, chroot, srpm = "alice", "packit-hello-12", os.environ["CHROOT"], os.environ["SRPM"]

# Chroots that there are.
assert chroot in client.mock_chroot_proxy.get_list().keys()

# A project that may exist already; the second time changes nothing.
for _ in range(2):
    project = client.project_proxy.add(ownername=owner, projectname=name, chroots=[chroot], description="Continuous builds",
        contact="https://github.com/packit/packit/issues", instructions="You can check out the upstream project",
        unlisted_on_hp=True, delete_after_days=60, exist_ok=True, additional_repos=[], bootstrap=None, module_hotfixes=False)
    assert (project.ownername, project.name) == (owner, name), project
first = project.id

# What is different is edited.
project = client.project_proxy.get(owner, name)
assert project.id == first
assert chroot in project.chroot_repos.keys()
edited = client.project_proxy.edit(ownername=owner, projectname=name, chroots=[chroot], description="Other words",
    packit_forge_projects_allowed=["https://github.com/packit/*", "gitlab.com/group/hello-?"])
assert edited.packit_forge_projects_allowed == ["github.com/packit/*", "gitlab.com/group/hello-?"], edited
assert edited.description == "Other words"
try:
    client.project_proxy.get(owner, "missing")
    sys.exit("a project that is missing was found")
except CoprNoResultException as error:
    assert "does not exist" in str(error), error

# What a chroot sets.
settings = client.project_chroot_proxy.get(ownername=owner, projectname=name, chrootname=chroot)
assert settings.additional_packages == [] and settings.additional_repos == [], settings

# A source package of Packit's own making.
build = client.build_proxy.create_from_file(ownername=owner, projectname=name, path=srpm,
    buildopts={"enable_net": True, "packit_forge_project": "github.com/packit/hello", "chroots": [chroot]})
assert build.state in ("pending", "importing", "running"), build
build = client.build_proxy.get(build.id)
assert build.repo_url.endswith(f"/results/{owner}/{name}"), build.repo_url
assert build.source_package["name"] == "hello", build
assert [b.id for b in client.build_proxy.get_list(owner, name)] == [build.id]
assert client.build_proxy.get_source_chroot(build.id).state == "succeeded"
assert client.build_proxy.get_built_packages(build.id) == {} or \
    client.build_proxy.get_built_packages(build.id)[chroot]["packages"] == []
part = client.build_chroot_proxy.get(build_id=build.id, chrootname=chroot)
assert part.state == "pending", part
# It composes the address of a log by itself.
log = f"{build.repo_url}/{chroot}/{build.id:08d}-{build.source_package['name']}/builder-live.log.gz"
assert part.result_url in (None, log.rsplit("/", 1)[0] + "/"), (part.result_url, log)
canceled = client.build_proxy.cancel(build.id)
assert canceled.id == build.id
assert client.build_proxy.get(build.id).state == "canceled"
try:
    client.build_proxy.cancel(build.id)
    sys.exit("an ended build was canceled")
except CoprRequestException as error:
    assert "Cannot cancel build" in str(error), error

# Sources that are made by a script: until source builds have machines, they end at once and say so.
custom = client.build_proxy.create_from_custom(ownername=owner, projectname=name,
    script="#!/bin/bash\npackit prepare-sources --result-dir $resultdir", script_chroot=chroot,
    script_builddeps=["packit", "git"], script_resultdir="result",
    buildopts={"chroots": [chroot], "timeout": 18000})
custom = client.build_proxy.get(custom.id)
assert custom.state == "failed", custom
assert client.build_proxy.get_source_chroot(custom.id).state == "failed"
assert [b.id for b in client.build_proxy.get_list(owner, name, status="failed")] == [custom.id]

# A project that is another's: Packit asks for permission.
client.project_proxy.request_permissions("bob", "theirs", {"builder": True, "admin": True})
client.project_proxy.delete(owner, name)
print("done")
"##;

#[tokio::test]
async fn packit_finds_what_it_uses() {
    let house = house().await;
    let alice = house.person("alice", false).await;
    let bob = house.person("bob", false).await;
    house.project(&bob, "theirs").await;
    let package = packages::source("BuildArch: noarch");
    let dir = tempfile::tempdir().unwrap();
    let srpm = dir.path().join(&package.name);
    std::fs::write(&srpm, &package.bytes).unwrap();
    let script = format!(
        "import os\nos.environ['CHROOT'] = {CHROOT:?}\nos.environ['SRPM'] = {:?}\n{SCRIPT}",
        srpm.display().to_string()
    );
    let said = python(&house, &alice, &script).await;
    assert!(said.ends_with("done\n"), "{said}");
}
