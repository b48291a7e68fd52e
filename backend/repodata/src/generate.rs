//! The metadata of many packages at once, on several processors.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::buckets::{Buckets, ChangeError, Packed, Packing};
use crate::file_plan::{Digest, FrameStore};
use crate::frames::Compressor;
use crate::repository::Fragments;

/// Packages that are still to be described, and how far that is.
struct Queue<I> {
    packages: I,
    /// Buckets that somebody works at or has done.
    taken: usize,
    /// Buckets that are in their places.
    placed: usize,
    /// Nobody needs more.
    stopped: bool,
}

struct Shared<I> {
    queue: Mutex<Queue<I>>,
    moved: Condvar,
}

impl<I> Shared<I> {
    fn lock(&self) -> MutexGuard<'_, Queue<I>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Queue<I>)) {
        change(&mut self.lock());
        self.moved.notify_all();
    }
}

/// Lets the others end when one of them cannot go on.
struct StopOnPanic<'a, I>(&'a Shared<I>);

impl<I> Drop for StopOnPanic<'_, I> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.change(|queue| queue.stopped = true);
        }
    }
}

/// A bucket, its packages' names, and what else came of them.
type Made<X> = (Packed, Vec<(String, X)>);

/// Adds packages to `buckets`, in their order. `describe` is called on `threads` threads; what it returns beside the
/// fragments goes to `keep`, in the packages' order too. No more than the XML of one bucket more than there are threads
/// is in memory.
///
/// # Errors
/// The first that occurs, in the order of the packages; then the buckets hold the packages before it.
pub fn generate<T, X, E>(
    buckets: &mut Buckets,
    store: &mut impl FrameStore,
    threads: NonZeroUsize,
    packages: impl Iterator<Item = T> + Send,
    describe: impl Fn(T) -> Result<(Fragments, X), E> + Sync,
    mut keep: impl FnMut(X),
) -> Result<(), E>
where
    T: Send,
    X: Send,
    E: From<ChangeError> + Send,
{
    let shared = Shared {
        queue: Mutex::new(Queue {
            packages,
            taken: 0,
            placed: 0,
            stopped: false,
        }),
        moved: Condvar::new(),
    };
    let (compression, level, size) = buckets.packing();
    let make = |compressor: &mut Compressor, batch: Vec<T>| {
        let (mut packing, mut rest) = (Packing::default(), Vec::with_capacity(batch.len()));
        for one in batch {
            let (fragments, more) = describe(one)?;
            packing.add(&fragments).map_err(ChangeError::from)?;
            rest.push((fragments.name, more));
        }
        let packed = packing.pack(compressor).map_err(ChangeError::from)?;
        Ok((packed, rest))
    };
    let compressors = (0..threads.get()).map(|_| Compressor::new(compression, level));
    let compressors: Vec<Compressor> = compressors.collect::<Result<_, _>>().map_err(ChangeError::from)?;
    let mut seen: HashSet<Digest> = buckets.packages().copied().collect();
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        for mut compressor in compressors {
            let (sender, make, shared) = (sender.clone(), &make, &shared);
            let make = move |batch| make(&mut compressor, batch);
            scope.spawn(move || work(shared, size, threads.get() + 1, make, sender));
        }
        drop(sender);
        let result = place_all(&shared, &receiver, |(packed, rest)| {
            for (digest, (name, _)) in packed.packages().zip(&rest) {
                if !seen.insert(*digest) {
                    let (name, pkgid) = (name.clone(), hex::encode(digest));
                    return Err(ChangeError::Duplicate { name, pkgid }.into());
                }
            }
            buckets.push(store, packed).map_err(ChangeError::from)?;
            rest.into_iter().for_each(|(_, more)| keep(more));
            Ok(())
        });
        shared.change(|queue| queue.stopped = true);
        result
    })
}

/// Makes buckets until there are no packages left, never further ahead of what has its place than `ahead` buckets.
fn work<T, M, I: Iterator<Item = T>>(
    shared: &Shared<I>,
    size: usize,
    ahead: usize,
    mut make: impl FnMut(Vec<T>) -> M,
    done: Sender<(usize, M)>,
) {
    let _guard = StopOnPanic(shared);
    loop {
        let (number, batch) = {
            let too_far = |queue: &mut Queue<I>| !queue.stopped && queue.taken >= queue.placed + ahead;
            let waited = shared.moved.wait_while(shared.lock(), too_far);
            let mut queue = waited.unwrap_or_else(PoisonError::into_inner);
            if queue.stopped {
                return;
            }
            let batch: Vec<T> = queue.packages.by_ref().take(size).collect();
            if batch.is_empty() {
                return;
            }
            queue.taken += 1;
            (queue.taken - 1, batch)
        };
        if done.send((number, make(batch))).is_err() {
            return;
        }
    }
}

/// Hands buckets to `place` in their order.
fn place_all<I, X, E>(
    shared: &Shared<I>,
    done: &Receiver<(usize, Result<Made<X>, E>)>,
    mut place: impl FnMut(Made<X>) -> Result<(), E>,
) -> Result<(), E> {
    let (mut waiting, mut next) = (BTreeMap::new(), 0);
    while let Ok((number, made)) = done.recv() {
        waiting.insert(number, made);
        while let Some(made) = waiting.remove(&next) {
            place(made?)?;
            next += 1;
            shared.change(|queue| queue.placed += 1);
        }
    }
    Ok(())
}
