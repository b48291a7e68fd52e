//! What owners may use: shown, set, and held to.

use db::quotas::{self, DAYS, Files, Limits, Usage};
use protocol::OwnerName;

use crate::access::Actor;
use crate::app::App;
use crate::error::Error;

/// What an owner uses, and the limits that hold for them, with neither overrides nor negative numbers left.
#[derive(Debug, Clone, Copy)]
pub struct Quota {
    /// Limits; `None` is none.
    pub limits: Limits,
    /// Use.
    pub usage: Usage,
    /// What is stored of that, the same content once.
    pub files: Files,
}

fn effective(own: &Limits, service: &Limits) -> Limits {
    fn one<T: PartialOrd + From<i8>>(own: Option<T>, service: Option<T>) -> Option<T> {
        own.or(service).filter(|limit| *limit >= T::from(0))
    }
    Limits {
        concurrent_builds: one(own.concurrent_builds, service.concurrent_builds),
        queued_builds: one(own.queued_builds, service.queued_builds),
        cpu_seconds: one(own.cpu_seconds, service.cpu_seconds),
        stored_bytes: one(own.stored_bytes, service.stored_bytes),
        served_bytes: one(own.served_bytes, service.served_bytes),
    }
}

/// What an owner uses and may use.
///
/// # Errors
/// 403 for anybody but the owner, members of the group, and administrators.
pub async fn show(app: &App, actor: &Actor, owner: &OwnerName) -> Result<Quota, Error> {
    actor.may_see_quota(owner)?;
    let mut conn = app.conn().await?;
    let own = quotas::limits(&mut conn, owner).await?;
    Ok(Quota {
        limits: effective(&own, &app.config.quota.limits()),
        usage: quotas::usage(&mut conn, owner, true).await?,
        files: quotas::files(&mut conn, owner).await?,
    })
}

/// Gives an owner limits of their own, in place of those they had.
///
/// # Errors
/// 403 for anybody but administrators.
pub async fn set(app: &App, actor: &Actor, owner: &OwnerName, limits: &Limits) -> Result<(), Error> {
    let by = actor.may_set_quotas()?;
    let now = app.now();
    quotas::set_limits(&mut *app.conn().await?, owner, limits, by.name.as_str(), now).await?;
    Ok(())
}

/// Refuses so many new builds where the holder of their project has used up what they may use. How many parts run at the
/// same time is no reason: they wait for each other. With none, as a fork has, a full queue is no reason either.
///
/// # Errors
/// [`Error::TooMany`] with the numbers.
pub async fn check(app: &App, holder: &OwnerName, builds: usize) -> Result<(), Error> {
    let mut conn = app.conn().await?;
    let limits = effective(
        &quotas::limits(&mut conn, holder).await?,
        &app.config.quota.limits(),
    );
    let Limits {
        queued_builds,
        cpu_seconds,
        stored_bytes,
        served_bytes,
        ..
    } = limits;
    if [
        queued_builds.map(i64::from),
        cpu_seconds,
        stored_bytes,
        served_bytes,
    ] == [None; 4]
    {
        return Ok(());
    }
    let used = quotas::usage(&mut conn, holder, stored_bytes.is_some()).await?;
    let reached = |used: i64, limit: Option<i64>| limit.filter(|limit| used >= *limit);
    let refuse = |used: i64, limit: i64, what: &str, advice: &str| {
        Err(Error::TooMany(format!(
            "The quota of {holder} is used up: {used} of {limit} {what}. {advice} Administrators of this service can give more; GET /api_3/quota/{holder} shows all numbers."
        )))
    };
    let days = format!("in the last {DAYS} days");
    // The one that reaches the limit is still taken.
    let queued = used.queued_builds + i64::try_from(builds).unwrap_or(i64::MAX) - 1;
    let queue = queued_builds.map(i64::from).filter(|_| builds > 0);
    if let Some(limit) = reached(queued, queue) {
        return refuse(
            used.queued_builds,
            limit,
            "builds wait already",
            "Wait until some of them have started, or cancel some.",
        );
    }
    if let Some(limit) = reached(used.cpu_seconds, cpu_seconds) {
        let what = format!("CPU-seconds {days}");
        return refuse(used.cpu_seconds, limit, &what, "It gets less day by day.");
    }
    let stored = used.stored_bytes.unwrap_or_default();
    if let Some(limit) = reached(stored, stored_bytes) {
        return refuse(
            stored,
            limit,
            "bytes of packages are stored",
            "Delete builds or projects that nobody needs.",
        );
    }
    if let Some(limit) = reached(used.served_bytes, served_bytes) {
        let what = format!("bytes were downloaded {days}");
        return refuse(used.served_bytes, limit, &what, "It gets less day by day.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owners_limit_replaces_the_services_and_below_zero_is_none() {
        let service = Limits {
            queued_builds: Some(5),
            cpu_seconds: Some(100),
            stored_bytes: Some(7),
            ..Limits::default()
        };
        let own = Limits {
            queued_builds: Some(0),
            cpu_seconds: Some(-1),
            ..Limits::default()
        };
        let got = effective(&own, &service);
        assert_eq!(got.queued_builds, Some(0));
        assert_eq!(got.cpu_seconds, None);
        assert_eq!(got.stored_bytes, Some(7));
        assert_eq!(got.served_bytes, None);
    }
}
