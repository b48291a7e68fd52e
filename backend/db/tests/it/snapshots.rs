//! What snapshots hold, and the compare-and-swap of their pointers.

use chrono::TimeDelta;
use db::pointers::{self, Moved, Wish};
use db::repositories::{self, Repository};
use db::rpms::{self, SameNevra};
use db::snapshots::{self, Audience, NewSnapshot, Wanted};
use db::{DbError, jobs, tasks};
use diesel_async::SimpleAsyncConnection as _;
use protocol::{BuildId, DirName, PointerName};

use crate::support::{CHROOT, HOLDER, claimer, lease, pool, project, rpm, start, upload};

async fn repository(conn: &mut db::Connection) -> Repository {
    let (_, project) = project(conn, "alice", "tools").await;
    let dir = DirName::from(project.name.clone());
    repositories::ensure(conn, project.id, &dir, &CHROOT.parse().unwrap())
        .await
        .unwrap()
}

/// Publishes what `added` and `removed` make of the parent; whether it was not overtaken.
async fn publish(
    conn: &mut db::Connection,
    repository: &Repository,
    audience: &Audience,
    (added, removed): (&[i64], &[i64]),
) -> (i64, bool) {
    let parent = audience.base(conn, repository).await.unwrap();
    let number = snapshots::reserve(conn, repository.id).await.unwrap();
    let mut content = snapshots::content(conn, repository.id, parent).await.unwrap();
    content.retain(|id| !removed.contains(id));
    content.extend(added);
    content.sort_unstable();
    let new = NewSnapshot {
        repository,
        parent,
        number,
        cause: "test",
        actor: Some("alice"),
        content: &content,
        added,
        removed,
        repomd_sha256: "x",
        signed_by: "",
        audience,
        request: None,
        check: false,
    };
    let now = start() + TimeDelta::seconds(number);
    (number, snapshots::publish(conn, &new, now).await.unwrap())
}

async fn again(conn: &mut db::Connection, repository: &Repository) -> Repository {
    repositories::by_id(conn, repository.id).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_movers_one_wins() {
    let pool = pool(4).await;
    let base = repository(&mut pool.get().await.unwrap()).await;
    let movers: Vec<_> = (0..2)
        .map(|_| {
            let (pool, base) = (pool.clone(), base.clone());
            tokio::spawn(async move {
                let mut conn = pool.get().await.unwrap();
                publish(&mut conn, &base, &Audience::Everybody, (&[], &[])).await
            })
        })
        .collect();
    let mut results = Vec::new();
    for mover in movers {
        results.push(mover.await.unwrap());
    }
    assert_ne!(results[0].0, results[1].0, "a number is never given twice");
    let winners: Vec<i64> = results.iter().filter(|(_, won)| *won).map(|(n, _)| *n).collect();
    let now = again(&mut pool.get().await.unwrap(), &base).await;
    assert_eq!(winners, [now.current_snapshot]);
    assert_eq!(now.generation, base.generation + 1);
}

#[tokio::test]
async fn each_snapshot_keeps_what_it_holds() {
    let pool = pool(2).await;
    let conn = &mut pool.get().await.unwrap();
    let mut base = repository(conn).await;
    // Far enough that whole lists come in between.
    for n in 1..=150 {
        let gone = [n - 3];
        let removed: &[i64] = if n % 5 == 0 { &gone } else { &[] };
        let (number, won) = publish(conn, &base, &Audience::Everybody, (&[n], removed)).await;
        assert!(won && number == n);
        base = again(conn, &base).await;
    }
    for number in [1_i64, 4, 5, 63, 64, 65, 66, 127, 128, 129, 130, 150] {
        let wanted: Vec<i64> = (1..=number)
            .filter(|n| (n + 3) % 5 != 0 || n + 3 > number)
            .collect();
        let content = snapshots::content(conn, base.id, number).await.unwrap();
        assert_eq!(content, wanted, "snapshot {number}");
        let row = snapshots::find(conn, base.id, number).await.unwrap().unwrap();
        assert_eq!(
            (row.parent, row.added.as_slice()),
            (number - 1, [number].as_slice())
        );
        assert_eq!(usize::try_from(row.packages).unwrap(), wanted.len());
        assert_eq!(row.actor.as_deref(), Some("alice"));
    }
    assert!(snapshots::content(conn, base.id, 0).await.unwrap().is_empty());
    let some = snapshots::list(conn, base.id, Some(100), 2).await.unwrap();
    assert_eq!(some.iter().map(|s| s.number).collect::<Vec<_>>(), [99, 98]);
}

fn wish<'a>(
    repository: &Repository,
    name: &'a PointerName,
    to: Option<i64>,
    expected: Option<i64>,
) -> Wish<'a> {
    Wish {
        repository: repository.id,
        name,
        to,
        expected,
        actor: "alice",
        cause: "tried",
        devel_mode: false,
        object: "repository:alice/tools/sample",
    }
}

