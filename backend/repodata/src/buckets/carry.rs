//! The checksums of whole files, which go through everything that lies behind a change.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use super::Buckets;
use super::state::{Bucket, State};
use crate::file_plan::FrameStore;

/// Buckets for which threads are worth their making.
const MANY: usize = 8;
/// Frames that are read ahead of the checksum.
const AHEAD: usize = 4;

impl Buckets {
    /// Puts buckets behind others of which some changed, and says how many. Nothing of them is compressed, but `repomd.xml` has
    /// checksums of whole files, compressed and not, so all of them are read. The checksum of a file is one chain, so the
    /// three files go beside each other, and each is read and unpacked ahead of its checksum.
    pub(super) fn carry(
        &self,
        store: &(impl FrameStore + Sync),
        list: &mut Vec<Bucket>,
        behind: Vec<Bucket>,
    ) -> io::Result<usize> {
        let before = list.last().map(|bucket| &bucket.pieces);
        let state = |n: usize| {
            before
                .map_or(&self.ends[n].state, |pieces| &pieces[n].state)
                .clone()
        };
        let [primary, filelists, other] = if behind.len() < MANY {
            [0, 1, 2].map(|n| self.states(store, n, state(n), &behind))
        } else {
            self.states_beside(store, [0, 1, 2].map(state), &behind)
        };
        let states = primary?.into_iter().zip(filelists?).zip(other?);
        let count = behind.len();
        for (bucket, ((primary, filelists), other)) in behind.into_iter().zip(states) {
            let mut pieces = (*bucket.pieces).clone();
            for (piece, state) in pieces.iter_mut().zip([primary, filelists, other]) {
                piece.state = state;
            }
            list.push(Bucket {
                members: bucket.members,
                pieces: Arc::new(pieces),
            });
        }
        Ok(count)
    }

    /// The states of a file after each of some buckets.
    fn states(
        &self,
        store: &impl FrameStore,
        n: usize,
        mut state: State,
        behind: &[Bucket],
    ) -> io::Result<Vec<State>> {
        let after = behind.iter().map(|bucket| {
            let (compressed, open) = self.load(store, &bucket.pieces[n])?;
            state.push(&compressed, &open);
            Ok(state.clone())
        });
        after.collect()
    }

    /// The same of all files, with threads.
    fn states_beside(
        &self,
        store: &(impl FrameStore + Sync),
        states: [State; 3],
        behind: &[Bucket],
    ) -> [io::Result<Vec<State>>; 3] {
        let one = |n: usize, mut state: State| {
            std::thread::scope(|threads| {
                let (send, frames) = sync_channel(AHEAD);
                threads.spawn(move || {
                    for bucket in behind {
                        let loaded = self.load(store, &bucket.pieces[n]);
                        let failed = loaded.is_err();
                        // Nobody listens any more after a failure.
                        if send.send(loaded).is_err() || failed {
                            return;
                        }
                    }
                });
                let after = frames.into_iter().map(|loaded| {
                    let (compressed, open) = loaded?;
                    state.push(&compressed, &open);
                    Ok(state.clone())
                });
                after.collect()
            })
        };
        let one = &one;
        std::thread::scope(|threads| {
            let mut numbers = 0..;
            let running = states.map(|state| {
                let n = numbers.next().unwrap_or_default();
                threads.spawn(move || one(n, state))
            });
            running.map(|thread| {
                let failed = |_| Err(io::Error::other("a thread of the checksums failed"));
                thread.join().unwrap_or_else(failed)
            })
        })
    }
}
