//! Blobs that nothing names.

use db::blobs;
use db::testing::execute;
use diesel::QueryableByName;
use diesel_async::RunQueryDsl as _;
use protocol::{DirName, Sha256};

use crate::support::{CHROOT, after, pool, project, until_somebody_waits};

fn blob(number: u8) -> Sha256 {
    Sha256::from_bytes(&[number; 32])
}

async fn suspects(conn: &mut db::Connection, seconds: i64) -> Vec<String> {
    blobs::suspects(conn, after(seconds - 100), after(seconds))
        .await
        .unwrap()
}

/// Columns that have the name of a blob are those that the query knows which asks whether one is named.
#[tokio::test]
async fn every_column_that_names_a_blob_is_known() {
    #[derive(QueryableByName)]
    struct Column {
        #[diesel(sql_type = diesel::sql_types::Text)]
        name: String,
    }
    let pool = pool(1).await;
    let conn = &mut pool.get().await.unwrap();
    let columns: Vec<Column> = diesel::sql_query(
        "SELECT table_name || '.' || column_name AS name FROM information_schema.columns
         WHERE table_schema = 'public' AND column_name LIKE '%sha256%' ORDER BY 1",
    )
    .load(conn)
    .await
    .unwrap();
    let columns: Vec<String> = columns.into_iter().map(|column| column.name).collect();
    let others = [
        // Of what is no blob.
        "api_tokens.token_sha256",
        "login_links.token_sha256",
        "package_software.unsigned_sha256",
        "promoted_packages.unsigned_sha256",
        "rpms.unsigned_sha256",
        "sessions.token_sha256",
        "snapshots.repomd_sha256",
        // They are loose themselves, and lists that still have the latter are looked at.
        "loose_blobs.sha256",
        "removed_packages.sha256",
    ];
    let known = [
        "builds.srpm_sha256",
        "imported_metadata.sha256",
        "project_chroots.comps_sha256",
        "promoted_packages.sha256",
        "rpms.sha256",
    ];
    let unknown: Vec<&String> = columns
        .iter()
        .filter(|column| !others.contains(&column.as_str()) && !known.contains(&column.as_str()))
        .collect();
    assert!(
        unknown.is_empty(),
        "does {unknown:?} name a blob? Then it belongs into db::blobs, and here"
    );
}

