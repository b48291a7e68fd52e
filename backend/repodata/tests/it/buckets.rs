//! Metadata that follows packages as they come and go.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};

use repodata::{
    Buckets, ChangeError, Changed, Compression, Digest, FilePlan, Fragments, FrameStore, Kind, decompress,
};
use sha2::{Digest as _, Sha256};

use crate::support::Random;

const NONE: [&str; 0] = [];

fn one(number: usize) -> Fragments {
    let text = |kind: Kind| format!("<{} n=\"{number}\">{}</x>", kind.name(), "y".repeat(number % 7));
    Fragments {
        pkgid: hex::encode(Sha256::digest(number.to_string())),
        name: format!("package-{number}"),
        primary: text(Kind::Primary),
        filelists: text(Kind::Filelists),
        other: text(Kind::Other),
    }
}

fn some(numbers: std::ops::Range<usize>) -> Vec<Fragments> {
    numbers.map(one).collect()
}

/// Counts what is read and written, and refuses to write after `left`.
struct Store {
    frames: HashMap<Digest, Vec<u8>>,
    reads: AtomicUsize,
    writes: usize,
    left: usize,
}

impl Store {
    fn new() -> Self {
        Self {
            frames: HashMap::new(),
            reads: AtomicUsize::new(0),
            writes: 0,
            left: usize::MAX,
        }
    }

    fn forget(&mut self) {
        self.reads.store(0, Ordering::Relaxed);
        self.writes = 0;
    }

    /// Frames that were read and written.
    fn touched(&self) -> (usize, usize) {
        (self.reads.load(Ordering::Relaxed), self.writes)
    }
}

impl FrameStore for Store {
    fn put(&mut self, digest: &Digest, compressed: &[u8]) -> io::Result<()> {
        if self.left == 0 {
            return Err(io::Error::other("the disk is full"));
        }
        self.left -= 1;
        self.writes += 1;
        self.frames.put(digest, compressed)
    }

    fn get(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        FrameStore::get(&self.frames, digest)
    }
}

/// The packages of a file in their order, after its checksums and sizes were compared with its bytes.
fn content(store: &Store, compression: Compression, plan: &FilePlan) -> String {
    let mut bytes = Vec::new();
    plan.write(store, &mut bytes).unwrap();
    let open = decompress(compression, &bytes, 1 << 30).unwrap();
    assert_eq!(plan.size, bytes.len() as u64);
    assert_eq!(plan.sha256, hex::encode(Sha256::digest(&bytes)));
    assert_eq!(plan.open_size, open.len() as u64);
    assert_eq!(plan.open_sha256, hex::encode(Sha256::digest(&open)));
    let extension = compression.extension();
    assert_eq!(
        plan.name,
        format!("{}-{}.xml.{extension}", plan.sha256, plan.kind.name())
    );
    String::from_utf8(open).unwrap()
}

fn assert_holds(store: &Store, compression: Compression, buckets: &Buckets, expected: &[Fragments]) {
    assert_eq!(buckets.len(), expected.len());
    assert_eq!(buckets.is_empty(), expected.is_empty());
    let ids: Vec<String> = buckets.packages().map(hex::encode).collect();
    let expected_ids: Vec<&str> = expected.iter().map(|one| one.pkgid.as_str()).collect();
    assert_eq!(ids, expected_ids);
    for plan in buckets.files() {
        let open = content(store, compression, &plan);
        let all: String = expected
            .iter()
            .map(|one| match plan.kind {
                Kind::Primary => one.primary.as_str(),
                Kind::Filelists => &one.filelists,
                Kind::Other => &one.other,
            })
            .collect();
        assert!(open.contains(&all), "{:?}", plan.kind);
        // Nothing but the constant beginning and end is around them.
        let empty = Buckets::new(compression).unwrap().files();
        let around = empty
            .iter()
            .find(|file| file.kind == plan.kind)
            .unwrap()
            .open_size;
        assert_eq!(plan.open_size, around + all.len() as u64);
    }
}

