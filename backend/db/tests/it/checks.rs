//! Checks of snapshots: who gets one, how one ends, and what becomes of those that nobody needs any more.

use chrono::TimeDelta;
use db::checks::{self, Check, CheckState, Claimed};
use db::projects::Project;
use db::quotas::{self, Limits};
use db::repositories::{self, Repository};
use db::snapshots::{self, Audience, NewSnapshot};
use db::{Connection, events, gates, projects, retention};
use protocol::{DirName, FailureKind, Outcome, TaskId};

use crate::support::{CHROOT, after, claimer, lease, pool, project, start};

async fn repository(conn: &mut Connection, owner: &str) -> (Project, Repository) {
    let (_, project) = project(conn, owner, "tools").await;
    let dir = DirName::from(project.name.clone());
    let chroot = CHROOT.parse().unwrap();
    let repository = repositories::ensure(conn, project.id, &dir, &chroot)
        .await
        .unwrap();
    (project, repository)
}

/// Publishes one more package, with a check.
async fn publish(conn: &mut Connection, repository: &Repository) -> i64 {
    let base = repositories::by_id(conn, repository.id).await.unwrap().unwrap();
    let number = snapshots::reserve(conn, base.id).await.unwrap();
    let content: Vec<i64> = (1..=number).collect();
    let new = NewSnapshot {
        repository: &base,
        parent: base.current_snapshot,
        number,
        cause: "test",
        actor: None,
        content: &content,
        added: &[number],
        removed: &[],
        repomd_sha256: "x",
        signed_by: "",
        audience: &Audience::Everybody,
        request: None,
        check: true,
    };
    assert!(snapshots::publish(conn, &new, start()).await.unwrap());
    number
}

async fn claim(conn: &mut Connection, seconds: i64) -> Option<Claimed> {
    checks::claim(conn, &claimer("one"), after(seconds), lease())
        .await
        .unwrap()
}

async fn finish(conn: &mut Connection, claimed: &Claimed, outcome: &Outcome) -> bool {
    checks::finish(conn, TaskId(claimed.id), claimed.attempt, outcome, after(5))
        .await
        .unwrap()
}

async fn check(conn: &mut Connection, repository: &Repository, number: i64) -> Check {
    let mut all = checks::of_snapshots(conn, repository.id, &[number])
        .await
        .unwrap();
    all.remove(0)
}

fn failed(kind: FailureKind, message: &str) -> Outcome {
    Outcome::Failed {
        kind,
        message: message.to_owned(),
    }
}

