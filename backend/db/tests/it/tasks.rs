//! Claims, leases and fencing.

use std::collections::HashSet;

use chrono::TimeDelta;
use db::builds::{BuildOptions, NewBuild, Source, Target};
use db::jobs;
use db::logs::Appended;
use db::tasks::{self, TaskState};
use protocol::builder_api::Phase;
use protocol::{DirName, FailureKind, Outcome};

use crate::support::{CHROOT, HOLDER, after, build, claimer, lease, pool, project, start, upload};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_claimers_get_each_of_fifty_tasks_once() {
    let pool = pool(10).await;
    {
        let mut conn = pool.get().await.unwrap();
        let (_, project) = project(&mut conn, "alice", "tools").await;
        for _ in 0..50 {
            upload(&mut conn, &project).await;
        }
    }
    let claimers: Vec<_> = (0..8)
        .map(|n| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let mut conn = pool.get().await.unwrap();
                let mut got = Vec::new();
                // Another claimer's lock can hide the last tasks for a moment.
                let mut empty = 0;
                while empty < 20 {
                    match tasks::claim(&mut conn, &claimer(&format!("b{n}")), start(), lease())
                        .await
                        .unwrap()
                    {
                        Some(task) => got.push(task.id.0),
                        None => empty += 1,
                    }
                }
                got
            })
        })
        .collect();
    let mut all = Vec::new();
    for claimer in claimers {
        all.extend(claimer.await.unwrap());
    }
    assert_eq!(all.len(), 50);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), 50);
}

#[tokio::test]
async fn an_expired_lease_is_offered_again_and_the_old_attempt_is_fenced() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, project) = project(&mut conn, "alice", "tools").await;
    upload(&mut conn, &project).await;
    let first = tasks::claim(&mut conn, &claimer("one"), start(), lease())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((first.attempt, first.state), (1, TaskState::Running));

    assert_eq!(tasks::expire_leases(&mut conn, after(59)).await.unwrap(), 0);
    assert!(
        tasks::heartbeat(&mut conn, first.id, 1, Phase::Building, after(100))
            .await
            .unwrap()
    );
    assert_eq!(tasks::expire_leases(&mut conn, after(99)).await.unwrap(), 0);
    assert_eq!(tasks::expire_leases(&mut conn, after(101)).await.unwrap(), 1);

    let second = tasks::claim(&mut conn, &claimer("two"), after(102), lease())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((second.id, second.attempt), (first.id, 2));

    assert!(
        !tasks::heartbeat(&mut conn, first.id, 1, Phase::Building, after(500))
            .await
            .unwrap()
    );
    assert!(!tasks::is_held(&mut conn, first.id, 1).await.unwrap());
    let late = tasks::finish(&mut conn, first.id, 1, &Outcome::Succeeded, &[], None, after(103))
        .await
        .unwrap();
    assert!(!late);
    assert!(
        !tasks::refuse(&mut conn, first.id, 1, "late", after(103))
            .await
            .unwrap()
    );
    let now = tasks::find(&mut conn, first.id).await.unwrap().unwrap();
    assert_eq!(
        (now.state, now.attempt, now.builder.as_deref()),
        (TaskState::Running, 2, Some("two"))
    );

    assert!(
        tasks::finish(
            &mut conn,
            first.id,
            2,
            &Outcome::Succeeded,
            &[],
            Some(900),
            after(104)
        )
        .await
        .unwrap()
    );
    assert!(
        !tasks::finish(&mut conn, first.id, 2, &Outcome::Succeeded, &[], None, after(105))
            .await
            .unwrap()
    );
    let now = tasks::find(&mut conn, first.id).await.unwrap().unwrap();
    assert_eq!((now.state, now.boot_ms), (TaskState::Publishing, Some(900)));
}