#[test]
fn after_any_history_the_files_hold_what_is_there() {
    for (compression, seed) in [
        (Compression::Zstd, 1),
        (Compression::Gzip, 2),
        (Compression::Zstd, 3),
    ] {
        let mut random = Random(0x6b6f_7065_7200_0000 + seed);
        let mut store = Store::new();
        let mut buckets = Buckets::new(compression).unwrap().bucket_size(4);
        let mut expected: Vec<Fragments> = Vec::new();
        let mut next = 0;
        for _ in 0..120 {
            let mut removed = Vec::new();
            for _ in 0..random.below(4) {
                if !expected.is_empty() {
                    removed.push(expected.remove(random.below(expected.len())).pkgid);
                }
            }
            let added = some(next..next + random.below(5));
            next += added.len();
            expected.extend(added.iter().cloned());
            let changed = buckets.change(&mut store, &removed, &added).unwrap();
            assert_eq!(changed.removed, removed.len());
            assert_holds(&store, compression, &buckets, &expected);
        }
        let all: Vec<String> = expected.iter().map(|one| one.pkgid.clone()).collect();
        buckets.change(&mut store, &all, &[]).unwrap();
        assert_holds(&store, compression, &buckets, &[]);
    }
}

#[test]
fn an_addition_touches_the_last_bucket_only() {
    let mut store = Store::new();
    let mut buckets = Buckets::new(Compression::Zstd).unwrap().bucket_size(8);
    buckets.change(&mut store, &NONE, &some(0..84)).unwrap();
    store.forget();
    let changed = buckets.change(&mut store, &NONE, &[one(84)]).unwrap();
    let expected = Changed {
        removed: 0,
        compressed: 1,
        hashed: 0,
    };
    assert_eq!(changed, expected);
    assert_eq!(store.touched(), (3, 3));
    assert_holds(&store, Compression::Zstd, &buckets, &some(0..85));
    // A full bucket is not even read.
    buckets.change(&mut store, &NONE, &some(85..88)).unwrap();
    store.forget();
    buckets.change(&mut store, &NONE, &[one(88)]).unwrap();
    assert_eq!(store.touched(), (0, 3));
}

#[test]
fn a_removal_compresses_its_bucket_and_hashes_what_lies_behind() {
    let mut store = Store::new();
    let mut buckets = Buckets::new(Compression::Zstd).unwrap().bucket_size(8);
    buckets.change(&mut store, &NONE, &some(0..80)).unwrap();
    let changed = buckets.change(&mut store, &[one(58).pkgid], &[]).unwrap();
    let expected = Changed {
        removed: 1,
        compressed: 1,
        hashed: 2,
    };
    assert_eq!(changed, expected);
    // What is not there is gone already.
    let changed = buckets.change(&mut store, &[one(58).pkgid], &[]).unwrap();
    assert_eq!(changed, Changed::default());
}

/// Of many buckets behind a change each is read once, and the files are those that are made anew of what is left.
#[test]
fn a_removal_before_many_buckets_gives_what_a_whole_rebuild_gives() {
    for compression in [Compression::Zstd, Compression::Gzip] {
        let mut store = Store::new();
        let mut buckets = Buckets::new(compression).unwrap().bucket_size(4);
        let mut expected = some(0..400);
        buckets.change(&mut store, &NONE, &expected).unwrap();
        for (gone, hashed) in [(5, 98), (201, 49), (399, 0)] {
            store.forget();
            let removed = one(gone).pkgid;
            let changed = buckets.change(&mut store, &[removed.as_str()], &[]).unwrap();
            let what = Changed {
                removed: 1,
                compressed: 1,
                hashed,
            };
            assert_eq!(changed, what, "{gone}");
            assert_eq!(store.touched(), (3 * (hashed + 1), 3), "{gone}");
            expected.retain(|one| one.pkgid != removed);
            assert_holds(&store, compression, &buckets, &expected);
        }
        let mut anew = Buckets::new(compression).unwrap().bucket_size(4);
        anew.change(&mut Store::new(), &NONE, &expected).unwrap();
        for (carried, whole) in buckets.files().iter().zip(anew.files()) {
            assert_eq!(
                (&carried.open_sha256, carried.open_size),
                (&whole.open_sha256, whole.open_size)
            );
        }
        // A lost frame of a bucket that lies far behind is told.
        let [_, filelists, _] = buckets.files();
        store.frames.remove(&filelists.frames[60]).unwrap();
        let failed = buckets.change(&mut store, &[one(7).pkgid], &[]);
        assert!(matches!(failed, Err(ChangeError::Frame(_))), "{failed:?}");
    }
}