#[tokio::test]
async fn pointers_move_by_compare_and_swap() {
    let pool = pool(2).await;
    let conn = &mut pool.get().await.unwrap();
    let mut base = repository(conn).await;
    for n in 1..=3 {
        publish(conn, &base, &Audience::Everybody, (&[n], &[])).await;
        base = again(conn, &base).await;
    }
    let stable: PointerName = "stable".parse().unwrap();
    let shift = async |conn: &mut db::Connection, to, expected| {
        pointers::shift(
            conn,
            &wish(&base, &stable, to, expected),
            start() + TimeDelta::seconds(100),
        )
        .await
        .unwrap()
    };
    assert_eq!(shift(conn, Some(2), Some(1)).await, Moved::IsAt(0));
    assert_eq!(shift(conn, Some(2), Some(0)).await, Moved::From(0));
    assert_eq!(shift(conn, Some(3), Some(0)).await, Moved::IsAt(2));
    assert_eq!(shift(conn, Some(9), Some(2)).await, Moved::NoSnapshot);
    assert_eq!(shift(conn, Some(3), None).await, Moved::From(2));
    let named = |all: Vec<pointers::Pointer>| -> Vec<(String, i64)> {
        all.into_iter()
            .map(|p| (p.name.to_string(), p.snapshot))
            .collect()
    };
    let all = pointers::of_repository(conn, base.id).await.unwrap();
    assert_eq!(named(all), [("latest".to_owned(), 3), ("stable".to_owned(), 3)]);
    // A publication for those who follow it does not move `latest`, and the other way round.
    let followers = Audience::Pointer(stable.clone());
    assert_eq!(publish(conn, &base, &followers, (&[7], &[1])).await, (4, true));
    assert_eq!(
        publish(conn, &base, &Audience::Everybody, (&[8], &[])).await,
        (5, true)
    );
    assert_eq!(snapshots::content(conn, base.id, 4).await.unwrap(), [2, 3, 7]);
    assert_eq!(snapshots::content(conn, base.id, 5).await.unwrap(), [1, 2, 3, 8]);
    assert_eq!(shift(conn, None, Some(4)).await, Moved::From(4));
    let all = pointers::of_repository(conn, base.id).await.unwrap();
    assert_eq!(named(all), [("latest".to_owned(), 5)]);
    // Back, and what comes next is made from there.
    base = again(conn, &base).await;
    let latest = PointerName::latest();
    let later = start() + TimeDelta::seconds(200);
    let back = pointers::shift(conn, &wish(&base, &latest, Some(2), Some(5)), later).await;
    assert_eq!(back.unwrap(), Moved::From(5));
    assert!(
        !publish(conn, &base, &Audience::Everybody, (&[9], &[])).await.1,
        "the base has moved"
    );
    base = again(conn, &base).await;
    assert_eq!((base.current_snapshot, base.devel_snapshot), (2, 2));
    assert_eq!(publish(conn, &base, &Audience::Everybody, (&[9], &[])).await.0, 7);
    assert_eq!(snapshots::content(conn, base.id, 7).await.unwrap(), [1, 2, 9]);
    let job = jobs::claim(
        conn,
        HOLDER,
        start() + TimeDelta::seconds(300),
        TimeDelta::seconds(30),
    )
    .await
    .unwrap();
    assert!(job.is_some(), "somebody has to write the objects");
}

#[tokio::test]
async fn the_past_of_a_pointer_is_known() {
    let pool = pool(2).await;
    let conn = &mut pool.get().await.unwrap();
    let (_, project) = project(conn, "alice", "tools").await;
    let dir = DirName::from(project.name.clone());
    let chroot = CHROOT.parse().unwrap();
    let mut base = repositories::ensure(conn, project.id, &dir, &chroot)
        .await
        .unwrap();
    for n in 1..=3 {
        publish(conn, &base, &Audience::Everybody, (&[n], &[])).await;
        base = again(conn, &base).await;
    }
    let latest = PointerName::latest();
    let at = async |conn: &mut db::Connection, seconds| {
        let place = (&project.owner, &dir, &chroot);
        pointers::at(conn, place, &latest, start() + TimeDelta::seconds(seconds))
            .await
            .unwrap()
    };
    for (seconds, wanted) in [(0, None), (1, Some(1)), (2, Some(2)), (3, Some(3)), (99, Some(3))] {
        assert_eq!(at(conn, seconds).await, wanted, "{seconds}");
    }
}

