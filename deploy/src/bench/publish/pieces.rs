//! From "the signed package is stored" to "the pointer has moved", without the builder, the queue and the packages.

use std::time::Instant;

use backend::{Cause, Change, Context, Publication, publish_snapshot, write_pointer};
use db::rpms::SameNevra;
use db::snapshots::Audience;

use super::{Bench, Built, CHROOT, PIECES};
use crate::bench::{Figure, context, median, ms};

/// Publishes packages that are in the database already, beside the running backend, and prints what the steps took.
pub(super) async fn run(bench: &Bench<'_>, template: &Built, size: usize) -> anyhow::Result<()> {
    let context = context(bench.config, &bench.pool, &bench.storage)?;
    let repository = {
        let mut conn = context.conn().await?;
        let dir = bench.project.name.clone().into();
        db::repositories::ensure(&mut conn, bench.project.id, &dir, &CHROOT.parse()?).await?
    };
    let mut times = Vec::new();
    let mut pointers = Vec::new();
    for _ in 0..=PIECES {
        let mut conn = context.conn().await?;
        let (task, _) = bench.task(&mut conn).await?;
        let serial = (db::SystemClock())().timestamp_micros();
        let row = template.row(
            (repository.id, task.0),
            &format!("piece{serial}"),
            &format!("{serial:064x}"),
        )?;
        db::rpms::insert(&mut conn, task.0, &[row], SameNevra::Refuse).await?;
        drop(conn);
        let tasks = [task.0];
        let publication = Publication {
            project: &bench.project,
            repository: repository.id,
            change: Change::of_tasks(&tasks),
            audience: Audience::Everybody,
            cause: Cause::Request("bench".to_owned()),
            actor: None,
            asked: None,
        };
        let begin = Instant::now();
        publish_snapshot(&context, &publication).await?;
        times.push(ms(begin));
        let begin = Instant::now();
        write_pointer(&context, &bench.project, repository.id).await?;
        pointers.push(ms(begin));
    }
    // The first has nothing in memory.
    let first = times.remove(0);
    for (what, ours) in [
        ("the first after a restart", first),
        ("median of 21", median(times)),
        ("the served pointer after that, median", median(pointers)),
        ("of it the signature, median", sign(bench, &context).await?),
    ] {
        Figure {
            name: format!("signed package stored to pointer moved, {size} packages: {what}"),
            unit: "ms",
            ours,
            peer: None,
            peer_is: "",
            limit: None,
            limit_is: "",
        }
        .print()?;
    }
    Ok(())
}

/// What the signer takes for something of the size of a `repomd.xml`.
async fn sign(bench: &Bench<'_>, context: &Context) -> anyhow::Result<f64> {
    let mut conn = context.conn().await?;
    let project = db::projects::by_id(&mut conn, bench.project.id).await?;
    let project = project.unwrap_or_else(|| bench.project.clone());
    let key = context.public_key(&project)?;
    let document = vec![b'x'; 2_000];
    let digest = protocol::Sha256::from_bytes(&<sha2::Sha256 as sha2::Digest>::digest(&document).into());
    let mut times = Vec::new();
    for _ in 0..PIECES {
        let whose = format!("{}/{}", project.owner, project.name);
        let intent = keys::Intent::metadata("bench", whose, "bench".to_owned(), digest.to_string());
        let begin = Instant::now();
        context
            .keys
            .sign_detached(&key, &document, intent, (context.clock)())
            .await?;
        times.push(ms(begin));
    }
    Ok(median(times))
}