#[tokio::test]
async fn what_nothing_names_is_suspected_and_then_condemned() {
    let pool = pool(2).await;
    let conn = &mut pool.get().await.unwrap();
    let (_, owner) = project(conn, "alice", "tools").await;
    let dir = DirName::from(owner.name.clone());
    let repository = db::repositories::ensure(conn, owner.id, &dir, &CHROOT.parse().unwrap()).await;
    let repository = repository.unwrap().id;
    let names = |number: u8| {
        format!(
            "INSERT INTO rpms (id, repository_id, name, epoch, version, release, arch, file_name, sha256,
                 unsigned_sha256, size, since_snapshot, primary_xml, filelists_xml, other_xml)
             VALUES ({number}, {repository}, 'x', 0, '{number}', '1', 'noarch', 'x', '{}', 'u', 1, 1, '', '', '')",
            blob(number)
        )
    };
    for number in 1..=4 {
        assert!(blobs::claim(conn, &blob(number)).await.unwrap());
        execute(conn, &names(number)).await.unwrap();
    }
    // Of an upload that broke off, and one that only a list has.
    assert!(blobs::claim(conn, &blob(5)).await.unwrap());
    assert!(blobs::claim_listed(conn, &[blob(6)]).await.unwrap());
    assert!(suspects(conn, 0).await.is_empty());
    assert!(suspects(conn, 99).await.is_empty());
    assert_eq!(suspects(conn, 100).await, [blob(5).to_string()]);
    execute(conn, "DELETE FROM rpms WHERE id IN (1, 2)")
        .await
        .unwrap();
    blobs::loosen(conn, &[blob(6)]).await.unwrap();
    assert_eq!(
        suspects(conn, 200).await,
        [blob(5).to_string()],
        "not before it is known"
    );
    let all = [1, 2, 5, 6].map(|number| blob(number).to_string());
    assert_eq!(suspects(conn, 300).await, all);
    // Somebody claims one, somebody else names one, one is listed.
    assert!(blobs::claim(conn, &blob(1)).await.unwrap());
    execute(conn, &names(2)).await.unwrap();
    blobs::are_listed(conn, &[blob(6).to_string()], after(200))
        .await
        .unwrap();
    let condemned = blobs::condemn(conn, &all, after(200), after(300)).await.unwrap();
    assert_eq!(condemned, [blob(5).to_string()]);
    assert_eq!(blobs::condemned(conn).await.unwrap(), condemned);
    assert!(!blobs::claim(conn, &blob(5)).await.unwrap());
    assert!(!blobs::claim_listed(conn, &[blob(5), blob(9)]).await.unwrap());
    blobs::deleted(conn, &condemned).await.unwrap();
    assert!(blobs::claim(conn, &blob(5)).await.unwrap());
    // All that a deleted project names may be named by nothing else.
    execute(conn, "DELETE FROM loose_blobs").await.unwrap();
    blobs::loosen_project(conn, owner.id).await.unwrap();
    suspects(conn, 400).await;
    assert!(suspects(conn, 500).await.is_empty());
    blobs::loosen_project(conn, owner.id).await.unwrap();
    execute(conn, "UPDATE projects SET deleted_at = now()")
        .await
        .unwrap();
    suspects(conn, 600).await;
    assert_eq!(
        suspects(conn, 700).await,
        [2, 3, 4].map(|number| blob(number).to_string())
    );
}

/// Whoever claims a blob while it is being condemned waits, and is told; whoever claims it before keeps it.
#[tokio::test]
async fn claiming_and_condemning_take_turns() {
    let pool = pool(3).await;
    let conn = &mut pool.get().await.unwrap();
    let claims = async |number: u8, statement: &str, conn: &mut db::Connection| {
        execute(conn, "BEGIN").await.unwrap();
        execute(conn, statement).await.unwrap();
        let other = pool.clone();
        let late = tokio::spawn(async move {
            let mut conn = other.get().await.unwrap();
            blobs::claim(&mut conn, &blob(number)).await.unwrap()
        });
        until_somebody_waits(conn).await;
        execute(conn, "COMMIT").await.unwrap();
        late.await.unwrap()
    };
    assert!(blobs::claim(conn, &blob(1)).await.unwrap());
    suspects(conn, 0).await;
    let condemn = "UPDATE loose_blobs SET deleting_at = now()";
    assert!(!claims(1, condemn, conn).await);
    assert!(claims(1, "DELETE FROM loose_blobs", conn).await);
    // The other way round.
    suspects(conn, 100).await;
    execute(conn, "BEGIN").await.unwrap();
    assert!(blobs::claim(conn, &blob(1)).await.unwrap());
    let other = pool.clone();
    let late = tokio::spawn(async move {
        let mut conn = other.get().await.unwrap();
        let all = [blob(1).to_string()];
        blobs::condemn(&mut conn, &all, after(200), after(300))
            .await
            .unwrap()
    });
    until_somebody_waits(conn).await;
    execute(conn, "COMMIT").await.unwrap();
    assert!(late.await.unwrap().is_empty());
}

#[tokio::test]
async fn blobs_are_looked_at_now_and_then() {
    let pool = pool(1).await;
    let conn = &mut pool.get().await.unwrap();
    assert!(blobs::look(conn, after(-10), after(0)).await.unwrap());
    assert!(!blobs::look(conn, after(0), after(5)).await.unwrap());
    assert!(blobs::look(conn, after(1), after(11)).await.unwrap());
    assert_eq!(db::jobs::count(conn).await.unwrap(), (1, 0));
}
