//! Which snapshots stay: the decision alone, without a database.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::projects::ProjectSettings;

/// How much of a repository's past is kept. What a pointer names is kept in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// So many of the newest snapshots are kept.
    pub snapshots: u32,
    /// Those that a pointer named within so many days are kept.
    pub days: u32,
    /// Those that have an address by a commit are kept for so many days.
    pub commit_days: u32,
    /// Time between the decision that something goes and its end; at least [`Policy::LEAST_GRACE`] counts.
    pub grace: TimeDelta,
    /// Most that a project may set for [`Policy::snapshots`], but for administrators.
    pub most_snapshots: u32,
    /// The same for [`Policy::days`].
    pub most_days: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            snapshots: 20,
            days: 14,
            commit_days: 30,
            grace: TimeDelta::hours(24),
            most_snapshots: 1_000,
            most_days: 3_650,
        }
    }
}

/// A snapshot whose files are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Its number.
    pub number: i64,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When a pointer last went away from it.
    pub left_at: Option<DateTime<Utc>>,
    /// When its files go, if that is decided.
    pub purge_at: Option<DateTime<Utc>>,
    /// Why it was made.
    pub cause: String,
    /// Whether it has an address by the commit of a build.
    pub of_commit: bool,
}

/// What uses snapshots at the moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Uses {
    /// Numbers that pointers and requests name.
    pub named: BTreeSet<i64>,
    /// Since when the oldest build runs: it may still read what a pointer named then.
    pub oldest_build: Option<DateTime<Utc>>,
}

/// What becomes of snapshots: those that nothing protects, and since when each is waiting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Marked, and nothing protects them now, and their time has come.
    pub due: Vec<i64>,
    /// Marked, and nothing protects them now, and clients may still be in the middle of one.
    pub waiting: Vec<i64>,
    /// Not marked yet.
    pub mark: Vec<i64>,
    /// Marked, but something protects them again.
    pub spare: Vec<i64>,
    /// Not marked, and kept.
    pub keep: Vec<i64>,
}

impl Policy {
    /// No client takes longer to fetch a repository, and no publication to make one.
    pub const LEAST_GRACE: TimeDelta = TimeDelta::hours(1);

    /// The rule of a project: what it sets itself, and else the service's.
    pub fn of(&self, settings: &ProjectSettings) -> Self {
        let own = |number: Option<i32>| number.and_then(|number| u32::try_from(number).ok());
        Self {
            snapshots: own(settings.keep_snapshots).unwrap_or(self.snapshots),
            days: own(settings.keep_days).unwrap_or(self.days),
            ..*self
        }
    }

    /// When that goes which is given up now.
    pub fn end_of_grace(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let grace = self.grace.max(Self::LEAST_GRACE);
        now.checked_add_signed(grace).unwrap_or(DateTime::<Utc>::MAX_UTC)
    }

    /// What was given up before this may go.
    pub fn start_of_grace(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let grace = self.grace.max(Self::LEAST_GRACE);
        earlier(now, grace)
    }

    /// Since when what a pointer named is kept.
    pub fn kept_since(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let days = TimeDelta::days(i64::from(self.days));
        earlier(now, days)
    }

    /// Since when what a commit names is kept.
    fn commits_since(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        earlier(now, TimeDelta::days(i64::from(self.commit_days)))
    }

    /// What somebody asked of snapshots before this, and that is done, is forgotten.
    pub fn forgotten_before(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.kept_since(now).min(self.start_of_grace(now))
    }

    /// Decides about all snapshots of a repository whose files are there, in any order.
    pub fn judge(&self, snapshots: &[Facts], uses: &Uses, now: DateTime<Utc>) -> Verdict {
        let kept_since = self.kept_since(now);
        let kept_since = uses
            .oldest_build
            .map_or(kept_since, |build| kept_since.min(build));
        let commits_since = self.commits_since(now);
        let mut newest_first: Vec<&Facts> = snapshots.iter().collect();
        newest_first.sort_by_key(|snapshot| std::cmp::Reverse(snapshot.number));
        let mut verdict = Verdict::default();
        for (newer, snapshot) in newest_first.into_iter().enumerate() {
            let last_used = snapshot
                .left_at
                .map_or(snapshot.created_at, |left| left.max(snapshot.created_at));
            let kept = newer < self.snapshots as usize
                || uses.named.contains(&snapshot.number)
                || last_used >= kept_since
                || (snapshot.of_commit && snapshot.created_at >= commits_since);
            let list = match (kept, snapshot.purge_at) {
                (true, None) => &mut verdict.keep,
                (true, Some(_)) => &mut verdict.spare,
                (false, None) => &mut verdict.mark,
                (false, Some(at)) if at <= now => &mut verdict.due,
                (false, Some(_)) => &mut verdict.waiting,
            };
            list.push(snapshot.number);
        }
        verdict
    }
}