#[test]
fn buckets_that_become_small_are_joined() {
    let mut store = Store::new();
    let mut buckets = Buckets::new(Compression::Zstd).unwrap().bucket_size(8);
    buckets.change(&mut store, &NONE, &some(0..800)).unwrap();
    // Of each bucket one package stays.
    let (mut stay, mut go) = (Vec::new(), Vec::new());
    for one in some(0..800) {
        if stay.len() * 8 == stay.len() + go.len() {
            stay.push(one);
        } else {
            go.push(one.pkgid);
        }
    }
    buckets.change(&mut store, &go, &[]).unwrap();
    assert_holds(&store, Compression::Zstd, &buckets, &stay);
    let [primary, ..] = buckets.files();
    assert!(primary.frames.len() <= 25, "{} buckets", primary.frames.len());
}

#[test]
fn a_clone_is_a_snapshot() {
    let mut store = Store::new();
    let mut buckets = Buckets::new(Compression::Zstd).unwrap().bucket_size(3);
    buckets.change(&mut store, &NONE, &some(0..10)).unwrap();
    let before = buckets.clone();
    buckets
        .change(&mut store, &[one(1).pkgid], &some(10..12))
        .unwrap();
    assert_holds(&store, Compression::Zstd, &before, &some(0..10));
}

#[test]
fn what_fails_changes_nothing() {
    let mut store = Store::new();
    let mut buckets = Buckets::new(Compression::Zstd).unwrap().bucket_size(3);
    buckets.change(&mut store, &NONE, &some(0..10)).unwrap();
    for left in 0..8 {
        store.left = left;
        let failed = buckets.change(&mut store, &[one(4).pkgid], &some(10..16));
        assert!(matches!(failed, Err(ChangeError::Frame(_))), "{left}: {failed:?}");
        assert_holds(&store, Compression::Zstd, &buckets, &some(0..10));
    }
    store.left = usize::MAX;
    for twice in [vec![one(10), one(10)], vec![one(3)]] {
        let failed = buckets.change(&mut store, &NONE, &twice);
        assert!(matches!(failed, Err(ChangeError::Duplicate { .. })), "{failed:?}");
    }
    let failed = buckets.change(&mut store, &["abc"], &[]);
    assert!(matches!(failed, Err(ChangeError::NoDigest(_))), "{failed:?}");
    assert_holds(&store, Compression::Zstd, &buckets, &some(0..10));
    // A package may come again in the change that takes it away.
    buckets.change(&mut store, &[one(3).pkgid], &[one(3)]).unwrap();
    assert_eq!(buckets.len(), 10);
}

#[test]
fn a_lost_or_damaged_frame_is_an_error() {
    let mut store = Store::new();
    let mut buckets = Buckets::new(Compression::Zstd).unwrap().bucket_size(8);
    buckets.change(&mut store, &NONE, &some(0..5)).unwrap();
    let frames = store.frames.clone();
    let [primary, ..] = buckets.files();
    store.frames.remove(&primary.frames[0]);
    let failed = buckets.change(&mut store, &NONE, &[one(5)]);
    assert!(matches!(failed, Err(ChangeError::Frame(_))), "{failed:?}");
    assert!(primary.write(&store, &mut io::sink()).is_err());
    store.frames = frames;
    let short = store.frames.get_mut(&primary.frames[0]).unwrap();
    *short = zstd::bulk::compress(b"short", 1).unwrap();
    let failed = buckets.change(&mut store, &NONE, &[one(5)]);
    assert!(matches!(failed, Err(ChangeError::Frame(_))), "{failed:?}");
}