#[tokio::test]
async fn packages_outlive_their_build_in_snapshots() {
    let pool = pool(2).await;
    let conn = &mut pool.get().await.unwrap();
    let (_, project) = project(conn, "alice", "tools").await;
    let base = repositories::of_project(conn, project.id)
        .await
        .unwrap()
        .remove(0);
    let mut claimed = Vec::new();
    for _ in 0..2 {
        upload(conn, &project).await;
        claimed.push(
            tasks::claim(conn, &claimer("b"), start(), lease())
                .await
                .unwrap()
                .unwrap(),
        );
    }
    let rpm = |task: i64, sha256: &str| rpm(base.id, task, sha256);
    let (first, second) = (claimed[0].id.0, claimed[1].id.0);
    rpms::insert(conn, first, &[rpm(first, "a")], SameNevra::Refuse)
        .await
        .unwrap();
    let old = rpms::of_tasks(conn, base.id, &[first]).await.unwrap()[0].0;
    publish(conn, &base, &Audience::Everybody, (&[old], &[])).await;
    let refused = rpms::insert(conn, second, &[rpm(second, "b")], SameNevra::Refuse).await;
    assert!(
        matches!(&refused, Err(DbError::Duplicate(names)) if names == "hello-1-1.noarch.rpm"),
        "{refused:?}"
    );
    assert!(
        rpms::of_tasks(conn, base.id, &[second]).await.unwrap().is_empty(),
        "nothing is left of it"
    );
    let twice = [rpm(second, "b"), rpm(second, "c")];
    let refused = rpms::insert(conn, second, &twice, SameNevra::Replace).await;
    assert!(
        matches!(refused, Err(DbError::Duplicate(_))),
        "not even where others are replaced"
    );
    rpms::insert(conn, second, &[rpm(second, "b")], SameNevra::Replace)
        .await
        .unwrap();
    let new = rpms::of_tasks(conn, base.id, &[second]).await.unwrap()[0].0;
    assert_eq!(rpms::twins(conn, &[new]).await.unwrap(), [old]);
    // Only what is asked for is read, of those that the snapshot has.
    let names: &[&str] = &["hello", "other"];
    for (content, names, build, found) in [
        (&[old][..], names, None, &[old][..]),
        (&[old, new], names, None, &[old, new]),
        (&[old, new], &[], Some(claimed[1].build.0), &[new]),
        (&[old], &["other"], Some(claimed[1].build.0), &[]),
    ] {
        let wanted = Wanted { names, build };
        let packages = snapshots::wanted(conn, base.id, content, wanted).await.unwrap();
        let ids: Vec<i64> = packages.iter().map(|p| p.id).collect();
        assert_eq!(ids, found, "{content:?} {wanted:?}");
    }
    rpms::discard(conn, second).await.unwrap();

    let build: BuildId = claimed[0].build;
    db::builds::delete(conn, &[build], "alice", start())
        .await
        .unwrap();
    assert_eq!(rpms::withdrawn(conn, base.id).await.unwrap(), [old]);
    assert_eq!(snapshots::content(conn, base.id, 1).await.unwrap(), [old]);
    assert_eq!(
        rpms::members(conn, &[old]).await.unwrap(),
        [(old, "a".to_owned())]
    );
    let taken = ("hello", 0, "1", "1", "noarch");
    assert!(!rpms::holds(conn, base.id, taken).await.unwrap());
    rpms::insert(conn, second, &[rpm(second, "b")], SameNevra::Refuse)
        .await
        .unwrap();
}