#[tokio::test]
async fn the_builders_fault_is_tried_again_and_the_packages_is_not() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, project) = project(&mut conn, "alice", "tools").await;
    let id = upload(&mut conn, &project).await;
    let failed = |kind| Outcome::Failed {
        kind,
        message: "why".to_owned(),
    };

    let mut now = 0;
    for attempt in 1..=5 {
        now += 100;
        let task = tasks::claim(&mut conn, &claimer("b"), after(now), lease())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(task.attempt, attempt);
        let outcome = failed(FailureKind::Builder);
        assert!(
            tasks::finish(&mut conn, task.id, attempt, &outcome, &[], None, after(now))
                .await
                .unwrap()
        );
        if attempt < 5 {
            // Not at once, so that a broken builder does not spin.
            assert!(
                tasks::claim(&mut conn, &claimer("b"), after(now), lease())
                    .await
                    .unwrap()
                    .is_none()
            );
        }
    }
    let ended = db::builds::find(&mut conn, id).await.unwrap().unwrap();
    assert_eq!(ended.state(), "failed");

    let other = upload(&mut conn, &project).await;
    let task = tasks::claim(&mut conn, &claimer("b"), after(1_000), lease())
        .await
        .unwrap()
        .unwrap();
    let outcome = failed(FailureKind::BuildFailed);
    assert!(
        tasks::finish(&mut conn, task.id, 1, &outcome, &[], None, after(1_001))
            .await
            .unwrap()
    );
    let ended = db::builds::find(&mut conn, other).await.unwrap().unwrap();
    assert_eq!(ended.state(), "failed");
    assert_eq!(
        ended.tasks[0].failure,
        Some((FailureKind::BuildFailed, "why".to_owned()))
    );
}

#[tokio::test]
async fn refusing_does_not_use_up_attempts() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, project) = project(&mut conn, "alice", "tools").await;
    upload(&mut conn, &project).await;
    for attempt in 1..=9 {
        let now = after(10 * i64::from(attempt));
        let task = tasks::claim(&mut conn, &claimer("b"), now, lease())
            .await
            .unwrap()
            .unwrap();
        assert!(
            tasks::refuse(&mut conn, task.id, attempt, "no room", now)
                .await
                .unwrap()
        );
        assert_eq!(
            tasks::find(&mut conn, task.id).await.unwrap().unwrap().state,
            TaskState::Pending
        );
    }
}

#[tokio::test]
async fn owners_with_less_running_come_first() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, busy) = project(&mut conn, "busy", "mass").await;
    let (_, quiet) = project(&mut conn, "quiet", "one").await;
    for _ in 0..4 {
        upload(&mut conn, &busy).await;
    }
    upload(&mut conn, &quiet).await;
    let mut order = Vec::new();
    for _ in 0..3 {
        let task = tasks::claim(&mut conn, &claimer("b"), start(), lease())
            .await
            .unwrap()
            .unwrap();
        let build = db::builds::find(&mut conn, task.build).await.unwrap().unwrap();
        order.push(if build.project == quiet.id {
            "quiet"
        } else {
            "busy"
        });
    }
    assert_eq!(order, ["busy", "quiet", "busy"]);
}

#[tokio::test]
async fn builds_wait_until_the_earlier_project_of_the_name_is_gone() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let conn = &mut conn;
    let (_, old) = project(conn, "alice", "tools").await;
    db::projects::delete(conn, &old, "alice", start()).await.unwrap();
    let (_, other) = project(conn, "alice", "others").await;
    let (_, new) = project(conn, "alice", "tools").await;
    upload(conn, &new).await;
    let free = upload(conn, &other).await;
    let task = tasks::claim(conn, &claimer("b"), start(), lease()).await.unwrap();
    assert_eq!(task.unwrap().build, free, "nothing was removed for the other one");
    let task = tasks::claim(conn, &claimer("b"), start(), lease()).await.unwrap();
    assert!(task.is_none());
    while let Some(job) = jobs::claim(conn, HOLDER, start(), TimeDelta::seconds(30))
        .await
        .unwrap()
    {
        jobs::done(conn, &job).await.unwrap();
    }
    let task = tasks::claim(conn, &claimer("b"), start(), lease()).await.unwrap();
    assert!(task.is_some());
}

