//! Each change of state puts its messages into the outbox, once and in order.

use db::Connection;
use db::builds::{BuildOptions, NewBuild, Source, Target};
use db::events::{self, Event};
use db::tasks::{self, TaskState};
use db::testing::execute;
use protocol::{DirName, FailureKind, Outcome};

use crate::support::{CHROOT, after, build, claimer, lease, pool, project, start, upload};

async fn topics(conn: &mut Connection) -> Vec<(String, i64)> {
    let all = events::unsent(conn, 100).await.unwrap();
    all.iter()
        .map(|e| (e.topic.clone(), e.body["status"].as_i64().unwrap()))
        .collect()
}

fn says(events: &[(&str, i64)]) -> Vec<(String, i64)> {
    events.iter().map(|(t, s)| ((*t).to_owned(), *s)).collect()
}

async fn forget(conn: &mut Connection) -> Vec<Event> {
    let all = events::unsent(conn, 1000).await.unwrap();
    let ids: Vec<i64> = all.iter().map(|e| e.id).collect();
    events::mark_sent(conn, &ids, after(0)).await.unwrap();
    all
}

#[tokio::test]
async fn a_chroot_starts_once_and_ends_once_over_three_builders() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, project) = project(&mut conn, "alice", "tools").await;
    let id = upload(&mut conn, &project).await;
    let claim = async |conn: &mut Connection, at| {
        tasks::claim(conn, &claimer("one"), after(at), lease())
            .await
            .unwrap()
            .unwrap()
    };
    claim(&mut conn, 1).await;
    tasks::expire_leases(&mut conn, after(100)).await.unwrap();
    let second = claim(&mut conn, 200).await;
    tasks::refuse(&mut conn, second.id, 2, "full", after(201))
        .await
        .unwrap();
    let third = claim(&mut conn, 300).await;
    tasks::finish(&mut conn, third.id, 3, &Outcome::Succeeded, &[], None, after(301))
        .await
        .unwrap();
    tasks::succeed(&mut conn, third.id, 3, after(302)).await.unwrap();
    tasks::succeed(&mut conn, third.id, 3, after(303)).await.unwrap();
    assert_eq!(
        topics(&mut conn).await,
        says(&[
            ("koper.build.submitted", 4),
            ("copr.build.start", 3),
            ("copr.chroot.start", 3),
            ("koper.build.started", 3),
            ("copr.build.end", 1),
            ("copr.chroot.end", 1),
            ("koper.build.ended", 1),
        ])
    );
    let all = forget(&mut conn).await;
    let end = &all[4];
    assert_eq!(end.at, after(302));
    assert_eq!(end.build(), Some(id.0));
    for (key, value) in [
        ("owner", "alice"),
        ("copr", "tools"),
        ("pkg", "hello"),
        ("version", "1-1"),
        ("chroot", CHROOT),
        ("who", "one"),
    ] {
        assert_eq!(end.body[key], value, "{key}");
    }
    assert_eq!(all[6].body["chroots"][CHROOT], "succeeded");
    assert_eq!(all[6].body["ended_on"], after(302).timestamp());
}