/// Five repositories, of which the third cannot be moved: none is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_pointers_move_together_or_not_at_all() {
    let pool = pool(4).await;
    let conn = &mut *pool.get().await.unwrap();
    let (_, project) = project(conn, "alice", "tools").await;
    let mut all = Vec::new();
    for n in 1..=5 {
        let dir: DirName = format!("tools:custom:{n}").parse().unwrap();
        let repository = repositories::ensure(conn, project.id, &dir, &CHROOT.parse().unwrap())
            .await
            .unwrap();
        let (number, done) = publish(conn, &repository, &Audience::Everybody, (&[], &[])).await;
        assert!(done);
        all.push((repository.id, number));
    }
    let stable: PointerName = "stable".parse().unwrap();
    let wish = |(repository, to): (i64, i64), expected| Wish {
        repository,
        name: &stable,
        to: Some(to),
        expected,
        actor: "alice",
        cause: "test",
        devel_mode: false,
        object: "repository:alice/tools/x",
    };
    let now = start() + TimeDelta::hours(1);
    // In another order than that of the repositories.
    let mut order = all.clone();
    order.reverse();
    let with_third = |third: (i64, i64), expected: Option<i64>| -> Vec<Wish<'_>> {
        let mut list: Vec<Wish<'_>> = order.iter().map(|one| wish(*one, Some(0))).collect();
        list[2] = wish(third, expected);
        list
    };
    let jobs_before = jobs::count(conn).await.unwrap();
    let nothing = async |conn: &mut db::Connection| {
        for (repository, _) in &all {
            assert_eq!(pointers::find(conn, *repository, &stable).await.unwrap(), None);
        }
        assert_eq!(jobs::count(conn).await.unwrap(), jobs_before);
    };
    let third = all[2];
    let moved = pointers::shift_all(conn, &with_third((third.0, 99), None), now)
        .await
        .unwrap();
    assert_eq!(moved, Err((2, Moved::NoSnapshot)));
    nothing(conn).await;
    let moved = pointers::shift_all(conn, &with_third(third, Some(7)), now)
        .await
        .unwrap();
    assert_eq!(moved, Err((2, Moved::IsAt(0))));
    nothing(conn).await;
    // The database fails at the third.
    let fault = format!(
        "CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
         CREATE TRIGGER fault BEFORE INSERT ON pointers FOR EACH ROW WHEN (NEW.repository_id = {})
             EXECUTE FUNCTION fault()",
        third.0
    );
    conn.batch_execute(&fault).await.unwrap();
    assert!(
        pointers::shift_all(conn, &with_third(third, Some(0)), now)
            .await
            .is_err()
    );
    nothing(conn).await;
    // The connection breaks there.
    conn.batch_execute(
        "CREATE OR REPLACE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql
             AS 'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60); RETURN NEW; END'",
    )
    .await
    .unwrap();
    {
        let other = &mut *pool.get().await.unwrap();
        assert!(
            pointers::shift_all(other, &with_third(third, Some(0)), now)
                .await
                .is_err()
        );
    }
    nothing(conn).await;
    conn.batch_execute("DROP TRIGGER fault ON pointers")
        .await
        .unwrap();
    let moved = pointers::shift_all(conn, &with_third(third, Some(0)), now)
        .await
        .unwrap();
    assert_eq!(moved, Ok(vec![0; 5]));
    for (repository, number) in &all {
        assert_eq!(
            pointers::find(conn, *repository, &stable).await.unwrap(),
            Some(*number)
        );
    }
}

/// Two flows from one base and what they have changed since, compared with what all of their snapshots hold.
#[tokio::test]
async fn what_a_line_has_changed_is_the_difference_of_what_its_snapshots_hold() {
    let pool = pool(2).await;
    let conn = &mut pool.get().await.unwrap();
    let base = repository(conn).await;
    let flows = ["a", "b", "c"].map(|name| Audience::Pointer(name.parse().unwrap()));
    let mut parents = vec![(0, 0)];
    for n in 1..=120_i64 {
        let flow = &flows[usize::try_from(n * 7 % 3).unwrap()];
        let parent = flow.base(conn, &base).await.unwrap();
        let have = snapshots::content(conn, base.id, parent).await.unwrap();
        // Some come back later.
        let added: Vec<i64> = [n % 40, n % 11 + 50]
            .into_iter()
            .filter(|id| !have.contains(id))
            .collect();
        let gone = [n % 17, n % 23 + 40];
        let removed: Vec<i64> = gone
            .into_iter()
            .filter(|id| have.contains(id) && !added.contains(id))
            .collect();
        let (number, won) = publish(conn, &base, flow, (&added, &removed)).await;
        assert!(won);
        parents.push((number, parent));
        if n % 30 == 0 {
            // One flow begins anew where another is.
            let name: PointerName = ["b", "c", "a", "b"][usize::try_from(n / 30 - 1).unwrap()]
                .parse()
                .unwrap();
            let moved = wish(&base, &name, Some(number), None);
            pointers::shift(conn, &moved, start()).await.unwrap();
        }
    }
    let parents: std::collections::BTreeMap<i64, i64> = parents.into_iter().collect();
    let line = |mut number: i64| {
        let mut line = vec![number];
        while number > 0 {
            number = parents[&number];
            line.push(number);
        }
        line
    };
    let mut related = 0;
    for (one, other) in (1..=120).flat_map(|n| [(n, 121 - n), (n, n), (n, n / 2), (n, 0), (n % 7, n)]) {
        let theirs = line(other);
        let expected = line(one)
            .into_iter()
            .find(|number| theirs.contains(number))
            .unwrap();
        let common = snapshots::common(conn, base.id, one, other).await.unwrap();
        assert_eq!(common, expected, "of {one} and {other}");
        related += usize::from(common > 0 && common != one && common != other);
        let of = async |conn: &mut db::Connection, number| -> Vec<i64> {
            snapshots::content(conn, base.id, number).await.unwrap()
        };
        let (before, after) = (of(conn, common).await, of(conn, one).await);
        let minus =
            |a: &[i64], b: &[i64]| -> Vec<i64> { a.iter().filter(|id| !b.contains(id)).copied().collect() };
        assert_eq!(
            snapshots::changes(conn, base.id, common, one).await.unwrap(),
            (minus(&after, &before), minus(&before, &after)),
            "from {common} to {one}"
        );
    }
    assert!(related > 20, "{related}");
}