#[tokio::test]
async fn a_check_ends_with_a_word_on_the_packages_or_none() {
    let pool = pool(1).await;
    let conn = &mut pool.get().await.unwrap();
    let (_, repository) = repository(conn, "alice").await;
    let missing = failed(FailureKind::Uninstallable, "nothing provides libfoo");
    for (outcome, state, message) in [
        (Outcome::Succeeded, CheckState::Passed, ""),
        (missing, CheckState::Failed, "nothing provides libfoo"),
        (
            failed(FailureKind::TimedOut, "took longer than 900 s"),
            CheckState::Error,
            "took longer than 900 s",
        ),
    ] {
        let number = publish(conn, &repository).await;
        assert_eq!(check(conn, &repository, number).await.state, CheckState::Waiting);
        let claimed = claim(conn, 1).await.unwrap();
        assert_eq!(
            (claimed.repository_id, claimed.snapshot, claimed.attempt),
            (repository.id, number, 1)
        );
        assert_eq!(claim(conn, 1).await, None, "it is handed out once");
        assert_eq!(check(conn, &repository, number).await.state, CheckState::Running);
        assert!(finish(conn, &claimed, &outcome).await);
        assert!(!finish(conn, &claimed, &outcome).await, "it has ended");
        let ended = check(conn, &repository, number).await;
        assert_eq!((ended.state, ended.message.as_str()), (state, message));
        assert_eq!(ended.ended_at, Some(after(5)));
    }
    // What is known of packages is a result of a test, and what is not is none.
    let results = gates::of_repository(conn, repository.id, 10).await.unwrap();
    let results: Vec<(Option<i64>, bool, &str)> = results
        .iter()
        .map(|r| (r.snapshot, r.passed, r.testcase.as_str()))
        .collect();
    assert_eq!(
        results,
        [
            (Some(2), false, checks::TESTCASE),
            (Some(1), true, checks::TESTCASE)
        ]
    );
    let told: Vec<String> = events::unsent(conn, 100)
        .await
        .unwrap()
        .into_iter()
        .filter(|event| event.topic == "koper.snapshot.checked")
        .map(|event| {
            format!(
                "{} {} {}",
                event.body["copr"], event.body["snapshot"], event.body["result"]
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            r#""tools" 1 "passed""#,
            r#""tools" 2 "failed""#,
            r#""tools" 3 "error""#
        ]
    );
}

#[tokio::test]
async fn trouble_of_the_service_is_tried_again_and_then_said() {
    let pool = pool(1).await;
    let conn = &mut pool.get().await.unwrap();
    let (_, repository) = repository(conn, "alice").await;
    let number = publish(conn, &repository).await;
    let first = claim(conn, 0).await.unwrap();
    let trouble = failed(FailureKind::Builder, "the VM did not boot");
    assert!(finish(conn, &first, &trouble).await);
    assert_eq!(check(conn, &repository, number).await.state, CheckState::Waiting);
    assert_eq!(claim(conn, 6).await, None, "not at once");

    // The builder dies: somebody else gets it when the lease is over, and it may say nothing more.
    let second = claim(conn, 10).await.unwrap();
    let id = TaskId(second.id);
    assert!(checks::heartbeat(conn, id, 2, after(100)).await.unwrap());
    assert_eq!(checks::expire_leases(conn, after(99)).await.unwrap(), 0);
    assert_eq!(checks::expire_leases(conn, after(101)).await.unwrap(), 1);
    assert!(!checks::heartbeat(conn, id, 2, after(200)).await.unwrap());
    assert!(!checks::is_held(conn, id, 2).await.unwrap());
    assert!(!finish(conn, &second, &Outcome::Succeeded).await);

    // A builder that stops hands it back, which does not count.
    let third = claim(conn, 102).await.unwrap();
    assert!(checks::refuse(conn, id, 3, "stopped", after(103)).await.unwrap());
    let fourth = claim(conn, 110).await.unwrap();
    assert_eq!((third.attempt, fourth.attempt), (3, 4));
    assert!(finish(conn, &fourth, &trouble).await);
    let ended = check(conn, &repository, number).await;
    assert_eq!(
        (ended.state, ended.message.as_str()),
        (CheckState::Error, "the VM did not boot")
    );
    assert_eq!(gates::of_repository(conn, repository.id, 10).await.unwrap(), []);
}

#[tokio::test]
async fn what_has_been_replaced_is_not_checked_and_what_goes_takes_its_check_along() {
    let pool = pool(1).await;
    let conn = &mut pool.get().await.unwrap();
    let (alices, repository) = repository(conn, "alice").await;
    let first = publish(conn, &repository).await;
    let running = claim(conn, 1).await.unwrap();
    assert_eq!(running.snapshot, first);
    let second = publish(conn, &repository).await;
    let third = publish(conn, &repository).await;
    // While it is checked, a snapshot and the one before it stay.
    let uses = retention::uses(conn, repository.id).await.unwrap();
    assert!(uses.named.contains(&first) && !uses.named.contains(&second));

    let next = claim(conn, 2).await.unwrap();
    assert_eq!(next.snapshot, third);
    let skipped = check(conn, &repository, second).await;
    assert_eq!(skipped.state, CheckState::Skipped);
    assert!(skipped.message.contains("taken its place"), "{}", skipped.message);

    publish(conn, &repository).await;
    projects::delete(conn, &alices, "alice", after(3)).await.unwrap();
    assert_eq!(claim(conn, 4).await, None);
    for claimed in [&running, &next] {
        let id = TaskId(claimed.id);
        assert!(
            !checks::heartbeat(conn, id, claimed.attempt, after(60))
                .await
                .unwrap()
        );
    }
}

#[tokio::test]
async fn checks_keep_to_chroots_and_quotas() {
    let pool = pool(1).await;
    let conn = &mut pool.get().await.unwrap();
    let (_, alices) = repository(conn, "alice").await;
    let (_, bobs) = repository(conn, "bob").await;
    publish(conn, &alices).await;
    let mut elsewhere = claimer("arm");
    elsewhere.arches = vec!["aarch64".to_owned()];
    let got = checks::claim(conn, &elsewhere, start(), lease()).await.unwrap();
    assert_eq!(got, None);
    let one = Limits {
        concurrent_builds: Some(1),
        ..Limits::default()
    };
    quotas::set_service(conn, &one, 1).await.unwrap();
    assert_eq!(claim(conn, 0).await.unwrap().repository_id, alices.id);
    publish(conn, &alices).await;
    publish(conn, &bobs).await;
    // As many of alice's run as may.
    assert_eq!(claim(conn, 0).await.unwrap().repository_id, bobs.id);
    assert_eq!(claim(conn, 0).await, None);
}

/// A failed check holds what was to come to users by itself, until a later snapshot has passed.
#[tokio::test]
async fn a_failed_check_holds_a_release() {
    let pool = pool(1).await;
    let conn = &mut pool.get().await.unwrap();
    let (_, repository) = repository(conn, "alice").await;
    publish(conn, &repository).await;
    let passed = gates::NewResult {
        repository: repository.id,
        tested: gates::Tested::Snapshot(1),
        passed: true,
        url: "",
        message: "",
        actor: "alice",
        added: &[1],
        removed: &[],
        devel_mode: true,
        release_after_hours: Some(1),
        object: "repository:alice/tools/sample",
    };
    gates::record(conn, &[passed], start()).await.unwrap();
    let claimed = claim(conn, 0).await.unwrap();
    finish(conn, &claimed, &failed(FailureKind::Uninstallable, "no")).await;
    let later = start() + TimeDelta::hours(2);
    assert_eq!(gates::release(conn, later).await.unwrap(), 0);
    let results = gates::of_repository(conn, repository.id, 10).await.unwrap();
    assert!(results[1].held && results[1].testcase.is_empty());
    publish(conn, &repository).await;
    let claimed = claim(conn, 0).await.unwrap();
    finish(conn, &claimed, &Outcome::Succeeded).await;
    assert_eq!(gates::release(conn, later).await.unwrap(), 1);
}
