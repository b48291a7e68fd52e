//! The catalogue of software in a project's metadata, as software centres read it.

use std::io::Read as _;
use std::path::Path;

use protocol::BuildId;
use serde_json::{Value, json};

use crate::api::Api;
use crate::foreign::program;
use crate::house::{CHROOT, House};
use crate::machine::Machine;

/// A package with a program, or with none; its file.
fn package(dir: &Path, name: &str, version: &str, says: Option<&str>) -> (String, Vec<u8>) {
    let metainfo = says.map(|says| {
        format!(
            "<component type=\"desktop-application\"><id>org.example.{name}</id><name>{name}</name>\
             <metadata_license>CC0-1.0</metadata_license><summary>{says}</summary></component>"
        )
    });
    let (install, file) = match &metainfo {
        Some(xml) => (
            format!(
                "mkdir -p %{{buildroot}}/usr/share/metainfo\necho '{xml}' > \
                 %{{buildroot}}/usr/share/metainfo/org.example.{name}.metainfo.xml\n"
            ),
            format!("/usr/share/metainfo/org.example.{name}.metainfo.xml\n"),
        ),
        None => (String::new(), String::new()),
    };
    let spec = dir.join("x.spec");
    fs_err::write(
        &spec,
        format!(
            "Name: {name}\nVersion: {version}\nRelease: 1\nSummary: A package\nLicense: MIT\nBuildArch: noarch\n\
             %description\nA package.\n%install\nmkdir -p %{{buildroot}}/opt\necho {version} > %{{buildroot}}/opt/{name}\n\
             {install}%files\n/opt/{name}\n{file}"
        ),
    )
    .unwrap();
    let top = format!("_topdir {}", dir.display());
    let payload = "_binary_payload w3.gzdio";
    program(
        "rpmbuild",
        &[
            "-bb",
            "--quiet",
            "-D",
            &top,
            "-D",
            payload,
            spec.to_str().unwrap(),
        ],
        dir,
    );
    let file = format!("{name}-{version}-1.noarch.rpm");
    let bytes = fs_err::read(dir.join("RPMS/noarch").join(&file)).unwrap();
    (file, bytes)
}

async fn publish(house: &House, api: &Api, file: (String, Vec<u8>)) {
    let form = json!({"ownername": "alice", "projectname": "tools", "chroots": [CHROOT]});
    let made = api.upload("/build/create/rpm-upload", &[file], &form).await;
    let build = BuildId(made["id"].as_i64().unwrap());
    let build = house.wait(build, |build| build.is_final()).await;
    assert_eq!(build.state(), "succeeded", "{:?}", build.tasks);
}

/// Name and content of the catalogue that a project's metadata names.
async fn catalogue(house: &House, project: &str) -> Option<(String, String)> {
    let base = format!("{}/alice/{project}/{CHROOT}", house.results_url);
    let repomd = reqwest::get(format!("{base}/repodata/repomd.xml")).await.unwrap();
    let xml = repomd.error_for_status().unwrap().text().await.unwrap();
    let records = repodata::read_repomd(&xml).unwrap().1;
    let record = records.into_iter().find(|record| record.kind == "appstream")?;
    let packed = reqwest::get(format!("{base}/{}", record.href)).await.unwrap();
    let packed = packed.error_for_status().unwrap().bytes().await.unwrap();
    assert_eq!(packed.len() as u64, record.size);
    let mut open = String::new();
    flate2::read::GzDecoder::new(&*packed)
        .read_to_string(&mut open)
        .unwrap();
    assert_eq!(Some(open.len() as u64), record.open_size);
    Some((record.href, open))
}

/// What AppStream's own program reads in a catalogue.
fn read(dir: &Path, xml: &str) -> String {
    let (from, to) = (dir.join("a.xml"), dir.join("a.yml"));
    fs_err::write(&from, xml).unwrap();
    program(
        "appstreamcli",
        &["convert", from.to_str().unwrap(), to.to_str().unwrap()],
        dir,
    );
    fs_err::read_to_string(&to).unwrap()
}

async fn set(house: &House, api: &Api, project: &str, appstream: bool) {
    let edit = format!("/project/edit/alice/{project}");
    let said: Value = api.done(&edit, json!({"appstream": appstream})).await;
    assert_eq!(said["appstream"], appstream);
    house.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_has_a_catalogue_of_its_software_if_it_wants_one() {
    let house = House::new().await;
    let alice = house.copr("alice").await;
    house.make(&alice, "alice", "tools").await;
    house.make(&alice, "alice", "stable").await;
    let api = house.api("alice").await;
    let dir = tempfile::tempdir().unwrap();
    publish(&house, &api, package(dir.path(), "editor", "1.9", Some("Edits"))).await;
    assert_eq!(catalogue(&house, "tools").await, None);
    // What was published before is in it as well.
    set(&house, &api, "tools", true).await;
    let (first, xml) = catalogue(&house, "tools").await.unwrap();
    let said = read(dir.path(), &xml);
    for line in [
        "Origin: alice/tools",
        "ID: org.example.editor\nPackage: editor\n",
        "  C: Edits\n",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let machine = Machine::new(&house, "alice", "tools").await;
    let (done, said) = machine.dnf(&["makecache"]).await;
    assert!(done, "{said}");
    machine.install("editor").await;

    publish(&house, &api, package(dir.path(), "plain", "1.0", None)).await;
    assert_eq!(
        catalogue(&house, "tools").await.unwrap().0,
        first,
        "it is the same"
    );
    publish(
        &house,
        &api,
        package(dir.path(), "viewer", "1.0", Some("Shows &amp; more")),
    )
    .await;
    publish(
        &house,
        &api,
        package(dir.path(), "editor", "1.10", Some("Edits better")),
    )
    .await;
    let (_, xml) = catalogue(&house, "tools").await.unwrap();
    let said = read(dir.path(), &xml);
    assert_eq!(said.matches("ID: org.example.editor").count(), 1, "{said}");
    assert!(
        said.contains("C: Edits better") && said.contains("ID: org.example.viewer"),
        "{said}"
    );

    // Another project's key, and a new one, change nothing of what packages have.
    set(&house, &api, "stable", true).await;
    let promote = json!({"into": "alice/stable", "from": "latest", "packages": "viewer"});
    api.done(&format!("/snapshot/promote/alice/tools/{CHROOT}"), promote)
        .await;
    api.done("/project/key/rotate/alice/stable", json!({})).await;
    house.settle().await;
    let (_, xml) = catalogue(&house, "stable").await.unwrap();
    assert!(
        xml.contains("org.example.viewer") && !xml.contains("editor"),
        "{xml}"
    );
    assert_eq!(
        Machine::new(&house, "alice", "stable").await.sees().await,
        ["viewer-1.0"]
    );

    set(&house, &api, "tools", false).await;
    assert_eq!(catalogue(&house, "tools").await, None);
    assert_eq!(machine.sees().await.len(), 4);
}
