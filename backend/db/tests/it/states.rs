//! The state of a build, which the database keeps and the code computes.

use std::fmt::Write as _;

use db::builds;
use protocol::BuildId;

use crate::support::{CHROOT, definition, pool, project, start};

const STATES: [&str; 9] = [
    "waiting",
    "pending",
    "running",
    "publishing",
    "succeeded",
    "failed",
    "canceled",
    "skipped",
    "forked",
];
const OTHER: &str = "fedora-44-x86_64";

/// A row of `tasks` as SQL.
fn task(build: i64, chroot: Option<&str>, state: &str) -> String {
    let at = "'2026-11-21T12:00:00Z'::timestamptz";
    let is_final = matches!(state, "succeeded" | "failed" | "canceled" | "skipped" | "forked");
    let (kind, chroot) = match chroot {
        Some(chroot) => ("rpm", format!("'{chroot}'")),
        None => ("source", "NULL".to_owned()),
    };
    let lease = if state == "running" { at } else { "NULL" };
    let ended = if is_final { at } else { "NULL" };
    format!("({build}, '{kind}', {chroot}, '{state}', {at}, {lease}, {ended})")
}

#[tokio::test]
async fn the_database_and_the_code_agree_on_the_state_of_every_build() {
    let pool = pool(2).await;
    let mut conn = pool.get().await.unwrap();
    let (_, project) = project(&mut conn, "alice", "tools").await;
    let chroot = db::chroots::Chroot {
        definition: definition(OTHER),
        description: String::new(),
        active: true,
    };
    db::chroots::upsert(&mut conn, &chroot).await.unwrap();
    let sources = std::iter::once(None).chain(STATES.iter().map(Some));
    let mut sql = (String::new(), String::new());
    let mut id = 1_000;
    for source in sources {
        for (n, first) in STATES.iter().enumerate() {
            // The pairs with an earlier state have been there, the other way round.
            for second in std::iter::once(None).chain(STATES[n..].iter().map(Some)) {
                for canceled in ["NULL", "'2026-11-21T12:00:00Z'"] {
                    id += 1;
                    write!(
                        sql.0,
                        "{}({id}, {}, 'tools', 'upload', '2026-11-21T12:00:00Z', {canceled}, '{{}}')",
                        if sql.0.is_empty() { "" } else { ", " },
                        project.id
                    )
                    .unwrap();
                    let rows = [
                        source.map(|state| task(id, None, state)),
                        Some(task(id, Some(CHROOT), first)),
                        second.map(|state| task(id, Some(OTHER), state)),
                    ];
                    for row in rows.into_iter().flatten() {
                        sql.1.push_str(if sql.1.is_empty() { "" } else { ", " });
                        sql.1.push_str(&row);
                    }
                }
            }
        }
    }
    let insert = format!(
        "INSERT INTO builds (id, project_id, dirname, source_kind, submitted_at, canceled_at, options) VALUES {}",
        sql.0
    );
    db::testing::execute(&mut conn, &insert).await.unwrap();
    let insert = format!(
        "INSERT INTO tasks (build_id, kind, chroot, state, created_at, lease_expires_at, ended_at) VALUES {}",
        sql.1
    );
    db::testing::execute(&mut conn, &insert).await.unwrap();

    let ids: Vec<i64> = (1_001..=id).collect();
    let all = builds::find_many(&mut conn, &ids).await.unwrap();
    assert_eq!(all.len(), 10 * (9 + 45) * 2);
    let mut stored = std::collections::HashMap::new();
    for state in STATES.into_iter().chain(["importing"]) {
        let wanted = builds::Wanted {
            state: Some(state),
            limit: 10_000,
            ..builds::Wanted::default()
        };
        for build in builds::list_of(&mut conn, project.id, &wanted).await.unwrap() {
            stored.insert(build.id, state);
        }
    }
    for (build, _) in &all {
        let tasks: Vec<_> = build.tasks.iter().map(|t| t.state).collect();
        let source = build.source_task.as_ref().map(|t| t.state);
        assert_eq!(
            stored.get(&build.id).copied(),
            Some(build.state()),
            "source {source:?}, chroots {tasks:?}, canceled {:?}",
            build.canceled_at
        );
    }
    assert!(builds::find(&mut conn, BuildId(id)).await.unwrap().is_some());
    assert!(start() <= all[0].0.submitted_at);
}
