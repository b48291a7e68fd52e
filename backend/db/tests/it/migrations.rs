//! Every migration applies over the one before with data in it, and goes back again.

use std::path::{Path, PathBuf};

use db::testing::Cluster;
use tokio_postgres::{Client, NoTls};

async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn migrations() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations");
    let mut found: Vec<PathBuf> = fs_err::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_dir())
        .collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

async fn tables(client: &Client) -> Vec<String> {
    let sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' ORDER BY 1";
    client
        .query(sql, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

async fn run(client: &Client, file: &Path) {
    let sql = fs_err::read_to_string(file).unwrap();
    client
        .batch_execute(&sql)
        .await
        .unwrap_or_else(|e| panic!("{}: {e:?}", file.display()));
}

#[tokio::test]
async fn migrations_go_up_over_data_and_down_again() {
    let cluster = Cluster::shared().await.unwrap();
    let client = client(&cluster.empty_database().await.unwrap()).await;
    for migration in migrations() {
        run(&client, &migration.join("up.sql")).await;
        run(&client, &migration.join("sample.sql")).await;
    }
    for migration in migrations().iter().rev() {
        run(&client, &migration.join("down.sql")).await;
    }
    assert_eq!(tables(&client).await, Vec::<String>::new());
}

#[tokio::test]
async fn migrating_twice_and_at_once_changes_nothing() {
    let url = Cluster::shared().await.unwrap().empty_database().await.unwrap();
    let (a, b) = tokio::join!(db::migrate(&url), db::migrate(&url));
    a.unwrap();
    b.unwrap();
    let before = tables(&client(&url).await).await;
    db::migrate(&url).await.unwrap();
    assert_eq!(tables(&client(&url).await).await, before);
    assert!(before.contains(&"tasks".to_owned()));
}
