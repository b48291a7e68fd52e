//! Many packages at once, on several threads.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use repodata::{Buckets, ChangeError, Compression, Digest, Fragments, Kind, generate};
use sha2::{Digest as _, Sha256};

use crate::support::run;

type Frames = HashMap<Digest, Vec<u8>>;

const NONE: [&str; 0] = [];

fn one(number: usize) -> Fragments {
    let text = |kind: Kind| format!("<{} n=\"{number}\"/>\n", kind.name());
    Fragments {
        pkgid: hex::encode(Sha256::digest(number.to_string())),
        name: format!("package-{number}"),
        primary: text(Kind::Primary),
        filelists: text(Kind::Filelists),
        other: text(Kind::Other),
    }
}

fn empty() -> Buckets {
    Buckets::new(Compression::Zstd).unwrap().bucket_size(8)
}

fn threads(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).unwrap()
}

#[test]
fn it_is_what_one_after_the_other_would_be() {
    for packages in [0, 1, 8, 100, 500] {
        let (mut buckets, mut frames) = (empty(), Frames::new());
        let all: Vec<Fragments> = (0..packages).map(one).collect();
        buckets.change(&mut frames, &NONE, &all).unwrap();
        for count in [1, 2, 7] {
            let (mut generated, mut store, mut kept) = (empty(), Frames::new(), Vec::new());
            let describe = |number| Ok::<_, ChangeError>((one(number), number));
            generate(
                &mut generated,
                &mut store,
                threads(count),
                0..packages,
                describe,
                |number| kept.push(number),
            )
            .unwrap();
            assert_eq!(generated.files(), buckets.files(), "{packages} {count}");
            assert_eq!(store, frames);
            assert!(kept.into_iter().eq(0..packages), "in order");
        }
    }
}

#[derive(Debug)]
enum Error {
    Change(ChangeError),
    Number(usize),
}

impl From<ChangeError> for Error {
    fn from(error: ChangeError) -> Error {
        Error::Change(error)
    }
}

#[test]
fn the_first_mistake_is_told() {
    let (mut buckets, mut store) = (empty(), Frames::new());
    let describe = |number: usize| match number {
        300 | 77 | 79 => Err(Error::Number(number)),
        _ => Ok((one(number), ())),
    };
    let error = generate(&mut buckets, &mut store, threads(4), 0..500, describe, drop).unwrap_err();
    assert!(matches!(error, Error::Number(77)), "{error:?}");
    assert_eq!(buckets.len(), 72, "the buckets before it");

    let (mut buckets, mut store) = (empty(), Frames::new());
    let describe = |number: usize| Ok::<_, Error>((one(number % 40), ()));
    let error = generate(&mut buckets, &mut store, threads(2), 0..100, describe, drop).unwrap_err();
    assert!(
        matches!(&error, Error::Change(ChangeError::Duplicate { name, .. }) if name == "package-0"),
        "{error:?}"
    );
}

#[test]
fn what_is_there_already_counts() {
    let (mut buckets, mut store) = (empty(), Frames::new());
    buckets.change(&mut store, &NONE, &[one(1)]).unwrap();
    let describe = |number: usize| Ok::<_, ChangeError>((one(number), ()));
    let error = generate(&mut buckets, &mut store, threads(2), 0..3, describe, drop).unwrap_err();
    assert!(matches!(error, ChangeError::Duplicate { .. }), "{error:?}");
    generate(&mut buckets, &mut store, threads(2), 2..30, describe, drop).unwrap();
    assert_eq!(buckets.len(), 29);
    // And it goes on as it would have.
    buckets.change(&mut store, &[one(5).pkgid], &[one(99)]).unwrap();
    assert_eq!(buckets.len(), 29);
}

#[test]
fn nobody_runs_ahead() {
    let (described, kept) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let furthest = AtomicUsize::new(0);
    let describe = |number: usize| {
        let ahead = described.fetch_add(1, Ordering::SeqCst) + 1 - kept.load(Ordering::SeqCst);
        furthest.fetch_max(ahead, Ordering::SeqCst);
        Ok::<_, ChangeError>((one(number), ()))
    };
    let mut buckets = empty();
    generate(
        &mut buckets,
        &mut Frames::new(),
        threads(2),
        0..2000,
        describe,
        |()| {
            kept.fetch_add(1, Ordering::SeqCst);
        },
    )
    .unwrap();
    // Two threads, and one bucket more, and the one that is being kept.
    assert!(furthest.load(Ordering::SeqCst) <= 4 * 8, "{furthest:?}");
    assert_eq!(buckets.len(), 2000);
}

#[test]
#[should_panic(expected = "a scoped thread panicked")]
fn a_panic_is_no_deadlock() {
    let describe = |number: usize| {
        assert!(number != 30, "as asked");
        Ok::<_, ChangeError>((one(number), ()))
    };
    let _ = generate(
        &mut empty(),
        &mut Frames::new(),
        threads(2),
        0..1000,
        describe,
        drop,
    );
}

/// The limit for 100 000 packages is 64 MB; what grows with their number is small, so that 3 000 tell.
#[test]
fn memory_stays_small() {
    let said = run(Command::new(env!("CARGO_BIN_EXE_repodata")).args(["bench", "--packages=3000"]));
    let line = said
        .lines()
        .find(|line| line.contains("repodata create"))
        .unwrap();
    let (_, peak) = line.split_once("\"peak_kib\": ").unwrap();
    let peak: u64 = peak.split(',').next().unwrap().parse().unwrap();
    let cores = std::thread::available_parallelism().unwrap().get() as u64;
    assert!(peak < 24_000 + 12_000 * cores, "{said}");
    let bytes = |line: &str| -> u64 {
        let (_, bytes) = line.split_once("\"bytes\": ").unwrap();
        bytes
            .trim_end_matches('}')
            .split(',')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    };
    let whole = said.lines().find(|line| line.contains("one frame")).unwrap();
    assert!(bytes(line) * 10 < bytes(whole) * 11, "{said}");
}