#[tokio::test]
async fn builders_get_only_what_they_can_do() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, project) = project(&mut conn, "alice", "tools").await;
    upload(&mut conn, &project).await;
    let mut other = claimer("arm");
    other.arches = vec!["aarch64".to_owned()];
    assert!(
        tasks::claim(&mut conn, &other, start(), lease())
            .await
            .unwrap()
            .is_none()
    );
    let mut other = claimer("fedora-only");
    other.chroots = vec!["fedora-44-x86_64".parse().unwrap()];
    assert!(
        tasks::claim(&mut conn, &other, start(), lease())
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        tasks::claim(&mut conn, &claimer("any"), start(), lease())
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn canceling_ends_everything_at_once() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, project) = project(&mut conn, "alice", "tools").await;
    let id = upload(&mut conn, &project).await;
    let task = tasks::claim(&mut conn, &claimer("b"), start(), lease())
        .await
        .unwrap()
        .unwrap();
    let build = db::builds::find(&mut conn, id).await.unwrap().unwrap();
    assert_eq!(build.state(), "running");
    assert!(
        db::builds::cancel(&mut conn, &build, "alice", after(1))
            .await
            .unwrap()
    );
    assert!(
        !tasks::heartbeat(&mut conn, task.id, 1, Phase::Building, after(60))
            .await
            .unwrap()
    );
    let build = db::builds::find(&mut conn, id).await.unwrap().unwrap();
    assert_eq!((build.state(), build.is_final()), ("canceled", true));
    assert!(
        !db::builds::cancel(&mut conn, &build, "alice", after(2))
            .await
            .unwrap()
    );
    assert!(
        tasks::claim(&mut conn, &claimer("b"), after(900), lease())
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_failed_source_fails_the_whole_build() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, project) = project(&mut conn, "alice", "tools").await;
    let id = build(
        &mut conn,
        &project,
        &Source::Link("http://example.org/a.src.rpm".to_owned()),
    )
    .await;
    let task = tasks::claim(&mut conn, &claimer("b"), start(), lease())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(task.chroot, None);
    assert!(
        tasks::claim(&mut conn, &claimer("b"), start(), lease())
            .await
            .unwrap()
            .is_none()
    );
    let outcome = Outcome::Failed {
        kind: FailureKind::BadSource,
        message: "404".to_owned(),
    };
    assert!(
        tasks::finish(&mut conn, task.id, 1, &outcome, &[], None, after(1))
            .await
            .unwrap()
    );
    let ended = db::builds::find(&mut conn, id).await.unwrap().unwrap();
    assert_eq!((ended.state(), ended.is_final()), ("failed", true));
}

#[tokio::test]
async fn a_source_that_its_builder_gave_up_leaves_nobody_waiting() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, project) = project(&mut conn, "alice", "tools").await;
    let source = Source::Link("http://example.org/a.src.rpm".to_owned());
    let id = build(&mut conn, &project, &source).await;
    let task = tasks::claim(&mut conn, &claimer("b"), start(), lease())
        .await
        .unwrap()
        .unwrap();
    let canceled = Outcome::Canceled;
    assert!(
        tasks::finish(&mut conn, task.id, 1, &canceled, &[], None, after(1))
            .await
            .unwrap()
    );
    let ended = db::builds::find(&mut conn, id).await.unwrap().unwrap();
    assert_eq!((ended.state(), ended.is_final()), ("canceled", true));
}

