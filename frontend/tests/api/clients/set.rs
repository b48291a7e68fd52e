//! A project, its packager and a builder.

use db::tasks;
use protocol::TaskId;
use serde_json::{Value, json};
use testkit::{Copr, Ran};

use super::{copr, house, run};
use crate::house::{CHROOT, House, Person};
use crate::packages::Made;

/// A house with a project, and its packager.
pub struct Set {
    pub house: House,
    pub alice: Person,
    copr: Copr,
    pub dir: tempfile::TempDir,
}

impl Set {
    pub async fn new() -> Self {
        let house = house().await;
        let alice = house.person("alice", false).await;
        house.project(&alice, "tools").await;
        let copr = copr(&house, &alice);
        Self {
            house,
            alice,
            copr,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub fn file(&self, made: &Made) -> String {
        let path = self.dir.path().join(&made.name);
        std::fs::write(&path, &made.bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub async fn run(&self, arguments: &[&str]) -> Ran {
        run(&self.copr, arguments).await
    }

    /// Submits an upload for the chroot of the builder and does not wait for it.
    pub async fn submit(&self, file: &str, options: &[&str]) -> u64 {
        let mut arguments = vec!["build", "--nowait", "--chroot", CHROOT];
        arguments.extend(options);
        arguments.extend(["tools", file]);
        self.run(&arguments).await.expect_code(0).build()
    }

    pub async fn state(&self, build: u64) -> String {
        let build = self.house.get(&format!("/build/{build}")).await.ok();
        build["state"].as_str().unwrap().to_owned()
    }

    /// Claims all that can be claimed.
    pub async fn claim_all(&self) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let task = self.house.claim(0).await;
            if task.status.as_u16() == 204 {
                return all;
            }
            all.push(task.ok());
        }
    }

    pub async fn fail(&self, task: &Value, kind: &str) {
        let outcome = json!({"outcome": "failed", "kind": kind, "message": "it does not build"});
        self.finish(task, &outcome).await;
    }

    /// Ends a task as succeeded; the backend's part is done in the database.
    pub async fn succeed(&self, task: &Value) {
        self.finish(task, &json!({"outcome": "succeeded"})).await;
        let mut conn = self.house.pool.get().await.unwrap();
        let id = TaskId(task["id"].as_i64().unwrap());
        tasks::succeed(&mut conn, id, 1, crate::house::start())
            .await
            .unwrap();
    }

    pub async fn finish(&self, task: &Value, outcome: &Value) {
        let path = format!("/tasks/{}/attempts/{}/finish", task["id"], task["attempt"]);
        let body = json!({"outcome": outcome, "artifacts": [], "boot_ms": null});
        assert_eq!(self.house.builder(&path, &body).await.status.as_u16(), 204);
    }
}

/// Builds that tasks belong to.
pub fn numbers(tasks: &[Value]) -> Vec<u64> {
    let mut all: Vec<u64> = tasks.iter().map(|t| t["build"].as_u64().unwrap()).collect();
    all.sort_unstable();
    all
}
