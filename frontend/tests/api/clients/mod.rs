//! The unmodified clients against a frontend: what needs no build in a VM.

mod batches;
mod builds;
mod calls;
mod chroots;
mod commands;
mod dnf;
mod dnf5;
mod downloads;
mod ends;
mod foreign;
mod live_log;
mod packages;
mod packit;
mod paging;
mod permissions;
mod projects;
mod set;

use std::path::PathBuf;
use std::process::Command;

use testkit::{Copr, Ran};

use crate::house::{CHROOT, House, Person};

/// A frontend that clients on this machine reach under the URLs that it hands out.
pub async fn house() -> House {
    house_with(|_| {}).await
}

/// The same with other settings.
pub async fn house_with(change: impl FnOnce(&mut frontend::Config)) -> House {
    House::with(|config| {
        change(config);
        for (listen, url, tail) in [
            (&mut config.listen, &mut config.url, ""),
            (&mut config.results_listen, &mut config.results_url, "/results"),
        ] {
            // The frontend has to know its URLs before it binds.
            *listen = ([127, 0, 0, 1], testkit::free_port().unwrap()).into();
            *url = format!("http://{listen}{tail}");
        }
    })
    .await
}

/// What a user's `~/.config/copr` holds.
pub fn config(house: &House, person: &Person) -> String {
    format!(
        "[copr-cli]\nlogin = {}\nusername = {}\ntoken = {}\ncopr_url = http://{}\nencrypted = False\n",
        person.login, person.user.name, person.token, house.addresses.web
    )
}

/// `copr-cli` as this user runs it.
pub fn copr(house: &House, person: &Person) -> Copr {
    Copr::with_config(&config(house, person)).unwrap()
}

/// A frontend, alice, and her `copr-cli`, which has made the project `tools`.
pub async fn tools() -> (House, Person, Copr) {
    let house = house().await;
    let alice = house.person("alice", false).await;
    let copr = copr(&house, &alice);
    run(&copr, &["create", "tools", "--chroot", CHROOT])
        .await
        .expect_code(0);
    (house, alice, copr)
}

/// Runs `copr-cli` beside the frontend, which lives on this thread.
pub async fn run(copr: &Copr, arguments: &[&str]) -> Ran {
    let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
    let copr = copr.clone();
    tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        copr.run(&arguments).unwrap()
    })
    .await
    .unwrap()
}

/// A python script with the library `copr`; gives what it printed.
///
/// # Panics
/// With its words when it fails.
pub async fn python(house: &House, person: &Person, script: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    std::fs::write(&path, config(house, person)).unwrap();
    let mut command = Command::new(venv().join("bin/python"));
    command.arg("-c").arg(script).env("COPR_CONFIG", &path);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Where the tests' python is.
fn venv() -> PathBuf {
    testkit::venv()
}