#[tokio::test]
async fn a_log_grows_at_its_end_only() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, project) = project(&mut conn, "alice", "tools").await;
    upload(&mut conn, &project).await;
    let task = tasks::claim(&mut conn, &claimer("b"), start(), lease())
        .await
        .unwrap()
        .unwrap()
        .id;
    assert_eq!(
        db::logs::append(&mut conn, task, 1, 0, b"hello ").await.unwrap(),
        Appended::Stored
    );
    assert_eq!(
        db::logs::append(&mut conn, task, 1, 0, b"hello ").await.unwrap(),
        Appended::WrongOffset(6)
    );
    assert_eq!(
        db::logs::append(&mut conn, task, 1, 6, b"world").await.unwrap(),
        Appended::Stored
    );
    assert_eq!(db::logs::read(&mut conn, task, 1, 3).await.unwrap(), b"lo world");
    assert_eq!(db::logs::read(&mut conn, task, 2, 0).await.unwrap(), b"");
}

#[tokio::test]
async fn the_history_says_who_ended_a_build() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, project) = project(&mut conn, "alice", "tools").await;
    let outcomes = [
        Outcome::Succeeded,
        Outcome::Failed {
            kind: FailureKind::BuildFailed,
            message: "no".to_owned(),
        },
        Outcome::Succeeded,
    ];
    for outcome in outcomes {
        upload(&mut conn, &project).await;
        let task = tasks::claim(&mut conn, &claimer("b1"), after(1), lease())
            .await
            .unwrap()
            .unwrap();
        tasks::finish(&mut conn, task.id, 1, &outcome, &[], None, after(2))
            .await
            .unwrap();
        tasks::succeed(&mut conn, task.id, 1, after(3)).await.unwrap();
    }
    let canceled = upload(&mut conn, &project).await;
    let canceled = db::builds::find(&mut conn, canceled).await.unwrap().unwrap();
    db::builds::cancel(&mut conn, &canceled, "alice", after(4))
        .await
        .unwrap();
    let all = db::audit::list(&mut conn, Some(project.id), false, 50, 0)
        .await
        .unwrap();
    let ends: Vec<_> = all
        .iter()
        .rev()
        .filter(|line| ["build.end", "build.cancel"].contains(&line.action.as_str()))
        .map(|line| {
            let (old, new) = line.change();
            (
                line.actor.as_str(),
                line.source.as_str(),
                old["state"].as_str().unwrap().to_owned(),
                new["state"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let line = |actor: &'static str, old: &str, new: &str| (actor, "service", old.to_owned(), new.to_owned());
    assert_eq!(
        ends,
        [
            line("service", "running", "succeeded"),
            line("builder:b1", "running", "failed"),
            line("service", "running", "succeeded"),
            line("alice", "pending", "canceled"),
        ]
    );
}

#[tokio::test]
async fn builds_are_made_all_or_none() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, project) = project(&mut conn, "alice", "tools").await;
    let dir = DirName::from(project.name.clone());
    let source = Source::Link("https://example.org/a-1-1.src.rpm".to_owned());
    let targets = [Target {
        chroot: CHROOT.parse().unwrap(),
        skipped: false,
    }];
    let options = BuildOptions::default();
    let new = |package| NewBuild {
        project: &project,
        dir: &dir,
        submitter: None,
        actor: "test",
        source: &source,
        targets: &targets,
        options: &options,
        batch: None,
        package,
    };
    // The last one is of a package that there is not.
    let all = [new(None), new(None), new(Some(999_999))];
    db::builds::create_all(&mut conn, &all, start())
        .await
        .unwrap_err();
    let claimed = tasks::claim(&mut conn, &claimer("b"), after(1), lease()).await;
    assert!(claimed.unwrap().is_none());
    let made = db::builds::create_all(&mut conn, &all[..2], start())
        .await
        .unwrap();
    let read = db::read::builds::find_all(&mut conn, &made).await.unwrap();
    let read: Vec<i64> = read.into_iter().map(|(_, _, line)| line.id).collect();
    assert_eq!(read, made.iter().map(|id| id.0).collect::<Vec<_>>());
}