#[tokio::test]
async fn what_never_runs_ends_too() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, project) = project(&mut conn, "alice", "tools").await;
    let dir = DirName::from(project.name.clone());
    // Skipped from the start (Copr's issue 4046).
    let source = Source::Upload(db::builds::Srpm {
        sha256: "a".repeat(64).parse().unwrap(),
        file_name: "hello-1-1.src.rpm".parse().unwrap(),
        size: 10,
        package: "hello".parse().unwrap(),
        version: "1-1".to_owned(),
    });
    let new = NewBuild {
        project: &project,
        dir: &dir,
        submitter: None,
        actor: "test",
        source: &source,
        targets: &[Target {
            chroot: CHROOT.parse().unwrap(),
            skipped: true,
        }],
        options: &BuildOptions::default(),
        batch: None,
        package: None,
    };
    db::builds::create(&mut conn, &new, start()).await.unwrap();
    let mut seen = topics(&mut conn).await;
    seen.sort();
    assert_eq!(
        seen,
        says(&[
            ("copr.build.end", 5),
            ("copr.chroot.end", 5),
            ("koper.build.ended", 5),
            ("koper.build.submitted", 5),
        ])
    );
    forget(&mut conn).await;

    // A source that cannot be had: the chroots that waited for it end with it.
    build(
        &mut conn,
        &project,
        &Source::Link("https://example.org/x.src.rpm".parse().unwrap()),
    )
    .await;
    let task = tasks::claim(&mut conn, &claimer("one"), after(1), lease())
        .await
        .unwrap()
        .unwrap();
    let failed = Outcome::Failed {
        kind: FailureKind::BadSource,
        message: "404".to_owned(),
    };
    tasks::finish(&mut conn, task.id, 1, &failed, &[], None, after(2))
        .await
        .unwrap();
    let all = forget(&mut conn).await;
    let said: Vec<(&str, &str)> = all
        .iter()
        .filter(|e| e.topic.starts_with("copr.build."))
        .map(|e| (e.topic.as_str(), e.body["chroot"].as_str().unwrap()))
        .collect();
    assert_eq!(
        said,
        [
            ("copr.build.start", "srpm-builds"),
            ("copr.build.end", "srpm-builds"),
            ("copr.build.end", CHROOT),
        ]
    );
    assert_eq!(all.last().unwrap().topic, "koper.build.ended");
    assert_eq!(all.iter().filter(|e| e.topic == "koper.build.ended").count(), 1);

    // Canceled while it waits for a builder.
    let id = upload(&mut conn, &project).await;
    forget(&mut conn).await;
    let build = db::builds::find(&mut conn, id).await.unwrap().unwrap();
    assert!(
        db::builds::cancel(&mut conn, &build, "alice", after(3))
            .await
            .unwrap()
    );
    let seen = topics(&mut conn).await;
    assert_eq!(
        seen,
        says(&[
            ("copr.build.end", 2),
            ("copr.chroot.end", 2),
            ("koper.build.ended", 2)
        ])
    );
    let task = db::builds::find(&mut conn, id).await.unwrap().unwrap();
    assert_eq!(task.tasks[0].state, TaskState::Canceled);
}

#[tokio::test]
async fn an_event_that_commits_late_is_not_passed_over() {
    let pool = pool(3).await;
    let (mut early, mut late) = (pool.get().await.unwrap(), pool.get().await.unwrap());
    let put = |build: i64| {
        format!(
            "SELECT event_put(now(), 'copr.build.start', '{build}', '{{\"build\": {build}, \"status\": 3}}')"
        )
    };
    execute(&mut early, "BEGIN").await.unwrap();
    execute(&mut early, &put(1)).await.unwrap();
    execute(&mut late, &put(2)).await.unwrap();
    let seen = forget(&mut late).await;
    assert_eq!(seen.iter().map(Event::build).collect::<Vec<_>>(), [Some(2)]);
    execute(&mut early, "COMMIT").await.unwrap();
    let next = forget(&mut late).await;
    assert_eq!(next.iter().map(Event::build).collect::<Vec<_>>(), [Some(1)]);
    assert!(
        next[0].id < seen[0].id,
        "the test is about numbers that commit in another order"
    );
}

#[tokio::test]
async fn there_is_one_sender_and_the_next_one_takes_over() {
    let pool = pool(3).await;
    let (mut one, mut two) = (pool.get().await.unwrap(), pool.get().await.unwrap());
    assert!(events::become_sender(&mut one).await.unwrap());
    assert!(events::become_sender(&mut one).await.unwrap());
    assert!(!events::become_sender(&mut two).await.unwrap());
    events::resign(&mut one).await.unwrap();
    assert!(events::become_sender(&mut two).await.unwrap());
    assert!(!events::become_sender(&mut one).await.unwrap());
}

#[tokio::test]
async fn old_events_are_dropped_and_unsent_ones_only_without_a_bus() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, project) = project(&mut conn, "alice", "tools").await;
    upload(&mut conn, &project).await;
    forget(&mut conn).await;
    upload(&mut conn, &project).await;
    assert_eq!(events::prune(&mut conn, start(), false).await.unwrap(), 0);
    assert_eq!(events::prune(&mut conn, after(1), false).await.unwrap(), 1);
    let (waiting, since) = events::backlog(&mut conn).await.unwrap();
    assert_eq!((waiting, since), (1, Some(start())));
    assert_eq!(events::prune(&mut conn, after(1), true).await.unwrap(), 1);
}

#[tokio::test]
async fn a_bulk_load_can_be_silent() {
    let pool = pool(1).await;
    let mut conn = pool.get().await.unwrap();
    let (_, project) = project(&mut conn, "alice", "tools").await;
    execute(&mut conn, "SET koper.events = 'off'").await.unwrap();
    upload(&mut conn, &project).await;
    assert_eq!(topics(&mut conn).await, []);
}
