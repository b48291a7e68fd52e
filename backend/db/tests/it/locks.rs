//! Whoever ends a batch meets others who want its builds: one waits for the other, and never both.

use db::batches::BatchOf;
use db::projects::Project;
use db::testing::execute;
use db::{Pool, builds, projects};
use protocol::BuildId;

use crate::support::{after, pool, project, start, submit, until_somebody_waits, upload};

/// Two batches of one build each, the second after the first, and then a further build of the first.
struct Batches {
    pool: Pool,
    project: Project,
    first: BuildId,
    waiting: BuildId,
    late: BuildId,
}

impl Batches {
    async fn new() -> Self {
        let pool = pool(4).await;
        let mut conn = pool.get().await.unwrap();
        let (_, project) = project(&mut conn, "alice", "tools").await;
        let first = upload(&mut conn, &project).await;
        let waiting = submit(&mut conn, &project, Some(BatchOf::After(first))).await;
        let late = submit(&mut conn, &project, Some(BatchOf::With(first))).await;
        drop(conn);
        Self {
            pool,
            project,
            first,
            waiting,
            late,
        }
    }

    /// As the trigger that ends a batch does: locks the batch of the first build, lets `work` begin, and then changes
    /// the tasks of the build that waited.
    async fn meet(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut conn = self.pool.get().await.unwrap();
        execute(&mut conn, "BEGIN").await.unwrap();
        let lock = format!(
            "SELECT FROM batches WHERE id = (SELECT batch_id FROM builds WHERE id = {}) FOR NO KEY UPDATE",
            self.first
        );
        execute(&mut conn, &lock).await.unwrap();
        let work = tokio::spawn(work);
        until_somebody_waits(&mut conn).await;
        let change = format!("UPDATE tasks SET held = false WHERE build_id = {}", self.waiting);
        execute(&mut conn, &change).await.unwrap();
        execute(&mut conn, "COMMIT").await.unwrap();
        work.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joining_a_batch_does_not_stand_in_the_way_of_the_end_of_the_one_before() {
    let batches = Batches::new().await;
    let (mut conn, project) = (batches.pool.get().await.unwrap(), batches.project.clone());
    let waiting = batches.waiting;
    let joining = async move {
        submit(&mut conn, &project, Some(BatchOf::With(waiting))).await;
    };
    batches.meet(joining).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_builds_does_not_stand_in_the_way_of_the_end_of_a_batch() {
    let batches = Batches::new().await;
    let mut conn = batches.pool.get().await.unwrap();
    let ids = [batches.waiting, batches.late];
    let deleting = async move {
        builds::delete(&mut conn, &ids, "alice", after(1)).await.unwrap();
    };
    batches.meet(deleting).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_a_project_does_not_stand_in_the_way_of_the_end_of_a_batch() {
    let batches = Batches::new().await;
    let (mut conn, project) = (batches.pool.get().await.unwrap(), batches.project.clone());
    let deleting = async move {
        projects::delete(&mut conn, &project, "alice", after(1))
            .await
            .unwrap();
    };
    batches.meet(deleting).await;
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
