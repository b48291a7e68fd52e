//! Whoever ends a batch meets others who want its builds: one waits for the other, and never both.

use db::batches::BatchOf;
use db::testing::execute;
use db::{Connection, Pool, builds, projects};
use protocol::BuildId;
use tokio::task::JoinHandle;

use crate::support::{after, pool, project, start, submit, until_somebody_waits, upload};

/// As the trigger that ends a batch does: locks the batch of a build, lets `work` begin, and then changes the tasks of
/// another build, which waited.
async fn meet<T>(pool: &Pool, of: BuildId, waited: BuildId, work: JoinHandle<T>, start: impl FnOnce()) -> T {
    let mut conn = pool.get().await.unwrap();
    execute(&mut conn, "BEGIN").await.unwrap();
    let lock = format!(
        "SELECT FROM batches WHERE id = (SELECT batch_id FROM builds WHERE id = {of}) FOR NO KEY UPDATE"
    );
    execute(&mut conn, &lock).await.unwrap();
    start();
    until_somebody_waits(&mut conn).await;
    let change = format!("UPDATE tasks SET held = false WHERE build_id = {waited}");
    execute(&mut conn, &change).await.unwrap();
    execute(&mut conn, "COMMIT").await.unwrap();
    work.await.unwrap()
}

/// Two batches of one build each, the second after the first, and then a further build of the first.
async fn two_batches(conn: &mut Connection, project: &projects::Project) -> [BuildId; 3] {
    let first = upload(conn, project).await;
    let waiting = submit(conn, project, Some(BatchOf::After(first))).await;
    let late = submit(conn, project, Some(BatchOf::With(first))).await;
    [first, waiting, late]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joining_a_batch_does_not_stand_in_the_way_of_the_end_of_the_one_before() {
    let pool = pool(4).await;
    let mut conn = pool.get().await.unwrap();
    let (_, tools) = project(&mut conn, "alice", "tools").await;
    let [first, waiting, _] = two_batches(&mut conn, &tools).await;
    drop(conn);
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let joining = pool.clone();
    let work = tokio::spawn(async move {
        let mut conn = joining.get().await.unwrap();
        gone.await.unwrap();
        submit(&mut conn, &tools, Some(BatchOf::With(waiting))).await
    });
    meet(&pool, first, waiting, work, || go.send(()).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_builds_does_not_stand_in_the_way_of_the_end_of_a_batch() {
    let pool = pool(4).await;
    let mut conn = pool.get().await.unwrap();
    let (_, tools) = project(&mut conn, "alice", "tools").await;
    let [first, waiting, late] = two_batches(&mut conn, &tools).await;
    drop(conn);
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let deleting = pool.clone();
    let work = tokio::spawn(async move {
        let mut conn = deleting.get().await.unwrap();
        gone.await.unwrap();
        builds::delete(&mut conn, &[waiting, late], "alice", after(1)).await
    });
    meet(&pool, first, waiting, work, || go.send(()).unwrap())
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_a_project_does_not_stand_in_the_way_of_the_end_of_a_batch() {
    let pool = pool(4).await;
    let mut conn = pool.get().await.unwrap();
    let (_, tools) = project(&mut conn, "alice", "tools").await;
    let [first, waiting, _] = two_batches(&mut conn, &tools).await;
    drop(conn);
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let deleting = pool.clone();
    let work = tokio::spawn(async move {
        let mut conn = deleting.get().await.unwrap();
        gone.await.unwrap();
        projects::delete(&mut conn, &tools, "alice", after(1)).await
    });
    meet(&pool, first, waiting, work, || go.send(()).unwrap())
        .await
        .unwrap();
}

/// What adds rows to a project refers to it, and holds tasks meanwhile; nobody may wait for that while others wait for
/// them.
#[tokio::test]
async fn a_project_that_is_referred_to_can_end_and_be_forked_into() {
    let pool = pool(4).await;
    let mut conn = pool.get().await.unwrap();
    let (_, tools) = project(&mut conn, "alice", "tools").await;
    let (_, copy) = project(&mut conn, "alice", "copy").await;
    let mut other = pool.get().await.unwrap();
    execute(&mut other, "BEGIN").await.unwrap();
    execute(&mut other, "SELECT FROM projects FOR KEY SHARE")
        .await
        .unwrap();
    execute(&mut conn, "SET lock_timeout = '5s'").await.unwrap();
    db::forks::update(&mut conn, &copy, &tools, "alice", start())
        .await
        .unwrap();
    let end = format!(
        "UPDATE projects SET delete_at = '{}' WHERE id = {}",
        start(),
        copy.id
    );
    execute(&mut conn, &end).await.unwrap();
    let ended = projects::end_one(&mut conn, after(1)).await.unwrap().unwrap();
    assert_eq!(ended.id, copy.id);
    execute(&mut other, "ROLLBACK").await.unwrap();
}