/// Nothing is older than 1970, and databases cannot write down what chrono can.
fn earlier(now: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    let then = now.checked_sub_signed(by).unwrap_or(DateTime::UNIX_EPOCH);
    then.max(DateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(1_000 * DAY + seconds)
    }

    /// Made once a day, each replaced by the next, the newest today.
    fn daily(count: i64) -> Vec<Facts> {
        let one = |number| Facts {
            number,
            created_at: at((number - count) * DAY),
            left_at: (number < count).then(|| at((number + 1 - count) * DAY)),
            purge_at: None,
            cause: String::new(),
            of_commit: false,
        };
        (1..=count).map(one).collect()
    }

    fn policy(snapshots: u32, days: u32) -> Policy {
        Policy {
            snapshots,
            days,
            ..Policy::default()
        }
    }

    fn named(numbers: &[i64]) -> Uses {
        Uses {
            named: numbers.iter().copied().collect(),
            oldest_build: None,
        }
    }

    #[test]
    fn count_age_and_pointers_keep() {
        let all = daily(30);
        let now = at(0);
        for (policy, uses, marked) in [
            (policy(20, 14), named(&[30]), (1..=10).rev().collect::<Vec<i64>>()),
            // Snapshot 16 was the latest until 13 days ago, 15 until 14 days ago.
            (policy(1, 14), named(&[30]), (1..=14).rev().collect()),
            (
                policy(1, 0),
                named(&[30, 7]),
                (1..=28).rev().filter(|n| *n != 7).collect(),
            ),
            (
                policy(0, 0),
                named(&[30, 3]),
                (1..=28).rev().filter(|n| *n != 3).collect(),
            ),
            (policy(30, 0), named(&[]), Vec::new()),
            (policy(0, u32::MAX), named(&[]), Vec::new()),
            (
                policy(1, 1),
                Uses {
                    oldest_build: Some(at(-5 * DAY - 1)),
                    ..named(&[30])
                },
                (1..=23).rev().collect(),
            ),
        ] {
            let verdict = policy.judge(&all, &uses, now);
            assert_eq!(verdict.mark, marked, "{policy:?}");
            assert!(verdict.due.is_empty() && verdict.waiting.is_empty() && verdict.spare.is_empty());
            assert_eq!(verdict.mark.len() + verdict.keep.len(), all.len());
        }
    }

    #[test]
    fn what_is_marked_waits_and_is_judged_again() {
        let mut all = daily(5);
        for (snapshot, purge_at) in all.iter_mut().zip([-1, 0, 1, -1]) {
            snapshot.purge_at = Some(at(purge_at));
        }
        let verdict = policy(1, 0).judge(&all, &named(&[5, 1]), at(0));
        assert_eq!(
            (verdict.spare, verdict.due, verdict.waiting),
            (vec![4, 1], vec![2], vec![3])
        );
        assert_eq!((verdict.keep, verdict.mark), (vec![5], Vec::new()));
    }

    /// Whatever is there: what a pointer names, the newest and the young are never given up, and each is judged once.
    #[test]
    fn nothing_that_is_protected_ever_goes() {
        let mut state = 7_u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        for _ in 0..2_000 {
            let count = next(40) as i64;
            let mut all = daily(count);
            for snapshot in &mut all {
                if next(3) == 0 {
                    snapshot.purge_at = Some(at(next(200) as i64 - 100));
                }
                snapshot.of_commit = next(5) == 0;
                if next(4) == 0 {
                    snapshot.left_at = Some(at(-(next(50) as i64) * DAY));
                }
            }
            let policy = Policy {
                commit_days: next(25) as u32,
                ..policy(next(10) as u32, next(20) as u32)
            };
            let uses = Uses {
                named: (0..next(4)).map(|_| next(40) as i64).collect(),
                oldest_build: (next(2) == 0).then(|| at(-(next(30) as i64) * DAY)),
            };
            let verdict = policy.judge(&all, &uses, at(0));
            let gone: Vec<i64> = [&verdict.due, &verdict.waiting, &verdict.mark]
                .into_iter()
                .flatten()
                .copied()
                .collect();
            for number in &gone {
                let facts = all.iter().find(|s| s.number == *number).unwrap();
                let used = facts.left_at.unwrap_or(facts.created_at).max(facts.created_at);
                assert!(!uses.named.contains(number));
                assert!(count - number >= i64::from(policy.snapshots));
                assert!(used < at(-i64::from(policy.days) * DAY));
                assert!(uses.oldest_build.is_none_or(|build| used < build));
                let young = facts.created_at >= at(-i64::from(policy.commit_days) * DAY);
                assert!(!(facts.of_commit && young));
            }
            let judged = gone.len() + verdict.spare.len() + verdict.keep.len();
            assert_eq!(judged, all.len());
        }
    }

    #[test]
    fn grace_has_a_least() {
        let none = Policy {
            grace: TimeDelta::zero(),
            ..Policy::default()
        };
        assert_eq!(none.end_of_grace(at(0)), at(3_600));
        assert_eq!(none.start_of_grace(at(0)), at(-3_600));
        assert_eq!(Policy::default().end_of_grace(at(0)), at(DAY));
    }
}
